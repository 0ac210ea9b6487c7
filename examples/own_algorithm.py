"""An algorithm of your own beside the built-in ones: one class and one registration.

Advantage-weighted cloning (arXiv 1910.00177, but with a group's mean in place of its value function).

    python examples/own_algorithm.py --episodes 1536 --seeds 1
"""

import argparse
from pathlib import Path

from clarify_env.trainers.algorithms import register_algorithm
from clarify_env.trainers.algorithms.advantages import leave_one_out
from clarify_env.trainers.algorithms.losses import nll
from clarify_env.trainers.algorithms.policy_gradient import Grouped
from clarify_env.trainers.evaluation.sweep import Sweep, run_sweep
from clarify_env.trainers.reporting.sweep_report import collect


class WeightedCloning(Grouped):
    """A run of it."""

    temperature = 0.1

    def compare(self, returns_G):
        """An episode's reward less the mean of the others'."""
        return leave_one_out(returns_G)

    def loss(self, scored, old_N, advantages_B, to_go_B):
        """Negative log-likelihood, weighted."""
        weights_B = (advantages_B / self.temperature).clamp(max=3.0).exp()
        return nll(scored.logprobs_N, weights_B[scored.rows_N])


def main():
    """Compare it with RLOO under one budget."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=9216)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    register_algorithm("cloning", WeightedCloning)
    on_policy = {
        "start_share": 0.0,
        "shared_costs": True,
        "tasks": 32,
        "group_size": 8,
        "eval_train_tasks": 0,
    }
    sweep = Sweep(
        games={"synthetic-v0": {}},
        algorithms={"cloning": on_policy, "rloo": on_policy},
        seeds=tuple(range(given.seeds)),
        episodes=given.episodes,
        eval_tasks=40,
    )
    folder = Path("runs/own-algorithm")
    list(run_sweep(sweep, folder))
    for name, row in collect(sweep.cells(), folder)["games"]["synthetic-v0"].items():
        print(f"{name}: {row['unseen_iqm']['iqm']:.2f} at unseen costs")


if __name__ == "__main__":
    main()
