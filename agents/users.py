"""The scripted user: it knows its question and what it means by it, and speaks from that alone."""

from typing import Any

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.errors import ClarifyError
from clarify_env.moves import Answer, Ask, Enumerate, Move, Reply, Select
from clarify_env.usermodel import UserModel, pick


class ScriptedUser(Agent):
    """Answers questions by `UserModel`, and takes the branch of an enumeration whose label fits best.

    Args:
        model: how reliable it is, such as UserModel(noise=0.1); by default perfectly.
        seed: of the agent's own generator.
    """

    def __init__(self, model: UserModel | None = None, seed: int | None = None) -> None:
        super().__init__(seed)
        self.model = model or UserModel()

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A `Reply` to a question, a `Select` from a final message."""
        message = observation["transcript"][-1].move
        if isinstance(message, Ask):
            return Reply(self._reply(message, observation, rng))
        if isinstance(message, Enumerate):
            at = pick(message.options, observation["intent"], observation["facts"])
            return Select("" if at is None else message.options[at][1])
        if isinstance(message, Answer):
            return Select(message.text)
        raise ClarifyError(f"ScriptedUser: does not know what to do about a {message.kind!r}")

    def _reply(self, ask: Ask, observation: Observation, rng: np.random.Generator) -> str:
        replies: list[tuple[str, Any]] = self.model.replies(
            ask.text, observation["question"], observation["intent"], observation["facts"]
        )
        if len(replies) > 1:
            draw = rng.random()
            for text, chance in replies[:-1]:
                draw -= chance
                if draw < 0.0:
                    return text
        return replies[-1][0]
