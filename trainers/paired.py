"""What the algorithms share that learn from pairs (`clarify_env.trainers.pairs`): minibatches of them."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from clarify_env.errors import ClarifyError, choose
from clarify_env.trainers.branching import checked
from clarify_env.trainers.learner import Example, Learner, Objective, Scored
from clarify_env.trainers.loop import Loop, options_of
from clarify_env.trainers.losses import row_sums
from clarify_env.trainers.pairs import Pair, by_futures, forks, siblings
from clarify_env.trainers.replay import choices, seen
from clarify_env.trainers.selection import Batch

PART = 2048  # rows that the reference measures at a time


class Paired(Loop):
    """Base of the algorithms that learn from pairs; one of yours defines `loss`.

    Options: `pairs` ("forks", "siblings" or "futures"), `beta` (how dear it is to leave the reference),
    `reference` ("last": the policy that began the iteration; "start": the one that began the run); of pairs
    by futures `futures` (3), `window` (2) and `meanings` ("possible" or "own"), as in
    `clarify_env.trainers.policygradient.Grouped`.
    """

    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {"pairs": "forks", "beta": 0.1, "reference": "last", "futures": 3, "window": 2}
        self.options = options_of({**own, "meanings": "possible", **self.defaults}, options)
        choose("pairs", self.options["pairs"], ("forks", "siblings", "futures"))
        choose("reference", self.options["reference"], ("last", "start"))
        checked(self.options)
        self.simulated: dict[int, float] = {}

    @abstractmethod
    def loss(self, margins_P: Tensor, reference_P: Tensor, rewards_K_P: Tensor, divergence: Tensor) -> Tensor:
        """The mean over pairs.

        Args:
            margins_P, reference_P: differences of log-probabilities, under the policy and the reference.
            rewards_K_P: differences of worth, by each member of an ensemble.
            divergence: estimate of KL(reference || policy), at the option `gamma`; else 0.
        """

    def lessons(self, batch: Batch) -> list[Pair | Example]:
        """The pairs, and with the option `gamma` the decisions that the reference sampled.

        Raises:
            ClarifyError: there are none.
        """
        members = int(self.options.get("members", 1))
        found: list[Pair | Example]
        if self.options["pairs"] == "forks":
            found = list(forks(batch))
        elif self.options["pairs"] == "siblings":
            found = list(siblings(batch, members))
        else:
            learner = self.learners[batch.player]
            pairs, decisions = by_futures(batch, learner, self.options, members)
            self.simulated[id(learner)] = self.simulated.get(id(learner), 0.0) + decisions
            found = list(pairs)
        if not found:
            raise ClarifyError(
                f"{type(self).__name__}: no point of {len(batch.episodes)} episodes has two moves of "
                "different worth; play more episodes a question (samples), or take pairs='forks'"
            )
        if self.options.get("gamma"):
            found += self._sampled(batch)
        return found

    def _sampled(self, batch: Batch) -> list[Example]:
        """The decisions of the episodes that the reference played."""
        settings, game = self.settings, batch.env.game
        own = settings.tasks * (settings.samples - round(settings.samples * settings.start_share))
        last = self.options["reference"] == "last"
        examples = [
            Example(seen(game, choice.state, batch.player), choice.move, choice.trace, 1.0)
            for episode in batch.episodes
            if episode.index is not None and (episode.index < own) == last
            for choice in choices(game, episode, batch.player)
        ]
        if not examples:
            raise ClarifyError(
                f"gamma={self.options['gamma']}: the reference ({self.options['reference']!r}) played no "
                f"episodes at start_share={settings.start_share}"
            )
        return examples

    def fit(
        self, learner: Learner, start: Learner, lessons: list[Pair | Example], seed: int
    ) -> dict[str, float]:
        """Minibatches of pairs, drawn by how often their point is met, each pair with a sampled decision."""
        pairs = [lesson for lesson in lessons if isinstance(lesson, Pair)]
        sampled = [lesson for lesson in lessons if isinstance(lesson, Example)]
        chances_P = np.array([pair.better.weight for pair in pairs])
        size, count = max(1, self.settings.batch // 2), self.settings.updates
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(pairs), (count, size), p=chances_P / chances_P.sum())
        used, places = np.unique(drawn, return_inverse=True)
        held = [pairs[p] for p in used.tolist()]
        examples = [example for pair in held for example in pair[:2]] + sampled
        places_U_P = places.reshape(count, size)
        columns = [2 * places_U_P, 2 * places_U_P + 1]
        if sampled:
            columns.append(2 * len(held) + rng.integers(len(sampled), size=(count, size)))
        unit = len(columns)
        steps: list[list[int]] = np.stack(columns, axis=-1).reshape(count, unit * size).tolist()
        reference = start if self.options["reference"] == "start" else learner
        parts = [totals(reference.measure(examples[k : k + PART])) for k in range(0, len(examples), PART)]
        reference_E = torch.cat(parts)
        rewards_K_P = torch.tensor([pair.members for pair in held], dtype=reference_E.dtype).T
        right: list[float] = []

        def objective(scored: Scored) -> Tensor:
            rows_P_U = scored.rows_B.cpu().reshape(-1, unit)
            sums_P_U = totals(scored).reshape(-1, unit)
            before_P_U = reference_E[rows_P_U].to(sums_P_U)
            margins_P = sums_P_U[:, 0] - sums_P_U[:, 1]
            apart_P = before_P_U[:, 0] - before_P_U[:, 1]
            right.append(float((margins_P.detach() > 0.0).double().mean()))
            divergence = (before_P_U - sums_P_U)[:, 2:].sum() / len(margins_P)
            own_K_P = rewards_K_P[:, rows_P_U[:, 0] // 2].to(margins_P)
            return self.loss(margins_P, apart_P, own_K_P, divergence)

        fitted = learner.descend(examples, steps, Objective(objective, unit=unit))
        tail = right[-max(1, len(right) // 10) :]
        fitted |= {"steps": float(count), "pairs": float(len(pairs)), "right": float(np.mean(tail))}
        if (simulated := self.simulated.pop(id(learner), None)) is not None:
            fitted["simulated"] = simulated
        return fitted


def totals(scored: Scored) -> Tensor:
    """Log-probability of each row."""
    return row_sums(scored.logprobs_N, scored.rows_N, len(scored.rows_B))
