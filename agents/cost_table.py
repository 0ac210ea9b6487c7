"""The cost table: at each costs the fixed strategy that earned most there on training questions.

It reads the costs and nothing else: no question, no notes. What it reaches is what the costs alone are worth,
so that it is the zero of a policy that is to read and to plan.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clarify_env.agent import Action, Agent, Observation
from clarify_env.agents.roster import roster_of, teams_of
from clarify_env.env import GameEnv
from clarify_env.episode import prices
from clarify_env.errors import ClarifyError
from clarify_env.game import Term
from clarify_env.registry import for_training
from clarify_env.rollout import rollout
from clarify_env.simulate import openings

QUESTIONS = 300  # of the training ones, the first, each in all its meanings
Means = Mapping[str, Mapping[str, float]]  # by strategy and quantity
_KEPT: dict[str, Means] = {}


def strategy_means(env: GameEnv[Any], knobs: Mapping[str, float] | None = None) -> Means:
    """What the fixed strategies of a game come to on training questions, on average, by quantity.

    Args:
        env: the game, as `clarify_env.make` made it, with whatever questions and costs.
        knobs: of the scripted players.

    Raises:
        ClarifyError: the game has no fixed strategies, or `make` did not make it.
    """
    roster = roster_of(env.game)
    if not roster.fixed:
        raise ClarifyError(f"cost-table: {env.name} has no fixed strategies to choose among")
    key = f"{env.name} {env.made_with} {knobs or {}}"
    if key not in _KEPT:
        training = roster.informed(for_training(env))
        teams = {name: team for name, team in teams_of(training, knobs).items() if name in roster.fixed}
        _KEPT[key] = {name: _means(training, team, roster.trained[0]) for name, team in teams.items()}
    return _KEPT[key]


def _means(env: GameEnv[Any], team: Mapping[str, Agent], player: str) -> dict[str, float]:
    """Of one team that never looks at the costs: the mean of each quantity of the rules."""
    game, rng = env.game, np.random.default_rng(0)
    free = game.costs_type(*[0.0] * len(game.costs_type._fields))
    count = min(QUESTIONS, len(game.tasks))
    listed = [one for question in range(count) for one in openings(game, question, free, player, rng)]
    episodes = rollout(env, team, len(listed), seed=0, batch=32, options=lambda i: listed[i][0])
    total: dict[str, float] = {}
    for episode, (_, share) in zip(episodes, listed, strict=True):
        for name, value in episode.quantities.items():
            total[name] = total.get(name, 0.0) + share / count * value
    return total


def best_strategy(means: Means, terms: Mapping[str, Term], costs: Any) -> str:
    """The name of the strategy that these means make the best at these costs; the first of equals."""
    per_unit = prices({name: term.cost for name, term in terms.items()}, costs._asdict())

    def worth(strategy: str) -> float:
        return sum(per_unit[name] * means[strategy][term.quantity] for name, term in terms.items())

    return max(means, key=worth)


class CostTable(Agent):
    """A player that does at each costs what the best fixed strategy does that it knows of.

    Args:
        strategies: agents by name.
        means: what each came to, from `strategy_means`.
        terms: of the game's reward.
        costs: the kind of costs, as the observation shows them.
    """

    def __init__(
        self,
        strategies: Mapping[str, Agent],
        means: Means,
        terms: Mapping[str, Term],
        costs: type[Any],
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.strategies = dict(strategies)
        self.means = means
        self.terms = terms
        self.costs = costs

    @classmethod
    def of(cls, env: GameEnv[Any], player: str, knobs: Mapping[str, float] | None = None) -> "CostTable":
        """The table of a game, made on its training questions; raises as `strategy_means`."""
        means, teams = strategy_means(env, knobs), teams_of(env, knobs)
        strategies = {name: teams[name][player] for name in means}
        return cls(strategies, means, env.game.terms, env.game.costs_type)

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> Sequence[Action]:
        """What the strategy of each observation's costs does."""
        if rngs is None:
            rngs = [self._rng] * len(observations)
        found: list[Action] = []
        for observation, rng in zip(observations, rngs, strict=True):
            costs = self.costs(*observation["costs"].tolist())
            chosen = self.strategies[best_strategy(self.means, self.terms, costs)]
            found.extend(chosen.act([observation], [rng]))
        return found
