"""The figures of an evaluation and of a training, drawn once: as PNG and SVG files, and for the report."""

import io
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.render import printable
from clarify_env.trainers.evaluation.statistics import FILE, frontier, paired
from clarify_env.trainers.reporting.summary import (
    GRIDS,
    WORDS,
    CellData,
    best_outcome,
    ceiling_of,
    cost_label,
    costs_of,
    interval_text,
    kinds_of,
    paid_for,
    reward_window,
    rewards_of,
    title_of,
    varied,
    yardstick_of,
)
from clarify_env.trainers.run_directory import RunDirectory

SummaryData = Mapping[str, Any]


INK, AGENT, FIXED_COLOURS, LINE, PAPER = "#1b1f24", "#0b6fa4", "#7d8690", "#d0d7de", "#ffffff"
KINDS = {"ask": "#b83245", "enumerate": "#c98a12", "answer": "#00798c"}
MORE = ("#7b5ea7", "#5a9a4b", "#b0603a", "#4a7fc1", "#a05a8a", "#8a8a2b")  # for other kinds of moves
# The report's style sheet has a value of each for light and for dark pages.
THEME = {INK: "ink", AGENT: "agent", FIXED_COLOURS: "fixed", LINE: "line", PAPER: "paper"} | {
    colour: kind for kind, colour in KINDS.items()
}
DASHES, MARKERS = ((0, (1, 1.5)), (0, (5, 2)), (0, (5, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1))), "vs^Dx"


STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "figure.titlesize": 11,
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.sans-serif": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "svg.hashsalt": "clarify_env",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


class Curve(NamedTuple):
    """Reward against one cost, each point averaged over the other costs.

    Args:
        cost: whose levels these are.
        part: "seen" or "unseen".
        levels: of the cost, L of them, rising.
        rewards: by who played, L values each.
        intervals: of those measured by question, the 95% bootstrap intervals: L lows and L highs.
    """

    cost: str
    part: str
    levels: list[float]
    rewards: dict[str, list[float]]
    intervals: dict[str, tuple[list[float], list[float]]]


def curves(summary: SummaryData, by_question: Mapping[str, Floats] | None = None) -> list[Curve]:
    """The curves of every cost that varies, at the unseen and at the seen costs.

    Args:
        summary: content of summary.json.
        by_question: rewards_N_C by who played, from `rewards_by_question`; without, no intervals.
    """
    found = []
    rows = [rewards_of(summary, cell) for cell in summary["cells"]]
    for part in ("unseen", "seen"):
        at = [c for c, cell in enumerate(summary["cells"]) if cell["seen"] == (part == "seen")]
        for cost in varied(summary) if at else ():
            groups = _groups(summary["cells"], at, cost)
            rewards = {who: _means(rows, groups, who) for who in rows[0]}
            intervals = {}
            for who, rewards_N_C in (by_question or {}).items():
                columns = [rewards_N_C[:, group].mean(axis=1) for group in groups.values()]
                points = paired(np.stack(columns, axis=1), summary["seed"])
                intervals[who] = ([p["low"] for p in points], [p["high"] for p in points])
            found.append(Curve(cost, part, list(groups), rewards, intervals))
    return found


def _groups(cells: Sequence[CellData], at: Sequence[int], cost: str) -> dict[float, list[int]]:
    """The positions among `at` of the cells at each level of a cost, rising."""
    found: dict[float, list[int]] = {}
    for c in sorted(at, key=lambda c: costs_of(cells[c])[cost]):
        found.setdefault(costs_of(cells[c])[cost], []).append(c)
    return found


def _means(
    rows: Sequence[Mapping[str, Any]], groups: Mapping[float, Sequence[int]], name: str
) -> list[float]:
    return [float(np.mean([rows[c][name] for c in group])) for group in groups.values()]


def rewards_by_question(summary: SummaryData, folder: Path) -> dict[str, Floats]:
    """rewards_N_C of the agent and the yardstick, by the file beside summary.json; empty without one.

    Raises:
        ClarifyError: the file does not fit the summary.
    """
    import pyarrow.parquet as pq

    path, count = folder / FILE, len(summary["cells"])
    if not path.is_file():
        return {}
    try:
        table = pq.read_table(path)
        columns = {"agent": "reward", yardstick_of(summary): "optimum"}
        found = {
            who: np.asarray(table[name].to_numpy().reshape(-1, count), dtype=np.float64)
            for who, name in columns.items()
            if name in table.column_names
        }
    except (ValueError, KeyError, OSError) as error:
        raise ClarifyError(f"{path}: does not fit its summary.json ({error}); evaluate again") from None
    whole_N = np.all([np.isfinite(rewards_N_C).all(axis=1) for rewards_N_C in found.values()], axis=0)
    return {who: rewards_N_C[whole_N] for who, rewards_N_C in found.items()} if whole_N.any() else {}


def learning(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """(iteration from 1, mean reward) as played while learning and as checked, from metrics.jsonl."""
    names = {"played": ("play/reward",), "checked": ("eval/reward",)}
    found = {
        shown: [
            (line["iteration"] + 1, line[key]) for line in lines for key in keys if line.get(key) is not None
        ]
        for shown, keys in names.items()
    }
    return {shown: points for shown, points in found.items() if points}


def points(summary: SummaryData) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """(taken, accuracy) of the agent and the optimum at each cell, and of the fixed strategies.

    By what was taken: each measure that a cost prices, and `paid`, all of them at the costs of the cell. A
    fixed strategy plays the same everywhere: it is one point, but one a cell where its costs count. Empty
    where these numbers are not known of the optimum.
    """
    cells = summary["cells"]
    bests = [best_outcome(cell) for cell in cells]
    measures = [paid_for(summary).get(name, name) for name in costs_of(cells[0])]
    if not {"accuracy", *measures} <= set(bests[0]):
        return {}
    everywhere = {"agent": cells, yardstick_of(summary): bests}
    fixed = summary.get("fixed", {}).items()
    everywhere |= {name: [played] * len(cells) for name, played in fixed if "accuracy" in played}

    def paid(cell: CellData, played: CellData) -> float:
        return float(sum(c * played[m] for c, m in zip(costs_of(cell).values(), measures, strict=True)))

    panels: dict[str, dict[str, list[tuple[float, float]]]] = {
        by: {
            who: list(dict.fromkeys((float(played[by]), played["accuracy"]) for played in rows))
            for who, rows in everywhere.items()
        }
        for by in measures
    }
    panels["paid"] = {
        who: [(paid(c, played), played["accuracy"]) for c, played in zip(cells, rows, strict=True)]
        for who, rows in everywhere.items()
    }
    return panels


def grid_of(count: int, columns: int, title: str, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes, `columns` in a row; `size` in inches."""
    figure = Figure(figsize=size)
    if title:
        figure.suptitle("\n".join(map(printable, textwrap.wrap(title, int(11 * size[0])))))
    grid = list(figure.subplots(-(-count // columns), columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.remove()
    return figure, grid[:count]


def _look(who: str, summary: SummaryData, at: int) -> dict[str, Any]:
    """How the line of a player looks; `at` tells apart those that are neither agent nor yardstick."""
    if who == "agent":
        return {"color": AGENT, "lw": 2.2, "marker": "o", "ms": 4.5, "zorder": 4, "label": summary["agent"]}
    if who == yardstick_of(summary):
        return {"color": INK, "lw": 1.4, "marker": "_", "zorder": 3, "label": who}
    dash, marker = DASHES[at % len(DASHES)], MARKERS[at % len(MARKERS)]
    return {"color": FIXED_COLOURS, "lw": 1.4, "ls": dash, "marker": marker, "ms": 3.5, "label": who}


def draw_curve(axes: Axes, curve: Curve, summary: SummaryData) -> None:
    """Draw a curve with its intervals; the levels stand side by side, as far apart as there is room."""
    at = range(len(curve.levels))
    for k, (who, rewards) in enumerate(curve.rewards.items()):
        look = _look(who, summary, k)
        axes.plot(at, rewards, **{**look, "label": printable(look["label"])})
        if who in curve.intervals:
            axes.fill_between(at, *curve.intervals[who], color=look["color"], alpha=0.18, lw=0)
    axes.set_title(f"reward at {GRIDS[curve.part]}")
    axes.set_ylabel("reward")
    _levels(axes, curve.cost, curve.levels)


def _levels(axes: Axes, cost: str, levels: Sequence[float]) -> None:
    axes.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    axes.tick_params(axis="x", rotation=0 if len(levels) < 9 else 60)
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.set_xlabel(cost_label(cost))


def _mix(axes: Axes, summary: SummaryData, at: Sequence[int], cost: str, kinds: Mapping[str, str]) -> None:
    """Shares of the moves at each level; on the right of each pair those of the optimum, where known."""
    cells = summary["cells"]
    bests, groups = [best_outcome(cell) for cell in cells], _groups(cells, at, cost)
    both = set(kinds) <= set(bests[0])
    hatched: dict[str, Any] = {"alpha": 0.45, "hatch": "//", "edgecolor": PAPER}
    for rows, side, look in ((cells, -0.2 * both, {}), (bests, 0.2, hatched))[: 1 + both]:
        bottom = np.zeros(len(groups))
        for kind, colour in kinds.items():
            shares = _means(rows, groups, kind)
            axes.bar(np.arange(len(groups)) + side, shares, 0.38, bottom=bottom, color=colour, lw=0, **look)
            bottom += shares
    axes.set_title("moves" + (f" (hatched: {yardstick_of(summary)})" if both else ""))
    axes.set_ylabel("share of the moves")
    axes.set_ylim(0, 1)
    _levels(axes, cost, list(groups))


def _count(axes: Axes, summary: SummaryData, at: Sequence[int], cost: str) -> None:
    """How often an episode incurred what the cost prices."""
    cells, measure = summary["cells"], paid_for(summary)[cost]
    groups, top = _groups(cells, at, cost), 0.0
    for who, rows in (("agent", cells), (yardstick_of(summary), list(map(best_outcome, cells)))):
        if measure in rows[0]:
            means = _means(rows, groups, measure)
            axes.plot(range(len(groups)), means, **_look(who, summary, 0))
            top = max(top, *means)
    axes.set_title(WORDS.get(measure, measure))
    axes.set_ylabel("questions" if measure == "asks" else measure)
    axes.set_ylim(0, 1.1 * top or 1)
    _levels(axes, cost, list(groups))


def steerability(summary: SummaryData, folder: Path) -> Figure:
    """Reward, moves and what they count against each cost, each point averaged over the other costs."""
    found = curves(summary, rewards_by_question(summary, folder))
    costs, cells = varied(summary), summary["cells"]
    part = found[0].part  # of the moves: unseen, where there is such a cost
    at = [c for c, cell in enumerate(cells) if cell["seen"] == (part == "seen")]
    others = iter(MORE * 9)
    kinds = {kind: KINDS.get(kind) or next(others) for kind in kinds_of(summary)}
    panels = [partial(draw_curve, curve=curve, summary=summary) for curve in found]
    if kinds:
        panels += [partial(_mix, summary=summary, at=at, cost=c, kinds=kinds) for c in costs]
    counted = [c for c in costs if paid_for(summary).get(c) in cells[0]]
    panels += [partial(_count, summary=summary, at=at, cost=c) for c in counted]
    columns = max(2, len(costs))
    rows = -(-len(panels) // columns)
    score = interval_text(summary[part]["normalized"])
    told = f"{title_of(summary)}; normalised score at {GRIDS[part]} {score}"
    if found[0].intervals:
        told += "; bands: 95% intervals over questions"
    low, high = reward_window([curve.rewards for curve in found], yardstick_of(summary))
    if any(min(rewards) < low for curve in found for rewards in curve.rewards.values()):
        told += "; what earns far less is cut off"
    figure, grid = grid_of(len(panels), columns, told, (5.4 * columns, 2.7 * rows + 1.1))
    for axes, panel in zip(grid, panels, strict=True):
        panel(axes)
    for axes in grid[: len(found)]:
        axes.set_ylim(low, high)
    lines, labels = grid[0].get_legend_handles_labels()
    patches = [Patch(color=colour, label=kind) for kind, colour in kinds.items()]
    figure.legend(
        [*lines, *patches], [*labels, *kinds], loc="outside lower center", ncols=4, handlelength=3.2
    )
    return figure


def heat(
    axes: Axes,
    values: Floats,
    texts: Sequence[Sequence[str]],
    framed: Any,
    colours: str,
    low: float,
    top: float,
) -> None:
    """Draw a table of numbers as coloured cells, the first row on top.

    Args:
        axes: to draw on.
        values: values_R_C; NaN leaves a cell empty.
        texts: what stands in each cell.
        framed: framed_R_C, the cells with a frame.
        colours: name of a matplotlib colour map.
        low, top: ends of the colours.
    """
    rows, columns = values.shape
    mesh = axes.pcolormesh(
        np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5, values, cmap=colours, vmin=low, vmax=top
    )
    for row, column in np.ndindex(rows, columns):
        red, green, blue, _ = mesh.cmap(mesh.norm(values[row, column]))
        light = not np.isfinite(values[row, column]) or 0.3 * red + 0.59 * green + 0.11 * blue > 0.55
        colour = "#000000" if light else "#fefefe"
        axes.text(column, row, texts[row][column], ha="center", va="center", color=colour, fontsize=9)
        if framed[row][column]:
            axes.add_patch(Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, fill=False, lw=1.6, ec="#000000"))
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def cost_map(
    axes: Axes, cells: Sequence[CellData], values: Sequence[float], title: str, sign: str = "", **look: Any
) -> None:
    """Draw a number of each pair of costs; seen costs are framed."""
    down, across = list(costs_of(cells[0]))
    rows, columns = (sorted({costs_of(cell)[name] for cell in cells}) for name in (down, across))
    grid = np.full((len(rows), len(columns)), np.nan)
    texts = [[""] * len(columns) for _ in rows]
    framed = np.zeros(grid.shape, dtype=bool)
    for cell, value in zip(cells, values, strict=True):
        row, column = rows.index(costs_of(cell)[down]), columns.index(costs_of(cell)[across])
        grid[row, column], framed[row, column] = value, cell["seen"]
        texts[row][column] = f"{value:{sign}.2f}"
    heat(axes, grid, texts, framed, **look)
    turned = 0 if len(columns) < 7 else 45
    axes.set_xticks(range(len(columns)), [f"{level:g}" for level in columns], rotation=turned)
    axes.set_yticks(range(len(rows)), [f"{level:g}" for level in rows])
    axes.set_xlabel(cost_label(across))
    axes.set_ylabel(cost_label(down))
    axes.set_title("\n".join(map(printable, textwrap.wrap(title, 44))))


def draw_surfaces(summary: SummaryData, folder: Path) -> Figure | None:
    """The reward over two costs: agent, yardstick, gap; None where there are not two."""
    cells, label = summary["cells"], yardstick_of(summary)
    if len(costs_of(cells[0])) != 2:
        return None
    own, best = ([rewards_of(summary, cell)[who] for cell in cells] for who in ("agent", label))
    gap = [b - a for a, b in zip(own, best, strict=True)]
    title = f"{title_of(summary)}: reward; framed: costs of the training"
    figure, grid = grid_of(3, 3, title, (11.5, 4.0))
    look: dict[str, Any] = {"colours": "YlGnBu", "low": min(own + best), "top": max(own + best)}
    cost_map(grid[0], cells, own, "reward of the agent", **look)
    cost_map(grid[1], cells, best, f"reward of the {label}", **look)
    cost_map(grid[2], cells, gap, "gap between them", colours="OrRd", low=0.0, top=max(0.1, *gap))
    return figure


def draw_frontier(summary: SummaryData, folder: Path) -> Figure | None:
    """Accuracy against what it took: a point per cell, the frontiers as lines; None where unknown."""
    panels = points(summary)
    if not panels:
        return None
    title = f"{title_of(summary)}: accuracy against what it took"
    figure, grid = grid_of(len(panels), len(panels), title, (11.5, 4.2))
    for axes, (by, found) in zip(grid, panels.items(), strict=True):
        for k, (name, listed) in enumerate(found.items()):
            look = _look(name, summary, k)
            line = [listed[n] for n in frontier(listed)]
            axes.plot(*zip(*line, strict=True), "-", color=look["color"], lw=1, zorder=1)
            mark = "+" if look["marker"] == "_" else look["marker"]
            look = {**look, "label": printable(look["label"]), "ls": "", "marker": mark, "ms": 6}
            axes.plot(*zip(*listed, strict=True), **look)
        axes.set_xlabel("paid an episode, all costs" if by == "paid" else WORDS[by])
        axes.set_ylabel("accuracy")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def draw_learning(summary: SummaryData, folder: Path) -> Figure | None:
    """Reward by iteration while the policy of the folder was trained; None where it is no run."""
    found = learning(RunDirectory(folder).metrics())
    if not found:
        return None
    figure, (axes,) = grid_of(1, 1, f"{summary['agent']} on {summary['env']}: learning", (7.5, 4.0))
    labels = {
        "played": ("as played while learning", FIXED_COLOURS, "s"),
        "checked": ("checked: best-scored moves, training questions", AGENT, "o"),
    }
    for name, listed in found.items():
        label, colour, marker = labels[name]
        axes.plot(*zip(*listed, strict=True), color=colour, marker=marker, lw=2, label=label)
    if (best := ceiling_of(summary, "seen")) is not None:
        label = f"{yardstick_of(summary)}, {GRIDS['seen']}, questions of the evaluation"
        axes.axhline(best, color=INK, ls="--", lw=1.2, label=label)
    axes.set_xlabel("iteration")
    axes.set_ylabel("mean reward")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure


FIGURES: dict[str, Callable[[SummaryData, Path], Figure | None]] = {
    "steerability": steerability,
    "surfaces": draw_surfaces,
    "frontier": draw_frontier,
    "learning": draw_learning,
}


@matplotlib.rc_context(STYLE)
def draw_differences(found: Mapping[str, Any]) -> str:
    """The difference in reward of every two runs at each pair of costs, as an SVG element.

    Args:
        found: what `compare` gave; of a game with other than two costs the text is empty.
    """
    cells, pairs = found["cells"], found["pairs"]
    if len(costs_of(cells[0])) != 2:
        return ""
    columns = min(3, len(pairs))
    size = (max(6.0, 4.2 * columns), 0.4 + 3.6 * -(-len(pairs) // columns))
    figure, grid = grid_of(len(pairs), columns, "difference in reward; framed: costs of the training", size)
    for axes, pair in zip(grid, pairs, strict=True):
        values = [value["mean"] for value in pair["cells"]]
        most = max(1e-9, *map(abs, values))
        name = f"{pair['second']} - {pair['first']}"
        cost_map(axes, cells, values, name, "+", colours="BrBG", low=-most, top=most)
    return inline(figure)


@matplotlib.rc_context(STYLE)
def draw_all(summary: SummaryData, folder: Path) -> dict[str, Path]:
    """Draw every figure that there is of a `summary.json` to its folder; returns the PNG files by name.

    Each has an SVG file beside it.
    """
    drawn = {name: figure for name, draw in FIGURES.items() if (figure := draw(summary, folder))}
    for name, figure in drawn.items():
        save(figure, folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in drawn}


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG to `path`, and as SVG beside it."""
    try:
        figure.savefig(path, dpi=110)
        path.with_suffix(".svg").write_text(_svg(figure, "white"), encoding="utf-8")
    except OSError as error:
        raise ClarifyError(f"{path}: cannot be written: {error.strerror or error}") from None


@matplotlib.rc_context(STYLE)
def embedded(summary: SummaryData, folder: Path) -> dict[str, str]:
    """Every figure that there is as an SVG element, for a page whose style sheet has the `THEME`."""
    drawn = {name: draw(summary, folder) for name, draw in FIGURES.items()}
    return {name: inline(figure) for name, figure in drawn.items() if figure}


def inline(figure: Figure) -> str:
    """A figure as an SVG element for such a page."""
    text = _svg(figure, "none")
    for colour, name in THEME.items():
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r' id="[a-zA-Z]+[a-zA-Z0-9]*_\d+"', "", text)  # the same in every figure of a page
    width = 72 * figure.get_figwidth()
    size = f"width:100%;height:auto;max-width:{width:.0f}pt;min-width:{0.7 * width:.0f}pt"
    head, rest = text[text.index("<svg") :].split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    about = escape(figure.get_suptitle())
    return f'{head} role="img" aria-label="{about}" style="{size}">{rest}'


def _svg(figure: Figure, background: str) -> str:
    """The figure as SVG, without anything that names another place or the time."""
    made = io.StringIO()
    known = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(made, format="svg", facecolor=background, metadata=known)
    text = re.sub(r"<!DOCTYPE[^>]*>\s*", "", made.getvalue())
    return re.sub("<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text)  # half the size
