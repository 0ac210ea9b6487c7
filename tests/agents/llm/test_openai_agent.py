"""OpenAIAgent against a server that fails in every way that a server can."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError, Failed, NoMove, rollout
from clarify_env.agents import OpenAIAgent, ScriptedUser
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.agents.llm.examples import WithExamples, worked
from clarify_env.games.clarification import SEEN, Answer

pytest.importorskip("httpx")

FAULTS = ("429", "500", "hang", "cut", "garbage", "shape", "404", "401")
COUNTED = "rate_limited server_error timeout cut not_json wrong_shape unknown_model denied".split()
KINDS = dict(zip(FAULTS, COUNTED, strict=True))


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
    assert server.key not in json.dumps([e.to_data() for e in episodes])

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
    assert min(pauses) >= server.wait


def test_retry_after_is_waited_for_and_its_limit_is_kept(start, observed):
    server, agent = start(lambda seed, tried: "429" if tried == 0 else None)
    agent.act([observed])
    ((first, second),) = server.times.values()
    assert server.wait <= second - first < server.wait + 1.0
    server, agent = start(lambda seed, tried: "429", longest_wait=0.1)
    assert "429" in agent.act([observed])[0].move.reason
    assert len(server.bodies) == 1


def test_answers_keep_their_places_whichever_comes_first(start, observed):
    def slowly(body):
        time.sleep(body["seed"] % 7 * 0.02)
        return {"content": f"<answer>{body['seed']}</answer>"}

    server, agent = start(write=slowly, concurrency=5)
    rngs = [np.random.default_rng(k) for k in range(20)]
    expected = [Answer(str(np.random.default_rng(k).integers(2**31))) for k in range(20)]
    assert [d.move for d in agent.act([observed] * 20, rngs)] == expected
    assert 1 < server.most <= 5


def test_one_generator_for_all_dialogues_gives_each_its_own_seed(start, observed):
    server, agent = start()
    first = agent.act([observed] * 12, [np.random.default_rng(3)] * 12)
    assert len({body["seed"] for body in server.bodies}) == 12
    assert first == agent.act([observed] * 12, [np.random.default_rng(3)] * 12)


def test_a_model_can_be_the_user_too(start):
    (_, asker), (_, user) = start(), start()
    episodes = played(asker, 12, user)
    assert {e.stop for e in episodes} <= {"selected", "unreadable_message"}
    replies = [m for e in episodes for m in e.moves("user") if m.kind == "reply"]
    assert all(m.text.startswith("a painter") for m in replies)
    assert replies


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "unsupported: seed, logprobs"}},
        {"error": {"message": "Unsupported value.", "param": "seed"}},
        {
            "detail": [
                {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "not permitted", "input": 3}
            ]
        },
    ],
)
def test_a_field_that_the_server_rejects_is_left_out_from_then_on(start, observed, caplog, body):
    server, agent = start(lambda seed, tried: (400, body) if seed >= 0 else None, logprobs=True)
    for _ in range(3):
        (decision,) = agent.act([observed])
        assert not isinstance(decision.move, Failed)
    assert ["seed" in body for body in server.bodies] == [True, False, False, False]
    assert sum("takes no seed from now on" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_rejected_for_another_reason_is_not_sent_again(start, observed, status):
    server, agent = start(lambda *_: (status, {"detail": "too long a prompt, linseed"}), logprobs=True)
    assert "too long a prompt" in agent.act([observed])[0].move.reason
    assert agent.server.left_out == set()
    assert len(server.bodies) == 1


def test_logprobs_are_kept_where_they_are_asked_for(start, observed):
    trace = start(logprobs=True)[1].act([observed])[0].trace
    assert (trace["tokens"], trace["logprobs"]) == (["a"], [-0.5])
    assert "logprobs" not in start()[1].act([observed])[0].trace


@pytest.mark.parametrize(
    ("message", "came", "counter"),
    [
        ({"content": None}, "", "format_failures"),
        ({"content": "  "}, "  ", "format_failures"),
        ({"content": None, "refusal": "I cannot."}, "I cannot.", "refusals"),
    ],
)
def test_messages_that_say_nothing_are_the_models_own_fault(start, observed, message, came, counter):
    _, agent = start(write=lambda body: message, format_retries=2)
    (decision,) = agent.act([observed])
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
    with (
        OpenAIAgent("m", "http://me:pw@127.0.0.1:9/v1", server.key) as down,
        pytest.raises(ClarifyError) as error,
    ):
        down.check()
    assert str(error.value) == "OpenAIAgent: http://127.0.0.1:9/v1, model 'm': cannot be reached"
    assert server.key not in repr(down) + str(vars(down))


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


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("vllm", lambda body: body["structured_outputs"]["regex"]),
        ("sglang", lambda body: body["regex"]),
        ("llama.cpp", lambda body: body["grammar"]),
    ],
)
def test_a_server_is_told_the_form_of_a_move_where_it_takes_one(start, kind, field):
    env = clarify_env.make("synthetic-v0")
    dialogues = worked(env, ["asker", "user"], 1)
    server, agent = start(constrain=kind, prompt=WithExamples(dialogues))
    list(rollout(env, {"asker": agent, "user": agent}, 4, seed=1))
    by_role = {"asker": [], "user": []}
    for body in server.bodies:
        asked = body["messages"][0]["content"].startswith("You answer")
        by_role["asker" if asked else "user"].append(body)
    for body in by_role["asker"]:
        form = field(body)
        if kind == "llama.cpp":
            assert form.startswith('root ::= "<ask>" text "</ask>" | ')
            continue
        assert re.fullmatch(form, "<ask>Which one?</ask>")
        assert re.fullmatch(form, "<enumerate>\na => b\nc => d\n</enumerate>")
        assert not re.fullmatch(form, "Sure! <ask>Which one?</ask>")
        assert not re.fullmatch(form, "<ask>a</ask><ask>b</ask>")
    assert by_role["user"]
    for body in by_role["user"]:  # whose messages have no tags
        assert not {"structured_outputs", "regex", "grammar"} & set(body)


def test_an_unknown_kind_of_server_is_told(start):
    with pytest.raises(ClarifyError, match="unknown constrain 'vlm'; did you mean 'vllm'"):
        start(constrain="vlm")
