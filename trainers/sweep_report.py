"""The result of a sweep: interquartile means over seeds with intervals, and who beats whom how surely."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group
from rich.table import Table
from scipy.stats import bootstrap, trim_mean

from clarify_env.data import read_json
from clarify_env.trainers.runs import RunDirectory, write_json
from clarify_env.trainers.sweep import LIMITS, Cell
from clarify_env.trainers.sweep_after import curve

Floats = NDArray[np.float64]
SCORES = ("unseen", "seen", "others")
SPENT = {"episodes": "episodes", **LIMITS}


def interquartile_mean(values_S: Floats, axis: int = -1) -> Any:
    """Mean of the middle half (arXiv 2108.13264)."""
    return trim_mean(values_S, 0.25, axis=axis)


def summary_of(values_S: Sequence[float], seed: int = 0) -> dict[str, float | None]:
    """Interquartile mean over seeds with its 95% bootstrap interval (None for a single seed)."""
    values = np.asarray(values_S, dtype=np.float64)
    found: dict[str, float | None] = {"iqm": float(interquartile_mean(values)), "low": None, "high": None}
    if len(values) > 1:
        drawn = bootstrap(
            (values,), interquartile_mean, n_resamples=2000, method="percentile",
            rng=np.random.default_rng(seed),
        )  # fmt: skip
        found |= {"low": float(drawn.confidence_interval.low), "high": float(drawn.confidence_interval.high)}
    return found


def better(first_S: Sequence[float], second_S: Sequence[float]) -> float:
    """Probability that a run of the first beats one of the second; ties count half (arXiv 2108.13264)."""
    a_S_1, b_1_S = np.asarray(first_S)[:, None], np.asarray(second_S)[None, :]
    return float(np.mean((a_S_1 > b_1_S) + 0.5 * (a_S_1 == b_1_S)))


def collect(
    cells: Sequence[Cell],
    folder: Path,
    known: Mapping[str, tuple[float, float]] | None = None,
    crossings: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """What the runs of a sweep reached, as JSON data; also written to compare.json.

    For each game and algorithm by seed, with interquartile means of the scores: normalised scores at unseen
    and seen costs, and with users that no run was trained with; episodes, sampled tokens and gradient steps;
    the curve of each run; and what failed. For each pair of algorithms the probability that the first is
    better at unseen costs.

    Args:
        cells: of the sweep.
        folder: of the sweep.
        known: from `sweep_after.references`; without, there are no curves.
        crossings: from `sweep_after.crossed`, by game.
    """
    games: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        row = games.setdefault(cell.game, {}).setdefault(
            cell.algorithm, {**{name: [] for name in (*SCORES, *SPENT, "seeds", "curve")}, "failed": {}}
        )
        run = RunDirectory(folder / cell.name)
        if not (run.path / "summary.json").exists():
            failed = run.path / "failed.txt"
            why = failed.read_text(encoding="utf-8").split("\n")[0] if failed.exists() else "not run"
            row["failed"][str(cell.seed)] = why
            continue
        summary, lines = read_json(run.path / "summary.json"), run.metrics()
        row["seeds"].append(cell.seed)
        row["unseen"].append(summary["unseen"]["normalized"]["mean"])
        row["seen"].append(summary["seen"]["normalized"]["mean"])
        for name, metric in SPENT.items():
            row[name].append(sum(line.get(metric, 0.0) for line in lines))
        row["curve"].append(curve(lines, cell.settings, known or {}))
        met = (
            (crossings or {}).get(cell.game, {}).get("rows", {}).get(f"{cell.algorithm} seed{cell.seed}", {})
        )
        row["others"] += [met["others"]["mean"]] if "others" in met else []
    for rows in games.values():
        for row in rows.values():
            for part in SCORES:
                row[f"{part}_iqm"] = summary_of(row[part]) if row[part] else None
    chances: dict[str, dict[str, dict[str, float]]] = {}
    for game, rows in games.items():
        scores = {name: row["unseen"] for name, row in rows.items() if row["unseen"]}
        chances[game] = {
            a: {b: better(one, two) for b, two in scores.items() if b != a} for a, one in scores.items()
        }
    result = {"games": games, "better": chances}
    write_json(folder / "compare.json", result)
    return result


def table(result: Mapping[str, Any]) -> Group:
    """The result for a terminal: a table a game, the best first, and what failed."""
    parts: list[Any] = []
    for game, rows in result["games"].items():
        shown = Table(title=f"{game}: normalised score at unseen costs", box=None, padding=(0, 1, 0, 0))
        for column in ("algorithm", "mean [95%]", "> next", "others", *SPENT):
            shown.add_column(column, justify="left" if column == "algorithm" else "right", no_wrap=True)
        ranked = sorted(rows, key=lambda name: -(rows[name]["unseen_iqm"] or {"iqm": -9.0})["iqm"])
        for k, name in enumerate(ranked):
            row, after = rows[name], ranked[k + 1] if k + 1 < len(ranked) else None
            chance = result["better"][game].get(name, {}).get(after)
            shown.add_row(
                name,
                _mean(row["unseen_iqm"]),
                "" if chance is None else f"{chance:.2f}",
                f"{row['others_iqm']['iqm']:.3f}" if row["others_iqm"] else "",
                *(f"{np.mean(row[spent]):,.0f}" if row[spent] else "" for spent in SPENT),
            )
        parts.append(shown)
        parts += [
            f"{name}, seed {seed} failed: {why}"
            for name, row in rows.items()
            for seed, why in row["failed"].items()
        ]
    parts.append(
        "mean: interquartile, over seeds (0 = best fixed strategy, 1 = optimum). > next: chance that a run "
        "beats one of the next line. others: with users that no run was trained with."
    )
    return Group(*parts)


def _mean(found: Mapping[str, Any] | None) -> str:
    if not found:
        return "-"
    ends = "" if found["low"] is None else f" [{found['low']:.3f}, {found['high']:.3f}]"
    return f"{found['iqm']:.3f}{ends}"


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Scores with intervals, and by game the normalised score against episodes and against tokens."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    games = result["games"]
    figure, grid = plt.subplots(
        len(games), 3, figsize=(15, 3.4 * len(games)), squeeze=False, constrained_layout=True
    )
    for (left, *right), (game, rows) in zip(grid, games.items(), strict=True):
        names = sorted((n for n in rows if rows[n]["unseen_iqm"]), key=lambda n: rows[n]["unseen_iqm"]["iqm"])
        for k, name in enumerate(names):
            found, colour = rows[name]["unseen_iqm"], f"C{sorted(rows).index(name)}"
            ends = [found["low"] if found["low"] is not None else found["iqm"], found["high"] or found["iqm"]]
            left.plot(ends, [k, k], color=colour, lw=3, alpha=0.4)
            left.plot(rows[name]["unseen"], [k] * len(rows[name]["unseen"]), "|", color=colour)
            left.plot(found["iqm"], k, "o", color=colour)
            for axes, at in zip(right, (0, 1), strict=True):
                _curves(axes, [one for one in rows[name]["curve"] if one], at, colour, name)
        left.set_yticks(range(len(names)), names)
        left.set_title(f"{game}: normalised score, unseen costs")
        for axes, label in zip(right, ("episodes", "sampled tokens"), strict=True):
            axes.set_title("normalised score, training questions and costs")
            axes.set_xlabel(label)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:,.0f}"))
            axes.xaxis.set_minor_formatter(ticker.NullFormatter())
            axes.set_ylim(-0.5, 1.05)
        if right[0].get_legend_handles_labels()[0]:
            right[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _curves(axes: Any, curves: Sequence[Sequence[Sequence[float]]], at: int, colour: str, name: str) -> None:
    """Each run's score against what it had spent, thin; and their mean where all have as many points."""
    for one in curves:
        axes.plot([point[at] for point in one], [point[2] for point in one], color=colour, alpha=0.25, lw=0.8)
    if curves and len({len(curve) for curve in curves}) == 1:
        mean_K_3 = np.mean(np.array(curves), axis=0)
        axes.plot(mean_K_3[:, at], mean_K_3[:, 2], color=colour, label=name, marker=".", ms=4)
