"""What is measured of all runs of a sweep together: curves, and how they do with users unknown to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clarify_env.agents import ScriptedUser
from clarify_env.data import read_json
from clarify_env.registry import make
from clarify_env.trainers.crossplay import crossplay
from clarify_env.trainers.evaluate import baselines, optima, pick_questions
from clarify_env.trainers.experiment import load_policy
from clarify_env.trainers.loop import Watcher
from clarify_env.trainers.players import make_user
from clarify_env.trainers.runs import RunDirectory, write_json
from clarify_env.trainers.settings import Settings
from clarify_env.trainers.sweep import Cell
from clarify_env.usermodel import UserModel


def complete(cells: Sequence[Cell], folder: Path) -> list[Cell]:
    """The cells whose run is trained and evaluated."""
    return [cell for cell in cells if (folder / cell.name / "summary.json").exists()]


def references(cells: Sequence[Cell], folder: Path, processes: int = 1) -> dict[str, tuple[float, float]]:
    """By game and seed the best fixed strategy's reward and the optimum on the questions of the checks.

    Kept in references.json. Games and check questions are alike for all algorithms of a seed.
    """
    path = folder / "references.json"
    kept: dict[str, list[float]] = read_json(path) if path.exists() else {}
    for cell in cells:
        if (key := reference_of(cell.settings)) not in kept and cell.settings.check_tasks:
            settings = cell.settings
            env = make(settings.env, costs=settings.grid, **settings.env_options)
            questions = pick_questions(env, settings.check_tasks, settings.seed)
            model, costs = UserModel(**settings.user), list(settings.grid)
            fixed = baselines(env, ScriptedUser(model), questions, costs, settings.seed, processes)
            best = optima(env, model, questions, costs, processes=processes)
            floor = max(float(np.nanmean(measured[:, :, 0])) for measured in fixed.values())
            kept[key] = [floor, float(best[:, :, 0].mean())]
            write_json(path, kept)
    return {key: (floor, best) for key, (floor, best) in kept.items()}


def reference_of(settings: Settings) -> str:
    """What the reference of a run depends on, as a key."""
    costs = ",".join(f"{name}={list(levels)}" for name, levels in settings.costs.items())
    return f"{settings.env} seed {settings.seed}, {settings.check_tasks} questions at {costs}"


def curve(
    lines: Sequence[Mapping[str, Any]], settings: Settings, known: Mapping[str, tuple[float, float]]
) -> list[list[float]]:
    """[episodes, tokens, normalised score] after each checked iteration, on training questions and costs."""
    if reference_of(settings) not in known:
        return []
    floor, best = known[reference_of(settings)]
    played = np.cumsum([line["episodes"] for line in lines])
    tokens = np.cumsum([line["play/tokens"] for line in lines])
    return [
        [float(episodes), float(sampled), (line["check/reward"] - floor) / (best - floor)]
        for line, episodes, sampled in zip(lines, played, tokens, strict=True)
        if "check/reward" in line
    ]


def crossed(
    cells: Sequence[Cell],
    users: Sequence[str],
    folder: Path,
    tasks: int,
    processes: int = 1,
    watcher: Watcher | None = None,
) -> dict[str, dict[str, Any]]:
    """Cross-play of every run that is complete with its own and with unknown users; by game.

    Args:
        cells: of one or several games.
        users: names of users that no run was trained with.
        folder: of the sweep; cross-play is kept in its folder crossplay.
        tasks: validation questions.
        processes: that share the work.
        watcher: told of the progress.
    """
    found: dict[str, dict[str, Any]] = {}
    for game in {cell.game: None for cell in cells} if users else ():
        mine = [cell for cell in complete(cells, folder) if cell.game == game]
        if not mine:
            continue
        settings = mine[0].settings
        env = make(game, **{**settings.env_options, "split": "validation"})
        made = {"own": make_user("scripted", UserModel(**settings.user)), **{u: make_user(u) for u in users}}
        askers, identity = {}, {}
        for cell in mine:
            run = RunDirectory(folder / cell.name)
            last = run.last()
            name = f"{cell.algorithm} seed{cell.seed}"
            askers[name] = load_policy(run)
            identity[name] = f"{last} {0 if last is None else run.checkpoint(last).stat().st_mtime_ns}"
        found[game] = crossplay(
            env,
            askers,
            made,
            folder / "crossplay" / game,
            own=dict.fromkeys(askers, "own"),
            identity=identity,
            cells=list(type(settings.grid)(of=settings.grid.of, **_unseen(game))),
            tasks=tasks,
            processes=processes,
            watcher=watcher,
        )
    return found


def _unseen(game: str) -> dict[str, tuple[float, ...]]:
    from clarify_env.registry import registry

    return registry[game].unseen.levels
