"""Reading a run directory: metrics, episodes, and the evaluation.

python examples/read_run.py runs/move-scorer-synthetic-v0-seed0
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from clarify_env import read_episodes
from clarify_env.trainers.run_directory import RunDirectory


def main() -> None:
    """Print the learning curve, what the played moves were, and the score."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("run", type=Path)
    chosen = options.parse_args()
    run = RunDirectory(chosen.run)
    print("settings:", run.config())
    print(f"{'iteration':>9} {'played':>7} {'greedy':>7} {'asks':>5}")
    for line in run.metrics():
        print(
            f"{line['iteration']:>9} {line['play/reward']:>7.3f} {line['eval/reward']:>7.3f} "
            f"{line['eval/asks']:>5.2f}"
        )
    asks: dict[float, list[float]] = defaultdict(list)
    for episode in read_episodes(run.path / "episodes" / "evaluation.parquet"):
        asks[episode.costs["turn"]].append(episode.quantities["asks"])
    for cost, counts in sorted(asks.items()):
        print(f"turn cost {cost:g}: {sum(counts) / len(counts):.2f} questions in {len(counts):,} episodes")
    summary = json.loads((run.path / "summary.json").read_text(encoding="utf-8"))
    for part in ("seen", "unseen"):
        score = {
            name: "undefined" if v is None else f"{v:.3f}" for name, v in summary[part]["normalized"].items()
        }
        print(f"{part}: normalised score {score['mean']} [{score['low']}, {score['high']}]")


if __name__ == "__main__":
    main()
