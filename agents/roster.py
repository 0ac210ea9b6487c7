"""Who plays a game: the half of its package that stands among the agents.

A game's package of agents says ROSTER = Roster(...); the table below names it by the game's family. Another
person's package adds one by the entry point group "clarify_env.agents": the family, and "package:ROSTER".
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

from clarify_env.agent import Agent
from clarify_env.agents.ablation import Ablation
from clarify_env.agents.human import Person
from clarify_env.agents.llm.prompt import Prompt
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import Game
from clarify_env.games import installed, load_object

Team = Callable[[GameEnv[Any], Mapping[str, float]], Mapping[str, Agent]]
Make = Callable[[GameEnv[Any] | None, Mapping[str, float], str], Agent]


Informed = Callable[[GameEnv[Any]], GameEnv[Any]]


class Bound(NamedTuple):
    """What the best play of a game yields, computed.

    Args:
        name: "optimum" where nothing that is allowed yields more; "ceiling" where no play is known that does.
        solve: takes the position of a task and C costs, and gives at each costs the expected reward, and what
            else is known of the best play: values_C by name, "reward" first.
        own: whether it is with the very players that it was asked for; False where theirs cannot be computed,
            so that it is with others, and may be passed.
    """

    name: str
    solve: Callable[[int, Sequence[Any]], Mapping[str, Floats]]
    own: bool = True


class Policy(Protocol):
    """Builds the small policy of a player, ready to be trained; loads torch.

    Where a game has several sets of moves that its policy can choose among, the builder takes the name of one
    as `candidates`, with a default. Where it matters who is trained together, it takes all their names as
    `trained`, with the usual ones as default.
    """

    def __call__(
        self, env: GameEnv[Any], knobs: Mapping[str, float], player: str, hidden: int, seed: int
    ) -> Any:
        """The policy with `hidden` units a layer and weights from `seed`, told of the others' `knobs`."""
        ...


class Roster(NamedTuple):
    """Who plays a game.

    Args:
        trained: the players that are trained where nothing else is said.
        teams: by name scripted players of the whole game, from a floor to the best that is known; each is
            built from the environment and from knobs, or raises ClarifyError where it does not know these
            rules. Who is not trained is played by the last team.
        policy: builds the small policy of a player.
        prompts: by role what puts its turn to a language model, as "module:Class" or a class.
        agents: by role, agents of a single player by name; each is built from the environment (None for the
            game's usual one), the knobs, and what stands behind the colon of "name:argument" ("" without).
        recipe: what the small policies change of the usual training settings.
        recipes: by algorithm what they change beyond that.
        algorithm: by which they are trained where nothing is said.
        together: what they change of it where others are trained beside the usual ones.
        knobs: checks what the teams can be told, such as noise=0.1: takes them by name, all with defaults.
        fixed: teams that never look at the costs; they are played once, and priced at all costs. Beside a
            bound the best of them is the 0 of a normalised score; without, or with none, the first team is.
        bound: computes what the best play yields, which is the 1 of a normalised score: from the environment
            and the players that the evaluated ones play with; None where it is not known for exactly these
            rules. The last team is its player. Without a bound the best team is the 1.
        computed: other agents by name whose outcome is computed as that of the bound is.
        informed: the game with all that the teams and the bound play from, such as notes.
        partners: names of whom a trained player is crossed with; empty: the teams.
        panel: names of partners who differ in their habits, for "panel" in a list of partners.
        ablations: by name what the first trained player can be kept from, beside the costs.
        person: builds a person in the terminal as a player, who writes with the third argument.
    """

    trained: tuple[str, ...]
    teams: Mapping[str, Team]
    policy: Policy
    prompts: Mapping[str, str | Callable[[], Prompt]] = {}
    agents: Mapping[str, Mapping[str, Make]] = {}
    recipe: Mapping[str, Any] = {}
    recipes: Mapping[str, Mapping[str, Any]] = {}
    algorithm: str = "rest"
    together: Mapping[str, Any] = {}
    knobs: Callable[..., Any] | None = None
    fixed: tuple[str, ...] = ()
    bound: str | Callable[[GameEnv[Any], Mapping[str, Agent]], Bound | None] | None = None
    computed: Mapping[str, Callable[[GameEnv[Any], Mapping[str, Agent]], Bound | None]] = {}
    informed: Informed = lambda env: env
    partners: tuple[str, ...] = ()
    panel: tuple[str, ...] = ()
    ablations: Mapping[str, Ablation] = {}
    person: Callable[[GameEnv[Any], str, Callable[[str], object]], Agent] = lambda env, player, write: Person(
        player, env.game.moves[player], write=write
    )


ROSTERS: dict[str, str | Roster] = {
    "clarification": "clarify_env.agents.clarification:ROSTER",
    "csp": "clarify_env.agents.csp:ROSTER",
    "csp-recall": "clarify_env.agents.csp:RECALL_ROSTER",
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


def with_panel(names: str, game: Game[Any] | type[Game[Any]] | str) -> list[str]:
    """Names of partners, set apart by commas; "panel" stands for all of the game's panel.

    Args:
        names: such as "panel" or "terse,noisy:0.1".
        game: or a family of games by its name.

    Raises:
        ClarifyError: the game has no panel.
    """
    found: dict[str, None] = {}
    for name in names.split(","):
        panel = roster_of(game).panel
        if name == "panel" and not panel:
            family = game if isinstance(game, str) else game.family
            raise ClarifyError(f"users {names!r}: {family} has no panel of partners; give their names")
        found |= dict.fromkeys(panel if name == "panel" else (name,))
    return list(found)


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


def checked_knobs(game: Game[Any], given: Mapping[str, float]) -> dict[str, float]:
    """The knobs that were given for a game's scripted players.

    Raises:
        ClarifyError: the game has no such knob, or not at this value.
    """
    check = roster_of(game).knobs
    known = inspect.signature(check).parameters if check else {}
    for name in given:
        if name not in known:
            raise ClarifyError(
                f"{name}={given[name]:g}: the scripted players of {game.family} have "
                + (f"no such knob; they have {', '.join(known)}" if known else "no knobs")
            )
    if check:
        check(**given)
    return dict(given)


def teams_of(env: GameEnv[Any], knobs: Mapping[str, float] | None = None) -> dict[str, Mapping[str, Agent]]:
    """The scripted teams that know the rules of this game, in order; knobs that it does not have are refused.

    Raises:
        ClarifyError: a knob that the game does not have, or no team knows its rules.
    """
    given = checked_knobs(env.game, knobs or {})
    found: dict[str, Mapping[str, Agent]] = {}
    reason = "its roster has no team"
    for name, build in roster_of(env.game).teams.items():
        try:
            found[name] = build(env, given)
        except ClarifyError as error:
            reason = str(error)
    if not found:
        raise ClarifyError(f"{env.name}: no team plays it: {reason}")
    return found


def others_of(env: GameEnv[Any], knobs: Mapping[str, float] | None = None) -> Mapping[str, Agent]:
    """Who plays those that are not trained: the last of the teams that know the game."""
    return list(teams_of(env, knobs).values())[-1]


def bound_of(env: GameEnv[Any], others: Mapping[str, Agent]) -> Bound | None:
    """What the best play yields with these others, or None where it is not known for exactly these rules."""
    found = roster_of(env.game).bound
    compute: Any = load_object(found) if isinstance(found, str) else found
    made: Bound | None = compute(env, others) if compute else None
    return made
