"""Another person's package, installed: commands take its game, players and algorithm as they take ours."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "examples" / "third_party"
TINY = "--agent move-scorer --tasks 4 --group-size 24 --gradient-steps 100 --eval-tasks 4 --no-wandb"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the package as pip installs it: nothing is fetched, and nothing of ours is touched."""
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("third")
    source = shutil.copytree(PACKAGE, folder / "source")
    how = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", folder / "site"]
    subprocess.run([sys.executable, "-m", "pip", "install", *how, source], check=True, capture_output=True)
    return folder / "site"


@pytest.fixture(scope="module")
def python(site, tmp_path_factory):
    """A function that runs Python code in a fresh interpreter that has the package; gives what it prints."""
    folder = tmp_path_factory.mktemp("runs")

    def run(code, *arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200", "OPENAI_API_KEY": "none"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    run.folder = folder
    return run


@pytest.fixture(scope="module")
def command(python):
    """A function that runs `clarify-env`."""
    return lambda *arguments: python("from clarify_env.trainers.cli import main; main()", *arguments)


def test_its_parts_are_where_the_entry_points_say(site):
    (info,) = site.glob("*.dist-info")
    assert "animals-v0 = animals.game:SPEC" in (info / "entry_points.txt").read_text()
    assert (site / "animals" / "policy.py").is_file()


def test_the_game_is_listed_checked_and_played(command, python):
    listed = command("envs")
    assert "animals-v0" in listed
    assert "question_cost=0.1" in listed
    code = "import clarify_env as c; from clarify_env.testing import check_env, check_agent\n"
    code += "env = c.make('animals-v0', question_cost=0.1); print(*check_env(env))\n"
    code += "from clarify_env.agents.roster import roster_of\n"
    code += "print(*check_agent(roster_of(env.game).teams['halving'](env, {})['guesser'], env))"
    checks, agent = python(code).splitlines()
    assert {"determinism", "processes", "privacy", "forgery"} <= set(checks.split())
    assert {"batch", "odd", "texts"} <= set(agent.split())
    played = command("play", "--env", "animals-v0", "--as", "nobody", "--costs", "question=0.2", "--task", 2)
    assert "guesser" in played
    assert "+0.600" in played  # two questions halve four animals


def test_its_moves_are_read_back_as_its_own(python):
    """Though ours has moves of the same kind, whichever of the two was defined last."""
    code = """
import clarify_env as c
from clarify_env.agents.roster import roster_of
from clarify_env.games.csp.records import Question as Other
env = c.make('animals-v0')
(episode,) = c.rollout(env, roster_of(env.game).teams['halving'](env, {}), 1)
from dataclasses import dataclass
@dataclass(frozen=True)
class Guess(c.TextMove):
    pass
c.write_episodes('x.jsonl', [episode])
print(next(c.read_episodes('x.jsonl')) == episode, Guess.kind == episode.moves('guesser')[-1].kind)
"""
    assert python(code).split() == ["True", "True"]


def test_it_is_trained_evaluated_and_reported(command, python):
    shown = command("train", "--env", "animals-v0", *TINY.split(), "--out", "run", "--iterations", 3)
    assert "iteration 3/3" in shown
    command("evaluate", "run", "--eval-tasks", 4)
    summary = json.loads((python.folder / "run" / "summary.json").read_text())
    assert summary["unseen"]["normalized"]["mean"] > 0.5
    assert [cell["costs"]["question"] for cell in summary["cells"]] == [0.05, 0.4, 0.1, 0.2]
    command("report", "run")
    (page,) = python.folder.rglob("report.html")
    assert "animals-v0" in page.read_text(encoding="utf-8")


def test_its_own_algorithm_trains(command, python):
    shown = command(
        "train",
        "--env",
        "animals-v0",
        *TINY.split(),
        "--out",
        "own",
        "--iterations",
        1,
        "--algorithm",
        "above-average",
    )
    assert "iteration 1/1" in shown
    config = json.loads((python.folder / "own" / "config.json").read_text())
    assert config["algorithm"]["name"] == "above-average"


class Chat(BaseHTTPRequestHandler):
    """A server whose model asks what flies, then names the bat or the otter."""

    def log_message(self, *_):
        """Silence."""

    def do_GET(self):
        self.reply({"data": [{"id": "animal-lover"}]})

    def do_POST(self):
        chat = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"]
        self.server.chats.append(chat)
        said = "<question>flies</question>"
        if len(chat) > 2:
            said = f"<guess>{'bat' if chat[-1]['content'] == 'yes' else 'otter'}</guess>"
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self.reply({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})

    def reply(self, data):
        content = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_a_language_model_is_prompted_and_its_message_played(command, python):
    pytest.importorskip("httpx")
    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        server.chats = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        where = ("--env", "animals-v0", "--server", url, "--out", "model", "--eval-tasks", 4)
        command("evaluate", "server:animal-lover", *where)
        server.shutdown()
    chat = next(chat for chat in server.chats if len(chat) == 4)
    assert "one of flies, hunts, swims" in chat[0]["content"]
    assert chat[1]["content"].startswith("A question costs 0.")
    assert chat[2] == {"role": "assistant", "content": "<question>flies</question>"}
    summary = json.loads((python.folder / "model" / "summary.json").read_text())
    assert summary["seen"]["right"]["mean"] == pytest.approx(0.5)  # one of the two that are left, each time
    assert summary["seen"]["questions"]["mean"] == pytest.approx(1.0)
