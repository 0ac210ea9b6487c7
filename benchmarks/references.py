"""The reference scores that ship with the package: computes them, and writes or checks its files.

They are those of the scripted partners, of open notes and of all validation questions; nothing random is in
them but the order of the notes. Games with data need CLARIFY_ENV_DATA.

    python benchmarks/references.py                  # compare with the files
    python benchmarks/references.py --write          # write them anew
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

import clarify_env
from clarify_env.reference import data_hash
from clarify_env.trainers.evaluation.parallel import default_processes
from clarify_env.trainers.evaluation.yardsticks import yardsticks

FILES = Path(clarify_env.__file__).parent / "references"
GAMES = ("synthetic-v0", "synthetic-v1", "ambigqa-v0", "pacific-v0", "abgcoqa-v0")


def made(id: str) -> dict[str, Any]:
    """The content of a game's file."""
    spec = clarify_env.registry[id]
    options = {"knowledge": "open"} if "knowledge" in spec.options else {}
    env = clarify_env.make(id, **spec.held_out(options))
    seen = list(spec.seen)
    cells = [*seen, *(cell for cell in spec.unseen if cell not in seen)]
    questions = range(len(env.game.tasks))
    yard = yardsticks(env, questions, cells, processes=default_processes())
    rewards = {name: table[:, :, 0].mean(axis=0) for name, table in yard.teams.items()}
    one = yard.name.partition(" with ")[0]  # the partners are the scripted ones here
    if yard.optimum:
        rewards[one] = yard.optimum["reward"].mean(axis=0)
    return {
        "env": id,
        "split": str(spec.held_out({}).get("split", "")),
        "questions": len(questions),
        "data": data_hash(env.game.tasks),
        "yardstick": one,
        "singles": list(yard.floor),
        "cells": [
            {
                "costs": cell._asdict(),
                "seen": c < len(seen),
                "rewards": {name: round(float(mean_C[c]), 9) for name, mean_C in rewards.items()},
            }
            for c, cell in enumerate(cells)
        ],
    }


def main() -> None:
    """Print the table at unseen costs, and compare or write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("games", nargs="*", default=GAMES)
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    different = []
    for id in chosen.games:
        found, path = made(id), FILES / f"{id}.json"
        text = json.dumps(found, indent=1) + "\n"
        if chosen.write:
            FILES.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            different.append(id)
        unseen = [cell["rewards"] for cell in found["cells"] if not cell["seen"]]
        means = {name: sum(cell[name] for cell in unseen) / len(unseen) for name in unseen[0]}
        print(f"{id:<14} {found['data']} " + "  ".join(f"{n} {v:.4f}" for n, v in means.items()), flush=True)
    if different:
        sys.exit(f"not what the package ships: {', '.join(different)}")


if __name__ == "__main__":
    main()
