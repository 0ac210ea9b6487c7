"""Episodes on disk: Parquet or JSONL, written as they come and read back as equal objects.

Both forms hold one row per episode: flat columns to analyse by (index, env, seed, stop, reward, the costs,
the quantities and the setup's task) and `episode`, the whole record as JSON, from which it is read back.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError

T = TypeVar("T")


ROWS = 4096  # of one Parquet row group: what is held in memory


def row(episode: Episode) -> dict[str, Any]:
    """The row that `writing` stores for an episode."""
    return {
        "index": episode.index,
        "env": episode.env,
        "seed": episode.seed,
        "task": str(episode.setup.get("task", "")),
        "stop": episode.stop,
        "reward": episode.reward,
        **{f"{name}_cost": value for name, value in episode.costs.items()},
        **{name: float(value) for name, value in episode.quantities.items()},
        "episode": json.dumps(episode.to_data()),
    }


def write_episodes(path: str | os.PathLike[str], episodes: Iterable[Episode]) -> int:
    """Write episodes to a file one by one, as they come, and return how many there were; see `writing`."""
    count = 0
    with writing(path) as add:
        for episode in episodes:
            add(row(episode))
            count += 1
    return count


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Open a file of episodes; yields a function that appends a row.

    Until it is complete the file is called `<path>.part`. After an interruption the part is a readable file
    with the episodes so far.

    Args:
        path: ends in .parquet or .jsonl.

    Raises:
        ClarifyError: another suffix, or the disk is full or not writable.
    """
    path = Path(path)
    if path.suffix not in (".parquet", ".jsonl"):
        raise ClarifyError(f"{path.name!r}: episodes are stored as .parquet or .jsonl")
    part = path.with_name(path.name + ".part")
    count = 0

    @contextmanager
    def telling() -> Iterator[None]:  # what goes wrong while playing is not about this file
        try:
            yield
        except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
            reason = getattr(error, "strerror", None) or str(error)
            raise ClarifyError(f"{path}: cannot be written after {count:,} episodes: {reason}") from None

    def add(row: dict[str, Any]) -> None:
        nonlocal count
        with telling():
            writer.add(row)
        count += 1

    with telling():
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = _Parquet(part) if path.suffix == ".parquet" else _Lines(part)
    try:
        yield add
    finally:
        with telling():
            writer.close()
    with telling():
        os.replace(part, path)


class _Lines:
    """JSONL, one episode a line."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")

    def add(self, row: dict[str, Any]) -> None:
        self.file.write(json.dumps(row) + "\n")

    def close(self) -> None:
        self.file.close()


class _Parquet:
    """Parquet; the columns are those of the first episode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.writer: Any = None

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        if len(self.rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = {"index": pa.int64(), "seed": pa.uint64()}
        if self.writer is None:
            first = self.rows[0] if self.rows else {"index": None, "env": "", "episode": ""}
            kinds = {str: pa.string(), float: pa.float64()}
            fields = [
                (name, whole.get(name) or kinds.get(type(value), pa.string()))
                for name, value in first.items()
            ]
            self.writer = pq.ParquetWriter(self.path, pa.schema(fields), compression="zstd")
        rows, self.rows = self.rows, []  # what cannot be written is not tried again by close()
        self.writer.write_table(pa.Table.from_pylist(rows, schema=self.writer.schema))

    def close(self) -> None:
        if self.rows or self.writer is None:
            self._flush()
        self.writer.close()


def read_episodes(path: str | os.PathLike[str]) -> Iterator[Episode]:
    """Read the episodes of a file that `write_episodes` wrote, one by one.

    Raises:
        ClarifyError: no such file, another format, or a damaged record.
    """
    return map_records(path, Episode.from_data)


def map_records(path: str | os.PathLike[str], read: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """Call `read` on each record of a file of episodes (see `Episode.to_data`) and yield the results.

    Raises:
        ClarifyError: no such file, another format, or a record on which `read` fails.
    """
    path = Path(path)
    if not path.is_file():
        raise ClarifyError(f"{path}: no such file of episodes")
    count = 0
    try:
        for text in _records(path):
            yield read(json.loads(text))
            count += 1
    except (ValueError, KeyError, TypeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClarifyError(f"{path}: cannot be read after {count:,} episodes: {reason}") from None


def _records(path: Path) -> Iterator[str]:
    if path.name.removesuffix(".part").endswith(".jsonl"):
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)["episode"]
        return
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(ROWS, columns=["episode"]):
            yield from batch.column(0).to_pylist()
