"""A person in the terminal as the asker or the user."""

from collections.abc import Callable

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.codec import decode
from clarify_env.errors import Unreadable
from clarify_env.games.clarification.game import ARROW, Ask, Enumerate, Reply, Select
from clarify_env.moves import Answer, Move
from clarify_env.render import printable
from clarify_env.text import clean

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
        self.read: Callable[[str], str] = lambda question: clean(read(question))
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
