"""The code of the README and of every page in docs/ runs, block after block; so do the examples."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clarify_env.trainers.config import Config
from clarify_env.trainers.experiment import build

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A block with the word that opens it; one of text says what the block of Python before it prints.
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {"python", "text", "console", "sh"}
NEEDS_DATA = {"abgcoqa-v0.md", "ambigqa-v0.md", "pacific-v0.md"}
EXAMPLES = {
    "small_model.py": ["--out", "model", "--minutes", "0.02"],
    "small_model_data.py": ["--seed", "3"],
    "small_model_lookups.py": ["--seed", "3"],
    "play.py": ["--seed", "3"],
    "custom_agent.py": ["--questions", "5"],
    "own_algorithm.py": ["--episodes", "512", "--seeds", "1"],
    "steer_an_api_model.py": ["--questions", "8"],
    "train.py": ["--iterations", "1", "--tasks", "4", "--updates", "10", "--questions", "5"],
}


def blocks(page):
    """(kind, content) of the fenced blocks of a page."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, request):
    if page.name in NEEDS_DATA:
        request.getfixturevalue("data_dir")
    monkeypatch.chdir(tmp_path)
    names, printed = {"__name__": "page"}, ""
    for kind, content in blocks(page):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(content, str(page), "exec"), names)
            printed = out.getvalue()
        elif kind == "text":
            assert printed == content


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_is_kept_from_running(page):
    assert {kind for kind, _ in blocks(page)} <= KINDS
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [x for x in links if not x.startswith("http") and not (page.parent / x).exists()]
    assert not missing


def test_every_page_is_on_the_map():
    index = ROOT / "docs" / "index.md"
    linked = {index.parent / x for x in re.findall(r"\]\(([^)]+)\)", index.read_text(encoding="utf-8"))}
    assert linked == {*PAGES[1:]} - {index}


def test_every_metric_of_rest_is_explained():
    page = (ROOT / "docs" / "algorithms" / "rest.md").read_text(encoding="utf-8")
    (line,) = build(
        Config().changed(iterations=1, tasks=3, group_size=6, gradient_steps=2, eval_train_tasks=1)
    ).train()
    names = {re.sub(r"turn=.*", "turn=A,word=B/...", name) for name in line}
    assert len(names) > 15
    assert not {name for name in names if f"`{name}`" not in page}


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


@pytest.mark.parametrize("script", sorted(set(EXAMPLES) - {"train.py"}))
def test_an_example_runs(script, tmp_path):
    assert run(script, EXAMPLES[script], tmp_path)


def test_training_and_reading_the_run(tmp_path):
    assert "iteration 0" in run("train.py", EXAMPLES["train.py"], tmp_path)
    assert "unseen: normalised score" in run("read_run.py", ["runs/example"], tmp_path)


def test_every_example_is_run():
    listed = {path.name for path in (ROOT / "examples").glob("*.py")}
    imported = {"small_model_guide.py"}  # by small_model.py
    assert listed == {*EXAMPLES, "read_run.py"} | imported
