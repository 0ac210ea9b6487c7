"""How a player's turn is put to a language model, and its message read."""

from typing import Protocol

from clarify_env.agent import Observation
from clarify_env.moves import Move

Message = dict[str, str]  # "role" and "content"


class Prompt(Protocol):
    """How a player's turn is put to a language model."""

    def messages(self, observation: Observation) -> list[Message]:
        """The chat so far, first the rules; a pure function of the observation."""
        ...

    def read(self, text: str, observation: Observation) -> Move:
        """The move that the model's message stands for; raises `Unreadable`."""
        ...

    def write(self, move: Move, observation: Observation) -> str:
        """The message that `read` takes for `move`."""
        ...
