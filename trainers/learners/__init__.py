"""What a trainer asks of a trainable agent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import torch

from clarify_env.agent import Agent, Observation
from clarify_env.moves import Move


class Example(NamedTuple):
    """A move worth imitating.

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


class Scored(NamedTuple):
    """Decisions of a minibatch under the current policy, or a part of them.

    Args:
        rows_B: which example each row is.
        logprobs_N: of the tokens of the rows, one row after the other; carries gradients.
        rows_N: which row of these each token belongs to.
        values_B: what the value head expects of each row's point; 0 without one.
    """

    rows_B: torch.Tensor
    logprobs_N: torch.Tensor
    rows_N: torch.Tensor
    values_B: torch.Tensor


class Objective(NamedTuple):
    """What gradient steps go down.

    Args:
        loss: a mean over the tokens or rows of what it is given.
        per: "token" or "row": what that mean is over, so that the parts of a minibatch add up.
        unit: rows that have to be given together, such as 2 for pairs; they follow each other.
    """

    loss: Callable[[Scored], torch.Tensor]
    per: str = "row"
    unit: int = 1


class Learner(Protocol):
    """A trainable agent with its loss; everything random in an update follows from the seed it is given."""

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

    def descend(
        self,
        examples: Sequence[Example],
        steps: Sequence[Sequence[int]],
        objective: Objective,
        rate: float | None = None,
    ) -> dict[str, float]:
        """One gradient step a minibatch, each a list of positions in `examples`; returns metrics."""
        ...

    def measure(self, examples: Sequence[Example]) -> Scored:
        """The examples under the current policy, without gradients."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs."""
        ...

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        ...
