"""`animals-v0`: guess the animal that only the keeper knows, at a price for every question.

| on turn | move       | leads to                                          |
| ------- | ---------- | ------------------------------------------------- |
| guesser | `Question` | the keeper's turn; costs `question_cost`          |
|         | `Guess`    | the end; earns 1 if the animal is right           |
| keeper  | `Hint`     | the guesser's turn                                |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Space

from clarify_env import CostGrid, Game, GameEnv, GameSpec, Move, Stop, StopReason, Term, TextMove, Turn
from clarify_env.costs import CostSampler
from clarify_env.spaces import Records, UnicodeText

ANIMALS = {"eagle": {"flies", "hunts"}, "bat": {"flies"}, "otter": {"swims", "hunts"}, "salmon": {"swims"}}
PROPERTIES = ("flies", "hunts", "swims")


@dataclass(frozen=True)
class Question(TextMove):
    """The guesser asks for a property; it costs one question."""


@dataclass(frozen=True)
class Guess(TextMove):
    """The guesser names the animal."""


@dataclass(frozen=True)
class Hint(TextMove):
    """The keeper answers yes or no."""


class Fees(NamedTuple):
    """What the team pays: `question`, per question; finite, >= 0."""

    question: float = 0.1


class State(NamedTuple):
    animal: str
    costs: Fees
    history: tuple[Turn, ...] = ()
    questions: int = 0
    right: float = 0.0
    stop: Stop | None = None


class AnimalGame(Game[State]):
    """The rules; see `clarify_env.Game` for what each method says."""

    family: ClassVar[str] = "animals"  # by which the entry points say who plays it
    players: ClassVar[tuple[str, ...]] = ("guesser", "keeper")
    moves: ClassVar[Mapping[str, tuple[type[Move], ...]]] = {"guesser": (Question, Guess), "keeper": (Hint,)}
    terms: ClassVar[Mapping[str, Term]] = {
        "right": Term("right"),
        "question_cost": Term("questions", "question"),
    }
    counted: ClassVar[tuple[str, ...]] = ("right", "questions")
    opening: tuple[str, ...] = ("guesser",)
    costs_type: ClassVar[type[Any]] = Fees
    options: ClassVar[tuple[str, ...]] = ("task", "costs")

    def __init__(self, costs: CostSampler, max_questions: int = 8) -> None:
        self.costs, self.tasks, self.max_turns = costs, tuple(ANIMALS), max_questions

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> State:
        drawn, costs = rng.integers(len(self.tasks)), self.costs.sample(rng)
        task = options.get("task", drawn)  # a position, or the name that `setup` gave
        animal = task if task in ANIMALS else self.tasks[task]
        return State(animal, options.get("costs", costs))

    def legal(self, state: State) -> Mapping[str, tuple[type[Move], ...]]:
        if state.stop:
            return {}
        asked = state.history and isinstance(state.history[-1].move, Question)
        return {"keeper": (Hint,)} if asked else {"guesser": (Question, Guess)}

    def apply(self, state: State, moves: Mapping[str, Move]) -> tuple[State, tuple[tuple[str, float], ...]]:
        ((player, move),) = moves.items()
        state = state._replace(history=(*state.history, Turn(player, move)))
        if isinstance(move, Question):
            stop = Stop(StopReason.MAX_TURNS) if state.questions + 1 == self.max_turns else None
            return state._replace(questions=state.questions + 1, stop=stop), (("question_cost", 1),)
        if isinstance(move, Guess):
            right = float(move.text.strip().lower() == state.animal)
            return state._replace(right=right, stop=Stop(StopReason.SELECTED)), (("right", right),)
        return state, ()

    def stopped(self, state: State, stop: Stop) -> State:
        return state._replace(stop=stop)

    def observe(self, state: State, player: str) -> dict[str, Any]:
        seen = {"costs": np.array(state.costs), "transcript": state.history}
        return {**seen, "animal": state.animal} if player == "keeper" else seen

    def spaces(self, player: str) -> dict[str, Space[Any]]:
        spaces: dict[str, Space[Any]] = {
            "costs": Box(0.0, np.inf, (1,), np.float64),
            "transcript": Records(Turn),
        }
        return {**spaces, "animal": UnicodeText()} if player == "keeper" else spaces

    def quantities(self, state: State) -> dict[str, float]:
        return {"right": state.right, "questions": state.questions}

    def setup(self, state: State) -> dict[str, Any]:
        return {"task": state.animal}

    def alternatives(self, state: State, player: str) -> Sequence[tuple[State, float]]:
        kept = [state.animal] if player == "keeper" else list(ANIMALS)
        return [(state._replace(animal=animal), 1.0 / len(kept)) for animal in kept]

    def plant(self, state: State) -> tuple[State, Mapping[str, Sequence[str]]]:
        return state._replace(animal="planted animal"), {"guesser": ["planted animal"]}


def make_animals(
    costs: CostSampler, max_questions: int = 8, render_mode: str | None = None
) -> GameEnv[State]:
    """`animals-v0`.

    Args:
        costs: the `Fees` of each episode.
        max_questions: with which an episode is cut off, >= 1.
        render_mode: None or "ansi".
    """
    return GameEnv(AnimalGame(costs, max_questions), "animals-v0", render_mode=render_mode)


SPEC = GameSpec(
    "animals-v0",
    "animals.game:make_animals",
    costs=Fees(),
    seen=CostGrid(of=Fees, question=(0.05, 0.4)),
    unseen=CostGrid(of=Fees, question=(0.1, 0.2)),
    family="animals",
)
