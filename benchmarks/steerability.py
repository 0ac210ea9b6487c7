"""The main job: MoveScorer and ReST, train -> validation, scored at costs that were never trained on.

Bars: on synthetic-v1 >= 0.95 of the way from the cost table to the optimum at unseen costs in <= 5 minutes on
2 cores; asking does not collapse (questions an episode beside the optimum's, per turn cost). In brackets 95%
intervals over questions, behind them the same from the best single strategy. ambigqa-v0 needs
CLARIFY_ENV_DATA.

    python benchmarks/steerability.py
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import torch

from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.evaluate import evaluate_run
from clarify_env.trainers.experiment import train
from clarify_env.trainers.run_directory import RunDirectory


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--questions", type=int, default=500, help="validation questions")
    options.add_argument("--games", nargs="*", help="by default both, where AmbigQA's data are at hand")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    real = ["ambigqa-v0"] if os.environ.get("CLARIFY_ENV_DATA") else []
    games = chosen.games or ["synthetic-v1", "synthetic-v0", *real]
    print(f"{'game':<13} {'seed':>4} {'seen':>27} {'unseen':>27} {'CPU s':>6} {'train s':>7} {'in all s':>8}")
    for env in games:
        for seed in range(chosen.seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = RunDirectory(Path(folder) / "run")
                begun, cpu = time.perf_counter(), time.process_time()
                for _ in train(recipe(env=env, seed=seed), run):
                    pass
                trained, cpu = time.perf_counter() - begun, time.process_time() - cpu
                summary = evaluate_run(run, tasks=chosen.questions)
                took = time.perf_counter() - begun
            first, second = (shown(summary[part]) for part in ("seen", "unseen"))
            print(
                f"{env:<13} {seed:>4} {first:>27} {second:>27} {cpu:>6.0f} {trained:>7.0f} {took:>8.0f}",
                flush=True,
            )
        asks = summary["monotonicity"]["asks"]
        print("  turn cost " + " ".join(f"{level:>6g}" for level in asks["levels"]))
        for name in ("agent", "optimum"):
            print(f"  {name:<9} " + " ".join(f"{value:>6.2f}" for value in asks[name]))


def shown(part: dict) -> str:
    """A score from the table, its interval, and the score from the best single strategy."""
    score = part["normalized"]
    return (
        f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}] ({part['from_single']['mean']:.3f})"
    )


if __name__ == "__main__":
    main()
