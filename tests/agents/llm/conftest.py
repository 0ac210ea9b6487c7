"""A server that answers and fails in every way that a server can, for the tests of what speaks to one."""

import json
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import clarify_env
from clarify_env.agents import OpenAIAgent

KEY = "sk-very-secret"


class FaultServer(ThreadingHTTPServer):
    """Speaks chat completions; `fault(seed, tried)` names what goes wrong with a request, or None.

    A fault is a name, or a status with the body that is sent, as JSON or as bytes.
    """

    daemon_threads = True
    request_queue_size = 128
    wait = 0.3  # seconds that a 429 asks for
    key = KEY

    def __init__(self, fault=lambda seed, tried: None, write=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault, self.write = fault, write or self.play
        self.lock = threading.Lock()
        self.bodies, self.times, self.faults = [], defaultdict(list), []
        self.tokens, self.paths, self.reply = Counter(), [], None
        self.now = self.most = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_):
        """A client that went away is no news."""

    @staticmethod
    def play(body):
        """What the model says: a function of the chat and the seed."""
        seed, chat = body.get("seed", 0), body["messages"]
        if chat[0]["content"].startswith("You answer"):
            said = ("<ask>Which profession?</ask>", "<answer>Oslo</answer>", "who knows")
            return {"content": said[2 if seed % 10 == 9 else seed % 2 if len(chat) < 5 else 1]}
        return {"content": "1" if "number of the line" in chat[0]["content"] else f"a painter {seed}"}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Silence."""

    def send(self, status, data, length=None, **headers):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(length or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.server.paths.append(self.path)
        self.send(200, {"data": [{"id": "small"}, {"id": "large"}]})

    def do_POST(self):
        server = self.server
        server.paths.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seed = body.get("seed", -1)
        with server.lock:
            server.now += 1
            server.most = max(server.most, server.now)
            server.bodies.append(body)
            times = server.times[seed, len(body["messages"])]
            times.append(time.monotonic())
            fault = server.fault(seed, len(times) - 1)
            if fault:
                server.faults.append((fault, (seed, len(body["messages"])), len(times) - 1))
        try:
            self.answer(body, fault)
        finally:
            with server.lock:
                server.now -= 1

    def answer(self, body, fault):
        usage = {"prompt_tokens": sum(len(m["content"]) for m in body["messages"]), "completion_tokens": 7}
        if fault == "hang":
            time.sleep(1.4)
        if fault == "429":
            return self.send(429, {"error": {"message": "slow down"}}, retry_after=str(self.server.wait))
        if fault in ("500", "404", "401"):
            return self.send(int(fault), {"error": {"message": f"no {self.headers['authorization']}"}})
        if fault == "garbage":
            return self.send(200, b"<html>\xff</html>")
        if isinstance(fault, tuple):
            return self.send(*fault)
        if self.server.reply:
            return self.server.reply(self)
        message = self.server.write(body)
        data = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
        if fault == "shape":
            data["choices"] = [None]
        if body.get("logprobs"):
            data["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.5}]}
        if fault in ("hang", "cut"):
            self.close_connection = True
            return self.send(200, b'{"choices": [{"mess', length=500) if fault == "cut" else None
        with self.server.lock:
            self.server.tokens.update(usage)
        return self.send(200, data)


@pytest.fixture
def start():
    """Starts servers, and agents that belong to them, and ends them."""
    started = []

    pytest.importorskip("httpx")

    def make(fault=lambda seed, tried: None, write=None, **options):
        server = FaultServer(fault, write)
        agent = OpenAIAgent("small", server.url, KEY, **{"timeout": 5.0, **options})
        agent.server.backoff = 0.01
        started.extend([(agent.close,), (server.shutdown, server.server_close)])
        return server, agent

    yield make
    for ends in started:
        for end in ends:
            end()


@pytest.fixture
def observed():
    """What an asker sees at the start."""
    return clarify_env.make("synthetic-v0").reset(seed=0)[0]["asker"]
