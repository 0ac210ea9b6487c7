"""The commands that take long: train and evaluate."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.trainers.cli.options import (
    Costs,
    DataDir,
    Env,
    Knowledge,
    Noise,
    NoWandb,
    Refusal,
    Seed,
    Threads,
    Vagueness,
    app,
    console,
    levels,
    options,
    trainer,
)
from clarify_env.trainers.reporting.progress import Bars, results

OWN = "; default: the agent's recipe."


@app.command(
    epilog="Examples: clarify-env train  |  clarify-env train --agent move-scorer  |  "
    "clarify-env train --env ambigqa-v0 --data-dir DIR  |  "
    "clarify-env train --out runs/mine --seed 1 --rule clustering  |  "
    "clarify-env train --out runs/mine --resume"
)
def train(
    context: typer.Context,
    agent: Annotated[
        str | None,
        typer.Option(
            help="small (a language model), move-scorer, or a model folder or hub id; default: small for "
            "synthetic-v0, whose notes it can read, else move-scorer."
        ),
    ] = None,
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    knowledge: Knowledge = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; default: runs/AGENT-ENV-seedN.")] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    no_wandb: NoWandb = False,
    algorithm: Annotated[
        str, typer.Option(help="rest, ppo, grpo, rloo, dpo, distillation, or one of your own.")
    ] = "rest",
    rule: Annotated[
        str, typer.Option(help="Of rest: threshold, top-k, clustering, averaged or best-continuation.")
    ] = "best-continuation",
    no_rescore: Annotated[
        bool, typer.Option("--no-rescore", help="Count each episode only at the costs it was played under.")
    ] = False,
    iterations: Annotated[int | None, typer.Option(help=f"Grow and improve steps{OWN}", min=1)] = None,
    tasks: Annotated[int | None, typer.Option(help=f"Questions per iteration{OWN}", min=1)] = None,
    samples: Annotated[int | None, typer.Option(help=f"Episodes per question{OWN}", min=1)] = None,
    start_share: Annotated[float | None, typer.Option(help=f"Share of them by the start policy{OWN}")] = None,
    costs: Costs = None,
    updates: Annotated[int | None, typer.Option(help=f"Gradient steps per iteration{OWN}", min=1)] = None,
    rate: Annotated[float | None, typer.Option(help=f"Learning rate{OWN}")] = None,
    lora: Annotated[int | None, typer.Option(help="Rank of adapters; default: all weights.", min=0)] = None,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
    eval_tasks: Annotated[
        int | None,
        typer.Option(
            "--eval-tasks", help="Questions to evaluate on; default: 500, a language model 100.", min=1
        ),
    ] = None,
    threads: Threads = 1,
) -> None:
    """Teach a policy to follow the costs, and evaluate it at costs that it has never seen."""
    kept, experiment, runs = trainer("settings"), trainer("experiment"), trainer("run_directory")
    trainer("evaluation.parallel").set_threads(threads)
    knobs = {"noise": noise, "vagueness": vagueness, "refusal": refusal}
    UserModel(**knobs)
    agent = agent or ("small" if env == "synthetic-v0" else "move-scorer")
    shown = Path(agent).name or agent
    chosen = [value for name, value in (("algorithm", algorithm), ("rule", rule)) if _typed(context, name)]
    out = out or Path("runs") / "-".join([shown, env, *chosen, f"seed{seed}"])
    run = runs.RunDirectory(out)
    values = {
        "agent": agent,
        "env": env,
        "env_options": options(data_dir and data_dir.resolve(), knowledge=knowledge),
        "user": {name: value for name, value in knobs.items() if value},
        "seed": seed,
        "algorithm": algorithm,
        "rule": rule,
        "rescore": not no_rescore,
        "iterations": iterations,
        "tasks": tasks,
        "samples": samples,
        "start_share": start_share,
        "costs": levels(costs),
        "updates": updates,
        "rate": rate,
        "lora": lora,
    }
    given = {n: value for n, value in values.items() if n != "agent" and _typed(context, n)}
    if resume and _typed(context, "agent"):
        given["agent"] = agent
    settings = kept.read_config(run).changed(**given) if resume else trainer("recipes").recipe(agent, **given)
    rank, _ = trainer("learners.distributed").join()
    console.quiet = rank > 0
    console.print(f"Run directory: [bold]{out}[/bold]", highlight=False)
    log = None
    try:
        with Bars(console) as bars:
            for line in experiment.train(settings, run, resume, bars):
                log = log or (None if no_wandb or rank else _wandb(run, settings.to_config()))
                if log:
                    log.iteration(line, bars.episodes)
                bars.print(f"iteration {line['iteration'] + 1}/{settings.iterations}: {_progress(line)}")
            if rank:
                return
            tasks = eval_tasks or (500 if settings.agent == "move-scorer" else 100)
            summary = experiment.evaluate_run(run, tasks=tasks, watcher=bars)
        log = log or (None if no_wandb else _wandb(run, settings.to_config()))
        if log:
            log.summary(summary, out)
    finally:
        if log:
            log.close()
    console.print(results(summary))
    _written(out, summary)


def _written(out: Path, summary: dict[str, Any]) -> None:
    picture = out / ("teams.png" if "teams" in summary else "steerability.png")
    console.print(f"Picture: {picture}; numbers: {out / 'summary.json'}", highlight=False)


def _progress(line: dict[str, Any]) -> str:
    """The metrics of an iteration in a few words."""
    parts = []
    for shown, part in (("played", "play"), ("greedy", "eval")):
        if f"{part}/reward" in line:
            asks = f", asks {line[f'{part}/asks']:.2f}" if f"{part}/asks" in line else ""
            parts.append(f"{shown} reward {line[f'{part}/reward']:+.3f}{asks}")
    return "; ".join(parts)


def _typed(context: typer.Context, name: str) -> bool:
    """Whether the option behind a setting was given on the command line."""
    sources = {
        "env_options": ("data_dir", "knowledge"),
        "user": ("noise", "vagueness", "refusal"),
        "rescore": ("no_rescore",),
    }
    found = (context.get_parameter_source(option) for option in sources.get(name, (name,)))
    return any(source is not None and source.name == "COMMANDLINE" for source in found)


def _wandb(run: Any, config: dict[str, Any]) -> Any:
    try:
        return trainer("loggers").WandbLog(run, config)
    except ClarifyError as error:
        console.print(f"Not logged to W&B: {error}", markup=False)
        return None
