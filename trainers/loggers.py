"""The numbers of a run in Weights & Biases: online with a key, offline without one."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clarify_env.data import read_json
from clarify_env.episode import Episode
from clarify_env.trainers.run_directory import RunDirectory, write_json

ROWS = 40  # episodes per table


PICTURES = ("steerability", "learning", "surfaces", "frontier")


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


class WandbLog:
    """Logs to a W&B run that belongs to a run directory; a resumed run goes on under the same id.

    Args:
        run: the directory; the offline files are written to its folder `wandb`.
        config: the settings.
    """

    def __init__(self, run: RunDirectory, config: Mapping[str, Any]) -> None:
        import wandb

        self.wandb = wandb
        path = run.path / "wandb.json"
        if path.exists():
            identity = read_json(path)
        else:
            identity = {"id": uuid.uuid4().hex[:8]}
            write_json(path, identity)
        mode: Any = os.environ.get("WANDB_MODE") or ("online" if _has_key(wandb) else "offline")
        self.log_ = wandb.init(
            project="clarify_env",
            id=identity["id"],
            name=run.path.name,
            dir=str(run.path),
            mode=mode,
            resume="allow" if mode == "online" else None,
            config=dict(config),
            settings=wandb.Settings(console="off", silent=True),
        )

    def iteration(self, line: Mapping[str, Any], episodes: Sequence[Episode]) -> None:
        """The metrics of an iteration and a table of episodes spread evenly over it."""
        table = None
        for episode in episodes[:: max(1, len(episodes) // ROWS)][:ROWS]:
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
        numbers: dict[str, Any] = {}
        for part in ("seen", "unseen"):
            for name, value in summary.get(part, {}).items():
                for key, number in value.items():
                    numbers[f"eval/{part}/{name}" + ("" if key == "mean" else f"/{key}")] = number
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
        self.log_.finish()
        self.wandb.teardown()


def _has_key(wandb: Any) -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return bool(wandb.login(prompt=False))
    except Exception:  # an unusable key is the same as none: the run is kept offline
        return False
