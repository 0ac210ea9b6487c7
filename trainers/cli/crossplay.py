"""The command that crosses askers and users: crossplay."""

from pathlib import Path
from typing import Annotated, Any

import typer

import clarify_env
from clarify_env.agent import Agent
from clarify_env.agents import ASKERS, ScriptedUser, catalog
from clarify_env.costs import CostGrid
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.scripted_user import UserModel, closest
from clarify_env.trainers.cli.options import (
    Costs,
    DataDir,
    Env,
    Seed,
    Threads,
    app,
    console,
    levels,
    options,
    trainer,
)
from clarify_env.trainers.reporting.progress import Bars


@app.command(
    epilog="Examples: clarify-env crossplay RUN_A RUN_B optimal  |  "
    "clarify-env crossplay RUN --users scripted,noisy:0.1,embed,small --eval-tasks 50"
)
def crossplay(
    targets: Annotated[
        list[str],
        typer.Argument(help=f"Run directories, or agents: {', '.join(ASKERS)}, small, model:..., server:..."),
    ],
    users: Annotated[
        str,
        typer.Option(
            help="Names with commas: scripted, embed, noisy:P, vague:P, refusing:P, small, "
            "model:FOLDER, server:MODEL."
        ),
    ] = "scripted,noisy:0.1,vague:0.2",
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    out: Annotated[Path, typer.Option(help="Folder to write to, and to go on in.")] = Path("runs/crossplay"),
    seed: Seed = 0,
    split: Annotated[str, typer.Option(help="The questions to play.")] = "validation",
    eval_tasks: Annotated[int, typer.Option("--eval-tasks", help="Questions to play.", min=1)] = 100,
    costs: Costs = None,
    server: Annotated[
        str | None, typer.Option(help="Address of the server of server:MODEL, as http://localhost:8000/v1.")
    ] = None,
    threads: Threads = 1,
) -> None:
    """Play askers with users that they were not trained with: does a score hold away from home?"""
    crossing = trainer("evaluation.crossplay")
    trainer("evaluation.parallel").set_threads(threads)
    runs = {
        name: trainer("config").read_config(trainer("run_directory").RunDirectory(name))
        for name in targets
        if (Path(name) / "config.json").is_file()
    }
    games = {config.env for config in runs.values()}
    if len(games | ({env} - {"synthetic-v0"})) > 1:
        raise ClarifyError(f"crossplay: these runs and --env play several games: {sorted(games | {env})}")
    env = next(iter(games), env)
    base = next((dict(config.env_options) for config in runs.values()), {})
    game = clarify_env.make(env, **{**base, **options(data_dir, split=split)})
    made = {name: catalog.load(name, game, "user", server=server) for name in users.split(",")}
    askers: dict[str, Agent] = {}
    own: dict[str, str] = {}
    identity: dict[str, str] = {}
    for name in targets:
        shown = Path(name).name if name in runs else name
        if shown in askers:
            raise ClarifyError(f"crossplay: two askers are called {shown!r}; rename a run directory")
        askers[shown] = _asker(name, game, name in runs, server)
        knobs = runs[name].rollout.knobs if name in runs else {} if name == "optimal" else None
        home = [user for user, player in made.items() if knobs is not None and _is_home(player, knobs)]
        own.update({shown: home[0]} if home else {})
        identity.update({shown: _identity(Path(name))} if name in runs else {})
    unseen = clarify_env.registry[env].unseen
    grid = CostGrid(of=unseen.of, **{**unseen.levels, **levels(costs)})
    with Bars(console) as bars:
        result = crossing.crossplay(
            game,
            askers,
            made,
            out,
            own=own,
            identity=identity,
            tasks=eval_tasks,
            seed=seed,
            watcher=bars,
            cells=list(grid),
        )
    tables = trainer("reporting.tables")
    tables.draw_crossplay(result, out / "crossplay.png")
    console.print(tables.crossplay_table(result))
    console.print(f"Picture: {out / 'crossplay.png'}; numbers: {out / 'crossplay.json'}", highlight=False)


def _asker(name: str, game: Any, is_run: bool, server: str | None) -> Agent:
    experiment = trainer("experiment")
    if is_run:
        policy: Agent = experiment.load_policy(trainer("run_directory").RunDirectory(name))
        return policy
    asker: Agent = catalog.load(name, game, "asker", server=server)
    return asker


def _identity(run: Path) -> str:
    """Which policy a run directory holds: its place and its last checkpoint with the time of writing."""
    directory = trainer("run_directory").RunDirectory(run)
    last = directory.last()
    stamp = 0 if last is None else directory.checkpoint(last).stat().st_mtime_ns
    return f"{run.resolve()} {last} {stamp}"


def _is_home(user: Agent, knobs: dict[str, float]) -> bool:
    """Whether a user is the scripted one of these knobs, which askers are trained with."""
    if not isinstance(user, ScriptedUser) or user.matcher is not closest:
        return False
    return user.model == UserModel(**knobs)
