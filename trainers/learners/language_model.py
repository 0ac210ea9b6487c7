"""The learner of a language model: masked fine-tuning on exactly the token ids that were sampled.

What a language model learns from in one step: which examples, and whether they are what was sampled.
"""

import copy
import logging
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clarify_env.agents.llm.self_check import nats_apart, own_logprobs, probe_ids, trouble
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.errors import ClarifyError
from clarify_env.trainers.learners import Example, Experience, Loss, Scored
from clarify_env.trainers.learners.distributed import add_up, join, share
from clarify_env.trainers.learners.packing import Item, Packed, pack, parted

_log = logging.getLogger(__name__)


SORTED = 4  # steps whose examples are sorted together


def sorted_minibatches(
    drawn: Sequence[int], prompts: Sequence[tuple[int, ...]], batch: int, rng: np.random.Generator
) -> list[list[int]]:
    """The drawn examples as minibatches; every few of them in a row hold what was drawn for them, sorted."""
    steps: list[list[int]] = []
    for begin in range(0, len(drawn), SORTED * batch):
        block = sorted(drawn[begin : begin + SORTED * batch], key=lambda i: (prompts[i], i))
        rows = [block[k : k + batch] for k in range(0, len(block), batch)]
        steps += [rows[k] for k in rng.permutation(len(rows))]
    return steps


def differing(parts: Sequence[Packed], items: Sequence[Item]) -> int:
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


WEIGHTS = "weights.safetensors"
CRITIC = "critic.safetensors"


class LanguageLearner:
    """Negative log-likelihood of the selected messages, token by token (arXiv 2308.08998).

    What is trained on is what was sampled: the ids in the trace of the decision, the stop token included,
    after the prompt of the example's own observation; prompts and other players' messages are masked. Each
    update starts a fresh AdamW, draws minibatches of examples in proportion to their weights, and
    anneals the learning rate to zero, so that weights are all that a checkpoint needs. What four steps
    draw is shared out among them by what the prompts begin with, so that more of it is read only once.

    Log-probabilities are those of the model's own forward under the agent's temperature, without dropout, so
    that they are what was sampled by. Several messages share a row only where `self_check` finds that this
    changes nothing. Weights of half precision are trained as float32 ones, of which they are rounded after
    each step: a step smaller than a rounding would else be lost.

    Args:
        agent: the policy to train; it samples at a temperature above 0, from all tokens.
        gradient_steps: minibatches of an update, >= 1.
        batch: examples of a minibatch, >= 1.
        learning_rate: the highest of a call.
        width: tokens of a packed row, >= 1.
        microbatch_tokens: tokens of one forward and backward pass, >= 1; gradients are accumulated over the
            passes of a step. Lower it where memory is short.
        bf16: compute in bfloat16 (weights and optimiser stay as they are).
        lora: rank of low-rank adapters (peft) that are trained in place of the weights; 0 for none.

    Raises:
        ClarifyError: the agent cuts its distribution off, or its model's forward cannot be trained through.
    """

    def __init__(
        self,
        agent: TransformersAgent,
        gradient_steps: int = 100,
        batch: int = 64,
        learning_rate: float = 1e-3,
        width: int = 512,
        microbatch_tokens: int = 8192,
        bf16: bool = False,
        lora: int = 0,
    ) -> None:
        if agent.temperature == 0.0 or agent.top_p != 1.0:
            raise ClarifyError(
                f"temperature={agent.temperature!r}, top_p={agent.top_p!r}: a policy is trained as it is "
                "sampled; give a temperature above 0, and top_p=1"
            )
        if agent.max_thinking_tokens is not None:
            raise ClarifyError(
                f"max_thinking_tokens={agent.max_thinking_tokens}: ends thoughts by tokens that the policy "
                "did not sample; train without it"
            )
        self.agent = agent
        self.gradient_steps = gradient_steps
        self.batch = batch
        self.learning_rate = learning_rate
        self.width = width
        self.microbatch_tokens = microbatch_tokens
        self.bf16 = bf16
        self.lora = lora
        if agent.model.unpacked is None:
            agent.model.unpacked = self._unpacked()
        if lora and not hasattr(agent.model.model, "peft_config"):
            agent.model.model = _adapted(agent.model.model, lora)
        self.critic = torch.nn.Linear(agent.model.model.config.get_text_config(decoder=True).hidden_size, 1)
        torch.nn.init.zeros_(self.critic.weight)
        torch.nn.init.zeros_(self.critic.bias)
        self.critic.to(agent.model.device)
        self._parameters = {n: p for n, p in agent.model.model.named_parameters() if p.requires_grad}
        self._masters = {
            n: p.detach().float().requires_grad_() if p.itemsize < 4 else p
            for n, p in self._parameters.items()
        }

    def greedy(self) -> TransformersAgent:
        """The same model, always taking its likeliest token."""
        return self.agent.with_(temperature=0.0)

    def copy(self) -> Self:
        """The same weights in a model of their own."""
        model = copy.copy(self.agent.model)
        model.model = copy.deepcopy(model.model)
        learner = type(self)(
            self.agent.with_(model=model),
            self.gradient_steps,
            self.batch,
            self.learning_rate,
            self.width,
            self.microbatch_tokens,
            self.bf16,
            self.lora,
        )
        learner.critic.load_state_dict(self.critic.state_dict())
        with torch.no_grad():
            for name, master in self._masters.items():
                learner._masters[name].copy_(master)
        return learner

    def _to_masters(self) -> None:
        """Add the gradients of weights of half precision to those of their float32 ones."""
        for name, parameter in self._parameters.items():
            master = self._masters[name]
            if master is not parameter and parameter.grad is not None:
                own = parameter.grad.float()
                master.grad = own if master.grad is None else master.grad + own
                parameter.grad = None

    def _from_masters(self) -> None:
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                if (master := self._masters[name]) is not parameter:
                    parameter.copy_(master)

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

    def experience(self, examples: Sequence[Example]) -> Experience:
        """The examples as tokens, with what the agent recorded."""
        encoded = [self.item(example) for example in examples]
        recorded = [
            torch.tensor(example.trace["logprobs"], dtype=torch.float64)
            if sampled and "logprobs" in example.trace
            else None
            for example, (_, sampled) in zip(examples, encoded, strict=True)
        ]
        return Experience(examples, encoded, recorded)

    def update(self, examples: Sequence[Example], seed: int) -> dict[str, float]:
        """Fit the examples; returns the metrics of `step`.

        Raises:
            ClarifyError: the loss is no longer finite, or memory runs out.
        """
        if not examples:
            return {"loss": float("nan"), "examples": 0.0, "sampled": 1.0, "ids_differ": 0.0}
        chances = np.array([example.weight for example in examples])
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(examples), self.gradient_steps * self.batch, p=chances / chances.sum())
        used, places = np.unique(drawn, return_inverse=True)
        batch = self.experience([examples[e] for e in used.tolist()])
        prompts = [item.prompt for item, _ in batch.encoded]
        steps = sorted_minibatches(places.tolist(), prompts, self.batch, rng)
        fitted = self.step(batch, lambda scored: -scored.logprobs_N.mean() * scored.token_share, steps)
        return {**fitted, "examples": float(len(examples))}

    def step(
        self,
        batch: Experience,
        loss: Loss,
        minibatches: Sequence[Sequence[int]] | None = None,
        *,
        unit: int = 1,
        learning_rate: float | None = None,
    ) -> dict[str, float]:
        """A step of a fresh AdamW on each minibatch; see `Learner`.

        The learning rate rises for a twentieth of the steps, then falls to zero.

        Returns:
            `loss` over the last tenth of the steps, `examples`, `sampled` (share of those used whose message
            was sampled rather than tokenised anew), `ids_differ` (trained tokens that are not the
            sampled ones: 0), `tokens` trained on, `read` (tokens that went through the model for it), and
            `gradient` (mean norm before it is clipped to 1).

        Raises:
            ClarifyError: the loss is no longer finite, or memory runs out.
        """
        steps = minibatches or [range(len(batch.examples))]
        rate = self.learning_rate if learning_rate is None else learning_rate
        parameters = [*self._masters.values(), *self.critic.parameters()]
        adam = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
        losses: list[float] = []
        norms: list[float] = []
        tokens = read = differ = 0
        rank, size = join()
        share(parameter.data for parameter in parameters)
        try:
            for step, rows in enumerate(steps):
                warm = min(1.0, (step + 1) / max(1.0, 0.05 * len(steps)))
                for group in adam.param_groups:
                    group["lr"] = rate * warm * (1.0 - step / len(steps))
                chosen = [batch.encoded[e][0]._replace(row=k) for k, e in enumerate(rows)]
                parts = parted(chosen, unit, self._width(chosen), self.microbatch_tokens)
                rows_B = torch.tensor(rows)
                count = sum(len(item.message) for item in chosen)
                differ += differing(parts, chosen)
                read += sum(packed.ids_R_T.numel() for packed in parts)
                total = 0.0
                for packed in parts[rank::size]:
                    scored = self._scored(packed.to(self.agent.model.device), rows_B)
                    found = loss(
                        scored._replace(
                            whole_B=rows_B,
                            row_share=len(scored.rows_B) / len(rows),
                            token_share=len(scored.logprobs_N) / count,
                        )
                    )
                    found.backward()  # type: ignore[no-untyped-call]
                    total += found.item()
                    self._to_masters()
                if size > 1:
                    summed = torch.tensor([total], dtype=torch.float64, device=self.agent.model.device)
                    for parameter in parameters:
                        if parameter.grad is None:
                            parameter.grad = torch.zeros_like(parameter)
                    add_up([summed, *(p.grad for p in parameters if p.grad is not None)])
                    total = summed.item()
                if not np.isfinite(total):
                    raise ClarifyError(f"the loss became {total} at step {step}: lower the learning rate")
                norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, 1.0)))
                adam.step()
                adam.zero_grad()
                self._from_masters()
                losses.append(total)
                tokens += count
        except torch.OutOfMemoryError:
            raise ClarifyError(
                f"{self.agent.model.name}: out of memory in training with microbatch_tokens="
                f"{self.microbatch_tokens}; lower it, or train adapters (lora=16); the run can be resumed"
            ) from None
        self.agent.generator.memory.clear()
        used = {e for rows in steps for e in rows}
        return {
            "loss": float(np.mean(losses[int(0.9 * len(steps)) :])),
            "examples": float(len(batch.examples)),
            "sampled": float(np.mean([batch.encoded[e][1] for e in used])),
            "ids_differ": float(differ),
            "tokens": float(tokens),
            "read": float(read),
            "gradient": float(np.mean(norms)),
        }

    def logprobs(self, batch: Experience, rows: Sequence[int] | None = None) -> Scored:
        """The examples under the current policy, without gradients."""
        chosen = range(len(batch.examples)) if rows is None else rows
        items = [batch.encoded[e][0]._replace(row=k) for k, e in enumerate(chosen)]
        rows_E = torch.arange(len(items))
        with torch.no_grad():
            parts = [
                self._scored(packed.to(self.agent.model.device), rows_E)
                for packed in pack(items, self._width(items), self.microbatch_tokens)
            ]
        owners_N = torch.cat([part.rows_B[part.rows_N] for part in parts])
        order_N = owners_N.argsort(stable=True)
        at_E = torch.cat([part.rows_B for part in parts]).argsort()
        return Scored(
            torch.tensor(chosen),
            torch.cat([part.logprobs_N for part in parts])[order_N],
            owners_N[order_N],
            torch.cat([part.values_B for part in parts])[at_E],
        )

    def loss(self, packed: Packed) -> torch.Tensor:
        """Summed negative log-likelihood of the trained tokens."""
        rows = torch.arange(1 + int(packed.rows_N.max()))
        return -self._scored(packed, rows).logprobs_N.sum()

    def _scored(self, packed: Packed, rows_B: torch.Tensor) -> Scored:
        """The rows of a part under the current policy; `rows_B` are those of the whole minibatch."""
        device = self.agent.model.device
        logits_N_V, hidden_N_D = self._forward(packed, self.bf16)
        if self.agent.temperature != 1.0:
            logits_N_V = logits_N_V / self.agent.temperature
        logprobs_N = -torch.nn.functional.cross_entropy(logits_N_V, packed.targets_N, reduction="none")
        held_B, rows_N = torch.unique(packed.rows_N, return_inverse=True)
        order_N = rows_N.argsort(stable=True)
        first_B = torch.searchsorted(rows_N[order_N], torch.arange(len(held_B), device=rows_N.device))
        values_B = self.critic(hidden_N_D.detach()[order_N][first_B].float())[:, 0]
        return Scored(rows_B.to(device)[held_B], logprobs_N[order_N], rows_N[order_N], values_B)

    def _forward(self, packed: Packed, bf16: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """logits_N_V of the model's own forward at the trained places, and what its output layer reads there.

        Where the output layer is a module that reads the hidden states, it is given those places alone.
        """
        described, model, device = self.agent.model, self.agent.model.model, self.agent.model.device
        inputs: dict[str, Any] = {"input_ids": packed.ids_R_T, "use_cache": False}
        own_rows = bool((packed.group_R_T <= 0).all() and (packed.branch_R_T <= 1).all())
        if own_rows and (described.unpacked != "" or packed.ids_R_T.shape[1] > described.window):
            inputs["attention_mask"] = (packed.group_R_T >= 0).long()
        else:
            inputs["attention_mask"] = packed.mask(torch.bfloat16 if bf16 else model.dtype)
            inputs["position_ids"] = packed.positions_R_T
        read: list[torch.Tensor] = []

        def narrow(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            if not args or args[0].shape[:-1] != packed.ids_R_T.shape:
                return None
            read.append(args[0].flatten(0, 1)[packed.from_N])
            return (read[0][None], *args[1:])

        hook = (model.get_output_embeddings() or model).register_forward_pre_hook(narrow)
        try:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                made = model(**inputs)
                if not read:
                    made = model(**inputs, output_hidden_states=True)
        finally:
            hook.remove()
        narrowed = bool(read) and made.logits.shape[1] == len(packed.from_N)
        logits_N_V = made.logits[0] if narrowed else made.logits.flatten(0, 1)[packed.from_N]
        hidden_N_D = read[0] if read else made.hidden_states[-1].flatten(0, 1)[packed.from_N]
        return logits_N_V if logits_N_V.dtype == torch.float64 else logits_N_V.float(), hidden_N_D

    def _width(self, items: Sequence[Item]) -> int:
        """Tokens of a row: 1 where each message has to have a row of its own."""
        longest = max(len(item.prompt) + len(item.message) for item in items)
        return 1 if self.agent.model.unpacked or longest > self.agent.model.window else self.width

    def _unpacked(self) -> str:
        """Why messages cannot share rows, or "" where they can.

        Raises:
            ClarifyError: messages in rows of their own are not read as the model itself reads them either.
        """
        model = self.agent.model
        listed = [tuple(ids) for ids in probe_ids(model) if len(ids) > 3]
        items = [Item(ids[:-3], ids[-3:], k) for k, ids in enumerate(listed)]

        def difference(width: int, full: bool) -> float:
            worst = 0.0
            for packed in pack(items, width, 1 << 20):
                logits_N_V, _ = self._forward(packed, bf16=False)
                first = {row: n for n, row in reversed(list(enumerate(packed.rows_N.tolist())))}
                for row, n in first.items():
                    found_T_V = torch.log_softmax(logits_N_V[n : n + 3].double(), dim=-1)
                    wanted_T_V = own_logprobs(model, items[row].prompt + items[row].message)[-4:-1]
                    worst = max(worst, nats_apart(found_T_V, wanted_T_V, full))
            return worst

        why = trouble(model, lambda full: difference(1 << 20, full))
        if why and (worse := trouble(model, lambda full: difference(1, full))):
            raise ClarifyError(f"{model.name}: cannot be trained, {worse}")
        if why:
            _log.warning("%s: each message is trained in a row of its own, since %s", model.name, why)
        return why

    def save(self, folder: Path) -> None:
        """Write what is trained, the weights or the adapters; raises OSError where that fails."""
        try:
            save_file({n: p.detach().contiguous() for n, p in self._masters.items()}, folder / WEIGHTS)
            if self.critic.weight.any():
                save_file(self.critic.state_dict(), folder / CRITIC)
        except SafetensorError as error:
            raise OSError(str(error).splitlines()[0]) from None

    def export(self, folder: Path) -> None:
        """Write the model as transformers loads it, or of one with adapters these in peft's form.

        vLLM takes either (`VLLMAgent`), and so does anything else that knows the two forms.
        """
        self.agent.model.model.save_pretrained(folder)
        self.agent.model.tokenizer.save_pretrained(folder)

    def load(self, folder: Path) -> None:
        """Raises ClarifyError where the file is missing or does not fit the model."""
        path = folder / WEIGHTS
        try:
            stored = load_file(path)
            if set(stored) != set(self._parameters):
                odd = sorted(set(stored) ^ set(self._parameters))[0]
                raise ValueError(f"{odd} is not in both")
            with torch.no_grad():
                for name, master in self._masters.items():
                    master.copy_(stored[name])
            self._from_masters()
            if (path := folder / CRITIC).exists():
                self.critic.load_state_dict(load_file(path))
        except Exception as error:  # torch and safetensors raise types of their own
            raise ClarifyError(
                f"{path}: no weights of {self.agent.model.name}: {str(error).splitlines()[0]}"
            ) from None
        self.agent.generator.memory.clear()


def _adapted(model: Any, rank: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError:
        raise ClarifyError(f"lora={rank} needs peft: pip install 'clarify_env[llm]'") from None
    return get_peft_model(
        model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    )
