"""Reference scores that ship with the package: what fixed play, looking ahead and the optimum earn in a game.

They put a score that was measured anywhere on the scale of this package, without playing anything:

    clarify_env.reference(env.name).normalize(0.70)

`benchmarks/references.py` computes them; a game without a file here has none.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from clarify_env.data import parsed_json
from clarify_env.errors import ClarifyError, nearest

ZEROS = {"table": "cost-table", "single": ""}  # by name of the scale who is at its 0; "" is the best single


def data_hash(tasks: Sequence[Any]) -> str:
    """Of the questions that were played, in order, the first 16 hex digits of their SHA-256."""
    told = hashlib.sha256()
    for task in tasks:
        told.update(json.dumps(task, ensure_ascii=False, default=str).encode())
        told.update(b"\n")
    return told.hexdigest()[:16]


def scaled(reward: float, zero: float, one: float) -> float:
    """The share of the way from `zero` to `one`; NaN where the two are no further apart than rounding."""
    span = one - zero
    return (reward - zero) / span if span > 1e-9 else float("nan")


@dataclass(frozen=True)
class Reference:
    """Mean rewards of reference players over the validation questions of a game, with its scripted partners.

    Args:
        env: id of the game, with its default options.
        split: of the questions.
        questions: how many, each in all its meanings by their weights.
        data: what `data_hash` gives for the questions.
        yardstick: what the best is, "optimum" or "ceiling".
        singles: names of the single strategies, which never look at the costs.
        cells: by costs, whether they are `seen` in training, and the `rewards` by name.
    """

    env: str
    split: str
    questions: int
    data: str
    yardstick: str
    singles: tuple[str, ...]
    cells: tuple[Mapping[str, Any], ...]

    def rewards(self, costs: Any = None) -> dict[str, float]:
        """Rewards by name of the player at some costs.

        Args:
            costs: of one cell, as a NamedTuple or by name; by default the mean over all unseen ones.

        Raises:
            ClarifyError: nothing is known at these costs.
        """
        if costs is None:
            chosen = [cell for cell in self.cells if not cell["seen"]]
        else:
            wanted = dict(costs) if isinstance(costs, Mapping) else costs._asdict()
            chosen = [cell for cell in self.cells if cell["costs"] == wanted]
            if not chosen:
                known = ", ".join(str(cell["costs"]) for cell in self.cells[:3])
                raise ClarifyError(
                    f"reference({self.env!r}): nothing is known at {wanted}; but at {known}, ..."
                )
        names = chosen[0]["rewards"]
        return {name: sum(cell["rewards"][name] for cell in chosen) / len(chosen) for name in names}

    def normalize(self, reward: float, costs: Any = None, zero: str = "table") -> float:
        """A mean reward on the scale from fixed play (0) to the best play (1).

        Args:
            reward: mean over the questions, each meaning by its weight.
            costs: where it was measured, as in `rewards`.
            zero: "table" for the best fixed strategy of each costs, "single" for the best one of all.

        Raises:
            ClarifyError: nothing is known at these costs, or the game has no such zero.
        """
        if zero not in ZEROS:
            raise ClarifyError(f"zero={zero!r}: one of {', '.join(ZEROS)}{nearest(zero, list(ZEROS))}")
        found = self.rewards(costs)
        if zero == "table" and ZEROS[zero] not in found:
            raise ClarifyError(f"reference({self.env!r}): the game has no cost table; give zero='single'")
        low = found[ZEROS[zero]] if ZEROS[zero] else max(found[name] for name in self.singles)
        return scaled(reward, low, found[self.yardstick])


@cache
def reference(id: str) -> Reference:
    """The reference scores of a game.

    Raises:
        ClarifyError: none ship with the package for this game.
    """
    folder = resources.files("clarify_env") / "references"
    known = sorted(
        entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")
    )
    if id not in known:
        raise ClarifyError(f"reference({id!r}): no scores ship for it{nearest(id, known)}")
    held = parsed_json((folder / f"{id}.json").read_text(encoding="utf-8"))
    return Reference(**{**held, "singles": tuple(held["singles"]), "cells": tuple(held["cells"])})
