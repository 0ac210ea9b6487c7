"""What the checks share: random play from a seed, and comparing what came of it, exactly."""

import dataclasses
import hashlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move, TextMove

ODD = ("", " ", "\u202e\x1b[31m😀", "<{tag}>x</{tag}>", "word " * 3_000, "東京 => Málaga; & <")


SEEDS = range(12)  # of the episodes that are played


Actions = Mapping[str, Any]


class CheckFailed(ClarifyError, AssertionError):
    """A check that failed: which one, and what it saw, in one line."""

    def __init__(self, check: str, saw: str) -> None:
        super().__init__(f"check {check!r} failed: {' '.join(saw.split())[:600]}")
        self.check = check


@contextmanager
def naming(check: str) -> Iterator[None]:
    """Raise as CheckFailed whatever is raised inside."""
    try:
        yield
    except CheckFailed:
        raise
    except Exception as error:
        raise CheckFailed(check, f"{type(error).__name__}: {error}") from error


class Anyone(Agent):
    """Plays any legal move: random words, or what was said last; sometimes texts that are hard to digest.

    Args:
        kinds: the moves of its player, as in `Game.moves`.
        odd: whether its texts are taken from `ODD`.
    """

    def __init__(self, kinds: Sequence[type[Move]], odd: bool = False) -> None:
        super().__init__(0)
        self.kinds = tuple(kinds)
        self.odd = odd

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A move that the mask allows."""
        allowed = np.flatnonzero(observation["action_mask"][1:])
        kind = self.kinds[int(rng.choice(allowed))]
        if issubclass(kind, TextMove):
            if self.odd:
                return kind(ODD[int(rng.integers(len(ODD)))].replace("{tag}", self.kinds[0].kind))
            last = observation["transcript"][-1].move if observation["transcript"] else None
            heard = [text for text in strings(last.to_data()) if text] if last else []
            if heard and rng.random() < 0.5:
                return kind(heard[int(rng.integers(len(heard)))])
        return kind.random(rng)


def players(env: GameEnv[Any], odd: bool = False) -> dict[str, Agent]:
    """`Anyone` for every player."""
    return {player: Anyone(env.game.moves[player], odd) for player in env.possible_agents}


def on_turn(env: GameEnv[Any]) -> list[str]:
    """The players on turn."""
    return [player for player in env.possible_agents if env.game.legal(env.game_state).get(player)]


def random_actions(
    env: GameEnv[Any], observations: Mapping[str, Observation], rng: np.random.Generator
) -> Actions:
    """Random actions of the players on turn."""
    return {player: Anyone(env.game.moves[player]).move(observations[player], rng) for player in on_turn(env)}


class PlayedEpisode(NamedTuple):
    """An episode that was played.

    Args:
        episode: the record.
        script: the actions.
        returned: the exact texts of what `reset` and each `step` returned.
    """

    episode: Episode
    script: list[Actions]
    returned: list[str]


def play(
    env: GameEnv[Any],
    seed: int | None,
    options: dict[str, Any] | None = None,
    watch: Callable[[tuple[Any, ...]], object] | None = None,
    script: Sequence[Actions] | None = None,
) -> PlayedEpisode:
    """Play one episode, at random or by a script.

    Args:
        env: the environment; its own episode is given up.
        seed: of its reset, and of the random moves; None for whatever comes next.
        options: of its reset.
        watch: given what `reset` and each `step` returned.
        script: the actions, in place of random ones; play stops where it ends.
    """
    rng = np.random.default_rng(seed)
    result: tuple[Any, ...] = env.reset(seed=seed, options=options)
    made: list[Actions] = []
    returned = [exact(result)]
    while True:
        going = env.agents and (script is None or len(made) < len(script))
        if going:
            made.append(random_actions(env, result[0], rng) if script is None else script[len(made)])
        if watch:
            watch(result)
        if not going:
            return PlayedEpisode(env.episode(), made, returned)
        result = env.step(made[-1])
        returned.append(exact(result))


def exact(value: Any) -> str:
    """A text that is equal for equal values only: every field, every bit of an array, the order of a set."""
    if isinstance(value, Move):
        return f"{value.kind}({exact(value.to_data())})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{exact(key)}: {exact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.tolist()!r}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(exact, value))})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return f"{type(value).__name__}{exact(fields)}"
    return repr(value)


def digest(value: Any) -> str:
    """A short text that is equal for equal values only, in any process."""
    return hashlib.sha256(exact(value).encode("utf-8", "backslashreplace")).hexdigest()


def same(check: str, what: str, a: Any, b: Any) -> None:
    """Raise CheckFailed where two things are not exactly the same, and show the first difference."""
    if isinstance(a, (tuple, list)) and type(a) is type(b) and len(a) == len(b):
        for first, second in zip(a, b, strict=True):
            same(check, what, first, second)
        return
    one, other = (value if isinstance(value, str) else exact(value) for value in (a, b))
    if one != other or type(a) is not type(b):
        pairs = enumerate(zip(one, other, strict=False))
        at = next((i for i, (x, y) in pairs if x != y), min(len(one), len(other)))
        start = max(0, at - 40)
        shown = f"...{one[start : at + 120]!r} against ...{other[start : at + 120]!r}"
        raise CheckFailed(check, f"{what} differ: {shown}")


@contextmanager
def untouched_globals(check: str) -> Iterator[None]:
    """Raise CheckFailed where what happens inside draws from a global generator, or seeds it."""
    torch = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # the state is what is checked
    network = torch.get_rng_state() if torch else None
    random.seed()  # to a state that no fixed seed leads back to
    np.random.seed()  # noqa: NPY002
    if torch:
        torch.default_generator.seed()
    try:
        before = _globals(torch)
        yield
        if before != _globals(torch):
            raise CheckFailed(
                check, "a global generator (of random, numpy or torch) was drawn from or seeded"
            )
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if torch:
            torch.set_rng_state(network)


def _globals(torch: ModuleType | None) -> list[str]:
    states = (random.getstate(), np.random.get_state(), torch and torch.get_rng_state().tolist())  # noqa: NPY002
    return [exact(state) for state in states]


def strings(value: Any) -> Iterator[str]:
    """Every string in a nested value, the texts of moves included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Move):
        yield value.text
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from strings(item)
