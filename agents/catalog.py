"""Who plays a game where nothing else is said: scripted teams, and the small policy that is trained.

A cast is found by the class of the game; commands, trainers and evaluation take any game that has one.

Agents by name: language models, and any asker that a command is told.

Users by name, for the commands that take several kinds of them.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from clarify_env.agent import Agent
from clarify_env.agents import ASKERS, FIXED, ScriptedUser, make_asker
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose, nearest
from clarify_env.game import Game
from clarify_env.games.clarification.scripted_user import UserModel

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
    from clarify_env.agents.clarification.move_scorer import MoveScorer, Network

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
    "clarify_env.games.clarification.game:ClarificationGame": CLARIFICATION,
    "clarify_env.games.csp.game:CollaborationGame": "clarify_env.agents.csp.scripted:CAST",
    "clarify_env.games.pingeval.chess:ChessGame": "clarify_env.agents.pingeval:CHESS",
    "clarify_env.games.pingeval.names:NameGame": "clarify_env.agents.pingeval:NAMES",
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
        f"nobody is known to play {type(game).__name__}: clarify_env.agents.catalog.register_cast says who"
    )


def _key(game: type) -> str:
    return f"{game.__module__}:{game.__qualname__}"


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
        from clarify_env.agents.llm.transformers_agent import TransformersAgent

        return TransformersAgent(which or name, **sampling)
    if kind == "server" and which:
        from clarify_env.agents.llm.openai_agent import OpenAIAgent

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


KNOBS = {"noisy": "noise", "vague": "vagueness", "refusing": "refusal"}


USERS = "scripted, embed, noisy:P, vague:P, refusing:P, small, model:FOLDER_OR_HUB_ID or server:MODEL"


class User(NamedTuple):
    """A user to play with.

    Args:
        agent: who plays it.
        model: the scripted user whose optimum its games are compared with.
    """

    agent: Agent
    model: UserModel


def make_user(name: str, model: UserModel | None = None, server: str | None = None, **sampling: Any) -> User:
    """The user of this name.

    Args:
        name: "scripted"; "embed", which is scripted but matches labels by a sentence embedder; "noisy:P",
            "vague:P", "refusing:P", a scripted user with this probability of such a reply; or a language
            model: "small", "model:" with a folder, GGUF file or hub id, "server:" with a model's name there.
        model: of the two first; by default perfectly reliable.
        server: address of the OpenAI-compatible server, such as http://localhost:8000/v1.
        sampling: temperature and the like, of a language model; by default without chance.

    Raises:
        ClarifyError: no user has this name, or a probability is out of range.
    """
    kind, _, rest = name.partition(":")
    if name == "scripted":
        return User(ScriptedUser(model), model or UserModel())
    if name == "embed":
        from clarify_env.agents import EmbeddingMatcher

        return User(ScriptedUser(model, matcher=EmbeddingMatcher()), model or UserModel())
    if kind in KNOBS:
        try:
            chance = float(rest)
        except ValueError:
            raise ClarifyError(f"user {name!r}: {kind}: takes a probability, such as {kind}:0.1") from None
        reliable = UserModel(**{KNOBS[kind]: chance})
        return User(ScriptedUser(reliable), reliable)
    agent = language_agent(name, server, **sampling)
    if agent is None:
        near = nearest(name, ["scripted", "embed", "small"])
        raise ClarifyError(f"unknown user {name!r}{near}; takes {USERS}")
    return User(agent, UserModel())
