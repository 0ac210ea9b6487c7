"""Words, tokens and token F1: what an answer costs and what it is worth."""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

_PUNCTUATION = str.maketrans("", "", string.punctuation)
Grade = Callable[[str, Sequence[str]], tuple[float, float]]
REMEMBERED = 1_000  # characters of the longest text whose tokens are kept, so that the caches stay small
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def words(text: str) -> int:
    """Number of whitespace-separated words of `text`, the unit of the word cost (arXiv 2512.04068)."""
    return len(text.split())


def tokens(text: str) -> tuple[str, ...]:
    """Tokens of `text` after the SQuAD normalisation: lower case, no punctuation, no articles.

    Punctuation is deleted, not replaced, so a text never has more tokens than words.
    """
    return _tokens(text) if len(text) <= REMEMBERED else _tokens.__wrapped__(text)


@lru_cache(maxsize=200_000)
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def overlap(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """Number of tokens that `a` and `b` share, counted with their multiplicity."""
    if len(a) == 1:
        return int(a[0] in b)
    if len(b) == 1:
        return int(b[0] in a)
    return (Counter(a) & Counter(b)).total()


def token_f1(text: str, gold: str) -> float:
    """Token F1 of two texts in [0, 1] (SQuAD, arXiv 1606.05250); two texts without tokens score 1."""
    short = len(text) <= REMEMBERED and len(gold) <= REMEMBERED
    return _token_f1(text, gold) if short else _token_f1.__wrapped__(text, gold)


@lru_cache(maxsize=200_000)
def _token_f1(text: str, gold: str) -> float:
    a, b = tokens(text), tokens(gold)
    if a == b:
        return 1.0
    return 2.0 * overlap(a, b) / (len(a) + len(b))


def best_f1(text: str, golds: Iterable[str]) -> float:
    """Greatest token F1 of `text` against any of the aliases `golds`; an empty `text` scores 0."""
    if not text or text.isspace():
        return 0.0
    best = 0.0
    for gold in golds:
        score = token_f1(text, gold)
        if score > best:
            best = score
    return best


def exact_match(text: str, golds: Iterable[str]) -> float:
    """1.0 where `text` equals one of `golds` after normalisation, else 0.0; an empty `text` scores 0."""
    if not text or text.isspace():
        return 0.0
    return float(any(tokens(text) == tokens(gold) for gold in golds))


def grade_text(selection: str, answers: Sequence[str]) -> tuple[float, float]:
    """Accuracy (the best token F1 against the aliases) and exact match of a selection, both in [0, 1]."""
    accuracy = best_f1(selection, answers)
    return accuracy, exact_match(selection, answers) if accuracy == 1.0 else 0.0
