"""Packages, layers, and what no file of the project may hold."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"clarify_env": "clarify_env", "clarify_env.agents": "agents", "clarify_env.trainers": "trainers"}
CODE = sorted(path for folder in FOLDERS.values() for path in (ROOT / folder).rglob("*.py"))
EVERYWHERE = sorted(
    [*CODE, *(p for f in ("tests", "examples", "benchmarks") for p in (ROOT / f).rglob("*.py"))]
)
HEAVY = {"torch", "transformers", "wandb", "datasets", "pandas", "matplotlib", "safetensors"} | {
    "pooch",
    "bm25s",
}


def name(path):
    return str(path.relative_to(ROOT))


def imports(path, top_level=False):
    """Absolute names of the modules that a file imports; only what runs at import time, or everything."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [tree] if top_level else []
    if top_level:
        for node in nodes:
            for child in ast.iter_child_nodes(node):
                guard = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
                if not guard and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                    nodes.append(child)
    else:
        nodes = list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(module, package):
    return module == package or module.startswith(package + ".")


def test_every_package_on_disk_is_listed():
    """One that is not imports from an editable install, and is missing from the wheel."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert setuptools["package-dir"] == FOLDERS
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *parts]))
    assert found == set(setuptools["packages"])
    for path in CODE:
        assert (path.parent / "__init__.py").exists(), name(path)


def test_every_other_file_of_a_package_is_listed():
    """The page of the report, the small model: what is not listed is missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package, folder in FOLDERS.items():
        found = {p for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
        assert found == {p for pattern in listed[package] for p in (ROOT / folder).glob(pattern)}


@pytest.mark.parametrize("path", CODE, ids=name)
def test_layers_import_one_way(path):
    above = {"clarify_env": ["agents", "trainers"], "agents": ["trainers"], "trainers": []}
    layer = path.relative_to(ROOT).parts[0]
    for module in imports(path):
        for upper in above[layer]:
            assert not within(module, f"clarify_env.{upper}"), f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", EVERYWHERE, ids=name)
def test_agents_and_trainers_are_never_imported_by_their_bare_names(path):
    bare = {m for m in imports(path) if within(m, "agents") or within(m, "trainers") or within(m, "tests")}
    assert not bare


@pytest.mark.parametrize("path", [p for p in CODE if p.parent.name == "clarify_env"], ids=name)
def test_the_core_imports_nothing_heavy_at_the_top(path):
    assert not {m.partition(".")[0] for m in imports(path, top_level=True)} & HEAVY


def loaded_by(statement):
    code = f"import sys\n{statement}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import clarify_env",
        "import clarify_env.agents",
        "import clarify_env; clarify_env.make('synthetic-v0')",
    ],
)
def test_a_fresh_interpreter_loads_nothing_heavy(statement):
    assert not loaded_by(statement) & HEAVY


def test_the_scorer_loads_torch_when_it_is_asked_for():
    assert "torch" in loaded_by("from clarify_env.agents import MoveScorer")
    assert "torch" not in loaded_by("import clarify_env.trainers.cli")


def test_without_torch_the_scorer_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None\nfrom clarify_env.agents import MoveScorer"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'clarify_env[train]'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("path", EVERYWHERE, ids=name)
def test_files_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def project_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def test_no_file_names_a_registry_host_or_a_folder_of_somebodys_machine():
    hosts = "|".join(["py" + "pi", "pythonhosted", "npmjs", "crates"]) + r")\.(?:org|io|com"
    folders = "|".join(["home", "Users", "work", "root", "mnt"])
    forbidden = re.compile(rf"(?:{hosts})|(?<![\w.:/~-])/(?:{folders})/\w")
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = forbidden.search(text)
        assert not found, f"{name(path)}: {found[0]!r}"


def test_no_code_unpickles_evaluates_or_runs_a_shell():
    for path in CODE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not {m.partition(".")[0] for m in imports(path)} & {"pickle", "marshal", "shelve", "dill"}, (
            name(path)
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                assert called not in ("eval", "exec"), f"{name(path)}:{node.lineno}"
                assert not any(k.arg == "shell" for k in node.keywords), f"{name(path)}:{node.lineno}"
