"""`Guarded`: an agent whose exceptions are its own failures, so that a long measurement goes on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from clarify_env.agent import Agent, Failed, Observation
from clarify_env.errors import ClarifyError


class Guarded(Agent):
    """Plays as `agent` does; where that raises, the episode ends with its failure, and the others go on.

    The failure is the agent's own (`Failed`): a wrong answer, booked to its player.

    Args:
        agent: who plays. A mistake that a person has to put right (ClarifyError) is raised as ever.
    """

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.agent = agent

    @property
    def stats(self) -> dict[str, Any]:
        """What the agent counts."""
        return getattr(self.agent, "stats", {})

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> Sequence[Any]:
        """What the agent does; after an exception one dialogue at a time, to tell in which it raises."""
        before = [rng.bit_generator.state for rng in rngs or ()]
        try:
            return self.agent.act(observations, rngs)
        except ClarifyError:
            raise
        except Exception as error:  # whatever it is, it is this player's
            if len(observations) == 1:
                return [Failed(f"{type(error).__name__}: {error}"[:200])]
        for rng, state in zip(rngs or (), before, strict=True):
            rng.bit_generator.state = state
        alone = [None] * len(observations) if rngs is None else [[rng] for rng in rngs]
        parts = [self.act([seen], own) for seen, own in zip(observations, alone, strict=True)]
        return [action for part in parts for action in part]
