"""PPO: the clipped loss with a value head and generalised advantage estimation over turns (arXiv 1707.06347).

What is left out of the paper: an entropy bonus, parallel actors. A decision is a step: one message, whatever
its number of tokens; advantages are estimated over a player's decisions (arXiv 1506.02438), not over tokens.
The value head of a language model reads the last hidden state of the prompt and sends no gradient back there.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from clarify_env.trainers.credit import Floats, gae
from clarify_env.trainers.learner import Scored
from clarify_env.trainers.losses import ppo, value
from clarify_env.trainers.policygradient import Credited, Played, PolicyGradient
from clarify_env.trainers.selection import Batch


class PPO(PolicyGradient):
    """A run of PPO; `PolicyGradient` and `Loop` have the arguments.

    Options: `clip` (0.2), `trace` (lambda, 0.95), `value_share` (weight of the value loss, 0.5), `scale`
    (True: the advantages of an iteration are centred and divided by their deviation).
    """

    epochs: ClassVar[int] = 4
    defaults: ClassVar[dict[str, Any]] = {"clip": 0.2, "trace": 0.95, "value_share": 0.5, "scale": True}

    def lessons(self, batch: Batch) -> list[Credited]:
        """Every decision with its credit under the value head."""
        groups = list(self._groups(batch))
        members = [played for group in groups for played in group]
        examples = [self._example(batch, choice) for played in members for choice in played.choices]
        if not examples:
            return []
        values = self.learners[batch.player].measure(examples).values_B.double().cpu().numpy()
        ends = np.cumsum([len(played.choices) for played in members])[:-1]
        parts = [
            gae(played.rewards_T, values_T, trace=self.options["trace"])
            for played, values_T in zip(members, np.split(values, ends), strict=True)
        ]
        to_go_E = np.concatenate([np.cumsum(played.rewards_T[::-1])[::-1] for played in members])
        advantages_E = np.concatenate(parts)
        if self.options["scale"] and (deviation := advantages_E.std()) > 1e-8:
            advantages_E = (advantages_E - advantages_E.mean()) / deviation
        rows = zip(examples, advantages_E.tolist(), to_go_E.tolist(), strict=True)
        return [Credited(*row) for row in rows]

    def advantages(self, group: Sequence[Played], player: str) -> list[Floats]:
        """Not by group; see `lessons`."""
        raise TypeError("PPO has its advantages from the value head")

    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """The clipped surrogate, and the error of the value head."""
        policy = ppo(scored.logprobs_N, old_N, scored.rows_N, advantages_B, self.options["clip"])
        share = float(self.options["value_share"])
        return policy + share * value(scored.values_B, to_go_B.to(scored.values_B))

    @property
    def _needs_all(self) -> bool:
        return True
