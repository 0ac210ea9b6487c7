"""Moves: what a player can do on its turn, as small immutable values.

A `Move` subclass of yours needs no registration: name it in the `moves` table of your game, and the
codec, the spaces and the storage know it by its `kind`, the class name in lower case.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from clarify_env.errors import ClarifyError
from clarify_env.text import escape, unescape, words

_WORDS = ("which", "one", "the", "painter", "Oslo", "Málaga", "1950", "is", "it?", "东京")


def random_text(rng: np.random.Generator) -> str:
    """One to four random words, some of them not ASCII."""
    return " ".join(_WORDS[i] for i in rng.integers(len(_WORDS), size=int(rng.integers(1, 5))))


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

    def to_text(self) -> str:
        """Content of the move as it stands between the tags of a message; `from_text` takes it back."""
        return escape(self.text)

    @classmethod
    def from_text(cls, body: str) -> Self:
        """The move that the text between the tags stands for; raises ClarifyError where it is none."""
        return cls.from_data(unescape(body.strip()))

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
class Answer(TextMove):
    """A final message of one answer, which several games share; it costs its words."""
