"""How steerable an asker is: one evaluation, beside the fixed strategies and the optimum, with pictures.

From measurements by question and costs to the numbers that are reported.

Evaluation of whole teams in any game that has a cast: beside its scripted teams, at seen and unseen costs.

The clarification games have an exact optimum for every question and a summary of their own
(`clarify_env.trainers.evaluation.evaluate.evaluate`); here the last team of the cast is the yardstick.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents import ScriptedUser
from clarify_env.agents.roster import roster_of
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.game import SEEN, UNSEEN, Costs
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.registry import registry
from clarify_env.trainers.evaluation.measure import (
    MEASURES,
    SCRIPTED,
    baselines,
    complete,
    jobs,
    measure,
    measures_of,
    optima,
    pick_questions,
)
from clarify_env.trainers.evaluation.paired_comparison import write_questions
from clarify_env.trainers.evaluation.statistics import interval
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.run_directory import versions, write_json

REPORTED = ("reward", "accuracy", "asks", "words")


OUTCOME = (*REPORTED, "ask", "enumerate", "answer")  # of the optimum


class Measured(NamedTuple):
    """Everything measured at the same questions and costs.

    Questions that have a NaN anywhere, because all their episodes failed at some costs, are left out of every
    number that is reported (see `compared`).

    Args:
        cells: C pairs of costs.
        agent_N_C_M: of the evaluated asker, in the order of `MEASURES`.
        optimum_N_C_7: of optimal play, in the order of `OUTCOME`.
        fixed_N_C_M: of each fixed strategy.
        start_N_C_M: of the policy before it was trained, where there is one to speak of.
    """

    cells: Sequence[Costs]
    agent_N_C_M: Floats
    optimum_N_C_7: Floats
    fixed_N_C_M: Mapping[str, Floats]
    start_N_C_M: Floats | None = None


def compared(measured: Measured) -> Measured:
    """The questions that everybody was measured at, at all costs; raises ClarifyError where there is none."""
    tables = [measured.agent_N_C_M, measured.optimum_N_C_7, *measured.fixed_N_C_M.values()]
    start = measured.start_N_C_M
    whole_N = complete(*tables, *([] if start is None else [start]))
    if whole_N.all():
        return measured
    fixed = {name: table[whole_N] for name, table in measured.fixed_N_C_M.items()}
    return Measured(
        measured.cells,
        measured.agent_N_C_M[whole_N],
        measured.optimum_N_C_7[whole_N],
        fixed,
        None if start is None else start[whole_N],
    )


def failure_summary(failures: Counter[str], measured: Measured, most: int = 5) -> dict[str, Any]:
    """What the summary says of failed episodes.

    Args:
        failures: how many of the agent's episodes failed, by their reason.
        measured: before questions were left out.
        most: how many reasons are named, the commonest first.
    """
    count = len(measured.agent_N_C_M)
    return {
        "failed": failures.total(),
        "failure_reasons": dict(failures.most_common(most)),
        "questions_left_out": count - len(compared(measured).agent_N_C_M),
    }


def summarise(measured: Measured, at: Sequence[int], seed: int = 0) -> dict[str, dict[str, float]]:
    """Reported numbers over the cells `at`, each with mean, low and high.

    `baseline` is the reward of the best single fixed strategy over these costs, chosen anew in each resample;
    `normalized` = (reward - baseline) / (optimum - baseline). Where the policy before its training was
    measured too, `start` is its reward and `from_start` = (reward - start) / (optimum - start).
    """
    measured = compared(measured)
    chosen = list(at)
    agent_M_N = measured.agent_N_C_M[:, chosen].mean(axis=1).T
    optimum_N = measured.optimum_N_C_7[:, chosen, 0].mean(axis=1)
    fixed_F_N = np.array([m[:, chosen, 0].mean(axis=1) for m in measured.fixed_N_C_M.values()])
    reward_N, count = agent_M_N[0], len(optimum_N)

    def normalized(weights: Floats) -> float:
        base = float((fixed_F_N @ weights).max())
        span = float(optimum_N @ weights) - base
        return float(((reward_N @ weights) - base) / span) if span > 1e-9 else float("nan")

    def mean_of(row_N: Floats) -> Callable[[Floats], float]:
        return lambda weights: float(row_N @ weights)

    result = {name: interval(mean_of(agent_M_N[MEASURES.index(name)]), count, seed) for name in REPORTED}
    result["optimum"] = interval(mean_of(optimum_N), count, seed)
    result["baseline"] = interval(lambda weights: float((fixed_F_N @ weights).max()), count, seed)
    result["normalized"] = interval(normalized, count, seed)
    if measured.start_N_C_M is not None:
        start_N = measured.start_N_C_M[:, chosen, 0].mean(axis=1)

        def from_start(weights: Floats) -> float:
            span = float((optimum_N - start_N) @ weights)
            return float((reward_N - start_N) @ weights) / span if span > 1e-9 else float("nan")

        result["start"] = interval(mean_of(start_N), count, seed)
        result["from_start"] = interval(from_start, count, seed)
    return result


def monotonicity(measured: Measured) -> dict[str, Any]:
    """Asks by turn cost and words by word cost, beside the optimum's, and whether they never rise.

    Two levels are compared over the other costs that both were measured at: seen and unseen levels average
    over different ones, so that their means in the lists differ for that reason too.
    """
    measured = compared(measured)
    mean_C_M, best_C_7 = measured.agent_N_C_M.mean(axis=0), measured.optimum_N_C_7.mean(axis=0)
    costs_C_2 = np.array(measured.cells)
    result: dict[str, Any] = {}
    for name, axis, cost in (("asks", 0, "turn_cost"), ("words", 1, "word_cost")):
        levels = sorted(set(costs_C_2[:, axis].tolist()))
        groups = [costs_C_2[:, axis] == level for level in levels]
        column, best = MEASURES.index(name), {"asks": 2, "words": 3}[name]
        own = [float(mean_C_M[group, column].mean()) for group in groups]
        others = [
            dict(zip(costs_C_2[group, 1 - axis], mean_C_M[group, column], strict=True)) for group in groups
        ]
        result[name] = {
            cost: levels,
            "agent": own,
            "optimum": [float(best_C_7[group, best].mean()) for group in groups],
            "never_rises": not any(_rises(a, b) for a, b in combinations(others, 2)),
        }
    return result


def _rises(low: Mapping[float, float], high: Mapping[float, float]) -> bool:
    """Whether a measure is greater at the higher of two levels, over the other costs that they share."""
    shared = sorted(set(low) & set(high))
    return bool(shared) and sum(high[c] - low[c] for c in shared) / len(shared) > 1e-9


def by_cell(measured: Measured) -> list[dict[str, Any]]:
    """Means of everything at each pair of costs."""
    measured = compared(measured)
    mean_C_M, best_C_7 = measured.agent_N_C_M.mean(axis=0), measured.optimum_N_C_7.mean(axis=0)
    return [
        {
            "turn_cost": cell.turn,
            "word_cost": cell.word,
            **dict(zip(MEASURES, map(float, mean_M), strict=True)),
            "optimum": dict(zip(OUTCOME, map(float, best_7), strict=True)),
            "fixed": {name: float(table[:, c, 0].mean()) for name, table in measured.fixed_N_C_M.items()},
        }
        for c, (cell, mean_M, best_7) in enumerate(zip(measured.cells, mean_C_M, best_C_7, strict=True))
    ]


def by_strategy(measured: Measured) -> dict[str, dict[str, float]]:
    """Means of each fixed strategy but its reward; they do not depend on the costs."""
    fixed = compared(measured).fixed_N_C_M
    return {
        name: dict(zip(MEASURES[1:], table[:, 0, 1:].mean(axis=0).tolist(), strict=True))
        for name, table in fixed.items()
    }


def evaluate(
    env: GameEnv[Any],
    asker: Agent,
    name: str,
    out: Path,
    *,
    split: str,
    user: Mapping[str, float] | None = None,
    seen: Iterable[Costs] = SEEN,
    unseen: Iterable[Costs] = UNSEEN,
    tasks: int | None = None,
    seed: int = 0,
    parallel: int = 256,
    start: Agent | None = None,
    processes: int = 1,
    watcher: Logger | None = None,
) -> dict[str, Any]:
    """Evaluate an asker; writes summary.json, questions.parquet, the episodes and the pictures.

    Args:
        env: the game with the questions to evaluate on.
        asker: the policy.
        name: of the asker, for the summary.
        out: folder to write to.
        split: of the questions, for the summary.
        user: knobs of the scripted user, which also define the optimum.
        seen, unseen: the costs, kept apart in the summary; an unseen pair that was trained on is left out.
        tasks: number of questions, the same ones whatever the seed; None for all.
        seed: of the players and the bootstrap.
        parallel: episodes under way at the same time.
        start: the policy before its training, measured as well.
        processes: that share the work; they change no number.
        watcher: told of the progress.

    Returns:
        The content of summary.json.
    """
    watcher = watcher or Logger()
    trained = list(seen)
    cells = [*trained, *(costs for costs in unseen if costs not in trained)]
    if len(cells) == len(trained):
        raise ClarifyError("evaluate: every pair of unseen costs was trained on; give others")
    questions = pick_questions(env, tasks)
    model = UserModel(**(user or {}))
    scripted = ScriptedUser(model)
    agents = {"asker": asker, "user": scripted}
    listed = jobs(env, questions, cells, "asker", seed)
    total = len(listed)
    store = out / "episodes" / "evaluation.parquet"
    failures: Counter[str] = Counter()
    own = measure(
        env,
        agents,
        questions,
        cells,
        seed,
        batch=parallel,
        watch=watcher.stage("evaluate", total),
        store=store,
        failures=failures,
        processes=processes,
        listed=listed,
    )
    best = optima(env, model, questions, cells, watcher.stage("optimum", len(questions)), processes)
    before = None
    if start:
        played = {"asker": start, "user": scripted}
        done = watcher.stage("evaluate start", total)
        before = measure(env, played, questions, cells, seed, batch=parallel, watch=done, processes=processes)
    fixed = baselines(env, scripted, questions, cells, seed, processes)
    measured = Measured(cells, own, best, fixed, before)
    known = len(trained)
    summary = {
        "env": env.name,
        "agent": name,
        "split": split,
        "episodes": total,
        "questions": len(questions),
        "seed": seed,
        "user": dict(user or {}),
        **failure_summary(failures, measured),
        "seen": summarise(measured, range(known), seed),
        "unseen": summarise(measured, range(known, len(cells)), seed),
        "monotonicity": monotonicity(measured),
        "cells": [{"seen": c < known, **cell} for c, cell in enumerate(by_cell(measured))],
        "fixed": by_strategy(measured),
        "versions": versions(),
    }
    from clarify_env.trainers.reporting.figures import draw_all

    ids = [env.game.tasks[question].id for question in questions]
    write_questions(out, ids, cells, known, own, best[:, :, 0])
    write_json(out / "summary.json", summary)
    draw_all(summary, out)
    return summary


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
    watcher: Logger | None = None,
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
    watcher = watcher or Logger()
    cast, spec = roster_of(env.game), registry[env.name]
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
