"""What a person typed, as against what stands there by default."""

from pathlib import Path
from typing import Any

import typer

from clarify_env.trainers.cli.options import trainer

KNOBS = ("noise", "vagueness", "refusal")


def given(context: typer.Context, name: str) -> bool:
    """Whether this option was typed, whatever its value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def knobs(context: typer.Context) -> dict[str, Any]:
    """The knobs of the scripted players that were typed."""
    return {name: context.params[name] for name in KNOBS if given(context, name)}


def game_of(context: typer.Context, target: str | None) -> tuple[str, dict[str, Any]]:
    """The game to play, and the options of a run's own game: --env where it was typed, else that of a run.

    Args:
        context: of the command, which has --env.
        target: a run directory, or another name of an agent.
    """
    env: str = context.params["env"]
    folder = Path((target or "run:").removeprefix("run:"))
    if not target or not (folder / "config.json").is_file():
        return env, {}
    settings = trainer("settings").read_config(trainer("run_directory").RunDirectory(folder))
    if given(context, "env") and env != settings.env:
        return env, {}
    return settings.env, dict(settings.env_options)
