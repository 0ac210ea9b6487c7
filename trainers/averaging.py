"""Selection by averages over what a player cannot tell apart, for groups whose members move together.

A dialogue tree values a move by playing it on from every state that the player may be in; with several
players who each know something else, and moves at the same time, there are too many. Here the episodes
themselves are the sample: decisions at points that look alike to the *policy* (equal features, equal costs)
are pooled over all questions and all that the others know and do, and a move is worth the mean reward of the
episodes in which it was made there. That is the baseline per role and point: what is kept is by how much
a move beats the others at its point, not whether its episode was lucky.

Every decision is imitated with weight exp(advantage / temperature), so that one improve step multiplies the
odds of two moves by the exponential of what one is better by (arXiv 1910.00177 weighs so; the pooling and its
use within ReST are ours). All roles can be trained on the same episodes.
"""

from collections import defaultdict
from collections.abc import Hashable

import numpy as np

from clarify_env.agents.policy import SoftmaxPolicy
from clarify_env.errors import ClarifyError
from clarify_env.trainers.learner import Example
from clarify_env.trainers.replay import choices, failed, seen
from clarify_env.trainers.selection import Batch


class Averaged:
    """The rule; see the module's docstring.

    Args:
        temperature: in units of reward, > 0; smaller is greedier.
        prior: episodes without an advantage that a move's average starts with, >= 0: rare moves are trusted
            less.
    """

    def __init__(self, temperature: float = 0.05, prior: float = 4.0) -> None:
        if temperature <= 0.0 or prior < 0.0:
            raise ClarifyError(f"Averaged(temperature={temperature}, prior={prior}): above 0, and at least 0")
        self.temperature = temperature
        self.prior = prior

    def select(self, batch: Batch) -> list[Example]:
        """Every decision, weighted by how much its move is worth more than its point; own costs only.

        Raises:
            ClarifyError: the policy that is trained is no `SoftmaxPolicy`.
        """
        policy, game = batch.policy, batch.env.game
        if not isinstance(policy, SoftmaxPolicy):
            raise ClarifyError(
                f"averaged: pools what looks alike to a small policy, and {type(policy).__name__} is none; "
                "select for it by threshold, top-k or clustering"
            )
        pools: dict[Hashable, list[tuple[Example, int, float]]] = defaultdict(list)
        for episode in batch.episodes:
            if failed(episode):
                continue
            reward = episode.reward
            for choice in choices(game, episode, batch.player):
                observation = seen(game, choice.state, batch.player)
                moves, features_M_F, _ = policy.point(policy.key(observation))
                alike = features_M_F.numpy().tobytes(), tuple(observation["costs"].tolist())
                made = moves.index(choice.move) if choice.move in moves else -1
                pools[alike].append((Example(observation, choice.move, choice.trace, 1.0), made, reward))
        examples = []
        for pool in pools.values():
            mean = sum(reward for _, _, reward in pool) / len(pool)
            earned, times = defaultdict[int, float](float), defaultdict[int, float](float)
            for _, made, reward in pool:
                earned[made] += reward - mean
                times[made] += 1.0
            for example, made, _ in pool:
                advantage = earned[made] / (times[made] + self.prior)
                examples.append(example._replace(weight=float(np.exp(advantage / self.temperature))))
        return examples
