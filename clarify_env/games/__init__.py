"""Which games there are: ids with where their `GameSpec` stands, those of installed packages too.

A game is a package of its own below this one, with a second half in `clarify_env.agents`. Another person's
package adds its games by the entry point group "clarify_env.games": the id, and "package:SPEC".
"""

GAMES = {
    "abgcoqa-v0": "clarify_env.games.clarification:ABGCOQA",
    "ambigqa-v0": "clarify_env.games.clarification:AMBIGQA",
    "csp-v0": "clarify_env.games.csp:SPEC",
    "pacific-v0": "clarify_env.games.clarification:PACIFIC",
    "pingeval-chess-v0": "clarify_env.games.pingeval:CHESS_SPEC",
    "pingeval-names-v0": "clarify_env.games.pingeval:NAMES_SPEC",
    "synthetic-v0": "clarify_env.games.clarification:SYNTHETIC",
}
