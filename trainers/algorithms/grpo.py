"""GRPO: PPO's clipped loss with advantages from a group of episodes, without a value head (arXiv 2402.03300).

What is left out of the paper: rewards come from the game alone, and a decision is credited with the whole
episode, or otherwise (`credit`). `by_length` and `scale_rewards` are the two divisions of the paper, which
arXiv 2503.20783 leaves out (Dr. GRPO).
"""

from typing import Any, ClassVar

from torch import Tensor

from clarify_env.arrays import Floats
from clarify_env.trainers.algorithms.advantages import group_advantages
from clarify_env.trainers.algorithms.losses import grpo
from clarify_env.trainers.algorithms.policy_gradient import Grouped
from clarify_env.trainers.learners import Scored


class GRPO(Grouped):
    """A run of GRPO; `Grouped`, `PolicyGradient` and `Loop` have the arguments and other options.

    Options of its own: `clip_range` (0.2), `by_length` (True), `scale_rewards` (True),
    `max_completion_length` (96: tokens of a message).
    """

    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 2,
        "kl": 0.02,
        "clip_range": 0.2,
        "by_length": True,
        "scale_rewards": True,
        "max_completion_length": 96,
    }

    def compare(self, returns_G: Floats) -> Floats:
        """Each return less the mean of all, by their deviation."""
        return group_advantages(returns_G, self.options["scale_rewards"])

    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """The clipped surrogate."""
        options = {name: self.options[name] for name in ("clip_range", "by_length", "max_completion_length")}
        return grpo(scored.logprobs_N, old_N, scored.rows_N, advantages_B, **options) * scored.row_share
