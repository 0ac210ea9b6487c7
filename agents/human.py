"""A person in the terminal, as a player of any game."""

from collections.abc import Callable, Sequence

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.codec import decode
from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.moves import Move, TextMove
from clarify_env.render import printable
from clarify_env.text import clean


class Person(Agent):
    """A player of any game: shows all that it observes, and reads "kind text", or only the text.

    Args:
        player: who it is.
        kinds: its kinds of moves, in the order of the action mask.
        read: takes the prompt and returns a line, as `input` does.
        write: takes a line of text, as `print` does.
    """

    def __init__(
        self,
        player: str,
        kinds: Sequence[type[Move]],
        read: Callable[[str], str] = input,
        write: Callable[[str], object] = print,
    ) -> None:
        super().__init__(0)
        self.player = player
        self.kinds = tuple(kinds)
        self.read: Callable[[str], str] = lambda question: clean(read(question))
        self.write = write

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """What the person plays; unclear input is explained and asked for again."""
        mask = observation["action_mask"][1:]
        legal = tuple(kind for kind, allowed in zip(self.kinds, mask, strict=True) if allowed)
        self.write("")
        for name, value in observation.items():
            if name not in ("transcript", "role", "action_mask"):
                self.write(f"{name}: {_shown(value)}")
        for past in observation["transcript"]:
            self.write(f"  {past.player} ({past.move.kind}): {printable(past.move.text)}")
        names = " or ".join(
            f"{kind.kind} TEXT" if issubclass(kind, TextMove) else kind.kind for kind in legal
        )
        while True:
            line = self.read(f"{self.player}, {names}> ").strip()
            try:
                return _of_kind(line, legal)
            except ClarifyError as error:
                self.write(f"{error}")


def _shown(value: object) -> str:
    """An entry of an observation as lines; records one a line."""
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return "".join(f"\n  {_shown(item)}" for item in value) or "nothing"
    if hasattr(value, "_asdict"):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value._asdict().items())
    return printable(str(value))


def _of_kind(line: str, legal: tuple[type[Move], ...]) -> Move:
    """The move in a line: a tagged message, "kind text", or the text alone where one kind is legal."""
    if line.startswith("<"):
        return decode(line, legal)
    word, _, rest = line.partition(" ")
    for kind in legal:
        if word == kind.kind:
            return kind.from_data(rest.strip()) if issubclass(kind, TextMove) else kind.from_data(None)
    if len(legal) == 1 and issubclass(legal[0], TextMove) and line:
        return legal[0](line)
    known = ", ".join(kind.kind for kind in legal)
    raise Unreadable(f"{line!r} is no move; begin with one of: {known}")
