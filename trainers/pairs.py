"""Pairs of moves from the same point of a dialogue, one of which is worth more than the other.

- `siblings`: both were sampled there, in episodes of the same question. A move is worth the mean of what
  those episodes earned from it on, whatever was meant in them.
- `forks`: from each point every candidate is played on for every meaning that is still possible there
  (`clarify_env.trainers.tree`), and is worth its best continuation.
Both count at all training costs where episodes are re-scored, else at those that were played.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarify_env.costs import Costs
from clarify_env.errors import ClarifyError, choose
from clarify_env.trainers.backup import Decided, decide, prices, worth
from clarify_env.trainers.credit import returns_to_go
from clarify_env.trainers.learner import Example, Learner, Objective, Scored
from clarify_env.trainers.loop import Loop, options_of
from clarify_env.trainers.losses import row_sums
from clarify_env.trainers.replay import Choice, credited, seen
from clarify_env.trainers.selection import Batch, grouped
from clarify_env.trainers.tree import BestContinuation

LEAST = 1e-6  # difference of worth from which on two moves are a pair
PART = 2048  # rows that the reference measures at a time
OTHERS = 3  # moves that the best one of a point is paired with under each costs


class Pair(NamedTuple):
    """Two moves from the same point under the same costs, and by how much the first is worth more."""

    better: Example
    worse: Example
    margin: float


def siblings(batch: Batch) -> Iterator[Pair]:
    """At each point and costs the best and the worst of the moves that were sampled there."""
    game = batch.env.game
    for cells, members in grouped(batch):
        for costs in cells:
            met: dict[Any, dict[Any, list[float]]] = defaultdict(lambda: defaultdict(list))
            shown: dict[Any, Choice] = {}
            for episode in members:
                pairs = credited(game, episode.rescored(**costs._asdict()), batch.player)
                to_go = returns_to_go(np.array([reward for _, reward in pairs]))
                for (choice, _), value in zip(pairs, to_go.tolist(), strict=True):
                    met[choice.state.history][choice.move].append(value)
                    shown.setdefault((choice.state.history, choice.move), choice)
            for history, moves in met.items():
                values = {move: float(np.mean(found)) for move, found in moves.items()}
                first, last = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
                if values[first] - values[last] > LEAST:
                    better, worse = (_example(batch, shown[history, move], costs) for move in (first, last))
                    yield Pair(better, worse, values[first] - values[last])


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
                    yield Pair(better, worse, float(margins_M[k]))


SOURCES: dict[str, Callable[[Batch], Iterator[Pair]]] = {"siblings": siblings, "forks": forks}


class Paired(Loop):
    """Base of the algorithms that learn from pairs; one of yours defines `loss`.

    Options: `pairs` ("forks" or "siblings"), `beta` (how dear it is to leave the reference), `reference`
    ("last": the policy that began the iteration; "start": the one that began the run).
    """

    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {"pairs": "forks", "beta": 0.1, "reference": "last", **self.defaults}
        self.options = options_of(own, options)
        choose("pairs", self.options["pairs"], SOURCES)
        choose("reference", self.options["reference"], ("last", "start"))

    @abstractmethod
    def loss(self, margins_P: Tensor, reference_P: Tensor, rewards_P: Tensor) -> Tensor:
        """The mean over pairs; margins are differences of log-probabilities, rewards of worth."""

    def lessons(self, batch: Batch) -> list[Pair]:
        """The pairs.

        Raises:
            ClarifyError: there are none.
        """
        found = list(SOURCES[self.options["pairs"]](batch))
        if not found:
            raise ClarifyError(
                f"{type(self).__name__}: no point of {len(batch.episodes)} episodes has two moves of "
                "different worth; play more episodes a question (samples), or take pairs='forks'"
            )
        return found

    def fit(self, learner: Learner, start: Learner, lessons: list[Pair], seed: int) -> dict[str, float]:
        """Minibatches of pairs, drawn by how often their point is met."""
        chances_P = np.array([pair.better.weight for pair in lessons])
        size, count = max(1, self.settings.batch // 2), self.settings.updates
        drawn = np.random.default_rng(seed).choice(len(lessons), (count, size), p=chances_P / chances_P.sum())
        used, places = np.unique(drawn, return_inverse=True)
        held = [lessons[p] for p in used.tolist()]
        examples = [example for pair in held for example in pair[:2]]
        batches: NDArray[np.int64] = places.reshape(drawn.shape)
        steps = [[row for p in pairs for row in (2 * p, 2 * p + 1)] for pairs in batches.tolist()]
        reference = start if self.options["reference"] == "start" else learner
        parts = [examples[k : k + PART] for k in range(0, len(examples), PART)]
        apart_P = torch.cat([margins(reference.measure(part)) for part in parts])
        rewards_P = torch.tensor([pair.margin for pair in held], dtype=apart_P.dtype)
        right: list[float] = []

        def objective(scored: Scored) -> Tensor:
            at_P = scored.rows_B.cpu()[::2] // 2
            margins_P = margins(scored)
            right.append(float((margins_P.detach() > 0.0).double().mean()))
            return self.loss(margins_P, apart_P[at_P].to(margins_P), rewards_P[at_P].to(margins_P))

        fitted = learner.descend(examples, steps, Objective(objective, unit=2))
        tail = right[-max(1, len(right) // 10) :]
        return {**fitted, "steps": float(count), "pairs": float(len(lessons)), "right": float(np.mean(tail))}


def margins(scored: Scored) -> Tensor:
    """Log-probability of the first of each two rows less that of the second, margins_P."""
    sums_B = row_sums(scored.logprobs_N, scored.rows_N, len(scored.rows_B))
    return sums_B[::2] - sums_B[1::2]
