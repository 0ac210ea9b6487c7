"""The command that crosses askers and users: crossplay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import clarify_env
from clarify_env.agent import Agent
from clarify_env.agents.catalog import NAMES, is_language_model, load, load_team
from clarify_env.agents.roster import others_of, roster_of, teams_of, with_panel
from clarify_env.costs import CostGrid
from clarify_env.errors import ClarifyError
from clarify_env.trainers.cli.options import (
    CostLevels,
    DataDir,
    Env,
    Seed,
    Threads,
    app,
    check_sampling,
    console,
    given,
    levels,
    options,
    trainer,
    with_sampling,
)
from clarify_env.trainers.loggers import Bars


@app.command(
    epilog="Examples: clarify-env crossplay RUN_A RUN_B optimal  |  "
    "clarify-env crossplay RUN --users scripted,noisy:0.1,embed,small --eval-tasks 50"
)
@with_sampling
def crossplay(
    context: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(help=f"Who plays the first player that is trained: names of the game, or {NAMES}."),
    ],
    users: Annotated[
        str | None,
        typer.Option(
            help="Who plays the others, names with commas: scripted, terse, fitted, embed, noisy:P, vague:P, "
            f"refusing:P, panel for all kinds, a team of the game, or {NAMES}. Default: those of the runs "
            "that trained them as well, and scripted,noisy:0.1,vague:0.2, or the teams."
        ),
    ] = None,
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    out: Annotated[Path, typer.Option(help="Folder to write to, and to go on in.")] = Path("runs/crossplay"),
    seed: Seed = 0,
    split: Annotated[str, typer.Option(help="The questions to play.")] = "validation",
    eval_tasks: Annotated[int, typer.Option("--eval-tasks", help="Questions to play.", min=1)] = 100,
    costs: CostLevels = None,
    threads: Threads = 1,
    *,
    sampling: dict[str, Any],
) -> None:
    """Play everybody with partners that they were not trained with: does a score hold away from home?"""
    crossing, run_named = trainer("evaluation.crossplay"), trainer("run_directory").run_named
    trainer("evaluation.parallel").set_threads(threads)
    trained = {
        name: trainer("config").read_config(run) for name in targets if (run := run_named(name)) is not None
    }
    games = {config.env for config in trained.values()}
    if len(games) > 1 and not given(context, "env"):
        raise ClarifyError(
            f"crossplay: these runs play several games: {', '.join(sorted(games))}; give --env"
        )
    env = env if given(context, "env") else next(iter(games), env)
    base: dict[str, Any] = next((dict(s.env_options) for s in trained.values() if s.env == env), {})
    chosen: dict[str, Any] = {"split": split} if given(context, "split") else {}
    chosen = clarify_env.registry[env].held_out({**base, **options(data_dir), **chosen})
    game = clarify_env.make(env, **chosen)
    roster = roster_of(game.game)
    player, teams = roster.trained[0], list(roster.teams)
    seats = [seat for seat in game.possible_agents if seat != player]
    if not seats:
        raise ClarifyError(
            f"crossplay {env}: this game has one player, so that there is nobody to cross it with"
        )
    pairs = [name for name, config in trained.items() if set(seats) <= set(config.policy.players)]
    names = with_panel(users, game.game) if users else [*pairs, *(roster.partners or teams_of(game))]
    check_sampling(sampling, [*targets, *names])
    made = {_shown(name): load_team(name, game, seats, **sampling) for name in names}
    askers: dict[str, Agent] = {}
    own: dict[str, str] = {}
    identity = {_shown(n): _identity(run) for n in [*targets, *names] if (run := run_named(n)) is not None}
    identity |= {n: f"{n} {sampling}" for n in [*targets, *names] if is_language_model(n)}
    for name in targets:
        shown = _shown(name)
        if shown in askers:
            raise ClarifyError(f"crossplay: two players are called {shown!r}; rename a run directory")
        askers[shown] = load(name, game, player, **sampling)
        if (name in trained and name not in pairs) or name == teams[-1]:
            told = trained[name].rollout.knobs if name in trained else {}
            mine = {seat: a for seat, a in others_of(game, told).items() if seat not in roster.trained}
            home = [user for user, team in made.items() if mine and _alike(mine, team)]
            own.update({shown: home[0]} if home else {})
        if shown in made:
            own[shown] = shown
    unseen = clarify_env.registry[env].unseen
    grid = CostGrid(of=unseen.of, **{**unseen.levels, **levels(costs)})
    with Bars(console) as bars:
        result = crossing.crossplay(
            game,
            askers,
            made,
            out,
            own=own,
            identity=identity,
            tasks=eval_tasks,
            seed=seed,
            watcher=bars,
            cells=list(grid),
        )
    tables = trainer("reporting.tables")
    tables.draw_crossplay(result, out / "crossplay.png")
    console.print(tables.crossplay_table(result))
    console.print(f"Picture: {out / 'crossplay.png'}; numbers: {out / 'crossplay.json'}", highlight=False)


def _shown(name: str) -> str:
    """The name in the result: of a run that of its folder."""
    return Path(name).name if trainer("run_directory").run_named(name) else name


def _identity(run: Any) -> str:
    """Which policy a run directory holds: its place and its last checkpoint with the time of writing."""
    last = run.last()
    stamp = 0 if last is None else run.checkpoint(last).stat().st_mtime_ns
    return f"{run.path.resolve()} {last} {stamp}"


def _alike(own: Mapping[str, Agent], team: Mapping[str, Agent]) -> bool:
    """Whether the same scripted agents sit in these seats, as a trained player had for partners."""

    def told(agent: Agent) -> tuple[type, dict[str, object]]:
        return type(agent), {name: value for name, value in vars(agent).items() if name != "_rng"}

    return all(told(agent) == told(team[seat]) for seat, agent in own.items())
