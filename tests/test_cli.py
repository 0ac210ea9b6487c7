"""The command `clarify-env`: what works, what goes wrong in one line, and Ctrl-C."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from clarify_env import read_episodes
from clarify_env.trainers import cli
from clarify_env.trainers.runs import RunDirectory

TINY = "--agent move-scorer --tasks 2 --samples 4 --updates 5 --eval-tasks 3 --no-wandb".split()

COMMANDS = ("envs", "play", "train", "evaluate", "report", "audit", "crossplay", "demo")


def command(*arguments, stdin=""):
    """Exit code, standard output and standard error of the command."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["clarify-env", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        patch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code, out.getvalue(), err.getvalue()


def mistake(*arguments, code=1, stdin=""):
    """The one line in which a mistake ends."""
    found, _, err = command(*arguments, stdin=stdin)
    assert found == code, err
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith("clarify-env: ")
    return lines[0]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working folder of its own, no data of this machine, and nothing sent to anybody."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLARIFY_ENV_DATA", raising=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one iteration, and what the command printed."""
    out = tmp_path_factory.mktemp("trained") / "run"
    code, text, err = command("train", "--out", out, "--iterations", 1, *TINY)
    assert code == 0, err
    return out, text


def test_envs_lists_the_environments_with_their_options():
    code, out, _ = command("envs")
    assert code == 0
    for word in ("synthetic-v0", "ambigqa-v0", "knowledge='open'", "data_dir", "turn_cost"):
        assert word in out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples(name):
    code, out, _ = command(name, "--help")
    assert code == 0
    assert f"clarify-env {name}" in out
    assert "Example" in out
    if name in ("train", "evaluate"):
        assert all(option in out for option in ("--env", "--data-dir", "--out", "--seed"))


def test_help_names_the_commands():
    out = command("--help")[1]
    assert all(name in out for name in COMMANDS)


def test_a_person_plays_the_asker():
    typed = "what?\nask Which profession?\nanswer Port Arden\n"
    code, out, _ = command("play", "--seed", 3, "--turn-cost", 0.25, stdin=typed)
    assert code == 0
    assert "A question costs 0.25, a word of the final message 0.01." in out
    assert "is no move" in out
    assert "turn_cost -0.250" in out
    assert "Optimal play with open notes earns +" in out


def test_a_person_plays_the_user_and_both():
    code, out, _ = command("play", "--as", "user", "--agent", "always-answer", stdin="\n")
    assert code == 0
    assert "What you mean: " in out
    assert "selected: reward" in out
    code, out, _ = command("play", "--as", "both", stdin="ask Who?\nthe first\nanswer Oslo\n\n")
    assert code == 0
    assert "user reply: the first" in out


def test_nobody_plays_and_the_seed_repeats_it():
    arguments = ("play", "--as", "nobody", "--agent", "always-ask", "--episodes", 3, "--noise", 0.3)
    first, again = (command(*arguments, "--seed", 7) for _ in range(2))
    assert first == again
    assert first[0] == 0
    assert first[1].count("selected: reward") == 3
    assert command(*arguments, "--seed", 8)[1] != first[1]
    pinned = command("play", "--as", "nobody", "--task", 5)[1]
    assert "validation-0-5" in pinned
    assert "validation-0-6" in command("play", "--as", "nobody", "--task", "validation-0-6")[1]


def test_train_writes_a_run_and_its_evaluation(trained):
    out, text = trained
    names = {path.name for path in out.iterdir()}
    assert names == {
        *("config.json", "versions.json", "metrics.jsonl", "episodes", "checkpoints"),
        *("summary.json", "questions.parquet", "steerability.png", "surfaces.png", "frontier.png"),
    }
    assert "iteration 1/1: played reward" in text
    assert "normalized" in text
    config = json.loads((out / "config.json").read_text())
    assert (config["tasks"], config["samples"], config["iterations"]) == (2, 4, 1)
    assert len(list(read_episodes(out / "episodes" / "iteration-000.parquet"))) == 8
    assert json.loads((out / "summary.json").read_text())["questions"] == 3


def test_evaluate_a_run_and_agents_by_name(trained, tmp_path):
    again = ("--out", tmp_path / "again", "--no-wandb")
    code, text, _ = command("evaluate", trained[0], "--eval-tasks", 2, *again)
    assert code == 0
    assert not list((tmp_path / "again").glob("wandb*"))
    assert "move-scorer (best-continuation) on synthetic-v0" in " ".join(text.split())
    assert json.loads((tmp_path / "again" / "summary.json").read_text())["questions"] == 2
    assert json.loads((trained[0] / "summary.json").read_text())["questions"] == 3
    code, _, err = command("evaluate", "optimal", "--eval-tasks", 2)
    assert code == 0, err
    summary = json.loads((tmp_path / "runs" / "optimal-synthetic-v0" / "summary.json").read_text())
    assert summary["unseen"]["normalized"]["mean"] == pytest.approx(1.0)
    assert len(list(tmp_path.glob("runs/optimal-synthetic-v0/wandb/offline-run-*"))) == 1


def test_crossplay_knows_the_user_of_a_runs_training(trained, tmp_path):
    costs = ("--turn-costs", "0.1", "--word-costs", "0.01", "--eval-tasks", 3, "--out", tmp_path / "cross")
    code, text, err = command("crossplay", trained[0], "optimal", "--users", "scripted,vague:0.3", *costs)
    assert code == 0, err
    assert "crossplay.png" in "".join(text.split())
    result = json.loads((tmp_path / "cross" / "crossplay.json").read_text())
    assert {asker: row["own_user"] for asker, row in result["rows"].items()} == {
        trained[0].name: "scripted", "optimal": "scripted",
    }  # fmt: skip
    assert result["costs"] == [[0.1, 0.01]]
    assert result["questions"] == 3


def test_audit_writes_a_report_and_its_worst_dialogues(tmp_path):
    code, text, err = command("audit", "--noise", 0.3, "--tasks", 5, "--out", tmp_path / "audit.json")
    assert code == 0, err
    assert "contradiction" in text
    assert json.loads((tmp_path / "audit.json").read_text())["questions"] == 5
    assert "## contradiction" in (tmp_path / "audit.md").read_text()


def test_reports_of_one_and_of_several(trained, tmp_path):
    again = tmp_path / "again"
    code, text, err = command(
        "evaluate", "always-ask", "--eval-tasks", 3, "--out", again, "--no-wandb", "--report"
    )
    assert code == 0, err
    assert f"Report: {again / 'report.html'}" in text.replace("\n", "")
    assert "</html>" in (again / "report.html").read_text()
    code, text, err = command("report", trained[0], again, "--out", tmp_path / "both.html")
    assert code == 0, err
    assert '"comparison": {"questions": 3' in (tmp_path / "both.html").read_text()
    assert "no summary.json; evaluate it first" in mistake("report", tmp_path)


def test_what_the_playground_cannot_try_is_said(tmp_path):
    assert "unknown agent or run directory 'optimum'; did you mean 'optimal'?" in mistake("demo", "optimum")
    assert "no run directory" in mistake("demo", tmp_path)


def test_a_finished_run_goes_on_with_more_iterations(trained, tmp_path):
    run = RunDirectory(tmp_path / "run")
    assert command("train", "--out", run.path, "--iterations", 1, *TINY)[0] == 0
    code, text, err = command("train", "--out", run.path, "--resume", "--iterations", 2, *TINY)
    assert code == 0, err
    assert "iteration 2/2" in text
    assert run.last() == 2
    own = (run.checkpoint(1) / "weights.safetensors").read_bytes()
    assert own == (RunDirectory(trained[0]).checkpoint(1) / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("play --env synthetc-v0", "unknown environment 'synthetc-v0'; did you mean 'synthetic-v0'?"),
        ("play --as nobody --agent optimall", "unknown agent 'optimall'; did you mean 'optimal'?"),
        ("play --as askr", "unknown player 'askr'; did you mean 'asker'?"),
        ("play --split valid", "unknown split 'valid'"),
        ("play --turn-cost -0.1", "turn_cost=-0.1: a cost is a finite number >= 0"),
        ("play --word-cost nan", "word_cost=nan: a cost is a finite number >= 0"),
        ("play --noise 1.5", "noise=1.5): a probability in [0, 1)"),
        ("play --task 9999", "there are 500 tasks, from 0"),
        ("play --task nothing", "'nothing': no task has this id"),
        ("play --data-dir nowhere", "unknown option 'data_dir'"),
        ("train --rule topk", "unknown selection rule 'topk'; did you mean 'top-k'?"),
        ("train --env synthetic", "unknown environment 'synthetic'; did you mean 'synthetic-v0'?"),
        ("train --noise -0.1", "noise=-0.1): a probability in [0, 1)"),
        ("train --noise 0.6 --refusal 0.5", "the user would never answer"),
        ("train --turn-costs 0.1,x", "--turn-costs='0.1,x': numbers with commas between them"),
        ("train --word-costs 0.1,-1", "word_cost=-1.0: a cost is a finite number >= 0"),
        ("train --start-share 2", "start_share=2.0: a share between 0 and 1"),
        ("train --resume --out nowhere", "nowhere: no run directory; it has no config.json"),
        ("evaluate optimum", "unknown agent or run directory 'optimum'; did you mean 'optimal'?"),
        ("crossplay optimum", "unknown agent or run directory 'optimum'; did you mean 'optimal'?"),
        ("crossplay optimal optimal", "two askers are called 'optimal'"),
        ("crossplay optimal --users scriptd", "unknown user 'scriptd'; did you mean 'scripted'?"),
        ("crossplay optimal --users noisy:2", "noise=2.0): a probability in [0, 1)"),
        ("crossplay optimal --turn-costs 0.1", "--turn-costs and --word-costs: give both or none"),
        ("audit server:some --server localhost", "does not begin with http:// or https://"),
        ("audit nowhere/at/all", "no such folder"),
        ("evaluate human", "unknown agent or run directory 'human'"),
        ("evaluate .", ".: no run directory; it has no config.json"),
        ("evaluate optimal --noise nan", "noise=nan): a probability in [0, 1)"),
        ("evaluate always-ask --split nothing", "unknown split 'nothing'"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, said, tmp_path):
    assert said in mistake(*arguments.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("trian", "trian"),
        ("train --tasks 0", "--tasks"),
        ("train --seeds 1", "--seeds"),
        ("train --iterations many", "--iterations"),
        ("evaluate", "argument"),
        ("evaluate optimal --seed -1", "--seed"),
        ("play --episodes 0", "--episodes"),
    ],
)
def test_mistakes_of_form_exit_with_2(arguments, said):
    assert said in mistake(*arguments.split(), code=2)


def test_data_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    said = mistake("play", "--env", "ambigqa-v0")
    assert all(hint in said for hint in ("no data", "--data-dir", "CLARIFY_ENV_DATA", "clarify_env[hub]"))
    said = mistake("train", "--env", "ambigqa-v0", "--data-dir", "nowhere", "--no-wandb")
    assert "nowhere" in said
    assert "no train_light.json or train.json there" in said


def test_truncated_data_is_named_by_file_and_position(tmp_path):
    (tmp_path / "dev_light.json").write_text('[{"id": "1",\n "question": ')
    said = mistake("play", "--env", "ambigqa-v0", "--data-dir", tmp_path)
    assert "dev_light.json: malformed JSON at line 2, column 14" in said


def test_a_run_is_not_overwritten_and_goes_on_only_with_its_settings(trained):
    out, _ = trained
    before = (out / "config.json").read_bytes(), (out / "metrics.jsonl").read_bytes()
    assert "holds a run already; continue it with --resume" in mistake("train", "--out", out, *TINY)
    said = mistake("train", "--out", out, "--resume", "--seed", 5, *TINY)
    assert "was started with seed=0, not 5; leave it out" in said
    said = mistake("evaluate", out, "--checkpoint", 7)
    assert "has no checkpoint 7" in said
    assert before == ((out / "config.json").read_bytes(), (out / "metrics.jsonl").read_bytes())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "file/run: cannot be made: " in mistake("train", "--out", "file/run", *TINY)
    said = mistake("evaluate", "always-answer", "--out", "file/run", "--eval-tasks", 1)
    assert "file/run" in said


def test_the_end_of_the_input_is_told():
    code, _, err = command("play", stdin="")
    assert code == 1
    assert err.split("\n")[-2].startswith("clarify-env: no more input")


def test_an_evaluation_overwrites_no_other_run(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text("{}")
    code, _, err = command("evaluate", "random", "--out", str(run), "--eval-tasks", "2", "--no-wandb")
    assert code == 1
    assert "holds the run of another policy" in err
    assert not (run / "summary.json").exists()


def test_ctrl_c_keeps_what_is_complete_and_resume_finishes(tmp_path):
    run = RunDirectory(tmp_path / "run")
    start = [sys.executable, "-c", "from clarify_env.trainers.cli import main; main()"]
    process = subprocess.Popen(
        [*start, "train", "--out", str(run.path), "--iterations", "3", *TINY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + 60
    while not run.checkpoint(1).is_dir() and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted" in err
    assert 1 <= run.last() < 3
    assert not (run.path / "summary.json").exists()
    code, _, err = command("train", "--out", run.path, "--resume", *TINY)
    assert code == 0, err
    assert run.last() == 3
    assert [line["iteration"] for line in run.metrics()] == [0, 1, 2]
    assert (run.path / "summary.json").exists()


@pytest.mark.parametrize("who", ["always-answer", "optimal"])
def test_an_agent_that_needs_notes_says_so_in_one_line(who):
    said = mistake("evaluate", who, "--knowledge", "document", "--eval-tasks", 2, "--no-wandb")
    assert "plays from the asker's notes and found none; make the game knowledge='open'" in said


def test_training_the_scorer_without_notes_is_one_line(tmp_path):
    assert "MoveScorer plays from the asker's notes" in mistake("train", "--knowledge", "closed", *TINY)
    assert not [*tmp_path.rglob("config.json")], "it is found out before anything is written"
    assert "unknown knowledge 'notes'" in mistake("play", "--knowledge", "notes")
    assert "unknown knowledge 'opne'" in mistake("audit", "--knowledge", "opne")
