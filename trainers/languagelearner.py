"""The learner of a language model: masked fine-tuning on exactly the token ids that were sampled."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clarify_env.agents.transformer import TransformersAgent
from clarify_env.errors import ClarifyError
from clarify_env.trainers.learner import Example
from clarify_env.trainers.packing import Item, Packed, pack
from clarify_env.trainers.processes import add_up, join, share

WEIGHTS = "weights.safetensors"
SORTED = 4  # steps whose examples are sorted together


class LanguageLearner:
    """Negative log-likelihood of the selected messages, token by token (arXiv 2308.08998).

    What is trained on is what was sampled: the ids in the trace of the decision, the stop token included,
    after the prompt of the example's own observation; prompts and other players' messages are masked. Each
    update starts a fresh AdamW, draws `updates` minibatches of examples in proportion to their weights, and
    anneals the learning rate to zero, so that weights are all that a checkpoint needs. What four steps
    draw is shared out among them by what the prompts begin with, so that more of it is read only once.

    Args:
        agent: the policy to train.
        updates: gradient steps per call, >= 1.
        batch: examples per step, >= 1.
        rate: peak learning rate.
        width: tokens of a packed row, >= 1.
        part: tokens of one forward and backward pass, >= 1; gradients are accumulated over the passes of a
            step. Lower it where memory is short.
        bf16: compute in bfloat16 (weights and optimiser stay as they are).
        lora: rank of low-rank adapters (peft) that are trained in place of the weights; 0 for none.
    """

    def __init__(
        self,
        agent: TransformersAgent,
        updates: int = 100,
        batch: int = 64,
        rate: float = 1e-3,
        width: int = 512,
        part: int = 8192,
        bf16: bool = False,
        lora: int = 0,
    ) -> None:
        self.agent = agent
        self.updates = updates
        self.batch = batch
        self.rate = rate
        self.width = width
        self.part = part
        self.bf16 = bf16
        self.lora = lora
        if lora and not hasattr(agent.model.model, "peft_config"):
            agent.model.model = _adapted(agent.model.model, lora)
        self._parameters = {n: p for n, p in agent.model.model.named_parameters() if p.requires_grad}

    def greedy(self) -> TransformersAgent:
        """The same model, always taking its likeliest token."""
        return self.agent.twin(temperature=0.0)

    def copy(self) -> Self:
        """The same weights in a model of their own."""
        old = self.agent.model
        twin = copy.copy(old)
        twin.model = copy.deepcopy(old.model)
        agent = self.agent.twin(model=twin)
        return type(self)(
            agent, self.updates, self.batch, self.rate, self.width, self.part, self.bf16, self.lora
        )

    def item(self, example: Example) -> tuple[Item, bool]:
        """The tokens of an example, and whether its message is one that was sampled."""
        agent = self.agent
        prompt = agent.prompt_ids(example.observation)
        sampled = bool(example.trace) and "ids" in example.trace
        if sampled:
            ids = list(example.trace["ids"])
        else:
            ids = agent.model.message_ids(agent.prompt.write(example.move, example.observation))
        return Item(tuple(prompt), tuple(ids)), sampled

    def update(self, examples: Sequence[Example], seed: int) -> dict[str, float]:
        """Fit the examples.

        Returns:
            `loss` per token over the last tenth of the steps, `examples`, `sampled` (share of the drawn whose
            message was sampled rather than tokenised anew), `ids_differ` (trained tokens that are not the
            sampled ones: 0), `tokens` trained on, and `read` (tokens that went through the model for it).

        Raises:
            ClarifyError: the loss is no longer finite, or memory runs out.
        """
        if not examples:
            return {"loss": float("nan"), "examples": 0.0, "sampled": 1.0, "ids_differ": 0.0}
        try:
            return self._update(examples, seed)
        except torch.OutOfMemoryError:
            raise ClarifyError(
                f"{self.agent.model.name}: out of memory in training with part={self.part}; lower part, or "
                "train adapters (lora=16); the run can be resumed"
            ) from None

    def _update(self, examples: Sequence[Example], seed: int) -> dict[str, float]:
        chances = np.array([example.weight for example in examples])
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(examples), self.updates * self.batch, p=chances / chances.sum())
        pairs = {i: self.item(examples[i]) for i in np.unique(drawn).tolist()}
        order = _steps(drawn.tolist(), {i: item.prompt for i, (item, _) in pairs.items()}, self.batch, rng)
        parameters = list(self._parameters.values())
        adam = torch.optim.AdamW(parameters, lr=self.rate, betas=(0.9, 0.98), weight_decay=0.0)
        losses: list[float] = []
        tokens = read = differ = 0
        model = self.agent.model.model
        rank, size = join()
        share(parameter.data for parameter in parameters)
        model.train()
        for step, rows in enumerate(order):
            warm = min(1.0, (step + 1) / max(1.0, 0.05 * self.updates))
            for group in adam.param_groups:
                group["lr"] = self.rate * warm * (1.0 - step / self.updates)
            chosen = [pairs[i][0] for i in rows]
            parts = pack(chosen, self.width, self.part)
            count = sum(len(item.message) for item in chosen)
            differ += _differ(parts, chosen)
            read += sum(packed.ids_R_T.numel() for packed in parts)
            total = 0.0
            for packed in parts[rank::size]:
                loss = self.loss(packed.to(self.agent.model.device)) / count
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
            if size > 1:
                summed = torch.tensor([total], dtype=torch.float64, device=self.agent.model.device)
                for parameter in parameters:
                    if parameter.grad is None:
                        parameter.grad = torch.zeros_like(parameter)
                add_up([summed, *(p.grad for p in parameters if p.grad is not None)])
                total = summed.item()
            if not np.isfinite(total):
                raise ClarifyError(f"the loss became {total} at step {step}: lower the learning rate")
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            adam.step()
            adam.zero_grad()
            losses.append(total)
            tokens += count
        model.eval()
        self.agent.generator.memory.clear()
        return {
            "loss": float(np.mean(losses[int(0.9 * self.updates) :])),
            "examples": float(len(examples)),
            "sampled": float(np.mean([sampled for _, sampled in pairs.values()])),
            "ids_differ": float(differ),
            "tokens": float(tokens),
            "read": float(read),
        }

    def loss(self, packed: Packed) -> torch.Tensor:
        """Summed negative log-likelihood of the trained tokens."""
        model, device = self.agent.model.model, self.agent.model.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            hidden_R_T_D = model.get_decoder()(
                input_ids=packed.ids_R_T,
                attention_mask=packed.mask(torch.bfloat16 if self.bf16 else self.agent.model.model.dtype),
                position_ids=packed.positions_R_T,
                use_cache=False,
            ).last_hidden_state
            logits_N_V = model.get_output_embeddings()(hidden_R_T_D.flatten(0, 1)[packed.from_N])
        logits_N_V = logits_N_V if logits_N_V.dtype == torch.float64 else logits_N_V.float()
        return torch.nn.functional.cross_entropy(logits_N_V, packed.targets_N, reduction="sum")

    def save(self, folder: Path) -> None:
        """Write what is trained, the weights or the adapters; raises OSError where that fails."""
        try:
            save_file({n: p.detach().contiguous() for n, p in self._parameters.items()}, folder / WEIGHTS)
        except SafetensorError as error:
            raise OSError(str(error).splitlines()[0]) from None

    def load(self, folder: Path) -> None:
        """Raises ClarifyError where the file is missing or does not fit the model."""
        path = folder / WEIGHTS
        try:
            stored = load_file(path)
            if set(stored) != set(self._parameters):
                odd = sorted(set(stored) ^ set(self._parameters))[0]
                raise ValueError(f"{odd} is not in both")
            with torch.no_grad():
                for name, parameter in self._parameters.items():
                    parameter.copy_(stored[name])
        except Exception as error:  # torch and safetensors raise types of their own
            raise ClarifyError(
                f"{path}: no weights of {self.agent.model.name}: {str(error).splitlines()[0]}"
            ) from None
        self.agent.generator.memory.clear()


def _steps(
    drawn: Sequence[int], prompts: Mapping[int, tuple[int, ...]], batch: int, rng: np.random.Generator
) -> list[list[int]]:
    """The drawn examples as minibatches; every few of them in a row hold what was drawn for them, sorted."""
    steps: list[list[int]] = []
    for begin in range(0, len(drawn), SORTED * batch):
        block = sorted(drawn[begin : begin + SORTED * batch], key=lambda i: (prompts[i], i))
        rows = [block[k : k + batch] for k in range(0, len(block), batch)]
        steps += [rows[k] for k in rng.permutation(len(rows))]
    return steps


def _differ(parts: Sequence[Packed], items: Sequence[Item]) -> int:
    """How many tokens of the items' messages are not trained on as they stand."""
    wanted = Counter(item.message for item in items)
    trained: Counter[tuple[int, ...]] = Counter()
    for packed in parts:
        ids, sources = packed.ids_R_T.flatten().tolist(), packed.from_N.tolist()
        starts = [0, *(k for k in range(1, len(sources)) if sources[k] != sources[k - 1] + 1), len(sources)]
        for start, end in pairwise(starts):
            message = tuple(ids[at + 1] for at in sources[start:end])
            if message == tuple(packed.targets_N[start:end].tolist()):
                trained[message] += 1
    return sum(len(message) * count for message, count in (wanted - trained).items())


def _adapted(model: Any, rank: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError:
        raise ClarifyError(f"lora={rank} needs peft: pip install 'clarify_env[llm]'") from None
    return get_peft_model(
        model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    )
