"""`make` and `register`: environments by name, here and in PettingZoo's own registry."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from clarify_env.costs import CheckedCosts, CostGrid, CostRange, CostSampler, FixedCosts
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, nearest
from clarify_env.vector import VectorEnv


class EnvSpec(NamedTuple):
    """A registered environment: its id, what builds it ("module:function" or a callable), and defaults."""

    id: str
    entry_point: str | Callable[..., GameEnv[Any]]
    kwargs: dict[str, Any]

    def load(self) -> Callable[..., GameEnv[Any]]:
        """The function that builds the environment."""
        if not isinstance(self.entry_point, str):
            return self.entry_point
        module, _, name = self.entry_point.partition(":")
        loaded: Callable[..., GameEnv[Any]] = getattr(import_module(module), name)
        return loaded


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


def register(id: str, entry_point: str | Callable[..., GameEnv[Any]], **kwargs: Any) -> None:
    """Register an environment under `id`, here and as "clarify_env/<id>" with PettingZoo.

    Args:
        id: a name with a version, such as "my-game-v0".
        entry_point: "module:function" or a callable that takes `costs` and its own options and returns a
            `GameEnv`.
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
    _SPECS[id] = EnvSpec(id, entry_point, kwargs)

    def build(**options: Any) -> GameEnv[Any]:
        return make(id, **options)

    pettingzoo.register("parallel", f"clarify_env/{id}", build)


def make(
    id: str,
    *,
    turn_cost: float | None = None,
    word_cost: float | None = None,
    costs: CostSampler | None = None,
    **kwargs: Any,
) -> GameEnv[Any]:
    """An environment by its id.

    Args:
        id: such as "ambigqa-v0"; `registry` lists them.
        turn_cost: price of a clarifying question, >= 0; 0.1 by default.
        word_cost: price of a word of the final message, >= 0; 0.01 by default.
        costs: a `CostSampler` that draws both for every episode, in place of the two.
        kwargs: the environment's own options, such as `split`, `knowledge`, `max_turns` or `data_dir`.

    Raises:
        ClarifyError: an unknown id or option, or a value out of range.
    """
    spec = registry[id]
    build = spec.load()
    known = inspect.signature(build).parameters
    options = {**spec.kwargs, **kwargs}
    for name in options:
        if name not in known or name == "costs":
            allowed = [*known, "turn_cost", "word_cost"]
            raise ClarifyError(f"make({id!r}): unknown option {name!r}{nearest(name, allowed)}")
    if costs is None:
        costs = FixedCosts(0.1 if turn_cost is None else turn_cost, 0.01 if word_cost is None else word_cost)
    elif turn_cost is not None or word_cost is not None:
        raise ClarifyError("make: give either costs=..., or turn_cost and word_cost, not both")
    elif not callable(getattr(costs, "sample", None)):
        raise ClarifyError(f"make: costs={costs!r} has no sample(rng); use FixedCosts, CostGrid or CostRange")
    elif not isinstance(costs, (FixedCosts, CostGrid, CostRange)):
        costs = CheckedCosts(costs)
    env = build(costs=costs, **options)
    if isinstance(costs, FixedCosts):
        env.made_with = {**options, "turn_cost": costs.costs.turn, "word_cost": costs.costs.word}
    return env


def make_vec(id: str, num_envs: int, **kwargs: Any) -> VectorEnv:
    """`num_envs` copies of `make(id, **kwargs)`, stepped together; they share their data."""
    if not isinstance(num_envs, int) or num_envs < 1:
        raise ClarifyError(f"make_vec: num_envs={num_envs!r}; at least 1 is needed")
    first = make(id, **kwargs)
    return VectorEnv([first, *(first.fork() for _ in range(num_envs - 1))])
