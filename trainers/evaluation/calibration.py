"""How well marks or confidences tell right answers from wrong ones, as pure functions.

Dimensions: N answers. `right_N` says how right each is, in [0, 1].

A helper on its own: what collaborative self-play has taught it for other uses (arXiv 2503.14481).

It answers each question twice from the same memory: with its tool, and closed-book. So its searches are
set against what it would have got right without them, and its marks against whether its answers are right.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from clarify_env.agent import Agent
from clarify_env.agents.csp.scripted import TrustingAsker
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError, choose
from clarify_env.game import Game
from clarify_env.games.csp.game import CollaborationGame, State
from clarify_env.games.csp.records import CONFIDENCE, Hedge, Sure, Unsure
from clarify_env.rollout import rollout
from clarify_env.simulate import failed


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


def alone(env: GameEnv[State], player: str, searches: int | None = None) -> GameEnv[State]:
    """The game with this helper and no other, its searches as in `env` by default."""
    game = env.game
    if not isinstance(game, CollaborationGame):
        raise ClarifyError(f"{env.name}: no game of helpers; transfer is measured where helpers help")
    choose("helper", player, game.helpers)
    return GameEnv(game.only(game.helpers.index(player), searches), env.name)


def transfer(
    env: GameEnv[State], helper: Agent, player: str, episodes: int = 1000, seed: int = 0
) -> dict[str, float]:
    """How one helper does alone.

    Args:
        env: the game of the group.
        helper: the policy.
        player: whose memory, tool and name it has.
        episodes: to play with the tool, and as many without.
        seed: of nature and of the helper.

    Returns:
        reward (with an asker that believes what the marks say and may decline), declined (share of episodes),
        f1 and closed_f1 (token F1 of its own answer, with the tool and without, 0 where it gives none),
        unmarked (share of episodes in which it gives none: silent, or no legal move), search_rate,
        searched_right and searched_wrong (search rate where its closed-book answer is right, or is not),
        f1_per_search (f1 by searches an episode; NaN without any), sure (share of answers marked so:
        coverage), sure_f1 (of those), ece (of the marks as `CONFIDENCE` reads them), auroc (of the marks).
        The last four are NaN where it never gives an answer.
    """
    agents: dict[str, Any] = {"asker": TrustingAsker(), "helper1": helper}
    lone, closed_book = alone(env, player), alone(env, player, 0)
    with_tool = rollout(lone, agents, episodes, seed)
    without = rollout(closed_book, agents, episodes, seed)
    pairs = [
        (one, closed)
        for one, closed in zip(with_tool, without, strict=True)
        if not failed(one) and not failed(closed)
    ]
    if not pairs:
        raise ClarifyError(f"transfer: no episode of {episodes} was played to its end by {player!r}")
    grades, closed = (
        np.array([_graded(lone.game, episode) for episode in side]) for side in zip(*pairs, strict=True)
    )
    f1, known = grades[:, 0], closed[:, 1] > 0.0
    searches = np.array([one.quantities["searches"] for one, _ in pairs])
    marked = [k for k, (one, _) in enumerate(pairs) if _mark(one)]
    stated = [CONFIDENCE[_mark(pairs[k][0])] for k in marked]
    coverage, sure_f1 = covered(np.equal(stated, CONFIDENCE["sure"]), f1[marked]) if marked else _UNKNOWN
    return {
        "reward": _mean([one.reward for one, _ in pairs]),
        "declined": _mean([any(isinstance(m, Hedge) for m in one.moves("asker")) for one, _ in pairs]),
        "f1": float(f1.mean()),
        "closed_f1": float(closed[:, 0].mean()),
        "unmarked": 1.0 - len(marked) / len(pairs),
        "search_rate": float((searches > 0).mean()),
        "searched_right": _mean((searches > 0)[known]),
        "searched_wrong": _mean((searches > 0)[~known]),
        "f1_per_search": float(f1.sum() / searches.sum()) if searches.any() else float("nan"),
        "sure": coverage,
        "sure_f1": sure_f1,
        "ece": expected_calibration_error(stated, f1[marked]) if marked else float("nan"),
        "auroc": auroc(stated, grades[marked, 1]) if marked else float("nan"),
    }


_UNKNOWN = (float("nan"), float("nan"))


def _mark(episode: Episode) -> str:
    """How the helper has marked its answer, or "" where it has given none."""
    made = episode.moves("helper1")
    return made[-1].kind if made and isinstance(made[-1], (Sure, Unsure)) else ""


def _graded(game: Game[Any], episode: Episode) -> tuple[float, float]:
    """Accuracy and exact match of the helper's own answer."""
    if not _mark(episode):
        return 0.0, 0.0
    return game.grade(episode.moves("helper1")[-1].text, episode.setup["answers"])


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
