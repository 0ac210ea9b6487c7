"""A sweep by partner: what each algorithm scores with each, its rank, and who broke episodes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clarify_env.trainers.evaluation.statistics import summary_of
from clarify_env.trainers.evaluation.sweep import Cell
from clarify_env.trainers.reporting.summary import interval_text, percent, plain_table, ranking


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
    parts: list[Any] = []
    for user, found in users.items():
        audit = found["audit"] or {}
        error, alike = audit.get("error"), audit.get("likeness")
        about = [f"faults {percent(error['mean'])}%"] if error else []
        about += [f"likeness {alike['mean']:.2f}"] if alike else []
        told = f" ({', '.join(about)})" if about else ""
        shown = plain_table(f"{game} with {user}{told}", ("algorithm", "mean [95%]", "rank [95%]"))
        met = found["algorithms"]
        for name in ranking({name: row["score"] for name, row in met.items()}):
            score, rank = met[name]["score"], met[name]["rank"]
            shown.add_row(
                name,
                interval_text({**score, "mean": score["iqm"], "foreign": met[name]["foreign"]})
                if score
                else "failed",
                f"{rank['mean']:g} [{rank['low']:.2g}, {rank['high']:.2g}]" if rank else "",
            )
        parts.append(shown)
        for name, row in met.items():
            if row["booked"]:
                ends = ", ".join(f"{end} {count}" for end, count in row["booked"].items())
                parts.append(f"{name} with {user}, episodes broken by: {ends}")
    return parts
