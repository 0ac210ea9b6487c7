"""What the checks share: random play from a seed, and comparing what came of it."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move, TextMove

ODD = ("", " ", "\u202e\x1b[31m\ud83d\ude00", "<answer>x</answer>", "word " * 3_000, "東京 => Málaga; & <")
Actions = Mapping[str, Any]


class CheckFailed(ClarifyError, AssertionError):
    """A check that failed: which one, and what it saw, in one line."""

    def __init__(self, check: str, saw: str) -> None:
        super().__init__(f"check {check!r} failed: {' '.join(saw.split())[:600]}")
        self.check = check


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
        last = observation["transcript"][-1].move.text if observation["transcript"] else ""
        if issubclass(kind, TextMove):
            if self.odd:
                return kind(ODD[int(rng.integers(len(ODD)))])
            if last and rng.random() < 0.5:
                return kind(last)
        return kind.random(rng)


def players(env: GameEnv[Any], odd: bool = False) -> dict[str, Agent]:
    """`Anyone` for every player."""
    return {player: Anyone(env.game.moves[player], odd) for player in env.possible_agents}


def on_turn(env: GameEnv[Any]) -> list[str]:
    """The players on turn."""
    return [player for player in env.possible_agents if env.game.legal(env.game_state).get(player)]


def choose(env: GameEnv[Any], observations: Mapping[str, Observation], rng: np.random.Generator) -> Actions:
    """Random actions of the players on turn."""
    return {player: Anyone(env.game.moves[player]).move(observations[player], rng) for player in on_turn(env)}


def play(
    env: GameEnv[Any],
    seed: int | None,
    moves: int,
    options: dict[str, Any] | None = None,
    watch: Callable[[tuple[Any, ...]], object] | None = None,
    script: Sequence[Actions] | None = None,
) -> tuple[Episode, list[Actions]]:
    """Play one episode, at random or by a script.

    Args:
        env: the environment; its own episode is given up.
        seed: of its reset; None for whatever comes next.
        moves: seed of the random moves.
        options: of its reset.
        watch: given what `step` returned, each time.
        script: the actions, in place of random ones; play stops where it ends.

    Returns:
        The record and the actions.
    """
    rng = np.random.default_rng(moves)
    observations, _ = env.reset(seed=seed, options=options)
    made: list[Actions] = []
    while env.agents and (script is None or len(made) < len(script)):
        actions = choose(env, observations, rng) if script is None else script[len(made)]
        made.append(actions)
        result = env.step(actions)
        observations = result[0]
        if watch:
            watch(result)
    return env.episode(), made


def digest(episode: Episode) -> str:
    """A text that is equal for equal episodes, in any process."""
    return hashlib.sha256(json.dumps(episode.to_data(), sort_keys=True).encode()).hexdigest()


def same(check: str, what: str, a: Any, b: Any) -> None:
    """Raise CheckFailed where two things differ in their repr."""
    first, second = repr(a), repr(b)
    if first != second:
        at = next((i for i, (x, y) in enumerate(zip(first, second, strict=False)) if x != y), 0)
        start = max(0, at - 40)
        shown = f"...{first[start : at + 120]!r} against ...{second[start : at + 120]!r}"
        raise CheckFailed(check, f"{what} differ: {shown}")


@contextmanager
def untouched_globals(check: str) -> Iterator[None]:
    """Raise CheckFailed where what happens inside draws from a global generator."""
    before = random.getstate(), repr(np.random.get_state())  # noqa: NPY002  # the state is what is checked
    yield
    after = random.getstate(), repr(np.random.get_state())  # noqa: NPY002
    if before != after:
        raise CheckFailed(check, "a global generator (random or numpy.random) was drawn from or seeded")


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
