"""What a language model reads in collaborative self-play, as a helper and as the asker.

The rules say what a mark stands for; that is how these players come by a convention.
"""

from clarify_env.agent import Observation
from clarify_env.agents.llm.prompt import Message
from clarify_env.codec import decode, encode
from clarify_env.errors import Unreadable
from clarify_env.games.csp.records import CONFIDENCE, Hedge, Search, Sure, Unsure
from clarify_env.moves import Answer, Move

HELPER_RULES = f"""\
You help to answer a question. Each message of yours is exactly one of these three:
<search>words to search for</search>
<sure>your answer</sure>
<unsure>your answer</unsure>
A search shows you what your tool finds, and has a cost. Your answer, of as few words as possible, goes to \
somebody who also hears others and does not know what you know. Sure means that you expect to be right \
{10 * CONFIDENCE["sure"]:.0f} times in 10, unsure {10 * CONFIDENCE["unsure"]:.0f} times in 10: say which it \
is. Write nothing outside the tags."""


CHOOSER_RULES = """\
You answer a question after hearing your helpers, who may be wrong, and who say how sure they are. Your \
message is exactly one of these two:
<answer>the answer</answer>
<hedge></hedge>
Each word of an answer has a cost, and so may a wrong answer; a hedge says that you do not know. Write \
nothing outside the tags."""


class HelperPrompt:
    """A helper: what it remembers, its tool, the question, the price, then each search with what it found.

    Args:
        rules: the system message.
    """

    kinds: tuple[type[Move], ...] = (Search, Sure, Unsure)

    def __init__(self, rules: str = HELPER_RULES) -> None:
        self.rules = rules

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, opening, and each search with its passages."""
        opening = [observation["profile"], f"Question: {observation['question']}"]
        opening.append(f"A search costs {observation['costs'][0]:g}.")
        chat = _chat(self.rules, opening)
        searches = [turn.move for turn in observation["transcript"] if isinstance(turn.move, Search)]
        for k, move in enumerate(searches):
            texts = [passage.text for passage in observation["passages"] if passage.search == k]
            shown = "\n".join(["Found:", *texts]) if texts else "Found nothing new."
            chat.append({"role": "assistant", "content": encode(move)})
            chat.append({"role": "user", "content": shown})
        return chat

    def read(self, text: str, observation: Observation) -> Move:
        """The one tagged block of the message."""
        return _read(text, self.kinds)

    def write(self, move: Move, observation: Observation) -> str:
        """The move as a tagged block."""
        return encode(move)


class ChooserPrompt:
    """The asker, who hears the helpers' answers with their marks.

    Args:
        rules: the system message.
    """

    kinds: tuple[type[Move], ...] = (Answer, Hedge)

    def __init__(self, rules: str = CHOOSER_RULES) -> None:
        self.rules = rules

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, question, answers and prices."""
        _, word, wrong = observation["costs"]
        heard = [f"{turn.player} is {turn.move.kind}: {turn.move.text}" for turn in observation["transcript"]]
        prices = f"A word costs {word:g}, a wrong answer {wrong:g}."
        return _chat(self.rules, [f"Question: {observation['question']}", *heard, prices])

    def read(self, text: str, observation: Observation) -> Move:
        """The one tagged block of the message."""
        return _read(text, self.kinds)

    def write(self, move: Move, observation: Observation) -> str:
        """The move as a tagged block."""
        return encode(move)


def _chat(rules: str, lines: list[str]) -> list[Message]:
    system = [{"role": "system", "content": rules}] if rules else []
    return [*system, {"role": "user", "content": "\n".join(lines)}]


def _read(text: str, kinds: tuple[type[Move], ...]) -> Move:
    move = decode(text, kinds)
    if not isinstance(move, kinds):
        expected = " or ".join(f"<{kind.kind}>" for kind in kinds)
        raise Unreadable(f"no move in {text[:80]!r}; expected {expected}")
    return move
