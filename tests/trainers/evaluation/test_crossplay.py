"""Cross-play: the matrix, its rows, what is kept, and what fails."""

import json

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, Failed
from clarify_env.agents import AlwaysAsk, AlwaysEnumerate, OptimalAsker, ScriptedUser
from clarify_env.agents.catalog import load
from clarify_env.games.clarification import Costs, UserModel
from clarify_env.storage import read_episodes
from clarify_env.trainers.evaluation.crossplay import Crossing, crossplay, report
from clarify_env.trainers.reporting.tables import crossplay_table

CELLS = [Costs(0.02, 0.01), Costs(0.1, 0.002)]


ENV = clarify_env.make("synthetic-v0", split="validation", size=30)


def user(name, **given):
    return load(name, ENV, "user", **given)


class Down(Agent):
    """A user that can never decide."""

    def move(self, observation, rng):
        return Failed("no server", outside=True)


def played(out, watch=None, **changes):
    users = {"scripted": user("scripted"), "noisy:0.2": user("noisy:0.2")}
    askers = {"optimal": OptimalAsker(), "always-enumerate": AlwaysEnumerate()}
    given = {"own": {"optimal": "scripted"}, "cells": CELLS, "tasks": 8, **changes}
    return crossplay(ENV, given.pop("askers", askers), given.pop("users", users), out, **given)


def test_the_matrix_and_its_rows(tmp_path):
    result = played(tmp_path)
    assert json.loads((tmp_path / "crossplay.json").read_text()) == json.loads(json.dumps(result))
    optimal, row = result["matrix"]["optimal"], result["rows"]["optimal"]
    assert optimal["scripted"]["normalized"]["mean"] == pytest.approx(1.0)
    alone = optimal["scripted"]["reward"]["mean"]
    assert optimal["noisy:0.2"]["reward"]["mean"] < alone  # it counts on truth
    assert row["own_user"] == "scripted"
    assert row["others"]["mean"] == optimal["noisy:0.2"]["normalized"]["mean"]
    assert row["drop"]["mean"] == pytest.approx(row["own"]["mean"] - row["others"]["mean"])
    assert row["drop"]["low"] <= row["drop"]["mean"] <= row["drop"]["high"]
    assert set(result["rows"]["always-enumerate"]) == {"own_user", "others"}
    stored = list(read_episodes(tmp_path / "cells" / "optimal--noisy_0.2.parquet"))
    assert len(stored) == result["episodes"]
    assert crossplay_table(result).row_count == 2


class Counting(AlwaysAsk):
    """Counts its decisions."""

    def __init__(self):
        super().__init__()
        self.decisions = 0

    def move(self, observation, rng):
        self.decisions += 1
        return super().move(observation, rng)


def test_what_is_finished_is_not_played_again(tmp_path):
    asker = Counting()
    first = played(tmp_path, askers={"mine": asker}, own={})
    count = asker.decisions
    assert played(tmp_path, askers={"mine": asker}, own={}) == first
    assert asker.decisions == count
    for change in ({"seed": 1}, {"tasks": 7}, {"cells": CELLS[:1]}, {"identity": {"mine": "checkpoint 2"}}):
        before = asker.decisions
        played(tmp_path, askers={"mine": asker}, own={}, **change)
        assert asker.decisions > before


def test_an_interruption_loses_no_finished_cell(tmp_path):
    class Stopped(AlwaysAsk):
        def move(self, observation, rng):
            raise KeyboardInterrupt

    asker = Counting()
    with pytest.raises(KeyboardInterrupt):
        played(tmp_path, askers={"mine": asker, "stopped": Stopped()}, own={})
    count = asker.decisions
    played(tmp_path, askers={"mine": asker}, users={"scripted": user("scripted")}, own={})
    assert asker.decisions == count > 0


def test_a_cell_that_fails_is_shown_as_failed(tmp_path):
    users = {"scripted": user("scripted"), "down": Down()}
    result = played(tmp_path, users=users)
    cell = result["matrix"]["optimal"]["down"]
    assert "too many episodes failed" in cell["failed"]
    assert sum(cell["failures"].values()) == result["episodes"]
    assert result["questions_compared"] == 8
    assert result["matrix"]["optimal"]["scripted"]["normalized"]["mean"] == pytest.approx(1.0)
    assert "drop" not in result["rows"]["optimal"]
    assert not (tmp_path / "cells" / "optimal--down.json").exists()  # it is played again next time
    assert "failed" in [*crossplay_table(result).columns[2].cells]


def test_the_drop_by_hand():
    """Own score 1, elsewhere 0.5 and 0: the drop is 0.75 in every resample, always."""
    one = np.ones(4)
    line = {"a": Crossing(one, {}), "b": Crossing(0.5 * one, {}), "c": Crossing(0.0 * one, {})}
    fixed = {user: np.array([0.0 * one, -one]) for user in line}
    found = report({"x": line}, fixed, dict.fromkeys(line, one), {"x": "a"})["rows"]["x"]
    assert found["drop"] == {"mean": 0.75, "low": 0.75, "high": 0.75}


def test_the_cross_play_drop_of_a_round_robin_by_hand():
    """1 at home and 0.5 away, 0.75 at home and 0.25 away; whose partner nobody has as its own is left out."""
    one = np.ones(4)
    earned = {"x": {"x": 1.0, "y": 0.5, "scripted": 0.0}, "y": {"x": 0.25, "y": 0.75, "scripted": 0.0}}
    table = {a: {u: Crossing(r * one, {}) for u, r in line.items()} for a, line in earned.items()}
    nothing = dict.fromkeys(earned["x"], np.full((1, 4), np.nan))
    unknown = dict.fromkeys(nothing, np.full(4, np.nan))
    found = report(table, nothing, unknown, {"x": "x", "y": "y"})
    assert found["drop"] == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert found["matrix"]["x"]["y"]["reward"]["mean"] == 0.5
    alone = report({"x": table["x"]}, nothing, unknown, {"x": "x"})
    assert "drop" not in alone


def test_without_a_score_there_are_rewards_alone(tmp_path):
    result = played(tmp_path, scored=False)
    cell = result["matrix"]["optimal"]["scripted"]
    assert cell["reward"]["mean"] == pytest.approx(0.9, abs=0.1)
    assert np.isnan(cell["normalized"]["mean"])
    assert set(result["yardsticks"].values()) == {""}


def test_users_by_name():
    assert user("vague:0.2").model == UserModel(vagueness=0.2)
    assert isinstance(user("scripted"), ScriptedUser)
    assert user("scripted", knobs={"noise": 0.1}).model.noise == 0.1
    with pytest.raises(ClarifyError, match=r"noisy: takes a probability, such as noisy:0.1"):
        user("noisy:often")
    with pytest.raises(ClarifyError, match=r"'scriptd'; did you mean 'scripted'"):
        user("scriptd")
    with pytest.raises(ClarifyError, match=r"noise=1.5"):
        user("noisy:1.5")


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ClarifyError, match="0 askers and 2 users"):
        played(tmp_path, askers={}, own={})
    with pytest.raises(ClarifyError, match="file name of two players"):
        played(tmp_path, askers={"a:b": AlwaysAsk(), "a_b": AlwaysAsk()}, own={})
    with pytest.raises(ClarifyError, match="names no asker or no user"):
        played(tmp_path, own={"optimal": "nobody"})
