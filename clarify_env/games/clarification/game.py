"""The clarification game (arXiv 2512.04068): an asker, a user, an ambiguous question, and what it costs.

| phase   | on turn | moves                           | leads to                                       |
| ------- | ------- | ------------------------------- | ---------------------------------------------- |
| asking  | asker   | `Ask`                           | replying; costs `turn_cost`                    |
|         |         | `Answer`, `Enumerate`           | selecting; costs `word_cost` per word          |
| replying| user    | `Reply`                         | asking                                         |
|selecting| user    | `Select`                        | the end; earns the accuracy of what it selected|

The episode terminates with the user's selection, or with an illegal or unreadable move (accuracy 0, costs
stand); it is truncated when the asker's last allowed message is another question. Reward, shared by the
team: accuracy - turn_cost * asks - word_cost * words, each term paid when it is incurred.

A user can only take away what it was offered: the tokens of a selection come from the answer, or from one
option of the enumeration. Otherwise a user who knows the answer could play in the asker's place.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from gymnasium.spaces import Box, Space

from clarify_env.costs import CostGrid, CostSampler, bound
from clarify_env.errors import ClarifyError, Unreadable, choose
from clarify_env.game import Game, Paid, Stop, StopReason, Term, Turn, frozen
from clarify_env.games.clarification.task import Fact, Interpretation, Task, sound_tasks
from clarify_env.moves import Answer, Move, TextMove, random_text
from clarify_env.spaces import Records, UnicodeText
from clarify_env.text import Grade, escape, grade_text, overlap, tokens, unescape, words

ARROW = "=>"


@dataclass(frozen=True)
class Ask(TextMove):
    """The asker puts a clarifying question; it costs one turn."""


@dataclass(frozen=True)
class Reply(TextMove):
    """The user answers a clarifying question."""


@dataclass(frozen=True)
class Select(TextMove):
    """The user ends the episode with the answer that it takes away ("" for none)."""


@dataclass(frozen=True)
class Enumerate(Move):
    """The asker's final message: several answers, each under a label; it costs the words of both.

    Args:
        options: one or more pairs (label, answer); a label has at least one word.
    """

    options: tuple[tuple[str, str], ...]

    def __init__(self, options: Iterable[tuple[str, str]]) -> None:
        if isinstance(options, str):
            raise ClarifyError(f"Enumerate({options!r}): give a list of pairs (label, answer)")
        pairs = tuple(tuple(pair) for pair in options)
        if not pairs:
            raise ClarifyError("Enumerate([]): needs at least one pair (label, answer)")
        for pair in pairs:
            if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
                raise ClarifyError(f"Enumerate: {pair!r} is no pair of texts (label, answer)")
            if not pair[0].strip():
                raise ClarifyError(f"Enumerate: {pair!r} has an empty label; a label needs a word")
        object.__setattr__(self, "options", pairs)

    @cached_property
    def text(self) -> str:  # type: ignore[override]
        """The options as "label: answer", joined by semicolons."""
        return "; ".join(f"{label}: {answer}" for label, answer in self.options)

    @cached_property
    def words(self) -> int:
        """Words of all labels and answers; separators are free."""
        return sum(words(label) + words(answer) for label, answer in self.options)

    def to_text(self) -> str:
        """One line an option: label => answer."""
        lines = "".join(f"\n{escape(label)} {ARROW} {escape(answer)}" for label, answer in self.options)
        return f"{lines}\n"

    @classmethod
    def from_text(cls, body: str) -> Self:
        """The enumeration of these lines."""
        options = []
        for line in filter(None, (line.strip() for line in body.split("\n"))):
            parts = line.split(ARROW)
            if len(parts) != 2:
                raise Unreadable(f"line {line[:80]!r} of <{cls.kind}> is not 'label {ARROW} answer'")
            options.append((unescape(parts[0].strip()), unescape(parts[1].strip())))
        return cls(options)

    def to_data(self) -> list[list[str]]:
        """The options as JSON data."""
        return [list(pair) for pair in self.options]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The enumeration with these options."""
        return cls(data)

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """Two options of random words."""
        return cls([(random_text(rng), random_text(rng)) for _ in range(2)])


class Costs(NamedTuple):
    """What the team pays (arXiv 2512.04068).

    Args:
        turn: alpha, per clarifying question; finite, >= 0.
        word: beta, per word of the final message; finite, >= 0.
    """

    turn: float = 0.0
    word: float = 0.0


# The grids of the main job: costs that training draws, and costs that it never sees. The unseen ones lie
# between the seen ones and beyond them at either end. They are ours: the paper's are not published.
SEEN = CostGrid(of=Costs, turn=(0.02, 0.1, 0.3), word=(0.002, 0.01, 0.04))


UNSEEN = CostGrid(of=Costs, turn=(0.01, 0.05, 0.2, 0.4), word=(0.001, 0.005, 0.02, 0.06))


@lru_cache(maxsize=50_000)
def _reordered(meanings: tuple[Interpretation, ...], key: str) -> tuple[Interpretation, ...]:
    """The meanings with every domain in an order that follows from `key`."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    orders: dict[tuple[str, ...], tuple[str, ...]] = {}
    for domain in sorted({fact.domain for meaning in meanings for fact in meaning.facts}):
        orders[domain] = tuple(domain[k] for k in rng.permutation(len(domain)))
    return tuple(
        meaning._replace(facts=tuple(f._replace(domain=orders[f.domain]) for f in meaning.facts))
        for meaning in meanings
    )


ASKING, REPLYING, SELECTING, OVER = range(4)


KNOWLEDGE = ("open", "document", "closed")


class State(NamedTuple):
    """Everything about an episode: what nature chose, the transcript, and what was counted.

    `known`, which follows from the four before it, is what each player knows from the start: its observation
    but for the transcript.
    """

    task: Task
    intent: int
    costs: Costs
    order: tuple[int, ...]
    known: Mapping[str, dict[str, Any]]
    phase: int = ASKING
    history: tuple[Turn, ...] = ()
    asks: int = 0
    words: int = 0
    accuracy: float = 0.0
    exact: float = 0.0
    stop: Stop | None = None


_LEGAL: tuple[Mapping[str, tuple[type[Move], ...]], ...] = (
    {"asker": (Ask, Enumerate, Answer)},
    {"user": (Reply,)},
    {"user": (Select,)},
    {},
)


_new = tuple.__new__  # of a NamedTuple, in half the time that its own constructor takes


_SELECTED = Stop(StopReason.SELECTED)


def offered(message: Move, selection: str) -> bool:
    """Whether all tokens of `selection` come from `message`: its answer, or one of its options."""
    if isinstance(message, Enumerate):
        if selection in [answer for _, answer in message.options]:
            return True
        sources = [tokens(label) + tokens(answer) for label, answer in message.options]
    else:
        sources = [tokens(message.text)]
    chosen = tokens(selection)
    return any(overlap(chosen, source) == len(chosen) for source in sources)


class ClarificationGame(Game[State]):
    """Rules of the clarification game over a list of tasks.

    Args:
        tasks: what nature draws from, evenly; each is checked, see `sound`.
        costs: drawn at the start of each episode.
        knowledge: what the asker holds besides the question and its context. "open": notes, which are the
            interpretations with their answers and weights in an order shuffled per episode; "document": the
            task's document; "closed": nothing.
        max_turns: messages that the asker may send, >= 1; if the last one is a question, the episode is
            truncated there.
        grade: accuracy and exact match, in [0, 1], of a selection against a meaning's answers; a pure
            function.
        domains: in which order a player sees the values of a fact's domain: "common", the same for both, or
            "own", each another, which follows from the question and the first of the notes. Where players
            learn together, no code can then stand on that order (other-play, arXiv 2003.02979).
    """

    players: ClassVar[tuple[str, ...]] = ("asker", "user")
    moves: ClassVar[Mapping[str, tuple[type[Move], ...]]] = {
        "asker": (Ask, Enumerate, Answer),
        "user": (Reply, Select),
    }
    terms: ClassVar[Mapping[str, Term]] = {
        "accuracy": Term("accuracy"),
        "turn_cost": Term("asks", "turn"),
        "word_cost": Term("words", "word"),
    }
    family: ClassVar[str] = "clarification"
    costs_type: ClassVar[type[Any]] = Costs
    options: ClassVar[tuple[str, ...]] = ("task", "intent", "costs", "order")
    counted: ClassVar[tuple[str, ...]] = ("accuracy", "asks", "words", "exact")
    opening = ("asker",)

    def __init__(
        self,
        tasks: Sequence[Task],
        costs: CostSampler,
        knowledge: str = "open",
        max_turns: int = 5,
        grade: Grade = grade_text,
        domains: str = "common",
    ) -> None:
        if not isinstance(max_turns, int) or max_turns < 1:
            raise ClarifyError(f"max_turns={max_turns!r}: the asker needs at least 1 message")
        self.tasks: Sequence[Task] = sound_tasks(tasks)
        self.costs = bound(costs, self.costs_type)
        self.knowledge = choose("knowledge", knowledge, KNOWLEDGE)
        self.max_turns = max_turns
        self.grade = grade
        self.domains = choose("domains", domains, ("common", "own"))

    @cached_property
    def _most_meanings(self) -> int:
        return max(len(task.interpretations) for task in self.tasks)

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> State:
        """Draw task, intent, costs and the order of the notes; `options` pins any of them.

        The same four draws are made whatever is pinned, so that pinning one leaves the others as they were.
        """
        draws = rng.random(self._most_meanings + 2).tolist()
        sampled = self.costs.sample(rng)
        key, intent, costs, order = map(options.get, self.options) if options else (None,) * 4
        task = self.tasks[int(draws[-1] * len(self.tasks))] if key is None else self.task(key)
        meanings = task.interpretations
        count = len(meanings)
        if intent is None:
            intent, left = 0, draws[-2] - meanings[0].weight
            while left >= 0.0 and intent < count - 1:
                intent += 1
                left -= meanings[intent].weight
        elif isinstance(intent, (int, np.integer)) and 0 <= intent < count:
            intent = int(intent)
        else:
            raise ClarifyError(f"options['intent']={intent!r}: the task has {count} meanings, from 0")
        costs = sampled if costs is None else costs
        if order is None:
            order = tuple(sorted(range(count), key=draws.__getitem__))
        elif isinstance(order, Sequence) and set(order) == set(range(count)) and len(order) == count:
            order = tuple(map(int, order))
        else:
            raise ClarifyError(f"options['order']={order!r}: not an order of the task's {count} meanings")
        known = self._known(task, intent, costs, order)
        return _new(State, (task, intent, costs, order, known, ASKING, (), 0, 0, 0.0, 0.0, None))

    def _known(
        self, task: Task, intent: int, costs: Costs, order: tuple[int, ...]
    ) -> dict[str, dict[str, Any]]:
        meanings, knowledge = task.interpretations, self.knowledge
        meant = meanings[intent]
        if self.domains == "own":
            meant = _reordered((meant,), f"user {task.id} {order[0]}")[0]
            meanings = _reordered(meanings, f"asker {task.id} {order[0]}")
        shared = {"question": task.question, "context": task.context, "costs": frozen(costs)}
        return {
            "asker": {
                **shared,
                "notes": tuple(map(meanings.__getitem__, order)) if knowledge == "open" else (),
                "document": task.document if knowledge == "document" else "",
            },
            "user": {**shared, "intent": meant.text, "facts": meant.facts},
        }

    def legal(self, state: State) -> Mapping[str, tuple[type[Move], ...]]:
        """The player on turn with its kinds of moves."""
        return _LEGAL[state.phase]

    def apply(self, state: State, moves: Mapping[str, Move]) -> tuple[State, Paid]:
        """The transition table of the module's docstring."""
        task, intent, costs, order, known, phase, history, asks, words, accuracy, exact, stop = state
        ((player, move),) = moves.items()
        history = (*history, _new(Turn, (player, move)))
        paid: Paid = ()
        if phase == REPLYING:
            phase = ASKING
        elif phase == SELECTING:
            phase = OVER
            if offered(history[-2].move, move.text):
                stop = _SELECTED
                accuracy, exact = self.grade(move.text, task.interpretations[intent].answers)
                paid = (("accuracy", accuracy),)
            else:
                detail = f"user selected {move.text[:80]!r}, which the last message does not offer"
                stop = Stop(StopReason.ILLEGAL, detail)
        elif isinstance(move, Ask):
            asks += 1
            paid = (("turn_cost", 1),)
            phase = REPLYING
            if asks >= self.max_turns:
                phase, stop = OVER, Stop(StopReason.MAX_TURNS, f"the asker's {asks} messages are spent")
        else:
            words = move.words
            paid = (("word_cost", words),)
            phase = SELECTING
        after = (task, intent, costs, order, known, phase, history, asks, words, accuracy, exact, stop)
        return _new(State, after), paid

    def stopped(self, state: State, stop: Stop) -> State:
        """The state with the episode over: accuracy 0, costs stand."""
        return state._replace(phase=OVER, stop=stop)

    def observe(self, state: State, player: str) -> dict[str, Any]:
        """question, context, costs, transcript; the asker's notes, document; the user's intent, facts."""
        observation = state.known[player].copy()
        observation["transcript"] = state.history
        return observation

    def spaces(self, player: str) -> dict[str, Space[Any]]:
        """Spaces of the observations; `costs` is the pair (turn, word), or what a subclass has for costs."""
        shared: dict[str, Space[Any]] = {
            "question": UnicodeText(),
            "context": UnicodeText(1_000_000),
            "costs": Box(0.0, np.inf, (len(self.costs_type._fields),), np.float64),
            "transcript": Records(Turn),
        }
        if player == "asker":
            return {**shared, "notes": Records(Interpretation), "document": UnicodeText(1_000_000)}
        return {**shared, "intent": UnicodeText(), "facts": Records(Fact)}

    def quantities(self, state: State) -> dict[str, float]:
        """accuracy (token F1, or what `grade` says), asks, words, and exact (exact match)."""
        return {
            "accuracy": state.accuracy,
            "asks": state.asks,
            "words": state.words,
            "exact": state.exact,
        }

    def setup(self, state: State) -> dict[str, Any]:
        """The task's id, the intent and the texts that a reader of the transcript needs."""
        meanings = state.task.interpretations
        meant = meanings[state.intent]
        return {
            "task": state.task.id,
            "intent": state.intent,
            "order": list(state.order),
            "question": state.task.question,
            **({"context": state.task.context} if state.task.context else {}),
            "meaning": meant.text,
            "answers": list(meant.answers),
            "meanings": len(state.task.interpretations),
        }

    def alternatives(self, state: State, player: str) -> list[tuple[State, float]]:
        """For the asker every meaning of the question with its weight; the user knows what it means."""
        if player != "asker":
            return [(state, 1.0)]
        task, _, costs, order, *_ = state
        return [
            (state._replace(intent=i, known=self._known(task, i, costs, order)), meaning.weight)
            for i, meaning in enumerate(task.interpretations)
        ]

    def plant(self, state: State) -> tuple[State, Mapping[str, Sequence[str]]]:
        """Marked meanings, answers, document: the user may see its own meaning, the asker what it holds."""
        marked = [
            meaning._replace(text=f"planted meaning {i}", answers=(f"planted answer {i}",))
            for i, meaning in enumerate(state.task.interpretations)
        ]
        task = state.task._replace(interpretations=tuple(marked), document="planted document")
        known = self._known(task, state.intent, state.costs, state.order)
        rivals = [m.text for i, m in enumerate(marked) if i != state.intent]
        answers = [m.answers[0] for m in marked]
        hidden = {"user": [*rivals, *answers, task.document], "asker": []}
        if self.knowledge != "open":
            hidden["asker"] += [*(m.text for m in marked), *answers]
        if self.knowledge != "document":
            hidden["asker"].append(task.document)
        return state._replace(task=task, known=known), hidden
