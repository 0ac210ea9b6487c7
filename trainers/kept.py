"""Finished parts of long work on disk, so that it can go on after an interruption."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clarify_env.errors import ClarifyError
from clarify_env.trainers.runs import write_json


class Folder:
    """Where a cross-play keeps what is done, so that it can go on after an interruption.

    Args:
        path: the folder; made where there is none.
        key: what is played; cells that were played under another are not used.
        identity: of the players, by name, where the name does not say who it is.
    """

    def __init__(self, path: Path, key: Mapping[str, Any], identity: Mapping[str, str]) -> None:
        self.path = path
        self.key = json.dumps(key, sort_keys=True, default=str)
        self.identity = identity
        try:
            (path / "cells").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ClarifyError(f"{path}: cannot be written: {error.strerror or error}") from None

    def episodes(self, *names: str) -> Path:
        """The file of a cell's episodes."""
        return self.path / "cells" / f"{file_name(*names)}.parquet"

    def load(self, *names: str) -> dict[str, Any] | None:
        """What was kept under these names, or None."""
        try:
            found = json.loads(
                (self.path / "cells" / f"{file_name(*names)}.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            return None
        same = isinstance(found, dict) and all(found.get(k) == v for k, v in self._of(names).items())
        return found if same else None

    def keep(self, *names: str, **values: Any) -> None:
        """Keep JSON values under these names."""
        write_json(self.path / "cells" / f"{file_name(*names)}.json", {**self._of(names), **values})

    def _of(self, names: Sequence[str]) -> dict[str, Any]:
        return {"names": [*names], "identity": [self.identity.get(n, "") for n in names], "key": self.key}


def file_name(*names: str) -> str:
    return "--".join("".join(c if c.isalnum() or c in "-_." else "_" for c in name) for name in names)
