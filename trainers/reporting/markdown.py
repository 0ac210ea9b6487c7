"""The result of a sweep as Markdown, ready for a page: what was measured, by which command, on which data."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from clarify_env.trainers.reporting.summary import budgets, legend, marked


def result_hash(result: Mapping[str, Any]) -> str:
    """The first 12 hex digits of SHA-256 over the result; whoever has its compare.json can check it."""
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()[:12]


def sweep_markdown(result: Mapping[str, Any], command: str) -> str:
    """A table a game, the best first, each with what it takes to make it again.

    Scores are interquartile means over seeds from the cost table, in brackets from the best single strategy.

    Args:
        result: what `clarify_env.trainers.reporting.sweep_report.collect` returned.
        command: that made it.
    """
    parts = []
    for game, rows in result["games"].items():
        done = {name: row for name, row in rows.items() if row["unseen_iqm"]}
        ranked = sorted(done, key=lambda name: -done[name]["unseen_iqm"]["iqm"])
        label = budgets(dict.fromkeys(key for name in ranked for key in done[name]["spent"]))
        lines = []
        for k, name in enumerate(ranked):
            row = done[name]
            after = ranked[k + 1] if k + 1 < len(ranked) else None
            chance = result["better"][game].get(name, {}).get(after)
            spent = (f"{np.mean(row['spent'][key]):,.0f}" if key in row["spent"] else "" for key in label)
            cells = (
                name,
                marked(_score(row["unseen_iqm"], row["from_single_iqm"]), row),
                "" if chance is None else f"{chance:.2f}",
                marked(_score(row["others_iqm"]), {"foreign": row.get("others_foreign")}),
                *spent,
            )
            lines.append(f"| {' | '.join(cells)} |")
        heads = ("algorithm", "unseen costs", "better than the next", "unknown partners", *label.values())
        seeds = sorted({seed for row in done.values() for seed in row["seeds"]})
        equal = ", ".join(label[key] for key in label if key in result["equal"][game]) or "nothing"
        told = (
            f"`{command}`, seeds {', '.join(map(str, seeds))}; questions {result['data'][game]}, result "
            f"{result_hash(result)}. Equal for all (within 5%): {equal}."
        )
        marks = {legend(row["yardstick"]) for row in done.values() if row.get("foreign")}
        rule = "| " + " | ".join(["---"] * len(heads)) + " |"
        table = "\n".join([f"| {' | '.join(heads)} |", rule, *lines])
        parts.append("\n\n".join([f"`{game}`:", table, " ".join([told, *sorted(marks)])]))
    return "\n\n".join(parts) + "\n"


def _score(found: Mapping[str, Any] | None, single: Mapping[str, Any] | None = None) -> str:
    if found is None:
        return ""
    spread = "" if found["low"] is None else f" [{found['low']:.3f}, {found['high']:.3f}]"
    return f"{found['iqm']:.3f}{spread}" + ("" if single is None else f" ({single['iqm']:.3f})")
