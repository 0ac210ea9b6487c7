"""Environments by name."""

import math

import pettingzoo
import pytest

import clarify_env
from clarify_env import ClarifyError, CostGrid, GameEnv
from clarify_env.games.clarification import Costs
from clarify_env.games.clarification.synthetic import make_synthetic
from clarify_env.registry import _SPECS, GameSpec


def error(*args, make=clarify_env.make, **kwargs):
    """The one line that `make` complains with."""
    with pytest.raises(ClarifyError) as caught:
        make(*args, **kwargs)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_what_is_registered():
    assert {"ambigqa-v0", "synthetic-v0"} <= set(clarify_env.registry)
    assert len(clarify_env.registry) >= 2
    spec = clarify_env.registry["synthetic-v0"]
    assert isinstance(spec, GameSpec)
    assert spec.load() is make_synthetic
    assert "synthetic-v0" in repr(clarify_env.registry)


def test_a_misspelt_id_suggests_the_nearest():
    assert "unknown environment 'ambiqa-v0'; did you mean 'ambigqa-v0'?" in error("ambiqa-v0")
    assert "ambigqa-v0, " in error("chess")
    assert "chess" not in clarify_env.registry


def test_an_unknown_option_suggests_the_nearest():
    assert "unknown option 'max_turn'; did you mean 'max_turns'?" in error("synthetic-v0", max_turn=3)
    assert "did you mean 'turn_cost'?" in error("synthetic-v0", turn_costs=0.1)
    assert "did you mean 'data_dir'?" in error("ambigqa-v0", datadir="x")


@pytest.mark.parametrize("name", ["turn_cost", "word_cost"])
@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, "cheap"])
def test_bad_costs(name, bad):
    assert f"{name}={bad!r}: a cost is a finite number >= 0" in error("synthetic-v0", **{name: bad})


def test_costs_come_one_way():
    grid = CostGrid(turn=(0.1,), word=(0.2,))
    assert "not both" in error("synthetic-v0", costs=grid, turn_cost=0.1)
    assert "not both" in error("synthetic-v0", costs=grid, word_cost=0.1)
    assert "has no sample(rng)" in error("synthetic-v0", costs=0.1)
    env = clarify_env.make("synthetic-v0", size=3, costs=grid)
    env.reset(seed=0)
    assert env.game_state.costs == Costs(0.1, 0.2)


def test_default_costs():
    env = clarify_env.make("synthetic-v0", size=3, word_cost=0.5)
    env.reset(seed=0)
    assert env.game_state.costs == Costs(0.1, 0.5)


@pytest.mark.parametrize(
    "options", [{"split": "trian"}, {"knowledge": "opne"}, {"max_turns": 0}, {"size": 0}]
)
def test_bad_values_are_restated(options):
    ((name, value),) = options.items()
    said = error("synthetic-v0", **options)
    assert name in said
    assert repr(value) in said


def test_register_and_make(monkeypatch):
    monkeypatch.setitem(_SPECS, "mine-v3", None)  # gone again after the test
    del _SPECS["mine-v3"]
    monkeypatch.setattr(pettingzoo, "register", lambda *args: None)
    clarify_env.register("mine-v3", make_synthetic, costs=Costs(turn=0.1, word=0.01), size=5)
    env = clarify_env.make("mine-v3", max_turns=2)
    assert isinstance(env, GameEnv)
    assert (len(env.game.tasks), env.game.max_turns) == (5, 2)
    assert len(clarify_env.make("mine-v3", size=7).game.tasks) == 7
    assert "this id is taken" in error("mine-v3", make_synthetic, make=clarify_env.register, costs=Costs())


@pytest.mark.parametrize("id", ["mine", "mine-v", "mine-vx", "-v0", "mine-v0.1"])
def test_an_id_ends_in_its_version(id):
    assert f"register({id!r}): an id ends in its version" in error(
        id, make_synthetic, make=clarify_env.register, costs=Costs()
    )
    assert id not in clarify_env.registry


def test_a_registered_id_is_taken():
    assert "this id is taken" in error(
        "synthetic-v0", make_synthetic, make=clarify_env.register, costs=Costs()
    )


def test_pettingzoo_makes_it():
    env = pettingzoo.make("parallel", "clarify_env/synthetic-v0", size=4, turn_cost=0.3)
    assert isinstance(env.unwrapped, GameEnv)
    env.reset(seed=0)
    assert env.unwrapped.game_state.costs.turn == 0.3


def test_several_environments():
    envs = clarify_env.make_vec("synthetic-v0", 3, size=4)
    assert len(envs.envs) == 3
    for bad in (0, -1, 1.5, "3"):
        assert f"num_envs={bad!r}; at least 1" in error("synthetic-v0", bad, make=clarify_env.make_vec)


@pytest.mark.parametrize(
    "drawn", [Costs(-1, 0), Costs(float("nan"), 0), (0.1, 0.01), {"turn": 0.1}, None, 3, Costs("a", 1)]
)
def test_what_a_sampler_of_ones_own_draws_is_checked(drawn):
    class Sampler:
        def sample(self, rng):
            return drawn

    with pytest.raises(clarify_env.ClarifyError):
        clarify_env.make("synthetic-v0", size=5, costs=Sampler()).reset(seed=0)


def test_a_sampler_may_draw_prices_by_name():
    class Sampler:
        def sample(self, rng):
            return {"word": 0.01, "turn": 0.1}

    observations, _ = clarify_env.make("synthetic-v0", size=5, costs=Sampler()).reset(seed=0)
    assert observations["asker"]["costs"].tolist() == [0.1, 0.01]
