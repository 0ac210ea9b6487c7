"""Episodes with a person in them, and what the best play would have earned."""

from typing import Any

from rich.console import Console
from rich.text import Text

from clarify_env.agents import Human, ScriptedUser, make_asker
from clarify_env.collect import rollout
from clarify_env.costs import Costs
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.optimum import solver
from clarify_env.render import ansi
from clarify_env.usermodel import UserModel


def play_by_hand(
    env: GameEnv[Any],
    console: Console,
    who: str,
    agent: str,
    user: UserModel,
    task: str | None = None,
    episodes: int = 1,
    seed: int = 0,
) -> None:
    """Play episodes in the terminal.

    Args:
        env: the game, at fixed costs.
        console: to show it on; input comes from the terminal.
        who: whom the person plays: asker, user, both or nobody.
        agent: name of the asker where the person is not.
        user: how the scripted user behaves where the person is not.
        task: position or id of the question; None to draw it.
        episodes: how many, >= 1.
        seed: of everything random.

    Raises:
        ClarifyError: an unknown name, or the input ends before the episode does.
    """
    choose("player", who, ("asker", "user", "both", "nobody"))
    if agent == "human" and who not in ("asker", "both"):
        raise ClarifyError(f"--agent human with --as {who}: to play the asker yourself use --as asker")
    human = Human(write=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
    players = {
        "asker": human if who in ("asker", "both") else make_asker(agent, env, user),
        "user": human if who in ("user", "both") else ScriptedUser(user),
    }
    key = int(task) if task is not None and task.isdecimal() and len(task) < 8 else task
    pinned = {} if key is None else {"task": key}
    try:
        for episode in rollout(env, players, episodes, seed, batch=1, options=lambda i: pinned):
            console.print()
            console.print(Text.from_ansi(ansi(episode)))
            played = next(t for t in env.game.tasks if t.id == episode.setup["task"])
            best = solver(played.question, played.interpretations, user, env.game.max_turns, env.game.grade)
            value = best.optimum([Costs(**episode.costs)])[0, 0]
            console.print(f"Optimal play with open notes earns {value:+.3f} on average over the meanings.")
    except EOFError:
        raise ClarifyError("no more input: the episode was left unfinished") from None
