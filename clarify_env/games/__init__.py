"""Which games there are: ids with where their `GameSpec` stands, those of installed packages too.

A game is a package of its own below this one, with a second half in `clarify_env.agents`. Another person's
package adds its games by the entry point group "clarify_env.games": the id, and "package:SPEC".
"""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from clarify_env.errors import ClarifyError

GROUP = "clarify_env.games"
GAMES = {
    "abgcoqa-v0": "clarify_env.games.clarification:ABGCOQA",
    "ambigqa-v0": "clarify_env.games.clarification:AMBIGQA",
    "csp-v0": "clarify_env.games.csp:SPEC",
    "pacific-v0": "clarify_env.games.clarification:PACIFIC",
    "pingeval-chess-v0": "clarify_env.games.pingeval:CHESS",
    "pingeval-names-v0": "clarify_env.games.pingeval:NAMES",
    "synthetic-v0": "clarify_env.games.clarification:SYNTHETIC",
}


@cache
def installed() -> dict[str, str]:
    """The games of installed packages, by id."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def load(where: str) -> Any:
    """What "module:name" names; raises ClarifyError where there is no such thing."""
    module, _, name = where.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ClarifyError(f"{where!r}: cannot be loaded: {error}") from None
