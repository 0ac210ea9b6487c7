"""What it takes for a pair to be understood by others: cross-play and intelligibility of self-trained pairs.

For each way of training, pairs of small policies from several seeds on `synthetic-v0`: the reward of a pair
at unseen costs; how much less its players earn with the partners of other seeds (the cross-play drop); what
its user earns with the optimal asker, which reads replies as the scripted user's, and its asker with the
scripted user; and how much a scripted reader learns from its replies (0 nothing, 1 as from that user's).

    python benchmarks/two_seats.py --seeds 3 --out runs/two-seats
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import clarify_env
from clarify_env.agent import Agent
from clarify_env.agents import AlwaysAsk, ScriptedUser
from clarify_env.agents.catalog import load
from clarify_env.agents.clarification.conventions import intelligibility
from clarify_env.games.clarification import Costs
from clarify_env.rollout import rollout
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.crossplay import crossplay
from clarify_env.trainers.evaluation.evaluate import load_run
from clarify_env.trainers.evaluation.parallel import set_threads
from clarify_env.trainers.experiment import train
from clarify_env.trainers.run_directory import RunDirectory

BUDGET = {"players": ("asker", "user"), "iterations": 30, "tasks": 20, "eval_train_tasks": 0}
BUDGET |= {"learning_rate": 2e-3, "env_options": {"size": 120}}
WARM = {"warm_start": "optimal", "warm_start_episodes": 256, "gradient_steps": 300}
WAYS: dict[str, dict[str, Any]] = {
    "latest only": {},
    "scripted": {"pool": ("optimal",)},
    "past": {"pool": ("past",)},
    "other-play": {"env_options": {"size": 120, "domains": "own"}},
    "warm start, kl": {**WARM, "options": {"kl": 0.1}},
    "past and scripted": {"pool": ("past", "optimal")},
    "warm start": WARM,
}
# Where the user may not tell all at once: questions so cheap, and lists so dear, that the pair goes on asking
# while nobody is understood yet.
ONE_VALUE = {"candidates": "one-value", "costs": {"turn": (0.003, 0.01), "word": (0.02, 0.06)}}
CHEAP = [Costs(0.005, 0.03), Costs(0.005, 0.05)]
CELLS = [Costs(0.01, 0.005), Costs(0.05, 0.001), Costs(0.05, 0.02), Costs(0.2, 0.005)]  # unseen ones


def trained(way: str, seed: int, out: Path, given: Mapping[str, Any]) -> dict[str, Agent]:
    """The pair of this seed; a run that is there is taken."""
    run = RunDirectory(out / f"{way.replace(', ', '-').replace(' ', '-')}-seed{seed}")
    config = recipe("move-scorer", "ppo", env="synthetic-v0", seed=seed, **{**BUDGET, **WAYS[way], **given})
    known = run.last()
    if known is None or known < config.iterations:
        for _ in train(config, run, resume=known is not None):
            pass
    return load_run(run)


def measured(way: str, seeds: int, out: Path, tasks: int, given: dict[str, Any]) -> dict[str, Any]:
    """The line of a way of training."""
    pairs = {f"seed{seed}": trained(way, seed, out, given) for seed in range(seeds)}
    env = clarify_env.make("synthetic-v0", split="validation")
    askers = {name: pair["asker"] for name, pair in pairs.items()} | {
        "optimal": load("optimal", env, "asker")
    }
    users = {name: pair["user"] for name, pair in pairs.items()} | {"scripted": ScriptedUser()}
    own = {name: name for name in pairs}
    folder = out / f"cross-{way.replace(', ', '-').replace(' ', '-')}"
    result = crossplay(
        env,
        askers,
        users,
        folder,
        own=own,
        cells=CHEAP if "costs" in given else CELLS,
        tasks=tasks,
        scored=False,
    )
    reward = {
        (asker, user): cell["reward"]["mean"]
        for asker, line in result["matrix"].items()
        for user, cell in line.items()
    }
    read = [
        intelligibility(env, rollout(env, {"asker": AlwaysAsk(most=1), "user": pair["user"]}, 300, seed=9))
        for pair in pairs.values()
    ]
    return {
        "pair": [reward[name, name] for name in pairs],
        "drop": result["drop"],
        "optimal asker": [reward["optimal", name] for name in pairs],
        "scripted user": [reward[name, "scripted"] for name in pairs],
        "understood": read,
        "optimum": reward["optimal", "scripted"],
    }


def main() -> None:
    """Train, cross, print a table, and write two_seats.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=40, help="validation questions of the cross-play")
    parser.add_argument("--one-value", action="store_true", help="the user may not tell all at once")
    parser.add_argument("--iterations", type=int, default=BUDGET["iterations"])
    parser.add_argument("--ways", default=";".join(WAYS), help="of training, with semicolons")
    parser.add_argument("--out", type=Path, default=Path("runs/two-seats"))
    options = parser.parse_args()
    set_threads(1)
    given = {"iterations": options.iterations, **(ONE_VALUE if options.one_value else {})}
    found = {}
    print("| way | pair | drop | its user, optimal asker | its asker, scripted user | understood |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way in options.ways.split(";"):
        line = found[way] = measured(way, options.seeds, options.out, options.tasks, given)
        drop = "{mean:.3f} [{low:.3f}, {high:.3f}]".format(**line["drop"])
        parts = [
            ", ".join(f"{value:.3f}" for value in line[name])
            for name in ("pair", "optimal asker", "scripted user", "understood")
        ]
        print(f"| {way} | {parts[0]} | {drop} | {' | '.join(parts[1:])} |", flush=True)
        (options.out / "two_seats.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"optimum with the scripted user: {np.mean([line['optimum'] for line in found.values()]):.3f}")


if __name__ == "__main__":
    main()
