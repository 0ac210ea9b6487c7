"""What a person sees of a long job: progress bars, and tables of results."""

from collections.abc import Callable, Mapping
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


class Bars:
    """Shows one progress bar per stage; a `Watcher` of trainers.

    Args:
        console: to draw on.
    """

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description:<17}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.episodes: list[Episode] = []

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def stage(self, name: str, total: int) -> Callable[[int], object]:
        """A new bar in place of the last one."""
        for old in self.progress.task_ids:
            self.progress.remove_task(old)
        task = self.progress.add_task(name, total=total)
        return lambda done: self.progress.advance(task, done)

    def logged(self, line: Mapping[str, Any], episodes: list[Episode]) -> None:
        """Keep the episodes of the last iteration."""
        self.episodes = episodes

    def print(self, text: str) -> None:
        """A line above the bar."""
        self.progress.console.print(text, highlight=False)


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
