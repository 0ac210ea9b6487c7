"""GRPO: PPO's clipped loss with advantages from a group of episodes, without a value head (arXiv 2402.03300).

What is left out of the paper: rewards come from the game alone, and every decision of an episode gets the
whole episode's advantage. `by_length` and `by_deviation` are the two divisions of the paper, which arXiv
2503.20783 leaves out (Dr. GRPO).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from clarify_env.trainers.credit import Floats, group_advantages
from clarify_env.trainers.learner import Scored
from clarify_env.trainers.losses import grpo
from clarify_env.trainers.policygradient import Grouped, Played, of_whole_episodes


class GRPO(Grouped):
    """A run of GRPO; `PolicyGradient` and `Loop` have the arguments.

    Options: `clip` (0.2), `by_length` (True), `by_deviation` (True), `longest` (tokens of a message; 96).
    """

    epochs: ClassVar[int] = 2
    defaults: ClassVar[dict[str, Any]] = {
        "clip": 0.2,
        "by_length": True,
        "by_deviation": True,
        "longest": 96,
        "kl": 0.02,
    }

    def advantages(self, group: Sequence[Played], player: str) -> list[Floats]:
        """The episode's reward less the group's mean, by its deviation, for each of its decisions."""
        by_deviation = self.options["by_deviation"]
        return of_whole_episodes(group, lambda returns_G: group_advantages(returns_G, by_deviation))

    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """The clipped surrogate."""
        options = {name: self.options[name] for name in ("clip", "by_length", "longest")}
        return grpo(scored.logprobs_N, old_N, scored.rows_N, advantages_B, **options)
