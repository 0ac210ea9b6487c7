"""Reward distillation: the policy's implied rewards are fitted to the values of moves (arXiv 2405.19316).

What is left out of the paper: learnt reward models, since the game says what a move is worth. Its pessimistic
form needs several estimates of that: means of samples with replacement of what a move was worth each time.
"""

from typing import Any, ClassVar

from torch import Tensor

from clarify_env.errors import ClarifyError
from clarify_env.trainers.algorithms.losses import distillation
from clarify_env.trainers.algorithms.preference import Paired


class Distillation(Paired):
    """A run of reward distillation; `Paired` and `Loop` have the arguments and other options.

    Options of its own: `members` of the ensemble (1), and `gamma` (0), the weight of KL(reference || policy).
    """

    defaults: ClassVar[dict[str, Any]] = {"members": 1, "gamma": 0.0}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members, pairs = self.options["members"], self.options["pairs"]
        if not isinstance(members, int) or members < 1:
            raise ClarifyError(f"members={members!r}: a whole number, at least 1")
        if members > 1 and pairs == "forks":
            raise ClarifyError(
                f"members={members}: pairs='forks' have one exact value; an ensemble needs pairs='siblings' "
                "or 'futures'"
            )

    def loss(self, margins_P: Tensor, reference_P: Tensor, rewards_K_P: Tensor, divergence: Tensor) -> Tensor:
        """The squared error of the implied difference of rewards, of the member that fits best."""
        fit = distillation(margins_P, reference_P, rewards_K_P, self.options["beta"])
        return fit + float(self.options["gamma"]) * divergence
