"""What a question is: its meanings with answers and weights; and the check that every task passes.

The same check is made of what a file holds and of what is made in Python, so that nothing is played that was
not meant: a mistake is one line, which restates the task and what is wrong with it.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from clarify_env.errors import ClarifyError
from clarify_env.text import clean, tokens


class Fact(NamedTuple):
    """One thing that is true of an interpretation and can be asked for.

    Args:
        name: what it is about, as a question would call it ("profession").
        value: its value here ("painter"), one word.
        domain: every value that the world knows for it; common knowledge.
    """

    name: str
    value: str
    domain: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Fact({self.name}={self.value})"


class Interpretation(NamedTuple):
    """One meaning of a question.

    Args:
        text: the meaning in words.
        answers: acceptable answers (aliases); the first is the usual one.
        weight: probability that this is what is meant, in (0, 1], or how often it is, in whole numbers; as
            played a task's weights add up to 1. Left out for all meanings they are equal.
        facts: what distinguishes it, where the task knows (else empty, and only `text` does).
    """

    text: str
    answers: tuple[str, ...]
    weight: float = 1.0
    facts: tuple[Fact, ...] = ()


def canonical(notes: Sequence[Interpretation]) -> tuple[Interpretation, ...]:
    """The notes in an order that does not depend on how they were shuffled."""
    return tuple(sorted(notes, key=lambda note: (-note.weight, note.text)))


class Task(NamedTuple):
    """A question with everything that nature knows about it.

    Args:
        id: unique within its split.
        question: what the user says at the start; public.
        interpretations: at least one.
        document: a text that only the asker holds ("" for none).
        context: what both players see before the question, such as the dialogue so far or a story.
    """

    id: str
    question: str
    interpretations: tuple[Interpretation, ...]
    document: str = ""
    context: str = ""


LONGEST = 100_000  # characters of a question, a meaning or an answer, which the spaces allow


LONGEST_DOCUMENT = 1_000_000  # of a document or a context


ROUNDED = 0.005  # a meaning, by which shares that are no counts may miss 1, for they may have been rounded


_CHECKED: deque[tuple[Task, ...]] = deque(
    maxlen=8
)  # as loaders hand out again and again; nothing in them changes


def sound(task: Any) -> Task:
    """The task as it is played: lists as tuples, counts and rounded shares as weights that add up to 1.

    Weights in whole numbers are counts (so are those that were left out, which are 1 each); any others add
    up to 1, give or take `ROUNDED` a meaning.

    Raises:
        ClarifyError: it cannot be played, or not as it was meant.
    """
    if not isinstance(task, Task):
        raise ClarifyError(f"{_short(task)}: a {type(task).__name__}, not a Task")
    try:
        meanings = _meanings(task)
        weights = _weights([meaning.weight for meaning in meanings])
    except ClarifyError as error:
        raise ClarifyError(f"task {_short(task.id)}: {error}") from None
    for i, (meaning, weight) in enumerate(zip(meanings, weights, strict=True)):
        if weight != meaning.weight:
            meanings[i] = meaning._replace(weight=weight)
    if tuple(meanings) == task.interpretations:
        return task
    return task._replace(interpretations=tuple(meanings))


def sound_tasks(tasks: Sequence[Any]) -> Sequence[Task]:
    """All tasks as `sound` gives them; the sequence itself where that changes none.

    Raises:
        ClarifyError: there is none, one is not sound, or two have the same id.
    """
    if any(tasks is known for known in _CHECKED):
        return tasks
    if isinstance(tasks, (str, Task)) or not isinstance(tasks, Sequence):
        raise ClarifyError(f"tasks={_short(tasks)}: a {type(tasks).__name__}; give a list of tasks")
    if not tasks:
        raise ClarifyError("no tasks: the split is empty")
    kept: list[Task] = []
    held: dict[str, int] = {}
    for position, given in enumerate(tasks):
        try:
            kept.append(sound(given))
        except ClarifyError as error:
            raise ClarifyError(f"tasks[{position}]: {error}") from None
        if (first := held.setdefault(given.id, position)) != position:
            raise ClarifyError(
                f"tasks[{position}]: its id {given.id!r} is that of tasks[{first}] too; give each its own"
            )
    if any(a is not b for a, b in zip(kept, tasks, strict=True)):
        return tuple(kept)
    if isinstance(tasks, tuple):
        _CHECKED.append(tasks)
    return tasks


def _short(value: object) -> str:
    return f"{value!r:.80}"


def _text(what: str, value: Any, most: int = LONGEST) -> None:
    if not isinstance(value, str):
        raise ClarifyError(f"{what} {_short(value)} is a {type(value).__name__}, not a text")
    if len(value) > most:
        raise ClarifyError(f"{what} {value[:40]!r}... has {len(value):,} characters; at most {most:,}")
    if (not value.isascii() and clean(value) != value) or "\x00" in value:
        raise ClarifyError(f"{what} {_short(value)} holds NUL or half a character, which no file takes")


def _spoken(what: str, value: Any) -> None:
    """Raise where `value` is no text that says something."""
    _text(what, value)
    if not tokens(value):
        raise ClarifyError(f"{what} {_short(value)} has no word besides articles and punctuation")


def _items(what: str, value: Any, of: str) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        raise ClarifyError(f"{what} {_short(value)} is a {type(value).__name__}; give a tuple of {of}")
    if not value:
        raise ClarifyError(f"{what} is empty; give at least one of the {of}")
    return tuple(value)


def _meanings(task: Task) -> list[Interpretation]:
    _text("its id", task.id)
    if not task.id:
        raise ClarifyError("its id is empty")
    _spoken("its question", task.question)
    _text("its document", task.document, LONGEST_DOCUMENT)
    _text("its context", task.context, LONGEST_DOCUMENT)
    held: dict[tuple[str, ...], int] = {}
    meanings: list[Interpretation] = []
    for i, meaning in enumerate(_items("interpretations", task.interpretations, "meanings"), 1):
        if not isinstance(meaning, Interpretation):
            raise ClarifyError(f"meaning {i}, {_short(meaning)}, is no Interpretation")
        _spoken(f"meaning {i}", meaning.text)
        if (first := held.setdefault(tokens(meaning.text), i)) != i:
            raise ClarifyError(f"meanings {first} and {i} are in the same words, {_short(meaning.text)}")
        answers = _items(f"meaning {i}: answers", meaning.answers, "texts")
        for answer in answers:
            _spoken(f"meaning {i}: answer", answer)
        facts = meaning.facts if meaning.facts == () else _facts(i, meaning.facts)
        if meanings and bool(facts) != bool(meanings[0].facts):
            raise ClarifyError(f"meanings 1 and {i}: one has facts, the other none; give all of them facts")
        if answers is not meaning.answers or facts is not meaning.facts:
            meaning = meaning._replace(answers=answers, facts=facts)
        meanings.append(meaning)
    return meanings


def _facts(i: int, facts: Any) -> tuple[Fact, ...]:
    if not isinstance(facts, (tuple, list)) or not all(isinstance(fact, Fact) for fact in facts):
        raise ClarifyError(f"meaning {i}: facts {_short(facts)}; give a tuple of Fact(name, value, domain)")
    for fact in facts:
        for what, word in (("name", fact.name), ("value", fact.value)):
            if not isinstance(word, str) or tokens(word) != (word,):
                raise ClarifyError(f"meaning {i}: the {what} of {fact!r:.80} is not one word in lower case")
        if not isinstance(fact.domain, (tuple, list)) or fact.value not in fact.domain:
            raise ClarifyError(f"meaning {i}: the domain of {fact!r:.80} does not hold its value")
    return tuple(facts)


def _weights(given: Iterable[Any]) -> list[float]:
    """The weights, which are probabilities that add up to 1."""
    weights = list(given)
    for i, weight in enumerate(weights, 1):
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            raise ClarifyError(
                f"meaning {i}: weight {_short(weight)} is a {type(weight).__name__}, no number"
            )
        if not 0.0 < weight < math.inf:
            raise ClarifyError(
                f"meaning {i}: weight {weight}; give a number above 0, or leave the meaning out"
            )
    total = math.fsum(weights)
    if abs(total - 1.0) <= 1e-9:
        return weights
    if abs(total - 1.0) <= ROUNDED * len(weights) + 1e-9 or all(weight == int(weight) for weight in weights):
        return [weight / total for weight in weights]
    raise ClarifyError(
        f"weights {', '.join(f'{weight:g}' for weight in weights)} add up to {total:g}; give probabilities "
        "that add up to 1, counts in whole numbers, or none for equal ones"
    )
