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
