"""What a person typed, as against what stands there by default."""

from typing import Any

import typer

KNOBS = ("noise", "vagueness", "refusal")


def given(context: typer.Context, name: str) -> bool:
    """Whether this option was typed, whatever its value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def knobs(context: typer.Context) -> dict[str, Any]:
    """The knobs of the scripted players that were typed."""
    return {name: context.params[name] for name in KNOBS if given(context, name)}


def env_of(context: typer.Context, target: str) -> str:
    """The game to play: --env where it was typed, else that of a run, else the default."""
    from pathlib import Path

    from clarify_env.trainers.cli.options import trainer

    env: str = context.params["env"]
    folder = target.removeprefix("run:")
    if given(context, "env") or not (Path(folder) / "config.json").is_file():
        return env
    own: str = trainer("settings").read_config(trainer("run_directory").RunDirectory(folder)).env
    return own
