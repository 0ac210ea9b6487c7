"""What a language model reads: a player's observation as chat messages, and its message back as a move.

A prompt is a function of the observation alone, costs as plain numbers included, so that what a model saw
can always be rendered again: for its next turn, for training, and under other costs. Its own earlier moves
stand in it in the codec's form, whatever else it wrote around them.
"""

from collections.abc import Sequence

from clarify_env.agent import Observation
from clarify_env.agents.clarification.belief import canonical
from clarify_env.agents.llm.prompt import Message
from clarify_env.codec import decode, encode
from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.games.clarification.game import Ask, Enumerate, Reply, Select
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


class AskerPrompt:
    """The asker of the clarification game.

    Args:
        rules: the system message; "" for none.
        examples: chat messages between the rules and the game, such as worked dialogues.
    """

    kinds: tuple[type[Move], ...] = (Ask, Enumerate, Answer)

    def __init__(self, rules: str = ASKER_RULES, examples: Sequence[Message] = ()) -> None:
        self.rules = rules
        self.examples = tuple(examples)

    def messages(self, observation: Observation) -> list[Message]:
        """Rules, notes and document, question, costs, and the dialogue so far."""
        return [*_system(self.rules), *self.examples, *_dialogue(_opening(observation), observation, "asker")]

    def read(self, text: str, observation: Observation) -> Move:
        """The one tagged block of the message."""
        move = decode(text, self.kinds)
        if not isinstance(move, self.kinds):
            raise Unreadable(f"no move in {text[:80]!r}; expected <ask>, <enumerate> or <answer>")
        return move

    def write(self, move: Move, observation: Observation) -> str:
        """The move as a tagged block."""
        return encode(move)


class UserPrompt:
    """The user of the clarification game: it replies to questions, and picks from a final message by number.

    Of a reply the first line counts: a model that goes on to play the other side too is cut off there. What
    stands in <think> tags before it is not said; as <reply>...</reply> a reply may have several lines.

    Args:
        rules: the system message while it replies.
        select_rules: the system message when it picks.
        examples: chat messages between the rules and its first reply, such as worked dialogues.
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
            chat = _dialogue(opening, observation, "user", "The other side asks: ")
            return [*_system(self.rules), *self.examples, *chat]
        lines = [f"{k}. {line}" for k, line in enumerate(final, start=1)]
        replies = [turn.move.text for turn in observation["transcript"] if isinstance(turn.move, Reply)]
        said = [f"What you said: {text}" for text in replies]
        return [*_system(self.select_rules), _say("user", "\n".join([opening, *said, *lines]))]

    def read(self, text: str, observation: Observation) -> Move:
        """The reply's first line, or the selection by its number, which its line may follow."""
        said = _aloud(text)
        final = _options(observation)
        if final is None:
            return _reply(said)
        number, _, rest = said.partition(".")
        if not number.isdecimal() or len(number) > 4 or int(number) > len(final):
            raise Unreadable(f"{text[:80]!r} is no line from 0 to {len(final)}")
        at = int(number) - 1
        if rest.strip() and (at < 0 or rest.strip() != final[at].strip()):
            raise Unreadable(f"{text[:80]!r} is not one of the lines as it stands, nor its number alone")
        return Select(_answers(observation)[at] if at >= 0 else "")

    def write(self, move: Move, observation: Observation) -> str:
        """A reply's text, tagged where that is needed, or the number of the line that a selection takes.

        Raises:
            ClarifyError: another kind of move, a blank reply, or a selection that is no line's whole answer.
        """
        if isinstance(move, Reply):
            if not move.text.strip():
                raise ClarifyError(f"UserPrompt: cannot write {move!r}; a reply has at least one word")
            plain = move.text.strip() == move.text == _plain(move.text)
            return move.text if plain else encode(move)
        answers = _answers(observation)
        if not isinstance(move, Select) or (move.text and move.text not in answers):
            raise ClarifyError(f"UserPrompt: cannot write {move!r}; the message offers {answers}"[:300])
        return str(answers.index(move.text) + 1 if move.text in answers else 0)


def _say(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _system(rules: str) -> list[Message]:
    return [_say("system", rules)] if rules else []


def _opening(observation: Observation) -> str:
    """What an asker is told before the dialogue: context, document, notes, likeliest first, question, costs.

    The order of the notes tells nothing, and the costs come last, so that prompts share what is before them.
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
    turn, word = observation["costs"]
    lines.append(f"Question: {observation['question']}")
    lines.append(f"A question costs {turn:g}, a word {word:g}.")
    return "\n".join(lines)


def _context(observation: Observation) -> list[str]:
    """What both players see before the question, where there is any."""
    return ["Before the question:", observation["context"]] if observation.get("context") else []


def _dialogue(opening: str, observation: Observation, me: str, heard: str = "") -> list[Message]:
    """The transcript as a chat in which `me` is the assistant; `heard` goes before the other side's moves."""
    said = [_say("user", opening)]
    for turn in observation["transcript"]:
        if turn.player == me:
            said.append(_say("assistant", encode(turn.move) if me == "asker" else turn.move.text))
        elif said[-1]["role"] == "user":
            said[-1]["content"] += f"\n{heard}{turn.move.text}"
        else:
            said.append(_say("user", f"{heard}{turn.move.text}"))
    return said


def _aloud(text: str) -> str:
    """What a model says, without what it thinks before that."""
    if not text.lstrip().startswith("<think>"):
        return text.strip()
    _, closed, said = text.partition("</think>")
    if not closed:
        raise Unreadable(f"a thought without an end in {text[:80]!r}")
    return said.strip()


def _plain(text: str) -> str:
    """The first line of an untagged reply, as it is read."""
    if text.startswith(("<think>", "<reply>")):
        return ""
    return next(iter(text.splitlines()), "").strip()


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
