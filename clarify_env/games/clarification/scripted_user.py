"""How the scripted user understands and answers: pure functions, shared with the exact optimum.

The user knows its question, what it means by it, and what was said; no answer, no rival meaning. Two kinds
of meaning need two ways of speaking:
- with *facts* (`synthetic-v0`): a question is about the fact that it names first, by name ("profession")
  or by one of its values ("a painter?"), and the reply is the fact's value. A label fits unless it names
  a value that is false; the first option that fits is taken.
- with *text* alone (AmbigQA): the reply follows the rules of `scripted_user`. The option is taken
  whose label has the greatest F1 with the meaning, over stems (`clarify_env.text`) that the question
  lacks; of equals the one with the greatest F1 over all stems, then the first.
Where no option fits, or no label shares a stem with the meaning, the user takes nothing away.

What a user says whose meaning is known in words alone (AmbigQA, PACIFIC, Abg-CoQA): pure rules.

The user holds its question, the text of its meaning, and what was said between the two. What it can tell is
what the meaning *adds* to the question: the words whose stems the question lacks; where it adds none but
leaves some out, the meaning as it stands. Neither answer nor rival meaning is known to it. By what is asked
(`question_types`):
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
from dataclasses import dataclass
from functools import lru_cache

from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.game import Enumerate
from clarify_env.games.clarification.question_types import about, asked, wanted
from clarify_env.games.clarification.task import Fact
from clarify_env.moves import Move
from clarify_env.text import content, overlap, stems, tokens

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
        return as_sentence(" ".join(new))
    return PLAIN if set(stems(intent)) == known else as_sentence(intent)


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
    heard = known.union(*(stems(text) for text in _already_told(said)))
    phrases = _phrases(intent, heard)
    left = bool(phrases)
    if not left:
        phrases = _phrases(intent, known)
    if put.kind == "direct":
        return as_sentence(" ".join(phrases)) if left and heard != known else added(intent, question)
    if not phrases:
        phrases = [] if own == known else [_END.sub("", intent)]
        left = False
    first = phrases[0] if phrases else ""
    if put.kind == "detail":
        return as_sentence(_nearest(put.parts[0], phrases, intent)) if phrases else PLAIN
    if put.kind == "confirm":
        every = _phrases(intent, known)
        return _confirmed(put.parts[0], known, intent, [*(phrases if left else ()), *every], first)
    return _chosen(put.parts, known, own, first)


def _already_told(said: Said) -> list[str]:
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
        return as_sentence(first) if first else PLAIN
    if (mine and theirs and mine != theirs) or (misses and (held == misses or _other_numbers(misses))):
        return as_sentence(f"{NO}, {first}") if first else f"{NO}."
    if misses:
        return as_sentence(first) if first else f"{NO}."
    return as_sentence(f"{YES}, {rest[0]}") if rest else f"{YES}."


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
        return as_sentence(_without(parts[scores.index(best)], known))
    if best[0] == 0 and shared & own and sets.count(set()) == 1:
        return as_sentence(_without(parts[sets.index(set())], known))
    if best[0] == 0 and not shared & (own - known):
        return as_sentence(f"{NEITHER}, {first}") if first else f"{NEITHER}."
    return as_sentence(first) if first else PLAIN


def _without(part: str, known: frozenset[str]) -> str:
    """`part` without the words that are known, unless it has no others."""
    new = _new(part, known)
    return " ".join(new) if any(map(content, new)) else part


def _other_numbers(words: set[str]) -> bool:
    return any(map(str.isdigit, "".join(words))) or not words.isdisjoint(_ORDINAL)


def as_sentence(text: str) -> str:
    """The text with one full stop at its end."""
    return f"{_END.sub('', text)}."


VAGUE = "Hard to say."


DONT_KNOW = "I don't know."


UNRELATED = "That has nothing to do with it."


REFUSAL = "Please just answer."


SILENT = frozenset((VAGUE, DONT_KNOW, REFUSAL, UNRELATED, PUZZLED))  # replies that say nothing


@dataclass(frozen=True, slots=True)
class UserModel:
    """How reliable a scripted user is; the three chances are drawn anew for each reply.

    Args:
        noise: probability of a wrong reply: another value of the domain, evenly drawn; with text alone,
            the question over again. In [0, 1).
        vagueness: probability of a reply that says nothing. In [0, 1).
        refusal: probability of a refusal to be questioned, which says nothing either. In [0, 1).

    Raises:
        ClarifyError: a probability out of range, or all together not below 1.
    """

    noise: float = 0.0
    vagueness: float = 0.0
    refusal: float = 0.0

    def __post_init__(self) -> None:
        for name in ("noise", "vagueness", "refusal"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0.0 <= value < 1.0:
                raise ClarifyError(f"UserModel({name}={value!r}): a probability in [0, 1)")
        if self.noise + self.vagueness + self.refusal >= 1.0:
            raise ClarifyError(f"{self}: the probabilities add up to 1 or more; the user would never answer")

    def replies(
        self, ask: str, question: str, intent: str, facts: Sequence[Fact], said: Said = ()
    ) -> list[tuple[str, float]]:
        """What the user may reply to `ask`, with probabilities that add up to 1.

        Args:
            ask: what is asked.
            question: what the user asked at the start.
            intent: its meaning in words.
            facts: its meaning in facts, where the task knows them.
            said: what was asked before, with the replies; with facts it makes no difference.
        """
        silent = self.vagueness + self.refusal
        says = [(text, p) for text, p in ((VAGUE, self.vagueness), (REFUSAL, self.refusal)) if p]
        if facts:
            fact = asked_fact(ask, facts)
            if fact is None:
                return [*says, (PUZZLED, 1.0 - silent)]
            wrong = [value for value in fact.domain if value != fact.value]
            noise = self.noise if wrong else 0.0
            says.append((stated(fact.value), 1.0 - silent - noise))
            says.extend((stated(value), noise / len(wrong)) for value in wrong if noise)
            return says
        truth = text_reply(ask, question, intent, _told(said))
        noise = 0.0 if truth == PUZZLED else self.noise
        says.append((truth, 1.0 - silent - noise))
        if noise:
            says.append((question, noise))
        return says


TRUTHFUL = UserModel()


class TerseModel(UserModel):
    """A user of one word: it says yes, no or neither and nothing else, or one word of what it means.

    With facts it answers a yes/no or which-of-these question about values by "Yes", "No", "Neither" or the
    value, and tells so no more than its whole reply would. Its arguments are those of `UserModel`.
    """

    __slots__ = ()

    def replies(
        self, ask: str, question: str, intent: str, facts: Sequence[Fact], said: Said = ()
    ) -> list[tuple[str, float]]:
        """What the user may reply to `ask`; see `UserModel.replies`."""
        chances: dict[str, float] = {}
        for text, chance in super().replies(ask, question, intent, facts, said):
            kept = text in SILENT or text in (PLAIN, question)
            short = text if kept else _one_fact(text, ask, facts) if facts else _one_word(text)
            chances[short] = chances.get(short, 0.0) + chance
        return list(chances.items())


def _one_word(reply: str) -> str:
    """Its yes or no, else the first of its words that is no function word."""
    for stance in (YES, NO, NEITHER):
        if reply.startswith((f"{stance},", f"{stance}.")):
            return f"{stance}."
    return as_sentence(next((word for word in reply.split() if content(word)), reply))


def _one_fact(reply: str, ask: str, facts: Sequence[Fact]) -> str:
    """The value that a reply names, or what it says to the values that the question puts."""
    fact, value = asked_fact(ask, facts), reply.rstrip(".").lower()
    put = [token for token in tokens(ask) if fact is not None and token in fact.domain]
    if not put or (fact is not None and fact.name in tokens(ask)) or (len(put) > 1 and value in put):
        return reply
    return f"{NEITHER}." if len(put) > 1 else f"{YES}." if value in put else f"{NO}."


def _told(said: Said) -> Said:
    """What was said without the replies that say nothing."""
    return tuple((ask, reply) for ask, reply in said if reply not in SILENT) if said else said


def stated(value: str) -> str:
    """The reply that names a value, such as "Chemist."."""
    return f"{value[:1].upper()}{value[1:]}."


def asked_fact(ask: str, facts: Sequence[Fact]) -> Fact | None:
    """The fact that `ask` names first, by its name or one of its values; None where it names none."""
    for token in tokens(ask):
        for fact in facts:
            if token == fact.name or token in fact.domain:
                return fact
    return None


def fits(label: str, facts: Sequence[Fact]) -> bool:
    """Whether `label` names no value that is false of `facts`."""
    named = set(tokens(label))
    return all(named.isdisjoint(fact.domain) or named & {*fact.domain} == {fact.value} for fact in facts)


def pick(
    options: Sequence[tuple[str, str]], intent: str, facts: Sequence[Fact], question: str = ""
) -> int | None:
    """Position of the option that a user with this meaning takes, or None.

    Args:
        options: pairs (label, answer); only the labels count.
        intent: the user's meaning in words.
        facts: its meaning in facts, where the task knows them.
        question: what the user asked, whose words tell nothing apart.
    """
    if facts:
        return next((i for i, (label, _) in enumerate(options) if fits(label, facts)), None)
    return closest(tuple(label for label, _ in options), intent, question)


def taken(message: Move, intent: str, facts: Sequence[Fact], question: str) -> str:
    """The text that a user with this meaning takes away from a final message; "" where no option fits."""
    if not isinstance(message, Enumerate):
        return message.text
    at = pick(message.options, intent, facts, question)
    return "" if at is None else message.options[at][1]


@lru_cache(maxsize=100_000)
def closest(labels: tuple[str, ...], intent: str, question: str) -> int | None:
    """Position of the label that is closest to `intent` by stem F1, or None where none shares a stem."""
    own = stems(intent)
    scores = [(new_f1(label, intent, question), _f1(stems(label), own)) for label in labels]
    best = max(scores)
    return scores.index(best) if best > (0.0, 0.0) else None


def new_f1(label: str, intent: str, question: str) -> float:
    """F1 of the stems of `label` and `intent` that `question` lacks, in [0, 1]; 0 where one has none."""
    known = set(stems(question))
    a, b = (tuple(word for word in stems(text) if word not in known) for text in (label, intent))
    return _f1(a, b)


def _f1(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    return 2.0 * overlap(a, b) / (len(a) + len(b)) if a and b else 0.0
