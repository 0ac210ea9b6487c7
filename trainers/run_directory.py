"""The run directory: everything that it takes to trust a run, and to go on with it.

config.json     every setting, the seed included      metrics.jsonl   one line per iteration
versions.json   packages, Python, machine, git state  episodes/       what was played, Parquet
summary.json    the evaluation                        checkpoints/    one folder per iteration: the weights,
clock.json      CPU seconds up to each checkpoint                     what was spent so far (spent.json)
questions.parquet the same by question and costs      wandb/          the same numbers for W&B
steerability, learning, surfaces, frontier: its figures, as .png and .svg; report.html: all of it as one page
"""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from clarify_env.data import read_json
from clarify_env.errors import ClarifyError

SPENT = "spent.json"  # of a checkpoint
PACKAGES = ("clarify_env", "numpy", "gymnasium", "pettingzoo", "pyarrow", "torch", "safetensors", "wandb")


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that the file is either the old or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    try:
        text = json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise ClarifyError(f"{path}: cannot be written: {error.strerror or error}") from None


def _finite(data: Any) -> Any:
    """The same data with null for numbers that JSON does not have (NaN, infinities)."""
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if isinstance(data, (float, np.floating)):
        return float(data) if np.isfinite(data) else None
    return data


def run_named(name: str) -> "RunDirectory | None":
    """The run that a name stands for, "run:DIR" or DIR; None where there is none, as for an agent's name."""
    run = RunDirectory(name.removeprefix("run:"))
    return run if name and (run.path / "config.json").is_file() else None


def versions() -> dict[str, Any]:
    """Versions of everything that computes, and the state of the git checkout around the package."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {
        "packages": found,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    here = Path(__file__).resolve().parent
    try:
        commit, status = (
            subprocess.run(
                ["git", *command], cwd=here, capture_output=True, text=True, timeout=10, check=True
            ).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "modified": bool(status)}


class RunDirectory:
    """A run directory on disk.

    Args:
        path: the folder; made when something is written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin a new run.

        Raises:
            ClarifyError: there is a run already, which would be overwritten.
        """
        if (self.path / "config.json").exists():
            raise ClarifyError(
                f"{self.path}: holds a run already; continue it with --resume, or give another --out"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ClarifyError(f"{self.path}: cannot be made: {error.strerror or error}") from None
        write_json(self.path / "versions.json", versions())
        write_json(self.path / "config.json", dict(config))

    def config(self) -> dict[str, Any]:
        """The settings of the run.

        Raises:
            ClarifyError: the folder holds no run, or a damaged one.
        """
        path = self.path / "config.json"
        if not path.is_file():
            raise ClarifyError(f"{self.path}: no run directory; it has no config.json")
        config = read_json(path)
        if not isinstance(config, dict):
            raise ClarifyError(f"{path}: holds no settings")
        return config

    def episodes(self, name: str) -> Path:
        """The file for a collection of episodes."""
        return self.path / "episodes" / f"{name}.parquet"

    def checkpoint(self, iteration: int) -> Path:
        """The folder of a checkpoint."""
        return self.path / "checkpoints" / f"iteration-{iteration:03d}"

    def save(self, iteration: int, save: Any) -> None:
        """Write a checkpoint with `save(folder)`; it takes its name when it is complete."""
        final = self.checkpoint(iteration)
        part = final.with_name(final.name + ".part")
        try:
            part.mkdir(parents=True, exist_ok=True)
            save(part)
            if final.exists():
                shutil.rmtree(final)
            os.replace(part, final)
        except OSError as error:
            raise ClarifyError(f"{final}: cannot be written: {error.strerror or error}") from None

    def last(self) -> int | None:
        """The last complete checkpoint, or None."""
        found = [int(p.name.split("-")[1]) for p in self.path.glob("checkpoints/iteration-*[0-9]")]
        return max(found, default=None)

    def clock(self) -> dict[str, float]:
        """CPU seconds of the training up to each checkpoint, by its number; the check after it left out."""
        path = self.path / "clock.json"
        return dict(read_json(path)) if path.exists() else {}

    def set_clock(self, iteration: int, seconds: float) -> None:
        """Write the CPU seconds up to a checkpoint; those of later ones, which are repeated, go."""
        self.path.mkdir(parents=True, exist_ok=True)
        kept = {name: spent for name, spent in self.clock().items() if int(name) < iteration}
        write_json(self.path / "clock.json", {**kept, str(iteration): round(seconds, 3)})

    def spent(self, iteration: int | None = None) -> dict[str, float]:
        """What the training has spent up to a checkpoint, by default the last.

        Returns:
            "episodes", "updates", by player "decisions/PLAYER" and "tokens/PLAYER", and "cpu_seconds".
        """
        last = self.last() if iteration is None else iteration
        if last is None or not (path := self.checkpoint(last) / SPENT).exists():
            return {}
        return {**read_json(path), "cpu_seconds": self.clock().get(str(last), float("nan"))}

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            return [json.loads(line) for line in lines if line.strip()]
        except json.JSONDecodeError as error:
            raise ClarifyError(f"{path}: a line is no JSON ({error.msg}: {error.doc[:60]!r})") from None

    def log(self, line: Mapping[str, Any]) -> None:
        """Set the line of this iteration; lines of later iterations, which a resumed run repeats, go."""
        kept = [old for old in self.metrics() if old["iteration"] < line["iteration"]]
        path = self.path / "metrics.jsonl"
        part = path.with_name(path.name + ".part")
        try:
            lines = [json.dumps(_finite(entry), allow_nan=False) for entry in [*kept, line]]
            part.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise ClarifyError(f"{path}: cannot be written: {error.strerror or error}") from None
