"""The command that serves the playground."""

from typing import Annotated, Any

import typer

from clarify_env.agents.catalog import load
from clarify_env.registry import make, registry
from clarify_env.trainers.cli.options import (
    DataDir,
    Env,
    Knobs,
    Seed,
    app,
    check_sampling,
    game_of,
    knobs,
    options,
    trainer,
    with_sampling,
)


@app.command(
    epilog="Examples: clarify-env demo  |  clarify-env demo runs/move-scorer-synthetic-v0-seed0  |  "
    "clarify-env demo small --samples 16  |  clarify-env demo optimal --env ambigqa-v0 --data-dir DIR"
)
@with_sampling
def demo(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(help="A run directory, or an agent as for `clarify-env evaluate`.")
    ] = "optimal",
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    seed: Seed = 0,
    samples: Annotated[int, typer.Option(help="Messages drawn of a language model.", min=1, max=256)] = 8,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Default: the first free one from 7860.", min=1)] = None,
    knob: Knobs = None,
    *,
    sampling: dict[str, Any],
) -> None:
    """Serve a page to try a policy on: move the costs, see what it prefers, answer it to the end."""
    check_sampling(sampling, [target])
    name, own, learnt = game_of(context, target)
    game = make(name, **registry[name].held_out({**own, **options(data_dir)}))
    module = trainer("reporting.playground")
    module.check_playable(game)
    told = knobs(knob) or learnt
    asker: Any = load(target, game, "asker", knobs=told, **sampling)
    if hasattr(asker, "temperature") and "temperature" not in sampling:
        asker = asker.with_(temperature=1.0)
    paired = "user" in trainer("config").trained_by(target)
    partner = load(target, game, "user") if paired else None
    play = module.Playground(game, asker, module.UserModel(**told), samples, seed, partner)
    trainer("reporting.playground_page").serve(play, target, host, port)
