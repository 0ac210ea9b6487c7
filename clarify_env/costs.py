"""Costs: what a clarification and a word cost, fixed or drawn anew for every episode."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from clarify_env.errors import ClarifyError


class Costs(NamedTuple):
    """What the team pays (arXiv 2512.04068).

    Args:
        turn: alpha, per clarifying question; finite, >= 0.
        word: beta, per word of the final message; finite, >= 0.
    """

    turn: float = 0.0
    word: float = 0.0


def price(name: str, value: float) -> float:
    """`value` as a plain float, or a ClarifyError where it is negative, NaN, infinite or no number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise ClarifyError(f"{name}_cost={value!r:.80}: a cost is a finite number >= 0")
    return number + 0.0


def checked(costs: Costs) -> Costs:
    """`costs` as plain floats, or a ClarifyError where one is no cost."""
    return Costs(*map(price, costs._fields, costs))


def _listed(who: str, name: str, values: Iterable[float], count: int | None = None) -> tuple[float, ...]:
    """The values as a tuple, or a ClarifyError where it is one number or of another length."""
    listed = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else ()
    if not listed or (count is not None and len(listed) != count):
        wanted = "a list of at least one cost" if count is None else "the pair (lowest, highest)"
        raise ClarifyError(f"{who}({name}={values!r}): give {wanted}")
    return listed


class CostSampler(Protocol):
    """Anything that draws the costs of an episode."""

    def sample(self, rng: np.random.Generator) -> Costs:
        """Costs drawn with `rng`."""
        ...


class FixedCosts:
    """The same costs in every episode."""

    def __init__(self, turn: float = 0.0, word: float = 0.0) -> None:
        self.costs = checked(Costs(turn, word))

    def sample(self, rng: np.random.Generator) -> Costs:
        """The fixed costs; draws nothing."""
        return self.costs

    def __repr__(self) -> str:
        return f"FixedCosts(turn={self.costs.turn:g}, word={self.costs.word:g})"


class CostGrid:
    """Every pair of the given turn and word costs, equally likely; iterates over them in order."""

    def __init__(self, turn: Iterable[float], word: Iterable[float]) -> None:
        self.turn, self.word = _listed("CostGrid", "turn", turn), _listed("CostGrid", "word", word)
        self.cells = tuple(checked(Costs(a, b)) for a in self.turn for b in self.word)

    def sample(self, rng: np.random.Generator) -> Costs:
        """One cell of the grid."""
        return self.cells[int(rng.random() * len(self.cells))]

    def __iter__(self) -> Iterator[Costs]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        return f"CostGrid(turn={self.turn}, word={self.word})"


class CostRange:
    """Turn and word costs drawn independently and evenly from two closed ranges."""

    def __init__(self, turn: tuple[float, float], word: tuple[float, float]) -> None:
        ends = zip(_listed("CostRange", "turn", turn, 2), _listed("CostRange", "word", word, 2), strict=True)
        self.low, self.high = (checked(Costs(*end)) for end in ends)
        if self.low.turn > self.high.turn or self.low.word > self.high.word:
            raise ClarifyError(f"CostRange(turn={turn}, word={word}): the lower end comes first")

    def sample(self, rng: np.random.Generator) -> Costs:
        """A point of the ranges."""
        a, b = rng.random(), rng.random()
        return Costs(
            self.low.turn + a * (self.high.turn - self.low.turn),
            self.low.word + b * (self.high.word - self.low.word),
        )

    def __repr__(self) -> str:
        return f"CostRange(turn={(self.low.turn, self.high.turn)}, word={(self.low.word, self.high.word)})"


class CheckedCosts:
    """What another sampler draws, checked and made `Costs`.

    Args:
        sampler: anything whose `sample(rng)` gives a pair (turn, word).
    """

    def __init__(self, sampler: CostSampler) -> None:
        self.sampler = sampler

    def sample(self, rng: np.random.Generator) -> Costs:
        """The pair; raises ClarifyError where it is none, or holds no costs."""
        drawn = self.sampler.sample(rng)
        pair = tuple(drawn) if isinstance(drawn, (tuple, list, np.ndarray)) else ()
        if len(pair) != 2:
            raise ClarifyError(
                f"{self.sampler!r:.60}.sample(rng) gave {drawn!r:.60}; a pair (turn, word) is needed"
            )
        return checked(Costs(*pair))

    def __repr__(self) -> str:
        return repr(self.sampler)


# The grids of the main job: costs that training draws, and costs that it never sees. The unseen ones lie
# between the seen ones and beyond them at either end. They are ours: the paper's are not published.
SEEN = CostGrid(turn=(0.02, 0.1, 0.3), word=(0.002, 0.01, 0.04))
UNSEEN = CostGrid(turn=(0.01, 0.05, 0.2, 0.4), word=(0.001, 0.005, 0.02, 0.06))
