"""A user who answers as often, as long and as much as people do (`speech`), out of its own meaning.

What it says is never text of people: the truthful reply of `scripted_user`, with the rates of people for
whether it says yes or no, how much it tells unasked, how many words it takes, and how often it does not know
or turns a question away. The yes or no itself is the truth's, except for `Speech.contradiction`, for rules
over stems cannot tell whether a person's yes was one to a rival or to a synonym.

In a world of facts a question is about one fact, as for the scripted user: the situation is always that of an
open question, so that the optimum over one question a fact stays exact.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from clarify_env.games.clarification.habits import AMOUNTS, REPLY_ACTS, UNTELLING, habit, situation
from clarify_env.games.clarification.question_types import AUXILIARY, asked
from clarify_env.games.clarification.scripted_user import (
    DONT_KNOW,
    NEITHER,
    NO,
    PLAIN,
    PUZZLED,
    TRUTHFUL,
    UNRELATED,
    YES,
    Said,
    UserModel,
    added,
    as_sentence,
)
from clarify_env.games.clarification.speech import MOST_PADDING, SPOKEN, people
from clarify_env.games.clarification.task import Fact
from clarify_env.text import content, tokens

# What may stand before what is told, from none to nine words.
FRAMES = (
    "",
    "I mean",
    "I am looking for",
    "I would like to know about",
    "what I am really looking for here is",
)


# What may stand after a yes or a no alone.
AFTER: Mapping[str, tuple[str, ...]] = {
    YES: ("", "please", "that is what I mean", "that is just what I am looking for here"),
    NO: ("", "thank you", "that is not what I mean", "that is not at all what I am looking for"),
    NEITHER: ("", "that is not what I mean"),
}


_NOISE = UserModel(noise=0.5)  # says what is false half of the time, where it can


class FittedModel(UserModel):
    """Replies with the rates of people; its arguments are left at their defaults.

    A person is as likely to change its mind at any reply: it then says the opposite, with facts another
    value, and where there is no opposite it asks its question over again. Replies are drawn independently,
    so that `replies` is exact.
    """

    __slots__ = ()

    def replies(
        self, ask: str, question: str, intent: str, facts: Sequence[Fact], said: Said = ()
    ) -> list[tuple[str, float]]:
        """What the user may reply to `ask`; see `UserModel.replies`."""
        return list(_replies(ask, question, intent, tuple(facts), () if facts else said))


class _Heard(NamedTuple):
    """What somebody makes of a question.

    Args:
        where: the situation, one of `SITUATIONS`.
        stance: "Yes", "No" or "Neither" where that is the truthful opening, else "".
        echo: what is told in words of the question alone, or "".
        some: what is told where some of the meaning is.
        whole: all that it adds.
    """

    where: str
    stance: str
    echo: str
    some: str
    whole: str


@lru_cache(maxsize=100_000)
def _replies(
    ask: str, question: str, intent: str, facts: tuple[Fact, ...], said: Said
) -> tuple[tuple[str, float], ...]:
    about = (ask, question, intent)
    ((truth, _),) = TRUTHFUL.replies(*about, facts, said)
    if facts and truth == PUZZLED:
        return ((PUZZLED, 1.0),)
    if facts:
        heard = _Heard("open", "", "", truth, ", ".join(fact.value for fact in facts))
    else:
        heard = _heard(*about, truth)
    opposite = {YES: f"{NO}.", NO: f"{YES}."}.get(heard.stance)
    against = [(opposite, 1.0)] if opposite else _NOISE.replies(*about, facts, said)[1:]
    rates = people()
    acts = dict(zip(REPLY_ACTS, rates.acts[heard.where], strict=True))
    chances = {DONT_KNOW: acts["unsure"], UNRELATED: acts["refusal"]}
    turned = rates.contradiction if against else 0.0
    share = sum(acts[act] for act in SPOKEN) * turned / sum(chance for _, chance in against or [("", 1.0)])
    for text, chance in against:
        chances[text] = chances.get(text, 0.0) + share * chance
    for act in SPOKEN:
        for amount, rate in zip(AMOUNTS, rates.amounts[heard.where][act], strict=True):
            texts = _texts(heard, act, amount, intent)
            padding = rates.padding[act]["bare" if amount == "none" else "told"]
            for text, part in _spread(texts, padding, about).items():
                chances[text] = chances.get(text, 0.0) + acts[act] * rate * (1.0 - turned) * part
    total = sum(chances.values())  # the rates are rounded
    return tuple((text, chance / total) for text, chance in chances.items())


def _split(truth: str) -> tuple[str, str]:
    """The yes, no or neither of a truthful reply, and what it tells beside."""
    for stance in (YES, NO, NEITHER):
        if truth == f"{stance}.":
            return stance, ""
        if truth.startswith(f"{stance}, "):
            return stance, truth.removeprefix(f"{stance}, ")
    return "", "" if truth in (PUZZLED, PLAIN) else truth


def _heard(ask: str, question: str, intent: str, truth: str) -> _Heard:
    """What a question is to somebody whose meaning is known in words; `truth` is the scripted user's reply.

    That takes some yes/no questions for others. It is puzzled by what has nothing to do with the meaning, and
    understands what shares no word with it, such as "Which year?".
    """
    stance, rest = _split(truth)
    where = situation(ask, question, intent)
    if where == "beside" and truth != PUZZLED:
        where = {"choice": "choice", "confirm": "part"}.get(asked(ask).kind, "open")
    if where not in ("choice", "open"):
        if not stance and AUXILIARY.intersection(tokens(ask)[:1]):
            claimed = frozenset(content(ask)) - UNTELLING
            stance = YES if where != "beside" and claimed.issubset(content(f"{question} {intent}")) else NO
        elif stance and where != "beside":
            where = "held" if stance == YES else "unheld"
    whole = added(intent, question)
    texts = {habit(text, ask, question, intent).amount: text for text in (whole, rest, _half(whole)) if text}
    echo = rest if rest and rest == texts.get("none") else ""
    return _Heard(where, stance, echo, texts.get("some") or texts.get("all") or whole, whole)


def _half(text: str) -> str:
    """Its first words, up to and with the middle one of those that are no function words."""
    listed = text.rstrip(".").split()
    telling = [at for at, word in enumerate(listed) if content(word)]
    return " ".join(listed[: telling[(len(telling) - 1) // 2] + 1]) if telling else text


def _texts(heard: _Heard, act: str, amount: str, intent: str) -> list[str]:
    """The replies of this act that tell so much, the shorter ones first."""
    stance = "" if act == "plain" else heard.stance
    if stance and heard.where == "part" and amount != "none":
        stance = YES if act == "yes" else NO  # what follows makes either of them true
    told = {"none": (), "some": (heard.some,), "all": (heard.whole, intent)}[amount]
    texts = [_sentence(stance, frame, text) for text in told if text != PLAIN for frame in FRAMES]
    if texts:
        return texts
    return (
        [_sentence(stance, after) for after in AFTER[stance]]
        if stance
        else [as_sentence(heard.echo or PLAIN)]
    )


def _sentence(stance: str, before: str, text: str = "") -> str:
    said = ", ".join(filter(None, (stance, f"{before} {text}".strip())))
    return as_sentence(f"{said[0].upper()}{said[1:]}" if before else said)


def _spread(texts: Sequence[str], padding: Sequence[float], about: tuple[str, str, str]) -> dict[str, float]:
    """Shares of the texts: each number of words of padding goes to the text whose own is nearest to it."""
    shares: dict[str, float] = {}
    own = [min(habit(text, *about).padding, MOST_PADDING) for text in texts]
    for count, rate in enumerate(padding):
        at = min(range(len(texts)), key=lambda k: abs(own[k] - count))
        shares[texts[at]] = shares.get(texts[at], 0.0) + rate
    return shares
