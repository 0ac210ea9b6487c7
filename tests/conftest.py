"""What several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir():
    """The folder of the real data, where there is one."""
    if not os.environ.get("CLARIFY_ENV_DATA"):
        pytest.skip("CLARIFY_ENV_DATA is unset: no data files on this machine")
    return Path(os.environ["CLARIFY_ENV_DATA"])
