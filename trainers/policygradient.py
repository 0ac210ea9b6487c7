"""What the policy-gradient algorithms share: credit for every decision, and minibatches that go down a loss.

They learn on policy: all episodes of an iteration are played by the current policy, at costs that the
episodes of one question share, so that they can be compared (`start_share`=0, `shared_costs`); nothing is
re-scored, since what a policy does depends on the costs that it is told.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clarify_env.errors import ClarifyError
from clarify_env.trainers.credit import Floats, returns_to_go
from clarify_env.trainers.learner import Example, Learner, Objective, Scored
from clarify_env.trainers.loop import Loop, options_of
from clarify_env.trainers.losses import kl
from clarify_env.trainers.replay import Choice, credited, failed, seen
from clarify_env.trainers.selection import Batch


class Played(NamedTuple):
    """One player's part of an episode: its decisions, and what was paid after each, rewards_T."""

    examples: list[Example]
    rewards_T: Floats


class Credited(NamedTuple):
    """A decision with its credit: its advantage, and what was earned from it on."""

    example: Example
    advantage: float
    to_go: float


class PolicyGradient(Loop):
    """Base of the algorithms that follow the gradient of the expected reward.

    An algorithm of yours defines `credit` and `loss`; the rest is here.
    """

    epochs: ClassVar[int] = 1
    skips: ClassVar[bool] = True  # decisions without an advantage, unless there is a penalty
    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {"kl": 0.0, "kl_kind": "k3", "epochs": self.epochs, **self.defaults}
        self.options = options_of(own, options)
        if self.settings.start_share:
            raise ClarifyError(
                f"start_share={self.settings.start_share}: {type(self).__name__} learns from its own "
                "episodes only; give start_share=0"
            )

    @abstractmethod
    def credit(self, batch: Batch, groups: Sequence[Sequence[Played]]) -> Iterator[tuple[Played, Floats]]:
        """Each episode with its advantages_T; a group has the episodes of one question at the same costs."""

    @abstractmethod
    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """The mean over rows of a minibatch; `old_N` are the tokens under the policy that sampled."""

    def lessons(self, batch: Batch) -> list[Credited]:
        """Every decision with its credit."""
        found = []
        for played, advantages_T in self.credit(batch, list(self._groups(batch))):
            to_go_T = returns_to_go(played.rewards_T)
            for example, advantage, to_go in zip(played.examples, advantages_T, to_go_T, strict=True):
                found.append(Credited(example, float(advantage), float(to_go)))
        return found

    def _groups(self, batch: Batch) -> Iterator[list[Played]]:
        groups: dict[Any, list[Played]] = defaultdict(list)
        for episode in batch.episodes:
            pairs = [] if failed(episode) else credited(batch.env.game, episode, batch.player)
            if pairs:
                key = episode.setup["task"], tuple(episode.costs.values())
                rewards_T = np.array([reward for _, reward in pairs])
                groups[key].append(Played([_example(batch, choice) for choice, _ in pairs], rewards_T))
        yield from groups.values()

    def fit(self, learner: Learner, start: Learner, lessons: list[Credited], seed: int) -> dict[str, float]:
        """`epochs` passes over the decisions in minibatches; those without credit are skipped and counted."""
        held = [one for one in lessons if one.advantage or self.options["kl"] or not self.skips]
        metrics = {"skipped": float(len(lessons) - len(held)), "decisions": float(len(lessons))}
        if not held:
            return metrics
        examples = [one.example for one in held]
        old = learner.measure(examples)
        reference = start.measure(examples) if self.options["kl"] else old
        advantages_E = torch.tensor([one.advantage for one in held], dtype=old.values_B.dtype)
        to_go_E = torch.tensor([one.to_go for one in held], dtype=old.values_B.dtype)
        moved: list[float] = []

        def objective(scored: Scored) -> Tensor:
            rows_B = scored.rows_B.cpu()
            old_N = tokens_of(old, scored).to(scored.logprobs_N)
            moved.append(float(kl(scored.logprobs_N.detach(), old_N).mean()))
            on = scored.values_B.device
            loss = self.loss(scored, old_N, advantages_E[rows_B].to(on), to_go_E[rows_B].to(on))
            if self.options["kl"]:
                reference_N = tokens_of(reference, scored).to(scored.logprobs_N)
                penalty = kl(scored.logprobs_N, reference_N, self.options["kl_kind"]).mean()
                loss = loss + self.options["kl"] * penalty
            return loss

        rng, size = np.random.default_rng(seed), self.settings.batch
        steps = []
        for _ in range(self.options["epochs"]):
            order = rng.permutation(len(held))
            steps += [order[k : k + size].tolist() for k in range(0, len(order), size)]
        metrics |= learner.descend(examples, steps, Objective(objective))
        return {**metrics, "steps": float(len(steps)), "moved": float(np.mean(moved[-len(moved) // 10 :]))}


class Grouped(PolicyGradient):
    """Base of those that compare the episodes of a group; one of yours defines `advantages` and `loss`."""

    @abstractmethod
    def advantages(self, group: Sequence[Played], player: str) -> list[Floats]:
        """advantages_T of each member of a group."""

    def credit(self, batch: Batch, groups: Sequence[Sequence[Played]]) -> Iterator[tuple[Played, Floats]]:
        """Group by group."""
        for group in groups:
            yield from zip(group, self.advantages(group, batch.player), strict=True)


def of_whole_episodes(group: Sequence[Played], compare: Callable[[Floats], Floats]) -> list[Floats]:
    """The advantages_T of a group where each decision has its episode's, compared by its whole reward."""
    advantages_G = compare(np.array([played.rewards_T.sum() for played in group]))
    return [np.full(len(p.rewards_T), a) for p, a in zip(group, advantages_G, strict=True)]


def _example(batch: Batch, choice: Choice) -> Example:
    return Example(seen(batch.env.game, choice.state, batch.player), choice.move, choice.trace, 1.0)


def tokens_of(measured: Scored, scored: Scored) -> Tensor:
    """values_N of `measured`, whose rows are whole examples in order, for the tokens of `scored`."""
    rows_N = scored.rows_B.cpu()[scored.rows_N.cpu()]
    own_N, all_N = scored.rows_N.cpu(), measured.rows_N.cpu()
    starts_B = torch.searchsorted(own_N, torch.arange(len(scored.rows_B)))
    starts_E = torch.searchsorted(all_N, torch.arange(len(measured.rows_B)))
    within_N = torch.arange(len(own_N)) - starts_B[own_N]
    return measured.logprobs_N[starts_E[rows_N] + within_N]
