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
    """The evaluation as tables: the scores, and what is paid for by its cost, beside the optimum's."""
    about = f"{summary['split']}, {summary['questions']} questions".lstrip(", ")
    yardstick = summary["yardstick"]
    scores = Table(
        title=f"{summary['agent']} on {summary['env']} ({about})",
        caption=f"normalized: 0 = {_floor(summary['floor'])}, 1 = {yardstick}",
    )
    parts = [part for part in ("seen", "unseen") if part in summary]
    for column in ("", *(f"{part} costs" for part in parts)):
        scores.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name in summary["seen"]:
        values = (summary[part][name] for part in parts)
        shown = yardstick if name == "optimum" else name
        scores.add_row(shown, *(f"{v['mean']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" for v in values))
    tables = [scores]
    for quantity, found in summary["monotonicity"].items():
        paid = Table(title=f"{quantity} an episode, by {found['cost']} cost")
        paid.add_column(f"{found['cost']} cost")
        for level in found["levels"]:
            paid.add_column(f"{level:g}", justify="right")
        for name in ("agent", "optimum"):
            if name in found:
                shown = yardstick if name == "optimum" else name
                paid.add_row(shown, *(f"{value:.2f}" for value in found[name]))
        tables.append(paid)
    return Group(*tables)


def _floor(names: list[str]) -> str:
    return f"the best of {', '.join(names)}" if len(names) > 1 else f"the team {names[0]}"
