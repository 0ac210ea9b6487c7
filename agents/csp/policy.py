"""`CspPolicy`: a small policy for the roles of collaborative self-play; one object can play them all.

Marks mean nothing by themselves: a group that always says "unsure" when it is sure, and reads it so, earns as
much. What grounds them here is the start: the linear part of the fresh network prefers, a little, to be sure
of what is reliable and to believe the sure, as the words do for a language model. `grounding=0` leaves
that out. It also searches as often as it answers at once, though there are two ways to mark an answer.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch

from clarify_env.agent import Observation
from clarify_env.agents.csp.scripted import BAR, found, may_search, remembered
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.arrays import Floats
from clarify_env.games.csp.game import CollaborationGame
from clarify_env.games.csp.records import CspCosts, Hedge, Search, Sure, Unsure
from clarify_env.moves import Answer, Move

HELPER = ("search", "sure", "unsure", "found", "reliability", "coverage", "searched", "honest")


ASKER = ("hedge", "texts", "sure_for", "unsure_for", "sure_against", "unsure_against", "trust")


_TRUST = len(HELPER) + ASKER.index("trust")


_MOST = 3  # texts of an answer


class Helping(NamedTuple):
    """What a helper knows besides the costs; `found` is "" without a hit."""

    question: str
    memory: str
    reliability: float
    coverage: float
    found: str
    searched: bool
    may_search: bool


class Choosing(NamedTuple):
    """What the asker knows besides the costs: for each answer who gave it, whether it is sure, its text."""

    topic: str
    answers: tuple[tuple[str, bool, str], ...]


class CspPolicy(SoftmaxPolicy[Helping | Choosing]):
    """Plays helpers and asker by scored candidates.

    A helper may search for its question, and give what it found or remembers with either mark; the asker may
    name any of the texts, several of them, or hedge. Where the asker knows who is who, it also knows which
    topic each helper's answers are about.

    Args:
        game: that is played: its topics, its helpers, and whether they are anonymous.
        hidden: units of each hidden layer.
        grounding: how far the fresh network prefers honest marks and sure voices, >= 0.
        greedy: play the best-scored move.
        seed: of the weights and the agent's own generator.
    """

    costs_size = len(CspCosts._fields)

    def __init__(
        self,
        game: CollaborationGame,
        hidden: int = 64,
        grounding: float = 1.0,
        greedy: bool = False,
        seed: int = 0,
    ) -> None:
        topics = sorted({task.topic for task in game.tasks})
        pairs = [] if game.anonymous else [(name, topic) for name in game.helpers for topic in topics]
        self._who = {pair: k for k, pair in enumerate(pairs)}
        features = len(HELPER) + len(ASKER) + 2 * len(pairs)
        network = ScoreNetwork(features + 2 * self.costs_size, hidden, seed)
        with torch.no_grad():
            network.linear.weight[0, HELPER.index("search")] = np.log(2.0)
            network.linear.weight[0, HELPER.index("honest")] = 2.0 * grounding
            network.linear.weight[0, _TRUST] = grounding
        self.context_size = features
        super().__init__(network, greedy, seed)

    def key(self, observation: Observation) -> Helping | Choosing:
        """What the role has to go by."""
        turns = observation["transcript"]
        if "memory" not in observation:
            told = [(t.player, isinstance(t.move, Sure), t.move.text) for t in turns]
            return Choosing(observation["topic"], tuple(told))
        text, reliability = remembered(observation)
        coverage = observation["tool"][0].coverage if observation["tool"] else 0.0
        hit = found(observation) or ""
        own = (text, reliability, coverage, hit, bool(turns), may_search(observation))
        return Helping(observation["question"], *own)

    def moves(self, key: Helping | Choosing) -> Sequence[Move]:
        """The candidates; see the class."""
        if isinstance(key, Choosing):
            texts = list(dict.fromkeys(text for _, _, text in key.answers))
            return [*(Answer(" ".join(chosen)) for chosen in _subsets(texts)), Hedge()]
        searches: list[Move] = [Search(key.question)] if key.may_search and not key.found else []
        held = dict.fromkeys([key.found or key.memory, key.memory])
        return [*searches, *(kind(text) for text in held for kind in (Sure, Unsure))]

    def describe(self, key: Helping | Choosing, moves: Sequence[Move]) -> Floats:
        """features_M_F: `HELPER`, `ASKER`, and where it is known who is sure and who is not, by topic."""
        rows = np.zeros((len(moves), self.context_size))
        for row, move in zip(rows, moves, strict=True):
            if isinstance(key, Helping):
                row[: len(HELPER)] = _helping(key, move)
            else:
                row[len(HELPER) :] = self._choosing(key, move)
        return rows

    def _choosing(self, key: Choosing, move: Move) -> Floats:
        row = np.zeros(len(ASKER) + 2 * len(self._who))
        if isinstance(move, Hedge):
            row[0] = 1.0
            return row
        texts = dict.fromkeys(text for _, _, text in key.answers)
        named = next((c for c in _subsets(list(texts)) if " ".join(c) == move.text), ())
        count = len(key.answers)
        row[1] = len(named) / _MOST
        for player, sure, text in key.answers:
            row[2 + (text not in named) * 2 + (not sure)] += 1 / count
            if text in named and (player, key.topic) in self._who:
                row[len(ASKER) + 2 * self._who[player, key.topic] + (not sure)] = 1.0
        row[6] = count * (row[2] - row[3]) / max(1, len(named))
        return row


def _helping(key: Helping, move: Move) -> list[float]:
    """A row of `HELPER`."""
    if isinstance(move, Search):
        return [1.0, 0.0, 0.0, 0.0, key.reliability, key.coverage, float(key.searched), 0.0]
    hit, sure = bool(key.found) and move.text == key.found, isinstance(move, Sure)
    belief = 1.0 if hit else key.reliability
    kind = [0.0, float(sure), float(not sure), float(hit), key.reliability, key.coverage, float(key.searched)]
    return [*kind, (belief - BAR) * (1.0 if sure else -1.0)]


def _subsets(texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """One to `_MOST` of the texts, single ones first."""
    for size in range(1, min(_MOST, len(texts)) + 1):
        yield from combinations(texts, size)
