"""The command `clarify-env`; what takes long, and the playground, have files of their own."""

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import clarify_env
from clarify_env.agents import ASKERS
from clarify_env.errors import ClarifyError
from clarify_env.trainers import auditcommand as auditcommand  # register their own
from clarify_env.trainers import commands as commands
from clarify_env.trainers import comparecommand as comparecommand
from clarify_env.trainers import crosscommand as crosscommand
from clarify_env.trainers import democommand as democommand
from clarify_env.trainers import isotokencommand as isotokencommand
from clarify_env.trainers.byhand import play_by_hand
from clarify_env.trainers.options import (
    Costs,
    DataDir,
    Env,
    Knowledge,
    Noise,
    Refusal,
    Seed,
    Vagueness,
    app,
    console,
    levels,
    options,
)


@app.command(epilog="Example: clarify-env envs")
def envs() -> None:
    """List the environments with their options."""
    table = Table(show_lines=True)
    for column in ("id", "what it is", "options of make()"):
        table.add_column(column, overflow="fold")
    for id, spec in clarify_env.registry.items():
        build = spec.load()
        about = (sys.modules[build.__module__].__doc__ or "").strip().split("\n\n")[0]
        shown = [f"{name}_cost={value:g}" for name, value in spec.costs._asdict().items()]
        shown += [f"{name}={value!r}" for name, value in spec.options.items() if name != "render_mode"]
        table.add_row(id, " ".join(about.split()), ", ".join(shown))
    console.print(table)


@app.command(
    epilog="Examples: clarify-env play  |  clarify-env play --as user --agent optimal --costs turn=0.02  |  "
    "clarify-env play --as nobody --agent always-ask --seed 7"
)
def play(
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    knowledge: Knowledge = None,
    seed: Seed = 0,
    who: Annotated[
        str | None,
        typer.Option("--as", help="Whom you play: a player of the game, both or nobody; default: the first."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help=f"The asker, if it is not you: {', '.join(ASKERS)}; in other games the team that the others "
            "are of. Default: the best."
        ),
    ] = None,
    costs: Costs = None,
    task: Annotated[str | None, typer.Option(help="Position or id of the question; default: drawn.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train or validation, the default, where the game has splits.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="How many to play.", min=1)] = 1,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
) -> None:
    """Play an episode by hand, as any player, and see what the best play would have earned."""
    prices: dict[str, Any] = {}
    for name, values in levels(costs).items():
        if len(values) > 1:
            raise ClarifyError(f"--costs {name}={values}: an episode has one level, as {name}=0.1")
        prices[f"{name}_cost"] = values[0]
    chosen = clarify_env.registry[env].held_out(options(data_dir, split=split, knowledge=knowledge))
    game = clarify_env.make(env, **prices, **chosen)
    knobs = {"noise": noise, "vagueness": vagueness, "refusal": refusal}
    play_by_hand(game, console, who, agent, knobs, task, episodes, seed)


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
