"""ReST: grow (play), improve (imitate what a selection rule keeps), and again (arXiv 2308.08998, 2512.04068).

What is left out of the papers: the language model (any `Learner` will do; `MoveScorer` is the first), their
prompts, and the thresholds that rise within one grow step; here every improve step follows fresh episodes,
and every cost pair of the training grid shares them by re-scoring.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from clarify_env.agent import Agent
from clarify_env.agents.softmax_policy import SoftmaxPolicy
from clarify_env.errors import ClarifyError
from clarify_env.trainers.algorithms.best_continuation import BestContinuation
from clarify_env.trainers.algorithms.selection import Batch, Selection, make_rule
from clarify_env.trainers.config import Config
from clarify_env.trainers.learners import Example, Learner
from clarify_env.trainers.loop import Loop
from clarify_env.trainers.run_directory import RunDirectory


class ReST(Loop):
    """A run of ReST; `Loop` has the other arguments.

    Options: `rule`, a name in `clarify_env.trainers.algorithms.selection.SELECTION_RULES` or "module:Class";
    of the best continuation `off_path` (1), the weight of what the best moves do not lead to, in [0, 1],
    `by_gain` (0.5), the power of what its move gains in an example's weight, and `replies` (8), draws where
    the other players only sample, at least 2; `rescore` (True): every
    episode counts at all training costs. A player who does not open the game, such as a user, has no tree:
    where no rule is named its moves are selected by `averaged`, a language model's by `clustering`.

    Args:
        rule: a selection rule that is made already, or one for each player that is trained; by default the
            one that the options name.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "rule": "best-continuation",
        "off_path": 1.0,
        "by_gain": 0.5,
        "replies": 8,
        "rescore": True,
    }

    def __init__(
        self,
        config: Config,
        learner: Learner,
        others: Mapping[str, Agent],
        rule: Selection | Mapping[str, Selection] | None = None,
        run: RunDirectory | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, learner, others, run, **kwargs)
        if rule is None:
            rule = {player: self._rule(player) for player in self.learners}
        self.rules = dict(rule) if isinstance(rule, Mapping) else dict.fromkeys(self.learners, rule)

    def _rule(self, player: str) -> Selection:
        rule, off_path = make_rule(self.options["rule"]), self.options["off_path"]
        if isinstance(rule, BestContinuation):
            if not 0.0 <= off_path <= 1.0:
                raise ClarifyError(f"off_path={off_path!r}: a share between 0 and 1")
            rule.off_path, rule.by_gain = off_path, self.options["by_gain"]
            rule.replies = int(self.options["replies"])
            if "rule" not in self.config.algorithm.options and player not in self.env.game.opening:
                small = isinstance(self.learners[player].agent, SoftmaxPolicy)
                return make_rule("averaged" if small else "clustering")
            rule.check(self.env.game, player)
        else:
            for name in {"off_path", "by_gain", "replies"} & self.config.algorithm.options.keys():
                value, own = self.options[name], self.options["rule"]
                raise ClarifyError(f"{name}={value!r}: has no effect on the rule {own!r}")
        return rule

    def examples(self, batch: Batch) -> list[Example]:
        """The moves that the rule keeps."""
        return self.rules[batch.player].select(batch)

    def fit(self, learner: Learner, examples: list[Example], seed: int) -> dict[str, float]:
        """Imitate them."""
        steps = float(self.config.algorithm.gradient_steps if examples else 0)
        return {**learner.update(examples, seed), "steps": steps}

    def describe(self, examples: list[Example]) -> dict[str, float]:
        """The share of each kind of move, by weight."""
        total = sum(example.weight for example in examples) or 1.0
        mix: dict[str, float] = {}
        for example in examples:
            mix[example.move.kind] = mix.get(example.move.kind, 0.0) + example.weight / total
        return mix
