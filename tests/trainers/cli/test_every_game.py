"""Every command on every registered game: it works, or says in one line which property the game lacks."""

import json
import os

import pytest

import clarify_env
from clarify_env.agents.roster import roster_of
from clarify_env.games import GAMES
from clarify_env.trainers import loop
from clarify_env.trainers.reporting import playground_page
from clarify_env.trainers.reporting.markdown import result_hash

BUDGET = "--agent move-scorer --iterations 1 --tasks 4 --group-size 8 --gradient-steps 3".split()
FEW = ("--eval-tasks", 2, "--no-wandb")
DATA = os.environ.get("CLARIFY_ENV_DATA")
NEEDS_DATA = ("abgcoqa-v0", "ambigqa-v0", "pacific-v0")
ASKING = (
    *NEEDS_DATA,
    "questions-v0",
    "synthetic-v0",
    "synthetic-v1",
)  # an asker, and a user who knows what it means


@pytest.fixture(scope="module", params=sorted(GAMES))
def env(request):
    """The id of a game; those that need data are left out where there are none."""
    if request.param in NEEDS_DATA and not DATA:
        pytest.skip("CLARIFY_ENV_DATA is unset: no data files on this machine")
    return request.param


@pytest.fixture(autouse=True)
def fast(monkeypatch, tmp_path):
    """A working folder of its own; a training checks few questions."""
    pick = loop.pick_questions
    monkeypatch.setattr(loop, "pick_questions", lambda env, count, seed=0: pick(env, min(count, 2), seed))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def runs():
    """The runs that were trained so far, by game."""
    return {}


@pytest.fixture
def trained(command, runs, tmp_path_factory):
    """A function that gives the run of a game, trained when it is first asked for."""

    def train(game):
        if game not in runs:
            out = tmp_path_factory.mktemp("every") / "run"
            code, text, err = command("train", "--env", game, *BUDGET, *FEW, "--out", out)
            assert code == 0, err
            assert "normalised score" in text
            runs[game] = out
        return runs[game]

    return train


@pytest.fixture
def run(env, trained):
    """A run that plays the game: its own, or where two games have the same spaces one of synthetic-v0."""
    return trained("synthetic-v0" if env in ASKING else env)


def on(env):
    """The options that choose the game, whose small policies and fixed strategies play from notes."""
    return ("--env", env, *(("--data-dir", DATA) if env in NEEDS_DATA else ()))


def noted(env):
    return (*on(env), *(("--env-option", "knowledge=open") if env in ASKING else ()))


def test_evaluate_a_team_and_a_run_and_report_both(env, run, command, tmp_path):
    team = "random" if env in ASKING else next(iter(roster_of(clarify_env.registry[env].family).teams))
    code, text, err = command("evaluate", team, *on(env), *FEW, "--out", tmp_path / "team")
    assert code == 0, err
    one = "optimum" if env.startswith("synthetic") else "ceiling" if env in ASKING else "best team: "
    assert f"1 = the {one}" in " ".join(text.split())
    code, text, err = command("evaluate", run, *noted(env), *FEW, "--out", tmp_path / "run", "--report")
    assert code == 0, err
    first, second = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("team", "run"))
    assert first.keys() == second.keys()
    assert first["env"] == second["env"] == env
    assert tuple(first["cells"][0]["costs"]) == clarify_env.registry[env].costs._fields
    code, text, err = command("report", tmp_path / "team", tmp_path / "run", "--out", tmp_path / "both.html")
    assert code == 0, err
    compared = (tmp_path / "both.html").read_text().split('<p id="compared">')[1].split("</p>")[0]
    assert "on the same 2 questions" in compared


def test_play(env, command):
    code, text, err = command("play", *noted(env), "--as", "nobody")
    assert code == 0, err
    assert ("The team '" in text) == (env not in ASKING)


def test_play_with_a_run_shows_the_runs_own_game(env, run, command):
    typed = () if env not in NEEDS_DATA else on(env)
    code, text, err = command("play", "--agent", run, "--as", "nobody", *typed, *noted(env)[len(on(env)) :])
    assert code == 0, err
    assert ("The team '" in text) == (env not in ASKING)


def test_crossplay(env, run, command, tmp_path):
    options = ("--eval-tasks", 2, "--out", tmp_path / "cross")
    users = ("--users", "scripted,vague:0.2") if env in ASKING else ()
    code, _, err = command("crossplay", run, *on(env), *users, *options)
    assert code == 0, err
    result = json.loads((tmp_path / "cross" / "crossplay.json").read_text())
    partners = (
        ["scripted", "vague:0.2"]
        if env in ASKING
        else list(roster_of(clarify_env.registry[env].family).teams)
    )
    assert list(result["yardsticks"]) == partners
    if env not in NEEDS_DATA:
        assert not any("failed" in cell for cell in result["matrix"][run.name].values())


def test_compare(env, command, tmp_path):
    if env in ("abgcoqa-v0", "pacific-v0"):
        pytest.skip("no training questions on this machine")
    sweep = {
        "games": {env: {"data_dir": DATA} if env in NEEDS_DATA else {}},
        "algorithms": {"rest": {}, "rloo": {}},
        "seeds": [0],
        "episodes": 8,
        "eval_tasks": 2,
        "cross_tasks": 2,
        "settings": {"tasks": 8, "group_size": 8, "gradient_steps": 3, "eval_train_tasks": 2},
    }
    (tmp_path / "sweep.json").write_text(json.dumps(sweep))
    code, text, err = command("compare", tmp_path / "sweep.json", "--out", tmp_path / "out", "--processes", 1)
    assert code == 0, err
    assert "failed" not in text, text
    assert (tmp_path / "out" / "compare.png").exists()
    result = json.loads((tmp_path / "out" / "compare.json").read_text())
    found = result["games"][env]["rest"]
    page = (tmp_path / "out" / "compare.md").read_text()
    assert f"result {result_hash(result)}." in page
    assert f"questions {result['data'][env]}" in page
    assert len(found["unseen"]) == len(found["curve"]) == 1
    assert len(found["others"]) == (1 if env in ASKING else 0)


def test_audit(env, command, mistake, tmp_path):
    if env not in ASKING:
        assert f"audit {env}: this game has no user" in mistake("audit", "--env", env)
        return
    code, _, err = command("audit", *on(env), "--tasks", 2, "--out", tmp_path / "audit.json")
    assert code == 0, err


def test_isotoken(env, run, command, mistake, tmp_path):
    if not env.startswith("pingeval"):
        assert f"isotoken {env}: this game takes no turns and budget" in mistake(
            "isotoken", env, "--agent", "x"
        )
        return
    options = ("--turns", "2,4", "--budget", 16, "--episodes", 4, "--out", tmp_path / "iso")
    code, _, err = command("isotoken", env, "--agent", f"guess,{run}", *options)
    assert code == 0, err
    assert len(json.loads((tmp_path / "iso" / "isotoken.json").read_text())["rows"]) == 16


def test_demo(env, run, command, mistake, monkeypatch):
    shown = []
    monkeypatch.setattr(playground_page, "serve", lambda play, name, *where: shown.append(play.env.name))
    if env not in ASKING:
        assert f"demo {env}: the page is made for" in mistake("demo", run)
        return
    code, _, err = command("demo", run, *(() if env == "synthetic-v0" else on(env)))
    assert code == 0, err
    assert shown == [env]


def test_a_run_is_refused_where_its_players_see_something_else(env, trained, mistake):
    other = "csp-v0" if env in ASKING else "synthetic-v0"
    said = mistake("evaluate", trained(other), *on(env), *FEW)
    assert env in said
    assert other in said
