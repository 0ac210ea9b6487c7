"""The dialogue tree of a task: its nodes, and what is known while it grows.

A node is a point at which the trained player decides, with the states that it cannot tell apart there.
Branches whose value is unknown are dropped (`pruned`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, StopReason
from clarify_env.moves import Move
from clarify_env.simulate import Advanced, Choice, choices


def unit_prices(game: Game[Any], costs: Sequence[Any]) -> Floats:
    """prices_C_T: what one unit of each term's quantity earns."""
    return np.array(
        [[-getattr(cell, t.cost) if t.cost else 1.0 for t in game.terms.values()] for cell in costs]
    )


def pruned(nodes: Sequence["Node"]) -> list["Node"]:
    """The nodes that are still reached once moves of unknown value are dropped.

    A node that has lost all of its candidates is worth an unknown amount, and so is the move before it.

    Args:
        nodes: of one tree, parents before children, the root first.
    """
    if not any(node.lost for node in nodes):
        return list(nodes)
    for node in reversed(nodes):
        for move, (_, children) in list(node.edges.items()):
            if any(child.lost and not child.edges for child in children):
                node.lost.add(move)
                del node.edges[move]
    left = [nodes[0]]
    for node in left:
        left += [child for _, children in node.edges.values() for child in children]
    return left


CUT_SHORT = (StopReason.MAX_TURNS, StopReason.ILLEGAL, StopReason.UNREADABLE, StopReason.FAILED)


@dataclass
class Node:
    """A point at which the trained player decides.

    Args:
        states: the states that it cannot tell apart, each with the probability of being there.
        weights_S_H: the same probabilities by each part of the draws: one where they are known, else two.
        origins: the positions of the root's states that these come from.
        settled: moves on the way here that are not made again.
        moves: candidates, each with a trace of a decision that chose it.
        edges: for each candidate what it incurs at once (quantities_S_H_T) and the nodes after it.
        lost: candidates without an edge, because another player failed to decide after them.
    """

    states: list[tuple[Any, float]]
    weights_S_H: Floats
    origins: list[int]
    settled: frozenset[Move] = frozenset()
    moves: dict[Move, Any] = field(default_factory=dict)
    edges: dict[Move, tuple[Floats, list["Node"]]] = field(default_factory=dict)
    lost: set[Move] = field(default_factory=set)

    @property
    def mass(self) -> float:
        """Probability of coming here, given the moves of the trained player that lead here."""
        return sum(weight for _, weight in self.states)


class Tree(NamedTuple):
    """The nodes of a task, its root first, and the costs to decide at."""

    nodes: list[Node]
    costs: list[Any]


@dataclass(slots=True)
class Pending:
    """A state on its way from a move of the trained player to the next node or the end.

    `source` is the position of the state of `node` that it comes from.
    """

    state: Any
    weight_H: Floats
    node: Node
    move: Move
    source: int


def rooted(game: Game[Any], player: str, what: str, instead: str) -> None:
    """Raise a ClarifyError where `player` does not open the game: its episodes have no common root.

    Args:
        game: that is played.
        player: who is trained.
        what: needs a root, and `instead` what does not, both as the message names them.
    """
    if player not in game.opening:
        raise ClarifyError(
            f"{what}: {player!r} first decides after others have moved, so its episodes have no common root; "
            f"{instead}"
        )


@dataclass
class Growing:
    """A tree on its way.

    `earned` holds what each final message earned at the root in each of its states (quantities_S_T).
    """

    tree: Tree
    sampled: "Sampled"
    prices_C_T: Floats
    earned: dict[Move, Floats] = field(default_factory=dict)

    def learn(self, node: Node) -> None:
        """Take over from the root what its final messages earned."""
        if node is self.tree.nodes[0]:
            for move in self.sampled.finals.keys() & node.edges.keys():
                self.earned[move] = node.edges[move][0][:, 0] / node.weights_S_H

    def shortlist(self, node: Node, moves: Sequence[Move]) -> list[Move]:
        """Those of these candidates of a node that are played on from there.

        Of the final messages those are that would be best at some costs if each earned what it did at the
        root in the same states; the others are taken to earn that.
        """
        known = [move for move in moves if move in self.earned]
        if not known:
            return list(moves)
        earned_M_S_T = np.array([self.earned[move][node.origins] for move in known]) * node.weights_S_H
        values_M_C = np.round(earned_M_S_T.sum(axis=1) @ self.prices_C_T.T, 12)
        played = {known[m] for m in values_M_C.argmax(axis=0).tolist()}
        for move, earned_S_T in zip(known, earned_M_S_T, strict=True):
            if move not in played:
                node.edges[move][0][:, 0] = earned_S_T
        return [move for move in moves if move in played or move not in self.earned]

    def at_stake(self, node: Node) -> float:
        """What it is worth at most, at any of the costs, to be told which state it is before the last move.

        It bounds what questions are worth which earn nothing themselves.
        """
        values_M_S_C = np.array(
            [q_S_H_T.mean(axis=1) @ self.prices_C_T.T for q_S_H_T, _ in node.edges.values()]
        )
        told_C = values_M_S_C.max(axis=0).sum(axis=0)
        return float((told_C - values_M_S_C.sum(axis=1).max(axis=0)).max())


def order(move: Move) -> tuple[str, str]:
    return move.kind, move.text


def children_of(node: Node, move: Move, arrived: Sequence[Pending], known: bool) -> list[Node]:
    """The nodes after a move, from the states that the player comes to.

    Args:
        node: where it is made.
        move: that is made.
        arrived: the states, with probabilities.
        known: whether these are exact, so that what is believed after two replies can be compared.
    """
    groups: dict[Any, list[Pending]] = defaultdict(list)
    for item in arrived:
        groups[item.state.history].append(item)
    settled = node.settled | {move}
    if not known:
        return [_node(node, items, settled) for items in groups.values()]
    believed: dict[Belief, list[list[Pending]]] = defaultdict(list)
    for items in groups.values():
        items.sort(key=lambda item: item.source)
        believed[_belief([(item.source, float(item.weight_H[0])) for item in items])].append(items)
    before = _belief([(k, weight) for k, (_, weight) in enumerate(node.states)])
    children = []
    for belief, alike in believed.items():
        masses = [sum(float(item.weight_H[0]) for item in items) for items in alike]
        likeliest = max(range(len(alike)), key=masses.__getitem__)
        again = belief == before and len(believed) > 1
        scale = sum(masses) / masses[likeliest]
        items = [replace(item, weight_H=item.weight_H * scale) for item in alike[likeliest]]
        children.append(_node(node, items, node.settled if again else settled))
    return children


Belief = tuple[tuple[int, float], ...]  # positions of states, and their shares


def _belief(weights: Sequence[tuple[int, float]]) -> Belief:
    total = sum(weight for _, weight in weights)
    return tuple((k, round(weight / total, 9)) for k, weight in weights)


def _node(before: Node, items: Sequence[Pending], settled: frozenset[Move]) -> Node:
    weights_S_H = np.array([item.weight_H for item in items])
    states = [
        (item.state, weight) for item, weight in zip(items, weights_S_H.mean(axis=1).tolist(), strict=True)
    ]
    return Node(states, weights_S_H, [before.origins[item.source] for item in items], settled)


def merged(due: Sequence[Pending], made: Sequence[Advanced]) -> list[tuple[Pending, Advanced]]:
    """Each item with what it led to; equal moves in the same state become one item."""
    found: dict[Any, tuple[Pending, Advanced]] = {}
    for item, one in zip(due, made, strict=True):
        key = (id(item.state), id(item.node), item.move, one.state.stop, *sorted(one.moves.items()))
        if key in found:
            item = replace(item, weight_H=item.weight_H + found[key][0].weight_H)
        found[key] = (item, one)
    return list(found.values())


class Sampled:
    """The moves that the trained player sampled in a task: by point, final ones, and others."""

    def __init__(self, game: Game[Any], episodes: Sequence[Any], player: str) -> None:
        self.root: Any = None
        self.at: dict[Any, dict[Move, Any]] = defaultdict(dict)
        self.finals: dict[Move, Any] = {}
        self.others: dict[Move, Any] = {}
        for episode in episodes:
            made: list[Choice] = list(choices(game, episode, player))
            if made and self.root is None:
                self.root = made[0].state
            for k, choice in enumerate(made):
                self.at[choice.state.history].setdefault(choice.move, choice.trace)
                last = k == len(made) - 1 and episode.stop not in CUT_SHORT
                (self.finals if last else self.others).setdefault(choice.move, choice.trace)
