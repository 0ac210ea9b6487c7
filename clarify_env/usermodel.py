"""How the scripted user understands and answers: pure functions, shared with the exact optimum.

The user knows its question, what it means by it, and what was said; no answer, no rival meaning. Two kinds
of meaning need two ways of speaking:
- with *facts* (`synthetic-v0`): a question is about the fact that it names first, by name ("profession")
  or by one of its values ("a painter?"), and the reply is the fact's value. A label fits unless it names
  a value that is false; the first option that fits is taken.
- with *text* alone (AmbigQA): the reply follows the rules of `clarify_env.replying`. The option is taken
  whose label has the greatest F1 with the meaning, over stems (`clarify_env.wording`) that the question
  lacks; of equals the one with the greatest F1 over all stems, then the first.
Where no option fits, or no label shares a stem with the meaning, the user takes nothing away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from clarify_env.errors import ClarifyError
from clarify_env.replying import PLAIN as PLAIN
from clarify_env.replying import PUZZLED as PUZZLED
from clarify_env.replying import Said, text_reply
from clarify_env.replying import added as added
from clarify_env.task import Fact
from clarify_env.text import overlap, tokens
from clarify_env.wording import stems

VAGUE = "Hard to say."
REFUSAL = "Please just answer."
SILENT = frozenset((VAGUE, REFUSAL, PUZZLED))  # replies that say nothing


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
            says.append((_sentence(fact.value), 1.0 - silent - noise))
            says.extend((_sentence(value), noise / len(wrong)) for value in wrong if noise)
            return says
        truth = text_reply(ask, question, intent, _told(said))
        noise = 0.0 if truth == PUZZLED else self.noise
        says.append((truth, 1.0 - silent - noise))
        if noise:
            says.append((question, noise))
        return says


def _told(said: Said) -> Said:
    """What was said without the replies that say nothing."""
    return tuple((ask, reply) for ask, reply in said if reply not in SILENT) if said else said


def _sentence(value: str) -> str:
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
