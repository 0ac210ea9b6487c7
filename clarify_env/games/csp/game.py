"""Collaborative self-play (arXiv 2503.14481): helpers answer from memory or search, an asker chooses.

| phase     | on turn                 | moves            | leads to                                        |
| --------- | ----------------------- | ---------------- | ----------------------------------------------- |
| answering | all helpers without an  | `Search`         | passages for that helper; `search_cost`         |
|           | answer, at once         | `Sure`, `Unsure` | its answer, with its mark; `say_cost`           |
|           |                         | `Silent`         | no answer of this helper                        |
| choosing  | asker                   | `Answer`         | the end: accuracy, `word_cost`, `wrong_cost`    |
|           |                         | `Hedge`          | the end: nothing is earned, nothing paid        |

A helper sees the question, what it remembers, what its own tool has found, and its own moves. The asker sees
the question and the answers with their marks, in an order drawn anew for every episode; who gave which it is
only told if `anonymous` is False. Reward, shared by the group: accuracy - search_cost * searches - word_cost
* words of the asker's answer - wrong_cost * (1 - accuracy), the last one for an answer and not for a hedge.
Only some of these games know `Silent` and `say_cost`.

The episode terminates with the asker's move, or with an illegal or unreadable move of anybody. That one
counts as a wrong answer of one word, besides the costs so far: no player can call off what will go wrong.

Searching is part of the rules: what a query finds is a function of the helper's tool and of what nature drew.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from gymnasium.spaces import Box, Space

from clarify_env.costs import bound
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, Paid, Stop, StopReason, Turn
from clarify_env.games.csp.records import MARKS, Hedge, Search, Silent
from clarify_env.moves import Answer, Move
from clarify_env.spaces import Records, UnicodeText
from clarify_env.text import Grade, grade_text

SEARCHING, ANSWERING, DONE = range(3)  # what a helper may still do: everything, only answer, nothing


_SELECTED = Stop(StopReason.SELECTED)


_BROKEN = (StopReason.ILLEGAL, StopReason.UNREADABLE)


_new = tuple.__new__  # of a NamedTuple, in half the time that its own constructor takes


class State(NamedTuple):
    """Everything about an episode: what nature chose, who may do what, and what was counted.

    `known`, which follows from the three before it, is each player's observation but for what comes later;
    `status`, `found` and `said` are of each helper what it may do, its passages, and its answer.
    """

    task: Any
    drawn: Any
    costs: Any
    known: Mapping[str, dict[str, Any]]
    status: tuple[int, ...]
    found: tuple[tuple[Any, ...], ...]
    said: tuple[Move | None, ...]
    history: tuple[Turn, ...] = ()
    searches: int = 0
    texts: int = 0
    words: int = 0
    wrong: float = 0.0
    accuracy: float = 0.0
    exact: float = 0.0
    stop: Stop | None = None


class CollaborationGame(Game[State]):
    """Rules of collaborative self-play; see the module's docstring. A subclass says what nature draws.

    Args:
        tasks: the questions.
        helpers: how many, 1 to 9.
        costs: anything with `sample(rng)` that gives costs of the game's `costs_type`.
        anonymous: whether the asker is kept from knowing who gave which answer.
        searches: that each helper may make, >= 0.
        grade: accuracy and exact match of the asker's answer; a pure function.
        answers: the kinds of moves by which a helper ends its part.
    """

    family: ClassVar[str] = "csp"
    draws: int  # even draws in [0, 1) that `draw` takes

    def __init__(
        self,
        tasks: Sequence[Any],
        helpers: int,
        costs: Any,
        anonymous: bool = True,
        searches: int = 1,
        grade: Grade = grade_text,
        answers: tuple[type[Move], ...] = MARKS,
    ) -> None:
        if not tasks:
            raise ClarifyError("no questions: the split is empty")
        if not 1 <= helpers <= 9:
            raise ClarifyError(f"{helpers} tools: 1 to 9 helpers can play, each with its own")
        if not isinstance(searches, int) or searches < 0:
            raise ClarifyError(f"searches={searches!r}: a whole number >= 0")
        self.tasks: Sequence[Any] = tasks
        self.opening = self.helpers = tuple(f"helper{k}" for k in range(1, helpers + 1))
        # Class variables of Game; here the constructor says how many players there are.
        self.players = ("asker", *self.helpers)  # type: ignore[misc]
        self._kinds: tuple[tuple[type[Move], ...], ...] = ((Search, *answers), answers)
        helping = dict.fromkeys(self.helpers, self._kinds[SEARCHING])
        self.moves = {"asker": (Answer, Hedge), **helping}  # type: ignore[misc]
        self.costs = bound(costs, self.costs_type)
        self.anonymous = anonymous
        self.searches = searches
        self.max_turns = searches + 2
        self.grade = grade
        self._at = {name: k for k, name in enumerate(self.helpers)}
        self._legal: dict[tuple[int, ...], Mapping[str, tuple[type[Move], ...]]] = {}
        self._pays_texts = "say_cost" in self.terms
        none = (None,)
        self._fresh = ((SEARCHING if searches else ANSWERING,) * helpers, ((),) * helpers, none * helpers)

    @abstractmethod
    def draw(self, task: Any, draws: Sequence[float]) -> Any:
        """What nature draws besides the question and the costs; it has an `order` of the helpers."""

    @abstractmethod
    def pinned(self, drawn: Any, options: Mapping[str, Any], task: Any) -> Any:
        """`drawn`, but for what the options say; raises ClarifyError for what nature could not have drawn."""

    @abstractmethod
    def known_at_start(self, task: Any, drawn: Any, costs: Any) -> dict[str, dict[str, Any]]:
        """Each player's observation at the start, but for its transcript and passages."""

    @abstractmethod
    def find(self, state: State, helper: int, query: str, search: int) -> Sequence[Any]:
        """Records of what a helper's query finds, each with its `text`, the nearest first.

        Args:
            state: before the search.
            helper: whose tool, from 0.
            query: the words to search for.
            search: which search of this helper it is, from 0.
        """

    @abstractmethod
    def truth(self, state: State) -> Sequence[str]:
        """The right answer, with its aliases."""

    @abstractmethod
    def only(self, helper: int, searches: int | None = None) -> Self:
        """The game with this helper and no other; `searches` as here by default."""

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> State:
        """Draw the question, the costs and what `draw` holds; `options` pins any of them.

        The same draws are made whatever is pinned, so that pinning one leaves the others as they were.
        """
        first, *draws = rng.random(1 + self.draws).tolist()
        costs = self.costs.sample(rng)
        task = self.tasks[int(first * len(self.tasks))]
        if options.get("task") is not None:
            task = self.task(options["task"])
        drawn = self.draw(task, draws)
        if options:
            drawn = self.pinned(drawn, options, task)
            costs = options.get("costs") or costs
        known = self.known_at_start(task, drawn, costs)
        return _new(State, (task, drawn, costs, known, *self._fresh, (), 0, 0, 0, 0.0, 0.0, 0.0, None))

    def role(self, player: str) -> str:
        """What this player is, whichever number it has."""
        return f"{self.family}/{'asker' if player == 'asker' else 'helper'}"

    def legal(self, state: State) -> Mapping[str, tuple[type[Move], ...]]:
        """The helpers without an answer, then the asker."""
        if state.stop is not None:
            return {}
        found = self._legal.get(state.status)
        if found is None:
            helping = zip(self.helpers, state.status, strict=True)
            found = {name: self._kinds[status] for name, status in helping if status != DONE}
            found = self._legal[state.status] = found or {"asker": (Answer, Hedge)}
        return found

    def apply(self, state: State, moves: Mapping[str, Move]) -> tuple[State, Paid]:
        """The transition table of the module's docstring."""
        if "asker" in moves:
            return self._end(state, moves["asker"])
        task, drawn, costs, known, status, found, said, history, searches, texts, *rest = state
        new_status, new_found, new_said = list(status), list(found), list(said)
        made = given = 0
        for name, k in self._at.items():
            move = moves.get(name)
            if move is None:
                continue
            history = (*history, _new(Turn, (name, move)))
            if isinstance(move, Search):
                made += 1
                asked = sum(turn[0] == name for turn in history)
                new_status[k] = SEARCHING if asked < self.searches else ANSWERING
                known_texts = [passage.text for passage in found[k]]
                fresh = self.find(state, k, move.text, asked - 1)
                new_found[k] = (*found[k], *[one for one in fresh if one.text not in known_texts])
            else:
                given += not isinstance(move, Silent)
                new_status[k], new_said[k] = DONE, move
        own = tuple(new_status), tuple(new_found), tuple(new_said)
        counts = searches + made, texts + given
        after = _new(State, (task, drawn, costs, known, *own, history, *counts, *rest))
        paid: Paid = (("search_cost", made),) if made else ()
        if given and self._pays_texts:
            paid = (*paid, ("say_cost", given))
        return after, paid

    def _end(self, state: State, move: Move) -> tuple[State, Paid]:
        history = (*state.history, _new(Turn, ("asker", move)))
        if isinstance(move, Hedge):
            return state._replace(history=history, stop=_SELECTED), ()
        accuracy, exact = self.grade(move.text, self.truth(state))
        counted = (state.searches, state.texts, move.words, 1.0 - accuracy, accuracy, exact)
        paid = (("accuracy", accuracy), ("word_cost", move.words), ("wrong_cost", 1.0 - accuracy))
        return _new(State, (*state[:7], history, *counted, _SELECTED)), paid

    def stopped(self, state: State, stop: Stop) -> State:
        """The state with the episode over; a broken rule counts as a wrong answer of one word."""
        if stop.reason in _BROKEN:
            return state._replace(words=1, wrong=1.0, stop=stop)
        return state._replace(stop=stop)

    def forfeit(self, state: State, stop: Stop) -> Paid:
        """What a wrong answer of one word pays, where a rule was broken."""
        return (("word_cost", 1), ("wrong_cost", 1.0)) if stop.reason in _BROKEN else ()

    def observe(self, state: State, player: str) -> dict[str, Any]:
        """question, topic, costs, transcript; a helper's passages, and what it knows at the start.

        The transcript of a helper holds its own moves. That of the asker holds the answers, once all are
        given, as Turn("helper", ...) or under their names, then its own.
        """
        observation = state.known[player].copy()
        history = state.history
        at = self._at.get(player)
        if at is not None:
            observation["passages"] = state.found[at]
            observation["transcript"] = tuple([turn for turn in history if turn[0] == player])
        elif None in state.said:
            observation["transcript"] = ()
        else:
            names = ("helper",) * len(self.helpers) if self.anonymous else self.helpers
            answers = [_new(Turn, (names[k], state.said[k])) for k in state.drawn.order]
            own = history[-1:] if history[-1][0] == player else ()
            observation["transcript"] = (*answers, *own)
        return observation

    def told(self, state: State, player: str) -> Sequence[str]:
        """The passages that a helper's own searches found."""
        at = self._at.get(player)
        return () if at is None else [passage.text for passage in state.found[at]]

    def spaces(self, player: str) -> dict[str, Space[Any]]:
        """Spaces of the observations; `costs` in the order of the game's `costs_type`."""
        shared: dict[str, Space[Any]] = {
            "question": UnicodeText(),
            "topic": UnicodeText(),
            "costs": Box(0.0, np.inf, (len(self.costs_type._fields),), np.float64),
            "transcript": Records(Turn),
        }
        if player == "asker":
            return shared
        return {**shared, **self.helper_spaces(), "profile": UnicodeText()}

    @abstractmethod
    def helper_spaces(self) -> dict[str, Space[Any]]:
        """Spaces of what only helpers see, `passages` among them."""

    def quantities(self, state: State) -> dict[str, float]:
        """accuracy (what `grade` says), searches, words, wrong, exact (exact match), in `counted`'s order."""
        return {name: getattr(state, name) for name in self.counted}

    def anew(self, state: State, task: Any, drawn: Any) -> State:
        """A start state in which nature has drawn something else."""
        return state._replace(task=task, drawn=drawn, known=self.known_at_start(task, drawn, state.costs))


def pinned_order(order: Any, helpers: int) -> tuple[int, ...]:
    """The order of `options["order"]`; raises ClarifyError where it is none of so many helpers."""
    if not isinstance(order, Sequence) or isinstance(order, str) or len(order) != helpers:
        raise ClarifyError(f"options['order']={order!r}: a list of {helpers}, one for each helper")
    if set(order) != set(range(helpers)):
        raise ClarifyError(f"options['order']={order!r}: not an order of {helpers} helpers, from 0")
    return tuple(order)
