"""The learner of small policies: gradient steps on the choice among their candidate moves."""

import copy
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clarify_env.agents.softmax_policy import SoftmaxPolicy, layers
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move
from clarify_env.trainers.learners import Example, Experience, Loss, Scored


class _Table(NamedTuple):
    """Examples as tensors.

    Args:
        points_E, targets_E: of each example its point, and its move among the candidates there.
        costs_E_K: its costs.
        features_P_M_F, sizes_P: of each point its candidates' features, padded, and how many they are.
        contexts_P_S: what a value head reads of each point.
    """

    points_E: torch.Tensor
    targets_E: torch.Tensor
    costs_E_K: torch.Tensor
    features_P_M_F: torch.Tensor
    sizes_P: torch.Tensor
    contexts_P_S: torch.Tensor


class Critic(torch.nn.Module):
    """value_B: what a policy may expect from a point on, by the context of the point and the costs.

    Args:
        context: numbers of a context.
        costs: numbers of the costs.
        hidden: units of a hidden layer.
        seed: of the initial weights.
    """

    def __init__(self, context: int, costs: int = 2, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = layers(context + 2 * costs, hidden)

    def forward(self, contexts_B_S: torch.Tensor, costs_B_K: torch.Tensor) -> torch.Tensor:
        """Values of points."""
        logs_B_K = torch.log10(costs_B_K + 1e-4)
        value_B: torch.Tensor = self.layers(torch.cat([contexts_B_S, costs_B_K, logs_B_K], dim=1)).squeeze(1)
        return value_B


class ScorerLearner:
    """Negative log-likelihood of the selected moves over a `SoftmaxPolicy`'s candidates (arXiv 2308.08998).

    Each update starts a fresh Adam, draws minibatches of examples in proportion to their weights,
    and anneals the learning rate to zero. A selected move that was not among the candidates of its point is
    added there.

    Args:
        agent: the policy to train.
        gradient_steps: minibatches of an update, >= 1.
        batch: examples of a minibatch, >= 1.
        learning_rate: at the start of a call.
        critic: the value head, for algorithms that have one.
    """

    def __init__(
        self,
        agent: SoftmaxPolicy[Any],
        gradient_steps: int = 300,
        batch: int = 256,
        learning_rate: float = 3e-3,
        critic: Critic | None = None,
    ) -> None:
        self.agent = agent
        self.critic = critic or Critic(agent.context_size, agent.costs_size)
        self.gradient_steps = gradient_steps
        self.batch = batch
        self.learning_rate = learning_rate

    def greedy(self) -> SoftmaxPolicy[Any]:
        """The same network, playing its best-scored move."""
        return self.agent.with_(greedy=True)

    def copy(self) -> Self:
        """The same weights in networks of their own."""
        agent = self.agent.with_(network=copy.deepcopy(self.agent.network))
        return type(self)(
            agent, self.gradient_steps, self.batch, self.learning_rate, copy.deepcopy(self.critic)
        )

    @property
    def _trained(self) -> list[torch.nn.Parameter]:
        return [*self.agent.network.parameters(), *self.critic.parameters()]

    def _state(self) -> dict[str, torch.Tensor]:
        critic = {f"critic.{name}": tensor for name, tensor in self.critic.state_dict().items()}
        return {**self.agent.network.state_dict(), **critic}

    def update(self, examples: Sequence[Example], seed: int) -> dict[str, float]:
        """Fit the examples; reports the last loss and the share of examples whose move is now preferred."""
        if not examples:
            return {"loss": float("nan"), "agreement": float("nan"), "examples": 0.0}
        chances = np.array([example.weight for example in examples])
        draws = np.random.default_rng(seed)
        order = draws.choice(len(examples), (self.gradient_steps, self.batch), p=chances / chances.sum())
        fitted = self.step(
            self.experience(examples), lambda scored: -scored.logprobs_N.mean(), order.tolist()
        )
        return {name: fitted[name] for name in ("loss", "agreement", "examples")}

    def step(
        self,
        batch: Experience,
        loss: Loss,
        minibatches: Sequence[Sequence[int]] | None = None,
        *,
        unit: int = 1,
        learning_rate: float | None = None,
    ) -> dict[str, float]:
        """A step of a fresh Adam on each minibatch, at a learning rate that falls to zero; see `Learner`.

        A minibatch is never parted, so that `unit` changes nothing.

        Returns:
            `loss` and `agreement` (share whose move is preferred) over the last tenth of the steps,
            `examples`, `tokens` trained on, and `gradient` (mean norm).

        Raises:
            ClarifyError: the loss is no longer finite.
        """
        steps = minibatches or [range(len(batch.examples))]
        rate = self.learning_rate if learning_rate is None else learning_rate
        adam = torch.optim.Adam(self._trained, lr=rate)
        tail: list[float] = []
        agreed: list[float] = []
        norms: list[float] = []
        for step, rows in enumerate(steps):
            for group in adam.param_groups:
                group["lr"] = rate * (1.0 - step / len(steps))
            scored, preferred = self._scored(batch.encoded, torch.as_tensor(rows))
            found = loss(scored)
            if not torch.isfinite(found):
                raise ClarifyError(f"the loss became {found.item()} at step {step}: lower the learning rate")
            adam.zero_grad()
            found.backward()  # type: ignore[no-untyped-call]
            norms.append(sum(float((p.grad**2).sum()) for p in self._trained if p.grad is not None) ** 0.5)
            adam.step()
            if step >= int(0.9 * len(steps)):
                tail.append(found.item())
                agreed.append(preferred)
        return {
            "loss": float(np.mean(tail)),
            "agreement": float(np.mean(agreed)),
            "examples": float(len(batch.examples)),
            "tokens": float(sum(map(len, steps))),
            "gradient": float(np.mean(norms)),
        }

    def logprobs(self, batch: Experience, rows: Sequence[int] | None = None) -> Scored:
        """The examples under the current policy, without gradients."""
        rows_B = torch.as_tensor(range(len(batch.examples)) if rows is None else rows)
        with torch.no_grad():
            return self._scored(batch.encoded, rows_B)[0]

    def _scored(self, table: _Table, rows_B: torch.Tensor) -> tuple[Scored, float]:
        """These examples under the current policy, and the share of them whose move it prefers."""
        at_B, targets_B = table.points_E[rows_B], table.targets_E[rows_B]
        features_B_M_F, costs_B_K = table.features_P_M_F[at_B], table.costs_E_K[rows_B]
        logprobs_B_M = self._logprobs(features_B_M_F, table.sizes_P[at_B], costs_B_K)
        chosen_B = logprobs_B_M.gather(1, targets_B[:, None])[:, 0]
        values_B = self.critic(table.contexts_P_S[at_B], costs_B_K)
        scored = Scored(rows_B, chosen_B, torch.arange(len(rows_B)), values_B)
        return scored, (logprobs_B_M.argmax(1) == targets_B).double().mean().item()

    def _logprobs(
        self, features_B_M_F: torch.Tensor, sizes_B: torch.Tensor, costs_B_K: torch.Tensor
    ) -> torch.Tensor:
        batch, most, width = features_B_M_F.shape
        flat = features_B_M_F.reshape(-1, width)
        scores_B_M = self.agent.network(flat, costs_B_K.repeat_interleave(most, 0)).reshape(batch, most)
        absent = torch.arange(most)[None, :] >= sizes_B[:, None]
        return torch.log_softmax(scores_B_M.masked_fill(absent, -torch.inf), dim=1)

    def experience(self, examples: Sequence[Example]) -> Experience:
        """The examples as tensors; none is recorded, since a trace holds rounded log-probabilities."""
        moves_P: dict[Hashable, dict[Move, int]] = {}
        index: dict[Hashable, int] = {}
        points_E, targets_E = [], []
        for example in examples:
            key = self.agent.key(example.observation)
            if key not in index:
                index[key] = len(index)
                moves_P[key] = {move: k for k, move in enumerate(self.agent.point(key).moves)}
            moves = moves_P[key]
            points_E.append(index[key])
            targets_E.append(moves.setdefault(example.move, len(moves)))
        rows = []
        for key, moves in moves_P.items():
            known = self.agent.point(key).features_M_F
            added = list(moves)[len(known) :]
            own = torch.from_numpy(self.agent.describe(key, added)) if added else known[:0]
            rows.append(torch.cat([known, own]))
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        sizes_P = torch.tensor([len(row) for row in rows])
        contexts_P_S = torch.stack([self.agent.point(key).context_S for key in moves_P])
        costs_E_K = torch.from_numpy(np.array([example.observation["costs"] for example in examples]))
        table = _Table(
            torch.tensor(points_E), torch.tensor(targets_E), costs_E_K, padded, sizes_P, contexts_P_S
        )
        return Experience(examples, table, [None] * len(examples))

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors`; raises OSError where that fails."""
        try:
            save_file(self._state(), folder / "weights.safetensors")
        except SafetensorError as error:
            raise OSError(str(error).splitlines()[0]) from None

    def load(self, folder: Path) -> None:
        """Raises ClarifyError where the file is missing or does not fit the network."""
        path = folder / "weights.safetensors"
        try:
            stored = load_file(path)
            own = {name: tensor for name, tensor in stored.items() if not name.startswith("critic.")}
            self.agent.network.load_state_dict(own)
            if critic := {n.removeprefix("critic."): t for n, t in stored.items() if n not in own}:
                self.critic.load_state_dict(critic)
        except Exception as error:  # torch and safetensors raise types of their own
            raise ClarifyError(
                f"{path}: no weights of this {type(self.agent).__name__}: {str(error).splitlines()[0]}"
            ) from None
