"""The command that takes a user for a test: audit."""

from pathlib import Path
from typing import Annotated

import typer

import clarify_env
from clarify_env.agent import Agent
from clarify_env.agents import ScriptedUser
from clarify_env.trainers.options import (
    DataDir,
    Env,
    Noise,
    Refusal,
    Seed,
    Threads,
    Vagueness,
    app,
    console,
    options,
    trainer,
)
from clarify_env.trainers.progress import Bars
from clarify_env.usermodel import UserModel


@app.command(
    epilog="Examples: clarify-env audit  |  clarify-env audit scripted --noise 0.1  |  "
    "clarify-env audit FOLDER --tasks 50 --env ambigqa-v0 --data-dir DIR"
)
def audit(
    user: Annotated[
        str, typer.Argument(help="scripted, or a language model: small, a folder, a GGUF file or a hub id.")
    ] = "scripted",
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    split: Annotated[str, typer.Option(help="The questions to probe.")] = "validation",
    tasks: Annotated[int, typer.Option(help="Questions to probe.", min=1)] = 100,
    intents: Annotated[int, typer.Option(help="Meanings of each.", min=1)] = 2,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="File of the report; default: runs/audit-USER-ENV.json.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Of a language model's sampling.", min=0.0)] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of its message.", min=1)] = 60,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
    threads: Threads = 1,
) -> None:
    """Probe a user: how often does it leak, answer, contradict itself, or pick the wrong branch?"""
    auditing, report = trainer("audit"), trainer("audit_report")
    game = clarify_env.make(env, **options(data_dir, split=split))
    player: Agent
    if user == "scripted":
        player = ScriptedUser(UserModel(noise, vagueness, refusal))
    else:
        trainer("workers").set_threads(threads)
        from clarify_env.agents.transformer import TransformersAgent

        player = TransformersAgent(user, temperature=temperature, max_tokens=max_tokens)
    total = len(auditing.drawn(game, tasks, intents, seed))
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
    out = out or Path("runs") / f"audit-{Path(user).name or user}-{env}.json"
    report.write(found, out)
    console.print(report.table(found))
    console.print(f"Report: {out}", highlight=False)
