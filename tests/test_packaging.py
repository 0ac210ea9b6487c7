"""What is installed, and what no file of the project may hold; test_structure has what its modules may do."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"clarify_env": "clarify_env", "clarify_env.agents": "agents", "clarify_env.trainers": "trainers"}
CODE = sorted(path for folder in FOLDERS.values() for path in (ROOT / folder).rglob("*.py"))


def name(path):
    return str(path.relative_to(ROOT))


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
