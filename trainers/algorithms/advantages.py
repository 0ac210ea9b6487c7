"""Credit: how good a decision was, from the rewards that its episode paid, as pure functions.

Dimensions: G decisions or episodes that are compared with each other; T decisions of one player in an
episode, in order. An advantage is what remains of a return when a baseline is taken off.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.simulate import Choice
from clarify_env.trainers.learners import Example


class Played(NamedTuple):
    """One player's part of an episode: its decisions, and what was paid after each, rewards_T."""

    examples: list[Example]
    rewards_T: Floats
    choices: list[Choice]
    episode: Episode


def returns_to_go(rewards_T: Floats, discount: float = 1.0) -> Floats:
    """returns_T: what is paid from each decision on.

    Args:
        rewards_T: paid between a decision and the next one of the same player, or the end.
        discount: of what comes one decision later, in [0, 1].
    """
    returns_T = np.asarray(rewards_T, dtype=np.float64).copy()
    for t in range(len(returns_T) - 2, -1, -1):
        returns_T[t] += discount * returns_T[t + 1]
    return returns_T


def leave_one_out(returns_G: Floats) -> Floats:
    """advantages_G: each return less the mean of the others (RLOO, arXiv 2402.14740); unbiased.

    Raises:
        ClarifyError: a group of one has no others.
    """
    returns_G = _group("leave_one_out", returns_G)
    count = len(returns_G)
    apart_G: Floats = (returns_G - returns_G.mean()) * (count / (count - 1))
    return apart_G


def group_advantages(returns_G: Floats, scale_rewards: bool = True, least: float = 1e-6) -> Floats:
    """advantages_G: returns less their mean, divided by their deviation (GRPO, arXiv 2402.03300).

    The mean includes the return itself, which shrinks the gradient by (G - 1) / G; the division weighs
    questions by how alike their returns are (arXiv 2503.20783 leaves it out). Where all returns are the same
    the advantages are 0.

    Raises:
        ClarifyError: a group of one.
    """
    returns_G = _group("group_advantages", returns_G)
    centred_G: Floats = returns_G - returns_G.mean()
    if not scale_rewards:
        return centred_G
    deviation = float(centred_G.std(ddof=1))
    return np.divide(centred_G, deviation) if deviation > least else np.zeros_like(centred_G)


def by_key(
    returns_G: Floats, keys: Sequence[Hashable], compare: Callable[[Floats], Floats] = leave_one_out
) -> Floats:
    """advantages_G: those of the returns with the same key, such as (role, turn), compared with each other.

    A return that is alone under its key has advantage 0: nothing is known of what was to be expected. Where
    the policy decides when to stop, how many are left at a turn depends on what it did before; see
    docs/algorithms/credit.md for what that does to the gradient.
    """
    if len(keys) != len(returns_G):
        raise ClarifyError(f"by_key: {len(returns_G)} returns with {len(keys)} keys")
    result_G = np.zeros(len(returns_G))
    places: dict[Hashable, list[int]] = {}
    for k, key in enumerate(keys):
        places.setdefault(key, []).append(k)
    for held in places.values():
        if len(held) > 1:
            result_G[held] = compare(np.asarray(returns_G, dtype=np.float64)[held])
    return result_G


def gae(rewards_T: Floats, values_T: Floats, discount: float = 1.0, gae_lambda: float = 0.95) -> Floats:
    """advantages_T by generalised advantage estimation over a player's decisions (arXiv 1506.02438).

    Args:
        rewards_T: paid between a decision and the next one, or the end, after which nothing comes.
        values_T: what a value function expected from each decision on.
        discount, gae_lambda: gamma and lambda, in [0, 1]; gae_lambda=1 is returns to go less the values.
    """
    rewards_T, values_T = (np.asarray(x, dtype=np.float64) for x in (rewards_T, values_T))
    if rewards_T.shape != values_T.shape:
        raise ClarifyError(f"gae: {rewards_T.shape} rewards with {values_T.shape} values")
    after_T = np.append(values_T[1:], 0.0)
    return returns_to_go(rewards_T + discount * after_T - values_T, discount * gae_lambda)


def _group(who: str, returns_G: Floats) -> Floats:
    returns_G = np.asarray(returns_G, dtype=np.float64)
    if returns_G.ndim != 1 or len(returns_G) < 2:
        raise ClarifyError(
            f"{who}: a group of {returns_G.size} has no others to be compared with; sample each question at "
            "least twice (group_size=2)"
        )
    return returns_G
