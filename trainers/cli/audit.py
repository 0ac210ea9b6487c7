"""The command that takes a user for a test: audit."""

from pathlib import Path
from typing import Annotated, Any

import typer

import clarify_env
from clarify_env.agents.catalog import NAMES, is_language_model, load
from clarify_env.trainers.cli.options import (
    DataDir,
    Env,
    EnvOptions,
    Knobs,
    Seed,
    Threads,
    app,
    check_sampling,
    console,
    given,
    knobs,
    options,
    trainer,
    with_sampling,
)
from clarify_env.trainers.loggers import Bars


@app.command(
    epilog="Examples: clarify-env audit  |  clarify-env audit scripted --knob noise=0.1  |  "
    "clarify-env audit FOLDER --tasks 50 --env ambigqa-v0 --data-dir DIR  |  "
    "clarify-env audit server:MODEL --server http://localhost:8000/v1"
)
@with_sampling
def audit(
    context: typer.Context,
    user: Annotated[
        str,
        typer.Argument(help=f"scripted, terse, fitted, embed, noisy:P, vague:P, refusing:P, or {NAMES}."),
    ] = "scripted",
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    env_option: EnvOptions = None,
    split: Annotated[str, typer.Option(help="The questions to probe.")] = "validation",
    tasks: Annotated[int, typer.Option(help="Questions to probe.", min=1)] = 100,
    intents: Annotated[int, typer.Option(help="Meanings of each.", min=1)] = 2,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="File of the report; default: runs/audit-USER-ENV.json.")
    ] = None,
    knob: Knobs = None,
    threads: Threads = 1,
    *,
    sampling: dict[str, Any],
) -> None:
    """Probe a user: how often does it leak, answer, contradict itself, or pick the wrong branch?"""
    check_sampling(sampling, [user])
    auditing, report = trainer("evaluation.audit"), trainer("reporting.tables")
    chosen: dict[str, Any] = {"split": split} if given(context, "split") else {}
    chosen = clarify_env.registry[env].held_out({**options(data_dir, env_option=env_option), **chosen})
    game = clarify_env.make(env, **chosen)
    total = len(auditing.drawn(game, tasks, intents, seed))
    if user != "scripted":
        trainer("evaluation.parallel").set_threads(threads)
    if is_language_model(user):
        sampling = {"temperature": 1.0, "max_tokens": 60, **sampling}  # probed as it talks
    player = load(user, game, "user", knobs=knobs(knob), **sampling)
    with Bars(console) as bars:
        found = auditing.audit(
            game,
            player,
            name=user,
            tasks=tasks,
            intents=intents,
            seed=seed,
            batch=64,
            watch=bars.stage("audit", total),
        )
    out = out or Path("runs") / f"audit-{Path(user.rpartition(':')[2]).name or user}-{env}.json"
    report.write_audit(found, out)
    console.print(report.audit_table(found))
    console.print(f"Report: {out}; worst dialogues: {out.with_suffix('.md')}", highlight=False)
