"""How like people a user speaks: an index over the distributions of what its replies do.

For each of the `ASPECTS` (how long replies are, how they open, how much they tell, how often they do not
know, how often they turn the question away), D is the Jensen-Shannon distance (base 2, in [0, 1]) between the
user's distribution and that of people, in each situation, averaged over the situations that both met with the
people's shares. The index is 1 - mean of D over the parts, in [0, 1]: 1 means that every distribution is that
of people, 0 that user and people never do the same. (arXiv 2603.11245 compares simulated users with people.)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import jensenshannon

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.habits import AMOUNTS, REPLY_ACTS, SITUATIONS
from clarify_env.games.clarification.speech import MOST_WORDS, Described, census, people_census
from clarify_env.trainers.evaluation.statistics import interval

BINS = (1, 2, 4, 7, 10, 14)  # the fewest words of each kind of length


ASPECTS = ("length", "opening", "telling", "unsure", "refusal")


_WORDS = len(REPLY_ACTS) + len(AMOUNTS)  # where the counts of words begin


def _groups() -> dict[str, Floats]:
    """By part group_K_F, which adds the F counts of a census up to the part's K kinds."""
    size = _WORDS + MOST_WORDS
    kinds: dict[str, list[int]] = {  # of each count the kind that it is added to, -1 for none
        "length": [-1] * _WORDS + [sum(w >= least for least in BINS) - 1 for w in range(1, MOST_WORDS + 1)],
        "opening": [("yes", "no").index(act) if act in ("yes", "no") else 2 for act in REPLY_ACTS],
        "telling": [-1] * len(REPLY_ACTS) + list(range(len(AMOUNTS))),
        **{name: [int(act == name) for act in REPLY_ACTS] for name in ("unsure", "refusal")},
    }
    groups = {}
    for part, of in kinds.items():
        group_K_F = np.zeros((max(of) + 1, size))
        for at, kind in enumerate(of):
            if kind >= 0:
                group_K_F[kind, at] = 1.0
        groups[part] = group_K_F
    return groups


GROUPS = _groups()


def counts_of(found: Mapping[str, Mapping[str, Sequence[int]]]) -> Floats:
    """counts_S_F of a census: for each situation those of the acts, the amounts and the words."""
    rows = [[*found[s]["acts"], *found[s]["amounts"], *found[s]["words"]] for s in SITUATIONS]
    return np.array(rows, dtype=np.float64)


def distances(user_S_F: Floats, people_S_F: Floats) -> dict[str, float]:
    """D of each of the `ASPECTS`, in [0, 1]; NaN where the two met no situation in common."""
    sizes_S, met_S = (counts_S_F[:, : len(REPLY_ACTS)].sum(axis=1) for counts_S_F in (people_S_F, user_S_F))
    both_S = (sizes_S > 0) & (met_S > 0)
    if not both_S.any():
        return dict.fromkeys(ASPECTS, float("nan"))
    found = {}
    for part, group_K_F in GROUPS.items():
        one, other = (counts_S_F[both_S] @ group_K_F.T for counts_S_F in (user_S_F, people_S_F))
        with np.errstate(invalid="ignore"):  # of equal ones it takes the root of what rounding puts below 0
            apart_S = np.nan_to_num(jensenshannon(one, other, base=2, axis=1))
        found[part] = float(np.average(apart_S, weights=sizes_S[both_S]))
    return found


def index(user_S_F: Floats, people_S_F: Floats) -> float:
    """The likeness index of two censuses, in [0, 1]."""
    return 1.0 - float(np.mean(list(distances(user_S_F, people_S_F).values())))


def likeness(
    replies: Sequence[Sequence[Described]],
    seed: int = 0,
    people: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
) -> dict[str, Any]:
    """How like people these replies are, as JSON data.

    Args:
        replies: by question, or whatever is resampled, what was said in which situation.
        seed: of the bootstrap and of the people that are drawn for the ceiling.
        people: a census of people; by default the one that ships.

    Returns:
        The `index` with its 95% interval; the `distances` by part; the number of `replies`; and `ceiling`,
        the mean index of as many replies of people themselves, drawn with replacement.

    Raises:
        ClarifyError: no replies.
    """
    if not any(replies):
        raise ClarifyError("likeness: no replies; it takes at least one")
    people_S_F = counts_of(people_census() if people is None else people)
    counts_N_S_F = np.array([counts_of(census(said)) for said in replies])
    total_S_F = counts_N_S_F.sum(axis=0)

    def of(weights_N: Floats) -> float:
        return index(np.tensordot(weights_N, counts_N_S_F, 1), people_S_F)

    return {
        "index": interval(of, len(counts_N_S_F), seed),
        "distances": distances(total_S_F, people_S_F),
        "replies": int(total_S_F[:, : len(REPLY_ACTS)].sum()),
        "ceiling": _ceiling(total_S_F[:, : len(REPLY_ACTS)].sum(axis=1), people_S_F, seed),
    }


def _ceiling(sizes_S: Floats, people_S_F: Floats, seed: int, times: int = 100) -> float:
    """Mean index of samples of people that met each situation as often as the user did."""
    rng = np.random.default_rng((seed, 23))
    blocks = np.split(people_S_F, (len(REPLY_ACTS), _WORDS), axis=1)
    drawn = []
    for _ in range(times):
        parts = []
        for block_S_K in blocks:
            rows = [
                rng.multinomial(int(size), row / row.sum()) if row.sum() else np.zeros(len(row))
                for size, row in zip(sizes_S, block_S_K, strict=True)
            ]
            parts.append(np.array(rows, dtype=np.float64))
        drawn.append(index(np.concatenate(parts, axis=1), people_S_F))
    return float(np.mean(drawn))
