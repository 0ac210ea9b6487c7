"""What the scripted partners of the `pingeval` games share: when to say, to propose and to agree."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.errors import ClarifyError
from clarify_env.games.pingeval.game import Agree, Propose, Say
from clarify_env.moves import Move

Draft = tuple[str, bool]  # an answer, and whether it is certain


def heard(observation: Observation) -> list[str]:
    """What the other partner has said, in order; its proposals are not among it."""
    me = observation["me"]
    return [t.move.text for t in observation["transcript"] if t.player != me and isinstance(t.move, Say)]


def said(observation: Observation) -> list[str]:
    """What this partner has said itself, in order."""
    me = observation["me"]
    return [t.move.text for t in observation["transcript"] if t.player == me and isinstance(t.move, Say)]


def standing(observation: Observation) -> str | None:
    """The proposal that can be agreed to, or None."""
    past = observation["transcript"]
    return past[-1].move.text if past and isinstance(past[-1].move, Propose) else None


class Partner(Agent):
    """Base of the partners: proposes when it is certain or nobody could later, agrees where nothing speaks
    against it, and says something else meanwhile.

    With both players' information in one head (the control "oracle" of `evaluation.isotoken`) it
    answers from that.
    """

    entry: ClassVar[str]  # the private view

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A `Say`, `Propose` or `Agree`."""
        if self.entry not in observation:
            who, game = type(self).__name__, sorted(observation)
            raise ClarifyError(f"{who}: the observation has no {self.entry!r}; has {game}")
        share, own, others = (int(n) for n in observation["limits"])
        answer, certain = self.answer(observation)
        proposed = standing(observation)
        if proposed is not None and (not own or self.agrees(observation, proposed, (answer, certain))):
            return Agree()
        text = "" if certain or not others else self.message(observation, share)
        return Say(text) if text else Propose(answer)

    @abstractmethod
    def answer(self, observation: Observation) -> Draft:
        """The likeliest answer, and whether it is certain."""

    @abstractmethod
    def message(self, observation: Observation, share: int) -> str:
        """The next thing to say in at most `share` words; "" for nothing left to say."""

    def agrees(self, observation: Observation, proposed: str, draft: Draft) -> bool:
        """Whether to take the other's proposal: by default unless it is certainly another answer."""
        return not draft[1] or proposed == draft[0]


def fitting(parts: Sequence[str], share: int) -> list[str]:
    """The first parts that have at most `share` words together."""
    kept: list[str] = []
    for part in parts:
        share -= len(part.split())
        if share < 0:
            break
        kept.append(part)
    return kept


def partner_view(observation: Observation, entry: str) -> Any:
    """The other's private view, where one head holds both, or None."""
    return observation.get("partner", {}).get(entry)
