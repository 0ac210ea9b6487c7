"""Golden transcripts: what fixed strategies, the optimal asker and teams of csp-v1 play, line by line.

After a change that is meant to alter them, write them anew and read the difference:

    python -P tests/test_golden.py --write
"""

import re
import sys
from pathlib import Path

import pytest

import clarify_env
from clarify_env.agents import FIXED, ScriptedUser, load
from clarify_env.agents.roster import teams_of
from clarify_env.costs import CostGrid
from clarify_env.render import ansi

GOLDEN = Path(__file__).parent / "golden"
TEAM = "csp-v1-"
OWN = "questions-v0-"
NAMES = [*FIXED, "optimal", f"{TEAM}protocol", f"{TEAM}optimal", f"{OWN}optimal"]


def transcripts(name):
    """Eight episodes of the asker or the team `name` as plain text."""
    if name.startswith(TEAM):
        env = clarify_env.make("csp-v1", size=60)
        players = teams_of(env)[name.removeprefix(TEAM)]
    else:
        costs = CostGrid(turn=(0.02, 0.2), word=(0.005, 0.04))
        own = name.startswith(OWN)
        env = clarify_env.make(
            "questions-v0" if own else "synthetic-v0", costs=costs, **({} if own else {"size": 60})
        )
        players = {"asker": load(name.removeprefix(OWN), env, "asker"), "user": ScriptedUser()}
    episodes = clarify_env.rollout(env, players, 8, seed=5)
    return "\n\n".join(re.sub("\x1b\\[[0-9;]*m", "", ansi(episode)) for episode in episodes) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_transcripts_are_as_they_were(name):
    golden = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert transcripts(name).splitlines() == golden.splitlines()


def test_every_golden_file_is_compared():
    assert {path.stem for path in GOLDEN.iterdir()} == set(NAMES)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    GOLDEN.mkdir(exist_ok=True)
    for name in NAMES:
        (GOLDEN / f"{name}.txt").write_text(transcripts(name), encoding="utf-8")
