"""`check_env`: what would spoil a comparison if an environment did it."""

import contextlib
import copy
import io
import json
import math
import os
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
from pettingzoo.test import parallel_api_test

from clarify_env.collect import rollout
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.registry import make, registry
from clarify_env.testing.play import (
    CheckFailed,
    choose,
    digest,
    on_turn,
    play,
    players,
    same,
    untouched_globals,
)
from clarify_env.testing.privacy import check_forgery, check_privacy

SEEDS = range(12)


def check_env(env: GameEnv[Any]) -> tuple[str, ...]:
    """Check an environment by playing whole episodes of it; the one that is given is only forked.

    - api: PettingZoo's `parallel_api_test`, and observations lie in their spaces;
    - determinism: a seed gives the same episode again, beside others, at any batch size of `rollout`, without
      touching a global generator; and in another process with another hash seed, where the environment was
      made by `clarify_env.make` from options that can be written down;
    - terms: they add up to the reward, and re-scoring an episode equals playing it under those costs;
    - fork: equal, and independent;
    - reset: nothing is kept, and what was handed out can be changed without effect;
    - illegal: a wrong move ends the episode with a reason and without a gain, acting after the end raises;
    - privacy: see `clarify_env.testing.privacy`; forgery: no text of one player becomes another's move.

    Args:
        env: any `GameEnv`.

    Returns:
        The names of the checks that were made, all of them passed.

    Raises:
        CheckFailed: the first check that failed, with what it saw.
    """
    with untouched_globals("determinism"):
        _determinism(env)
        made = ["determinism", *_other_process(env)]
        for check in (_terms, _fork, _reset, _illegal, check_privacy, check_forgery):
            check(env.fork())
    _api(env.fork())
    return (*made, "terms", "fork", "reset", "illegal", "privacy", "forgery", "api")


def _api(env: GameEnv[Any]) -> None:
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parallel_api_test(env.fork(), num_cycles=60)
    except Exception as error:
        raise CheckFailed("api", f"parallel_api_test: {type(error).__name__}: {error}") from error

    def inside(result: tuple[Any, ...]) -> None:
        for player, observation in result[0].items():
            space = env.observation_space(player)
            if not space.contains(observation):
                raise CheckFailed("api", f"an observation of {player!r} is not in its space: {observation!r}")

    for seed in SEEDS:
        observations, _ = env.reset(seed=seed)
        inside((observations,))
        play(env, seed, seed, watch=inside)


def _determinism(env: GameEnv[Any]) -> None:
    alone = [play(env.fork(), seed, seed)[0] for seed in SEEDS]
    for seed, episode in zip(SEEDS, alone, strict=True):
        same("determinism", f"two episodes of seed {seed}", episode, play(env.fork(), seed, seed)[0])
    beside = [env.fork() for _ in SEEDS]
    rngs = [np.random.default_rng(seed) for seed in SEEDS]
    met = [twin.reset(seed=seed)[0] for twin, seed in zip(beside, SEEDS, strict=True)]
    while any(twin.agents for twin in beside):
        for k, twin in enumerate(beside):
            if twin.agents:
                met[k] = twin.step(choose(twin, met[k], rngs[k]))[0]
    for episode, twin in zip(alone, beside, strict=True):
        same("determinism", "an episode alone and beside others", episode, twin.episode())
    agents = players(env)
    whole = list(rollout(env, agents, 20, 3, batch=64))
    for batch in (1, 7):
        again = list(rollout(env, agents, 20, 3, batch=batch))
        same("determinism", f"rollouts at batch 64 and {batch}", whole, again)


CHILD = """
import json, sys
from clarify_env import make
from clarify_env.testing.play import digest, play
id, options = json.loads(sys.argv[1])
print(json.dumps([digest(play(make(id, **options), seed, seed)[0]) for seed in range(6)]))
"""


def _other_process(env: GameEnv[Any]) -> list[str]:
    """The check's name where it can be made: the options must survive being written as JSON."""
    if env.made_with is None or env.name not in registry:
        return []
    if not isinstance(registry[env.name].entry_point, str):
        return []  # another process could not import it
    options = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in env.made_with.items()}
    try:
        wanted = json.dumps([env.name, options])
    except TypeError:
        return []
    here = [digest(play(make(env.name, **options), seed, seed)[0]) for seed in range(6)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, wanted],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise CheckFailed("determinism", f"another process failed: {done.stderr.strip()[-300:]}")
    same("determinism", "episodes here and in another process", here, json.loads(done.stdout))
    return ["processes"]


def _terms(env: GameEnv[Any]) -> None:
    for seed in SEEDS:
        paid: list[float] = []

        def add_up(result: tuple[Any, ...], paid: list[float] = paid) -> None:
            _, rewards, _, _, infos = result
            for player, reward in rewards.items():
                terms = infos[player]["terms"]
                if set(terms) != set(env.game.terms) or sum(terms.values()) != reward:
                    raise CheckFailed("terms", f"{terms} of {player!r} do not add up to its reward {reward}")
            paid.append(next(iter(rewards.values())))
            for info in infos.values():
                if "episode" in info and info["episode"]["reward"] != sum(info["episode"]["terms"].values()):
                    raise CheckFailed("terms", f"the totals {info['episode']} do not add up")

        episode, script = play(env, seed, seed, watch=add_up)
        if not math.isclose(math.fsum(paid), episode.reward, abs_tol=1e-9):
            raise CheckFailed("terms", f"steps paid {math.fsum(paid)}, the episode says {episode.reward}")
        if "costs" in env.game.options:
            other = {name: value * 0.7 + 0.013 for name, value in episode.costs.items()}
            costs = tuple(other.values())
            again, _ = play(env, seed, seed, options={"costs": costs}, script=script)
            scored = episode.rescored(**other)
            pair = [(e.reward, e.reward_terms, e.quantities) for e in (scored, again)]
            same("terms", "an episode re-scored and played again under other costs", *pair)


def _fork(env: GameEnv[Any]) -> None:
    for seed in SEEDS:
        whole, script = play(env, seed, seed)
        for at in range(len(script)):
            play(env, seed, seed, script=script[:at])
            twin, other = env.fork(), env.fork()
            if other.agents:
                rng = np.random.default_rng(77)
                views = {p: env.game.view(other.game_state, p) for p in other.agents}
                other.step(choose(other, views, rng))
                other.reset()
            for actions in script[at:]:
                env.step(actions)
                twin.step(actions)
            same("fork", "an episode and its fork, played alike", whole, twin.episode())
            same("fork", "an episode with and without a fork", whole, env.episode())
            same("fork", "what comes after an episode and after its fork", env.reset(), twin.reset())


def _reset(env: GameEnv[Any]) -> None:
    def wreck(result: tuple[Any, ...]) -> None:
        for part in result:
            for value in part.values():
                if isinstance(value, dict):
                    value.clear()
            part.clear()

    for seed in SEEDS:
        fresh, script = play(env.fork(), seed, seed)
        same("reset", "a fresh episode and one after others", fresh, play(env, seed, seed)[0])
        again, _ = play(env, seed, seed, watch=wreck, script=script)
        same("reset", "an episode and one whose observations and infos were emptied", fresh, again)
        start = env.reset(seed=seed)
        same("reset", "the first observations", start, env.fork().reset(seed=seed))
        if env.agents != env.possible_agents or env.episode().steps:
            raise CheckFailed("reset", f"after reset agents are {env.agents} and steps {env.episode().steps}")
        ids = [id(part) for pair in start for part in pair.values()]
        if len(set(ids)) != len(ids):
            raise CheckFailed("reset", "two players are handed the same object")


def _illegal(env: GameEnv[Any]) -> None:
    for seed in SEEDS:
        _, script = play(env, seed, seed)
        for bad in ("no move at all", "<" + "x" * 50, None):
            play(env, seed, seed, script=script[:-1])
            before = copy.deepcopy(env.episode())
            turn = on_turn(env)
            try:
                env.step({turn[0]: 3.5, **dict.fromkeys(turn[1:])})
            except ClarifyError:
                same("illegal", "an episode before and after an action that is none", before, env.episode())
            else:
                raise CheckFailed("illegal", "a number was taken for an action")
            if isinstance(bad, str) and len(env.game.legal(env.game_state)[turn[0]]) == 1:
                continue  # any text is a move of a player with one kind of moves
            _, _, ended, _, infos = env.step(dict.fromkeys(turn, bad))
            gains = [name for name, term in env.game.terms.items() if not term.cost]
            summary = infos[turn[0]].get("episode", {})
            if not all(ended.values()) or not summary.get("stop"):
                raise CheckFailed("illegal", f"{bad!r} of {turn} did not end the episode with a reason")
            earned = {name: infos[turn[0]]["terms"][name] for name in gains}
            if any(value > 0.0 for value in earned.values()):
                raise CheckFailed("illegal", f"{bad!r} of {turn} earned {earned}")
        after = env.episode()
        try:
            env.step(script[-1])
        except ClarifyError:
            same("illegal", "an episode before and after acting past its end", after, env.episode())
        else:
            raise CheckFailed("illegal", "step() after the end did not raise")
