"""The asker that plays optimally against the scripted user (the ceiling of open notes, in the flesh)."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clarify_env.agent import Agent, Observation
from clarify_env.agents.belief import canonical, notes_of
from clarify_env.costs import Costs
from clarify_env.game import Turn
from clarify_env.moves import Ask, Move, Reply
from clarify_env.optimum import Solver, solver
from clarify_env.task import Interpretation
from clarify_env.text import Grade, grade_text
from clarify_env.usermodel import UserModel


class OptimalAsker(Agent):
    """Plays what `clarify_env.optimum` computes, from its notes and the replies alone.

    Args:
        user: how the scripted user behaves that it plays with.
        max_turns: messages that the game allows the asker, >= 1.
        grade: the game's.
    """

    def __init__(
        self,
        user: UserModel | None = None,
        max_turns: int = 5,
        seed: int | None = None,
        grade: Grade = grade_text,
    ) -> None:
        super().__init__(seed)
        self.user = user or UserModel()
        self.max_turns = max_turns
        self.grade = grade
        self._best = lru_cache(maxsize=50_000)(self._best_move)

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """The best move under this observation's costs."""
        return self._best(*_seen(observation))

    def values(self, observation: Observation) -> list[tuple[Move, float]]:
        """The best final message and the questions worth considering, with their values (`Solver.values`)."""
        question, notes, transcript, costs = _seen(observation)
        best, belief_N, asks = self._point(question, notes, transcript)
        return best.values(belief_N, self.max_turns - 1 - asks, costs)

    def _best_move(
        self, question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...], costs: Costs
    ) -> Move:
        best, belief_N, asks = self._point(question, notes, transcript)
        return best.move(belief_N, self.max_turns - 1 - asks, costs)

    def _point(
        self, question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...]
    ) -> tuple[Solver, NDArray[np.float64], int]:
        """The question's solver, the belief after the transcript, and how many questions it holds."""
        best = solver(question, notes, self.user, self.max_turns, self.grade)
        belief_N, asked = best.prior_N, ""
        asks = 0
        for turn in transcript:
            if isinstance(turn.move, Ask):
                asked, asks = turn.move.text, asks + 1
            elif isinstance(turn.move, Reply):
                belief_N = best.posterior(belief_N, asked, turn.move.text)
        return best, belief_N, asks


def _seen(
    observation: Observation,
) -> tuple[str, tuple[Interpretation, ...], tuple[Turn, ...], Costs]:
    notes = canonical(notes_of(observation, "OptimalAsker"))
    return observation["question"], notes, observation["transcript"], Costs(*observation["costs"].tolist())
