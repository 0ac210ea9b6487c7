"""What several test files share."""

import contextlib
import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from clarify_env.trainers import cli

TINY = "--agent move-scorer --tasks 2 --group-size 4 --gradient-steps 5 --eval-tasks 3 --no-wandb".split()


@pytest.fixture(scope="session")
def data_dir():
    """The folder of the real data, where there is one."""
    if not os.environ.get("CLARIFY_ENV_DATA"):
        pytest.skip("CLARIFY_ENV_DATA is unset: no data files on this machine")
    return Path(os.environ["CLARIFY_ENV_DATA"])


FLAGS = """headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking
    disable-component-update disable-sync disable-dev-shm-usage""".split()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A headless Chromium with a fresh profile."""
    names = ("chromium", "chromium-browser", "google-chrome")
    binary, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no Chromium with chromedriver on this machine")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('profile')}", "window-size=1200,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SE_OFFLINE", "true")  # selenium's manager is not to look for browsers to download
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
        yield browser
        browser.quit()


def run_command(*arguments, stdin=""):
    """Exit code, standard output and standard error of the command."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["clarify-env", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        patch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code, out.getvalue(), err.getvalue()


def run_mistake(*arguments, code=1, stdin=""):
    """The one line in which a mistake ends."""
    found, _, err = run_command(*arguments, stdin=stdin)
    assert found == code, err
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith("clarify-env: ")
    return lines[0]


@pytest.fixture(scope="session")
def command():
    """A function that runs `clarify-env`: exit code, standard output and standard error."""
    return run_command


@pytest.fixture(scope="session")
def mistake():
    """A function that runs `clarify-env` and gives the one line in which a mistake ends."""
    return run_mistake


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working folder of its own, no data of this machine, and nothing sent to anybody."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLARIFY_ENV_DATA", raising=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one iteration, and what the command printed."""
    out = tmp_path_factory.mktemp("trained") / "run"
    code, text, err = run_command("train", "--env", "synthetic-v0", "--out", out, "--iterations", 1, *TINY)
    assert code == 0, err
    return out, text


@pytest.fixture(scope="session")
def tiny():
    """Options of `clarify-env train` with which it takes a few seconds."""
    return TINY
