"""Labels of an enumeration: which of a question's meanings each fits, and in which orders they can stand."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

from clarify_env.task import Interpretation
from clarify_env.text import tokens
from clarify_env.usermodel import pick

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


def plans(meanings: Sequence[Interpretation]) -> list[Plan]:
    """The forms of enumeration that are tried for these meanings."""
    if meanings[0].facts:
        return [Plan((_fact_labels(meanings),), False)]
    twos, ones = _word_labels(meanings)
    return [Plan((ones,), False), Plan((twos, ones), True), Plan((_long_labels(meanings),), True)]


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


def _word_labels(meanings: Sequence[Interpretation]) -> tuple[list[Label], list[Label]]:
    """Labels of two words and of one word, taken from the meanings' own."""
    held: dict[str, int] = {}
    twice: dict[str, int] = {}
    for i, meaning in enumerate(meanings):
        for token, copies in Counter(tokens(meaning.text)).items():
            held[token] = held.get(token, 0) | 1 << i
            if copies > 1:
                twice[token] = twice.get(token, 0) | 1 << i
    ones = _cheapest([Label(fits, 1, token) for token, fits in held.items()])
    known = {label.fits for label in ones}
    twos = [Label(a.fits & b.fits, 2, f"{a.text} {b.text}") for a, b in combinations(ones, 2)]
    twos += [Label(fits, 2, f"{token} {token}") for token, fits in twice.items()]
    return _cheapest([label for label in twos if label.fits not in known]), ones


def _long_labels(meanings: Sequence[Interpretation]) -> list[Label]:
    """One label a meaning: its own words, less those that can go without changing who takes which option."""
    spoken = {tuple(sorted(tokens(m.text))): list(tokens(m.text)) for m in meanings}
    labels = [label for label in spoken.values() if label]
    if not labels:
        return []

    def taken() -> list[int | None]:
        options = [(" ".join(label), "") for label in labels]
        return [pick(options, meaning.text, ()) for meaning in meanings]

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
