"""`check_env`: what would spoil a comparison if an environment did it.

Illegal moves and forged ones: what an environment must not let through, at any point of an episode.

The same seeds in another process, where the hashes of strings, and so the order of sets, are others.
"""

import contextlib
import io
import json
import math
import os
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
from pettingzoo.test import parallel_api_test

from clarify_env.codec import encode
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.games import load_object
from clarify_env.moves import Move, Pass, TextMove
from clarify_env.registry import make, register, registry
from clarify_env.rollout import rollout
from clarify_env.testing.play import (
    SEEDS,
    Actions,
    CheckFailed,
    digest,
    exact,
    naming,
    on_turn,
    play,
    players,
    random_actions,
    same,
    untouched_globals,
)
from clarify_env.testing.privacy import check_privacy

NONE = (3.5, ["x"], Move)  # no actions at all


OF_A_KIND = 2  # points with the same legal moves at the same depth


STOPS = ("illegal_move", "unreadable_message")


Fork = tuple[GameEnv[Any], Actions]


def _points(env: GameEnv[Any]) -> Iterator[Fork]:
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
    if any(max(rewards[player], *infos[player]["terms"].values()) > 0.0 for player in rewards):
        raise CheckFailed("illegal", f"{name} was paid {rewards}")
    for term in env.game.terms.values():
        old, new = before.quantities[term.quantity], after.quantities[term.quantity]
        if new < old if term.cost else new > old:
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
    reads = {who: env.game.as_read(move) for who, move in played.items() if isinstance(move, Move)}
    for listed in (fresh, [turn for step in record[steps:] for turn in step.moves]):
        seen: set[str] = set()
        for who, move in listed:
            own = move in (played.get(who), reads.get(who)) or (who == speaker and isinstance(message, str))
            if who in seen or not own or not isinstance(move, legal.get(who, ())):
                shown = f"{message!r:.120} of {speaker!r} became {move.kind!r} of {who!r}"
                raise CheckFailed("forgery", shown)
            seen.add(who)
    if len(record) != steps + 1:
        raise CheckFailed("forgery", f"{message!r:.120} of {speaker!r} made {len(record) - steps} steps")


CHILD = "from clarify_env.testing.env_checks import child; child()"


CHECKED_EPISODES = 6


def check_processes(env: GameEnv[Any]) -> bool:
    """Compare episodes here with those of a new interpreter that has another hash seed.

    Returns:
        Whether the check could be made: `clarify_env.make` must have made the environment, from options that
        can be written as JSON, and from a function that another process can import.
    """
    if env.made_with is None or env.name not in registry:
        return False
    spec = registry[env.name]
    entry, costs = _importable(spec.make), _importable(type(spec.costs))
    if entry is None or costs is None:
        return False
    try:
        wanted = json.dumps([env.name, entry, costs, env.made_with], default=os.fspath)
    except TypeError:
        return False
    here = digests(make(env.name, **env.made_with))
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=wanted,
        env={**os.environ, "PYTHONHASHSEED": _other_hash_seed(), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise CheckFailed("determinism", f"another process failed: {' '.join(last)}")
    for seed, (own, other) in enumerate(zip(here, json.loads(done.stdout.splitlines()[-1]), strict=True)):
        same("determinism", f"the episodes of seed {seed} here and in another process", own, other)
    return True


def digests(env: GameEnv[Any]) -> list[str]:
    """Of some episodes, with all that was returned on the way."""
    return [digest(play(env, seed)) for seed in range(CHECKED_EPISODES)]


def child() -> None:
    """What the other process does: read what to make, print the digests."""
    name, entry, costs, options = json.load(sys.stdin)
    import_module(entry.partition(":")[0])  # this may well register it
    if name not in registry:
        register(name, entry, costs=load_object(costs)())
    print(json.dumps(digests(make(name, **options))))


def _importable(entry: str | Callable[..., Any]) -> str | None:
    """ "module:function", or None for a function that only this process knows."""
    if isinstance(entry, str):
        return entry
    module, name = getattr(entry, "__module__", "__main__"), getattr(entry, "__qualname__", "")
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not entry:
        return None
    return f"{module}:{name}"


def _other_hash_seed() -> str:
    return "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"


def check_env(env: GameEnv[Any]) -> tuple[str, ...]:
    """Check an environment by playing whole episodes of it; the one that is given is only forked.

    - determinism: a seed gives the same episode again, and all that is seen of it, beside others, at any
      batch size of `rollout`, without touching a global generator;
    - processes: so does another process with another hash seed (reported under "determinism" when it fails),
      where `clarify_env.make` made the environment from options that can be written down;
    - terms: they add up to the reward, and re-scoring an episode equals playing it under those costs;
    - reset: nothing is kept; what is handed out is new, and can be changed without effect; the game's
      `counted` and `opening` are as at a start;
    - fork: equal, and independent, the generator too;
    - illegal: a wrong move ends the episode with a reason, without a gain, and its costs stand; what is no
      action, and acting after the end, raise and change nothing;
    - privacy: see `clarify_env.testing.privacy`;
    - forgery: no text of one player becomes another's move, and nobody moves out of turn;
    - api: PettingZoo's `parallel_api_test`, and observations and moves lie in their spaces.

    Args:
        env: any `GameEnv`.

    Returns:
        The names of the checks that were made, all of them passed.

    Raises:
        CheckFailed: the first check that failed, with what it saw.
    """
    if not isinstance(env, GameEnv):
        raise ClarifyError(f"check_env: {env!r:.80} is no GameEnv")
    made = ["determinism"]
    with untouched_globals("determinism"):
        with naming("reset"):
            _starts_empty(env.fork())
        with naming("determinism"):
            _determinism(env)
            if check_processes(env):
                made.append("processes")
        for name, check in (
            ("terms", _terms),
            ("reset", _reset),
            ("fork", _fork),
            ("illegal", check_illegal),
            ("privacy", check_privacy),
            ("forgery", check_forgery),
        ):
            with naming(name):
                check(env.fork())
            made.append(name)
    with naming("api"):
        _api(env.fork())  # draws from the generators of the spaces
    return (*made, "api")


def _starts_empty(env: GameEnv[Any]) -> None:
    for seed in SEEDS:
        play(env, seed)
        observations, infos = env.reset(seed=seed)
        if env.agents != env.possible_agents or not set(infos) == set(observations) == set(env.agents):
            raise CheckFailed("reset", f"agents {env.agents}, observations of {sorted(observations)}")
        shown = [env.episode().steps, *(observation["transcript"] for observation in observations.values())]
        if any(shown):
            raise CheckFailed("reset", f"after reset there are moves already: {next(filter(None, shown))}")
        stated = [*env.game.counted], sorted(env.game.opening)
        same(
            "reset",
            "`counted`, `opening` and a start",
            stated,
            ([*env.episode().quantities], sorted(on_turn(env))),
        )


def _determinism(env: GameEnv[Any]) -> None:
    alone = [play(env.fork(), seed) for seed in SEEDS]
    for seed, played in zip(SEEDS, alone, strict=True):
        same("determinism", f"two episodes of seed {seed}", played, play(env.fork(), seed))
    beside = [env.fork() for _ in SEEDS]
    rngs = [np.random.default_rng(seed) for seed in SEEDS]
    met: list[tuple[Any, ...]] = [twin.reset(seed=seed) for twin, seed in zip(beside, SEEDS, strict=True)]
    returned = [[exact(result)] for result in met]
    while any(twin.agents for twin in beside):
        for k, twin in enumerate(beside):
            if twin.agents:
                met[k] = twin.step(random_actions(twin, met[k][0], rngs[k]))
                returned[k].append(exact(met[k]))
    for played, twin, own in zip(alone, beside, returned, strict=True):
        pair = (played.episode, played.returned), (twin.episode(), own)
        same("determinism", "an episode alone and beside others", *pair)
    agents = players(env)
    whole = list(rollout(env, agents, 20, 3, batch=64))
    for batch in (1, 7):
        again = list(rollout(env, agents, 20, 3, batch=batch))
        same("determinism", f"rollouts at batch 64 and {batch}", whole, again)


def _terms(env: GameEnv[Any]) -> None:
    for seed in SEEDS:
        results: list[tuple[Any, ...]] = []
        episode, script, _ = play(env, seed, watch=results.append)
        paid, ends = [], []
        for _, rewards, _, _, infos in results[1:]:
            for player, reward in rewards.items():
                terms = infos[player]["terms"]
                if set(terms) != set(env.game.terms) or sum(terms.values()) != reward:
                    raise CheckFailed("terms", f"{terms} of {player!r} do not add up to its reward {reward}")
            if len(set(rewards.values())) != 1:
                raise CheckFailed("terms", f"a team shares its reward, but players got {rewards}")
            paid.append(next(iter(infos.values()))["terms"])
            ends += [info["episode"] for info in infos.values() if "episode" in info]
        totals = {name: math.fsum(terms[name] for terms in paid) for name in env.game.terms}
        wanted = (totals, sum(totals.values()), episode.quantities, episode.stop)
        record = (episode.reward_terms, episode.reward)
        same("terms", "what the steps paid and the record's totals", wanted[:2], record)
        if not ends:
            raise CheckFailed("terms", "the infos of the last step hold no summary of the episode")
        for end in ends:
            told = (end["terms"], end["reward"], end["quantities"], end["stop"])
            same("terms", "what the steps paid and the summary in infos", wanted, told)
        if "costs" in env.game.options:
            moved = {name: value * 0.7 + 0.013 for name, value in episode.costs.items()}
            for other in (moved, dict.fromkeys(moved, 0.0)):
                again = play(env, seed, options={"costs": other}, script=script).episode
                pair = [(e, e.reward, e.reward_terms) for e in (episode.rescored(**other), again)]
                same("terms", "an episode re-scored and played again under other costs", *pair)


def _reset(env: GameEnv[Any]) -> None:
    unused = env.fork()
    for seed in SEEDS:
        kept: list[Any] = []
        fresh = play(unused.fork(), seed, watch=kept.append)
        held = [id(item) for item in mutable(tuple(kept))]
        if len(set(held)) != len(held):
            raise CheckFailed("reset", "two players, or two steps, are handed the same mutable object")
        play(env, seed + 1, script=play(unused.fork(), seed + 1).script[:1])
        same("reset", "a fresh episode and one after another was broken off", fresh, play(env, seed))
        same("reset", "a fresh episode and one after others", fresh, play(env, seed))
        again = play(env, seed, watch=_wreck, script=fresh.script)
        same("reset", "an episode and one whose observations and infos were emptied", fresh, again)


def mutable(value: Any) -> Iterator[Any]:
    """The mutable objects in what an environment returned; a read-only array counts as immutable."""
    if isinstance(value, (dict, list, set)) or (isinstance(value, np.ndarray) and value.flags.writeable):
        yield value
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from mutable(item)


def _wreck(result: tuple[Any, ...]) -> None:
    for item in list(mutable(result)):
        if isinstance(item, np.ndarray):
            item.fill(0)
        else:
            item.clear()


def _fork(env: GameEnv[Any]) -> None:
    for seed in SEEDS:
        control = env.fork()
        whole = play(control, seed)
        after = control.reset()
        for at in range(len(whole.script)):
            play(env, seed, script=whole.script[:at])
            record, fork, second = env.episode(), env.fork(), env.fork()
            same("fork", "the records of an episode and of its fork", record, fork.episode())
            tried = {
                "a fork": fork,
                "an episode that was forked, its fork played on": env,
                "a second fork, the others played on": second,
            }
            left = whole.episode, whole.returned[at + 1 :]
            for name, twin in tried.items():
                rest = [exact(twin.step(actions)) for actions in whole.script[at:]]
                same("fork", f"an episode never forked and {name}", left, (twin.episode(), rest))
                same("fork", f"the draws after an episode never forked and after {name}", after, twin.reset())
                twin.reset()


def _api(env: GameEnv[Any]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel_api_test(env.fork(), num_cycles=60)

    def inside(result: tuple[Any, ...]) -> None:
        for player, observation in result[0].items():
            space = env.observation_space(player)
            if not space.contains(observation):
                raise CheckFailed("api", f"an observation of {player!r} is not in its space: {observation!r}")

    for seed in SEEDS:
        for actions in play(env, seed, watch=inside).script:
            for player, action in actions.items():
                if not env.action_space(player).contains(action):
                    raise CheckFailed("api", f"{action!r} of {player!r} is not in its space of actions")
