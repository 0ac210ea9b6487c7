"""What an asker with notes can be kept from: see `clarify_env.agents.ablation`.

Answers are hidden behind made-up words, which a final message turns back into theirs. What the asker is told
stays true, but for the weights.
"""

import zlib
from collections.abc import Callable, Hashable, Iterator
from itertools import product

import numpy as np

from clarify_env.agent import Observation
from clarify_env.agents.ablation import Ablation, Back, unchanged
from clarify_env.agents.clarification.scripted import likeliest, notes_of
from clarify_env.games.clarification.game import Ask, Enumerate
from clarify_env.games.clarification.optimum import questions
from clarify_env.games.clarification.task import canonical
from clarify_env.moves import Answer, Move

_LETTERS = "bcdfghjklmnpqrtvwxz"  # neither a vowel nor an s: no ending is cut off, and no word is a real one
_WHO = "ablate"


def _made_up() -> Iterator[str]:
    """Words that no text holds, no two alike."""
    for length in (4, 5):
        yield from map("".join, product(_LETTERS, repeat=length))


def _reworded(key: Callable[[int, str], Hashable], whole: bool = False) -> Ablation:
    """The answers in made-up words: texts of equal keys in the same ones, others without one in common.

    Args:
        key: from the position of a note in canonical order and the text of one of its answers.
        whole: one word for a whole answer, rather than one for each of its words.
    """

    def reword(observation: Observation) -> tuple[Observation, Back]:
        fresh = _made_up()
        codes: dict[Hashable, list[str]] = {}
        meant: dict[str, str] = {}
        changed = {}
        for i, note in enumerate(canonical(notes_of(observation, _WHO))):
            said = []
            for text in note.answers:
                words = [text] if whole else text.split()
                code = codes.setdefault(key(i, text), [next(fresh) for _ in words])
                meant.update(zip(code, words, strict=True))
                said.append(" ".join(code))
            changed[note] = note._replace(answers=tuple(said))

        def real(text: str) -> str:
            return " ".join(meant.get(word, word) for word in text.split())

        def back(move: Move) -> Move:
            if isinstance(move, Answer):
                return Answer(real(move.text))
            if isinstance(move, Enumerate):
                return Enumerate((label, real(text)) for label, text in move.options)
            return move

        notes = tuple(changed[note] for note in observation["notes"])
        return {**observation, "notes": notes}, back

    return reword


def _even(observation: Observation) -> tuple[Observation, Back]:
    """All meanings are equally likely."""
    notes = notes_of(observation, _WHO)
    return {**observation, "notes": tuple(n._replace(weight=1.0 / len(notes)) for n in notes)}, unchanged


def _shuffled(observation: Observation) -> tuple[Observation, Back]:
    """The notes in another order, which says nothing: a control that should cost nothing."""
    notes = notes_of(observation, _WHO)
    return {**observation, "notes": notes[1:] + notes[:1]}, unchanged


def _any_question(observation: Observation) -> tuple[Observation, Back]:
    """Where it asks, any question that was not put yet."""
    asked = {turn.move for turn in observation["transcript"]}
    left = [ask for ask in questions(canonical(notes_of(observation, _WHO))) if ask not in asked]
    seed = zlib.crc32("\n".join([observation["question"], *sorted(ask.text for ask in left)]).encode())

    def back(move: Move) -> Move:
        if not left or not isinstance(move, Ask):
            return move
        return left[int(np.random.default_rng(seed).integers(len(left)))]

    return observation, back


def _without(kind: type[Move]) -> Ablation:
    """Where it makes a move of this kind, the usual answer of the likeliest meaning."""

    def ablate(observation: Observation) -> tuple[Observation, Back]:
        def back(move: Move) -> Move:
            return Answer(likeliest(observation, _WHO).answers[0]) if isinstance(move, kind) else move

        return observation, back

    return ablate


ABLATIONS: dict[str, Ablation] = {
    "order of the notes": _shuffled,
    "weights": _even,
    "shared answers": _reworded(lambda i, text: (i, text)),
    "likeness of answers": _reworded(lambda i, text: text),
    "length of answers": _reworded(lambda i, text: text, whole=True),
    "choice of the question": _any_question,
    "questions": _without(Ask),
    "lists": _without(Enumerate),
}
