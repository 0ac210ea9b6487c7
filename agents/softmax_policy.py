"""`SoftmaxPolicy`: lists candidate moves, scores them with a small network under the costs, and plays one.

A policy of yours says what it knows from an observation (`key`), which moves are candidates there (`moves`),
and what can be told of each without the costs (`describe`). One-hot features and a network without hidden
units make it a table. Only importing this module loads torch.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from clarify_env.agent import Agent, Decision, Observation
from clarify_env.arrays import Floats
from clarify_env.moves import Move

K = TypeVar("K", bound=Hashable)


class Point(NamedTuple):
    """A point at which a policy decides, float64.

    Args:
        moves: its M candidates.
        features_M_F: of each candidate.
        context_S: of the point itself: what a value head reads.
    """

    moves: tuple[Move, ...]
    features_M_F: Tensor
    context_S: Tensor


class ScoreNetwork(nn.Module):
    """Scores of moves from their features and the costs: a linear part and two hidden layers, float64.

    float64 makes a move's score the same at any batch size, to well below what could change a choice. The
    linear part starts at 0.

    Args:
        inputs: what `inputs` gives: by default a move's features, the costs and their logarithms.
        hidden: units of each hidden layer; 0 for the linear part alone, which the costs do not steer.
        seed: of the initial weights.
    """

    def __init__(self, inputs: int, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.linear = nn.Linear(inputs, 1, dtype=torch.float64)
            self.hidden = layers(inputs, hidden) if hidden else None
        with torch.no_grad():
            self.linear.weight.zero_()

    def inputs(self, features_R_F: Tensor, costs_R_K: Tensor) -> Tensor:
        """inputs_R_I: of R moves, each under its own costs."""
        return torch.cat([features_R_F, costs_R_K, torch.log10(costs_R_K + 1e-4)], dim=1)

    def forward(self, features_R_F: Tensor, costs_R_K: Tensor) -> Tensor:
        """score_R: of R moves, each under its own costs."""
        inputs = self.inputs(features_R_F, costs_R_K)
        scores: Tensor = self.linear(inputs)
        if self.hidden is not None:
            scores = scores + self.hidden(inputs)
        return scores.squeeze(1)


def layers(inputs: int, hidden: int) -> nn.Sequential:
    """Two hidden layers and one output, float64."""
    return nn.Sequential(
        nn.Linear(inputs, hidden, dtype=torch.float64),
        nn.Tanh(),
        nn.Linear(hidden, hidden, dtype=torch.float64),
        nn.Tanh(),
        nn.Linear(hidden, 1, dtype=torch.float64),
    )


class SoftmaxPolicy(Agent, ABC, Generic[K]):
    """Plays a candidate drawn by the softmax of the scores, or the best one; see the module's docstring.

    `context_size` and `costs_size` count the numbers of a point's context and of the observed costs.

    Args:
        network: scores features_R_F under costs_R_K, as `ScoreNetwork` does.
        greedy: play the best-scored move.
        seed: of the agent's own generator.
    """

    context_size: int
    costs_size: int = 2

    def __init__(self, network: nn.Module, greedy: bool = False, seed: int = 0) -> None:
        super().__init__(seed)
        self.network = network
        self.greedy = greedy
        self.point = lru_cache(maxsize=200_000)(self._point)

    @abstractmethod
    def key(self, observation: Observation) -> K:
        """What the agent knows besides the costs; equal keys are the same point."""

    @abstractmethod
    def moves(self, key: K) -> Sequence[Move]:
        """The candidates: at least one legal move, no two alike, in an order that no chance changes."""

    @abstractmethod
    def describe(self, key: K, moves: Sequence[Move]) -> Floats:
        """features_M_F of any legal moves there."""

    def context(self, key: K, features_M_F: Floats) -> Floats:
        """context_S: of the point itself, for a value head; by default its candidates' mean features."""
        mean_S: Floats = features_M_F.mean(axis=0)
        return mean_S

    def prepare(self, keys: Sequence[K]) -> None:
        """Called with all points of a batch before each of them, where many at once are quicker."""

    def _point(self, key: K) -> Point:
        moves = tuple(self.moves(key))
        features = self.describe(key, moves)
        context = self.context(key, features)
        return Point(moves, torch.from_numpy(features), torch.from_numpy(context))

    def variant(self, network: nn.Module | None = None, greedy: bool = False) -> Self:
        """The same policy with this network and a generator of its own; what was computed is shared."""
        own = copy.copy(self)
        own.network = network or self.network
        own.greedy = greedy
        own.reset(0)
        return own

    def scores(self, observations: Sequence[Observation]) -> list[tuple[tuple[Move, ...], Tensor]]:
        """For each observation its candidate moves and their log-probabilities, logprob_M."""
        keys = [self.key(observation) for observation in observations]
        self.prepare(keys)
        points = [self.point(key) for key in keys]
        sizes = [len(point.moves) for point in points]
        costs = torch.from_numpy(np.array([observation["costs"] for observation in observations]))
        with torch.inference_mode():
            every = self.network(
                torch.cat([point.features_M_F for point in points]),
                costs.repeat_interleave(torch.tensor(sizes), dim=0),
            )
        return [
            (point.moves, torch.log_softmax(scores_M, 0))
            for point, scores_M in zip(points, every.split(sizes), strict=True)
        ]

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> list[Decision]:
        """Decisions whose trace holds the candidate's position and its log-probability."""
        if rngs is None:
            rngs = [self._rng] * len(observations)
        decisions = []
        for (moves, logprob_M), rng in zip(self.scores(observations), rngs, strict=True):
            logprobs = logprob_M.numpy()
            if self.greedy:
                at = int(np.argmax(np.round(logprobs, 12)))
            else:
                at = int(np.searchsorted(np.cumsum(np.exp(logprobs)), rng.random() * 0.999999999))
            trace = {"candidate": at, "logprob": round(float(logprobs[at]), 9)}
            decisions.append(Decision(moves[at], trace=trace))
        return decisions
