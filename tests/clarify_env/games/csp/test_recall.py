"""csp-v1: what is fixed and what is drawn, who sees what, and the exact optimum."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents.csp.recall_account import account
from clarify_env.agents.csp.recall_scripted import always_search, recall_floor, recall_optimal
from clarify_env.agents.roster import teams_of
from clarify_env.games.clarification import Answer
from clarify_env.games.csp import Hedge, RecallCosts, Search, Silent, Sure, Unsure
from clarify_env.games.csp.recall_optimum import HelperStrategy, Outcomes, readings, solve_alone, solve_recall
from clarify_env.games.csp.recall_world import (
    FAMILIARITY,
    GOOD_TOPICS,
    RecallWorld,
    information,
    majority,
    recall_questions,
    recalled,
)
from clarify_env.games.csp.world import TOPICS, entity
from clarify_env.testing.env_checks import check_env

WORLD = RecallWorld()
# Three values, one recall, a tool that finds rightly, wrongly or not: small enough to try everything.
SMALL = RecallWorld(
    3,
    1,
    (1.0,),
    ((0.5, 0.3, 0.2, 0.0),),
    (0.9, 0.8),
    ((0.2, 0.4, 0.0, 0.0, 0.4), (0.7, 0.1, 0.0, 0.0, 0.2)),
)


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("csp-v1", size=400)


def test_an_episode_move_by_move(env):
    task = next(t for t in env.game.tasks if t.leads[0].match == 0 and t.leads[0].value == t.truth)
    usual, other = task.truth, (task.truth + 1) % 4
    pins = {"task": task.id, "recalls": [[usual, other, usual], []], "told": [2, 0], "order": [1, 0]}
    seen, _ = env.reset(seed=0, options=pins)
    names = [value[0] for value in task.values]
    assert [recall.text for recall in seen["helper1"]["recalls"]] == [
        names[usual],
        names[other],
        names[usual],
    ]
    assert (seen["helper1"]["familiarity"], seen["helper2"]["familiarity"]) == ("familiar", "rare")
    assert seen["helper2"]["profile"].endswith("nothing.")
    assert set(seen["asker"]) == {"question", "topic", "costs", "transcript", "role", "action_mask"}
    seen, rewards, *_ = env.step({"helper1": Search(task.text), "helper2": Silent()})
    assert rewards["asker"] == pytest.approx(-0.1)
    (found,) = seen["helper1"]["passages"]
    assert names[usual] in found.text
    assert (found.match, found.agreeing) == ("exact", 2)
    assert seen["helper1"]["action_mask"].tolist() == [0, 0, 1, 1, 1], "one search is allowed"
    seen, rewards, *_ = env.step({"helper1": Sure(names[usual])})
    assert rewards["asker"] == pytest.approx(-0.02), "each text has a price, silence has none"
    assert [turn.move for turn in seen["asker"]["transcript"]] == [Silent(), Sure(names[usual])]
    *_, infos = env.step({"asker": Answer(names[usual])})
    assert infos["asker"]["episode"]["reward"] == pytest.approx(1.0 - 0.1 - 0.02 - 0.02)


def test_two_names_are_no_answer_and_a_wrong_one_costs(env):
    task = env.game.tasks[0]
    for said, earned in (
        (Answer(" ".join(value[0] for value in task.values[:2])), -1.0 - 0.04 - 0.04),
        (Answer(task.values[(task.truth + 1) % 4][0]), -1.0 - 0.02 - 0.04),
        (Hedge(), -0.04),
    ):
        env.reset(seed=1, options={"task": 0})
        env.step({"helper1": Sure("a"), "helper2": Unsure("b")})
        *_, infos = env.step({"asker": said})
        assert infos["asker"]["episode"]["reward"] == pytest.approx(earned)


@pytest.mark.parametrize("options", [{}, {"helpers": 1}, {"silent": False, "shuffled": True}], ids=str)
def test_check_env_passes(options):
    assert "privacy" in check_env(clarify_env.make("csp-v1", size=20, **options))


def test_a_helper_sees_neither_the_truth_nor_what_others_have(env):
    """What is fixed of a question, but for a helper's own, may be anything: it sees the same."""
    game = env.game
    state = game.start(np.random.default_rng(0), {"task": 3})
    task = state.task
    others = task._replace(truth=(task.truth + 1) % 4, minds=task.minds[::-1], leads=task.leads[::-1])
    moved = game.anew(state, others, state.drawn._replace(recalls=(*state.drawn.recalls[:1], (0, 0, 0))))
    for player in ("asker", "helper1"):
        one, two = (game.view(s, player) for s in (state, moved))
        assert all(np.array_equal(one[key], two[key]) for key in one)


def test_the_data_are_what_the_world_says():
    splits = {split: recall_questions(split) for split in ("train", "validation", "test")}
    assert [len(asked) for asked in splits.values()] == [1600, 400, 400]
    names = [entity(question) for asked in splits.values() for question in asked]
    assert len(set(names)) == 2400
    asked = splits["train"]
    assert asked == recall_questions("train")
    assert recall_questions("train", 40) == asked[:40]
    assert recall_questions("train", None, 1) != asked
    minds = np.array([question.minds for question in asked])
    shares = np.bincount(minds[:, :, 0].ravel(), minlength=3) / minds[:, :, 0].size
    np.testing.assert_allclose(shares, WORLD.familiarity, atol=0.03)
    for degree in range(3):
        kinds = minds[minds[:, :, 0] == degree][:, 1]
        np.testing.assert_allclose(
            np.bincount(kinds, minlength=4) / len(kinds), WORLD.memories[degree], atol=0.05
        )
    assert all(mind.lie != question.truth for question in asked for mind in question.minds)
    for helper, own in enumerate(GOOD_TOPICS):
        right = [[], []]
        for question in asked:
            lead = question.leads[helper]
            right[list(TOPICS).index(question.topic) in own].append(lead.value == question.truth)
        np.testing.assert_allclose([np.mean(side) for side in right], (0.13, 0.64), atol=0.04)


@given(st.integers(0, 3), st.integers(0, 3), st.lists(st.floats(0, 0.999999), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_recalls_are_values(kind, truth, draws):
    mind = recall_questions("train", 4)[0].minds[0]._replace(kind=kind, lie=(truth + 1) % 4)
    values = recalled(WORLD, mind, truth, draws)
    assert len(values) == (0 if kind == 3 else 3)
    assert set(values) <= set(range(4))
    held = truth if kind == 0 else mind.lie
    if kind < 2:
        assert [value == held for value in values] == [draw < WORLD.firmness[kind] for draw in draws]


def test_majority():
    assert majority(()) == (-1, 0)
    assert majority((2, 1, 1)) == (1, 2)
    assert majority((2, 1, 0)) == (2, 1)


def test_what_helpers_know_is_what_is_played(env):
    """The exact table of a helper's clues against 20,000 draws; agreement alone misleads."""
    held = information(WORLD, True)
    assert held.chance_I.sum() == pytest.approx(1.0)
    assert held.chance_J.sum() == pytest.approx(1.0)
    known = dict(zip(held.before_I, held.right_I / held.chance_I, strict=True))
    assert [round(known[degree, 3], 2) for degree in range(3)] == [0.36, 0.59, 0.96]
    rng, met = np.random.default_rng(0), {}
    tasks = recall_questions("train")
    for _ in range(20_000):
        task = tasks[rng.integers(len(tasks))]
        recalls = recalled(WORLD, task.minds[0], task.truth, rng.random(3).tolist())
        usual, agreement = majority(recalls)
        met.setdefault((task.minds[0].familiarity, agreement), []).append(usual == task.truth)
    for point, chance in zip(held.before_I, held.chance_I, strict=True):
        assert len(met[point]) / 20_000 == pytest.approx(chance, abs=0.02)
        if chance > 0.1:
            assert np.mean(met[point]) == pytest.approx(known[point], abs=0.07)


def outcomes_of_all(held, search_cost):
    """outcome_S_4 and searches_S of every strategy of a small world."""
    sides, found = Outcomes(held, search_cost), []
    for search in product((False, True), repeat=len(held.before_I)):
        says_I = [
            (0,) if goes else (0, 1, 2) if recalls else (2,)
            for goes, recalls in zip(search, held.recalls_I, strict=True)
        ]
        says_J = []
        for parent, finds in zip(held.parent_J, held.finds_J, strict=True):
            can = [*((0, 1) if held.recalls_I[parent] else ()), *((2, 3) if finds else ()), 4]
            says_J.append(can if search[parent] else (4,))
        for say_I, say_J in product(product(*says_I), product(*says_J)):
            found.append(sides.of(HelperStrategy(np.array(search), np.array(say_I), np.array(say_J))))
    outcome, searches = zip(*found, strict=True)
    kept = np.unique(np.column_stack([np.array(outcome), searches]).round(12), axis=0)
    return kept[:, :4], kept[:, 4]


@pytest.mark.parametrize(
    "costs", [RecallCosts(), RecallCosts(0.03, 0.01, 0.0, 0.4), RecallCosts(0.2, 0.05, 0.05, 2.0)], ids=str
)
def test_the_optimum_of_a_small_world_is_that_of_trying_everything(costs):
    sides = [outcomes_of_all(information(SMALL, good), costs.search) for good in (False, True)]
    (one, spent_one), (two, spent_two) = sides
    one, two = (np.column_stack([side, 1.0 - side.sum(1)]) for side in (one, two))
    paid = [costs.search * s + costs.say * (1.0 - y[:, 4]) for y, s in ((one, spent_one), (two, spent_two))]
    best = -np.inf
    for _, value_5_5 in readings(costs, SMALL.values):
        best = max(best, float((one @ value_5_5 @ two.T - paid[0][:, None] - paid[1]).max()))
    found = solve_recall(SMALL, costs, tolerance=1e-2)
    assert len(one) * len(two) > 1_000
    assert found.value <= best + 1e-9
    assert found.value == pytest.approx(best, abs=1e-2)
    assert found.bound >= best


@pytest.mark.parametrize(
    ("sight", "value"), [("all", 0.643765), ("no-familiarity", 0.462289), ("no-self-knowledge", 0.434348)]
)
def test_the_optimum_and_what_ignoring_something_costs(sight, value):
    assert solve_recall(WORLD, RecallCosts(), sight).value == pytest.approx(value, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("search", [0.05, 0.075, 0.125, 0.15])
def test_the_optimal_team_is_worth_the_optimum(env, search):
    costs = RecallCosts(search)
    found = solve_recall(WORLD, costs)
    assert account(env.game, recall_optimal(env, {}), costs).value == pytest.approx(found.value)


def test_scripted_teams_are_worth_what_they_earn(env):
    """Exactly, and played on the questions of three worlds."""
    costs = RecallCosts()
    exact = {name: account(env.game, team, costs).value for name, team in teams_of(env).items()}
    assert exact["floor"] == pytest.approx(0.203398, abs=1e-6)
    assert exact["always-search"] == pytest.approx(-0.225010, abs=1e-6)
    assert exact["optimal"] == pytest.approx(0.643765, abs=1e-6)
    assert exact["floor"] < exact["protocol"] < exact["optimal"]
    shuffled = clarify_env.make("csp-v1", size=400, shuffled=True)
    assert account(shuffled.game, recall_optimal(shuffled, {}), costs).value == pytest.approx(
        0.462289, abs=1e-6
    )
    for team, value in ((recall_floor, exact["floor"]), (always_search, exact["always-search"])):
        earned = []
        for world in (1, 2, 3):
            other = clarify_env.make("csp-v1", world=world)
            earned += [e.reward for e in rollout(other, team(other, {}), 1000, seed=world)]
        assert np.mean(earned) == pytest.approx(value, abs=0.05)


def test_alone_a_helper_is_worth_less():
    values = [solve_alone(WORLD, RecallCosts(), good).value for good in (False, True)]
    assert values == pytest.approx([0.360899, 0.555150], abs=1e-6)


def test_one_degree_of_familiarity_is_told_at_random_where_it_is_shuffled():
    env = clarify_env.make("csp-v1", size=400, shuffled=True)
    pairs = np.zeros((3, 3))
    rng = np.random.default_rng(0)
    for _ in range(3000):
        state = env.game.start(rng, {})
        pairs[state.task.minds[0].familiarity, state.drawn.told[0]] += 1
    np.testing.assert_allclose(
        pairs / pairs.sum(1, keepdims=True), np.tile(WORLD.familiarity, (3, 1)), atol=0.05
    )
    assert len(FAMILIARITY) == 3


def mistake(**options):
    with pytest.raises(ClarifyError) as caught:
        clarify_env.make("csp-v1", **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_mistakes_are_named(env):
    assert "1 or 2 of them" in mistake(helpers=3)
    assert "once (1) or not at all (0)" in mistake(searches=2)
    assert "multiple of 4" in mistake(size=7)
    assert "at most 400" in mistake(split="test", size=404)
    for options, said in (
        ({"order": [0, 0]}, "not an order of 2 helpers"),
        ({"told": [0, 3]}, "degrees from 0 to 2"),
        ({"recalls": [[0, 0, 0]]}, "a list of 2"),
        ({"recalls": [[0, 0, 0], [0]]}, "none or 3 of the values 0 to 3"),
    ):
        with pytest.raises(ClarifyError) as caught:
            env.reset(options=options)
        assert said in str(caught.value)
