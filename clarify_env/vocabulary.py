"""A stated vocabulary: what a reader of a game with a budget takes in, what that costs, what it can carry.

`clarify_env.text.words` counts open text, of which any word may be new. Where a budget is to limit what is
told, a made-up word is as good as a page, so that a game states its words: each of them counts one, and so
does a number below 100; anything else counts its letters and digits. What is counted is also all that
arrives: case, punctuation, accents, widths, spaces and signs are free and are not heard. So a message of n
words is one of finitely many, and `Vocabulary.bits` is what no code exceeds.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from clarify_env.errors import ClarifyError

_NUMERALS = tuple(map(str, range(100)))
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_UNKNOWN = "\ufffd"  # what is heard of a letter of another script
_SILENT = re.compile("['\u2019\u02bc]")
_BREAKS = re.compile(f"[^{_LETTERS}{_UNKNOWN}]+")


class Vocabulary:
    """The words of a game; numbers below 100, in digits without a leading zero, are among any.

    Args:
        words: each of letters a to z or digits, as it is written; case does not tell two apart.

    Raises:
        ClarifyError: a word that a reader would not take in as one.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._written = {_plain(word): word for word in (*_NUMERALS, *words)}
        for plain, word in self._written.items():
            if not plain or not set(plain) <= set(_LETTERS):
                raise ClarifyError(f"{word!r}: a word of a vocabulary has letters a to z and digits alone")
        self.words = tuple(self._written.values())
        self._heard = lru_cache(maxsize=100_000)(self._read)

    def read(self, text: str) -> tuple[str, ...]:
        """What arrives of a text: words of the vocabulary as they are written, others in small letters."""
        return self._heard(text)[0]

    def heard(self, text: str) -> str:
        """The same as a text, which is heard as it is."""
        return " ".join(self._heard(text)[0])

    def count(self, text: str) -> int:
        """Words that a text costs."""
        return self._heard(text)[1]

    def _read(self, text: str) -> tuple[tuple[str, ...], int]:
        found = tuple(self._written.get(word, word) for word in _plain(text).split())
        return found, sum(1 if _plain(word) in self._written else len(word) for word in found)

    @property
    def symbols(self) -> int:
        """Kinds of what counts one: a word, or a letter that begins a spelled word, or goes on with one."""
        return len(self.words) + 2 * (len(_LETTERS) + 1)

    def bits(self, count: int) -> float:
        """What texts of at most so many words can carry: the logarithm of how many can be told apart.

        A text is heard as a row of `symbols`, one a word, so that S symbols make at most 1 + S + ... + S^n.
        """
        inverse = 1.0 / self.symbols
        share = (1.0 - inverse ** (count + 1)) / (1.0 - inverse)
        return count * math.log2(self.symbols) + math.log2(share)


def _plain(text: str) -> str:
    """The text in small letters without accents, all that is no letter or digit as a space."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(c for c in apart if unicodedata.category(c) not in ("Mn", "Mc", "Me", "Cf"))
    known = "".join(
        c if c in _LETTERS or not c.isalnum() else _UNKNOWN
        for c in unicodedata.normalize("NFC", _SILENT.sub("", bare))
    )
    return _BREAKS.sub(" ", known).strip()
