"""`RecallPolicy`: a small policy for the roles of `csp-v1`; one object can play them all.

It is told nothing of how reliable a helper is: what it goes by are the clues, one-hot. As in `CspPolicy`,
`grounding` is how far the fresh network marks as the words have it: sure where all recalls agree or the
passage matches exactly, and believe the sure. It knows nothing of familiarity at the start.
"""

from collections.abc import Sequence
from itertools import product
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from clarify_env.agent import Observation
from clarify_env.agents.csp.recall_scripted import Clues, clues, mark_of
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.arrays import Floats
from clarify_env.games.csp.recall_game import RecallGame
from clarify_env.games.csp.recall_world import FAMILIARITY, MATCHES
from clarify_env.games.csp.records import MARKS, Hedge, RecallCosts, Search, Silent
from clarify_env.games.csp.world import TOPICS
from clarify_env.moves import Answer, Move

RECALL_ACTS = ("search", "sure", "unsure", "found-sure", "found-unsure", "silent")


_AGREE = 4  # degrees of agreement: nothing recalled, then 1 to 3


# What a helper goes by: always 1, topic, familiarity with agreement; after a search its match, and how many
# recalls say the same, whether the usual one does.
_CLUES = (1, len(TOPICS), len(FAMILIARITY) * _AGREE, len(MATCHES), 2 * _AGREE)


# What the asker may do with a text: alone with its mark; said twice, with both; or beside another one.
HEARD: tuple[tuple[str, int, int], ...] = (
    *(("alone", mark, 0) for mark in (0, 1)),
    *(("twice", marks, 0) for marks in (0, 1, 2)),
    *(("beside", own, other) for own, other in product((0, 1), (0, 1))),
)


class Hearing(NamedTuple):
    """What the asker knows besides the costs: of each answer its mark and text."""

    topic: int
    answers: tuple[tuple[int, str], ...]


class Recalling(NamedTuple):
    """What a helper knows besides the costs."""

    clues: Clues
    may_search: bool


class RecallPolicy(SoftmaxPolicy[Recalling | Hearing]):
    """Plays helpers and asker by scored candidates.

    A helper may search for its question, give its usual recall or what it found with either mark, or be
    silent; the asker may take one of the texts, or hedge.

    Args:
        game: that is played.
        hidden: units of each hidden layer.
        grounding: how far the fresh network marks as the words have it, >= 0.
        greedy: play the best-scored move.
        seed: of the weights and the agent's own generator.
    """

    costs_size = len(RecallCosts._fields)
    clues_size: ClassVar[int] = sum(_CLUES)  # of what a helper goes by, one-hot

    def __init__(
        self,
        game: RecallGame,
        hidden: int = 32,
        grounding: float = 1.0,
        greedy: bool = False,
        seed: int = 0,
    ) -> None:
        self.silent = game.silent
        self._helping = len(RECALL_ACTS) * self.clues_size
        features = self._helping + len(HEARD) * (1 + len(TOPICS))
        network = ScoreNetwork(features + 2 * self.costs_size, hidden, seed)
        self.context_size = features
        with torch.no_grad():
            network.linear.weight[0, :features] += torch.from_numpy(self._words(grounding))
        super().__init__(network, greedy, seed)

    def _words(self, grounding: float) -> Floats:
        """The weights of what the words say."""
        weights = np.zeros(self.context_size)
        if not grounding:
            return weights
        table_A_C = weights[: self._helping].reshape(len(RECALL_ACTS), -1)
        agreement_A_F_G = table_A_C[:, 1 + len(TOPICS) :][:, : _CLUES[2]]
        for act, agreement, weight in (
            ("sure", 3, 1.0),
            ("unsure", 2, 1.0),
            ("unsure", 1, 0.5),
            ("silent", 1, 0.5),
        ):
            agreement_A_F_G[RECALL_ACTS.index(act), agreement::_AGREE] = weight
        match_A_M = table_A_C[:, -_CLUES[3] - _CLUES[4] :][:, : _CLUES[3]]
        match_A_M[RECALL_ACTS.index("found-sure"), 0] = match_A_M[RECALL_ACTS.index("found-unsure"), 1] = 1.0
        for k, (_, mark, _) in enumerate(HEARD):
            weights[self._helping + k * (1 + len(TOPICS))] = (1.0, 0.3, 0.6)[mark]
        return grounding * weights

    def key(self, observation: Observation) -> Recalling | Hearing:
        """What the role has to go by."""
        if "recalls" not in observation:
            turns = observation["transcript"]
            topic = list(TOPICS).index(observation["topic"])
            return Hearing(topic, tuple([(mark_of(turn), turn.move.text) for turn in turns]))
        return Recalling(clues(observation), bool(observation["action_mask"][1]))

    def moves(self, key: Recalling | Hearing) -> Sequence[Move]:
        """The candidates; see the class."""
        if isinstance(key, Hearing):
            texts = dict.fromkeys(text for mark, text in key.answers if mark < 2)
            return [*map(Answer, texts), Hedge()]
        seen = key.clues
        found: list[Move] = [Search(seen.question)] if key.may_search else []
        for text in dict.fromkeys(text for text in (seen.recall, seen.passage) if text):
            found += [kind(text) for kind in MARKS]
        if self.silent:
            found.append(Silent())
        return found or [kind("unknown") for kind in MARKS]

    def describe(self, key: Recalling | Hearing, moves: Sequence[Move]) -> Floats:
        """features_M_F: what is done, with what it goes by."""
        rows = np.zeros((len(moves), self.context_size))
        if isinstance(key, Hearing):
            for row, move in zip(rows, moves, strict=True):
                told = _heard(key, move)
                if told is not None:
                    start = self._helping + told * (1 + len(TOPICS))
                    row[start] = row[start + 1 + key.topic] = 1.0
            return rows
        at = np.array(self.goes_by(key.clues))
        for row, move in zip(rows, moves, strict=True):
            row[self.clues_size * _act(key.clues, move) + at] = 1.0
        return rows

    def goes_by(self, seen: Clues) -> list[int]:
        """The positions of the clues that a helper has, < `clues_size`."""
        at = [0, 1 + seen.topic, 1 + len(TOPICS) + seen.before.familiarity * _AGREE + seen.before.agreement]
        if seen.after is not None:
            match, agreeing, usual = seen.after
            start = 1 + len(TOPICS) + _CLUES[2]
            at += [start + match, start + _CLUES[3] + agreeing + _AGREE * usual]
        return at


def _act(seen: Clues, move: Move) -> int:
    """The position in `RECALL_ACTS`."""
    if isinstance(move, (Search, Silent)):
        return RECALL_ACTS.index(move.kind)
    found = bool(seen.passage) and move.text != seen.recall
    return RECALL_ACTS.index(f"{'found-' * found}{move.kind}")


def _heard(key: Hearing, move: Move) -> int | None:
    """The position in `HEARD` of what is said for a text, or None for a hedge."""
    if isinstance(move, Hedge):
        return None
    own = [mark for mark, text in key.answers if text == move.text and mark < 2]
    others = [mark for mark, text in key.answers if text != move.text and mark < 2]
    if not own:
        return None
    if len(own) > 1:
        return HEARD.index(("twice", own[0] if own[0] == own[1] else 2, 0))
    return HEARD.index(("beside", own[0], others[0])) if others else HEARD.index(("alone", own[0], 0))
