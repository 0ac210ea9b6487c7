"""`ReplyScorer`: a small user, which chooses how it tells what it means, and what it takes from a list.

It is to the user what `MoveScorer` is to the asker. Only importing this module loads torch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clarify_env.agent import Observation
from clarify_env.agents.clarification.conventions import SHIFTS, tellings
from clarify_env.agents.clarification.scripted import said_before
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.arrays import Floats
from clarify_env.games.clarification.game import Ask, Enumerate, Reply, Select
from clarify_env.games.clarification.scripted_user import PUZZLED, VAGUE, Said, new_f1, pick
from clarify_env.games.clarification.task import Fact
from clarify_env.moves import Move

WAYS = (*map(str, range(SHIFTS)), "all")  # of telling; see `tellings`
USER_FEATURES = (*WAYS, "vague", "puzzled", "fits", "label", "first", "nothing", "asked")


class Replying(NamedTuple):
    """What a user knows besides the costs, when it is on turn."""

    question: str
    intent: str
    facts: tuple[Fact, ...]
    message: Move
    said: Said


class ReplyScorer(SoftmaxPolicy[Replying]):
    """A user that scores ways of telling (`tellings`), or saying nothing, and the options of a list.

    Args:
        hidden: units of each hidden layer.
        one_value: never tell all at once.
        seed: of the initial weights and the agent's own generator.
    """

    context_size = 3

    def __init__(self, hidden: int = 64, one_value: bool = False, seed: int = 0) -> None:
        self.one_value = one_value
        super().__init__(ScoreNetwork(len(USER_FEATURES) + 4, hidden, seed), seed=seed)

    def key(self, observation: Observation) -> Replying:
        """What is meant, what was said, and the message that waits for the user."""
        transcript = observation["transcript"]
        own = observation["question"], observation["intent"], observation["facts"]
        return Replying(*own, transcript[-1].move, said_before(transcript))

    def moves(self, key: Replying) -> list[Move]:
        """Replies to a question; of a final message what can be taken away, and nothing."""
        if isinstance(key.message, Ask):
            ways = tellings(key.message.text, *key[:3], key.said)
            told = [text for way, text in ways.items() if not (way == "all" and self.one_value)]
            return [Reply(text) for text in dict.fromkeys([*told, VAGUE])]
        if isinstance(key.message, Enumerate):
            return [Select(text) for text in dict.fromkeys([*(a for _, a in key.message.options), ""])]
        return [Select(key.message.text)]

    def describe(self, key: Replying, moves: Sequence[Move]) -> Floats:
        """features_M_F, in the order of `USER_FEATURES`: which way of telling, or how well an option fits."""
        rows = np.zeros((len(moves), len(USER_FEATURES)))
        at = {name: k for k, name in enumerate(USER_FEATURES)}
        rows[:, at["asked"]] = len(key.said) / 8
        if isinstance(key.message, Ask):
            ways = {text: way for way, text in tellings(key.message.text, *key[:3], key.said).items()}
            for row, move in zip(rows, moves, strict=True):
                row[at[ways.get(move.text, "vague")]] = 1.0
                row[at["puzzled"]] = float(move.text == PUZZLED)
        elif isinstance(key.message, Enumerate):
            options = key.message.options
            chosen = pick(options, key.intent, key.facts, key.question)
            taken = "" if chosen is None else options[chosen][1]
            for row, move in zip(rows, moves, strict=True):
                labels = [label for label, answer in options if answer == move.text]
                row[at["fits"]] = float(move.text == taken)
                row[at["label"]] = max((new_f1(one, key.intent, key.question) for one in labels), default=0.0)
                row[at["first"]] = float(move.text == options[0][1])
                row[at["nothing"]] = float(not move.text)
        return rows

    def context(self, key: Replying, features_M_F: Floats) -> Floats:
        """Whether a question waits, or a list, and how much was asked."""
        kinds = isinstance(key.message, Ask), isinstance(key.message, Enumerate)
        return np.array([*map(float, kinds), len(key.said) / 8])
