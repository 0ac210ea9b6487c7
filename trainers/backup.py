"""The values of a dialogue tree, backed up from its ends to its root under each pair of costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarify_env.costs import Costs
from clarify_env.game import Game
from clarify_env.moves import Move

if TYPE_CHECKING:
    from clarify_env.trainers.tree import Node

Floats = NDArray[np.float64]


def prices(game: Game[Any], costs: Sequence[Costs]) -> Floats:
    """prices_C_T: what one unit of each term's quantity earns."""
    return np.array(
        [[-getattr(cell, t.cost) if t.cost else 1.0 for t in game.terms.values()] for cell in costs]
    )


class Decided(NamedTuple):
    """What to do at a node under each costs.

    Args:
        value_C: worth of going on from here optimally, summed over the node's states by their probability.
        moves: the best move, or None where there is no candidate.
        gain_C: by how much it beats the average candidate, in the same unit.
    """

    value_C: Floats
    moves: list[Move | None]
    gain_C: Floats


def decide(node: "Node", prices_C_T: Floats, found: dict[int, Decided]) -> Decided:
    """The best moves from `node` on; fills `found` by the id of each node below it.

    Of equal moves the first by kind and text is taken; a node without candidates is worth nothing more.
    """
    count = len(prices_C_T)
    if not node.edges:
        found[id(node)] = Decided(np.zeros(count), [None] * count, np.zeros(count))
        return found[id(node)]
    values_M_C = worth(node, prices_C_T, found)
    best_C = values_M_C.argmax(axis=0)
    moves = list(node.edges)
    value_C = values_M_C.max(axis=0)
    found[id(node)] = Decided(value_C, [moves[m] for m in best_C], value_C - values_M_C.mean(axis=0))
    return found[id(node)]


def worth(node: "Node", prices_C_T: Floats, found: dict[int, Decided]) -> Floats:
    """values_M_C: what each candidate of a node is worth under each costs, gone on from optimally."""
    rows = []
    for quantities_T, children in node.edges.values():
        value_C = prices_C_T @ quantities_T
        for child in children:
            value_C = value_C + decide(child, prices_C_T, found).value_C
        rows.append(value_C)
    return np.round(rows, 12)
