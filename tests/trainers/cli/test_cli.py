"""The command `clarify-env`: what works, what goes wrong in one line, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from clarify_env import read_episodes
from clarify_env.trainers.reporting.figures import FIGURES
from clarify_env.trainers.run_directory import RunDirectory

COMMANDS = ("envs", "play", "train", "evaluate", "report", "audit", "crossplay", "compare", "demo", "ablate")


pytestmark = pytest.mark.usefixtures("elsewhere")


def test_envs_lists_the_environments_with_their_options(command):
    code, out, _ = command("envs")
    assert code == 0
    for word in ("synthetic-v0", "ambigqa-v0", "knowledge='open'", "data_dir", "turn_cost"):
        assert word in out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples(name, command):
    code, out, _ = command(name, "--help")
    assert code == 0
    assert f"clarify-env {name}" in out
    assert "Example" in out
    if name in ("train", "evaluate"):
        assert all(option in out for option in ("--env", "--data-dir", "--out", "--seed"))


def test_help_names_the_commands(command):
    out = command("--help")[1]
    assert all(name in out for name in COMMANDS)


def test_a_person_plays_the_asker(command):
    typed = "what?\nask Which profession?\nanswer Port Arden\n"
    code, out, _ = command("play", "--seed", 3, "--costs", "turn=0.25", stdin=typed)
    assert code == 0
    assert "A question costs 0.25, a word of the final message 0.01." in out
    assert "is no move" in out
    assert "turn_cost -0.250" in out
    assert "The optimum with the scripted user is +" in out


def test_a_person_plays_the_user_and_both(command):
    code, out, _ = command("play", "--as", "user", "--agent", "always-answer", stdin="\n")
    assert code == 0
    assert "What you mean: " in out
    assert "selected: reward" in out
    code, out, _ = command("play", "--as", "both", stdin="ask Who?\nthe first\nanswer Oslo\n\n")
    assert code == 0
    assert "user reply: the first" in out


def test_nobody_plays_and_the_seed_repeats_it(command):
    arguments = ("play", "--as", "nobody", "--agent", "always-ask", "--episodes", 3, "--knob", "noise=0.3")
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
        *("config.json", "versions.json", "metrics.jsonl", "clock.json", "episodes", "checkpoints"),
        *("summary.json", "questions.parquet"),
        *(f"{figure}.{kind}" for figure in FIGURES for kind in ("png", "svg")),
    }
    assert "iteration 1/1: played reward" in text
    assert "normalised score" in text
    config = json.loads((out / "config.json").read_text())
    played = config["rollout"]
    assert (played["tasks"], played["group_size"], config["iterations"]) == (2, 4, 1)
    assert len(list(read_episodes(out / "episodes" / "iteration-000.parquet"))) == 8
    assert json.loads((out / "summary.json").read_text())["questions"] == 3


def test_evaluate_a_run_and_agents_by_name(trained, tmp_path, command):
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


def test_crossplay_knows_the_user_of_a_runs_training(trained, tmp_path, command):
    costs = ("--costs", "turn=0.1", "--costs", "word=0.01", "--eval-tasks", 3, "--out", tmp_path / "cross")
    code, text, err = command("crossplay", trained[0], "optimal", "--users", "scripted,vague:0.3", *costs)
    assert code == 0, err
    assert "crossplay.png" in "".join(text.split())
    result = json.loads((tmp_path / "cross" / "crossplay.json").read_text())
    assert {asker: row["own_user"] for asker, row in result["rows"].items()} == {
        trained[0].name: "scripted", "optimal": "scripted",
    }  # fmt: skip
    assert result["costs"] == [{"turn": 0.1, "word": 0.01}]
    assert result["questions"] == 3


def test_audit_writes_a_report_and_its_worst_dialogues(tmp_path, command):
    code, text, err = command("audit", "--knob", "noise=0.3", "--tasks", 5, "--out", tmp_path / "audit.json")
    assert code == 0, err
    assert "contradiction" in text
    assert json.loads((tmp_path / "audit.json").read_text())["questions"] == 5
    assert "## contradiction" in (tmp_path / "audit.md").read_text()


def test_reports_of_one_and_of_several(trained, tmp_path, command, mistake):
    again = tmp_path / "again"
    code, text, err = command(
        "evaluate", "always-ask", "--eval-tasks", 3, "--out", again, "--no-wandb", "--report"
    )
    assert code == 0, err
    assert f"Report: {again / 'report.html'}" in text.replace("\n", "")
    assert "</html>" in (again / "report.html").read_text()
    code, text, err = command("report", trained[0], again, "--out", tmp_path / "both.html")
    assert code == 0, err
    assert "on the same 3 questions" in (tmp_path / "both.html").read_text()
    assert "no summary.json; evaluate it first" in mistake("report", tmp_path)


def test_what_the_playground_cannot_try_is_said(tmp_path, mistake):
    assert "unknown agent or run directory 'optimum'; did you mean 'optimal'?" in mistake("demo", "optimum")
    assert "no run directory" in mistake("demo", tmp_path)


def test_a_finished_run_goes_on_with_more_iterations(trained, tmp_path, command, tiny):
    run = RunDirectory(tmp_path / "run")
    assert command("train", "--env", "synthetic-v0", "--out", run.path, "--iterations", 1, *tiny)[0] == 0
    code, text, err = command("train", "--out", run.path, "--resume", "--iterations", 2, *tiny)
    assert code == 0, err
    assert "iteration 2/2" in text
    assert run.last() == 2
    own = (run.checkpoint(1) / "weights.safetensors").read_bytes()
    assert own == (RunDirectory(trained[0]).checkpoint(1) / "weights.safetensors").read_bytes()


def test_ctrl_c_keeps_what_is_complete_and_resume_finishes(tmp_path, command, tiny):
    run = RunDirectory(tmp_path / "run")
    start = [sys.executable, "-c", "from clarify_env.trainers.cli import main; main()"]
    process = subprocess.Popen(
        [*start, "train", "--out", str(run.path), "--iterations", "3", *tiny],
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
    code, _, err = command("train", "--out", run.path, "--resume", *tiny)
    assert code == 0, err
    assert run.last() == 3
    assert [line["iteration"] for line in run.metrics()] == [0, 1, 2]
    assert (run.path / "summary.json").exists()
