"""Which attributes of a meaning decide its answer: the families of questions of `synthetic-v1`.

A structure is a table without words: for each meaning the position of its value of every attribute, and which
of the question's answers is right for it. What a question is worth depends on it: in some families one
attribute decides, in others two or three do so jointly and none of them tells anything alone.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

UNKNOWN = -1  # position of a value that nobody knows
Cells = list[tuple[int, ...]]


class Structure(NamedTuple):
    """N meanings over A attributes.

    Args:
        values_N_A: position of each value among those of its attribute, from 0, or `UNKNOWN`.
        answers_N: which answer is right, from 0; every one up to the greatest is right somewhere.
        hint: position of the attribute that mostly goes with the answer, or None.
    """

    values_N_A: Sequence[Sequence[int]]
    answers_N: Sequence[int]
    hint: int | None = None


def _cells(*sizes: int) -> Cells:
    return list(product(*map(range, sizes)))


def _some(rng: np.random.Generator, cells: Cells, count: int) -> Cells:
    return [cells[i] for i in sorted(rng.permutation(len(cells))[:count])]


def _decoys(rng: np.random.Generator, cells: Cells, count: int) -> Cells:
    """The cells with attributes of two values more, which have nothing to do with the answer."""
    for _ in range(count):
        column = rng.integers(2, size=len(cells))
        while len(set(column.tolist())) < 2:
            column = rng.integers(2, size=len(cells))
        cells = [(*cell, int(value)) for cell, value in zip(cells, column, strict=True)]
    return cells


def _copies(rng: np.random.Generator, cells: Cells, count: int) -> Cells:
    """The cells with attributes more that go with one they have: both together tell no more than one."""
    for _ in range(count):
        copied = int(rng.integers(len(cells[0])))
        cells = [(*cell, cell[copied]) for cell in cells]
    return cells


def _pick(rng: np.random.Generator, of: Sequence[int]) -> int:
    return int(of[int(rng.integers(len(of)))])


def _fill(rng: np.random.Generator, count: int, answers: int) -> list[int]:
    """`answers` answers over `count` meanings at random, each at least once."""
    drawn = [*range(answers), *rng.integers(answers, size=count - answers).tolist()]
    return [drawn[i] for i in rng.permutation(count)]


def _single(rng: np.random.Generator) -> Structure:
    """One meaning."""
    return Structure([(0, 0, 0)], [0])


def _apart(*counts: int) -> Callable[[np.random.Generator], Structure]:
    """As many answers as meanings, of which there are one of `counts`."""

    def make(rng: np.random.Generator) -> Structure:
        count = _pick(rng, counts)
        sizes = ((2, 2, 2), (3, 2), (2, 2, 3), (3, 3), (2, 3, 2))[int(rng.integers(5))]
        while np.prod(sizes) < count:
            sizes = (*sizes, 2)
        cells = _some(rng, _cells(*sizes), count)
        return Structure(_decoys(rng, cells, int(rng.integers(2))) if count > 1 else cells, range(count))

    return make


def _moot(rng: np.random.Generator) -> Structure:
    """Several meanings and one answer: nothing needs to be asked."""
    count = _pick(rng, (3, 4, 5, 6, 8))
    cells = _decoys(rng, _some(rng, _cells(2, 2, 3), count), int(rng.integers(2)))
    return Structure(cells, [0] * count)


def _key(rng: np.random.Generator) -> Structure:
    """One attribute decides; two or three others are decoys."""
    answers = _pick(rng, (2, 3))
    each = max(2, _pick(rng, (4, 6, 8)) // answers)
    cells = _decoys(rng, [(k,) for k in range(answers) for _ in range(each)], _pick(rng, (2, 3)))
    cells = list(dict.fromkeys(cells))
    return Structure(cells, [cell[0] for cell in cells])


def _cross(rows: int, columns: int) -> Callable[[np.random.Generator], Structure]:
    """Two attributes decide jointly, by their sum; each alone tells nothing."""

    def make(rng: np.random.Generator) -> Structure:
        cells = _copies(rng, _cells(rows, columns), _pick(rng, (0, 1, 2)))
        return Structure(cells, [(a + b) % columns for a, b, *_ in cells])

    return make


def _cross223(rng: np.random.Generator) -> Structure:
    """Two attributes decide jointly; a third of three values has nothing to do with it."""
    cells = _cells(2, 2, 3)
    return Structure(cells, [(a + b) % 2 for a, b, _ in cells])


def _switch(rng: np.random.Generator) -> Structure:
    """The first attribute says which of two others decides."""
    cells = _copies(rng, _cells(2, 2, 2), _pick(rng, (0, 1)))
    return Structure(cells, [c if a else b for a, b, c, *_ in cells])


def _switch3(rng: np.random.Generator) -> Structure:
    """The first attribute says which of three others decides; twelve meanings."""
    while True:
        cells: Cells = []
        for branch, value in product(range(3), range(2)):
            for _ in range(2):
                bits = rng.integers(2, size=3)
                bits[branch] = value
                cells.append((branch, *bits.tolist()))
        if len(set(cells)) == len(cells):
            return Structure(cells, [cell[1 + cell[0]] for cell in cells])


def _parity(rng: np.random.Generator) -> Structure:
    """Three attributes decide jointly; two of them tell nothing."""
    cells = _copies(rng, _cells(2, 2, 2), _pick(rng, (0, 1)))
    return Structure(cells, [(a + b + c) % 2 for a, b, c, *_ in cells])


def _cube(rng: np.random.Generator) -> Structure:
    """As `_parity`, with three answers and twelve meanings."""
    cells = _cells(2, 2, 3)
    return Structure(cells, [sum(cell) % 3 for cell in cells])


def _linear(answers: int) -> Callable[[np.random.Generator], Structure]:
    """Eight meanings of three hidden bits; attributes and answer are sums of bits, none equal to the answer.

    One question tells nothing, a right pair or three of them settle it.
    """

    def make(rng: np.random.Generator) -> Structure:
        bits = _cells(2, 2, 2)
        sums = [u for u in bits if any(u)]
        while True:
            drawn = [sums[i] for i in rng.permutation(len(sums))]
            goals = drawn[: answers // 2]
            told = {goals[0], goals[-1], tuple((p + q) % 2 for p, q in zip(goals[0], goals[-1], strict=True))}
            count = int(rng.choice((3, 4, 5), p=(0.25, 0.5, 0.25)))
            asks = [u for u in drawn if u not in told][:count]
            cells = [tuple(_dot(u, x) for u in asks) for x in bits]
            if len(set(cells)) == len(bits):
                right = [sum(_dot(goal, x) << k for k, goal in enumerate(goals)) for x in bits]
                return Structure(cells, right)

    return make


def _dot(u: Sequence[int], x: Sequence[int]) -> int:
    return sum(p * q for p, q in zip(u, x, strict=True)) % 2


def _hint22(rng: np.random.Generator) -> Structure:
    """As `_cross`, and a third attribute that goes with the answer more often than not."""
    cells = [cell for cell in _cells(2, 2, 2) if cell[2] or rng.random() < 0.6]
    answers = [(a + b) % 2 for a, b, _ in cells]
    values = [(a, b, k if right else 1 - k) for (a, b, right), k in zip(cells, answers, strict=True)]
    return Structure(values, answers, hint=2)


def _hint33(rng: np.random.Generator) -> Structure:
    """As `_cross`, and a third attribute that goes with the answer in all meanings but two."""
    cells = _cells(3, 3)
    answers = [(a + b) % 3 for a, b in cells]
    told = list(answers)
    for i in rng.permutation(len(cells))[:2]:
        told[i] = (told[i] + int(rng.integers(1, 3))) % 3
    return Structure([(*cell, k) for cell, k in zip(cells, told, strict=True)], answers)


def _random(rng: np.random.Generator) -> Structure:
    """A table of two attributes, filled at random with a few answers."""
    cells = _cells(*((2, 3), (3, 3), (2, 4), (3, 4))[int(rng.integers(4))])
    answers = _fill(rng, len(cells), int(rng.integers(2, 5)))
    return Structure(_decoys(rng, cells, _pick(rng, (0, 1, 2))), answers)


def _patchy(rng: np.random.Generator) -> Structure:
    """Four attributes, each known of some meanings only."""
    count = _pick(rng, (3, 4, 5, 6))
    while True:
        known = rng.random((count, 4)) > 0.4
        values = np.where(known, rng.integers(2, size=(count, 4)), UNKNOWN)
        if len(np.unique(values, axis=0)) == count and np.ptp(values, axis=0).all():
            return Structure(values.tolist(), _fill(rng, count, int(rng.integers(2, count + 1))))


# By name: how to draw one, and how many in a hundred questions are of it.
FAMILIES: dict[str, tuple[Callable[[np.random.Generator], Structure], int]] = {
    "single": (_single, 7),
    "sure": (_apart(2, 3, 4, 5), 6),
    "moot": (_moot, 9),
    "key": (_key, 7),
    "few": (_apart(2, 3, 4), 5),
    "several": (_apart(5, 6, 7, 8), 3),
    "many": (_apart(9, 10, 12), 3),
    "linear2": (_linear(2), 20),
    "linear4": (_linear(4), 7),
    "parity": (_parity, 5),
    "cross223": (_cross223, 4),
    "cross33": (_cross(3, 3), 6),
    "cross34": (_cross(3, 4), 2),
    "switch": (_switch, 4),
    "switch3": (_switch3, 2),
    "cube": (_cube, 2),
    "hint22": (_hint22, 3),
    "hint33": (_hint33, 2),
    "random": (_random, 3),
    "patchy": (_patchy, 5),
}
