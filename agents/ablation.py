"""Ablations: an agent that is kept from one thing that it could read, to find what its play rests on.

An ablation changes what an agent observes, and where need be turns its move back into one of the real game.
It is a function of the observation alone, so that it is the same at every point of a dialogue. A game's
roster has those that only its own rules can tell of; hiding the costs is known for every game.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from clarify_env.agent import Action, Agent, Decision, Observation
from clarify_env.moves import Move

Back = Callable[[Move], Move]  # from a move of the ablated game to one of the real one
Ablation = Callable[[Observation], tuple[Observation, Back]]


def unchanged(move: Move) -> Move:
    """The move itself."""
    return move


class Ablated(Agent):
    """Plays as `agent` does who sees no more than `ablation` leaves it.

    Args:
        agent: whose play it is.
        ablation: what it is kept from.
    """

    def __init__(self, agent: Agent, ablation: Ablation) -> None:
        super().__init__()
        self.agent = agent
        self.ablation = ablation

    def reset(self, seed: int | None = None) -> None:
        """As of the agent."""
        super().reset(seed)
        self.agent.reset(seed)

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> list[Action]:
        """The agent's actions, its moves turned back."""
        changed = [self.ablation(observation) for observation in observations]
        actions = self.agent.act([seen for seen, _ in changed], rngs)
        return [_back(action, back) for action, (_, back) in zip(actions, changed, strict=True)]


def _back(action: Action, back: Back) -> Action:
    if isinstance(action, Decision):
        return action._replace(move=back(action.move)) if isinstance(action.move, Move) else action
    return back(action) if isinstance(action, Move) else action


def hidden_costs(cells: Sequence[Any]) -> dict[str, Ablation]:
    """Ablations that hide the costs: all of them, and where there are several each one alone.

    Args:
        cells: the costs that are played at; in the place of a hidden one stands its geometric mean over them.
    """
    costs_C_K = np.array(cells, dtype=float)
    middle_K = np.exp(np.log(np.maximum(costs_C_K, 1e-6)).mean(axis=0))
    names = type(cells[0])._fields
    found = {"costs": _hiding(middle_K, range(len(names)))}
    if len(names) > 1:
        found |= {f"{name} cost": _hiding(middle_K, [k]) for k, name in enumerate(names)}
    return found


def _hiding(middle_K: Any, at: Sequence[int]) -> Ablation:
    def hide(observation: Mapping[str, Any]) -> tuple[Observation, Back]:
        costs_K = np.array(observation["costs"])
        costs_K[list(at)] = middle_K[list(at)]
        return {**observation, "costs": costs_K}, unchanged

    return hide
