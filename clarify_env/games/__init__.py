"""Which games there are: ids with where their `GameSpec` stands, those of installed packages too.

A game is a package of its own below this one, with a second half in `clarify_env.agents`. Another person's
package adds its games by the entry point group "clarify_env.games": the id, and "package:SPEC". What a string
"module:name" stands for is loaded when it is asked for.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from clarify_env.errors import ClarifyError

GAMES = {
    "abgcoqa-v0": "clarify_env.games.clarification:ABGCOQA",
    "ambigqa-v0": "clarify_env.games.clarification:AMBIGQA",
    "csp-v0": "clarify_env.games.csp:SPEC",
    "csp-v1": "clarify_env.games.csp:RECALL_SPEC",
    "pacific-v0": "clarify_env.games.clarification:PACIFIC",
    "pingeval-chess-v0": "clarify_env.games.pingeval:CHESS_SPEC",
    "pingeval-names-v0": "clarify_env.games.pingeval:NAMES_SPEC",
    "questions-v0": "clarify_env.games.clarification:OWN_QUESTIONS",
    "synthetic-v0": "clarify_env.games.clarification:SYNTHETIC",
    "synthetic-v1": "clarify_env.games.clarification:SYNTHETIC_V1",
}


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


def known() -> dict[str, str]:
    """Where the `GameSpec` of each game stands, by id; a package cannot take the id of a game of ours."""
    return {**installed("clarify_env.games"), **GAMES}
