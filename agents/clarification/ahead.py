"""What a question leads to, one and two questions ahead, without knowing any price.

For each word price of a ladder: what the best final message earns and how many words it has, on average over
the truthful replies to a question; and the same where another question may follow each reply. Whoever knows
the prices reads from this what asking is worth (`Network` of `MoveScorer`).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.games.clarification.game import Ask
from clarify_env.games.clarification.plain_messages import messages_of
from clarify_env.games.clarification.scripted_user import TRUTHFUL, Said
from clarify_env.games.clarification.task import Interpretation

LADDER = (0.0005, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12)  # word prices that messages are drafted for
HELD = 0.01  # below this probability a note is left out
_PRICES = np.array(LADDER)


def held(chances_N: Floats) -> Floats:
    """The chances without those below `HELD`, adding up to 1 again."""
    kept = np.where(chances_N > HELD, chances_N, 0.0)
    found: Floats = (kept / kept.sum()).round(9)
    return found


class Ahead:
    """What the questions about some notes lead to, kept for the next time that it is asked for.

    Args:
        notes: the meanings.
        question: what the user asked.
        candidates: final messages that are chosen among, "optimal" or "plain".
    """

    def __init__(self, notes: tuple[Interpretation, ...], question: str, candidates: str = "optimal") -> None:
        self.notes = notes
        self.question = question
        self.messages = messages_of(candidates)(notes, question)
        self._replies: dict[tuple[str, Said], list[str]] = {}
        self._known: dict[tuple[Ask, bytes, Said], Floats] = {}

    def partition(self, ask: Ask, at: Sequence[int], said: Said) -> dict[str, list[int]]:
        """Which of the notes at these positions a truthful user means who gives each reply to `ask`."""
        key = (ask.text, () if self.notes[0].facts else said)
        if key not in self._replies:
            self._replies[key] = [
                TRUTHFUL.replies(ask.text, self.question, note.text, note.facts, said)[0][0]
                for note in self.notes
            ]
        replies = self._replies[key]
        groups: dict[str, list[int]] = {}
        for i in at:
            groups.setdefault(replies[i], []).append(i)
        return groups

    def __call__(self, ask: Ask, asks: Sequence[Ask], chances_N: Floats, said: Said = ()) -> Floats:
        """What asking leads to at each price of `LADDER`.

        Args:
            ask: that is put now.
            asks: that may follow; the same ones whenever this is asked.
            chances_N: probabilities of the notes.
            said: what was asked before, with the replies.

        Returns:
            ahead_L_5: accuracy and words of the best final message after the reply; and accuracy, words and
            further questions where the best of `asks` is put too after the replies that leave it worth
            something, if questions are free.
        """
        belief_N = held(chances_N)
        key = (ask, belief_N.tobytes(), () if self.notes[0].facts else said)
        if key not in self._known:
            self._known[key] = self._led(ask, asks, belief_N, said)
        return self._known[key]

    def _led(self, ask: Ask, asks: Sequence[Ask], belief_N: Floats, said: Said) -> Floats:
        found = np.zeros((len(LADDER), 5))
        for reply, members in self.partition(ask, np.flatnonzero(belief_N).tolist(), said).items():
            share = float(belief_N[members].sum())
            one = self._message(belief_N, members)
            best = np.concatenate([one, np.zeros((len(LADDER), 1))], axis=1)
            for other in asks:
                groups = self.partition(other, members, (*said, (ask.text, reply)))
                if other == ask or len(groups) < 2:
                    continue
                parts = [
                    (float(belief_N[own].sum()) / share) * self._message(belief_N, own)
                    for own in groups.values()
                ]
                two = np.concatenate([sum(parts), np.ones((len(LADDER), 1))], axis=1)
                better = _worth(two) > _worth(best) + 1e-6
                best = np.where(better[:, None], two, best)
            found += share * np.concatenate([one, best], axis=1)
        return found

    def _message(self, belief_N: Floats, members: Sequence[int]) -> Floats:
        """message_L_2: accuracy and words of the best final message for these of the notes."""
        own_N = np.zeros(len(self.notes))
        own_N[members] = belief_N[members]
        message: Floats = self.messages.best((own_N / own_N.sum()).round(9), _PRICES)[:, 1:3]
        return message


@lru_cache(maxsize=4096)
def ahead_of(notes: tuple[Interpretation, ...], question: str, candidates: str = "optimal") -> Ahead:
    """The one of these notes."""
    return Ahead(notes, question, candidates)


def _worth(outcome_L_X: Floats) -> Floats:
    worth: Floats = outcome_L_X[:, 0] - _PRICES * outcome_L_X[:, 1]
    return worth
