"""`make` and `register`: environments by name, here and in PettingZoo's own registry."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from clarify_env.costs import CostGrid, CostSampler, FixedCosts, bound, checked
from clarify_env.data import SPLITS
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, nearest
from clarify_env.games import GAMES, known, load_object
from clarify_env.vector import VectorEnv


class GameSpec(NamedTuple):
    """What is registered of a game.

    Args:
        id: its name with a version.
        make: what builds the environment, "module:function" or a callable.
        costs: its prices where `make` is given none; also says which there are.
        seen, unseen: costs that a policy is trained at, and others that it is evaluated at.
        kwargs: defaults of its options.
        family: of its game, by which its players are found.
    """

    id: str
    make: str | Callable[..., GameEnv[Any]]
    costs: Any
    seen: CostGrid
    unseen: CostGrid
    kwargs: Mapping[str, Any] = MappingProxyType({})
    family: str = ""

    def load(self) -> Callable[..., GameEnv[Any]]:
        """The function that builds the environment."""
        if not isinstance(self.make, str):
            return self.make
        loaded: Callable[..., GameEnv[Any]] = load_object(self.make)
        return loaded

    @property
    def options(self) -> dict[str, Any]:
        """The environment's own options with their defaults, but for `costs`."""
        known = inspect.signature(self.load()).parameters
        return {**{name: p.default for name, p in known.items() if name != "costs"}, **self.kwargs}

    def held_out(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given options, with the validation split where there is one and no split was given."""
        return {**({"split": "validation"} if "split" in self.options else {}), **given}


_SPECS: dict[str, GameSpec] = {}


class _Registry(Mapping[str, GameSpec]):
    """Read-only view of what is registered; a game is loaded when it is first asked for."""

    def __getitem__(self, id: str) -> GameSpec:
        if id not in _SPECS:
            where = known().get(id)
            if where is not None:
                spec = load_object(where)
                if not isinstance(spec, GameSpec) or spec.id != id:
                    raise ClarifyError(f"{where}: is no GameSpec with id {id!r}")
            elif ":" in id:
                spec = _own(id)
            else:
                raise ClarifyError(f"unknown environment {id!r}{nearest(id, list(self))}")
            _SPECS[id] = spec
        return _SPECS[id]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*known(), *_SPECS}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, id: object) -> bool:
        return id in _SPECS or id in known()

    def __repr__(self) -> str:
        return f"registry({', '.join(self)})"


def _own(where: str) -> GameSpec:
    """The game that "module:function" builds; its costs are those of its rules, at their defaults.

    Raises:
        ClarifyError: there is no such function, or it builds no environment from `costs`.
    """
    try:
        build = load_object(where)
    except ClarifyError as error:
        raise ClarifyError(f"unknown environment {where!r}: {error}") from None
    if isinstance(build, GameSpec):
        return build._replace(id=where)
    if not callable(build) or "costs" not in inspect.signature(build).parameters:
        raise ClarifyError(f"{where}: give a function or class that takes costs=... and makes a GameEnv")
    env = build(costs=FixedCosts())
    kind = getattr(getattr(env, "game", None), "costs_type", None)
    if not isinstance(env, GameEnv) or kind is None:
        raise ClarifyError(f"{where}: makes {env!r:.60}; give a GameEnv, whose game says its costs_type")
    usual = CostGrid(of=kind)
    return GameSpec(where, build, kind(), usual, usual, family=env.game.family)


registry = _Registry()


def register(
    id: str,
    make: str | Callable[..., GameEnv[Any]],
    *,
    costs: Any,
    seen: CostGrid | None = None,
    unseen: CostGrid | None = None,
    family: str = "",
    **kwargs: Any,
) -> None:
    """Register an environment under `id`, here and as "clarify_env/<id>" with PettingZoo.

    Args:
        id: a name with a version, such as "my-game-v0".
        make: "module:function" or a callable that takes `costs` and its own options and returns a `GameEnv`.
        costs: the prices where `make` is given none, a NamedTuple of floats whose fields all have defaults;
            `make` takes each as `<field>_cost`.
        seen, unseen: grids that a policy is trained at, and evaluated at besides; by default
            the usual prices.
        family: of the game, by which its players are found.
        kwargs: defaults of its options.

    Raises:
        ClarifyError: the id is taken or has no version.
    """
    name, _, version = id.rpartition("-v")
    if not name or not version.isdigit():
        raise ClarifyError(f"register({id!r}): an id ends in its version, such as {id + '-v0'!r}")
    if id in registry:
        raise ClarifyError(f"register({id!r}): this id is taken; raise the version or choose another name")
    costs = checked(costs)
    kind = type(costs)
    usual = CostGrid(of=kind, **{name: (value,) for name, value in costs._asdict().items()})
    grids = [bound(grid or usual, kind) for grid in (seen, unseen)]
    _SPECS[id] = GameSpec(id, make, costs, grids[0], grids[1], kwargs, family)
    _tell_pettingzoo(id)


def _tell_pettingzoo(id: str) -> None:
    import pettingzoo

    def build(**options: Any) -> GameEnv[Any]:
        return make(id, **options)

    pettingzoo.register("parallel", f"clarify_env/{id}", build)


for _id in GAMES:
    _tell_pettingzoo(_id)


def make(id: str, *, costs: CostSampler | None = None, **kwargs: Any) -> GameEnv[Any]:
    """An environment by its id.

    Args:
        id: of an environment; `registry` lists them. Or "module:function" for a game of your own: a function
            or class that takes `costs` and its own options, and makes a `GameEnv`; or a `GameSpec`.
        costs: a `CostSampler` that draws the costs of every episode, in place of fixed prices.
        kwargs: the prices, each as `<name>_cost`, >= 0, such as `turn_cost` and `word_cost`; and the
            environment's own options, such as `split`, `max_turns` or `data_dir`.

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
    else:
        costs = bound(costs, kind)
    env = build(costs=costs, **options)
    if ":" in id:
        env.name = env.metadata["name"] = id
    fixed = costs.costs._asdict() if isinstance(costs, FixedCosts) else {}
    env.made_with = {**options, **{f"{name}_cost": value for name, value in fixed.items()}}
    return env


def for_training(env: GameEnv[Any]) -> GameEnv[Any]:
    """The same game with the questions and the costs that policies are trained on.

    Args:
        env: as `make` made it, with whatever questions and costs.

    Raises:
        ClarifyError: `make` did not make it.
    """
    if env.made_with is None or env.name not in registry:
        raise ClarifyError(
            f"{env!r}: was not made by clarify_env.make, so its training questions are unknown"
        )
    spec = registry[env.name]
    left_out = {f"{name}_cost" for name in spec.costs._fields}
    if env.made_with.get("split") in SPLITS:
        left_out.add("split")  # one of another name is no part of a whole that has training questions
    options = {name: value for name, value in env.made_with.items() if name not in left_out}
    return make(env.name, costs=spec.seen, **options)


def make_vec(id: str, num_envs: int, **kwargs: Any) -> VectorEnv:
    """`num_envs` copies of `make(id, **kwargs)`, stepped together; they share their data."""
    if not isinstance(num_envs, int) or num_envs < 1:
        raise ClarifyError(f"make_vec: num_envs={num_envs!r}; at least 1 is needed")
    first = make(id, **kwargs)
    return VectorEnv([first, *(first.fork() for _ in range(num_envs - 1))])
