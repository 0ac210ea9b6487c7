"""Users by name: one behind a server is audited and crossed like any other."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import AlwaysAsk
from clarify_env.agents.catalog import load
from clarify_env.games.clarification import Costs
from clarify_env.trainers.evaluation.audit import audit
from clarify_env.trainers.evaluation.crossplay import crossplay

pytest.importorskip("httpx")


class Handler(BaseHTTPRequestHandler):
    """A model that takes the first line and refuses to say anything else."""

    def log_message(self, *_):
        """Silence."""

    def send(self, data):
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send(
            {"object": "list", "data": [{"id": "mute", "object": "model", "created": 0, "owned_by": "me"}]}
        )

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        select = "number of the line" in body["messages"][0]["content"]
        message = {"role": "assistant", "content": "1" if select else "I would rather not say."}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self.send(
            {"id": "x", "object": "chat.completion", "created": 0, "model": "mute", "choices": [choice]}
        )


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def test_a_user_behind_a_server_is_audited_and_crossed(url, tmp_path):
    env = clarify_env.make("synthetic-v0", split="validation", size=30)
    user = load("server:mute", env, "user", server=url)
    report = audit(env, user, tasks=4)
    assert report["rates"]["empty"]["mean"] == 1.0
    assert report["right"]["by_probe"]["nag"]["mean"] == 1.0
    assert 0.0 < report["rates"]["wrong_branch"]["mean"] < 1.0  # the first line is right at times
    assert report["rates"]["unreadable"]["count"] == report["rates"]["failed"]["count"] == 0
    users = {"server:mute": user, "scripted": load("scripted", env, "user")}
    result = crossplay(
        env,
        {"ask": AlwaysAsk()},
        users,
        tmp_path,
        own={"ask": "scripted"},
        cells=[Costs(0.05, 0.01)],
        tasks=4,
    )
    assert (
        result["matrix"]["ask"]["server:mute"]["reward"]["mean"]
        < result["matrix"]["ask"]["scripted"]["reward"]["mean"]
    )
    assert "drop" in result["rows"]["ask"]


def test_a_model_that_the_server_does_not_have(url):
    with pytest.raises(ClarifyError, match="mute"):
        load("server:deaf", clarify_env.make("synthetic-v0", size=3), "user", server=url)
