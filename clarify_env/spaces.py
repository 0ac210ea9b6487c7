"""Gymnasium spaces for text, moves and records. `gymnasium.spaces.Text` has no spaces or accents."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Space

from clarify_env.moves import Move, Pass, random_text


class UnicodeText(Space[str]):
    """Any string of at most `max_length` characters."""

    def __init__(self, max_length: int = 100_000, seed: int | None = None) -> None:
        super().__init__(None, str, seed)
        self.max_length = max_length

    def contains(self, x: Any) -> bool:
        """Whether `x` is a string that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: None = None, probability: None = None) -> str:
        """A few random words."""
        return random_text(self.np_random)

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText) and other.max_length == self.max_length


class Moves(Space[Any]):
    """Moves of the given kinds, messages (str), and None to pass.

    A mask for `sample` is the observation's `action_mask`: one int8 for passing, then one per kind.
    """

    def __init__(self, kinds: Sequence[type[Move]], seed: int | None = None) -> None:
        super().__init__(None, None, seed)
        self.kinds = tuple(kinds)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a move of one of the kinds, a pass, a message or None."""
        return x is None or isinstance(x, (str, Pass, *self.kinds))

    def sample(self, mask: Any = None, probability: None = None) -> Move:
        """A random move of a kind that `mask` allows."""
        allowed = np.ones(len(self.kinds) + 1, np.int8) if mask is None else np.asarray(mask)
        at = int(self.np_random.choice(np.flatnonzero(allowed)))
        if at == 0:
            return Pass()
        return self.kinds[at - 1].random(self.np_random)

    def __repr__(self) -> str:
        return f"Moves({', '.join(kind.kind for kind in self.kinds)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moves) and other.kinds == self.kinds


class Records(Space[tuple[Any, ...]]):
    """A tuple of any length whose items are of one NamedTuple type."""

    def __init__(self, record: type[tuple[Any, ...]], seed: int | None = None) -> None:
        super().__init__(None, None, seed)
        self.record = record

    def contains(self, x: Any) -> bool:
        """Whether `x` is a tuple of such records."""
        return isinstance(x, tuple) and all(isinstance(item, self.record) for item in x)

    def sample(self, mask: None = None, probability: None = None) -> tuple[Any, ...]:
        """The empty tuple."""
        return ()

    def __repr__(self) -> str:
        return f"Records({self.record.__name__})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records) and other.record is self.record
