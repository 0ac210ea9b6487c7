"""Whether a faster way to read tokens finds what the model's own forward finds; tried at load.

Whatever an architecture does with positions, masks, windows or its output layer, one sequence alone through
the model's own forward is right. A faster way is used only where it agrees with that on a few probes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import GenerationConfig

from clarify_env.agents.llm.kv_cache import KVCache
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.errors import ClarifyError

NATS = 1e-3  # the largest difference of a log-probability that counts as rounding, in full precision
_HALF = 0.05  # in bfloat16 and float16, whose rounding alone makes several hundredths: on average
_LENGTHS = (5, 23, 38, 38)  # tokens of the probes
_COMMON = 19  # that all but the first begin with


def probe_ids(model: LanguageModel) -> list[list[int]]:
    """Sequences of tokens of several lengths, all but the first with a common beginning."""
    rng = np.random.default_rng(0)
    most = max(2, min(model.window, max(_LENGTHS)))
    size = model.model.get_input_embeddings().weight.shape[0]
    drawn = rng.integers(0, size, (1 + len(_LENGTHS), max(_LENGTHS))).tolist()
    common = drawn.pop()[:_COMMON]
    found = [drawn[0][: min(most, _LENGTHS[0])]]
    found += [[*common, *rest][: min(most, n)] for rest, n in zip(drawn[1:], _LENGTHS[1:], strict=True)]
    return found


def own_logprobs(model: LanguageModel, ids: Sequence[int]) -> torch.Tensor:
    """logprobs_T_V after each token of one sequence, by the model's own forward."""
    ids_1_T = torch.tensor([list(ids)], device=model.device)
    logits_1_T_V = model.model(input_ids=ids_1_T, use_cache=False).logits
    return torch.log_softmax(logits_1_T_V[0].double(), dim=-1)


def nats_apart(found_V: torch.Tensor, wanted_V: torch.Tensor, full: bool) -> float:
    """How far two distributions are apart, in nats: at most in full precision, else on average."""
    differs_V = (found_V - wanted_V).abs()
    return float(differs_V.max() if full else (differs_V * wanted_V.exp()).sum())


def trouble(model: LanguageModel, difference: Callable[[bool], float]) -> str:
    """Why a faster way is not to be used, or "" where it agrees.

    Args:
        model: that is read.
        difference: by how many nats that way differs from `own_logprobs` at worst; is told whether the model
            computes in full precision (see `nats_apart`).
    """
    full = torch.finfo(model.model.dtype).bits >= 32
    try:
        with torch.inference_mode():
            nats = difference(full)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever an architecture raises where it is not made for this
        return f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:100]}"
    if not nats <= (NATS if full else _HALF):
        return f"its distributions differ by {nats:.2g} nats"
    return ""


def check_causal(model: LanguageModel) -> None:
    """Raises ClarifyError where the model does not run, or what it expects depends on what comes later."""
    ids = probe_ids(model)[-1]

    def difference(full: bool) -> float:
        short_T_V, long_T_V = own_logprobs(model, ids[: len(ids) // 2]), own_logprobs(model, ids)
        return nats_apart(short_T_V[-1], long_T_V[len(short_T_V) - 1], full)

    if why := trouble(model, difference):
        odd = (
            f"does not run ({why})"
            if "nats" not in why
            else "looks at later tokens, so it writes no messages"
        )
        raise ClarifyError(f"{model.name}: {type(model.model).__name__} {odd}; take a causal language model")


def rows_trouble(model: LanguageModel) -> str:
    """Why dialogues cannot share a batch of rows with a memory (see `KVCache`), or "" where they can."""

    def difference(full: bool) -> float:
        listed = probe_ids(model)
        wanted = [own_logprobs(model, ids) for ids in listed]
        cache, worst = KVCache(model, len(listed)), 0.0

        def read(at: Sequence[int], starts: Sequence[int], ends: Sequence[int]) -> None:
            nonlocal worst
            steps = max(end - start for start, end in zip(starts, ends, strict=True))
            pieces = [listed[k][start:end] for k, start, end in zip(at, starts, ends, strict=True)]
            ids = [[-1] * (steps - len(piece)) + piece for piece in pieces]
            rows: list[torch.Tensor] = [
                torch.tensor(values, device=model.device) for values in (ids, list(ends), list(at))
            ]
            logits_B_V = cache.read(*rows)
            for logits_V, k, end in zip(logits_B_V, at, ends, strict=True):
                found_V = torch.log_softmax(logits_V.double(), dim=-1)
                worst = max(worst, nats_apart(found_V, wanted[k][end - 1], full))

        every = range(len(listed))
        first, *others = every
        middle = [max(1, len(ids) - 2) for ids in listed]
        kept = min(_COMMON, min(middle[k] for k in others) - 1)
        read(others[:1], [0], [middle[others[0]]])
        for k in others[1:]:  # from memory, as a prompt with a common beginning
            cache.put(k, cache.take(others[0], kept), kept)
        read(
            [first, *others[1:]], [0, *[kept] * (len(others) - 1)], [middle[k] for k in (first, *others[1:])]
        )
        while any(middle[k] < len(listed[k]) for k in every):  # token by token, as a message is sampled
            due = [k for k in every if middle[k] < len(listed[k])]
            read(due, [middle[k] for k in due], [middle[k] + 1 for k in due])
            middle = [min(n + 1, len(ids)) for n, ids in zip(middle, listed, strict=True)]
        return worst

    return trouble(model, difference)


def caches_trouble(model: LanguageModel) -> str:
    """Why transformers' own caches cannot be used for prompts of one length, or "" where they can."""

    def difference(full: bool) -> float:
        begin = probe_ids(model)[-2:]
        ids_B_T = torch.tensor(begin, device=model.device)
        made = model.model.generate(
            ids_B_T,
            attention_mask=torch.ones_like(ids_B_T),
            generation_config=GenerationConfig(max_new_tokens=3, do_sample=False, pad_token_id=model.stop),
            return_dict_in_generate=True,
            output_logits=True,
        )
        worst = 0.0
        for row, ids in enumerate(made.sequences.tolist()):
            wanted_T_V = own_logprobs(model, ids[:-1])[len(begin[row]) - 1 :]
            for logits_B_V, wanted_V in zip(made.logits, wanted_T_V, strict=True):
                found_V = torch.log_softmax(logits_B_V[row].double(), dim=-1)
                worst = max(worst, nats_apart(found_V, wanted_V, full))
        return worst

    return trouble(model, difference)
