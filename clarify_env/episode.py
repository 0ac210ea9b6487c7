"""The record of an episode: what was drawn, played and paid, enough to score it again under any costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import fsum
from typing import Any, NamedTuple, Self

from clarify_env import games
from clarify_env.costs import price
from clarify_env.errors import ClarifyError, nearest
from clarify_env.game import Paid
from clarify_env.moves import Move


class Step(NamedTuple):
    """One step of an episode.

    Args:
        moves: (player, move) of those on turn; without the move of one that was unreadable.
        paid: (reward term, quantity) pairs that the step incurred.
        messages: (player, text) of the moves that were read from a text, as it came.
        traces: (player, JSON data) that agents attached to their decisions, such as sampled token ids.
    """

    moves: tuple[tuple[str, Move], ...]
    paid: tuple[tuple[str, float], ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    traces: tuple[tuple[str, Any], ...] = ()


def prices(terms: Mapping[str, str], costs: Mapping[str, float]) -> dict[str, float]:
    """Reward per unit of each reward term.

    Args:
        terms: the cost that prices each term, "" for a gain, which is worth 1 a unit.
        costs: each cost, in reward per unit.
    """
    return {name: -costs[cost] if cost else 1.0 for name, cost in terms.items()}


def totals(per_unit: Mapping[str, float], incurred: Iterable[Paid]) -> tuple[dict[str, float], float]:
    """Totals of the reward terms over what the steps incurred, and the reward of the episode.

    The total of a term is the correctly rounded sum (math.fsum) of its single payments, which are exactly
    what the environment paid step by step; the reward is the sum of these totals.

    Args:
        per_unit: reward per unit of each term, as `prices` gives it.
        incurred: (term, quantity) pairs of each step.
    """
    summed = dict.fromkeys(per_unit, 0.0)
    several: dict[str, list[float]] = {}
    for paid in incurred:
        for name, quantity in paid:
            amount = per_unit[name] * quantity + 0.0
            if summed[name]:
                several.setdefault(name, [summed[name]]).append(amount)
            else:
                summed[name] = amount
    for name, amounts in several.items():
        summed[name] = fsum(amounts)
    return summed, sum(summed.values())


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode, finished or not; equal after a round trip through `clarify_env.storage`.

    Args:
        env: registered id of the environment.
        seed: what `reset` was given, or None.
        setup: what nature chose, as JSON data: the task's id, the intent, texts to read by.
        costs: the price of each cost by its name.
        terms: the cost that prices each reward term, "" for a gain.
        steps: what was played and incurred.
        quantities: everything counted: accuracy, asks, words, exact.
        stop: the StopReason, or None while the episode goes on.
        detail: the reason in words, where there is more to say.
        index: position in the collection it belongs to, or None.
        states: the game's state before each step, where `rollout` was asked for them; they are no part of the
            record: not stored, not compared.
    """

    env: str
    seed: int | None
    setup: dict[str, Any]
    costs: dict[str, float]
    terms: dict[str, str]
    steps: tuple[Step, ...]
    quantities: dict[str, float]
    stop: str | None = None
    detail: str = ""
    index: int | None = None
    states: tuple[Any, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def reward(self) -> float:
        """What the episode earned, in the units of accuracy."""
        return self._totals()[1]

    @property
    def reward_terms(self) -> dict[str, float]:
        """The totals of the named reward terms."""
        return self._totals()[0]

    def _totals(self) -> tuple[dict[str, float], float]:
        return totals(prices(self.terms, self.costs), [step.paid for step in self.steps])

    def rescored(self, **costs: float) -> Self:
        """The same episode under other costs, exactly as if it had been played under them.

        Args:
            costs: new prices by name, such as turn=0.2; those not named stay.
        """
        for name in costs:
            if name not in self.costs:
                raise ClarifyError(f"rescored({name}=...): no such cost{nearest(name, self.costs)}")
        given = {name: price(name, value) for name, value in costs.items()}
        return replace(self, costs={**self.costs, **given}, states=None)

    def moves(self, player: str) -> list[Move]:
        """The moves that `player` made, in order."""
        return [move for step in self.steps for who, move in step.moves if who == player]

    def to_data(self) -> dict[str, Any]:
        """The record as JSON data."""
        return {
            "env": self.env,
            "seed": self.seed,
            "setup": self.setup.copy(),
            "costs": self.costs.copy(),
            "terms": self.terms.copy(),
            "steps": [
                {
                    "moves": [[player, move.kind, move.to_data()] for player, move in step.moves],
                    "paid": [list(pair) for pair in step.paid],
                    **({"messages": [list(pair) for pair in step.messages]} if step.messages else {}),
                    **({"traces": [list(pair) for pair in step.traces]} if step.traces else {}),
                }
                for step in self.steps
            ],
            "quantities": self.quantities.copy(),
            "stop": self.stop,
            "detail": self.detail,
            "index": self.index,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The episode that `to_data` described."""
        kinds = move_kinds()
        steps = tuple(
            Step(
                tuple((player, kinds[kind].from_data(content)) for player, kind, content in step["moves"]),
                tuple((name, quantity) for name, quantity in step["paid"]),
                tuple((player, text) for player, text in step.get("messages", ())),
                tuple((player, trace) for player, trace in step.get("traces", ())),
            )
            for step in data["steps"]
        )
        return cls(**{**data, "steps": steps})


def move_kinds() -> dict[str, type[Move]]:
    """Every kind of move that is defined, by name; the registered games are loaded for that."""
    for where in (*games.GAMES.values(), *games.installed().values()):
        games.load(where)
    found: dict[str, type[Move]] = {}
    waiting = list(Move.__subclasses__())
    while waiting:
        kind = waiting.pop()
        found[kind.kind] = kind
        waiting.extend(kind.__subclasses__())
    return found
