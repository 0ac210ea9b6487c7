"""The command's application object, and the options that several of its commands share."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from clarify_env.errors import ClarifyError

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


Knowledge = Annotated[
    str | None,
    typer.Option(help="What the asker holds: open (notes), document or closed; default: the game's own."),
]


Costs = Annotated[
    list[str] | None,
    typer.Option("--costs", help="Levels of one cost, as turn=0.02,0.1; once a cost. Default: the usual."),
]


Seed = Annotated[int, typer.Option("--seed", help="Of everything random.", min=0)]


Noise = Annotated[float, typer.Option(help="Probability of a wrong reply of the scripted user.")]


Vagueness = Annotated[float, typer.Option(help="Probability of a reply that says nothing.")]


Refusal = Annotated[float, typer.Option(help="Probability of a refusal to be questioned.")]


Tasks = Annotated[
    int | None, typer.Option("--eval-tasks", help="Questions to evaluate on; default: all.", min=1)
]


NoWandb = Annotated[bool, typer.Option("--no-wandb", help="Nothing for Weights & Biases.")]


Processes = Annotated[
    int | None,
    typer.Option(help="That share the work; default: all cores, for a language model 1.", min=1),
]


Threads = Annotated[int, typer.Option(help="Threads of torch.", min=1)]


def options(data_dir: Path | None, **more: Any) -> dict[str, Any]:
    """Options of `make`, those that were given."""
    options = {"data_dir": None if data_dir is None else str(data_dir), **more}
    return {name: value for name, value in options.items() if value is not None}


def levels(given: list[str] | None) -> dict[str, tuple[float, ...]]:
    """The levels of each cost, of options such as turn=0.02,0.1."""
    found = {}
    for text in given or ():
        name, _, listed = text.partition("=")
        try:
            found[name] = tuple(float(part) for part in listed.split(","))
        except ValueError:
            raise ClarifyError(
                f"--costs {text!r}: a cost's name and numbers, such as turn=0.02,0.1,0.3"
            ) from None
    return found


def trainer(name: str) -> Any:
    """A module that needs the training packages."""
    try:
        return import_module(f"clarify_env.trainers.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("clarify_env"):
            raise
        raise ClarifyError(f"{error.name} is not installed: pip install 'clarify_env[train]'") from None
