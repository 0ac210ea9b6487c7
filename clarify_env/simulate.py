"""Playing on from any state of a game: the one step that all simulation is made of."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.env import GameEnv, read_action
from clarify_env.errors import ClarifyError
from clarify_env.game import Paid, Stop
from clarify_env.moves import Move
from clarify_env.rollout import Player, decide


class Advanced(NamedTuple):
    """What a step led to.

    Args:
        state: after it; where somebody's action was no legal move it has a `stop` that says so.
        moves: of those on turn, but for actions that were no moves.
        paid: (reward term, quantity) pairs that it incurred.
    """

    state: Any
    moves: dict[str, Move]
    paid: Paid


def advance(
    env: GameEnv[Any],
    agents: Mapping[str, Player],
    states: Sequence[Any],
    rngs: Sequence[np.random.Generator] = (),
    given: Sequence[Mapping[str, Any]] = (),
) -> list[Advanced]:
    """Play one step from each of these states, as `GameEnv.step` does.

    Args:
        env: whose game is played; its own episode is left alone.
        agents: the players who decide, one batch each, in this order.
        states: where to step from, all at once.
        rngs: one generator for each state, which its players share; none where everything is given.
        given: actions of each state, by player, in place of those of `agents`; those of players who are not
            on turn there are left out of account.

    Raises:
        ClarifyError: a player on turn has neither an agent nor an action, or a state is an end.
    """
    game = env.game
    legal = [game.legal(state) for state in states]
    actions: list[dict[str, Any]] = [{} for _ in states]
    for made, turn, ready in zip(actions, legal, given or [{}] * len(states), strict=True):
        made.update((player, action) for player, action in ready.items() if player in turn)
    for player, agent in agents.items():
        due = [k for k, turn in enumerate(legal) if player in turn and player not in actions[k]]
        if due:
            views = [game.view(states[k], player) for k in due]
            for k, decision in zip(due, decide(player, agent, views, [rngs[k] for k in due]), strict=True):
                actions[k][player] = decision.move
    found = []
    for state, turn, made in zip(states, legal, actions, strict=True):
        if not turn or turn.keys() - made:
            raise ClarifyError(
                f"advance: on turn are {sorted(turn)} (at an end nobody is), with actions of {sorted(made)}"
            )
        read = {player: read_action(player, made[player], turn[player], env.max_chars) for player in turn}
        moves = {player: move for player, move in read.items() if isinstance(move, Move)}
        stops = [stop for stop in read.values() if isinstance(stop, Stop)]
        after, paid = (game.stopped(state, stops[0]), ()) if stops else game.apply(state, moves)
        found.append(Advanced(after, moves, paid))
    return found
