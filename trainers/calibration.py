"""How well marks or confidences tell right answers from wrong ones, as pure functions.

Dimensions: N answers. `right_N` says how right each is, in [0, 1].
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clarify_env.errors import ClarifyError

Floats = NDArray[np.float64]


def _pair(who: str, confidence_N: ArrayLike, right_N: ArrayLike) -> tuple[Floats, Floats]:
    confidence, right = np.asarray(confidence_N, np.float64), np.asarray(right_N, np.float64)
    if confidence.ndim != 1 or confidence.shape != right.shape or not len(confidence):
        raise ClarifyError(
            f"{who}: {confidence.shape} confidences, {right.shape} outcomes; give as many of both"
        )
    return confidence, right


def expected_calibration_error(confidence_N: ArrayLike, right_N: ArrayLike, bins: int = 10) -> float:
    """ECE: the mean gap between confidence and accuracy over bins, by their share (arXiv 1706.04599).

    Args:
        confidence_N: stated probabilities of being right, in [0, 1].
        right_N: how right each answer is, in [0, 1].
        bins: of equal width, >= 1; a bin's upper end belongs to it, and 0 to the first.
    """
    confidence, right = _pair("expected_calibration_error", confidence_N, right_N)
    if bins < 1 or confidence.min() < 0.0 or confidence.max() > 1.0:
        raise ClarifyError(f"expected_calibration_error: bins={bins}, confidences in [0, 1] are needed")
    which = np.maximum(np.ceil(np.round(confidence * bins, 9)).astype(int) - 1, 0)
    gaps = np.bincount(which, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(confidence))


def auroc(confidence_N: ArrayLike, right_N: ArrayLike) -> float:
    """Probability that a right answer has the greater confidence of a right and a wrong one; ties count 1/2.

    Args:
        confidence_N: any scores.
        right_N: 1 for right, 0 for wrong.

    Returns:
        NaN where all are right or all are wrong.
    """
    confidence, right = _pair("auroc", confidence_N, right_N)
    if not np.isin(right, (0.0, 1.0)).all():
        raise ClarifyError("auroc: outcomes are 1 for right and 0 for wrong")
    values, at = np.unique(confidence, return_inverse=True)
    good, bad = np.bincount(at, right, len(values)), np.bincount(at, 1.0 - right, len(values))
    if not good.sum() or not bad.sum():
        return float("nan")
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2.0)).sum() / (good.sum() * bad.sum()))


def covered(accepted_N: ArrayLike, right_N: ArrayLike) -> tuple[float, float]:
    """Coverage, the share of answers that are accepted, and how right these are (NaN where none is)."""
    accepted, right = _pair("covered", accepted_N, right_N)
    taken = accepted > 0.0
    return float(taken.mean()), float(right[taken].mean()) if taken.any() else float("nan")
