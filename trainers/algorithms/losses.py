"""Losses of the algorithms, as pure functions of log-probabilities.

Dimensions: N tokens that a policy chose, one after the other; B rows, the decisions that they make up
(`rows_N` says which; where the policy is `MoveScorer`, a row has one token, the chosen candidate); P pairs of
rows; K members of an ensemble. Every loss is a mean over rows, pairs or tokens, as its docstring says, and is
to be minimised. `logprobs` are under the current policy and carry gradients; `old` are those of the policy
that sampled, `reference` those of the policy that it must not leave.
"""

import torch
from torch import Tensor

from clarify_env.errors import ClarifyError


def row_sums(values_N: Tensor, rows_N: Tensor, count: int) -> Tensor:
    """sums_B of the tokens of each of `count` rows."""
    _alike("row_sums", values_N=values_N, rows_N=rows_N)
    return values_N.new_zeros(count).index_add(0, rows_N, values_N)


def nll(logprobs_N: Tensor, weights_N: Tensor | None = None) -> Tensor:
    """Negative log-likelihood, the mean over tokens: imitation, as in ReST (arXiv 2308.08998).

    Args:
        logprobs_N: of the tokens.
        weights_N: shares of the tokens, >= 0 and not all 0; even by default.
    """
    if weights_N is None:
        return -logprobs_N.mean()
    _alike("nll", logprobs_N=logprobs_N, weights_N=weights_N)
    return -(weights_N * logprobs_N).sum() / weights_N.sum()


RATIO = 5.0  # the greatest weight of a row that another policy sampled


def reinforce(
    logprobs_N: Tensor, rows_N: Tensor, advantages_B: Tensor, old_N: Tensor | None = None
) -> Tensor:
    """Policy gradient: minus the advantage times the log-probability of a row, the mean over rows.

    With `advantages.leave_one_out` advantages it is RLOO (arXiv 2402.14740).

    Args:
        logprobs_N: of the tokens.
        rows_N: row of each token.
        advantages_B: of each row.
        old_N: of the tokens under the policy that sampled them, where that is another: a row then counts by
            the ratio of its two probabilities, at most `RATIO`.
    """
    _alike("reinforce", logprobs_N=logprobs_N, rows_N=rows_N)
    own_B = row_sums(logprobs_N, rows_N, len(advantages_B))
    weights_B = advantages_B
    if old_N is not None:
        apart_B = own_B.detach() - row_sums(old_N, rows_N, len(advantages_B))
        weights_B = advantages_B * apart_B.exp().clamp(max=RATIO)
    return -(weights_B * own_B).mean()


def clipped(
    logprobs_N: Tensor,
    old_N: Tensor,
    rows_N: Tensor,
    advantages_B: Tensor,
    clip_range: float = 0.2,
) -> Tensor:
    """surrogate_N of PPO (arXiv 1707.06347), token by token: min(r A, clamp(r, 1 - clip, 1 + clip) A).

    Args:
        logprobs_N, old_N: under the current and the sampling policy, whose ratio is r.
        rows_N: row of each token.
        advantages_B: A of each row.
        clip_range: how far the ratio may leave 1, in (0, 1).
    """
    _alike("clipped", logprobs_N=logprobs_N, old_N=old_N, rows_N=rows_N)
    if not 0.0 < clip_range < 1.0:
        raise ClarifyError(f"clip_range={clip_range!r}: how far a ratio may leave 1, between 0 and 1")
    ratio_N = (logprobs_N - old_N.detach()).exp()
    advantage_N = advantages_B[rows_N]
    bounded_N = ratio_N.clamp(1.0 - clip_range, 1.0 + clip_range)
    return torch.minimum(ratio_N * advantage_N, bounded_N * advantage_N)


def ppo(
    logprobs_N: Tensor, old_N: Tensor, rows_N: Tensor, advantages_B: Tensor, clip_range: float = 0.2
) -> Tensor:
    """Minus PPO's clipped surrogate, the mean over tokens (arXiv 1707.06347)."""
    return -clipped(logprobs_N, old_N, rows_N, advantages_B, clip_range).mean()


def grpo(
    logprobs_N: Tensor,
    old_N: Tensor,
    rows_N: Tensor,
    advantages_B: Tensor,
    clip_range: float = 0.2,
    by_length: bool = True,
    max_completion_length: int | None = None,
) -> Tensor:
    """Minus GRPO's clipped surrogate (arXiv 2402.03300), the mean over rows of a row's mean over its tokens.

    Args:
        logprobs_N, old_N: under the current and the sampling policy.
        rows_N: row of each token.
        advantages_B: from `advantages.group_advantages`.
        clip_range: how far a ratio may leave 1.
        by_length: whether a row's sum is divided by its own length, which favours short right answers and
            long wrong ones; without, all rows are divided by
            `max_completion_length` (Dr. GRPO, arXiv 2503.20783).
        max_completion_length: tokens that a row can have; the longest of these rows by default.
    """
    surrogate_N = clipped(logprobs_N, old_N, rows_N, advantages_B, clip_range)
    count = len(advantages_B)
    lengths_B = row_sums(torch.ones_like(surrogate_N), rows_N, count).clamp(min=1.0)
    if not by_length:
        lengths_B = torch.full_like(lengths_B, float(max_completion_length or lengths_B.max().item()))
    return -(row_sums(surrogate_N, rows_N, count) / lengths_B).mean()


def value(values_B: Tensor, returns_B: Tensor) -> Tensor:
    """Half the squared error of the values, the mean over rows."""
    _alike("value", values_B=values_B, returns_B=returns_B)
    return 0.5 * ((values_B - returns_B) ** 2).mean()


def dpo(margins_P: Tensor, reference_P: Tensor, beta: float = 0.1) -> Tensor:
    """Direct preference optimisation, the mean over pairs (arXiv 2305.18290).

    Args:
        margins_P: log-probability of the better row less that of the worse one, under the current policy.
        reference_P: the same under the reference.
        beta: how dear it is to leave the reference, > 0.
    """
    _alike("dpo", margins_P=margins_P, reference_P=reference_P)
    return -torch.nn.functional.logsigmoid(beta * (margins_P - reference_P)).mean()


def distillation(margins_P: Tensor, reference_P: Tensor, rewards_K_P: Tensor, beta: float = 0.1) -> Tensor:
    """Squared error of the reward difference that the policy implies, the mean over pairs.

    Args:
        margins_P, reference_P: as in `dpo`, of any two rows.
        rewards_K_P: reward of the first row of a pair less that of the second, by each member of an ensemble;
            the member that fits best counts.
        beta: > 0 (arXiv 2405.19316, equation 7, and its pessimistic form).
    """
    _alike("distillation", margins_P=margins_P, reference_P=reference_P, rewards_P=rewards_K_P[0])
    fits = [((rewards_P - beta * (margins_P - reference_P)) ** 2).mean() for rewards_P in rewards_K_P]
    return torch.stack(fits).min()


def kl(logprobs_N: Tensor, reference_N: Tensor, kind: str = "k3") -> Tensor:
    """kl_N: estimates of KL(policy || reference) at tokens that the policy sampled (Schulman, 2020).

    With d = reference - policy, in logarithms: k1 = -d, unbiased and negative at times; k2 = d^2 / 2, biased,
    whose gradient is nevertheless that of the divergence; k3 = exp(d) - 1 - d, unbiased and never negative.
    As a loss, k3 has another gradient than what it estimates: that of KL(reference || policy).

    Args:
        logprobs_N, reference_N: under the policy and under the reference.
        kind: k1, k2 or k3.
    """
    _alike("kl", logprobs_N=logprobs_N, reference_N=reference_N)
    d_N = reference_N.detach() - logprobs_N
    if kind == "k1":
        return -d_N
    if kind == "k2":
        return 0.5 * d_N**2
    if kind == "k3":
        return torch.expm1(d_N) - d_N
    raise ClarifyError(f"kl(kind={kind!r}): k1, k2 or k3")


def _alike(who: str, **tensors: Tensor) -> None:
    """Raise where these tensors are not flat and of one length."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ClarifyError(f"{who}: {shapes}; flat tensors of one length are needed")
