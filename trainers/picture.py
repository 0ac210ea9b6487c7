"""The evaluation as a picture: reward, asks and the move mix against the costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLOURS = {"agent": "#0b6fa4", "optimum": "#222222", "fixed": "#b8b8b8"}
MIX = {"ask": "#d1495b", "enumerate": "#edae49", "answer": "#00798c"}
STYLES = {"always-answer": ":", "always-enumerate": "--", "always-ask": "-."}
LABELS = {"turn_cost": "cost of a question", "word_cost": "cost of a word"}


def _means(cells: list[dict[str, Any]], by: str, value: Any) -> tuple[list[float], list[float]]:
    levels = sorted({cell[by] for cell in cells})
    return levels, [float(np.mean([value(c) for c in cells if c[by] == level])) for level in levels]


def _reward(axes: Axes, cells: list[dict[str, Any]], by: str, name: str) -> None:
    levels, optimum = _means(cells, by, lambda c: c["optimum"]["reward"])
    axes.plot(levels, optimum, color=COLOURS["optimum"], lw=1.2, label="optimum")
    for fixed in cells[0]["fixed"]:
        _, values = _means(cells, by, lambda c, fixed=fixed: c["fixed"][fixed])
        axes.plot(levels, values, color=COLOURS["fixed"], ls=STYLES.get(fixed, "-"), lw=1.4, label=fixed)
    _, own = _means(cells, by, lambda c: c["reward"])
    axes.plot(levels, own, color=COLOURS["agent"], lw=2.2, marker="o", ms=4, label=name)
    axes.set_ylabel("reward")


def _mix(axes: Axes, cells: list[dict[str, Any]], by: str) -> None:
    levels = sorted({cell[by] for cell in cells})
    places = np.arange(len(levels))
    bottom, below = np.zeros(len(levels)), np.zeros(len(levels))
    for kind, colour in MIX.items():
        _, shares = _means(cells, by, lambda c, kind=kind: c[kind])
        _, best = _means(cells, by, lambda c, kind=kind: c["optimum"][kind])
        axes.bar(places - 0.2, shares, 0.38, bottom=bottom, color=colour, label=kind)
        axes.bar(
            places + 0.2, best, 0.38, bottom=below, color=colour, alpha=0.45, hatch="//", ec="white", lw=0
        )
        bottom += shares
        below += best
    measure, label = ("asks", "questions") if by == "turn_cost" else ("words", "words")
    other = axes.twinx()
    _, own = _means(cells, by, lambda c: c[measure])
    _, best = _means(cells, by, lambda c: c["optimum"][measure])
    other.plot(places, best, "--", color=COLOURS["optimum"], marker="_", lw=1.6)
    other.plot(places, own, color=COLOURS["agent"], marker="o", mec="white", lw=1.6)
    other.set_ylabel(f"{label} an episode (blue; optimum black)", fontsize=8)
    other.set_ylim(bottom=0)
    axes.set_xticks(places, [f"{level:g}" for level in levels])
    axes.set_ylabel("share of the moves (hatched: optimum)")
    axes.set_ylim(0, 1)


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the unseen costs of a `summary.json` to a PNG file: each point averages over the other cost."""
    cells = [cell for cell in summary["cells"] if not cell["seen"]]
    figure, grid = plt.subplots(2, 2, figsize=(11, 7.4), constrained_layout=True)
    for column, by in enumerate(("turn_cost", "word_cost")):
        curves, bars = grid[0][column], grid[1][column]
        _reward(curves, cells, by, summary["agent"])
        curves.set_xscale("log")
        levels = sorted({cell[by] for cell in cells})
        curves.set_xticks(levels, [f"{level:g}" for level in levels])
        curves.minorticks_off()
        _mix(bars, cells, by)
        for axes in (curves, bars):
            axes.set_xlabel(LABELS[by])
            axes.spines[["top", "right"]].set_visible(False)
    grid[0][0].legend(frameon=False, fontsize=8, loc="lower left")
    grid[1][0].legend(frameon=False, fontsize=8, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.12))
    score = summary["unseen"]["normalized"]
    figure.suptitle(
        f"{summary['agent']} on {summary['env']} ({summary['split']}, {summary['questions']} questions) "
        f"at costs never trained on\nnormalised score {score['mean']:.3f} [{score['low']:.3f}, "
        f"{score['high']:.3f}]: 0 = the best fixed strategy, 1 = the optimum",
        fontsize=11,
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
