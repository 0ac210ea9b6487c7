"""The algorithms by name; one of yours is a subclass of `Loop` and a line of `register_algorithm`."""

from collections.abc import Callable, Mapping
from typing import Any

from clarify_env.agent import Agent
from clarify_env.errors import ClarifyError, choose
from clarify_env.trainers.distillation import Distillation
from clarify_env.trainers.dpo import DPO
from clarify_env.trainers.grpo import GRPO
from clarify_env.trainers.learner import Learner
from clarify_env.trainers.loop import Loop
from clarify_env.trainers.ppo import PPO
from clarify_env.trainers.rest import ReST
from clarify_env.trainers.rloo import RLOO
from clarify_env.trainers.selection import make_rule
from clarify_env.trainers.settings import Settings
from clarify_env.trainers.tree import BestContinuation, rooted

Build = Callable[..., Loop]


def _rest(settings: Settings, learner: Learner, others: Mapping[str, Agent], **kwargs: Any) -> ReST:
    rule = make_rule(settings.rule)
    if isinstance(rule, BestContinuation):
        rule.off_path = settings.off_path
        rule.replies = 24 if any(settings.user.values()) else 1
    if settings.options:
        raise ClarifyError(f"rest: unknown option {sorted(settings.options)[0]!r}; its settings are its own")
    trainer = ReST(settings, learner, others, rule, **kwargs)
    if isinstance(rule, BestContinuation):
        for player in trainer.learners:
            rooted(trainer.env.game, player)
    return trainer


def _with_options(kind: Callable[..., Loop]) -> Build:
    def build(settings: Settings, *args: Any, **kwargs: Any) -> Loop:
        return kind(settings, *args, options=settings.options, **kwargs)

    return build


ALGORITHMS: dict[str, Build] = {
    "rest": _rest,
    **{
        name: _with_options(kind)
        for name, kind in (
            ("dpo", DPO),
            ("distillation", Distillation),
            ("rloo", RLOO),
            ("grpo", GRPO),
            ("ppo", PPO),
        )
    },
}


def register_algorithm(name: str, kind: Callable[..., Loop]) -> None:
    """Make an algorithm known by its name.

    Args:
        name: as in `Settings.algorithm`.
        kind: a subclass of `Loop` that takes `options`.

    Raises:
        ClarifyError: the name is taken.
    """
    if name in ALGORITHMS:
        raise ClarifyError(f"register_algorithm({name!r}): this name is taken")
    ALGORITHMS[name] = _with_options(kind)


def make_trainer(settings: Settings, learner: Learner, others: Mapping[str, Agent], **kwargs: Any) -> Loop:
    """A run of the algorithm that the settings name; `Loop` has the other arguments.

    Raises:
        ClarifyError: no algorithm has this name (the nearest is suggested), or it has no such option.
    """
    return ALGORITHMS[choose("algorithm", settings.algorithm, ALGORITHMS)](
        settings, learner, others, **kwargs
    )
