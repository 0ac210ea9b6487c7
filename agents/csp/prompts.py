"""The prompts of collaborative self-play, for a helper and for the asker.

The rules say what each mark stands for, so that the players share its meaning.
"""

from collections.abc import Sequence
from typing import ClassVar

from clarify_env.agent import Observation
from clarify_env.agents.llm.prompt import Message, TaggedPrompt, say
from clarify_env.games.csp.records import (
    CONFIDENCE,
    FoundPassage,
    Hedge,
    Passage,
    Search,
    Silent,
    Sure,
    Unsure,
)
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


RECALL_RULES = """\
You help to answer a question. Each message of yours is exactly one of these four:
<search>words to search for</search>
<sure>your answer</sure>
<unsure>your answer</unsure>
<silent></silent>
You are told how familiar such a thing is to you and what came to your mind when you tried to recall it; \
that may be wrong even where it is always the same. A search shows you what your tool finds, once, and has a \
cost; your tool may be good on some topics and bad on others. Your answer, of one word, has a small cost and \
goes to somebody who also hears another helper and does not know what you know. A wrong answer that is \
believed costs all of you, so say how sure you are, or be silent. Write nothing outside the tags."""


CHOOSER_RULES = """\
You answer a question after hearing your helpers, who may be wrong, and who say how sure they are. Your \
message is exactly one of these two:
<answer>the answer</answer>
<hedge></hedge>
Each word of an answer has a cost, and so may a wrong answer; a hedge says that you do not know. Write \
nothing outside the tags."""


class HelperPrompt(TaggedPrompt):
    """A helper: what it remembers, its tool, the question, the price, then each search with what it found."""

    kinds: ClassVar[tuple[type[Move], ...]] = (Search, Sure, Unsure)

    def __init__(self, rules: str = HELPER_RULES, examples: Sequence[Message] = ()) -> None:
        super().__init__(rules, examples)

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, opening, and each search with its passages."""
        price = f"A search costs {observation['costs'][0]:g}."
        chat = self.opened(observation["profile"], f"Question: {observation['question']}", price)
        searches = [turn.move for turn in observation["transcript"] if isinstance(turn.move, Search)]
        for k, move in enumerate(searches):
            texts = [self.shown(passage) for passage in observation["passages"] if passage.search == k]
            shown = "\n".join(["Found:", *texts]) if texts else "Found nothing new."
            chat += [say("assistant", self.write(move, observation)), say("user", shown)]
        return chat

    def shown(self, passage: Passage | FoundPassage) -> str:
        """A passage in words."""
        return passage.text


class RecallHelperPrompt(HelperPrompt):
    """A helper that recalls: the same, with silence, and with how a passage matches."""

    kinds = (Search, Sure, Unsure, Silent)

    def __init__(self, rules: str = RECALL_RULES, examples: Sequence[Message] = ()) -> None:
        super().__init__(rules, examples)

    def shown(self, passage: Passage | FoundPassage) -> str:
        """Its text, its match, and how many recalls say the same."""
        if not isinstance(passage, FoundPassage):
            return passage.text
        return f"{passage.text} ({passage.match} match; {passage.agreeing} of your recalls say the same)"


class ChooserPrompt(TaggedPrompt):
    """The asker, who hears the helpers' answers with their marks."""

    kinds = (Answer, Hedge)

    def __init__(self, rules: str = CHOOSER_RULES, examples: Sequence[Message] = ()) -> None:
        super().__init__(rules, examples)

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, question, answers and prices."""
        *_, word, wrong = observation["costs"]
        heard = [
            f"{turn.player} is {turn.move.kind}" + (f": {turn.move.text}" if turn.move.text else ".")
            for turn in observation["transcript"]
        ]
        prices = f"A word costs {word:g}, a wrong answer {wrong:g}."
        return self.opened(f"Question: {observation['question']}", *heard, prices)
