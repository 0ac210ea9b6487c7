"""What a person sees of a long job: progress bars, and tables of results."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from rich.columns import Columns
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
from rich.text import Text

from clarify_env.episode import Episode
from clarify_env.trainers.reporting.summary import (
    PARTS,
    WORDS,
    cost_label,
    interval,
    score_note,
    scores,
    title_of,
    yardstick_of,
)


class Bars:
    """Shows one progress bar per stage; a `clarify_env.trainers.loop.Watcher`.

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
        """Show a new bar in place of the last one."""
        for old in self.progress.task_ids:
            self.progress.remove_task(old)
        task = self.progress.add_task(name, total=total)
        return lambda done: self.progress.advance(task, done)

    def logged(self, line: Mapping[str, Any], episodes: list[Episode]) -> None:
        """Keep the episodes of the last iteration."""
        self.episodes = episodes

    def print(self, text: str) -> None:
        """Print a line above the bar."""
        self.progress.console.print(text, highlight=False)


def results(summary: Mapping[str, Any]) -> Group:
    """The evaluation as tables that fit 80 columns: the scores, and what is paid for by its cost."""
    table = Table(title=title_of(summary))
    table.add_column("")
    for part in filter(summary.__contains__, PARTS):
        table.add_column(f"{part} costs", justify="right", no_wrap=True)
    for label, found in scores(summary):
        table.add_row(label, *map(interval, found))
    note = Text(f"Mean [95% interval over questions]. {score_note(summary)}")
    counted = []
    for measure, found in summary["monotonicity"].items():
        paid = Table(title=WORDS.get(measure, measure))
        played = [name for name in ("agent", "optimum") if name in found]
        shown = [yardstick_of(summary) if name == "optimum" else name for name in played]
        for column in (cost_label(found["cost"]), *shown):
            paid.add_column(column, justify="right")
        for level, *values in zip(found["levels"], *(found[name] for name in played), strict=True):
            paid.add_row(f"{level:g}", *(f"{value:.2f}" for value in values))
        counted.append(paid)
    return Group(table, note, Columns(counted))
