"""What a user says whose meaning is known in words alone (AmbigQA, PACIFIC, Abg-CoQA): pure rules.

The user holds its question, the text of its meaning, and what was said between the two. What it can tell is
what the meaning *adds* to the question: the words whose stems the question lacks; where it adds none but
leaves some out, the meaning as it stands. Neither answer nor rival meaning is known to it. By what is asked
(`clarify_env.asked`):
- direct: all that the meaning adds and that was not said yet;
- detail: one phrase of that: the one with a number if a time or a number is asked for, with a name after
  "in" or its like if it is a place; else the one nearest to the words that the question shares with the
  meaning, else the first;
- confirm: "Yes" if the meaning holds what is claimed, "No" if it holds none of it, other numbers or another
  question word; then the first phrase that the claim lacks. Where it holds a part of the claim, leaves other
  words of the question out, or one of the two says "not" or its like, the phrase alone;
- choice: the alternative whose content the meaning holds, "Neither" and a phrase where it holds none, and
  the phrase alone where it cannot tell;
- beside, or not about the meaning: `PUZZLED`.

What was said are the user's own replies and the claims that it said yes to. Where all has been said, it is
said again, and no "Yes" stands alone where the claim lacks a phrase. A phrase is an unbroken run of added
words.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from clarify_env.asked import about, asked, wanted
from clarify_env.text import tokens
from clarify_env.wording import content, stems

PUZZLED = "I am not sure what you are asking."
PLAIN = "I mean just what I asked."
YES, NO, NEITHER = "Yes", "No", "Neither"
Said = tuple[tuple[str, str], ...]  # what was asked before, with the replies
_END = re.compile(r"[?.!,;:]+$")
_WH = frozenset("who when where why how".split())
_NOT = frozenset("not no never non without".split())
_ORDINAL = frozenset("first second third fourth fifth sixth seventh eighth ninth tenth last".split())
_IN = re.compile(r"(in|at|from|near) .*[A-Z]")
_MONTHS = frozenset(
    stems("January February March April June July August September October November December")
)


@lru_cache(maxsize=100_000)
def added(intent: str, question: str) -> str:
    """What `intent` adds to `question`, in order, as a sentence.

    Where it adds no content word, it is the whole `intent`, or `PLAIN` if the two have the same words.
    """
    known = frozenset(stems(question))
    new = _new(intent, known)
    if any(content(word) and not known.issuperset(stems(word)) for word in new):
        return _sentence(" ".join(new))
    return PLAIN if set(stems(intent)) == known else _sentence(intent)


@lru_cache(maxsize=200_000)
def text_reply(ask: str, question: str, intent: str, said: Said = ()) -> str:
    """The truthful reply of somebody who means `intent` by `question`.

    Args:
        ask: what is asked now.
        question: what the user asked at the start.
        intent: its meaning in words.
        said: what was asked before, with the replies, in order.
    """
    put = asked(ask)
    known = frozenset(stems(question))
    own = frozenset(stems(intent))
    if not about(put, known, own - known):
        return PUZZLED
    heard = known.union(*(stems(text) for text in _told(said)))
    phrases = _phrases(intent, heard)
    left = bool(phrases)
    if not left:
        phrases = _phrases(intent, known)
    if put.kind == "direct":
        return _sentence(" ".join(phrases)) if left and heard != known else added(intent, question)
    if not phrases:
        phrases = [] if own == known else [_END.sub("", intent)]
        left = False
    first = phrases[0] if phrases else ""
    if put.kind == "detail":
        return _sentence(_nearest(put.parts[0], phrases, intent)) if phrases else PLAIN
    if put.kind == "confirm":
        every = _phrases(intent, known)
        return _confirmed(put.parts[0], known, intent, [*(phrases if left else ()), *every], first)
    return _chosen(put.parts, known, own, first)


def _told(said: Said) -> list[str]:
    """The texts by which the user told something of its meaning."""
    told = []
    for ask, reply in said:
        if reply not in (PUZZLED, PLAIN):
            told.append(reply)
        if reply.startswith(YES):
            told.extend(asked(ask).parts)
    return told


def _new(intent: str, known: frozenset[str]) -> list[str]:
    return [word for word in intent.split() if not known.issuperset(stems(word))]


@lru_cache(maxsize=100_000)
def _phrases(intent: str, known: frozenset[str]) -> list[str]:
    """Runs of words that are not known, without prepositions at their end; only those with a content word."""
    runs: list[list[str]] = [[]]
    for word in intent.split():
        if not stems(word):
            continue
        if known.issuperset(stems(word)):
            runs.append([])
        else:
            runs[-1].append(word)
    phrases = []
    for run in runs:
        while run and not content(run[-1]):
            run.pop()
        if run:
            phrases.append(_END.sub("", " ".join(run)))
    return phrases


def _nearest(part: str, phrases: Sequence[str], intent: str) -> str:
    """The phrase that a detail is about."""
    named, kind = wanted(part)
    if kind == "place":
        for phrase in phrases:
            if _IN.match(phrase):
                return phrase
    if kind == "number":
        for phrase in phrases:
            if any(word.isdigit() or any(map(str.isdigit, word)) for word in stems(phrase)):
                return phrase
        for phrase in phrases:
            if not {*stems(phrase)}.isdisjoint(_ORDINAL | _MONTHS):
                return phrase
    sharing = [phrase for phrase in phrases if not named.isdisjoint(stems(phrase))]
    if sharing:
        return sharing[0]
    spoken = stems(intent)
    places = [k for k, word in enumerate(spoken) if word in named]
    if not places:
        return phrases[0]
    starts = {phrase: _position(stems(phrase), spoken) for phrase in phrases}
    return min(phrases, key=lambda phrase: min(abs(starts[phrase] - k) for k in places))


def _position(part: tuple[str, ...], whole: tuple[str, ...]) -> int:
    return next((k for k in range(len(whole)) if whole[k : k + len(part)] == part), 0)


def _confirmed(claim: str, known: frozenset[str], intent: str, phrases: Sequence[str], instead: str) -> str:
    """Yes, no, or what is meant instead."""
    own, claimed = set(content(intent)), set(content(claim))
    held = claimed - known or claimed
    misses = held - own
    rest = [phrase for phrase in phrases if not held.issuperset(content(phrase))]
    first = rest[0] if rest else instead
    mine, theirs = (_WH.intersection(tokens(text)[:1]) for text in (intent, claim))
    dropped = claimed & known - own and own & known - claimed
    if dropped or _NOT.isdisjoint(tokens(claim)) != _NOT.isdisjoint(tokens(" ".join(phrases))):
        return _sentence(first) if first else PLAIN
    if (mine and theirs and mine != theirs) or (misses and (held == misses or _other_numbers(misses))):
        return _sentence(f"{NO}, {first}") if first else f"{NO}."
    if misses:
        return _sentence(first) if first else f"{NO}."
    return _sentence(f"{YES}, {rest[0]}") if rest else f"{YES}."


def _chosen(parts: Sequence[str], known: frozenset[str], own: frozenset[str], first: str) -> str:
    """The alternative that is meant, or that none is."""
    every = [set(content(part)) for part in parts]
    shared = set.intersection(*every)
    sets = [part - shared for part in every]
    if any(part - known for part in sets):
        sets = [part - known for part in sets]
    scores = [(len(part & own), -len(part - own)) for part in sets]
    best = max(scores)
    if best[0] + best[1] > 0 and scores.count(best) == 1:
        return _sentence(_without(parts[scores.index(best)], known))
    if best[0] == 0 and shared & own and sets.count(set()) == 1:
        return _sentence(_without(parts[sets.index(set())], known))
    if best[0] == 0 and not shared & (own - known):
        return _sentence(f"{NEITHER}, {first}") if first else f"{NEITHER}."
    return _sentence(first) if first else PLAIN


def _without(part: str, known: frozenset[str]) -> str:
    """`part` without the words that are known, unless it has no others."""
    new = _new(part, known)
    return " ".join(new) if any(map(content, new)) else part


def _other_numbers(words: set[str]) -> bool:
    return any(map(str.isdigit, "".join(words))) or not words.isdisjoint(_ORDINAL)


def _sentence(text: str) -> str:
    return f"{_END.sub('', text)}."
