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

Where the other players say what they may do (`clarify_env.agent.Predictable`), expectations are exact.
Replies that leave the player believing the same are taken for one, and the likeliest stands for all. After
one that tells nothing, where another could have come, the question may be put again.

Where they only sample, replies are drawn in two halves. A best move is chosen on one half and valued on the
other, and the other way round: by its own half, the best of a handful of draws believes itself. After a reply
that only one half has met, the final message counts that was the best before the question.

The values of a dialogue tree, backed up from its ends to its root under each pair of costs.

What is left of a dialogue tree when some of its moves could not be played on.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Predictable
from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, StopReason
from clarify_env.moves import Move
from clarify_env.rollout import child_seed
from clarify_env.simulate import Advanced, Choice, advance, choices, foreseen, seen
from clarify_env.trainers.algorithms.selection import Batch, grouped
from clarify_env.trainers.learners import Example


def unit_prices(game: Game[Any], costs: Sequence[Any]) -> Floats:
    """prices_C_T: what one unit of each term's quantity earns."""
    return np.array(
        [[-getattr(cell, t.cost) if t.cost else 1.0 for t in game.terms.values()] for cell in costs]
    )


class Decided(NamedTuple):
    """What to do at a node under each costs.

    Values are summed over the node's states by their probability.

    Args:
        value_H_C: of going on from here optimally, by each part of the draws.
        values_M_C: of each candidate, gone on from optimally.
        moves: the best one, or None where there is none, or the node was met by one half of the draws only.
        gain_C: by how much it beats the average candidate.
    """

    value_H_C: Floats
    values_M_C: Floats
    moves: list[Move | None]
    gain_C: Floats

    @property
    def value_C(self) -> Floats:
        """The mean over the parts."""
        value_C: Floats = self.value_H_C.mean(axis=0)
        return value_C


Usual = list[list[Move | None]]  # by each part of the draws and each costs


def best_moves(
    node: "Node", prices_C_T: Floats, found: dict[int, Decided], usual: Usual | None = None
) -> Decided:
    """The best moves from `node` on; fills `found` by the id of each node below it.

    Of equal moves the first by kind and text is taken; a node without candidates is worth nothing more.

    Args:
        node: where to begin.
        prices_C_T: of the terms, under each costs.
        found: is filled.
        usual: the best final messages before what led here; needed where draws have two parts.
    """
    parts, count = node.weights_S_H.shape[1], len(prices_C_T)
    moves = list(node.edges)
    values_M_H_C = np.zeros((len(moves), parts, count))
    for m, (quantities_S_H_T, _) in enumerate(node.edges.values()):
        values_M_H_C[m] = quantities_S_H_T.sum(axis=0) @ prices_C_T.T
    met_H = [bool(weights_S.any()) for weights_S in node.weights_S_H.T]
    after = _usual(node, values_M_H_C, met_H, usual) if parts > 1 else None
    for m, (_, children) in enumerate(node.edges.values()):
        for child in children:
            values_M_H_C[m] += best_moves(child, prices_C_T, found, after).value_H_C
    values_M_H_C = np.round(values_M_H_C, 12)
    values_M_C = values_M_H_C.mean(axis=1)
    value_H_C, best = np.zeros((parts, count)), list[Move | None]([None] * count)
    if moves and parts == 1:
        value_H_C = values_M_H_C.max(axis=0)
    elif moves:
        for h in range(parts):
            chosen_C = values_M_H_C[:, 1 - h].argmax(axis=0)
            if usual and not met_H[1 - h]:
                chosen_C = np.array([moves.index(m) if m in moves else 0 for m in usual[1 - h]])
            value_H_C[h] = values_M_H_C[chosen_C, h, np.arange(count)]
    if moves and all(met_H):
        best = [moves[m] for m in values_M_C.argmax(axis=0)]
    gain_C = value_H_C.mean(axis=0) - (values_M_C.mean(axis=0) if moves else 0.0)
    found[id(node)] = Decided(value_H_C, values_M_C, best, gain_C)
    return found[id(node)]


def _usual(node: "Node", values_M_H_C: Floats, met_H: Sequence[bool], before: Usual | None) -> Usual:
    """The best final message of a node by each part of the draws; where none came here, the one before."""
    moves = list(node.edges)
    ends = [m for m, (_, children) in enumerate(node.edges.values()) if not children]
    after: Usual = []
    for h in range(len(met_H)):
        if ends and met_H[h]:
            after.append([moves[ends[m]] for m in values_M_H_C[ends, h].argmax(axis=0)])
        else:
            after.append(before[h] if before else [None] * values_M_H_C.shape[2])
    return after


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


_CUT_SHORT = (StopReason.MAX_TURNS, StopReason.ILLEGAL, StopReason.UNREADABLE, StopReason.FAILED)


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
class _Pending:
    """A state on its way from a move of the trained player to the next node or the end.

    `source` is the position of the state of `node` that it comes from.
    """

    state: Any
    weight_H: Floats
    node: Node
    move: Move
    source: int


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
        by_gain: weight an example by how far its move beats the average candidate (times the probability of
            the node), rather than by that probability alone: choices that do not matter teach nothing.
        replies: how often another player's answer is drawn in all states of a root together where it is only
            sampled, in proportion to their probabilities and at least twice in each; at least 2.
        off_path: factor of an example's weight for each move on the way to its node that is not the best one
            there; 0 keeps only what playing the best moves leads to.
        least: of reward, at the root: questions are thought of only where knowing the state for sure would be
            worth more.
    """

    def __init__(
        self,
        pool_finals: bool = True,
        pool_questions: bool = True,
        by_gain: bool = True,
        replies: int = 8,
        off_path: float = 1.0,
        least: float = 0.01,
    ) -> None:
        self.by_gain = by_gain
        self.pool_finals = pool_finals
        self.pool_questions = pool_questions
        self.replies = replies
        self.off_path = off_path
        self.least = least

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
                weight_C = reach[id(node)] * (decided.gain_C if self.by_gain else node.mass)
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
        """The tree of each task.

        Raises:
            ClarifyError: the others only sample, and one reply is to be drawn.
        """
        game, player = batch.env.game, batch.player
        rooted(game, player)
        known = all(isinstance(other, Predictable) for name, other in batch.others.items() if name != player)
        if not known and self.replies < 2:
            raise ClarifyError(
                f"best-continuation: replies={self.replies!r} of players who only sample: a move that is "
                "chosen and valued by the same reply believes itself; draw at least 2"
            )
        frontier: list[tuple[Node, _Growing]] = []
        for costs, group in grouped(batch):
            sampled = Sampled(game, group, player)
            if sampled.root is not None:
                states = list(game.alternatives(sampled.root, player))
                weights_S_H = np.array([[weight] * (1 if known else 2) for _, weight in states])
                root = Node(states, weights_S_H, list(range(len(states))))
                tree = Tree([root], costs)
                frontier.append((root, _Growing(tree, sampled, unit_prices(game, costs))))
        grown = [growing.tree for _, growing in frontier]
        rng = None if known else np.random.default_rng(child_seed(batch.seed, 0))
        while frontier:
            arrived: dict[tuple[int, Move], list[_Pending]] = {}
            for pick in (self._sampled_or_final, self._questions):
                pending = []
                for node, growing in frontier:
                    kinds = game.legal(node.states[0][0])[player]
                    picked = {m: trace for m, trace in pick(node, growing).items() if isinstance(m, kinds)}
                    node.moves |= picked
                    for move in picked:
                        node.edges[move] = (np.zeros((*node.weights_S_H.shape, len(game.terms))), [])
                    for move in growing.shortlist(node, sorted(picked, key=_order)):
                        for k, (state, _) in enumerate(node.states):
                            pending.append(_Pending(state, node.weights_S_H[k], node, move, k))
                arrived |= self._play_on(batch, pending, rng)
            below = []
            for node, growing in frontier:
                for move in node.lost:
                    del node.edges[move]
                node.edges = {move: node.edges[move] for move in sorted(node.edges, key=_order)}
                if known and self.pool_finals:
                    growing.learn(node)
                for move, (_, children) in node.edges.items():
                    children += _children(node, move, arrived.get((id(node), move), []), known)
                    growing.tree.nodes.extend(children)
                    below += [(child, growing) for child in children]
            frontier = below
        return [Tree(pruned(tree.nodes), tree.costs) for tree in grown]

    def _sampled_or_final(self, node: Node, growing: "_Growing") -> dict[Move, Any]:
        """What was sampled at this node, and every final message of the task."""
        moves = growing.sampled.at.get(node.states[0][0].history, {})
        return {**(growing.sampled.finals if self.pool_finals else {}), **moves}

    def _questions(self, node: Node, growing: "_Growing") -> dict[Move, Any]:
        """The other moves of the task, where there is something to learn that is worth more than `least`."""
        if not self.pool_questions or len(node.states) < 2:
            return {}
        if node.edges and growing.at_stake(node) <= self.least:
            return {}
        done = node.settled | node.edges.keys()
        return {move: trace for move, trace in growing.sampled.others.items() if move not in done}

    def _play_on(
        self, batch: Batch, pending: Sequence[_Pending], rng: np.random.Generator | None
    ) -> dict[tuple[int, Move], list[_Pending]]:
        """Make the moves and let the others play until the trained player is on turn again, or the end.

        Without a generator the others say themselves what they may do.
        """
        game, player = batch.env.game, batch.player
        arrived: dict[tuple[int, Move], list[_Pending]] = defaultdict(list)
        terms = {name: k for k, name in enumerate(game.terms)}
        others: Mapping[str, Any] = batch.others
        due, given = list(pending), [{player: item.move} for item in pending]
        while due:
            rngs = [rng] * len(due) if rng else ()
            made = advance(batch.env, others, [item.state for item in due], rngs, given)
            waiting: list[_Pending] = []
            given = []
            for item, (state, _, paid) in _merged(due, made) if rng else zip(due, made, strict=True):
                quantities_S_H_T = item.node.edges[item.move][0]
                for name, quantity in paid:
                    quantities_S_H_T[item.source, :, terms[name]] += item.weight_H * quantity
                item = _Pending(state, item.weight_H, item.node, item.move, item.source)
                if state.stop is not None:
                    if state.stop.reason is StopReason.FAILED:
                        item.node.lost.add(item.move)
                elif player in game.legal(state):
                    arrived[id(item.node), item.move].append(item)
                elif rng is None:
                    for moves, chance in foreseen(game, others, state):
                        weight_H = item.weight_H * chance
                        waiting.append(_Pending(state, weight_H, item.node, item.move, item.source))
                        given.append(moves)
                else:
                    for h in np.flatnonzero(item.weight_H).tolist():
                        draws = max(1, round(self.replies / 2 * item.weight_H[h]))
                        part_H = np.zeros(2)
                        part_H[h] = item.weight_H[h] / draws
                        waiting += [replace(item, weight_H=part_H)] * draws
            due = waiting
        return arrived


@dataclass
class _Growing:
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


def _order(move: Move) -> tuple[str, str]:
    return move.kind, move.text


def _children(node: Node, move: Move, arrived: Sequence[_Pending], known: bool) -> list[Node]:
    """The nodes after a move, from the states that the player comes to.

    Args:
        node: where it is made.
        move: that is made.
        arrived: the states, with probabilities.
        known: whether these are exact, so that what is believed after two replies can be compared.
    """
    groups: dict[Any, list[_Pending]] = defaultdict(list)
    for item in arrived:
        groups[item.state.history].append(item)
    settled = node.settled | {move}
    if not known:
        return [_node(node, items, settled) for items in groups.values()]
    believed: dict[Belief, list[list[_Pending]]] = defaultdict(list)
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


def _node(before: Node, items: Sequence[_Pending], settled: frozenset[Move]) -> Node:
    weights_S_H = np.array([item.weight_H for item in items])
    states = [
        (item.state, weight) for item, weight in zip(items, weights_S_H.mean(axis=1).tolist(), strict=True)
    ]
    return Node(states, weights_S_H, [before.origins[item.source] for item in items], settled)


def _merged(due: Sequence[_Pending], made: Sequence[Advanced]) -> list[tuple[_Pending, Advanced]]:
    """Each item with what it led to; equal moves in the same state become one item."""
    found: dict[Any, tuple[_Pending, Advanced]] = {}
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
                last = k == len(made) - 1 and episode.stop not in _CUT_SHORT
                (self.finals if last else self.others).setdefault(choice.move, choice.trace)
