"""Agents by name: the one way in which commands, sweeps and configurations say who plays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.llm.examples import WithExamples, worked
from clarify_env.agents.llm.prompt import Prompt
from clarify_env.agents.roster import checked_knobs, make_agent, roster_of
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, nearest
from clarify_env.games import load_object
from clarify_env.registry import for_training

# What a name begins with, and who makes an agent of the rest; trainers add what they know to load.
PREFIXES = {"run": "clarify_env.trainers.evaluation.evaluate:load_players"}
NAMES = "run:DIR, small, model:FOLDER_OR_HUB_ID, server:MODEL, MODULE:CLASS"


def is_language_model(name: str) -> bool:
    """Whether this is the name of a language model, which may have settings of its sampling."""
    kind, _, which = name.partition(":")
    return name == "small" or (kind in ("model", "server") and bool(which))


def _language_model(name: str, server: str | None, prompt: Prompt | None, sampling: dict[str, Any]) -> Agent:
    """The language model of this name, which plays any player."""
    sampling = {"temperature": 0.0, **sampling}
    kind, _, which = name.partition(":")
    if kind != "server" and "constrain" in sampling:
        raise ClarifyError(f"constrain={sampling['constrain']!r}: is told to a server, and {name} is none")
    if kind != "server":
        from clarify_env.agents.llm.transformers_agent import TransformersAgent

        return TransformersAgent(which or name, prompt, **sampling)
    from clarify_env.agents.llm.openai_agent import OpenAIAgent

    for where in ("device", "dtype", "max_thinking_tokens"):
        if where in sampling:
            raise ClarifyError(f"{where}={sampling[where]!r}: {name} runs as its server does; leave it out")
    if options := sampling.pop("chat_template_kwargs", None):
        sampling["extra"] = {"chat_template_kwargs": options}
    agent = OpenAIAgent(which, server, prompt=prompt, **sampling)
    agent.check()
    return agent


def load(name: str, env: GameEnv[Any], player: str, **how: Any) -> Agent:
    """The agent of this name for one player; see `load_team`, which takes the same arguments."""
    return load_team(name, env, (player,), **how)[player]


def load_team(
    name: str,
    env: GameEnv[Any],
    players: Sequence[str] = (),
    *,
    knobs: Mapping[str, float] | None = None,
    server: str | None = None,
    examples: int = 0,
    **sampling: Any,
) -> dict[str, Agent]:
    """Those of this name, ready to play.

    Args:
        name: an agent of the game's roster ("optimal", "noisy:0.1"); a team of it ("floor"), of which the
            players' members are taken; "run:DIR", or just the directory, for what a run has trained; "small",
            "model:FOLDER_OR_HUB_ID" or "server:MODEL" for one language model that plays them all;
            "module:Class" for one agent of yours.
        env: the game that they are to play.
        players: whom they play; by default those that are trained.
        knobs: of the game's scripted players, such as noise=0.1; by default none.
        server: address of the OpenAI-compatible server, for "server:MODEL".
        examples: worked dialogues of scripted players in a language model's prompt, for each role; they are
            about questions and costs of the training (see `clarify_env.registry.for_training`).
        sampling: temperature, max_tokens and the like of a language model, and its device and dtype; by
            default nothing is left to chance.

    Raises:
        ClarifyError: nobody has this name (the nearest is suggested), or they do not know this game.
    """
    roster, knobs = roster_of(env.game), checked_knobs(env.game, knobs or {})
    wanted = tuple(players) or roster.trained
    single = {player: make_agent(name, env.game.role(player), env, knobs) for player in wanted}
    if all(agent is not None for agent in single.values()):
        return {player: agent for player, agent in single.items() if agent is not None}
    if name in roster.teams:
        team = roster.teams[name](env, knobs)
        if set(wanted) <= set(team):
            return {player: team[player] for player in wanted}
    if is_language_model(name):
        prompt = WithExamples(worked(for_training(env), wanted, examples)) if examples else None
        return dict.fromkeys(wanted, _language_model(name, server, prompt, sampling))
    kind, _, rest = name.partition(":")
    if (Path(name) / "config.json").is_file():
        kind, rest = "run", name
    if kind in PREFIXES and rest:
        loaded: dict[str, Agent] = load_object(PREFIXES[kind])(rest, env, wanted)
        return loaded
    if Path(name).is_dir():
        raise ClarifyError(f"{name}: no run directory; it has no config.json")
    if rest and kind.replace(".", "").isidentifier() and rest.isidentifier():
        return dict.fromkeys(wanted, _own(name))
    listed = names(env, wanted[0])
    raise ClarifyError(f"unknown agent or run directory {name!r}{nearest(name, listed)}; also {NAMES}")


def names(env: GameEnv[Any], player: str) -> list[str]:
    """The names that the game itself has for agents of this player."""
    roster = roster_of(env.game)
    own = roster.agents.get(env.game.role(player).rpartition("/")[2], {})
    return [*own, *(team for team in roster.teams if team not in own)]


def _own(name: str) -> Agent:
    try:
        made = load_object(name)()
    except TypeError as error:
        raise ClarifyError(f"agent {name!r}: no class that can be made without arguments: {error}") from None
    if not isinstance(made, Agent):
        raise ClarifyError(f"agent {name!r}: is no clarify_env.Agent")
    return made
