"""From the record of an episode back to the states of its game, and to what a player saw."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Observation
from clarify_env.codec import decode
from clarify_env.episode import Episode, prices
from clarify_env.errors import Unreadable
from clarify_env.game import Game, StopReason
from clarify_env.moves import Move, Pass


class Choice(NamedTuple):
    """One decision of an episode: the state before it, the move, and what its agent attached to it."""

    state: Any
    move: Move
    trace: Any


def failed(episode: Episode) -> bool:
    """Whether a player could not decide, so that the episode says nothing about how well it was played."""
    return episode.stop == StopReason.FAILED


def pins(game: Game[Any], setup: dict[str, Any], costs: dict[str, float]) -> dict[str, Any]:
    """The reset options that bring back what nature chose."""
    chosen = {name: setup[name] for name in game.options if setup.get(name, []) != []}
    return {**chosen, "costs": tuple(costs.values())}


def choices(game: Game[Any], episode: Episode, player: str) -> Iterator[Choice]:
    """The decisions of `player`, in order; without a last one that was no move at all.

    An episode that failed has none: what it shows is cut off at random, not chosen.
    """
    if failed(episode):
        return
    state = game.start(np.random.default_rng(0), pins(game, episode.setup, episode.costs))
    for step in episode.steps:
        moves = dict(step.moves)
        if player in moves and game.legal(state).get(player):
            yield Choice(state, moves[player], dict(step.traces).get(player))
        if not moves or set(moves) != set(game.legal(state)):
            return
        state, _ = game.apply(state, moves)


def credited(
    game: Game[Any], episode: Episode, player: str, terms: Sequence[str] | None = None
) -> list[tuple[Choice, float]]:
    """The decisions of `player`, each with the reward that was paid from it to its next one, or to the end.

    Only the named terms of the reward count, by default all.

    A last message that was no move counts too, as a `Pass` with its trace: it was sampled, and it cost the
    accuracy. What was paid before the first decision is nobody's credit here.
    """
    per_unit = prices(episode.terms, episode.costs)
    found: list[tuple[Choice, float]] = []
    if failed(episode):
        return found
    state = game.start(np.random.default_rng(0), pins(game, episode.setup, episode.costs))
    for step in episode.steps:
        moves = dict(step.moves)
        if game.legal(state).get(player):
            found.append((Choice(state, moves.get(player, Pass()), dict(step.traces).get(player)), 0.0))
        if found:
            choice, reward = found[-1]
            paid = [(name, quantity) for name, quantity in step.paid if terms is None or name in terms]
            found[-1] = choice, reward + sum(per_unit[name] * quantity for name, quantity in paid)
        if not moves or set(moves) != set(game.legal(state)):
            break
        state, _ = game.apply(state, moves)
    return found


def made_move(game: Game[Any], state: Any, player: str, action: Any) -> Move | None:
    """The move that an action stands for, or None for what would end the episode."""
    kinds = game.legal(state)[player]
    if isinstance(action, str):
        try:
            action = decode(action, kinds)
        except Unreadable:
            return None
    return action if isinstance(action, kinds) else None


def seen(game: Game[Any], state: Any, player: str, costs: Any = None) -> Observation:
    """What `player` observes in `state`, or would under other costs."""
    observation = game.view(state, player)
    if costs is not None:
        observation["costs"] = np.array(costs, dtype=np.float64)
    return observation


def point(game: Game[Any], state: Any, player: str) -> Hashable:
    """What `player` knows in `state` but for the costs, the same whatever the order of what it is shown."""
    observed = game.observe(state, player)
    held = [
        (name, tuple(sorted(map(repr, value))) if isinstance(value, tuple) else repr(value))
        for name, value in observed.items()
        if name not in ("transcript", "costs")
    ]
    return (state.history, *held)
