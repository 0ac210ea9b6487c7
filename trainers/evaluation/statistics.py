"""Means with intervals: bootstraps over questions and seeds, interquartile means."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import trim_mean

from clarify_env.arrays import Floats


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


def better(first_S: Sequence[float], second_S: Sequence[float]) -> float:
    """Probability that a run of the first beats one of the second; ties count half (arXiv 2108.13264)."""
    a_S_1, b_1_S = np.asarray(first_S)[:, None], np.asarray(second_S)[None, :]
    return float(np.mean((a_S_1 > b_1_S) + 0.5 * (a_S_1 == b_1_S)))
