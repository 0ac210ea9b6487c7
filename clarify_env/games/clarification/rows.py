"""Rows of a file, of a data set on the Hugging Face hub, or of Python: each with its place.

Files: JSON Lines, a JSON list, CSV, TSV and Parquet, by the ending of their names. A row that cannot be read
is given as an `Unread` with its line number, and the rows after it are read all the same.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from clarify_env.data import parsed_json, read_json
from clarify_env.errors import ClarifyError
from clarify_env.text import clean

HUB_PREFIX = "hub:"


READERS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")


class SourceRow(NamedTuple):
    """One row.

    Args:
        place: where it stands, such as "line 7".
        values: by the names of its columns.
        split: of the data set that it stands in, where that has several; else "".
    """

    place: str
    values: Mapping[str, Any]
    split: str = ""


class Unread(NamedTuple):
    """A row that could not be read: its place, and the reason."""

    place: str
    reason: str


def rows_of(source: Any) -> Iterator[SourceRow | Unread]:
    """All rows of a source, in order.

    Args:
        source: a file; "hub:OWNER/NAME" or "hub:OWNER/NAME/CONFIG", read through `datasets`; rows by name of
            column, such as a list of dicts or a `datasets.Dataset`; or such rows by split.

    Raises:
        ClarifyError: the source as a whole cannot be read.
    """
    if isinstance(source, str) and source.startswith(HUB_PREFIX):
        owner, *names = source.removeprefix(HUB_PREFIX).split("/")
        if not owner or not 1 <= len(names) <= 2 or not all(names):
            raise ClarifyError(f"path={source!r}: write hub:OWNER/NAME, or hub:OWNER/NAME/CONFIG")
        return _several(hub_rows(f"{owner}/{names[0]}", *names[1:]))
    if isinstance(source, (str, os.PathLike)):
        return _of_file(Path(source))
    if isinstance(source, Mapping):
        return _several(source)
    frame = hasattr(source, "to_dict") and hasattr(source, "columns")
    if frame or isinstance(source, bytes) or not (hasattr(source, "__iter__") and hasattr(source, "__len__")):
        raise ClarifyError(
            f"path={type(source).__name__}: give a file, hub:OWNER/NAME, or a list of rows as dicts (of a "
            "data frame its to_dict('records'))"
        )
    return _listed(source, "")


def hub_rows(*names: str, split: str | None = None) -> Any:
    """A data set of the Hugging Face hub, or one split of it.

    Args:
        names: its name on the hub, and a configuration where it has several.
        split: of it; None for all splits by name.

    Raises:
        ClarifyError: `datasets` is not installed, or the hub's client fails.
    """
    try:
        from datasets import load_dataset
        from huggingface_hub import HfApi, constants
    except ImportError:
        raise ClarifyError("to read the Hugging Face hub, pip install 'clarify_env[hub]'") from None
    try:
        if not constants.HF_HUB_OFFLINE:
            HfApi().dataset_info(
                names[0], timeout=10
            )  # fails at once; load_dataset retries for half a minute
        return load_dataset(*names, split=split)
    except Exception as error:  # whatever the hub's client raises, the user can do the same about it
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClarifyError(
            f"the hub's {names[0]} could not be loaded ({reason[:200]}); set HF_HUB_OFFLINE=1 if it was "
            "downloaded before"
        ) from None


def _several(splits: Any) -> Iterator[SourceRow | Unread]:
    for name, rows in splits.items():
        if isinstance(rows, (str, bytes)) or not isinstance(rows, Iterable):
            raise ClarifyError(
                f"path: {name!r} holds a {type(rows).__name__}; rows by split are lists of dicts"
            )
        yield from _listed(rows, str(name) if len(splits) > 1 else "", str(name))


def _listed(rows: Iterable[Any], split: str, of: str = "") -> Iterator[SourceRow | Unread]:
    for number, values in enumerate(rows, 1):
        yield _row(f"{of} row {number}".strip(), values, split)


def _row(place: str, values: Any, split: str = "") -> SourceRow | Unread:
    if isinstance(values, Mapping):
        return SourceRow(place, values, split)
    return Unread(place, f"{values!r:.60} is a {type(values).__name__}, not values by name of column")


def _of_file(path: Path) -> Iterator[SourceRow | Unread]:
    ending = path.suffix.lower()
    if ending not in READERS:
        raise ClarifyError(f"{path}: the name of a file of questions ends in {', '.join(READERS)}")
    if not path.is_file():
        raise ClarifyError(f"{path}: there is no such file")
    if ending == ".parquet":
        return _of_parquet(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ClarifyError(f"{path}: cannot be read: {error}") from None
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ClarifyError(f"{path}: is UTF-16; save it as UTF-8")
    if ending == ".json":
        content = read_json(path)
        if not isinstance(content, list):
            raise ClarifyError(
                f"{path}: holds a {type(content).__name__}; rows are a list, or one a line in .jsonl"
            )
        return _listed(content, "")
    return (
        _of_lines(path)
        if ending in (".jsonl", ".ndjson")
        else _of_csv(path, "\t" if ending == ".tsv" else ",")
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return made


def _of_lines(path: Path) -> Iterator[SourceRow | Unread]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            place = f"line {number}"
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield _row(place, parsed_json(text, _once))
            except UnicodeDecodeError as error:
                yield Unread(place, f"is not UTF-8 (byte 0x{line[error.start]:02x} at {error.start + 1})")
            except json.JSONDecodeError as error:
                yield Unread(place, f"is no JSON: {error.msg} at column {error.colno}")
            except RecursionError:
                yield Unread(place, "is nested too deeply")
            except (
                ValueError
            ) as error:  # of a name that stands there twice, or a number of thousands of digits
                yield Unread(place, f"is no JSON that can be taken: {str(error)[:120]}")


def _of_csv(path: Path, separator: str) -> Iterator[SourceRow | Unread]:
    # surrogateescape: a byte that is no UTF-8 spoils its row alone
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        header: list[str] | None = None
        for _ in count():
            first = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if header is None:
                    raise ClarifyError(f"{path}: line {first}, the header, cannot be read: {error}") from None
                more = f", which goes on to line {reader.line_num}" if reader.line_num > first else ""
                yield Unread(f"line {first}", f"{error}{more}; is a quote left open?")
                continue
            if cells is None:
                return
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(path, cells)
                continue
            place = f"line {first}"
            if len(cells) != len(header):
                yield Unread(place, f"has {len(cells)} cells, the header {len(header)}")
            elif any("\udc80" <= c <= "\udcff" for cell in cells for c in cell if not cell.isascii()):
                yield Unread(place, "is not UTF-8")
            else:
                yield SourceRow(place, dict(zip(header, map(clean, cells), strict=True)))


def _header(path: Path, cells: list[str]) -> list[str]:
    names = [clean(cell.strip()) for cell in cells]
    for name in names:
        if names.count(name) > 1:
            raise ClarifyError(
                f"{path}: two columns are called {name!r}; the first line names each column once"
            )
    return names


def _of_parquet(path: Path) -> Iterator[SourceRow | Unread]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            numbers = count(1)
            for batch in file.iter_batches(1000):
                for values in batch.to_pylist():
                    yield _row(f"row {next(numbers)}", values)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ClarifyError(
            f"{path}: is no Parquet file that can be read: {str(error).splitlines()[0]:.200}"
        ) from None
