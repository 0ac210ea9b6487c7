"""Who plays a game: the half of its package that stands among the agents.

A game's package of agents says ROSTER = Roster(...); the table below names it by the game's family. Another
person's package adds one by the entry point group "clarify_env.agents": the family, and "package:ROSTER".
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

from clarify_env.agent import Agent
from clarify_env.agents.llm.prompt import Prompt
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.game import Game
from clarify_env.games import installed, load_object

Team = Callable[[GameEnv[Any], Mapping[str, float]], Mapping[str, Agent]]
Make = Callable[[GameEnv[Any] | None, Mapping[str, float], str], Agent]


class Policy(Protocol):
    """Builds the small policy of a player, ready to be trained; loads torch."""

    def __call__(self, env: GameEnv[Any], player: str, hidden: int, seed: int) -> Any:
        """The policy with `hidden` units a layer and weights from `seed`."""
        ...


class Roster(NamedTuple):
    """Who plays a game.

    Args:
        trained: the players that are trained where nothing else is said.
        teams: by name scripted players of the whole game, from a floor to the best that is known; each is
            built from the environment and from knobs, which are empty but for the games that have some. Who
            is not trained is played by the last team.
        policy: builds the small policy of a player.
        prompts: by role what puts its turn to a language model, as "module:Class" or a class.
        agents: by role, agents of a single player by name; each is built from the environment (None for the
            game's usual one), the knobs, and what stands behind the colon of "name:argument" ("" without).
        recipe: what the small policies change of the usual training settings.
    """

    trained: tuple[str, ...]
    teams: Mapping[str, Team]
    policy: Policy
    prompts: Mapping[str, str | Callable[[], Prompt]] = {}
    agents: Mapping[str, Mapping[str, Make]] = {}
    recipe: Mapping[str, Any] = {}


ROSTERS: dict[str, str | Roster] = {
    "clarification": "clarify_env.agents.clarification:ROSTER",
    "csp": "clarify_env.agents.csp:ROSTER",
    "pingeval-chess": "clarify_env.agents.pingeval:CHESS_ROSTER",
    "pingeval-names": "clarify_env.agents.pingeval:NAMES_ROSTER",
}


def register_roster(family: str, roster: Roster) -> None:
    """Say who plays the games of this family.

    Raises:
        ClarifyError: it is known already.
    """
    if family in ROSTERS or family in installed("clarify_env.agents"):
        raise ClarifyError(f"register_roster({family!r}): this game has a roster")
    ROSTERS[family] = roster


def roster_of(game: Game[Any] | type[Game[Any]] | str) -> Roster:
    """The roster of a game, or of a family of games by its name.

    Raises:
        ClarifyError: it has none.
    """
    family = game if isinstance(game, str) else game.family
    found = ROSTERS.get(family) or installed("clarify_env.agents").get(family)
    if isinstance(found, str):
        found = load_object(found)
    if isinstance(found, Roster):
        return found
    kind = game if isinstance(game, type) else type(game)
    who = repr(game) if isinstance(game, str) else kind.__name__
    raise ClarifyError(f"nobody is known to play {who}: clarify_env.agents.roster.register_roster says who")


@cache
def _prompt(role: str) -> Prompt:
    family, _, name = role.rpartition("/")
    made = roster_of(family).prompts
    if name not in made:
        raise ClarifyError(f"no prompt is known for the role {role!r}; give the language model prompt=...")
    found = made[name]
    kind: Callable[[], Prompt] = load_object(found) if isinstance(found, str) else found
    return kind()


def prompt_of(role: str) -> Prompt:
    """The prompt of a role, as an observation names it ("clarification/asker").

    Raises:
        ClarifyError: its game has no roster, or that has no prompt for it.
    """
    return _prompt(role)


def make_agent(name: str, role: str, env: GameEnv[Any] | None, knobs: Mapping[str, float]) -> Agent | None:
    """The scripted agent of this name for a role, or None where the roster has none.

    Args:
        name: such as "optimal" or "noisy:0.1".
        role: as the game states it, "clarification/user".
        env: the game that it is to play; by default the family's usual one.
        knobs: of the family, such as the noise of its scripted user.
    """
    family, _, who = role.rpartition("/")
    known = roster_of(family).agents.get(who, {})
    kind, _, argument = name.partition(":")
    return known[kind](env, knobs, argument) if kind in known else None


def team_of(name: str, env: GameEnv[Any], knobs: Mapping[str, float] | None = None) -> Mapping[str, Agent]:
    """The scripted team of this name for a whole game.

    Raises:
        ClarifyError: the game has no such team.
    """
    teams = roster_of(env.game).teams
    return teams[choose(f"team of {env.name}", name, teams)](env, knobs or {})
