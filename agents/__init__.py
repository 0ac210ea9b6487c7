"""Agents that come with clarify_env; those that need torch load it when they are first asked for."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from clarify_env.agent import Agent
from clarify_env.agents.fixed import AlwaysAnswer, AlwaysAsk, AlwaysEnumerate, Random
from clarify_env.agents.human import Human
from clarify_env.agents.optimal import OptimalAsker
from clarify_env.agents.script import Script
from clarify_env.agents.users import ScriptedUser
from clarify_env.errors import ClarifyError, choose

if TYPE_CHECKING:
    from clarify_env.agents.scorer import MoveScorer

FIXED: dict[str, Callable[..., Agent]] = {
    "always-answer": AlwaysAnswer,
    "always-enumerate": AlwaysEnumerate,
    "always-ask": AlwaysAsk,
}
ASKERS: dict[str, Callable[..., Agent]] = {**FIXED, "random": Random, "optimal": OptimalAsker, "human": Human}


def make_asker(name: str, **options: Any) -> Agent:
    """The asker of this name.

    Args:
        name: one of `ASKERS`.
        options: its own arguments.

    Raises:
        ClarifyError: no asker has this name.
    """
    return ASKERS[choose("agent", name, ASKERS)](**options)


def __getattr__(name: str) -> Any:
    if name == "MoveScorer":
        try:
            return import_module("clarify_env.agents.scorer").MoveScorer
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ClarifyError("MoveScorer needs torch: pip install 'clarify_env[train]'") from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ASKERS",
    "FIXED",
    "AlwaysAnswer",
    "AlwaysAsk",
    "AlwaysEnumerate",
    "Human",
    "MoveScorer",
    "OptimalAsker",
    "Random",
    "Script",
    "ScriptedUser",
    "make_asker",
]
