"""The exact best group value of `csp-v1`.

All that a helper's strategy means for the group is its outcome: how often it says sure and is right, sure and
wrong, unsure and right, unsure and wrong, and how often it searches. For a fixed asker the value is linear in
each helper's outcome, so with one helper's best response to the other it is *convex* in the other's outcome.
That makes it a problem of convex maximisation, solved for every deterministic asker (200, up to a swap of the
marks) by branch and bound over simplices of weights (Horst 1976): on a simplex a convex function lies below
the plane through its corners, and below any of its supporting planes raised to the corners; against a plane
the other helper's exact best response bounds the value. A simplex is cut where the function is farthest below
the chord of an edge; where it is linear on all edges the bound is exact.

The value is that of the game as it is meant: a helper's text is its usual recall or the passage. A text could
carry more in a code.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, permutations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarify_env.arrays import Floats
from clarify_env.games.csp.recall_world import Information, RecallWorld, information
from clarify_env.games.csp.records import RecallCosts

# What the asker makes of what it hears, 0 or more to take a text, -1 to hedge: for one text its mark; for two
# equal ones sure-sure, unsure-unsure, sure-unsure; for two others the same, where for the last 0 takes the
# sure text and 1 the unsure one.
AskerReading = tuple[int, ...]


BLOCK = 4_000  # simplices that are bounded at a time, so that memory stays small


WIDTH = 1e-3  # of a box of weights at least, so that no simplex is flat


PATIENCE = 6  # cuts without a lower bound until the longest edge is cut, so that no simplex only gets thin


class RecallSolution(NamedTuple):
    """How to play.

    Args:
        value: expected reward of the group.
        bound: what no group exceeds; above `value` by less than the tolerance.
        reading: of the asker.
        weights_K_4: of each helper, the one with the bad tool first, what an outcome is worth to the group
            less that of silence: sure and right, sure and wrong, unsure and right, unsure and wrong. Its
            strategy is `Outcomes.respond` to them.
    """

    value: float
    bound: float
    reading: AskerReading
    weights_K_4: Floats


class HelperStrategy(NamedTuple):
    """What a helper does: whether it searches, and what it says before and after one.

    Args:
        search_I: at each of `Information.before_I`.
        say_I: there without a search: 0 sure, 1 unsure, 2 silent.
        say_J: at each of `Information.after_J`: 0, 1 the usual recall, sure or unsure; 2, 3 the passage; 4
            silent.
    """

    search_I: NDArray[np.bool_]
    say_I: NDArray[np.intp]
    say_J: NDArray[np.intp]


class Outcomes:
    """What a helper's strategies lead to.

    Args:
        known: what it may know; who has recalled or found nothing has nothing to say.
        search_cost: per search.
    """

    def __init__(self, known: Information, search_cost: float) -> None:
        self.known, self.search_cost = known, search_cost
        recalls_I = known.recalls_I
        silent_I, silent_J = (np.zeros((len(x), 1, 4)) for x in (known.before_I, known.after_J))
        usual_I = _said(known.chance_I, known.right_I)
        usual_J = _said(known.chance_J, known.right_J)
        passage_J = _said(known.chance_J, known.found_J)
        self.before_I_A_4 = np.concatenate([usual_I, silent_I], axis=1)
        self.after_J_A_4 = np.concatenate([usual_J, passage_J, silent_J], axis=1)
        recalls_J, finds_J = recalls_I[known.parent_J], known.finds_J
        self._nothing_I_A = ~np.stack([recalls_I, recalls_I, np.ones_like(recalls_I)], axis=1)
        self._nothing_J_A = ~np.stack([recalls_J, recalls_J, finds_J, finds_J, np.ones_like(finds_J)], axis=1)
        self._first_I = np.searchsorted(known.parent_J, np.arange(len(known.before_I)))

    def respond(self, weights_N_4: Floats) -> list[HelperStrategy]:
        """The best strategies against weights."""
        search_N_I, before_N_I_A, after_N_J_A = self._worth(weights_N_4)
        says = before_N_I_A.argmax(2), after_N_J_A.argmax(2)
        return [HelperStrategy(*row) for row in zip(search_N_I, *says, strict=True)]

    def support(self, weights_N_4: Floats) -> Floats:
        """What the best strategies are worth."""
        search_N_I, before_N_I_A, after_N_J_A = self._worth(weights_N_4)
        after_N_I = self._after(after_N_J_A)
        value_N: Floats = np.where(search_N_I, after_N_I, before_N_I_A.max(2)).sum(1)
        return value_N

    def best(self, weights_N_4: Floats) -> tuple[Floats, Floats, Floats]:
        """The value, the outcome_N_4 and the searches_N of the best strategies."""
        search_N_I, before_N_I_A, after_N_J_A = self._worth(weights_N_4)
        value_N = np.where(search_N_I, self._after(after_N_J_A), before_N_I_A.max(2)).sum(1)
        outcome_N_4 = self._outcome(search_N_I, before_N_I_A.argmax(2), after_N_J_A.argmax(2))
        return value_N, outcome_N_4, search_N_I @ self.known.chance_I

    def of(self, strategy: HelperStrategy) -> tuple[Floats, float]:
        """The outcome_4 of a strategy, and its searches."""
        outcome_N_4 = self._outcome(strategy.search_I[None], strategy.say_I[None], strategy.say_J[None])
        return outcome_N_4[0], float(strategy.search_I @ self.known.chance_I)

    def _outcome(
        self, search_N_I: NDArray[np.bool_], say_N_I: NDArray[np.intp], say_N_J: NDArray[np.intp]
    ) -> Floats:
        said_N_I_4 = self.before_I_A_4[np.arange(len(self.before_I_A_4)), say_N_I]
        after_N_J_4 = self.after_J_A_4[np.arange(len(self.after_J_A_4)), say_N_J]
        said_N_I_4[search_N_I] = np.add.reduceat(after_N_J_4, self._first_I, axis=1)[search_N_I]
        outcome_N_4: Floats = said_N_I_4.sum(1)
        return outcome_N_4

    def _worth(self, weights_N_4: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        before_N_I_A, after_N_J_A = (
            (weights_N_4 @ rows.reshape(-1, 4).T).reshape(-1, *rows.shape[:2])
            for rows in (self.before_I_A_4, self.after_J_A_4)
        )
        before_N_I_A[:, self._nothing_I_A] = after_N_J_A[:, self._nothing_J_A] = -np.inf
        search_N_I = self._after(after_N_J_A) > before_N_I_A.max(2) + 1e-12
        return search_N_I, before_N_I_A, after_N_J_A

    def _after(self, after_N_J_A: Floats) -> Floats:
        best_N_J = after_N_J_A.max(2)
        value_N_I: Floats = np.add.reduceat(best_N_J, self._first_I, axis=1)
        return value_N_I - self.search_cost * self.known.chance_I


def _said(chance_X: Floats, right_X: Floats) -> Floats:
    """outcome_X_2_4 of a text with either mark."""
    none_X = np.zeros(len(chance_X))
    wrong_X = chance_X - right_X
    sure, unsure = [right_X, wrong_X, none_X, none_X], [none_X, none_X, right_X, wrong_X]
    said: Floats = np.stack([np.stack(sure, -1), np.stack(unsure, -1)], axis=1)
    return said


def readings(costs: RecallCosts, values: int) -> Iterator[tuple[AskerReading, Floats]]:
    """All that the asker may make of what it hears, up to a swap of the marks, with what that is worth.

    Args:
        costs: of an answer.
        values: plausible answers of a question.

    Yields:
        The reading, and value_5_5 by what the two helpers do: sure and right, sure and wrong, unsure and
        right, unsure and wrong, silent; less what they pay themselves.
    """
    earned, lost = 1.0 - costs.word, -costs.wrong - costs.word
    same, other = (
        1.0 / (values - 1),
        (values - 2) / (values - 1),
    )  # chance that two wrong texts are (not) equal

    def table(entries: dict[tuple[int, int], float]) -> Floats:
        value_5_5 = np.zeros((5, 5))
        for (one, two), value in entries.items():
            value_5_5[one, two] = value_5_5[two, one] = value
        return value_5_5

    taken: list[list[Floats]] = [[table({(r, 4): earned, (r + 1, 4): lost})] for r in (0, 2)]
    for one, two in ((0, 0), (2, 2), (0, 2)):
        taken.append([table({(one, two): earned, (one + 1, two + 1): lost * same})])
    for r in (0, 2):
        taken.append([table({(r, r + 1): (earned + lost) / 2, (r + 1, r + 1): lost * other})])
    sure = {(0, 3): earned, (1, 2): lost, (1, 3): lost * other}
    taken.append([table(sure), table({**sure, (0, 3): lost, (1, 2): earned})])
    for reading in product(*(range(-1, len(options)) for options in taken)):
        if swapped(reading) >= reading:
            parts = [options[k] for options, k in zip(taken, reading, strict=True) if k >= 0]
            yield reading, sum(parts, np.zeros((5, 5)))


def swapped(reading: AskerReading) -> AskerReading:
    """The same where the marks mean the opposite."""
    one, other, sures, unsures, both, two_sures, two_unsures, unlike = reading
    return other, one, unsures, sures, both, two_unsures, two_sures, (1, 0, -1)[unlike]


class _Search:
    """The state of the branch and bound: what is affine for each reading, and the best that was found."""

    def __init__(
        self, one: Outcomes, two: Outcomes, costs: RecallCosts, values: int, tolerance: float
    ) -> None:
        self.one, self.two, self.tolerance = one, two, tolerance
        self.readings, tables = zip(*readings(costs, values), strict=True)
        value_R_5_5 = np.array(tables)
        silent_R_5 = value_R_5_5[:, 4]
        # With outcome y of helper two, the weights of helper one are slope @ y + base, and the rest of the
        # value is rest @ y + none - search_cost * searches.
        gain_R_4_5 = value_R_5_5[:, :4] - silent_R_5[:, None]
        self.slope_R_4_4 = gain_R_4_5[:, :, :4] - gain_R_4_5[:, :, 4:]
        self.base_R_4 = gain_R_4_5[:, :, 4] - costs.say
        self.rest_R_4 = silent_R_5[:, :4] - silent_R_5[:, 4:] - costs.say
        self.none_R = silent_R_5[:, 4]
        self.value = -np.inf
        self.found = (0, np.zeros(4), np.zeros(4))  # the reading, and the weights of both

    def simplices(self) -> tuple[NDArray[np.intp], Floats]:
        """The box of weights that helper two can induce, parted into simplices: reading_C, corner_C_5_4."""
        ends = []
        for sign in (-1.0, 1.0):
            outcome_R_4_4 = np.stack(
                [self.two.best(sign * self.slope_R_4_4[:, i])[1] for i in range(4)], axis=1
            )
            ends.append((self.slope_R_4_4 * outcome_R_4_4).sum(2) + self.base_R_4)
        low_R_4, high_R_4 = ends
        flat_R_4 = np.maximum(0.0, WIDTH - (high_R_4 - low_R_4)) / 2.0  # no simplex may be degenerate
        low_R_4, high_R_4 = low_R_4 - flat_R_4, high_R_4 + flat_R_4
        unit_24_5_4 = np.zeros((24, 5, 4))
        for unit_5_4, order in zip(unit_24_5_4, permutations(range(4)), strict=True):
            for k, axis in enumerate(order):
                unit_5_4[k + 1 :, axis] = 1.0
        corner = low_R_4[:, None, None] + unit_24_5_4 * (high_R_4 - low_R_4)[:, None, None]
        return np.repeat(np.arange(len(low_R_4)), 24), corner.reshape(-1, 5, 4)

    def bound(self, reading_C: NDArray[np.intp], corner_C_5_4: Floats, height_C_5: Floats) -> Floats:
        """What no weights in each simplex exceed; height is helper one's best value at the corners."""
        parts = [slice(k, k + BLOCK) for k in range(0, len(reading_C), BLOCK)]
        found = [self._bound(reading_C[at], corner_C_5_4[at], height_C_5[at]) for at in parts]
        return np.concatenate(found) if found else np.zeros(0)

    def _bound(self, reading_C: NDArray[np.intp], corner_C_5_4: Floats, height_C_5: Floats) -> Floats:
        edges_C_4_4 = corner_C_5_4[:, 1:] - corner_C_5_4[:, :1]
        rise_C_4 = height_C_5[:, 1:] - height_C_5[:, :1]
        slope_C_4: Floats = np.linalg.solve(edges_C_4_4, rise_C_4[:, :, None])[:, :, 0].astype(np.float64)
        bound_C = self._against(
            reading_C, slope_C_4, height_C_5[:, 0] - (slope_C_4 * corner_C_5_4[:, 0]).sum(1)
        )
        live_C = np.flatnonzero(bound_C > self.value + self.tolerance)
        reading_C = reading_C[live_C]
        corner_C_5_4, height_C_5 = corner_C_5_4[live_C], height_C_5[live_C]
        at = [corner_C_5_4.mean(1)]
        if len(live_C) < BLOCK // 8:
            at += [corner_C_5_4[:, k] for k in range(5)]
        for point_C_4 in at:
            _, slope_C_4, _ = self.one.best(point_C_4)
            raised_C = (height_C_5 - (corner_C_5_4 * slope_C_4[:, None]).sum(2)).max(1)
            bound_C[live_C] = np.minimum(bound_C[live_C], self._against(reading_C, slope_C_4, raised_C))
        return bound_C

    def _against(self, reading_C: NDArray[np.intp], slope_C_4: Floats, offset_C: Floats) -> Floats:
        """Helper two's best value where helper one's is slope @ weights + offset; keeps what it finds."""
        slopes, base = self.slope_R_4_4[reading_C], self.base_R_4[reading_C]
        rest = self.rest_R_4[reading_C]
        weights_C_4 = np.einsum("cij,ci->cj", slopes, slope_C_4) + rest
        value_C, outcome_C_4, searches_C = self.two.best(weights_C_4)
        other_C_4 = np.einsum("cij,cj->ci", slopes, outcome_C_4) + base
        played_C = self.one.support(other_C_4) + self.none_R[reading_C] + (rest * outcome_C_4).sum(1)
        played_C -= self.two.search_cost * searches_C
        top = int(played_C.argmax()) if len(played_C) else 0
        if len(played_C) and played_C[top] > self.value:
            self.value = float(played_C[top])
            self.found = int(reading_C[top]), other_C_4[top], weights_C_4[top]
        bound_C: Floats = value_C + offset_C + (slope_C_4 * base).sum(1) + self.none_R[reading_C]
        return bound_C


_EDGES = np.array(list(combinations(range(5), 2)))


@lru_cache(maxsize=512)
def solve_recall(
    world: RecallWorld, costs: RecallCosts, sight: str = "all", tolerance: float = 1e-6
) -> RecallSolution:
    """The best play of an asker with two helpers, one with a bad and one with a good tool.

    Args:
        world: how reliable helpers are.
        costs: what the group pays.
        sight: what helpers go by, a name of `recall_world.SIGHTS`.
        tolerance: how far below the optimum the value may be.
    """
    one, two = (Outcomes(information(world, good, sight), costs.search) for good in (False, True))
    search = _Search(one, two, costs, world.values, tolerance)
    reading_C, corner_C_5_4 = search.simplices()
    height_C_5 = one.support(corner_C_5_4.reshape(-1, 4)).reshape(-1, 5)
    bound_C = search.bound(reading_C, corner_C_5_4, height_C_5)
    stalled_C = np.zeros(len(bound_C), dtype=np.intp)
    while True:
        open_C = bound_C > search.value + tolerance
        if not open_C.any():
            break
        reading_C, bound_C, stalled_C = reading_C[open_C], bound_C[open_C], stalled_C[open_C]
        corner_C_5_4, height_C_5 = corner_C_5_4[open_C], height_C_5[open_C]
        cut_C_4, height_C, edge_C_2 = _cut(one, corner_C_5_4, height_C_5, stalled_C)
        every = np.arange(len(cut_C_4))
        halves = []
        for end in (0, 1):
            corner, height = corner_C_5_4.copy(), height_C_5.copy()
            corner[every, edge_C_2[:, end]], height[every, edge_C_2[:, end]] = cut_C_4, height_C
            halves.append((corner, height))
        corner_C_5_4, height_C_5 = (np.concatenate(both) for both in zip(*halves, strict=True))
        reading_C, before_C = np.tile(reading_C, 2), np.tile(bound_C, 2)
        bound_C = np.minimum(before_C, search.bound(reading_C, corner_C_5_4, height_C_5))
        stalled_C = np.where(stalled_C >= PATIENCE, 0, stalled_C + 1)
        stalled_C = np.where(bound_C < before_C - tolerance, 0, np.tile(stalled_C, 2))
    at, *found = search.found
    reading, weights_K_4 = search.readings[at], np.array(found)
    heard_4 = sum(side.best(own[None])[1][0] for side, own in zip((one, two), weights_K_4, strict=True))
    if heard_4[0] * heard_4[3] < heard_4[2] * heard_4[1]:  # unsure is right more often: swap the marks
        reading = swapped(reading)
        weights_K_4 = weights_K_4[:, [2, 3, 0, 1]]
    return RecallSolution(search.value, search.value + tolerance, reading, weights_K_4)


def _cut(
    one: Outcomes, corner_C_5_4: Floats, height_C_5: Floats, stalled_C: NDArray[np.intp]
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """The middle of the edge on which the value is least linear, or of the longest; its height; its ends."""
    middle_C_E_4 = (corner_C_5_4[:, _EDGES[:, 0]] + corner_C_5_4[:, _EDGES[:, 1]]) / 2.0
    flat = middle_C_E_4.reshape(-1, 4)
    parts = [one.support(flat[k : k + BLOCK]) for k in range(0, len(flat), BLOCK)]
    height_C_E = np.concatenate(parts).reshape(len(corner_C_5_4), -1)
    below_C_E = (height_C_5[:, _EDGES[:, 0]] + height_C_5[:, _EDGES[:, 1]]) / 2.0 - height_C_E
    length_C_E = ((corner_C_5_4[:, _EDGES[:, 0]] - corner_C_5_4[:, _EDGES[:, 1]]) ** 2).sum(2)
    edge_C = np.where(stalled_C >= PATIENCE, length_C_E.argmax(1), below_C_E.argmax(1))
    every = np.arange(len(edge_C))
    return middle_C_E_4[every, edge_C], height_C_E[every, edge_C], _EDGES[edge_C]


@lru_cache(maxsize=512)
def solve_alone(world: RecallWorld, costs: RecallCosts, good: bool, sight: str = "all") -> RecallSolution:
    """The best play of an asker with one helper, whose tool is good or bad."""
    side = Outcomes(information(world, good, sight), costs.search)
    earned, lost = 1.0 - costs.word, -costs.wrong - costs.word
    found = []
    for reading in product((-1, 0), repeat=2):
        weights = np.repeat(np.array(reading) == 0, 2) * np.tile([earned, lost], 2) - costs.say
        found.append((float(side.support(weights[None])[0]), reading, weights))
    value, reading, weights = max(found, key=lambda one: one[0])
    return RecallSolution(value, value, (*reading, *(-1,) * 6), weights[None])
