"""What a person typed, as against what stands there by default."""

from pathlib import Path

import typer

from clarify_env.trainers.cli.options import trainer


def given(context: typer.Context, name: str) -> bool:
    """Whether this option was typed, whatever its value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def env_of(context: typer.Context, target: str) -> str:
    """The game to play: --env where it was typed, else that of a run, else the default."""
    env: str = context.params["env"]
    folder = target.removeprefix("run:")
    if given(context, "env") or not (Path(folder) / "config.json").is_file():
        return env
    own: str = trainer("config").read_config(trainer("run_directory").RunDirectory(folder)).env
    return own
