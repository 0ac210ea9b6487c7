"""The command that compares algorithms: compare."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clarify_env.trainers.cli.options import DataDir, app, console, trainer
from clarify_env.trainers.loggers import Bars


@app.command(
    epilog="Examples: clarify-env compare  |  clarify-env compare --games synthetic-v1 --seeds 3  |  "
    "clarify-env compare sweep.json --out runs/mine  |  clarify-env compare --users panel"
)
def compare(
    context: typer.Context,
    sweep: Annotated[
        Path | None, typer.Argument(help="File of a sweep (JSON); default: all algorithms, ready to run.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the runs and the result.")] = Path("runs/compare"),
    games: Annotated[
        str | None,
        typer.Option(help="Only these; without a file any, as synthetic-v0,csp-v0."),
    ] = None,
    algorithms: Annotated[str | None, typer.Option(help="Only these, as rest,ppo.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Only the first so many.", min=1)] = None,
    data_dir: DataDir = None,
    users: Annotated[
        str | None,
        typer.Option(
            help="Users that no run was trained with, as noisy:0.1,fitted; panel for all kinds. "
            "Default: the sweep's."
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Runs at the same time; default: one a core.", min=1)
    ] = None,
) -> None:
    """Compare algorithms: the same games, budget and data path, several seeds; resumes what is there."""
    sweeps = trainer("evaluation.sweep")
    report, workers = trainer("reporting.sweep_report"), trainer("evaluation.parallel")
    workers.set_threads(1)
    names = games.split(",") if games else None
    ready = replace(sweeps.READY, games={name: {} for name in names}) if names else sweeps.READY
    made = sweeps.narrowed(
        sweeps.Sweep.read(sweep) if sweep else ready,
        games=names,
        algorithms=algorithms.split(",") if algorithms else None,
        seeds=seeds,
        data_dir=data_dir and data_dir.resolve(),
    )
    if users:
        made = replace(made, users=tuple(users.split(",")))
    cells = made.cells()
    sweeps.check_users(made)  # a mistake is told before anything is run
    count = processes or workers.default_processes()
    with Bars(console) as bars:
        done = bars.stage("compare", len(cells))
        for cell, failed in sweeps.run_sweep(made, out, count):
            done(1)
            if failed:
                bars.progress.console.print(f"{cell.name}: failed: {failed}")
        parts = made.users, out, made.cross_tasks, count
        crossings = sweeps.crossed(cells, *parts, watcher=bars)
        known = sweeps.references(sweeps.completed(cells, out), out, count)
    result = report.collect(cells, out, known, crossings)
    report.draw_sweep(result, out / "compare.png")
    console.print(report.sweep_table(result))
    page = trainer("reporting.markdown").sweep_markdown(result, _typed(context))
    (out / "compare.md").write_text(page, encoding="utf-8")
    files = (
        f"Picture: {out / 'compare.png'}; numbers: {out / 'compare.json'}; for a page: {out / 'compare.md'}"
    )
    console.print(files, highlight=False)


def _typed(context: typer.Context) -> str:
    """The command without what does not change its result; folders of data are DIR."""
    names = ("sweep", "games", "algorithms", "seeds", "users")
    typed = [(name, context.params[name]) for name in names if context.params[name]]
    told = [str(value) if name == "sweep" else f"--{name} {value}" for name, value in typed]
    data = ["--data-dir DIR"] if context.params["data_dir"] else []
    return " ".join(["clarify-env compare", *told, *data])
