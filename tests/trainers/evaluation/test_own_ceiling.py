"""The best play is that with a given user: a pair that colludes passes it, and its score is marked."""

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

import clarify_env
from clarify_env.agent import Agent
from clarify_env.agents import OptimalAsker, ScriptedUser
from clarify_env.agents.clarification import optimum_bound
from clarify_env.agents.roster import Bound
from clarify_env.games.clarification import Costs, UserModel
from clarify_env.trainers.evaluation.crossplay import crossplay
from clarify_env.trainers.evaluation.evaluate import evaluate
from clarify_env.trainers.evaluation.yardsticks import called
from clarify_env.trainers.reporting.summary import MARK, results
from clarify_env.trainers.reporting.tables import crossplay_table

CELLS = [Costs(0.05, 0.002), Costs(0.1, 0.002), Costs(0.2, 0.002)]
LEGEND = f"{MARK} = ceiling of another user: the score may pass 1."


@dataclass(frozen=True, slots=True)
class Code(UserModel):
    """Whatever is asked, the reply is a code word for all that is meant."""

    def replies(self, ask, question, intent, facts, said=()):
        return [(f"c{sum(map(ord, intent))}x{len(intent)}", 1.0)]


class Coder(ScriptedUser):
    """A user who replies in the code, and otherwise does as the scripted one does."""

    def __init__(self):
        super().__init__(Code())


class OtherName(Agent):
    """The scripted user in the clothes of a trained one: nobody can know how it replies."""

    def __init__(self):
        super().__init__()
        self.inner = ScriptedUser()

    def act(self, observations, rngs=None):
        return self.inner.act(observations, rngs)


@pytest.fixture(scope="module")
def env():
    """Questions of several meanings, told apart by more than one fact."""
    return clarify_env.make("synthetic-v1", split="validation", size=40)


def evaluated(env, folder, **team):
    return evaluate(env, team, "pair", folder, seen=CELLS, unseen=[Costs(0.15, 0.003)], tasks=12, processes=1)


def printed(shown):
    out = io.StringIO()
    Console(file=out, width=120).print(shown)
    return " ".join(out.getvalue().split())


def test_a_pair_that_colludes_passes_the_optimum_of_the_scripted_user_and_is_marked(env, tmp_path):
    summary = evaluated(env, tmp_path, asker=OptimalAsker(Code()), user=Coder())
    for part in ("seen", "unseen"):
        score = summary[part]["normalized"]
        assert score["mean"] > 1.02, score
        assert score["foreign"] is True
        assert summary[part]["from_single"]["foreign"] is True
        assert "foreign" not in summary[part]["reward"]
    assert summary["yardstick"] == "optimum with another user"
    assert "lookahead" not in summary["fixed"]  # who looks ahead would count on another user
    text = printed(results(summary))
    assert text.count(MARK) == 5  # two scores at two kinds of costs, and the legend
    assert LEGEND in text
    assert "1 = the optimum with another user" in text
    assert (tmp_path / "steerability.png").exists()


@pytest.mark.parametrize("model", [UserModel(), UserModel(noise=0.1, vagueness=0.1)])
def test_a_scripted_user_of_any_options_has_a_ceiling_of_its_own(tmp_path, model):
    env = clarify_env.make("synthetic-v0", split="validation", size=12)
    summary = evaluated(env, tmp_path, asker=OptimalAsker(model), user=ScriptedUser(model))
    assert summary["yardstick"] == "optimum with this user"
    assert summary["own_yardstick"] is True
    sharp = 1e-9 if model == UserModel() else 0.5  # a noisy user's replies are drawn
    assert summary["seen"]["normalized"]["mean"] == pytest.approx(1.0, abs=sharp)
    text = printed(results(summary))
    assert MARK not in text
    assert "1 = the optimum with this user" in text


def test_whose_ceiling_it_is():
    env = clarify_env.make("synthetic-v0", size=6)
    for user, own in (
        (ScriptedUser(), True),
        (ScriptedUser(UserModel(refusal=0.3)), True),
        (Coder(), False),
        (ScriptedUser(Code()), False),
        (OtherName(), False),
    ):
        assert optimum_bound(env, {"user": user}).own is own
        assert (optimum_bound(env, {"user": user}, depth=1) is None) is not own
    assert called(Bound("ceiling", lambda k, cells: {}), ["user"]) == "ceiling with this user"
    assert called(Bound("optimum", lambda k, cells: {}, own=False), ["user"]) == "optimum with another user"
    assert called(Bound("optimum", lambda k, cells: {}), []) == "optimum"


def test_another_matcher_has_the_ceiling_where_meanings_have_facts():
    first = lambda labels, intent, question: 0  # noqa: E731
    exact = clarify_env.make("synthetic-v0", size=6)
    assert optimum_bound(exact, {"user": ScriptedUser(matcher=first)}).own


def test_cross_play_marks_the_users_whose_ceiling_is_not_known(env, tmp_path):
    users = {"scripted": ScriptedUser(), "coder": Coder()}
    result = crossplay(env, {"code": OptimalAsker(Code())}, users, tmp_path, cells=CELLS, tasks=6)
    line = result["matrix"]["code"]
    assert result["yardsticks"] == {
        "scripted": "optimum with this user",
        "coder": "optimum with another user",
    }
    assert line["coder"]["normalized"]["foreign"] is True
    assert "foreign" not in line["scripted"]["normalized"]
    text = printed(crossplay_table(result))
    assert LEGEND in text
    assert f"{line['coder']['normalized']['mean']:.3f}{MARK}" in text
    again = crossplay(env, {"code": OptimalAsker(Code())}, users, tmp_path, cells=CELLS, tasks=6)
    assert again["matrix"] == result["matrix"]  # as kept on disk
