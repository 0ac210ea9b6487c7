"""Collaborative self-play (arXiv 2503.14481): helpers answer from memory or search, an asker chooses.

| phase     | on turn                 | moves            | leads to                                        |
| --------- | ----------------------- | ---------------- | ----------------------------------------------- |
| answering | all helpers without an  | `Search`         | passages for that helper; `search_cost`         |
|           | answer, at once         | `Sure`, `Unsure` | its answer, with its mark                       |
| choosing  | asker                   | `Answer`         | the end: accuracy, `word_cost`, `wrong_cost`    |
|           |                         | `Hedge`          | the end: nothing is earned, nothing paid        |

A helper sees the question, what it remembers and how reliable that is, what its own tool has found, and its
own moves. The asker sees the question and the answers with their marks, in an order drawn anew for every
episode; who gave which it is only told if `anonymous` is False. Reward, shared by the group: accuracy
- search_cost * searches - word_cost * words of the asker's answer - wrong_cost * (1 - accuracy), the last one
for an answer and not for a hedge. The episode terminates with the asker's move, or with an illegal or
unreadable move of anybody (accuracy 0, costs stand).

Searching is part of the rules: what a query finds is a function of the helper's tool and of what nature drew.

What collaborative self-play is made of: costs, moves, questions, and what helpers have.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Space

from clarify_env.costs import bound
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, Paid, Stop, StopReason, Term, Turn
from clarify_env.games.clarification.game import Answer
from clarify_env.games.csp.nature import Draw, alternatives, draw, known_at_start, pinned
from clarify_env.games.csp.records import (
    MARKS,
    CspCosts,
    Hedge,
    Memory,
    Passage,
    Question,
    Retriever,
    Search,
    Tool,
    World,
)
from clarify_env.moves import Move
from clarify_env.spaces import Records, UnicodeText
from clarify_env.text import Grade, grade_text

# What a mark says, as the prompts tell language models: right nine times in ten, right three times in ten.


SEARCHING, ANSWERING, DONE = range(3)  # what a helper may still do: everything, only answer, nothing


_KINDS: tuple[tuple[type[Move], ...], ...] = ((Search, *MARKS), MARKS)


_SELECTED = Stop(StopReason.SELECTED)


_new = tuple.__new__  # of a NamedTuple, in half the time that its own constructor takes


class State(NamedTuple):
    """Everything about an episode: what nature chose, who may do what, and what was counted.

    `known`, which follows from the three before it, is each player's observation but for what comes later;
    `status`, `found` and `said` are of each helper what it may do, its passages, and its answer.
    """

    task: Question
    drawn: Draw
    costs: CspCosts
    known: Mapping[str, dict[str, Any]]
    status: tuple[int, ...]
    found: tuple[tuple[Passage, ...], ...]
    said: tuple[Move | None, ...]
    history: tuple[Turn, ...] = ()
    searches: int = 0
    words: int = 0
    wrong: float = 0.0
    accuracy: float = 0.0
    exact: float = 0.0
    stop: Stop | None = None


class CollaborationGame(Game[State]):
    """Rules of collaborative self-play; see the module's docstring.

    Args:
        tasks: the questions.
        tools: one for each helper, 1 to 9 of them.
        costs: anything with `sample(rng)` that gives `CspCosts`.
        world: how reliable memories and tools are; None where helpers remember nothing that the game knows.
        anonymous: whether the asker is kept from knowing who gave which answer.
        searches: that each helper may make, >= 0.
        grade: accuracy and exact match of the asker's answer; a pure function.
    """

    terms: ClassVar[Mapping[str, Term]] = {
        "accuracy": Term("accuracy"),
        "search_cost": Term("searches", "search"),
        "word_cost": Term("words", "word"),
        "wrong_cost": Term("wrong", "wrong"),
    }
    family: ClassVar[str] = "csp"
    costs_type: ClassVar[type[Any]] = CspCosts
    options: ClassVar[tuple[str, ...]] = ("task", *Draw._fields, "costs")
    counted: ClassVar[tuple[str, ...]] = ("accuracy", "searches", "words", "wrong", "exact")

    def __init__(
        self,
        tasks: Sequence[Question],
        tools: Sequence[Retriever],
        costs: Any,
        world: World | None = None,
        anonymous: bool = True,
        searches: int = 1,
        grade: Grade = grade_text,
    ) -> None:
        if not tasks:
            raise ClarifyError("no questions: the split is empty")
        if not 1 <= len(tools) <= 9:
            raise ClarifyError(f"{len(tools)} tools: 1 to 9 helpers can play, each with its own")
        if not isinstance(searches, int) or searches < 0:
            raise ClarifyError(f"searches={searches!r}: a whole number >= 0")
        self.tasks: Sequence[Question] = tasks
        self.tools = tuple(tools)
        self.opening = self.helpers = tuple(f"helper{k}" for k in range(1, len(tools) + 1))
        # Class variables of Game; here the constructor says how many players there are.
        self.players = ("asker", *self.helpers)  # type: ignore[misc]
        helping = dict.fromkeys(self.helpers, _KINDS[SEARCHING])
        self.moves = {"asker": (Answer, Hedge), **helping}  # type: ignore[misc]
        self.costs = bound(costs, self.costs_type)
        self.world = world
        self.anonymous = anonymous
        self.searches = searches
        self.max_turns = searches + 2
        self.grade = grade
        self._at = {name: k for k, name in enumerate(self.helpers)}
        self._legal: dict[tuple[int, ...], Mapping[str, tuple[type[Move], ...]]] = {}
        count, none = len(tools), (None,)
        self._fresh = ((SEARCHING if searches else ANSWERING,) * count, ((),) * count, none * count)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {task.id: i for i, task in enumerate(self.tasks)}

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> State:
        """Draw the question, the costs and what `Draw` holds; `options` pins any of them.

        The same draws are made whatever is pinned, so that pinning one leaves the others as they were.
        """
        helpers = len(self.tools)
        first, *draws = rng.random(2 + 4 * helpers).tolist()
        costs = self.costs.sample(rng)
        task = self.tasks[int(first * len(self.tasks))]
        if options.get("task") is not None:
            task = self._task(options["task"])
        drawn = draw(self.world, task, draws, helpers)
        if options:
            drawn = pinned(drawn, options, self.world, task)
            costs = options.get("costs") or costs
        known = known_at_start(self.world, self.tools, task, drawn, costs)
        return _new(State, (task, drawn, costs, known, *self._fresh, (), 0, 0, 0.0, 0.0, 0.0, None))

    def _task(self, key: Any) -> Question:
        if isinstance(key, str):
            if key not in self._positions:
                raise ClarifyError(f"options['task']={key!r}: no question has this id")
            key = self._positions[key]
        if not isinstance(key, (int, np.integer)) or not 0 <= key < len(self.tasks):
            raise ClarifyError(f"options['task']={key!r}: there are {len(self.tasks)} questions, from 0")
        return self.tasks[int(key)]

    def role(self, player: str) -> str:
        """What this player is, whichever number it has."""
        return "csp/asker" if player == "asker" else "csp/helper"

    def legal(self, state: State) -> Mapping[str, tuple[type[Move], ...]]:
        """The helpers without an answer, then the asker."""
        if state.stop is not None:
            return {}
        found = self._legal.get(state.status)
        if found is None:
            helping = zip(self.helpers, state.status, strict=True)
            found = {name: _KINDS[status] for name, status in helping if status != DONE}
            found = self._legal[state.status] = found or {"asker": (Answer, Hedge)}
        return found

    def apply(self, state: State, moves: Mapping[str, Move]) -> tuple[State, Paid]:
        """The transition table of the module's docstring."""
        if "asker" in moves:
            return self._end(state, moves["asker"])
        task, drawn, costs, known, status, found, said, history, searches, *rest = state
        new_status, new_found, new_said = list(status), list(found), list(said)
        made = 0
        for name, k in self._at.items():
            move = moves.get(name)
            if move is None:
                continue
            history = (*history, _new(Turn, (name, move)))
            if isinstance(move, Search):
                made += 1
                asked = sum(turn[0] == name for turn in history)
                new_status[k] = SEARCHING if asked < self.searches else ANSWERING
                passages = self.tools[k].find(move.text, task, drawn.truth, drawn.covered[k])
                known_texts = [passage.text for passage in found[k]]
                fresh = [text for text in passages if text not in known_texts]
                new_found[k] = (*found[k], *[_new(Passage, (text, asked - 1)) for text in fresh])
            else:
                new_status[k], new_said[k] = DONE, move
        own = tuple(new_status), tuple(new_found), tuple(new_said)
        after = _new(State, (task, drawn, costs, known, *own, history, searches + made, *rest))
        return after, (("search_cost", made),) if made else ()

    def _end(self, state: State, move: Move) -> tuple[State, Paid]:
        history = (*state.history, _new(Turn, ("asker", move)))
        if isinstance(move, Hedge):
            return state._replace(history=history, stop=_SELECTED), ()
        accuracy, exact = self.grade(move.text, state.task.values[state.drawn.truth])
        counted = (state.searches, move.words, 1.0 - accuracy, accuracy, exact)
        paid = (("accuracy", accuracy), ("word_cost", move.words), ("wrong_cost", 1.0 - accuracy))
        return _new(State, (*state[:7], history, *counted, _SELECTED)), paid

    def stopped(self, state: State, stop: Stop) -> State:
        """The state with the episode over: accuracy 0, costs stand."""
        return state._replace(stop=stop)

    def observe(self, state: State, player: str) -> dict[str, Any]:
        """question, topic, costs, transcript; a helper's memory, tool, profile and passages.

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
        """Spaces of the observations; `costs` is (search, word, wrong)."""
        shared: dict[str, Space[Any]] = {
            "question": UnicodeText(),
            "topic": UnicodeText(),
            "costs": Box(0.0, np.inf, (len(CspCosts._fields),), np.float64),
            "transcript": Records(Turn),
        }
        if player == "asker":
            return shared
        own = {"memory": Records(Memory), "tool": Records(Tool), "passages": Records(Passage)}
        return {**shared, **own, "profile": UnicodeText()}

    def quantities(self, state: State) -> dict[str, float]:
        """accuracy (token F1, or what `grade` says), searches, words, wrong, and exact (exact match)."""
        return {name: getattr(state, name) for name in self.counted}

    def setup(self, state: State) -> dict[str, Any]:
        """The question's id, what nature drew, and the texts that a reader of the transcript needs."""
        truth, memories, covered, order = state.drawn
        return {
            "task": state.task.id,
            "truth": truth,
            "memories": [list(pair) for pair in memories],
            "covered": list(covered),
            "order": list(order),
            "question": state.task.text,
            "answers": list(state.task.values[truth]),
        }

    def alternatives(self, state: State, player: str) -> list[tuple[State, float]]:
        """See `csp_nature.alternatives`."""
        own = self._at.get(player)
        drawn = alternatives(self.world, state.task, state.drawn, own)
        return [(self._anew(state, state.task, one), chance) for one, chance in drawn]

    def _anew(self, state: State, task: Question, drawn: Draw) -> State:
        """A start state in which nature has drawn something else."""
        known = known_at_start(self.world, self.tools, task, drawn, state.costs)
        return state._replace(task=task, drawn=drawn, known=known)

    def plant(self, state: State) -> tuple[State, Mapping[str, Sequence[str]]]:
        """Marked answers: a helper may see the one that it remembers, the asker none before it is said."""
        texts = [f"planted answer {i}" for i in range(len(state.task.values))]
        passages = [f"planted passage {k}" for k in range(len(self.tools))] if state.task.passages else []
        hidden = {"asker": [*texts, *passages]}
        for k, name in enumerate(self.helpers):
            held = {texts[pair[0]] for pair in state.drawn.memories[k : k + 1]}
            own = [text for j, text in enumerate(passages) if j != k]
            hidden[name] = [*(text for text in texts if text not in held), *own]
        values, carried = (tuple((text,) for text in listed) for listed in (texts, passages))
        task = state.task._replace(values=values, passages=carried)
        return self._anew(state, task, state.drawn), hidden
