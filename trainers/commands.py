"""The commands that take long: train and evaluate."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clarify_env.agents import ASKERS
from clarify_env.errors import ClarifyError
from clarify_env.trainers.options import (
    Costs,
    DataDir,
    Env,
    Knowledge,
    Noise,
    NoWandb,
    Processes,
    Refusal,
    Seed,
    Tasks,
    Threads,
    Vagueness,
    app,
    console,
    levels,
    options,
    trainer,
)
from clarify_env.trainers.progress import Bars, results
from clarify_env.usermodel import UserModel

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
    kept, experiment, runs = trainer("settings"), trainer("experiment"), trainer("runs")
    trainer("workers").set_threads(threads)
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
    settings = kept.read_config(run).changed(**given) if resume else kept.recipe(agent, **given)
    rank, _ = trainer("processes").join()
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
    for shown, part in (("played", "play"), ("greedy", "check")):
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
        return trainer("wandblog").WandbLog(run, config)
    except ClarifyError as error:
        console.print(f"Not logged to W&B: {error}", markup=False)
        return None


@app.command(
    epilog="Examples: clarify-env evaluate runs/move-scorer-synthetic-v0-seed0  |  "
    "clarify-env evaluate optimal --env ambigqa-v0 --data-dir DIR --eval-tasks 200 --report"
)
def evaluate(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            help=f"A run directory, or an agent: {', '.join(ASKERS)}, small, model:FOLDER_OR_HUB_ID, "
            "server:MODEL."
        ),
    ],
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    knowledge: Knowledge = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: the run, or runs/NAME-ENV.")
    ] = None,
    seed: Seed = 0,
    split: Annotated[
        str | None,
        typer.Option(help="The questions to evaluate on; default: validation, if there is one."),
    ] = None,
    checkpoint: Annotated[int | None, typer.Option(help="Iteration of a run; 0 is the start.", min=0)] = None,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
    eval_tasks: Tasks = None,
    server: Annotated[
        str | None, typer.Option(help="Address of the server of server:MODEL, as http://localhost:8000/v1.")
    ] = None,
    threads: Threads = 1,
    processes: Processes = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write report.html as well: figures and every transcript.")
    ] = False,
    no_wandb: NoWandb = False,
) -> None:
    """Measure an asker over the cost grid, beside the fixed strategies and the optimum."""
    experiment, runs = trainer("experiment"), trainer("runs")
    trainer("workers").set_threads(threads)
    chosen = options(data_dir, split=split, knowledge=knowledge)
    knobs = {"noise": noise, "vagueness": vagueness, "refusal": refusal}
    UserModel(**knobs)
    with Bars(console) as bars:
        if (Path(target) / "config.json").is_file():
            own = runs.RunDirectory(target).config().get("env")
            if env not in (own, "synthetic-v0"):
                raise ClarifyError(f"--env {env}: the run {target} plays {own}; leave --env out")
            out = out or Path(target) / ("" if checkpoint is None else f"checkpoint-{checkpoint:03d}")
            _not_a_run(out, target)
            summary = experiment.evaluate_run(
                runs.RunDirectory(target),
                tasks=eval_tasks,
                iteration=checkpoint,
                out=out,
                user=knobs if _typed(context, "user") else None,
                seed=seed if _typed(context, "seed") else None,
                env_options=chosen,
                processes=processes,
                watcher=bars,
            )
        else:
            if checkpoint is not None:
                raise ClarifyError(
                    f"--checkpoint {checkpoint}: {target} is an agent, not a run with checkpoints"
                )
            out = out or Path("runs") / f"{Path(target.rpartition(':')[2]).name}-{env}"
            _not_a_run(out, target)
            summary = experiment.evaluate_agent(
                target,
                env,
                out,
                user=knobs,
                tasks=eval_tasks,
                seed=seed,
                env_options=chosen,
                server=server,
                processes=processes,
                watcher=bars,
            )
    log = None if no_wandb else _wandb(runs.RunDirectory(out), {"evaluated": target, "env": summary["env"]})
    if log:
        log.summary(summary, out)
        log.close()
    console.print(results(summary))
    _written(out, summary)
    if report:
        console.print(f"Report: {trainer('report').write_report([out])}", highlight=False)


@app.command(
    name="report",
    epilog="Examples: clarify-env report runs/mine  |  clarify-env report runs/a runs/b --out compared.html",
)
def report_command(
    folders: Annotated[list[Path], typer.Argument(help="Folders that `evaluate` or `train` wrote to.")],
    out: Annotated[
        Path | None, typer.Option(help="The file; default: report.html in the first folder.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Write evaluations as one HTML page: figures, comparison by question, every transcript."""
    with console.status("Collecting episodes"):
        written = trainer("report").write_report(folders, out, seed)
    console.print(f"Report: {written}", highlight=False)


def _not_a_run(out: Path, target: str) -> None:
    """Raise where writing an evaluation to `out` would overwrite that of another run."""
    if (out / "config.json").exists() and out.resolve() != Path(target).resolve():
        raise ClarifyError(f"--out {out}: holds the run of another policy; give another folder")
