"""`clarify-env train`; its options are the settings of a run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clarify_env.trainers.cli.options import (
    DataDir,
    NoWandb,
    Threads,
    WandbEntity,
    WandbName,
    WandbProject,
    app,
    console,
    trainer,
    wandb_logger,
    with_settings,
    written,
)
from clarify_env.trainers.loggers import Bars
from clarify_env.trainers.reporting.summary import results

_FILES = ("corpus", "path")  # options of games that name a file or folder


@app.command(
    epilog="Examples: clarify-env train  |  clarify-env train --agent small  |  "
    "clarify-env train --env ambigqa-v0 --data-dir DIR  |  "
    "clarify-env train --out runs/mine --seed 1 --rule clustering  |  "
    "clarify-env train --out runs/mine --resume"
)
@with_settings
def train(
    given: dict[str, Any],
    data_dir: DataDir = None,
    rule: Annotated[
        str | None,
        typer.Option(
            help="Of rest: threshold, top-k, clustering, averaged, best-continuation, or module:Class; "
            "short for --algorithm-option rule=NAME."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; default: runs/AGENT-ENV-seedN.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    no_wandb: NoWandb = False,
    wandb_project: WandbProject = "clarify_env",
    wandb_entity: WandbEntity = None,
    wandb_name: WandbName = None,
    threads: Threads = 1,
) -> None:
    """Teach a policy to follow the costs, and evaluate it at costs that it has never seen.

    What is not given is as the recipe of the agent, the algorithm and the game says.
    """
    configs, experiment = trainer("config"), trainer("experiment")
    trainer("evaluation.parallel").set_threads(threads)
    if data_dir:
        given["env_options"] = {"data_dir": str(data_dir.resolve()), **given.get("env_options", {})}
    own = given.get("env_options", {})
    for name in _FILES:
        if isinstance(own.get(name), str) and Path(own[name]).exists():
            own[name] = str(Path(own[name]).resolve())  # a run is evaluated from other folders too
    if rule:
        given["options"] = {**given.get("options", {}), "rule": rule}
    agent = given.pop("agent", None)
    chosen = out or Path(_folder(agent or configs.SMALL_POLICY, given, rule))
    run = trainer("run_directory").RunDirectory(chosen)
    if resume:
        stored = configs.read_config(run)
        agent = agent or stored.policy.agent
        configs.without_effect(agent, given)
        given = {**given, "agent": agent}
        for name in ("options", "env_options"):
            if name in given:
                given[name] = {**dict(stored.flat())[name], **given[name]}
        config = stored.changed(**given)
    else:
        config = configs.recipe(agent or configs.SMALL_POLICY, **given)
    rank = experiment.rank()
    console.quiet = rank > 0
    console.print(f"Run directory: [bold]{run.path}[/bold]", highlight=False)
    wandb = wandb_logger(no_wandb or rank > 0, wandb_project, wandb_entity, wandb_name)
    try:
        with Bars(console) as bars:
            for _ in experiment.train(config, run, [bars, *wandb], resume=resume):
                pass
            if rank:
                return
            evaluation = trainer("evaluation.evaluate")
            summary = evaluation.evaluate_run(run, tasks=config.evaluation.eval_tasks, watcher=bars)
        for logger in wandb:
            logger.summary(summary, run.path)
    finally:
        for logger in wandb:
            logger.close()
    console.print(results(summary))
    written(run.path)


def _folder(agent: str, given: dict[str, Any], rule: str | None) -> str:
    env = given.get("env") or trainer("config").usual_game(agent)
    chosen = [name for name in (given.get("algorithm"), rule) if name]
    parts = [Path(agent).name or agent, env, *chosen, f"seed{given.get('seed', 0)}"]
    return str(Path("runs") / "-".join(part.replace(":", "-") for part in parts))
