"""Means with intervals, and several evaluations side by side.

Bootstraps over questions and seeds, interquartile means; the measurements by question on disk, paired
differences, frontiers.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, trim_mean
from scipy.stats import t as student

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError

FILE = "questions.parquet"
ABOUT_COLUMNS = b"clarify_env"  # key of what the file says of its columns


def resamples(questions: int, seed: int, times: int = 1000) -> Iterator[Floats]:
    """Bootstrap weights over questions, weights_N, that add up to 1; the first are even."""
    rng = np.random.default_rng((seed, 11))
    yield np.full(questions, 1.0 / questions)
    for _ in range(times):
        yield rng.multinomial(questions, np.full(questions, 1.0 / questions)) / questions


@lru_cache(maxsize=1)
def weights(questions: int, seed: int) -> Floats:
    """weights_T_N of `resamples`, kept for the next number that needs the same."""
    weights_T_N = np.array(list(resamples(questions, seed)))
    weights_T_N.flags.writeable = False
    return weights_T_N


def interval(values: Callable[[Floats], float], questions: int, seed: int) -> dict[str, float]:
    """`values` of the sample, with the 2.5% and 97.5% points of its bootstrap over questions.

    Resamples in which it is undefined (NaN) are left out of the points.
    """
    drawn = np.array([values(weights_N) for weights_N in weights(questions, seed)])
    defined = drawn[1:][np.isfinite(drawn[1:])]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return {"mean": float(drawn[0]), "low": float(low), "high": float(high)}


def paired(difference_N_K: Floats, seed: int = 0) -> list[dict[str, float]]:
    """Mean of each column with the 2.5% and 97.5% points of its bootstrap over rows, the questions."""
    drawn_T_K = weights(len(difference_N_K), seed) @ difference_N_K
    low_K, high_K = np.quantile(drawn_T_K[1:], [0.025, 0.975], axis=0)
    return [
        {"mean": float(mean), "low": float(low), "high": float(high)}
        for mean, low, high in zip(drawn_T_K[0], low_K, high_K, strict=True)
    ]


def interquartile_mean(values_S: Floats, axis: int = -1) -> Any:
    """Mean of the middle half (arXiv 2108.13264)."""
    return trim_mean(values_S, 0.25, axis=axis)


def summary_of(values_S: Sequence[float], seed: int = 0) -> dict[str, float | None]:
    """Interquartile mean over seeds with its 95% interval (None for a single seed).

    The interval is Student's, with the deviation of resamples of the seeds: of five seeds their percentiles
    alone would hold the true mean in 90 of 100 comparisons.
    """
    values = np.asarray(values_S, dtype=np.float64)
    mean, count = float(interquartile_mean(values)), len(values)
    if count < 2:
        return {"iqm": mean, "low": None, "high": None}
    drawn_R_S = np.random.default_rng(seed).integers(count, size=(2000, count))
    spread = float(np.std(interquartile_mean(values[drawn_R_S]))) * (count / (count - 1)) ** 0.5
    half = float(student.ppf(0.975, count - 1)) * spread
    return {"iqm": mean, "low": mean - half, "high": mean + half}


def better(first_S: Sequence[float], second_S: Sequence[float]) -> float:
    """Probability that a run of the first beats one of the second; ties count half (arXiv 2108.13264)."""
    a_S_1, b_1_S = np.asarray(first_S)[:, None], np.asarray(second_S)[None, :]
    return float(np.mean((a_S_1 > b_1_S) + 0.5 * (a_S_1 == b_1_S)))


def ranked(scores: Mapping[str, Floats], seed: int = 0) -> dict[str, dict[str, float]]:
    """Ranks of several by their interquartile means over runs, 1 for the greatest; ties share the mean rank.

    The interval is that of a bootstrap that draws the questions, the same for all, and the runs of each.

    Args:
        scores: by name score_R_N, of its R runs at the N questions that all were measured at.
        seed: of the bootstrap.

    Returns:
        By name the rank as mean, low and high, and `first`, the share of resamples in which none is better.
    """
    count = next(iter(scores.values())).shape[1]
    rng = np.random.default_rng((seed, 31))
    ranks = []
    for k, weights_N in enumerate(weights(count, seed)):
        means = []
        for score_R_N in scores.values():
            runs = len(score_R_N)
            drawn_R = rng.integers(runs, size=runs) if k else np.arange(runs)
            means.append(float(interquartile_mean(score_R_N[drawn_R] @ weights_N)))
        ranks.append(rankdata(-np.round(means, 12)))
    ranks_T_A = np.array(ranks)
    low_A, high_A = np.quantile(ranks_T_A[1:], [0.025, 0.975], axis=0)
    first_A = (ranks_T_A[1:] == ranks_T_A[1:].min(axis=1, keepdims=True)).mean(axis=0)
    return {
        name: {"mean": float(mean), "low": float(low), "high": float(high), "first": float(first)}
        for name, mean, low, high, first in zip(scores, ranks_T_A[0], low_A, high_A, first_A, strict=True)
    }


class ByQuestion(NamedTuple):
    """What one evaluation measured at each question and costs.

    Args:
        name: of the evaluation, to tell it from the others.
        questions: ids of N tasks.
        cells: C costs, each as (name, value) pairs.
        seen_C: whether the policy was trained on them.
        measures: names of the M measures, the reward first.
        measured_N_C_M: NaN where all episodes failed.
    """

    name: str
    questions: tuple[str, ...]
    cells: tuple[tuple[tuple[str, float], ...], ...]
    seen_C: NDArray[np.bool_]
    measures: tuple[str, ...]
    measured_N_C_M: Floats


def write_questions(
    folder: Path,
    questions: Sequence[str],
    cells: Sequence[Any],
    seen: int,
    measures: Sequence[str],
    measured_N_C_M: Floats,
    optimum_N_C: Floats | None = None,
) -> None:
    """Write questions.parquet: a row for each question and costs.

    Args:
        folder: of the evaluation.
        questions: ids of the N tasks.
        cells: C costs, the `seen` ones first.
        seen: how many of them the policy was trained on.
        measures: names of the M measures.
        measured_N_C_M: of the evaluated team.
        optimum_N_C: reward of the best play, where it is known.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = len(questions)
    names = [f"{name}_cost" for name in cells[0]._fields]
    costs_C_K = np.array(cells, dtype=np.float64)
    columns: dict[str, Any] = {
        "question": pa.array(np.repeat(np.array(questions, dtype=object), len(cells)), pa.string()),
        **{name: np.tile(costs_C_K[:, k], count) for k, name in enumerate(names)},
        "seen": np.tile(np.arange(len(cells)) < seen, count),
        **{name: measured_N_C_M[:, :, k].ravel() for k, name in enumerate(measures)},
    }
    if optimum_N_C is not None:
        columns["optimum"] = optimum_N_C.ravel()
    told = json.dumps({"costs": cells[0]._fields, "measures": list(measures)})
    try:
        table = pa.table(columns).replace_schema_metadata({ABOUT_COLUMNS: told})
        pq.write_table(table, folder / FILE, compression="zstd")
    except OSError as error:
        raise ClarifyError(f"{folder / FILE}: cannot be written: {error.strerror or error}") from None


def read_questions(folder: Path, name: str = "") -> ByQuestion:
    """What `write_questions` wrote.

    Raises:
        ClarifyError: there is no such file (an evaluation of an earlier version), or a damaged one.
    """
    import pyarrow.parquet as pq

    path = folder / FILE
    if not path.is_file():
        raise ClarifyError(f"{folder}: no {FILE}, so it cannot be compared; evaluate it again")
    try:
        table = pq.read_table(path)
        told = json.loads((table.schema.metadata or {})[ABOUT_COLUMNS])
        columns = {column: table[column].to_numpy() for column in table.column_names}
        questions = tuple(dict.fromkeys(columns["question"].tolist()))
        shape = (len(questions), len(columns["question"]) // max(1, len(questions)))
        costs = [columns[f"{cost}_cost"].reshape(shape)[0].tolist() for cost in told["costs"]]
        seen = columns["seen"].reshape(shape)[0]
        measured = np.stack([columns[m].reshape(shape) for m in told["measures"]], axis=2)
    except (ValueError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClarifyError(f"{path}: cannot be read: {reason}") from None
    cells = tuple(tuple(zip(told["costs"], cell, strict=True)) for cell in zip(*costs, strict=True))
    return ByQuestion(name or folder.name, questions, cells, seen, tuple(told["measures"]), measured)


def common(runs: Sequence[ByQuestion]) -> list[ByQuestion]:
    """The same evaluations, cut down to the questions and costs that all of them measured.

    Raises:
        ClarifyError: there is no such question, or no such costs.
    """
    first = runs[0]
    cells = [c for c in first.cells if all(c in run.cells for run in runs)]
    at = [[run.cells.index(c) for c in cells] for run in runs]
    whole = []
    for run, chosen in zip(runs, at, strict=True):
        finite_N = np.asarray(np.isfinite(run.measured_N_C_M[:, chosen]).all(axis=(1, 2)))
        whole.append({q for q, finite in zip(run.questions, finite_N.tolist(), strict=True) if finite})
    questions = tuple(q for q in first.questions if all(q in known for known in whole))
    if not cells or not questions:
        what = "question" if cells else "costs"
        raise ClarifyError(f"{' and '.join(run.name for run in runs)}: no {what} that all of them measured")
    result = []
    for run, chosen in zip(runs, at, strict=True):
        place = {q: n for n, q in enumerate(run.questions)}
        measured = run.measured_N_C_M[[place[q] for q in questions]][:, chosen]
        result.append(
            run._replace(
                questions=questions, cells=tuple(cells), seen_C=run.seen_C[chosen], measured_N_C_M=measured
            )
        )
    return result


def compare(runs: Sequence[ByQuestion], seed: int = 0) -> dict[str, Any]:
    """Differences of every two evaluations, second minus first, paired by question.

    Costs count as seen where all of the policies were trained on them, as unseen where none was.

    Args:
        runs: two or more.
        seed: of the bootstrap over questions.

    Returns:
        JSON data: `questions`, `left_out` by run, `cells`, and `pairs` with `first`, `second`, by part
        ("all", "seen", "unseen", where there are such costs) the measures, and `cells`: that of the reward at
        each costs, all as mean, low, high.
    """
    shared = common(runs)
    cells, count = shared[0].cells, len(shared[0].questions)
    seen_R_C = np.array([run.seen_C for run in shared])
    parts: dict[str, NDArray[np.bool_]] = {
        "all": np.full(len(cells), True),
        "seen": np.asarray(seen_R_C.all(axis=0)),
        "unseen": np.asarray(~seen_R_C.any(axis=0)),
    }
    pairs = []
    for first, second in combinations(shared, 2):
        gained_N_C_M = second.measured_N_C_M - first.measured_N_C_M
        pair: dict[str, Any] = {"first": first.name, "second": second.name}
        for part, at_C in parts.items():
            if at_C.any():
                found = paired(gained_N_C_M[:, at_C].mean(axis=1), seed)
                pair[part] = dict(zip(first.measures, found, strict=True))
        pair["cells"] = paired(gained_N_C_M[:, :, 0], seed)
        pairs.append(pair)
    return {
        "questions": count,
        "left_out": {run.name: len(run.questions) - count for run in runs},
        "cells": [{"costs": dict(cell), "seen": bool(parts["seen"][k])} for k, cell in enumerate(cells)],
        "pairs": pairs,
    }


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the points (paid, accuracy) that no other beats, by what they paid.

    A point is beaten by one that paid no more and was at least as accurate, and differs from it; of equal
    points the first stays.
    """
    kept: list[int] = []
    best = -np.inf
    for k in sorted(range(len(points)), key=lambda k: (points[k][0], -points[k][1], k)):
        if points[k][1] > best:
            kept.append(k)
            best = points[k][1]
    return kept
