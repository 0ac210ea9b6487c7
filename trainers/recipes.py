"""What each kind of agent, algorithm and game is best trained with, as far as measured."""

from typing import Any

from clarify_env.agents.roster import roster_of
from clarify_env.registry import registry
from clarify_env.trainers.settings import Settings

# What each kind of agent is best trained with, as far as measured; see docs/algorithms/rest.md.
RECIPES: dict[str, dict[str, Any]] = {
    "move-scorer": {},
    "small": {
        "iterations": 4,
        "tasks": 64,
        "samples": 24,
        "updates": 140,
        "batch": 160,
        "rate": 1.5e-3,
        "off_path": 0.1,
        "check_tasks": 0,
        # many values, so that numbers are read as numbers; none of the unseen ones
        "costs": {
            "turn": (0.006, 0.008, 0.012, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.3, 0.5, 0.6),
            "word": (
                6e-4,
                8e-4,
                1.2e-3,
                1.5e-3,
                2e-3,
                3e-3,
                4e-3,
                8e-3,
                1e-2,
                0.015,
                0.03,
                0.04,
                0.08,
                0.1,
            ),
        },
    },
    "other": {
        "iterations": 3,
        "tasks": 32,
        "samples": 12,
        "updates": 40,
        "batch": 16,
        "rate": 2e-4,
        "lora": 16,
        "parallel": 64,
        "rows": 64,
        "part": 4096,
        "off_path": 0.1,
    },
}


# What an algorithm changes of that: those that follow the gradient learn from their own episodes, which are
# played at the same costs for one question, in many small steps.
_ON_POLICY = {"start_share": 0.0, "shared_costs": True, "samples": 16, "check_every": 6}


ALGORITHM_RECIPES: dict[str, dict[str, Any]] = {
    "rloo": {**_ON_POLICY, "iterations": 60, "batch": 256, "rate": 3e-3},
    "grpo": {**_ON_POLICY, "iterations": 60, "batch": 64, "rate": 1e-3},
    "ppo": {**_ON_POLICY, "iterations": 60, "batch": 64, "rate": 1e-3},
    "distillation": {"iterations": 4},
    "dpo": {"iterations": 4},
}


# Of a language model: smaller steps than a small policy's. Of these only PPO's was measured.
_TOKENS = {**_ON_POLICY, "iterations": 28, "batch": 128, "rate": 3e-4}


LANGUAGE_RECIPES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("rloo", "grpo", "ppo"), _TOKENS),
    **{name: {"iterations": 4, "rate": 5e-4} for name in ("dpo", "distillation")},
}


def recipe(agent: str, algorithm: str = "rest", **given: Any) -> Settings:
    """Settings for this agent, algorithm and game: their own recipe, but for what is given."""
    family = registry[given.get("env", "synthetic-v0")].family
    game = roster_of(family).recipe if agent == "move-scorer" and family else {}
    known = ALGORITHM_RECIPES if agent == "move-scorer" else LANGUAGE_RECIPES
    own = {**RECIPES.get(agent, RECIPES["other"]), **game, **known.get(algorithm, {})}
    return Settings(**{"agent": agent, "algorithm": algorithm, **own, **given})
