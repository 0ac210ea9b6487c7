"""How good and how steerable a team is: one evaluation of any game, beside its teams and optimum.

From measurements by question and costs to the numbers that are reported. Intervals come from a bootstrap over
questions (all that is averaged within a question moves together).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.catalog import load_team
from clarify_env.agents.roster import others_of, roster_of
from clarify_env.arrays import Floats
from clarify_env.costs import CostGrid
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import Term
from clarify_env.reference import scaled
from clarify_env.registry import make, registry
from clarify_env.trainers.config import SMALL_POLICY, Config, read_config, shown_name
from clarify_env.trainers.evaluation.measure import (
    SCRIPTED,
    complete,
    failed_as_zero,
    jobs,
    measure,
    measures_of,
    nested,
    pick_questions,
)
from clarify_env.trainers.evaluation.parallel import default_processes
from clarify_env.trainers.evaluation.statistics import interval, write_questions
from clarify_env.trainers.evaluation.yardsticks import Yardsticks, yardsticks
from clarify_env.trainers.experiment import build
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.run_directory import RunDirectory, versions, write_json

Summary = dict[str, Any]  # the content of summary.json; docs/evaluation.md explains its keys


class Measured(NamedTuple):
    """Everything measured at the same questions and costs.

    Questions that have a NaN anywhere, because all their episodes failed at some costs, are left out of every
    number that is reported (see `compared`).

    Args:
        cells: C costs.
        names: of the M measures, the reward first.
        agent_N_C_M: of the evaluated team.
        yard: what it is measured against.
        start_N_C_M: of the team before it was trained, where there is one to speak of.
        lost_N_C: share of the team's episodes that failed, where some did.
    """

    cells: Sequence[Any]
    names: tuple[str, ...]
    agent_N_C_M: Floats
    yard: Yardsticks
    start_N_C_M: Floats | None = None
    lost_N_C: Floats | None = None


def compared(measured: Measured) -> Measured:
    """The questions that everybody was measured at, at all costs; raises ClarifyError where there is none."""
    own, start, yard = measured.agent_N_C_M, measured.start_N_C_M, measured.yard
    whole_N = complete(own, *yard.teams.values(), *([] if start is None else [start]))
    if whole_N.all():
        return measured
    return measured._replace(
        agent_N_C_M=own[whole_N],
        yard=yard.only(whole_N),
        start_N_C_M=None if start is None else start[whole_N],
        lost_N_C=None,
    )


def failure_summary(failures: Counter[str], measured: Measured, most: int = 5) -> dict[str, Any]:
    """What the summary says of failed episodes.

    Args:
        failures: how many of the team's episodes failed, by their reason.
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

    `baseline` is the reward of the best single team of the yardstick's floor over these costs, chosen anew in
    each resample. `normalized` = (reward - zero) / (top - zero), where the zero is the cost table and the top
    the optimum, or the best team; `from_single` is the same from the baseline, and where there is no table
    `normalized` is that. Where the team before its training was measured too, `start` is its reward and
    `from_start` = (reward - start) / (top - start). Where episodes failed, `reward_failed_0` and
    `normalized_failed_0` are over all questions, with each of them as a 0. Where the top is the best play
    with other partners, each score has a mark: "foreign" is True.
    """
    whole, measured = measured, compared(measured)
    chosen, yard = list(at), measured.yard
    agent_M_N = measured.agent_N_C_M[:, chosen].mean(axis=1).T
    top_N, low_F_N, zero_F_N = yard.top_N(chosen), yard.low_F_N(chosen), yard.zero_F_N(chosen)
    reward_N, count = agent_M_N[0], len(top_N)

    def way(from_F_N: Floats, weights: Floats) -> float:
        zero = float((from_F_N @ weights).max())
        return scaled(float(reward_N @ weights), zero, float(top_N @ weights))

    def mean_of(row_N: Floats) -> dict[str, float]:
        return interval(lambda weights: float(row_N @ weights), count, seed)

    result = {"reward": mean_of(reward_N)}
    if yard.optimum:
        result["optimum"] = mean_of(top_N)
    result["baseline"] = interval(lambda weights: float((low_F_N @ weights).max()), count, seed)
    result["normalized"] = interval(partial(way, zero_F_N), count, seed)
    if yard.table:
        result["from_single"] = interval(partial(way, low_F_N), count, seed)
    if measured.start_N_C_M is not None:
        start_N = measured.start_N_C_M[:, chosen, 0].mean(axis=1)

        def from_start(weights: Floats) -> float:
            span = float((top_N - start_N) @ weights)
            return float((reward_N - start_N) @ weights) / span if span > 1e-9 else float("nan")

        result["start"] = mean_of(start_N)
        result["from_start"] = interval(from_start, count, seed)
    if whole.lost_N_C is not None:
        zero_N_C_1 = failed_as_zero(whole.agent_N_C_M[:, :, 0], whole.lost_N_C)[:, :, None]
        zeros = summarise(Measured(whole.cells, whole.names[:1], zero_N_C_1, whole.yard), at, seed)
        result |= {f"{name}_failed_0": zeros[name] for name in ("reward", "normalized")}
    if not yard.own:
        for name in {"normalized", "from_single", "from_start", "normalized_failed_0"} & set(result):
            result[name]["foreign"] = True
    for name, table in yard.teams.items():
        result[f"team {name}"] = mean_of(table[:, chosen, 0].mean(axis=1))
    return result | {
        name: mean_of(row_N) for name, row_N in zip(measured.names[1:], agent_M_N[1:], strict=True)
    }


def monotonicity(measured: Measured, terms: Mapping[str, Term]) -> dict[str, Any]:
    """What is paid for by its cost, such as questions by turn cost, and whether it never rises with it.

    Beside it stands the optimum's, where there is one. Two levels are compared over the other costs that both
    were measured at: seen and unseen levels average over different ones, so that their means in the lists
    differ for that reason too.

    Args:
        measured: by question and costs.
        terms: of the game's reward; those whose cost has several levels are reported, by their quantity.
    """
    measured = compared(measured)
    mean_C_M = measured.agent_N_C_M.mean(axis=0)
    result: dict[str, Any] = {}
    for name, cost in ((term.quantity, term.cost) for term in terms.values() if term.cost):
        paid_C = [getattr(cell, cost) for cell in measured.cells]
        levels = sorted(set(paid_C))
        if len(levels) < 2 or name not in measured.names:
            continue
        groups = [np.array([paid == level for paid in paid_C]) for level in levels]
        column = measured.names.index(name)
        others_C = [cell._replace(**{cost: 0.0}) for cell in measured.cells]
        by_other = [
            {others_C[c]: float(mean_C_M[c, column]) for c in np.flatnonzero(group)} for group in groups
        ]
        result[name] = {
            "cost": cost,
            "levels": levels,
            "agent": [float(mean_C_M[group, column].mean()) for group in groups],
            "never_rises": not any(_rises(a, b) for a, b in combinations(by_other, 2)),
        }
        if name in measured.yard.optimum:
            best_C = measured.yard.optimum[name].mean(axis=0)
            result[name]["optimum"] = [float(best_C[group].mean()) for group in groups]
    return result


def _rises(low: Mapping[Any, float], high: Mapping[Any, float]) -> bool:
    """Whether a measure is greater at the higher of two levels, over the other costs that they share."""
    shared = sorted(set(low) & set(high))
    return bool(shared) and sum(high[c] - low[c] for c in shared) / len(shared) > 1e-9


def by_cell(measured: Measured) -> list[dict[str, Any]]:
    """Means of everything at each costs."""
    measured = compared(measured)
    mean_C_M, yard = measured.agent_N_C_M.mean(axis=0), measured.yard
    best = yard.optimum and dict(
        zip(yard.optimum, np.stack(list(yard.optimum.values()), axis=2).mean(axis=0).T, strict=True)
    )
    return [
        {
            "costs": cell._asdict(),
            **dict(zip(measured.names, map(float, mean_C_M[c]), strict=True)),
            **({"optimum": {name: float(mean_C[c]) for name, mean_C in best.items()}} if best else {}),
            "fixed": {name: float(table[:, c, 0].mean()) for name, table in yard.teams.items()},
        }
        for c, cell in enumerate(measured.cells)
    ]


def by_strategy(measured: Measured) -> dict[str, dict[str, float]]:
    """Means of each scripted team over all costs, but its reward; without what is not known of it."""
    found = compared(measured).yard.teams
    means = {name: table[:, :, 1:].mean(axis=(0, 1)) for name, table in found.items()}
    return {
        name: {key: float(v) for key, v in zip(measured.names[1:], mean_M, strict=True) if np.isfinite(v)}
        for name, mean_M in means.items()
    }


def evaluate(
    env: GameEnv[Any],
    team: Mapping[str, Agent],
    name: str,
    out: Path,
    *,
    split: str = "",
    knobs: Mapping[str, float] | None = None,
    seen: Iterable[Any] | None = None,
    unseen: Iterable[Any] | None = None,
    tasks: int | None = None,
    seed: int = 0,
    start: Mapping[str, Agent] | None = None,
    trained: Sequence[str] = (),
    parallel: int = 256,
    processes: int = 1,
    watcher: Logger | None = None,
    sampling: Mapping[str, Any] | None = None,
    spent: Mapping[str, float] | None = None,
) -> Summary:
    """Evaluate a team; writes summary.json, questions.parquet, the episodes and the pictures.

    Args:
        env: the game with the questions to evaluate on.
        team: who plays; the players left out are played by the last of the game's scripted teams. The
            partners of the trained players play with the teams of the yardstick as well.
        name: of the team, for the summary.
        out: folder to write to.
        split: of the questions, for the summary.
        knobs: of the scripted players, which the optimum counts on as well.
        seen, unseen: the costs, kept apart in the summary; unseen ones that are seen as well are left out. By
            default the registered ones of the game.
        tasks: number of questions, the same ones whatever the seed; None for all.
        seed: of the players and the bootstrap.
        start: the trained players before their training, measured as well.
        trained: who of the team was trained together, by default the game's usual ones. Where that is more,
            as a user with its asker, the yardstick is the whole scripted team's.
        parallel: episodes under way at the same time.
        processes: that share the work; they change no number.
        watcher: told of the progress.
        sampling: how a language model among the team samples, for the summary.
        spent: on the training of the team, for the summary (see `RunDirectory.spent`).

    Returns:
        The content of summary.json.
    """
    watcher, player = watcher or Logger(), roster_of(env.game).trained[0]
    known = cells_of(env, "seen", seen)
    cells = [*known, *(costs for costs in cells_of(env, "unseen", unseen) if costs not in known)]
    questions = pick_questions(env, tasks)
    others = others_of(env, knobs)
    listed = jobs(env, questions, cells, player, seed)

    def played(who: Mapping[str, Agent], stage: str, **more: Any) -> Floats:
        agents, watch = {**others, **who}, watcher.stage(stage, len(listed))
        more |= {"batch": parallel, "watch": watch, "processes": processes, "listed": listed}
        return measure(env, agents, questions, cells, seed, player, **more)

    failures: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    store = out / "episodes" / "evaluation.parquet"
    lost_N_C = np.zeros((len(questions), len(cells)))
    own = played(team, "evaluate", store=store, failures=failures, counts=counts, lost_N_C=lost_N_C)
    before = played(start, "evaluate start") if start else None
    usual = roster_of(env.game).trained
    beside = [p for p in others if p not in usual]
    paired = any(p in trained for p in beside)
    partners = {p: {**others, **({} if p in trained else team)}[p] for p in beside}
    shared: dict[str, Any] = {"processes": processes, "watcher": watcher}
    yard = yardsticks(env, questions, cells, seed, knobs=knobs, others=partners, scripted=paired, **shared)
    names, lost = measures_of(env, player), lost_N_C if lost_N_C.any() else None
    measured = Measured(cells, names, own, yard, before, lost)
    count = len(known)
    parts = {"seen": range(count), "unseen": range(count, len(cells))}
    summary = {
        "env": env.name,
        "agent": name,
        "players": list(trained or usual),
        "split": split,
        "episodes": len(listed),
        "questions": len(questions),
        "seed": seed,
        "knobs": dict(knobs or {}),
        "sampling": dict(sampling or {}),
        "spent": dict(spent or {}),
        **failure_summary(failures, measured),
        **nested(counts),
        "yardstick": yard.name,
        "own_yardstick": yard.own,
        "floor": list(yard.floor),
        "table": yard.table,
        "measures": list(measured.names),
        **{part: summarise(measured, at, seed) for part, at in parts.items() if at},
        "monotonicity": monotonicity(measured, env.game.terms),
        "cells": [{"seen": c < count, **cell} for c, cell in enumerate(by_cell(measured))],
        "fixed": by_strategy(measured),
        "versions": versions(),
    }
    ids = [getattr(env.game.tasks[k], "id", env.game.tasks[k]) for k in questions]
    write_questions(out, ids, cells, count, measured.names, own, yard.optimum.get("reward"))
    write_json(out / "summary.json", summary)
    from clarify_env.trainers.reporting.figures import draw_all

    draw_all(summary, out)
    return summary


def cells_of(env: GameEnv[Any], part: str, given: Iterable[Any] | None) -> list[Any]:
    """The costs that were given, or those of the game by its registered id."""
    if given is not None:
        return list(given)
    if env.name not in registry:
        raise ClarifyError(f"evaluate: {env.name} is not registered; give {part}=CostGrid(...)")
    spec = registry[env.name]
    grid = getattr(spec, part)
    kind = getattr(env.game, "costs_type", grid.of)
    return list(grid if grid.of is kind else CostGrid(of=kind, **grid.levels))


def load_run(run: RunDirectory, iteration: int | None = None) -> dict[str, Agent]:
    """The players that a run trained, each playing its best-scored move.

    Args:
        run: the directory.
        iteration: which checkpoint; 0 is the start, None the last.

    Raises:
        ClarifyError: there is no such checkpoint.
    """
    trainer = build(read_config(run).changed(pool=()))
    last = run.last() if iteration is None else iteration
    if last is None or not run.checkpoint(last).is_dir():
        raise ClarifyError(f"{run.path}: has no checkpoint{'' if last is None else f' {last}'} to evaluate")
    trainer.load(run.checkpoint(last))
    return {player: learner.greedy() for player, learner in trainer.learners.items()}


def load_players(folder: str, env: GameEnv[Any], players: Sequence[str]) -> dict[str, Agent]:
    """The agents that a run trained for these players, as "run:DIR" names them in `clarify_env.agents.load`.

    Raises:
        ClarifyError: there is no run, what its players see or do does not fit the game, or it did not train
            them all.
    """
    run = RunDirectory(folder)
    config = read_config(run)
    if config.env != env.name:
        check_fit(run, env)
    team = load_run(run)
    missing = [player for player in players if player not in team]
    if missing:
        raise ClarifyError(f"run:{folder}: trained {', '.join(team)}, not {missing[0]!r}")
    return {player: team[player] for player in players}


def check_fit(run: RunDirectory, env: GameEnv[Any]) -> None:
    """Raise ClarifyError where the trained players of a run see or do something else in this game."""
    config = read_config(run)
    own: GameEnv[Any] = make(config.env, costs=config.grid, **config.env_options)
    for player in config.policy.players or roster_of(own.game).trained:
        if player not in env.possible_agents:
            raise ClarifyError(f"{run.path}: trained the {player} of {config.env}, and {env.name} has none")
        spaces = ((e.observation_space(player), e.action_space(player)) for e in (own, env))
        if next(spaces) != next(spaces):
            raise ClarifyError(
                f"{run.path}: plays {config.env}, whose {player} sees or does something else than that of "
                f"{env.name}"
            )


def evaluate_run(
    run: RunDirectory,
    *,
    env: str | None = None,
    tasks: int | None = None,
    iteration: int | None = None,
    out: Path | None = None,
    knobs: Mapping[str, float] | None = None,
    seed: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    processes: int | None = None,
    watcher: Logger | None = None,
) -> Summary:
    """Evaluate the policy of a run on the validation questions, by default as in its training.

    The seen costs are those of the training grid; of more than five values of a cost, five spread evenly.
    A small policy is evaluated on all cores by default, a language model in this process.

    Args:
        run: the directory.
        env: another game than the run's, in which its players see and do the same; `env_options` are its.
        tasks, seed, processes, watcher: as of `evaluate`; by default the seed of the training.
        iteration: which checkpoint; 0 is the start, None the last.
        out: folder to write to; by default the run's.
        knobs: of the scripted players; by default those of the training.
        env_options: that differ from those of the training.

    Raises:
        ClarifyError: there is no such checkpoint, or its players do not fit the other game.
    """
    config = read_config(run)
    same = env in (None, config.env)
    game = config.env if env is None else env
    options = registry[game].held_out({**(config.env_options if same else {}), **(env_options or {})})
    made = make(game, **options)
    if not same:
        check_fit(run, made)
    small = config.policy.agent == SMALL_POLICY
    fits = same or registry[game].seen.of is config.grid.of
    return evaluate(
        made,
        load_run(run, iteration),
        shown_name(config),
        out or run.path,
        split=str(options.get("split", "")),
        knobs=config.rollout.knobs if knobs is None else knobs,
        seen=_seen(config) if fits else None,
        tasks=tasks,
        seed=config.seed if seed is None else seed,
        parallel=config.rollout.parallel,
        start=None if small or iteration == 0 else load_run(run, 0),
        trained=config.policy.players,
        processes=processes or (default_processes() if small else 1),
        watcher=watcher,
        spent=run.spent(iteration),
    )


def _seen(config: Config) -> CostGrid:
    return CostGrid(of=config.grid.of, **{n: _spread(levels) for n, levels in config.rollout.costs.items()})


def _spread(values: Sequence[float], most: int = 5) -> list[float]:
    step = max(1.0, (len(values) - 1) / (most - 1))
    return [values[round(k * step)] for k in range(min(most, len(values)))]


def evaluate_agent(
    name: str,
    env_id: str,
    out: Path,
    *,
    knobs: Mapping[str, float] | None = None,
    tasks: int | None = None,
    seed: int = 0,
    env_options: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    processes: int | None = None,
    watcher: Logger | None = None,
) -> Summary:
    """Evaluate agents by their name, as the players that are trained, on the validation questions.

    See `clarify_env.agents.catalog.load_team`, which takes `sampling` too. By default all cores share the
    work; a language model is evaluated in this process.
    """
    options = registry[env_id].held_out(env_options or {})
    env = make(env_id, **options)
    team = load_team(name, env, knobs=knobs, **(sampling or {}))
    slow = any(hasattr(agent, "prompt") for agent in team.values())  # messages take long, and share no work
    return evaluate(
        env,
        team,
        name,
        out,
        split=str(options.get("split", "")),
        knobs=knobs,
        tasks=tasks,
        seed=seed,
        parallel=256 if slow else SCRIPTED,
        processes=processes or (1 if slow else default_processes()),
        sampling=sampling,
        watcher=watcher,
    )
