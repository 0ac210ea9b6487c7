"""The one exception of this package, and the wording that its messages share."""

from collections.abc import Iterable
from difflib import get_close_matches


class ClarifyError(ValueError):
    """A mistake in what the caller gave, told in one line: the offending input, then what would be right."""


class Unreadable(ClarifyError):
    """A message that is no move."""


def nearest(word: object, known: Iterable[str]) -> str:
    """End of an error message: the known name closest to `word`, or else all of them."""
    names = sorted(known)
    close = get_close_matches(str(word), names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


def choose(what: str, word: str, known: Iterable[str]) -> str:
    """`word` itself where it is one of `known`; else a ClarifyError that names the nearest."""
    names = list(known)
    if word not in names:
        raise ClarifyError(f"unknown {what} {word!r}{nearest(word, names)}")
    return word
