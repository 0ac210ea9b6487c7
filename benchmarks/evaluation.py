"""Evaluation of a scripted asker on all of AmbigQA's validation questions, report included, by stage.

Bar: under 60 s on 2 cores (2,002 questions, every meaning of each at 25 pairs of costs). CPU time is that of
all processes together; on a machine with other work it says more than the wall clock. Needs CLARIFY_ENV_DATA.

    python benchmarks/evaluation.py
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import clarify_env
from clarify_env.agents import ScriptedUser, load
from clarify_env.games.clarification import SEEN, UNSEEN
from clarify_env.trainers.evaluation.evaluate import evaluate_agent
from clarify_env.trainers.evaluation.measure import SCRIPTED, jobs, measure, pick_questions
from clarify_env.trainers.evaluation.yardsticks import yardsticks
from clarify_env.trainers.reporting.figures import draw_all
from clarify_env.trainers.reporting.html import write_report


def cpu() -> float:
    """Seconds of CPU time of this process and those that it has ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the clock and of CPU time, and what `work` returns."""
    wall, used = time.perf_counter(), cpu()
    result = work()
    return time.perf_counter() - wall, cpu() - used, result


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--agent", default="always-ask")
    options.add_argument("--game", default="ambigqa-v0")
    options.add_argument("--questions", type=int, help="by default all")
    options.add_argument("--processes", type=int, nargs="*", default=[1, 2])
    chosen = options.parse_args()
    torch.set_num_threads(1)
    env = clarify_env.make(chosen.game, split="validation")
    questions, cells = pick_questions(env, chosen.questions), [*SEEN, *UNSEEN]
    agents = {"asker": load(chosen.agent, env, "asker"), "user": ScriptedUser()}
    print(f"{'stage':<22} " + " ".join(f"{f'{n} proc.: s':>12} {'CPU s':>7}" for n in chosen.processes))
    with tempfile.TemporaryDirectory() as folder:
        stages: dict[str, Callable[[int], Any]] = {
            "list the episodes": lambda n: jobs(env, questions, cells, "asker"),
            "play and store": lambda n: measure(
                env, agents, questions, cells, store=Path(folder) / "e.parquet", batch=SCRIPTED, processes=n
            ),
            "yardsticks": lambda n: yardsticks(env, questions, cells, processes=n),
        }
        for name, stage in stages.items():
            runs = [timed(lambda n=n, run=stage: run(n))[:2] for n in chosen.processes]
            print(f"{name:<22} " + " ".join(f"{wall:>12.1f} {used:>7.1f}" for wall, used in runs), flush=True)
        whole, finished = [], []
        for n in chosen.processes:
            out = Path(folder) / str(n)
            evaluation = timed(
                lambda n=n, out=out: evaluate_agent(
                    chosen.agent, chosen.game, out, tasks=chosen.questions, processes=n
                )
            )
            drawn = timed(lambda out=out, summary=evaluation[2]: draw_all(summary, out))
            report = timed(lambda out=out: write_report([out]))
            finished += [(drawn, report)]
            whole += [(evaluation[0] + report[0], evaluation[1] + report[1])]
        for name, at in (("figures (PNG)", 0), ("report", 1)):
            cells_shown = (f"{row[at][0]:>12.1f} {row[at][1]:>7.1f}" for row in finished)
            print(f"{name:<22} " + " ".join(cells_shown))
        print(f"{'all, with the report':<22} " + " ".join(f"{w:>12.1f} {c:>7.1f}" for w, c in whole))
        size = (Path(folder) / str(chosen.processes[0]) / "report.html").stat().st_size
    first, last = whole[0], whole[-1]
    print(f"{evaluation[2]['episodes']:,} episodes; report.html {size / 1e6:.2f} MB")
    print(f"{chosen.processes[-1]} processes against {chosen.processes[0]}: {first[0] / last[0]:.2f} as fast")


if __name__ == "__main__":
    main()
