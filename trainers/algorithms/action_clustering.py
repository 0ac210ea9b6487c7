"""At each point of the dialogue the best kind of move: action clustering.

arXiv 2512.04068 balances the same clusters; this exact rule is ours. The decisions at a point are clustered
by kind, such as asking, listing and answering; the best cluster wins, and within it the best move. A point is
what the player knows there (`clarify_env.simulate.point`).

Two readings of "best" are a matter of fairness. What a final message earned in an episode is the luck of the
meaning that was drawn: here it is worth its mean over all that is possible at its point, so that who lists is
compared with who guesses. And a cluster is worth its best move: of the questions and guesses that a policy
tries at random most are bad, which says nothing about the good ones. The plain reading has neither.

What stays different from `algorithms.best_continuation`: only moves that were sampled at a point count there,
and a question is worth what the behaviour policy made of its reply.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.episode import Episode
from clarify_env.game import StopReason
from clarify_env.moves import Move
from clarify_env.rollout import child_seed
from clarify_env.simulate import Choice, advance, choices, point
from clarify_env.trainers.algorithms.dialogue_tree import CUT_SHORT, unit_prices
from clarify_env.trainers.algorithms.selection import Batch, grouped
from clarify_env.trainers.algorithms.simulated_futures import possible
from clarify_env.trainers.learners import Example

_Member = tuple[Episode, list[Choice]]  # an episode with the player's decisions
_Final = tuple[int, Hashable, Move]  # a final message: its group, its point, and itself


class ActionClustering:
    """Keeps at each point the best move of the best kind; see the module's docstring.

    Args:
        averaged: final messages are worth their mean over what is possible at their point, rather than what
            they earned with the meaning that was drawn.
        best: a cluster is worth its best move, rather than the mean of its decisions.
    """

    def __init__(self, averaged: bool = True, best: bool = True) -> None:
        self.averaged = averaged
        self.best = best

    def select(self, batch: Batch) -> list[Example]:
        """One example per point and costs, weighted by how often the point was met."""
        game, player = batch.env.game, batch.player
        groups = [
            (cells, [(episode, list(choices(game, episode, player))) for episode in members])
            for cells, members in grouped(batch)
        ]
        finals = self._finals(batch, [members for _, members in groups]) if self.averaged else {}
        examples = []
        for k, (cells, members) in enumerate(groups):
            prices_C_T = unit_prices(game, cells)
            points: dict[Hashable, list[tuple[Choice, Floats]]] = defaultdict(list)
            for episode, made in members:
                at = [point(game, choice.state, player) for choice in made]
                before_T, last_T = _paid(batch, episode)
                if made:
                    last_T = finals.get((k, at[-1], made[-1].move), last_T)
                for here, choice in zip(at, made, strict=True):
                    points[here].append((choice, prices_C_T @ (before_T + last_T)))
            for met in points.values():
                for c, costs in enumerate(cells):
                    choice = self._chosen([(one, float(earned_C[c])) for one, earned_C in met])
                    examples.append(batch.example(choice, costs, len(met) / len(members)))
        return examples

    def _chosen(self, met: Sequence[tuple[Choice, float]]) -> Choice:
        """The decision to imitate at a point; the first of equals."""
        moves = _means([(choice.move, value) for choice, value in met])
        kinds = _means([(choice.move.kind, value) for choice, value in met])
        if self.best:
            kinds = {kind: max(v for move, v in moves.items() if move.kind == kind) for kind in kinds}
        kind = max(kinds, key=kinds.__getitem__)
        move = max((move for move in moves if move.kind == kind), key=moves.__getitem__)
        return next(choice for choice, _ in met if choice.move == move)

    def _finals(self, batch: Batch, groups: Sequence[Sequence[_Member]]) -> dict[_Final, Floats]:
        """By group, point and final message the mean quantities_T that it leads to, over what is possible.

        A message is left out where another player fails to decide after it, or where the player would be on
        turn again: what it is worth is then not known.
        """
        game, player = batch.env.game, batch.player
        wanted: dict[_Final, Move] = {}
        paths: dict[tuple[int, Hashable], list[Choice]] = {}
        for k, members in enumerate(groups):
            for episode, made in members:
                if made and episode.stop not in CUT_SHORT:
                    here = point(game, made[-1].state, player)
                    wanted[k, here, made[-1].move] = made[-1].move
                    paths.setdefault((k, here), made)
        alike = dict(zip(paths, possible(batch, list(paths.values())), strict=True))
        rng = np.random.default_rng(child_seed(batch.seed, 7))
        terms = {name: t for t, name in enumerate(game.terms)}
        found = {final: np.zeros(len(terms)) for final in wanted}
        unknown: set[_Final] = set()
        due = [(final, state, share) for final in wanted for state, share in alike[final[:2]][-1]]
        given: list[dict[str, Move]] = [{player: wanted[final]} for final, *_ in due]
        while due:
            made_on = advance(
                batch.env, batch.others, [d[1] for d in due], [rng] * len(due), given, batch.spent
            )
            going = []
            for (final, _, share), (state, _, paid) in zip(due, made_on, strict=True):
                for name, quantity in paid:
                    found[final][terms[name]] += share * quantity
                if state.stop is None and player not in game.legal(state):
                    going.append((final, state, share))
                elif state.stop is None or state.stop.reason is StopReason.FAILED:
                    unknown.add(final)
            due, given = going, []
        return {final: value_T for final, value_T in found.items() if final not in unknown}


def _paid(batch: Batch, episode: Episode) -> tuple[Floats, Floats]:
    """quantities_T that an episode paid before the player's last move, and from it on."""
    terms = {name: t for t, name in enumerate(batch.env.game.terms)}
    moved = [k for k, step in enumerate(episode.steps) if batch.player in dict(step.moves)]
    paid = np.zeros((2, len(terms)))
    for k, step in enumerate(episode.steps):
        for name, quantity in step.paid:
            paid[int(bool(moved) and k >= moved[-1]), terms[name]] += quantity
    return paid[0], paid[1]


def _means(pairs: Sequence[tuple[Any, float]]) -> dict[Any, float]:
    """The mean by key, rounded so that equals are equal."""
    values: dict[Any, list[float]] = defaultdict(list)
    for key, value in pairs:
        values[key].append(value)
    return {key: round(sum(held) / len(held), 9) for key, held in values.items()}


def clustering_mean() -> ActionClustering:
    """A cluster is worth the mean of its decisions."""
    return ActionClustering(best=False)


def clustering_plain() -> ActionClustering:
    """The same, and final messages are worth what they earned with the meaning that was drawn."""
    return ActionClustering(averaged=False, best=False)
