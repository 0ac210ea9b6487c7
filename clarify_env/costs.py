"""Costs: what a question and a word cost, or what else a game counts; fixed, or drawn for every episode."""

import math
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any, Protocol, TypeVar

import numpy as np

from clarify_env.errors import ClarifyError, choose

C = TypeVar("C", bound=tuple[float, ...])


def price(name: str, value: float) -> float:
    """`value` as a plain float, or a ClarifyError where it is negative, NaN, infinite or no number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise ClarifyError(f"{name}_cost={value!r:.80}: a cost is a finite number >= 0")
    return number + 0.0


def checked(costs: C) -> C:
    """`costs` as plain floats, or a ClarifyError where one is no cost."""
    made: Any = type(costs)  # mypy has no type for "some NamedTuple"
    checked: C = made(*map(price, made._fields, costs))
    return checked


def made_costs(of: type[C], values: Any, who: str) -> C:
    """The costs of this kind, checked.

    Args:
        of: the kind of costs.
        values: one of this kind, or the price of each cost by its name.
        who: gives them, for the error.

    Raises:
        ClarifyError: `values` has another form or other names, or holds something that is no cost.
    """
    fields = getattr(of, "_fields", ())
    given = dict(zip(fields, values, strict=True)) if isinstance(values, of) else values
    if not isinstance(given, Mapping) or {*given} != {*fields}:
        raise ClarifyError(f"{who}={values!r:.80}: not the {len(fields)} costs by name ({', '.join(fields)})")
    return checked(of(**given))


@cache
def _of_names(names: tuple[str, ...]) -> type[Any]:
    return namedtuple("Named", names, defaults=(0.0,) * len(names))


def _kind(who: str, of: type[Any] | None, named: Mapping[str, Any]) -> type[Any]:
    """The kind of costs `of`, checked to have those that are named; by default one that has just these."""
    of = of or _of_names(tuple(named))
    for name in named:
        choose(f"cost of {who}", name, of._fields)
    return of


def _listed(who: str, name: str, values: Iterable[float], count: int | None = None) -> tuple[float, ...]:
    """The values as a tuple, or a ClarifyError where it is one number or of another length."""
    listed = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else ()
    if not listed or (count is not None and len(listed) != count):
        wanted = "a list of at least one cost" if count is None else "the pair (lowest, highest)"
        raise ClarifyError(f"{who}({name}={values!r}): give {wanted}")
    return listed


class CostSampler(Protocol):
    """Anything that draws the costs of an episode."""

    def sample(self, rng: np.random.Generator) -> Any:
        """Costs drawn with `rng`: a NamedTuple of the game's kind, or the price of each by its name."""
        ...


class FixedCosts:
    """The same costs in every episode.

    Args:
        of: the kind of costs, a NamedTuple of floats with defaults; by default just those that are named,
            which the game that plays at them completes.
        named: prices by name; those left out have their defaults.
    """

    def __init__(self, *, of: type[Any] | None = None, **named: float) -> None:
        self.of = _kind("FixedCosts", of, named)
        self.costs = checked(self.of(**named))

    def sample(self, rng: np.random.Generator) -> Any:
        """The fixed costs; draws nothing."""
        return self.costs

    def __repr__(self) -> str:
        return f"FixedCosts({', '.join(f'{n}={v:g}' for n, v in self.costs._asdict().items())})"


class CostGrid:
    """Every combination of the given costs, equally likely; iterates over them in order.

    Args:
        of: the kind of costs, as in `FixedCosts`.
        named: the levels of each cost by name; those left out have their default only.
    """

    def __init__(self, *, of: type[Any] | None = None, **named: Iterable[float]) -> None:
        self.of = of = _kind("CostGrid", of, named)
        given = {name: (value,) for name, value in of()._asdict().items()} | named
        self.levels = {name: _listed("CostGrid", name, given[name]) for name in of._fields}
        self.cells = tuple(checked(of(*cell)) for cell in product(*self.levels.values()))

    def sample(self, rng: np.random.Generator) -> Any:
        """One cell of the grid."""
        return self.cells[int(rng.random() * len(self.cells))]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        return f"CostGrid({', '.join(f'{name}={levels}' for name, levels in self.levels.items())})"


class CostRange:
    """Costs drawn independently and evenly from closed ranges, each given as (lowest, highest).

    Args:
        of: the kind of costs, as in `FixedCosts`.
        named: ranges by name; of those left out the default is taken.
    """

    def __init__(self, *, of: type[Any] | None = None, **named: tuple[float, float]) -> None:
        self.of = of = _kind("CostRange", of, named)
        given = {name: (value, value) for name, value in of()._asdict().items()} | named
        pairs = [_listed("CostRange", name, given[name], 2) for name in of._fields]
        self.low, self.high = (checked(of(*end)) for end in zip(*pairs, strict=True))
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ClarifyError(f"{self!r}: the lower end comes first")

    def sample(self, rng: np.random.Generator) -> Any:
        """A point of the ranges."""
        return type(self.low)(
            *(low + rng.random() * (high - low) for low, high in zip(self.low, self.high, strict=True))
        )

    def __repr__(self) -> str:
        ranges = zip(self.low._fields, self.low, self.high, strict=True)
        return f"CostRange({', '.join(f'{name}={(low, high)}' for name, low, high in ranges)})"


class CheckedCosts:
    """What another sampler draws, checked and made costs of a kind.

    Args:
        sampler: anything whose `sample(rng)` gives costs of the kind, or their prices by name.
        of: the kind of costs.
    """

    def __init__(self, sampler: CostSampler, of: type[Any]) -> None:
        self.sampler = sampler
        self.of = of

    def sample(self, rng: np.random.Generator) -> Any:
        """The costs; raises ClarifyError where there are none."""
        return made_costs(self.of, self.sampler.sample(rng), f"{self.sampler!r:.60}.sample(rng)")

    def __repr__(self) -> str:
        return repr(self.sampler)


def bound(costs: Any, of: type[Any]) -> Any:
    """A sampler whose costs are of the kind `of`; what it leaves out has the kind's defaults.

    Raises:
        ClarifyError: it names a cost that the kind does not have, or has no `sample(rng)`.
    """
    if not callable(getattr(costs, "sample", None)):
        raise ClarifyError(f"costs={costs!r} has no sample(rng); use FixedCosts, CostGrid or CostRange")
    if getattr(costs, "of", None) is of:
        return costs
    if isinstance(costs, FixedCosts):
        return FixedCosts(of=of, **costs.costs._asdict())
    if isinstance(costs, CostGrid):
        return CostGrid(of=of, **costs.levels)
    if isinstance(costs, CostRange):
        ends = zip(costs.low, costs.high, strict=True)
        return CostRange(of=of, **dict(zip(costs.low._fields, ends, strict=True)))
    return CheckedCosts(costs, of)
