"""The prompts of the clarification game: what asker and user read, and how their messages become moves.

A prompt is a function of the observation alone, which holds the costs as plain numbers. So what a model saw
can be rendered again for its next turn, for training, and under other costs. The model's own earlier moves
stand there as its prompt writes them, without what else it wrote around them.
"""

from collections.abc import Callable, Sequence

from clarify_env.agent import Observation
from clarify_env.agents.llm.prompt import Message, TaggedPrompt, say, system
from clarify_env.agents.llm.thoughts import aloud
from clarify_env.codec import decode, encode
from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.games.clarification.game import Ask, Enumerate, Reply, Select
from clarify_env.games.clarification.task import canonical
from clarify_env.moves import Answer, Move

ASKER_RULES = """\
You answer a question that may be ambiguous. Each message of yours is exactly one of these three:
<ask>a clarifying question</ask>
<answer>the answer</answer>
<enumerate>
a label => its answer
another label => its answer
</enumerate>
A question has a cost, and so has each word of your answer or list, which ends the dialogue. \
The other side picks from a list by its labels. Be right at the lowest cost. \
Write nothing outside the tags."""


USER_RULES = """\
You are a person who asked a question, not an assistant. You know what you mean by it, but not the answer. \
Reply to the other side's question in one line of a few words: say only what it asks for, and your whole \
meaning only if it asks for that. Make nothing up: what your meaning does not tell, you do not know. If you \
are asked for the answer itself or about something else, say only that you do not know."""


SELECT_RULES = """\
You asked a question and got a message with an answer, or a list of answers for different meanings. Write \
the number of the line that fits what you mean, and nothing else; write 0 if none fits."""


class AskerPrompt(TaggedPrompt):
    """The asker of the clarification game; see `TaggedPrompt`."""

    kinds = (Ask, Enumerate, Answer)

    def __init__(self, rules: str = ASKER_RULES, examples: Sequence[Message] = ()) -> None:
        super().__init__(rules, examples)

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, notes and document, question, costs, and the dialogue so far."""
        opened = self.opened(_opening(observation))
        return _dialogue(opened, observation, "asker", lambda move: self.write(move, observation))


class UserPrompt:
    """The user of the clarification game: it replies to questions, and picks from a final message by number.

    Only the first line of a reply is said, so a model that goes on to play the other side is cut off there; a
    reply in <reply>...</reply> may have several lines. Thoughts are not said (see `aloud`).

    Args:
        rules: the system message while it replies.
        select_rules: the system message when it picks.
        examples: chat messages between the rules and the first question, such as worked dialogues.
    """

    def __init__(
        self, rules: str = USER_RULES, select_rules: str = SELECT_RULES, examples: Sequence[Message] = ()
    ) -> None:
        self.rules = rules
        self.select_rules = select_rules
        self.examples = tuple(examples)

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, question and meaning, and the dialogue so far with the asker in the other role."""
        known = [f"Your question: {observation['question']}", f"What you mean: {observation['intent']}"]
        opening = "\n".join([*_context(observation), *known])
        final = _options(observation)
        if final is None:
            begun = [*system(self.rules), *self.examples, say("user", opening)]
            return _dialogue(begun, observation, "user", lambda move: move.text, "The other side asks: ")
        lines = [f"{k}. {line}" for k, line in enumerate(final, start=1)]
        replies = [turn.move.text for turn in observation["transcript"] if isinstance(turn.move, Reply)]
        said = [f"What you said: {text}" for text in replies]
        return [*system(self.select_rules), say("user", "\n".join([opening, *said, *lines]))]

    def read(self, text: str, observation: Observation) -> Move:
        """The first line of a reply, or the selection by a number, which the line itself may follow."""
        said = aloud(text)
        final = _options(observation)
        if final is None:
            return _reply(said)
        number, _, rest = said.partition(".")
        if not number.isdecimal() or len(number) > 4 or int(number) > len(final):
            raise Unreadable(f"{said[:80]!r} is no line from 0 to {len(final)}")
        at = int(number) - 1
        if rest.strip() and (at < 0 or rest.strip() != final[at].strip()):
            raise Unreadable(f"{said[:80]!r} is not one of the lines as it stands, nor its number alone")
        return Select(_answers(observation)[at] if at >= 0 else "")

    def write(self, move: Move, observation: Observation) -> str:
        """The text of a reply, tagged where that is needed, or the number of the line that is selected.

        Raises:
            ClarifyError: another kind of move, a blank reply, or a selection that is no line's whole answer.
        """
        if isinstance(move, Reply):
            if not move.text.strip():
                raise ClarifyError(f"UserPrompt: cannot write {move!r}; a reply has at least one word")
            plain = move.text == aloud(move.text) == _plain(move.text)
            return move.text if plain else encode(move)
        answers = _answers(observation)
        if not isinstance(move, Select) or (move.text and move.text not in answers):
            raise ClarifyError(f"UserPrompt: cannot write {move!r}; the message offers {answers}"[:300])
        return str(answers.index(move.text) + 1 if move.text in answers else 0)


def _opening(observation: Observation) -> str:
    """What an asker is told before the dialogue: context, document, notes, question and costs.

    The likeliest note comes first, so that their order tells nothing else. The costs come last, so that
    prompts under different costs begin alike.
    """
    for key in ("question", "notes", "document", "costs"):
        if key not in observation:
            raise ClarifyError(f"AskerPrompt: the observation has no {key!r}; has {sorted(observation)}")
    lines = _context(observation)
    if observation["document"]:
        lines += ["Document:", observation["document"]]
    if observation["notes"]:
        lines.append("Notes:")
        for note in canonical(observation["notes"]):
            lines.append(f"{round(100 * note.weight)}% {note.text} => {' / '.join(note.answers)}")
    if len(observation["costs"]) != 2:
        raise ClarifyError(
            f"AskerPrompt tells the costs of a turn and a word; this game has {len(observation['costs'])}: "
            "give the language model a prompt of your own"
        )
    turn, word = observation["costs"]
    lines.append(f"Question: {observation['question']}")
    lines.append(f"A question costs {turn:g}, a word {word:g}.")
    return "\n".join(lines)


def _context(observation: Observation) -> list[str]:
    """What both players see before the question, where there is any."""
    return ["Before the question:", observation["context"]] if observation.get("context") else []


def _dialogue(
    said: list[Message], observation: Observation, me: str, own: Callable[[Move], str], heard: str = ""
) -> list[Message]:
    """The chat `said`, continued by the transcript; `me` is the assistant.

    Args:
        said: the chat before the dialogue; it grows.
        observation: of `me`.
        me: the player whose prompt this is.
        own: the message that stands for a move of its own.
        heard: goes before each move of the other side.
    """
    for turn in observation["transcript"]:
        if turn.player == me:
            said.append(say("assistant", own(turn.move)))
        elif said[-1]["role"] == "user":
            said[-1]["content"] += f"\n{heard}{turn.move.text}"
        else:
            said.append(say("user", f"{heard}{turn.move.text}"))
    return said


def _plain(text: str) -> str:
    """The first line of an untagged reply, as it is read."""
    return "" if text.startswith("<reply>") else next(iter(text.splitlines()), "").strip()


def _reply(said: str) -> Reply:
    move = decode(said, (Reply,)) if said.startswith("<reply>") else Reply(_plain(said))
    if not isinstance(move, Reply) or not move.text.strip():
        raise Unreadable(f"no reply in {said[:80]!r}")
    return move


def _answers(observation: Observation) -> list[str]:
    """The answers of a final message, line by line."""
    last = observation["transcript"][-1].move
    return [last.text] if isinstance(last, Answer) else [answer for _, answer in _pairs(last)]


def _pairs(move: Move) -> Sequence[tuple[str, str]]:
    if isinstance(move, Enumerate):
        return move.options
    raise ClarifyError(f"UserPrompt: does not know what to do about a {move.kind!r}")


def _options(observation: Observation) -> list[str] | None:
    """The lines of a final message, or None while the asker asks."""
    if not observation["transcript"]:
        raise ClarifyError("UserPrompt: the transcript is empty; the user speaks second")
    last = observation["transcript"][-1].move
    if isinstance(last, Ask):
        return None
    if isinstance(last, Answer):
        return [last.text]
    return [f"{label}: {answer}" for label, answer in _pairs(last)]
