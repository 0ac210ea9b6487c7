"""ReST: grow (play), improve (imitate what a selection rule keeps), and again (arXiv 2308.08998, 2512.04068).

What is left out of the papers: the language model (any `Learner` will do; `MoveScorer` is the first), their
prompts, and the thresholds that rise within one grow step; here every improve step follows fresh episodes,
and every cost pair of the training grid shares them by re-scoring.
"""

from collections.abc import Mapping
from typing import Any

from clarify_env.agent import Agent
from clarify_env.errors import ClarifyError
from clarify_env.trainers.algorithms.best_continuation import BestContinuation, rooted
from clarify_env.trainers.algorithms.selection import Batch, Selection, make_rule
from clarify_env.trainers.learners import Example, Learner
from clarify_env.trainers.loop import Loop
from clarify_env.trainers.run_directory import RunDirectory
from clarify_env.trainers.settings import Settings


class ReST(Loop):
    """A run of ReST; `Loop` has the other arguments.

    Args:
        rule: the selection rule, or one for each player that is trained; by default that of the settings.

    Raises:
        ClarifyError: the settings have options; ReST's settings are all its own.
    """

    def __init__(
        self,
        settings: Settings,
        learner: Learner,
        others: Mapping[str, Agent],
        rule: Selection | Mapping[str, Selection] | None = None,
        run: RunDirectory | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if options:
            raise ClarifyError(f"rest: unknown option {min(options)!r}; its settings are its own")
        super().__init__(settings, learner, others, run, **kwargs)
        if rule is None:
            rule = make_rule(settings.rule)
            if isinstance(rule, BestContinuation):
                rule.off_path = settings.off_path
                rule.replies = 24 if any(settings.user.values()) else 1
                for player in self.learners:
                    rooted(self.env.game, player)
        self.rules = dict(rule) if isinstance(rule, Mapping) else dict.fromkeys(self.learners, rule)

    def examples(self, batch: Batch) -> list[Example]:
        """The moves that the rule keeps."""
        return self.rules[batch.player].select(batch)

    def fit(self, learner: Learner, examples: list[Example], seed: int) -> dict[str, float]:
        """Imitate them."""
        return {**learner.update(examples, seed), "steps": float(self.settings.updates if examples else 0)}

    def describe(self, examples: list[Example]) -> dict[str, float]:
        """The share of each kind of move, by weight."""
        total = sum(example.weight for example in examples) or 1.0
        mix: dict[str, float] = {}
        for example in examples:
            mix[example.move.kind] = mix.get(example.move.kind, 0.0) + example.weight / total
        return mix
