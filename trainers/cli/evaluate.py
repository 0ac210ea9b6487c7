"""`clarify-env evaluate` and `clarify-env report`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clarify_env.agents.catalog import NAMES
from clarify_env.errors import ClarifyError
from clarify_env.trainers.cli.options import (
    DataDir,
    Env,
    EnvOptions,
    Knobs,
    NoWandb,
    Processes,
    Seed,
    Tasks,
    Threads,
    app,
    check_sampling,
    console,
    game_of,
    given,
    knobs,
    options,
    trainer,
    wandb_logger,
    with_sampling,
    written,
)
from clarify_env.trainers.loggers import Bars
from clarify_env.trainers.reporting.summary import results


@app.command(
    epilog="Examples: clarify-env evaluate runs/move-scorer-synthetic-v0-seed0  |  "
    "clarify-env evaluate optimal --env ambigqa-v0 --data-dir DIR --eval-tasks 200 --report  |  "
    "clarify-env evaluate model:FOLDER --examples 3 --eval-tasks 20"
)
@with_sampling
def evaluate(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            help=f"A run directory, an agent or a team of the game by its name (optimal, floor), or {NAMES}."
        ),
    ],
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    env_option: EnvOptions = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: the run, or runs/NAME-ENV.")
    ] = None,
    seed: Seed = 0,
    split: Annotated[
        str | None,
        typer.Option(help="The questions to evaluate on; default: validation, if there is one."),
    ] = None,
    checkpoint: Annotated[int | None, typer.Option(help="Iteration of a run; 0 is the start.", min=0)] = None,
    knob: Knobs = None,
    eval_tasks: Tasks = None,
    threads: Threads = 1,
    processes: Processes = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write report.html as well: figures and every transcript.")
    ] = False,
    no_wandb: NoWandb = False,
    *,
    sampling: dict[str, Any],
) -> None:
    """Measure a team over the cost grid, beside the scripted teams and the optimum where it is known."""
    evaluation, runs = trainer("evaluation.evaluate"), trainer("run_directory")
    trainer("evaluation.parallel").set_threads(threads)
    check_sampling(sampling, [target])
    chosen = options(data_dir, split=split, env_option=env_option)
    told = knobs(knob)
    run = runs.run_named(target)
    if checkpoint is not None and run is None:
        raise ClarifyError(f"--checkpoint {checkpoint}: {target} is an agent, not a run with checkpoints")
    game = game_of(context, target).env
    with Bars(console) as bars:
        common: dict[str, Any] = {"tasks": eval_tasks, "env_options": chosen}
        common |= {"processes": processes, "watcher": bars}
        if run is not None:
            away = game != run.config().get("env")
            out = out or run.path / "-".join(
                [*([] if checkpoint is None else [f"checkpoint-{checkpoint:03d}"]), *([game] if away else [])]
            )
            _not_a_run(out, run.path)
            summary = evaluation.evaluate_run(
                run,
                env=game,
                iteration=checkpoint,
                out=out,
                knobs=told or None,
                seed=seed if given(context, "seed") else None,
                **common,
            )
        else:
            out = out or Path("runs") / f"{Path(target.rpartition(':')[2]).name}-{game}"
            _not_a_run(out, Path(target))
            summary = evaluation.evaluate_agent(
                target, game, out, knobs=told, seed=seed, sampling=sampling, **common
            )
    for logger in wandb_logger(no_wandb):
        logger.start(runs.RunDirectory(out), {"evaluated": target, "env": summary["env"]})
        logger.summary(summary, out)
        logger.close()
    console.print(results(summary))
    written(out)
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


def _not_a_run(out: Path, target: Path) -> None:
    """Raise where writing an evaluation to `out` would overwrite that of another run."""
    if (out / "config.json").exists() and out.resolve() != target.resolve():
        raise ClarifyError(f"--out {out}: holds the run of another policy; give another folder")
