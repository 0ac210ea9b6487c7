"""The command's application object, the options that its commands share, and those made of the settings."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from clarify_env.agents.catalog import is_language_model
from clarify_env.errors import ClarifyError
from clarify_env.trainers.config import PARTS, Config

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


EnvOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--env-option",
        help="Of the environment, as knowledge=document or fields.question=COLUMN; once an option.",
    ),
]


CostLevels = Annotated[
    list[str] | None,
    typer.Option("--costs", help="Levels of one cost, as turn=0.02,0.1; once a cost. Default: the usual."),
]


Seed = Annotated[int, typer.Option("--seed", help="Of everything random.", min=0)]


Knobs = Annotated[
    list[str] | None, typer.Option("--knob", help="Of the scripted players, as noise=0.1; once a knob.")
]


Tasks = Annotated[
    int | None, typer.Option("--eval-tasks", help="Questions to evaluate on; default: all.", min=1)
]


LOGGING = "Weights & Biases"
NoWandb = Annotated[
    bool, typer.Option("--no-wandb", help="Nothing for Weights & Biases.", rich_help_panel=LOGGING)
]
WandbProject = Annotated[str, typer.Option(help="Project of the W&B run.", rich_help_panel=LOGGING)]
WandbEntity = Annotated[
    str | None, typer.Option(help="Its user or team; default: your own.", rich_help_panel=LOGGING)
]
WandbName = Annotated[
    str | None, typer.Option(help="Its name; default: the run directory's.", rich_help_panel=LOGGING)
]


Processes = Annotated[
    int | None,
    typer.Option(help="That share the work; default: all cores, for a language model 1.", min=1),
]


Threads = Annotated[int, typer.Option(help="Threads of torch.", min=1)]


def options(data_dir: Path | None, env_option: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """Options of `make`, those that were given."""
    options = {"data_dir": None if data_dir is None else str(data_dir), **more}
    given = {name: value for name, value in options.items() if value is not None}
    return {**given, **pairs(env_option or (), "--env-option", "knowledge=document")}


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


def pairs(given: Iterable[str], flag: str, example: str) -> dict[str, Any]:
    """Names with values, of options such as records=9; a value that is JSON is read as such.

    NAME.KEY=VALUE is one entry of a value that is made of several, as fields.question=Query.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ClarifyError(f"{flag} {text!r}: write it as NAME=VALUE, such as {example}")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        name, dot, key = name.partition(".")
        if not dot:
            found[name] = read
        elif isinstance(held := found.setdefault(name, {}), dict):
            held[key] = read
        else:
            raise ClarifyError(f"{flag} {text!r}: {name} is {held!r} already, which has no {key!r}")
    return found


def knobs(given: Iterable[str] | None) -> dict[str, float]:
    """The knobs of the scripted players, of options such as noise=0.1."""
    found = pairs(given or (), "--knob", "noise=0.1")
    for name, value in found.items():
        if not isinstance(value, (int, float)):
            raise ClarifyError(f"--knob {name}={value}: a number, as in {name}=0.1")
    return found


# Config that hold several values: their option, and how it is read.
_SEVERAL: dict[str, tuple[str, Callable[[list[str]], dict[str, Any]]]] = {
    "costs": ("--costs", levels),
    "knobs": ("--knob", knobs),
    "env_options": ("--env-option", lambda given: pairs(given, "--env-option", "knowledge=document")),
    "chat_template_kwargs": (
        "--chat-template-option",
        lambda given: pairs(given, "--chat-template-option", "enable_thinking=false"),
    ),
    "options": ("--algorithm-option", lambda given: pairs(given, "--algorithm-option", "clip_range=0.1")),
}


def _parameters() -> list[inspect.Parameter]:
    """An option for every setting, grouped by the parts of the configuration; none has a default."""
    made = []
    for part, kind in {"": Config, **PARTS}.items():
        for one in fields(kind):
            if one.name in PARTS and not part:
                continue
            name = "algorithm" if one.name == "name" else one.name
            flag = _SEVERAL[name][0] if name in _SEVERAL else "--" + name.replace("_", "-")
            shape: Any = one.type if one.type in (int, float, bool, str, int | None) else str
            shape = list[str] if name in _SEVERAL else shape
            flags = [f"{flag}/--no-{flag[2:]}"] if shape is bool else [flag]
            panel = f"{part or 'run'} (default: as the recipe says)".capitalize()
            option = typer.Option(*flags, help=one.metadata["about"], rich_help_panel=panel)
            annotation = Annotated[shape | None, option]
            kind_ = inspect.Parameter.KEYWORD_ONLY
            made.append(inspect.Parameter(name, kind_, default=None, annotation=annotation))
    return made


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for every setting; `given` has those that were given, by their names."""
    settings = _parameters()
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]

    @wraps(command)
    def run(**values: Any) -> None:
        given = {}
        for parameter in settings:
            value = values.pop(parameter.name)
            if value is None or value == []:
                continue
            if parameter.name in _SEVERAL:
                value = _SEVERAL[parameter.name][1](value)
            elif parameter.name in ("players", "pool"):
                value = tuple(value.split(","))
            given[parameter.name] = value
        command(given, **values)

    ordered = [*settings, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own)]
    run.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in ordered}
    return run


def wandb_logger(
    off: bool, project: str = "clarify_env", entity: str | None = None, name: str | None = None
) -> list[Any]:
    """The W&B logger, or nothing."""
    if off:
        return []
    return [
        trainer("loggers").WandbLogger(project, entity, name, lambda said: console.print(said, markup=False))
    ]


# How a language model plays that a command names: the settings of its sampling, with their helps.
_SAMPLING: dict[str, tuple[type[Any], str, float | None]] = {
    "server": (str, "Address of the server of server:MODEL, as http://localhost:8000/v1.", None),
    "constrain": (
        str,
        "Kind of that server, which is told the form of a move: vllm, sglang or llama.cpp.",
        None,
    ),
    "examples": (int, "Worked dialogues of the scripted players in the prompt, for each role.", 0),
    "temperature": (float, "Of the sampling; default: 0, nothing is left to chance.", 0.0),
    "max_tokens": (int, "Most tokens of a message.", 1),
    "max_thinking_tokens": (int, "Most tokens of a thought, which is then ended.", 1),
    "chat_template_kwargs": (
        list[str],
        "Of its chat template, as enable_thinking=false; once an option.",
        None,
    ),
    "device": (str, "Such as cuda:1; default: a GPU where there is one.", None),
    "dtype": (str, "Such as float32; default: bfloat16 on a GPU.", None),
}


def with_sampling(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of language models; `sampling` has those that were given."""
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "sampling"]
    more = []
    for name, (kind, about, low) in _SAMPLING.items():
        shape: Any = kind | None
        flag = _SEVERAL[name][0] if name in _SEVERAL else "--" + name.replace("_", "-")
        option = typer.Option(flag, help=about, min=low, rich_help_panel="Language models")
        annotation = Annotated[shape, option]
        keyword = inspect.Parameter.KEYWORD_ONLY
        more.append(inspect.Parameter(name, keyword, default=None, annotation=annotation))

    @wraps(command)
    def run(**values: Any) -> None:
        told = {name: values.pop(name) for name in _SAMPLING}
        given = {name: value for name, value in told.items() if value not in (None, [])}
        given |= {name: _SEVERAL[name][1](value) for name, value in given.items() if name in _SEVERAL}
        command(sampling=given, **values)

    ordered = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *more]
    run.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in ordered}
    return run


def check_sampling(sampling: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises ClarifyError where an option of language models says nothing to any of these agents."""
    listed = list(names)
    for option in sampling:
        kind = "server:" if option in ("server", "constrain") else ""
        if not any(is_language_model(name) and name.startswith(kind) for name in listed):
            wanted = (
                "server:MODEL" if kind else "a language model that is named, such as small or model:FOLDER"
            )
            raise ClarifyError(
                f"--{option.replace('_', '-')} {sampling[option]}: of {wanted}, and there is only "
                f"{', '.join(listed)}"
            )


def written(folder: Path) -> None:
    """Say where an evaluation was written to."""
    console.print(
        f"Picture: {folder / 'steerability.png'}; numbers: {folder / 'summary.json'}", highlight=False
    )


def given(context: typer.Context, name: str) -> bool:
    """Whether this option was typed, whatever its value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


class GameOf(NamedTuple):
    """The game that a command plays, and what a run brings along: options of the game, and of its players."""

    env: str
    options: dict[str, Any]
    knobs: dict[str, float]


def game_of(context: typer.Context, target: str | None) -> GameOf:
    """The game to play: --env where it was typed, else that of a run, with the run's own options.

    Args:
        context: of the command, which has --env.
        target: a run directory, or another name of an agent.
    """
    env: str = context.params["env"]
    run = trainer("run_directory").run_named(target or "")
    if run is None:
        return GameOf(env, {}, {})
    config = trainer("config").read_config(run)
    if given(context, "env") and env != config.env:
        return GameOf(env, {}, {})
    return GameOf(config.env, dict(config.env_options), dict(config.rollout.knobs))
