"""Evaluation: averages by hand, the optimum reached in play, baselines, intervals and the summary."""

import json

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError, CostGrid
from clarify_env.agents import FIXED, AlwaysAnswer, AlwaysAsk, OptimalAsker, Random, ScriptedUser, load
from clarify_env.agents.cost_table import strategy_means
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.games.clarification import SEEN, UNSEEN, Costs, UserModel
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.games.clarification.optimum import Solver
from clarify_env.storage import read_episodes
from clarify_env.trainers.evaluation.evaluate import (
    Measured,
    by_cell,
    evaluate,
    evaluate_agent,
    monotonicity,
    summarise,
)
from clarify_env.trainers.evaluation.measure import jobs, measure, measures_of, pick_questions
from clarify_env.trainers.evaluation.statistics import interval, resamples
from clarify_env.trainers.evaluation.yardsticks import Yardsticks, yardsticks

CELLS = [Costs(0.02, 0.002), Costs(0.1, 0.01), Costs(0.02, 0.06), Costs(0.3, 0.02)]
FILM = Task(
    "film",
    "When did the film open?",
    (
        Interpretation("When did the film open in Norway?", ("1950",), 0.75),
        Interpretation("When did the film open in Chile?", ("3 May 1951",), 0.25),
    ),
)
MEASURES = ("reward", "accuracy", "asks", "words", "exact", "ask", "enumerate", "answer")
COLUMN = {name: i for i, name in enumerate(MEASURES)}
TERMS = ClarificationGame.terms
USER = ScriptedUser()


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("synthetic-v0", split="validation", size=40)


@pytest.fixture(scope="module")
def yard(env):
    assert measures_of(env, "asker") == MEASURES
    return yardsticks(env, range(40), CELLS)


@pytest.fixture(scope="module")
def best(yard):
    """optimum_N_C_7, in the order of `Solver.outcome`."""
    return np.stack(list(yard.optimum.values()), axis=2)


@pytest.fixture(scope="module")
def fixed(yard):
    assert (yard.name, yard.own) == ("optimum with this user", True)
    assert yard.floor == tuple(FIXED)
    assert tuple(yard.teams) == (*FIXED, yard.table, "lookahead", "lookahead-2")
    return {name: yard.teams[name] for name in FIXED}


@pytest.fixture(scope="module")
def own(env):
    return measure(env, {"asker": OptimalAsker(), "user": USER}, range(40), CELLS)


def test_averages_by_hand():
    game = GameEnv(ClarificationGame([FILM], FixedCosts()), "hand-v0")
    measured = measure(game, {"asker": AlwaysAsk(), "user": USER}, [0], [Costs(0.1, 0.01), Costs(0.5, 0.0)])
    # one question and the right answer: one word for three quarters of the meanings, three for the rest
    expected = {
        "accuracy": 1.0,
        "asks": 1.0,
        "words": 1.5,
        "exact": 1.0,
        "ask": 0.5,
        "enumerate": 0,
        "answer": 0.5,
    }
    for row, reward in zip(measured[0], (1 - 0.1 - 0.015, 0.5), strict=True):
        assert dict(zip(MEASURES, row, strict=True)) == pytest.approx({"reward": reward, **expected})


def test_every_meaning_is_played_at_every_cost_and_shares_add_up(env):
    listed = jobs(env, [3, 8], CELLS, "asker")
    assert len(listed) == len(CELLS) * sum(len(env.game.tasks[q].interpretations) for q in (3, 8))
    for k in (0, 1):
        for c in range(len(CELLS)):
            assert sum(j.share for j in listed if (j.question, j.cell) == (k, c)) == pytest.approx(1.0)


def test_the_optimal_asker_reaches_the_optimum_through_the_environment(own, best):
    """Exactly: a truthful user, and every meaning at its weight."""
    np.testing.assert_allclose(own[:, :, 0], best[:, :, 0], atol=1e-9)


def test_the_optimal_asker_makes_the_moves_of_the_optimum(own, best):
    mix = [COLUMN[kind] for kind in ("ask", "enumerate", "answer")]
    np.testing.assert_allclose(own[:, :, mix].mean(axis=0), best[:, :, 4:].mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(best[:, :, 4:].sum(axis=2), 1.0, atol=1e-9)


def test_the_optimum_is_at_least_every_fixed_strategy(own, best, fixed):
    for name, table in fixed.items():
        assert (best[:, :, 0] >= table[:, :, 0] - 1e-9).all(), name
        assert (own[:, :, 0].mean(axis=0) > table[:, :, 0].mean(axis=0)).all(), name


class Remembering(OptimalAsker):
    """The optimal asker, which works out each point of a dialogue once."""

    def __init__(self, user):
        super().__init__(user)
        self.known = {}

    def move(self, observation, rng):
        key = (observation["question"], observation["transcript"], tuple(observation["costs"]))
        if key not in self.known:
            self.known[key] = super().move(observation, rng)
        return self.known[key]


@pytest.mark.parametrize("question", [1, 4])
def test_the_optimal_asker_reaches_the_optimum_with_a_noisy_user(env, question):
    model = UserModel(noise=0.1, vagueness=0.15, refusal=0.05)
    task = env.game.tasks[question]
    assert len(task.interpretations) > 2
    players = {"asker": Remembering(model), "user": ScriptedUser(model)}
    for costs in (Costs(0.02, 0.02), Costs(0.05, 0.06)):
        options = {"task": question, "costs": costs}
        count = 1500
        rewards = [
            e.reward for e in clarify_env.rollout(env, players, count, 6, options=lambda i, o=options: o)
        ]
        best = Solver(task.question, task.interpretations, model, 5).optimum([costs])[0, 0]
        assert abs(np.mean(rewards) - best) < 4 * np.std(rewards) / count**0.5


def test_re_scored_baselines_equal_really_played_ones(env, fixed):
    for name, make in FIXED.items():
        played = measure(env, {"asker": make(env, {}, ""), "user": USER}, range(40), CELLS)
        np.testing.assert_allclose(fixed[name], played, atol=1e-12)


def test_measures_do_not_depend_on_the_batch(env):
    players = {"asker": Random(), "user": ScriptedUser(UserModel(noise=0.3))}
    one, two = (measure(env, players, range(10), CELLS[:2], 5, batch=batch) for batch in (3, 256))
    np.testing.assert_array_equal(one, two)


def test_intervals_are_a_bootstrap_over_questions():
    values = np.random.default_rng(1).normal(0.4, 0.2, 100)
    found = interval(lambda weights: float(values @ weights), 100, seed=0)
    assert found["mean"] == pytest.approx(values.mean())
    assert found["low"] < found["mean"] < found["high"]
    half = 1.96 * values.std() / 10
    assert (found["high"] - found["low"]) / 2 == pytest.approx(half, rel=0.1)
    weights = list(resamples(7, 0, 20))
    assert len(weights) == 21
    assert all(w.sum() == pytest.approx(1.0) for w in weights)
    assert found == interval(lambda weights: float(values @ weights), 100, seed=0)


def test_costs_of_a_question_are_resampled_together():
    """Two costs that agree on every question are worth no more than one of them."""
    rng = np.random.default_rng(0)
    agent = np.repeat(rng.random((50, 1, len(MEASURES))), 6, axis=1)
    yard = Yardsticks(
        {"always": np.zeros((50, 6, len(MEASURES)))}, {"reward": np.ones((50, 6))}, ("always",), "optimum"
    )
    measured = Measured(CELLS, MEASURES, agent, yard)
    assert summarise(measured, range(6))["reward"] == pytest.approx(summarise(measured, [0])["reward"])


def test_normalised_score_is_0_for_the_best_fixed_strategy_and_1_for_the_optimum(best, fixed, own, yard):
    name = max(fixed, key=lambda n: fixed[n][:, :, 0].mean())
    measured = Measured(CELLS, MEASURES, fixed[name], yard)
    found = summarise(measured, range(len(CELLS)))
    assert found["from_single"]["mean"] == pytest.approx(0.0, abs=1e-12)
    assert found["baseline"]["mean"] == pytest.approx(fixed[name][:, :, 0].mean())
    table = summarise(measured._replace(agent_N_C_M=yard.teams["cost-table"]), range(len(CELLS)))
    assert table["normalized"]["mean"] == pytest.approx(0.0, abs=1e-12)
    assert table["from_single"]["mean"] > 0.0 > found["normalized"]["mean"]
    top = summarise(measured._replace(agent_N_C_M=own), range(len(CELLS)))
    assert top["normalized"] == pytest.approx({"mean": 1.0, "low": 1.0, "high": 1.0})
    assert top["optimum"]["mean"] == pytest.approx(best[:, :, 0].mean())
    for part in (found, top):
        assert all(v["low"] <= v["mean"] + 1e-12 <= v["high"] + 2e-12 for v in part.values())


def test_a_cost_table_plays_the_strategy_that_is_best_on_training_questions(env, yard):
    agents = {"asker": load("cost-table", env, "asker"), "user": USER}
    played = measure(env, agents, range(40), CELLS)
    assert played == pytest.approx(yard.teams["cost-table"])
    training = clarify_env.make("synthetic-v0", size=40)
    means = strategy_means(env)
    for name, kind in {"always-answer": AlwaysAnswer, "always-ask": AlwaysAsk}.items():
        asker = kind() if kind is AlwaysAnswer else kind(most=3)
        measured = measure(training, {"asker": asker, "user": USER}, range(40), [Costs(0.0, 0.0)])
        for quantity in ("accuracy", "asks", "words"):
            mean = measured[:, 0, MEASURES.index(quantity)].mean()
            assert means[name][quantity] == pytest.approx(mean)


@pytest.mark.parametrize("depth", [1, 2])
def test_who_looks_ahead_earns_what_is_computed(depth):
    env = clarify_env.make("synthetic-v1", split="validation", size=12)
    name = {1: "lookahead", 2: "lookahead-2"}[depth]
    agents = {"asker": load(name, env, "asker"), "user": USER}
    played = measure(env, agents, range(12), CELLS)
    computed = yardsticks(env, range(12), CELLS)
    known = [k for k, measure in enumerate(MEASURES) if measure != "exact"]
    assert played[:, :, known] == pytest.approx(computed.teams[name][:, :, known])
    best, one = computed.optimum["reward"], computed.teams["lookahead"][:, :, 0]
    assert (best >= computed.teams["lookahead-2"][:, :, 0] - 1e-12).all()
    assert best.mean() > one.mean()  # some questions pay only together with the next


def test_the_optimum_never_asks_more_as_questions_get_dearer_and_fixed_strategies_never_react(
    env, own, fixed, yard
):
    cells = list(SEEN)
    best = yardsticks(env, range(40), cells)
    agent = np.zeros((40, 9, len(MEASURES)))
    for k, name in enumerate(MEASURES[:4]):
        agent[:, :, k] = best.optimum[name]
    found = monotonicity(Measured(cells, MEASURES, agent, best), TERMS)
    assert set(found) == {"asks", "words"}
    for name, cost in (("asks", "turn"), ("words", "word")):
        levels = found[name]["agent"]
        assert (found[name]["cost"], found[name]["levels"]) == (cost, list(SEEN.levels[cost]))
        assert found[name]["optimum"] == pytest.approx(levels)
        assert found[name]["never_rises"] is True
        assert levels[0] > levels[-1]
    turned = monotonicity(Measured(cells, MEASURES, agent[:, ::-1], best), TERMS)
    assert turned["asks"]["never_rises"] is False
    assert by_cell(Measured(CELLS, MEASURES, own, yard))[2]["fixed"]["always-ask"] == pytest.approx(
        fixed["always-ask"][:, 2, 0].mean()
    )


def test_questions_are_drawn_without_repetition(env):
    assert pick_questions(env, None) == pick_questions(env, 99) == list(range(40))
    drawn = pick_questions(env, 12)
    assert drawn == sorted(set(drawn)) == pick_questions(env, 12)
    assert len(drawn) == 12
    assert drawn != pick_questions(env, 12, seed=1)
    with pytest.raises(ClarifyError, match="tasks=0: at least 1 question"):
        pick_questions(env, 0)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    summary = evaluate_agent("always-ask", "synthetic-v0", out, tasks=12, env_options={"size": 30})
    return out, summary


def test_summary_has_what_it_promises(evaluated):
    out, summary = evaluated
    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert {"env", "agent", "episodes", "seen", "unseen"} <= set(summary)
    assert (summary["yardstick"], summary["floor"]) == ("optimum with this user", list(FIXED))
    assert (summary["own_yardstick"], summary["spent"]) == (True, {})
    assert (summary["env"], summary["agent"], summary["questions"]) == ("synthetic-v0", "always-ask", 12)
    ahead = ("cost-table", "lookahead", "lookahead-2")
    reported = {*MEASURES, "optimum", "baseline", "normalized", "from_single"}
    reported |= {f"team {name}" for name in (*FIXED, *ahead)}
    for part in ("seen", "unseen"):
        assert set(summary[part]) == reported
        for value in summary[part].values():
            assert set(value) == {"mean", "low", "high"}
            assert value["low"] <= value["mean"] <= value["high"]
    seen, unseen = ([c["costs"] for c in summary["cells"] if c["seen"] is part] for part in (True, False))
    assert seen == [cell._asdict() for cell in SEEN]
    assert unseen == [cell._asdict() for cell in UNSEEN]


def test_summary_agrees_with_the_stored_episodes(evaluated):
    out, summary = evaluated
    episodes = list(read_episodes(out / "episodes" / "evaluation.parquet"))
    assert len(episodes) == summary["episodes"]
    cell = summary["cells"][0]
    env = clarify_env.make("synthetic-v0", split="validation", size=30)
    shares = {t.id: [m.weight for m in t.interpretations] for t in env.game.tasks}
    own = [e for e in episodes if e.costs == cell["costs"]]
    total = sum(shares[e.setup["task"]][e.setup["intent"]] * e.reward for e in own)
    assert total / 12 == pytest.approx(cell["reward"])


def test_picture_is_a_png_of_a_sensible_size(evaluated):
    data = (evaluated[0] / "steerability.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[-8:-4] == b"IEND"
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    assert (800 < width < 2000) and (500 < height < 1500)  # noqa: PT018 - one statement about one picture
    assert 20_000 < len(data) < 500_000


def test_grids_of_other_sizes(tmp_path, env):
    summary = evaluate(
        env,
        {"asker": AlwaysAsk()},
        "x",
        tmp_path,
        split="validation",
        seen=CostGrid(of=Costs, turn=[0.1], word=[0.01]),
        unseen=CostGrid(of=Costs, turn=[0.2], word=[0.02]),
        tasks=1,
    )
    assert len(summary["cells"]) == 2
