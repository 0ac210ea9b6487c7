"""What several test files share."""

import os
import shutil
from pathlib import Path

import pytest


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
