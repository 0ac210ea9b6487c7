"""Agents by name: language models, and any asker that a command is told."""

from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents import ASKERS, make_asker
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.usermodel import UserModel


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


def check_name(name: str) -> None:
    """Raise a ClarifyError where `name` is no asker's: a folder that holds no run, or misspelt."""
    if Path(name).is_dir():
        raise ClarifyError(f"{name}: no run directory; it has no config.json")
    kind, _, which = name.partition(":")
    if kind not in ("model", "server") or not which:
        choose("agent or run directory", name, [*(known for known in ASKERS if known != "human"), "small"])


def named_asker(
    name: str, env: GameEnv[Any], user: UserModel | None = None, server: str | None = None, **sampling: Any
) -> Agent:
    """The asker of this name for a game; see `language_agent` and `make_asker`.

    Raises:
        ClarifyError: no asker has this name.
    """
    check_name(name)
    return language_agent(name, server, **sampling) or make_asker(name, env, user)
