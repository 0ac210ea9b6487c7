"""What each part of the recipe contributes: selection rules, re-scoring and exploration on synthetic-v0.

All arms play the same number of episodes (4 iterations x 64 questions x 36) and take the same number of
gradient steps; the score is that at unseen costs on 150 validation questions, from the best single strategy
and from the cost table to the optimum with this user.

    python benchmarks/selection_rules.py
    python benchmarks/selection_rules.py --only clustering
"""

import argparse

import numpy as np
import torch
from rescoring import Score

from clarify_env.trainers.algorithms.best_continuation import BestContinuation
from clarify_env.trainers.config import Config
from clarify_env.trainers.experiment import build
from clarify_env.trainers.reporting.summary import spent_text

BASE = Config().changed(eval_train_tasks=0)
ARMS = [
    ("best continuation (default)", BASE),
    ("  without re-scoring", BASE.changed(options={"rescore": False})),
    ("  without the start policy's third", BASE.changed(start_share=0.0)),
    ("  without pooled messages", BASE),
    ("clustering (fair)", BASE.changed(options={"rule": "clustering"})),
    ("  without re-scoring", BASE.changed(options={"rule": "clustering", "rescore": False})),
    ("clustering, a cluster worth its mean", BASE.changed(options={"rule": "clustering-mean"})),
    ("clustering as drawn (plain)", BASE.changed(options={"rule": "clustering-plain"})),
    ("top 2 of a question", BASE.changed(options={"rule": "top-k"})),
    ("reward of at least 0.7", BASE.changed(options={"rule": "threshold"})),
]


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--only", default="", help="word that a rule's name or setting has to hold")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    score = Score(150)
    print(f"{'rule':<36} {'single':>6} {'table':>6}   per seed (both scores, asks an episode when sampling)")
    for name, config in ARMS:
        if chosen.only not in f"{name} {config.algorithm.options.get('rule', '')}":
            continue
        found = []
        for seed in range(chosen.seeds):
            trainer = build(config.changed(seed=seed))
            if "pooled" in name:
                trainer.rules = {"asker": BestContinuation(pool_finals=False, pool_questions=False)}
            for metrics in trainer.train():
                asks = metrics["play/asks"]
            found.append((*score.both(trainer.learner.greedy()).values(), asks))
        shown = "  ".join(f"{s:.3f} {t:+.3f} ({a:.2f})" for s, t, a in found)
        single, table, _ = np.mean(found, axis=0)
        spent = spent_text({"spent": {**trainer.spent, "cpu_seconds": trainer.cpu_seconds}})
        print(f"{name:<36} {single:>6.3f} {table:>+6.3f}   {shown}\n    last seed spent: {spent}", flush=True)


if __name__ == "__main__":
    main()
