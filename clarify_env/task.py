"""Tasks: a question, what it may mean, and what would be a right answer to each meaning."""

from typing import NamedTuple


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
        weight: probability that this is what is meant, in (0, 1]; a task's weights add up to 1.
        facts: what distinguishes it, where the task knows (else empty, and only `text` does).
    """

    text: str
    answers: tuple[str, ...]
    weight: float = 1.0
    facts: tuple[Fact, ...] = ()


class Task(NamedTuple):
    """A question with everything that nature knows about it.

    Args:
        id: unique within its split.
        question: what the user says at the start; public.
        interpretations: at least one; their weights add up to 1.
        document: a text that only the asker holds ("" for none).
        context: what both players see before the question, such as the dialogue so far or a story.
    """

    id: str
    question: str
    interpretations: tuple[Interpretation, ...]
    document: str = ""
    context: str = ""
