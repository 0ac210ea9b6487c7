"""A table of a report: its numbers, and the headers that name them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from clarify_env.numbers import Number, number
from clarify_env.text import tokens

Cell = tuple[int, int]  # row, column
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_KINDS = frozenset("per rate rates ratio percentage margin shares number days years".split())
COMMON = frozenset("of in for to and or on at by is was were are what how much many".split())


class Axis(NamedTuple):
    """One way to name cells: the labels of an axis, and the lines (rows or columns) of each, in order."""

    labels: tuple[str, ...]
    lines: tuple[tuple[int, ...], ...]
    place: int  # of a line's number in a cell: 0 for rows, 1 for columns

    def of(self, label: str) -> tuple[int, ...]:
        """The lines under `label`."""
        return self.lines[self.labels.index(label)]


def _data(text: str) -> Number | None:
    """The number in a cell; a year is a header."""
    found = number(text)
    return None if found is None or YEAR.fullmatch(text.strip()) else found


def _clean(label: str) -> str:
    label = re.sub(r"\b(\d) (\d) (\d) (\d)\b", r"\1\2\3\4", label)
    return re.sub(r"\s*\([^)]*\)$", "", " ".join(label.split())).strip(" :*")


class Sheet:
    """A table, its numbers and its axes.

    Args:
        rows: the cells' texts; the first column holds the row headers.
    """

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self.rows = rows
        self.values: dict[Cell, Number] = {}
        for r, row in enumerate(rows):
            for c, text in enumerate(row[1:], start=1):
                if (found := _data(text)) is not None:
                    self.values[r, c] = found
        self.first = min((r for r, _ in self.values), default=len(rows))
        self.heads: dict[Cell, str] = {}
        self.axes = [*self._columns(), self._rows()]
        self.words = {cell: self._words(cell) for cell in self.values}

    def _columns(self) -> Iterator[Axis]:
        for r in range(self.first):
            under: dict[str, list[int]] = {}
            label = ""
            for c, text in enumerate(self.rows[r][1:], start=1):
                label = text.strip() or label
                if label:
                    self.heads[r, c] = label
                    under.setdefault(_clean(label), []).append(c)
            if len(under) > 1:
                yield Axis(tuple(under), tuple(map(tuple, under.values())), 1)

    def _rows(self) -> Axis:
        under: dict[str, list[int]] = {}
        for r in sorted({r for r, _ in self.values}):
            if label := _clean(self.rows[r][0]):
                under.setdefault(label, []).append(r)
        return Axis(tuple(under), tuple(map(tuple, under.values())), 0)

    def _words(self, cell: Cell) -> set[str]:
        r, c = cell
        heads = [self.rows[r][0], *(self.heads.get((k, c), "") for k in range(self.first))]
        return set(tokens(" ".join(heads))) - COMMON


def bare(found: Number) -> float:
    """The number in a cell as it is written, whatever its unit."""
    return float(found.value / found.unit)


def paired(sheet: Sheet, axis: Axis, old: str, new: str) -> dict[Cell, Cell]:
    """The cells under one label with those under another, the k-th line for the k-th."""
    lines = dict(zip(axis.of(old), axis.of(new), strict=False))
    pairs: dict[Cell, Cell] = {}
    for r, c in sheet.values:
        line = lines.get((r, c)[axis.place])
        if line is not None:
            pairs[r, c] = (line, c) if axis.place == 0 else (r, line)
    return pairs


def kind(text: str) -> frozenset[str]:
    """The words of a row header that say what kind of number its cells hold."""
    return _KINDS & set(tokens(text)) | ({"%"} if "%" in text else set())
