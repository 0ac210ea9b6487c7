"""RLOO: REINFORCE with the mean of the other episodes of a group as baseline (arXiv 2402.14740).

What is left out of the paper: its KL term in the reward (here a loss term, `kl`). Where the
paper has one turn, a decision is credited with the whole episode, or otherwise (`credit`).
"""

from typing import Any, ClassVar

from torch import Tensor

from clarify_env.arrays import Floats
from clarify_env.trainers.algorithms.advantages import leave_one_out
from clarify_env.trainers.algorithms.losses import reinforce
from clarify_env.trainers.algorithms.policy_gradient import Grouped
from clarify_env.trainers.learners import Scored


class RLOO(Grouped):
    """A run of RLOO; `Grouped`, `PolicyGradient` and `Loop` have the arguments and options."""

    defaults: ClassVar[dict[str, Any]] = {"kl": 0.02}

    def compare(self, returns_G: Floats) -> Floats:
        """Each return less the mean of the others."""
        return leave_one_out(returns_G)

    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """Minus advantage times log-probability of the message, by its ratio after the first step."""
        return reinforce(scored.logprobs_N, scored.rows_N, advantages_B, old_N) * scored.row_share
