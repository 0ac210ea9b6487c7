"""Scripted players of collaborative self-play: a floor, a good protocol, and the best there is.

- floor: helpers say what they remember, always sure; the asker takes the first answer;
- protocol: helpers search when they are unsure and it pays for them alone, and mark honestly; the asker
  believes whoever is sure, and of several answers the one that most have given;
- optimal: what `clarify_env.games.csp.optimum` computes, for worlds where it is known.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.games.csp.game import CollaborationGame
from clarify_env.games.csp.nature import TruthDrawnGame
from clarify_env.games.csp.optimum import SURE, Problem, Solution, response, solve
from clarify_env.games.csp.records import CONFIDENCE, CspCosts, Hedge, Search, Sure, Unsure
from clarify_env.games.csp.world import read_statement
from clarify_env.moves import Answer, Move

BAR = 0.6  # reliability from which the protocol is sure: half-way between what the two marks say


def remembered(observation: Observation) -> tuple[str, float]:
    """What a helper remembers and how reliable that is; without a memory what its tool found first."""
    if observation["memory"]:
        text, reliability = observation["memory"][0]
        return text, reliability
    passages = observation["passages"]
    return (passages[0].text if passages else ""), 0.0


def found(observation: Observation) -> str | None:
    """The answer that a passage gives in the words of the generated world, or None."""
    read_out = (read_statement(observation["question"], passage.text) for passage in observation["passages"])
    return next((text for text in read_out if text), None)


def may_search(observation: Observation) -> bool:
    """Whether a search is still allowed."""
    return bool(observation["action_mask"][1])


class SureHelper(Agent):
    """A helper that never searches and is always sure."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """Its memory."""
        return Sure(remembered(observation)[0])


class TakesFirst(Agent):
    """An asker that takes the first answer that it sees."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """The first helper's text."""
        return Answer(observation["transcript"][0].move.text)


class CarefulHelper(Agent):
    """A helper that searches when its memory is unreliable and the tool's coverage is worth the price."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A search, or an honestly marked answer."""
        text, reliability = remembered(observation)
        hit = found(observation)
        if hit is not None:
            return Sure(hit)
        coverage = observation["tool"][0].coverage if observation["tool"] else 1.0
        gain = coverage * (1.0 - reliability)
        searched = bool(observation["transcript"])
        if reliability < BAR and may_search(observation) and not searched and gain > observation["costs"][0]:
            return Search(observation["question"])
        return (Sure if reliability >= BAR else Unsure)(text)


class TrustingAsker(Agent):
    """An asker that believes the sure: the text with most sure voices, then with most voices.

    It hedges where an answer is worth nothing at what its mark says (`CONFIDENCE`), or nobody gives one.
    """

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """An answer, or a hedge."""
        turns = observation["transcript"]
        sure, all_of = _votes(turns)
        if not all_of:
            return Hedge()
        text = max(all_of, key=lambda text: (sure.get(text, 0), all_of[text]))
        right = CONFIDENCE["sure" if sure.get(text) else "unsure"]
        *_, word, wrong = observation["costs"]
        answer = Answer(text)
        return answer if right - word * answer.words - wrong * (1.0 - right) > 0.0 else Hedge()


def _votes(turns: Sequence[Turn]) -> tuple[dict[str, int], dict[str, int]]:
    """How many are sure of each text, and how many have given it."""
    sure: dict[str, int] = {}
    all_of: dict[str, int] = {}
    for turn in turns:
        if not isinstance(turn.move, (Sure, Unsure)):
            continue
        text = turn.move.text
        all_of[text] = all_of.get(text, 0) + 1
        sure[text] = sure.get(text, 0) + isinstance(turn.move, Sure)
    return sure, all_of


class Optimum:
    """The best play of a game, solved for each topic and costs when it is first met.

    Raises:
        ClarifyError: the game has other rules, no world, or helpers may not make just one search.
    """

    def __init__(self, game: CollaborationGame) -> None:
        if type(game) is not TruthDrawnGame:
            raise ClarifyError(f"no best group value is known for the rules of {type(game).__name__}")
        if game.world is None:
            raise ClarifyError("the best group value is known for the generated world only (data=None)")
        if game.searches != 1:
            raise ClarifyError(f"searches={game.searches}: the best group value is known for one search")
        self.game, self.world = game, game.world
        self.rivals = {task.topic: len(task.values) - 1 for task in game.tasks}
        self._solved = lru_cache(maxsize=4096)(self._solve)
        self._responses = lru_cache(maxsize=65_536)(self._respond)

    def problem(self, topic: str, costs: CspCosts) -> Problem:
        """What the group is up against on a topic."""
        world, rivals = self.world, self.rivals[topic]
        return Problem(world.reliability, world.skills[topic], rivals, costs, self.game.anonymous)

    def solution(self, topic: str, costs: CspCosts) -> Solution:
        """The best play there."""
        return self._solved(topic, costs)

    def value(self, costs: CspCosts) -> float:
        """The best expected reward over the game's questions."""
        return float(np.mean([self.solution(task.topic, costs).value for task in self.game.tasks]))

    def respond(self, topic: str, costs: CspCosts, turns: Sequence[Turn]) -> Move:
        """The asker's best move on these answers."""
        texts = list(dict.fromkeys(turn.move.text for turn in turns))
        names = () if self.game.anonymous else tuple(turn.player for turn in turns)
        pattern = tuple((texts.index(t.move.text), int(not isinstance(t.move, Sure))) for t in turns)
        groups = self._responses(topic, costs, names, pattern)
        return Answer(" ".join(texts[group] for group in groups)) if groups else Hedge()

    def _solve(self, topic: str, costs: CspCosts) -> Solution:
        return solve(self.problem(topic, costs))

    def _respond(
        self, topic: str, costs: CspCosts, names: tuple[str, ...], pattern: tuple[tuple[int, int], ...]
    ) -> tuple[int, ...]:
        problem, strategies = self.problem(topic, costs), self.solution(topic, costs).strategies
        if names:
            order = [self.game.helpers.index(name) for name in names]
            problem = problem._replace(skills=tuple(problem.skills[k] for k in order))
            strategies = tuple(strategies[k] for k in order)
        return response(problem, strategies, pattern)


class BestHelper(Agent):
    """A helper that plays its part of the optimum.

    Args:
        optimum: of the game.
        player: its name.
    """

    def __init__(self, optimum: Optimum, player: str) -> None:
        super().__init__(0)
        self.optimum = optimum
        self.at = optimum.game.helpers.index(player)

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A search or a marked answer, by its strategy at this level of memory."""
        topic, costs = observation["topic"], CspCosts(*observation["costs"].tolist())
        strategy = self.optimum.solution(topic, costs).strategies[self.at]
        text, reliability = remembered(observation)
        act = strategy[self.optimum.problem(topic, costs).reliability.index(reliability)]
        hit = found(observation)
        if hit is not None:
            return (Sure if act.hit == SURE else Unsure)(hit)
        if act.search and may_search(observation):
            return Search(observation["question"])
        return (Sure if act.memory == SURE else Unsure)(text)


class BestAsker(Agent):
    """The asker of the optimum."""

    def __init__(self, optimum: Optimum) -> None:
        super().__init__(0)
        self.optimum = optimum

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """The best response to the helpers' strategies."""
        costs = CspCosts(*observation["costs"].tolist())
        return self.optimum.respond(observation["topic"], costs, observation["transcript"])


def floor(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """The floor's players."""
    return {"asker": TakesFirst(), **{name: SureHelper() for name in _helpers(env)}}


def protocol(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """The good protocol's players."""
    return {"asker": TrustingAsker(), **{name: CarefulHelper() for name in _helpers(env)}}


def optimal(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """The players of the optimum; raises ClarifyError where it is not known."""
    optimum = Optimum(csp_game(env))
    return {"asker": BestAsker(optimum), **{name: BestHelper(optimum, name) for name in _helpers(env)}}


def csp_game(env: GameEnv[Any]) -> CollaborationGame:
    """The environment's game; raises ClarifyError where it is another one."""
    if not isinstance(env.game, CollaborationGame):
        raise ClarifyError(f"{env.name}: no game of helpers; these players play csp-v0")
    return env.game


def _helpers(env: GameEnv[Any]) -> Sequence[str]:
    return csp_game(env).helpers
