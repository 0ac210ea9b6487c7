"""Who plays the clarification game: fixed strategies up to the optimum, scripted users, a small policy."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.clarification.ablations import ABLATIONS
from clarify_env.agents.clarification.human import Human
from clarify_env.agents.clarification.scripted import (
    AlwaysAnswer,
    AlwaysAsk,
    AlwaysEnumerate,
    Lookahead,
    OptimalAsker,
    Random,
    ScriptedUser,
)
from clarify_env.agents.cost_table import CostTable
from clarify_env.agents.human import Person
from clarify_env.agents.roster import Bound, Make, Roster, Team
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.games import load_object
from clarify_env.games.clarification.fitted_user import FittedModel
from clarify_env.games.clarification.game import ClarificationGame, Costs
from clarify_env.games.clarification.optimum import OUTCOME, Solver
from clarify_env.games.clarification.scripted_user import TerseModel, UserModel, closest

# Users with whom the best play is known; with the latter two only where meanings have facts, for of a meaning
# in words they tell more when they are asked again.
MODELS = (UserModel, TerseModel, FittedModel)
KNOBS = {"noisy": "noise", "vague": "vagueness", "refusing": "refusal"}


def _plain(kind: type[Agent]) -> Make:
    return lambda env, knobs, argument: kind()


def _always_ask(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    return AlwaysAsk() if env is None else AlwaysAsk(most=min(3, env.game.max_turns - 1))


def _optimal(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    return OptimalAsker(UserModel(**knobs), **_rules(env, "optimal"), **_candidates(argument))


def _lookahead(depth: int) -> Make:
    def make(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
        return Lookahead(depth, UserModel(**knobs), **_rules(env, "lookahead"), **_candidates(argument))

    return make


def _candidates(argument: str) -> dict[str, Any]:
    """What stands behind the colon: the final messages that are chosen among, as in "lookahead:plain"."""
    return {"candidates": argument} if argument else {}


def _rules(env: GameEnv[Any] | None, who: str) -> dict[str, Any]:
    """What these agents are told of the rules; raises ClarifyError where they have not these rules."""
    if env is None:
        return {}
    if not _known(env):
        raise ClarifyError(
            f"{who}: no optimum is known for the rules of {type(env.game).__name__}; play another agent"
        )
    return {"max_turns": env.game.max_turns, "grade": env.game.grade}


def _cost_table(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    if env is None:
        raise ClarifyError("cost-table: is made of a game's training questions; load it with env=...")
    return CostTable.of(env, "asker", knobs)


def _speaking(kind: type[UserModel]) -> Make:
    return lambda env, knobs, argument: ScriptedUser(kind(**knobs))


def _fitted(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    return ScriptedUser(FittedModel())  # its rates are those of people


def _embed(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
    matcher = load_object(
        "clarify_env.agents.clarification.embedding_matcher:EmbeddingMatcher", extra="embed"
    )
    return ScriptedUser(UserModel(**knobs), matcher=matcher())


def _unreliable(kind: str) -> Make:
    def make(env: GameEnv[Any] | None, knobs: Mapping[str, float], argument: str) -> Agent:
        try:
            chance = float(argument)
        except ValueError:
            said = f"{kind}:{argument}" if argument else kind
            raise ClarifyError(f"user {said!r}: {kind}: takes a probability, such as {kind}:0.1") from None
        return ScriptedUser(UserModel(**{KNOBS[kind]: chance}))

    return make


FIXED: dict[str, Make] = {
    "always-answer": _plain(AlwaysAnswer),
    "always-enumerate": _plain(AlwaysEnumerate),
    "always-ask": _always_ask,
}
LOOKAHEADS = {"lookahead": 1, "lookahead-2": 2}  # by name the questions that it thinks ahead
ASKERS: dict[str, Make] = {
    **FIXED,
    "cost-table": _cost_table,
    **{name: _lookahead(depth) for name, depth in LOOKAHEADS.items()},
    "random": _plain(Random),
    "optimal": _optimal,
}
USERS: dict[str, Make] = {
    "scripted": _speaking(UserModel),
    "terse": _speaking(TerseModel),
    "fitted": _fitted,
    "embed": _embed,
    **{kind: _unreliable(kind) for kind in KNOBS},
}


def _known(env: GameEnv[Any]) -> bool:
    """Whether the best play is known for just these rules; a subclass may have others."""
    return type(env.game) is ClarificationGame


def with_notes(env: GameEnv[Any]) -> GameEnv[Any]:
    """The same game with open notes, which the fixed strategies and the optimum play from."""
    game: Any = env.game
    if game.knowledge == "open":
        return env
    twin, opened = env.fork(), copy.copy(game)
    opened.knowledge, twin.game = "open", opened
    return twin


# of one question at a time: the optimum and those who look ahead share it, then it is forgotten
_solver = lru_cache(maxsize=1)(Solver)


def optimum_bound(
    env: GameEnv[Any],
    others: Mapping[str, Agent],
    depth: int | None = None,
    candidates: str = "optimal",
) -> Bound | None:
    """The expected outcome of optimal play with open notes, or of a `Lookahead`; see `Solver.outcome`.

    It is with the scripted user of the same knobs. Where another plays the user, such as a trained one, it is
    still with a scripted one, and not the bound's own. Among "plain" candidates it is the best play over
    these final messages, and a ceiling of nothing else.
    """
    if not _known(env):
        return None
    game, played = env.game, others.get("user", ScriptedUser())
    exact = all(meaning.facts for task in game.tasks for meaning in task.interpretations)
    user, own = UserModel(), False
    known = MODELS if exact else MODELS[:1]
    if type(played) is ScriptedUser and type(played.model) in known:  # a subclass may answer otherwise
        user, own = played.model, exact or played.matcher is closest
    if depth is not None and not own:
        return None  # who looks ahead counts on a scripted user, and may meet another

    def solve(question: int, cells: Sequence[Costs]) -> dict[str, Floats]:
        task = game.tasks[question]
        best = _solver(task.question, task.interpretations, user, game.max_turns, game.grade, candidates)
        return dict(zip(OUTCOME, best.outcome(cells, depth).T, strict=True))

    return Bound("optimum" if exact else "ceiling", solve, own)


def _team(name: str) -> Team:
    def build(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
        return {"asker": ASKERS[name](env, knobs, ""), "user": ScriptedUser(UserModel(**knobs))}

    return build


def _person(env: GameEnv[Any], player: str, write: Callable[[str], object]) -> Agent:
    own = env.game.costs_type is not Costs  # `Human` tells of two costs
    return Person(player, env.game.moves[player], write=write) if own else Human(write=write)


def _policy(
    env: GameEnv[Any],
    knobs: Mapping[str, float],
    player: str,
    hidden: int,
    seed: int,
    candidates: str = "optimal",
    trained: Sequence[str] = ("asker",),
) -> Agent:
    """An asker; with a user that is trained beside it, one that learns to read that user; or a user.

    The candidates "one-value" are the user's: it tells one value a reply, as the scripted one does.
    """
    if candidates == "one-value" and "user" not in trained:
        raise ClarifyError(
            f"candidates={candidates!r}: are of a user that is trained, and trained is only the asker; "
            "give --players asker,user"
        )
    if player == "user":
        from clarify_env.agents.clarification.reply_scorer import ReplyScorer

        return ReplyScorer(hidden, candidates == "one-value", seed)
    candidates = "optimal" if candidates == "one-value" else candidates
    from clarify_env.agents.clarification.learnt_reading import PairedScorer
    from clarify_env.agents.clarification.move_scorer import MoveScorer, Network, NoteProposer

    if env.game.costs_type is not Costs:
        names = ", ".join(env.game.costs_type._fields)
        raise ClarifyError(f"MoveScorer knows the costs of a turn and a word; {env.name} has {names}")
    if (held := getattr(env.game, "knowledge", "")) != "open":
        raise ClarifyError(
            f"MoveScorer plays from the asker's notes, and {env.name} with knowledge={held!r} has none; "
            "give --knowledge open, or train a language model"
        )
    if "user" in trained:
        return PairedScorer(hidden, candidates, seed)
    return MoveScorer(Network(hidden, seed), NoteProposer(candidates), seed=seed, user=UserModel(**knobs))


ROSTER = Roster(
    trained=("asker",),
    teams={name: _team(name) for name in (*FIXED, "optimal")},
    policy=_policy,
    prompts={
        "asker": "clarify_env.agents.clarification.prompts:AskerPrompt",
        "user": "clarify_env.agents.clarification.prompts:UserPrompt",
    },
    agents={"asker": ASKERS, "user": USERS},
    recipe={"iterations": 3, "gradient_steps": 1200, "learning_rate": 1e-2},
    together={"iterations": 12, "tasks": 24, "gradient_steps": 600, "start_share": 0.0},
    knobs=UserModel,
    fixed=tuple(FIXED),
    bound=optimum_bound,
    computed={name: partial(optimum_bound, depth=depth) for name, depth in LOOKAHEADS.items()},
    informed=with_notes,
    ablations=ABLATIONS,
    partners=("scripted", "noisy:0.1", "vague:0.2"),
    panel=("scripted", "noisy:0.1", "vague:0.2", "terse", "embed", "fitted"),
    person=_person,
)
