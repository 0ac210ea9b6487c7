"""DPO, online: preferences between two moves from the same point (arXiv 2305.18290).

What is left out of the paper: human preferences, and pairs that are collected once; here each iteration makes
its own from the episodes of the current policy, and the better of two moves is the one that is worth more.
"""

from torch import Tensor

from clarify_env.trainers.algorithms.losses import dpo
from clarify_env.trainers.algorithms.preference import Paired


class DPO(Paired):
    """A run of DPO; `Paired` and `Loop` have the arguments."""

    def loss(self, margins_P: Tensor, reference_P: Tensor, rewards_K_P: Tensor, divergence: Tensor) -> Tensor:
        """Blind to by how much a move is better."""
        return dpo(margins_P, reference_P, self.options["beta"])
