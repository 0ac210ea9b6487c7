"""Isotoken curves of scripted, best known and trained partners on both `pingeval` games.

The trained partners are small policies, left and right sharing their weights. They are trained at four turns
and play at all numbers of turns: on names by ReST and by PPO; on chess, where a guess is right half of the
time and ReST would keep the lucky ones, by PPO.

    python benchmarks/isotoken.py --out runs/curves
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import clarify_env
from clarify_env.agents.roster import roster_of
from clarify_env.data import read_json
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.isotoken import isotoken
from clarify_env.trainers.experiment import build
from clarify_env.trainers.reporting.tables import draw_isotoken, isotoken_tables
from clarify_env.trainers.run_directory import write_json

TURNS = (2, 4, 8, 16)
REST: dict[str, Any] = {
    "options": {"rule": "threshold"}, "iterations": 3, "tasks": 40, "group_size": 24, "gradient_steps": 200,
    "costs": {"word": (0.0, 0.002)},
}  # fmt: skip
PPO: dict[str, Any] = {
    "algorithm": "ppo",
    "iterations": 16,
    "tasks": 32,
    "group_size": 8,
    "learning_rate": 3e-3,
}
GAMES: dict[str, dict[str, Any]] = {
    "names": {
        "env": "pingeval-names-v0",
        "options": {"records": 9, "budget": 64},
        "teams": ["guess", "list", "bisect", "code"],
        "trained": {"ReST": REST, "PPO": PPO},
    },
    "chess": {
        "env": "pingeval-chess-v0",
        "options": {"budget": 32},
        "teams": ["guess", "pieces", "counts"],
        "trained": {"PPO": PPO},
    },
}


def trained(env: str, options: dict[str, Any], config: dict[str, Any], seed: int) -> Any:
    """The greedy partners after training."""
    given = {"env": env, "env_options": options, "shared": True, "eval_train_tasks": 0, "seed": seed}
    loop = build(recipe("move-scorer", **config, **given))
    for line in loop.train():
        shown = ", ".join(f"{name} {line[f'play/{name}']:.2f}" for name in ("accuracy", "words", "messages"))
        print(f"  {env}, {options['turns']} turns, iteration {line['iteration']}: {shown}", flush=True)
    return {player: learner.greedy() for player, learner in loop.learners.items()}


def curves(game: dict[str, Any], episodes: int, seed: int) -> dict[str, Any]:
    """Everybody's rows on a game."""
    env, options = game["env"], game["options"]

    def make(turns: int) -> Any:
        return clarify_env.make(env, split="validation", turns=turns, **options)

    teams = roster_of(make(2).game).teams
    agents: dict[str, Any] = {name: lambda game, team=teams[name]: team(game, {}) for name in game["teams"]}
    for name, config in game["trained"].items():
        own = trained(env, {**options, "turns": 4}, config, seed)
        agents[f"trained ({name})"] = lambda game, own=own: own
    rows: list[Any] = []
    result = {
        "env": env,
        "budget": options["budget"],
        "turns": list(TURNS),
        "episodes": episodes,
        "rows": rows,
    }
    for row in isotoken(make, agents, options["budget"], TURNS, episodes=episodes, seed=seed):
        rows.append(row)
    return result


def readable(result: dict[str, Any]) -> dict[str, Any]:
    """The result with the controls of the trained partners only, so that the picture can be read."""
    rows = [row for row in result["rows"] if row["control"] == "played" or row["agent"].startswith("trained")]
    return {**result, "rows": [row for row in rows if row["control"] != "oracle"]}


def main() -> None:
    """Train, play, print the tables, draw the picture."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--game", choices=[*GAMES], help="one of them; by default both")
    options.add_argument("--episodes", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--out", type=Path, default=Path("runs/curves"), help="folder of results and picture"
    )
    chosen = options.parse_args()
    torch.set_num_threads(1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name in [chosen.game] if chosen.game else GAMES:
        result = curves(GAMES[name], chosen.episodes, chosen.seed)
        write_json(chosen.out / f"{name}.json", result)
        Console(width=110).print(isotoken_tables(result))
    files = [chosen.out / f"{name}.json" for name in GAMES]
    if all(file.is_file() for file in files):
        draw_isotoken([readable(read_json(file)) for file in files], chosen.out / "isotoken.png")


if __name__ == "__main__":
    main()
