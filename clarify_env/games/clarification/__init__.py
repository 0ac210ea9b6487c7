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


def _spec(id: str, make: str) -> GameSpec:
    usual = Costs(turn=0.1, word=0.01)
    return GameSpec(
        id, f"clarify_env.games.clarification.{make}", usual, SEEN, UNSEEN, family="clarification"
    )


ABGCOQA = _spec("abgcoqa-v0", "abgcoqa:make_abgcoqa")
AMBIGQA = _spec("ambigqa-v0", "ambigqa:make_ambigqa")
PACIFIC = _spec("pacific-v0", "pacific:make_pacific")
SYNTHETIC = _spec("synthetic-v0", "synthetic:make_synthetic")

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
