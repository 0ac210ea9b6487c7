"""Reward distillation: the policy's implied rewards are fitted to the worth of moves (arXiv 2405.19316).

What is left out of the paper: learnt reward models and their ensemble, since the game says what a move is
worth (`losses.pessimistic_distillation` is there for a user who has an ensemble).
"""

from torch import Tensor

from clarify_env.trainers.losses import distillation
from clarify_env.trainers.pairs import Paired


class Distillation(Paired):
    """A run of reward distillation; `Paired` and `Loop` have the arguments."""

    def loss(self, margins_P: Tensor, reference_P: Tensor, rewards_P: Tensor) -> Tensor:
        """The squared error of the implied difference of rewards."""
        return distillation(margins_P, reference_P, rewards_P, self.options["beta"])
