"""Games in which an assistant must choose between asking, listing and guessing; start with `make`."""

from clarify_env.agent import Agent, Decision, Failed, NoMove
from clarify_env.costs import CostGrid, CostRange, CostSampler, FixedCosts
from clarify_env.env import GameEnv
from clarify_env.episode import Episode, Step
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, Stop, StopReason, Term, Turn
from clarify_env.moves import Move, Pass, TextMove
from clarify_env.reference import Reference, reference
from clarify_env.registry import GameSpec, make, make_vec, register, registry
from clarify_env.rollout import rollout
from clarify_env.storage import read_episodes, write_episodes
from clarify_env.vector import VectorEnv

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "ClarifyError",
    "CostGrid",
    "CostRange",
    "CostSampler",
    "Decision",
    "Episode",
    "Failed",
    "FixedCosts",
    "Game",
    "GameEnv",
    "GameSpec",
    "Move",
    "NoMove",
    "Pass",
    "Reference",
    "Step",
    "Stop",
    "StopReason",
    "Term",
    "TextMove",
    "Turn",
    "VectorEnv",
    "make",
    "make_vec",
    "read_episodes",
    "reference",
    "register",
    "registry",
    "rollout",
    "write_episodes",
]
