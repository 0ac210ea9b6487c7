"""The exact best group value: against brute force over every strategy, and reached in play."""

from collections import defaultdict
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents.csp.scripted import Optimum, optimal
from clarify_env.games.csp import CspCosts
from clarify_env.games.csp.optimum import Problem, ceiling, equilibria, honest, response, solve
from clarify_env.games.csp.records import Skill
from clarify_env.text import token_f1


def best_by_brute_force(problem, texts_too):
    """The best value over all deterministic strategies, from every state of nature and every text.

    Args:
        problem: with few helpers, levels and rivals.
        texts_too: whether a helper may also give its memory although its search hit.
    """
    values = [f"v{i}" for i in range(problem.rivals + 1)]
    levels = range(len(problem.reliability))
    acts = [(None, mark) for mark in (0, 1)]
    uses = ("hit", "own") if texts_too else ("hit",)
    acts += [((hit, use), mark) for hit in (0, 1) for use in uses for mark in (0, 1)]
    count = len(problem.skills)
    states = []
    for truth in values:
        for drawn in product(product(values, levels, (True, False)), repeat=count):
            chance = 1.0 / len(values)
            for (value, level, cover), skill in zip(drawn, problem.skills, strict=True):
                right = problem.reliability[level]
                chance *= skill.levels[level] * (right if value == truth else (1 - right) / problem.rivals)
                chance *= skill.coverage if cover else 1 - skill.coverage
            if chance:
                states.append((truth, drawn, chance))
    orders = list(permutations(range(count))) if problem.anonymous else [tuple(range(count))]
    best = -np.inf
    for strategies in product(product(acts, repeat=len(problem.reliability)), repeat=count):
        seen = defaultdict(lambda: defaultdict(float))
        paid = 0.0
        for truth, drawn, chance in states:
            said = []
            for (value, level, cover), strategy in zip(drawn, strategies, strict=True):
                search, mark = strategy[level]
                text = value
                if search is not None:
                    paid += chance * problem.costs.search
                    if cover:
                        mark, text = search[0], truth if search[1] == "hit" else value
                said.append((text, mark))
            for order in orders:
                seen[tuple(said[k] for k in order)][truth] += chance / len(orders)
        total = -paid
        for answers, truths in seen.items():
            texts = sorted({text for text, _ in answers})
            options = [0.0]
            for size in range(1, len(texts) + 1):
                for chosen in combinations(texts, size):
                    answer, worth = " ".join(chosen), 0.0
                    for truth, chance in truths.items():
                        f1 = token_f1(answer, truth)
                        worth += chance * (f1 - problem.costs.word * size - problem.costs.wrong * (1 - f1))
                    options.append(worth)
            total += max(options)
        best = max(best, total)
    return best


COSTS = [CspCosts(0.1, 0.05, 0.0), CspCosts(0.02, 0.0, 0.0), CspCosts(0.3, 0.1, 0.6)]


@pytest.mark.parametrize("anonymous", [True, False])
@pytest.mark.parametrize("costs", COSTS, ids=str)
def test_the_solver_against_brute_force(anonymous, costs):
    skills = (Skill((1.0,), 0.8), Skill((1.0,), 0.3))
    problem = Problem((0.6,), skills, 2, costs, anonymous)
    assert solve(problem).value == pytest.approx(best_by_brute_force(problem, texts_too=True), abs=1e-9)


def test_the_solver_with_two_levels_against_brute_force():
    skills = (Skill((0.5, 0.5), 0.7), Skill((1.0, 0.0), 0.0))
    problem = Problem((0.9, 0.3), skills, 2, CspCosts(0.1, 0.05, 0.2), True)
    assert solve(problem).value == pytest.approx(best_by_brute_force(problem, texts_too=False), abs=1e-9)


def test_one_helper_by_hand():
    problem = Problem((0.9, 0.3), (Skill((0.4, 0.6), 0.9),), 3, CspCosts(0.1, 0.05, 0.0))
    best = solve(problem)
    assert best.value == pytest.approx(0.4 * 0.9 + 0.6 * (0.9 + 0.1 * 0.3 - 0.1) - 0.05)
    assert best.searches == pytest.approx(0.6)
    assert best.strategies == (honest((False, True), (0.9, 0.3)),)
    dear = problem._replace(costs=CspCosts(0.7, 0.05, 0.0))
    assert solve(dear).value == pytest.approx(0.4 * 0.9 + 0.6 * 0.3 - 0.05)
    hedged = problem._replace(costs=CspCosts(0.7, 0.05, 1.0))
    hit, miss = 0.9 * (1.0 - 0.05), 0.0  # after a miss it says unsure, and the asker hedges
    assert solve(hedged).value == pytest.approx(0.4 * (0.9 - 0.1 - 0.05) + 0.6 * (hit + miss - 0.7))


@given(
    coverage=st.tuples(*[st.floats(0.0, 1.0)] * 2),
    firm=st.tuples(*[st.floats(0.0, 1.0)] * 2),
    search=st.floats(0.0, 0.5),
    wrong=st.floats(0.0, 0.5),
)
@settings(max_examples=25, deadline=None)
def test_what_more_knowledge_is_worth(coverage, firm, search, wrong):
    skills = tuple(Skill((f, 1.0 - f), c) for f, c in zip(firm, coverage, strict=True))
    problem = Problem((0.9, 0.3), skills, 3, CspCosts(search, 0.05, wrong))
    best = solve(problem).value
    named = solve(problem._replace(anonymous=False)).value
    assert -1e-9 <= best <= named + 1e-9
    assert named <= ceiling(problem) + 1e-9
    assert solve(problem._replace(skills=skills[:1])).value <= best + 1e-9
    settled = equilibria(problem)
    assert settled
    assert settled[0].value <= best + 1e-9


def test_where_searching_settles():
    def searchers(*coverage, cost=0.1):
        skills = tuple(Skill((0.4, 0.6), c) for c in coverage)
        found = equilibria(Problem((0.9, 0.3), skills, 3, CspCosts(cost)))
        return [[any(act.search for act in own) for own in one.strategies] for one in found]

    assert searchers(0.9, 0.1) == [[True, False]], "distinct tools: one equilibrium"
    assert searchers(0.9, 0.5) == [[True, False]], "one dominates: it searches"
    assert searchers(0.15, 0.15) == [[False, False]], "both bad: nobody searches"
    assert sorted(searchers(0.9, 0.9)) == [[False, True], [True, False]], "alike: whose turn is it?"


def test_the_asker_believes_the_sure_and_names_two_where_that_pays():
    skills = (Skill((0.4, 0.6), 0.9), Skill((0.4, 0.6), 0.1))
    problem = Problem((0.9, 0.3), skills, 3, CspCosts(0.1, 0.05, 0.0))
    play = solve(problem).strategies
    assert response(problem, play, ((0, 1), (1, 0))) == (1,)
    assert response(problem, play, ((0, 1), (0, 1))) == (0,)
    assert set(response(problem, play, ((0, 1), (1, 1)))) == {0, 1}
    careful = problem._replace(costs=CspCosts(0.1, 0.05, 1.0))
    assert response(careful, play, ((0, 1), (1, 1))) == ()


@pytest.mark.parametrize(
    "options",
    [{}, {"anonymous": False, "tools": "bad"}, {"tools": "dominant", "memories": "specialist"}],
    ids=str,
)
def test_the_optimal_players_earn_what_is_computed(options):
    env = clarify_env.make("csp-v0", **options)
    rewards = np.array([e.reward for e in rollout(env, optimal(env, {}), 3000, seed=5)])
    best = Optimum(env.game).value(env.game.costs.costs)
    assert abs(rewards.mean() - best) < 4 * rewards.std() / np.sqrt(len(rewards))


def test_too_many_combinations_and_unknown_worlds_are_named():
    skills = (Skill((0.4, 0.6), 0.9),) * 5
    with pytest.raises(ClarifyError, match="5 helpers with 2 levels of memory have 60,466,176 combinations"):
        solve(Problem((0.9, 0.3), skills, 3, CspCosts()))
    env = clarify_env.make("csp-v0", searches=2)
    with pytest.raises(ClarifyError, match="is known for one search"):
        Optimum(env.game).value(CspCosts())
