"""Evaluation of whole teams in any game that has a cast: beside its scripted teams, at seen and unseen costs.

The clarification games have an exact optimum for every question and a summary of their own
(`clarify_env.trainers.steering.evaluate`); here the last team of the cast is the yardstick.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.casts import cast_of
from clarify_env.env import GameEnv
from clarify_env.registry import registry
from clarify_env.trainers.evaluate import (
    SCRIPTED,
    Floats,
    complete,
    jobs,
    measure,
    measures_of,
    pick_questions,
)
from clarify_env.trainers.loop import Silent, Watcher
from clarify_env.trainers.runs import versions, write_json
from clarify_env.trainers.summary import interval


def evaluate_team(
    env: GameEnv[Any],
    team: Mapping[str, Agent],
    name: str,
    out: Path,
    *,
    split: str = "",
    tasks: int | None = None,
    seed: int = 0,
    start: Mapping[str, Agent] | None = None,
    parallel: int = 256,
    processes: int = 1,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Evaluate a team; writes summary.json, teams.png and the episodes.

    Args:
        env: the game with the questions to evaluate on.
        team: who plays; the players left out are played by the last team of the cast.
        name: of the team, for the summary.
        out: folder to write to.
        split: of the questions, for the summary.
        tasks: number of questions, the same ones whatever the seed; None for all.
        seed: of the players and the bootstrap.
        start: the trained players before their training, measured as well.
        parallel: episodes under way at the same time.
        processes: that share the work; they change no number.
        watcher: told of the progress.

    Returns:
        The content of summary.json: for seen and unseen costs every measure with its 95% bootstrap interval
        over questions, the rewards of the cast's teams, and `normalized` = (reward - first team) /
        (last team - first team).
    """
    watcher = watcher or Silent()
    cast, spec = cast_of(env.game), registry[env.name]
    seen = list(spec.seen)
    cells = [*seen, *(costs for costs in spec.unseen if costs not in seen)]
    questions = pick_questions(env, tasks)
    player = cast.trained[0]
    listed = jobs(env, questions, cells, player, seed)
    teams = {known: build(env, {}) for known, build in cast.teams.items()}
    best = teams[list(teams)[-1]]

    def played(who: Mapping[str, Agent], stage: str, **more: Any) -> Floats:
        return measure(
            env,
            {**best, **who},
            questions,
            cells,
            seed,
            player,
            watch=watcher.stage(stage, len(listed)),
            processes=processes,
            listed=listed,
            **more,
        )

    failures: Counter[str] = Counter()
    store = out / "episodes" / "evaluation.parquet"
    own = played(team, "evaluate", batch=parallel, store=store, failures=failures)
    others = {known: played(who, known[:17], batch=SCRIPTED) for known, who in teams.items()}
    if start:
        others["start"] = played(start, "evaluate start", batch=parallel)
    whole_N = complete(own, *others.values())
    own_N, others_N = own[whole_N], {known: table[whole_N] for known, table in others.items()}
    names = measures_of(env, player)
    parts = {"seen": range(len(seen)), "unseen": range(len(seen), len(cells))}
    summary = {
        "env": env.name,
        "agent": name,
        "split": split,
        "episodes": len(listed),
        "questions": len(questions),
        "questions_left_out": int((~whole_N).sum()),
        "seed": seed,
        "failed": failures.total(),
        "failure_reasons": dict(failures.most_common(5)),
        "measures": list(names),
        "teams": list(cast.teams),
        **{part: _summarise(own_N, others_N, names, list(at), seed) for part, at in parts.items() if at},
        "cells": [
            {
                "seen": c < len(seen),
                "costs": costs._asdict(),
                **dict(zip(names, map(float, own_N[:, c].mean(axis=0)), strict=True)),
                "teams": {known: float(table[:, c, 0].mean()) for known, table in others_N.items()},
            }
            for c, costs in enumerate(cells)
        ],
        "versions": versions(),
    }
    write_json(out / "summary.json", summary)
    draw(summary, out / "teams.png")
    return summary


def _summarise(
    own_N_C_M: Floats, others: Mapping[str, Floats], names: Sequence[str], at: Sequence[int], seed: int
) -> dict[str, dict[str, float]]:
    own_M_N = own_N_C_M[:, at].mean(axis=1).T
    count = own_M_N.shape[1]
    rewards = {known: table[:, at, 0].mean(axis=1) for known, table in others.items()}
    teams = [known for known in rewards if known != "start"]
    low_N, top_N = rewards[teams[0]], rewards[teams[-1]]

    def mean_of(row_N: Floats) -> Callable[[Floats], float]:
        return lambda weights_N: float(row_N @ weights_N)

    def normalized(weights_N: Floats) -> float:
        span = float((top_N - low_N) @ weights_N)
        return float((own_M_N[0] - low_N) @ weights_N) / span if span > 1e-9 else float("nan")

    result = {name: interval(mean_of(row_N), count, seed) for name, row_N in zip(names, own_M_N, strict=True)}
    result["normalized"] = interval(normalized, count, seed)
    return result | {
        f"team {known}": interval(mean_of(row_N), count, seed) for known, row_N in rewards.items()
    }


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the reward of the evaluated team and of the others at each costs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cells = summary["cells"]
    figure, axes = plt.subplots(figsize=(3 + 0.5 * len(cells), 3.6), constrained_layout=True)
    for known in cells[0]["teams"]:
        axes.plot([cell["teams"][known] for cell in cells], marker=".", lw=1, alpha=0.7, label=known)
    axes.plot([cell["reward"] for cell in cells], marker="o", lw=2, color="black", label=summary["agent"])
    labels = [
        " ".join(f"{name} {value:g}" for name, value in cell["costs"].items())
        + ("" if cell["seen"] else " *")
        for cell in cells
    ]
    axes.set_xticks(range(len(cells)), labels, rotation=60, ha="right", fontsize=7)
    axes.set_title(f"{summary['env']}: reward by costs (* never trained on)", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
