"""Tasks: splits of generated ones; data files, where they lie and what is made of them, with errors that name
file and position.
"""

import json
import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from clarify_env.errors import ClarifyError, choose
from clarify_env.text import clean

VARIABLE = "CLARIFY_ENV_DATA"


SPLITS = {"train": 0, "validation": 1, "test": 2}  # of generated tasks: part of the seed of their draws


SIZES = {"train": 2000, "validation": 500, "test": 500}


def split_size(split: str, size: int | None, world: int) -> int:
    """The number of generated tasks of a split.

    Args:
        split: one of `SPLITS`.
        size: what was asked for, >= 1; None for the usual number.
        world: seed of the world, >= 0.

    Raises:
        ClarifyError: an unknown split, or a number out of range.
    """
    choose("split", split, SPLITS)
    size = SIZES[split] if size is None else size
    if not isinstance(size, int) or size < 1:
        raise ClarifyError(f"size={size!r}: a split has at least 1 question")
    if not isinstance(world, int) or world < 0:
        raise ClarifyError(f"world={world!r}: the seed of the world is an integer >= 0")
    return size


Rejected = tuple[str, str]  # id and reason


class Loaded(NamedTuple):
    """The tasks of a split, and (id, reason) of the questions that were rejected."""

    tasks: tuple[Any, ...]
    rejected: tuple[Rejected, ...]


def find_file(data_dir: str | os.PathLike[str] | None, folder: str, names: tuple[str, ...]) -> Path | None:
    """The first file of `names` in `data_dir`, `data_dir/folder` or `$CLARIFY_ENV_DATA/folder`.

    Returns None where no `data_dir` was given and the variable is unset.

    Raises:
        ClarifyError: a folder was named, but none of the files is there.
    """
    variable = os.environ.get(VARIABLE)
    if data_dir is not None:
        places = [Path(data_dir), Path(data_dir) / folder]
        source = f"data_dir={os.fspath(data_dir)!r}"
    elif variable:
        places = [Path(variable) / folder]
        source = f"{VARIABLE}={variable!r}"
    else:
        return None
    for place in places:
        for name in names:
            if (place / name).is_file():
                return place / name
    wanted = " or ".join(names)
    raise ClarifyError(
        f"{source}: no {wanted} there, nor in its folder {folder!r}; name the folder that holds it"
    )


def parsed_json(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What a JSON text holds, its texts cleaned (see `text.clean`); raises as `json.loads` does.

    Args:
        text: the JSON.
        pairs: makes an object of its names and values; None for a dict, where the last of equal names counts.
    """
    found = json.loads(text, object_pairs_hook=pairs)
    return _cleaned(found) if "\\u" in text or clean(text) != text else found


def _cleaned(found: Any) -> Any:
    if isinstance(found, dict):
        return {clean(key): _cleaned(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_cleaned(value) for value in found]
    return clean(found) if isinstance(found, str) else found


def read_json(path: Path) -> Any:
    """The JSON content of `path`; a ClarifyError names the file, line and column where it is malformed."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ClarifyError(f"{path}: cannot be read: {error}") from None
    try:
        return parsed_json(text)
    except RecursionError:
        raise ClarifyError(f"{path}: nested too deeply for a data file") from None
    except json.JSONDecodeError as error:
        hint = "; the file ends early, is it complete?" if error.pos >= len(text.rstrip()) - 1 else ""
        raise ClarifyError(
            f"{path}: malformed JSON at line {error.lineno}, column {error.colno}: {error.msg}{hint}"
        ) from None
    except ValueError as error:
        raise ClarifyError(f"{path}: holds a number that cannot be taken: {error}") from None


def stamp(path: Path) -> tuple[int, int]:
    """Modification time and size of a file, to see whether it has changed."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def make_tasks(rows: Any, source: str, name: str, parse: Callable[[Any, int], Iterable[Any]]) -> Loaded:
    """The tasks of all records.

    Args:
        rows: the list of records.
        source: where they come from, for messages.
        name: of the data set, for messages.
        parse: from a record and its position, its tasks, or a plain tuple (id, reason) where it is rejected;
            on a malformed record it raises KeyError, IndexError, TypeError, AttributeError or ValueError.

    Raises:
        ClarifyError: `rows` is no list, a record is malformed, or no record is usable.
    """
    tasks: list[Any] = []
    rejected: list[Rejected] = []
    if not hasattr(rows, "__iter__") or isinstance(rows, (str, dict)):
        raise ClarifyError(f"{source}: holds a {type(rows).__name__}; {name} is a list of records")
    for i, row in enumerate(rows):
        try:
            for made in parse(row, i):
                if type(made) is tuple:
                    rejected.append(made)
                else:
                    tasks.append(made)
        except ClarifyError:
            raise
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            id = f" (id {row['id']})" if isinstance(row, dict) and "id" in row else ""
            problem = f"{type(error).__name__}: {error}"
            raise ClarifyError(f"{source}: record {i}{id} does not have {name}'s form: {problem}") from None
    if not tasks:
        why = f" (the first: {rejected[0][1]})" if rejected else ""
        raise ClarifyError(f"{source}: the split is empty, it holds no usable question{why}")
    return Loaded(tuple(tasks), tuple(rejected))


def download(url: str, checksum: str | None, folder: str) -> Path:
    """A public file, fetched once into the user's cache.

    Args:
        url: where it is.
        checksum: its SHA-256. With None, that of the first download is stored beside the file, and later
            downloads have to match it.
        folder: of the cache, which is the system's for "clarify_env".

    Raises:
        ClarifyError: `pooch` is not installed, the download fails, or the checksum differs.
    """
    try:
        import pooch
    except ImportError:
        raise ClarifyError(f"{url}: to download it, pip install 'clarify_env[download]'") from None
    cache = Path(pooch.os_cache("clarify_env")) / folder
    name = url.rpartition("/")[2]
    note = cache / f"{name}.sha256"
    try:
        known = checksum or (note.read_text(encoding="ascii").strip() if note.is_file() else None)
        path = Path(pooch.retrieve(url, known and f"sha256:{known}", fname=name, path=cache))
        if not known:
            note.write_text(sha256(path.read_bytes()).hexdigest(), encoding="ascii")
    except Exception as error:  # whatever the client raises, the user can do the same about it
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClarifyError(
            f"{url}: could not be downloaded ({reason[:200]}); give data_dir=FOLDER (--data-dir) or "
            f"set {VARIABLE}"
        ) from None
    return path
