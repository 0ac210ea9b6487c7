"""Pairs of moves from the same point of a dialogue, one of which is worth more than the other.

- `siblings`: both were sampled there, in episodes of the same question. A move is worth the mean of what
  those episodes earned from it on, whatever was meant in them.
- `forks`: from each point every candidate is played on for every meaning that is still possible there
  (`algorithms.best_continuation`), and is worth its best continuation.
- `futures`: both were sampled there, and each is played on by the policy (`algorithms.simulated_futures`), as
  CollabLLM's pairs are (arXiv 2502.00640).
The first two count at all training costs where episodes are re-scored, the last at a few of them, drawn anew
for each question; else at those that were played.

What the algorithms share that learn from pairs (`algorithms.preference`): minibatches of them.
"""

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clarify_env.errors import ClarifyError, choose
from clarify_env.moves import Move
from clarify_env.rollout import child_seed
from clarify_env.simulate import Choice, choices, credited, point, seen
from clarify_env.trainers.algorithms.advantages import returns_to_go
from clarify_env.trainers.algorithms.best_continuation import (
    BestContinuation,
    Decided,
    best_moves,
)
from clarify_env.trainers.algorithms.dialogue_tree import Sampled, unit_prices
from clarify_env.trainers.algorithms.losses import row_sums
from clarify_env.trainers.algorithms.selection import Batch, grouped
from clarify_env.trainers.algorithms.simulated_futures import (
    Start,
    States,
    check_futures,
    futures,
    normalised,
    possible,
)
from clarify_env.trainers.learners import Example, Learner, Scored
from clarify_env.trainers.loop import Loop

LEAST = 1e-6  # difference of values from which on two moves are a pair
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
                pairs = credited(game, episode, batch.player, costs=costs)
                to_go = returns_to_go(np.array([reward for _, reward in pairs]))
                for (choice, _), value in zip(pairs, to_go.tolist(), strict=True):
                    at = point(game, choice.state, batch.player)
                    met[at][choice.move].append(value)
                    shown.setdefault((at, choice.move), choice)
            for at, moves in met.items():
                if (apart := extremes(moves, members, rng)) is not None:
                    first, last, margin, by_member = apart
                    better, worse = (batch.example(shown[at, move], costs) for move in (first, last))
                    yield Pair(better, worse, margin, by_member)


def forks(batch: Batch) -> Iterator[Pair]:
    """At each point and costs the best candidate beside `OTHERS` drawn ones, by their best continuations."""
    game = batch.env.game
    rng = np.random.default_rng(batch.seed)
    for tree in BestContinuation().grow(batch):
        found: dict[int, Decided] = {}
        best_moves(tree.nodes[0], unit_prices(game, tree.costs), found)
        for node in tree.nodes:
            if len(node.edges) < 2:
                continue
            values_M_C, moves = found[id(node)].values_M_C / node.mass, list(node.edges)
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
    points: list[tuple[dict[Move, Choice], int, Any, float]] = []
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
            better, worse = (batch.example(moves[move], costs, share) for move in (first, last))
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


PART = 2048  # rows that the reference measures at a time


class Paired(Loop):
    """Base of the algorithms that learn from pairs; one of yours defines `loss`.

    Options: `pairs` ("forks", "siblings" or "futures"; where none is named, "siblings" for a player who does
    not open the game, such as a user: it has no tree), `beta` (how dear it is to leave the reference),
    `reference` ("last": the policy that began the iteration; "start": the one that began the run); of pairs
    by futures `futures` (3), `window` (2) and `meanings` ("possible" or "own"), as in
    `clarify_env.trainers.algorithms.policy_gradient.Grouped`.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "pairs": "forks",
        "beta": 0.1,
        "reference": "last",
        "futures": 3,
        "window": 2,
        "meanings": "possible",
        "rescore": True,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose("pairs", self.options["pairs"], ("forks", "siblings", "futures"))
        choose("reference", self.options["reference"], ("last", "start"))
        check_futures(self.options)

    @abstractmethod
    def loss(self, margins_P: Tensor, reference_P: Tensor, rewards_K_P: Tensor, divergence: Tensor) -> Tensor:
        """The mean over pairs.

        Args:
            margins_P, reference_P: differences of log-probabilities, under the policy and the reference.
            rewards_K_P: differences of values, by each member of an ensemble.
            divergence: estimate of KL(reference || policy), at the option `gamma`; else 0.
        """

    def examples(self, batch: Batch) -> list[Pair | Example]:
        """The pairs, and with the option `gamma` the decisions that the reference sampled.

        Raises:
            ClarifyError: there are none.
        """
        members = int(self.options.get("members", 1))
        found: list[Pair | Example]
        kind = self.options["pairs"]
        if "pairs" not in self.config.algorithm.options and batch.player not in self.env.game.opening:
            kind = "siblings"
        if kind == "forks":
            found = list(forks(batch))
        elif kind == "siblings":
            found = list(siblings(batch, members))
        else:
            pairs, decisions = by_futures(batch, self.learners[batch.player], self.options, members)
            self.note(batch.player, "simulated", decisions)
            found = list(pairs)
        if not found:
            raise ClarifyError(
                f"{type(self).__name__}: no point of {len(batch.episodes)} episodes has two moves of "
                "different value; play more episodes a question (group_size), or take pairs='forks'"
            )
        if self.options.get("gamma"):
            found += self._sampled(batch)
        return found

    def _sampled(self, batch: Batch) -> list[Example]:
        """The decisions of the episodes that the reference played."""
        rollout = self.config.rollout
        own = rollout.tasks * (rollout.group_size - round(rollout.group_size * rollout.start_share))
        last = self.options["reference"] == "last"
        examples = [
            batch.example(choice)
            for episode in batch.episodes
            if episode.index is not None and (episode.index < own) == last
            for choice in choices(batch.env.game, episode, batch.player)
        ]
        if not examples:
            raise ClarifyError(
                f"gamma={self.options['gamma']}: the reference ({self.options['reference']!r}) played no "
                f"episodes at start_share={rollout.start_share}"
            )
        return examples

    def fit(self, learner: Learner, examples: list[Pair | Example], seed: int) -> dict[str, float]:
        """Minibatches of pairs, drawn by how often their point is met, each pair with a sampled decision."""
        pairs = [one for one in examples if isinstance(one, Pair)]
        sampled = [one for one in examples if isinstance(one, Example)]
        chances_P = np.array([pair.better.weight for pair in pairs])
        size, count = max(1, self.config.algorithm.batch_size // 2), self.config.algorithm.gradient_steps
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(pairs), (count, size), p=chances_P / chances_P.sum())
        used, places = np.unique(drawn, return_inverse=True)
        held = [pairs[p] for p in used.tolist()]
        batch = learner.experience([example for pair in held for example in pair[:2]] + sampled)
        places_U_P = places.reshape(count, size)
        columns = [2 * places_U_P, 2 * places_U_P + 1]
        if sampled:
            columns.append(2 * len(held) + rng.integers(len(sampled), size=(count, size)))
        unit = len(columns)
        steps: list[list[int]] = np.stack(columns, axis=-1).reshape(count, unit * size).tolist()
        reference = self.start_of(learner) if self.options["reference"] == "start" else learner
        rows = range(len(batch.examples))
        parts = [row_totals(reference.logprobs(batch, rows[k : k + PART])) for k in rows[::PART]]
        reference_E = torch.cat(parts)
        rewards_K_P = torch.tensor([pair.members for pair in held], dtype=reference_E.dtype).T
        right: list[float] = []

        def loss(scored: Scored) -> Tensor:
            rows_P_U = scored.rows_B.cpu().reshape(-1, unit)
            sums_P_U = row_totals(scored).reshape(-1, unit)
            before_P_U = reference_E[rows_P_U].to(sums_P_U)
            margins_P = sums_P_U[:, 0] - sums_P_U[:, 1]
            apart_P = before_P_U[:, 0] - before_P_U[:, 1]
            right.append(float((margins_P.detach() > 0.0).double().mean()))
            divergence = (before_P_U - sums_P_U)[:, 2:].sum() / len(margins_P)
            own_K_P = rewards_K_P[:, rows_P_U[:, 0] // 2].to(margins_P)
            if len(own_K_P) > 1 and scored.row_share < 1.0 and scored.whole_B is not None:
                own_K_P = own_K_P[closest(scored.whole_B)]
            return self.loss(margins_P, apart_P, own_K_P, divergence) * scored.row_share

        chosen: dict[tuple[int, ...], list[int]] = {}

        def closest(whole_B: Tensor) -> list[int]:
            """The member that fits the whole minibatch best: all its parts go by the same one."""
            if (key := tuple(whole_B.tolist())) not in chosen:
                chosen.clear()
                sums_P_U = row_totals(learner.logprobs(batch, key)).reshape(-1, unit)
                before_P_U = reference_E[whole_B.cpu().reshape(-1, unit)].to(sums_P_U)
                margins_P, apart_P = (x_P_U[:, 0] - x_P_U[:, 1] for x_P_U in (sums_P_U, before_P_U))
                own_K_P = rewards_K_P[:, whole_B.cpu().reshape(-1, unit)[:, 0] // 2].to(margins_P)
                fits = [
                    self.loss(margins_P, apart_P, own_P[None], margins_P.new_zeros(())) for own_P in own_K_P
                ]
                chosen[key] = [int(torch.stack(fits).argmin())]
            return chosen[key]

        fitted = learner.step(batch, loss, steps, unit=unit)
        tail = right[-max(1, len(right) // 10) :]
        return {**fitted, "steps": float(count), "pairs": float(len(pairs)), "right": float(np.mean(tail))}


def row_totals(scored: Scored) -> Tensor:
    """Log-probability of each row."""
    return row_sums(scored.logprobs_N, scored.rows_N, len(scored.rows_B))
