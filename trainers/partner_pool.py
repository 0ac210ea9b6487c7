"""Partners from the past, and anchors: whom a trained player also plays with in place of those of its run.

Players that learn together alone may settle on a code; partners that change, or never learn, hold them to
what others understand (a population as in arXiv 2110.08176). Questions are shared out: with the chance of
`pool_share` one is played by one trained player, which alone learns from it, and by a partner of the pool in
all other seats. All episodes of a question have the same partner, so that they can be compared.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.catalog import load_team
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError

PAST = "past"  # the name of the run's own earlier checkpoints


class Drawn(NamedTuple):
    """Who plays a question.

    Args:
        player: the trained player that stays and learns, or "" where all of them do.
        partner: the name of who plays all other seats, such as "scripted" or "past-003"; "" where the run's
            own players do.
    """

    player: str = ""
    partner: str = ""


class PartnerPool:
    """The partners that do not learn.

    Args:
        names: "past", and names as `clarify_env.agents.load` takes them.
        share: of the questions that are played with one of them, in [0, 1].
        env: the game.
        trained: the players that are trained.
        knobs: of the game's scripted players.

    Raises:
        ClarifyError: nobody has a name, or "past" where one player is trained alone.
    """

    def __init__(
        self,
        names: Sequence[str],
        share: float,
        env: GameEnv[Any],
        trained: Sequence[str],
        knobs: Mapping[str, float],
    ) -> None:
        self.share = share if names else 0.0
        self.trained = tuple(trained)
        self.past = PAST in names
        if self.past and len(self.trained) == 1:
            raise ClarifyError(
                f"pool={PAST!r}: {self.trained[0]} is trained alone, so that no earlier checkpoint plays its "
                "partner; train the partner as well (players=...), or name other partners"
            )
        self.anchors: dict[Drawn, dict[str, Agent]] = {}
        for name in names:
            if name != PAST:
                self.anchors |= self._anchors(name, env, knobs)

    def _anchors(
        self, name: str, env: GameEnv[Any], knobs: Mapping[str, float]
    ) -> dict[Drawn, dict[str, Agent]]:
        """The partner of this name for each trained player that it can play with."""
        found: dict[Drawn, dict[str, Agent]] = {}
        refused: ClarifyError | None = None
        for player in self.trained:
            seats = [other for other in env.possible_agents if other != player]
            try:
                found[Drawn(player, name)] = load_team(name, env, seats, knobs=knobs)
            except ClarifyError as error:
                refused = refused or error
        if not found and refused:
            raise refused
        return found

    def draw(self, count: int, passed: int, seed: int) -> list[Drawn]:
        """Who plays each of `count` questions of the iteration after `passed` of them.

        Partners are drawn evenly for the player that stays: each anchor, and the past as one, which is a
        checkpoint of the later half of the run so far.
        """
        rng, drawn = np.random.default_rng(seed), []
        for chance, which, who, when in rng.random((count, 4)).tolist():
            player = self.trained[int(which * len(self.trained))]
            names = [one.partner for one in self.anchors if one.player == player]
            names += [PAST] if self.past and passed > 1 else []
            if chance >= self.share or not names:
                drawn.append(Drawn())
                continue
            name = names[int(who * len(names))]
            if name == PAST:
                first = max(1, passed // 2)
                name = f"{PAST}-{first + int(when * (passed - first)):03d}"
            drawn.append(Drawn(player, name))
        return drawn


def checkpoint_of(partner: str) -> int | None:
    """The checkpoint that a partner from the past is, None for an anchor."""
    kind, _, number = partner.rpartition("-")
    return int(number) if kind == PAST and number.isdigit() else None
