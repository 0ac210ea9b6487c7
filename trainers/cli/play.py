"""Episodes with a person in them, and what the best play would have earned."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import clarify_env
from clarify_env.agents.catalog import NAMES, load_team
from clarify_env.agents.roster import bound_of, others_of, roster_of, teams_of
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError, choose
from clarify_env.render import ansi
from clarify_env.rollout import rollout
from clarify_env.trainers.cli.options import (
    CostLevels,
    DataDir,
    Env,
    EnvOptions,
    Knobs,
    Seed,
    app,
    check_sampling,
    console,
    game_of,
    knobs,
    levels,
    options,
    trainer,
    with_sampling,
)


def play_by_hand(
    env: GameEnv[Any],
    console: Console,
    who: str | None = None,
    agent: str | None = None,
    knobs: Mapping[str, float] | None = None,
    task: str | None = None,
    episodes: int = 1,
    seed: int = 0,
    sampling: Mapping[str, Any] | None = None,
) -> None:
    """Play episodes in the terminal.

    Args:
        env: the game, at fixed costs.
        console: to show it on; input comes from the terminal.
        who: whom the person plays: a player of the game, both (all of them) or nobody; by default the first.
        agent: who plays the trained players where the person does not, by name (see
            `clarify_env.agents.catalog.load_team`); by default the last of the scripted teams, which also
            plays everybody else.
        knobs: of the scripted players.
        task: position or id of the question; None to draw it.
        episodes: how many, >= 1.
        seed: of everything random.
        sampling: of a language model, as `load_team` takes it.

    Raises:
        ClarifyError: an unknown name, or the input ends before the episode does.
    """
    players, roster = env.possible_agents, roster_of(env.game)
    who = choose("player", who or players[0], (*players, "both", "nobody"))
    by_hand = players if who == "both" else [player for player in players if player == who]
    others = dict(others_of(env, knobs))
    seats = trainer("config").trained_by(agent or "") or roster.trained
    open_seats = [player for player in seats if player not in by_hand]
    if agent == "human" and open_seats:
        raise ClarifyError(f"--agent human with --as {who}: to play it yourself use --as {open_seats[0]}")
    if agent not in (None, "human") and open_seats:
        others |= load_team(str(agent), env, open_seats, knobs=knobs, **(sampling or {}))
    elif agent not in (None, "human", *teams_of(env)):
        load_team(str(agent), env, roster.trained, knobs=knobs, **(sampling or {}))  # an unknown name is told

    def write(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    people = {player: roster.person(env, player, write) for player in by_hand}
    key = int(task) if task is not None and task.isdecimal() and len(task) < 8 else task
    pinned = {} if key is None else {"task": key}
    try:
        for episode in rollout(env, {**others, **people}, episodes, seed, batch=1, options=lambda i: pinned):
            console.print()
            console.print(Text.from_ansi(ansi(episode)))
            console.print(best_play(env, episode, knobs, seed, pinned), highlight=False)
    except EOFError:
        raise ClarifyError("no more input: the episode was left unfinished") from None


def best_play(
    env: GameEnv[Any],
    episode: Episode,
    knobs: Mapping[str, float] | None,
    seed: int,
    options: Mapping[str, Any],
) -> str:
    """What the best play would have earned: computed where that is known, else of the scripted teams.

    Args:
        env: the game.
        episode: what was played.
        knobs: of the scripted players.
        seed, options: of the collection that the episode belongs to.
    """
    teams, roster, others = teams_of(env, knobs), roster_of(env.game), others_of(env, knobs)
    informed = roster.informed(env)
    bound = bound_of(informed, others)
    if bound is not None:
        ids = [getattr(one, "id", one) for one in env.game.tasks]
        at = ids.index(episode.setup["task"])
        value = float(bound.solve(at, [env.game.costs_type(**episode.costs)])["reward"][0])
        seats = " and ".join(p for p in others if p not in roster.trained)
        return (
            f"The {bound.name} with the scripted {seats} is {value:+.3f} on this question, on average over "
            "what it may mean."
        )
    found = {}
    for name, team in teams.items():
        (twin,) = rollout(
            informed, team, 1, seed, batch=1, first=episode.index or 0, options=lambda i: dict(options)
        )
        found[name] = twin.reward
    best = max(found, key=lambda name: found[name])
    return f"The team {best!r} earns {found[best]:+.3f} in the same episode."


@app.command(epilog="Example: clarify-env envs")
def envs() -> None:
    """List the environments with their options."""
    table = Table(show_lines=True)
    table.add_column("environment", no_wrap=True)
    table.add_column("what it is, and the options of make() with their defaults", overflow="fold")
    for id, spec in clarify_env.registry.items():
        build = spec.load()
        about = (sys.modules[build.__module__].__doc__ or "").strip().split("\n\n")[0]
        about = " ".join(about.removeprefix(f"`{id}`:").split())
        shown = [f"{name}_cost={value:g}" for name, value in spec.costs._asdict().items()]
        shown += [f"{name}={value!r}" for name, value in spec.options.items() if name != "render_mode"]
        table.add_row(id, Text.assemble(about[:1].upper() + about[1:], "\n", (", ".join(shown), "dim")))
    console.print(table)


@app.command(
    epilog="Examples: clarify-env play  |  clarify-env play --as user --agent optimal --costs turn=0.02  |  "
    "clarify-env play --as nobody --agent always-ask --seed 7"
)
@with_sampling
def play(
    context: typer.Context,
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    env_option: EnvOptions = None,
    seed: Seed = 0,
    who: Annotated[
        str | None,
        typer.Option("--as", help="Whom you play: a player of the game, both or nobody; default: the first."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="Who plays the trained players that you do not: a name of the game (optimal, floor), or "
            f"{NAMES}. Default: the best."
        ),
    ] = None,
    costs: CostLevels = None,
    task: Annotated[str | None, typer.Option(help="Position or id of the question; default: drawn.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train or validation, the default, where the game has splits.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="How many to play.", min=1)] = 1,
    knob: Knobs = None,
    *,
    sampling: dict[str, Any],
) -> None:
    """Play an episode by hand, as any player, and see what the best play would have earned."""
    prices: dict[str, Any] = {}
    for name, values in levels(costs).items():
        if len(values) > 1:
            raise ClarifyError(f"--costs {name}={values}: an episode has one level, as {name}=0.1")
        prices[f"{name}_cost"] = values[0]
    check_sampling(sampling, [agent or "scripted players"])
    env, own, learnt = game_of(context, agent)
    chosen = clarify_env.registry[env].held_out(
        {**own, **options(data_dir, split=split, env_option=env_option)}
    )
    game = clarify_env.make(env, **prices, **chosen)
    play_by_hand(game, console, who, agent, knobs(knob) or learnt, task, episodes, seed, sampling)
