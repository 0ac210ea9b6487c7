"""Training a language model: trained tokens a second, beside TRL's SFTTrainer on the same data and model.

    pip install --no-deps trl==1.16.*
    python benchmarks/learner_speed.py [--model small] [--batch 64] [--steps 20] [--bf16] [--lora 16]

The data are the examples that one ReST iteration selects: the same dialogues under many costs. TRL gets their
token ids with a completion mask, the same batch size and number of steps, fp32, and the same optimiser; it
pads, and reads every prompt whole. Trained tokens are those of the messages.
"""

import argparse
import tempfile
import time
from importlib.util import find_spec

import numpy as np
import torch

from clarify_env.agents import ScriptedUser
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.trainers.algorithms.rest import ReST
from clarify_env.trainers.algorithms.selection import Batch, make_rule
from clarify_env.trainers.config import recipe
from clarify_env.trainers.learners.language_model import LanguageLearner


def selected(agent, tasks, samples):
    """The examples of one iteration."""
    config = recipe("small", tasks=tasks, group_size=samples, eval_train_tasks=0)
    user, rule = ScriptedUser(), make_rule("best-continuation")
    trainer = ReST(config, LanguageLearner(agent), {"user": user}, rule=rule)
    episodes = list(trainer.collect(0))
    return rule.select(Batch(trainer.env, "asker", {"user": user}, episodes, list(config.grid), 1))


def ours(learner, examples, part):
    """Trained tokens, seconds, and tokens that went through the model."""
    learner.microbatch_tokens = part
    start = time.perf_counter()
    line = learner.update(examples, 0)
    return line["tokens"], time.perf_counter() - start, line["read"]


def trl(learner, examples, batch, steps):
    """Trained tokens and seconds of SFTTrainer."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    chances = np.array([example.weight for example in examples])
    rows = np.random.default_rng(0).choice(len(examples), steps * batch, p=chances / chances.sum())
    items = {int(i): learner.item(examples[i])[0] for i in set(rows.tolist())}
    data = Dataset.from_list(
        [
            {
                "input_ids": [*items[i].prompt, *items[i].message],
                "completion_mask": [0] * len(items[i].prompt) + [1] * len(items[i].message),
            }
            for i in rows.tolist()
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=batch,
            max_steps=steps,
            learning_rate=1e-4,
            bf16=learner.bf16,
            fp16=False,
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
            completion_only_loss=True,
            report_to=[],
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
            max_length=None,
        )
        trainer = SFTTrainer(
            learner.agent.model.model,
            args=config,
            train_dataset=data,
            processing_class=learner.agent.model.tokenizer,
        )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    return sum(len(items[i].message) for i in rows.tolist()), seconds


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="small")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--part", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--lora", type=int, default=0)
    parser.add_argument("--played-by", default="small", help="whose episodes are selected from")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    examples = selected(TransformersAgent(given.played_by), given.tasks, given.samples)
    if given.model != given.played_by:
        examples = [example._replace(trace=None) for example in examples]
    agent = TransformersAgent(given.model, device=given.device)
    learner = LanguageLearner(agent, given.steps, given.batch, 1e-4, bf16=given.bf16, lora=given.lora)
    tokens, seconds, read = ours(learner, examples, given.part)
    print(f"{given.model} on {agent.model.device}: {given.steps} steps of {given.batch} examples")
    print(f"  ours          {tokens / seconds:8.0f} trained tokens/s  ({read:.0f} tokens read)")
    if find_spec("trl") is None:
        print("  SFTTrainer    not measured: trl is not installed")
        return
    theirs, spent = trl(learner, examples, given.batch, given.steps)
    print(
        f"  SFTTrainer    {theirs / spent:8.0f} trained tokens/s   "
        f"ours / theirs {tokens / seconds * spent / theirs:.2f}"
    )


if __name__ == "__main__":
    main()
