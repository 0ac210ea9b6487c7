"""The prompt of a partner in the pingeval games."""

from collections.abc import Mapping, Sequence
from typing import Any

from clarify_env.agent import Observation
from clarify_env.agents.llm.prompt import Message, TaggedPrompt, say
from clarify_env.games.pingeval.chess import CHESS_WORDS
from clarify_env.games.pingeval.game import Agree, Propose, Say
from clarify_env.games.pingeval.names import NAME_WORDS, Record
from clarify_env.moves import Move

RULES = """\
You and a partner solve a task together; each knows something that the other does not. You take turns. \
Each message of yours is exactly one of these three:
<say>something that your partner should know</say>
<propose>the answer</propose>
<agree></agree>
Agree only right after a proposal of your partner; that ends the task with the proposed answer. Messages are \
short: what is longer than the limit is cut off. Words of the task, small words such as "is" and numbers \
below 100 count one; any other word counts its letters. Punctuation is not heard. Write nothing outside the \
tags."""


TASKS = {
    "table": "Each of you has a table of people. Exactly one person stands in both with the same record; "
    "others may share only a name. Answer with the name.",
    "position": "Each of you sees a position of the same chess game. Which came earlier, left's or right's? "
    "Answer left or right.",
}


VOCABULARIES = {"table": NAME_WORDS, "position": CHESS_WORDS}


_VERBS = {Say: "says", Propose: "proposes", Agree: "agrees"}


class PartnerPrompt(TaggedPrompt):
    """Either partner of either game, told apart by what it observes.

    A text that is longer than the share of a message is cut there and played, rather than illegal.
    """

    kinds = (Say, Propose, Agree)

    def __init__(self, rules: str = RULES, examples: Sequence[Message] = ()) -> None:
        super().__init__(rules, examples)

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, the task, the own view, the limits, and the dialogue so far."""
        entry = next(name for name in TASKS if name in observation)
        me, past = observation["me"], observation["transcript"]
        share, left, _ = (int(n) for n in observation["limits"])
        total = left + sum(turn.player == me and not isinstance(turn.move, Agree) for turn in past)
        lines = [TASKS[entry], f"You are {me}. You hold:", *_lines(observation, entry)]
        if "partner" in observation:
            lines += ["Your partner holds:", *_lines(observation["partner"], entry)]
        lines.append(f"Each of you has {total} messages of at most {share} words.")
        price = float(observation["costs"][0])
        lines += [f"A word costs {price:g}; the right answer earns 1."] if price else []
        if not past or past[0].player == me:
            lines.append("You begin.")
        said = self.opened(*lines)
        for turn in past:
            if turn.player == me:
                said.append(say("assistant", self.write(turn.move, observation)))
                continue
            heard = f"Your partner {_VERBS[type(turn.move)]}: {turn.move.text}"
            if said[-1]["role"] == "user":
                said[-1]["content"] += f"\n{heard}"
            else:
                said.append(say("user", heard))
        return said

    def read(self, text: str, observation: Observation) -> Move:
        """The one tagged block of the message, cut to its share."""
        move = super().read(text, observation)
        share = int(observation["limits"][0])
        vocabulary = next(own for name, own in VOCABULARIES.items() if name in observation)
        if isinstance(move, (Say, Propose)) and vocabulary.count(move.text) > share:
            words = move.text.split()
            while vocabulary.count(" ".join(words)) > share:
                words.pop()
            return type(move)(" ".join(words))
        return move


def _lines(held: Mapping[str, Any], entry: str) -> list[str]:
    """A private view in lines."""
    if entry == "table":
        return [", ".join(Record._fields), *(", ".join(person) for person in held["table"])]
    board, _, rights = held["position"].partition(" ")
    rows = ["".join("." * int(c) if c.isdigit() else c for c in row) for row in board.split("/")]
    return [*(" ".join(row) for row in rows), f"castling rights: {rights}"]
