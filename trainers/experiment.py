"""The two things that `clarify-env` does for long: train a policy, and evaluate one."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents import ScriptedUser, make_asker
from clarify_env.agents.scorer import MoveScorer, Network
from clarify_env.costs import SEEN, UNSEEN, Costs
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.registry import make
from clarify_env.trainers.evaluate import baselines, fixed_askers, jobs, measure, optima, pick_questions
from clarify_env.trainers.learner import ScorerLearner
from clarify_env.trainers.rest import ReST, Settings, Silent, Watcher, read_config
from clarify_env.trainers.runs import RunDirectory, versions, write_json
from clarify_env.trainers.selection import make_rule
from clarify_env.trainers.summary import Measured, by_cell, monotonicity, summarise
from clarify_env.trainers.tree import BestContinuation
from clarify_env.usermodel import UserModel


def build(settings: Settings, run: RunDirectory | None = None) -> ReST:
    """The ReST run of these settings: `MoveScorer` as the asker, the scripted user."""
    learner = ScorerLearner(
        MoveScorer(Network(settings.hidden, settings.seed), seed=settings.seed),
        settings.updates,
        settings.batch,
        settings.rate,
    )
    user = ScriptedUser(UserModel(**settings.user))
    rule = make_rule(settings.rule)
    if isinstance(rule, BestContinuation) and any(settings.user.values()):
        rule.replies = 24
    return ReST(settings, learner, {"user": user}, rule, run)


def train(
    settings: Settings, run: RunDirectory, resume: bool = False, watcher: Watcher | None = None
) -> Iterator[dict[str, Any]]:
    """Train into a run directory; yields each iteration's metrics.

    Args:
        settings: of the run; a resumed run may only have more iterations than before.
        run: a new directory, or with `resume` one that holds a run.
        resume: go on after the last complete checkpoint, to the same weights as without the interruption.
        watcher: told of the progress.

    Raises:
        ClarifyError: the directory holds a run already, or for `resume` none or one of other settings.
    """
    if resume:
        stored = read_config(run)
        for name in Settings.__dataclass_fields__:
            old, new = getattr(stored, name), getattr(settings, name)
            if old != new and not (name == "iterations" and new > old):
                raise ClarifyError(f"{run.path}: was started with {name}={old!r}, not {new!r}; leave it out")
    trainer = build(settings, run)
    if resume:
        write_json(run.path / "config.json", settings.to_config())
    else:
        run.start(settings.to_config())
    yield from trainer.train(watcher, trainer.resume() if resume else 0)


def load_policy(run: RunDirectory, iteration: int | None = None) -> MoveScorer:
    """The trained asker of a run, playing its best-scored move.

    Args:
        run: the directory.
        iteration: which checkpoint; 0 is the start, None the last.

    Raises:
        ClarifyError: there is no such checkpoint.
    """
    trainer = build(read_config(run))
    last = run.last() if iteration is None else iteration
    if last is None or not run.checkpoint(last).is_dir():
        raise ClarifyError(f"{run.path}: has no checkpoint{'' if last is None else f' {last}'} to evaluate")
    trainer.learner.load(run.checkpoint(last))
    agent: MoveScorer = trainer.learner.greedy()  # type: ignore[assignment]
    return agent


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
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Evaluate an asker and write summary.json, steerability.png and episodes/evaluation.parquet.

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
    total = len(jobs(env, questions, cells, "asker"))
    store = out / "episodes" / "evaluation.parquet"
    own = measure(
        env,
        agents,
        questions,
        cells,
        seed,
        batch=parallel,
        watch=watcher.stage("evaluate", total),
        store=store,
    )
    best = optima(env, model, questions, cells, watcher.stage("optimum", len(questions)))
    measured = Measured(cells, own, best, baselines(env, scripted, questions, cells, seed))
    known = len(trained)
    summary = {
        "env": env.name,
        "agent": name,
        "split": split,
        "episodes": total,
        "questions": len(questions),
        "seed": seed,
        "user": dict(user or {}),
        "seen": summarise(measured, range(known), seed),
        "unseen": summarise(measured, range(known, len(cells)), seed),
        "monotonicity": monotonicity(measured),
        "cells": [{"seen": c < known, **cell} for c, cell in enumerate(by_cell(measured))],
        "versions": versions(),
    }
    from clarify_env.trainers.picture import draw

    write_json(out / "summary.json", summary)
    draw(summary, out / "steerability.png")
    return summary


def evaluate_run(
    run: RunDirectory,
    *,
    tasks: int | None = None,
    iteration: int | None = None,
    out: Path | None = None,
    user: Mapping[str, float] | None = None,
    seed: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Evaluate the policy of a run on the validation questions, by default with the user of its training."""
    settings = read_config(run)
    options = {**settings.env_options, "split": "validation", **(env_options or {})}
    return evaluate(
        make(settings.env, **options),
        load_policy(run, iteration),
        f"move-scorer ({settings.rule})",
        out or run.path,
        split=str(options["split"]),
        user=settings.user if user is None else user,
        seen=settings.grid,
        tasks=tasks,
        seed=settings.seed if seed is None else seed,
        parallel=settings.parallel,
        watcher=watcher,
    )


def evaluate_agent(
    name: str,
    env_id: str,
    out: Path,
    *,
    user: Mapping[str, float] | None = None,
    tasks: int | None = None,
    seed: int = 0,
    env_options: Mapping[str, Any] | None = None,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Evaluate an asker by its name on the validation questions."""
    options = {"split": "validation", **(env_options or {})}
    env = make(env_id, **options)
    extra: dict[str, Any] = {}
    if name == "optimal":
        extra = {"user": UserModel(**(user or {})), "max_turns": env.game.max_turns}
    asker = fixed_askers(env).get(name) or make_asker(name, **extra)
    return evaluate(
        env, asker, name, out, split=str(options["split"]), user=user, tasks=tasks, seed=seed, watcher=watcher
    )


def set_threads(count: int) -> None:
    """Threads that torch computes with; other work on the machine can make two slower than one."""
    import torch

    torch.set_num_threads(max(1, min(count, os.cpu_count() or 1)))
