"""The command `clarify-env`: envs, play, train, evaluate."""

import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import clarify_env
from clarify_env.agents import ASKERS
from clarify_env.errors import ClarifyError, choose
from clarify_env.trainers.byhand import play_by_hand
from clarify_env.trainers.progress import Bars, results
from clarify_env.usermodel import UserModel

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Games in which an assistant must choose between asking, listing and guessing.",
)
console = Console()

Env = Annotated[str, typer.Option("--env", help="Registered environment; see `clarify-env envs`.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the data files, for games that need some.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of everything random.", min=0)]
Noise = Annotated[float, typer.Option(help="Probability of a wrong reply of the scripted user.")]
Vagueness = Annotated[float, typer.Option(help="Probability of a reply that says nothing.")]
Refusal = Annotated[float, typer.Option(help="Probability of a refusal to be questioned.")]
Tasks = Annotated[
    int | None, typer.Option("--eval-tasks", help="Questions to evaluate on; default: all.", min=1)
]
NoWandb = Annotated[bool, typer.Option("--no-wandb", help="Nothing for Weights & Biases.")]
Threads = Annotated[int, typer.Option(help="Threads of torch.", min=1)]


def _options(data_dir: Path | None, **more: Any) -> dict[str, Any]:
    options = {"data_dir": None if data_dir is None else str(data_dir), **more}
    return {name: value for name, value in options.items() if value is not None}


def _floats(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ClarifyError(
            f"{name}={text!r}: numbers with commas between them, such as 0.02,0.1,0.3"
        ) from None


def _trainer(name: str) -> Any:
    """A module that needs the training packages."""
    try:
        return import_module(f"clarify_env.trainers.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("clarify_env"):
            raise
        raise ClarifyError(f"{error.name} is not installed: pip install 'clarify_env[train]'") from None


@app.command(epilog="Example: clarify-env envs")
def envs() -> None:
    """List the environments with their options."""
    table = Table(show_lines=True)
    for column in ("id", "what it is", "options of make()"):
        table.add_column(column, overflow="fold")
    for id, spec in clarify_env.registry.items():
        build = spec.load()
        about = (sys.modules[build.__module__].__doc__ or "").strip().split("\n\n")[0]
        known = inspect.signature(build).parameters.values()
        shown = ["turn_cost=0.1", "word_cost=0.01"]
        shown += [f"{p.name}={p.default!r}" for p in known if p.name not in ("costs", "render_mode")]
        table.add_row(id, " ".join(about.split()), ", ".join(shown))
    console.print(table)


@app.command(
    epilog="Examples: clarify-env play  |  clarify-env play --as user --agent optimal --turn-cost 0.02  |  "
    "clarify-env play --as nobody --agent always-ask --seed 7"
)
def play(
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    seed: Seed = 0,
    who: Annotated[str, typer.Option("--as", help="Whom you play: asker, user, both or nobody.")] = "asker",
    agent: Annotated[
        str, typer.Option(help=f"The asker, if it is not you: {', '.join(ASKERS)}.")
    ] = "optimal",
    turn_cost: Annotated[float, typer.Option(help="Price of a question.")] = 0.1,
    word_cost: Annotated[float, typer.Option(help="Price of a word of the final message.")] = 0.01,
    task: Annotated[str | None, typer.Option(help="Position or id of the question; default: drawn.")] = None,
    split: Annotated[str, typer.Option(help="train or validation.")] = "validation",
    episodes: Annotated[int, typer.Option(help="How many to play.", min=1)] = 1,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
) -> None:
    """Play an episode by hand, as either player, and see what the best play would have earned."""
    game = clarify_env.make(env, turn_cost=turn_cost, word_cost=word_cost, **_options(data_dir, split=split))
    model = UserModel(noise, vagueness, refusal)
    play_by_hand(game, console, who, agent, model, task, episodes, seed)


@app.command(
    epilog="Examples: clarify-env train  |  clarify-env train --env ambigqa-v0 --data-dir DIR  |  "
    "clarify-env train --out runs/mine --seed 1 --rule clustering  |  "
    "clarify-env train --out runs/mine --resume"
)
def train(
    context: typer.Context,
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; default: runs/ENV-RULE-seedN.")] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    no_wandb: NoWandb = False,
    rule: Annotated[
        str, typer.Option(help="threshold, top-k, clustering or best-continuation.")
    ] = "best-continuation",
    no_rescore: Annotated[
        bool, typer.Option("--no-rescore", help="Count each episode only at the costs it was played under.")
    ] = False,
    iterations: Annotated[int, typer.Option(help="Grow and improve steps.", min=1)] = 4,
    tasks: Annotated[int, typer.Option(help="Questions per iteration.", min=1)] = 64,
    samples: Annotated[int, typer.Option(help="Episodes per question.", min=1)] = 36,
    start_share: Annotated[float, typer.Option(help="Share of them by the start policy.")] = 1 / 3,
    turn_costs: Annotated[str, typer.Option(help="Training grid.")] = "0.02,0.1,0.3",
    word_costs: Annotated[str, typer.Option(help="Training grid.")] = "0.002,0.01,0.04",
    updates: Annotated[int, typer.Option(help="Gradient steps per iteration.", min=1)] = 400,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
    eval_tasks: Tasks = 500,
    threads: Threads = 1,
) -> None:
    """Teach a policy to follow the costs, and evaluate it at costs that it has never seen."""
    rest, experiment, runs = _trainer("rest"), _trainer("experiment"), _trainer("runs")
    experiment.set_threads(threads)
    knobs = {"noise": noise, "vagueness": vagueness, "refusal": refusal}
    UserModel(**knobs)
    out = out or Path("runs") / f"{env}-{rule}-seed{seed}"
    run = runs.RunDirectory(out)
    given = {
        "env": env,
        "env_options": _options(data_dir and data_dir.resolve()),
        "user": {name: value for name, value in knobs.items() if value},
        "seed": seed,
        "rule": rule,
        "rescore": not no_rescore,
        "iterations": iterations,
        "tasks": tasks,
        "samples": samples,
        "start_share": start_share,
        "turn_costs": _floats(turn_costs, "--turn-costs"),
        "word_costs": _floats(word_costs, "--word-costs"),
        "updates": updates,
    }
    if resume:
        settings = rest.read_config(run).changed(**{n: v for n, v in given.items() if _typed(context, n)})
    else:
        settings = rest.Settings(**given)
    console.print(f"Run directory: [bold]{out}[/bold]", highlight=False)
    log = None
    try:
        with Bars(console) as bars:
            for line in experiment.train(settings, run, resume, bars):
                log = log or (None if no_wandb else _wandb(run, settings.to_config()))
                if log:
                    log.iteration(line, bars.episodes)
                bars.print(
                    f"iteration {line['iteration'] + 1}/{settings.iterations}: "
                    f"played reward {line['play/reward']:+.3f}, "
                    f"greedy {line.get('check/reward', float('nan')):+.3f}, "
                    f"asks {line.get('check/asks', float('nan')):.2f}"
                )
            summary = experiment.evaluate_run(run, tasks=eval_tasks, watcher=bars)
        log = log or (None if no_wandb else _wandb(run, settings.to_config()))
        if log:
            log.summary(summary, str(out / "steerability.png"))
    finally:
        if log:
            log.close()
    console.print(results(summary))
    console.print(f"Picture: {out / 'steerability.png'}; numbers: {out / 'summary.json'}", highlight=False)


def _typed(context: typer.Context, name: str) -> bool:
    """Whether the option behind a setting was given on the command line."""
    sources = {
        "env_options": ("data_dir",),
        "user": ("noise", "vagueness", "refusal"),
        "rescore": ("no_rescore",),
    }
    found = (context.get_parameter_source(option) for option in sources.get(name, (name,)))
    return any(source is not None and source.name == "COMMANDLINE" for source in found)


def _wandb(run: Any, config: dict[str, Any]) -> Any:
    try:
        return _trainer("wandblog").WandbLog(run, config)
    except ClarifyError as error:
        console.print(f"Not logged to W&B: {error}", markup=False)
        return None


@app.command(
    epilog="Examples: clarify-env evaluate runs/synthetic-v0-best-continuation-seed0  |  "
    "clarify-env evaluate optimal --env ambigqa-v0 --data-dir DIR --eval-tasks 200"
)
def evaluate(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help=f"A run directory, or an agent: {', '.join(ASKERS)}.")],
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: the run, or runs/NAME-ENV.")
    ] = None,
    seed: Seed = 0,
    split: Annotated[str, typer.Option(help="The questions to evaluate on.")] = "validation",
    checkpoint: Annotated[int | None, typer.Option(help="Iteration of a run; 0 is the start.", min=0)] = None,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
    eval_tasks: Tasks = None,
    threads: Threads = 1,
    no_wandb: NoWandb = False,
) -> None:
    """Measure an asker over the cost grid, beside the fixed strategies and the optimum."""
    experiment, runs = _trainer("experiment"), _trainer("runs")
    experiment.set_threads(threads)
    options = _options(data_dir, split=split)
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
                env_options=options,
                watcher=bars,
            )
        else:
            if Path(target).is_dir():
                raise ClarifyError(f"{target}: no run directory; it has no config.json")
            choose("agent or run directory", target, [name for name in ASKERS if name != "human"])
            if checkpoint is not None:
                raise ClarifyError(
                    f"--checkpoint {checkpoint}: {target} is an agent, not a run with checkpoints"
                )
            out = out or Path("runs") / f"{target}-{env}"
            _not_a_run(out, target)
            summary = experiment.evaluate_agent(
                target, env, out, user=knobs, tasks=eval_tasks, seed=seed, env_options=options, watcher=bars
            )
    log = None if no_wandb else _wandb(runs.RunDirectory(out), {"evaluated": target, "env": summary["env"]})
    if log:
        log.summary(summary, str(out / "steerability.png"))
        log.close()
    console.print(results(summary))
    console.print(f"Picture: {out / 'steerability.png'}; numbers: {out / 'summary.json'}", highlight=False)


def _not_a_run(out: Path, target: str) -> None:
    """Raise where writing an evaluation to `out` would overwrite that of another run."""
    if (out / "config.json").exists() and out.resolve() != Path(target).resolve():
        raise ClarifyError(f"--out {out}: holds the run of another policy; give another folder")


def main() -> None:
    """Run the command; mistakes end in one line and exit code 1, Ctrl-C in 130."""
    errors = Console(stderr=True)
    try:
        code = app(standalone_mode=False)
        if code == 130:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except ClarifyError as error:
        errors.print(f"clarify-env: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("clarify-env: interrupted; what is complete is kept (train goes on with --resume)")
        sys.exit(130)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        errors.print(f"clarify-env: {error.format_message()}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
