"""Two partners with private information and a budget of words (arXiv 2602.24188): names, and chess."""

from clarify_env.costs import CostGrid
from clarify_env.games.pingeval.game import Agree, Propose, Say, WordCosts
from clarify_env.registry import GameSpec


def _spec(id: str, make: str) -> GameSpec:
    seen = CostGrid(of=WordCosts, word=(0.0, 0.002, 0.01))
    unseen = CostGrid(of=WordCosts, word=(0.001, 0.005, 0.02))
    return GameSpec(
        id, f"clarify_env.games.pingeval.{make}", WordCosts(), seen, unseen, family=id.removesuffix("-v0")
    )


CHESS_SPEC = _spec("pingeval-chess-v0", "chess:make_chess")
NAMES_SPEC = _spec("pingeval-names-v0", "names:make_names")

__all__ = ["CHESS_SPEC", "NAMES_SPEC", "Agree", "Propose", "Say", "WordCosts"]
