"""`clarify-env evaluate` and `clarify-env report`."""

from pathlib import Path
from typing import Annotated

import typer

from clarify_env.agents import ASKERS
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.trainers.cli.options import (
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
    options,
    trainer,
    typed,
    wandb_logger,
    written,
)
from clarify_env.trainers.reporting.progress import Bars, results


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
    experiment, runs = trainer("experiment"), trainer("run_directory")
    trainer("evaluation.parallel").set_threads(threads)
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
                user=knobs if typed(context, "noise", "vagueness", "refusal") else None,
                seed=seed if typed(context, "seed") else None,
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
    for logger in wandb_logger(no_wandb):
        logger.start(runs.RunDirectory(out), {"evaluated": target, "env": summary["env"]})
        logger.summary(summary, out)
        logger.close()
    console.print(results(summary))
    written(out, summary)
    if report:
        console.print(f"Report: {trainer('reporting.html').write_report([out])}", highlight=False)


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
        written = trainer("reporting.html").write_report(folders, out, seed)
    console.print(f"Report: {written}", highlight=False)


def _not_a_run(out: Path, target: str) -> None:
    """Raise where writing an evaluation to `out` would overwrite that of another run."""
    if (out / "config.json").exists() and out.resolve() != Path(target).resolve():
        raise ClarifyError(f"--out {out}: holds the run of another policy; give another folder")
