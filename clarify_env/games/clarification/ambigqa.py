"""`ambigqa-v0`: real ambiguous questions (AmbigQA, arXiv 2004.10645) with their meanings and answers.

Data: the "light" JSON files of the public release (`train_light.json`, `dev_light.json`) from `data_dir`
or `$CLARIFY_ENV_DATA/ambignq`, else `sewon/ambig_qa` from the Hugging Face hub through `datasets`. Without
any, split="sample" has 50 questions of the same kind that were written for this package.

How a question becomes a task (rules of ours, each with a test):
- It has several meanings if any annotator gave several: the annotation with the most question-answer pairs
  counts, the first of equals. Else the answers of all annotators are aliases of its one meaning. Questions
  with one meaning stay in: asking about them only costs.
- At most the first 8 meanings count, in the annotator's order; all are equally likely.
- A meaning that the annotator put in several ways, with "|" between them, stays one text (97 of 4,559 in the
  validation split): the ceiling would differ by 0.000006, and every published score with it.
- Two meanings in the same words (after normalisation) are one, with the aliases of both.
- Meanings that share an answer, or all of them, stay as they are: asking is worth nothing there, and a
  policy has to notice.
- Aliases are stripped of outer space; blank, repeated and over-long ones (more than 100 words: pasted
  tables) are dropped. A meaning without an alias is dropped; a question without a meaning is rejected, with
  its reason in `load_ambigqa(...).rejected`.

Version history: v0, first version.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from clarify_env.costs import CostSampler
from clarify_env.data import VARIABLE, Loaded, Rejected, find_file, make_tasks, read_json, stamp
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.clarification.game import ClarificationGame, State
from clarify_env.games.clarification.questions import EVERY, own_questions
from clarify_env.games.clarification.rows import hub_rows
from clarify_env.games.clarification.task import Interpretation, Task
from clarify_env.retrieval import Passages, corpus_stamp
from clarify_env.text import tokens, words

FILES = {
    "train": ("train_light.json", "train.json"),
    "validation": ("dev_light.json", "dev.json", "validation.json"),
}


HUB = "sewon/ambig_qa"


SAMPLE_SPLIT = "sample"  # questions like these that ship with the package


MAX_MEANINGS = 8


MAX_ALIAS_WORDS = 100


def _rows(annotations: Any) -> list[dict[str, Any]]:
    """Annotations as a list of dicts, from the raw form or the hub's column-wise one."""
    if isinstance(annotations, list):
        return annotations
    rows = []
    for kind, answer, pairs in zip(
        annotations["type"], annotations["answer"], annotations["qaPairs"], strict=True
    ):
        listed = [
            {"question": question, "answer": aliases}
            for question, aliases in zip(pairs["question"], pairs["answer"], strict=True)
        ]
        rows.append({"type": kind, "answer": answer, "qaPairs": listed})
    return rows


def _aliases(answers: list[str]) -> tuple[str, ...]:
    if isinstance(answers, str):
        raise TypeError(f"the answer {answers[:80]!r} is no list of answers")
    stripped = dict.fromkeys(answer.strip() for answer in answers)
    return tuple(a for a in stripped if a and tokens(a) and words(a) <= MAX_ALIAS_WORDS)


def parse_ambigqa(row: dict[str, Any]) -> Task | str:
    """The task of one record, or the reason why there is none.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: the record does not have AmbigQA's form.
    """
    question = row["question"].strip()
    annotations = _rows(row["annotations"])
    several = [a["qaPairs"] for a in annotations if a["type"] == "multipleQAs" and a["qaPairs"]]
    if several:
        meanings = [(pair["question"].strip(), pair["answer"]) for pair in max(several, key=len)]
    else:
        meanings = [(question, a["answer"]) for a in annotations if a["type"] == "singleAnswer"]
    merged: dict[tuple[str, ...], tuple[str, dict[str, None]]] = {}
    for text, answers in meanings:
        merged.setdefault(tokens(text), (text, {}))[1].update(dict.fromkeys(_aliases(answers)))
    kept = [(text, tuple(answers)) for text, answers in merged.values() if text and answers][:MAX_MEANINGS]
    if not question:
        return "no question"
    if not kept:
        return f"no answer of 1 to {MAX_ALIAS_WORDS} words that has a token"
    weight = 1.0 / len(kept)
    return Task(str(row["id"]), question, tuple(Interpretation(t, a, weight) for t, a in kept))


def _parse(row: dict[str, Any], position: int) -> tuple[Task | Rejected]:
    made = parse_ambigqa(row)
    return (made if isinstance(made, Task) else (str(row.get("id", f"record {position}")), made),)


def _load(rows: Any, source: str) -> Loaded:
    return make_tasks(rows, source, "AmbigQA", _parse)


@lru_cache(maxsize=4)
def _from_file(path: Path, _stamp: tuple[int, int]) -> Loaded:
    return _load(read_json(path), str(path))


@lru_cache(maxsize=2)
def _from_hub(split: str) -> Loaded:
    try:
        rows = hub_rows(HUB, "light", split=split)
    except ClarifyError as error:
        raise ClarifyError(
            f"ambigqa-v0: no data. split={SAMPLE_SPLIT!r} has 50 questions that ship with the package. For "
            "those of AmbigQA give data_dir=FOLDER (--data-dir), the folder of train_light.json and "
            f"dev_light.json; or set {VARIABLE} to the folder that holds ambignq/; or read the hub: {error}"
        ) from None
    return _load(rows, HUB)


def load_ambigqa(split: str = "train", data_dir: str | os.PathLike[str] | None = None) -> Loaded:
    """The questions of a split, read once per process.

    Args:
        split: "train", "validation", or "sample" for the questions that ship with the package.
        data_dir: the folder of the JSON files; None for `$CLARIFY_ENV_DATA/ambignq`, then the hub.

    Raises:
        ClarifyError: there are no data, or they are malformed (file and position).
    """
    if choose("split", split, (*FILES, SAMPLE_SPLIT)) == SAMPLE_SPLIT:
        return Loaded(own_questions().of(EVERY), ())
    path = find_file(data_dir, "ambignq", FILES[split])
    if path is None:
        return _from_hub(split)
    return _from_file(path, stamp(path))


@lru_cache(maxsize=2)
def _with_passages(
    tasks: tuple[Task, ...], corpus: Path, _stamp: tuple[object, ...], most: int
) -> tuple[Task, ...]:
    found = Passages.read(corpus).top([task.question for task in tasks], most)
    return tuple(task._replace(document="\n\n".join(texts)) for task, texts in zip(tasks, found, strict=True))


def make_ambigqa(
    costs: CostSampler,
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
    knowledge: str = "open",
    corpus: str | os.PathLike[str] | None = None,
    passages: int = 5,
    max_turns: int = 5,
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`ambigqa-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        split: "train", "validation", or "sample" for questions that ship with the package.
        data_dir: the folder of the JSON files; None for `$CLARIFY_ENV_DATA/ambignq`, then the hub.
        knowledge: "open" (the asker holds notes), "document" (the passages of `corpus` that BM25 finds for
            the question) or "closed" (the question alone).
        corpus: for "document": a folder of .txt and .jsonl files, or one such file (`clarify_env.retrieval`).
        passages: how many of them the asker holds, >= 1.
        max_turns: messages that the asker may send, >= 1.
        render_mode: None or "ansi".
    """
    tasks = load_ambigqa(split, data_dir).tasks
    if knowledge == "document":
        if corpus is None:
            raise ClarifyError(
                "ambigqa-v0: knowledge='document' needs texts; give corpus=PATH, a folder of .txt or .jsonl "
                "files"
            )
        tasks = _with_passages(tasks, Path(corpus), corpus_stamp(Path(corpus)), passages)
    game = ClarificationGame(tasks, costs, knowledge, max_turns)
    return GameEnv(game, "ambigqa-v0", render_mode=render_mode)
