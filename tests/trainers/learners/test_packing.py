"""Packed rows give the loss of one sequence at a time, in fewer tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.trainers.learners.language_model import LanguageLearner, differing
from clarify_env.trainers.learners.packing import Item, common_prefix, pack

tokens = st.lists(st.integers(0, 5), min_size=1, max_size=12).map(tuple)
items = st.lists(st.builds(Item, tokens, tokens, st.just(0)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def learner():
    torch.set_num_threads(1)
    return LanguageLearner(TransformersAgent("small", device="cpu", dtype="float64"))


def one_by_one(learner, items):
    total = 0.0
    for prompt, message, _ in items:
        with torch.no_grad():
            logits = learner.agent.model.model(torch.tensor([prompt + message])).logits[0]
        logprobs = torch.log_softmax(logits, -1)
        total -= sum(float(logprobs[len(prompt) - 1 + k, token]) for k, token in enumerate(message))
    return total


@settings(max_examples=30, deadline=None)
@given(items, st.integers(1, 60), st.integers(1, 200))
def test_packing_changes_nothing_of_the_loss(learner, items, width, most):
    with torch.no_grad():
        packed = sum(learner.loss(part).item() for part in pack(items, width, most))
    assert packed == pytest.approx(one_by_one(learner, items), abs=1e-9)


@given(items, st.integers(1, 60), st.integers(1, 200))
def test_every_message_is_a_target_once_and_as_it_stands(items, width, most):
    parts = pack(items, width, most)
    assert differing(parts, items) == 0
    assert sum(len(part.targets_N) for part in parts) == sum(len(item.message) for item in items)
    longest = max(len(item.prompt) + len(item.message) for item in items)
    for part in parts:
        assert part.ids_R_T.shape[1] <= max(width, longest)
        assert len(part.ids_R_T) == 1 or part.ids_R_T.numel() <= most


def test_a_changed_target_is_counted():
    items = [Item((1, 2, 3), (4, 5)), Item((1, 2, 7), (4, 6, 5))]
    (part,) = pack(items, 100, 100)
    assert differing([part], items) == 0
    part.ids_R_T[part.ids_R_T == 6] = 9
    assert differing([part], items) == 3


def test_a_common_beginning_is_read_once():
    items = [Item((*range(100), 200 + k, 7), (k, 1)) for k in range(10)]
    (part,) = pack(items, 512, 10_000)
    assert part.ids_R_T.shape == (1, 100 + 10 * 4)


@given(tokens, tokens)
def test_common_prefix(a, b):
    count = common_prefix(a, b)
    assert a[:count] == b[:count]
    assert count == min(len(a), len(b)) or a[count] != b[count]


def test_gradients_are_those_of_one_sequence_at_a_time(learner):
    rng = np.random.default_rng(0)
    items = [
        Item((5, 6, *rng.integers(0, 600, 4).tolist()), tuple(rng.integers(0, 600, 3).tolist()))
        for _ in range(5)
    ]
    weight = learner.agent.model.model.model.layers[0].self_attn.q_proj.weight

    def gradient(batches, width):
        learner.agent.model.model.zero_grad()
        for batch in batches:
            for part in pack(batch, width, 1000):
                learner.loss(part).backward()
        return weight.grad.clone()

    torch.testing.assert_close(
        gradient([items], 64), gradient([[item] for item in items], 1), atol=1e-5, rtol=1e-3
    )
