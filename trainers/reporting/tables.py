"""Results of an audit, an ablation, a cross-play and an isotoken evaluation, as tables and as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from rich.console import Group
from rich.table import Table
from rich.text import Text

from clarify_env.errors import ClarifyError
from clarify_env.trainers.evaluation.isotoken import PLAYED
from clarify_env.trainers.reporting.figures import STYLE, grid_of, heat, save
from clarify_env.trainers.reporting.summary import interval_text, legend, marked, percent, plain_table
from clarify_env.trainers.run_directory import write_json

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
        scores = [marked(f"{row[key]:.3f}", row) for key in ("normalized", "from_single")]
        numbers = [f"{row['reward']:.3f}", *scores]
        lost = row.get("lost")
        spread = [f"{lost['mean']:.3f}", f"{lost['low']:.3f} to {lost['high']:.3f}"] if lost else ["", ""]
        shown.add_row(name or "(nothing)", *numbers, *spread)
    if not report["own_yardstick"]:
        shown.caption = legend(report["yardstick"])
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
    if drop := result.get("drop"):
        title = f"{title}\nreward with the own partner less that with others' partners: {interval_text(drop)}"
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
