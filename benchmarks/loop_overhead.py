"""What a training run spends its time on: `python benchmarks/loop_overhead.py [--algorithms rest,ppo]`.

Playing, examples (select or weigh; of rest, dpo and distillation this plays every dialogue tree on), the
gradient, the checks, and what the loop itself adds: episodes to disk, checkpoints, metrics.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from clarify_env.trainers.config import recipe
from clarify_env.trainers.experiment import build
from clarify_env.trainers.run_directory import RunDirectory

PARTS = ("play", "examples", "gradient", "check")


def timed(spent: Counter[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose time is added to `spent`; an iterator is used up, so that its work falls here."""

    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = function(*args, **kwargs)
        if name == "play":
            result = list(result)
        spent[name] += time.perf_counter() - began
        return result

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithms", default="rest,dpo,distillation,rloo,grpo,ppo")
    parser.add_argument("--agent", default="move-scorer")
    parser.add_argument("--iterations", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title=f"{given.agent} on synthetic-v0, {given.iterations} iterations: share of the time")
    for column in ("algorithm", *PARTS, "the loop", "seconds"):
        table.add_column(column, justify="left" if column == "algorithm" else "right")
    for algorithm in given.algorithms.split(","):
        config = recipe(given.agent, algorithm, env="synthetic-v0", iterations=given.iterations)
        with tempfile.TemporaryDirectory() as folder:
            run = RunDirectory(Path(folder) / "run")
            run.start(config.to_json())
            trainer, spent = build(config, run), Counter[str]()
            for part, method in zip(PARTS, ("collect", "examples", "fit", "_check"), strict=True):
                setattr(trainer, method, timed(spent, part, getattr(trainer, method)))
            began = time.perf_counter()
            list(trainer.train())
            total = time.perf_counter() - began
        shares = [spent[part] / total for part in PARTS]
        rest = 1.0 - sum(shares)
        table.add_row(algorithm, *(f"{share:.1%}" for share in (*shares, rest)), f"{total:.1f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
