"""`check_env`: what would spoil a comparison if an environment did it."""

import contextlib
import io
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from pettingzoo.test import parallel_api_test

from clarify_env.collect import rollout
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.testing.misuse import check_forgery, check_illegal
from clarify_env.testing.play import (
    SEEDS,
    CheckFailed,
    choose,
    exact,
    naming,
    play,
    players,
    same,
    untouched_globals,
)
from clarify_env.testing.privacy import check_privacy
from clarify_env.testing.processes import check_processes


def check_env(env: GameEnv[Any]) -> tuple[str, ...]:
    """Check an environment by playing whole episodes of it; the one that is given is only forked.

    - determinism: a seed gives the same episode again, and all that is seen of it, beside others, at any
      batch size of `rollout`, without touching a global generator;
    - processes: so does another process with another hash seed (reported under "determinism" when it fails),
      where `clarify_env.make` made the environment from options that can be written down;
    - terms: they add up to the reward, and re-scoring an episode equals playing it under those costs;
    - reset: nothing is kept; what is handed out is new, and can be changed without effect;
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
                met[k] = twin.step(choose(twin, met[k][0], rngs[k]))
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
                again = play(env, seed, options={"costs": tuple(other.values())}, script=script).episode
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
