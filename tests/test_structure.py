"""How the modules hang together: who imports whom, where a name is defined, what the core knows of games."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from clarify_env import games, make, registry, rollout
from clarify_env.agents.roster import roster_of

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
GAMES = sorted(path.parent for path in (ROOT / "clarify_env" / "games").glob("*/__init__.py"))


def name(path):
    return str(path.relative_to(ROOT))


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path):
    """The full name by which a file of the three packages is imported."""
    package, folder = next((p, f) for p, f in FOLDERS.items() if f == path.relative_to(ROOT).parts[0])
    parts = path.relative_to(ROOT / folder).with_suffix("").parts
    return ".".join([package, *(parts[:-1] if parts[-1] == "__init__" else parts)])


MODULES = {module_of(path): path for path in CODE}


def imports(path, top_level=False):
    """Absolute names of the modules that a file imports; only what runs at import time, or everything."""
    nodes = [parsed(path)] if top_level else list(ast.walk(parsed(path)))
    for node in nodes if top_level else ():
        for child in ast.iter_child_nodes(node):
            guard = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            if not guard and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                nodes.append(child)
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


def uses(module):
    """The modules of the project that one imports: at the top, in functions, for type checkers only.

    `from package import name` is the module package.name where there is one; else the package, and the
    module that the package itself takes the name from. What is looked up by a string "module:name" is left
    out: the tables of games, rosters, algorithms and lazy names are there so that those who list them need
    not know them. That a module runs the `__init__` of the packages above it is left out as well.
    """
    found = set()
    for node in ast.walk(parsed(MODULES[module])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found |= defining(node.module, alias.name)
    return {other for other in found if other in MODULES and other != module}


def defining(module, word):
    """The modules that `from module import word` reaches."""
    if f"{module}.{word}" in MODULES:
        return {f"{module}.{word}"}
    if module not in MODULES:
        return set()
    further = {
        (node.module, word)
        for node in ast.walk(parsed(MODULES[module]))
        if isinstance(node, ast.ImportFrom) and word in [alias.name for alias in node.names]
    }
    return {module}.union(*(defining(*pair) for pair in further))


def cycle(graph):
    """Modules that import each other in a circle, or None."""
    done, trail = set(), []

    def visit(module):
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return None
        trail.append(module)
        circles = (visit(other) for other in sorted(graph[module]))
        found = next(filter(None, circles), None)
        trail.pop()
        done.add(module)
        return found

    return next(filter(None, map(visit, sorted(graph))), None)


def test_no_import_cycle():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
    graph = {module: uses(module) for module in MODULES}
    assert sum(map(len, graph.values())) > 500
    assert "clarify_env.env" in graph["clarify_env.registry"]
    assert "clarify_env.games.clarification.game" in defining("clarify_env.games.clarification", "Ask")
    assert (found := cycle(graph)) is None, " -> ".join(found)


@pytest.mark.parametrize("path", EVERYWHERE, ids=name)
def test_imports_go_one_way(path):
    """clarify_env <- agents <- trainers <- examples, tests, benchmarks; the core imports no game."""
    above = {"clarify_env": ["agents", "trainers"], "agents": ["trainers"], "trainers": []}
    layer, *below = path.relative_to(ROOT).parts
    for module in imports(path):
        assert module.partition(".")[0] not in ("agents", "trainers", "tests"), f"{name(path)}: {module}"
        for upper in above.get(layer, ()):
            assert not within(module, f"clarify_env.{upper}"), f"{name(path)} imports {module}"
        if layer == "clarify_env" and below[0] != "games":
            for game in GAMES:
                assert not within(module, f"clarify_env.games.{game.name}"), f"{name(path)} imports {module}"


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


def test_folders_stay_small():
    folders = {path.parent for path in CODE}
    assert len(folders) > 15
    for folder in folders:
        assert len([p for p in CODE if p.parent == folder]) <= 22, name(folder)


def public(path):
    """The names without an underscore that a module itself defines."""
    for node in parsed(path).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            targets = [node.name]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and "TypeVar(" not in ast.unparse(node):
            held = node.targets if isinstance(node, ast.Assign) else [node.target]
            targets = [leaf.id for target in held for leaf in ast.walk(target) if isinstance(leaf, ast.Name)]
        else:
            continue
        yield from (word for word in targets if not word.startswith("_"))


# A command is called what it does, the halves of a game as the tables expect, a game's state as in the docs.
COMMANDS = {"audit", "compare", "crossplay", "evaluate", "isotoken", "train", "play"}
TWICE = {
    "ROSTER": "agents/*/__init__.py",
    "State": "clarify_env/games/*/game.py",
    **dict.fromkeys(COMMANDS, "trainers/cli/*.py"),
}


def test_a_public_name_is_defined_once():
    held = {}
    for path in CODE:
        for word in dict.fromkeys(public(path)):
            if not path.relative_to(ROOT).match(TWICE.get(word, "-")):
                held.setdefault(word, []).append(name(path))
    assert len(held) > 600
    assert {word: paths for word, paths in held.items() if len(paths) > 1} == {}
    assert set(TWICE) <= {word for path in CODE for word in public(path)}


ORDINARY = {"questions"}  # words that everybody says; the id with its version is a game's alone


def words_of_games():
    """What only games may be called: their ids, families and folders; and the classes that they define."""
    ids = {*games.GAMES, *(id.rpartition("-v")[0] for id in games.GAMES), *(g.name for g in GAMES)}
    ids |= {registry[id].family for id in games.GAMES}
    ids -= ORDINARY
    halves = [p for g in GAMES for folder in (g, ROOT / "agents" / g.name) for p in folder.glob("*.py")]
    classes = {node.name for p in halves for node in parsed(p).body if isinstance(node, ast.ClassDef)}
    return ids, {word for word in classes if not word.startswith("_")}


def documentation(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, kinds) and ast.get_docstring(n)}


def named(path):
    """The words of games that a file says: as an identifier, in a string; ids in documentation too.

    A name that the file itself defines or takes from elsewhere is another thing that is called alike.
    """
    ids, classes = words_of_games()
    tree = parsed(path)
    docs = documentation(tree)
    outside = [
        n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not within(n.module, "clarify_env")
    ]
    own = {*public(path), *(alias.name for n in outside for alias in n.names), "re.Match"}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            known = ids if id(node) in docs else ids | classes - own
            found |= {w for w in known if re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", node.value)}
        said = set()
        if isinstance(node, ast.Name):
            said = {node.id}
        elif isinstance(node, ast.Attribute) and ast.unparse(node) not in own:
            said = {node.attr}
        elif isinstance(node, (ast.arg, ast.keyword)):
            said = {node.arg}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [getattr(node, "module", ""), *(alias.name for alias in node.names)]
            said = {part for module in modules for part in module.split(".")}
        found |= said & (ids | classes - own)
    return found


# Who may say what, and why. What is left in trainers/ is extended here folder by folder.
MAY = {
    "trainers/config.py": {"synthetic-v0", "synthetic-v1"},  # what is trained on where no game is named
}
CORE = [
    path
    for pattern in ("clarify_env/*.py", "clarify_env/testing/*.py", "trainers/config.py")
    for path in sorted(ROOT.glob(pattern))
]


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_names_no_game(path):
    allowed = {word for id in MAY.get(name(path), ()) for word in (id, id.rpartition("-v")[0])}
    assert named(path) - allowed == set()


def test_what_a_game_is_called_is_found():
    ids, classes = words_of_games()
    assert {"synthetic-v0", "pingeval-chess", "csp", "clarification"} <= ids
    assert {"Ask", "CspCosts", "Agree", "ClarificationGame"} <= classes
    assert {"clarification", "Ask", "Costs"} <= named(ROOT / "agents" / "clarification" / "scripted.py") | {
        "Costs"
    }


def test_no_code_unpickles_evaluates_or_runs_a_shell():
    for path in CODE:
        assert not {m.partition(".")[0] for m in imports(path)} & {"pickle", "marshal", "shelve", "dill"}, (
            name(path)
        )
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                assert called not in ("eval", "exec"), f"{name(path)}:{node.lineno}"
                assert not any(k.arg == "shell" for k in node.keywords), f"{name(path)}:{node.lineno}"


# What is about one game wherever it lies, and so needs it.
NEED = {
    "clarification": """trainers.evaluation.audit trainers.evaluation.audit_rules
        trainers.evaluation.likeness trainers.reporting.playground
        trainers.reporting.playground_page""".split(),
    "csp": ["trainers.evaluation.calibration", "trainers.evaluation.self_knowledge"],
    "pingeval": [],
}
WITHOUT = """
import importlib, json, sys
import clarify_env
from clarify_env.agents.roster import roster_of
from clarify_env.testing import check_env

gone, modules, others = json.loads(sys.argv[1])
failed = {}
for module in modules:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clarify_env"):
            failed[module] = str(error)
    except clarify_env.ClarifyError as error:
        failed[module] = str(error)
told = []
for id in gone:
    try:
        clarify_env.make(id)
    except clarify_env.ClarifyError as error:
        told.append(str(error))
rewards = []
for id in others:
    env = clarify_env.make(id)
    team = list(roster_of(env.game).teams.values())[0](env, {})
    episodes = list(clarify_env.rollout(env, team, 20))
    clarify_env.write_episodes("x.jsonl", episodes)
    assert list(clarify_env.read_episodes("x.jsonl")) == episodes
    rewards.append(sum(episode.reward for episode in episodes))
check_env(env)
held = [m for m in sys.modules if "games." in m and m.startswith("clarify_env")]
print(json.dumps([clarify_env.__file__, failed, told, rewards, held]))
"""


@pytest.mark.parametrize("game", [path.name for path in GAMES])
def test_without_a_game_all_others_are_as_before(game, tmp_path):
    """Its two folders are deleted in a copy that is laid out as the wheel is."""
    for package, folder in FOLDERS.items():
        shutil.copytree(
            ROOT / folder,
            tmp_path.joinpath(*package.split(".")),
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for half in ("games", "agents"):
        shutil.rmtree(tmp_path / "clarify_env" / half / game)
    lost = (f"clarify_env.games.{game}", f"clarify_env.agents.{game}")
    need = [f"clarify_env.{module}" for module in NEED[game]]
    modules = [m for m in MODULES if m not in need and not any(within(m, one) for one in lost)]
    gone = [id for id, where in games.GAMES.items() if within(where.partition(":")[0], lost[0])]
    others = [id for id in ("pingeval-names-v0", "csp-v0", "synthetic-v0") if id not in gone]
    assert gone
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps([gone, modules, others])],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    where, failed, told, rewards, held = json.loads(done.stdout)
    assert Path(where).is_relative_to(tmp_path)
    assert failed == {}
    assert [line.count("\n") for line in told] == [0] * len(gone)
    assert all(f"there is no module {lost[0]}" in line for line in told)
    assert not [module for module in held if within(module, lost[0])]
    expected = []
    for id in others:
        env = make(id)
        team = next(iter(roster_of(env.game).teams.values()))(env, {})
        expected.append(sum(episode.reward for episode in rollout(env, team, 20)))
    assert rewards == expected
