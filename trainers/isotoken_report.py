"""An isotoken evaluation as tables, and as a picture of score against turns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rich.console import Group
from rich.table import Table

from clarify_env.trainers.isotoken import PLAYED

Row = Mapping[str, Any]
STYLES = {PLAYED: "-", "silent": ":", "deranged": "--", "oracle": "-."}


def tables(result: Mapping[str, Any]) -> Group:
    """The scores by turns, and what the game as it is took."""
    rows, turns = result["rows"], result["turns"]
    title = f"{result['env']}: score by messages of each player, which have {result['budget']} words in all"
    scores = Table(title=title)
    for column in ("agent", "control", *map(str, turns)):
        scores.add_column(column, no_wrap=True)
    for agent, control in dict.fromkeys((row["agent"], row["control"]) for row in rows):
        own = [row for row in rows if (row["agent"], row["control"]) == (agent, control)]
        scores.add_row(agent, control, *(interval(row["score"]) for row in own))
    took = Table(title=f"what it took, and the change of the score from {turns[0]} messages")
    for column in ("agent", "turns", "change", "words", "unused", "early", "broken"):
        took.add_column(column, justify="left" if column == "agent" else "right", no_wrap=True)
    for row in rows:
        if row["control"] == PLAYED:
            change = interval(row["change"], "+") if "change" in row else ""
            shares = (f"{row[name]['mean']:.0%}" for name in ("unused", "early", "broken"))
            took.add_row(row["agent"], str(row["turns"]), change, f"{row['words']['mean']:.1f}", *shares)
    return Group(scores, took)


def interval(value: Mapping[str, float], sign: str = "") -> str:
    """A mean with its interval, without the zero before the point."""
    mean, low, high = (f"{value[name]:{sign}.2f}".replace("0.", ".") for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]" if sign else f"{mean} {low}-{high}"


def curves(axes: Axes, rows: Sequence[Row], title: str) -> None:
    """Score against turns, one colour an agent, one line a control, with intervals of the game as it is."""
    agents = list(dict.fromkeys(row["agent"] for row in rows))
    for k, agent in enumerate(agents):
        for control, style in STYLES.items():
            own = [row for row in rows if (row["agent"], row["control"]) == (agent, control)]
            if not own:
                continue
            turns = [row["turns"] for row in own]
            score = [row["score"]["mean"] for row in own]
            label = agent if control == PLAYED else f"{agent}, {control}"
            axes.plot(turns, score, style, color=f"C{k}", lw=2 if control == PLAYED else 1, label=label)
            if control == PLAYED:
                low, high = ([row["score"][end] for row in own] for end in ("low", "high"))
                axes.fill_between(turns, low, high, color=f"C{k}", alpha=0.2, lw=0)
    axes.set_xscale("log", base=2)
    ticks = sorted({row["turns"] for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_ylim(-0.03, 1.03)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("messages of each player")
    axes.set_ylabel("score")
    axes.spines[["top", "right"]].set_visible(False)


def draw(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the curves of one or several evaluations, side by side, to a PNG file."""
    figure, grid = plt.subplots(
        1, len(results), figsize=(1 + 4.8 * len(results), 4.2), constrained_layout=True, squeeze=False
    )
    for axes, result in zip(grid[0], results, strict=True):
        curves(axes, result["rows"], f"{result['env']}, {result['budget']} words a player")
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=100)
    plt.close(figure)
