"""What a person sees of a long job: progress bars, and tables of results."""

from collections.abc import Callable, Mapping, Sequence
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
from clarify_env.trainers.config import Config
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.reporting.summary import (
    GRIDS,
    WORDS,
    cost_label,
    interval_text,
    score_note,
    scores,
    title_of,
    yardstick_of,
)
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
    """The evaluation as tables that fit 80 columns: the scores, and what is paid for by its cost."""
    table = Table(title=title_of(summary))
    table.add_column("")
    for part in filter(summary.__contains__, GRIDS):
        table.add_column(f"{part} costs", justify="right", no_wrap=True)
    for label, found in scores(summary):
        table.add_row(label, *map(interval_text, found))
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
