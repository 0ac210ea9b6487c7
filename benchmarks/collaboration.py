"""`csp-v0`: the exact best, scripted groups, and what groups learn with ReST and PPO.

Five tables: where searching settles; floor, protocol and optimum in play; training in the default world;
the ablation: marks of groups whose asker knows who is who, and of groups that start without a convention; and
trained helpers alone. Intervals: 95%, by bootstrap over seeds. `--seeds 5 --parts train,marks`.
"""

import argparse
from functools import partial

import numpy as np
import torch
from scipy.stats import bootstrap

import clarify_env
from clarify_env import rollout
from clarify_env.agents.csp.policy import CspPolicy
from clarify_env.agents.csp.scripted import Optimum, floor, optimal, protocol
from clarify_env.games.csp import CspCosts
from clarify_env.games.csp.optimum import Problem, ceiling, equilibria, solve
from clarify_env.games.csp.world import TOOLS, make_world
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.calibration import transfer
from clarify_env.trainers.experiment import make_trainer
from clarify_env.trainers.learners.softmax_policy import ScorerLearner

torch.set_num_threads(1)
TRAINING = {
    "rest": {
        "iterations": 7,
        "options": {"rule": "averaged"},
        "start_share": 0.0,
        "gradient_steps": 60,
        "batch_size": 128,
    },
    "ppo": {
        "iterations": 16,
        "start_share": 0.0,
        "shared_costs": True,
        "batch_size": 128,
        "learning_rate": 1e-3,
    },
}


def group(algorithm="rest", seed=0, grounding=1.0, shared=False, search=0.1, **options):
    """A trained group: its loop, with the environment."""
    config = Config().changed(
        algorithm=algorithm,
        env="csp-v0",
        env_options=options,
        costs={"search": (search,)},
        seed=seed,
        tasks=40,
        group_size=16,
        hidden=32,
        eval_train_tasks=0,
        **TRAINING[algorithm],
    )
    env = clarify_env.make("csp-v0", costs=config.grid, **options)
    learners = {}
    for k, player in enumerate(env.possible_agents):
        if shared and k:
            learners[player] = learners["asker"]
            continue
        policy = CspPolicy(env.game, config.policy.hidden, grounding, seed=100 * seed + k)
        learners[player] = ScorerLearner(
            policy,
            config.algorithm.gradient_steps,
            config.algorithm.batch_size,
            config.algorithm.learning_rate,
        )
    partners = {player: one for player, one in learners.items() if player != "asker"}
    loop = make_trainer(config, learners["asker"], {}, partners=partners, env=env)
    _ = loop.starts  # copied before the first update
    for _ in loop.train():
        pass
    return loop, env


def play(env, agents, episodes=1000):
    """Reward, F1 and searches of a group."""
    played = list(rollout(env, agents, episodes, seed=77))
    rows = [[e.reward, e.quantities["accuracy"], e.quantities["searches"]] for e in played]
    return np.mean(rows, axis=0)


def marks(env, learners, episodes=400):
    """ECE, AUROC, coverage, F1 and search rate of the helpers alone, averaged over them."""
    helpers = env.game.helpers
    found = [transfer(env, learners[name].agent, name, episodes, 78) for name in helpers]
    return np.mean([[one[m] for m in ("ece", "auroc", "sure", "f1", "search_rate")] for one in found], axis=0)


def interval(values):
    """Mean with its interval over seeds."""
    values = np.array(values)
    if len(values) < 2 or np.ptp(values) == 0:
        return f"{values.mean():.3f}"
    ends = bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    return f"{values.mean():.3f} [{ends.low:.3f}, {ends.high:.3f}]"


def exact():
    print("\nexact, search 0.1, word 0.05: value | ceiling | searches | equilibria (searches of each)")
    for tools in TOOLS:
        world = make_world(tools)
        problem = Problem(world.reliability, world.skills["birthplaces"], 3, CspCosts())
        best, settled = solve(problem), equilibria(problem)
        each = ", ".join(f"{one.value:.3f} ({one.searches:.1f})" for one in settled)
        print(f"  {tools:<9} {best.value:.4f} | {ceiling(problem):.4f} | {best.searches:.2f} | {each}")


def scripted():
    print("\nscripted groups, 10,000 episodes: floor | protocol | optimal | exact best")
    for tools in TOOLS:
        env = clarify_env.make("csp-v0", tools=tools)
        rewards = [play(env, team(env), 10_000)[0] for team in (floor, protocol, optimal)]
        best = Optimum(env.game).value(env.game.costs.costs)
        print(f"  {tools:<9} " + " | ".join(f"{r:.3f}" for r in (*rewards, best)))


def train(seeds):
    print("\ntraining: share of the exact best (greedy) | F1 before -> after | searches before -> after")
    runs = {
        "ReST": partial(group),
        "ReST, shared weights": partial(group, shared=True),
        "PPO": partial(group, "ppo"),
    }
    for name, make in runs.items():
        rows = []
        for seed in range(seeds):
            loop, env = make(seed=seed)
            best = Optimum(env.game).value(CspCosts())
            before = play(env, {player: one.agent for player, one in loop.starts.items()})
            after = play(env, {player: one.greedy() for player, one in loop.learners.items()})
            rows.append([after[0] / best, before[1], after[1], before[2], after[2]])
        share, f1, f2, s1, s2 = map(interval, np.array(rows).T)
        print(f"  {name:<21} {share} | {f1} -> {f2} | {s1} -> {s2}", flush=True)


WORLDS = ("mixed", "specialist")
STARTS = {"anonymous": (True, 1.0), "named": (False, 1.0), "anonymous, no convention": (True, 0.0)}


def ablation(seeds, worlds=WORLDS, starts=tuple(STARTS)):
    print("\nmarks of ReST groups, helpers alone: ECE before -> after | AUROC | sure | share of the best")
    for memories in worlds:
        for name in starts:
            anonymous, grounding = STARTS[name]
            rows = []
            for seed in range(seeds):
                loop, env = group(seed=seed, grounding=grounding, memories=memories, anonymous=anonymous)
                before, after = marks(env, loop.starts), marks(env, loop.learners)
                reward = play(env, {player: one.greedy() for player, one in loop.learners.items()})[0]
                rows.append([before[0], *after[:3], reward / Optimum(env.game).value(CspCosts())])
            ece, own, area, sure, share = map(interval, np.array(rows).T)
            print(f"  {memories:<10} {name:<24} {ece} -> {own} | {area} | {sure} | {share}", flush=True)
            print("    ECE by seed:", " ".join(f"{row[1]:.3f}" for row in rows), flush=True)


def alone(seeds):
    print("\nhelpers alone, means of both: before -> after ReST in the default world")
    rows = []
    for seed in range(seeds):
        loop, env = group(seed=seed)
        sides = []
        for policies in (loop.starts, loop.learners):
            found = [transfer(env, policies[name].agent, name, 1000, 78) for name in env.game.helpers]
            sides.append({measure: np.mean([one[measure] for one in found]) for measure in found[0]})
        rows.append(sides)
    for measure in rows[0][0]:
        before, after = (interval([sides[k][measure] for sides in rows]) for k in (0, 1))
        print(f"  {measure:<15} {before} -> {after}", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--parts", default="exact,scripted,train,marks,alone")
    chosen = options.parse_args()
    parts = {"exact": exact, "scripted": scripted}
    parts |= {"train": partial(train, chosen.seeds), "marks": partial(ablation, chosen.seeds)}
    parts["alone"] = partial(alone, chosen.seeds)
    parts |= {name: partial(ablation, chosen.seeds, starts=(name,)) for name in STARTS}
    for part in chosen.parts.split(","):
        parts[part]()
