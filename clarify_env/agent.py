"""What an agent is: something that turns a batch of observations into a batch of actions.

Subclass `Agent` and write `move` for one observation at a time, or `act` for a whole batch at once. An
agent keeps nothing of a dialogue: all that it may know is in the observation, so that one object can play
any number of dialogues at the same time, and repeat any of them exactly from its generator alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from clarify_env.moves import Move

Observation = Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """The action of an agent that could not decide; it is no move.

    Where something outside failed, such as a server that cannot be reached, the episode is cut off there
    (`StopReason.FAILED`) and left out of training and averages, and an evaluation says what its score is with
    such episodes as 0. An agent's own failure ends the episode as a message that nobody can read does: the
    answer is wrong and what was spent is paid, so that failing where a question is hard does not pay.

    Args:
        reason: in words, without anything that differs between two failures of the same kind.
        outside: whether what failed is not the agent's own.
    """

    reason: str
    outside: bool = False


@dataclass(frozen=True)
class NoMove:
    """The action of an agent whose own message is no move; it ends the episode as unreadable.

    Args:
        reason: why it could not be read, in words.
    """

    reason: str


class Decision(NamedTuple):
    """What an agent plays, together with what the episode is to keep of it.

    Args:
        move: what is played: a move, a text that the environment reads as one, None for passing, `NoMove`
            or `Failed`.
        message: the text as it came, where the move was read from one. It is kept in the record, and no other
            player sees it.
        trace: JSON data kept in the record, such as sampled token ids with their log-probabilities.
    """

    move: Move | str | NoMove | Failed | None
    message: str | None = None
    trace: Any = None


Action = Move | str | NoMove | Failed | None | Decision


class Agent:
    """Base of all agents.

    Args:
        seed: of the agent's own generator, used where `act` is not given one per dialogue.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)

    def reset(self, seed: int | None = None) -> None:
        """Seed the agent's own generator anew and forget everything but what was learnt."""
        self._rng = np.random.default_rng(seed)

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> Sequence[Action]:
        """One action per observation, in order.

        Args:
            observations: of dialogues in which this agent is on turn.
            rngs: one generator per dialogue; by default the agent's own for all.
        """
        if rngs is None:
            rngs = [self._rng] * len(observations)
        return [self.move(observation, rng) for observation, rng in zip(observations, rngs, strict=True)]

    def move(self, observation: Observation, rng: np.random.Generator) -> Action:
        """The action for one observation, everything random drawn from `rng`."""
        raise TypeError(f"{type(self).__name__} defines neither act() nor move()")


@runtime_checkable
class Predictable(Protocol):
    """An agent that can say what it may do; whoever plays on with it needs no draws (`simulate.foreseen`).

    `replies` is true to `act`, which draws from it: `check_agent` compares the two.
    """

    def replies(self, observation: Observation) -> Sequence[tuple[Move, float]]:
        """The moves that the agent may make here, no two alike, with probabilities that add up to 1."""
        ...
