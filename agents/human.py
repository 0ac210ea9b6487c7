"""A person in the terminal: as a player of a clarification game, or of any game."""

from collections.abc import Callable, Sequence

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.codec import decode
from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.games.clarification.game import ARROW, Ask, Enumerate, Reply, Select
from clarify_env.moves import Answer, Move, TextMove
from clarify_env.render import printable

HELP = f"""  ask Which one do you mean?              a question; costs one turn
  answer Port Arden                       one answer; costs its words
  list painter {ARROW} Oslo; chemist {ARROW} Tarn    several, each under a label; costs all words"""


class Human(Agent):
    """Shows the observation of whoever is on turn, and reads a move.

    Args:
        read: takes the prompt and returns a line, as `input` does.
        write: takes a line of text, as `print` does.
    """

    def __init__(self, read: Callable[[str], str] = input, write: Callable[[str], object] = print) -> None:
        super().__init__(0)
        self.read = read
        self.write = write

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """What the person plays; unclear input is explained and asked for again."""
        if "intent" in observation:
            return self._user(observation)
        return self._asker(observation)

    def _show(self, observation: Observation, private: list[str]) -> None:
        turn, word = observation["costs"].tolist()
        self.write("")
        self.write(f"Question: {printable(observation['question'])}")
        self.write(f"A question costs {turn:g}, a word of the final message {word:g}.")
        for line in private:
            self.write(printable(line))
        for past in observation["transcript"]:
            self.write(f"  {past.player} ({past.move.kind}): {printable(past.move.text)}")

    def _asker(self, observation: Observation) -> Move:
        notes = [
            f"  {note.weight:4.0%}  {note.text}  {ARROW}  {' | '.join(note.answers)}"
            for note in observation["notes"]
        ]
        self._show(observation, ["Your notes, what it may mean and the answers:", *notes] if notes else [])
        while True:
            line = self.read("asker> ").strip()
            try:
                return _parse(line)
            except ValueError as error:
                self.write(f"{error}\n{HELP}" if line not in ("", "help", "?") else HELP)

    def _user(self, observation: Observation) -> Move:
        self._show(observation, [f"What you mean: {observation['intent']}"])
        message = observation["transcript"][-1].move
        if isinstance(message, Ask):
            return Reply(self.read("user, your reply> ").strip())
        if isinstance(message, Answer):
            self.read("user, press Enter to take this answer> ")
            return Select(message.text)
        for i, (label, answer) in enumerate(message.options, start=1):
            self.write(f"  {i}. {printable(label)} {ARROW} {printable(answer)}")
        while True:
            line = self.read("user, the number of the option that fits (Enter for none)> ").strip()
            if not line:
                return Select("")
            if line.isdecimal() and 1 <= int(line) <= len(message.options):
                return Select(message.options[int(line) - 1][1])
            self.write(f"{line!r}: a number from 1 to {len(message.options)}, or nothing")


class Person(Agent):
    """A player of any game: shows all that it observes, and reads "kind text", or only the text.

    Args:
        player: who it is.
        kinds: its kinds of moves, in the order of the action mask.
        read, write: as of `Human`.
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
        self.read = read
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


def _parse(line: str) -> Move:
    """The asker's move in `line`: "ask ...", "answer ...", "list ...", or a tagged message."""
    if line.startswith("<"):
        return decode(line, (Ask, Answer, Enumerate))
    word, _, rest = line.partition(" ")
    rest = rest.strip()
    if word == "ask" and rest:
        return Ask(rest)
    if word == "answer" and rest:
        return Answer(rest)
    if word == "list" and rest:
        pairs = [part.split(ARROW) for part in rest.split(";") if part.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise Unreadable(f"{rest!r}: write each option as label {ARROW} answer, with ; between them")
        return Enumerate((label.strip(), answer.strip()) for label, answer in pairs)
    raise Unreadable(f"{line!r} is no move; write")
