"""`MoveScorer`: a small network that chooses among proposed moves under the costs it is told.

Any black box that proposes moves becomes steerable this way, without touching its weights: the proposer
does not look at the costs, the scorer does nothing else. Only importing this module loads torch.

Candidate moves from the asker's notes, and what can be told of a move without knowing its price.

A proposer lists moves with their text; `MoveScorer` chooses among them under the costs. Candidates and
features are functions of question, notes and transcript alone: costs, and the order of the notes, change
nothing, so that they are computed once per point of a dialogue.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from clarify_env.agent import Observation
from clarify_env.agents.clarification.ahead import LADDER, ahead_of, held
from clarify_env.agents.clarification.scripted import belief, notes_of, said_before
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.arrays import Floats
from clarify_env.game import Turn
from clarify_env.games.clarification.game import Ask, Enumerate
from clarify_env.games.clarification.optimum import WHICH, questions
from clarify_env.games.clarification.plain_messages import PlainMessages, messages_of
from clarify_env.games.clarification.scripted_user import TRUTHFUL, UserModel, taken
from clarify_env.games.clarification.task import Interpretation, canonical
from clarify_env.moves import Answer, Move
from clarify_env.text import best_f1

_SURE = 0.9


FEATURES = (
    "is_ask", "is_answer", "is_enumerate", "accuracy", "words", "options",
    "after_accuracy", "after_words", "after_settled", "now_accuracy", "now_words",
    "belief", "entropy", "notes", "asked", "repeated",
    *(f"{kind}_{k}" for kind in ("one_accuracy", "one_words", "two_accuracy", "two_words", "two_asks")
      for k in range(len(LADDER))),
)  # fmt: skip


class Asking(NamedTuple):
    """What an asker knows besides the costs, its notes in canonical order."""

    question: str
    notes: tuple[Interpretation, ...]
    transcript: tuple[Turn, ...]
    context: str = ""
    document: str = ""
    user: UserModel = TRUTHFUL

    @classmethod
    def of(cls, observation: Observation, who: str, user: UserModel = TRUTHFUL) -> "Asking":
        """The point of the dialogue that `observation` shows to the agent `who`, which needs notes."""
        notes = canonical(notes_of(observation, who))
        texts = observation.get("context", ""), observation.get("document", "")
        return cls(observation["question"], notes, observation["transcript"], *texts, user)

    @property
    def chances(self) -> Floats:
        """Probabilities of the notes, chances_N."""
        return belief(self.question, self.notes, self.transcript, self.user)


class Proposer(Protocol):
    """Anything that lists candidate moves, in an order that does not depend on chance."""

    def propose(self, dialogue: Asking) -> Sequence[Move]:
        """At least one legal move, no two alike."""
        ...


@runtime_checkable
class BatchProposer(Proposer, Protocol):
    """A proposer that is quicker for many points at once, and keeps what it found."""

    def propose_all(self, dialogues: Sequence[Asking]) -> Sequence[Sequence[Move]]:
        """The candidates at each of these points, as `propose` gives them."""
        ...


class NoteProposer:
    """Questions that divide the notes, and final messages drafted for a ladder of word prices.

    The drafts are the best messages for the asker's belief (`final_messages`) at each price of
    `LADDER`, beside the likeliest usual answer. Which of them pays under the costs of the day,
    and whether asking pays more, is not its business.

    Args:
        candidates: "optimal" for these drafts; "plain" for each meaning's usual answer and whole lists of
            them instead (`PlainMessages`).
    """

    def __init__(self, candidates: str = "optimal") -> None:
        messages_of(candidates)  # a mistake in the name is found here
        self.candidates = candidates

    def propose(self, dialogue: Asking) -> list[Move]:
        """The candidates, questions first."""
        chances = dialogue.chances
        moves: dict[Move, None] = dict.fromkeys(questions(dialogue.notes) or [Ask(WHICH)])
        likeliest = dialogue.notes[int(np.argmax(chances))]
        moves[Answer(likeliest.answers[0])] = None
        written = ahead_of(dialogue.notes, dialogue.question, self.candidates).messages
        if isinstance(written, PlainMessages):
            drafts = written.candidates(chances)
        else:
            drafts = written.drafts(held(chances), np.array(LADDER))
        for draft in drafts:
            if not isinstance(draft, Answer) or draft.text:
                moves[draft] = None
        return list(moves)


def describe(dialogue: Asking, moves: Sequence[Move], candidates: str = "optimal") -> Floats:
    """Features of moves, features_M_F, in the order of `FEATURES`.

    `accuracy` is what a final message earns on average over the asker's belief, read as the scripted user
    reads it; the `after_` features say what a truthful reply to a question leads to: the accuracy of the
    best usual answer then, its words, and the chance that one meaning is settled; the `now_` features say
    the same before the question. `repeated` counts how often the question was put before. The last ones are
    what `ahead` says of a question, at each price of its ladder, where the final messages are those of
    `candidates`. Word counts are divided by 10, counts of notes and questions by 8.
    """
    question, notes, transcript = dialogue.question, dialogue.notes, dialogue.transcript
    chances = dialogue.chances
    earns_N_N = _earnings(notes)
    lengths = np.array([len(note.answers[0].split()) for note in notes]) / 10.0
    top = int(np.argmax(np.round(earns_N_N @ chances, 12)))
    now = (float(earns_N_N[top] @ chances), float(lengths[top]))
    spread = float(-(chances[chances > 0] * np.log(chances[chances > 0])).sum())
    asked = sum(isinstance(turn.move, Ask) for turn in transcript)
    shared = (*now, float(chances.max()), spread, len(notes) / 8, asked / 8)
    asks, said, none = questions(notes), said_before(transcript), (0.0,) * (5 * len(LADDER))
    ahead, rows = ahead_of(notes, question, candidates), []
    for move in moves:
        if isinstance(move, Ask):
            repeated = sum(turn.move == move for turn in transcript) / 8
            own = _after(move, dialogue, chances)
            led = ahead(move, asks, chances, said) * _SCALE
            rows.append((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, *own, *shared, repeated, *led.T.ravel()))
        else:
            listed = isinstance(move, Enumerate)
            options = len(move.options) / 8 if isinstance(move, Enumerate) else 0.0
            own = (_accuracy(move, question, notes, chances), move.words / 10.0, options)
            rows.append((0.0, float(not listed), float(listed), *own, 0.0, 0.0, 0.0, *shared, 0.0, *none))
    return np.array(rows, dtype=np.float64).reshape(len(moves), len(FEATURES))


@lru_cache(maxsize=20_000)
def _earnings(notes: tuple[Interpretation, ...]) -> Floats:
    """earns_N_N[i, j]: accuracy of the usual answer of note i where note j is meant."""
    return np.array([[best_f1(said.answers[0], meant.answers) for meant in notes] for said in notes])


def _accuracy(move: Move, question: str, notes: Sequence[Interpretation], chances: Floats) -> float:
    total = 0.0
    for note, chance in zip(notes, chances, strict=True):
        total += chance * best_f1(taken(move, note.text, note.facts, question), note.answers)
    return float(total)


def _after(ask: Ask, dialogue: Asking, chances: Floats) -> tuple[float, float, float]:
    """Accuracy, words and chance of being settled once a truthful user has replied to `ask`."""
    question, notes = dialogue.question, dialogue.notes
    groups = ahead_of(notes, question).partition(ask, range(len(notes)), said_before(dialogue.transcript))
    earns_N_N = _earnings(notes)
    accuracy = words = settled = 0.0
    for members in groups.values():
        own = chances[members]
        said = earns_N_N[:, members] @ own
        best = members[int(np.argmax(np.round(said[members], 12)))]
        accuracy += float(said[best])
        words += float(own.sum()) * len(notes[best].answers[0].split()) / 10.0
        settled += float(own.sum()) * float(own.max() > _SURE * own.sum())
    return accuracy, words, settled


_COSTS = 8  # inputs made of costs and features together
_SCALE = np.array([1.0, 0.1, 1.0, 0.1, 1.0])  # words are divided by 10


SHARED = ("now_accuracy", "now_words", "belief", "entropy", "notes", "asked")  # by all candidates of a point


_AT = {name: i for i, name in enumerate(FEATURES)}
_AHEAD = _AT["one_accuracy_0"]  # from here on what questions lead to, by price


_CONTEXT = [_AT[name] for name in SHARED]


class Network(ScoreNetwork):
    """Scores of moves from their features and the costs, with what the costs make of some features.

    Args:
        hidden: units of each hidden layer.
        seed: of the initial weights.
        more: inputs that a subclass adds.
    """

    def __init__(self, hidden: int = 64, seed: int = 0, more: int = 0) -> None:
        super().__init__(_AHEAD + _COSTS + more, hidden, seed)

    def inputs(self, features_R_F: Tensor, costs_R_K: Tensor) -> Tensor:
        """inputs_R_I: of R moves, each under its own (turn, word) costs."""
        turn, word = costs_R_K.unbind(1)
        ask, final = features_R_F[:, _AT["is_ask"]], 1.0 - features_R_F[:, _AT["is_ask"]]
        words, after = features_R_F[:, _AT["words"]], features_R_F[:, _AT["after_words"]]
        led_R_5_L = features_R_F[:, _AHEAD:].reshape(-1, 5, len(LADDER))
        one, one_words, two, two_words, two_asks = led_R_5_L.unbind(1)
        turn_R_1, ten_R_1 = turn[:, None], 10.0 * word[:, None]
        one_R = (one - ten_R_1 * one_words).amax(1) - turn
        two_R = (two - ten_R_1 * two_words - turn_R_1 * two_asks).amax(1) - turn
        mixed = torch.stack(
            [
                torch.log10(turn + 1e-3),
                torch.log10(word + 1e-4),
                10.0 * turn * ask,
                100.0 * word * words,
                final * (features_R_F[:, _AT["accuracy"]] - 10.0 * word * words),
                ask * (features_R_F[:, _AT["after_accuracy"]] - 10.0 * word * after - turn),
                ask * one_R,
                ask * torch.maximum(one_R, two_R),
            ],
            dim=1,
        )
        return torch.cat([features_R_F[:, :_AHEAD], mixed], dim=1)


class MoveScorer(SoftmaxPolicy[Asking]):
    """An asker that scores proposed moves with `Network` and plays one of them.

    Args:
        network: of the scores; a fresh one by default.
        proposer: lists the candidates; by default from the notes.
        greedy: play the best-scored move, rather than one drawn by softmax of the scores.
        seed: of the initial weights and the agent's own generator.
        user: how reliable the user is whose replies it weighs.
    """

    context_size = len(SHARED)

    def __init__(
        self,
        network: Network | None = None,
        proposer: Proposer | None = None,
        greedy: bool = False,
        seed: int = 0,
        user: UserModel = TRUTHFUL,
    ) -> None:
        super().__init__(network or Network(seed=seed), greedy, seed)
        self.proposer = proposer or NoteProposer()
        self.user = user

    def key(self, observation: Observation) -> Asking:
        """The point of the dialogue, its notes in canonical order."""
        return Asking.of(observation, "MoveScorer", self.user)

    def moves(self, key: Asking) -> Sequence[Move]:
        """What the proposer lists."""
        return self.proposer.propose(key)

    def describe(self, key: Asking, moves: Sequence[Move]) -> Floats:
        """features_M_F, in the order of `FEATURES`."""
        return describe(key, moves, getattr(self.proposer, "candidates", "optimal"))

    def context(self, key: Asking, features_M_F: Floats) -> Floats:
        """The features of `SHARED`, which any candidate has."""
        return features_M_F[0, _CONTEXT]

    def prepare(self, keys: Sequence[Asking]) -> None:
        """A batch proposer samples for all new points at once, and keeps it."""
        if isinstance(self.proposer, BatchProposer):
            self.proposer.propose_all(keys)
