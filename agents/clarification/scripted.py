"""Fixed strategies: what an asker does that never looks at the costs. They are the baselines.

All play from the asker's notes (knowledge="open") and believe what replies tell them (`belief`).

The asker that plays optimally against the scripted user (the ceiling of open notes, in the flesh).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clarify_env.agent import Agent, Observation
from clarify_env.agents.clarification.belief import belief, canonical, notes_of
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.games.clarification.game import Ask, Costs, Enumerate, Interpretation, Reply
from clarify_env.games.clarification.optimum import Solver, questions, solver
from clarify_env.games.clarification.scripted_user import UserModel, added
from clarify_env.moves import Answer, Move
from clarify_env.text import Grade, apart, grade_text, stem, stems, tokens

SETTLED = 0.9  # belief above which one meaning counts as known


def likeliest(observation: Observation, who: str) -> Interpretation:
    """The note with the greatest belief; of equals the first by its text, whatever the notes' order."""
    notes = notes_of(observation, who)
    chances = belief(observation["question"], notes, observation["transcript"])
    return min(zip(notes, chances, strict=True), key=lambda pair: (-round(pair[1], 9), pair[0].text))[0]


class AlwaysAnswer(Agent):
    """Answers at once, with the likeliest meaning's usual answer."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """An `Answer`."""
        return Answer(likeliest(observation, "AlwaysAnswer").answers[0])


def short_labels(notes: tuple[Interpretation, ...], question: str) -> list[str]:
    """For each note the fewest words, one or two of what it adds to the question, that no other note has.

    Where two words do not tell a note from the others, its label is all that it adds.
    """
    held = [dict.fromkeys(tokens(apart(added(note.text, question)))) for note in notes]
    every = [set(stems(note.text)) for note in notes]
    labels = []
    for i, words in enumerate(held):
        others = [own for j, own in enumerate(every) if j != i]
        single = next(([a] for a in words if not any(stem(a) in other for other in others)), None)
        double = (
            [a, b]
            for a in words
            for b in words
            if a < b and not any(stem(a) in other and stem(b) in other for other in others)
        )
        labels.append(" ".join(single or next(double, list(words)) or list(tokens(notes[i].text)) or ["it"]))
    return labels


class AlwaysEnumerate(Agent):
    """Lists every meaning's usual answer, the likelier first, under labels as short as they can be."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """An `Enumerate`, or an `Answer` where there is only one meaning."""
        notes = notes_of(observation, "AlwaysEnumerate")
        ordered = tuple(sorted(notes, key=lambda note: (-note.weight, note.text)))
        if len(ordered) == 1:
            return Answer(ordered[0].answers[0])
        labels = short_labels(ordered, observation["question"])
        return Enumerate((label, note.answers[0]) for label, note in zip(labels, ordered, strict=True))


class AlwaysAsk(Agent):
    """Asks until one meaning is settled or no question is left, then answers.

    It asks at least one question also where there is one meaning, and at most `most` of them.

    Args:
        most: questions that it asks at most, >= 0; keep it below the game's `max_turns`.
    """

    def __init__(self, most: int = 3, seed: int | None = None) -> None:
        super().__init__(seed)
        self.most = most

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """An `Ask`, in the end an `Answer`."""
        notes = notes_of(observation, "AlwaysAsk")
        asked = [turn.move for turn in observation["transcript"] if isinstance(turn.move, Ask)]
        left = [ask for ask in questions(notes) or [Ask("What exactly do you mean?")] if ask not in asked]
        chances = belief(observation["question"], notes, observation["transcript"])
        if len(asked) < self.most and (not asked or (left and chances.max() < SETTLED)):
            return left[0]
        return Answer(likeliest(observation, "AlwaysAsk").answers[0])


class Random(Agent):
    """A random legal kind of move; final messages draw on the notes, where there are any."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A move that is legal and, for an asker with notes, not absurd."""
        notes: tuple[Interpretation, ...] = observation["notes"]
        kind = int(rng.integers(3))
        if kind == 0 or not notes:
            return Ask("What exactly do you mean?") if kind == 0 else Answer("I do not know")
        chosen = [notes[i] for i in rng.permutation(len(notes))[: 1 if kind == 1 else 2]]
        if len(chosen) == 1:
            return Answer(chosen[0].answers[0])
        return Enumerate((note.text, note.answers[0]) for note in chosen)


class OptimalAsker(Agent):
    """Plays what `clarify_env.games.clarification.optimum` computes, from its notes and the replies alone.

    Args:
        user: how the scripted user behaves that it plays with.
        max_turns: messages that the game allows the asker, >= 1.
        grade: the game's.
    """

    def __init__(
        self,
        user: UserModel | None = None,
        max_turns: int = 5,
        seed: int | None = None,
        grade: Grade = grade_text,
    ) -> None:
        super().__init__(seed)
        self.user = user or UserModel()
        self.max_turns = max_turns
        self.grade = grade
        self._best = lru_cache(maxsize=50_000)(self._best_move)

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """The best move under this observation's costs."""
        return self._best(*_seen(observation))

    def values(self, observation: Observation) -> list[tuple[Move, float]]:
        """The best final message and the questions worth considering, with their values (`Solver.values`)."""
        question, notes, transcript, costs = _seen(observation)
        best, belief_N, asks = self._point(question, notes, transcript)
        return best.values(belief_N, self.max_turns - 1 - asks, costs)

    def _best_move(
        self, question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...], costs: Costs
    ) -> Move:
        best, belief_N, asks = self._point(question, notes, transcript)
        return best.move(belief_N, self.max_turns - 1 - asks, costs)

    def _point(
        self, question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...]
    ) -> tuple[Solver, NDArray[np.float64], int]:
        """The question's solver, the belief after the transcript, and how many questions it holds."""
        best = solver(question, notes, self.user, self.max_turns, self.grade)
        belief_N, asked = best.prior_N, ""
        asks = 0
        for turn in transcript:
            if isinstance(turn.move, Ask):
                asked, asks = turn.move.text, asks + 1
            elif isinstance(turn.move, Reply):
                belief_N = best.posterior(belief_N, asked, turn.move.text)
        return best, belief_N, asks


def _seen(
    observation: Observation,
) -> tuple[str, tuple[Interpretation, ...], tuple[Turn, ...], Costs]:
    notes, costs = canonical(notes_of(observation, "OptimalAsker")), observation["costs"].tolist()
    if len(costs) != len(Costs._fields):
        raise ClarifyError(
            f"OptimalAsker: a game of {len(costs)} costs; an optimum is known for those of a turn and a word"
        )
    return observation["question"], notes, observation["transcript"], Costs(*costs)
