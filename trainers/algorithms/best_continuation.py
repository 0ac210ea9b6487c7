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
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, StopReason
from clarify_env.moves import Move
from clarify_env.rollout import child_seed
from clarify_env.simulate import advance, foreseen, seen
from clarify_env.trainers.algorithms.dialogue_tree import (
    Growing,
    Node,
    Pending,
    Sampled,
    Tree,
    children_of,
    merged,
    order,
    pruned,
    rooted,
    unit_prices,
)
from clarify_env.trainers.algorithms.selection import Batch, grouped
from clarify_env.trainers.learners import Example


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
    node: Node, prices_C_T: Floats, found: dict[int, Decided], usual: Usual | None = None
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


def _usual(node: Node, values_M_H_C: Floats, met_H: Sequence[bool], before: Usual | None) -> Usual:
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


class BestContinuation:
    """Keeps at each node the move with the best continuation; see the module's docstring.

    Args:
        pool_finals: final messages sampled anywhere in the task's tree are candidates at each node.
        pool_questions: so are the other moves, unless the transcript holds them already.
        by_gain: an example's weight is the probability of its node times this power of how far its move beats
            the average candidate there; 0 for the probability alone. At 1 the points where much can be lost
            leave the close choices untaught; at 0 those that hardly matter count as much as any.
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
        by_gain: float = 0.5,
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
                gain_C = np.maximum(0.0, decided.gain_C / node.mass)
                weight_C = reach[id(node)] * node.mass * gain_C**self.by_gain
                for cell, move, weight in zip(tree.costs, decided.moves, weight_C.tolist(), strict=True):
                    if move is not None and weight > 0.0:
                        observation = seen(game, node.states[0][0], batch.player, cell)
                        examples.append(Example(observation, move, node.moves[move], weight))
        return examples

    def _reach(self, tree: Tree, found: Mapping[int, Decided]) -> dict[int, Floats]:
        """reach_C of each node: 1 where the best moves lead to it, times `off_path` for each other move."""
        reach = {id(tree.nodes[0]): np.ones(len(tree.costs))}
        for node in tree.nodes:  # parents come first
            best = found[id(node)].moves
            for move, (_, children) in node.edges.items():
                factor_C = np.array([1.0 if move == chosen else self.off_path for chosen in best])
                for child in children:
                    reach[id(child)] = reach[id(node)] * factor_C
        return reach

    @staticmethod
    def check(game: Game[Any], player: str) -> None:
        """Raise a ClarifyError where the player's episodes have no common root."""
        rooted(game, player, "best-continuation", "select for it by averaged, threshold, top-k or clustering")

    def grow(self, batch: Batch) -> list[Tree]:
        """The tree of each task.

        Raises:
            ClarifyError: the others only sample, and one reply is to be drawn.
        """
        game, player = batch.env.game, batch.player
        self.check(game, player)
        known = batch.known
        if not known and self.replies < 2:
            raise ClarifyError(
                f"best-continuation: replies={self.replies!r} of players who only sample: a move that is "
                "chosen and valued by the same reply believes itself; draw at least 2"
            )
        frontier: list[tuple[Node, Growing]] = []
        for costs, group in grouped(batch):
            sampled = Sampled(game, group, player)
            if sampled.root is not None:
                states = list(game.alternatives(sampled.root, player))
                weights_S_H = np.array([[weight] * (1 if known else 2) for _, weight in states])
                root = Node(states, weights_S_H, list(range(len(states))))
                tree = Tree([root], costs)
                frontier.append((root, Growing(tree, sampled, unit_prices(game, costs))))
        grown = [growing.tree for _, growing in frontier]
        rng = None if known else np.random.default_rng(child_seed(batch.seed, 0))
        while frontier:
            arrived: dict[tuple[int, Move], list[Pending]] = {}
            for pick in (self._sampled_or_final, self._questions):
                pending = []
                for node, growing in frontier:
                    kinds = game.legal(node.states[0][0])[player]
                    picked = {m: trace for m, trace in pick(node, growing).items() if isinstance(m, kinds)}
                    node.moves |= picked
                    for move in picked:
                        node.edges[move] = (np.zeros((*node.weights_S_H.shape, len(game.terms))), [])
                    for move in growing.shortlist(node, sorted(picked, key=order)):
                        for k, (state, _) in enumerate(node.states):
                            pending.append(Pending(state, node.weights_S_H[k], node, move, k))
                arrived |= self._play_on(batch, pending, rng)
            below = []
            for node, growing in frontier:
                for move in node.lost:
                    del node.edges[move]
                node.edges = {move: node.edges[move] for move in sorted(node.edges, key=order)}
                if known and self.pool_finals:
                    growing.learn(node)
                for move, (_, children) in node.edges.items():
                    children += children_of(node, move, arrived.get((id(node), move), []), known)
                    growing.tree.nodes.extend(children)
                    below += [(child, growing) for child in children]
            frontier = below
        return [Tree(pruned(tree.nodes), tree.costs) for tree in grown]

    def _sampled_or_final(self, node: Node, growing: Growing) -> dict[Move, Any]:
        """What was sampled at this node, and every final message of the task."""
        moves = growing.sampled.at.get(node.states[0][0].history, {})
        return {**(growing.sampled.finals if self.pool_finals else {}), **moves}

    def _questions(self, node: Node, growing: Growing) -> dict[Move, Any]:
        """The other moves of the task, where there is something to learn that is worth more than `least`."""
        if not self.pool_questions or len(node.states) < 2:
            return {}
        if node.edges and growing.at_stake(node) <= self.least:
            return {}
        done = node.settled | node.edges.keys()
        return {move: trace for move, trace in growing.sampled.others.items() if move not in done}

    def _play_on(
        self, batch: Batch, pending: Sequence[Pending], rng: np.random.Generator | None
    ) -> dict[tuple[int, Move], list[Pending]]:
        """Make the moves and let the others play until the trained player is on turn again, or the end.

        Without a generator the others say themselves what they may do.
        """
        game, player = batch.env.game, batch.player
        arrived: dict[tuple[int, Move], list[Pending]] = defaultdict(list)
        terms = {name: k for k, name in enumerate(game.terms)}
        others: Mapping[str, Any] = batch.others
        due, given = list(pending), [{player: item.move} for item in pending]
        while due:
            rngs = [rng] * len(due) if rng else ()
            states = [item.state for item in due]
            made = advance(batch.env, others, states, rngs, given, batch.spent)
            waiting: list[Pending] = []
            given = []
            for item, (state, _, paid) in merged(due, made) if rng else zip(due, made, strict=True):
                quantities_S_H_T = item.node.edges[item.move][0]
                for name, quantity in paid:
                    quantities_S_H_T[item.source, :, terms[name]] += item.weight_H * quantity
                item = Pending(state, item.weight_H, item.node, item.move, item.source)
                if state.stop is not None:
                    if state.stop.reason is StopReason.FAILED:
                        item.node.lost.add(item.move)
                elif player in game.legal(state):
                    arrived[id(item.node), item.move].append(item)
                elif rng is None:
                    for moves, chance in foreseen(game, others, state, batch.spent):
                        weight_H = item.weight_H * chance
                        waiting.append(Pending(state, weight_H, item.node, item.move, item.source))
                        given.append(moves)
                else:
                    for h in np.flatnonzero(item.weight_H).tolist():
                        draws = max(1, round(self.replies / 2 * item.weight_H[h]))
                        part_H = np.zeros(2)
                        part_H[h] = item.weight_H[h] / draws
                        waiting += [replace(item, weight_H=part_H)] * draws
            due = waiting
        return arrived
