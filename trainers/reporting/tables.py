"""The results of an audit, a cross-play, an isotoken evaluation and a sweep: as tables and as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from rich.console import Group
from rich.table import Table
from rich.text import Text

from clarify_env.data import read_json
from clarify_env.errors import ClarifyError
from clarify_env.trainers.evaluation.isotoken import PLAYED
from clarify_env.trainers.evaluation.statistics import better, summary_of
from clarify_env.trainers.evaluation.sweep import Cell, curve
from clarify_env.trainers.reporting.figures import STYLE, grid_of, heat, save
from clarify_env.trainers.reporting.summary import (
    budgets,
    interval_text,
    legend,
    marked,
    percent,
    plain_table,
)
from clarify_env.trainers.reporting.user_tables import by_user, user_tables
from clarify_env.trainers.run_directory import RunDirectory, write_json

ABOUT = {
    "right": "does what a good user does, of all probes",
    "leak": "tells much of its meaning that was not asked for",
    "answer": "answers the question itself",
    "contradiction": "says what is false of its meaning, of what it says of it",
    "inconsistent": "no meaning fits both of its replies in a dialogue",
    "wrong_branch": "takes another meaning's option of a right list",
    "no_branch": "takes no option of a right list",
    "empty": "tells nothing of what a sensible question asks",
    "unreadable": "its message was no legal move",
    "failed": "it could not decide, as when its server is down",
    "told": "share of the meaning that a reply tells",
}


SHORT = {
    "question": "ask", "confirm": "yes?", "deny": "no?", "choice": "or?", "again": "2nd", "off_topic": "off",
    "enumerate": "list",
}  # fmt: skip


def audit_table(report: Mapping[str, Any]) -> Group:
    """The report of an audit for a terminal.

    Args:
        report: what `audit` returned.
    """
    title = f"{report['user']} as the user of {report['env']} ({report['questions']} questions)"
    kinds = [kind for kind, count in report["probes"].items() if count]
    shown = plain_table(title, ("%", "rate", "95%", *(SHORT.get(kind, kind) for kind in kinds)))
    for measure, rate in {"right": report["right"], **report["rates"]}.items():
        parts = [percent(rate["by_probe"].get(kind, {}).get("mean"), 0) for kind in kinds]
        spread = f"{percent(rate['low'])}-{percent(rate['high'])}" if rate["of"] else ""
        shown.add_row(measure, percent(rate["mean"]), spread, *parts)
    shown.add_row("told", "", "", *(percent(report["told"][kind], 0) for kind in kinds))
    lines = [Text(f"{name}: {about}") for name, about in ABOUT.items()]
    if alike := report["likeness"]:
        apart = ", ".join(f"{part} {far:.2f}" for part, far in alike["distances"].items())
        told = f"likeness to people: {interval_text(alike['index'])}, of at most {alike['ceiling']:.3f}"
        lines.insert(0, Text(f"{told}; distances: {apart}"))
    for measure, dialogues in report["worst"].items():
        lines += [Text(audit_dialogue(one, measure)) for one in dialogues[:1]]
    return Group(shown, *lines)


def ablation_table(report: Mapping[str, Any]) -> Table:
    """What `without_each` returned, for a terminal: the dearest first; `lost` is in reward."""
    title = f"{report['agent']} on {report['env']} ({report['questions']} questions, unseen costs)"
    shown = plain_table(title, ("without", "reward", "score", "from single", "lost", "95%"), left=0)
    shown.columns[0].justify = "left"
    rows = sorted(report["without"].items(), key=lambda item: -item[1]["lost"]["mean"])
    for name, row in [("", report["whole"]), *rows]:
        numbers = [f"{row[key]:.3f}" for key in ("reward", "normalized", "from_single")]
        lost = row.get("lost")
        spread = [f"{lost['mean']:.3f}", f"{lost['low']:.3f} to {lost['high']:.3f}"] if lost else ["", ""]
        shown.add_row(name or "(nothing)", *numbers, *spread)
    return shown


def write_ablation(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as a JSON file; raises ClarifyError where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClarifyError(f"{path.parent}: cannot be made: {error.strerror or error}") from None
    write_json(path, report)


def audit_dialogue(shown: Mapping[str, Any], fault: str) -> str:
    """One of the report's worst dialogues as text."""
    heard = repr(shown["user"]) if shown["user"] is not None else f"no move: {shown['detail']}"
    earlier = "".join(f"  asker: {asked}\n  user:  {reply!r}\n" for asked, reply in shown["earlier"])
    return (
        f"\n{fault}, task {shown['task']}: {shown['question']}\n"
        f"  means: {shown['meaning']} ({' / '.join(shown['answers'])})\n"
        f"{earlier}  asker: {shown['asker']}\n  user:  {heard}"
    )


def write_audit(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as a JSON file, and its worst dialogues as Markdown beside it.

    Raises:
        ClarifyError: that fails.
    """
    page = path.with_suffix(".md")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(audit_markdown(report), encoding="utf-8")
    except OSError as error:
        raise ClarifyError(f"{page}: cannot be written: {error.strerror or error}") from None
    write_json(path, report)


def audit_markdown(report: Mapping[str, Any]) -> str:
    """The worst dialogues of a report as a Markdown page; what was said stands in code blocks, untouched."""
    lines = [f"# {' '.join(report['user'].split())} as the user of {report['env']}: the worst dialogues", ""]
    for measure, dialogues in report["worst"].items():
        rate = report["rates"][measure]
        if dialogues:
            lines += [f"## {measure}: {rate['count']} of {rate['of']} ({ABOUT[measure]})", ""]
        for one in dialogues:
            lines += [f"    {line}" for line in audit_dialogue(one, measure).strip().splitlines()] + [""]
    return "\n".join(lines)


def crossplay_table(result: Mapping[str, Any]) -> Table:
    """Normalised scores by player and partner, and by row the own partner's, the others' mean and the drop.

    Args:
        result: what `crossplay` returned.
    """
    users = list(next(iter(result["matrix"].values())))
    title = f"normalised score on {result['env']} ({result['questions_compared']} questions); * own partner"
    if told := _legends(result):
        title = f"{title}\n{told}"
    shown = plain_table(title, (result["player"], *users, "own", "others", "drop"))
    for asker, line in result["matrix"].items():
        row = result["rows"][asker]
        parts = [row.get(name) for name in ("own", "others")]
        ends = (marked(f"{part['mean']:.3f}", part) if part else "" for part in parts)
        cells = (_short(cell) + ("*" if cell["own"] else "") for cell in line.values())
        shown.add_row(asker, *cells, *ends, interval_text(row["drop"]) if row.get("drop") else "")
    return shown


@matplotlib.rc_context(STYLE)
def draw_crossplay(result: Mapping[str, Any], path: Path) -> None:
    """Draw the matrix of normalised scores to a PNG and an SVG file; failed cells say so."""
    matrix = result["matrix"]
    users, rows = list(next(iter(matrix.values()))), [list(line.values()) for line in matrix.values()]
    scores = [[cell.get("normalized", {}).get("mean", np.nan) for cell in row] for row in rows]
    texts, framed = (
        [[of(cell) for cell in row] for row in rows] for of in (_short, lambda cell: cell["own"])
    )
    title = f"normalised score on {result['env']}; framed: the own partner"
    if told := _legends(result):
        title = f"{title}\n{told}"
    size = (max(7.0, 3.0 + 1.3 * len(users)), 1.8 + 0.6 * len(matrix))
    figure, (axes,) = grid_of(1, 1, title, size)
    heat(axes, np.array(scores, dtype=np.float64), texts, framed, "YlGnBu", 0.0, 1.0)
    axes.set_xticks(range(len(users)), users, rotation=20, ha="right")
    axes.set_yticks(range(len(matrix)), list(matrix))
    axes.set_xlabel("partner")
    axes.set_ylabel(result["player"])
    save(figure, path)


def _short(cell: Mapping[str, Any]) -> str:
    if "failed" in cell:
        return "failed"
    mean = cell["normalized"]["mean"]
    text = "" if mean is None or np.isnan(mean) else f"{mean + 0.0:.3f}".replace("-0.000", "0.000")
    return marked(text, cell["normalized"])


def _legends(result: Mapping[str, Any]) -> str:
    """What the mark means in a cross-play, where it has one."""
    cells = [(user, cell) for line in result["matrix"].values() for user, cell in line.items()]
    met = {user for user, cell in cells if cell.get("normalized", {}).get("foreign")}
    return " ".join(dict.fromkeys(legend(result["yardsticks"][user]) for user in sorted(met)))


Row = Mapping[str, Any]


STYLES = {PLAYED: "-", "silent": ":", "deranged": "--", "oracle": "-."}


def isotoken_tables(result: Mapping[str, Any]) -> Group:
    """The scores by turns, and what the game as it is took."""
    rows, turns = result["rows"], result["turns"]
    title = f"{result['env']}: score by messages of each player, which have {result['budget']} words in all"
    scores = plain_table(title, ("agent", "control", *map(str, turns)), left=2)
    for agent, control in dict.fromkeys((row["agent"], row["control"]) for row in rows):
        own = [row for row in rows if (row["agent"], row["control"]) == (agent, control)]
        scores.add_row(agent, control, *(_tight(row["score"]) for row in own))
    title = f"what it took, and the change of the score from {turns[0]} messages"
    took = plain_table(title, ("agent", "turns", "change", "words", "unused", "early", "broken"))
    for row in rows:
        if row["control"] == PLAYED:
            change = _tight(row["change"], "+") if "change" in row else ""
            shares = (f"{row[name]['mean']:.0%}" for name in ("unused", "early", "broken"))
            took.add_row(row["agent"], str(row["turns"]), change, f"{row['words']['mean']:.1f}", *shares)
    return Group(scores, took)


def _tight(value: Mapping[str, float], sign: str = "") -> str:
    """A mean with its interval, without the zero before the point."""
    return interval_text(value, 2, sign).replace("0.", ".")


def isotoken_curves(axes: Axes, rows: Sequence[Row], title: str) -> None:
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
    axes.set_title(title)
    axes.set_xlabel("messages of each player")
    axes.set_ylabel("score")


@matplotlib.rc_context(STYLE)
def draw_isotoken(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the curves of one or several evaluations, side by side, to a PNG and an SVG file."""
    figure, grid = grid_of(len(results), len(results), "", (1 + 4.8 * len(results), 4.2))
    for axes, result in zip(grid, results, strict=True):
        isotoken_curves(axes, result["rows"], f"{result['env']}, {result['budget']} words a player")
        axes.legend(fontsize=8)
    save(figure, path)


SCORES = ("unseen", "seen", "others")


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
    that the first is better at unseen costs. For each game what all algorithms spent equally much of. And
    `users`, by game: with each partner the scores and ranks of the algorithms, who broke how many episodes,
    and what an audit says of the partner.

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
        row["unseen"].append(summary.get("unseen", summary["seen"])["normalized"]["mean"])
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
    result = {"games": games, "better": chances, "equal": equal, "users": users}
    write_json(folder / "compare.json", result)
    return result


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
    equal = [label[key] for key in label if key in result["equal"][game]]
    within = f"(within {ALIKE - 1:.0%})"
    return [shown, f"Equal {within}: {', '.join(equal)}." if equal else f"Equal {within}: nothing."]


def sweep_table(result: Mapping[str, Any]) -> Group:
    """The result for a terminal: a table a game, the best first, and what failed."""
    parts: list[Any] = []
    for game, rows in result["games"].items():
        columns = ("algorithm", "mean [95%]", "> next", "others")
        shown = plain_table(f"{game}: normalised score at unseen costs", columns)
        ranked = sorted(rows, key=lambda name: -(rows[name]["unseen_iqm"] or {"iqm": -9.0})["iqm"])
        for k, name in enumerate(ranked):
            row, after = rows[name], ranked[k + 1] if k + 1 < len(ranked) else None
            chance = result["better"][game].get(name, {}).get(after)
            shown.add_row(
                name,
                interval_text({**found, "mean": found["iqm"], "foreign": row["foreign"]})
                if (found := row["unseen_iqm"])
                else "-",
                "" if chance is None else f"{chance:.2f}",
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
