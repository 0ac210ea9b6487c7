"""Texts: words and tokens are what an answer costs and earns, stems compare what texts say; and escaping."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

_PUNCTUATION = str.maketrans("", "", string.punctuation)


Grade = Callable[[str, Sequence[str]], tuple[float, float]]


REMEMBERED = 1_000  # characters of the longest text whose tokens are kept, so that the caches stay small


_ARTICLES = re.compile(r"\b(a|an|the)\b")


_UNCLEAN = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """Text from outside without what no UTF-8 file and no tokenizer takes: lone surrogates and NUL."""
    return _UNCLEAN.sub("\ufffd", text)


# What a reader takes in as one word: an abbreviation, a number with its ending, letters and digits in a row.
_WORD = re.compile(
    r"(?:[^\W\d_]\.){2,}|\d+(?:[.,:]\d+)*(?=(?:k|mn?|bn?|thousands?|millions?|billions?|percent)\b)"
    r"|\d+(?:[.,:]\d+)+(?!\w)|[^\W_]+(?:['\u2019][^\W_]+)*",
    re.IGNORECASE,
)
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
# Characters that look like nothing, or like a space.
_BREAKS = re.compile("[\u200b\u2060\ufeff\u180e\u2800\u3164\u115f\u1160\uffa0]")
_PLAIN = re.compile("[A-Za-z ]*")
LONG = 20  # characters of a word


def words(text: str) -> int:
    """Number of words that a reader of `text` reads, the unit of the word cost (arXiv 2512.04068).

    Words end at any space, at one of no width too, and at punctuation within, but for apostrophes,
    abbreviations ("U.S.") and the signs of numbers ("1,496.5"); a number and the unit that it is joined to
    are two. What has no letter or digit is a word too. Of scripts without spaces two characters are a word;
    of any other what stands between two spaces counts at least once per begun `LONG` characters.
    """
    if _PLAIN.fullmatch(text):
        return sum(1 if len(word) <= LONG else -(-len(word) // LONG) for word in text.split())
    return _words(text) if len(text) <= REMEMBERED else _words.__wrapped__(text)


@lru_cache(maxsize=100_000)
def _words(text: str) -> int:
    count = 0
    for piece in _visible(text).split():
        count += max(-(-len(piece) // LONG), sum(map(_length, _WORD.findall(piece))))
    understood = max(len(tokens(text)), len(stems(text)))  # an article between two signs leaves two
    return max(count, len(text.split()), understood)


def _visible(text: str) -> str:
    """The text with breaks of no width as spaces, and without marks that stand on or between letters."""
    if text.isascii():
        return text
    shown = unicodedata.normalize("NFC", _BREAKS.sub(" ", text))
    return "".join(c for c in shown if unicodedata.category(c) not in ("Mn", "Mc", "Me", "Cf"))


def _length(word: str) -> int:
    spaceless = len(_SPACELESS.findall(word))
    rest = len(word) - spaceless
    return -(-spaceless // 2) + -(-rest // LONG)


def tokens(text: str) -> tuple[str, ...]:
    """Tokens of `text` after the SQuAD normalisation: lower case, no punctuation, no articles.

    A text never has more tokens than words.
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


def grade_exact(selection: str, answers: Sequence[str]) -> tuple[float, float]:
    """Exact match after the SQuAD normalisation, as accuracy too: right or wrong."""
    right = exact_match(selection, answers)
    return right, right


FUNCTION = frozenset(
    """i me my we our you your he she him his her it its they them their this that these those there is are
    was were be been being am do does did has have had will would can could may might shall should must of to
    in on at by for from with as and or but nor if so just only about into than then who whom whose what which
    when where why how s not no yes isnt wasnt arent werent dont doesnt didnt any some a an the
    """.split()
)


CARDINALS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty""".split()


_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()


_SAME = {word: str(n) for n, word in enumerate(CARDINALS)} | {
    f"{n}{'st' if n == 1 else 'nd' if n == 2 else 'rd' if n == 3 else 'th'}": word
    for n, word in enumerate(_ORDINALS, start=1)
}


_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", ""), ("es", ""),
            ("s", ""), ("e", ""))  # fmt: skip


_JOINS = re.compile("[-/\u2013\u2014]")


def stem(token: str) -> str:
    """A token without common English endings; numbers up to twenty in digits, ordinals in words."""
    token = _SAME.get(token, token)
    if len(token) < 4 or token.isdigit():
        return token
    for ending, rest in _ENDINGS:
        if token.endswith(ending) and len(token) - len(ending) >= 3 and not token.endswith("ss"):
            return token[: -len(ending)] + rest
    return token


def apart(text: str) -> str:
    """`text` with a space for each hyphen, dash and slash."""
    return _JOINS.sub(" ", text)


def stems(text: str) -> tuple[str, ...]:
    """The stems of `text`'s tokens in order; hyphens, dashes and slashes separate words."""
    return _stems(text) if len(text) <= REMEMBERED else _stems.__wrapped__(text)


@lru_cache(maxsize=200_000)
def _stems(text: str) -> tuple[str, ...]:
    return tuple(map(stem, tokens(apart(text))))


def content(text: str) -> tuple[str, ...]:
    """The stems of `text` without function words."""
    return tuple(stem(token) for token in tokens(apart(text)) if token not in FUNCTION)


_ESCAPED = re.compile(r"&(?:(amp|lt|gt)|#([0-9]{1,7}));")


_NAMED = {"amp": "&", "lt": "<", "gt": ">"}


_SPECIAL = re.compile(r"[&<>]|^\s|\s$|[^\S ]")


def escape(text: str) -> str:
    """The text with `&`, `<`, `>`, line ends and outer spaces as character references, for a tagged block."""
    back = {character: name for name, character in _NAMED.items()}
    return _SPECIAL.sub(
        lambda m: f"&{back[m[0]]};" if m[0] in back else f"&#{ord(m[0])};",
        text,
    )


def unescape(text: str) -> str:
    """The text that `escape` wrote."""

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return _NAMED[match[1]]
        code = int(match[2])
        return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else match[0]

    return _ESCAPED.sub(replace, text)
