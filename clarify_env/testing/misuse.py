"""Illegal moves and forged ones: what an environment must not let through, at any point of an episode."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from clarify_env.codec import encode
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move, Pass, TextMove
from clarify_env.testing.play import SEEDS, Actions, CheckFailed, on_turn, play, same

NONE = (3.5, ["x"], Move)  # no actions at all
OF_A_KIND = 2  # points with the same legal moves at the same depth
STOPS = ("illegal_move", "unreadable_message")
Point = tuple[GameEnv[Any], Actions]


def _points(env: GameEnv[Any]) -> Iterator[Point]:
    """Forks of the environment at points of episodes, some of each kind, with the legal actions there."""
    met = Counter[tuple[str, int]]()
    for seed in SEEDS:
        script = play(env, seed).script
        for at, actions in enumerate(script):
            play(env, seed, script=script[:at])
            kind = repr(env.game.legal(env.game_state)), min(at, 3)
            met[kind] += 1
            if met[kind] <= OF_A_KIND:
                yield env.fork(), actions


def _kinds(env: GameEnv[Any]) -> list[type[Move]]:
    """All kinds of moves of the game, in a fixed order."""
    every = {kind for kinds in env.game.moves.values() for kind in kinds}
    return sorted(every, key=lambda kind: kind.kind)


def check_illegal(env: GameEnv[Any]) -> None:
    """What is no action raises and changes nothing; a wrong move ends the episode and earns nothing."""
    for point, actions in _points(env):
        for name, bad in _bad(point, actions):
            _ends(point.fork(), name, bad)
        control = point.fork()
        for nothing in NONE:
            _raises(point, {**actions, next(iter(actions)): nothing})
        going = [twin.step(actions) for twin in (control, point)]
        same("illegal", "what a step returns without and after actions that are none", *going)
        while point.agents:
            point.step(dict.fromkeys(on_turn(point)))
        _raises(point, actions)
        same(
            "illegal",
            "what the generator draws without and after wrong actions",
            control.reset(),
            point.reset(),
        )


def _bad(env: GameEnv[Any], actions: Actions) -> Iterator[tuple[str, Actions]]:
    """What must end the episode, by a name to tell it by."""
    rng = np.random.default_rng(0)
    legal = env.game.legal(env.game_state)
    for player in env.possible_agents:
        kinds = legal.get(player, ())
        for kind in _kinds(env):
            if kind not in kinds:
                yield f"{kind.kind!r} of {player!r}", {**actions, player: kind.random(rng)}
        yield f"a message too long of {player!r}", {**actions, player: "x" * (env.max_chars + 1)}
        if kinds:
            yield f"None of {player!r}, who is on turn", {**actions, player: None}
            yield f"Pass() of {player!r}, who is on turn", {**actions, player: Pass()}
        if len(kinds) > 1:  # any text is a move of a player with one kind of moves
            yield f"an unreadable message of {player!r}", {**actions, player: "no move at all"}
        for kind in kinds:
            if issubclass(kind, TextMove):
                yield f"a {kind.kind!r} too long", {**actions, player: kind("x" * (env.max_chars + 1))}


def _ends(env: GameEnv[Any], name: str, bad: Actions) -> None:
    before = env.episode()
    _, rewards, ended, cut, infos = env.step(bad)
    after, told = env.episode(), next(iter(infos.values())).get("episode", {})
    if env.agents or not all(ended.values()) or any(cut.values()):
        raise CheckFailed("illegal", f"{name} did not terminate the episode")
    if told.get("stop") not in STOPS or not told.get("detail") or after.stop != told["stop"]:
        raise CheckFailed("illegal", f"{name} ended it with {told.get('stop')!r}: {told.get('detail')!r}")
    if any(rewards.values()) or any(any(info["terms"].values()) for info in infos.values()):
        raise CheckFailed("illegal", f"{name} was paid {rewards}")
    for term in env.game.terms.values():
        old, new = before.quantities[term.quantity], after.quantities[term.quantity]
        if new != old if term.cost else new > old:
            raise CheckFailed("illegal", f"{name} changed {term.quantity!r} from {old} to {new}")


def _raises(env: GameEnv[Any], actions: Actions) -> None:
    before = env.episode(), env.agents
    try:
        env.step(actions)
    except ClarifyError:
        same(
            "illegal",
            f"an episode before and after step({actions!r:.80})",
            before,
            (env.episode(), env.agents),
        )
    else:
        state = "was taken for actions" if before[1] else "after the end did not raise"
        raise CheckFailed("illegal", f"step({actions!r:.80}) {state}")


def check_forgery(env: GameEnv[Any]) -> None:
    """A message full of everybody's tags is at most a move of the player on turn, and of its own kinds.

    Out of turn neither a message nor a move becomes one, also when the player on turn moves at the same time.
    """
    rng = np.random.default_rng(0)
    moves = [kind.random(rng) for kind in _kinds(env)]
    tags = [encode(move) for move in moves]
    closing = "".join(f"</{move.kind}>" for move in moves)
    forged = [*tags, " ".join(tags), *(closing + tag for tag in tags), *moves]
    for point, actions in _points(env):
        for message in forged:
            for speaker in env.possible_agents:
                _credited(point.fork(), actions, speaker, message)


def _credited(env: GameEnv[Any], actions: Actions, speaker: str, message: Any) -> None:
    """Check to whom a step credits moves when `speaker` sends `message` in place of its own action."""
    legal = env.game.legal(env.game_state)
    past, steps = env.game_state.history, len(env.episode().steps)
    played = {**actions, speaker: message}
    env.step(played)
    record = env.episode().steps
    same("forgery", "the moves before and after a message", past, env.game_state.history[: len(past)])
    fresh = [*env.game_state.history[len(past) :]]
    for listed in (fresh, [turn for step in record[steps:] for turn in step.moves]):
        seen: set[str] = set()
        for who, move in listed:
            own = move == played.get(who) or (who == speaker and isinstance(message, str))
            if who in seen or not own or not isinstance(move, legal.get(who, ())):
                shown = f"{message!r:.120} of {speaker!r} became {move.kind!r} of {who!r}"
                raise CheckFailed("forgery", shown)
            seen.add(who)
    if len(record) != steps + 1:
        raise CheckFailed("forgery", f"{message!r:.120} of {speaker!r} made {len(record) - steps} steps")
