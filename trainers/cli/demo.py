"""The command that serves the playground."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from clarify_env.agents import catalog
from clarify_env.env import GameEnv
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.registry import make
from clarify_env.trainers.cli.options import (
    DataDir,
    Env,
    Noise,
    Refusal,
    Seed,
    Vagueness,
    app,
    options,
    trainer,
)


def asker_to_try(target: str, env: GameEnv[Any], user: UserModel, server: str | None = None) -> Any:
    """The policy of a run directory, or the agent of this name; a language model draws its messages.

    Args:
        target: the folder or the name.
        env: the game that it plays.
        user: that the optimal asker counts on.
        server: address for server:MODEL.
    """
    experiment = trainer("experiment")
    if (Path(target) / "config.json").is_file():
        policy = experiment.load_policy(trainer("run_directory").RunDirectory(target))
        return policy.with_(temperature=1.0) if hasattr(policy, "temperature") else policy
    return catalog.load(target, env, "asker", knobs=asdict(user), server=server, temperature=1.0)


@app.command(
    epilog="Examples: clarify-env demo  |  clarify-env demo runs/move-scorer-synthetic-v0-seed0  |  "
    "clarify-env demo small --samples 16  |  clarify-env demo optimal --env ambigqa-v0 --data-dir DIR"
)
def demo(
    target: Annotated[
        str, typer.Argument(help="A run directory, or an agent as for `clarify-env evaluate`.")
    ] = "optimal",
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    seed: Seed = 0,
    samples: Annotated[int, typer.Option(help="Messages drawn of a language model.", min=1, max=256)] = 8,
    server: Annotated[str | None, typer.Option(help="Address of the server of server:MODEL.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Default: the first free one from 7860.", min=1)] = None,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
) -> None:
    """Serve a page to try a policy on: move the costs, see what it prefers, answer it to the end."""
    game = make(env, **options(data_dir, split="validation"))
    user = UserModel(noise, vagueness, refusal)
    asker = asker_to_try(target, game, user, server)
    play = trainer("reporting.playground").Playground(game, asker, user, samples, seed)
    trainer("reporting.playground_page").serve(play, target, host, port)
