"""`above-average`: imitates the episodes that earned more than the others of their question."""

from collections import defaultdict
from typing import Any, ClassVar

from clarify_env.episode import Episode
from clarify_env.simulate import choices, failed, seen
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.learners import Example, Learner
from clarify_env.trainers.loop import Loop


class AboveAverage(Loop):
    """A run of it; `Loop` has the arguments.

    Option: `margin` (0), by how much an episode has to be better, in units of reward.
    """

    defaults: ClassVar[dict[str, Any]] = {"margin": 0.0}

    def examples(self, batch: Batch) -> list[Example]:
        """The decisions of the better episodes."""
        game, player = batch.env.game, batch.player
        groups: dict[Any, list[Episode]] = defaultdict(list)
        for episode in batch.episodes:
            if not failed(episode):
                groups[episode.setup["task"]].append(episode)
        examples = []
        for members in groups.values():
            bar = sum(episode.reward for episode in members) / len(members) + self.options["margin"]
            for episode in members:
                if episode.reward > bar:
                    examples += [
                        Example(seen(game, choice.state, player), choice.move, choice.trace, 1.0)
                        for choice in choices(game, episode, player)
                    ]
        return examples

    def fit(self, learner: Learner, examples: list[Any], seed: int) -> dict[str, float]:
        """Imitate them."""
        return learner.update(examples, seed)
