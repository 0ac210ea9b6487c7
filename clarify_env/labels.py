"""Labels of an enumeration: which of a question's meanings each fits, and in which orders they can stand."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

from clarify_env.task import Interpretation
from clarify_env.text import tokens
from clarify_env.usermodel import pick
from clarify_env.wording import apart, stems

OTHERWISE = "otherwise"


class Label(NamedTuple):
    """A label: the set of meanings that it fits (a bit mask), its length and its text."""

    fits: int
    words: int
    text: str


class Plan(NamedTuple):
    """A form of enumeration: labels by stage, and whether every meaning has to be served."""

    stages: tuple[list[Label], ...]
    complete: bool


def plans(meanings: Sequence[Interpretation], question: str = "") -> list[Plan]:
    """The forms of enumeration that are tried for these meanings of a question."""
    if meanings[0].facts:
        return [Plan((_fact_labels(meanings),), False)]
    twos, ones, known = _word_labels(meanings, question)
    longs = _long_labels(meanings, question)
    return [Plan((ones, known), False), Plan((twos, ones), True), Plan((longs,), True)]


def _cheapest(found: Sequence[Label]) -> list[Label]:
    best: dict[int, Label] = {}
    for label in found:
        if label.fits and (label.fits not in best or best[label.fits].words > label.words):
            best[label.fits] = label
    return list(best.values())


def _fact_labels(meanings: Sequence[Interpretation]) -> list[Label]:
    """Conjunctions of at most one value a fact; no value at all fits everyone and takes one word."""
    columns = list(zip(*(m.facts for m in meanings), strict=True))
    full = (1 << len(meanings)) - 1
    found = []
    for values in product(*([None, *dict.fromkeys(fact.value for fact in column)] for column in columns)):
        fits = full
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                fits &= sum(1 << i for i, fact in enumerate(column) if fact.value == value)
        named = [value for value in values if value is not None] or [OTHERWISE]
        found.append(Label(fits, len(named), " ".join(named)))
    return _cheapest(found)


def _word_labels(
    meanings: Sequence[Interpretation], question: str
) -> tuple[list[Label], list[Label], list[Label]]:
    """Labels of two words and of one that the meanings add to the question, and of one that it has itself."""
    known = set(stems(question))
    held: dict[str, int] = {}
    twice: dict[str, int] = {}
    written: dict[str, str] = {}
    for i, meaning in enumerate(meanings):
        for word in _words(meaning.text):
            written.setdefault(stems(word)[0], word)
        for stem, copies in Counter(stems(meaning.text)).items():
            held[stem] = held.get(stem, 0) | 1 << i
            if copies > 1 and stem not in known:
                twice[stem] = twice.get(stem, 0) | 1 << i
    old, ones = (
        _cheapest([Label(fits, 1, written[stem]) for stem, fits in held.items() if (stem in known) is asked])
        for asked in (True, False)
    )
    single = {label.fits for label in ones}
    twos = [Label(a.fits & b.fits, 2, f"{a.text} {b.text}") for a, b in combinations(ones, 2)]
    twos += [Label(fits, 2, f"{written[stem]} {written[stem]}") for stem, fits in twice.items()]
    return _cheapest([label for label in twos if label.fits not in single]), ones, old


def _words(text: str) -> list[str]:
    """The tokens of a text, with joined words taken apart: one stem each."""
    return [token for token in tokens(apart(text)) if stems(token)]


def _long_labels(meanings: Sequence[Interpretation], question: str) -> list[Label]:
    """One label a meaning: its own words, less those that can go without changing who takes which option."""
    spoken = {tuple(sorted(stems(m.text))): _words(m.text) for m in meanings}
    labels = [label for label in spoken.values() if label]
    if not labels:
        return []

    def taken() -> list[int | None]:
        options = [(" ".join(label), "") for label in labels]
        return [pick(options, meaning.text, (), question) for meaning in meanings]

    frequent = Counter(token for label in labels for token in label)
    intended = taken()
    for label in labels:
        for token in sorted(label, key=lambda token: -frequent[token]):
            before = label.copy()
            label.remove(token)
            if not label or taken() != intended:
                label[:] = before
    fits = [sum(1 << i for i, at in enumerate(intended) if at == k) for k in range(len(labels))]
    return [Label(fit, len(label), " ".join(label)) for fit, label in zip(fits, labels, strict=True)]
