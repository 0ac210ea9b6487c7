"""Real questions for `csp-v0`, and tools that search texts of the user's own.

- "popqa": `popqa/popqa_2000.json` (lists "dev" and "test" of {"input", "output": a JSON list, "id"}; arXiv
  2212.10511);
- "nq-open": `nq_open/NQ-open.dev.jsonl` ({"question", "answer": [..]} a line; arXiv 1906.00300);
- the path of a file of your own in the form of nq-open. A line may have "passages": for each helper the texts
  that its tool searches for this question, a list of lists.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from clarify_env.data import find_file, parsed_json, read_json
from clarify_env.errors import ClarifyError, nearest
from clarify_env.games.csp.records import Question, Retriever
from clarify_env.retrieval import Passages
from clarify_env.text import tokens

_FILES = {"popqa": ("popqa", "popqa_2000.json"), "nq-open": ("nq_open", "NQ-open.dev.jsonl")}


def load_questions(
    data: str, data_dir: str | os.PathLike[str] | None = None, size: int | None = None
) -> tuple[Question, ...]:
    """The questions of a data set or file, the first `size` that can be graded.

    Raises:
        ClarifyError: there is no such file, or it is malformed (file and record).
    """
    if data in _FILES:
        folder, name = _FILES[data]
        path = find_file(data_dir, folder, (name,))
        if path is None:
            raise ClarifyError(f"csp-v0: no data; give data_dir=FOLDER, the folder of {name}")
    else:
        path = Path(data)
        if not path.is_file():
            raise ClarifyError(f"data={data!r}: no such file{nearest(data, _FILES)}")
    rows = _popqa(path) if data == "popqa" else _lines(path)
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ClarifyError(f"size={size!r}: a split has at least 1 question")
    made = []
    for n, row in enumerate(rows):
        try:
            question = _question(row, n)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise ClarifyError(f"{path}: record {n} has another form: {problem}") from None
        if question is not None:
            made.append(question)
    if not made:
        raise ClarifyError(f"{path}: holds no question with an answer that has a word")
    return tuple(made[:size])


def _popqa(path: Path) -> list[Any]:
    content = read_json(path)
    try:
        return [*content["dev"], *content["test"]]
    except (KeyError, TypeError) as error:
        raise ClarifyError(f"{path}: no lists 'dev' and 'test' there ({type(error).__name__})") from None


def _lines(path: Path) -> list[Any]:
    rows = []
    for n, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            try:
                rows.append(parsed_json(line))
            except (ValueError, RecursionError) as error:
                raise ClarifyError(f"{path}: line {n} is no JSON: {error}") from None
    return rows


def _question(row: Mapping[str, Any], at: int) -> Question | None:
    """The question of a record; None where no answer has a token."""
    popqa = "input" in row
    asked = row["input"] if popqa else row["question"]
    answers = json.loads(row["output"]) if popqa else row["answer"]
    if not isinstance(asked, str) or isinstance(answers, str):
        raise TypeError("the question is a text, the answers are a list")
    kept = tuple(answer for answer in answers if tokens(answer))
    if not asked.strip() or not kept:
        return None
    passages = tuple(tuple(map(str, texts)) for texts in row.get("passages", ()))
    return Question(str(row.get("id", f"question-{at}")), asked.strip(), (kept,), "", passages)


class CorpusTool:
    """BM25 over a corpus; what it finds depends on the query alone.

    Args:
        name: of the corpus, which its helper is told.
        passages: the corpus.
        most: passages that a search finds at most.
    """

    def __init__(self, name: str, passages: Passages, most: int) -> None:
        self.name = name
        self.find_all = lru_cache(maxsize=50_000)(lambda query: passages.top([query], most)[0])

    def find(self, query: str, question: Question, truth: int, covered: bool) -> tuple[str, ...]:
        """The nearest passages."""
        return tuple(self.find_all(query))


class CarriedTool:
    """BM25 over the passages that a question carries for a helper.

    Args:
        name: which its helper is told.
        helper: whose passages these are.
        most: passages that a search finds at most.
    """

    def __init__(self, name: str, helper: int, most: int) -> None:
        self.name = name
        self.helper = helper
        self.most = most
        self._index = lru_cache(maxsize=512)(Passages)

    def find(self, query: str, question: Question, truth: int, covered: bool) -> tuple[str, ...]:
        """The nearest passages of this helper."""
        texts = question.passages[self.helper]
        if not any(map(tokens, texts)):
            return ()
        return tuple(self._index(texts).top([query], self.most)[0])


def make_tools(
    asked: Sequence[Question], corpora: Sequence[str | os.PathLike[str]], helpers: int, most: int
) -> list[Retriever]:
    """A tool for each helper: its corpus, or what the questions carry.

    Raises:
        ClarifyError: there are neither, or a question carries passages for another number of helpers.
    """
    if isinstance(corpora, (str, os.PathLike)):
        raise ClarifyError(f"corpora={os.fspath(corpora)!r}: a list of folders, one for each helper")
    if corpora:
        return [
            CorpusTool(Path(c).stem or f"corpus {k}", Passages.read(c), most) for k, c in enumerate(corpora)
        ]
    for question in asked:
        if len(question.passages) != helpers:
            raise ClarifyError(
                f"csp-v0: question {question.id!r} carries passages for {len(question.passages)} helpers, "
                f"not for {helpers}; give corpora=[FOLDER, FOLDER], or questions that carry passages"
            )
    return [CarriedTool(f"collection {k + 1}", k, most) for k in range(helpers)]
