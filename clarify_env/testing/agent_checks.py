"""`check_agent`: what would spoil a comparison if an agent did it."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Observation, Predictable
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import StopReason
from clarify_env.rollout import Player, decide
from clarify_env.simulate import advance
from clarify_env.testing.play import Actions, CheckFailed, naming, players, same, untouched_globals

CHECKS = ("actions", "observations", "repeatable", "memory", "batch", "odd texts")
REPLIES = "replies"  # of agents that say what they may do
DRAWS = 400  # of an action that is compared with its probabilities


class OnTurn(NamedTuple):
    """A point of an episode where the agent is on turn.

    Args:
        state: of the game.
        observation: what the agent sees.
        others: what the other players on turn do.
    """

    state: Any
    observation: Observation
    others: Actions


def check_agent(
    agent: Player, env: GameEnv[Any], player: str | None = None, episodes: int = 12
) -> tuple[str, ...]:
    """Check that an agent keeps the protocol.

    - actions: one action per observation, which the environment lets through;
    - observations: they are left as they were;
    - repeatable: the same generators give the same actions, and no global generator is used;
    - memory: other dialogues in between, and `reset`, change nothing;
    - batch: who else is in the batch, and in which order, changes nothing;
    - odd texts: empty, long and strange texts of the others are survived;
    - replies: of an agent that says what it may do (`clarify_env.agent.Predictable`): legal moves, no two
      alike, with probabilities that add up to 1; and `act` makes them about as often.

    Args:
        agent: anything with `act(observations, rngs)`.
        env: the game to check it in.
        player: whom it plays; by default the game's first player.
        episodes: dialogues to check, against others that play at random.

    Returns:
        The names of the checks, all of them passed.

    Raises:
        CheckFailed: the first check that failed, with what it saw.
    """
    player = env.possible_agents[0] if player is None else player
    if player not in env.possible_agents:
        raise ClarifyError(
            f"check_agent(player={player!r}): the players of {env.name} are {env.possible_agents}"
        )
    with naming("actions"):
        points = _points(env, agent, player, episodes, odd=False)
        met = [point.observation for point in points]
        kept = copy.deepcopy(met)
        first = _actions(agent, player, met)
        _let_through(env, player, points, first)
    same("observations", "observations before and after act()", kept, met)
    with naming("repeatable"), untouched_globals("repeatable"):
        again = _actions(agent, player, met)
        same("repeatable", "two calls with equal generators", first, again)
    with naming("memory"):
        _memory(agent, env, player, episodes, met, first)
    with naming("batch"):
        _batch(agent, player, met, first)
    with naming("odd texts"):
        _odd(agent, env, player, episodes)
    if not isinstance(agent, Predictable):
        return CHECKS
    with naming(REPLIES):
        _replies(agent, env, player, points)
    return (*CHECKS, REPLIES)


def _actions(
    agent: Player, player: str, met: Sequence[Observation], order: Sequence[int] | None = None
) -> list[Any]:
    """The agent's actions; observation `order[k]`, which stands at k, has a generator of its own."""
    rngs = [np.random.default_rng((5, at)) for at in (range(len(met)) if order is None else order)]
    return [decision.move for decision in decide(player, agent, met, rngs)]


def _points(env: GameEnv[Any], agent: Player, player: str, episodes: int, odd: bool) -> list[OnTurn]:
    """Where the agent is on turn when it plays with others who do anything legal."""
    points = list[OnTurn]()
    others = {who: other for who, other in players(env, odd).items() if who != player}
    for seed in range(episodes):
        twin, rng = env.fork(), np.random.default_rng((9, seed))
        twin.reset(seed=seed)
        state = twin.game_state
        while state.stop is None:
            (made,) = advance(env, {**others, player: agent}, [state], [rng])
            if player in env.game.legal(state):
                theirs = {who: move for who, move in made.moves.items() if who != player}
                points.append(OnTurn(state, env.game.view(state, player), theirs))
            state = made.state
    if not points:
        raise CheckFailed("actions", f"the player {player!r} was never on turn in {env.name}")
    return points


def _let_through(env: GameEnv[Any], player: str, points: Sequence[OnTurn], actions: Sequence[Any]) -> None:
    """Check that the environment takes each action for a legal move."""
    given = [{**point.others, player: action} for point, action in zip(points, actions, strict=True)]
    made = advance(env, {}, [point.state for point in points], given=given)
    for action, step in zip(actions, made, strict=True):
        stop = step.state.stop
        if stop is not None and stop.reason in (StopReason.ILLEGAL, StopReason.UNREADABLE):
            raise CheckFailed("actions", f"{action!r:.120} ended an episode: {stop.reason}, {stop.detail}")


def _memory(
    agent: Player, env: GameEnv[Any], player: str, episodes: int, met: Sequence[Observation], first: list[Any]
) -> None:
    _actions(agent, player, met[: len(met) // 2])
    _points(env, agent, player, episodes // 3 + 1, odd=False)
    same("memory", "actions before and after other dialogues", first, _actions(agent, player, met))
    if callable(reset := getattr(agent, "reset", None)):
        reset()
        same("memory", "actions before and after reset()", first, _actions(agent, player, met))


def _batch(agent: Player, player: str, met: Sequence[Observation], first: list[Any]) -> None:
    alone = [_actions(agent, player, [observation], [at])[0] for at, observation in enumerate(met)]
    same("batch", "actions in a batch and alone", first, alone)
    every = list(range(len(met)))
    for order in (every[::-1], every[::2], every[:32], every + every):
        company = _actions(agent, player, [met[at] for at in order], order)
        what = f"actions in a batch of {len(met)} and in another order and company, of {len(order)}"
        same("batch", what, [first[at] for at in order], company)


def _replies(agent: Any, env: GameEnv[Any], player: str, points: Sequence[OnTurn]) -> None:
    """Check what the agent says that it may do, and compare it with `act` where it says most."""
    told = []
    for point in points:
        replies = list(agent.replies(point.observation))
        moves, chances = [move for move, _ in replies], [chance for _, chance in replies]
        if len(set(moves)) < len(moves):
            raise CheckFailed(REPLIES, f"two of {moves!r:.200} are the same; add their probabilities up")
        if not moves or min(chances) < 0.0 or abs(sum(chances) - 1.0) > 1e-6:
            raise CheckFailed(REPLIES, f"{chances!r:.200}: probabilities of at least 0 that add up to 1")
        try:
            _let_through(env, player, [point] * len(moves), moves)
        except CheckFailed as error:
            raise CheckFailed(REPLIES, str(error)) from None
        told.append(dict(replies))
    for at in sorted(range(len(told)), key=lambda at: -len(told[at]))[:4]:
        rngs = [np.random.default_rng((6, at, k)) for k in range(DRAWS)]
        drawn = [one.move for one in decide(player, agent, [points[at].observation] * DRAWS, rngs)]
        for move in {*told[at], *drawn}:
            chance, share = told[at].get(move, 0.0), drawn.count(move) / DRAWS
            # six standard deviations, and never less than one draw of what cannot happen
            if abs(share - chance) > 6.0 * (chance * (1.0 - chance) / DRAWS) ** 0.5 + 1e-9:
                raise CheckFailed(
                    REPLIES, f"{move!r:.120} has probability {chance:.3f}, and {share:.3f} of {DRAWS} draws"
                )


def _odd(agent: Player, env: GameEnv[Any], player: str, episodes: int) -> None:
    try:
        points = _points(env, agent, player, episodes, odd=True)
        met = [point.observation for point in points]
        _let_through(env, player, points, _actions(agent, player, met))
    except CheckFailed as error:
        raise CheckFailed("odd texts", str(error)) from None
