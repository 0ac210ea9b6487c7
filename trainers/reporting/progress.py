"""What a person sees of a long job: progress bars, and tables of results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from rich.console import Console, Group
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from clarify_env.episode import Episode
from clarify_env.trainers.config import Config
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.run_directory import RunDirectory


class Bars(Logger):
    """Shows one progress bar per stage, and a line an iteration.

    Args:
        console: to draw on; by default the terminal.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.progress = Progress(
            TextColumn("{task.description:<17}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.iterations = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        self.progress.stop()

    def stage(self, name: str, total: int) -> Callable[[int], object]:
        """A new bar in place of the last one."""
        self.progress.start()
        for old in self.progress.task_ids:
            self.progress.remove_task(old)
        task = self.progress.add_task(name, total=total)
        return lambda done: self.progress.advance(task, done)

    def start(self, run: RunDirectory, config: Config) -> None:
        """Note how many iterations there will be."""
        self.iterations = config.iterations

    def iteration(self, line: Mapping[str, Any], episodes: Sequence[Episode]) -> None:
        """Its numbers in a few words, above the bar."""
        parts = []
        for shown, part in (("played", "play"), ("greedy", "eval")):
            if f"{part}/reward" in line:
                asks = f", asks {line[f'{part}/asks']:.2f}" if f"{part}/asks" in line else ""
                parts.append(f"{shown} reward {line[f'{part}/reward']:+.3f}{asks}")
        said = f"iteration {line['iteration'] + 1}/{self.iterations}: {'; '.join(parts)}"
        self.progress.console.print(said, highlight=False)


def results(summary: Mapping[str, Any]) -> Group:
    """The evaluation as two tables: the scores, and asks beside the optimum's by turn cost."""
    about = f"{summary['split']}, {summary['questions']} questions".lstrip(", ")
    scores = Table(title=f"{summary['agent']} on {summary['env']} ({about})")
    parts = [part for part in ("seen", "unseen") if part in summary]
    for column in ("", *(f"{part} costs" for part in parts)):
        scores.add_column(column, justify="right" if column else "left", no_wrap=True)
    names = [
        "reward",
        "optimum",
        "baseline",
        "normalized",
        "start",
        "from_start",
        "accuracy",
        "asks",
        "words",
    ]
    if "measures" in summary:
        names = ["reward", *(n for n in summary["seen"] if n.startswith("team ")), *list(summary["seen"])[1:]]
    for name in dict.fromkeys(name for name in names if name in summary["seen"]):
        values = (summary[part][name] for part in parts)
        scores.add_row(name, *(f"{v['mean']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" for v in values))
    if "monotonicity" not in summary:
        return Group(scores)
    asks = summary["monotonicity"]["asks"]
    asked = Table(title="questions an episode, by turn cost")
    asked.add_column("turn cost")
    for level in asks["turn_cost"]:
        asked.add_column(f"{level:g}", justify="right")
    for name in ("agent", "optimum"):
        asked.add_row(name, *(f"{value:.2f}" for value in asks[name]))
    return Group(scores, asked)
