"""The code of the README and of every page in docs/ runs, in an empty folder; so do the examples."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS_DATA = {"ambigqa-v0.md"}
EXAMPLES = {
    "play.py": ["--seed", "3"],
    "custom_agent.py": ["--questions", "5"],
    "custom_game.py": [],
    "train.py": ["--iterations", "1", "--tasks", "6", "--updates", "20", "--questions", "5"],
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, request):
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    if page.name in NEEDS_DATA:
        request.getfixturevalue("data_dir")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [x for x in links if not x.startswith("http") and not (page.parent / x).exists()]
    assert not missing


def run(script, arguments, folder):
    """What the example prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *arguments],
        cwd=folder,
        env={**os.environ, "WANDB_MODE": "offline"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("script", EXAMPLES)
def test_an_example_runs(script, tmp_path):
    assert run(script, EXAMPLES[script], tmp_path)


def test_reading_a_run(tmp_path):
    run("train.py", EXAMPLES["train.py"], tmp_path)
    printed = run("read_run.py", ["runs/example"], tmp_path)
    assert "normalised score" in printed


def test_every_example_is_run():
    listed = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert listed == {*EXAMPLES, "read_run.py"}
