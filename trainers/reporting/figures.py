"""The figures of an evaluation: reward against the costs, the move mix, accuracy against what it took.

The figures over two costs are of games that price questions and words, and whose best play is computed (see
`over_two_costs`); every other evaluation has the reward at each costs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from clarify_env.trainers.evaluation.paired_comparison import frontier

matplotlib.use("Agg")


Cell = Mapping[str, Any]


PAID = {
    "asks": "questions an episode",
    "words": "words an episode",
    "paid": "paid an episode (questions and words at their costs)",
}


MARKS = {"agent": "o", "optimum": "_", "always-answer": "v", "always-enumerate": "s", "always-ask": "^"}


def over_two_costs(summary: Mapping[str, Any]) -> bool:
    """Whether an evaluation has what the figures over two costs show: what is asked, said, and optimal."""
    cell = summary["cells"][0]
    return list(cell["costs"]) == ["turn", "word"] and "ask" in cell.get("optimum", {})


def surfaces(cells: Sequence[Cell]) -> dict[str, list[float]]:
    """What the heat maps show at each cell: the agent's reward, the optimum's, and the gap between them."""
    own = [cell["reward"] for cell in cells]
    best = [cell["optimum"]["reward"] for cell in cells]
    return {"agent": own, "optimum": best, "gap": [b - a for a, b in zip(own, best, strict=True)]}


def paid(cell: Cell, played: Mapping[str, float], by: str) -> float:
    """What an episode took: `asks`, `words`, or both at the costs of the cell (`paid`)."""
    if by == "paid":
        return float(cell["costs"]["turn"] * played["asks"] + cell["costs"]["word"] * played["words"])
    return float(played[by])


def points(summary: Mapping[str, Any], by: str) -> dict[str, list[tuple[float, float]]]:
    """(paid, accuracy) of the agent and the optimum at each cell, and of each fixed strategy.

    A fixed strategy plays the same everywhere: it is one point, but one a cell where its costs count.
    """
    cells = summary["cells"]
    found = {
        "agent": [(paid(c, c, by), c["accuracy"]) for c in cells],
        "optimum": [(paid(c, c["optimum"], by), c["optimum"]["accuracy"]) for c in cells],
    }
    for name, played in summary.get("fixed", {}).items():
        at = cells if by == "paid" else cells[:1]
        found[name] = [(paid(c, played, by), played["accuracy"]) for c in at]
    return found


def _heat(
    axes: Axes, cells: Sequence[Cell], values: Sequence[float], title: str, low: float, top: float
) -> None:
    turns, words = (sorted({cell["costs"][name] for cell in cells}) for name in LABELS)
    grid = np.full((len(turns), len(words)), np.nan)
    places = [(turns.index(c["costs"]["turn"]), words.index(c["costs"]["word"])) for c in cells]
    for place, value in zip(places, values, strict=True):
        grid[place] = value
    gap = title.startswith("gap")
    axes.imshow(grid, cmap="OrRd" if gap else "YlGnBu", vmin=low, vmax=top, aspect="auto")
    for (row, column), cell, value in zip(places, cells, values, strict=True):
        ink = "w" if value > low + 0.6 * (top - low) else "k"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8)
        if cell["seen"]:
            axes.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, lw=1.4))
    axes.set_xticks(range(len(words)), [f"{word:g}" for word in words], fontsize=8)
    axes.set_yticks(range(len(turns)), [f"{turn:g}" for turn in turns], fontsize=8)
    axes.set_xlabel(LABELS["word"])
    axes.set_ylabel(LABELS["turn"])
    axes.set_title(title, fontsize=10)
    axes.spines[:].set_visible(False)


def _title(summary: Mapping[str, Any]) -> str:
    shown = f"{summary['agent']} on {summary['env']}"
    return f"{shown} ({summary['split']}, {summary['questions']} questions)"


def draw_all(summary: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Draw every figure of a `summary.json` to the folder; returns the PNG files by name."""
    pictures = {}
    two = {"steerability": draw, "surfaces": draw_surfaces, "frontier": draw_frontier}
    for name, drawn in (two if over_two_costs(summary) else {"teams": draw_cells}).items():
        pictures[name] = folder / f"{name}.png"
        drawn(summary, pictures[name])
    return pictures


def draw_cells(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the reward of the evaluated team, the other teams and the optimum at each costs to a PNG file."""
    cells = summary["cells"]
    figure, axes = plt.subplots(figsize=(3 + 0.5 * len(cells), 3.6), constrained_layout=True)
    for known in cells[0]["fixed"]:
        axes.plot([cell["fixed"][known] for cell in cells], marker=".", lw=1, alpha=0.7, label=known)
    if "optimum" in cells[0]:
        best = [cell["optimum"]["reward"] for cell in cells]
        axes.plot(best, marker="_", lw=1.2, color=COLOURS["optimum"], label=summary["yardstick"])
    axes.plot(
        [cell["reward"] for cell in cells], marker="o", lw=2, color=COLOURS["agent"], label=summary["agent"]
    )
    labels = [
        " ".join(f"{name} {value:g}" for name, value in cell["costs"].items())
        + ("" if cell["seen"] else " *")
        for cell in cells
    ]
    axes.set_xticks(range(len(cells)), labels, rotation=60, ha="right", fontsize=7)
    axes.set_title(f"{summary['env']}: reward by costs (* never trained on)", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_surfaces(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the reward over both costs to a PNG file: agent, optimum, gap; seen costs are framed."""
    cells = summary["cells"]
    figure, grid = plt.subplots(1, 3, figsize=(14, 4.4), constrained_layout=True)
    values = surfaces(cells)
    low, top = min(values["agent"] + values["optimum"]), max(values["optimum"])
    _heat(grid[0], cells, values["agent"], f"reward of {summary['agent']}", low, top)
    _heat(grid[1], cells, values["optimum"], f"reward of the {summary['yardstick']}", low, top)
    _heat(grid[2], cells, values["gap"], "gap between them", 0.0, max(0.1, *values["gap"]))
    figure.suptitle(f"{_title(summary)}; framed: costs of the training", fontsize=11)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_frontier(summary: Mapping[str, Any], path: Path) -> None:
    """Draw accuracy against what it took to a PNG file: a point per cell, the frontiers as lines."""
    figure, grid = plt.subplots(1, 3, figsize=(14, 4.4), constrained_layout=True, sharey=True)
    for axes, (by, label) in zip(grid, PAID.items(), strict=True):
        for name, listed in points(summary, by).items():
            colour = COLOURS.get(name, COLOURS["fixed"])
            shown = {"agent": summary["agent"], "optimum": summary["yardstick"]}.get(name, name)
            mark = MARKS.get(name, "x")
            axes.plot(*zip(*listed, strict=True), mark, color=colour, label=shown, zorder=2)
            line = [listed[k] for k in frontier(listed)]
            axes.plot(*zip(*line, strict=True), "-", color=colour, lw=1, zorder=1)
        axes.set_xlabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("accuracy")
    grid[0].legend(frameon=False, fontsize=8)
    figure.suptitle(f"{_title(summary)}: accuracy against what it took", fontsize=11)
    figure.savefig(path, dpi=100)
    plt.close(figure)


matplotlib.use("Agg")


COLOURS = {"agent": "#0b6fa4", "optimum": "#222222", "fixed": "#b8b8b8"}


MIX = {"ask": "#d1495b", "enumerate": "#edae49", "answer": "#00798c"}


STYLES = {"always-answer": ":", "always-enumerate": "--", "always-ask": "-."}


LABELS = {"turn": "cost of a question", "word": "cost of a word"}


def _means(cells: list[dict[str, Any]], by: str, value: Any) -> tuple[list[float], list[float]]:
    levels = sorted({cell["costs"][by] for cell in cells})
    groups = ([value(c) for c in cells if c["costs"][by] == level] for level in levels)
    return levels, [float(np.mean(group)) for group in groups]


def _reward(axes: Axes, cells: list[dict[str, Any]], by: str, name: str, yardstick: str) -> None:
    levels, optimum = _means(cells, by, lambda c: c["optimum"]["reward"])
    axes.plot(levels, optimum, color=COLOURS["optimum"], lw=1.2, label=yardstick)
    for fixed in cells[0]["fixed"]:
        _, values = _means(cells, by, lambda c, fixed=fixed: c["fixed"][fixed])
        axes.plot(levels, values, color=COLOURS["fixed"], ls=STYLES.get(fixed, "-"), lw=1.4, label=fixed)
    _, own = _means(cells, by, lambda c: c["reward"])
    axes.plot(levels, own, color=COLOURS["agent"], lw=2.2, marker="o", ms=4, label=name)
    axes.set_ylabel("reward")


def _mix(axes: Axes, cells: list[dict[str, Any]], by: str, yardstick: str) -> None:
    levels = sorted({cell["costs"][by] for cell in cells})
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
    measure, label = ("asks", "questions") if by == "turn" else ("words", "words")
    other = axes.twinx()
    _, own = _means(cells, by, lambda c: c[measure])
    _, best = _means(cells, by, lambda c: c["optimum"][measure])
    other.plot(places, best, "--", color=COLOURS["optimum"], marker="_", lw=1.6)
    other.plot(places, own, color=COLOURS["agent"], marker="o", mec="white", lw=1.6)
    other.set_ylabel(f"{label} an episode (blue; {yardstick} black)", fontsize=8)
    other.set_ylim(bottom=0)
    axes.set_xticks(places, [f"{level:g}" for level in levels])
    axes.set_ylabel(f"share of the moves (hatched: {yardstick})")
    axes.set_ylim(0, 1)


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the unseen costs of a `summary.json` to a PNG file: each point averages over the other cost."""
    part = "unseen" if "unseen" in summary else "seen"
    cells = [cell for cell in summary["cells"] if cell["seen"] == (part == "seen")]
    figure, grid = plt.subplots(2, 2, figsize=(11, 7.4), constrained_layout=True)
    for column, by in enumerate(LABELS):
        curves, bars = grid[0][column], grid[1][column]
        _reward(curves, cells, by, summary["agent"], summary["yardstick"])
        curves.set_xscale("log")
        levels = sorted({cell["costs"][by] for cell in cells})
        curves.set_xticks(levels, [f"{level:g}" for level in levels])
        curves.minorticks_off()
        _mix(bars, cells, by, summary["yardstick"])
        for axes in (curves, bars):
            axes.set_xlabel(LABELS[by])
            axes.spines[["top", "right"]].set_visible(False)
    grid[0][0].legend(frameon=False, fontsize=8, loc="lower left")
    grid[1][0].legend(frameon=False, fontsize=8, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.12))
    score = summary[part]["normalized"]
    figure.suptitle(
        f"{summary['agent']} on {summary['env']} ({summary['split']}, {summary['questions']} questions) "
        f"at {'costs never trained on' if part == 'unseen' else 'costs of the training'}\n"
        f"normalised score {score['mean']:.3f} [{score['low']:.3f}, "
        f"{score['high']:.3f}]: 0 = the best fixed strategy, 1 = the {summary['yardstick']}",
        fontsize=11,
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
