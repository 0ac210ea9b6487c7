"""Scripted players of `csp-v1`, from a floor to the best there is.

- floor: helpers never search and are always sure of their usual recall; the asker takes the first answer;
- always-search: helpers always search and are sure of what they found, else of their usual recall;
- protocol: helpers go by agreement and by matches as the words have it, without familiarity;
- optimal: what `clarify_env.games.csp.recall_optimum` computes.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.games.csp.recall_game import RecallGame
from clarify_env.games.csp.recall_optimum import (
    AskerReading,
    HelperStrategy,
    Outcomes,
    RecallSolution,
    solve_alone,
    solve_recall,
)
from clarify_env.games.csp.recall_world import (
    FAMILIARITY,
    GOOD_TOPICS,
    MATCHES,
    After,
    Before,
    information,
    majority,
)
from clarify_env.games.csp.records import MARKS, Hedge, RecallCosts, Search, Silent, Sure, Unsure
from clarify_env.games.csp.world import TOPICS, read_statement
from clarify_env.moves import Answer, Move


class Clues(NamedTuple):
    """What a helper goes by.

    Args:
        question: as it was asked.
        topic: position of its topic.
        before: familiarity and agreement.
        recall: what it recalls most often, "" for nothing.
        after: what it has from a search, or None before one.
        passage: the answer that it found, "" for none.
    """

    question: str
    topic: int
    before: Before
    recall: str
    after: After | None
    passage: str


def clues(observation: Observation) -> Clues:
    """What a helper's observation comes to."""
    texts = [recall.text for recall in observation["recalls"]]
    usual, agreement = majority([texts.index(text) for text in texts])
    recall = texts[usual] if texts else ""
    before = Before(FAMILIARITY.index(observation["familiarity"]), agreement)
    after, passage = None, ""
    if observation["transcript"]:
        after = After(MATCHES.index("none"), 0, False)
        for one in observation["passages"]:
            read = read_statement(observation["question"], one.text)
            if read is not None:
                passage = read
                after = After(MATCHES.index(one.match), one.agreeing, read == recall)
    topic = list(TOPICS).index(observation["topic"])
    return Clues(observation["question"], topic, before, recall, after, passage)


def mark_of(turn: Turn) -> int:
    """0 for sure, 1 for unsure, 2 for silence."""
    return MARKS.index(type(turn.move)) if isinstance(turn.move, (Sure, Unsure)) else 2


class RecallHelper(Agent):
    """A helper that decides from its clues.

    Args:
        decide: takes the clues, the costs, and whether it may search.
    """

    def __init__(self, decide: Callable[[Clues, RecallCosts, bool], Move]) -> None:
        super().__init__(0)
        self.decide = decide

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """What it decides."""
        costs = RecallCosts(*observation["costs"].tolist())
        return self.decide(clues(observation), costs, bool(observation["action_mask"][1]))


def _sure(text: str) -> Move:
    return Sure(text) if text else Silent()


def _never(known: Clues, costs: RecallCosts, may_search: bool) -> Move:
    return _sure(known.recall)


def _always(known: Clues, costs: RecallCosts, may_search: bool) -> Move:
    return Search(known.question) if may_search else _sure(known.passage or known.recall)


def _protocol(known: Clues, costs: RecallCosts, may_search: bool) -> Move:
    agreement = known.before.agreement
    if agreement < 3 and may_search:
        return Search(known.question)
    if known.passage and known.after is not None:
        exact = MATCHES[known.after.match] == "exact"
        return (Sure if exact else Unsure)(known.passage)
    return Sure(known.recall) if agreement == 3 else Unsure(known.recall) if known.recall else Silent()


class FirstText(Agent):
    """An asker that takes the first text that it hears."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """It, or a hedge where all are silent."""
        texts = [turn.move.text for turn in observation["transcript"] if mark_of(turn) < 2]
        return Answer(texts[0]) if texts else Hedge()


class ReadingAsker(Agent):
    """An asker with a reading of the marks.

    Args:
        reading: of the marks at these costs.
    """

    def __init__(self, reading: Callable[[RecallCosts], AskerReading]) -> None:
        super().__init__(0)
        self.reading = reading

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """The text that the reading takes, or a hedge."""
        reading = self.reading(RecallCosts(*observation["costs"].tolist()))
        heard = sorted((mark_of(t), k, t.move.text) for k, t in enumerate(observation["transcript"]))
        heard = [one for one in heard if one[0] < 2]
        if not heard:
            return Hedge()
        marks = [mark for mark, _, _ in heard]
        if len(heard) == 1:
            taken = reading[marks[0]]
        else:
            same = heard[0][2] == heard[1][2]
            pair = marks[0] if marks[0] == marks[1] else 2
            taken = reading[(2 if same else 5) + pair]
        return Hedge() if taken < 0 else Answer(heard[taken][2])


HONEST: AskerReading = (0, -1, 0, 0, 0, 0, -1, 0)  # of marks that mean what they say


class RecallOptimum:
    """The best play of a game, solved for each costs when they are first met.

    Raises:
        ClarifyError: the game has other rules.
    """

    def __init__(self, game: RecallGame) -> None:
        if type(game) is not RecallGame:
            raise ClarifyError(f"no best group value is known for the rules of {type(game).__name__}")
        if not game.silent or game.searches != 1:
            raise ClarifyError(
                "the best group value is known where helpers may be silent and may search once"
            )
        self.game = game
        self.sight = "no-familiarity" if game.shuffled else "all"
        self._strategies = lru_cache(maxsize=512)(self._strategy)

    def solution(self, costs: RecallCosts, topic: int) -> RecallSolution:
        """The best play on a topic."""
        if len(self.game.numbers) == 2:
            return solve_recall(self.game.world, costs, self.sight)
        return solve_alone(self.game.world, costs, topic in GOOD_TOPICS[self.game.numbers[0]], self.sight)

    def value(self, costs: RecallCosts) -> float:
        """The best expected reward over all questions that the world could have."""
        return float(np.mean([self.solution(costs, topic).value for topic in range(len(TOPICS))]))

    def decide(self, number: int, known: Clues, costs: RecallCosts, may_search: bool) -> Move:
        """The best move of the helper of this number."""
        good = known.topic in GOOD_TOPICS[number]
        held, strategy = self._strategies(costs, known.topic, good)
        before = (known.before.agreement,) if self.game.shuffled else known.before
        at = held.before_I.index(before)
        if known.after is None:
            if strategy.search_I[at] and may_search:
                return Search(known.question)
            said = int(strategy.say_I[at])
            return Silent() if said == 2 else MARKS[said](known.recall)
        points = zip(held.parent_J.tolist(), held.after_J, strict=True)
        said = int(strategy.say_J[list(points).index((at, known.after))])
        return Silent() if said == 4 else MARKS[said % 2](known.passage if said > 1 else known.recall)

    def _strategy(self, costs: RecallCosts, topic: int, good: bool) -> tuple[Any, HelperStrategy]:
        held = information(self.game.world, good, self.sight)
        weights_K_4 = self.solution(costs, topic).weights_K_4
        own = weights_K_4[int(good) if len(weights_K_4) == 2 else 0]
        return held, Outcomes(held, costs.search).respond(own[None])[0]


def recall_game(env: GameEnv[Any]) -> RecallGame:
    """The environment's game; raises ClarifyError where it is another one."""
    if not isinstance(env.game, RecallGame):
        raise ClarifyError(f"{env.name}: no game of helpers who recall; these players play csp-v1")
    return env.game


def _team(env: GameEnv[Any], asker: Agent, decide: Callable[..., Move]) -> Mapping[str, Agent]:
    return {"asker": asker, **{name: RecallHelper(decide) for name in recall_game(env).helpers}}


def recall_floor(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """Who never searches and is always sure."""
    return _team(env, FirstText(), _never)


def always_search(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """Who always searches and is always sure."""
    return _team(env, FirstText(), _always)


def recall_protocol(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """Marks as the words have it, by agreement and by matches alone."""
    return _team(env, ReadingAsker(lambda costs: HONEST), _protocol)


def recall_optimal(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """The players of the optimum; raises ClarifyError where it is not known."""
    game = recall_game(env)
    best = RecallOptimum(game)
    helpers = {}
    for name, number in zip(game.helpers, game.numbers, strict=True):

        def decide(known: Clues, costs: RecallCosts, may_search: bool, number: int = number) -> Move:
            return best.decide(number, known, costs, may_search)

        helpers[name] = RecallHelper(decide)
    asker = ReadingAsker(lambda costs: best.solution(costs, 0).reading)
    return {"asker": asker, **helpers}
