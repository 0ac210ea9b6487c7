"""Language models as askers, by name."""

from clarify_env.agent import Agent


def language_asker(name: str, server: str | None = None, temperature: float = 0.0) -> Agent | None:
    """The language model of this name, or None where the name is no model's.

    Args:
        name: "small", "model:" with a folder, GGUF file or hub id, or "server:" with a model's name there.
        server: address of the OpenAI-compatible server, such as http://localhost:8000/v1.
        temperature: of its messages; 0 leaves nothing to chance.
    """
    kind, _, which = name.partition(":")
    if name == "small" or (kind == "model" and which):
        from clarify_env.agents.transformer import TransformersAgent

        return TransformersAgent(which or name, temperature=temperature)
    if kind == "server" and which:
        from clarify_env.agents.server import OpenAIAgent

        agent = OpenAIAgent(which, server, temperature=temperature)
        agent.check()
        return agent
    return None
