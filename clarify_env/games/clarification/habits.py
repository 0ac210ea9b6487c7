"""What a reply to a clarifying question does, in numbers: the same for people and for users of the games.

A reply is described by its act, by how much of the meaning it tells unasked, and by its other words
(`Habit`); a question by what it puts to somebody with this meaning (`situation`). So people who answered
questions about one kind of thing can be compared with users who answer about another.
"""

import re
from typing import NamedTuple

from clarify_env.games.clarification.question_types import GENERIC
from clarify_env.text import content, stem, tokens, words

REPLY_ACTS = ("unsure", "refusal", "yes", "no", "plain")


AMOUNTS = ("none", "some", "all")  # of what the two questions did not say


SITUATIONS = ("held", "part", "unheld", "choice", "open", "beside")


_REFUSAL = re.compile(
    r"\bnot (related|relevant)\b|\birrelevant\b|\bnothing to do with\b|\bnone of your business\b"
    r"|\b(doesnt|does not|dont|do not) (matter|care)\b|\b(dont|do not) understand\b"
    r"|\bwhat (do you mean|you are asking)\b|\b(just|please) answer\b|\b(makes? no|not make) sense\b"
)


_UNSURE = re.compile(
    r"\b(dont|do not|didnt|did not) (really )?(know|remember)\b|\bnot (really |quite |too )?(sure|certain)\b"
    r"|\bunsure\b|\bno (idea|clue|preference)\b|\bhard to say\b|\b(cant|cannot|can not) say\b"
)


_YES = frozenset("yes yeah yep yea yup sure maybe possibly".split())


_NO = frozenset("no nope not none neither nah".split())


_OPEN = frozenset("which what whats when where who whom whose how why".split())


# Stems that name nothing: what a search, a question or a polite reply is made of.
UNTELLING = GENERIC | frozenset(map(stem, """need try find see search wonder like learn get show hear read
    related thank thanks great fine good nice right exactly sure correct helpful suffice work well all every
    really actually here one im id ive just maybe yeah yep yup nope nah none neither""".split()))  # fmt: skip


class Habit(NamedTuple):
    """What one reply does.

    Args:
        act: one of `REPLY_ACTS`: it says that it does not know, or turns the question away (and tells
            nothing in both), opens with a yes or a no, or none of these.
        amount: one of `AMOUNTS`: whether it says something that neither the user's question nor the asker's
            has, in whatever words, and whether all that the meaning adds to the two is in it.
        tellable: how many stems the meaning adds to the two questions, >= 0.
        padding: its words beside the opening yes or no and those that tell something, >= 0.
        words: all its words, >= 1.
    """

    act: str
    amount: str
    tellable: int
    padding: int
    words: int


def habit(reply: str, ask: str, question: str, intent: str) -> Habit:
    """What `reply` does.

    Args:
        reply: what the user said.
        ask: what it was asked.
        question: what it asked at the start.
        intent: its meaning in words.
    """
    heard = UNTELLING.union(content(question), content(ask))
    tellable = frozenset(content(intent)) - heard
    spoken = " ".join(tokens(reply))
    opening = spoken.partition(" ")[0]
    act = "yes" if opening in _YES else "no" if opening in _NO else "plain"
    turned, unsure = _REFUSAL.search(spoken), _UNSURE.search(spoken)
    if (turned or unsure) and heard.issuperset(content(_UNSURE.sub("", _REFUSAL.sub("", spoken)))):
        act = "refusal" if turned else "unsure"
    silent = act in ("refusal", "unsure")
    told = [] if silent else [word for word in content(reply) if word not in heard]
    amount = "none" if not told else "all" if tellable and tellable.issubset(told) else "some"
    length = max(1, words(reply))
    return Habit(act, amount, len(tellable), max(0, length - (act in ("yes", "no")) - len(told)), length)


def situation(ask: str, question: str, intent: str) -> str:
    """What `ask` puts to somebody who means `intent` by `question`, by its words alone.

    One of `SITUATIONS`: a yes/no question whose claim the meaning holds, holds in part, or does not hold at
    all; a which-of-these question; any other question; and one that shares no content word with either.
    """
    spoken = tokens(ask)
    wh = not _OPEN.isdisjoint(spoken[:1]) or spoken[1:2] in (("which",), ("what",))  # "In which year ...?"
    if not wh and "or" in spoken[1:-1]:
        return "choice"
    known, own = frozenset(content(question)), frozenset(content(intent))
    named = frozenset(content(ask)) - UNTELLING
    if named and named.isdisjoint(known | own):
        return "beside"
    if wh:
        return "open"
    new = named - known
    if not new & own:
        return "unheld" if new else "part"
    return "held" if new <= own else "part"
