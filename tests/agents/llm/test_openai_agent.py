"""OpenAIAgent against a server that fails in every way that a server can."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError, Failed, NoMove, rollout
from clarify_env.agents import OpenAIAgent, ScriptedUser
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.games.clarification import SEEN, Answer

pytest.importorskip("httpx")

KEY = "sk-very-secret"
FAULTS = ("429", "500", "hang", "cut", "garbage", "shape", "404", "401")
COUNTED = "rate_limited server_error timeout cut not_json wrong_shape unknown_model denied".split()
KINDS = dict(zip(FAULTS, COUNTED, strict=True))
WAIT = 0.3  # seconds that a 429 asks for


class FaultServer(ThreadingHTTPServer):
    """Speaks chat completions; `fault(seed, tried)` names what goes wrong with a request, or None."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fault=lambda seed, tried: None, write=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault, self.write = fault, write or self.play
        self.lock = threading.Lock()
        self.bodies, self.times, self.faults = [], defaultdict(list), []
        self.tokens = Counter()
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
        self.send(200, {"data": [{"id": "small"}, {"id": "large"}]})

    def do_POST(self):
        server = self.server
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
            return self.send(429, {"error": {"message": "slow down"}}, retry_after=str(WAIT))
        if fault in ("500", "404", "401"):
            return self.send(int(fault), {"error": {"message": f"no {self.headers['authorization']}"}})
        if fault == "garbage":
            return self.send(200, b"<html>\xff</html>")
        if isinstance(fault, tuple):
            return self.send(*fault)
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


def observed():
    """What an asker sees at the start."""
    return clarify_env.make("synthetic-v0").reset(seed=0)[0]["asker"]


def played(agent, episodes=60, user=None, batch=16):
    env = clarify_env.make("synthetic-v0", costs=SEEN)
    return list(rollout(env, {"asker": agent, "user": user or ScriptedUser()}, episodes, seed=1, batch=batch))


def test_a_mixture_of_faults_costs_the_episodes_that_it_hits_and_nothing_else(start):
    def fault(seed, tried):
        draw = np.random.default_rng((seed, tried)).random()
        return FAULTS[int(draw * 4 * len(FAULTS))] if draw < 0.25 else None

    server, agent = start(fault, timeout=1.0, retries=2, concurrency=8)
    episodes = played(agent)
    whole = played(start()[1])

    assert [e.index for e in episodes] == list(range(60))
    failed = [e for e in episodes if e.stop == "failed"]
    assert 2 < len(failed) < 30
    assert [e for e in episodes if e.stop != "failed"] == [
        w for e, w in zip(episodes, whole, strict=True) if e.stop != "failed"
    ]
    assert all(e.detail.startswith(f"asker: {server.url}, model 'small': ") for e in failed)
    assert KEY not in json.dumps([e.to_data() for e in episodes])

    stats = agent.stats
    assert stats["failed"] == len(failed) == sum(v for k, v in stats.items() if k.startswith("failed/"))
    assert stats["requests"] == len(server.bodies)
    assert server.most <= 8
    counted = Counter(KINDS[name] for name, *_ in server.faults)
    assert counted == {k.removeprefix("faults/"): v for k, v in stats.items() if k.startswith("faults/")}
    assert set(counted) == set(KINDS.values())
    assert stats["retries"] == stats["requests"] - stats["messages"] - stats["failed"]
    assert stats["prompt_tokens"] == server.tokens["prompt_tokens"]
    assert stats["sampled_tokens"] == server.tokens["completion_tokens"]
    limited = [(server.times[key], tried) for name, key, tried in server.faults if name == "429"]
    pauses = [times[tried + 1] - times[tried] for times, tried in limited if len(times) > tried + 1]
    assert pauses
    assert min(pauses) >= WAIT


def test_retry_after_is_waited_for_and_its_limit_is_kept(start):
    server, agent = start(lambda seed, tried: "429" if tried == 0 else None)
    agent.act([observed()])
    ((first, second),) = server.times.values()
    assert WAIT <= second - first < WAIT + 1.0
    server, agent = start(lambda seed, tried: "429", longest_wait=0.1)
    assert "429" in agent.act([observed()])[0].move.reason
    assert len(server.bodies) == 1


def test_answers_keep_their_places_whichever_comes_first(start):
    def slowly(body):
        time.sleep(body["seed"] % 7 * 0.02)
        return {"content": f"<answer>{body['seed']}</answer>"}

    server, agent = start(write=slowly, concurrency=5)
    rngs = [np.random.default_rng(k) for k in range(20)]
    expected = [Answer(str(np.random.default_rng(k).integers(2**31))) for k in range(20)]
    assert [d.move for d in agent.act([observed()] * 20, rngs)] == expected
    assert 1 < server.most <= 5


def test_one_generator_for_all_dialogues_gives_each_its_own_seed(start):
    server, agent = start()
    first = agent.act([observed()] * 12, [np.random.default_rng(3)] * 12)
    assert len({body["seed"] for body in server.bodies}) == 12
    assert first == agent.act([observed()] * 12, [np.random.default_rng(3)] * 12)


def test_a_model_can_be_the_user_too(start):
    (_, asker), (_, user) = start(), start()
    episodes = played(asker, 12, user)
    assert {e.stop for e in episodes} <= {"selected", "unreadable_message"}
    replies = [m for e in episodes for m in e.moves("user") if m.kind == "reply"]
    assert all(m.text.startswith("a painter") for m in replies)
    assert replies


@pytest.mark.parametrize("names_it", [True, False])
def test_a_field_that_the_server_rejects_is_left_out_from_then_on(start, caplog, names_it):
    said = "unsupported: seed, logprobs" if names_it else "bad request"

    def fault(seed, tried):
        return (400, {"error": {"message": said}}) if seed >= 0 else None

    server, agent = start(fault, logprobs=True)
    for _ in range(3):
        (decision,) = agent.act([observed()])
        assert not isinstance(decision.move, Failed)
    assert ["seed" in body for body in server.bodies] == [True, False, False, False]
    assert sum("takes no seed from now on" in message for message in caplog.messages) == 1


def test_a_request_that_is_rejected_for_another_reason_leaves_nothing_out(start):
    _, agent = start(lambda *_: (400, {"detail": "too long a prompt"}), logprobs=True)
    assert "too long a prompt" in agent.act([observed()])[0].move.reason
    assert agent.server.left_out == set()


def test_logprobs_are_kept_where_they_are_asked_for(start):
    trace = start(logprobs=True)[1].act([observed()])[0].trace
    assert (trace["tokens"], trace["logprobs"]) == (["a"], [-0.5])
    assert set(start()[1].act([observed()])[0].trace) == {"seed", "finish"}


@pytest.mark.parametrize(
    ("message", "came", "counter"),
    [
        ({"content": None}, "", "format_failures"),
        ({"content": "  "}, "  ", "format_failures"),
        ({"content": None, "refusal": "I cannot."}, "I cannot.", "refusals"),
    ],
)
def test_messages_that_say_nothing_are_the_models_own_fault(start, message, came, counter):
    _, agent = start(write=lambda body: message, format_retries=2)
    (decision,) = agent.act([observed()])
    assert isinstance(decision.move, NoMove)
    assert decision.message == came
    assert agent.stats[counter] == agent.stats["requests"] == 3
    assert (agent.stats["messages"], agent.stats["failed"]) == (1, 0)


class Plain(AskerPrompt):
    """An own format: the whole message is the answer."""

    def read(self, text, observation):
        return Answer(text.strip(" .!"))


def test_a_prompt_format_of_ones_own_is_played(start):
    _, agent = start(write=lambda body: {"content": " Oslo! "}, prompt=Plain())
    (episode,) = played(agent, 1)
    assert episode.moves("asker") == [Answer("Oslo")]
    assert dict(episode.steps[0].messages)["asker"] == " Oslo! "
    assert dict(episode.steps[0].traces)["asker"]["finish"] == "stop"


def test_a_models_thought_as_the_user_is_not_said(start):
    def write(body):
        picks = "number of the line" in body["messages"][0]["content"]
        return {"content": "<think>zebra</think>" + ("1" if picks else "a painter")}

    (_, asker), (_, user) = start(), start(write=write)
    episodes = played(asker, 12, user)
    replies = {m.text for e in episodes for m in e.moves("user") if m.kind == "reply"}
    assert replies == {"a painter"}
    assert all("zebra" in text for e in episodes for s in e.steps for p, text in s.messages if p == "user")


def test_check_names_what_is_wrong_at_the_start(start):
    server, agent = start()
    agent.check()
    with OpenAIAgent("smal", server.url) as wrong, pytest.raises(ClarifyError, match="did you mean 'small'"):
        wrong.check()
    with OpenAIAgent("m", "http://me:pw@127.0.0.1:9/v1", KEY) as down, pytest.raises(ClarifyError) as error:
        down.check()
    assert str(error.value) == "OpenAIAgent: http://127.0.0.1:9/v1, model 'm': cannot be reached"
    assert KEY not in repr(down) + str(vars(down))


@pytest.mark.parametrize("how", ["interrupted", "left open"])
def test_no_thread_outlives_an_interruption_or_the_end(start, how):
    server, _ = start(lambda *_: "hang" if how == "interrupted" else None)
    code = (
        "import clarify_env\nfrom clarify_env.agents import OpenAIAgent\n"
        f"agent = OpenAIAgent('small', {server.url!r}, timeout=60.0, retries=1000)\n"
        "observation = clarify_env.make('synthetic-v0').reset(seed=0)[0]['asker']\n"
        "agent.act([observation] * 4)\n"
    )
    args = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", code]
    process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_PROXY": "*"})
    while not server.bodies and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.2 if how == "interrupted" else 0.0)
    begun = time.monotonic()
    if how == "interrupted":
        process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=20)[1]
    assert time.monotonic() - begun < 3.0
    assert ("KeyboardInterrupt" in told) == (how == "interrupted")
    assert "Warning" not in told
    assert "Exception ignored" not in told
