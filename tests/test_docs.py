"""The code of the README and of every page in docs/ runs, block after block; so do the examples.

What the pages name (modules, files, pages, benchmarks) exists.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command

from clarify_env import registry
from clarify_env.trainers.algorithms import ALGORITHMS
from clarify_env.trainers.cli import app
from clarify_env.trainers.config import SETTINGS, Config
from clarify_env.trainers.experiment import build

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
# A block with the word that opens it; one of text says what the block of Python before it prints.
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {"python", "text", "console", "sh", "mermaid"}
SHELL = {"console", "sh"}
# What a text names in backticks: a dotted name of ours, a path in the repository, a file by its name alone.
SPAN = re.compile(r"`([^`\n]+)`")
DOTTED = re.compile(r"(?<![\w./-])clarify_env(?:\.\w+)+")
PATH = re.compile(r"(?<![\w./-])(?:clarify_env|agents|trainers|examples|benchmarks|tests|docs)/[\w<>./-]*")
FILE = re.compile(r"(?<![\w./-])\w+\.py\b")
ENTRY_POINTS = {"clarify_env.algorithms"}  # a group of them that is called as no module is
ANY_FILE = {"script.py"}  # stands for one of the reader's own
PLACES = {"game", "algorithm", "prompt", "logger", "command", "figure", "test", "selection rule", "agent of"}
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


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [x for x in links if not x.startswith("http") and not (page.parent / x).exists()]
    assert not missing


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_no_blank_line_breaks_a_table(page):
    lines = ["", *page.read_text(encoding="utf-8").splitlines(), ""]
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.startswith("|") and not before.startswith("|"):
            assert after.startswith("| ---"), line


def named(text):
    """(dotted names, paths, names of files) in the backticks of a text, but for its blocks of code."""
    spans = SPAN.findall(BLOCK.sub("", text))
    return tuple({found for span in spans for found in kind.findall(span)} for kind in (DOTTED, PATH, FILE))


def resolves(dotted):
    """Whether this is a module of ours, or something in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def exists(path):
    """Whether the repository has this path; what stands in <...> may be anything."""
    return any(ROOT.glob(re.sub(r"<\w+>", "*", path.rstrip("/."))))


def test_what_does_not_exist_is_found():
    text = (
        "`clarify_env.trainers.rest` and `agents/prompts.py --all`, `tree.py`\n```sh\n`docs/none.md`\n```\n"
    )
    ((dotted,), (path,), (file,)) = named(text)
    assert (dotted, path, file) == ("clarify_env.trainers.rest", "agents/prompts.py", "tree.py")
    assert not resolves(dotted)
    assert not exists(path)
    assert resolves("clarify_env.trainers.algorithms.rest.ReST")
    assert not resolves("clarify_env.trainers.algorithms.rest.Rest")
    assert exists("agents/<game>/__init__.py")
    assert list(said("`clarify-env train --none 1`")) == [("train", ""), ("train", "--none")]


@pytest.mark.parametrize(
    "page", [page for page in TEXTS if page.name != "CHANGELOG.md"], ids=lambda p: p.name
)
def test_what_a_page_names_exists(page):
    dotted, paths, files = named(page.read_text(encoding="utf-8"))
    held = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    assert {name for name in dotted - ENTRY_POINTS if not resolves(name)} == set()
    assert {path for path in paths if not exists(path)} == set()
    assert files <= held | ANY_FILE


def said(text):
    """(command, option) pairs of the commands in a text: in blocks for a shell, and in backticks."""
    lines = [line for kind, content in BLOCK.findall(text) if kind in SHELL for line in content.splitlines()]
    for line in [*lines, *SPAN.findall(BLOCK.sub("", text))]:
        for command, rest in re.findall(r"clarify-env ([a-z]+(?:-[a-z]+)*)([^|&]*)", line):
            yield from ((command, option) for option in ["", *re.findall(r"(?<=\s)--[\w-]+", rest)])


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    known = {
        name: {"", "--help", *(flag for p in command.params for flag in [*p.opts, *p.secondary_opts])}
        for name, command in get_command(app).commands.items()
    }
    found = list(said(page.read_text(encoding="utf-8")))
    assert [pair for pair in found if pair[1] not in known.get(pair[0], ())] == []


def test_every_setting_is_explained():
    text = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    assert len(SETTINGS) > 20
    assert not {name for name in SETTINGS if f"`{name}`" not in text and f"`--{name}`" not in text}


def test_the_readme_is_short_and_names_every_game_and_algorithm():
    text = PAGES[0].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert not {name for name in [*registry, *ALGORITHMS] if f"[`{name}`](docs/" not in text}


TABLE = 0.316  # of the cost table from the best single strategy, on the 100 questions of the comparison


def test_the_headlines_of_the_algorithms_are_results():
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| \[`(\w+)`\].* \| (0\.\d+) \((0\.\d+)\) \| ([\d,]+) \| ([\d,]+) \| (0\.\d+) \|$",
        PAGES[0].read_text("utf-8"),
        re.MULTILINE,
    )
    assert {name for name, *_ in rows} == {*ALGORITHMS}
    for name, from_table, single, episodes, replies, unknown in rows:
        assert float(from_table) == pytest.approx((float(single) - TABLE) / (1.0 - TABLE), abs=0.006)
        (row,) = re.findall(rf"^\| {name} \| (.*)$", results, re.MULTILINE)
        assert row.startswith(f"{from_table} [")
        assert f"] ({single}) | " in row
        assert f" | {unknown} [" in row
        assert f" | {episodes} | " in row
        assert f" | {replies} | " in row


def test_every_place_of_the_architecture_is_a_path():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where do I put ...?")[2].partition("\n\n##")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    assert {" ".join(row[0].split()[1:3]) for row in rows} >= PLACES
    for row in rows:
        assert named(" | ".join(row))[1] or "`Game`" in row[1] or "dict" in row[1], row


def test_every_benchmark_is_on_the_page_of_results():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    scripts = {p.name for p in (ROOT / "benchmarks").glob("*.py") if "def main" in p.read_text("utf-8")}
    assert len(scripts) > 10
    assert not {name for name in scripts if f"benchmarks/{name}" not in text}


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
    names = {re.sub(r"(spent/\w+)/(asker|user)$", r"\1/PLAYER", name) for name in names}
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
