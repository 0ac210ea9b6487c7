"""Losses against numbers computed by hand, and what they refuse."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clarify_env import ClarifyError
from clarify_env.trainers.algorithms import losses

ROWS = torch.tensor([0, 0, 1])  # a row of two tokens and a row of one


def tensor(*values, grad=False):
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)


def test_row_sums():
    assert losses.row_sums(tensor(1.0, 2.0, 4.0), ROWS, 3).tolist() == [3.0, 4.0, 0.0]


def test_nll():
    assert losses.nll(tensor(-1.0, -3.0)).item() == 2.0
    assert losses.nll(tensor(-1.0, -3.0), tensor(3.0, 1.0)).item() == 1.5


def test_reinforce():
    logprobs = tensor(-1.0, -2.0, -0.5, grad=True)
    loss = losses.reinforce(logprobs, ROWS, tensor(2.0, -4.0))
    assert loss.item() == pytest.approx(-(2.0 * -3.0 + -4.0 * -0.5) / 2)
    loss.backward()
    assert logprobs.grad.tolist() == [-1.0, -1.0, 2.0]


def test_clipped_surrogate():
    ratios = [1.5, 0.5, 1.1, 0.5]
    old = tensor(-1.0, -1.0, -1.0, -1.0)
    now = old + tensor(*ratios).log()
    rows = torch.tensor([0, 0, 0, 1])
    surrogate = losses.clipped(now, old, rows, tensor(2.0, -2.0), clip_range=0.2)
    assert surrogate.tolist() == pytest.approx([2.4, 1.0, 2.2, -1.6])  # gains capped, losses never softened
    assert losses.ppo(now, old, rows, tensor(2.0, -2.0)).item() == pytest.approx(-(2.4 + 1.0 + 2.2 - 1.6) / 4)


def test_a_clipped_token_has_no_gradient_and_others_have():
    now = tensor(math.log(1.5) - 1.0, math.log(1.5) - 1.0, grad=True)
    losses.ppo(now, tensor(-1.0, -1.0), torch.tensor([0, 1]), tensor(1.0, -1.0)).backward()
    assert now.grad[0].item() == 0.0
    assert now.grad[1].item() == pytest.approx(0.75)


def test_grpo_with_and_without_its_length_term():
    now = tensor(-1.0, -1.0, -1.0)
    advantages = tensor(1.0, 3.0)
    assert losses.grpo(now, now, ROWS, advantages).item() == pytest.approx(-(1.0 + 3.0) / 2)
    whole = losses.grpo(now, now, ROWS, advantages, by_length=False)
    assert whole.item() == pytest.approx(-(2 * 1.0 / 2 + 3.0 / 2) / 2)
    assert losses.grpo(
        now, now, ROWS, advantages, by_length=False, max_completion_length=4
    ).item() == pytest.approx(-0.625)


def test_on_policy_gradients_agree():
    """Where nothing has moved yet, PPO and GRPO with one-token rows have REINFORCE's gradient."""
    rows, advantages = torch.arange(3), tensor(1.0, -2.0, 0.5)
    grads = []
    for loss in (
        lambda x: losses.reinforce(x, rows, advantages),
        lambda x: losses.ppo(x, x.detach(), rows, advantages),
        lambda x: losses.grpo(x, x.detach(), rows, advantages),
        lambda x: losses.grpo(x, x.detach(), rows, advantages, by_length=False),
    ):
        logprobs = tensor(-0.3, -1.0, -2.0, grad=True)
        loss(logprobs).backward()
        grads.append(logprobs.grad.tolist())
    assert all(grad == pytest.approx(grads[0]) for grad in grads)


def test_value():
    assert losses.value(tensor(1.0, 0.0), tensor(0.0, 2.0)).item() == 0.5 * (1.0 + 4.0) / 2


def test_dpo():
    margins = tensor(0.0, grad=True)
    loss = losses.dpo(margins, tensor(0.0), beta=0.5)
    assert loss.item() == pytest.approx(math.log(2.0))
    loss.backward()
    assert margins.grad.item() == pytest.approx(-0.25)
    assert losses.dpo(tensor(3.0), tensor(1.0), beta=0.5).item() == pytest.approx(
        math.log(1 + math.exp(-1.0))
    )


def test_distillation():
    loss = losses.distillation(tensor(3.0, 0.0), tensor(1.0, 0.0), tensor(0.5, 1.0)[None], beta=0.5)
    assert loss.item() == pytest.approx(((0.5 - 1.0) ** 2 + 1.0) / 2)


def test_distillation_is_solved_by_the_exponentially_tilted_reference():
    """Its minimum over all pairs is the policy proportional to reference * exp(reward / beta)."""
    reference, rewards, beta = tensor(0.2, 0.3, 0.5).log(), tensor(1.0, 0.0, 0.4), 0.7
    best = torch.log_softmax(reference + rewards / beta, 0)
    a, b = torch.tensor([[0, 1], [0, 2], [1, 2]]).T
    apart = (rewards[a] - rewards[b])[None]
    loss = losses.distillation(best[a] - best[b], reference[a] - reference[b], apart, beta)
    assert loss.item() == pytest.approx(0.0, abs=1e-20)


def test_distillation_fits_the_nearest_member():
    members = torch.stack([tensor(0.0, 0.0), tensor(0.9, 0.7)])
    loss = losses.distillation(tensor(1.0, 1.0), tensor(0.0, 0.0), members, beta=1.0)
    assert loss.item() == pytest.approx((0.1**2 + 0.3**2) / 2)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_kl_of_equals_is_nothing(kind):
    assert losses.kl(tensor(-1.0, -2.0), tensor(-1.0, -2.0), kind).tolist() == [0.0, 0.0]


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_kl_estimators_against_the_divergence(p, q):
    """k1 and k3 have its mean exactly, k3 is never negative; k2's gradient is the divergence's."""
    theta = tensor(*p, grad=True)
    policy, reference = torch.log_softmax(theta, 0), torch.log_softmax(tensor(*q), 0)
    exact = (policy.exp() * (policy - reference)).sum()
    for kind in ("k1", "k3"):
        mean = (policy.exp() * losses.kl(policy, reference, kind)).sum()
        assert mean.item() == pytest.approx(exact.item(), abs=1e-9)
    assert (losses.kl(policy, reference, "k3") >= 0.0).all()
    (slope,) = torch.autograd.grad(exact, theta, retain_graph=True)
    sampled = (policy.exp().detach() * losses.kl(policy, reference, "k2")).sum()
    (own,) = torch.autograd.grad(sampled, theta)
    assert own.tolist() == pytest.approx(slope.tolist(), abs=1e-9)


def test_what_losses_refuse():
    with pytest.raises(ClarifyError, match="k4"):
        losses.kl(tensor(0.0), tensor(0.0), "k4")
    with pytest.raises(ClarifyError, match=r"logprobs_N.*\(2,\).*old_N.*\(1,\)"):
        losses.ppo(tensor(0.0, 0.0), tensor(0.0), torch.tensor([0, 0]), tensor(1.0))
    with pytest.raises(ClarifyError, match=r"clip_range=1\.5"):
        losses.ppo(tensor(0.0), tensor(0.0), torch.tensor([0]), tensor(1.0), clip_range=1.5)
