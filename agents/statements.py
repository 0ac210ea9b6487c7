"""What partners of `pingeval-names-v0` say of their tables in plain words, and what follows from it.

A partner speaks of its live records: those that may still be the shared one after what it has heard. So all
that it says is true of the shared record, and the hearer drops each of its own records of which it is not.

    city Oslo Lima             the shared record's city is one of these
    no job pilot; no pet cat   its job is not pilot, its pet not a cat
    record Ada Oslo pilot chess cat    it is one of these whole records
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from clarify_env.pingnames import ATTRIBUTES, NAMES, Person, Table

DOMAINS: dict[str, tuple[str, ...]] = {"name": tuple(NAMES), **ATTRIBUTES}
RECORD = "record"
_WIDTH = len(Person._fields)


class Statement(NamedTuple):
    """One thing that is true of the shared record.

    Args:
        about: an attribute, "name", or "record" for whole records.
        holds: whether it is one of the values, or none of them.
        values: values of the attribute, or whole records.
    """

    about: str
    holds: bool
    values: tuple[str | Person, ...]

    @property
    def text(self) -> str:
        """In words."""
        parts = (" ".join(v) if isinstance(v, Person) else v for v in self.values)
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
            return len(self.values) / len(NAMES) / 8192
        share = len(self.values) / len(DOMAINS[self.about])
        return share if self.holds else 1.0 - share

    def allows(self, person: Person) -> bool:
        """Whether it is true of this record."""
        own = person if self.about == RECORD else getattr(person, self.about)
        return (own in self.values) == self.holds


@lru_cache(maxsize=100_000)
def read(text: str) -> tuple[Statement, ...]:
    """The statements of a message; what is no statement is left out."""
    found = []
    for part in text.split(";"):
        words = part.replace(",", " ").split()
        holds = words[:1] != ["no"]
        about, values = (words if holds else words[1:])[:1], words[2 - holds :]
        if about == [RECORD] and holds and values and len(values) % _WIDTH == 0:
            people = [Person(*values[k : k + _WIDTH]) for k in range(0, len(values), _WIDTH)]
            found.append(Statement(RECORD, True, tuple(people)))
        elif about and about[0] in DOMAINS and values and set(values) <= set(DOMAINS[about[0]]):
            found.append(Statement(about[0], holds, tuple(values)))
    return tuple(found)


def live(table: Table, heard: Iterable[str]) -> Table:
    """The records that agree with everything heard; where none does, the speaker is not believed, and all."""
    return _live(table, tuple(heard))


@lru_cache(maxsize=100_000)
def _live(table: Table, heard: tuple[str, ...]) -> Table:
    statements = [statement for text in heard for statement in read(text)]
    return tuple(p for p in table if all(s.allows(p) for s in statements)) or table


def candidates(table: Table, heard: Sequence[str], said: Sequence[str], share: int) -> list[Statement]:
    """What can be said of the live records in at most `share` words, and was not said before.

    Of each attribute and the names: all values that the live records have, and values that none of them has,
    as many as there are words for; and the whole records.
    """
    kept = live(table, heard)
    told = {statement for text in said for statement in read(text)}
    found = [Statement(RECORD, True, kept)]
    for about, domain in DOMAINS.items():
        own = {getattr(person, about) for person in kept}
        ruled = {v for s in told if s.about == about for v in domain if (v in s.values) != s.holds}
        new = [value for value in domain if value not in own and value not in ruled]
        if new:
            found.append(Statement(about, True, tuple(value for value in domain if value in own)))
            found.append(Statement(about, False, tuple(new[: max(0, share - 2)])))
    return [s for s in found if s.values and s.words <= share and s not in told]
