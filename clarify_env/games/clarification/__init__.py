"""The clarification game: ask, list or answer, at a price (arXiv 2512.04068); six worlds of questions."""

from clarify_env.costs import CostGrid
from clarify_env.games.clarification.game import (
    SEEN,
    UNSEEN,
    Ask,
    ClarificationGame,
    Costs,
    Enumerate,
    Reply,
    Select,
)
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.games.clarification.task import Fact, Interpretation, Task
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
SYNTHETIC_V1 = SYNTHETIC._replace(
    id="synthetic-v1",
    make="clarify_env.games.clarification.synthetic_v1:make_synthetic_v1",
    costs=Costs(turn=0.05, word=0.03),
    seen=CostGrid(of=Costs, turn=(0.01, 0.05, 0.15), word=(0.01, 0.03, 0.08)),
    unseen=CostGrid(of=Costs, turn=(0.005, 0.02, 0.1, 0.2), word=(0.005, 0.02, 0.06, 0.12)),
)
ABGCOQA = SYNTHETIC._replace(id="abgcoqa-v0", make="clarify_env.games.clarification.abgcoqa:make_abgcoqa")
AMBIGQA = SYNTHETIC._replace(id="ambigqa-v0", make="clarify_env.games.clarification.ambigqa:make_ambigqa")
PACIFIC = SYNTHETIC._replace(id="pacific-v0", make="clarify_env.games.clarification.pacific:make_pacific")
OWN_QUESTIONS = SYNTHETIC._replace(
    id="questions-v0", make="clarify_env.games.clarification.questions:make_questions"
)

__all__ = [
    "ABGCOQA",
    "AMBIGQA",
    "OWN_QUESTIONS",
    "PACIFIC",
    "SEEN",
    "SYNTHETIC",
    "SYNTHETIC_V1",
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
