"""The result of a sweep: as JSON data, as tables and as a picture."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from rich.console import Group
from rich.table import Table

from clarify_env.data import read_json
from clarify_env.reference import data_hash
from clarify_env.registry import make, registry
from clarify_env.trainers.evaluation.statistics import better, summary_of
from clarify_env.trainers.evaluation.sweep import Cell, curve
from clarify_env.trainers.reporting.figures import STYLE, grid_of, save
from clarify_env.trainers.reporting.summary import (
    budgets,
    interval_text,
    legend,
    marked,
    plain_table,
    ranking,
)
from clarify_env.trainers.reporting.user_tables import by_user, user_tables
from clarify_env.trainers.run_directory import RunDirectory, write_json

SCORES = ("unseen", "from_single", "seen", "others")


ALIKE = 1.05  # greatest over least of what the algorithms spent, up to which that counts as equal


def collect(
    cells: Sequence[Cell],
    folder: Path,
    known: Mapping[str, tuple[float, float]] | None = None,
    crossings: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """What the runs of a sweep reached, as JSON data; also written to compare.json.

    For each game and algorithm by seed, with interquartile means of the scores: normalised scores at unseen
    and seen costs, and with users that no run was trained with; what each run spent (see
    `RunDirectory.spent`); the curve of each run; and what failed. For each pair of algorithms the probability
    that the first is better at unseen costs. For each game what all algorithms spent equally much of, and
    the hash of its questions. And `users`, by game: with each partner the scores and ranks of the algorithms,
    who broke how many episodes, and what an audit says of the partner.

    Args:
        cells: of the sweep.
        folder: of the sweep.
        known: from `sweep_after.references`; without, there are no curves.
        crossings: from `sweep_after.crossed`, by game.
    """
    games: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        row = games.setdefault(cell.game, {}).setdefault(
            cell.algorithm, {**{name: [] for name in (*SCORES, "seeds", "curve")}, "spent": {}, "failed": {}}
        )
        run = RunDirectory(folder / cell.name)
        if not (run.path / "summary.json").exists():
            failed = run.path / "failed.txt"
            why = failed.read_text(encoding="utf-8").split("\n")[0] if failed.exists() else "not run"
            row["failed"][str(cell.seed)] = why
            continue
        summary, lines = read_json(run.path / "summary.json"), run.metrics()
        row["seeds"].append(cell.seed)
        scored = summary.get("unseen", summary["seen"])
        row["unseen"].append(scored["normalized"]["mean"])
        if "from_single" in scored:
            row["from_single"].append(scored["from_single"]["mean"])
        row["yardstick"], row["foreign"] = summary["yardstick"], not summary["own_yardstick"]
        row["seen"].append(summary["seen"]["normalized"]["mean"])
        for name, count in run.spent().items():
            row["spent"].setdefault(name, []).append(count)
        row["curve"].append(curve(lines, cell.config, known or {}))
        met = (
            (crossings or {}).get(cell.game, {}).get("rows", {}).get(f"{cell.algorithm} seed{cell.seed}", {})
        )
        if "others" in met:
            row["others"].append(met["others"]["mean"])
            row["others_foreign"] = bool(met["others"].get("foreign"))
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
    equal = {game: _equal(rows) for game, rows in games.items()}
    users = {game: by_user(crossing, cells) for game, crossing in (crossings or {}).items()}
    result = {
        "games": games,
        "better": chances,
        "equal": equal,
        "data": _data(cells),
        "users": users,
    }
    write_json(folder / "compare.json", result)
    return result


def _data(cells: Sequence[Cell]) -> dict[str, str]:
    """By game the hash of the questions that its runs are evaluated on."""
    options = {cell.game: cell.config.env_options for cell in cells}
    envs = {game: make(game, **registry[game].held_out(own)) for game, own in options.items()}
    return {game: data_hash(env.game.tasks) for game, env in envs.items()}


def _equal(rows: Mapping[str, Any]) -> list[str]:
    """What all algorithms spent equally much of, on average over seeds; see `ALIKE`."""
    spent = [row["spent"] for row in rows.values() if row["seeds"]]
    shared = [name for name in (spent[0] if len(spent) > 1 else ()) if all(name in one for one in spent)]
    means = {name: [float(np.mean(one[name])) for one in spent] for name in shared}
    return [name for name, held in means.items() if 0.0 < max(held) <= ALIKE * min(held)]


def _spent_table(game: str, result: Mapping[str, Any], ranked: Sequence[str]) -> list[Any]:
    """What the runs of a game spent, by their rank, and what is equal for all."""
    found = result["games"][game]
    rows = {name: found[name]["spent"] for name in ranked if found[name]["seeds"]}
    label = budgets(dict.fromkeys(key for row in rows.values() for key in row))
    if not label:
        return []
    shown = Table(title=f"{game}: what a run spent, mean over seeds", box=None, padding=(0, 1))
    shown.add_column("algorithm")
    for words in label.values():
        shown.add_column(words, justify="right")
    for name, row in rows.items():
        shown.add_row(name, *(f"{np.mean(row[key]):,.0f}" if key in row else "-" for key in label))
    if len(rows) < 2:
        return [shown]
    return [shown, f"Equal {equal_text(result, game, label)}."]


def above_next(result: Mapping[str, Any], game: str, ranked: Sequence[str]) -> list[str]:
    """The chance, as text, that a run of each of these beats one of the next; "" where that is not known."""
    chances = [result["better"][game].get(a, {}).get(b) for a, b in pairwise(ranked)]
    return ["" if chance is None else f"{chance:.2f}" for chance in [*chances, None][: len(ranked)]]


def equal_text(result: Mapping[str, Any], game: str, label: Mapping[str, str]) -> str:
    """What all algorithms spent equally much of, in the words of `label`, as in "(within 5%): episodes"."""
    equal = [label[key] for key in label if key in result["equal"][game]]
    return f"(within {ALIKE - 1:.0%}): {', '.join(equal) or 'nothing'}"


def sweep_table(result: Mapping[str, Any]) -> Group:
    """The result for a terminal: a table a game, the best first, and what failed."""
    parts: list[Any] = []
    for game, rows in result["games"].items():
        columns = ("algorithm", "mean [95%]", "> next", "others")
        shown = plain_table(f"{game}: normalised score at unseen costs", columns)
        ranked = ranking({name: row["unseen_iqm"] for name, row in rows.items()})
        for name, chance in zip(ranked, above_next(result, game, ranked), strict=True):
            row = rows[name]
            shown.add_row(
                name,
                interval_text({**found, "mean": found["iqm"], "foreign": row["foreign"]})
                if (found := row["unseen_iqm"])
                else "-",
                chance,
                marked(f"{row['others_iqm']['iqm']:.3f}", {"foreign": row["others_foreign"]})
                if row["others_iqm"]
                else "",
            )
        parts += [
            shown,
            *_spent_table(game, result, ranked),
            *user_tables(game, result["users"].get(game, {})),
        ]
        parts += [
            f"{name}, seed {seed} failed: {why}"
            for name, row in rows.items()
            for seed, why in row["failed"].items()
        ]
    parts.append(
        "mean: interquartile, over seeds (0 = the cost table or, where there is none, the floor; 1 = "
        f"{' or '.join(_ones(result)) or 'the best play'}). > next: chance that a run beats one of the next "
        "line. others: with partners that no run was trained with, own: with that of the training; rank 1 is "
        "the best; faults: of the partner, as an audit finds them. Spent: in training, what is played in "
        "trees and futures included, checks left out."
    )
    rows = [row for game in result["games"].values() for row in game.values()]
    parts += dict.fromkeys(legend(row["yardstick"]) for row in rows if row.get("foreign"))
    return Group(*parts)


def _ones(result: Mapping[str, Any]) -> list[str]:
    """What the 1 of the scores is, in each of the games."""
    rows = [row for game in result["games"].values() for row in game.values()]
    return list(dict.fromkeys(row["yardstick"] for row in rows if "yardstick" in row))


@matplotlib.rc_context(STYLE)
def draw_sweep(result: Mapping[str, Any], path: Path) -> None:
    """Scores with intervals, and by game the normalised score against episodes and against decisions."""
    games = result["games"]
    figure, grid = grid_of(3 * len(games), 3, "", (15, 3.4 * len(games)))
    rows_of_axes = zip(grid[::3], grid[1::3], grid[2::3], strict=True)
    for (left, *right), (game, rows) in zip(rows_of_axes, games.items(), strict=True):
        scored = (name for name in rows if rows[name]["unseen_iqm"])
        names = sorted(scored, key=lambda name: rows[name]["unseen_iqm"]["iqm"])
        for k, name in enumerate(names):
            found, colour = rows[name]["unseen_iqm"], f"C{sorted(rows).index(name)}"
            ends = [found["iqm"] if found[end] is None else found[end] for end in ("low", "high")]
            left.plot(ends, [k, k], color=colour, lw=3, alpha=0.4)
            left.plot(rows[name]["unseen"], [k] * len(rows[name]["unseen"]), "|", color=colour)
            left.plot(found["iqm"], k, "o", color=colour)
            for at, axes in enumerate(right):
                _curves(axes, [one for one in rows[name]["curve"] if one], at, colour, name)
        left.set_yticks(range(len(names)), [marked(name, rows[name]) for name in names])
        left.set_title(f"{game}: normalised score, unseen costs")
        for axes, label in zip(right, ("episodes", "decisions of all players"), strict=True):
            axes.set_title("normalised score, training questions and costs")
            axes.set_xlabel(label)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_ylim(-0.5, 1.05)
        if right[0].get_legend_handles_labels()[0]:
            right[0].legend(fontsize=8)
    save(figure, path)


def _curves(axes: Axes, curves: Sequence[Sequence[Sequence[float]]], at: int, colour: str, name: str) -> None:
    """Each run's score against what it had spent, thin; and their mean where all have as many points."""
    for one in curves:
        axes.plot([point[at] for point in one], [point[2] for point in one], color=colour, alpha=0.25, lw=0.8)
    if curves and len({len(curve) for curve in curves}) == 1:
        mean_K_3 = np.mean(np.array(curves), axis=0)
        axes.plot(mean_K_3[:, at], mean_K_3[:, 2], color=colour, label=name, marker=".", ms=4)
