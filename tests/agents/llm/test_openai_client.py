"""Every shape of a server's answer: what is played, whom an end is booked to, and what is tried again."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, Failed, NoMove, rollout, write_episodes
from clarify_env.agents import OpenAIAgent, ScriptedUser
from clarify_env.games.clarification import Answer

pytest.importorskip("httpx")

from clarify_env.agents.llm import openai_client
from clarify_env.agents.llm.openai_client import Answered, Fault, read_answer

OSLO = "<answer>Oslo</answer>"


def body(message, finish="stop", **more):
    """A whole answer."""
    return {"choices": [{"message": message, "finish_reason": finish}], **more}


def one(start, observed, data, **options):
    """The one decision of an agent whose server always answers so, with the server and the agent."""
    server, agent = start(lambda *_: (200, data), **options)
    (decision,) = agent.act([observed])
    return decision, server, agent


@pytest.mark.parametrize(
    ("message", "thought"),
    [
        ({"content": OSLO}, None),
        ({"content": [{"type": "text", "text": OSLO[:9]}, {"type": "text", "text": OSLO[9:]}]}, None),
        ({"content": [{"type": "output_text", "text": OSLO}, {"type": "text", "text": None}]}, None),
        ({"content": ["<answer>", "Oslo</answer>"]}, None),
        ({"content": OSLO, "reasoning_content": "<answer>Bergen</answer>"}, "<answer>Bergen</answer>"),
        ({"content": OSLO, "reasoning_content": None, "reasoning": "Hm."}, "Hm."),
        ({"content": OSLO, "reasoning": {"effort": "high"}, "refusal": None}, None),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Ber"}, {"text": "gen?"}]},
                    {"type": "text", "text": OSLO},
                ]
            },
            "Bergen?",
        ),
        ({"content": [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": OSLO}]}, "Hm."),
    ],
)
def test_texts_are_joined_and_thoughts_are_kept_apart(start, observed, message, thought):
    decision, _, _ = one(start, observed, body(message))
    assert decision.move == Answer("Oslo")
    assert decision.message == OSLO
    assert decision.trace.get("thought") == thought


REFUSED = "the model refused"
FILTERED = "the provider's filter withheld the message"
CUT = "cut off after max_tokens=9, before its move"


@pytest.mark.parametrize(
    ("message", "finish", "reason", "counter"),
    [
        ({"content": None, "refusal": "I cannot."}, "stop", REFUSED, "refusals"),
        ({"content": None, "refusal": OSLO}, "stop", REFUSED, "refusals"),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, "stop", REFUSED, "refusals"),
        ({"content": OSLO}, "content_filter", FILTERED, "filtered"),
        ({"content": None}, "SAFETY", FILTERED, "filtered"),
        (None, "content_filter", FILTERED, "filtered"),
        ({"content": "<answer>Os"}, "length", CUT, "unfinished"),
        ({"content": "", "reasoning": "Well"}, "max_tokens", CUT, "unfinished"),
        ({"tool_calls": [{}]}, "tool_calls", "the message calls a tool in place of a move", "messages"),
        ({"content": " "}, "stop", "the message is empty", "messages"),
    ],
)
def test_what_the_model_does_is_booked_to_its_player(start, observed, message, finish, reason, counter):
    decision, server, agent = one(start, observed, body(message, finish), max_tokens=9)
    assert decision.move == NoMove(reason)
    assert agent.stats[counter] == agent.stats["format_failures"] == len(server.bodies) == 1
    assert agent.stats["failed"] == 0
    env = clarify_env.make("synthetic-v0")
    (episode,) = rollout(env, {"asker": agent, "user": ScriptedUser()}, 1)
    assert (episode.stop, episode.detail) == ("unreadable_message", f"asker: {reason}")


def test_a_move_that_was_complete_before_the_cut_is_played(start, observed):
    decision, _, agent = one(start, observed, body({"content": OSLO + " And"}, "length"))
    assert decision.move == Answer("Oslo")
    assert (decision.trace["finish"], agent.stats["unfinished"]) == ("length", 1)


def test_what_the_server_counted_is_kept(start, observed):
    details = {"reasoning_tokens": 30, "audio_tokens": 0}
    usage = {"prompt_tokens": 50, "completion_tokens": 42, "completion_tokens_details": details}
    decision, _, agent = one(start, observed, body({"content": OSLO}, usage=usage))
    counted = {"prompt_tokens": 50, "sampled_tokens": 42, "thinking_tokens": 30}
    assert counted.items() <= decision.trace.items()
    assert counted.items() <= agent.stats.items()
    assert agent.stats["without_usage"] == 0


@pytest.mark.parametrize("usage", [None, [], 3, {"completion_tokens": True}, {"completion_tokens": -1}])
def test_what_is_no_count_is_not_counted(start, observed, usage):
    decision, _, agent = one(start, observed, body({"content": OSLO}, usage=usage))
    assert set(decision.trace) == {"seed", "finish"}
    assert (agent.stats["sampled_tokens"], agent.stats["without_usage"]) == (0, 1)


@pytest.mark.parametrize(
    ("logprobs", "kept"),
    [
        ({"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": 0}]}, [-0.5, 0.0]),
        ({"tokens": ["a", "b"], "token_logprobs": [-0.5, 0.0]}, [-0.5, 0.0]),
        ({"tokens": ["a", "b"], "token_logprobs": [None, 0.0]}, None),
        ({"tokens": ["a"], "token_logprobs": [-0.5, 0.0]}, None),
        ({"content": [{"token": "a", "logprob": float("-inf")}]}, None),
        ({"content": [{"token": "a", "logprob": -(10**400)}]}, None),
        ({"content": [None]}, None),
        ({"content": []}, None),
        ("none", None),
    ],
)
def test_log_probabilities_are_kept_where_they_are_given_and_whole(start, observed, logprobs, kept):
    data = body({"content": OSLO})
    data["choices"][0]["logprobs"] = logprobs
    decision, _, _ = one(start, observed, data, logprobs=True)
    assert decision.move == Answer("Oslo")
    assert decision.trace.get("logprobs") == kept


@pytest.mark.parametrize(
    ("data", "kind", "requests"),
    [
        ({"error": {"message": "overloaded", "code": 502}}, "server_error", 3),
        ({"error": {"message": "slow down", "code": "429"}}, "rate_limited", 3),
        ({"error": {"message": "slow down", "code": 429}, "choices": []}, "rate_limited", 3),
        ({"object": "error", "message": "no such field", "code": 400}, "rejected", 1),
        ({"error": {"message": "wrong key", "code": 401}}, "denied", 1),
        ({"error": "upstream"}, "provider_error", 3),
        ({"error": {"code": {"a": []}}, "choices": 3}, "provider_error", 3),
        ({"choices": None}, "no_choices", 3),
        ({"choices": []}, "no_choices", 3),
        ({"choices": {"0": {}}}, "no_choices", 3),
        ({}, "no_choices", 3),
        ({"choices": [None]}, "wrong_shape", 3),
        ({"choices": [{"message": None, "finish_reason": "stop"}]}, "wrong_shape", 3),
        (body({"content": 3}), "wrong_shape", 3),
        (body({"content": [{"type": "image", "url": "x"}]}), "wrong_shape", 3),
        (body({"content": [[OSLO]]}), "wrong_shape", 3),
        (body({"content": OSLO}, "error"), "interrupted", 3),
        (body({"content": "<answer>Os"}, "insufficient_system_resource"), "interrupted", 3),
        ({"choices": [{"error": {"code": 502}, "message": {"content": "<answer>Os"}}]}, "interrupted", 3),
        ([], "wrong_shape", 3),
        (3, "wrong_shape", 3),
        (b"", "not_json", 3),
        (b"null", "not_json", 3),
        (b"<!DOCTYPE html><html><body>Bad gateway</body></html>", "not_json", 3),
        (b'{"choices": [{"message": {"content": "<answer>Os', "not_json", 3),
        (b'data: {"choices": []}', "not_json", 3),
        (b'{"choices": [{"message": {"content": "\xff\xfe"}}]}', "not_json", 3),
        (b"[" * 60_000, "not_json", 3),
        (b'{"choices": [' + b"9" * 5000 + b"]}", "not_json", 3),
        (b'{"error": {"code": ' + b"9" * 4000 + b"}}", "provider_error", 3),
        (b'{"x": "' + b"a" * 70_000 + b'"}', "too_large", 1),
    ],
)
def test_what_the_server_does_is_nobodys_move(start, observed, monkeypatch, data, kind, requests):
    monkeypatch.setattr(openai_client, "LARGEST", 2**16)
    decision, server, agent = one(start, observed, data, retries=2)
    assert isinstance(decision.move, Failed)
    assert "\n" not in decision.move.reason
    assert len(decision.move.reason) < 400
    assert server.key not in decision.move.reason
    assert len(server.bodies) == agent.stats[f"faults/{kind}"] == requests
    assert agent.stats["failed"] == agent.stats[f"failed/{kind}"] == 1
    assert (agent.stats["messages"], agent.stats["format_failures"]) == (0, 0)


@pytest.mark.parametrize(
    ("status", "data", "kind", "requests"),
    [
        (400, {"error": {"code": "content_filter", "message": "jailbreak"}}, "prompt_filtered", 1),
        (402, {"error": {"message": "pay"}}, "no_credit", 1),
        (429, {"error": {"code": "insufficient_quota", "message": "pay"}}, "no_credit", 1),
        (400, b"<html>nginx</html>", "rejected", 1),
        (400, {"error": {"message": "line\none sk-very-secret " + "x" * 9000}}, "rejected", 1),
        (418, [[[[[[["deep"]]]]]]], "rejected", 1),
        (300, b"", "rejected", 1),
        (503, b"\x00\xff", "server_error", 3),
        (500, b"a" * 70_000, "too_large", 1),
    ],
)
def test_statuses_are_told_apart_and_a_400_is_not_sent_again(
    start, observed, monkeypatch, status, data, kind, requests
):
    monkeypatch.setattr(openai_client, "LARGEST", 2**16)
    server, agent = start(lambda *_: (status, data), retries=2)
    reason = agent.act([observed])[0].move.reason
    assert len(server.bodies) == agent.stats[f"faults/{kind}"] == requests
    assert "\n" not in reason
    assert server.key not in reason
    assert len(reason) < 400


def test_a_small_body_that_unpacks_to_a_huge_one_is_not_read(start, observed, monkeypatch):
    monkeypatch.setattr(openai_client, "LARGEST", 2**20)
    server, agent = start(retries=0)
    packed = gzip.compress(b" " * 2**26)
    server.reply = lambda handler: handler.send(200, packed, content_encoding="gzip")
    assert "more than 1 MiB" in agent.act([observed])[0].move.reason


def test_text_that_no_file_takes_is_cleaned_at_the_door(start, tmp_path):
    raw = rb'{"choices": [{"message": {"content": "<ask>A \ud800 B \u0000?</ask>", "reasoning": "\udfff"}}]}'
    _, agent = start(lambda *_: (200, raw))
    env = clarify_env.make("synthetic-v0")
    (episode,) = rollout(env, {"asker": agent, "user": ScriptedUser()}, 1)
    write_episodes(tmp_path / "e.parquet", [episode])
    assert "\\u0000" not in json.dumps(episode.to_data())
    json.dumps(episode.to_data(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "System role not supported"),
        (400, "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
        (400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
        (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        (500, "Jinja: Only user and assistant roles are supported!"),
    ],
)
def test_a_server_without_a_system_role_gets_the_rules_in_the_first_message(
    start, observed, caplog, status, said
):
    server, agent = start(retries=0)
    refusal = status, {"error": {"message": said}}
    server.fault = lambda *_: refusal if server.bodies[-1]["messages"][0]["role"] == "system" else None
    for _ in range(2):
        assert not isinstance(agent.act([observed])[0].move, Failed)
    first, second, third = (one["messages"] for one in server.bodies)
    assert [message["role"] for message in first[:2]] == ["system", "user"]
    assert second[0] == {"role": "user", "content": f"{first[0]['content']}\n\n{first[1]['content']}"}
    assert third[0] == second[0]
    assert sum("takes no system message from now on" in message for message in caplog.messages) == 1

    server, agent = start(fold_system=True)
    agent.act([observed])
    assert [one["messages"] for one in server.bodies] == [second]


def test_a_server_that_is_down_ends_the_run_in_one_line_and_not_before(start, observed):
    server, agent = start(lambda *_: "500", retries=1, outage=5, concurrency=1)
    assert all(isinstance(one.move, Failed) for one in agent.act([observed] * 4))
    with pytest.raises(ClarifyError) as error:
        agent.act([observed] * 4)
    assert str(error.value) == (
        f"OpenAIAgent: {server.url}, model 'small': server error (500), 2 tries; 5 dialogues in a row: the "
        "server is down"
    )
    assert len(server.bodies) == 10
    server.fault = lambda *_: None
    assert not any(isinstance(one.move, Failed) for one in agent.act([observed] * 4))


@pytest.mark.parametrize(
    "fault", [(400, {"detail": "too long"}), (400, {"error": {"code": "content_filter"}})]
)
def test_requests_that_are_each_at_fault_do_not_mean_that_the_server_is_down(start, observed, fault):
    _, agent = start(lambda *_: fault, outage=2)
    assert all(isinstance(one.move, Failed) for one in agent.act([observed] * 6))


def test_an_agent_that_was_closed_connects_anew(start, observed):
    _, agent = start()
    agent.act([observed])
    agent.close()
    assert not isinstance(agent.act([observed])[0].move, Failed)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "http://[::1/v1"},
        {"base_url": "http://a:notaport/v1"},
        {"api_key": "sk\nevil"},
        {"api_key": "schl\u00fcssel"},
        {"extra": {"x": object()}},
        {"outage": 0},
        {"max_tokens": True},
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(options):
    with pytest.raises(ClarifyError, match=r"^OpenAIAgent.*$") as error:
        OpenAIAgent("m", **{"base_url": "http://127.0.0.1:9/v1", **options})
    assert "evil" not in str(error.value)


def test_an_address_with_a_query_keeps_it(start, observed):
    server, _ = start()
    with OpenAIAgent("small", f"{server.url}/?api-version=2", "key") as other:
        other.check()
        other.act([observed])
    assert server.paths == ["/v1/models?api-version=2", "/v1/chat/completions?api-version=2"]


KEYS = st.sampled_from(
    "choices message content type text refusal reasoning thinking finish_reason error code usage "
    "completion_tokens completion_tokens_details logprobs tokens token_logprobs token logprob".split()
)
WORDS = st.sampled_from(["text", "thinking", "refusal", "stop", "length", "error", "content_filter"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
MESSAGES = st.fixed_dictionaries({}, optional=dict.fromkeys(("content", "refusal", "reasoning"), VALUES))
CHOICES = st.fixed_dictionaries(
    {"message": MESSAGES | VALUES}, optional={"finish_reason": VALUES, "logprobs": VALUES}
)


@given(st.fixed_dictionaries({"choices": st.lists(CHOICES | VALUES, min_size=1) | VALUES, "usage": VALUES}))
def test_any_json_is_a_message_or_a_fault(data):
    try:
        answered = read_answer(data)
    except Fault:
        return
    assert isinstance(answered, Answered)
    assert isinstance(answered.text, str)
    assert isinstance(answered.thought, str)
    json.dumps(answered, allow_nan=False, ensure_ascii=False).encode()
