"""What an asker with notes can believe about the intent, from the replies alone."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clarify_env.agent import Observation
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.moves import Reply
from clarify_env.task import Interpretation
from clarify_env.text import token_f1
from clarify_env.usermodel import added

DOUBT = 0.02  # likelihood of a reply under a note that it does not fit best


def notes_of(observation: Observation, who: str) -> tuple[Interpretation, ...]:
    """The asker's notes.

    Raises:
        ClarifyError: there are none (knowledge="closed"), or the observation is another player's.
    """
    notes: tuple[Interpretation, ...] = observation.get("notes", ())
    if not notes:
        raise ClarifyError(
            f"{who} plays from the asker's notes and found none; make the game knowledge='open' "
            "(--knowledge open)"
        )
    return notes


def canonical(notes: Sequence[Interpretation]) -> tuple[Interpretation, ...]:
    """The notes in an order that does not depend on how they were shuffled."""
    return tuple(sorted(notes, key=lambda note: (-note.weight, note.text)))


@lru_cache(maxsize=100_000)
def belief(
    question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...]
) -> NDArray[np.float64]:
    """Probabilities of the notes, belief_N: their weights, and Bayes' rule for every reply.

    The notes that a reply fits best, by token F1 with what they add to the question, have likelihood 1, the
    others `DOUBT`. A reply that fits none of them, such as a refusal, changes nothing.
    """
    weights = np.array([note.weight for note in notes])
    for turn in transcript:
        if isinstance(turn.move, Reply):
            scores = np.array([token_f1(turn.move.text, added(note.text, question)) for note in notes])
            if scores.max() > 0.0:
                weights = weights * np.where(scores >= scores.max() - 1e-9, 1.0, DOUBT)
    result: NDArray[np.float64] = weights / weights.sum()
    result.flags.writeable = False
    return result
