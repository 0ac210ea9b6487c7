"""A subclass of the clarification game with a third cost and one more term: right values, and no optimum."""

import sys
from typing import ClassVar, NamedTuple

import pytest

import clarify_env
from clarify_env import ClarifyError, CostGrid, FixedCosts, GameEnv, Term
from clarify_env.agents import AlwaysAsk, OptimalAsker, ScriptedUser
from clarify_env.agents.catalog import load
from clarify_env.agents.roster import bound_of, others_of, teams_of
from clarify_env.games.clarification import Ask, ClarificationGame, Interpretation, Reply, Task
from clarify_env.testing.env_checks import check_env
from clarify_env.trainers.evaluation.evaluate import evaluate

FILM = Task(
    "film",
    "When did the film open?",
    (
        Interpretation("When did the film open in Norway?", ("1950",), 0.75),
        Interpretation("When did the film open in Chile?", ("3 May 1951",), 0.25),
    ),
)


class Prices(NamedTuple):
    turn: float = 0.1
    word: float = 0.01
    reply: float = 0.05


class Patience(ClarificationGame):
    """The user's replies cost as well."""

    terms: ClassVar = {**ClarificationGame.terms, "reply_cost": Term("replies", "reply")}
    counted: ClassVar = ("accuracy", "asks", "words", "replies", "exact")
    costs_type = Prices

    def apply(self, state, moves):
        after, paid = super().apply(state, moves)
        return after, (*paid, ("reply_cost", 1)) if isinstance(moves.get("user"), Reply) else paid

    def quantities(self, state):
        counted = super().quantities(state)
        replies = sum(isinstance(turn.move, Reply) for turn in state.history)
        exact = counted.pop("exact")
        return {**counted, "replies": replies, "exact": exact}


class SameCosts(ClarificationGame):
    """Questions pay twice: other rules under the same costs."""

    def apply(self, state, moves):
        after, paid = super().apply(state, moves)
        return after, paid + paid if isinstance(moves.get("asker"), Ask) else paid


def build(costs, max_turns=5):
    return GameEnv(Patience([FILM], costs, max_turns=max_turns), "patience-v0")


@pytest.fixture
def env():
    return build(FixedCosts(of=Prices))


def test_an_episode_pays_the_third_cost(env):
    observation = env.reset(seed=0, options={"intent": 0, "costs": Prices(0.2, 0.01, 0.5)})[0]["asker"]
    assert observation["costs"].tolist() == [0.2, 0.01, 0.5]
    assert observation in env.observation_space("asker")
    players = {"asker": AlwaysAsk(), "user": ScriptedUser()}
    (episode,) = clarify_env.rollout(
        env, players, 1, options=lambda i: {"intent": 0, "costs": Prices(0.2, 0.01, 0.5)}
    )
    assert episode.costs == {"turn": 0.2, "word": 0.01, "reply": 0.5}
    assert episode.reward_terms == pytest.approx(
        {"accuracy": 1.0, "turn_cost": -0.2, "word_cost": -0.01, "reply_cost": -0.5}
    )
    assert episode.rescored(reply=0.0).reward == pytest.approx(0.79)
    assert check_env(env)


def test_its_evaluation_knows_no_optimum_and_prices_every_term(env, tmp_path):
    grids = {
        "seen": CostGrid(of=Prices, reply=(0.0, 0.5)),
        "unseen": CostGrid(of=Prices, turn=(0.05,), reply=(0.2,)),
    }
    told = evaluate(env, {"asker": AlwaysAsk()}, "asks", tmp_path, **grids)
    # one question and the right answer, of one word for three quarters of the meanings and three for the rest
    expected = [1 - 0.1 - 0.015 - 0.0, 1 - 0.1 - 0.015 - 0.5, 1 - 0.05 - 0.015 - 0.2]
    assert [cell["reward"] for cell in told["cells"]] == pytest.approx(expected)
    assert [cell["fixed"]["always-ask"] for cell in told["cells"]] == pytest.approx(expected)
    assert [cell["costs"]["reply"] for cell in told["cells"]] == [0.0, 0.5, 0.2]
    answered = [cell["fixed"]["always-answer"] for cell in told["cells"]]
    assert answered == pytest.approx([0.75 - 0.01] * 3)
    # both answers under labels of one word: four words of answers and two of labels
    listed = [cell["fixed"]["always-enumerate"] for cell in told["cells"]]
    assert listed == pytest.approx([1.0 - 0.06] * 3)
    assert (told["yardstick"], told["floor"]) == ("best team: always-enumerate", ["always-answer"])
    assert told["unseen"]["normalized"]["mean"] == pytest.approx((0.735 - 0.74) / (0.94 - 0.74))
    assert "optimum" not in told["seen"]
    assert not any("optimum" in cell for cell in told["cells"])
    assert (told["monotonicity"]["replies"]["cost"], told["monotonicity"]["replies"]["levels"]) == (
        "reply",
        [0.0, 0.2, 0.5],
    )


@pytest.mark.parametrize("kind", [Patience, SameCosts])
def test_the_optimum_belongs_to_exactly_the_rules_it_was_computed_for(kind):
    env = GameEnv(kind([FILM], FixedCosts(of=kind.costs_type)), "own-v0")
    assert bound_of(env, others_of(env)) is None
    assert "optimal" not in teams_of(env)
    with pytest.raises(ClarifyError, match=f"no optimum is known for the rules of {kind.__name__}"):
        load("optimal", env, "asker")
    plain = GameEnv(ClarificationGame([FILM], FixedCosts()), "own-v0")
    assert bound_of(plain, others_of(plain)).name == "ceiling"


def test_the_optimal_asker_says_that_it_does_not_know_these_costs(env):
    observation = env.reset(seed=0)[0]["asker"]
    with pytest.raises(ClarifyError, match="OptimalAsker: a game of 3 costs"):
        OptimalAsker().act([observation])


def test_a_game_of_ones_own_from_the_command(command, mistake, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "patience", sys.modules[__name__])
    monkeypatch.chdir(tmp_path)
    from clarify_env.registry import _SPECS

    own = ("--env", "patience:build")
    try:
        assert clarify_env.make("patience:build", reply_cost=0.3).game.costs.costs == Prices(reply=0.3)
        code, text, err = command("play", *own, "--as", "nobody", "--costs", "reply=0.2")
        assert code == 0, err
        assert "reply_cost" in text
        assert "The team 'always-" in text
        agent = ("evaluate", "clarify_env.agents:AlwaysAsk", *own, "--no-wandb", "--out", tmp_path / "x")
        code, text, err = command(*agent)
        assert code == 0, err
        assert "1 = the best team: always-" in " ".join(text.split())
        assert "patience:nothing" in mistake("play", "--env", "patience:nothing")
        assert "takes costs=" in mistake("play", "--env", "patience:FILM")
        assert "no module" in mistake("play", "--env", "nowhere_at_all:build").lower()
        code, _, err = command("crossplay", "always-ask", *own, "--users", "scripted,noisy:0.1")
        assert code == 0, err
        code, _, err = command("audit", *own, "--tasks", 1)
        assert code == 0, err
        assert "MoveScorer knows the costs of a turn and a word" in mistake("train", *own)
        assert "patience:build: the page is made for" in mistake("demo", "always-ask", *own)
    finally:
        _SPECS.pop("patience:build", None)
