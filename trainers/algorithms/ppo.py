"""PPO: the clipped loss with a value head and generalised advantage estimation over turns (arXiv 1707.06347).

What is left out of the paper: an entropy bonus, parallel actors. A decision is a step: one message, whatever
its number of tokens; advantages are estimated over a player's decisions (arXiv 1506.02438), not over tokens.
The value head of a language model reads the last hidden state of the prompt and sends no gradient back there.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from clarify_env.arrays import Floats
from clarify_env.trainers.algorithms.advantages import Played, gae
from clarify_env.trainers.algorithms.losses import ppo, value
from clarify_env.trainers.algorithms.policy_gradient import PolicyGradient
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.learners import Scored


class PPO(PolicyGradient):
    """A run of PPO; `PolicyGradient` and `Loop` have the arguments.

    Options: `credit` ("gae", or "exact", which needs no value head), `clip_range` (0.2), `gae_lambda` (0.95),
    `vf_coef` (weight of the value loss, 0.5), `scale` (True: the advantages of an iteration are centred and
    divided by their deviation).
    """

    skips: ClassVar[bool] = False  # the value head learns from all
    credits: ClassVar[tuple[str, ...]] = ("gae",)
    defaults: ClassVar[dict[str, Any]] = {
        "credit": "gae",
        "epochs": 4,
        "clip_range": 0.2,
        "gae_lambda": 0.95,
        "vf_coef": 0.5,
        "scale": True,
    }

    def credit(self, batch: Batch, groups: Sequence[Sequence[Played]]) -> Iterator[tuple[Played, Floats]]:
        """Advantages under the value head, over the whole iteration."""
        members = [played for group in groups for played in group]
        if not members:
            return
        learner = self.learners[batch.player]
        every = learner.experience([example for played in members for example in played.examples])
        values_E = learner.logprobs(every).values_B.double().cpu().numpy()
        ends = np.cumsum([len(played.examples) for played in members])
        parts = [
            gae(played.rewards_T, values_T, gae_lambda=self.options["gae_lambda"])
            for played, values_T in zip(members, np.split(values_E, ends[:-1]), strict=True)
        ]
        advantages_E = np.concatenate(parts)
        if self.options["scale"] and (deviation := advantages_E.std()) > 1e-8:
            advantages_E = (advantages_E - advantages_E.mean()) / deviation
        yield from zip(members, np.split(advantages_E, ends[:-1]), strict=True)

    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """The clipped surrogate, and the error of the value head."""
        policy = ppo(scored.logprobs_N, old_N, scored.rows_N, advantages_B, self.options["clip_range"])
        if self.exact:
            return policy * scored.token_share
        error = float(self.options["vf_coef"]) * value(scored.values_B, to_go_B)
        return policy * scored.token_share + error * scored.row_share
