"""What a GPU has to show, in parts that each end by themselves and need no network.

    python benchmarks/gpu.py --model FOLDER --data-dir DIR [--wheels FOLDER] [--out DIR] [--minutes 8]
    python benchmarks/gpu.py --parts generate,train --model FOLDER
    python benchmarks/gpu.py --tiny                      # the same on a CPU with the small model, in a minute

- generate: tokens a second of the agent beside `model.generate` (`benchmarks/generation.py`);
- vllm: the same with vLLM beside it, where it can be installed;
- train: trained tokens a second in bfloat16 with adapters, beside TRL (`benchmarks/learner_speed.py`);
- ambigqa: ReST on AmbigQA's open notes, prompted against trained, seen and unseen costs, with intervals
  (`benchmarks/language_model_ambigqa.py`).

Each part is a process of its own with a limit of time. What it prints is written to OUT/PART.txt as it comes,
so that a part that is cut off, or a machine that is taken away, leaves what was measured; OUT/gpu.json says
how each ended. Weights come from a folder or GGUF file, packages from a folder of wheels.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
PARTS = ("generate", "vllm", "train", "ambigqa")
WHEELS = {
    "vllm": ["vllm"],
    "train": ["trl", "datasets"],
}  # what a part needs besides the package's own extras


def commands(given: argparse.Namespace, out: Path) -> dict[str, list[str]]:
    """The command of each part, without the interpreter."""
    device = ["--device", given.device]
    if given.tiny:
        play = ["--dialogues", "8", "--alone", "1", "--repeats", "1", "--max-tokens", "24", "--no-paged"]
        learn = ["--steps", "2", "--batch", "4", "--tasks", "2", "--samples", "4", "--bf16", "--lora", "4"]
        size = ["--size", "tiny", "--env", "synthetic-v0"]
    else:
        play = ["--dialogues", "512", "--alone", "16", "--repeats", "2", "--examples"]
        learn = ["--steps", "20", "--batch", "64", "--bf16", "--lora", "16"]
        size = ["--size", "gpu"]
    model = ["--model", given.model]
    made = {
        "generate": ["generation.py", *model, *device, *play],
        "vllm": ["generation.py", *model, *device, *play, "--vllm"],
        "train": ["learner_speed.py", *model, *device, *learn],
    }
    if given.data_dir or given.tiny:
        where = ["--data-dir", given.data_dir] if given.data_dir and not given.tiny else []
        run = ["--out", str(out / f"ambigqa-{int(time.time())}")]
        made["ambigqa"] = ["language_model_ambigqa.py", *model, *device, *size, *where, *run]
    return made


def installed(part: str, wheels: str | None, out: Path) -> str:
    """The folder of the packages that a part needs, from a folder of wheels; "" where there is none."""
    if wheels is None or part not in WHEELS:
        return ""
    target = out / f"packages-{part}"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--find-links", wheels]
    done = subprocess.run([*pip, "--target", str(target), *WHEELS[part]], capture_output=True, text=True)
    if done.returncode:
        print(f"{part}: {WHEELS[part]} not installed: {done.stderr.strip().splitlines()[-1:]}", flush=True)
        return ""
    return str(target)


def run(part: str, command: list[str], seconds: float, packages: str, out: Path) -> dict[str, object]:
    """Run a part; its lines are shown and written as they come."""
    path = os.pathsep.join(filter(None, [packages, str(HERE), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "PYTHONPATH": path}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-u", str(HERE / command[0]), *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    )
    limit = threading.Timer(seconds, process.kill)
    limit.start()
    assert process.stdout is not None
    last = ""
    with process, (out / f"{part}.txt").open("w", encoding="utf-8") as file:
        for line in process.stdout:
            file.write(line)
            file.flush()
            last = line.strip() or last
            print(f"  {line}", end="", flush=True)
    cut = not limit.is_alive()
    limit.cancel()
    took = round(time.perf_counter() - began, 1)
    return {"rc": process.returncode, "cut": cut, "seconds": took, "command": command, "last": last[:300]}


def main() -> None:
    """Run the parts, one after the other, and say how each ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="small", help="folder of transformers, or a GGUF file")
    parser.add_argument("--data-dir", help="folder of AmbigQA, for the part ambigqa")
    parser.add_argument("--wheels", help="folder of wheels of what a part needs besides: vllm, trl, datasets")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--minutes", type=float, default=8.0, help="the most that a part takes")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--device", help="default: cuda, with --tiny cpu")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    given.device = given.device or ("cpu" if given.tiny else "cuda")
    wanted = given.parts.split(",")
    if set(wanted) - set(PARTS):
        parser.error(f"--parts {given.parts}: of {', '.join(PARTS)}")
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch sees no GPU; --tiny tries the same on a CPU")
    given.out.mkdir(parents=True, exist_ok=True)
    card = torch.cuda.get_device_name() if given.device.startswith("cuda") else "CPU"
    found: dict[str, object] = {"card": card, "torch": torch.__version__, "model": given.model, "parts": {}}
    ended: dict[str, object] = found["parts"]  # type: ignore[assignment]
    known = commands(given, given.out)
    for part in wanted:
        if part not in known:
            ended[part] = {"skipped": "no --data-dir"}
        else:
            print(f"{part} on {card}:", flush=True)
            packages = installed(part, given.wheels, given.out)
            ended[part] = run(part, known[part], 60.0 * given.minutes, packages, given.out)
        (given.out / "gpu.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for part, how in ended.items():
        print(f"{part:10} {how}")


if __name__ == "__main__":
    main()
