"""The best achievable reward of a question, by dynamic programming over beliefs.

The asker knows the notes, their weights, the costs and how the scripted user behaves; it does not know the
meaning. Its belief after a reply is Bayes' rule under `UserModel.replies`. With a belief p and n messages
left, V(p, n) is the greater of the best final message's value and, over the questions that can be put,
-turn_cost + sum over replies of P(reply | p) V(p after the reply, n - 1). For meanings with facts all
questions that matter are one per fact, so that V is the exact optimum over everything that can be said (with
one alias a meaning); with text alone there is one question, and final messages are those of
`clarify_env.games.clarification.final_messages`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.games.clarification.game import Ask, Costs
from clarify_env.games.clarification.plain_messages import messages_of
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.games.clarification.task import Interpretation
from clarify_env.moves import Move
from clarify_env.text import Grade, grade_text, tokens

WHICH = "What exactly do you mean?"


OUTCOME = ("reward", "accuracy", "asks", "words", "ask", "enumerate", "answer")  # of `Solver.outcome`


def questions(meanings: Sequence[Interpretation]) -> list[Ask]:
    """The questions worth putting: one per fact whose value differs, or a plain one without facts."""
    if len(meanings) < 2:
        return []
    if not meanings[0].facts:
        return [Ask(WHICH)]
    columns = zip(*(m.facts for m in meanings), strict=True)
    return [Ask(f"Which {c[0].name}?") for c in columns if len({fact.value for fact in c}) > 1]


class Solver:
    """Optimal play of one question.

    Args:
        question: what the user asked.
        meanings: its interpretations, with facts and weights.
        user: how the scripted user behaves.
        max_turns: messages that the asker may send, >= 1.
        grade: the game's.
        candidates: final messages that are chosen among, "optimal" or "plain" (`plain_messages`).
    """

    def __init__(
        self,
        question: str,
        meanings: Sequence[Interpretation],
        user: UserModel,
        max_turns: int,
        grade: Grade = grade_text,
        candidates: str = "optimal",
    ) -> None:
        self.question = question
        self.meanings = tuple(meanings)
        self.user = user
        self.max_turns = max_turns
        self.prior_N = np.array([m.weight for m in meanings])
        self.messages = messages_of(candidates)(meanings, question, grade)
        self.asks = questions(meanings)
        self._certain_for, self._certain_N_C = b"", np.zeros((0, 0))
        self._outcomes = [self._likelihoods(ask) for ask in self.asks]

    def _likelihoods(self, ask: Ask) -> Floats:
        """likelihood_R_N: of each reply under each meaning; replies that say the same are added up."""
        columns: dict[str, list[float]] = {}
        for i, meaning in enumerate(self.meanings):
            for reply, p in self.user.replies(ask.text, self.question, meaning.text, meaning.facts):
                columns.setdefault(reply, [0.0] * len(self.meanings))[i] += p
        merged: dict[tuple[float, ...], Floats] = {}
        for row in columns.values():
            likelihood = np.array(row)
            key = tuple((likelihood / likelihood.max()).round(12))
            merged[key] = merged.get(key, 0.0) + likelihood
        return np.array(list(merged.values()))

    def posterior(self, belief_N: Floats, ask: str, reply: str) -> Floats:
        """The belief after `reply` to `ask`; unchanged where no meaning explains the reply."""
        likelihood = np.array(
            [
                sum(p for text, p in self.user.replies(ask, self.question, m.text, m.facts) if text == reply)
                for m in self.meanings
            ]
        )
        after = belief_N * likelihood
        return after / after.sum() if after.sum() > 0.0 else belief_N

    def optimum(self, costs: Sequence[Costs]) -> Floats:
        """What optimal play yields from the start.

        Args:
            costs: C cost pairs.

        Returns:
            optimum_C_4: expected reward, accuracy, asks and words.
        """
        return self.outcome(costs)[:, :4]

    def outcome(self, costs: Sequence[Costs], depth: int | None = None) -> Floats:
        """What optimal play yields and which moves it makes, from the start.

        Args:
            costs: C cost pairs.
            depth: questions that the player thinks ahead, anew at each point; by default all of them.

        Returns:
            outcome_C_7: expected reward, accuracy, asks, words, and the expected shares of questions,
            enumerations and answers among the asker's moves of an episode.
        """
        table = np.array(costs, dtype=np.float64).reshape(-1, 2)
        if depth is None:
            return self._value(self.prior_N, self.max_turns - 1, table, {})
        return self._looked(self.prior_N, self.max_turns - 1, depth, table, {}, {})

    def move(self, belief_N: Floats, asks_left: int, costs: Costs) -> Move:
        """The best move for a belief.

        Args:
            belief_N: probabilities of the meanings.
            asks_left: questions that can still be put, >= 0.
            costs: the prices.
        """
        table = np.array([costs], dtype=np.float64)
        memo: dict[tuple[bytes, int], Floats] = {}
        final = self.messages.best(belief_N, table[:, 1])
        best, move = float(final[0, 0]), None
        if asks_left > 0 and not self._pointless(belief_N, final, table):
            for ask, outcomes in zip(self.asks, self._outcomes, strict=True):
                asked = self._after(belief_N, outcomes, table, self._then(asks_left, table, memo))
                if asked is not None and asked[0, 0] > best + 1e-12:
                    best, move = float(asked[0, 0]), ask
        return move or self.messages.message(belief_N, costs.word)

    def values(self, belief_N: Floats, asks_left: int, costs: Costs) -> list[tuple[Move, float]]:
        """The best final message and the questions that tell something, each with its value.

        The value is the expected reward from here on, if all that follows is optimal.

        Args:
            belief_N: probabilities of the meanings.
            asks_left: questions that can still be put, >= 0.
            costs: the prices.
        """
        table = np.array([costs], dtype=np.float64)
        memo: dict[tuple[bytes, int], Floats] = {}
        final = float(self.messages.best(belief_N, table[:, 1])[0, 0])
        found: list[tuple[Move, float]] = [(self.messages.message(belief_N, costs.word), final)]
        for ask, outcomes in zip(self.asks, self._outcomes, strict=True):
            then = self._then(asks_left, table, memo)
            asked = self._after(belief_N, outcomes, table, then) if asks_left > 0 else None
            if asked is not None:
                found.append((ask, float(asked[0, 0])))
        return found

    def _value(
        self, belief_N: Floats, asks_left: int, costs_C_2: Floats, memo: dict[tuple[bytes, int], Floats]
    ) -> Floats:
        key = (belief_N.round(12).tobytes(), asks_left)
        if key in memo:
            return memo[key]
        final = self.messages.best(belief_N, costs_C_2[:, 1])
        best = self._told(final, asks_left)
        if asks_left > 0 and not self._pointless(belief_N, final, costs_C_2):
            then = self._then(asks_left, costs_C_2, memo)
            for outcomes in self._outcomes:
                asked = self._after(belief_N, outcomes, costs_C_2, then)
                if asked is not None:
                    best = np.where(asked[:, :1] > best[:, :1] + 1e-12, asked, best)
        memo[key] = best
        return best

    def _then(
        self, asks_left: int, costs_C_2: Floats, memo: dict[tuple[bytes, int], Floats]
    ) -> Callable[[Floats], Floats]:
        """What optimal play yields after a question, from the belief then."""
        return lambda belief_N: self._value(belief_N, asks_left - 1, costs_C_2, memo)

    def _told(self, final_C_4: Floats, asks_left: int) -> Floats:
        """The outcome of ending with these final messages (see `outcome`)."""
        moves = self.max_turns - asks_left  # of the asker, with this one
        outcome = np.empty((len(final_C_4), 7))
        outcome[:, :2], outcome[:, 2], outcome[:, 3] = final_C_4[:, :2], 0.0, final_C_4[:, 2]
        outcome[:, 4], outcome[:, 5] = (moves - 1) / moves, final_C_4[:, 3] / moves
        outcome[:, 6] = (1.0 - final_C_4[:, 3]) / moves
        return outcome

    def _looked(
        self,
        belief_N: Floats,
        asks_left: int,
        depth: int,
        costs_C_2: Floats,
        memo: dict[tuple[bytes, int], Floats],
        thought: dict[tuple[bytes, int], Floats],
    ) -> Floats:
        """The outcome for a player who thinks `depth` questions ahead, what comes after it put right."""
        key = (belief_N.round(12).tobytes(), asks_left)
        if key in memo:
            return memo[key]
        final = self.messages.best(belief_N, costs_C_2[:, 1])
        outcome = self._told(final, asks_left)
        if asks_left > 0 and not self._pointless(belief_N, final, costs_C_2):
            ahead = self._then(min(depth, asks_left), costs_C_2, thought)
            best_C, chosen_C = final[:, 0].copy(), np.full(len(final), -1)
            for k, outcomes in enumerate(self._outcomes):
                asked = self._after(belief_N, outcomes, costs_C_2, ahead)
                if asked is not None:
                    better_C = asked[:, 0] > best_C + 1e-12
                    best_C, chosen_C = (
                        np.where(better_C, asked[:, 0], best_C),
                        np.where(better_C, k, chosen_C),
                    )

            def after(belief_N: Floats) -> Floats:
                return self._looked(belief_N, asks_left - 1, depth, costs_C_2, memo, thought)

            for k in set(chosen_C.tolist()) - {-1}:
                real = self._after(belief_N, self._outcomes[k], costs_C_2, after)
                if real is not None:
                    outcome = np.where((chosen_C == k)[:, None], real, outcome)
        memo[key] = outcome
        return outcome

    def _after(
        self,
        belief_N: Floats,
        outcomes_R_N: Floats,
        costs_C_2: Floats,
        then: Callable[[Floats], Floats],
    ) -> Floats | None:
        """The outcome of asking once and going on as `then` says (`outcome`); None if it tells nothing."""
        joint = outcomes_R_N * belief_N
        chances = joint.sum(axis=1)
        if chances.max() > 1.0 - 1e-12:
            return None
        total = np.zeros((len(costs_C_2), 7))
        for row, chance in zip(joint, chances, strict=True):
            if chance > 0.0:
                total += chance * then(row / chance)
        total[:, 0] -= costs_C_2[:, 0]
        total[:, 2] += 1.0
        return total

    def _pointless(self, belief_N: Floats, final_C_4: Floats, costs_C_2: Floats) -> bool:
        """Whether even knowing the meaning for sure would not pay for one question, at any of the costs."""
        certain_C = belief_N @ self._certain(costs_C_2[:, 1])
        return bool(np.all(final_C_4[:, 0] >= certain_C - costs_C_2[:, 0] - 1e-12))

    def _certain(self, word_costs_C: Floats) -> Floats:
        """certain_N_C: value of the best text for each meaning, were it known, under each word cost."""
        key = word_costs_C.tobytes()
        if self._certain_for != key:
            lengths = [min(len(tokens(alias)) for alias in m.answers) for m in self.meanings]
            m = np.arange(max(lengths) + 1)[:, None, None]
            length_N_1 = np.array(lengths)[:, None]
            f1 = np.where(m <= length_N_1, 2.0 * m / (m + length_N_1), 0.0)
            self._certain_for, self._certain_N_C = key, (f1 - word_costs_C * m).max(axis=0)
        return self._certain_N_C


@lru_cache(maxsize=4096)
def solver(
    question: str,
    meanings: tuple[Interpretation, ...],
    user: UserModel,
    max_turns: int,
    grade: Grade = grade_text,
    candidates: str = "optimal",
) -> Solver:
    """The solver of a question, kept for the next time that it is asked for."""
    return Solver(question, meanings, user, max_turns, grade, candidates)
