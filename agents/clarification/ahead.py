"""What a question leads to, one and two questions ahead, without knowing any price.

For each word price of a ladder: what the best final message earns and how many words it has, on average over
the truthful replies to a question; and the same where another question may follow each reply. Whoever knows
the prices reads from this what asking is worth (`Network` of `MoveScorer`).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.games.clarification.final_messages import FinalMessages
from clarify_env.games.clarification.game import Ask, Interpretation
from clarify_env.games.clarification.scripted_user import Said, UserModel

LADDER = (0.0005, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12)  # word prices that messages are drafted for
HELD = 0.01  # below this probability a note is left out
_PRICES = np.array(LADDER)
_TRUTHFUL = UserModel()


@lru_cache(maxsize=4096)
def drafts(notes: tuple[Interpretation, ...], question: str) -> FinalMessages:
    """The best final messages of these notes, kept for the next time that they are asked for."""
    return FinalMessages(notes, question)


def held(chances_N: Floats) -> Floats:
    """The chances without those below `HELD`, adding up to 1 again."""
    kept = np.where(chances_N > HELD, chances_N, 0.0)
    found: Floats = (kept / kept.sum()).round(9)
    return found


def partition(
    ask: Ask, question: str, notes: Sequence[Interpretation], at: Sequence[int], said: Said
) -> dict[str, list[int]]:
    """Which of the notes at these positions a truthful user means who gives each reply to `ask`."""
    groups: dict[str, list[int]] = {}
    for i in at:
        note = notes[i]
        reply = _TRUTHFUL.replies(ask.text, question, note.text, note.facts, said)[0][0]
        groups.setdefault(reply, []).append(i)
    return groups


def ahead(
    ask: Ask,
    asks: Sequence[Ask],
    question: str,
    notes: tuple[Interpretation, ...],
    chances_N: Floats,
    said: Said = (),
) -> Floats:
    """What asking leads to at each price of `LADDER`.

    Args:
        ask: that is put now.
        asks: that may follow.
        question: what the user asked.
        notes: the meanings.
        chances_N: their probabilities.
        said: what was asked before, with the replies.

    Returns:
        ahead_L_5: accuracy and words of the best final message after the reply; and accuracy, words and
        further questions where the best of `asks` is put too after the replies that leave it worth something,
        if questions are free.
    """
    belief_N = held(chances_N)
    found = np.zeros((len(LADDER), 5))
    for reply, members in partition(ask, question, notes, np.flatnonzero(belief_N).tolist(), said).items():
        share = float(belief_N[members].sum())
        one = _message(notes, question, belief_N, members)
        best = np.concatenate([one, np.zeros((len(LADDER), 1))], axis=1)
        for other in asks:
            if other == ask:
                continue
            groups = partition(other, question, notes, members, (*said, (ask.text, reply)))
            if len(groups) < 2:
                continue
            parts = [
                (float(belief_N[own].sum()) / share) * _message(notes, question, belief_N, own)
                for own in groups.values()
            ]
            two = np.concatenate([sum(parts), np.ones((len(LADDER), 1))], axis=1)
            better = _worth(two) > _worth(best) + 1e-6
            best = np.where(better[:, None], two, best)
        found += share * np.concatenate([one, best], axis=1)
    return found


def _message(
    notes: tuple[Interpretation, ...], question: str, belief_N: Floats, members: Sequence[int]
) -> Floats:
    """message_L_2: accuracy and words of the best final message for these of the notes."""
    own_N = np.zeros(len(notes))
    own_N[members] = belief_N[members]
    message: Floats = drafts(notes, question).best((own_N / own_N.sum()).round(9), _PRICES)[:, 1:3]
    return message


def _worth(outcome_L_X: Floats) -> Floats:
    worth: Floats = outcome_L_X[:, 0] - _PRICES * outcome_L_X[:, 1]
    return worth
