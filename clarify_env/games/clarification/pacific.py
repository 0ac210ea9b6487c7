"""`pacific-v0`: conversations about tables and texts of companies' reports (PACIFIC, arXiv 2210.08817).

Only the asker holds the report: knowledge="document" is the default, and the setting of arXiv 2512.04068.

Data: `train.json` and `validation.json` of the public release, from `data_dir` or
`$CLARIFY_ENV_DATA/pacific`, else downloaded once (`pip install "clarify_env[download]"`). The test file has
no answers.

How a turn becomes a task (rules of ours, each with a test):
- The turns before it are the context, which both players see.
- A clear turn has one meaning, the question in full, and stays in: asking about it only costs.
- A turn that calls for clarification means what its user says in the next turn, in full, with that turn's
  answer. Its rivals are the same question of other rows, columns or years, at most 3, read from the table
  (`table_rivals`). All meanings are equally likely. Where no rival can be read the turn is rejected
  with its reason in `load_pacific(...).rejected`: with one meaning it would say that asking is worth nothing.
- The user's reply is no task of its own; afterwards it is part of the context.
- Answers stand in their usual form with their scale ("$1,496.5 million", "-12.14%"), several spans joined by
  "; " (a semicolon inside a span becomes a comma). They are graded by value and scale, texts by token F1
  (`numeric_grading`). A number read from the table takes over the scale of the real answer.

Version history: v0, first version.
"""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from clarify_env.costs import CostSampler
from clarify_env.data import Loaded, Rejected, download, find_file, make_tasks, read_json, stamp
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.clarification.game import ClarificationGame, State
from clarify_env.games.clarification.numeric_grading import SEPARATOR, grade_numbers, number, spoken
from clarify_env.games.clarification.table_rivals import rivals
from clarify_env.games.clarification.task import Interpretation, Task
from clarify_env.text import tokens

_FILES = {"train": "train.json", "validation": "validation.json"}


URL = "https://raw.githubusercontent.com/dengyang17/PACIFIC/HEAD/data/pacific/"


CHECKSUMS = {"validation": "a5769b1a2d638e4cc1bc83f6d823361bc2fbae2a4438cdb594ff2bf1b5576781"}


SCALES = ("", "thousand", "million", "billion", "percent")


_MAX_MEANINGS = 4


NO_RIVAL = "calls for clarification, but the table has no rival meaning that can be read"


def _answer(turn: dict[str, Any]) -> str:
    answer, scale = turn["answer"], turn["scale"]
    if scale not in SCALES:
        raise ValueError(f"the scale {scale!r} is none of {SCALES}")
    if isinstance(answer, list) and all(isinstance(span, str) for span in answer):
        return SEPARATOR.join(spoken(span, scale) for span in answer if tokens(span))
    if isinstance(answer, bool) or not isinstance(answer, (int, float, str)):
        raise TypeError(f"the answer {answer!r:.80} is no number, text or list of texts")
    return spoken(answer, scale)


def _scale(turn: dict[str, Any]) -> str:
    """The scale of the answer, also where it stands in the answer's text."""
    units = {3: "thousand", 6: "million", 9: "billion", -2: "percent"}
    first = number(turn["answer"][0]) if isinstance(turn["answer"], list) else None
    return turn["scale"] or (units.get(first.unit.adjusted(), "") if first else "")


def _document(row: dict[str, Any]) -> str:
    lines = [" | ".join(" ".join(cell.split()) for cell in cells) for cells in row["table"]["table"]]
    texts = sorted(row["paragraphs"], key=lambda paragraph: int(paragraph["order"]))
    return "\n".join(["Table:", *lines, "Text:", *(paragraph["text"].strip() for paragraph in texts)])


def _meanings(row: dict[str, Any], turn: dict[str, Any], meant: dict[str, Any]) -> list[tuple[str, str]]:
    """What an ambiguous turn may mean, with the answers; what is meant comes first."""
    question = meant["original_question"].strip()
    found = [(question, _answer(meant))]
    table = row["table"]["table"]
    given = meant["answer"] if not isinstance(meant["answer"], str) else [meant["answer"]]
    for rival in rivals(table, turn["question"], question, given, meant["derivation"], _MAX_MEANINGS - 1):
        values: Sequence[str] = rival.values
        found.append((rival.question, SEPARATOR.join(spoken(value, _scale(meant)) for value in values)))
    return found


def parse_pacific(row: dict[str, Any], position: int = 0) -> Iterator[Task | Rejected]:
    """The tasks of one dialogue, and (id, reason) of each turn that gives none.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: the record does not have PACIFIC's form.
    """
    document, turns = _document(row), row["questions"]
    said: list[str] = []
    asked = False
    for turn, after in zip(turns, [*turns[1:], None], strict=True):
        question, context = turn["question"].strip(), "\n".join(said)
        answer, replying = _answer(turn), asked
        asked = turn["req_clari"]
        said += [f"User: {question}", f"Assistant: {answer}"]
        if replying:
            continue
        meanings = [(turn["original_question"].strip(), answer)]
        if asked:
            if after is None:
                yield turn["uid"], "calls for clarification, but the dialogue ends there"
                continue
            meanings = _meanings(row, turn, after)
        if not question or not all(text and tokens(gold) for text, gold in meanings):
            yield turn["uid"], "no question, or no answer that has a token"
        elif asked and len(meanings) == 1:
            yield turn["uid"], NO_RIVAL
        else:
            weight = 1.0 / len(meanings)
            kept = tuple(Interpretation(text, (gold,), weight) for text, gold in meanings)
            yield Task(turn["uid"], question, kept, document, context)


@lru_cache(maxsize=2)
def _from_file(path: Path, _stamp: tuple[int, int]) -> Loaded:
    rows = read_json(path)
    if isinstance(rows, list) and rows and all(_unlabelled(row) for row in rows):
        raise ClarifyError(f"{path}: its questions have no answers; PACIFIC labels train and validation only")
    return make_tasks(rows, str(path), "PACIFIC", parse_pacific)


def _unlabelled(row: Any) -> bool:
    turns = row.get("questions") if isinstance(row, dict) else None
    return isinstance(turns, list) and not any(isinstance(turn, dict) and "answer" in turn for turn in turns)


def load_pacific(split: str = "train", data_dir: str | os.PathLike[str] | None = None) -> Loaded:
    """The turns of a split, read once per process.

    Args:
        split: "train" or "validation".
        data_dir: the folder of the JSON files; None for `$CLARIFY_ENV_DATA/pacific`, then the download.

    Raises:
        ClarifyError: the split has no labels, there are no data, or they are malformed (file and position).
    """
    if split == "test":
        raise ClarifyError("pacific-v0: split='test' is published without answers; take train or validation")
    choose("split", split, _FILES)
    path = find_file(data_dir, "pacific", (_FILES[split],))
    if path is None:
        path = download(URL + _FILES[split], CHECKSUMS.get(split), "pacific")
    return _from_file(path, stamp(path))


def make_pacific(
    costs: CostSampler,
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
    knowledge: str = "document",
    max_turns: int = 5,
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`pacific-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        split: "train" or "validation".
        data_dir: the folder of the JSON files; None for `$CLARIFY_ENV_DATA/pacific`, then the download.
        knowledge: "document" (the asker holds table and text), "open" (notes) or "closed" (neither).
        max_turns: messages that the asker may send, >= 1.
        render_mode: None or "ansi".
    """
    game = ClarificationGame(load_pacific(split, data_dir).tasks, costs, knowledge, max_turns, grade_numbers)
    return GameEnv(game, "pacific-v0", render_mode=render_mode)
