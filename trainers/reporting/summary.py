"""What a summary.json holds, read in one place, and the words for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.columns import Columns
from rich.console import Group
from rich.table import Table
from rich.text import Text

from clarify_env.episode import move_kinds

CellData = Mapping[str, Any]


GRIDS = {"seen": "costs of the training", "unseen": "costs never trained on"}


UNITS = {"turn": "question", "wrong": "wrong answer"}  # where the name of a cost is not what it is paid for


COUNTED = {"turn": "asks", "search": "searches", "word": "words", "wrong": "wrong"}  # what a cost prices


WORDS = {
    "baseline": "best single strategy",
    "normalized": "normalised score",
    "from_single": "from the best single one",
    "reward_failed_0": "reward, failures as 0",
    "normalized_failed_0": "score, failures as 0",
    "start": "before training",
    "from_start": "gained of what was left",
    "asks": "questions an episode",
    "searches": "searches an episode",
    "words": "words an episode",
    "messages": "messages an episode",
    "wrong": "wrong answers",
    "exact": "exact answers",
}


def costs_of(cell: CellData) -> dict[str, float]:
    """The costs of a cell by name."""
    return dict(cell["costs"])


def cost_label(name: str) -> str:
    """A cost in words, such as "cost of a question"."""
    return f"cost of a {UNITS.get(name, name.replace('_', ' '))}"


def varied(summary: Mapping[str, Any]) -> list[str]:
    """The costs that were played at several levels; the first cost where there is none."""
    cells = [costs_of(cell) for cell in summary["cells"]]
    found = [name for name in cells[0] if len({cell[name] for cell in cells}) > 1]
    return found or list(cells[0])[:1]


def yardstick_of(summary: Mapping[str, Any]) -> str:
    """What the score is measured against, such as "optimum with this user", or "best team: NAME"."""
    return str(summary["yardstick"])


def rewards_of(summary: Mapping[str, Any], cell: CellData) -> dict[str, float]:
    """Rewards in a cell by who played: "agent", fixed strategies and teams by name, last the yardstick."""
    label = yardstick_of(summary)
    rewards = {"agent": cell["reward"], **cell["fixed"]}
    best = rewards.pop(label.removeprefix("best team: "), None)
    return {**rewards, label: best_outcome(cell).get("reward", best)}


def reward_window(curves: Sequence[Mapping[str, Sequence[float]]], yardstick: str) -> tuple[float, float]:
    """The range of reward to show: the agent and the yardstick in full, what lies far below them not.

    Args:
        curves: rewards by who played, "agent" and the yardstick among them.
        yardstick: its name.
    """
    drawn = [rewards for curve in curves for rewards in curve.values()]
    main = [curve[who] for curve in curves for who in ("agent", yardstick)]
    lowest, highest = min(map(min, main)), max(map(max, drawn))
    room = max(highest - lowest, 0.1)
    return float(max(min(map(min, drawn)), lowest - 0.5 * room) - 0.05 * room), float(highest + 0.05 * room)


def paid_for(summary: Mapping[str, Any]) -> dict[str, str]:
    """By cost, the measure of what it is paid for, such as "asks" for "turn"."""
    return COUNTED | {found["cost"]: measure for measure, found in summary["monotonicity"].items()}


def best_outcome(cell: CellData) -> Mapping[str, float]:
    """What optimal play comes to in a cell, reward, accuracy and moves, where that is known."""
    found: Mapping[str, float] = cell.get("optimum", {})
    return found


def ceiling_of(summary: Mapping[str, Any], part: str) -> float | None:
    """The mean reward of the yardstick at the seen or unseen costs."""
    means = summary.get(part, {})
    best = means.get("optimum") or means.get(f"team {yardstick_of(summary).removeprefix('best team: ')}")
    return float(best["mean"]) if best else None


def kinds_of(summary: Mapping[str, Any]) -> list[str]:
    """The kinds of moves whose shares the cells hold."""
    known = move_kinds(summary["env"])
    return [name for name in summary["cells"][0] if name in known]


def scores(summary: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, float]]]]:
    """The lines of a table of scores: a label, and for each part that was evaluated mean, low and high."""
    parts = [summary[part] for part in GRIDS if part in summary]
    label, kinds, known = yardstick_of(summary), kinds_of(summary), list(parts[0])
    teams = [name for name in known if name.startswith("team ")]
    low = ["baseline"] if len(summary["floor"]) > 1 else []  # of a single team it is that team's line
    names = dict.fromkeys(
        [
            "reward",
            "optimum",
            *low,
            *teams,
            "normalized",
            "from_single",
            "reward_failed_0",
            "normalized_failed_0",
            "start",
            "from_start",
            *known,
        ]
    )
    best = f"team {label.removeprefix('best team: ')}"
    words = {**WORDS, "optimum": label, best: label, **{kind: f"moves: {kind}" for kind in kinds}}
    shown = [name for name in names if name in known and (low or name != "baseline")]
    return [(words.get(name, name), [part[name] for part in parts]) for name in shown]


def score_note(summary: Mapping[str, Any]) -> str:
    """What 0 and 1 of the normalised score are."""
    floor, one = summary["floor"], yardstick_of(summary)
    low = "the best single one of the fixed strategies" if len(floor) > 1 else f"the team {floor[0]}"
    if summary["table"]:
        low = f"the {summary['table']}, which plays at each costs the fixed strategy that is best there"
    told = "" if summary.get("own_yardstick", True) else f" {legend(one)}"
    return f"Normalised score: 0 = {low}, 1 = the {one}, over the same costs.{told}"


def failed_note(summary: Mapping[str, Any]) -> str:
    """A warning where so many episodes failed that leaving them out may have paid; else ""."""
    share = summary["failed"] / max(1, summary["episodes"])
    if share <= 0.01:
        return ""
    return (
        f" Warning: {share:.1%} of the episodes failed and are left out; the score with them as 0 stands "
        "beside it."
    )


BUDGETS = {"episodes": "episodes", "updates": "updates", "cpu_seconds": "CPU s"}  # but for those by player


def budgets(spent: Iterable[str]) -> dict[str, str]:
    """The kinds of things that were spent, in the order of a table, with the words for them."""
    first, *last = BUDGETS
    ordered = [first, *(key for key in spent if "/" in key), *last]
    known = set(spent)
    return {key: BUDGETS.get(key) or " ".join(key.split("/")[::-1]) for key in ordered if key in known}


def spent_text(summary: Mapping[str, Any]) -> str:
    """What the training of an evaluated run has spent, in a line; "" where nothing was trained."""
    spent = summary.get("spent") or {}
    words = budgets(spent).items()
    return ", ".join(f"{spent[key]:,.0f} {word}" for key, word in words if spent[key] is not None)


MARK = "†"  # of a score against the best play with other partners


def legend(yardstick: str) -> str:
    """What the mark at a score means.

    Args:
        yardstick: what the 1 is called, such as "optimum with another user".
    """
    return f"{MARK} = ceiling of {yardstick.partition(' with ')[2]}: the score may pass 1."


def marked(text: str, score: Mapping[str, Any]) -> str:
    """A score as text, with a mark where its 1 is the best play with other partners."""
    return f"{text}{MARK}" if score.get("foreign") else text


def interval_text(value: Mapping[str, float | None], digits: int = 3, sign: str = "") -> str:
    """A mean with its interval, such as "0.981 [0.979, 0.983]", and its mark; "-" where it is undefined."""
    mean, low, high = (value[name] for name in ("mean", "low", "high"))
    if mean is None or mean != mean:
        return "-"
    if low is None or high is None or low != low:
        return marked(f"{mean:{sign}.{digits}f}", value)
    return marked(f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]", value)


def title_of(summary: Mapping[str, Any]) -> str:
    """Whose evaluation it is, on what."""
    about = ", ".join(filter(None, (summary["split"], f"{summary['questions']:,} questions")))
    return f"{summary['agent']} on {summary['env']} ({about})"


def results(summary: Mapping[str, Any]) -> Group:
    """The evaluation as tables that fit 80 columns: the scores, and what is paid for by its cost."""
    table = Table(title=title_of(summary))
    table.add_column("")
    for part in filter(summary.__contains__, GRIDS):
        table.add_column(f"{part} costs", justify="right", no_wrap=True)
    for label, found in scores(summary):
        table.add_row(label, *map(interval_text, found))
    note = Text(f"Mean [95% interval over questions]. {score_note(summary)}{failed_note(summary)}")
    counted = []
    for measure, found in summary["monotonicity"].items():
        paid = Table(title=WORDS.get(measure, measure))
        played = [name for name in ("agent", "optimum") if name in found]
        shown = [yardstick_of(summary) if name == "optimum" else name for name in played]
        for column in (cost_label(found["cost"]), *shown):
            paid.add_column(column, justify="right")
        for level, *values in zip(found["levels"], *(found[name] for name in played), strict=True):
            paid.add_row(f"{level:g}", *(f"{value:.2f}" for value in values))
        counted.append(paid)
    took = [Text(f"Spent on the training: {told}.")] if (told := spent_text(summary)) else []
    return Group(table, note, *took, Columns(counted))


def ranking(scores: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """The names by their interquartile means (`statistics.summary_of`), the best first, None last."""
    return sorted(scores, key=lambda name: -(scores[name] or {"iqm": -9.0})["iqm"])


def plain_table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """An empty table whose first columns stand on the left, the numbers on the right."""
    shown = Table(title=title, box=None, padding=(0, 1))
    for k, column in enumerate(columns):
        shown.add_column(column, justify="left" if k < left else "right", no_wrap=k >= left)
    return shown


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, such as "12.5"; "" for None."""
    return "" if share is None else f"{100 * share:.{digits}f}"
