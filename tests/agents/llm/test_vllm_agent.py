"""VLLMAgent against a stand-in for vLLM 0.33 that takes exactly its arguments; no GPU is needed or used."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents import ScriptedUser

pytest.importorskip("transformers")

from clarify_env.agents.llm.model import SMALL, LanguageModel
from clarify_env.agents.llm.transformers_agent import TransformersAgent

torch.set_num_threads(1)
MESSAGES = ("<answer>Oslo</answer>", "<ask>Which profession?</ask>", "no tags at all")


@dataclass
class SamplingParams:
    """The arguments that are used, with vLLM's defaults."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int | None = 16
    seed: int | None = None
    logprobs: int | None = None
    stop_token_ids: list[int] | None = None
    detokenize: bool = True


@dataclass(frozen=True)
class LoRARequest:
    """What names an adapter to the engine."""

    lora_name: str
    lora_int_id: int
    lora_path: str


class LLM:
    """Says one of `MESSAGES` by the seed; remembers what it was asked."""

    def __init__(
        self,
        model,
        *,
        max_model_len,
        enable_prefix_caching,
        logprobs_mode,
        seed=0,
        enable_lora=False,
        max_loras=1,
    ):
        assert logprobs_mode == "processed_logprobs"
        assert enable_prefix_caching
        self.model, self.max_model_len = model, max_model_len
        self.words = LanguageModel.load(SMALL, "cpu")
        self.loaded, self.calls, self.reset, self.drop_stop = [], [], True, False
        self.enable_lora, self.max_loras, self.adapters = enable_lora, max_loras, []

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True, lora_request=None):
        assert not use_tqdm
        assert lora_request is None or self.enable_lora
        self.adapters.append(lora_request)
        self.calls.append((prompts, sampling_params))
        return [self.answer(*pair) for pair in zip(prompts, sampling_params, strict=True)]

    def answer(self, prompt, params):
        assert params.logprobs == 0
        assert len(prompt["prompt_token_ids"]) + params.max_tokens <= self.max_model_len
        ids = self.words.message_ids(MESSAGES[params.seed % 3])[: params.max_tokens]
        finish = "stop" if ids[-1] in params.stop_token_ids else "length"
        ids = ids[:-1] if self.drop_stop else ids
        logprobs = [{token: SimpleNamespace(logprob=-0.25, rank=2)} for token in ids]
        message = SimpleNamespace(token_ids=tuple(ids), logprobs=logprobs, finish_reason=finish)
        return SimpleNamespace(
            prompt_token_ids=prompt["prompt_token_ids"], outputs=[message], num_cached_tokens=3
        )

    def collective_rpc(self, method, timeout=None, args=(), kwargs=None):
        from safetensors.torch import load_file

        assert method == "reload_weights"
        assert isinstance(kwargs["weights_path"], str)  # what crosses into vLLM's process without pickle
        files = sorted(Path(kwargs["weights_path"]).glob("*.safetensors"))
        self.loaded.append({name: t for file in files for name, t in load_file(file).items()})
        return [None]

    def reset_prefix_cache(self, reset_running_requests=False, reset_connector=False):
        return self.reset


@pytest.fixture
def agent_of(monkeypatch):
    """Makes agents over the stand-in."""
    fake = ModuleType("vllm")
    fake.LLM, fake.SamplingParams = LLM, SamplingParams
    monkeypatch.setitem(sys.modules, "vllm", fake)
    lora = ModuleType("vllm.lora.request")
    lora.LoRARequest = LoRARequest
    monkeypatch.setitem(sys.modules, "vllm.lora", ModuleType("vllm.lora"))
    monkeypatch.setitem(sys.modules, "vllm.lora.request", lora)
    monkeypatch.delitem(sys.modules, "clarify_env.agents.llm.vllm_agent", raising=False)
    yield importlib.import_module("clarify_env.agents.llm.vllm_agent").VLLMAgent
    sys.modules.pop("clarify_env.agents.llm.vllm_agent", None)


def observed(n=6):
    env = clarify_env.make("synthetic-v0")
    return [env.reset(seed=k)[0]["asker"] for k in range(n)]


def rngs(n=6):
    return [np.random.default_rng(k) for k in range(n)]


def test_what_is_sampled_is_kept_as_ids_with_their_logprobs(agent_of):
    agent = agent_of()
    decisions = agent.act(observed(), rngs())
    (prompts, params) = agent.generator.llm.calls[0]
    assert [p["prompt_token_ids"] for p in prompts] == [agent.prompt_ids(o) for o in observed()]
    assert [p.seed for p in params] == [int(rng.integers(2**31)) for rng in rngs()]
    for decision, settings in zip(decisions, params, strict=True):
        said = agent.model.message_ids(MESSAGES[settings.seed % 3])
        assert (decision.trace["ids"], decision.message) == (said, agent.model.message(said))
        ids = decision.trace["ids"]
        assert ids[-1] in agent.model.stop_ids
        assert decision.trace["logprobs"] == [-0.25] * len(ids)
    read, reused = agent.stats["read_tokens"], agent.stats["reused_tokens"]
    assert (reused, read + reused) == (18, agent.stats["prompt_tokens"])


def test_episodes_repeat_and_do_not_depend_on_the_batch(agent_of):
    env, agent = clarify_env.make("synthetic-v0"), agent_of(format_retries=1)
    runs = [
        list(rollout(env, {"asker": agent, "user": ScriptedUser()}, 12, seed=3, batch=batch))
        for batch in (12, 5)
    ]
    assert runs[0] == runs[1]
    assert agent.stats["retries"] > 0


def test_prompts_are_those_of_the_agent_that_is_trained(agent_of):
    trained = TransformersAgent("small", device="cpu")
    agent = agent_of()
    assert agent.model.model.device.type == "meta"  # no second copy of the weights
    assert [agent.prompt_ids(o) for o in observed()] == [trained.prompt_ids(o) for o in observed()]
    assert agent.model.stop_ids == trained.model.stop_ids
    short = agent_of(context=300, max_tokens=40)
    assert short.generator.llm.max_model_len == 300
    assert all(len(short.prompt_ids(o)) <= 260 for o in observed())


def test_refresh_hands_over_the_trainers_weights(agent_of, tmp_path):
    from clarify_env.trainers.learners.language_model import LanguageLearner

    trained, agent = TransformersAgent("small", device="cpu"), agent_of()
    state = trained.model.model.state_dict()
    agent.refresh(state)
    LanguageLearner(trained).save(tmp_path)
    agent.refresh(tmp_path)
    for loaded in agent.generator.llm.loaded:
        assert set(loaded) <= set(state)
        assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.items())
    assert agent.stats["refreshes"] == 2
    parameters = dict(trained.model.model.named_parameters())
    assert set(parameters) == set(agent.generator.llm.loaded[1])


def test_weights_that_do_not_fit_are_refused_before_the_engine_sees_them(agent_of, tmp_path):
    agent = agent_of()
    state = TransformersAgent("small", device="cpu").model.model.state_dict()
    with pytest.raises(ClarifyError, match=r"'a.lora_A.weight' is no weight of small; merge adapters first"):
        agent.refresh({**state, "a.lora_A.weight": torch.zeros(2)})
    with pytest.raises(ClarifyError, match=r"'model.norm.weight' of small is missing"):
        agent.refresh({name: t for name, t in state.items() if name != "model.norm.weight"})
    with pytest.raises(ClarifyError, match="no folder with safetensors"):
        agent.refresh(tmp_path)
    assert agent.generator.llm.loaded == []
    agent.generator.llm.reset = False
    with pytest.raises(ClarifyError, match="kept keys and values of the old weights"):
        agent.refresh(state)


def test_a_greedy_copy_shares_the_engine_and_is_certain(agent_of):
    agent = agent_of(max_tokens=50)
    other = agent.with_(temperature=0.0)
    assert other.generator is agent.generator
    (decision,) = other.act(observed(1), rngs(1))
    assert set(decision.trace["logprobs"]) == {0.0}
    ((_, params),) = agent.generator.llm.calls
    assert (params[0].temperature, params[0].max_tokens) == (0.0, 50)


def test_two_adapters_on_one_base_are_served_by_one_engine(agent_of, tmp_path):
    from clarify_env.trainers.learners.language_model import LanguageLearner

    for name in ("asker", "user"):
        LanguageLearner(TransformersAgent("small", device="cpu"), lora=4).export(tmp_path / name)
        assert (tmp_path / name / "adapter_model.safetensors").is_file()
    asker = agent_of(adapter=tmp_path / "asker", max_loras=2)
    user = asker.with_(adapter=tmp_path / "user")
    llm = asker.generator.llm
    assert (user.generator.llm, llm.enable_lora, llm.max_loras) == (llm, True, 2)
    env = clarify_env.make("synthetic-v0")
    list(rollout(env, {"asker": asker, "user": user}, 6, seed=1))
    used = {request.lora_path: request.lora_int_id for request in llm.adapters}
    assert set(used) == {str(tmp_path / "asker"), str(tmp_path / "user")}
    assert len(set(used.values())) == 2
    user.refresh(tmp_path / "user")
    user.act(observed(1), rngs(1))
    assert llm.adapters[-1].lora_path == str(tmp_path / "user")
    assert llm.adapters[-1].lora_int_id not in used.values(), "new weights under a new number"
    asker.act(observed(1), rngs(1))
    assert llm.adapters[-1].lora_int_id == used[str(tmp_path / "asker")]
    assert llm.loaded == [], "the base is left alone"
    with pytest.raises(ClarifyError, match="no adapter of peft"):
        asker.with_(adapter=tmp_path)


def test_a_policy_is_exported_as_transformers_loads_it(tmp_path):
    from clarify_env.trainers.learners.language_model import LanguageLearner

    LanguageLearner(TransformersAgent("small", device="cpu")).export(tmp_path)
    again = TransformersAgent(tmp_path, device="cpu")
    state = TransformersAgent("small", device="cpu").model.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.model.model.state_dict().items())
    assert [again.prompt_ids(o) for o in observed(2)] == [
        TransformersAgent("small", device="cpu").prompt_ids(o) for o in observed(2)
    ]


def test_misuse_is_told_in_one_line(agent_of):
    with pytest.raises(ClarifyError, match="trust_remote_code"):
        agent_of(trust_remote_code=True)
    with pytest.raises(ClarifyError, match="no/such/folder"):
        agent_of("./no/such/folder")
    agent = agent_of()
    agent.generator.llm.drop_stop = True
    with pytest.raises(ClarifyError, match="left the stop token out"):
        agent.act(observed(1), rngs(1))


def test_without_vllm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.delitem(sys.modules, "clarify_env.agents.llm.vllm_agent", raising=False)
    with pytest.raises(ClarifyError, match=r"VLLMAgent needs vllm: pip install 'clarify_env\[vllm\]'"):
        clarify_env.agents.VLLMAgent  # noqa: B018
