"""Collaborative self-play: helpers who remember, search and say how sure they are (arXiv 2503.14481)."""

from clarify_env.costs import CostGrid
from clarify_env.games.csp.game import CollaborationGame
from clarify_env.games.csp.records import CspCosts, Hedge, RecallCosts, Search, Silent, Sure, Unsure
from clarify_env.registry import GameSpec

SPEC = GameSpec(
    "csp-v0",
    "clarify_env.games.csp.world:make_csp",
    costs=CspCosts(),
    seen=CostGrid(of=CspCosts, search=(0.1, 0.3, 0.6)),
    unseen=CostGrid(of=CspCosts, search=(0.2, 0.5)),
    family="csp",
)

RECALL_SPEC = GameSpec(
    "csp-v1",
    "clarify_env.games.csp.recall_game:make_recall",
    costs=RecallCosts(),
    seen=CostGrid(of=RecallCosts, search=(0.05, 0.1, 0.15)),
    unseen=CostGrid(of=RecallCosts, search=(0.075, 0.125)),
    family="csp-recall",
)

__all__ = [
    "RECALL_SPEC",
    "SPEC",
    "CollaborationGame",
    "CspCosts",
    "Hedge",
    "RecallCosts",
    "Search",
    "Silent",
    "Sure",
    "Unsure",
]
