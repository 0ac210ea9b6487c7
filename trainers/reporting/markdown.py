"""The result of a sweep as Markdown, ready for a page: what was measured, by which command, on which data."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from clarify_env.trainers.reporting.summary import budgets, legend, marked, ranking
from clarify_env.trainers.reporting.sweep_report import above_next, equal_text


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
        ranked = ranking({name: row["unseen_iqm"] for name, row in done.items()})
        label = budgets(dict.fromkeys(key for name in ranked for key in done[name]["spent"]))
        lines = []
        for name, chance in zip(ranked, above_next(result, game, ranked), strict=True):
            row = done[name]
            spent = (f"{np.mean(row['spent'][key]):,.0f}" if key in row["spent"] else "" for key in label)
            cells = (
                name,
                marked(_score(row["unseen_iqm"], row["from_single_iqm"]), row),
                chance,
                marked(_score(row["others_iqm"]), {"foreign": row.get("others_foreign")}),
                *spent,
            )
            lines.append(f"| {' | '.join(cells)} |")
        heads = ("algorithm", "unseen costs", "better than the next", "unknown partners", *label.values())
        seeds = sorted({seed for row in done.values() for seed in row["seeds"]})
        told = (
            f"`{command}`, seeds {', '.join(map(str, seeds))}; questions {result['data'][game]}, result "
            f"{result_hash(result)}. Equal for all {equal_text(result, game, label)}."
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
