"""Moves: what a player can do on its turn, as small immutable values.

A `Move` subclass of yours needs no registration: name it in the `moves` table of your game, and the
codec, the spaces and the storage know it by its `kind`, the class name in lower case.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from clarify_env.errors import ClarifyError
from clarify_env.text import words

_WORDS = ("which", "one", "the", "painter", "Oslo", "Málaga", "1950", "is", "it?", "东京")


def random_text(rng: np.random.Generator, at_most: int = 4) -> str:
    """One to `at_most` random words, some of them not ASCII."""
    return " ".join(_WORDS[i] for i in rng.integers(len(_WORDS), size=int(rng.integers(1, at_most + 1))))


class Move:
    """Base of all moves: `kind` names it, `text` is what the other players read."""

    kind: ClassVar[str] = "move"
    text: str = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = cls.__name__.lower()

    @cached_property
    def words(self) -> int:
        """Number of words that the reader has to read."""
        return words(self.text)

    def to_data(self) -> Any:
        """Content of the move as JSON data; `from_data` takes it back."""
        return None

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The move of this kind with the content that `to_data` gave."""
        return cls()

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """A move of this kind with random content, for the action spaces."""
        return cls()


@dataclass(frozen=True)
class Pass(Move):
    """Nothing: the move of whoever is not on turn (None means the same)."""


@dataclass(frozen=True)
class TextMove(Move):
    """Base of the moves that consist of one text."""

    text: str = field()

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ClarifyError(f"{type(self).__name__}({self.text!r}): the text must be a str")

    def to_data(self) -> str:
        """The text."""
        return self.text

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The move with this text."""
        return cls(data)

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """The move with a few random words."""
        return cls(random_text(rng))


@dataclass(frozen=True)
class Ask(TextMove):
    """The asker puts a clarifying question; it costs one turn."""


@dataclass(frozen=True)
class Answer(TextMove):
    """The asker's final message: one answer; it costs its words."""


@dataclass(frozen=True)
class Reply(TextMove):
    """The user answers a clarifying question."""


@dataclass(frozen=True)
class Select(TextMove):
    """The user ends the episode with the answer that it takes away ("" for none)."""


@dataclass(frozen=True)
class Enumerate(Move):
    """The asker's final message: several answers, each under a label; it costs the words of both.

    Args:
        options: one or more pairs (label, answer); a label has at least one word.
    """

    options: tuple[tuple[str, str], ...]

    def __init__(self, options: Iterable[tuple[str, str]]) -> None:
        if isinstance(options, str):
            raise ClarifyError(f"Enumerate({options!r}): give a list of pairs (label, answer)")
        pairs = tuple(tuple(pair) for pair in options)
        if not pairs:
            raise ClarifyError("Enumerate([]): needs at least one pair (label, answer)")
        for pair in pairs:
            if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
                raise ClarifyError(f"Enumerate: {pair!r} is no pair of texts (label, answer)")
            if not pair[0].strip():
                raise ClarifyError(f"Enumerate: {pair!r} has an empty label; a label needs a word")
        object.__setattr__(self, "options", pairs)

    @cached_property
    def text(self) -> str:  # type: ignore[override]
        """The options as "label: answer", joined by semicolons."""
        return "; ".join(f"{label}: {answer}" for label, answer in self.options)

    @cached_property
    def words(self) -> int:
        """Words of all labels and answers; separators are free."""
        return sum(words(label) + words(answer) for label, answer in self.options)

    def to_data(self) -> list[list[str]]:
        """The options as JSON data."""
        return [list(pair) for pair in self.options]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The enumeration with these options."""
        return cls(data)

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """Two options of random words."""
        return cls([(random_text(rng), random_text(rng)) for _ in range(2)])


@dataclass(frozen=True)
class Say(TextMove):
    """One of two equal partners tells the other something; it costs its words."""


@dataclass(frozen=True)
class Propose(TextMove):
    """A partner puts forward the answer that both are to give; it costs its words."""


@dataclass(frozen=True)
class Agree(Move):
    """A partner takes the answer that the other has just proposed, and ends the episode."""
