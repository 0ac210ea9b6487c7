"""What each kind of agent, algorithm and game is best trained with, as far as measured."""

from collections.abc import Mapping
from typing import Any

from clarify_env.agents.roster import roster_of
from clarify_env.errors import ClarifyError
from clarify_env.registry import registry
from clarify_env.trainers.config import Config

BEST = "best-continuation"  # the usual rule
SMALL_POLICY = "move-scorer"  # the agent that is a game's small policy
# What each kind of agent is best trained with; see docs/algorithms/rest.md.
AGENTS: dict[str, dict[str, Any]] = {
    SMALL_POLICY: {"eval_tasks": 500},
    "small": {
        "group_size": 24,
        "gradient_steps": 140,
        "batch_size": 160,
        "learning_rate": 1.5e-3,
        "eval_tasks": 100,
        "eval_train_tasks": 0,
        # many values, so that numbers are read as numbers; none of the unseen ones
        "costs": {
            "turn": (0.006, 0.008, 0.012, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.3, 0.5, 0.6),
            "word": (6e-4, 8e-4, 1.2e-3, 1.5e-3, 2e-3, 3e-3, 4e-3, 8e-3, 1e-2, 0.015, 0.03, 0.04, 0.08, 0.1),
        },
    },
    "other": {
        "iterations": 3,
        "tasks": 32,
        "group_size": 12,
        "gradient_steps": 40,
        "batch_size": 16,
        "learning_rate": 2e-4,
        "lora": 16,
        "parallel": 64,
        "rows": 64,
        "microbatch_tokens": 4096,
        "eval_tasks": 100,
    },
}
# What an algorithm changes of that: those that follow the gradient learn from their own episodes, which are
# played at the same costs for one question, in many small steps.
_ON_POLICY = {"start_share": 0.0, "shared_costs": True, "group_size": 16, "eval_every": 6}
ALGORITHM_RECIPES: dict[str, dict[str, Any]] = {
    "rloo": {**_ON_POLICY, "iterations": 60, "batch_size": 256, "learning_rate": 3e-3},
    "grpo": {**_ON_POLICY, "iterations": 60, "batch_size": 64, "learning_rate": 1e-3},
    "ppo": {**_ON_POLICY, "iterations": 60, "batch_size": 64, "learning_rate": 1e-3},
    **{name: {"iterations": 4} for name in ("dpo", "distillation")},
}
# The same for a language model: smaller steps than a small policy's. Of these only PPO's was measured.
_TOKENS = {**_ON_POLICY, "iterations": 28, "batch_size": 128, "learning_rate": 3e-4}
TOKEN_ALGORITHMS: dict[str, dict[str, Any]] = {
    "rest": {"options": {"off_path": 0.1}},
    **dict.fromkeys(("rloo", "grpo", "ppo"), _TOKENS),
    **{name: {"iterations": 4, "learning_rate": 5e-4} for name in ("dpo", "distillation")},
}
# Settings that say nothing to the one kind of agent, or to the other.
ONLY_SMALL = ("hidden",)
ONLY_TOKENS = ("max_completion_length", "lora", "bf16", "rows", "microbatch_tokens")


def recipe(agent: str = SMALL_POLICY, algorithm: str = "rest", **given: Any) -> Config:
    """The configuration for this agent, algorithm and game: their own recipe, but for what is given.

    Args:
        agent: what is trained, as `PolicyConfig.agent`.
        algorithm: by which, its registered name.
        given: settings by their own names, such as env="csp-v0", seed=1 or learning_rate=1e-3; `options` are
            added to those of the recipe.

    Raises:
        ClarifyError: a setting that does not exist, is out of range, or has no effect on this agent.
    """
    without_effect(agent, given)
    spec = registry[given.get("env", Config.env)]
    game = roster_of(spec.family).recipe if agent == SMALL_POLICY and spec.family else {}
    known = ALGORITHM_RECIPES if agent == SMALL_POLICY else TOKEN_ALGORITHMS
    own = {**AGENTS.get(agent, AGENTS["other"]), **game, **known.get(algorithm, {})}
    own["costs"] = {name: levels for name, levels in own.get("costs", {}).items() if name in spec.seen.levels}
    options = dict(own.get("options", {})) if algorithm == "rest" else {}
    if given.get("options", {}).get("rule", BEST) != BEST:
        options.pop("off_path", None)  # of the best continuation alone
    options |= given.get("options", {})
    return Config().changed(**{**own, **given, "agent": agent, "algorithm": algorithm, "options": options})


def without_effect(agent: str, given: Mapping[str, Any]) -> None:
    """Raises ClarifyError where a setting that is given says nothing to this agent."""
    for name in ONLY_TOKENS if agent == SMALL_POLICY else ONLY_SMALL:
        if name in given:
            other = "a language model" if agent == SMALL_POLICY else f"a small policy ({SMALL_POLICY})"
            raise ClarifyError(
                f"{name}={given[name]!r}: has no effect on {agent}, only on {other}; leave it out"
            )
