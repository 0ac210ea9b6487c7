"""The command `isotoken`: a fixed budget of words over few or many turns."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import clarify_env
from clarify_env.agent import Agent
from clarify_env.agents.catalog import NAMES, is_language_model, load_team
from clarify_env.agents.roster import roster_of
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.trainers.cli.options import (
    EnvOptions,
    Seed,
    Threads,
    app,
    check_sampling,
    console,
    options,
    trainer,
    with_sampling,
)
from clarify_env.trainers.loggers import Bars

Players = Callable[[GameEnv[Any]], Mapping[str, Agent]]


@app.command(
    epilog="Examples: clarify-env isotoken pingeval-names-v0 --agent list,bisect,code --budget 32  |  "
    "clarify-env isotoken pingeval-chess-v0 --agent pieces,counts --controls silent  |  "
    "clarify-env isotoken pingeval-names-v0 --agent model:FOLDER --env-option records=9"
)
@with_sampling
def isotoken(
    env: Annotated[str, typer.Argument(help="A game that takes `turns` and `budget`.")],
    agent: Annotated[
        str,
        typer.Option(help=f"Who plays, names with commas: teams of the game (such as guess), or {NAMES}."),
    ],
    turns: Annotated[str, typer.Option(help="Messages of each player.")] = "2,4,8,16",
    budget: Annotated[int, typer.Option(help="Words of each player.", min=1)] = 128,
    controls: Annotated[
        str, typer.Option(help="Of silent, deranged, oracle; none for the game alone.")
    ] = "silent,deranged,oracle",
    episodes: Annotated[int, typer.Option(help="Of each point of a curve.", min=2)] = 300,
    env_option: EnvOptions = None,
    split: Annotated[str, typer.Option(help="The tasks to play.")] = "validation",
    out: Annotated[Path | None, typer.Option(help="Folder; default: runs/isotoken-GAME.")] = None,
    seed: Seed = 0,
    threads: Threads = 1,
    *,
    sampling: dict[str, Any],
) -> None:
    """Spread a fixed budget of words over few or many turns, beside controls that take the messages away."""
    evaluation, shown = trainer("evaluation.isotoken"), trainer("reporting.tables")
    trainer("evaluation.parallel").set_threads(threads)
    takes = [id for id, spec in clarify_env.registry.items() if {"turns", "budget"} <= set(spec.options)]
    if not {"turns", "budget"} <= set(clarify_env.registry[env].options):
        raise ClarifyError(
            f"isotoken {env}: this game takes no turns and budget; these do: {', '.join(takes)}"
        )
    chosen = {"split": split, **options(None, env_option)}

    def make(count: int) -> Any:
        return clarify_env.make(env, turns=count, budget=budget, **chosen)

    listed = _numbers(turns)
    names = agent.split(",")
    check_sampling(sampling, names)
    game = make(max(listed))  # with a mistake in its options, or in a name, nothing is played
    made = {Path(name).name: _players(name, game, sampling) for name in names}
    if len(made) < len(names):
        raise ClarifyError(f"--agent {agent}: two of these have the same name")
    out = out or Path("runs") / f"isotoken-{env}"
    chosen_controls = [] if controls == "none" else controls.split(",")
    result: dict[str, Any] = {
        "env": env, "options": chosen, "budget": budget, "turns": listed, "episodes": episodes, "seed": seed,
        "sampling": sampling, "rows": [],
    }  # fmt: skip
    with Bars(console) as bars:
        rows = evaluation.isotoken(
            make, made, budget, listed, chosen_controls, episodes, seed, folder=out / "episodes", watcher=bars
        )
        for row in rows:
            result["rows"].append(row)
            trainer("run_directory").write_json(out / "isotoken.json", result)  # what is complete is kept
    shown.draw_isotoken([result], out / "isotoken.png")
    console.print(shown.isotoken_tables(result))
    console.print(f"Picture: {out / 'isotoken.png'}; numbers: {out / 'isotoken.json'}", highlight=False)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ClarifyError(f"--turns {text!r}: whole numbers with commas, such as 2,4,8,16") from None


def _players(name: str, game: GameEnv[Any], sampling: Mapping[str, Any]) -> Players:
    """Who plays every seat of a game: a scripted team made for each, anybody else made once."""
    more = sampling if is_language_model(name) else {}
    made = load_team(name, game, game.possible_agents, **more)
    scripted = name in roster_of(game.game).teams
    return lambda env: load_team(name, env, env.possible_agents) if scripted else made
