"""What stands behind "module:name", loaded when it is asked for, and what installed packages add by name."""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from clarify_env.errors import ClarifyError
from clarify_env.games import GAMES


def load_object(where: str, extra: str = "") -> Any:
    """What "module:name" names.

    Args:
        where: the module's full name, a colon, a name in it.
        extra: of clarify_env, which installs what the module needs.

    Raises:
        ClarifyError: there is no such module or name, or the module needs a package that is not installed.
    """
    module, _, name = where.partition(":")
    told = f"{where!r}: cannot be loaded"
    try:
        loaded = import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{module}.".startswith(f"{missing}."):
            raise ClarifyError(f"{told}: there is no module {missing}") from None
        if extra and not missing.startswith("clarify_env"):
            needed = f"{name} needs {missing.partition('.')[0]}"
            raise ClarifyError(f"{needed}: pip install 'clarify_env[{extra}]'") from None
        raise ClarifyError(f"{told}: {error}") from None
    except (ImportError, ValueError) as error:
        raise ClarifyError(f"{told}: {error}") from None
    if not hasattr(loaded, name):
        raise ClarifyError(f"{told}: the module has no {name!r}")
    return getattr(loaded, name)


@cache
def installed(group: str) -> dict[str, str]:
    """What installed packages add to an entry point group: names, each with its "module:name"."""
    return {entry.name: entry.value for entry in entry_points(group=group)}


def games() -> dict[str, str]:
    """Where the `GameSpec` of each game stands, by id; a package cannot take the id of a game of ours."""
    return {**installed("clarify_env.games"), **GAMES}
