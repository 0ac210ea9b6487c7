"""The same seeds in another process, where the hashes of strings, and so the order of sets, are others."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from clarify_env.env import GameEnv
from clarify_env.registry import make, register, registry
from clarify_env.testing.play import CheckFailed, digest, play, same

CHILD = "from clarify_env.testing.processes import child; child()"
EPISODES = 6


def check_processes(env: GameEnv[Any]) -> bool:
    """Compare episodes here with those of a new interpreter that has another hash seed.

    Returns:
        Whether the check could be made: `clarify_env.make` must have made the environment, from options that
        can be written as JSON, and from a function that another process can import.
    """
    if env.made_with is None or env.name not in registry:
        return False
    entry = _importable(registry[env.name].entry_point)
    if entry is None:
        return False
    try:
        wanted = json.dumps([env.name, entry, env.made_with], default=os.fspath)
    except TypeError:
        return False
    here = digests(make(env.name, **env.made_with))
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=wanted,
        env={**os.environ, "PYTHONHASHSEED": _other_hash_seed(), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise CheckFailed("determinism", f"another process failed: {' '.join(last)}")
    for seed, (own, other) in enumerate(zip(here, json.loads(done.stdout.splitlines()[-1]), strict=True)):
        same("determinism", f"the episodes of seed {seed} here and in another process", own, other)
    return True


def digests(env: GameEnv[Any]) -> list[str]:
    """Of some episodes, with all that was returned on the way."""
    return [digest(play(env, seed)) for seed in range(EPISODES)]


def child() -> None:
    """What the other process does: read what to make, print the digests."""
    name, entry, options = json.load(sys.stdin)
    import_module(entry.partition(":")[0])  # this may well register it
    if name not in registry:
        register(name, entry)
    print(json.dumps(digests(make(name, **options))))


def _importable(entry: str | Callable[..., Any]) -> str | None:
    """ "module:function", or None for a function that only this process knows."""
    if isinstance(entry, str):
        return entry
    module, name = getattr(entry, "__module__", "__main__"), getattr(entry, "__qualname__", "")
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not entry:
        return None
    return f"{module}:{name}"


def _other_hash_seed() -> str:
    return "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
