"""Agents that come with clarify_env; those that need more packages are loaded when first asked for."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from clarify_env.agent import Agent
from clarify_env.agents.clarification.scripted import (
    AlwaysAnswer,
    AlwaysAsk,
    AlwaysEnumerate,
    OptimalAsker,
    Random,
)
from clarify_env.agents.clarification.user import ScriptedUser
from clarify_env.agents.human import Human
from clarify_env.agents.script import Script
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.clarification.scripted_user import UserModel

if TYPE_CHECKING:
    from clarify_env.agents.clarification.embedding_matcher import EmbeddingMatcher
    from clarify_env.agents.clarification.move_scorer import MoveScorer
    from clarify_env.agents.llm.openai_agent import OpenAIAgent
    from clarify_env.agents.llm.transformers_agent import TransformersAgent
    from clarify_env.agents.llm.vllm_agent import VLLMAgent


_LATER = {  # name: its module, the package that it needs, the extra that installs that
    "EmbeddingMatcher": ("clarification.embedding_matcher", "transformers", "embed"),
    "MoveScorer": ("clarification.move_scorer", "torch", "train"),
    "OpenAIAgent": ("llm.openai_agent", "openai", "server"),
    "TransformersAgent": ("llm.transformers_agent", "transformers", "llm"),
    "VLLMAgent": ("llm.vllm_agent", "vllm", "vllm"),
}


FIXED: dict[str, Callable[..., Agent]] = {
    "always-answer": AlwaysAnswer,
    "always-enumerate": AlwaysEnumerate,
    "always-ask": AlwaysAsk,
}


ASKERS: dict[str, Callable[..., Agent]] = {**FIXED, "random": Random, "optimal": OptimalAsker, "human": Human}


def make_asker(name: str, env: GameEnv[Any] | None = None, user: UserModel | None = None) -> Agent:
    """The asker of this name.

    Args:
        name: one of `ASKERS`.
        env: the game that it is to play: how many messages it allows, and how it grades; by default as
            `synthetic-v0` does.
        user: the scripted user that the optimal asker counts on; by default a perfect one.

    Raises:
        ClarifyError: no asker has this name.
    """
    make = ASKERS[choose("agent", name, ASKERS)]
    options: dict[str, Any] = {"user": user} if name == "optimal" else {}
    if env is not None and name == "always-ask":
        options["most"] = min(3, env.game.max_turns - 1)
    if env is not None and name == "optimal":
        options |= {"max_turns": env.game.max_turns, "grade": env.game.grade}
    return make(**options)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, needed, extra = _LATER[name]
    try:
        return getattr(import_module(f"clarify_env.agents.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in (needed, "torch", "transformers"):
            raise
        missing = (error.name or "").split(".")[0]
        raise ClarifyError(f"{name} needs {missing}: pip install 'clarify_env[{extra}]'") from None


__all__ = [
    "ASKERS",
    "FIXED",
    "AlwaysAnswer",
    "AlwaysAsk",
    "AlwaysEnumerate",
    "EmbeddingMatcher",
    "Human",
    "MoveScorer",
    "OpenAIAgent",
    "OptimalAsker",
    "Random",
    "Script",
    "ScriptedUser",
    "TransformersAgent",
    "VLLMAgent",
    "make_asker",
]
