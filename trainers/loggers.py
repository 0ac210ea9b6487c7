"""Who is told of a run: progress bars, Weights & Biases (online with a key, offline without), or your own."""

import os
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from clarify_env.data import read_json
from clarify_env.episode import Episode
from clarify_env.trainers.config import Config
from clarify_env.trainers.run_directory import RunDirectory, write_json

TABLE_ROWS = 40  # episodes per table
PICTURES = ("steerability", "learning", "surfaces", "frontier")


class Logger:
    """Is told what happens in a run; subclasses do something with it, and this one nothing."""

    def start(self, run: RunDirectory, config: Config) -> None:
        """A run begins, or goes on, in this directory."""

    def stage(self, name: str, total: int) -> Callable[[int], object]:
        """A stage of `total` steps begins; returns what to call with the steps that were done."""
        return lambda done: None

    def iteration(self, line: Mapping[str, Any], episodes: Sequence[Episode]) -> None:
        """An iteration is complete and on disk: its metrics and its episodes."""

    def summary(self, summary: Mapping[str, Any], folder: Path) -> None:
        """An evaluation is complete: the content of its summary.json, and the folder with its figures."""

    def close(self) -> None:
        """Nothing more will come."""


class Loggers(Logger):
    """Tells several loggers.

    Args:
        loggers: in the order in which they are told.
    """

    def __init__(self, loggers: Sequence[Logger]) -> None:
        self.loggers = list(loggers)

    def start(self, run: RunDirectory, config: Config) -> None:
        """Tells all."""
        for logger in self.loggers:
            logger.start(run, config)

    def stage(self, name: str, total: int) -> Callable[[int], object]:
        """Tells all, then and at every step."""
        told = [logger.stage(name, total) for logger in self.loggers]
        return lambda done: [tell(done) for tell in told]

    def iteration(self, line: Mapping[str, Any], episodes: Sequence[Episode]) -> None:
        """Tells all."""
        for logger in self.loggers:
            logger.iteration(line, episodes)

    def summary(self, summary: Mapping[str, Any], folder: Path) -> None:
        """Tells all."""
        for logger in self.loggers:
            logger.summary(summary, folder)

    def close(self) -> None:
        """Tells all."""
        for logger in self.loggers:
            logger.close()


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


def columns_of(episode: Episode) -> list[str | int]:
    """Columns of the table of episodes, for episodes such as this one."""
    costs = [f"{name}_cost" for name in episode.costs]
    return ["iteration", "question", "meaning", *costs, "transcript", "reward", *episode.quantities, "stop"]


def transcript(episode: Episode) -> str:
    """The moves of an episode, a line each."""
    return "\n".join(
        f"{player} ({move.kind}): {move.text}" for step in episode.steps for player, move in step.moves
    )


def flat(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell of the summary as one row: what is nested takes the name of its group before its own."""
    row: dict[str, Any] = {}
    for name, value in cell.items():
        row |= (
            {f"{name}/{key}": v for key, v in value.items()} if isinstance(value, Mapping) else {name: value}
        )
    return row


class WandbLogger(Logger):
    """Logs to a Weights & Biases run that belongs to a run directory; a resumed run goes on under its id.

    A run never ends because of it: where W&B cannot be started, that is said once and nothing is logged.

    Args:
        project, entity, name: of the W&B run; by default "clarify_env", the user's own, and the directory's.
        tell: told why nothing is logged.
    """

    def __init__(
        self,
        project: str = "clarify_env",
        entity: str | None = None,
        name: str | None = None,
        tell: Callable[[str], object] = warnings.warn,
    ) -> None:
        self.project, self.entity, self.name = project, entity, name
        self.tell = tell
        self.log_: Any = None

    def start(self, run: RunDirectory, config: Config | Mapping[str, Any]) -> None:
        """Begin, or go on, with the configuration as W&B shows it; offline files go to the folder `wandb`."""
        data = config.to_json() if isinstance(config, Config) else dict(config)
        try:
            self.log_ = self._start(run, data)
        except Exception as error:  # wandb raises types of its own
            self.tell(f"Not logged to W&B: {error}")

    def _start(self, run: RunDirectory, data: dict[str, Any]) -> Any:
        import wandb

        self.wandb = wandb
        path = run.path / "wandb.json"
        if path.exists():
            identity = read_json(path)
        else:
            identity = {"id": uuid.uuid4().hex[:8]}
            write_json(path, identity)
        mode: Any = os.environ.get("WANDB_MODE") or ("online" if _has_key(wandb) else "offline")
        return wandb.init(
            project=self.project,
            entity=self.entity,
            id=identity["id"],
            name=self.name or run.path.name,
            dir=str(run.path),
            mode=mode,
            resume="allow" if mode == "online" else None,
            config=data,
            settings=wandb.Settings(console="off", silent=True),
        )

    def iteration(self, line: Mapping[str, Any], episodes: Sequence[Episode]) -> None:
        """The metrics of an iteration and a table of episodes spread evenly over it."""
        if self.log_ is None:
            return
        table = None
        for episode in episodes[:: max(1, len(episodes) // TABLE_ROWS)][:TABLE_ROWS]:
            table = table or self.wandb.Table(columns=columns_of(episode))
            table.add_data(
                line["iteration"],
                episode.setup.get("question", ""),
                episode.setup.get("meaning", ""),
                *episode.costs.values(),
                transcript(episode),
                episode.reward,
                *episode.quantities.values(),
                episode.stop,
            )
        self.log_.log({**line, **({"episodes_table": table} if table else {})}, step=line["iteration"])

    def summary(self, summary: Mapping[str, Any], folder: Path) -> None:
        """The evaluation: seen and unseen costs, every cell as numbers and as a table, and the figures.

        Args:
            summary: content of summary.json.
            folder: that the evaluation wrote its PNG files to.
        """
        if self.log_ is None:
            return
        numbers: dict[str, Any] = {}
        for part in ("seen", "unseen"):
            for name, value in summary.get(part, {}).items():
                for key, number in value.items():
                    numbers[f"eval/{part}/{name}" + ("" if key == "mean" else f"/{key}")] = number
        numbers |= {f"eval/end/{end}": count for end, count in summary["ends"].items()}
        numbers |= {
            f"eval/{who}/{name}": n for who, own in summary["models"].items() for name, n in own.items()
        }
        for cell in summary["cells"]:
            name = "eval/cell/" + ",".join(f"{cost}={value:g}" for cost, value in cell["costs"].items())
            for key, number in cell.items():
                if isinstance(number, (int, float)):
                    numbers[f"{name}/{key}"] = number
            if "optimum" in cell:
                numbers[f"{name}/optimum"] = cell["optimum"]["reward"]
        rows = [flat(cell) for cell in summary["cells"]]
        table = self.wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])
        pictures = {name: folder / f"{name}.png" for name in PICTURES}
        images = {
            f"eval/{name}": self.wandb.Image(str(path)) for name, path in pictures.items() if path.is_file()
        }
        self.log_.log({**numbers, "eval/cells": table, **images})

    def close(self) -> None:
        """Flush everything to disk or the server."""
        if self.log_ is not None:
            self.log_.finish()
            self.wandb.teardown()
            self.log_ = None


def _has_key(wandb: Any) -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return bool(wandb.login(prompt=False))
    except Exception:  # an unusable key is the same as none: the run is kept offline
        return False
