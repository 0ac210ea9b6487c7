"""Who plays a game where nothing else is said: scripted teams, and the small policy that is trained.

A cast is found by the class of the game; commands, trainers and evaluation take any game that has one.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from clarify_env.agent import Agent
from clarify_env.agents import FIXED, ScriptedUser, make_asker
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import Game
from clarify_env.usermodel import UserModel

Team = Callable[[GameEnv[Any], Mapping[str, float]], Mapping[str, Agent]]


class Policy(Protocol):
    """Builds the small policy of a player, ready to be trained; loads torch."""

    def __call__(self, env: GameEnv[Any], player: str, hidden: int, seed: int) -> Any:
        """The policy with `hidden` units a layer and weights from `seed`."""
        ...


class Cast(NamedTuple):
    """Who plays a game.

    Args:
        trained: the players that are trained where nothing else is said.
        teams: by name scripted players of the whole game, from a floor to the best that is known; each is
            built from the environment and from knobs, which are empty but for the games that have some. Who
            is not trained is played by the last team.
        policy: builds the small policy of a player.
    """

    trained: tuple[str, ...]
    teams: Mapping[str, Team]
    policy: Policy


def _clarification(name: str) -> Team:
    def build(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
        model = UserModel(**knobs)
        return {"asker": make_asker(name, env, model), "user": ScriptedUser(model)}

    return build


def _move_scorer(env: GameEnv[Any], player: str, hidden: int, seed: int) -> Agent:
    from clarify_env.agents.scorer import MoveScorer, Network

    if player != "asker":
        raise ClarifyError(f"MoveScorer plays the asker, not {player!r}; train a language model as the user")
    if (held := getattr(env.game, "knowledge", "")) != "open":
        raise ClarifyError(
            f"MoveScorer plays from the asker's notes, and {env.name} with knowledge={held!r} has none; "
            "give --knowledge open, or train a language model"
        )
    return MoveScorer(Network(hidden, seed), seed=seed)


CLARIFICATION = Cast(
    trained=("asker",),
    teams={name: _clarification(name) for name in (*FIXED, "optimal")},
    policy=_move_scorer,
)
_CASTS: dict[str, Cast | str] = {  # by the game's class: its cast, or where that is defined
    "clarify_env.clarification:ClarificationGame": CLARIFICATION,
    "clarify_env.collaboration:CollaborationGame": "clarify_env.agents.csp:CAST",
    "clarify_env.pingchess:ChessGame": "clarify_env.agents.pingeval:CHESS",
    "clarify_env.pingnames:NameGame": "clarify_env.agents.pingeval:NAMES",
}


def register_cast(game: type[Game[Any]], cast: Cast) -> None:
    """Say who plays the games of this class.

    Raises:
        ClarifyError: it is known already.
    """
    if (key := _key(game)) in _CASTS:
        raise ClarifyError(f"register_cast({game.__name__}): this game has a cast")
    _CASTS[key] = cast


def cast_of(game: Game[Any]) -> Cast:
    """The cast of a game, by its class or the nearest one above it.

    Raises:
        ClarifyError: it has none.
    """
    for above in type(game).__mro__:
        found = _CASTS.get(_key(above))
        if isinstance(found, str):
            module, _, name = found.partition(":")
            found = getattr(import_module(module), name)
        if isinstance(found, Cast):
            return found
    raise ClarifyError(
        f"nobody is known to play {type(game).__name__}: clarify_env.agents.casts.register_cast says who"
    )


def _key(game: type) -> str:
    return f"{game.__module__}:{game.__qualname__}"
