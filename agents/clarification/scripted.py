"""The game's scripted players: fixed strategies, the optimal asker, and the user that they are played with.

The askers play from their notes (knowledge="open") and believe what the replies tell them (`belief`). Fixed
strategies never look at the costs: they are the baselines.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clarify_env.agent import Agent, Observation
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.games.clarification.game import Ask, Costs, Enumerate, Reply, Select
from clarify_env.games.clarification.optimum import Solver, questions, solver
from clarify_env.games.clarification.plain_messages import messages_of, whole_list
from clarify_env.games.clarification.scripted_user import (
    SILENT,
    TRUTHFUL,
    Said,
    UserModel,
    added,
    closest,
    pick,
)
from clarify_env.games.clarification.task import Interpretation, canonical
from clarify_env.moves import Answer, Move
from clarify_env.text import Grade, grade_text, token_f1

SETTLED = 0.9  # belief above which one meaning counts as known
DOUBT = 0.02  # likelihood of a reply in words of its own under a note that it does not fit best
SLIP = 1e-4  # of a reply in the user's words under a note that would never be told so: it may be another user
Matcher = Callable[[tuple[str, ...], str, str], int | None]  # (labels, meaning, question) -> position


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
    question: str,
    notes: tuple[Interpretation, ...],
    transcript: tuple[Turn, ...],
    user: UserModel = TRUTHFUL,
) -> NDArray[np.float64]:
    """Probabilities of the notes, belief_N: their weights, and Bayes' rule for every reply.

    A reply that `user` might have given, word for word, is as likely under a note as the user would have
    been to give it, and `SLIP` at least. For a reply in other words the notes that it fits best have
    likelihood 1, the others `DOUBT`; the fit is token F1 with what a truthful user who meant the note would
    have replied; where that fits none, and the notes have facts, with what the note adds to the question.
    A reply that says nothing, is the question over again, or fits none of them, changes nothing.
    """
    weights = np.array([note.weight for note in notes])
    said = said_before(transcript)
    for k, (asked, reply) in enumerate(said):
        if reply in SILENT or reply == question:
            continue
        told = [user.replies(asked, question, note.text, note.facts, said[:k]) for note in notes]
        likely = np.array([sum(p for text, p in own if text == reply) for own in told])
        if likely.max() > 0.0:
            weights = weights * np.maximum(likely / likely.max(), SLIP)
            continue
        truths = [TRUTHFUL.replies(asked, question, n.text, n.facts, said[:k])[0][0] for n in notes]
        scores = np.array([token_f1(reply, truth) for truth in truths])
        if scores.max() == 0.0 and notes[0].facts:
            scores = np.array([token_f1(reply, added(note.text, question)) for note in notes])
        if scores.max() > 0.0:
            weights = weights * np.where(scores >= scores.max() - 1e-9, 1.0, DOUBT)
    result: NDArray[np.float64] = weights / weights.sum()
    result.flags.writeable = False
    return result


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


class AlwaysEnumerate(Agent):
    """Lists every meaning's usual answer, the likelier first, under labels as short as they can be."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """An `Enumerate`, or an `Answer` where there is only one meaning."""
        return whole_list(notes_of(observation, "AlwaysEnumerate"), observation["question"])


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
        candidates: final messages that it chooses among: "optimal" (the words that pay best for its belief),
            or "plain" (each meaning's usual answer, and whole lists of them).
    """

    def __init__(
        self,
        user: UserModel | None = None,
        max_turns: int = 5,
        seed: int | None = None,
        grade: Grade = grade_text,
        candidates: str = "optimal",
    ) -> None:
        super().__init__(seed)
        messages_of(candidates)  # a mistake in the name is found here
        self.user = user or UserModel()
        self.max_turns = max_turns
        self.grade = grade
        self.candidates = candidates
        self._best = lru_cache(maxsize=50_000)(self._best_move)

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """The best move under this observation's costs."""
        return self._best(*_seen(observation))

    def values(self, observation: Observation) -> list[tuple[Move, float]]:
        """The best final message and the questions worth considering, with their values (`Solver.values`)."""
        question, notes, transcript, costs = _seen(observation)
        best, belief_N, asks = self._point(question, notes, transcript)
        return best.values(belief_N, self._ahead(asks), costs)

    def _best_move(
        self, question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...], costs: Costs
    ) -> Move:
        best, belief_N, asks = self._point(question, notes, transcript)
        return best.move(belief_N, self._ahead(asks), costs)

    def _ahead(self, asks: int) -> int:
        """How many questions more are thought of, after `asks` of them."""
        return self.max_turns - 1 - asks

    def _point(
        self, question: str, notes: tuple[Interpretation, ...], transcript: tuple[Turn, ...]
    ) -> tuple[Solver, NDArray[np.float64], int]:
        """The question's solver, the belief after the transcript, and how many questions it holds."""
        best = solver(question, notes, self.user, self.max_turns, self.grade, self.candidates)
        belief_N, asked = best.prior_N, ""
        asks = 0
        for turn in transcript:
            if isinstance(turn.move, Ask):
                asked, asks = turn.move.text, asks + 1
            elif isinstance(turn.move, Reply):
                belief_N = best.posterior(belief_N, asked, turn.move.text)
        return best, belief_N, asks


class Lookahead(OptimalAsker):
    """Looks a few questions ahead: asks where the best final message after the replies is worth the price.

    It is the optimal asker that believes it may put no more than `depth` questions, and thinks anew after
    each reply. So it passes over a question that pays only together with more than it thinks of.

    Args:
        depth: questions that it thinks ahead, >= 1.
        user, max_turns, seed, grade, candidates: as of `OptimalAsker`.
    """

    def __init__(
        self,
        depth: int = 1,
        user: UserModel | None = None,
        max_turns: int = 5,
        seed: int | None = None,
        grade: Grade = grade_text,
        candidates: str = "optimal",
    ) -> None:
        super().__init__(user, max_turns, seed, grade, candidates)
        if depth < 1:
            raise ClarifyError(f"Lookahead(depth={depth!r}): at least one question ahead")
        self.depth = depth

    def _ahead(self, asks: int) -> int:
        return min(self.depth, super()._ahead(asks))


def _seen(
    observation: Observation,
) -> tuple[str, tuple[Interpretation, ...], tuple[Turn, ...], Costs]:
    notes, costs = canonical(notes_of(observation, "OptimalAsker")), observation["costs"].tolist()
    if len(costs) != len(Costs._fields):
        raise ClarifyError(
            f"OptimalAsker: a game of {len(costs)} costs; an optimum is known for those of a turn and a word"
        )
    return observation["question"], notes, observation["transcript"], Costs(*costs)


class ScriptedUser(Agent):
    """Answers questions by `UserModel`, and takes the branch of an enumeration whose label fits best.

    Args:
        model: how reliable it is, such as UserModel(noise=0.1); by default perfectly.
        seed: of the agent's own generator.
        matcher: which label fits a meaning in text best, or None where none does; by default the F1 of their
            stems, which the exact optimum counts on; `clarify_env.agents.EmbeddingMatcher` is another.
    """

    def __init__(
        self, model: UserModel | None = None, seed: int | None = None, matcher: Matcher = closest
    ) -> None:
        super().__init__(seed)
        self.model = model or UserModel()
        self.matcher = matcher

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> Sequence[Move]:
        """One move per observation; a matcher with `read` is shown all texts of the batch first."""
        read = getattr(self.matcher, "read", None)
        if read:
            read([text for observation in observations for text in _texts(observation)])
        if rngs is None:
            rngs = [self._rng] * len(observations)
        return [self.move(observation, rng) for observation, rng in zip(observations, rngs, strict=True)]

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A `Reply` to a question, a `Select` from a final message."""
        message = observation["transcript"][-1].move
        if not isinstance(message, Ask):
            return Select(self._selection(message, observation))
        texts = self._replies(message, observation)
        if len(texts) > 1:
            draw = rng.random()
            for text, chance in texts[:-1]:
                draw -= chance
                if draw < 0.0:
                    return Reply(text)
        return Reply(texts[-1][0])

    def replies(self, observation: Observation) -> list[tuple[Move, float]]:
        """What `move` draws from, with probabilities; see `clarify_env.agent.Predictable`."""
        message = observation["transcript"][-1].move
        if not isinstance(message, Ask):
            return [(Select(self._selection(message, observation)), 1.0)]
        chances: dict[str, float] = {}
        for text, chance in self._replies(message, observation):
            chances[text] = chances.get(text, 0.0) + chance
        return [(Reply(text), chance) for text, chance in chances.items()]

    def _replies(self, ask: Ask, observation: Observation) -> list[tuple[str, float]]:
        facts = observation["facts"]
        said = () if facts else said_before(observation["transcript"])
        return self.model.replies(ask.text, observation["question"], observation["intent"], facts, said)

    def _selection(self, message: Move, observation: Observation) -> str:
        if isinstance(message, Answer):
            return message.text
        if not isinstance(message, Enumerate):
            raise ClarifyError(f"ScriptedUser: does not know what to do about a {message.kind!r}")
        intent, facts, question = observation["intent"], observation["facts"], observation["question"]
        if facts:
            at = pick(message.options, intent, facts, question)
        else:
            at = self.matcher(tuple(label for label, _ in message.options), intent, question)
        return "" if at is None else message.options[at][1]


def _texts(observation: Observation) -> list[str]:
    """What a matcher compares in this observation."""
    message = observation["transcript"][-1].move
    if not isinstance(message, Enumerate) or observation["facts"]:
        return []
    return [*(label for label, _ in message.options), observation["intent"], observation["question"]]
