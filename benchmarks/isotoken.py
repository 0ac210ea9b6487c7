"""Isotoken curves of scripted, best known and trained partners on both `pingeval` games.

The trained partners are small policies, left and right sharing their weights; one is trained by ReST at each
number of turns, and at one of them by PPO as well.

    python benchmarks/isotoken.py --picture docs/isotoken.png
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

import clarify_env
from clarify_env import rollout
from clarify_env.agents.casts import cast_of
from clarify_env.trainers.experiment import build
from clarify_env.trainers.isotoken import isotoken
from clarify_env.trainers.isotoken_report import draw, tables
from clarify_env.trainers.settings import recipe

TURNS = (2, 4, 8, 16)
REST: dict[str, Any] = {
    "algorithm": "rest",
    "rule": "top-k",
    "iterations": 4,
    "tasks": 40,
    "samples": 24,
    "updates": 200,
}
PPO: dict[str, Any] = {"algorithm": "ppo", "iterations": 16, "tasks": 40, "samples": 8, "rate": 3e-3}
GAMES: list[tuple[str, dict[str, Any], int, list[str]]] = [
    ("pingeval-names-v0", {"records": 9}, 64, ["guess", "list", "bisect", "code"]),
    ("pingeval-chess-v0", {}, 32, ["guess", "pieces", "counts"]),
]


def trained(env: str, options: dict[str, Any], settings: dict[str, Any], seed: int) -> Any:
    """The greedy partners after training."""
    given = {"env": env, "env_options": options, "shared": True, "check_tasks": 0, "seed": seed}
    loop = build(recipe("move-scorer", **settings, **given))
    for line in loop.train():
        shown = [f"{name} {line[f'play/{name}']:.2f}" for name in ("accuracy", "words", "messages")]
        print(
            f"  {env} {options} {settings['algorithm']} {line['iteration']}: {', '.join(shown)}", flush=True
        )
    return {player: learner.greedy() for player, learner in loop.learners.items()}


def main() -> None:
    """Train, play, print the tables, draw the picture."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--episodes", type=int, default=300)
    options.add_argument("--iterations", type=int, help="of each training; fewer for a quick look")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--picture", type=Path)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    results = []
    for env, given, budget, names in GAMES:
        rest = REST if chosen.iterations is None else {**REST, "iterations": chosen.iterations}
        ppo = PPO if chosen.iterations is None else {**PPO, "iterations": chosen.iterations}
        own = {
            turns: trained(env, {**given, "turns": turns, "budget": budget}, rest, chosen.seed)
            for turns in TURNS
        }

        def make(turns: int, env: str = env, given: Any = given, budget: int = budget) -> Any:
            return clarify_env.make(env, split="validation", turns=turns, budget=budget, **given)

        teams = cast_of(make(2).game).teams
        agents: dict[str, Any] = {name: lambda game, team=teams[name]: team(game, {}) for name in names}
        agents["trained (ReST)"] = lambda game, own=own: own[game.game.turns]
        rows = list(isotoken(make, agents, budget, TURNS, episodes=chosen.episodes, seed=chosen.seed))
        result = {
            "env": env,
            "budget": budget,
            "turns": list(TURNS),
            "episodes": chosen.episodes,
            "rows": rows,
        }
        results.append(result)
        Console(width=110).print(tables(result))
        fixed = {**given, "turns": 4, "budget": budget}
        partners = trained(env, fixed, ppo, chosen.seed)
        played = list(rollout(make(4), partners, chosen.episodes, chosen.seed))
        means = np.mean(
            [[e.quantities[name] for name in ("accuracy", "words", "messages")] for e in played], axis=0
        )
        print(f"{env}, 4 turns, PPO: accuracy {means[0]:.2f}, words {means[1]:.1f}, messages {means[2]:.1f}")
    if chosen.picture:
        shown = [readable(result) for result in results]
        draw(shown, chosen.picture)


def readable(result: dict[str, Any]) -> dict[str, Any]:
    """The result with the controls of the trained partner only, so that the picture can be read."""
    rows = [row for row in result["rows"] if row["control"] == "played" or row["agent"].startswith("trained")]
    return {**result, "rows": rows}


if __name__ == "__main__":
    main()
