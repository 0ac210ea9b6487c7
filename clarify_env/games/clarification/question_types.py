"""What kind of thing a message asks of a user: pure rules over its words.

| kind | such as | `parts` |
| --- | --- | --- |
| direct | "Which do you mean?", "Could you be more specific?" | none |
| choice | "The 2004 film or the book?" | what there is to choose from |
| confirm | "Do you mean the 2004 film?", "The film?" | what is to be confirmed |
| detail | "Which year?", "What version do you mean?", "When?" | what it is about |
| beside | small talk, a demand for the answer, a question of fact | none |

Of several sentences the last question counts. A sentence is beside the point that
- demands the answer, or is about the user and not about what it means ("you" without a word such as "mean");
- asks for a fact ("What is ...", "Was it ...") and shares no content word with what the meaning adds, but
  for a year where it adds a number;
- or is no question and shares none with question and meaning.
"""

import re
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import NamedTuple

from clarify_env.text import FUNCTION, content, stem, tokens

_SENTENCE = re.compile(r"(?<=[?!])\s+|(?<=[a-z]{3}\.)\s+(?=[A-Z])")


_BETWEEN = re.compile(r"\s*(?:[,;]\s*)?\bor\b\s*|\s*[,;]\s+", re.IGNORECASE)


_OR_ELSE = re.compile(r"[?!.,]\s+or\s+", re.IGNORECASE)


_OR = re.compile(r"\bor\b", re.IGNORECASE)


_ANSWER = frozenset("answer answers".split())


_MEANS = frozenset("mean means meant meaning refer refers referring clarify intend intended".split())


_SPECIFY = frozenset("clarify specify specific specifically elaborate precise precisely exactly".split())


_VAGUER = frozenset("clarify specify specific elaborate".split())


_CUES = _MEANS | _SPECIFY | frozenset("ask asking interested looking talking thinking mind want".split())


_WH = frozenset("which what when where who whom whose how".split())


AUXILIARY = frozenset(
    "is are was were be am do does did has have had will would can could may might shall should must".split()
)


_SMALL = frozenset("so ok okay sorry please hmm well know question".split())


_LEAD = (_CUES | AUXILIARY | FUNCTION | _SMALL) - frozenset("no not who when where why how".split())


GENERIC = frozenset(map(stem, _CUES | frozenset(
    """thing question sense way more please sorry detail information info kind sort type part option
    particular interpretation clear clearly bit little help understand ok okay so tell say give me know here
    following correct right like""".split()
)))  # fmt: skip


_ONE = re.compile(r"\b(which|this|that|these|those|the) ones?\b", re.IGNORECASE)


_TAG = re.compile(
    r",\s*(right|correct|yes|no|(is|isn't|was|wasn't) (it|that)( right| correct)?)\s*\?\s*$", re.IGNORECASE
)


_OTHER = frozenset(map(stem, "something else other another neither both different not what anything".split()))


_YEAR = frozenset(map(stem, "year date decade century season".split()))


_TIME = _YEAR | frozenset(map(stem, "day month time number age many much".split()))


_PLACE = frozenset(map(stem, "place country city town state region location area continent".split()))


class Asked(NamedTuple):
    """What a message asks.

    Args:
        kind: "direct", "choice", "confirm", "detail" or "beside".
        parts: the alternatives, the claim, or what a detail is about, as they were put.
        sure: whether it says of itself that it is about what is meant.
    """

    kind: str
    parts: tuple[str, ...] = ()
    sure: bool = True


@lru_cache(maxsize=50_000)
def asked(ask: str) -> Asked:
    """What `ask` asks, as far as its own words tell; `about` says whether it is about a meaning."""
    sentence = _ONE.sub(r"\1", _TAG.sub("?", _last_question(ask)))
    spoken = list(tokens(sentence))
    held = set(spoken)
    cue = bool(held & _SPECIFY) or bool(held & _CUES and held & {"you", "your"}) or bool(held & _MEANS)
    which = "which" in held
    if held & _ANSWER and not held & _MEANS:
        return Asked("beside")
    if held & {"you", "your"} and not cue and not which:
        return Asked("beside")
    named = [word for word in content(sentence) if word not in GENERIC]
    if _OR.search(sentence):
        parts = _alternatives(sentence)
        if len(parts) > 1:
            return Asked("choice", parts)
        if parts:
            return Asked("confirm", parts, cue)
    first = next((k for k, word in enumerate(spoken[:4]) if word in _WH), None)
    if held & _VAGUER and not held & _MEANS - _VAGUER:
        return Asked("direct")
    if first is not None and spoken[0] not in AUXILIARY - {"can", "could", "would", "will"}:
        follows = spoken[first + 1] if first + 1 < len(spoken) else ""
        if not named:
            return Asked("direct" if cue or which else "detail", (sentence,), cue or len(spoken) == 1)
        fact = not AUXILIARY.isdisjoint(spoken[first + 1 : first + 4]) or (
            spoken[first] in {"who", "when", "where", "how"} and bool(follows)
        )
        return Asked("detail", (sentence,), cue or ((which or not fact) and len(named) <= 2))
    if not named:
        return Asked("direct" if cue else "beside")
    if spoken[0] in AUXILIARY or cue:
        pointing = re.match(r"\W*\w+ (it|this|that|these|those) (the|about|\d)", sentence.lower())
        return Asked("confirm", (_stripped(sentence),), cue or bool(pointing))
    if sentence.rstrip().endswith("?") and len(named) <= 8:
        return Asked("confirm", (_stripped(sentence),), bool(re.match(r"(the|a|an)\b", sentence.lower())))
    return Asked("confirm", (_stripped(sentence),), False)


def about(ask: Asked, question: Set[str], own: Set[str]) -> bool:
    """Whether `ask` is about a meaning.

    Args:
        ask: what is asked.
        question: stems of the user's question.
        own: stems of what the meaning adds to it.
    """
    if ask.kind == "beside":
        return False
    if ask.sure or ask.kind == "direct":
        return True
    named = {word for part in ask.parts for word in content(part)} - GENERIC
    if ask.kind == "detail" and named & _YEAR and any(word.isdigit() for word in own):
        return True
    return bool(named & own) if ask.kind != "choice" else bool(named & (own | question))


def wanted(part: str) -> tuple[frozenset[str], str]:
    """Stems of what a detail is about, and its kind: "number" (a time as well), "place" or ""."""
    named, spoken = frozenset(content(part)) - GENERIC, tokens(part)
    if named & _TIME or "when" in spoken:
        return named, "number"
    return named, "place" if named & _PLACE or "where" in spoken else ""


def _last_question(ask: str) -> str:
    joined = _OR_ELSE.sub(" or ", ask.strip())
    sentences = [part for part in _SENTENCE.split(joined) if tokens(part)]
    asking = [part for part in sentences if part.rstrip("\"') ").endswith("?")]
    return (asking or sentences or [""])[-1]


def _alternatives(sentence: str) -> tuple[str, ...]:
    """The parts of a sentence with "or" that can be told apart, without what leads to them."""
    said = sentence.rpartition(":")[2] if _OR.search(sentence.rpartition(":")[2]) else sentence
    parts = [_stripped(part) for part in _BETWEEN.split(said)]
    return tuple(part for part in parts if set(content(part)) - _OTHER - GENERIC)


def _stripped(part: str) -> str:
    """`part` without words such as "do you mean" before it, and without the marks around it."""
    words = part.split()
    while words and (not (own := tokens(words[0])) or set(own) <= _LEAD) and _more(words[1:]):
        words.pop(0)
    return " ".join(words).strip(" \t?.!,;:\"'")


def _more(words: Sequence[str]) -> bool:
    return any(content(word) for word in words)
