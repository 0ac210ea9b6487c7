"""What the candidates are worth: the same players among plain final messages and among those of the optimum.

Plain candidates are each meaning's usual answer, the list of all meanings and that of those which the replies
speak for, beside the questions. The optimal ones are the words that pay best for the belief. Of either set:
the best play, who looks one and two questions ahead (both exact, on all the questions), and `MoveScorer` by
ReST. Scores at unseen costs on validation questions, 1 at the optimum among optimal candidates; the zero is
the best single strategy, or the cost table.

    python benchmarks/candidates.py
"""

import argparse
import time
from typing import Any

import torch

import clarify_env
from clarify_env.agents import ScriptedUser
from clarify_env.agents.clarification import optimum_bound
from clarify_env.arrays import Floats
from clarify_env.games.clarification.plain_messages import CANDIDATES
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.measure import measure
from clarify_env.trainers.evaluation.statistics import interval
from clarify_env.trainers.evaluation.yardsticks import Yardsticks, solved, yardsticks
from clarify_env.trainers.experiment import build

PLAYS = {"best play": None, "one question ahead": 1, "two questions ahead": 2}


def computed(env: Any, yard: Yardsticks, cells: list[Any], sets: list[str]) -> None:
    """Print what needs no training."""
    questions, every = range(len(yard.top_N([0]))), range(len(cells))
    single, table = (
        zeros_F_N.mean(axis=1).max() for zeros_F_N in (yard.low_F_N(every), yard.zero_F_N(every))
    )
    top = yard.top_N(every).mean()
    print(f"  single {single:.4f}, table {table:.4f}, optimum {top:.4f}")
    for candidates in sets:
        for name, depth in PLAYS.items():
            bound = optimum_bound(env, {"user": ScriptedUser()}, depth, candidates)
            assert bound is not None
            found = solved({name: bound}, questions, cells)[name]["reward"].mean()
            scores = [(found - zero) / (top - zero) for zero in (single, table)]
            print(f"  {candidates:<8} {name:<20} {found:.4f}  {scores[0]:.3f}  {scores[1]:.3f}", flush=True)


def trained(env: Any, yard: Yardsticks, cells: list[Any], candidates: str, seed: int) -> None:
    """Print what `MoveScorer` learns."""
    begun = time.perf_counter()
    trainer = build(recipe(env=env.name, seed=seed, candidates=candidates, eval_train_tasks=0))
    for _ in trainer.train():
        pass
    took = time.perf_counter() - begun
    team = {"asker": trainer.learner.greedy(), "user": ScriptedUser()}
    count, every = len(yard.top_N([0])), range(len(cells))
    reward_N = measure(env, team, range(count), cells, seed)[:, :, 0].mean(axis=1)
    top_N, shown = yard.top_N(every), f"{reward_N.mean():.4f}"
    for zero_F_N in (yard.low_F_N(every), yard.zero_F_N(every)):
        zero_N = zero_F_N[zero_F_N.mean(axis=1).argmax()]

        def score(weight_N: Floats, zero_N: Floats = zero_N) -> float:
            return float(weight_N @ (reward_N - zero_N) / (weight_N @ (top_N - zero_N)))

        found = interval(score, count, seed)
        shown += f"  {found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    print(f"  {candidates:<8} MoveScorer, seed {seed}   {shown}  ({took:.0f} s)", flush=True)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--games", nargs="*", default=["synthetic-v0", "synthetic-v1"])
    options.add_argument("--candidates", nargs="*", choices=[*CANDIDATES], default=[*CANDIDATES])
    options.add_argument("--questions", type=int, default=500, help="validation questions")
    options.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    chosen = options.parse_args()
    torch.set_num_threads(1)
    for game in chosen.games:
        spec = clarify_env.registry[game]
        env, cells = clarify_env.make(game, **spec.held_out({})), list(spec.unseen)
        yard = yardsticks(env, range(chosen.questions), cells)
        print(f"{game}: reward, from the single strategy, from the table")
        computed(env, yard, cells, chosen.candidates)
        for candidates in chosen.candidates:
            for seed in chosen.seeds:
                trained(env, yard, cells, candidates, seed)


if __name__ == "__main__":
    main()
