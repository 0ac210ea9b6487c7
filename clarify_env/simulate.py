"""From the record of an episode back to the states of its game, and playing on from any of them."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Observation, Predictable
from clarify_env.env import GameEnv, read_action
from clarify_env.episode import Episode, prices
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, Paid, Stop, StopReason
from clarify_env.moves import Move, Pass
from clarify_env.rollout import Player, decide


class Choice(NamedTuple):
    """One decision of an episode: the state before it, the move, and what its agent attached to it."""

    state: Any
    move: Move
    trace: Any


def failed(episode: Episode) -> bool:
    """Whether a player could not decide, so that the episode says nothing about how well it was played."""
    return episode.stop == StopReason.FAILED


def pins(game: Game[Any], setup: dict[str, Any], costs: Any) -> dict[str, Any]:
    """The options of `Game.start` that bring back what nature chose, at these costs."""
    chosen = {name: setup[name] for name in game.options if setup.get(name, []) != []}
    return {**chosen, "costs": costs}


def openings(
    game: Game[Any], question: int, costs: Any, player: str, rng: np.random.Generator
) -> Iterator[tuple[dict[str, Any], float]]:
    """What a question at these costs may mean that `player` cannot tell apart at the start.

    Args:
        game: whose question it is.
        question: position of the task.
        costs: of the episode.
        player: who is on turn first.
        rng: draws what nature chooses besides, such as the order of the notes, once for all of them.

    Yields:
        The options of `Game.start` that lead there, and the probability.
    """
    start = game.start(rng, {"task": question, "costs": costs})
    for state, share in game.alternatives(start, player):
        yield {**pins(game, game.setup(state), costs), "task": question}, share


def states(game: Game[Any], episode: Episode) -> Iterator[Any]:
    """The state before each step of an episode: as `rollout` handed it on, else by playing it again."""
    if episode.states is not None:
        yield from episode.states
        return
    costs = game.costs_type(**episode.costs)
    state = game.start(np.random.default_rng(0), pins(game, episode.setup, costs))
    for k in range(len(episode.steps)):
        if k:
            state, _ = game.apply(state, dict(episode.steps[k - 1].moves))
        yield state


def choices(game: Game[Any], episode: Episode, player: str) -> Iterator[Choice]:
    """The decisions of `player`, in order; without a last one that was no move at all.

    An episode that failed has none: what it shows is cut off at random, not chosen.
    """
    if failed(episode):
        return
    for step, state in zip(episode.steps, states(game, episode), strict=True):
        moves = dict(step.moves)
        if player in moves:
            yield Choice(state, moves[player], dict(step.traces).get(player))


def credited(
    game: Game[Any],
    episode: Episode,
    player: str,
    terms: Sequence[str] | None = None,
    costs: Any = None,
) -> list[tuple[Choice, float]]:
    """The decisions of `player`, each with the reward that was paid from it to its next one, or to the end.

    A last message that was no move counts too, as a `Pass` with its trace: it was sampled, and it cost the
    accuracy. What was paid before the first decision is nobody's credit here.

    Args:
        game: that was played.
        episode: one that failed has no decisions.
        player: whose decisions.
        terms: of the reward that count, by default all.
        costs: that price them, by default the episode's own.
    """
    per_unit = prices(episode.terms, costs._asdict() if costs else episode.costs)
    found: list[tuple[Choice, float]] = []
    if failed(episode):
        return found
    for step, state in zip(episode.steps, states(game, episode), strict=True):
        if player in game.legal(state):
            move = dict(step.moves).get(player, Pass())
            found.append((Choice(state, move, dict(step.traces).get(player)), 0.0))
        if found:
            choice, reward = found[-1]
            paid = [(name, quantity) for name, quantity in step.paid if terms is None or name in terms]
            found[-1] = choice, reward + sum(per_unit[name] * quantity for name, quantity in paid)
    return found


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


def foreseen(
    game: Game[Any],
    agents: Mapping[str, Predictable],
    state: Any,
    spent: Counter[str] | None = None,
) -> list[tuple[dict[str, Move], float]]:
    """What the players on turn may do together, with probabilities that add up to 1.

    Args:
        game: that is played.
        agents: the players on turn, among others; each draws independently of the rest.
        state: where they are on turn.
        spent: grows by one decision of each of them.
    """
    ways: list[tuple[dict[str, Move], float]] = [({}, 1.0)]
    for player in game.legal(state):
        if spent is not None:
            spent[f"decisions/{player}"] += 1
        replies = agents[player].replies(game.view(state, player))
        ways = [({**moves, player: move}, share * p) for moves, share in ways for move, p in replies]
    return ways


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
    spent: Counter[str] | None = None,
) -> list[Advanced]:
    """Play one step from each of these states, as `GameEnv.step` does.

    Args:
        env: whose game is played; its own episode is left alone.
        agents: the players who decide, one batch each, in this order.
        states: where to step from, all at once.
        rngs: one generator for each state, which its players share; none where everything is given.
        given: actions of each state, by player, in place of those of `agents`; those of players who are not
            on turn there are left out of account.
        spent: grows by what the agents decide (see `clarify_env.rollout.decide`); what is given was decided
            before.

    Raises:
        ClarifyError: a player on turn has neither an agent nor an action, or a state is an end.
    """
    game = env.game
    legal = [game.legal(state) for state in states]
    actions: list[dict[str, Any]] = [{} for _ in states]
    for chosen, turn, ready in zip(actions, legal, given or [{}] * len(states), strict=True):
        chosen.update((player, action) for player, action in ready.items() if player in turn)
    for player, agent in agents.items():
        due = [k for k, turn in enumerate(legal) if player in turn and player not in actions[k]]
        if due:
            views = [game.view(states[k], player) for k in due]
            made = decide(player, agent, views, [rngs[k] for k in due], spent)
            for k, decision in zip(due, made, strict=True):
                actions[k][player] = decision.move
    found = []
    for state, turn, chosen in zip(states, legal, actions, strict=True):
        if not turn or turn.keys() - chosen:
            raise ClarifyError(
                f"advance: on turn are {sorted(turn)} (at an end nobody is), with actions of {sorted(chosen)}"
            )
        read = {player: read_action(player, chosen[player], turn[player], env.max_chars) for player in turn}
        moves = {player: move for player, move in read.items() if isinstance(move, Move)}
        stops = [stop for stop in read.values() if isinstance(stop, Stop)]
        if stops:
            after, paid = game.stopped(state, stops[0]), game.forfeit(state, stops[0])
        else:
            after, paid = game.apply(state, moves)
        found.append(Advanced(after, moves, paid))
    return found
