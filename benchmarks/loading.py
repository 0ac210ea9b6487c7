"""Loading: how long the first `load` of each split takes, and what comes of its questions.

Bars: AmbigQA's training questions in less than 1 s, PACIFIC's in less than 2 s. Each time is the median of
fresh interpreters, without their imports. Needs CLARIFY_ENV_DATA; nothing is downloaded.
"""

import os
import subprocess
import sys
from collections import Counter
from importlib import import_module
from statistics import median

REPEATS = 5
SPLITS = (
    ("ambigqa", "train", 1.0),
    ("ambigqa", "validation", 1.0),
    ("pacific", "validation", 2.0),
    ("abgcoqa", "validation", 1.0),
    ("abgcoqa", "test", 1.0),
)
CODE = """
from time import perf_counter
from clarify_env.games.clarification.{name} import load_{name}
start = perf_counter()
load_{name}({split!r})
print(perf_counter() - start)
"""


def seconds(name: str, split: str) -> float:
    """Median time of loading a split in a fresh interpreter."""
    code = CODE.format(name=name, split=split)
    runs = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True) for _ in range(REPEATS)
    ]
    return median(float(run.stdout) for run in runs)


if __name__ == "__main__":
    if "CLARIFY_ENV_DATA" not in os.environ:
        sys.exit("loading: set CLARIFY_ENV_DATA to the folder of the data")
    print("| questions | time (bar) | tasks | with 1, 2, 3, 4, more meanings | rejected |")
    print("| --- | --- | --- | --- | --- |")
    for name, split, bar in SPLITS:
        module = import_module(f"clarify_env.games.clarification.{name}")
        loaded = getattr(module, f"load_{name}")(split)
        counts = Counter(min(5, len(task.interpretations)) for task in loaded.tasks)
        meanings = ", ".join(f"{counts[k]:,}" for k in range(1, 6))
        reasons = Counter(reason for _, reason in loaded.rejected)
        rejected = "; ".join(f"{count}: {reason}" for reason, count in reasons.items()) or "0"
        time = f"{seconds(name, split):.2f} s ({bar:g} s)"
        print(f"| {name} {split} | {time} | {len(loaded.tasks):,} | {meanings} | {rejected} |")
