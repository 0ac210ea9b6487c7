"""What an asker with notes can believe about the intent, from the replies alone."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clarify_env.agent import Observation
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.games.clarification.game import Ask, Interpretation, Reply
from clarify_env.games.clarification.scripted_user import SILENT, Said, UserModel, added
from clarify_env.text import token_f1

_TRUTHFUL = UserModel()


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


def said_before(transcript: Sequence[Turn]) -> Said:
    """What was asked, with the replies, in order; a question that waits for its reply is left out."""
    said, asked = [], ""
    for turn in transcript:
        if isinstance(turn.move, Ask):
            asked = turn.move.text
        elif isinstance(turn.move, Reply):
            said.append((asked, turn.move.text))
    return tuple(said)


@lru_cache(maxsize=100_000)
def belief(
    question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...]
) -> NDArray[np.float64]:
    """Probabilities of the notes, belief_N: their weights, and Bayes' rule for every reply.

    The notes that a reply fits best have likelihood 1, the others `DOUBT`; a reply that says nothing, or fits
    none of them, changes nothing. The fit is token F1 with what the note adds to the question, or for notes
    in text alone with what a truthful user who meant the note would have replied.
    """
    weights = np.array([note.weight for note in notes])
    said = said_before(transcript)
    for k, (asked, reply) in enumerate(said):
        if reply not in SILENT:
            truths = [_truth(note, question, asked, said[:k]) for note in notes]
            scores = np.array([token_f1(reply, truth) for truth in truths])
            if scores.max() > 0.0:
                weights = weights * np.where(scores >= scores.max() - 1e-9, 1.0, DOUBT)
    result: NDArray[np.float64] = weights / weights.sum()
    result.flags.writeable = False
    return result


def _truth(note: Interpretation, question: str, asked: str, said: Said) -> str:
    """What a truthful user who means `note` tells of it."""
    if note.facts:
        return added(note.text, question)
    return _TRUTHFUL.replies(asked, question, note.text, (), said)[0][0]
