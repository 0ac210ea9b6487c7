"""The command that takes from a policy what it reads: ablate."""

from pathlib import Path
from typing import Annotated, Any

import typer

import clarify_env
from clarify_env.agents.catalog import NAMES, is_language_model, load
from clarify_env.agents.roster import roster_of
from clarify_env.trainers.cli.options import (
    DataDir,
    Env,
    EnvOptions,
    Knobs,
    Processes,
    Seed,
    Threads,
    app,
    check_sampling,
    console,
    game_of,
    given,
    knobs,
    options,
    trainer,
    with_sampling,
)
from clarify_env.trainers.loggers import Bars


@app.command(
    epilog="Examples: clarify-env ablate optimal --env synthetic-v1  |  clarify-env ablate runs/mine  |  "
    "clarify-env ablate lookahead --tasks 200"
)
@with_sampling
def ablate(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(help=f"A run directory, an agent of the game by its name (optimal), or {NAMES}.")
    ],
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    env_option: EnvOptions = None,
    split: Annotated[str, typer.Option(help="The questions to play.")] = "validation",
    tasks: Annotated[int, typer.Option(help="Questions to play.", min=1)] = 100,
    out: Annotated[
        Path | None, typer.Option(help="File of the report; default: runs/ablate-NAME-ENV.json.")
    ] = None,
    seed: Seed = 0,
    knob: Knobs = None,
    threads: Threads = 1,
    processes: Processes = None,
    *,
    sampling: dict[str, Any],
) -> None:
    """Keep a policy from one thing at a time that it could read: what does its score rest on?"""
    check_sampling(sampling, [target])
    ablating, report = trainer("evaluation.ablate"), trainer("reporting.tables")
    parallel = trainer("evaluation.parallel")
    parallel.set_threads(threads)
    game, own, learnt = game_of(context, target)
    chosen: dict[str, Any] = {"split": split} if given(context, "split") else {}
    told = {**own, **options(data_dir, env_option=env_option), **chosen}
    made = clarify_env.make(game, **clarify_env.registry[game].held_out(told))
    player = roster_of(made.game).trained[0]
    players = knobs(knob) or learnt
    agent = load(target, made, player, knobs=players, **sampling)
    slow = is_language_model(target)
    name = Path(target.rpartition(":")[2]).name or target
    with Bars(console) as bars:
        found = ablating.without_each(
            made,
            agent,
            name,
            knobs=players,
            tasks=tasks,
            seed=seed,
            processes=processes or (1 if slow else parallel.default_processes()),
            watcher=bars,
        )
    out = out or Path("runs") / f"ablate-{name}-{game}.json"
    report.write_ablation(found, out)
    console.print(report.ablation_table(found))
    console.print(f"Numbers: {out}", highlight=False)
