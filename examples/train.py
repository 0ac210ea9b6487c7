"""ReST from Python: settings of your own, the metrics as they come, and the evaluation.

python examples/train.py --out runs/example
"""

import argparse

from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.evaluate import evaluate_run
from clarify_env.trainers.evaluation.parallel import set_threads
from clarify_env.trainers.experiment import train
from clarify_env.trainers.reporting.summary import results
from clarify_env.trainers.run_directory import RunDirectory


def main() -> None:
    """Train, print each iteration, evaluate at unseen costs."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", default="runs/example")
    options.add_argument("--iterations", type=int, default=2)
    options.add_argument("--tasks", type=int, default=48, help="questions per iteration")
    options.add_argument("--updates", type=int, default=300)
    options.add_argument("--questions", type=int, default=100, help="of the evaluation")
    chosen = options.parse_args()
    set_threads(1)
    config = Config().changed(iterations=chosen.iterations, tasks=chosen.tasks, gradient_steps=chosen.updates)
    run = RunDirectory(chosen.out)
    for metrics in train(config, run):
        print(
            f"iteration {metrics['iteration']}: played {metrics['play/reward']:.3f}, "
            f"selected asks {metrics.get('selected/ask', 0.0):.0%}, greedy {metrics['eval/reward']:.3f}"
        )
    from rich import print as show

    show(results(evaluate_run(run, tasks=chosen.questions)))


if __name__ == "__main__":
    main()
