"""How people answer clarifying questions: a generative model of replies, fitted by counting.

P(reply | situation) = P(act | situation) P(amount | act, situation) P(padding | act, whether it tells), over
what `habits` sees of a reply. `benchmarks/people.py` fits it to ClariQ (arXiv 2009.11352) and writes
`people.json`, which holds rates and counts and no text; docs/users.md has its likelihood on other topics.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import log
from pathlib import Path
from typing import Any

from clarify_env.data import parsed_json
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.habits import AMOUNTS, REPLY_ACTS, SITUATIONS, Habit

MOST_PADDING = 20  # padding from which on it counts as this


MOST_WORDS = 25  # words from which on a reply counts as of so many


SMOOTHING = 0.5  # added to each count


BACK_OFF = 5.0  # weight, in replies, of the amounts of all situations in those of one


SPOKEN = ("yes", "no", "plain")  # acts that may tell something


Described = tuple[str, Habit]  # the situation and what was said in it


@dataclass(frozen=True)
class Speech:
    """Rates of a population of users.

    Args:
        acts: by situation the probabilities of `REPLY_ACTS`.
        amounts: by situation and act of `SPOKEN` the probabilities of `AMOUNTS`.
        padding: by act the probabilities of 0 to `MOST_PADDING` words of padding, by "bare" or "told".
        contradiction: probability that a reply says the opposite of what is meant, in [0, 0.5).
    """

    acts: Mapping[str, Sequence[float]]
    amounts: Mapping[str, Mapping[str, Sequence[float]]]
    padding: Mapping[str, Mapping[str, Sequence[float]]]
    contradiction: float = 0.0

    @classmethod
    def fit(cls, replies: Iterable[Described], contradiction: float = 0.0) -> "Speech":
        """The rates of these replies.

        Args:
            replies: situations with what was said in them, at least one.
            contradiction: as of the class; it cannot be seen in a single reply.

        Raises:
            ClarifyError: no replies.
        """
        listed = list(replies)
        if not listed:
            raise ClarifyError("Speech.fit: no replies; a fit needs at least one")
        acts = Counter((where, one.act) for where, one in listed)
        amounts = Counter((where, one.act, one.amount) for where, one in listed)
        overall = Counter((one.act, one.amount) for _, one in listed)
        padding = Counter((one.act, _tells(one), min(one.padding, MOST_PADDING)) for _, one in listed)
        return cls(
            {where: _rates([acts[where, act] for act in REPLY_ACTS]) for where in SITUATIONS},
            {
                where: {
                    act: _backed(
                        [amounts[where, act, amount] for amount in AMOUNTS],
                        _rates([overall[act, amount] for amount in AMOUNTS]),
                    )
                    for act in SPOKEN
                }
                for where in SITUATIONS
            },
            {
                act: {
                    kind: _rates([padding[act, kind, count] for count in range(MOST_PADDING + 1)])
                    for kind in ("bare", "told")
                    if act in SPOKEN or kind == "bare"
                }
                for act in REPLY_ACTS
            },
            contradiction,
        )

    def log_probability(self, situation: str, said: Habit) -> float:
        """Logarithm of the probability of a reply as `habits` describes it, in nats."""
        total = log(self.acts[situation][REPLY_ACTS.index(said.act)])
        if said.act in SPOKEN:
            rates = dict(zip(AMOUNTS, self.amounts[situation][said.act], strict=True))
            possible = 1.0 if said.tellable else 1.0 - rates["all"]
            total += log(rates[said.amount] / possible)
        return total + log(self.padding[said.act][_tells(said)][min(said.padding, MOST_PADDING)])


def _tells(said: Habit) -> str:
    return "bare" if said.amount == "none" else "told"


def _rates(counts: Sequence[float]) -> list[float]:
    total = sum(counts) + SMOOTHING * len(counts)
    return [(count + SMOOTHING) / total for count in counts]


def _backed(counts: Sequence[float], overall: Sequence[float]) -> list[float]:
    total = sum(counts) + BACK_OFF
    return [(count + BACK_OFF * rate) / total for count, rate in zip(counts, overall, strict=True)]


def census(replies: Iterable[Described]) -> dict[str, dict[str, list[int]]]:
    """By situation the counts of `REPLY_ACTS`, of `AMOUNTS`, and of replies of 1 to `MOST_WORDS` words.

    It is what the likeness of users to people is measured on.
    """
    found = {
        where: {"acts": [0] * len(REPLY_ACTS), "amounts": [0] * len(AMOUNTS), "words": [0] * MOST_WORDS}
        for where in SITUATIONS
    }
    for where, one in replies:
        counts = found[where]
        counts["acts"][REPLY_ACTS.index(one.act)] += 1
        counts["amounts"][AMOUNTS.index(one.amount)] += 1
        counts["words"][min(one.words, MOST_WORDS) - 1] += 1
    return found


def write_people(path: Path, fitted: Speech, people: Mapping[str, Any]) -> None:
    """Write `people.json`: what was fitted, rounded to five digits, and the census of other people."""

    def rounded(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: rounded(part) for key, part in value.items()}
        return [rounded(part) for part in value] if isinstance(value, list) else round(value, 5)

    data = {"fitted": {name: rounded(part) for name, part in vars(fitted).items()}, "people": people}
    path.write_text(json.dumps(data) + "\n", encoding="utf-8")


@cache
def _people() -> dict[str, Any]:
    file = resources.files("clarify_env.games.clarification") / "people.json"
    data: dict[str, Any] = parsed_json(file.read_text(encoding="utf-8"))
    return data


@cache
def people() -> Speech:
    """The rates that were fitted to people."""
    return Speech(**_people()["fitted"])


@cache
def people_census() -> dict[str, dict[str, list[int]]]:
    """The `census` of people on topics that were not fitted to."""
    found: dict[str, dict[str, list[int]]] = _people()["people"]
    return found
