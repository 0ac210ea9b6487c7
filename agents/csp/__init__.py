"""Who plays collaborative self-play: scripted teams up to the optimum, and a small policy."""

from collections.abc import Mapping
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.csp.recall_scripted import (
    always_search,
    recall_floor,
    recall_game,
    recall_optimal,
    recall_protocol,
)
from clarify_env.agents.csp.scripted import csp_game, floor, optimal, protocol
from clarify_env.agents.roster import Roster
from clarify_env.env import GameEnv


def _policy(env: GameEnv[Any], knobs: Mapping[str, float], player: str, hidden: int, seed: int) -> Agent:
    from clarify_env.agents.csp.policy import CspPolicy

    return CspPolicy(csp_game(env), hidden, seed=seed)


def _recall_policy(
    env: GameEnv[Any], knobs: Mapping[str, float], player: str, hidden: int, seed: int
) -> Agent:
    from clarify_env.agents.csp.recall_policy import RecallPolicy

    return RecallPolicy(recall_game(env), hidden, seed=seed)


ROSTER = Roster(
    trained=("asker", "helper1", "helper2"),
    teams={"floor": floor, "protocol": protocol, "optimal": optimal},
    policy=_policy,
    prompts={
        "asker": "clarify_env.agents.csp.prompts:ChooserPrompt",
        "helper": "clarify_env.agents.csp.prompts:HelperPrompt",
    },
    recipe={
        "iterations": 8,
        "tasks": 48,
        "group_size": 16,
        "start_share": 0.0,
        "gradient_steps": 80,
        "batch_size": 128,
        "hidden": 32,
    },
    recipes={"rest": {"options": {"rule": "averaged"}}},  # the players decide after others have moved
)


RECALL_ROSTER = Roster(
    trained=("asker", "helper1", "helper2"),
    teams={
        "floor": recall_floor,
        "always-search": always_search,
        "protocol": recall_protocol,
        "optimal": recall_optimal,
    },
    policy=_recall_policy,
    prompts={
        "asker": "clarify_env.agents.csp.prompts:ChooserPrompt",
        "helper": "clarify_env.agents.csp.prompts:RecallHelperPrompt",
    },
    recipe=ROSTER.recipe,
    recipes={
        **ROSTER.recipes,
        "ppo": {
            "options": {"clip_range": 0.3, "kl": 0.03},
            "iterations": 80,
            "tasks": 256,
            "group_size": 8,
            "batch_size": 256,
            "learning_rate": 6e-3,
            "decay": 1.0,
        },
    },
    algorithm="ppo",
)
