"""What the policy-gradient algorithms share: credit for every decision, and minibatches that go down a loss.

They learn on policy: all episodes of an iteration are played by the current policy, at costs that the
episodes of one question share, so that they can be compared (`start_share`=0, `shared_costs`); nothing is
re-scored, since what a policy does depends on the costs that it is told.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clarify_env.errors import ClarifyError
from clarify_env.trainers.credit import Floats
from clarify_env.trainers.learner import Example, Learner, Objective, Scored
from clarify_env.trainers.loop import Loop
from clarify_env.trainers.losses import kl
from clarify_env.trainers.replay import Choice, credited, failed, seen
from clarify_env.trainers.selection import Batch


class Played(NamedTuple):
    """One player's part of an episode: its decisions, and what was paid after each, rewards_T."""

    choices: list[Choice]
    rewards_T: Floats


class Credited(NamedTuple):
    """A decision with its credit: its advantage, and what was earned from it on."""

    example: Example
    advantage: float
    to_go: float


class PolicyGradient(Loop):
    """Base of the algorithms that follow the gradient of the expected reward.

    An algorithm of yours defines `advantages` and `loss`; the rest is here.
    """

    epochs: ClassVar[int] = 1
    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {"kl": 0.0, "kl_kind": "k3", "epochs": self.epochs, **self.defaults}
        for name in options or {}:
            if name not in known:
                raise ClarifyError(f"{type(self).__name__}: unknown option {name!r}; has {sorted(known)}")
        self.options: dict[str, Any] = {**known, **(options or {})}
        if self.settings.start_share:
            raise ClarifyError(
                f"start_share={self.settings.start_share}: {type(self).__name__} learns from its own "
                "episodes only; give start_share=0"
            )

    @abstractmethod
    def advantages(self, group: Sequence[Played], player: str) -> list[Floats]:
        """advantages_T of each member of a group: episodes of one question under the same costs."""

    @abstractmethod
    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """The mean over rows of a minibatch; `old_N` are the tokens under the policy that sampled."""

    def lessons(self, batch: Batch) -> list[Credited]:
        """Every decision with its credit."""
        found = []
        for group in self._groups(batch):
            for played, advantages_T in zip(group, self.advantages(group, batch.player), strict=True):
                to_go_T = np.cumsum(played.rewards_T[::-1])[::-1]
                for choice, advantage, to_go in zip(played.choices, advantages_T, to_go_T, strict=True):
                    example = self._example(batch, choice)
                    found.append(Credited(example, float(advantage), float(to_go)))
        return found

    def _example(self, batch: Batch, choice: Choice) -> Example:
        return Example(seen(batch.env.game, choice.state, batch.player), choice.move, choice.trace, 1.0)

    def _groups(self, batch: Batch) -> Iterator[list[Played]]:
        groups: dict[Any, list[Played]] = defaultdict(list)
        for episode in batch.episodes:
            pairs = [] if failed(episode) else credited(batch.env.game, episode, batch.player)
            if pairs:
                key = episode.setup["task"], tuple(episode.costs.values())
                rewards_T = np.array([reward for _, reward in pairs])
                groups[key].append(Played([choice for choice, _ in pairs], rewards_T))
        yield from groups.values()

    def fit(self, learner: Learner, start: Learner, lessons: list[Credited], seed: int) -> dict[str, float]:
        """`epochs` passes over the decisions in minibatches; those without credit are skipped and counted."""
        held = [one for one in lessons if one.advantage or self.options["kl"] or self._needs_all]
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
            old_N, reference_N = (tokens_of(m, scored).to(scored.logprobs_N) for m in (old, reference))
            moved.append(float(kl(scored.logprobs_N.detach(), old_N).mean()))
            on = scored.values_B.device
            loss = self.loss(scored, old_N, advantages_E[rows_B].to(on), to_go_E[rows_B].to(on))
            if self.options["kl"]:
                loss = (
                    loss
                    + self.options["kl"] * kl(scored.logprobs_N, reference_N, self.options["kl_kind"]).mean()
                )
            return loss

        rng, size = np.random.default_rng(seed), self.settings.batch
        steps = []
        for _ in range(self.options["epochs"]):
            order = rng.permutation(len(held))
            steps += [order[k : k + size].tolist() for k in range(0, len(order), size)]
        metrics |= learner.descend(examples, steps, Objective(objective))
        return {**metrics, "steps": float(len(steps)), "moved": float(np.mean(moved[-len(moved) // 10 :]))}

    @property
    def _needs_all(self) -> bool:
        """Whether decisions without an advantage teach something all the same."""
        return False


def tokens_of(measured: Scored, scored: Scored) -> Tensor:
    """values_N of `measured`, whose rows are whole examples in order, for the tokens of `scored`."""
    rows_N = scored.rows_B.cpu()[scored.rows_N.cpu()]
    own_N, all_N = scored.rows_N.cpu(), measured.rows_N.cpu()
    starts_B = torch.searchsorted(own_N, torch.arange(len(scored.rows_B)))
    starts_E = torch.searchsorted(all_N, torch.arange(len(measured.rows_B)))
    within_N = torch.arange(len(own_N)) - starts_B[own_N]
    return measured.logprobs_N[starts_E[rows_N] + within_N]
