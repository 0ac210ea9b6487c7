"""Users by name, for the commands that take several kinds of them."""

from typing import Any, NamedTuple

from clarify_env.agent import Agent
from clarify_env.agents import ScriptedUser
from clarify_env.errors import ClarifyError, nearest
from clarify_env.trainers.models import language_agent
from clarify_env.usermodel import UserModel

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
