"""The main job: MoveScorer and ReST, train -> validation, scored at costs that were never trained on.

Bars: normalised score >= 0.95 at unseen costs in under 3 minutes on 2 cores, on both games, and asking does
not collapse (questions an episode beside the optimum's, per turn cost). ambigqa-v0 needs CLARIFY_ENV_DATA.

    python benchmarks/steerability.py
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import torch

from clarify_env.trainers.config import Config
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
    games = chosen.games or ["synthetic-v0"] + (["ambigqa-v0"] if os.environ.get("CLARIFY_ENV_DATA") else [])
    print(f"{'game':<13} {'seed':>4} {'seen':>20} {'unseen':>20} {'train s':>7} {'in all s':>8}")
    for env in games:
        for seed in range(chosen.seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = RunDirectory(Path(folder) / "run")
                begun = time.perf_counter()
                for _ in train(Config().changed(env=env, seed=seed), run):
                    pass
                trained = time.perf_counter() - begun
                summary = evaluate_run(run, tasks=chosen.questions)
                took = time.perf_counter() - begun
            scores = [summary[part]["normalized"] for part in ("seen", "unseen")]
            shown = (f"{s['mean']:.3f} [{s['low']:.3f}, {s['high']:.3f}]" for s in scores)
            first, second = shown
            print(f"{env:<13} {seed:>4} {first:>20} {second:>20} {trained:>7.0f} {took:>8.0f}", flush=True)
        asks = summary["monotonicity"]["asks"]
        print("  turn cost " + " ".join(f"{level:>6g}" for level in asks["levels"]))
        for name in ("agent", "optimum"):
            print(f"  {name:<9} " + " ".join(f"{value:>6.2f}" for value in asks[name]))


if __name__ == "__main__":
    main()
