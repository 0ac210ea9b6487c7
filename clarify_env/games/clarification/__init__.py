"""The clarification game: ask, list or answer, at a price (arXiv 2512.04068); four kinds of questions."""

from clarify_env.games.clarification.game import (
    SEEN,
    UNSEEN,
    Ask,
    ClarificationGame,
    Costs,
    Enumerate,
    Fact,
    Interpretation,
    Reply,
    Select,
    Task,
)
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.moves import Answer
from clarify_env.registry import GameSpec

SYNTHETIC = GameSpec(
    "synthetic-v0",
    "clarify_env.games.clarification.synthetic:make_synthetic",
    costs=Costs(turn=0.1, word=0.01),
    seen=SEEN,
    unseen=UNSEEN,
    family="clarification",
)
ABGCOQA = SYNTHETIC._replace(id="abgcoqa-v0", make="clarify_env.games.clarification.abgcoqa:make_abgcoqa")
AMBIGQA = SYNTHETIC._replace(id="ambigqa-v0", make="clarify_env.games.clarification.ambigqa:make_ambigqa")
PACIFIC = SYNTHETIC._replace(id="pacific-v0", make="clarify_env.games.clarification.pacific:make_pacific")

__all__ = [
    "ABGCOQA",
    "AMBIGQA",
    "PACIFIC",
    "SEEN",
    "SYNTHETIC",
    "UNSEEN",
    "Answer",
    "Ask",
    "ClarificationGame",
    "Costs",
    "Enumerate",
    "Fact",
    "Interpretation",
    "Reply",
    "Select",
    "Task",
    "UserModel",
]
