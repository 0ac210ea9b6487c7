"""Games other than clarification: their own costs, a person, a cast, training, evaluation, the report."""

import io
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from rich.console import Console

import clarify_env
from clarify_env import ClarifyError, CostGrid, CostRange, FixedCosts, GameEnv
from clarify_env.agents.human import Person
from clarify_env.agents.roster import ROSTERS, register_roster, roster_of
from clarify_env.costs import made_costs
from clarify_env.trainers.cli.play import play_by_hand
from clarify_env.trainers.config import Config, recipe
from clarify_env.trainers.evaluation.evaluate import evaluate_agent, evaluate_run, load_run
from clarify_env.trainers.experiment import train
from clarify_env.trainers.reporting.html import write_report
from clarify_env.trainers.run_directory import RunDirectory

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "third_party"))
from animals.agents import ROSTER
from animals.game import SPEC, AnimalGame, Guess, Hint, Question

torch.set_num_threads(1)


class Prices(NamedTuple):
    search: float = 0.1
    word: float = 0.0


@pytest.fixture(scope="module", autouse=True)
def animals():
    clarify_env.register(
        "beasts-v0",
        lambda costs: GameEnv(AnimalGame(costs), "beasts-v0"),
        costs=SPEC.costs,
        seen=SPEC.seen,
        unseen=CostGrid(question=(0.1,)),
        family="animals",
    )
    register_roster("animals", ROSTER)
    yield
    from clarify_env.registry import _SPECS

    del _SPECS["beasts-v0"], ROSTERS["animals"]


def test_costs_of_any_kind():
    assert FixedCosts(of=Prices).costs == Prices(0.1, 0.0)
    assert FixedCosts(of=Prices, search=0.3).costs == Prices(0.3, 0.0)
    grid = CostGrid(of=Prices, word=(0.01, 0.02))
    assert list(grid) == [Prices(0.1, 0.01), Prices(0.1, 0.02)]
    drawn = CostRange(of=Prices, search=(0.2, 0.4)).sample(np.random.default_rng(0))
    assert isinstance(drawn, Prices)
    assert 0.2 <= drawn.search <= 0.4
    assert drawn.word == 0.0
    assert made_costs(Prices, {"word": 2, "search": 1}, "x") == Prices(1.0, 2.0)
    assert made_costs(Prices, Prices(1, 2), "x") == Prices(1.0, 2.0)
    for wrong, told in (
        (lambda: CostGrid(of=Prices, serch=(0.1,)), "did you mean 'search'"),
        (lambda: CostGrid(of=Prices, search=()), "at least one cost"),
        (lambda: CostRange(of=Prices, search=(0.4, 0.2)), "the lower end comes first"),
        (lambda: made_costs(Prices, {"search": 1}, "x"), r"not the 2 costs by name \(search, word\)"),
        (lambda: made_costs(Prices, (1, 2), "x"), r"x=\(1, 2\): not the 2 costs"),
    ):
        with pytest.raises(ClarifyError, match=told):
            wrong()


def test_a_game_names_its_costs_when_it_is_registered():
    made = []

    def build(costs, size=3):
        made.append(costs)
        return GameEnv(AnimalGame(FixedCosts(of=Prices)), "prices-v0")

    clarify_env.register("prices-v0", build, costs=Prices())
    try:
        env = clarify_env.make("prices-v0", search_cost=0.5, size=4)
        assert made[-1].costs == Prices(0.5, 0.0)
        assert env.made_with == {"size": 4, "search_cost": 0.5, "word_cost": 0.0}
        with pytest.raises(ClarifyError, match="unknown option 'turn_cost'"):
            clarify_env.make("prices-v0", turn_cost=0.1)
        with pytest.raises(ClarifyError, match="search_cost=-1: a cost is"):
            clarify_env.make("prices-v0", search_cost=-1)
        with pytest.raises(ClarifyError, match="unknown cost of FixedCosts 'turn'"):
            clarify_env.make("prices-v0", costs=FixedCosts(turn=0.1))
        with pytest.raises(ClarifyError, match=r"give either costs=\.\.\., or search_cost and word_cost"):
            clarify_env.make("prices-v0", costs=FixedCosts(of=Prices), search_cost=0.1)
        spec = clarify_env.registry["prices-v0"]
        assert list(spec.seen) == list(spec.unseen) == [Prices()]
        assert Config().changed(env="prices-v0").rollout.costs == {"search": (0.1,), "word": (0.0,)}
    finally:
        from clarify_env.registry import _SPECS

        del _SPECS["prices-v0"]


def test_a_person_plays_any_player():
    lines, shown = iter(["fly?", "guess", "question does it fly", "no", "<guess>bat</guess>"]), []
    person = Person("guesser", (Question, Guess), lambda prompt: next(lines), shown.append)
    env = clarify_env.make("beasts-v0")
    observations, _ = env.reset(seed=0, options={"task": "bat"})
    assert person.move(observations["guesser"], None) == Guess("")
    keeper = Person("keeper", (Hint,), lambda prompt: next(lines), shown.append)
    env.reset(seed=0, options={"task": "bat"})
    observations, *_ = env.step({"guesser": person.move(observations["guesser"], None)})
    assert keeper.move(observations["keeper"], None) == Hint("no")
    assert "animal: bat" in shown
    assert "  guesser (question): does it fly" in shown
    assert any("is no move; begin with one of: question, guess" in line for line in shown)
    observations, *_ = env.step({"keeper": Hint("no")})
    assert person.move(observations["guesser"], None) == Guess("bat")


def test_play_by_hand_compares_with_the_best_team(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO("guess otter\n"))
    env = clarify_env.make("beasts-v0", question_cost=0.1)
    play_by_hand(env, Console(file=out, width=200), task="2")
    assert "The team 'halving' earns +0.800 in the same episode." in out.getvalue()
    assert "selected: reward +1.000" in out.getvalue()
    play_by_hand(env, Console(file=out, width=200), who="nobody", agent="guessing")
    with pytest.raises(ClarifyError, match="did you mean 'keeper'"):
        play_by_hand(env, Console(file=out), who="keper")
    with pytest.raises(ClarifyError, match="did you mean 'halving'"):
        play_by_hand(env, Console(file=out), who="keeper", agent="halvin")


def test_training_evaluation_and_report(tmp_path):
    budget = {"iterations": 2, "tasks": 4, "group_size": 48, "gradient_steps": 200, "batch_size": 64}
    settings = recipe("move-scorer", env="beasts-v0", **budget)
    run = RunDirectory(tmp_path / "run")
    lines = list(train(settings, run))
    expected = {"eval/reward", "eval/right", "eval/question", "eval/question=0.05/questions"}
    assert expected <= set(lines[-1])
    assert set(load_run(run)) == {"guesser"}
    summary = evaluate_run(run, processes=1)
    assert list(summary["fixed"]) == ["guessing", "halving"]
    assert (summary["yardstick"], summary["floor"]) == ("best team: halving", ["guessing"])
    assert summary["measures"] == ["reward", "right", "questions", "question", "guess"]
    assert summary["unseen"]["normalized"]["mean"] > 0.9
    assert "team guessing" in summary["seen"]
    assert "optimum" not in summary["seen"]
    assert [cell["costs"]["question"] for cell in summary["cells"]] == [0.05, 0.4, 0.1]
    page = write_report([run.path]).read_text(encoding="utf-8")
    assert "beasts-v0" in page
    best = evaluate_agent("halving", "beasts-v0", tmp_path / "best", processes=1)
    assert best["seen"]["normalized"]["mean"] == pytest.approx(1.0)
    assert best["seen"]["reward"]["mean"] == pytest.approx(1.0 - 2 * (0.05 + 0.4) / 2)
    floor = evaluate_agent("guessing", "beasts-v0", tmp_path / "floor", processes=2)
    assert floor["unseen"]["normalized"]["mean"] == pytest.approx(0.0)
    assert floor["unseen"]["reward"]["mean"] == pytest.approx(0.25)
    with pytest.raises(ClarifyError, match="did you mean 'halving'"):
        evaluate_agent("halvin", "beasts-v0", tmp_path / "x", processes=1)
    with pytest.raises(ClarifyError, match="did you mean 'keeper'"):
        list(train(settings.changed(players=("keper",)), RunDirectory(tmp_path / "y")))


def test_a_game_without_a_roster_says_how_to_give_it_one():
    own = type("Own", (clarify_env.Game,), dict.fromkeys(clarify_env.Game.__abstractmethods__))
    with pytest.raises(ClarifyError, match=r"nobody is known to play Own: .*register_roster says who"):
        roster_of(own())
    with pytest.raises(ClarifyError, match="this game has a roster"):
        register_roster("animals", ROSTER)
