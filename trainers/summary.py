"""From measurements by question and costs to the numbers that are reported."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarify_env.costs import Costs
from clarify_env.trainers.evaluate import MEASURES, complete, weights

Floats = NDArray[np.float64]
REPORTED = ("reward", "accuracy", "asks", "words")
OUTCOME = (*REPORTED, "ask", "enumerate", "answer")  # of the optimum


class Measured(NamedTuple):
    """Everything measured at the same questions and costs.

    Questions that have a NaN anywhere, because all their episodes failed at some costs, are left out of every
    number that is reported (see `compared`).

    Args:
        cells: C pairs of costs.
        agent_N_C_M: of the evaluated asker, in the order of `MEASURES`.
        optimum_N_C_7: of optimal play, in the order of `OUTCOME`.
        fixed_N_C_M: of each fixed strategy.
        start_N_C_M: of the policy before it was trained, where there is one to speak of.
    """

    cells: Sequence[Costs]
    agent_N_C_M: Floats
    optimum_N_C_7: Floats
    fixed_N_C_M: Mapping[str, Floats]
    start_N_C_M: Floats | None = None


def compared(measured: Measured) -> Measured:
    """The questions that everybody was measured at, at all costs; raises ClarifyError where there is none."""
    tables = [measured.agent_N_C_M, measured.optimum_N_C_7, *measured.fixed_N_C_M.values()]
    start = measured.start_N_C_M
    whole_N = complete(*tables, *([] if start is None else [start]))
    if whole_N.all():
        return measured
    fixed = {name: table[whole_N] for name, table in measured.fixed_N_C_M.items()}
    return Measured(
        measured.cells,
        measured.agent_N_C_M[whole_N],
        measured.optimum_N_C_7[whole_N],
        fixed,
        None if start is None else start[whole_N],
    )


def failure_summary(failures: Counter[str], measured: Measured, most: int = 5) -> dict[str, Any]:
    """What the summary says of failed episodes.

    Args:
        failures: how many of the agent's episodes failed, by their reason.
        measured: before questions were left out.
        most: how many reasons are named, the commonest first.
    """
    count = len(measured.agent_N_C_M)
    return {
        "failed": failures.total(),
        "failure_reasons": dict(failures.most_common(most)),
        "questions_left_out": count - len(compared(measured).agent_N_C_M),
    }


def interval(values: Callable[[Floats], float], questions: int, seed: int) -> dict[str, float]:
    """`values` of the sample, with the 2.5% and 97.5% points of its bootstrap over questions.

    Resamples in which it is undefined (NaN) are left out of the points.
    """
    drawn = np.array([values(weights_N) for weights_N in weights(questions, seed)])
    defined = drawn[1:][np.isfinite(drawn[1:])]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return {"mean": float(drawn[0]), "low": float(low), "high": float(high)}


def summarise(measured: Measured, at: Sequence[int], seed: int = 0) -> dict[str, dict[str, float]]:
    """Reported numbers over the cells `at`, each with mean, low and high.

    `baseline` is the reward of the best single fixed strategy over these costs, chosen anew in each resample;
    `normalized` = (reward - baseline) / (optimum - baseline). Where the policy before its training was
    measured too, `start` is its reward and `from_start` = (reward - start) / (optimum - start).
    """
    measured = compared(measured)
    chosen = list(at)
    agent_M_N = measured.agent_N_C_M[:, chosen].mean(axis=1).T
    optimum_N = measured.optimum_N_C_7[:, chosen, 0].mean(axis=1)
    fixed_F_N = np.array([m[:, chosen, 0].mean(axis=1) for m in measured.fixed_N_C_M.values()])
    reward_N, count = agent_M_N[0], len(optimum_N)

    def normalized(weights: Floats) -> float:
        base = float((fixed_F_N @ weights).max())
        span = float(optimum_N @ weights) - base
        return float(((reward_N @ weights) - base) / span) if span > 1e-9 else float("nan")

    def mean_of(row_N: Floats) -> Callable[[Floats], float]:
        return lambda weights: float(row_N @ weights)

    result = {name: interval(mean_of(agent_M_N[MEASURES.index(name)]), count, seed) for name in REPORTED}
    result["optimum"] = interval(mean_of(optimum_N), count, seed)
    result["baseline"] = interval(lambda weights: float((fixed_F_N @ weights).max()), count, seed)
    result["normalized"] = interval(normalized, count, seed)
    if measured.start_N_C_M is not None:
        start_N = measured.start_N_C_M[:, chosen, 0].mean(axis=1)

        def from_start(weights: Floats) -> float:
            span = float((optimum_N - start_N) @ weights)
            return float((reward_N - start_N) @ weights) / span if span > 1e-9 else float("nan")

        result["start"] = interval(mean_of(start_N), count, seed)
        result["from_start"] = interval(from_start, count, seed)
    return result


def monotonicity(measured: Measured) -> dict[str, Any]:
    """Asks by turn cost and words by word cost, beside the optimum's, and whether they never rise.

    Two levels are compared over the other costs that both were measured at: seen and unseen levels average
    over different ones, so that their means in the lists differ for that reason too.
    """
    measured = compared(measured)
    mean_C_M, best_C_7 = measured.agent_N_C_M.mean(axis=0), measured.optimum_N_C_7.mean(axis=0)
    costs_C_2 = np.array(measured.cells)
    result: dict[str, Any] = {}
    for name, axis, cost in (("asks", 0, "turn_cost"), ("words", 1, "word_cost")):
        levels = sorted(set(costs_C_2[:, axis].tolist()))
        groups = [costs_C_2[:, axis] == level for level in levels]
        column, best = MEASURES.index(name), {"asks": 2, "words": 3}[name]
        own = [float(mean_C_M[group, column].mean()) for group in groups]
        others = [
            dict(zip(costs_C_2[group, 1 - axis], mean_C_M[group, column], strict=True)) for group in groups
        ]
        result[name] = {
            cost: levels,
            "agent": own,
            "optimum": [float(best_C_7[group, best].mean()) for group in groups],
            "never_rises": not any(_rises(a, b) for a, b in combinations(others, 2)),
        }
    return result


def _rises(low: Mapping[float, float], high: Mapping[float, float]) -> bool:
    """Whether a measure is greater at the higher of two levels, over the other costs that they share."""
    shared = sorted(set(low) & set(high))
    return bool(shared) and sum(high[c] - low[c] for c in shared) / len(shared) > 1e-9


def by_cell(measured: Measured) -> list[dict[str, Any]]:
    """Means of everything at each pair of costs."""
    measured = compared(measured)
    mean_C_M, best_C_7 = measured.agent_N_C_M.mean(axis=0), measured.optimum_N_C_7.mean(axis=0)
    return [
        {
            "turn_cost": cell.turn,
            "word_cost": cell.word,
            **dict(zip(MEASURES, map(float, mean_M), strict=True)),
            "optimum": dict(zip(OUTCOME, map(float, best_7), strict=True)),
            "fixed": {name: float(table[:, c, 0].mean()) for name, table in measured.fixed_N_C_M.items()},
        }
        for c, (cell, mean_M, best_7) in enumerate(zip(measured.cells, mean_C_M, best_C_7, strict=True))
    ]


def by_strategy(measured: Measured) -> dict[str, dict[str, float]]:
    """Means of each fixed strategy but its reward; they do not depend on the costs."""
    fixed = compared(measured).fixed_N_C_M
    return {
        name: dict(zip(MEASURES[1:], table[:, 0, 1:].mean(axis=0).tolist(), strict=True))
        for name, table in fixed.items()
    }
