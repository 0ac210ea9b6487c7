"""Games in which an assistant must choose between asking, listing and guessing; start with `make`."""

from typing import Any

from clarify_env.agent import Agent, Decision, Failed
from clarify_env.collect import rollout
from clarify_env.costs import SEEN, UNSEEN, CostGrid, CostRange, Costs, CostSampler, FixedCosts
from clarify_env.csp_records import CspCosts, Hedge, Search, Sure, Unsure
from clarify_env.env import GameEnv
from clarify_env.episode import Episode, Step
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, Stop, StopReason, Term, Turn
from clarify_env.moves import (
    Agree,
    Answer,
    Ask,
    Enumerate,
    Move,
    Pass,
    Propose,
    Reply,
    Say,
    Select,
    TextMove,
)
from clarify_env.pingeval import WordCosts
from clarify_env.registry import make, make_vec, register, registry
from clarify_env.storage import read_episodes, write_episodes
from clarify_env.task import Fact, Interpretation, Task
from clarify_env.usermodel import UserModel
from clarify_env.vector import VectorEnv

__version__ = "0.1.0"

register("abgcoqa-v0", "clarify_env.abgcoqa:make_abgcoqa")
register("ambigqa-v0", "clarify_env.ambigqa:make_ambigqa")
register(
    "csp-v0",
    "clarify_env.csp:make_csp",
    costs=CspCosts(),
    seen=CostGrid(of=CspCosts, search=(0.1, 0.3, 0.6)),
    unseen=CostGrid(of=CspCosts, search=(0.2, 0.5)),
)
register("pacific-v0", "clarify_env.pacific:make_pacific")
_WORDS: dict[str, Any] = {
    "costs": WordCosts(),
    "seen": CostGrid((0.0, 0.002, 0.01), of=WordCosts),
    "unseen": CostGrid((0.001, 0.005, 0.02), of=WordCosts),
}
register("pingeval-chess-v0", "clarify_env.pingchess:make_chess", **_WORDS)
register("pingeval-names-v0", "clarify_env.pingnames:make_names", **_WORDS)
register("synthetic-v0", "clarify_env.synthetic:make_synthetic")

__all__ = [
    "SEEN",
    "UNSEEN",
    "Agent",
    "Agree",
    "Answer",
    "Ask",
    "ClarifyError",
    "CostGrid",
    "CostRange",
    "CostSampler",
    "Costs",
    "CspCosts",
    "Decision",
    "Enumerate",
    "Episode",
    "Fact",
    "Failed",
    "FixedCosts",
    "Game",
    "GameEnv",
    "Hedge",
    "Interpretation",
    "Move",
    "Pass",
    "Propose",
    "Reply",
    "Say",
    "Search",
    "Select",
    "Step",
    "Stop",
    "StopReason",
    "Sure",
    "Task",
    "Term",
    "TextMove",
    "Turn",
    "Unsure",
    "UserModel",
    "VectorEnv",
    "WordCosts",
    "make",
    "make_vec",
    "read_episodes",
    "register",
    "registry",
    "rollout",
    "write_episodes",
]
