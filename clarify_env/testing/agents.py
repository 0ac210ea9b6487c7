"""`check_agent`: what would spoil a comparison if an agent did it."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from clarify_env.agent import Decision, Observation
from clarify_env.codec import Unreadable, decode
from clarify_env.collect import Player, decide
from clarify_env.costs import SEEN
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move
from clarify_env.registry import make
from clarify_env.testing.play import CheckFailed, on_turn, players, same, untouched_globals

CHECKS = ("actions", "repeatable", "batch", "observations", "memory", "odd texts")


def check_agent(
    agent: Player, env: GameEnv[Any] | None = None, player: str = "asker", episodes: int = 12
) -> tuple[str, ...]:
    """Check that an agent keeps the protocol.

    - actions: one legal action (or readable message) per observation;
    - repeatable: the same generators give the same actions, and no global generator is used;
    - batch: who else is in the batch, and in which order, changes nothing;
    - observations: they are left as they were;
    - memory: other dialogues in between, and `reset`, change nothing;
    - odd texts: empty, long and strange texts of the others are survived.

    Args:
        agent: anything with `act(observations, rngs)`.
        env: the game to check it in; `synthetic-v0` with open notes by default.
        player: whom it plays.
        episodes: dialogues to check, against others that play at random.

    Returns:
        The names of the checks, all of them passed.

    Raises:
        CheckFailed: the first check that failed, with what it saw.
    """
    env = env or make("synthetic-v0", size=40, costs=SEEN)
    met = list(_met(env, agent, player, episodes, odd=False))
    kept = copy.deepcopy(met)
    _actions(env, agent, player, met)
    same("observations", "observations before and after act()", kept, met)
    first = _decisions(agent, player, met)
    with untouched_globals("repeatable"):
        same("repeatable", "two calls with equal generators", first, _decisions(agent, player, met))
    alone = [_decisions(agent, player, [observation], at)[0] for at, observation in enumerate(met)]
    same("batch", "actions in a batch and alone", first, alone)
    turned = _decisions(agent, player, met[::-1], order=range(len(met))[::-1])[::-1]
    same("batch", "actions in a batch and in the reversed one", first, turned)
    _decisions(agent, player, met[: len(met) // 2])
    same("memory", "actions before and after other dialogues", first, _decisions(agent, player, met))
    reset = getattr(agent, "reset", None)
    if reset:
        reset()
        same("memory", "actions before and after reset()", first, _decisions(agent, player, met))
    try:
        _actions(env, agent, player, list(_met(env, agent, player, episodes, odd=True)))
    except CheckFailed as error:
        raise CheckFailed("odd texts", str(error)) from None
    except Exception as error:
        raise CheckFailed("odd texts", f"act() raised {type(error).__name__}: {error}") from error
    return CHECKS


def _generators(count: int, order: Sequence[int]) -> list[np.random.Generator]:
    return [np.random.default_rng((5, at)) for at in order][:count]


def _decisions(
    agent: Player,
    player: str,
    met: Sequence[Observation],
    at: int = 0,
    order: Sequence[int] | None = None,
) -> list[Decision]:
    rngs = _generators(len(met), order if order is not None else range(at, at + len(met)))
    try:
        return decide(player, agent, met, rngs)
    except ClarifyError as error:
        if "returned" in str(error):
            raise CheckFailed("actions", str(error)) from None
        raise


def _met(env: GameEnv[Any], agent: Player, player: str, episodes: int, odd: bool) -> list[Observation]:
    """Observations that the agent meets when it plays with others who do anything legal."""
    twin, others = env.fork(), players(env, odd)
    met: list[Observation] = []
    for seed in range(episodes):
        rng = np.random.default_rng((9, seed))
        observations, _ = twin.reset(seed=seed)
        while twin.agents:
            actions: dict[str, Any] = {}
            for who in on_turn(twin):
                if who == player:
                    met.append(observations[who])
                    own = copy.deepcopy(observations[who])
                    actions[who] = _decisions(agent, player, [own], seed)[0].action
                else:
                    actions[who] = others[who].act([observations[who]], [rng])[0]
            observations = twin.step(actions)[0]
    if not met:
        raise CheckFailed("actions", f"the player {player!r} was never on turn in {env.name}")
    return met


def _actions(env: GameEnv[Any], agent: Player, player: str, met: Sequence[Observation]) -> None:
    for observation, decision in zip(met, _decisions(agent, player, met), strict=True):
        allowed = np.flatnonzero(observation["action_mask"][1:])
        kinds = tuple(env.game.moves[player][i] for i in allowed)
        action = decision.action
        if isinstance(action, str):
            try:
                action = decode(action, kinds, env.max_chars)
            except Unreadable as error:
                raise CheckFailed("actions", f"a message that is no move: {error}") from None
        if not isinstance(action, kinds):
            names = ", ".join(kind.kind for kind in kinds)
            made = f"{action.kind} {action.text!r}" if isinstance(action, Move) else repr(action)
            raise CheckFailed("actions", f"{made:.100} where one of {names} is allowed")
