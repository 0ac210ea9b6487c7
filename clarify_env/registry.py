"""`make` and `register`: environments by name, here and in PettingZoo's own registry."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from clarify_env.costs import (
    SEEN,
    UNSEEN,
    CheckedCosts,
    CostGrid,
    CostRange,
    Costs,
    CostSampler,
    FixedCosts,
    checked,
)
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, nearest
from clarify_env.vector import VectorEnv


class EnvSpec(NamedTuple):
    """A registered environment.

    Args:
        id: its name with a version.
        entry_point: what builds it, "module:function" or a callable.
        costs: its prices where `make` is given none; also says which there are.
        seen, unseen: costs that a policy is trained at, and others that it is evaluated at.
        kwargs: defaults of its options.
    """

    id: str
    entry_point: str | Callable[..., GameEnv[Any]]
    costs: Any
    seen: CostGrid
    unseen: CostGrid
    kwargs: dict[str, Any]

    def load(self) -> Callable[..., GameEnv[Any]]:
        """The function that builds the environment."""
        if not isinstance(self.entry_point, str):
            return self.entry_point
        module, _, name = self.entry_point.partition(":")
        loaded: Callable[..., GameEnv[Any]] = getattr(import_module(module), name)
        return loaded

    @property
    def options(self) -> dict[str, Any]:
        """The environment's own options with their defaults, but for `costs`."""
        known = inspect.signature(self.load()).parameters
        return {**{name: p.default for name, p in known.items() if name != "costs"}, **self.kwargs}

    def held_out(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given options, with the validation split where there is one and no split was given."""
        return {**({"split": "validation"} if "split" in self.options else {}), **given}


_SPECS: dict[str, EnvSpec] = {}


class _Registry(Mapping[str, EnvSpec]):
    """Read-only view of what is registered."""

    def __getitem__(self, id: str) -> EnvSpec:
        if id not in _SPECS:
            raise ClarifyError(f"unknown environment {id!r}{nearest(id, _SPECS)}")
        return _SPECS[id]

    def __iter__(self) -> Iterator[str]:
        return iter(_SPECS)

    def __len__(self) -> int:
        return len(_SPECS)

    def __contains__(self, id: object) -> bool:
        return id in _SPECS

    def __repr__(self) -> str:
        return f"registry({', '.join(sorted(_SPECS))})"


registry = _Registry()


USUAL = Costs(turn=0.1, word=0.01)


def register(
    id: str,
    entry_point: str | Callable[..., GameEnv[Any]],
    *,
    costs: Any = USUAL,
    seen: CostGrid | None = None,
    unseen: CostGrid | None = None,
    **kwargs: Any,
) -> None:
    """Register an environment under `id`, here and as "clarify_env/<id>" with PettingZoo.

    Args:
        id: a name with a version, such as "my-game-v0".
        entry_point: "module:function" or a callable that takes `costs` and its own options and returns a
            `GameEnv`.
        costs: the prices where `make` is given none, a NamedTuple of floats whose fields all have defaults;
            `make` takes each as `<field>_cost`.
        seen, unseen: grids that a policy is trained at, and evaluated at besides; by default, of a game with
            turn and word costs those of the main job, of another its usual prices.
        kwargs: defaults of its options.

    Raises:
        ClarifyError: the id is taken or has no version.
    """
    import pettingzoo

    name, _, version = id.rpartition("-v")
    if not name or not version.isdigit():
        raise ClarifyError(f"register({id!r}): an id ends in its version, such as {id + '-v0'!r}")
    if id in _SPECS:
        raise ClarifyError(f"register({id!r}): this id is taken; raise the version or choose another name")
    costs = checked(costs)
    clarifies = isinstance(costs, Costs)
    usual = CostGrid(of=type(costs), **{name: (value,) for name, value in costs._asdict().items()})
    seen = seen or (SEEN if clarifies else usual)
    unseen = unseen or (UNSEEN if clarifies else usual)
    _SPECS[id] = EnvSpec(id, entry_point, costs, seen, unseen, kwargs)

    def build(**options: Any) -> GameEnv[Any]:
        return make(id, **options)

    pettingzoo.register("parallel", f"clarify_env/{id}", build)


def make(id: str, *, costs: CostSampler | None = None, **kwargs: Any) -> GameEnv[Any]:
    """An environment by its id.

    Args:
        id: such as "ambigqa-v0"; `registry` lists them.
        costs: a `CostSampler` that draws the costs of every episode, in place of fixed prices.
        kwargs: the prices, each as `<name>_cost`, >= 0: in the clarification games `turn_cost` of a
            clarifying question (0.1 by default) and `word_cost` of a word of the final message (0.01 by
            default); and the environment's own options, such as `split`, `max_turns` or `data_dir`.

    Raises:
        ClarifyError: an unknown id or option, or a value out of range.
    """
    spec = registry[id]
    build = spec.load()
    known = spec.options
    fields = {f"{name}_cost": name for name in spec.costs._fields}
    options = {**spec.kwargs, **kwargs}
    given = {fields[name]: value for name in fields if (value := options.pop(name, None)) is not None}
    for name in options:
        if name not in known:
            raise ClarifyError(f"make({id!r}): unknown option {name!r}{nearest(name, [*known, *fields])}")
    kind = type(spec.costs)
    if costs is None:
        costs = FixedCosts(of=kind, **{**spec.costs._asdict(), **given})
    elif given:
        raise ClarifyError(f"make: give either costs=..., or {' and '.join(fields)}, not both")
    elif not callable(getattr(costs, "sample", None)):
        raise ClarifyError(f"make: costs={costs!r} has no sample(rng); use FixedCosts, CostGrid or CostRange")
    elif not isinstance(costs, (FixedCosts, CostGrid, CostRange)):
        costs = CheckedCosts(costs, kind)
    elif not isinstance(drawn := costs.sample(np.random.default_rng(0)), kind):
        raise ClarifyError(
            f"make({id!r}): {costs!r:.80} draws {type(drawn).__name__}, not {kind.__name__}: "
            f"give it of={kind.__name__}"
        )
    env = build(costs=costs, **options)
    if isinstance(costs, FixedCosts):
        prices = {f"{name}_cost": value for name, value in costs.costs._asdict().items()}
        env.made_with = {**options, **prices}
    return env


def make_vec(id: str, num_envs: int, **kwargs: Any) -> VectorEnv:
    """`num_envs` copies of `make(id, **kwargs)`, stepped together; they share their data."""
    if not isinstance(num_envs, int) or num_envs < 1:
        raise ClarifyError(f"make_vec: num_envs={num_envs!r}; at least 1 is needed")
    first = make(id, **kwargs)
    return VectorEnv([first, *(first.fork() for _ in range(num_envs - 1))])
