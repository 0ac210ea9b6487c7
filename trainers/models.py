"""Language models by name."""

from typing import Any

from clarify_env.agent import Agent


def language_agent(name: str, server: str | None = None, **sampling: Any) -> Agent | None:
    """The language model of this name, which plays either player, or None where the name is no model's.

    Args:
        name: "small", "model:" with a folder, GGUF file or hub id, or "server:" with a model's name there.
        server: address of the OpenAI-compatible server, such as http://localhost:8000/v1.
        sampling: temperature and the like; by default nothing is left to chance.
    """
    sampling = {"temperature": 0.0, **sampling}
    kind, _, which = name.partition(":")
    if name == "small" or (kind == "model" and which):
        from clarify_env.agents.transformer import TransformersAgent

        return TransformersAgent(which or name, **sampling)
    if kind == "server" and which:
        from clarify_env.agents.server import OpenAIAgent

        agent = OpenAIAgent(which, server, **sampling)
        agent.check()
        return agent
    return None
