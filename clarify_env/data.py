"""Data files of the user's: where they lie, and reading them with errors that name file and position."""

import json
import os
from pathlib import Path
from typing import Any

from clarify_env.errors import ClarifyError

VARIABLE = "CLARIFY_ENV_DATA"


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


def read_json(path: Path) -> Any:
    """The JSON content of `path`; a ClarifyError names the file, line and column where it is malformed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClarifyError(f"{path}: cannot be read: {error}") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise ClarifyError(f"{path}: nested too deeply for a data file") from None
    except json.JSONDecodeError as error:
        hint = "; the file ends early, is it complete?" if error.pos >= len(text.rstrip()) - 1 else ""
        raise ClarifyError(
            f"{path}: malformed JSON at line {error.lineno}, column {error.colno}: {error.msg}{hint}"
        ) from None
