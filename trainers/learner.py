"""What a trainer asks of a trainable agent, and the learner of `MoveScorer`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clarify_env.agent import Agent, Observation
from clarify_env.agents.proposer import Dialogue, describe
from clarify_env.agents.scorer import MoveScorer, Network
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move


class Example(NamedTuple):
    """A move worth imitating.

    Args:
        observation: what the player saw, with the costs under which the move is good.
        move: what it did, or would better have done.
        trace: what the agent attached to the decision when the move was sampled, or None.
        weight: share in the loss, > 0.
    """

    observation: Observation
    move: Move
    trace: Any
    weight: float


class Learner(Protocol):
    """A trainable agent with its loss; everything random in an update follows from the seed it is given."""

    @property
    def agent(self) -> Agent:
        """The current policy, sampling."""
        ...

    def greedy(self) -> Agent:
        """The current policy as it is evaluated."""
        ...

    def copy(self) -> Self:
        """An independent learner with the same weights; its agent is a frozen policy."""
        ...

    def update(self, examples: Sequence[Example], seed: int) -> dict[str, float]:
        """Imitate the examples; returns metrics."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs."""
        ...

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        ...


class ScorerLearner:
    """Negative log-likelihood of the selected moves over `MoveScorer`'s candidates (arXiv 2308.08998).

    Each update starts a fresh Adam, draws `updates` minibatches of examples in proportion to their weights,
    and anneals the learning rate to zero. A selected move that was not among the candidates of its point is
    added there.

    Args:
        agent: the policy to train.
        updates: gradient steps per call.
        batch: examples per step.
        rate: learning rate at the start of a call.
    """

    def __init__(self, agent: MoveScorer, updates: int = 300, batch: int = 256, rate: float = 3e-3) -> None:
        self.agent = agent
        self.updates = updates
        self.batch = batch
        self.rate = rate

    def greedy(self) -> MoveScorer:
        """The same network, playing its best-scored move."""
        twin = MoveScorer(self.agent.network, self.agent.proposer, greedy=True)
        twin.point = self.agent.point
        return twin

    def copy(self) -> Self:
        """The same weights in a network of their own."""
        network = Network(hidden=self.agent.network.width)
        network.load_state_dict(self.agent.network.state_dict())
        twin = MoveScorer(network, self.agent.proposer)
        twin.point = self.agent.point
        return type(self)(twin, self.updates, self.batch, self.rate)

    def update(self, examples: Sequence[Example], seed: int) -> dict[str, float]:
        """Fit the examples; reports the last loss and the share of examples whose move is now preferred."""
        if not examples:
            return {"loss": float("nan"), "agreement": float("nan"), "examples": 0.0}
        points_E, targets_E, features_P_M_F, sizes_P = self._tensors(examples)
        costs_E_2 = torch.from_numpy(np.array([example.observation["costs"] for example in examples]))
        chances = np.array([example.weight for example in examples])
        draws = np.random.default_rng(seed)
        order = draws.choice(len(examples), (self.updates, self.batch), p=chances / chances.sum())
        network = self.agent.network
        adam = torch.optim.Adam(network.parameters(), lr=self.rate)
        tail: list[float] = []
        agreed: list[float] = []
        for step, rows in enumerate(torch.from_numpy(order)):
            for group in adam.param_groups:
                group["lr"] = self.rate * (1.0 - step / self.updates)
            at_B = points_E[rows]
            logprobs_B_M = self._logprobs(features_P_M_F[at_B], sizes_P[at_B], costs_E_2[rows])
            loss = torch.nn.functional.nll_loss(logprobs_B_M, targets_E[rows])
            if not torch.isfinite(loss):
                raise ClarifyError(f"the loss became {loss.item()} at step {step}: lower the learning rate")
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            if step >= int(0.9 * self.updates):
                tail.append(loss.item())
                agreed.append((logprobs_B_M.argmax(1) == targets_E[rows]).double().mean().item())
        return {
            "loss": float(np.mean(tail)),
            "agreement": float(np.mean(agreed)),
            "examples": float(len(examples)),
        }

    def _logprobs(
        self, features_B_M_F: torch.Tensor, sizes_B: torch.Tensor, costs_B_2: torch.Tensor
    ) -> torch.Tensor:
        batch, most, width = features_B_M_F.shape
        flat = features_B_M_F.reshape(-1, width)
        scores_B_M = self.agent.network(flat, costs_B_2.repeat_interleave(most, 0)).reshape(batch, most)
        absent = torch.arange(most)[None, :] >= sizes_B[:, None]
        return torch.log_softmax(scores_B_M.masked_fill(absent, -torch.inf), dim=1)

    def _tensors(
        self, examples: Sequence[Example]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """For each example its point and target; for each point its padded features and number of moves."""
        moves_P: dict[Dialogue, dict[Move, int]] = {}
        index: dict[Dialogue, int] = {}
        points_E, targets_E = [], []
        for example in examples:
            dialogue = Dialogue.of(example.observation, "MoveScorer")
            if dialogue not in index:
                index[dialogue] = len(index)
                moves_P[dialogue] = {move: k for k, move in enumerate(self.agent.point(dialogue).moves)}
            moves = moves_P[dialogue]
            points_E.append(index[dialogue])
            targets_E.append(moves.setdefault(example.move, len(moves)))
        rows = []
        for dialogue, moves in moves_P.items():
            known = self.agent.point(dialogue).features_M_F
            added = list(moves)[len(known) :]
            rows.append(torch.cat([known, torch.from_numpy(describe(dialogue, added))]) if added else known)
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        sizes_P = torch.tensor([len(row) for row in rows])
        return torch.tensor(points_E), torch.tensor(targets_E), padded, sizes_P

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors`; raises OSError where that fails."""
        try:
            save_file(self.agent.network.state_dict(), folder / "weights.safetensors")
        except SafetensorError as error:
            raise OSError(str(error).splitlines()[0]) from None

    def load(self, folder: Path) -> None:
        """Raises ClarifyError where the file is missing or does not fit the network."""
        path = folder / "weights.safetensors"
        try:
            self.agent.network.load_state_dict(load_file(path))
        except Exception as error:  # torch and safetensors raise types of their own
            raise ClarifyError(
                f"{path}: no weights of this MoveScorer: {str(error).splitlines()[0]}"
            ) from None
