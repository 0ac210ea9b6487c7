"""What a person sees of an audit: a table of the rates, and the worst dialogues."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from clarify_env.errors import ClarifyError
from clarify_env.trainers.runs import write_json

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


def table(report: Mapping[str, Any]) -> Group:
    """The report of an audit for a terminal.

    Args:
        report: what `audit` returned.
    """
    title = f"{report['user']} as the user of {report['env']} ({report['questions']} questions)"
    kinds = [kind for kind, count in report["probes"].items() if count]
    shown = Table(title=title, box=None, padding=(0, 1))
    for column in ("%", "rate", "95%", *(SHORT.get(kind, kind) for kind in kinds)):
        shown.add_column(column, justify="left" if column == "%" else "right", no_wrap=True)
    for measure, rate in {"right": report["right"], **report["rates"]}.items():
        parts = [_percent(rate["by_probe"].get(kind, {}).get("mean"), 0) for kind in kinds]
        spread = f"{_percent(rate['low'])}-{_percent(rate['high'])}" if rate["of"] else ""
        shown.add_row(measure, _percent(rate["mean"]), spread, *parts)
    shown.add_row("told", "", "", *(_percent(report["told"][kind], 0) for kind in kinds))
    lines = [Text(f"{name}: {about}") for name, about in ABOUT.items()]
    for measure, dialogues in report["worst"].items():
        lines += [Text(dialogue(one, measure)) for one in dialogues[:1]]
    return Group(shown, *lines)


def dialogue(shown: Mapping[str, Any], fault: str) -> str:
    """One of the report's worst dialogues as text."""
    heard = repr(shown["user"]) if shown["user"] is not None else f"no move: {shown['detail']}"
    earlier = "".join(f"  asker: {asked}\n  user:  {reply!r}\n" for asked, reply in shown["earlier"])
    return (
        f"\n{fault}, task {shown['task']}: {shown['question']}\n"
        f"  means: {shown['meaning']} ({' / '.join(shown['answers'])})\n"
        f"{earlier}  asker: {shown['asker']}\n  user:  {heard}"
    )


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as a JSON file, and its worst dialogues as Markdown beside it.

    Raises:
        ClarifyError: that fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClarifyError(f"{path}: cannot be written: {error.strerror or error}") from None
    write_json(path, report)
    try:
        path.with_suffix(".md").write_text(markdown(report), encoding="utf-8")
    except OSError as error:
        raise ClarifyError(
            f"{path.with_suffix('.md')}: cannot be written: {error.strerror or error}"
        ) from None


def markdown(report: Mapping[str, Any]) -> str:
    """The worst dialogues of a report as a Markdown page; what was said stands in code blocks, untouched."""
    lines = [f"# {' '.join(report['user'].split())} as the user of {report['env']}: the worst dialogues", ""]
    for measure, dialogues in report["worst"].items():
        rate = report["rates"][measure]
        if dialogues:
            lines += [f"## {measure}: {rate['count']} of {rate['of']} ({ABOUT[measure]})", ""]
        for one in dialogues:
            lines += [f"    {line}" for line in dialogue(one, measure).strip().splitlines()] + [""]
    return "\n".join(lines)


def _percent(share: float | None, digits: int = 1) -> str:
    return "" if share is None else f"{100 * share:.{digits}f}"
