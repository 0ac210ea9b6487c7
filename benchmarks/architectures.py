"""Tiny random models of many architectures: do they play and train, by which way, and how exactly?

    python benchmarks/architectures.py [FAMILY ...]

For each family it prints how an agent plays (`rows`: dialogues share a batch and its memory; `own caches`: by
transformers' generation; `no cache`), how it trains (`packed`: messages share rows; `own rows`), and the
largest difference, in nats of one token, between what was recorded when it was sampled, or what the learner
computes, and the model's own forward of that sequence alone. Weights are large enough that attention matters;
windows are shorter than the prompts.
"""

import os
import sys
from typing import Any, NamedTuple

import numpy as np
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from transformers import AutoConfig, AutoModelForCausalLM

from clarify_env import ClarifyError
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.self_check import NATS, own_logprobs
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.games.clarification import Answer
from clarify_env.trainers.learners import Example
from clarify_env.trainers.learners.language_model import LanguageLearner

SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("intermediate_size", "ffn_dim"), 64),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 512),
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MOE = {"num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2} | {
    "moe_intermediate_size": 16,
    "n_group": 1,
    "topk_group": 1,
}
MLA = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
} | {
    "num_key_value_heads": 4,
    "head_dim": 8,
}
ROPE = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
WINDOW = {"sliding_window": 16}
MIXED = {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
# The family, by the name that transformers has for it, and what is special about this member of it.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama, tied, linear rope": ("llama", {"tie_word_embeddings": True, "rope_parameters": ROPE}),
    "llama, dynamic rope": ("llama", {"rope_parameters": {**ROPE, "rope_type": "dynamic"}}),
    "llama, dropout": ("llama", {"attention_dropout": 0.5}),
    "mistral, window": ("mistral", WINDOW),
    "ministral": ("ministral", MIXED),
    "qwen2": ("qwen2", {}),
    "qwen2, window": ("qwen2", {**MIXED, "use_sliding_window": True, "max_window_layers": 1}),
    "qwen3": ("qwen3", {}),
    "gemma": ("gemma", {}),
    "gemma2, softcaps": ("gemma2", {**MIXED, "final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0}),
    "gemma3": ("gemma3_text", MIXED),
    "vaultgemma": ("vaultgemma", MIXED),
    "cohere, logit scale": ("cohere", {"logit_scale": 0.25}),
    "cohere2": ("cohere2", {**MIXED, "logit_scale": 0.25}),
    "granite, scales": (
        "granite",
        {"logits_scaling": 4.0, "embedding_multiplier": 3.0, "residual_multiplier": 0.5},
    ),
    "granitemoe": ("granitemoe", {**MOE, "logits_scaling": 4.0}),
    "granitemoeshared": ("granitemoeshared", {**MOE, "shared_intermediate_size": 16}),
    "phi, partial rotary": ("phi", {"partial_rotary_factor": 0.5}),
    "phi3": ("phi3", {}),
    "phimoe": ("phimoe", MOE),
    "gpt2, dropout": ("gpt2", {"resid_pdrop": 0.5, "attn_pdrop": 0.5, "embd_pdrop": 0.5}),
    "gpt_bigcode": ("gpt_bigcode", {}),
    "gpt_neox": ("gpt_neox", {}),
    "gptj": ("gptj", {"rotary_dim": 4}),
    "gpt_oss": ("gpt_oss", {**MOE, **MIXED}),
    "codegen": ("codegen", {"rotary_dim": 4}),
    "openai-gpt": ("openai-gpt", {}),
    "opt": ("opt", {}),
    "xglm": ("xglm", {"attention_heads": 4}),
    "biogpt": ("biogpt", {}),
    "bloom, ALiBi": ("bloom", {}),
    "mpt, ALiBi": ("mpt", {}),
    "stablelm": ("stablelm", {"partial_rotary_factor": 0.5}),
    "starcoder2": ("starcoder2", WINDOW),
    "persimmon": ("persimmon", {"partial_rotary_factor": 0.5}),
    "olmo": ("olmo", {"clip_qkv": 0.5}),
    "olmo2": ("olmo2", {}),
    "olmo3": ("olmo3", MIXED),
    "olmoe": ("olmoe", MOE),
    "mixtral": ("mixtral", MOE),
    "qwen2_moe": ("qwen2_moe", {**MOE, "shared_expert_intermediate_size": 16}),
    "qwen3_moe": ("qwen3_moe", MOE),
    "deepseek_v2, MLA": ("deepseek_v2", {**MOE, **MLA, "first_k_dense_replace": 1}),
    "deepseek_v3, MLA": ("deepseek_v3", {**MOE, **MLA, "first_k_dense_replace": 1}),
    "minicpm3, MLA": ("minicpm3", {**MLA, "scale_emb": 2.0, "dim_model_base": 16}),
    "llama4, chunks": (
        "llama4_text",
        {**MOE, "attention_chunk_size": 16, "intermediate_size_mlp": 64, "interleave_moe_layer_step": 1},
    ),
    "smollm3, no rope in some layers": ("smollm3", {"no_rope_layers": [1, 0]}),
    "exaone4": ("exaone4", {**MIXED, "sliding_window_pattern": 2}),
    "glm": ("glm", {"partial_rotary_factor": 0.5}),
    "glm4": ("glm4", {"partial_rotary_factor": 0.5}),
    "glm4_moe": ("glm4_moe", {**MOE, "first_k_dense_replace": 1}),
    "ernie4_5": ("ernie4_5", {}),
    "helium": ("helium", {}),
    "hunyuan_v1_dense": ("hunyuan_v1_dense", {}),
    "nemotron": ("nemotron", {}),
    "apertus": ("apertus", {}),
    "arcee": ("arcee", {}),
    "seed_oss": ("seed_oss", {}),
    "diffllama": ("diffllama", {}),
    "doge": ("doge", {}),
    "nanochat, softcap": ("nanochat", {"final_logit_softcapping": 3.0}),
    "bitnet": ("bitnet", {}),
    "minimax, linear attention": ("minimax", {**MOE, "block_size": 16}),
    "modernbert-decoder": ("modernbert-decoder", {"local_attention": 16}),
    "lfm2, convolutions": ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    "jamba, state space": (
        "jamba",
        {**MOE, "attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    ),
    "falcon_h1, state space": ("falcon_h1", {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8}),
    "mamba": ("mamba", {"state_size": 8}),
    "falcon_mamba": ("falcon_mamba", {"state_size": 8}),
    "recurrent_gemma": ("recurrent_gemma", {"attention_window_size": 16, "lru_width": 32}),
    "rwkv": ("rwkv", {"attention_hidden_size": 32}),
    "xlstm": ("xlstm", {}),
    "bert, an encoder": ("bert", {}),
}


class Found(NamedTuple):
    """What was found of a family: the ways taken, the largest differences in nats, or why it is refused."""

    plays: str
    trains: str
    played: float
    trained: float
    refused: str = ""


def described(family: str, tokenizer: Any) -> LanguageModel:
    """A tiny random model of a family."""
    kind, special = FAMILIES[family]
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SIZES, "vocab_size": len(tokenizer), **special})
    model = AutoModelForCausalLM.from_config(config).float()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                scale = 1.5 / max(1, min(parameter.shape[1], 64)) ** 0.5
                parameter.copy_(scale * torch.randn(parameter.shape, generator=rng))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return LanguageModel(model, tokenizer, family)


def tried(family: str, tokenizer: Any) -> Found:
    """Play, and train a step; everything is compared with each sequence alone."""
    try:
        model = described(family, tokenizer)
        agent = TransformersAgent(model, max_tokens=8, rows=8)
        rng = np.random.default_rng(0)
        common = rng.integers(3, len(tokenizer), 20).tolist()
        ends = [rng.integers(3, len(tokenizer), n).tolist() for n in (3, 9, 9, 17, 30)]
        prompts = [[*common, *end] for end in ends] + [ends[0]]
        rngs = [np.random.default_rng(k) for k in range(len(prompts))]
        messages = agent.generator.sample(prompts, rngs, 8)
        again = [np.random.default_rng(k) for k in range(len(prompts))]
        by_itself = [
            TransformersAgent(model, max_tokens=8, rows=1, memory=0).generator.sample([p], [r], 8)[0]
            for p, r in zip(prompts, again, strict=True)
        ]
        assert [m.ids for m in messages] == [m.ids for m in by_itself], f"{family}: neighbours matter"
        learner = LanguageLearner(agent, gradient_steps=1, batch=4, learning_rate=1e-4)
    except ClarifyError as error:
        return Found("-", "-", float("nan"), float("nan"), str(error))
    wanted = []
    for prompt, message in zip(prompts, messages, strict=True):
        with torch.no_grad():
            logprobs_T_V = own_logprobs(model, [*prompt, *message.ids])[len(prompt) - 1 : -1]
        wanted.append(logprobs_T_V.gather(1, torch.tensor(message.ids)[:, None])[:, 0])
    played = max(
        float((torch.tensor(m.logprobs) - w_T).abs().max()) for m, w_T in zip(messages, wanted, strict=True)
    )
    examples = [
        Example({}, Answer("x"), {"ids": m.ids, "logprobs": m.logprobs, "prompt": p}, 1.0)
        for p, m in zip(prompts, messages, strict=True)
    ]
    read = dict(enumerate(prompts))
    agent.prompt_ids = lambda observation: read[observation["at"]]  # type: ignore[method-assign]
    examples = [one._replace(observation={"at": k}) for k, one in enumerate(examples)]
    batch = learner.experience(examples)
    rows = learner.logprobs(batch).by_row()
    trained = max(float((r_T - w_T).abs().max()) for r_T, w_T in zip(rows, wanted, strict=True))
    made = learner.step(batch, lambda scored: -scored.logprobs_N.mean() * scored.token_share)
    assert np.isfinite(made["loss"]), family
    assert made["ids_differ"] == 0.0, family
    assert made["gradient"] > 0.0, family
    own = "no cache" if model.uncached else "own caches"
    plays = own if agent.generator.slow else "rows"
    longest = max(len(p) + len(m.ids) for p, m in zip(prompts, messages, strict=True))
    within = longest <= model.window
    plays += "" if within or agent.generator.slow else f" up to {model.window}"
    trains = "own rows" if model.unpacked else "packed"
    trains += "" if within or model.unpacked else f" up to {model.window}"
    return Found(plays, trains, played, trained)


def main() -> None:
    """Print the table of the families that were named, by default of all."""
    torch.set_num_threads(1)
    tokenizer = LanguageModel.load("small", "cpu").tokenizer
    print("| family | plays | trains | nats apart, played | nats apart, trained |")
    print("| --- | --- | --- | --- | --- |")
    over, failed = 0, list[str]()
    for family in sys.argv[1:] or FAMILIES:
        try:
            found = tried(family, tokenizer)
        except Exception as error:  # a raw traceback is a fault of ours, but the others are tried as well
            failed.append(family)
            print(f"| {family} | FAILED | | {type(error).__name__}: {str(error)[:120]!r} | |", flush=True)
            continue
        if found.refused:
            print(f"| {family} | refused | | {found.refused.partition(': ')[2]} | |", flush=True)
            continue
        over += not max(found.played, found.trained) <= NATS
        print(
            f"| {family} | {found.plays} | {found.trains} | {found.played:.1e} | {found.trained:.1e} |",
            flush=True,
        )
    print(f"\n{over} families more than {NATS:g} nats apart; {len(failed)} failed: {failed}")


if __name__ == "__main__":
    main()
