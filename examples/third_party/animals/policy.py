"""A small policy for the guesser: the features of its moves; the network comes with clarify_env."""

from collections.abc import Sequence

import numpy as np

from animals.agents import remaining
from animals.game import ANIMALS, PROPERTIES, Guess, Question
from clarify_env.agent import Observation
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.arrays import Floats
from clarify_env.game import Turn
from clarify_env.moves import Move

FEATURES = 4  # is it a question, how well it divides what is left, was it asked, is the answer still possible


class GuesserPolicy(SoftmaxPolicy[tuple[Turn, ...]]):
    """Chooses among all questions and all animals.

    Args:
        hidden: units of each hidden layer.
        seed: of the initial weights.
    """

    context_size = FEATURES
    costs_size = 1

    def __init__(self, hidden: int, seed: int) -> None:
        super().__init__(ScoreNetwork(FEATURES + 2, hidden, seed), seed=seed)

    def key(self, observation: Observation) -> tuple[Turn, ...]:
        """The questions and hints so far."""
        key: tuple[Turn, ...] = observation["transcript"]
        return key

    def moves(self, key: tuple[Turn, ...]) -> list[Move]:
        """Every question and every animal."""
        return [*map(Question, PROPERTIES), *map(Guess, ANIMALS)]

    def describe(self, key: tuple[Turn, ...], moves: Sequence[Move]) -> Floats:
        """features_M_F: a row for each move."""
        left, asked = remaining(key), [turn.move.text for turn in key[::2]]
        rows = []
        for move in moves:
            if isinstance(move, Question):
                share = sum(move.text in ANIMALS[animal] for animal in left) / len(left)
                rows.append([1.0, min(share, 1.0 - share), float(move.text in asked), 0.0])
            else:
                rows.append([0.0, 0.0, 0.0, (move.text in left) / len(left)])
        return np.array(rows)
