"""Moves, costs and records of collaborative self-play; the rules and the draws of nature share them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from clarify_env.moves import Move, TextMove


class CspCosts(NamedTuple):
    """What the group pays.

    Args:
        search: per search of a helper; finite, >= 0.
        word: per word of the asker's answer; finite, >= 0.
        wrong: for a wrong answer of the asker, in proportion to what its accuracy lacks; finite, >= 0.
    """

    search: float = 0.1
    word: float = 0.05
    wrong: float = 0.0


class RecallCosts(NamedTuple):
    """What the group pays where helpers may be silent.

    Args:
        search: per search of a helper; finite, >= 0.
        say: per text that a helper gives; finite, >= 0.
        word: per word of the asker's answer; finite, >= 0.
        wrong: for a wrong answer of the asker; finite, >= 0.
    """

    search: float = 0.1
    say: float = 0.02
    word: float = 0.02
    wrong: float = 1.0


@dataclass(frozen=True)
class Search(TextMove):
    """A helper searches with its own tool for this query; it costs one search."""


@dataclass(frozen=True)
class Sure(TextMove):
    """A helper's answer, marked as one that it is sure of."""


@dataclass(frozen=True)
class Unsure(TextMove):
    """A helper's answer, marked as one that it is not sure of."""


@dataclass(frozen=True)
class Silent(Move):
    """A helper gives no answer: what it has may be worth less than nothing."""


@dataclass(frozen=True)
class Hedge(Move):
    """The asker gives no answer: nothing is earned, and nothing is paid for a wrong one."""


MARKS: tuple[type[TextMove], ...] = (Sure, Unsure)


CONFIDENCE = {"sure": 0.9, "unsure": 0.3}


class Memory(NamedTuple):
    """What a helper remembers: an answer, and how often such a memory is right, in [0, 1]."""

    text: str
    reliability: float


class Tool(NamedTuple):
    """A helper's tool: its name, and the probability that its corpus covers such a question."""

    name: str
    coverage: float


class Passage(NamedTuple):
    """A passage that a search has found: its text, and which search of its helper found it, from 0."""

    text: str
    search: int = 0


class Recall(NamedTuple):
    """What came to a helper's mind at one try."""

    text: str


class FoundPassage(NamedTuple):
    """A passage that a search has found.

    Args:
        text: of the passage.
        search: which search of its helper found it, from 0.
        match: "exact" where it is about what was asked for, "loose" where it may be.
        agreeing: how many of the helper's recalls say the same.
    """

    text: str
    search: int
    match: str
    agreeing: int


class PublicQuestion(Protocol):
    """What every question of a generated world has."""

    @property
    def id(self) -> str:
        """Unique within its split."""
        ...

    @property
    def text(self) -> str:
        """The question; public."""
        ...

    @property
    def values(self) -> tuple[tuple[str, ...], ...]:
        """Plausible answers, each with its aliases."""
        ...

    @property
    def topic(self) -> str:
        """What it is about; public."""
        ...


class Question(NamedTuple):
    """A question with its plausible answers.

    Args:
        id: unique within its split.
        text: the question; public.
        values: plausible answers, each with its aliases; nature draws which of them is true.
        topic: what it is about; public.
        passages: for each helper the passages that its tool searches, where they belong to the question.
    """

    id: str
    text: str
    values: tuple[tuple[str, ...], ...]
    topic: str = ""
    passages: tuple[tuple[str, ...], ...] = ()


class Skill(NamedTuple):
    """What a helper has on a topic.

    Args:
        levels: probability that its memory is of each level of reliability; they add up to 1.
        coverage: probability that its tool's corpus covers a question.
    """

    levels: tuple[float, ...]
    coverage: float


class World(NamedTuple):
    """What is known to all about the helpers.

    Args:
        reliability: of each level of memory, the probability that it is right.
        skills: by topic, of each helper.
    """

    reliability: tuple[float, ...]
    skills: Mapping[str, tuple[Skill, ...]]


class Retriever(Protocol):
    """A helper's tool."""

    name: str

    def find(self, query: str, question: Question, truth: int, covered: bool) -> tuple[str, ...]:
        """The passages that the query finds, the nearest first; a pure function."""
        ...
