"""Agents by name: the one way in which commands, sweeps and configurations say who plays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.roster import make_agent, roster_of
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose, nearest
from clarify_env.games import load_object

# What a name begins with, and who makes an agent of the rest; trainers add what they know to load.
PREFIXES = {"run": "clarify_env.trainers.experiment:load_player"}
NAMES = "run:DIR, small, model:FOLDER_OR_HUB_ID, server:MODEL, MODULE:CLASS"


def language_model(name: str, server: str | None = None, **sampling: Any) -> Agent | None:
    """The language model of this name, which plays any player, or None where the name is no model's.

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


def load(
    name: str,
    env: GameEnv[Any],
    player: str,
    *,
    knobs: Mapping[str, float] | None = None,
    server: str | None = None,
    **sampling: Any,
) -> Agent:
    """The agent of this name, ready to play.

    Args:
        name: an agent of the game's roster ("optimal", "noisy:0.1"); a team of it ("floor"), of which the
            player's member is taken; "run:DIR", or just the directory, for what a run has trained; "small",
            "model:FOLDER_OR_HUB_ID" or "server:MODEL" for a language model; "module:Class" for one of yours.
        env: the game that it is to play.
        player: whom it plays.
        knobs: of the game's scripted players, such as noise=0.1; by default none.
        server: address of the OpenAI-compatible server, for "server:MODEL".
        sampling: temperature and the like, of a language model; by default nothing is left to chance.

    Raises:
        ClarifyError: nobody has this name (the nearest is suggested).
    """
    role, knobs = env.game.role(player), knobs or {}
    made = make_agent(name, role, env, knobs)
    if made is None and name in (teams := roster_of(env.game).teams):
        made = teams[name](env, knobs).get(player)
    made = made or language_model(name, server, **sampling)
    if made is not None:
        return made
    kind, _, rest = name.partition(":")
    if kind in PREFIXES and rest:
        loaded: Agent = load_object(PREFIXES[kind])(rest, env, player)
        return loaded
    if (Path(name) / "config.json").is_file():
        return load(f"run:{name}", env, player)
    if Path(name).is_dir():
        raise ClarifyError(f"{name}: no run directory; it has no config.json")
    if rest and kind.replace(".", "").isidentifier() and rest.isidentifier():
        return _own(name)
    known = names(env, player)
    raise ClarifyError(f"unknown agent or run directory {name!r}{nearest(name, known)}; also {NAMES}")


def names(env: GameEnv[Any], player: str) -> list[str]:
    """The names that the game itself has for agents of this player."""
    roster = roster_of(env.game)
    own = roster.agents.get(env.game.role(player).rpartition("/")[2], {})
    return [*own, *(team for team in roster.teams if team not in own)]


def load_team(
    name: str, env: GameEnv[Any], *, server: str | None = None, **sampling: Any
) -> Mapping[str, Agent]:
    """Those of this name who play the trained roles of a game together: a team, a run, or one model for all.

    Raises:
        ClarifyError: nobody has this name.
    """
    roster = roster_of(env.game)
    if name in roster.teams:
        return roster.teams[name](env, {})
    if (model := language_model(name, server, **sampling)) is not None:
        return dict.fromkeys(roster.trained, model)
    path = name.removeprefix("run:")
    if (Path(path) / "config.json").is_file():
        return {player: load(f"run:{path}", env, player) for player in roster.trained}
    choose(f"team of {env.name}", name, [*roster.teams, "small"])
    raise ClarifyError(f"{name}: nobody has this name")


def _own(name: str) -> Agent:
    try:
        made = load_object(name)()
    except TypeError as error:
        raise ClarifyError(f"agent {name!r}: no class that can be made without arguments: {error}") from None
    if not isinstance(made, Agent):
        raise ClarifyError(f"agent {name!r}: is no clarify_env.Agent")
    return made
