"""Scripted partners of `pingeval-names-v0`: a floor, two protocols in plain words, and one in code.

What partners of `pingeval-names-v0` say of their tables in plain words, and what follows from it.

A partner speaks of its live records: those that may still be the shared one after what it has heard. So all
that it says is true of the shared record, and the hearer drops each of its own records of which it is not.

    city Oslo Lima             the shared record's city is one of these
    no job pilot no pet cat    its job is not pilot, its pet not a cat
    record Ada Oslo pilot chess cat    it is one of these whole records
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from clarify_env.agent import Observation
from clarify_env.agents.pingeval.partner import Draft, Partner, fitting, heard, partner_view, said, standing
from clarify_env.games.pingeval.names import COLUMNS, FIRST_NAMES, NAME_WORDS, Record, Table

COLUMN_VALUES: dict[str, tuple[str, ...]] = {"name": tuple(FIRST_NAMES), **COLUMNS}


RECORD = "record"


_WIDTH = len(Record._fields)


class Statement(NamedTuple):
    """One thing that is true of the shared record.

    Args:
        about: an attribute, "name", or "record" for whole records.
        holds: whether it is one of the values, or none of them.
        values: values of the attribute, or whole records.
    """

    about: str
    holds: bool
    values: tuple[str | Record, ...]

    @property
    def text(self) -> str:
        """In words."""
        parts = (" ".join(v) if isinstance(v, Record) else v for v in self.values)
        return " ".join([*([] if self.holds else ["no"]), self.about, *parts])

    @property
    def words(self) -> int:
        """How many."""
        each = _WIDTH if self.about == RECORD else 1
        return 1 + (not self.holds) + each * len(self.values)

    @property
    def survival(self) -> float:
        """The chance that an even draw of a record agrees with it."""
        if self.about == RECORD:
            return len(self.values) / len(FIRST_NAMES) / 8192
        share = len(self.values) / len(COLUMN_VALUES[self.about])
        return share if self.holds else 1.0 - share

    def allows(self, person: Record) -> bool:
        """Whether it is true of this record."""
        own = person if self.about == RECORD else getattr(person, self.about)
        return (own in self.values) == self.holds


@lru_cache(maxsize=100_000)
def read_statements(text: str) -> tuple[Statement, ...]:
    """The statements of a message; what is no statement is left out."""
    parts: list[list[str]] = [[]]
    for word in NAME_WORDS.read(text):  # one begins with what it is about, or with "no" before that
        if word == "no" or (word in (*COLUMN_VALUES, RECORD) and parts[-1] != ["no"]):
            parts.append([])
        parts[-1].append(word)
    found = []
    for words in parts:
        holds = words[:1] != ["no"]
        about, values = (words if holds else words[1:])[:1], words[2 - holds :]
        if about == [RECORD] and holds and values and len(values) % _WIDTH == 0:
            people = [Record(*values[k : k + _WIDTH]) for k in range(0, len(values), _WIDTH)]
            found.append(Statement(RECORD, True, tuple(people)))
        elif about and about[0] in COLUMN_VALUES and values and set(values) <= set(COLUMN_VALUES[about[0]]):
            found.append(Statement(about[0], holds, tuple(values)))
    return tuple(found)


def live(table: Table, heard: Iterable[str]) -> Table:
    """The records that agree with everything heard; where none does, the speaker is not believed, and all."""
    return _live(table, tuple(heard))


@lru_cache(maxsize=100_000)
def _live(table: Table, heard: tuple[str, ...]) -> Table:
    statements = [statement for text in heard for statement in read_statements(text)]
    return tuple(p for p in table if all(s.allows(p) for s in statements)) or table


def candidates(table: Table, heard: Sequence[str], said: Sequence[str], share: int) -> list[Statement]:
    """What can be said of the live records in at most `share` words, and was not said before.

    Of each attribute and the names: all values that the live records have, and values that none of them has,
    as many as there are words for; and the whole records.
    """
    kept = live(table, heard)
    told = {statement for text in said for statement in read_statements(text)}
    found = [Statement(RECORD, True, kept)]
    for about, domain in COLUMN_VALUES.items():
        own = {getattr(person, about) for person in kept}
        ruled = {v for s in told if s.about == about for v in domain if (v in s.values) != s.holds}
        new = [value for value in domain if value not in own and value not in ruled]
        if new:
            found.append(Statement(about, True, tuple(value for value in domain if value in own)))
            found.append(Statement(about, False, tuple(new[: max(0, share - 2)])))
    return [s for s in found if s.values and s.words <= share and s not in told]


BITS = 8  # of a word of the code: the vocabulary has 256 words and some


_DONE = 0.02  # expected rivals of the shared record at which the code says no more


PATIENT = 2  # with more messages of the other to come, the bisecting partner says one thing at a time


class _Names(Partner):
    """Base: keeps the live records, and proposes a name."""

    entry = "table"

    def live(self, observation: Observation) -> Table:
        """The own records that may still be the shared one."""
        raise NotImplementedError

    def answer(self, observation: Observation) -> Draft:
        """The name of the first live record; certain where it is the only one, or both tables are known."""
        other = partner_view(observation, "table")
        if other is not None:
            kept = tuple(person for person in observation["table"] if person in other)
        else:
            kept = self.live(observation)
        proposed = standing(observation)
        if len(kept) > 1 and proposed in [person.name for person in kept]:
            return str(proposed), False
        return kept[0].name, len(kept) == 1

    def agrees(self, observation: Observation, proposed: str, draft: Draft) -> bool:
        """Whether the proposal is the name of a live record, or cannot be read."""
        return proposed == draft[0] or not proposed


class NameGuesser(_Names):
    """The floor: proposes its first record without a word; the other agrees."""

    def live(self, observation: Observation) -> Table:
        """What was proposed, or the first record."""
        proposed = standing(observation)
        people: Table = observation["table"]
        return (people[0]._replace(name=proposed) if proposed else people[0],)

    def message(self, observation: Observation, share: int) -> str:
        """Nothing."""
        return ""


class Lister(_Names):
    """Reads out its records, as many a message as fit, or only names where no record fits, until the other
    finds one of its own among them."""

    def live(self, observation: Observation) -> Table:
        """The record that was read out, or else those that do not contradict what was."""
        people: Table = observation["table"]
        told = [part for text in heard(observation) for part in _read_out(text)]
        whole = {part for part in told if isinstance(part, Record)}
        found = [person for person in people if person in whole]
        names = {part for part in told if isinstance(part, str)}
        found = found or [person for person in people if person.name in names]
        wrong = {person.name for person in whole}
        left = tuple(person for person in people if person.name not in wrong)
        return tuple(found) or left or people

    def message(self, observation: Observation, share: int) -> str:
        """The next records."""
        told = {word for text in said(observation) for word in text.split() if word in FIRST_NAMES}
        left = [person for person in self.live(observation) if person.name not in told]
        whole = [" ".join(person) for person in left]
        return " ".join(fitting(whole, share) or fitting([person.name for person in left], share))


def _read_out(text: str) -> list[Record | str]:
    """What a message of `Lister` reads out: each name with the values that follow it, or alone."""
    parts: list[list[str]] = []
    for word in NAME_WORDS.read(text):
        if word in FIRST_NAMES:
            parts.append([])
        if parts:
            parts[-1].append(word)
    return [Record(*part) if len(part) == _WIDTH else part[0] for part in parts if len(part) in (1, _WIDTH)]


class Bisector(_Names):
    """Says what divides the other's records best a word (see `clarify_env.agents.pingeval.names`).

    While both have messages left it says one thing at a time, since the reply makes the next one shorter; in
    the end it fills its share.
    """

    def live(self, observation: Observation) -> Table:
        """The records that agree with all statements."""
        return live(observation["table"], heard(observation))

    def message(self, observation: Observation, share: int) -> str:
        """One statement or several."""
        table, others = observation["table"], int(observation["limits"][2])
        return self.say(table, heard(observation), said(observation), share, others)

    def say(self, table: Table, heard: Sequence[str], said: Sequence[str], share: int, others: int) -> str:
        """The message, from what was heard and said; `others` are the messages that the other has left."""
        left = candidates(table, heard, said, share)
        chosen: list[Statement] = []
        while left:
            best = max(left, key=lambda s: (bits(s, said) / s.words, s.text))
            chosen.append(best)
            if others > PATIENT or best.about == RECORD:
                break
            share -= best.words
            left = [s for s in left if s.words <= share and s.about not in {c.about for c in chosen}]
        return " ".join(statement.text for statement in chosen)


def bits(statement: Statement, said: Sequence[str]) -> float:
    """What a statement tells a record at random, in bits, after earlier ones about the same."""
    before = [
        s.survival for text in said for s in read_statements(text) if s.about == statement.about and s.holds
    ]
    known = min(before, default=1.0)
    if not statement.holds:  # values of those that are left
        return -math.log2(max(1e-9, 1.0 - (1.0 - statement.survival) * min(1.0, known)))
    return math.log2(known / statement.survival) if statement.survival < known else 0.0


class Coder(_Names):
    """Sends bitmaps: each live record sets a few bits by a hash that both know, and the other drops its
    records of which a bit is not set (a Bloom filter in turns, as in the protocol of Hastad and Wigderson
    for sparse sets, whose cost is a constant number of bits a record). A word stands for eight of them.
    """

    def live(self, observation: Observation) -> Table:
        """The records of which all bits were set."""
        people: Table = observation["table"]
        kept = people
        first = 0 if observation["me"] == "right" else 1  # positions of the other's messages
        for k, text in enumerate(heard(observation)):
            words = [word for word in text.split() if word in _CODE]
            at, size = first + 2 * k, BITS * len(words)
            hashes = plan(len(people), int(observation["limits"][0]), at)[1]
            lit = {BITS * w + b for w, word in enumerate(words) for b in range(BITS) if _CODE[word] >> b & 1}
            if size:
                kept = tuple(p for p in kept if all(h in lit for h in _positions(p, at, hashes, size)))
        return kept or people

    def message(self, observation: Observation, share: int) -> str:
        """The bitmap of the live records."""
        at = len(observation["transcript"])
        words, hashes = plan(len(observation["table"]), share, at)
        kept = self.live(observation)
        lit = {h for person in kept for h in _positions(person, at, hashes, BITS * words)}
        codes = [sum(1 << b for b in range(BITS) if BITS * w + b in lit) for w in range(words)]
        return " ".join(NAME_WORDS.words[code] for code in codes)


_CODE = {word: k for k, word in enumerate(NAME_WORDS.words[: 1 << BITS])}


@lru_cache(maxsize=200_000)
def _positions(person: Record, at: int, hashes: int, size: int) -> tuple[int, ...]:
    digest = hashlib.blake2b(" ".join(person).encode(), digest_size=64, salt=at.to_bytes(16, "little"))
    numbers = digest.digest()
    return tuple(int.from_bytes(numbers[4 * k : 4 * k + 4], "little") % size for k in range(hashes))


@lru_cache(maxsize=4096)
def plan(records: int, share: int, at: int) -> tuple[int, int]:
    """Words and hashes of the message at position `at` of an episode, from the sizes to be expected by then.

    Args:
        records: of a table.
        share: words of a message, >= 1.
        at: of the message, from 0, left's first.
    """
    sizes = [float(records)] * 2
    for position in range(at + 1):
        sender, hearer = sizes[position % 2], sizes[1 - position % 2]
        for words in range(1, share + 1):
            passed, hashes = min((_false(sender, k, BITS * words), k) for k in range(1, 17))
            if (hearer - 1) * passed < _DONE:
                break
        sizes[1 - position % 2] = 1.0 + (hearer - 1) * passed
    return words, hashes


def _false(records: float, hashes: int, size: int) -> float:
    """The chance that a record which is not among them passes."""
    return float((1.0 - (1.0 - 1.0 / size) ** (hashes * records)) ** hashes)
