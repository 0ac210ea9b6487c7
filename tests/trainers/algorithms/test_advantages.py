"""Credit against numbers computed by hand, and policy gradients against exact enumeration."""

from itertools import product

import numpy as np
import pytest
import torch

from clarify_env import ClarifyError
from clarify_env.trainers.algorithms import advantages as credit
from clarify_env.trainers.algorithms import losses


def test_returns_to_go():
    assert credit.returns_to_go(np.array([1.0, 2.0, 4.0])).tolist() == [7.0, 6.0, 4.0]
    assert credit.returns_to_go(np.array([1.0, 2.0, 4.0]), 0.5).tolist() == [3.0, 4.0, 4.0]


def test_leave_one_out():
    assert credit.leave_one_out(np.array([3.0, 0.0, 0.0])).tolist() == [3.0, -1.5, -1.5]


def test_group_advantages():
    assert credit.group_advantages(np.array([1.0, 0.0, 2.0])).tolist() == [0.0, -1.0, 1.0]
    assert credit.group_advantages(np.array([1.0, 0.0, 5.0]), scale_rewards=False).tolist() == [
        -1.0,
        -2.0,
        3.0,
    ]
    assert credit.group_advantages(np.array([0.3, 0.3, 0.3])).tolist() == [0.0, 0.0, 0.0]


def test_by_key():
    keys = [("asker", 0), ("asker", 1), ("asker", 0), ("user", 0)]
    assert credit.by_key(np.array([1.0, 5.0, 0.0, 9.0]), keys).tolist() == [1.0, 0.0, -1.0, 0.0]


def test_gae():
    rewards, values = np.array([-0.1, 1.0]), np.array([0.5, 0.8])
    assert credit.gae(rewards, values, gae_lambda=1.0) == pytest.approx([0.9 - 0.5, 0.2])
    assert credit.gae(rewards, values, gae_lambda=0.0) == pytest.approx([-0.1 + 0.8 - 0.5, 0.2])
    assert credit.gae(rewards, values, gae_lambda=0.5) == pytest.approx([0.2 + 0.5 * 0.2, 0.2])


def test_a_group_of_one():
    for function in (credit.leave_one_out, credit.group_advantages):
        with pytest.raises(ClarifyError, match="at least twice"):
            function(np.array([1.0]))


# A game that can be enumerated: two meanings; at the start the asker answers one of them or asks, after the
# reply it answers one of them or gives up with half.
COST, WEIGHTS = 0.2, (0.7, 0.3)


class Trajectory:
    """An episode: its decisions as (state, action), the rewards after each, and nature's probability."""

    def __init__(self, nature, decisions, rewards):
        self.nature, self.decisions, self.rewards = nature, decisions, np.array(rewards)
        self.total = sum(rewards)


def trajectories():
    found = []
    for meant, weight in enumerate(WEIGHTS):
        found += [Trajectory(weight, [(0, a)], [float(a == meant)]) for a in (0, 1)]
        for a in (0, 1, 2):
            earned = 0.5 if a == 2 else float(a == meant)
            found.append(Trajectory(weight, [(0, 2), (1 + meant, a)], [-COST, earned]))
    return found


ALL = trajectories()
THETA = torch.tensor([[0.3, -0.2, 0.1], [0.5, 0.0, -0.4], [-0.3, 0.2, 0.6]], dtype=torch.float64)


def logprobs(theta, trajectory):
    table = torch.log_softmax(theta, 1)
    return torch.stack([table[s, a] for s, a in trajectory.decisions])


def chance(theta, trajectory):
    return trajectory.nature * logprobs(theta, trajectory).sum().exp()


def exact_gradient():
    theta = THETA.clone().requires_grad_()
    value = sum(chance(theta, t) * t.total for t in ALL)
    return torch.autograd.grad(value, theta)[0]


def expected(estimator, size):
    """Mean gradient of a loss over all groups of `size` episodes, each summed over its episodes."""
    theta = THETA.clone().requires_grad_()
    with torch.no_grad():
        chances = [chance(THETA, t).item() for t in ALL]
    assert sum(chances) == pytest.approx(1.0)
    total = torch.zeros_like(THETA)
    for picks in product(range(len(ALL)), repeat=size):
        group = [ALL[k] for k in picks]
        share = float(np.prod([chances[k] for k in picks]))
        (grad,) = torch.autograd.grad(estimator(theta, group), theta)
        total -= share * grad
    return total


def flat(theta, group):
    """Log-probabilities of all decisions of a group, and the episode of each."""
    parts = [logprobs(theta, t) for t in group]
    owners = torch.tensor([k for k, part in enumerate(parts) for _ in part])
    return torch.cat(parts), owners


def whole(advantage):
    """The whole episode's advantage for each of its decisions."""

    def estimator(theta, group):
        found, owners = flat(theta, group)
        advantages = torch.from_numpy(advantage(np.array([t.total for t in group])))
        return losses.reinforce(found, owners, advantages)

    return estimator


def per_turn(advantage):
    """Returns to go, compared by turn."""

    def estimator(theta, group):
        found, _ = flat(theta, group)
        to_go = np.concatenate([credit.returns_to_go(t.rewards) for t in group])
        turns = [k for t in group for k in range(len(t.decisions))]
        advantages = torch.from_numpy(advantage(to_go, turns))
        return losses.reinforce(found, torch.arange(len(found)), advantages) * len(found) / len(group)

    return estimator


def close(found, wanted, within=1e-12):
    assert torch.allclose(found, wanted, atol=within, rtol=0.0), (found - wanted).abs().max()


@pytest.mark.parametrize("size", [2, 3])
def test_leave_one_out_has_the_exact_gradient(size):
    close(expected(whole(credit.leave_one_out), size), exact_gradient())


def test_returns_to_go_have_the_exact_gradient():
    close(expected(per_turn(lambda to_go, turns: to_go), 1), exact_gradient())


def test_a_value_function_leaves_the_gradient_exact():
    """GAE with trace 1, whatever the values; with less it is biased unless they are right."""
    wrong = {0: 0.37, 1: -0.8, 2: 0.11}

    def estimator(values, trace):
        def loss(theta, group):
            found, _ = flat(theta, group)
            parts = [
                credit.gae(t.rewards, np.array([values[s] for s, _ in t.decisions]), gae_lambda=trace)
                for t in group
            ]
            advantages = torch.from_numpy(np.concatenate(parts))
            return losses.reinforce(found, torch.arange(len(found)), advantages) * len(found)

        return loss

    close(expected(estimator(wrong, 1.0), 1), exact_gradient())
    assert (expected(estimator(wrong, 0.5), 1) - exact_gradient()).abs().max() > 0.01
    policy = torch.softmax(THETA, 1).numpy()
    right = {1: policy[1] @ [1.0, 0.0, 0.5], 2: policy[2] @ [0.0, 1.0, 0.5]}
    after = WEIGHTS[0] * right[1] + WEIGHTS[1] * right[2]
    right[0] = policy[0] @ [*WEIGHTS, after - COST]
    for trace in (0.0, 0.5):
        close(expected(estimator(right, trace), 1), exact_gradient())


@pytest.mark.parametrize("size", [2, 3])
def test_group_means_shrink_the_gradient(size):
    """GRPO without its deviation: (G - 1) / G of the exact gradient, nothing else."""
    found = expected(whole(lambda r: credit.group_advantages(r, scale_rewards=False)), size)
    close(found, exact_gradient() * (size - 1) / size)


def test_the_deviation_turns_the_gradient():
    """Dividing by the deviation weighs groups by how alike they are: the direction changes."""
    found, exact = expected(whole(credit.group_advantages), 3), exact_gradient()
    cosine = torch.nn.functional.cosine_similarity(found.flatten(), exact.flatten(), dim=0).item()
    assert 0.8 < cosine < 0.999
    assert found.norm() > exact.norm()


def test_a_baseline_per_turn_is_biased_where_the_policy_decides_when_to_stop():
    """Later turns lose what the others did not reach: their gradient shrinks, the first turn's does not."""
    for size in (2, 3):
        found, exact = expected(per_turn(credit.by_key), size), exact_gradient()
        close(found[0], exact[0])
        asks = torch.softmax(THETA, 1)[0, 2].item()
        alone = (1.0 - asks) ** (size - 1)
        close(found[1:], exact[1:] * (1.0 - alone))
        assert alone > 0.3
