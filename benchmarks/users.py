"""How well the scripted user understands labels and tells its meaning, on AmbigQA's validation questions.

- named: it takes its own branch of a list of all meanings under their own text, and under short labels;
- resolved: a perfect asker that hears its reply to one good question can name the meaning among the notes;
- reworded: it takes the branch that another annotator meant: meanings of two annotators that share an answer,
  and no other does, are one; the labels are one annotator's texts, the user holds the other's.

By words (F1 of all tokens, as SQuAD has it; F1 of stems that the question lacks, the default) and, where
`clarify_env[embed]` is installed, by sentence embeddings. Intervals: 95%, bootstrap over questions. Bars:
named >= 0.99, resolved >= 0.95. Needs CLARIFY_ENV_DATA.

    python benchmarks/users.py
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from clarify_env.data import find_file, read_json
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.ambigqa import FILES, load_ambigqa
from clarify_env.games.clarification.optimum import WHICH
from clarify_env.games.clarification.plain_messages import short_labels
from clarify_env.games.clarification.scripted_user import closest, text_reply
from clarify_env.text import token_f1, tokens
from clarify_env.trainers.evaluation.statistics import interval

Match = Callable[[tuple[str, ...], str, str], int | None]


class Case(NamedTuple):
    """A list of options and who has to take them: intents[k] means labels[k]."""

    cluster: str
    question: str
    labels: tuple[str, ...]
    intents: tuple[str, ...]


def by_tokens(labels: tuple[str, ...], intent: str, question: str) -> int | None:
    """The label of the greatest token F1 (SQuAD) with the meaning."""
    scores = [token_f1(label, intent) if tokens(label) else 0.0 for label in labels]
    return scores.index(max(scores)) if max(scores) > 0.0 else None


def reworded(rows: Sequence[dict[str, Any]]) -> list[Case]:
    """Pairs of annotators of a question whose meanings can be told to be the same by their answers."""
    cases = []
    for row in rows:
        several = [a["qaPairs"] for a in row["annotations"] if a["type"] == "multipleQAs"]
        sets = [[{tokens(alias) for alias in pair["answer"]} - {()} for pair in pairs] for pairs in several]
        for i, own in enumerate(several):
            for j, other in enumerate(several):
                shares = (
                    np.array([[bool(a & b) for b in sets[j]] for a in sets[i]])
                    if i != j
                    else np.zeros((1, 1))
                )
                lone = (
                    (shares.sum(axis=1, keepdims=True) == 1)
                    & (shares.sum(axis=0, keepdims=True) == 1)
                    & (shares > 0)
                )
                same = np.argwhere(lone)
                if len(same) > 1:
                    labels = tuple(other[k]["question"] for _, k in same)
                    intents = tuple(own[k]["question"] for k, _ in same)
                    cases.append(Case(str(row["id"]), row["question"], labels, intents))
    return cases


def rate(cases: Sequence[Case], match: Match) -> tuple[str, int]:
    """The share of right choices with its interval, and of how many."""
    hits: dict[str, list[bool]] = {}
    for case in cases:
        for k, intent in enumerate(case.intents):
            hits.setdefault(case.cluster, []).append(match(case.labels, intent, case.question) == k)
    return share(list(hits.values()))


def share(clusters: Sequence[Sequence[bool]]) -> tuple[str, int]:
    """The share of true ones with its interval, and of how many."""
    count, of = (np.array([f(c) for c in clusters], dtype=float) for f in (sum, len))
    found = interval(lambda w: float((w @ count) / (w @ of)), len(clusters), 0)
    return f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]", int(of.sum())


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data-dir", type=Path)
    options.add_argument("--questions", type=int, help="questions of the first two rows; default: all")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    path = find_file(chosen.data_dir, "ambignq", FILES["validation"])
    if path is None:
        raise SystemExit("benchmarks/users.py: no AmbigQA; set CLARIFY_ENV_DATA or give --data-dir")
    found = [
        task for task in load_ambigqa("validation", chosen.data_dir).tasks if len(task.interpretations) > 1
    ]
    found = found[: chosen.questions]
    named, short, replies = [], [], []
    for task in found:
        texts = tuple(m.text for m in task.interpretations)
        said = [text_reply(WHICH, task.question, text) for text in texts]
        replies.append([said.count(reply) == 1 for reply in said])
        named.append(Case(task.id, task.question, texts, texts))
        labels = tuple(short_labels(task.interpretations, task.question))
        short.append(Case(task.id, task.question, labels, texts))
    other = reworded(read_json(path))
    chance = share([[k == 0 for case in other for k in range(len(case.labels))]])[0].split()[0]
    print("resolved after one good question:", *share(replies))
    print(
        f"reworded: {len(other)} pairs of annotators of {len({c.cluster for c in other})} questions; "
        f"chance {chance}"
    )
    print(f"{'matcher':<12} {'named':>22} {'short labels':>22} {'reworded':>22} {'seconds':>8}")
    matchers: dict[str, Match] = {"all tokens": by_tokens, "default": closest}
    try:
        from clarify_env.agents import EmbeddingMatcher

        matchers["embed"] = EmbeddingMatcher()
    except ClarifyError as error:
        print(f"embed: {error}")
    for name, match in matchers.items():
        begun = time.perf_counter()
        if read := getattr(match, "read", None):
            read(
                [
                    text
                    for case in (*named, *short, *other)
                    for text in (case.question, *case.labels, *case.intents)
                ]
            )
        shown = [rate(cases, match)[0] for cases in (named, short, other)]
        print(
            f"{name:<12} {shown[0]:>22} {shown[1]:>22} {shown[2]:>22} {time.perf_counter() - begun:>8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
