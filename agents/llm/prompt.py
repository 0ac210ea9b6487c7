"""How a player's turn is put to a language model, and how its message becomes a move.

What `read` returns is what is played: a format of your own needs no more than a class with these three
methods. The message as it came stays in the record of the episode and is shown to no other player, so `read`
may leave out a thought or cut a message that is too long. Where the message is no move, `read` raises
`Unreadable`; the episode then ends as `unreadable_message`, with the error's words as the reason. Every
player is told the reason, so it must not quote what is private.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from clarify_env.agent import Decision, NoMove, Observation
from clarify_env.agents.llm.thoughts import aloud, escaped
from clarify_env.codec import decode, encode
from clarify_env.errors import Unreadable
from clarify_env.moves import Move

Message = dict[str, str]  # "role" and "content"


class Prompt(Protocol):
    """How a player's turn is put to a language model."""

    def messages(self, observation: Observation) -> list[Message]:
        """The chat so far, first the rules; a pure function of the observation."""
        ...

    def read(self, text: str, observation: Observation) -> Move:
        """The move that the model's message stands for; it is played as returned.

        Raises:
            Unreadable: the message is no move.
        """
        ...

    def write(self, move: Move, observation: Observation) -> str:
        """A message that `read` takes for `move`."""
        ...


class TaggedPrompt:
    """Base of the prompts whose messages are one tagged block, the form of `clarify_env.codec`.

    Args:
        rules: the system message; "" for none.
        examples: chat messages between the rules and the game, such as worked dialogues.
    """

    kinds: ClassVar[tuple[type[Move], ...]]

    def __init__(self, rules: str, examples: Sequence[Message] = ()) -> None:
        self.rules = rules
        self.examples = tuple(examples)

    def opened(self, *lines: str) -> list[Message]:
        """The chat's beginning: rules, examples, and the lines of the game's first message."""
        return [*system(self.rules), *self.examples, say("user", "\n".join(lines))]

    def read(self, text: str, observation: Observation) -> Move:
        """The one tagged block of the message."""
        move = decode(text, self.kinds)
        if not isinstance(move, self.kinds):
            expected = ", ".join(f"<{kind.kind}>" for kind in self.kinds)
            raise Unreadable(f"no move in {text[:80]!r}; expected one of {expected}")
        return move

    def tags(self, observation: Observation) -> Sequence[str]:
        """The tags of a message's one block, for servers that constrain what is written."""
        return [kind.kind for kind in self.kinds]

    def write(self, move: Move, observation: Observation) -> str:
        """The move as a tagged block."""
        return escaped(encode(move))


def tags_of(prompt: Prompt, observation: Observation) -> Sequence[str]:
    """The tags that a message has one block of, where the prompt says which; otherwise none."""
    asked = getattr(prompt, "tags", None)  # no part of the protocol: a prompt may have any form
    found: Sequence[str] = asked(observation) if asked else ()
    return found


def say(role: str, content: str) -> Message:
    """One message of a chat."""
    return {"role": role, "content": content}


def system(rules: str) -> list[Message]:
    """The system message, where there are rules."""
    return [say("system", rules)] if rules else []


def fold_system(chat: Sequence[Message]) -> list[Message]:
    """The chat without a system message: the rules begin the first message of the user."""
    if not chat or chat[0]["role"] != "system":
        return list(chat)
    rules, *rest = chat
    if not rest or rest[0]["role"] != "user":
        return [say("user", rules["content"]), *rest]
    return [say("user", f"{rules['content']}\n\n{rest[0]['content']}"), *rest[1:]]


def decision(prompt: Prompt, text: str, observation: Observation, trace: Any) -> Decision:
    """What a message of the model decides; `NoMove` where `prompt` cannot read it.

    The prompt reads what is said aloud; thoughts stay in the record of the message.
    """
    try:
        return Decision(prompt.read(aloud(text), observation), text, trace)
    except Unreadable as error:
        return Decision(NoMove(str(error)), text, trace)
