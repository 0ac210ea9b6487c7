"""The report of one or several evaluations: a single HTML page that needs nothing else.

Tables and figures stand in the page as they are; only choosing a run and browsing the transcripts takes its
script. Whatever players wrote stays data: it is escaped here, and the script only makes text nodes of it.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from clarify_env.data import read_json
from clarify_env.errors import ClarifyError
from clarify_env.trainers.evaluation.statistics import FILE, compare, read_questions
from clarify_env.trainers.reporting.figures import draw_differences, embedded
from clarify_env.trainers.reporting.html_episodes import MOST, Episodes
from clarify_env.trainers.reporting.summary import (
    GRIDS,
    WORDS,
    best_outcome,
    cost_label,
    costs_of,
    interval_text,
    rewards_of,
    score_note,
    scores,
    spent_text,
    title_of,
    yardstick_of,
)

EPISODES = Path("episodes") / "evaluation.parquet"


# By the name of a figure: the heading of its section, and what it shows.
SECTIONS = {
    "steerability": (
        "Reward and moves against each cost",
        "Each point averages over the other costs. The bands are 95% bootstrap intervals over questions.",
    ),
    "learning": (
        "Learning",
        "By iteration of the training, on training questions at the costs of the training.",
    ),
    "surfaces": (
        "Reward over both costs",
        "Framed: costs of the training; the others were never trained on.",
    ),
    "frontier": (
        "Accuracy against what it took",
        "A point for each pair of costs; the line joins the points that no other beats (as accurate for "
        "less). The optimum maximises reward, not accuracy: it gives up accuracy where it costs more than it "
        "brings.",
    ),
}


def names_of(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as much of the path as it takes to tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise ClarifyError(f"report: {', '.join(map(str, folders))}: one folder is named twice")


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """An HTML table of these texts; the first column names the rows."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f'<div class="scroll"><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>'


def _small(text: str) -> str:
    return f'<p class="small">{escape(text)}</p>'


def _section(name: str, title: str, content: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{title}</h2>{content}</section>'
    )


def _by_run(contents: Iterable[str]) -> str:
    """What each run has of a section; the script shows that of the chosen run."""
    return "".join(
        f'<div data-run="{k}">{content or _small("This run has none.")}</div>'
        for k, content in enumerate(contents)
    )


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "-"


def _scores(summary: Mapping[str, Any]) -> str:
    head = ["", *(GRIDS[part] for part in GRIDS if part in summary)]
    rows = ([label, *map(interval_text, found)] for label, found in scores(summary))
    return html_table(head, rows) + _small(
        f"Mean [95% bootstrap interval over questions]. {score_note(summary)}"
    )


def _ends(summary: Mapping[str, Any]) -> str:
    """How the episodes ended, by player and reason, and what the language models counted."""
    total = sum(summary["ends"].values())
    rows = ([end, f"{count:,}", f"{count / total:.1%}"] for end, count in summary["ends"].items())
    shown = html_table(["end (player/reason)", "episodes", "share"], rows)
    if models := summary["models"]:
        names = list(dict.fromkeys(name for counts in models.values() for name in counts))
        lines = [
            [n.replace("_", " "), *(f"{c[n]:,}" if n in c else "-" for c in models.values())] for n in names
        ]
        shown += html_table(["language models", *models], lines)
    return f"<details><summary>How the episodes ended</summary>{shown}</details>"


def _cells(summary: Mapping[str, Any]) -> str:
    """Every number of every cell."""
    cells, label = summary["cells"], yardstick_of(summary)
    measures = [name for name, value in cells[0].items() if type(value) is float]
    words = [WORDS.get(name, name) for name in measures]
    others = [name for name in rewards_of(summary, cells[0]) if name != "agent"]
    best = [name for name in best_outcome(cells[0]) if name != "reward"]
    head = [*map(cost_label, costs_of(cells[0])), "costs", *words, *(f"reward: {name}" for name in others)]
    rows = []
    for cell in cells:
        rewards, outcome = rewards_of(summary, cell), best_outcome(cell)
        numbers = [*(cell[m] for m in measures), *(rewards[o] for o in others), *(outcome[b] for b in best)]
        costs = (f"{value:g}" for value in costs_of(cell).values())
        rows.append([*costs, "seen" if cell["seen"] else "unseen", *map(_number, numbers)])
    shown = html_table([*head, *(f"{label}: {name}" for name in best)], rows)
    return f"<details><summary>All numbers as a table</summary>{shown}</details>"


def _provenance(summary: Mapping[str, Any], config: Any) -> str:
    versions = summary.get("versions", {})
    git, packages = versions.get("git"), versions.get("packages", {})
    facts = {
        "agent": summary["agent"],
        "game": summary["env"],
        "questions": f"{summary['questions']:,}, {summary.get('questions_left_out', 0):,} left out",
        "episodes": f"{summary['episodes']:,}, of which {summary.get('failed', 0):,} failed",
        "seed": summary["seed"],
        "spent on the training": spent_text(summary),
        "knobs of the scripted players": json.dumps(summary["knobs"]),
        "git": git["commit"] + (", modified" if git["modified"] else "") if git else "no checkout",
        "python": versions.get("python"),
        "platform": versions.get("platform"),
        "packages": ", ".join(f"{name} {found or '-'}" for name, found in packages.items()),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(str(value or '-'))}</dd>" for name, value in facts.items())
    listed = {name: summary[name] for name in ("monotonicity", "failure_reasons") if name in summary}
    texts = {"Settings of the training (config.json)": config, "Monotonicity and failures": listed}
    return f"<dl>{rows}</dl>" + "".join(
        f"<details><summary>{name}</summary><pre>{escape(json.dumps(data, indent=2))}</pre></details>"
        for name, data in texts.items()
        if data
    )


def _comparison(found: Mapping[str, Any]) -> str:
    """Every two runs: differences by part, and by pair of costs."""
    left = ", ".join(f"{name}: {count:,}" for name, count in found["left_out"].items() if count)
    told = (
        f"Second run minus first, on the same {found['questions']:,} questions at the same "
        f"{len(found['cells'])} costs, which all runs were measured at"
        f"{f' (questions left out of {left})' if left else ''}. Paired by question; mean [95% bootstrap "
        "interval over questions]. With a star: the interval leaves 0 out."
    )
    rows = []
    for pair in found["pairs"]:
        for part in filter(pair.__contains__, ("all", "unseen", "seen")):
            shown = [
                interval_text(v, sign="+") + (" *" if v["low"] > 0 or v["high"] < 0 else "")
                for v in pair[part].values()
            ]
            rows.append([f"{pair['second']} - {pair['first']}", part, *shown])
    head = ["", "costs", *found["pairs"][0]["all"]]
    told = f'<p id="compared">{escape(told)}</p>{html_table(head, rows)}'
    if figure := draw_differences(found):
        return f'{told}<div class="scroll">{figure}</div>'
    cells, pairs = found["cells"], found["pairs"]
    columns = [*map(cost_label, costs_of(cells[0])), *(f"{p['second']} - {p['first']}" for p in pairs)]
    lines = [
        [*(f"{x:g}" for x in costs_of(c).values()), *(interval_text(p["cells"][k], sign="+") for p in pairs)]
        for k, c in enumerate(cells)
    ]
    return f"{told}{html_table(columns, lines)}"


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
    for folder in folders:
        if not (folder / "summary.json").is_file():
            raise ClarifyError(
                f"{folder}: no summary.json; evaluate it first (clarify-env evaluate {folder})"
            )
    summaries = [read_json(folder / "summary.json") for folder in folders]
    games = {summary["env"] for summary in summaries}
    if len(games) > 1:
        raise ClarifyError(f"report: evaluations of different games: {', '.join(sorted(games))}")
    comparison = None
    if len(folders) > 1 and any((folder / FILE).is_file() for folder in folders):
        measured = [read_questions(folder, name) for name, folder in zip(names, folders, strict=True)]
        comparison = compare(measured, seed)
    sections: dict[str, list[str]] = {name: [] for name in ("scores", *SECTIONS, "provenance")}
    for folder, summary in zip(folders, summaries, strict=True):
        path = folder / "config.json"
        try:
            figures = embedded(summary, folder)
            sections["scores"].append(_scores(summary) + _ends(summary) + _cells(summary))
            sections["provenance"].append(_provenance(summary, read_json(path) if path.is_file() else None))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise ClarifyError(
                f"{folder}: evaluated by an earlier version, evaluate it again ({problem})"
            ) from None
        for name in SECTIONS:
            sections[name].append(f'<div class="scroll">{figures[name]}</div>' if name in figures else "")
    episodes = Episodes(most)
    for k, (folder, summary) in enumerate(zip(folders, summaries, strict=True)):
        if (folder / EPISODES).is_file():
            episodes.add(folder / EPISODES, k, summary["episodes"])
    first = summaries[0]
    title = (
        f"{first['agent']} on {first['env']}"
        if len(folders) == 1
        else f"{len(folders)} runs on {first['env']}"
    )
    headings = {"scores": "Scores", **{n: SECTIONS[n][0] for n in SECTIONS}, "comparison": "Comparison"}
    content = {"scores": _section("scores", "Scores", _by_run(sections["scores"]))}
    for name, (heading, about) in SECTIONS.items():
        if any(sections[name]):
            content[name] = _section(name, heading, _by_run(sections[name]) + _small(about))
    if comparison:
        content["comparison"] = _section("comparison", "Comparison", _comparison(comparison))
    data = {"runs": [{"name": n, "summary": s} for n, s in zip(names, summaries, strict=True)]}
    page = _page(
        title=escape(title),
        about=_by_run(
            f"<p>{escape(title_of(s))}; {s['episodes']:,} episodes; seed {s['seed']}</p>" for s in summaries
        ),
        nav=" ".join(f'<a href="#{name}">{headings[name]}</a>' for name in content),
        results="\n".join(content.values()),
        provenance=_by_run(sections["provenance"]),
        data=json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
        episodes=episodes.pack() if episodes.rows else "",
    )
    out = out or folders[0] / "report.html"
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(page, encoding="utf-8", errors="replace")
        os.replace(part, out)
    except OSError as error:
        raise ClarifyError(f"{out}: cannot be written: {error.strerror or error}") from None
    return out


def _page(**parts: str) -> str:
    """The template with its parts; JSON in a script element must not hold what could close the element."""
    here = files("clarify_env.trainers.reporting")
    assets = {
        name: here.joinpath(f"report_page.{name}").read_text(encoding="utf-8")
        for name in ("css", "js", "html")
    }
    first, *rest = assets["html"].split("@")
    filled = {**assets, **parts}
    return first + "".join(filled.get(part, part) for part in rest)
