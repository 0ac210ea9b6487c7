"""The report of one or several evaluations: a single HTML page that needs nothing else.

It holds the figures, the comparison and every transcript, compressed; `report_page.*` and `report_browser.js`
draw them. Whatever players wrote stays data: it is escaped here, and the scripts only make text nodes of it.
"""

import html
import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from clarify_env.data import read_json
from clarify_env.errors import ClarifyError
from clarify_env.trainers.evaluation.paired_comparison import compare, frontier, read_questions
from clarify_env.trainers.reporting.figures import PAID, over_two_costs, points, surfaces
from clarify_env.trainers.reporting.html_episodes import MOST, Episodes

EPISODES = Path("episodes") / "evaluation.parquet"


SCRIPTS = ("report_page.js", "report_browser.js")


def names_of(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as much of the path as it takes to tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise ClarifyError(f"report: {', '.join(map(str, folders))}: one folder is named twice")


def _run(name: str, folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    if not path.is_file():
        raise ClarifyError(f"{folder}: no summary.json; evaluate it first (clarify-env evaluate {folder})")
    summary = read_json(path)
    config = folder / "config.json"
    known = {"name": name, "summary": summary, "config": read_json(config) if config.is_file() else None}
    if "yardstick" not in summary or "fixed" not in summary:
        raise ClarifyError(f"{path}: written by an earlier version; evaluate it again")
    if not over_two_costs(summary):  # numbers and transcripts
        return known
    panels = []
    for by, label in PAID.items():
        found = points(summary, by)
        lines = {who: frontier(listed) for who, listed in found.items()}
        panels.append({"label": label, "points": found, "lines": lines})
    return {**known, "surfaces": surfaces(summary["cells"]), "frontier": panels}


def write_report(folders: Sequence[Path], out: Path | None = None, seed: int = 0, most: int = MOST) -> Path:
    """Write the page of these evaluations and return its path.

    Args:
        folders: one or more that `evaluate` wrote to; several are compared, on the same questions only.
        out: the file; by default report.html in the first folder.
        seed: of the bootstrap.
        most: episodes of each folder that the page holds, spread evenly where there are more.

    Raises:
        ClarifyError: a folder holds no evaluation, or one of an earlier version; or they share no questions.
    """
    names = names_of(folders)
    runs = [_run(name, folder) for name, folder in zip(names, folders, strict=True)]
    comparison = None
    if len(runs) > 1:
        games = {run["summary"]["env"] for run in runs}
        if len(games) > 1:
            raise ClarifyError(f"report: evaluations of different games: {', '.join(sorted(games))}")
        measured = [read_questions(folder, name) for name, folder in zip(names, folders, strict=True)]
        comparison = compare(measured, seed)
    episodes = Episodes(most)
    for k, (run, folder) in enumerate(zip(runs, folders, strict=True)):
        if (folder / EPISODES).is_file():
            episodes.add(folder / EPISODES, k, run["summary"]["episodes"])
    first = runs[0]["summary"]
    title = f"{first['agent']} on {first['env']}" if len(runs) == 1 else f"{len(runs)} runs on {first['env']}"
    page = _page(title, {"runs": runs, "comparison": comparison}, episodes.pack() if episodes.rows else "")
    out = out or folders[0] / "report.html"
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(page, encoding="utf-8", errors="replace")
        os.replace(part, out)
    except OSError as error:
        raise ClarifyError(f"{out}: cannot be written: {error.strerror or error}") from None
    return out


def _page(title: str, data: Mapping[str, Any], packed: str) -> str:
    """The template with its parts; JSON in a script element must not hold what could close the element."""
    here = files("clarify_env.trainers.reporting")

    def asset(name: str) -> str:
        return here.joinpath(name).read_text(encoding="utf-8").strip()

    filled = {
        "css": asset("report_page.css"),
        "js": "\n".join(map(asset, SCRIPTS)),
        "title": html.escape(title),
        "data": json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
        "episodes": packed,
    }
    first, *rest = asset("report_page.html").split("@")
    return first + "".join(filled.get(part, part) for part in rest)
