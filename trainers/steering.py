"""How steerable an asker is: one evaluation, beside the fixed strategies and the optimum, with pictures."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents import ScriptedUser
from clarify_env.costs import SEEN, UNSEEN, Costs
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.trainers.compare import write_questions
from clarify_env.trainers.evaluate import baselines, jobs, measure, optima, pick_questions
from clarify_env.trainers.loop import Silent, Watcher
from clarify_env.trainers.runs import versions, write_json
from clarify_env.trainers.summary import (
    Measured,
    by_cell,
    by_strategy,
    failure_summary,
    monotonicity,
    summarise,
)
from clarify_env.usermodel import UserModel


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
    watcher: Watcher | None = None,
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
    watcher = watcher or Silent()
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
    from clarify_env.trainers.figures import draw_all

    ids = [env.game.tasks[question].id for question in questions]
    write_questions(out, ids, cells, known, own, best[:, :, 0])
    write_json(out / "summary.json", summary)
    draw_all(summary, out)
    return summary
