"""What a trainer asks of a trainable agent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from clarify_env.agent import Agent, Observation
from clarify_env.moves import Move


class Example(NamedTuple):
    """A training example: a decision that a policy is to learn from.

    Args:
        observation: what the player saw, with the costs under which the move is good.
        move: what it did, or would better have done.
        trace: what the agent attached to the decision when the move was sampled, or None.
        weight: share in the loss, > 0.
    """

    observation: Observation
    move: Move
    trace: Any
    weight: float


class Experience(NamedTuple):
    """Training examples as a learner reads them, made once for every pass over them.

    Args:
        examples: the decisions.
        encoded: what the learner made of them; it does not depend on the weights.
        recorded: of each example the log-probabilities of its tokens as they were recorded when it was
            sampled; None where they were not, or not to the last digit.
    """

    examples: Sequence[Example]
    encoded: Any
    recorded: Sequence[Tensor | None]


class Scored(NamedTuple):
    """Examples under the current policy: all of them, a minibatch, or a part of one.

    Args:
        rows_B: which example each row is.
        logprobs_N: of the tokens of the rows, one row after the other; carries gradients.
        rows_N: which row of these each token belongs to.
        values_B: what the value head expects of each row's point; 0 without one.
        whole_B: the examples of the whole minibatch, where this is a part of it.
        row_share, token_share: of the minibatch's rows and tokens, how many are here.
    """

    rows_B: Tensor
    logprobs_N: Tensor
    rows_N: Tensor
    values_B: Tensor
    whole_B: Tensor | None = None
    row_share: float = 1.0
    token_share: float = 1.0

    def by_row(self) -> list[Tensor]:
        """The log-probabilities of each row's tokens, on the CPU."""
        lengths = self.rows_N.cpu().bincount(minlength=len(self.rows_B)).tolist()
        return list(self.logprobs_N.cpu().split(lengths))  # type: ignore[no-untyped-call]

    def tokens(self, by_example: Sequence[Tensor]) -> Tensor:
        """other_N: what is known of the tokens of every example, for the tokens of these rows."""
        return torch.cat([by_example[e] for e in self.rows_B.tolist()]).to(self.logprobs_N)


Loss = Callable[[Scored], Tensor]  # a mean over rows times row_share, one over tokens times token_share


class Learner(Protocol):
    """A trainable agent; everything random in an update follows from the seed it is given."""

    learning_rate: float  # of the next update

    @property
    def agent(self) -> Agent:
        """The current policy, sampling."""
        ...

    def greedy(self) -> Agent:
        """The current policy as it is evaluated."""
        ...

    def copy(self) -> Self:
        """An independent learner with the same weights; its agent is a frozen policy."""
        ...

    def update(self, examples: Sequence[Example], seed: int) -> dict[str, float]:
        """Imitate the examples; returns metrics."""
        ...

    def experience(self, examples: Sequence[Example]) -> Experience:
        """The examples ready to be read, by this learner or a copy of it."""
        ...

    def logprobs(self, batch: Experience, rows: Sequence[int] | None = None) -> Scored:
        """The examples at these positions, by default all, under the current policy, without gradients."""
        ...

    def step(
        self,
        batch: Experience,
        loss: Loss,
        minibatches: Sequence[Sequence[int]] | None = None,
        *,
        unit: int = 1,
        learning_rate: float | None = None,
    ) -> dict[str, float]:
        """A gradient step of a fresh optimiser on each minibatch; returns metrics.

        Args:
            batch: the examples.
            loss: what to go down. It is given a minibatch or a part of one, whose losses add up: a mean over
                rows counts by `Scored.row_share`, one over tokens by `Scored.token_share`.
            minibatches: of each step the positions of its examples; by default one step on all of them.
            unit: rows that have to be given together, such as 2 for pairs; they follow each other.
            learning_rate: in place of the learner's own.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs."""
        ...

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        ...
