"""Agents that come with clarify_env; each is loaded when it is first asked for.

`load(name, env, player)` makes one by its name.
"""

from typing import TYPE_CHECKING, Any

from clarify_env.games import load_object

if TYPE_CHECKING:
    from clarify_env.agents.catalog import load
    from clarify_env.agents.clarification import FIXED
    from clarify_env.agents.clarification.embedding_matcher import EmbeddingMatcher
    from clarify_env.agents.clarification.human import Human
    from clarify_env.agents.clarification.move_scorer import MoveScorer
    from clarify_env.agents.clarification.scripted import (
        AlwaysAnswer,
        AlwaysAsk,
        AlwaysEnumerate,
        OptimalAsker,
        Random,
        ScriptedUser,
    )
    from clarify_env.agents.llm.openai_agent import OpenAIAgent
    from clarify_env.agents.llm.transformers_agent import TransformersAgent
    from clarify_env.agents.llm.vllm_agent import VLLMAgent
    from clarify_env.agents.script import Script

_WHERE = {
    "FIXED": "clarification",
    "AlwaysAnswer": "clarification.scripted",
    "AlwaysAsk": "clarification.scripted",
    "AlwaysEnumerate": "clarification.scripted",
    "EmbeddingMatcher": "clarification.embedding_matcher",
    "Human": "clarification.human",
    "MoveScorer": "clarification.move_scorer",
    "OpenAIAgent": "llm.openai_agent",
    "OptimalAsker": "clarification.scripted",
    "Random": "clarification.scripted",
    "Script": "script",
    "ScriptedUser": "clarification.scripted",
    "TransformersAgent": "llm.transformers_agent",
    "VLLMAgent": "llm.vllm_agent",
    "load": "catalog",
}
_EXTRAS = {  # of clarify_env, which install what they need
    "EmbeddingMatcher": "embed",
    "MoveScorer": "train",
    "OpenAIAgent": "server",
    "TransformersAgent": "llm",
    "VLLMAgent": "vllm",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load_object(f"clarify_env.agents.{_WHERE[name]}:{name}", _EXTRAS.get(name, ""))


__all__ = [
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
    "load",
]
