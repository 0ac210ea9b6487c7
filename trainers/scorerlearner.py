"""The learner of `MoveScorer`: gradient steps on the choice among its candidate moves."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clarify_env.agents.proposer import FEATURES, Dialogue, describe
from clarify_env.agents.scorer import MoveScorer, Network
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move
from clarify_env.trainers.learner import Example, Objective, Scored
from clarify_env.trainers.losses import nll

SHARED = ("now_accuracy", "now_words", "belief", "entropy", "notes", "asked")  # by all candidates of a point


class _Table(NamedTuple):
    """Examples as tensors.

    Args:
        points_E, targets_E: of each example its point of a dialogue, and its move among the candidates there.
        costs_E_2: its costs.
        features_P_M_F, sizes_P: of each point its candidates' features, padded, and how many they are.
    """

    points_E: torch.Tensor
    targets_E: torch.Tensor
    costs_E_2: torch.Tensor
    features_P_M_F: torch.Tensor
    sizes_P: torch.Tensor


class Critic(torch.nn.Module):
    """value_B: what `MoveScorer` may expect from a point on, by what all its candidates share and the costs.

    Args:
        hidden: units of a hidden layer.
        seed: of the initial weights.
    """

    def __init__(self, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.width = hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(len(SHARED) + 4, hidden, dtype=torch.float64),
                torch.nn.Tanh(),
                torch.nn.Linear(hidden, hidden, dtype=torch.float64),
                torch.nn.Tanh(),
                torch.nn.Linear(hidden, 1, dtype=torch.float64),
            )

    def forward(self, features_B_F: torch.Tensor, costs_B_2: torch.Tensor) -> torch.Tensor:
        """Values of points, from the features of any candidate there."""
        known_B_S = features_B_F[:, [FEATURES.index(name) for name in SHARED]]
        logs_B_2 = torch.log10(costs_B_2 + 1e-4)
        value_B: torch.Tensor = self.layers(torch.cat([known_B_S, costs_B_2, logs_B_2], dim=1)).squeeze(1)
        return value_B


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
        critic: the value head, for algorithms that have one.
    """

    def __init__(
        self,
        agent: MoveScorer,
        updates: int = 300,
        batch: int = 256,
        rate: float = 3e-3,
        critic: Critic | None = None,
    ) -> None:
        self.agent = agent
        self.critic = critic or Critic()
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
        critic = Critic(self.critic.width)
        critic.load_state_dict(self.critic.state_dict())
        return type(self)(twin, self.updates, self.batch, self.rate, critic)

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
        order = draws.choice(len(examples), (self.updates, self.batch), p=chances / chances.sum())
        fitted = self.descend(examples, order.tolist(), Objective(lambda scored: nll(scored.logprobs_N)))
        return {name: fitted[name] for name in ("loss", "agreement", "examples")}

    def descend(
        self,
        examples: Sequence[Example],
        steps: Sequence[Sequence[int]],
        objective: Objective,
        rate: float | None = None,
    ) -> dict[str, float]:
        """One step of a fresh Adam a minibatch, with a learning rate that falls to zero.

        Args:
            examples: decisions.
            steps: of each minibatch the positions of its examples.
            objective: what to go down.
            rate: learning rate at the start; the learner's own by default.

        Returns:
            `loss` and `agreement` (share whose move is preferred) over the last tenth of the steps,
            `examples`, `tokens` trained on, and `gradient` (mean norm).

        Raises:
            ClarifyError: the loss is no longer finite.
        """
        rate = self.rate if rate is None else rate
        table = self._tensors(examples)
        adam = torch.optim.Adam(self._trained, lr=rate)
        tail: list[float] = []
        agreed: list[float] = []
        norms: list[float] = []
        for step, rows in enumerate(steps):
            for group in adam.param_groups:
                group["lr"] = rate * (1.0 - step / len(steps))
            rows_B = torch.as_tensor(rows)
            scored, preferred = self._scored(table, rows_B)
            loss = objective.loss(scored)
            if not torch.isfinite(loss):
                raise ClarifyError(f"the loss became {loss.item()} at step {step}: lower the learning rate")
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norms.append(sum(float((p.grad**2).sum()) for p in self._trained if p.grad is not None) ** 0.5)
            adam.step()
            if step >= int(0.9 * len(steps)):
                tail.append(loss.item())
                agreed.append(preferred)
        return {
            "loss": float(np.mean(tail)),
            "agreement": float(np.mean(agreed)),
            "examples": float(len(examples)),
            "tokens": float(sum(map(len, steps))),
            "gradient": float(np.mean(norms)),
        }

    def measure(self, examples: Sequence[Example]) -> Scored:
        """The examples under the current policy, without gradients."""
        with torch.no_grad():
            return self._scored(self._tensors(examples), torch.arange(len(examples)))[0]

    def _scored(self, table: "_Table", rows_B: torch.Tensor) -> tuple[Scored, float]:
        """These examples under the current policy, and the share of them whose move it prefers."""
        at_B, targets_B = table.points_E[rows_B], table.targets_E[rows_B]
        features_B_M_F, costs_B_2 = table.features_P_M_F[at_B], table.costs_E_2[rows_B]
        logprobs_B_M = self._logprobs(features_B_M_F, table.sizes_P[at_B], costs_B_2)
        chosen_B = logprobs_B_M.gather(1, targets_B[:, None])[:, 0]
        values_B = self.critic(features_B_M_F[:, 0], costs_B_2)
        scored = Scored(rows_B, chosen_B, torch.arange(len(rows_B)), values_B)
        return scored, (logprobs_B_M.argmax(1) == targets_B).double().mean().item()

    def _logprobs(
        self, features_B_M_F: torch.Tensor, sizes_B: torch.Tensor, costs_B_2: torch.Tensor
    ) -> torch.Tensor:
        batch, most, width = features_B_M_F.shape
        flat = features_B_M_F.reshape(-1, width)
        scores_B_M = self.agent.network(flat, costs_B_2.repeat_interleave(most, 0)).reshape(batch, most)
        absent = torch.arange(most)[None, :] >= sizes_B[:, None]
        return torch.log_softmax(scores_B_M.masked_fill(absent, -torch.inf), dim=1)

    def _tensors(self, examples: Sequence[Example]) -> "_Table":
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
        costs_E_2 = torch.from_numpy(np.array([example.observation["costs"] for example in examples]))
        return _Table(torch.tensor(points_E), torch.tensor(targets_E), costs_E_2, padded, sizes_P)

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
                f"{path}: no weights of this MoveScorer: {str(error).splitlines()[0]}"
            ) from None
