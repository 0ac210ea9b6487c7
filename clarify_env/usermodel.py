"""How the scripted user understands and answers: pure functions, shared with the exact optimum.

The user knows its question, what it means by it, and nothing else: no answer, no rival meaning. Two kinds
of meaning need two ways of speaking:
- with *facts* (`synthetic-v0`): a question is about the fact that it names first, by name ("profession")
  or by one of its values ("a painter?"), and the reply is the fact's value. A label fits unless it names
  a value that is false; the first option that fits is taken.
- with *text* alone (AmbigQA): the reply is what the meaning adds to the question. The option whose label
  has the greatest token F1 with the meaning is taken, the first of several.
Where no option fits, or no label shares a token with the meaning, the user takes nothing away.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from clarify_env.errors import ClarifyError
from clarify_env.task import Fact
from clarify_env.text import token_f1, tokens

PUZZLED = "I am not sure what you are asking."
VAGUE = "Hard to say."
REFUSAL = "Please just answer."
PLAIN = "I mean just what I asked."


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

    def replies(self, ask: str, question: str, intent: str, facts: Sequence[Fact]) -> list[tuple[str, float]]:
        """What the user may reply to `ask`, with probabilities that add up to 1."""
        silent = self.vagueness + self.refusal
        says = [(text, p) for text, p in ((VAGUE, self.vagueness), (REFUSAL, self.refusal)) if p]
        if facts:
            fact = asked_fact(ask, facts)
            if fact is None:
                return [*says, (PUZZLED, 1.0 - silent)]
            wrong = [value for value in fact.domain if value != fact.value]
            noise = self.noise if wrong else 0.0
            says.append((_sentence(fact.value), 1.0 - silent - noise))
            says.extend((_sentence(value), noise / len(wrong)) for value in wrong if noise)
            return says
        says.append((added(intent, question), 1.0 - silent - self.noise))
        if self.noise:
            says.append((question, self.noise))
        return says


def _sentence(value: str) -> str:
    return f"{value[:1].upper()}{value[1:]}."


def asked_fact(ask: str, facts: Sequence[Fact]) -> Fact | None:
    """The fact that `ask` names first, by its name or one of its values; None where it names none."""
    for token in tokens(ask):
        for fact in facts:
            if token == fact.name or token in fact.domain:
                return fact
    return None


@lru_cache(maxsize=100_000)
def added(intent: str, question: str) -> str:
    """The words of `intent` that `question` lacks, in order; `PLAIN` where there are none."""
    known = set(tokens(question))
    new = [word for word in intent.split() if not known.issuperset(tokens(word))]
    return re.sub(r"[?.!,;:]+$", "", " ".join(new)) + "." if new else PLAIN


def fits(label: str, facts: Sequence[Fact]) -> bool:
    """Whether `label` names no value that is false of `facts`."""
    named = set(tokens(label))
    return all(named.isdisjoint(fact.domain) or named & {*fact.domain} == {fact.value} for fact in facts)


def pick(options: Sequence[tuple[str, str]], intent: str, facts: Sequence[Fact]) -> int | None:
    """Position of the option that a user with this meaning takes, or None."""
    if facts:
        return next((i for i, (label, _) in enumerate(options) if fits(label, facts)), None)
    scores = [token_f1(label, intent) if tokens(label) else 0.0 for label, _ in options]
    best = max(scores)
    return scores.index(best) if best > 0.0 else None
