"""The main job with the small language model: how steerable ReST makes it, and what the parts contribute.

Bars: within 10 minutes on 2 cores >= 0.85 from its start (0) to the exact optimum (1) at unseen costs, asking
where the optimum asks; 3 seeds.

    python benchmarks/small_language_model.py                     # 3 seeds of `clarify-env train`
    python benchmarks/small_language_model.py --parts --seeds 1   # without re-scoring, exploration, ...
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.evaluate import evaluate_run
from clarify_env.trainers.experiment import train
from clarify_env.trainers.run_directory import RunDirectory

PARTS = {
    "the recipe": {},
    "without re-scoring": {"rescore": False},
    "without the start policy's third": {"start_share": 0.0},
    "what the best moves do not lead to counts as much": {"off_path": 1.0},
    "trained at 3 x 3 costs": {"costs": {"turn": (0.02, 0.1, 0.3), "word": (0.002, 0.01, 0.04)}},
    "trained at 5 x 5 costs": {
        "costs": {"turn": (0.015, 0.03, 0.08, 0.15, 0.5), "word": (0.0015, 0.003, 0.008, 0.03, 0.08)},
    },
    "action clustering": {"options": {"rule": "clustering"}},
    "top 2 of a question": {"options": {"rule": "top-k"}},
}


def main() -> None:
    """Print a line per run."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options.add_argument("--questions", type=int, default=100, help="validation questions")
    options.add_argument("--parts", action="store_true")
    options.add_argument("--only", nargs="*", help="names of parts")
    options.add_argument("--agent", default="small")
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    names = chosen.only or (list(PARTS) if chosen.parts else ["the recipe"])
    for name in names:
        for seed in chosen.seeds:
            with tempfile.TemporaryDirectory() as folder:
                run = RunDirectory(Path(folder) / "run")
                begun = time.perf_counter()
                config = recipe("small", seed=seed, **PARTS[name]).changed(agent=chosen.agent)
                for line in train(config, run):
                    print(
                        f"  iteration {line['iteration']} {time.perf_counter() - begun:.0f} s "
                        f"played {line['play/reward']:+.3f} asks {line['play/asks']:.2f} "
                        f"loss {line['update/loss']:.3f} ids that differ {line['update/ids_differ']:.0f}",
                        flush=True,
                    )
                trained = time.perf_counter() - begun
                summary = evaluate_run(run, tasks=chosen.questions)
                took = time.perf_counter() - begun
            print(f"{name}, seed {seed}: trained in {trained:.0f} s, {took:.0f} s in all")
            for part in ("seen", "unseen"):
                scores = (
                    summary[part][key] for key in ("from_start", "normalized", "reward", "start", "optimum")
                )
                shown = (f"{s['mean']:+.3f} [{s['low']:+.3f}, {s['high']:+.3f}]" for s in scores)
                print(f"  {part:6} from start, normalised, reward, start, optimum: {', '.join(shown)}")
            for measure in ("asks", "words"):
                row = summary["monotonicity"][measure]
                levels = row["levels"]
                for who in ("agent", "optimum"):
                    values = " ".join(
                        f"{level:g}:{value:.2f}" for level, value in zip(levels, row[who], strict=True)
                    )
                    print(f"  {measure} of {who:8} {values}", flush=True)


if __name__ == "__main__":
    main()
