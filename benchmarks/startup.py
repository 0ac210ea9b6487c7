"""Startup: `import clarify_env` in fresh interpreters, and `make` once the data is read.

Bars: the import takes less than 0.5 s and loads none of torch, transformers, wandb, datasets, pooch and
bm25s; `make` takes less than 1 ms. The import is the median of interpreters started one after another, less
one that imports nothing; "alone" leaves out numpy, gymnasium and pettingzoo. `ambigqa-v0` needs
CLARIFY_ENV_DATA.
"""

import os
import subprocess
import sys
from statistics import median
from time import perf_counter

import clarify_env

REPEATS = 11
HEAVY = ("torch", "transformers", "wandb", "datasets", "pooch", "bm25s")


def interpreter(code: str) -> float:
    """Median wall time, in seconds, of fresh interpreters that run `code`."""
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(perf_counter() - start)
    return median(times)


def making(name: str) -> tuple[float, float]:
    """Seconds of the first `make`, which reads the data, and the median of those after it."""
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        clarify_env.make(name)
        times.append(perf_counter() - start)
    return times[0], median(times[1:])


if __name__ == "__main__":
    nothing, below = interpreter("pass"), interpreter("import numpy, gymnasium, pettingzoo")
    whole = interpreter(
        f"import sys, clarify_env; assert not {{*{HEAVY}}} & {{*sys.modules}}, 'heavy import'"
    )
    detail = f"alone {whole - below:.3f} s; none of {', '.join(HEAVY)}"
    print(f"import clarify_env   {whole - nothing:8.3f} s    bar 0.5   ({detail})")
    for name in ("synthetic-v0", "ambigqa-v0"):
        if name == "synthetic-v0" or "CLARIFY_ENV_DATA" in os.environ:
            first, later = making(name)
            print(
                f"make {name:<15} {1e3 * later:8.3f} ms   bar 1     (the first, with the data: {first:.2f} s)"
            )
        else:
            print(f"make {name:<15} not measured: CLARIFY_ENV_DATA is unset")
