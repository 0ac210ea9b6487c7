"""The command `clarify-env`; what takes long, and the playground, have files of their own."""

import inspect
import sys
from typing import Annotated

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
from clarify_env.trainers.byhand import play_by_hand
from clarify_env.trainers.options import (
    DataDir,
    Env,
    Knowledge,
    Noise,
    Refusal,
    Seed,
    Vagueness,
    app,
    console,
    options,
)
from clarify_env.usermodel import UserModel


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
        shown = [f"{name}_cost={value:g}" for name, value in spec.costs._asdict().items()]
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
    knowledge: Knowledge = None,
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
    game = clarify_env.make(
        env, turn_cost=turn_cost, word_cost=word_cost, **options(data_dir, split=split, knowledge=knowledge)
    )
    model = UserModel(noise, vagueness, refusal)
    play_by_hand(game, console, who, agent, model, task, episodes, seed)


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
