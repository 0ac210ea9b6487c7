"""An agent that plays a given script, for tests and demonstrations."""

from collections.abc import Iterable

import numpy as np

from clarify_env.agent import Action, Agent, Observation
from clarify_env.errors import ClarifyError


class Script(Agent):
    """Plays the listed actions, one a decision; the script starts over with each dialogue.

    Which line is due follows from the observation's transcript, so that one object can play many dialogues.

    Args:
        actions: moves, messages (str) or decisions.
        player: whose moves in the transcript count as lines already played.
    """

    def __init__(self, actions: Iterable[Action], player: str = "asker") -> None:
        super().__init__(0)
        self.actions: tuple[Action, ...] = tuple(actions)
        self.player = player

    def move(self, observation: Observation, rng: np.random.Generator) -> Action:
        """The action that is due.

        Raises:
            ClarifyError: the script has run out.
        """
        due = sum(turn.player == self.player for turn in observation["transcript"])
        if due >= len(self.actions):
            raise ClarifyError(
                f"Script: {self.player!r} is asked for action {due + 1} of a script of {len(self.actions)}"
            )
        action: Action = self.actions[due]
        return action
