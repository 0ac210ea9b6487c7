"""Episodes with a person in them, and what the best play would have earned.

The command `clarify-env`; what takes long, and the playground, have files of their own.
"""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import clarify_env
from clarify_env.agent import Agent
from clarify_env.agents import ASKERS, Human, make_asker
from clarify_env.agents.human import Person
from clarify_env.agents.roster import roster_of
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.clarification.game import ClarificationGame
from clarify_env.games.clarification.optimum import solver
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.render import ansi
from clarify_env.rollout import rollout
from clarify_env.trainers.cli.options import (
    Costs,
    DataDir,
    Env,
    Knowledge,
    Noise,
    Refusal,
    Seed,
    Vagueness,
    app,
    console,
    levels,
    options,
)


def play_by_hand(
    env: GameEnv[Any],
    console: Console,
    who: str | None = None,
    agent: str | None = None,
    user: Mapping[str, float] | None = None,
    task: str | None = None,
    episodes: int = 1,
    seed: int = 0,
) -> None:
    """Play episodes in the terminal.

    Args:
        env: the game, at fixed costs.
        console: to show it on; input comes from the terminal.
        who: whom the person plays: a player of the game, both (all of them) or nobody; by default the first.
        agent: of a clarification game the name of the asker where the person is not; of another the team of
            its cast that the others belong to. By default the best.
        user: knobs of the scripted user where the person is not.
        task: position or id of the question; None to draw it.
        episodes: how many, >= 1.
        seed: of everything random.

    Raises:
        ClarifyError: an unknown name, or the input ends before the episode does.
    """
    knobs = user or {}
    players, teams = env.possible_agents, roster_of(env.game).teams
    who = choose("player", who or players[0], (*players, "both", "nobody"))
    by_hand = players if who == "both" else [player for player in players if player == who]
    asks = isinstance(env.game, ClarificationGame)
    if agent == "human" and "asker" not in by_hand:
        raise ClarifyError(f"--agent human with --as {who}: to play the asker yourself use --as asker")
    best = list(teams)[-1]
    if asks and agent not in (None, "human"):
        others = {**teams[best](env, knobs), "asker": make_asker(str(agent), env, UserModel(**knobs))}
    else:
        named = best if agent in (None, "human") else choose("team", str(agent), teams)
        others = dict(teams[named](env, knobs))

    def write(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    people: dict[str, Agent] = {
        player: Human(write=write) if asks else Person(player, env.game.moves[player], write=write)
        for player in by_hand
    }
    key = int(task) if task is not None and task.isdecimal() and len(task) < 8 else task
    pinned = {} if key is None else {"task": key}
    try:
        for episode in rollout(env, {**others, **people}, episodes, seed, batch=1, options=lambda i: pinned):
            console.print()
            console.print(Text.from_ansi(ansi(episode)))
            if asks:
                value = _optimum(env, episode, UserModel(**knobs))
                console.print(
                    f"Optimal play with open notes earns {value:+.3f} on average over the meanings."
                )
            else:
                team = teams[best](env, knobs)
                first = episode.index or 0
                (twin,) = rollout(env, team, 1, seed, batch=1, first=first, options=lambda i: pinned)
                console.print(f"The team {best!r} earns {twin.reward:+.3f} in the same episode.")
    except EOFError:
        raise ClarifyError("no more input: the episode was left unfinished") from None


def _optimum(env: GameEnv[Any], episode: Episode, user: UserModel) -> float:
    played = next(t for t in env.game.tasks if t.id == episode.setup["task"])
    best = solver(played.question, played.interpretations, user, env.game.max_turns, env.game.grade)
    return float(best.optimum([env.game.costs_type(**episode.costs)])[0, 0])


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
def play(
    env: Env = "synthetic-v0",
    data_dir: DataDir = None,
    knowledge: Knowledge = None,
    seed: Seed = 0,
    who: Annotated[
        str | None,
        typer.Option("--as", help="Whom you play: a player of the game, both or nobody; default: the first."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help=f"The asker, if it is not you: {', '.join(ASKERS)}; in other games the team that the others "
            "are of. Default: the best."
        ),
    ] = None,
    costs: Costs = None,
    task: Annotated[str | None, typer.Option(help="Position or id of the question; default: drawn.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train or validation, the default, where the game has splits.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="How many to play.", min=1)] = 1,
    noise: Noise = 0.0,
    vagueness: Vagueness = 0.0,
    refusal: Refusal = 0.0,
) -> None:
    """Play an episode by hand, as any player, and see what the best play would have earned."""
    prices: dict[str, Any] = {}
    for name, values in levels(costs).items():
        if len(values) > 1:
            raise ClarifyError(f"--costs {name}={values}: an episode has one level, as {name}=0.1")
        prices[f"{name}_cost"] = values[0]
    chosen = clarify_env.registry[env].held_out(options(data_dir, split=split, knowledge=knowledge))
    game = clarify_env.make(env, **prices, **chosen)
    knobs = {"noise": noise, "vagueness": vagueness, "refusal": refusal}
    play_by_hand(game, console, who, agent, knobs, task, episodes, seed)
