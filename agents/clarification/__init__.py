"""Who plays the clarification game: fixed strategies up to the optimum, scripted users, a small policy."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.clarification.scripted import (
    AlwaysAnswer,
    AlwaysAsk,
    AlwaysEnumerate,
    OptimalAsker,
    Random,
)
from clarify_env.agents.clarification.user import ScriptedUser
from clarify_env.agents.roster import Make, Roster, Team
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games import load_object
from clarify_env.games.clarification.scripted_user import UserModel

KNOBS = {"noisy": "noise", "vague": "vagueness", "refusing": "refusal"}


def _plain(kind: type[Agent]) -> Make:
    return lambda env, knobs, argument: kind()


def _always_ask(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    return AlwaysAsk() if env is None else AlwaysAsk(most=min(3, env.game.max_turns - 1))


def _optimal(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    user = UserModel(**knobs)
    if env is None:
        return OptimalAsker(user=user)
    return OptimalAsker(user=user, max_turns=env.game.max_turns, grade=env.game.grade)


def _scripted(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    return ScriptedUser(UserModel(**knobs))


def _embed(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    matcher = load_object(
        "clarify_env.agents.clarification.embedding_matcher:EmbeddingMatcher", extra="embed"
    )
    return ScriptedUser(UserModel(**knobs), matcher=matcher())


def _unreliable(kind: str) -> Make:
    def make(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
        try:
            chance = float(argument)
        except ValueError:
            said = f"{kind}:{argument}" if argument else kind
            raise ClarifyError(f"user {said!r}: {kind}: takes a probability, such as {kind}:0.1") from None
        return ScriptedUser(UserModel(**{KNOBS[kind]: chance}))

    return make


FIXED: dict[str, Make] = {
    "always-answer": _plain(AlwaysAnswer),
    "always-enumerate": _plain(AlwaysEnumerate),
    "always-ask": _always_ask,
}
ASKERS: dict[str, Make] = {**FIXED, "random": _plain(Random), "optimal": _optimal}
USERS: dict[str, Make] = {
    "scripted": _scripted,
    "embed": _embed,
    **{kind: _unreliable(kind) for kind in KNOBS},
}


def make_asker(name: str, env: GameEnv[Any] | None = None, user: UserModel | None = None) -> Agent:
    """The asker of this name.

    Args:
        name: one of `ASKERS`.
        env: the game that it is to play: how many messages it allows, and how it grades; by default as
            `synthetic-v0` does.
        user: the scripted user that the optimal asker counts on; by default a perfect one.

    Raises:
        ClarifyError: no asker has this name.
    """
    knobs = {} if user is None else asdict(user)
    return ASKERS[choose("agent", name, ASKERS)](env, knobs, "")


def _team(name: str) -> Team:
    def build(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
        return {"asker": ASKERS[name](env, knobs, ""), "user": ScriptedUser(UserModel(**knobs))}

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


ROSTER = Roster(
    trained=("asker",),
    teams={name: _team(name) for name in (*FIXED, "optimal")},
    policy=_move_scorer,
    prompts={
        "asker": "clarify_env.agents.clarification.prompts:AskerPrompt",
        "user": "clarify_env.agents.clarification.prompts:UserPrompt",
    },
    agents={"asker": ASKERS, "user": USERS},
)
