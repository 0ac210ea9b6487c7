"""Train the small language model that ships with clarify_env, from scratch, on made-up dialogues.

    python examples/small_model.py --minutes 45 --out small

The teacher plays `synthetic-v0` at random, whatever the costs in the prompt: at each turn it draws the kind
of its move evenly, then a question that divides the notes that the replies allow, the likeliest of them (in
full or by its last word), or a list of the first two or more. So the model learns to write moves, to copy
answers out of its notes, to narrow the notes by the replies, and to ignore the costs. Narrowing is the hard
part, and is taught first, by lookups with a guide (`small_model_guide.py`). Beside the moves stand short
questions about the prompt (how many notes are left, is a question cheaper than five words), which teach it
to read numbers, but not what to do about them. No question of any split is used: the generator of the world
draws fresh ones.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from small_model_data import branches
from small_model_guide import guide_of, lookup_loss, rows_of
from small_model_lookups import ask_some
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.games.clarification.synthetic import generate_task
from clarify_env.trainers.learners.language_model import LanguageLearner
from clarify_env.trainers.learners.packing import Item, pack

SPECIAL = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|unk|>"]
TAGS = ["<ask>", "</ask>", "<answer>", "</answer>", "<enumerate>", "</enumerate>", "\n"]
SHOWN = ("lookups", "guide", "found", "compared", "dialogues")
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] != 'system' %}"
    "<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tokenizer(texts):
    """Whole words of the world as tokens; digits and punctuation stand alone, so that numbers are spelt."""
    bpe = Tokenizer(models.BPE(unk_token="<|unk|>"))
    alone = pre_tokenizers.Split(Regex(r"[0-9]|[^\w\s▁]"), "isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="always"), alone])
    bpe.decoder = decoders.Metaspace(prepend_scheme="always")
    tags = [AddedToken(tag, special=False, normalized=False) for tag in TAGS]
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        min_frequency=20,
        special_tokens=SPECIAL,
        initial_alphabet=[chr(code) for code in range(33, 127)],
        show_progress=False,
    )
    bpe.add_tokens(tags)
    bpe.train_from_iterator(texts, trainer)
    bpe.add_tokens(tags)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        unk_token="<|unk|>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
        chat_template=TEMPLATE,
        rules_in_weights=True,  # it is trained without them
        model_max_length=1024,
    )


def build_model(tokenizer, width, layers, heads):
    """An untrained Llama: a token must stand out from what the layers add to it, or it is long not copied."""
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            tie_word_embeddings=True,
            max_position_embeddings=1024,
            initializer_range=width**-0.5,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=1.0)
    torch.nn.init.constant_(model.model.norm.weight, width**-0.5)
    return model


def dialogue_loss(learner, rng, tasks, several):
    """Mean negative log-likelihood of the teacher's messages in dialogues about some questions."""
    language = learner.agent.model
    items = [
        Item(tuple(language.prompt_ids(chat)), tuple(language.message_ids(text)))
        for _ in range(tasks)
        for chat, text in branches(rng, generate_task(rng, "task"), several)
    ]
    (packed,) = pack(items, 640, 1_000_000)
    return learner.loss(packed) / len(packed.targets_N)


def start(given, rng):
    """The model and tokenizer that training starts from."""
    if given.start:
        language = LanguageModel.load(given.start, "cpu")
    else:
        known = [c for k in range(300) for c in branches(rng, generate_task(rng, f"{k}"), 10)]
        texts = [message["content"] for chat, _ in known for message in chat if message["role"] != "system"]
        tokenizer = build_tokenizer([*texts, *(text for _, text in known)])
        language = LanguageModel(build_model(tokenizer, given.width, given.layers, given.heads), tokenizer)
    language.model.set_attn_implementation("eager")  # the guide reads the attention weights
    language.model.train()
    return language


def main():
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="go on from this model")
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--alone", type=float, default=0.4, help="share of the time for lookups alone")
    parser.add_argument(
        "--guide", type=float, default=1.0, help="its weight; 0 to go on from a model that had it"
    )
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    rng = np.random.default_rng((given.seed, 2026))
    language = start(given, rng)
    model, learner = language.model, LanguageLearner(TransformersAgent(language))
    guide = guide_of(model.config.hidden_size)
    learnt = [*model.parameters(), *guide.parameters()]
    adam = torch.optim.AdamW(learnt, lr=given.rate, betas=(0.9, 0.98), weight_decay=0.0)
    began, step, log = time.monotonic(), 0, []
    while (done := (time.monotonic() - began) / (60 * given.minutes)) < 1.0:
        for group in adam.param_groups:
            group["lr"] = given.rate * min(1.0, (step + 1) / 100, (1.0 - done) / 0.4)
        beside = done >= given.alone
        tasks, several = (2, 16) if beside else (4, 24)
        asked = [ask_some(rng, language, several) for _ in range(tasks)]
        lookups, guided, found, compared = lookup_loss(model, guide, rows_of(language, asked))
        loss = lookups + given.guide * max(0.0, 1.0 - done / 0.7) * guided
        if beside:
            dialogues = dialogue_loss(learner, rng, 5, 8)
            loss = loss + dialogues
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        adam.step()
        adam.zero_grad()
        step += 1
        shown = (lookups, guided, found, compared, *([dialogues] if beside else []))
        log.append([*(value.item() for value in shown), *([] if beside else [0.0])])
        if step % 100 == 0:
            means = zip(SHOWN, np.nanmean(log[-100:], axis=0), strict=True)
            minutes = (time.monotonic() - began) / 60
            print(f"step {step}, {minutes:.1f} min:", *(f"{n} {v:.3f}" for n, v in means), flush=True)
        if step % 1000 == 0:
            save(language, given.out)
    save(language, given.out)
    print(f"{step} steps; the model is in {given.out}")


def save(language, folder):
    """Write model and tokenizer as transformers reads them."""
    language.model.save_pretrained(folder)
    language.tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
