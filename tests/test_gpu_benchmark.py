"""The benchmark for a GPU, on a CPU with the small model: parts run, end in time, leave what they have."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "gpu.py"


def run(tmp_path, *arguments):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--tiny", "--out", tmp_path, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((tmp_path / "gpu.json").read_text())["parts"]


def test_its_parts_run(tmp_path):
    parts = run(tmp_path, "--parts", "generate,train,ambigqa")
    assert {part: (how["rc"], how["cut"]) for part, how in parts.items()} == dict.fromkeys(
        parts, (0, False)
    ), parts
    printed = {part: (tmp_path / f"{part}.txt").read_text() for part in parts}
    assert "tokens/s   rollout / generate" in printed["generate"]
    assert "trained tokens/s" in printed["train"]
    assert "from_start" in printed["ambigqa"]


def test_a_part_without_time_is_cut_off(tmp_path):
    parts = run(tmp_path, "--parts", "generate", "--minutes", "0.01")
    assert parts["generate"]["cut"]
    assert parts["generate"]["rc"] != 0


def test_without_a_gpu_it_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--device", "cuda"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "torch sees no GPU; --tiny" in done.stderr
