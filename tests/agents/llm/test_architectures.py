"""Agents and learners of many architectures find what the model's own forward finds."""

import importlib.util
from pathlib import Path

import pytest
import torch

from clarify_env import ClarifyError
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.self_check import NATS, own_logprobs, probe_ids, rows_trouble
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.trainers.learners.language_model import LanguageLearner

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "architectures.py"
spec = importlib.util.spec_from_file_location("architectures", SCRIPT)
architectures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(architectures)
# How some of them have to play and train: a tenth of all, of every kind.
QUICK = {
    "llama, dropout": ("rows", "packed"),
    "cohere, logit scale": ("rows", "packed"),
    "gemma2, softcaps": ("rows up to 16", "packed up to 16"),
    "granitemoe": ("rows", "packed"),
    "deepseek_v2, MLA": ("rows", "packed"),
    "bloom, ALiBi": ("own caches", "own rows"),
    "mamba": ("own caches", "own rows"),
    "rwkv": ("no cache", "own rows"),
}
REFUSED = {"bert, an encoder": "looks at later tokens"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer():
    return LanguageModel.load("small", "cpu").tokenizer


def check(family, tokenizer):
    found = architectures.tried(family, tokenizer)
    if family in REFUSED:
        assert REFUSED[family] in found.refused
        return
    assert not found.refused
    assert max(found.played, found.trained) <= NATS, found
    assert (found.plays, found.trains) == QUICK.get(family, (found.plays, found.trains))


@pytest.mark.parametrize("family", [*QUICK, *REFUSED])
def test_families(family, tokenizer):
    check(family, tokenizer)


@pytest.mark.slow
@pytest.mark.parametrize("family", [f for f in architectures.FAMILIES if f not in QUICK])
def test_all_families(family, tokenizer):
    check(family, tokenizer)


def test_there_are_many_families():
    assert len(architectures.FAMILIES) >= 40
    assert set(QUICK) | set(REFUSED) <= set(architectures.FAMILIES)


def test_the_way_that_is_taken_is_said_once(tokenizer, caplog):
    model = architectures.described("bloom, ALiBi", tokenizer)
    LanguageLearner(TransformersAgent(model, max_tokens=8))
    LanguageLearner(TransformersAgent(model, max_tokens=8))
    sampled, trained = (record.getMessage() for record in caplog.records)
    assert "bloom, ALiBi: is sampled through transformers' own caches, which is slower" in sampled
    assert "bloom, ALiBi: each message is trained in a row of its own, since ValueError" in trained


def test_a_model_whose_rows_are_wrong_is_found_out(tokenizer, monkeypatch):
    """The check is no formality: with positions that are one off it says so."""
    model = architectures.described("llama", tokenizer)
    assert rows_trouble(model) == ""
    forward = model.model.forward

    def shifted(*args, **kwargs):
        if kwargs.get("position_ids") is not None:
            kwargs["position_ids"] = kwargs["position_ids"] + (kwargs["position_ids"] > 5)
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.model, "forward", shifted)
    assert "distributions differ by" in rows_trouble(model)


def test_a_model_that_does_not_run_is_told_in_one_line(tokenizer, monkeypatch):
    model = architectures.described("llama", tokenizer)

    def broken(*args, **kwargs):
        raise RuntimeError("no kernel\nmore")

    monkeypatch.setattr(model.model, "forward", broken)
    with pytest.raises(
        ClarifyError, match=r"llama: LlamaForCausalLM does not run \(RuntimeError: no kernel\)"
    ):
        TransformersAgent(model, max_tokens=8)


def test_probes_have_lengths_that_differ_and_a_common_beginning(tokenizer):
    listed = probe_ids(architectures.described("llama", tokenizer))
    assert len({len(ids) for ids in listed}) > 2
    assert listed[1][:19] == listed[2][:19] != listed[0][:19]
    assert all(len(ids) <= 16 for ids in probe_ids(architectures.described("mistral, window", tokenizer)))


def test_own_log_probabilities_are_those_of_the_plain_forward(tokenizer):
    model = architectures.described("llama", tokenizer)
    with torch.no_grad():
        wanted = torch.log_softmax(model.model(torch.tensor([[5, 6, 7]])).logits[0].double(), -1)
        assert torch.equal(own_logprobs(model, [5, 6, 7]), wanted)
