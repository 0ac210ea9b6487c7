"""Small policies for the `pingeval` games: they choose what to tell next, and when to propose or agree.

Candidates and features come from the protocols of the scripted partners, `pingeval.names` and
`pingeval.chess`; what is worth its words, and when to stop, is learnt. One policy plays both
partners. Importing this module loads torch.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Observation
from clarify_env.agents.pingeval.chess import EARLIER, TYPICAL, counts, evidence, told_counts
from clarify_env.agents.pingeval.names import RECORD, Bisector, bits, candidates, live, read_statements
from clarify_env.agents.pingeval.partner import fitting, heard, said, standing
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.arrays import Floats
from clarify_env.games.pingeval.chess import CHESS_WORDS
from clarify_env.games.pingeval.game import PLAYERS, Agree, Propose, Say
from clarify_env.games.pingeval.names import NAME_WORDS, Table
from clarify_env.moves import Move
from clarify_env.vocabulary import Vocabulary

_WORDS = 20.0  # features are divided by what makes them about 1


_BITS = 4.0


class Speaking(NamedTuple):
    """What a partner knows besides the costs."""

    me: str
    view: Any
    limits: tuple[int, ...]
    heard: tuple[str, ...]
    said: tuple[str, ...]
    standing: str | None

    @classmethod
    def of(cls, observation: Observation, entry: str) -> "Speaking":
        """The point that an observation shows."""
        return cls(
            observation["me"],
            observation[entry],
            tuple(int(n) for n in observation["limits"]),
            tuple(heard(observation)),
            tuple(said(observation)),
            standing(observation),
        )

    @property
    def shared(self) -> tuple[float, ...]:
        """Features that all candidates share: how much can still be said, and was."""
        share, own, others = self.limits
        last = float(not others)
        return (
            share / 32,
            own / 8,
            others / 8,
            last,
            float(others == 1),
            len(self.heard) / 8,
            len(self.said) / 8,
        )


class _Speaker(SoftmaxPolicy[Speaking]):
    """Base of the two: features of the kinds of moves, those of the game, and those that are shared."""

    costs_size = 1
    entry: str
    vocabulary: Vocabulary  # that the game counts by
    size: int  # features of the game

    def __init__(self, hidden: int = 64, seed: int = 0) -> None:
        self.context_size = 4 + self.size + 7
        super().__init__(ScoreNetwork(self.context_size + 2, hidden, seed), seed=seed)

    def key(self, observation: Observation) -> Speaking:
        """What is known, whatever it costs."""
        return Speaking.of(observation, self.entry)

    def moves(self, key: Speaking) -> list[Move]:
        """Agreeing where there is a proposal; else what can be said, and the answers."""
        share, own, _ = key.limits
        found: list[Move] = [Agree()] if key.standing is not None else []
        if own:
            found += [Propose(answer) for answer in self.answers(key)]
            found += map(Say, dict.fromkeys(self.texts(key, share)))
        return found

    def describe(self, key: Speaking, moves: Sequence[Move]) -> Floats:
        """features_M_F: kind and words, what the game knows, and what all share."""
        rows = []
        for move in moves:
            kind = (isinstance(move, Say), isinstance(move, Propose), isinstance(move, Agree))
            words = self.vocabulary.count(move.text)
            row = (*map(float, kind), words / _WORDS, *self.known(key, move), *key.shared)
            rows.append(row)
        return np.array(rows, dtype=np.float64)

    def answers(self, key: Speaking) -> list[str]:
        """Answers that can be proposed."""
        raise NotImplementedError

    def texts(self, key: Speaking, share: int) -> list[str]:
        """Texts that can be said in at most `share` words, none of them empty."""
        raise NotImplementedError

    def known(self, key: Speaking, move: Move) -> tuple[float, ...]:
        """`size` features of a move."""
        raise NotImplementedError


class RecordSpeaker(_Speaker):
    """Plays `pingeval-names-v0` in statements.

    Candidates: each statement alone, what `Bisector` would say, as many as fit of the shortest first, and the
    name of the first live record.

    Args:
        hidden: units of a hidden layer.
        seed: of the initial weights.
    """

    entry = "table"
    vocabulary = NAME_WORDS
    size = 12

    def answers(self, key: Speaking) -> list[str]:
        """The first live record's name."""
        return [live(key.view, key.heard)[0].name]

    def texts(self, key: Speaking, share: int) -> list[str]:
        """Statements, one or several."""
        left = candidates(key.view, key.heard, key.said, share)
        ordered = sorted(left, key=lambda s: (s.words, s.text))
        chosen = {statement.about: statement.text for statement in reversed(ordered)}
        several = fitting([text for _, text in sorted(chosen.items(), key=lambda p: len(p[1]))], share)
        bisected = Bisector().say(key.view, key.heard, key.said, share, key.limits[2]) if left else ""
        return [text for text in (*(s.text for s in left), " ".join(several), bisected) if text]

    def known(self, key: Speaking, move: Move) -> tuple[float, ...]:
        """What a statement tells and is about; how likely an answer is right; what is left to find out."""
        kept, rivals = _left(key)
        statements = read_statements(move.text) if isinstance(move, Say) else ()
        tells = sum(bits(s, key.said) for s in statements)
        about = [s.about for s in statements]
        answer = key.standing if isinstance(move, Agree) else move.text
        right = (answer in [p.name for p in kept]) / len(kept) if not statements else 0.0
        return (
            tells / _BITS,
            tells / max(1, self.vocabulary.count(move.text)),
            min(tells, rivals) / _BITS,
            float("name" in about),
            float(RECORD in about),
            float(any(not s.holds for s in statements)),
            len(statements) / 4,
            right,
            float(right == 1.0),
            math.log2(len(kept)) / _BITS,
            float(len(kept) == 1),
            rivals / _BITS,
        )


@lru_cache(maxsize=1000)
def _left(key: Speaking) -> tuple[Table, float]:
    """The live records, and the bits that the other still misses as far as one can tell."""
    found = sum(bits(s, key.said[:k]) for k, text in enumerate(key.said) for s in read_statements(text))
    return live(key.view, key.heard), max(0.0, math.log2(len(key.view)) - found)


class PositionSpeaker(_Speaker):
    """Plays `pingeval-chess-v0` in counts.

    Candidates: each count that was not told, all of those that fit, and both answers.

    Args:
        hidden: units of a hidden layer.
        seed: of the initial weights.
    """

    entry = "position"
    vocabulary = CHESS_WORDS
    size = 4 + len(EARLIER)

    def answers(self, key: Speaking) -> list[str]:
        """Both."""
        return list(PLAYERS)

    def texts(self, key: Speaking, share: int) -> list[str]:
        """Counts, one or all that are left; bare numbers are not among them."""
        own, past = counts(key.view), told_counts(key.said)
        left = [f"{name} {own[name]}" for name in EARLIER if name not in past]
        several = " ".join(fitting(left, share))
        return [text for text in (*(t for t in left if share >= 2), several) if text]

    def known(self, key: Speaking, move: Move) -> tuple[float, ...]:
        """What speaks for an answer; which counts a message tells."""
        own = counts(key.view)
        answer = key.standing if isinstance(move, Agree) else move.text
        other = PLAYERS[1 - PLAYERS.index(key.me)]
        side = {key.me: 1.0, other: -1.0}.get(answer or "", 0.0) if not isinstance(move, Say) else 0.0
        for_me, decided = evidence(own, told_counts(key.heard))
        tells = told_counts([move.text]) if isinstance(move, Say) else {}
        guess = np.tanh((own["pieces"] - TYPICAL) / 8)
        return (
            side * for_me,
            float(decided),
            side * float(guess),
            float(all(name in told_counts(key.heard) for name in EARLIER)),
            *(float(name in tells) for name in EARLIER),
        )
