"""Pairs of moves from the same point of a dialogue, one of which is worth more than the other.

- `siblings`: both were sampled there, in episodes of the same question. A move is worth the mean of what
  those episodes earned from it on, whatever was meant in them.
- `forks`: from each point every candidate is played on for every meaning that is still possible there
  (`clarify_env.trainers.tree`), and is worth its best continuation.
- `futures`: both were sampled there, and each is played on by the policy (`clarify_env.trainers.futures`), as
  CollabLLM's pairs are (arXiv 2502.00640).
The first two count at all training costs where episodes are re-scored, the last at a few of them, drawn anew
for each question; else at those that were played.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.costs import Costs
from clarify_env.moves import Move
from clarify_env.trainers.backup import Decided, decide, prices, worth
from clarify_env.trainers.branching import normalised, possible
from clarify_env.trainers.credit import returns_to_go
from clarify_env.trainers.futures import Start, States, futures
from clarify_env.trainers.learner import Example, Learner
from clarify_env.trainers.replay import Choice, choices, credited, point, seen
from clarify_env.trainers.selection import Batch, grouped
from clarify_env.trainers.tree import BestContinuation, Sampled
from clarify_env.vector import child_seed

LEAST = 1e-6  # difference of worth from which on two moves are a pair
COSTS = 3  # costs at which the futures of a question are played, where episodes are re-scored
OTHERS = 3  # moves that the best one of a point is paired with under each costs


class Pair(NamedTuple):
    """Two moves from the same point under the same costs.

    Args:
        better, worse: the moves.
        margin: by how much the first is worth more.
        members: the same by each member of an ensemble of estimates; they may disagree on the sign.
    """

    better: Example
    worse: Example
    margin: float
    members: tuple[float, ...]


def extremes(
    found: Mapping[Move, Sequence[float]], members: int, rng: np.random.Generator
) -> tuple[Move, Move, float, tuple[float, ...]] | None:
    """The moves of the greatest and the least mean, and how far they are apart; None where they are not.

    Args:
        found: what each move was worth each time.
        members: of the ensemble; one is the mean, more are means of samples that are drawn from `found` with
            replacement.
        rng: to draw them with.
    """
    means = {move: float(np.mean(values)) for move, values in found.items()}
    first, last = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    margin = means[first] - means[last]
    if not margin > LEAST:
        return None
    if members == 1:
        return first, last, margin, (margin,)
    draws = [rng.choice(found[move], (members, len(found[move]))).mean(axis=1) for move in (first, last)]
    return first, last, margin, tuple((draws[0] - draws[1]).tolist())


def siblings(batch: Batch, members: int = 1) -> Iterator[Pair]:
    """At each point and costs the best and the worst of the moves that were sampled there."""
    game = batch.env.game
    rng = np.random.default_rng(batch.seed)
    for cells, group in grouped(batch):
        for costs in cells:
            met: dict[Any, dict[Move, list[float]]] = defaultdict(lambda: defaultdict(list))
            shown: dict[Any, Choice] = {}
            for episode in group:
                pairs = credited(game, episode.rescored(**costs._asdict()), batch.player)
                to_go = returns_to_go(np.array([reward for _, reward in pairs]))
                for (choice, _), value in zip(pairs, to_go.tolist(), strict=True):
                    at = point(game, choice.state, batch.player)
                    met[at][choice.move].append(value)
                    shown.setdefault((at, choice.move), choice)
            for at, moves in met.items():
                if (apart := extremes(moves, members, rng)) is not None:
                    first, last, margin, by_member = apart
                    better, worse = (_example(batch, shown[at, move], costs) for move in (first, last))
                    yield Pair(better, worse, margin, by_member)


def _example(batch: Batch, choice: Choice, costs: Costs) -> Example:
    return Example(seen(batch.env.game, choice.state, batch.player, costs), choice.move, choice.trace, 1.0)


def forks(batch: Batch) -> Iterator[Pair]:
    """At each point and costs the best candidate beside `OTHERS` drawn ones, by their best continuations."""
    game = batch.env.game
    rng = np.random.default_rng(batch.seed)
    for tree in BestContinuation().grow(batch):
        prices_C_T = prices(game, tree.costs)
        found: dict[int, Decided] = {}
        decide(tree.nodes[0], prices_C_T, found)
        for node in tree.nodes:
            if len(node.edges) < 2:
                continue
            values_M_C, moves = worth(node, prices_C_T, found) / node.mass, list(node.edges)
            for c, costs in enumerate(tree.costs):
                best = int(values_M_C[:, c].argmax())
                margins_M = values_M_C[best, c] - values_M_C[:, c]
                view = seen(game, node.states[0][0], batch.player, costs)
                better = Example(view, moves[best], node.moves[moves[best]], node.mass)
                for k in rng.permutation(np.flatnonzero(margins_M > LEAST))[:OTHERS].tolist():
                    worse = Example(view, moves[k], node.moves[moves[k]], node.mass)
                    margin = float(margins_M[k])
                    yield Pair(better, worse, margin, (margin,))


def by_futures(
    batch: Batch, learner: Learner, options: Mapping[str, Any], members: int = 1
) -> tuple[list[Pair], float]:
    """At each point the best and the worst of the moves sampled there, and how many decisions it took."""
    game, player = batch.env.game, batch.player
    rng = np.random.default_rng(child_seed(batch.seed, 8))
    starts: list[Start] = []
    points: list[tuple[dict[Move, Choice], int, Costs, float]] = []
    for cells, group in grouped(batch):
        finals = Sampled(game, group, player).finals
        for c in np.sort(rng.permutation(len(cells))[:COSTS]).tolist():
            costs = cells[c]
            priced = [episode.rescored(**costs._asdict()) for episode in group]
            decided = [made for episode in priced if (made := list(choices(game, episode, player)))]
            for moves, states, count in _points(batch, decided, options["meanings"]):
                if len(moves) > 1:
                    points.append((moves, len(starts), costs, count / len(decided)))
                    for move in moves:
                        seed = child_seed(batch.seed, 9, len(starts))
                        starts.append(Start(states, move, finals, seed))
    found = futures(batch, learner, starts, int(options["futures"]), options["window"])
    pairs = []
    for moves, at, costs, share in points:
        known = {
            move: values[~np.isnan(values)]
            for move, values in zip(moves, found.returns_S_K[at : at + len(moves)], strict=True)
        }
        known = {move: values for move, values in known.items() if len(values)}
        if len(known) > 1 and (apart := extremes(known, members, rng)) is not None:
            first, last, margin, by_member = apart
            better, worse = (
                _example(batch, moves[move], costs)._replace(weight=share) for move in (first, last)
            )
            pairs.append(Pair(better, worse, margin, by_member))
    return pairs, float(found.decisions_S.sum())


def _points(
    batch: Batch, decided: Sequence[Sequence[Choice]], meanings: str
) -> list[tuple[dict[Move, Choice], States, int]]:
    """Of each point: the moves sampled there, the states possible there, how many episodes came there."""
    game, player = batch.env.game, batch.player
    points = [[point(game, choice.state, player) for choice in made] for made in decided]
    moves: dict[Any, dict[Move, Choice]] = defaultdict(dict)
    counts: Counter[Any] = Counter()
    first: dict[Any, int] = {}
    held: dict[Any, States] = defaultdict(list)
    for e, (made, there) in enumerate(zip(decided, points, strict=True)):
        for choice, at in zip(made, there, strict=True):
            moves[at].setdefault(choice.move, choice)
            counts[at] += 1
            first.setdefault(at, e)
            if meanings == "own":
                held[at].append((choice.state, 1.0))
    if meanings == "possible":
        needed = sorted(set(first.values()))
        for e, alike in zip(needed, possible(batch, [decided[e] for e in needed]), strict=True):
            for at, states in zip(points[e], alike, strict=True):
                held.setdefault(at, states)
    return [(moves[at], normalised(held[at]), counts[at]) for at in moves]
