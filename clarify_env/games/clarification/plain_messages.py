"""Plain final messages: each meaning's usual answer, and whole lists of them, as anybody would write them.

`FinalMessages` writes the words that pay best for a belief. How much of a score is owed to that writing, and
how much to choosing well, shows where the same player chooses among plain messages. Nothing here looks at
prices before the candidates stand.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.errors import choose
from clarify_env.games.clarification.final_messages import FinalMessages
from clarify_env.games.clarification.game import Enumerate
from clarify_env.games.clarification.scripted_user import added, taken
from clarify_env.games.clarification.task import Interpretation
from clarify_env.moves import Answer
from clarify_env.text import Grade, apart, grade_text, stem, stems, tokens

_LIKELY = 0.5  # a meaning is listed whose likelihood is at least this share of the greatest


@lru_cache(maxsize=4096)
def short_labels(notes: tuple[Interpretation, ...], question: str) -> tuple[str, ...]:
    """For each note the fewest words, one or two of what it adds to the question, that no other note has.

    Where two words do not tell a note from the others, its label is all that it adds.
    """
    held = [dict.fromkeys(tokens(apart(added(note.text, question)))) for note in notes]
    every = [set(stems(note.text)) for note in notes]
    labels = []
    for i, words in enumerate(held):
        others = [own for j, own in enumerate(every) if j != i]
        spoken = {word: {j for j, own in enumerate(others) if stem(word) in own} for word in words}
        single = next(([a] for a in words if not spoken[a]), None)
        double = ([a, b] for a in words for b in words if a < b and not spoken[a] & spoken[b])
        labels.append(" ".join(single or next(double, list(words)) or list(tokens(notes[i].text)) or ["it"]))
    return tuple(labels)


def whole_list(notes: Sequence[Interpretation], question: str) -> Answer | Enumerate:
    """Every note's usual answer, the likelier first, under `short_labels`; of one note its answer alone."""
    ordered = tuple(sorted(notes, key=lambda note: (-note.weight, note.text)))
    if len(ordered) == 1:
        return Answer(ordered[0].answers[0])
    labels = short_labels(ordered, question)
    return Enumerate((label, note.answers[0]) for label, note in zip(labels, ordered, strict=True))


class PlainMessages:
    """The plain final messages of one question; arguments as of `FinalMessages`."""

    def __init__(
        self, meanings: Sequence[Interpretation], question: str = "", grade: Grade = grade_text
    ) -> None:
        self.meanings = tuple(meanings)
        self.question = question
        self.grade = grade
        self._weight_N = np.array([max(meaning.weight, 1e-12) for meaning in meanings])
        self._lists: dict[tuple[int, ...], Answer | Enumerate] = {}
        self._graded: dict[Answer | Enumerate, Floats] = {}

    def candidates(self, belief_N: Floats) -> list[Answer | Enumerate]:
        """Each usual answer, the list of all meanings, and that of those which the replies speak for."""
        likelihood_N = belief_N / self._weight_N
        likely = np.flatnonzero(likelihood_N >= _LIKELY * likelihood_N.max())
        found: dict[Answer | Enumerate, None] = {Answer(m.answers[0]): None for m in self.meanings}
        for listed in (tuple(range(len(self.meanings))), tuple(likely.tolist())):
            if listed not in self._lists:
                self._lists[listed] = whole_list([self.meanings[i] for i in listed], self.question)
            found[self._lists[listed]] = None
        return list(found)

    def best(self, belief_N: Floats, word_costs_C: Floats) -> Floats:
        """Value, expected accuracy and words of the best candidate under each word cost, and its kind.

        Args:
            belief_N: probabilities of the meanings.
            word_costs_C: prices of a word, >= 0.

        Returns:
            best_C_4: value, accuracy, words, and 1 for an enumeration, 0 for an answer.
        """
        found = self.candidates(belief_N)
        accuracy_M = np.array([self._grades(move) @ belief_N for move in found])
        words_M = np.array([float(move.words) for move in found])
        listed_M = np.array([float(isinstance(move, Enumerate)) for move in found])
        values_C_M = accuracy_M - word_costs_C[:, None] * words_M
        at_C = np.argmax(np.round(values_C_M, 12), axis=1)
        value_C = np.take_along_axis(values_C_M, at_C[:, None], 1)[:, 0]
        return np.stack([value_C, accuracy_M[at_C], words_M[at_C], listed_M[at_C]], axis=1)

    def message(self, belief_N: Floats, word_cost: float) -> Answer | Enumerate:
        """The message whose value `best` gives."""
        found = self.candidates(belief_N)
        values = [float(self._grades(move) @ belief_N) - word_cost * move.words for move in found]
        return found[int(np.argmax(np.round(values, 12)))]

    def _grades(self, move: Answer | Enumerate) -> Floats:
        """grades_N: accuracy of a message for each meaning, read as the scripted user reads it."""
        if move not in self._graded:
            self._graded[move] = np.array(
                [
                    self.grade(taken(move, meant.text, meant.facts, self.question), meant.answers)[0]
                    for meant in self.meanings
                ]
            )
        return self._graded[move]


CANDIDATES: dict[str, Callable[..., FinalMessages | PlainMessages]] = {
    "optimal": FinalMessages,
    "plain": PlainMessages,
}


def messages_of(candidates: str) -> Callable[..., FinalMessages | PlainMessages]:
    """The final messages that a player chooses among, "optimal" or "plain", as a class.

    Raises:
        ClarifyError: another name.
    """
    return CANDIDATES[choose("set of candidates", candidates, CANDIDATES)]
