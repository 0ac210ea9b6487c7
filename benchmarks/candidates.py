"""What the candidates are worth: the same players among plain final messages and among those of the optimum.

Plain candidates are each meaning's usual answer, the list of all meanings and that of those which the replies
speak for, beside the questions. The optimal ones are the words that pay best for the belief. Of either set:
the best play, who looks one and two questions ahead (both exact, on all the questions), and `MoveScorer` by
ReST. Scores at unseen costs on validation questions, 1 at the optimum among optimal candidates; the zero is
the best single strategy, or the cost table.

    python benchmarks/candidates.py
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import clarify_env
from clarify_env.agents import ScriptedUser
from clarify_env.agents.clarification import optimum_bound
from clarify_env.games.clarification.plain_messages import CANDIDATES
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.evaluate import evaluate_run
from clarify_env.trainers.evaluation.yardsticks import TABLE, solved, yardsticks
from clarify_env.trainers.experiment import train
from clarify_env.trainers.run_directory import RunDirectory

PLAYS = {"best play": None, "one question ahead": 1, "two questions ahead": 2}


def computed(env: Any, questions: int, cells: list[Any]) -> None:
    """Print what needs no training."""
    yard = yardsticks(env, range(questions), cells)
    every = range(len(cells))
    single = float(np.mean(yard.low_F_N(every), axis=1).max())
    table = float(yard.teams[TABLE][:, :, 0].mean())
    top = float(yard.top_N(every).mean())
    print(f"  single {single:.4f}, table {table:.4f}, optimum {top:.4f}")
    for candidates in CANDIDATES:
        for name, depth in PLAYS.items():
            bound = optimum_bound(env, {"user": ScriptedUser()}, depth, candidates)
            assert bound is not None
            found = solved({name: bound}, range(questions), cells)[name]["reward"].mean()
            zeros = [(found - zero) / (top - zero) for zero in (single, table)]
            print(f"  {candidates:<8} {name:<20} {found:.4f}  {zeros[0]:.3f}  {zeros[1]:.3f}", flush=True)


def trained(env: str, questions: int, seeds: int) -> None:
    """Print what `MoveScorer` learns."""
    for candidates in CANDIDATES:
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = RunDirectory(Path(folder) / "run")
                begun = time.perf_counter()
                for _ in train(recipe(env=env, seed=seed, candidates=candidates, eval_train_tasks=0), run):
                    pass
                took = time.perf_counter() - begun
                unseen = evaluate_run(run, tasks=questions)["unseen"]
            shown = "  ".join(
                f"{unseen[zero]['mean']:.3f} [{unseen[zero]['low']:.3f}, {unseen[zero]['high']:.3f}]"
                for zero in ("from_single", "normalized")
            )
            print(f"  {candidates:<8} MoveScorer, seed {seed}  {shown}  ({took:.0f} s)", flush=True)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--games", nargs="*", default=["synthetic-v0", "synthetic-v1"])
    options.add_argument("--questions", type=int, default=500, help="validation questions")
    options.add_argument("--seeds", type=int, default=3, help="0 for what needs no training alone")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    for game in chosen.games:
        spec = clarify_env.registry[game]
        print(f"{game}: reward, from the single strategy, from the table")
        computed(clarify_env.make(game, **spec.held_out({})), chosen.questions, list(spec.unseen))
        trained(game, chosen.questions, chosen.seeds)


if __name__ == "__main__":
    main()
