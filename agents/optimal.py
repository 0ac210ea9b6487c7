"""The asker that plays optimally against the scripted user (the ceiling of open notes, in the flesh)."""

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.agents.belief import canonical, notes_of
from clarify_env.costs import Costs
from clarify_env.moves import Ask, Move, Reply
from clarify_env.optimum import solver
from clarify_env.usermodel import UserModel


class OptimalAsker(Agent):
    """Plays what `clarify_env.optimum` computes, from its notes and the replies alone.

    Args:
        user: how the scripted user behaves that it plays with.
        max_turns: messages that the game allows the asker, >= 1.
    """

    def __init__(self, user: UserModel | None = None, max_turns: int = 5, seed: int | None = None) -> None:
        super().__init__(seed)
        self.user = user or UserModel()
        self.max_turns = max_turns

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """The best move under this observation's costs."""
        notes = canonical(notes_of(observation, "OptimalAsker"))
        best = solver(observation["question"], notes, self.user, self.max_turns)
        belief_N, asked = best.prior_N, ""
        asks = 0
        for turn in observation["transcript"]:
            if isinstance(turn.move, Ask):
                asked, asks = turn.move.text, asks + 1
            elif isinstance(turn.move, Reply):
                belief_N = best.posterior(belief_N, asked, turn.move.text)
        turn_cost, word_cost = observation["costs"].tolist()
        return best.move(belief_N, self.max_turns - 1 - asks, Costs(turn_cost, word_cost))
