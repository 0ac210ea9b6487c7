"""The scripted partners of the `pingeval` games by name."""

from collections.abc import Callable, Mapping

from clarify_env.agent import Agent
from clarify_env.agents import positions, records
from clarify_env.errors import ClarifyError, choose

PARTNERS: Mapping[str, Mapping[str, Callable[[], Agent]]] = {
    "pingeval-names-v0": {
        "guess": records.Guesser,
        "list": records.Lister,
        "bisect": records.Bisector,
        "code": records.Coder,
    },
    "pingeval-chess-v0": {
        "guess": positions.Guesser,
        "pieces": positions.Counter,
        "counts": lambda: positions.Counter(tuple(positions.EARLIER)),
    },
}


def make_partner(name: str, env: str) -> Agent:
    """The partner of this name; it plays left or right, or both.

    Args:
        name: one of `PARTNERS[env]`.
        env: registered id of the game.

    Raises:
        ClarifyError: no such game, or no such partner of it.
    """
    if env not in PARTNERS:
        raise ClarifyError(f"{env}: has no scripted partners; those of {', '.join(PARTNERS)} are known")
    return PARTNERS[env][choose(f"partner of {env}", name, PARTNERS[env])]()
