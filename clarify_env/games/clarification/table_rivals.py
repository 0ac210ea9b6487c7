"""Rival meanings of a question about a table: the same question of another row, column or year.

What a disambiguated question adds to the ambiguous one names a header of the table: a row's, a column's, or
a year. A rival names another header of the same axis instead, and its answer is read from the cells there:
- The answer, or each number of its derivation, has to stand in a cell under the named header; cells are
  told apart by how many words of the question their headers share. Where the named header has several
  columns, the k-th stands for the k-th of the other header.
- Two years that are added (a period) become two other ones in the same order.
- The derivation of the real answer has to give that answer (times 100 for percent); the rival's answer is
  the same arithmetic over its own cells, rounded to two decimals. A number that is multiplied or divided by
  and stands in no such cell is a constant.
- Every number that moves has to have a number to move to. A row counts only where it is of the same kind:
  a rate, a count of shares or an amount per share is no rival of an amount of money.

A table of a report: its numbers, and the headers that name them.
"""

import ast
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from clarify_env.games.clarification.numeric_grading import Number, number
from clarify_env.text import tokens

_Cell = tuple[int, int]  # row, column


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
        self.values: dict[_Cell, Number] = {}
        for r, row in enumerate(rows):
            for c, text in enumerate(row[1:], start=1):
                if (found := _data(text)) is not None:
                    self.values[r, c] = found
        self.first = min((r for r, _ in self.values), default=len(rows))
        self.heads: dict[_Cell, str] = {}
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

    def _words(self, cell: _Cell) -> set[str]:
        r, c = cell
        heads = [self.rows[r][0], *(self.heads.get((k, c), "") for k in range(self.first))]
        return set(tokens(" ".join(heads))) - COMMON


def bare(found: Number) -> float:
    """The number in a cell as it is written, whatever its unit."""
    return float(found.value / found.unit)


def _paired(sheet: Sheet, axis: Axis, old: str, new: str) -> dict[_Cell, _Cell]:
    """The cells under one label with those under another, the k-th line for the k-th."""
    lines = dict(zip(axis.of(old), axis.of(new), strict=False))
    pairs: dict[_Cell, _Cell] = {}
    for r, c in sheet.values:
        line = lines.get((r, c)[axis.place])
        if line is not None:
            pairs[r, c] = (line, c) if axis.place == 0 else (r, line)
    return pairs


def kind(text: str) -> frozenset[str]:
    """The words of a row header that say what kind of number its cells hold."""
    return _KINDS & set(tokens(text)) | ({"%"} if "%" in text else set())


_OPERAND = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?%?")


_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


_FACTORS = (1.0, 100.0, 1e-3, 1e-6, 1e3)


class Rival(NamedTuple):
    """Another meaning: the question, and the answer's numbers with the scale of the real one's cells."""

    question: str
    values: tuple[str, ...]


def _phrase(label: str, question: str) -> re.Match[str] | None:
    """Where `question` names `label`."""
    if not label:
        return None
    pattern = r"\s+".join(map(re.escape, label.split()))
    return re.search(rf"(?<!\w){pattern}(?!\w)", question, re.IGNORECASE)


def _names(axis: Axis, question: str, known: set[str]) -> dict[str, str]:
    """The labels that `question` names with a word that is not in `known`, and the words that name them."""
    found: dict[str, str] = {}
    for label in axis.labels:
        match = _phrase(label, question)
        years = set(YEAR.findall(label))
        said = match.group() if match else next((y for y in years if len(years) == 1 and y in question), "")
        if said and not known.issuperset(tokens(said)):
            found[label] = said
    longest = max((len(said) for said in found.values() if not YEAR.fullmatch(said)), default=0)
    return {n: s for n, s in found.items() if YEAR.fullmatch(s) or len(s) == longest}


def _as(label: str, said: str) -> str:
    """What stands for `label` where its rival was named by `said`."""
    years = YEAR.findall(label)
    if YEAR.fullmatch(said):
        return years[0] if len(years) == 1 else ""
    return label[:1].lower() + label[1:] if said[:1].islower() and label[1:2].islower() else label


class Reading(NamedTuple):
    """How the answer is computed from cells: a formula over operands, and the cell of each (None: constant).

    Args:
        formula: with `x0`, `x1`... for the operands; "" where the operands are the answer.
        operands: their numbers, as written.
        cells: where each stands.
        factor: what the formula's result is multiplied by.
    """

    formula: str
    operands: tuple[float, ...]
    cells: tuple[_Cell | None, ...]
    factor: float = 1.0


def _evaluate(node: ast.AST, names: Mapping[str, float]) -> float:
    if isinstance(node, ast.Expression):
        return _evaluate(node.body, names)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return float(_OPERATORS[type(node.op)](_evaluate(node.left, names), _evaluate(node.right, names)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand, names)
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    raise ValueError("no arithmetic")


def compute(formula: str, operands: Sequence[float]) -> float | None:
    """The value of `formula`, + - * / and brackets over x0, x1...; None where it is none."""
    names = {f"x{i}": value for i, value in enumerate(operands)}
    try:
        return _evaluate(ast.parse(formula, mode="eval"), names)
    except (ValueError, SyntaxError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _locate(sheet: Sheet, values: Sequence[float], cells: set[_Cell], asked: set[str]) -> list[_Cell | None]:
    """For each value the cell of `cells` that holds it, but for its sign; the best-described of several."""
    found: list[_Cell | None] = []
    for value in values:
        fits = [cell for cell in cells if abs(abs(bare(sheet.values[cell])) - abs(value)) < 1e-9]
        found.append(
            max(fits, key=lambda cell: (len(sheet.words[cell] & asked), *(-k for k in cell)), default=None)
        )
    return found


def _reading(
    sheet: Sheet, cells: set[_Cell], asked: set[str], answer: Sequence[str] | float, derivation: str
) -> Reading | None:
    """How `answer` follows from numbers in `cells`, or None."""
    if not isinstance(answer, (int, float)):
        given = [number(text) for text in answer]
        if None in given:
            return None
        values = tuple(bare(one) for one in given if one)
        return Reading("", values, tuple(_locate(sheet, values, cells, asked)))
    plain = (
        re.sub(r"[$€£%\s]", "", re.sub("[\u2212\u2013]", "-", derivation)).replace("[", "(").replace("]", ")")
    )
    plain = plain.replace("\u00d7", "*").replace("\u00f7", "/")
    written = _OPERAND.findall(plain)
    values = tuple(float(text.replace(",", "")) for text in written)
    numbering = iter(range(len(written)))
    formula = _OPERAND.sub(lambda _: f"x{next(numbering)}", plain)
    scaled = re.findall(r"([*/]?)x\d+", formula)
    located = _locate(sheet, values, cells, asked)
    for i, (sign, value) in enumerate(zip(scaled, values, strict=True)):
        if sign and value in (*range(1, 13), 100.0, 1000.0):
            located[i] = None
        elif located[i] is None and not sign:
            return None
    result = compute(formula, values)
    if result is None:
        return None
    for factor in _FACTORS:
        if abs(round(result * factor, 2) - answer) < 0.006:
            return Reading(formula, values, tuple(located), factor)
    return None


def _moved(sheet: Sheet, reading: Reading, move: Mapping[_Cell, _Cell]) -> tuple[str, ...] | None:
    """The answer over the cells that `move` leads to; None where there is none."""
    texts, values = [], []
    for value, cell in zip(reading.operands, reading.cells, strict=True):
        if cell is None:
            values.append(value)
            continue
        to = move.get(cell)
        if to is None or to not in sheet.values:
            return None
        sign = 1.0 if value * bare(sheet.values[cell]) >= 0 else -1.0
        values.append(sign * bare(sheet.values[to]))
        if ("%" in sheet.rows[to[0]][to[1]]) != ("%" in sheet.rows[cell[0]][cell[1]]):
            return None
        texts.append(sheet.rows[to[0]][to[1]])
    if not texts:
        return None
    if not reading.formula:
        return tuple(texts)
    result = compute(reading.formula, values)
    return None if result is None else (f"{result * reading.factor + 0.0:,.2f}".rstrip("0").rstrip("."),)


def _steps(axis: Axis, named: Mapping[str, str], question: str) -> Iterator[dict[str, str]]:
    """The ways to name other labels in place of the named ones, the likeliest first."""
    labels = list(axis.labels)
    if len(named) == 1:
        ((label, said),) = named.items()
        at, known = labels.index(label), set(tokens(question)) - COMMON
        order = sorted(
            (k for k in range(len(labels)) if k != at),
            key=lambda k: (not known & set(tokens(labels[k])), abs(k - at), k),
        )
        yield from ({label: labels[k]} for k in order if _as(labels[k], said))
    elif len(named) == 2 and all(map(YEAR.fullmatch, named.values())):
        dated = [label for label in labels if len(YEAR.findall(label)) == 1]
        first, last = (dated.index(label) for label in named)
        others = [
            (i, j)
            for i in range(len(dated))
            for j in range(len(dated))
            if (i < j) == (first < last) and i != j and (i, j) != (first, last)
        ]
        for i, j in sorted(
            others, key=lambda p: (abs(abs(p[1] - p[0]) - abs(last - first)), abs(p[0] - first))
        ):
            yield {dated[first]: dated[i], dated[last]: dated[j]}


def rivals(
    rows: Sequence[Sequence[str]],
    ambiguous: str,
    question: str,
    answer: Sequence[str] | float,
    derivation: str = "",
    most: int = 3,
) -> list[Rival]:
    """The rivals of `question`, at most `most`, all of one axis; none where the table does not tell.

    Args:
        rows: the table.
        ambiguous: the question before it was disambiguated.
        question: what is meant.
        answer: its answer, texts of cells or a number.
        derivation: the arithmetic of a number, such as "(44.1-56.7)/56.7".
        most: rivals at most, >= 1.
    """
    sheet, known = Sheet(rows), set(tokens(ambiguous))
    asked, best = set(tokens(question)) - COMMON, list[Rival]()
    for axis in sheet.axes:
        named = _names(axis, question, known)
        lines = {line for label in named for line in axis.of(label)}
        cells = {cell for cell in sheet.values if cell[axis.place] in lines}
        reading = _reading(sheet, cells, asked, answer, derivation) if named else None
        if reading is None:
            continue
        found: dict[tuple[str, ...], Rival] = {}
        for step in _steps(axis, named, ambiguous):
            if axis.place == 0 and any(kind(old) != kind(new) for old, new in step.items()):
                continue
            move: dict[_Cell, _Cell] = {}
            for old, new in step.items():
                move |= _paired(sheet, axis, old, new)
            values = _moved(sheet, reading, move)
            text = _renamed(question, {said: _as(step[label], said) for label, said in named.items()})
            if values and tokens(text) != tokens(question):
                found.setdefault(tokens(text), Rival(text, values))
        if len(found) > len(best):
            best = list(found.values())[:most]
    return best


def _renamed(question: str, names: Mapping[str, str]) -> str:
    """`question` with other words for some, all at once."""
    pattern = "|".join(rf"(?<!\w){re.escape(said)}(?!\w)" for said in names)
    lowered = {said.lower(): new for said, new in names.items()}
    return re.sub(pattern, lambda match: lowered[match.group().lower()], question, flags=re.IGNORECASE)
