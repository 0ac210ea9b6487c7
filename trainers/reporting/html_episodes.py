"""Stored episodes as columns for the report's page: every text and every dialogue once, deflated, base64.

Most episodes of an evaluation are the same dialogue under other costs. A dialogue is kept once, with what it
incurred; an episode is four numbers: its run, costs, meaning and dialogue. The page prices it itself.
"""

import base64
import json
import zlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from clarify_env.episode import move_kinds
from clarify_env.errors import ClarifyError
from clarify_env.render import lines
from clarify_env.storage import map_records

T = TypeVar("T", bound=Hashable)


_Line = tuple[int, int, int, int, tuple[tuple[int, float], ...]]


MOST = 200_000  # episodes of a page


class Index(Generic[T]):
    """Different values in the order in which they came; `table(value)` is the value's position."""

    def __init__(self) -> None:
        self.at: dict[T, int] = {}

    def __call__(self, value: T) -> int:
        return self.at.setdefault(value, len(self.at))

    def __iter__(self) -> Any:
        return iter(self.at)

    def __len__(self) -> int:
        return len(self.at)


class Episodes:
    """Collects episodes and packs them.

    Args:
        most: how many are kept of each run; of more, that many spread evenly.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.texts, self.players, self.kinds = Index[str](), Index[str](), Index[str]()
        self.terms, self.quantities = Index[str](), Index[str]()
        self.cells = Index[tuple[float, ...]]()
        self.questions, self.meanings = Index[tuple[int, ...]](), Index[tuple[int, ...]]()
        self.dialogues = Index[tuple[Any, ...]]()
        self.priced: dict[str, str] = {}
        self.costs: list[str] = []
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.left_out = 0

    def add(self, path: Path, run: int, count: int) -> None:
        """Add the episodes of a file.

        Args:
            path: of the file that `clarify_env.storage` wrote.
            run: position of the run that they belong to.
            count: how many there are about.

        Raises:
            ClarifyError: the file is damaged, or from a game with other costs or terms than those before.
        """
        every = max(1, -(-count // self.most))
        for position, record in enumerate(map_records(path, lambda record: record)):
            if position % every == 0:
                try:
                    self._add(record, run, position)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise ClarifyError(f"{path}: episode {position} cannot be shown: {error}") from None
            else:
                self.left_out += 1

    def _add(self, record: Mapping[str, Any], run: int, position: int) -> None:
        costs = record["costs"]
        if not self.rows:
            self.costs, self.priced = list(costs), dict(record["terms"])
            self._read = {kind: cls.from_data for kind, cls in move_kinds(record["env"]).items()}
        if list(costs) != self.costs or record["terms"] != self.priced:
            raise ClarifyError("its game has other costs or reward terms than the runs before")
        text, setup = self.texts, record["setup"]
        question = self.questions(
            tuple(text(str(setup.get(name, ""))) for name in ("task", "question", "context"))
        )
        answers = setup.get("answers", [])
        meaning = self.meanings(
            (question, text(str(setup.get("meaning", ""))), text(" | ".join(map(str, answers))))
        )
        quantities = record["quantities"]
        dialogue = self.dialogues(
            (
                text(record["stop"] or ""),
                text(record["detail"]),
                tuple(line for step in record["steps"] for line in self._lines(step)),
                tuple((self.quantities(name), float(value)) for name, value in quantities.items()),
            )
        )
        self.rows.append((run, self.cells(tuple(costs.values())), meaning, dialogue, position))

    def _lines(self, step: Mapping[str, Any]) -> list[_Line]:
        """Each line of a step, as positions."""
        moves = ((player, self._read[kind](content)) for player, kind, content in step["moves"])
        return [
            (
                self.players(line.player),
                self.kinds(line.kind),
                self.texts(line.text),
                self.texts(line.message),
                tuple((self.terms(name), float(quantity)) for name, quantity in line.paid),
            )
            for line in lines(moves, step.get("messages", []), map(tuple, step["paid"]))
        ]

    def pack(self) -> str:
        """Header and columns, deflated, as base64.

        The header's length (4 bytes, little-endian), the header (JSON, padded with spaces to a multiple of 8
        bytes), and the columns that it lists: each as unsigned 32-bit or 64-bit floating point numbers.
        """
        columns: dict[str, Any] = {}
        for name, position in (("run", 0), ("cell", 1), ("meaning", 2), ("dialogue", 3), ("position", 4)):
            columns[f"episode_{name}"] = _whole(row[position] for row in self.rows)
        for k, name in enumerate(("task", "text", "context")):
            columns[f"question_{name}"] = _whole(row[k] for row in self.questions)
        for k, name in enumerate(("question", "text", "answers")):
            columns[f"meaning_{name}"] = _whole(row[k] for row in self.meanings)
        dialogues = list(self.dialogues)
        shown = [line for dialogue in dialogues for line in dialogue[2]]
        columns["dialogue_stop"] = _whole(d[0] for d in dialogues)
        columns["dialogue_detail"] = _whole(d[1] for d in dialogues)
        columns["dialogue_lines"] = _starts(dialogues, lambda d: len(d[2]))
        counted = [dict(d[3]) for d in dialogues]
        for k, name in enumerate(self.quantities):
            columns[f"quantity_{name}"] = np.array([c.get(k, np.nan) for c in counted], dtype="<f8")
        for k, name in enumerate(("player", "kind", "text", "message")):
            columns[f"line_{name}"] = _whole(line[k] for line in shown)
        columns["line_paid"] = _starts(shown, lambda line: len(line[4]))
        paid = [pair for line in shown for pair in line[4]]
        columns["paid_term"] = _whole(pair[0] for pair in paid)
        columns["paid_quantity"] = np.array([pair[1] for pair in paid], dtype="<f8")
        ordered = sorted(columns.items(), key=lambda item: -item[1].itemsize)  # 8-byte numbers first: aligned
        header = {
            "texts": list(self.texts),
            "players": list(self.players),
            "kinds": list(self.kinds),
            "terms": [[name, self.priced.get(name, "")] for name in self.terms],
            "costs": self.costs,
            "cells": list(self.cells),
            "quantities": list(self.quantities),
            "left_out": self.left_out,
            "columns": [[name, "f8" if data.dtype == "<f8" else "u4", len(data)] for name, data in ordered],
        }
        text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        text += b" " * (-(4 + len(text)) % 8)
        content = len(text).to_bytes(4, "little") + text + b"".join(data.tobytes() for _, data in ordered)
        return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def _whole(numbers: Iterable[int]) -> Any:
    return np.fromiter(numbers, dtype="<u4")


def _starts(rows: Sequence[T], size: Callable[[T], int]) -> Any:
    """Where each row's items begin, and after the last one the end."""
    return np.cumsum([0, *map(size, rows)]).astype("<u4")
