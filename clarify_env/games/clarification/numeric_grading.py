"""Answers with numbers, graded as TAT-QA does (arXiv 2105.07624): numbers by value and scale, text by F1.

- A gold answer that is one number, with or without currency, sign, brackets, % or scale, is right or wrong.
  The selection has to hold exactly one number; it is right where it is the gold value once it is rounded to
  the gold's unit and decimals (at least two). Brackets are a minus; percent are hundredths. A number
  without its scale is another number: "1,496.5" is not "1,496.5 million".
- Any other text earns token F1.
- Several spans stand between semicolons. They are matched one to one with what is selected so that the sum
  of their scores is greatest; the score is that sum over the larger number of spans. Several numbers may
  also stand in plain text, each with its own scale.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from heapq import nlargest
from typing import NamedTuple

from clarify_env.text import REMEMBERED, exact_match, token_f1

SEPARATOR = "; "


_UNITS = {
    "k": 3, "thousand": 3, "thousands": 3,
    "m": 6, "mn": 6, "million": 6, "millions": 6,
    "b": 9, "bn": 9, "billion": 9, "billions": 9,
    "%": -2, "percent": -2, "per cent": -2,
}  # fmt: skip


_UNIT = r"(?:\s?(?P<{}>%|(?:thousand|million|billion)s?\b|percent\b|per\ cent\b)|(?P<{}>(?:k|mn?|bn?)\b))?"


_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>-\s?)?(?P<outer>\(\s?)?(?P<inside>-\s?)?"
    r"(?:(?:[a-z]{1,2})?[$€£¥]\s?|(?:inr|rmb|usd|eur|gbp|chf|jpy)\s?)?"
    r"(?P<after>-\s?)?(?P<inner>\(\s?)?(?P<digits>[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|\.[0-9]+)"
    + _UNIT.format("unit1", "short1")
    + r"(?(inner)\s?\))"
    + _UNIT.format("unit2", "short2")
    + r"(?(outer)\s?\))"
    + _UNIT.format("unit3", "short3")
    + r"(?![\w%]|[.,][0-9])",
    re.IGNORECASE,
)


class Number(NamedTuple):
    """A number that a text names.

    Args:
        value: what it stands for: "-3%" is -0.03, "1.5 million" 1,500,000.
        unit: its scale, such as 1,000,000 for millions or 0.01 for percent.
        decimals: digits after its decimal point.
    """

    value: Decimal
    unit: Decimal
    decimals: int


def _plain(text: str) -> str:
    return " ".join(re.sub("[\u2212\u2013]", "-", text).split())


def _read(match: re.Match[str]) -> Number:
    found = match.groupdict()
    digits = found["digits"].replace(",", "")
    units = [found[f"{kind}{i}"] for i in (1, 2, 3) for kind in ("unit", "short") if found[f"{kind}{i}"]]
    unit = Decimal(1).scaleb(sum(_UNITS[unit.lower()] for unit in units))
    minus = any(found[name] for name in ("sign", "inside", "after", "outer", "inner"))
    value = Decimal(digits) * unit
    return Number(-value if minus else value, unit, len(digits.partition(".")[2]))


def numbers(text: str) -> list[Number]:
    """All numbers that `text` names, in order."""
    return [_read(match) for match in _NUMBER.finditer(_plain(text))]


@lru_cache(maxsize=100_000)
def number(text: str) -> Number | None:
    """The number that `text` is, but for a full stop; None where it is anything else."""
    plain = _plain(text)
    match = _NUMBER.fullmatch(plain.removesuffix("."))
    return _read(match) if match else None


def spoken(answer: float | str, scale: str) -> str:
    """An answer in its usual form, with its scale: -12.6, million -> "-12.6 million"; 3, percent -> "3%".

    Args:
        answer: a number, or a text that is left alone where it is no plain number.
        scale: "", "thousand", "million", "billion" or "percent".
    """
    text = " ".join(answer.split()) if isinstance(answer, str) else f"{answer:,}"
    text = re.sub(r"^([^\w\s(]+)\s+(?=[0-9(])", r"\1", text).replace(";", ",")
    plain = number(text)
    if not scale or plain is None or plain.unit != 1:
        return text
    return f"{text}%" if scale == "percent" else f"{text} {scale}"


def _equal(said: Number, gold: Number) -> bool:
    half = gold.unit.scaleb(-max(2, gold.decimals)) / 2
    return abs(said.value - gold.value) <= half


def _span(said: str, gold: str) -> float:
    wanted = number(gold)
    if wanted is None:
        return token_f1(said, gold)
    held = numbers(said)
    return float(len(held) == 1 and _equal(held[0], wanted))


def spans(text: str) -> list[str]:
    """The parts of `text` between semicolons, without blank ones."""
    return [part.strip() for part in text.split(";") if part.strip()]


def _score(said: str, gold: str) -> float:
    wanted = spans(gold)
    if len(wanted) < 2:
        return _span(said, gold)
    held = spans(said)
    if len(held) == 1 and all(number(span) for span in wanted):
        held = [match.group() for match in _NUMBER.finditer(_plain(said))]
    if not held:
        return 0.0
    scores = [[_span(one, span) for one in held] for span in wanted]
    useful = {k for row in scores for k in nlargest(len(wanted), range(len(held)), key=row.__getitem__)}
    return matched([[row[k] for k in sorted(useful)] for row in scores]) / max(len(held), len(wanted))


_remembered = lru_cache(maxsize=100_000)(_score)


def matched(scores: Sequence[Sequence[float]]) -> float:
    """The greatest sum of scores[i][j] over one-to-one pairs of rows and columns (Hungarian method)."""
    table = scores if len(scores) <= len(scores[0]) else list(zip(*scores, strict=True))
    rows, columns = len(table), len(table[0])
    row_price, column_price = [0.0] * (rows + 1), [0.0] * (columns + 1)
    owner = [0] * (columns + 1)
    for row in range(1, rows + 1):
        owner[0], at = row, 0
        slack, came, seen = [float("inf")] * (columns + 1), [0] * (columns + 1), [False] * (columns + 1)
        while owner[at]:
            seen[at], i, least, to = True, owner[at], float("inf"), 0
            for j in range(1, columns + 1):
                if not seen[j]:
                    price = -table[i - 1][j - 1] - row_price[i] - column_price[j]
                    if price < slack[j]:
                        slack[j], came[j] = price, at
                    if slack[j] < least:
                        least, to = slack[j], j
            for j in range(columns + 1):
                if seen[j]:
                    row_price[owner[j]] += least
                    column_price[j] -= least
                else:
                    slack[j] -= least
            at = to
        while at:
            owner[at], at = owner[came[at]], came[at]
    return sum(table[owner[j] - 1][j - 1] for j in range(1, columns + 1) if owner[j])


def grade_numbers(selection: str, answers: Sequence[str]) -> tuple[float, float]:
    """Accuracy and exact match of a selection, both in [0, 1]; see the module's docstring."""
    if not selection or selection.isspace():
        return 0.0, 0.0
    short = len(selection) <= REMEMBERED
    best = max((_remembered if short else _score)(selection, gold) for gold in answers)
    exact = best == 1.0 and any(
        number(gold) or len(spans(gold)) > 1 or exact_match(selection, [gold])
        for gold in answers
        if _score(selection, gold) == 1.0
    )
    return best, float(exact)
