"""The exact best group value of collaborative self-play, and where searching settles.

A team decision problem: each helper knows how reliable its memory is, then what its search found; the asker
knows the answers and their marks. All deterministic strategies of the helpers are compared, each combination
with the asker's best response to it. A strategy says for each level of memory whether to search, and how to
mark the answer: the passage's where the search hit, else the memory. The asker answers with one or several of
the texts that it heard, or hedges. Plausible answers have one word each, all different.

The values are those of the game as it is meant: each helper gives one answer with one of two marks. A text
could carry more in a code; `ceiling` is what no code exceeds, since there the asker knows who has
answered from what.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations, product
from math import perm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.games.csp.records import CspCosts, Skill

SURE, UNSURE = 0, 1  # positions of the marks


MOST_JOINT = 2_000_000  # combinations of strategies that are compared


_HONEST = 0.5  # reliability from which a sure memory is honest


_TIE = 1e-10


class Act(NamedTuple):
    """What a helper does at a level of memory.

    Args:
        search: whether it searches.
        hit: mark of an answer that the search found; unused without a search.
        memory: mark of an answer from memory.
    """

    search: bool
    hit: int
    memory: int


Strategy = tuple[Act, ...]  # one act a level


Pattern = tuple[tuple[int, int], ...]  # of each answer as shown: its group of equal texts, and its mark


ACTS = (
    *(Act(False, SURE, memory) for memory in (SURE, UNSURE)),
    *(Act(True, hit, memory) for hit in (SURE, UNSURE) for memory in (SURE, UNSURE)),
)


class Problem(NamedTuple):
    """A question as the group sees it before anything is drawn.

    Args:
        reliability: of each level of memory.
        skills: of each helper.
        rivals: wrong answers that are plausible, all equally likely.
        costs: what the group pays.
        anonymous: whether the asker does not know who gave which answer.
    """

    reliability: tuple[float, ...]
    skills: tuple[Skill, ...]
    rivals: int
    costs: CspCosts
    anonymous: bool = True


class Solution(NamedTuple):
    """How to play a problem.

    Args:
        value: expected reward of the group, with the asker's best response.
        strategies: of each helper.
        searches: expected number of them.
    """

    value: float
    strategies: tuple[Strategy, ...]
    searches: float


def honest(search: Sequence[bool], reliability: Sequence[float]) -> Strategy:
    """Searches at these levels; marks what it found, and memories of at least even reliability, as sure."""
    marks = [SURE if right >= _HONEST else UNSURE for right in reliability]
    return tuple(Act(does, SURE, mark) for does, mark in zip(search, marks, strict=True))


def solve(problem: Problem) -> Solution:
    """The best strategies; of equally good ones those with the most honest marks.

    Raises:
        ClarifyError: more than `MOST_JOINT` combinations of strategies.
    """
    every = list(product(ACTS, repeat=len(problem.reliability)))
    count = len(problem.skills)
    if len(every) ** count > MOST_JOINT:
        raise ClarifyError(
            f"{count} helpers with {len(problem.reliability)} levels of memory have {len(every) ** count:,} "
            f"combinations of strategies; the exact best value is known up to {MOST_JOINT:,}"
        )
    usual = honest((True,) * len(problem.reliability), problem.reliability)
    lies_S = np.array([sum(a[1:] != b[1:] for a, b in zip(s, usual, strict=True)) for s in every], float)
    value, searches = _values(problem, [every] * count)
    lies = sum(np.expand_dims(lies_S, tuple(j for j in range(count) if j != k)) for k in range(count))
    best = np.unravel_index(int((np.round(value, 9) - _TIE * lies).argmax()), value.shape)
    return Solution(float(value[best]), tuple(every[i] for i in best), float(searches[best]))


def equilibria(problem: Problem) -> list[Solution]:
    """Who searches at which level, under honest marks, so that no helper alone would do better otherwise.

    The asker responds to whatever they do. All share the reward, so the best of them is the best there is
    with honest marks; more than one means that the helpers have to agree on whose turn it is to search. A
    helper that pays for its own searches alone, and shares the rest, would want the same.
    """
    options = []
    for skill in problem.skills:  # a level that never occurs leaves no choice
        searched = product(*((False, True) if share else (False,) for share in skill.levels))
        options.append([honest(search, problem.reliability) for search in searched])
    value, searches = _values(problem, options)
    value = np.round(value, 9)
    stable = np.all([value >= value.max(axis=k, keepdims=True) for k in range(value.ndim)], axis=0)
    found = sorted((tuple(map(int, at)) for at in np.argwhere(stable)), key=lambda at: -value[at])
    return [
        Solution(float(value[at]), tuple(o[i] for o, i in zip(options, at, strict=True)), float(searches[at]))
        for at in found
    ]


def ceiling(problem: Problem) -> float:
    """The best value where the asker knows who has answered from what: found, or a memory of which level."""
    levels = len(problem.reliability)
    every = list(product((False, True), repeat=levels))
    chances, searches = [], []
    for skill in problem.skills:
        chance_S_M_2 = np.zeros((len(every), 1 + levels, 2))
        for s, search in enumerate(every):
            for k, (does, share) in enumerate(zip(search, skill.levels, strict=True)):
                right, covered = problem.reliability[k], skill.coverage * does
                chance_S_M_2[s, 0, 0] += share * covered
                chance_S_M_2[s, 1 + k] = share * (1.0 - covered) * np.array([right, 1.0 - right])
        chances.append(chance_S_M_2)
        searches.append(np.array(every, float) @ np.array(skill.levels))
    chances = _spread(chances)
    value = _earned(problem._replace(anonymous=False), chances)
    value = value - problem.costs.search * sum(_spread(searches, 0))
    return float(value.max())


def messages(strategy: Strategy, skill: Skill, reliability: Sequence[float]) -> Floats:
    """chance_M_2 of each mark with a right or a wrong answer, under a strategy."""
    chance_M_2 = np.zeros((2, 2))
    for act, share, right in zip(strategy, skill.levels, reliability, strict=True):
        covered = skill.coverage * act.search
        chance_M_2[act.hit, 0] += share * covered
        chance_M_2[act.memory] += share * (1.0 - covered) * np.array([right, 1.0 - right])
    return chance_M_2


def response(problem: Problem, strategies: Sequence[Strategy], pattern: Pattern) -> tuple[int, ...]:
    """The groups of equal texts that the asker does best to name at `pattern`; none for a hedge.

    Args:
        problem: what is played.
        strategies: of the helpers in the order in which they are shown, or in any where that is unknown.
        pattern: what the asker sees.
    """
    skills = problem.skills
    chances = [messages(s, skill, problem.reliability) for s, skill in zip(strategies, skills, strict=True)]
    masses_B = _masses(problem, pattern, chances)
    count = int(_respond(masses_B, problem.costs)[1])
    ordered = np.argsort(-np.round(masses_B[:-1], 12), kind="stable")
    return tuple(int(group) for group in ordered[:count])


def _values(problem: Problem, options: Sequence[Sequence[Strategy]]) -> tuple[Floats, Floats]:
    """Value and expected searches for all combinations of the helpers' strategies, one axis a helper."""
    chances, searches = [], []
    for skill, own in zip(problem.skills, options, strict=True):
        chances.append(np.array([messages(strategy, skill, problem.reliability) for strategy in own]))
        searches.append(np.array([[act.search for act in s] for s in own], float) @ np.array(skill.levels))
    total: Floats = sum(_spread(searches, 0), start=np.zeros(()))
    return _earned(problem, _spread(chances)) - problem.costs.search * total, total


def _spread(arrays: Sequence[Floats], kept: int = 2) -> list[Floats]:
    """Each array's first axis moved to one of its own; the last `kept` axes stay."""
    count = len(arrays)
    return [
        a.reshape(*(len(a) if j == k else 1 for j in range(count)), *a.shape[a.ndim - kept :])
        for k, a in enumerate(arrays)
    ]


def _earned(problem: Problem, chances: Sequence[Floats]) -> Floats:
    """What the asker's best responses earn, over all that it may see."""
    value: Floats = np.zeros(())
    for groups in _groupings(len(chances)):
        for shown in product(range(chances[0].shape[-2]), repeat=len(chances)):
            pattern = tuple(zip(groups, shown, strict=True))
            value = value + _respond(_masses(problem, pattern, chances), problem.costs)[0]
    return value


def _groupings(count: int) -> Iterator[tuple[int, ...]]:
    """Which of `count` answers may be equal, as restricted growth strings."""
    if count == 0:
        yield ()
        return
    for start in _groupings(count - 1):
        for group in range(max(start, default=-1) + 2):
            yield (*start, group)


def _masses(problem: Problem, pattern: Pattern, chances: Sequence[Floats]) -> Floats:
    """masses_B: chance of seeing `pattern` and each group of equal texts being true, and last of none."""
    count, rivals = len(pattern), problem.rivals
    orders = list(permutations(range(count))) if problem.anonymous else [tuple(range(count))]
    found = []
    for true in range(2 + max(group for group, _ in pattern)):
        wrong = [group for group, _ in pattern if group != true]
        share = perm(rivals, len(set(wrong))) / rivals ** len(wrong) / len(orders)
        total: Floats = np.zeros(())
        for order in orders if share else ():
            part: Floats = np.full((), share)
            for (group, mark), helper in zip(pattern, order, strict=True):
                part = part * chances[helper][..., mark, int(group != true)]
            total = total + part
        found.append(total)
    return np.stack(np.broadcast_arrays(*found), axis=-1)


def _respond(masses_B: Floats, costs: CspCosts) -> tuple[Floats, NDArray[np.int64]]:
    """What the asker earns at a pattern at best, and how many of the likeliest texts it names for that.

    k texts of one word each, one of them right, have token F1 2 / (1 + k).
    """
    seen = masses_B.sum(axis=-1)
    named = -np.sort(-masses_B[..., :-1], axis=-1).cumsum(axis=-1)
    values = [np.zeros_like(seen)]
    for k in range(1, masses_B.shape[-1]):
        f1 = named[..., k - 1] * 2.0 / (1 + k)
        values.append(f1 - costs.word * k * seen - costs.wrong * (seen - f1))
    stacked = np.stack(values)
    return stacked.max(axis=0), np.round(stacked, 12).argmax(axis=0)
