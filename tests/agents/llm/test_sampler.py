"""Sampling: equal to transformers' own, whatever is sampled beside it, and nothing read twice."""

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.sampler import Generator, PrefixCache, _draw
from clarify_env.errors import ClarifyError


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return LanguageModel.load("small", device="cpu", dtype="float64")


@pytest.fixture(scope="module")
def prompts(model):
    env = clarify_env.make("synthetic-v0", turn_cost=0.1, word_cost=0.01)
    return [model.prompt_ids(AskerPrompt().messages(env.reset(seed=seed)[0]["asker"])) for seed in range(12)]


def rngs(count):
    return [np.random.default_rng(k) for k in range(count)]


def test_greedy_messages_are_those_of_generate(model, prompts):
    sampled = Generator(model).sample(prompts, rngs(12), 40, temperature=0.0)
    for prompt, message in zip(prompts[:6], sampled, strict=False):
        ids = torch.tensor([prompt])
        raw = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False
        )
        assert raw[0, len(prompt) :].tolist() == message.ids


def test_log_probabilities_are_those_of_one_pass_over_the_whole_sequence(model, prompts):
    for prompt, message in zip(prompts, Generator(model).sample(prompts, rngs(12), 40), strict=True):
        with torch.no_grad():
            logits = model.model(torch.tensor([prompt + message.ids])).logits[0, len(prompt) - 1 : -1]
        wanted = torch.log_softmax(logits, -1)[range(len(message.ids)), message.ids]
        assert message.logprobs == pytest.approx(wanted.tolist(), abs=1e-9)


@pytest.mark.parametrize(("rows", "memory"), [(12, 0), (1, 0), (5, 0), (1, 10_000), (5, 10_000), (5, 300)])
def test_neither_neighbours_nor_memory_change_a_message(model, prompts, rows, memory):
    wanted = Generator(model, rows=64).sample(prompts, rngs(12), 40)
    found = Generator(model, rows, memory).sample(prompts, rngs(12), 40)
    assert [m.ids for m in found] == [m.ids for m in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-9)


def test_the_next_turn_reads_only_what_is_new(model, prompts):
    generator = Generator(model)
    first = generator.sample(prompts, rngs(12), 40)
    read = generator.read_tokens
    longer = [p + m.ids + prompts[0][:9] for p, m in zip(prompts, first, strict=True)]
    again = generator.sample(longer, rngs(12), 40)
    assert generator.read_tokens - read == 12 * (1 + 9)  # the stop token was sampled, not read
    assert [m.ids for m in again] == [m.ids for m in Generator(model, memory=0).sample(longer, rngs(12), 40)]


def test_what_all_prompts_begin_with_is_read_once(model, prompts):
    shared = prompts[0][:32]
    generator = Generator(model)
    generator.sample([shared + prompt for prompt in prompts], rngs(12), 4)
    assert generator.read_tokens == 32 + sum(map(len, prompts))


def test_memory_forgets_the_least_recently_used(model, prompts):
    memory = PrefixCache(tokens=64)
    keys = {name: torch.full((1,), float(k)) for k, name in enumerate("abc")}
    sequences = {"a": list(range(32)), "b": list(range(100, 132)), "c": list(range(200, 232))}
    for name in "ab":
        memory.add(sequences[name], keys[name])
    assert memory.longest([*sequences["a"], 1])[1] is keys["a"]
    memory.add(sequences["c"], keys["c"])
    assert memory.held == 64
    assert memory.longest([*sequences["b"], 1]) == (0, None)
    assert memory.longest([*sequences["a"][:20], 999, 1]) == (20, keys["a"])
    memory.clear()
    assert memory.longest([*sequences["a"], 1]) == (0, None)


def test_draws_follow_the_distribution_and_top_p_cuts_its_tail():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(1000, 1)
    points = (np.arange(1000) + 0.5) / 1000
    tokens, logprobs = _draw(logits, list(points), 1.0, 1.0)
    assert np.bincount(tokens, minlength=4).tolist() == [500, 300, 150, 50]
    assert np.exp(logprobs[0]) == pytest.approx(0.5, abs=1e-6)
    tokens, logprobs = _draw(logits, list(points), 1.0, 0.7)
    assert set(tokens) == {0, 1}
    assert np.exp(logprobs[0]) == pytest.approx(0.5 / 0.8, abs=1e-6)
    tokens, logprobs = _draw(logits, list(points), 0.0, 1.0)
    assert set(tokens) == {0}
    assert set(logprobs) == {0.0}


def test_a_message_ends_with_the_stop_token_or_at_the_limit(model, prompts):
    for limit in (1, 3, 60):
        for message in Generator(model).sample(prompts, rngs(12), limit):
            assert len(message.ids) <= limit
            assert not set(message.ids[:-1]) & model.stop_ids
            assert len(message.ids) == limit or message.ids[-1] in model.stop_ids


def test_out_of_memory_says_which_setting_to_lower(model, prompts, monkeypatch):
    def full(**_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model.model, "forward", full)
    with pytest.raises(ClarifyError, match=r"out of memory on cpu with rows=64.*lower rows"):
        Generator(model, rows=64).sample(prompts, rngs(12), 4)


def test_rows_have_to_be_at_least_one(model):
    with pytest.raises(ClarifyError, match="rows=0"):
        Generator(model, rows=0)
