"""Selection by the best continuation over the dialogue tree.

All episodes of a task form a tree: a node is a transcript that ends where the trained player is on turn. What
a move leads to is found by playing it on, from the node and for *every* alternative of nature that the player
cannot tell apart there (for the clarification game: every meaning that the replies so far allow), with the
other players' own agents. Three things follow that averaging over sampled episodes cannot give
(arXiv 2512.04068 leaves the rule open; this one is ours):
- a lucky guess is worth what it earns on average;
- a question is worth the best continuation seen after each of its replies, not what the behaviour policy
  happened to do next;
- a final message that was sampled anywhere in the task's tree is a candidate at each of its nodes.
A candidate after which another player fails to decide is dropped: what it is worth is not known.
Values are kept for all costs at once, so that one tree says what to do at each of them.

The values of a dialogue tree, backed up from its ends to its root under each pair of costs.

What is left of a dialogue tree when some of its moves could not be played on.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, StopReason
from clarify_env.moves import Move
from clarify_env.rollout import child_seed
from clarify_env.simulate import Advanced, Choice, advance, choices, seen
from clarify_env.trainers.algorithms.selection import Batch, grouped
from clarify_env.trainers.learners import Example


def unit_prices(game: Game[Any], costs: Sequence[Any]) -> Floats:
    """prices_C_T: what one unit of each term's quantity earns."""
    return np.array(
        [[-getattr(cell, t.cost) if t.cost else 1.0 for t in game.terms.values()] for cell in costs]
    )


class Decided(NamedTuple):
    """What to do at a node under each costs.

    Args:
        value_C: value of going on from here optimally, summed over the node's states by their probability.
        moves: the best move, or None where there is no candidate.
        gain_C: by how much it beats the average candidate, in the same unit.
    """

    value_C: Floats
    moves: list[Move | None]
    gain_C: Floats


def best_moves(node: "Node", prices_C_T: Floats, found: dict[int, Decided]) -> Decided:
    """The best moves from `node` on; fills `found` by the id of each node below it.

    Of equal moves the first by kind and text is taken; a node without candidates is worth nothing more.
    """
    count = len(prices_C_T)
    if not node.edges:
        found[id(node)] = Decided(np.zeros(count), [None] * count, np.zeros(count))
        return found[id(node)]
    values_M_C = candidate_values(node, prices_C_T, found)
    best_C = values_M_C.argmax(axis=0)
    moves = list(node.edges)
    value_C = values_M_C.max(axis=0)
    found[id(node)] = Decided(value_C, [moves[m] for m in best_C], value_C - values_M_C.mean(axis=0))
    return found[id(node)]


def candidate_values(node: "Node", prices_C_T: Floats, found: dict[int, Decided]) -> Floats:
    """values_M_C: what each candidate of a node is worth under each costs, gone on from optimally."""
    rows = []
    for quantities_T, children in node.edges.values():
        value_C = prices_C_T @ quantities_T
        for child in children:
            value_C = value_C + best_moves(child, prices_C_T, found).value_C
        rows.append(value_C)
    return np.round(rows, 12)


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
        moves: candidates, each with a trace of a decision that chose it.
        edges: for each candidate what it incurs at once (quantities by term) and the nodes after it.
        lost: candidates without an edge, because another player failed to decide after them.
    """

    states: list[tuple[Any, float]]
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


@dataclass
class _Pending:
    """A state on its way from a move of the trained player to the next node or the end."""

    state: Any
    weight: float
    node: Node
    move: Move


def rooted(game: Game[Any], player: str) -> None:
    """Raise a ClarifyError where `player` does not open the game: its episodes have no common root."""
    if player not in game.opening:
        raise ClarifyError(
            f"best-continuation: {player!r} first decides after others have moved, so its episodes "
            "have no common root; select for it by averaged, threshold, top-k or clustering"
        )


class BestContinuation:
    """Keeps at each node the move with the best continuation; see the module's docstring.

    Args:
        pool_finals: final messages sampled anywhere in the task's tree are candidates at each node.
        pool_questions: so are the other moves, unless the transcript holds them already.
        by_gain: an example's weight is the probability of its node times this power of how far its move beats
            the average candidate there; 0 for the probability alone. At 1 the points where much can be lost
            leave the close choices untaught; at 0 those that hardly matter count as much as any.
        replies: how often another player's answer is drawn in all states of a root together, in proportion to
            their probabilities and at least once in each; more than 1 for users that are not deterministic.
        off_path: factor of an example's weight for each move on the way to its node that is not the best one
            there; 0 keeps only what playing the best moves leads to.
    """

    def __init__(
        self,
        pool_finals: bool = True,
        pool_questions: bool = True,
        by_gain: float = 0.5,
        replies: int = 1,
        off_path: float = 1.0,
    ) -> None:
        self.by_gain = by_gain
        self.pool_finals = pool_finals
        self.pool_questions = pool_questions
        self.replies = replies
        self.off_path = off_path

    def select(self, batch: Batch) -> list[Example]:
        """One example per node and pair of costs, weighted by how much the choice matters there."""
        examples: list[Example] = []
        game = batch.env.game
        for tree in self.grow(batch):
            found: dict[int, Decided] = {}
            best_moves(tree.nodes[0], unit_prices(game, tree.costs), found)
            reach = self._reach(tree, found)
            for node in tree.nodes:
                decided = found[id(node)]
                gain_C = np.maximum(0.0, decided.gain_C / node.mass)
                weight_C = reach[id(node)] * node.mass * gain_C**self.by_gain
                for cell, move, weight in zip(tree.costs, decided.moves, weight_C.tolist(), strict=True):
                    if move is not None and weight > 0.0:
                        observation = seen(game, node.states[0][0], batch.player, cell)
                        examples.append(Example(observation, move, node.moves[move], weight))
        return examples

    def _reach(self, tree: "Tree", found: Mapping[int, "Decided"]) -> dict[int, Floats]:
        """reach_C of each node: 1 where the best moves lead to it, times `off_path` for each other move."""
        reach = {id(tree.nodes[0]): np.ones(len(tree.costs))}
        for node in tree.nodes:  # parents come first
            best = found[id(node)].moves
            for move, (_, children) in node.edges.items():
                factor_C = np.array([1.0 if move == chosen else self.off_path for chosen in best])
                for child in children:
                    reach[id(child)] = reach[id(node)] * factor_C
        return reach

    def grow(self, batch: Batch) -> list["Tree"]:
        """The tree of each task."""
        game, player = batch.env.game, batch.player
        rooted(game, player)
        trees = []
        frontier: list[tuple[Node, Sampled, list[Node]]] = []
        for costs, group in grouped(batch):
            sampled = Sampled(game, group, player)
            if sampled.root is None:
                continue
            root = Node(list(game.alternatives(sampled.root, player)))
            trees.append(Tree([root], costs))
            frontier.append((root, sampled, trees[-1].nodes))
        rng = np.random.default_rng(child_seed(batch.seed, 0))
        while frontier:
            pending = []
            for node, sampled, _ in frontier:
                node.moves = self._candidates(game, node, sampled, player)
                for move in node.moves:
                    node.edges[move] = (np.zeros(len(game.terms)), [])
                    for state, weight in node.states:
                        pending.append(_Pending(state, weight, node, move))
            arrived = self._play_on(batch, pending, rng)
            grown = []
            for node, sampled, nodes in frontier:
                for move in node.lost:
                    del node.edges[move]
                for move in node.edges:
                    for states in arrived.get((id(node), move), {}).values():
                        child = Node(states)
                        node.edges[move][1].append(child)
                        nodes.append(child)
                        grown.append((child, sampled, nodes))
            frontier = grown
        return [Tree(pruned(tree.nodes), tree.costs) for tree in trees]

    def _candidates(self, game: Game[Any], node: Node, sampled: "Sampled", player: str) -> dict[Move, Any]:
        history = node.states[0][0].history
        kinds = game.legal(node.states[0][0])[player]
        moves = dict(sampled.at.get(history, {}))
        if self.pool_finals:
            moves = {**sampled.finals, **moves}
        if self.pool_questions and len(node.states) > 1:
            made = {turn.move for turn in history}
            moves = {**{m: trace for m, trace in sampled.others.items() if m not in made}, **moves}
        ordered = sorted(moves, key=lambda move: (move.kind, move.text))
        return {move: moves[move] for move in ordered if isinstance(move, kinds)}

    def _play_on(
        self, batch: Batch, pending: Sequence[_Pending], rng: np.random.Generator
    ) -> dict[tuple[int, Move], dict[Any, list[tuple[Any, float]]]]:
        """Make the moves and let the others play until the trained player is on turn again, or the end."""
        game, player = batch.env.game, batch.player
        arrived: dict[tuple[int, Move], dict[Any, list[tuple[Any, float]]]] = defaultdict(dict)
        terms = {name: k for k, name in enumerate(game.terms)}
        due, given = list(pending), [{player: item.move} for item in pending]
        while due:
            made = advance(
                batch.env, batch.others, [item.state for item in due], [rng] * len(due), given, batch.spent
            )
            waiting = []
            for item, (state, _, paid) in _merged(due, made):
                quantities = item.node.edges[item.move][0]
                for name, quantity in paid:
                    quantities[terms[name]] += item.weight * quantity
                if state.stop is not None:
                    if state.stop.reason is StopReason.FAILED:
                        item.node.lost.add(item.move)
                elif player in game.legal(state):
                    groups = arrived[id(item.node), item.move]
                    groups.setdefault(state.history, []).append((state, item.weight))
                else:
                    draws = max(1, round(self.replies * item.weight))
                    share = _Pending(state, item.weight / draws, item.node, item.move)
                    waiting += [share] * draws
            due, given = waiting, []
        return arrived


def _merged(due: Sequence[_Pending], made: Sequence[Advanced]) -> list[tuple[_Pending, Advanced]]:
    """Each item with what it led to; equal moves in the same state become one item."""
    found: dict[Any, tuple[_Pending, Advanced]] = {}
    for item, one in zip(due, made, strict=True):
        key = (id(item.state), id(item.node), item.move, one.state.stop, *sorted(one.moves.items()))
        if key in found:
            item = replace(item, weight=item.weight + found[key][0].weight)
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
