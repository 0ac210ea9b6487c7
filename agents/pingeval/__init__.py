"""Who plays the `pingeval` games: scripted teams from a floor to the best known, and small policies."""

from collections.abc import Callable, Mapping
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.pingeval import chess as positions
from clarify_env.agents.pingeval import names as records
from clarify_env.agents.roster import Roster, Team
from clarify_env.env import GameEnv
from clarify_env.games.pingeval.game import PLAYERS


def _both(make: Callable[[], Agent]) -> Team:
    def build(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
        return dict.fromkeys(PLAYERS, make())

    return build


def _speaker(env: GameEnv[Any], knobs: Mapping[str, float], player: str, hidden: int, seed: int) -> Agent:
    from clarify_env.agents.pingeval.policies import RecordSpeaker

    return RecordSpeaker(hidden, seed)


def _counter(env: GameEnv[Any], knobs: Mapping[str, float], player: str, hidden: int, seed: int) -> Agent:
    from clarify_env.agents.pingeval.policies import PositionSpeaker

    return PositionSpeaker(hidden, seed)


# In the place of both partners the best few episodes would be lucky guesses.
_RECIPE = {
    "costs": {"word": (0.0, 0.002)},
    "iterations": 3,
    "tasks": 40,
    "group_size": 24,
    "gradient_steps": 200,
    "shared": True,
}
_RECIPES = {"rest": {"options": {"rule": "threshold"}}}
NAMES_ROSTER = Roster(
    trained=PLAYERS,
    teams={
        "guess": _both(records.NameGuesser),
        "list": _both(records.Lister),
        "code": _both(records.Coder),
        "bisect": _both(records.Bisector),  # last: it is understood by those who do not know the code
    },
    policy=_speaker,
    prompts={"partner": "clarify_env.agents.pingeval.prompts:PartnerPrompt"},
    recipe=_RECIPE,
    recipes=_RECIPES,
)


CHESS_ROSTER = Roster(
    trained=PLAYERS,
    teams={
        "guess": _both(positions.SideGuesser),
        "pieces": _both(positions.Counter),
        "counts": _both(lambda: positions.Counter(tuple(positions.EARLIER))),
    },
    policy=_counter,
    prompts={"partner": "clarify_env.agents.pingeval.prompts:PartnerPrompt"},
    recipe=_RECIPE,
    recipes=_RECIPES,
)
