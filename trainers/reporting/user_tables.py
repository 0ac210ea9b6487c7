"""A sweep by partner: what each algorithm scores with each, its rank, and who broke episodes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clarify_env.trainers.evaluation.statistics import summary_of
from clarify_env.trainers.evaluation.sweep import Cell
from clarify_env.trainers.reporting.summary import marked, percent, plain_table


def by_user(crossing: Mapping[str, Any], cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
    """By partner `audit` and, by algorithm, `score`, `rank` and `booked` of the runs of a cross-play."""
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        line = crossing["matrix"].get(f"{cell.algorithm} seed{cell.seed}")
        if line is not None and cell.game == crossing["env"]:
            runs.setdefault(cell.algorithm, []).append(line)
    found: dict[str, dict[str, Any]] = {}
    for user in crossing["yardsticks"]:
        met = {}
        for name, lines in runs.items():
            scores = [line[user]["normalized"]["mean"] for line in lines if "normalized" in line[user]]
            booked: Counter[str] = Counter()
            for line in lines:
                booked.update(line[user]["booked"])
            met[name] = {
                "score": summary_of(scores) if len(scores) == len(lines) else None,
                "foreign": any(line[user].get("normalized", {}).get("foreign", False) for line in lines),
                "rank": crossing["ranks"].get(user, {}).get(name),
                "booked": dict(booked),
            }
        found[user] = {"audit": crossing.get("audits", {}).get(user), "algorithms": met}
    return found


def user_tables(game: str, users: Mapping[str, Any]) -> list[Any]:
    """Scores and ranks of the algorithms with each partner, and who broke episodes."""
    if not users:
        return []
    names = list(next(iter(users.values()))["algorithms"])
    shown = plain_table(
        f"{game}: score and rank [95%] with each partner", ("partner", "faults %", "likeness", *names)
    )
    lines = []
    for user, found in users.items():
        audit = found["audit"] or {}
        error, alike = audit.get("error"), audit.get("likeness")
        shown.add_row(
            user,
            percent(error["mean"]) if error else "",
            f"{alike['mean']:.2f}" if alike else "",
            *(_ranked_cell(found["algorithms"][name]) for name in names),
        )
        for name, row in found["algorithms"].items():
            if row["booked"]:
                told = ", ".join(f"{end} {count}" for end, count in row["booked"].items())
                lines.append(f"{name} with {user}, episodes broken by: {told}")
    return [shown, *lines]


def _ranked_cell(row: Mapping[str, Any]) -> str:
    """A score with its rank, such as "0.85 1 [1, 2]"."""
    if row["score"] is None:
        return "failed"
    score = marked(f"{row['score']['iqm']:.2f}", row)
    rank = row["rank"]
    return score if rank is None else f"{score}  {rank['mean']:g} [{rank['low']:g}, {rank['high']:g}]"
