"""Fits how people answer clarifying questions to ClariQ (arXiv 2009.11352), and how well it foretells others.

Fitted to the topics of its training file. On the topics of its development and test files, which are others:
nats a reply, lower is better, of what `habits` sees of a reply (act, amount, padding). Beside it
- marginal: act, amount and padding each by its rate, whatever was asked;
- act alone: as fitted, but blind to the question;
- scripted: act and amount of the scripted user's reply to the same question, or at fitted rates something
  vague or a refusal; what would be impossible so is, at a fitted rate too, as in marginal; padding as there.

Contradictions are the noes among the yeses and noes to a question that puts all that the meaning adds. Seen
from closer some of them are about a nuance that stems do not show, so that it is rather too high.

    python benchmarks/people.py            prints the table
    python benchmarks/people.py --write    writes clarify_env/games/clarification/people.json as well

Needs CLARIFY_ENV_DATA.
"""

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import exp, log
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clarify_env.data import find_file
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.habits import AMOUNTS, REPLY_ACTS, Habit, habit, situation
from clarify_env.games.clarification.scripted_user import DONT_KNOW, REFUSAL, text_reply
from clarify_env.games.clarification.speech import MOST_PADDING, SMOOTHING, Speech, census, write_people
from clarify_env.trainers.evaluation.statistics import interval

FILE = Path(__file__).parent.parent / "clarify_env" / "games" / "clarification" / "people.json"


class Row(NamedTuple):
    """An answer of ClariQ: who asks for what, what was asked, and what was said."""

    topic: str
    meant: str
    request: str
    facet: str
    question: str
    answer: str

    @property
    def described(self) -> tuple[str, Habit]:
        """The situation with what the answer does in it."""
        told = (self.question, self.request, self.facet)
        return situation(*told), habit(self.answer, *told)


def rows(name: str, folder: Path | None = None) -> list[Row]:
    """The answers of one file: "train", "dev" or "test_with_labels"."""
    path = find_file(folder, "clariq", (f"{name}.tsv",))
    if path is None:
        raise ClarifyError(f"{name}.tsv of ClariQ: set CLARIFY_ENV_DATA, or give --data-dir FOLDER")
    with path.open(encoding="utf-8", newline="") as lines:
        found = csv.DictReader(lines, delimiter="\t")
        return [
            Row(
                r["topic_id"],
                f"{r['facet_id']} {r['question_id']}",
                r["initial_request"],
                r["facet_desc"],
                r["question"],
                r["answer"],
            )
            for r in found
            if r["question"].strip() and r["answer"].strip()
        ]


def contradiction(answers: Sequence[Row]) -> tuple[float, int, int]:
    """The chance, how many contradict, and of how many."""
    described = [row.described for row in answers]
    acts = [one.act for where, one in described if where == "held" and not one.tellable]
    against, count = acts.count("no"), acts.count("no") + acts.count("yes")
    return against / count, against, count


class Marginal:
    """The parts of a reply each by its rate, whatever was asked."""

    def __init__(self, answers: Sequence[Row]) -> None:
        said = [row.described[1] for row in answers]
        self.acts = _shares([one.act for one in said], REPLY_ACTS)
        self.amounts = _shares([one.amount for one in said], AMOUNTS)
        self.paddings = _shares([min(one.padding, MOST_PADDING) for one in said], range(MOST_PADDING + 1))

    def padding(self, said: Habit) -> float:
        """Probability of its padding."""
        return self.paddings[min(said.padding, MOST_PADDING)]

    def __call__(self, row: Row) -> float:
        """Log-probability of the answer."""
        said = row.described[1]
        return log(self.acts[said.act] * self.amounts[said.amount] * self.padding(said))


def _shares(values: Sequence[object], every: Iterable[object]) -> dict[object, float]:
    counts = Counter(values)
    listed = list(every)
    return {one: (counts[one] + SMOOTHING) / (len(values) + SMOOTHING * len(listed)) for one in listed}


def scripted(answers: Sequence[Row], otherwise: Marginal) -> Callable[[Row], float]:
    """Log-probability under the scripted user; its vagueness, refusal and rate of `otherwise` are fitted."""

    def parts(row: Row) -> list[float]:
        told = (row.question, row.request, row.facet)
        said = row.described[1]
        chance = otherwise.padding(said)
        own = [habit(text, *told) for text in (text_reply(*told), DONT_KNOW, REFUSAL)]
        alike = [chance * (one.act == said.act and one.amount == said.amount) for one in own]
        return [*alike, exp(otherwise(row))]

    seen_N_4, rates_4 = np.array([parts(row) for row in answers]), np.full(4, 0.25)
    for _ in range(200):  # expectation and maximisation
        shares_N_4 = seen_N_4 * rates_4
        rates_4 = (shares_N_4 / shares_N_4.sum(axis=1, keepdims=True)).mean(axis=0)
    names = ("truthful", "vague", "refusing", "marginal")
    print("scripted: " + ", ".join(f"{name} {rate:.3f}" for name, rate in zip(names, rates_4, strict=True)))
    return lambda row: log(float(np.dot(parts(row), rates_4)))


def main() -> None:
    """Print the table; write the file where asked to."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data-dir", type=Path, default=None)
    options.add_argument("--write", action="store_true", help="write people.json")
    chosen = options.parse_args()
    train, *others = (rows(name, chosen.data_dir) for name in ("train", "dev", "test_with_labels"))
    every = [*train, *others[0], *others[1]]
    chance, against, count = contradiction(every)
    print(f"contradiction {chance:.3f} ({against} of {count} such replies)")
    fitted = Speech.fit([row.described for row in train], chance)
    blind = Speech.fit([("open", row.described[1]) for row in train])
    parts = Marginal(train)
    models = {
        "fitted": lambda row: fitted.log_probability(*row.described),
        "act alone": lambda row: blind.log_probability("open", row.described[1]),
        "marginal": parts,
        "scripted": scripted(train, parts),
    }
    print(f"{'nats a reply':<12} {'dev':>22} {'test':>22}   ({len(others[0])} and {len(others[1])} replies)")
    for name, model in models.items():
        shown = [f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in losses(model, others)]
        print(f"{name:<12} {shown[0]:>22} {shown[1]:>22}", flush=True)
    if chosen.write:
        write_people(FILE, fitted, census([row.described for part in others for row in part]))
        print(f"written: {FILE.name}, {FILE.stat().st_size} bytes")


def losses(
    model: Callable[[Row], float], files: Sequence[Sequence[Row]]
) -> Iterator[tuple[float, float, float]]:
    """Mean nats a reply in each file, with its 95% interval from a bootstrap over topics."""
    for answers in files:
        by_topic = defaultdict(list)
        for row in answers:
            by_topic[row.topic].append(-model(row))
        sums_T, counts_T = (np.array([of(lost) for lost in by_topic.values()]) for of in (sum, len))

        def mean(
            weights_T: np.ndarray, sums_T: np.ndarray = sums_T, counts_T: np.ndarray = counts_T
        ) -> float:
            return float(weights_T @ sums_T / (weights_T @ counts_T))

        found = interval(mean, len(sums_T), 0)
        yield found["mean"], found["low"], found["high"]


if __name__ == "__main__":
    main()
