"""Passages of the user's own texts, and BM25 over them (`pip install "clarify_env[retrieval]"`).

A corpus is a file or a folder of files, read in the order of their paths:
- `.txt`: paragraphs, with blank lines between them, are the passages;
- `.jsonl`: one passage a line, {"text": ...}, and with "title" too the title goes before the text.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clarify_env.data import parsed_json
from clarify_env.errors import ClarifyError
from clarify_env.text import clean

SUFFIXES = (".txt", ".jsonl")


def _files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix in SUFFIXES:
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise ClarifyError(f"corpus={os.fspath(path)!r}: no .txt or .jsonl file there")
    return files


def corpus_stamp(path: Path) -> tuple[object, ...]:
    """What changes when a file of the corpus does: names, times of change and sizes."""
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in _files(path))


def _passages(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClarifyError(f"{file}: cannot be read: {error}") from None
    if file.suffix == ".txt":
        text = clean(text)
        return [" ".join(part.split()) for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]
    found = []
    for n, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parsed_json(line)
            title, body = row.get("title", ""), row["text"]
            if not isinstance(title, str) or not isinstance(body, str):
                raise TypeError("title and text must be texts")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise ClarifyError(f"{file}: line {n} is no passage such as {{'text': ...}}: {problem}") from None
        if body.strip():
            found.append(f"{title.strip()}: {body.strip()}" if title.strip() else body.strip())
    return found


class Passages:
    """Passages and their BM25 index.

    Args:
        texts: the passages, at least one with a word.

    Raises:
        ClarifyError: there are none, or `bm25s` is not installed.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            import bm25s
        except ImportError:
            raise ClarifyError("retrieval: pip install 'clarify_env[retrieval]'") from None
        self.texts = tuple(texts)
        self._tokenize = bm25s.tokenize
        self._index = bm25s.BM25()
        words = self._tokens(self.texts)
        if not any(words):
            raise ClarifyError(f"retrieval: no word in {len(self.texts)} passages")
        self._index.index(words, show_progress=False)

    def _tokens(self, texts: Sequence[str]) -> list[list[str]]:
        found: list[list[str]] = self._tokenize(
            list(texts), stopwords="en", return_ids=False, show_progress=False
        )
        return found

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Passages":
        """The passages of a corpus; see the module's docstring.

        Raises:
            ClarifyError: there is none, a file cannot be read, or a line is malformed (file and line).
        """
        texts = [text for file in _files(Path(path)) for text in _passages(file)]
        if not texts:
            raise ClarifyError(f"corpus={os.fspath(path)!r}: its files hold no passage")
        return cls(texts)

    def top(self, queries: Sequence[str], most: int) -> list[list[str]]:
        """For each query at most `most` passages that share a word with it, the best first.

        Args:
            queries: plain questions.
            most: passages a query, >= 1.
        """
        if not isinstance(most, int) or most < 1:
            raise ClarifyError(f"passages={most!r}: at least 1")
        found: list[list[str]] = []
        for words in self._tokens(queries):
            known = [word for word in words if word in self._index.vocab_dict]
            if not known:
                found.append([])
                continue
            scores = self._index.get_scores(known)
            near = np.flatnonzero(
                scores >= np.partition(scores, -min(most, len(scores)))[-min(most, len(scores))]
            )
            best = sorted((k for k in near if scores[k] > 0.0), key=lambda k: (-scores[k], k))[:most]
            found.append([self.texts[k] for k in best])
        return found
