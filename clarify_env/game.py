"""What a game is: pure rules over a small immutable state.

A game names its players, the kinds of moves that each may make, and its reward terms. It says who is on
turn, what a move leads to and what it costs, and what each player sees. It holds no state of an episode
and draws nothing after `start`; `clarify_env.env.GameEnv` turns it into a PettingZoo environment.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from gymnasium.spaces import Space
from numpy.typing import NDArray

from clarify_env.errors import ClarifyError
from clarify_env.moves import Move
from clarify_env.text import Grade, grade_text


class StopReason(StrEnum):
    """Why an episode ended."""

    SELECTED = "selected"
    ILLEGAL = "illegal_move"
    UNREADABLE = "unreadable_message"
    MAX_TURNS = "max_turns"
    FAILED = "failed"

    @property
    def truncated(self) -> bool:
        """Whether a limit or an agent's failure cut the episode off, rather than a move ending it."""
        return self is _LIMIT or self is _FAILED


_LIMIT = StopReason.MAX_TURNS  # looked up once: an enumeration's members are slow to reach


_FAILED = StopReason.FAILED


class Stop(NamedTuple):
    """The end of an episode: why, and in which words to tell."""

    reason: StopReason
    detail: str = ""


class Turn(NamedTuple):
    """One move of the transcript, as everybody reads it."""

    player: str
    move: Move


class Term(NamedTuple):
    """A reward term: what is counted, and the cost that prices it ("" for a gain worth 1 a unit)."""

    quantity: str
    cost: str = ""


class StateLike(Protocol):
    """What the environment reads off a state."""

    @property
    def costs(self) -> Any:
        """The costs of this episode, a NamedTuple of floats."""
        ...

    @property
    def history(self) -> tuple[Turn, ...]:
        """The moves so far."""
        ...

    @property
    def stop(self) -> Stop | None:
        """Why the episode ended, or None."""
        ...


S = TypeVar("S", bound=StateLike)


Paid = tuple[tuple[str, float], ...]  # (reward term, quantity) pairs that one step has incurred


def altered(game: "Game[S]", by: type, **own: Any) -> "Game[S]":
    """A copy of a game with the methods that the class `by` defines, and with attributes of its own."""
    twin = copy.copy(game)
    twin.__class__ = type(by.__name__, (by, type(game)), {})
    vars(twin).update(own)
    return twin


class Game(ABC, Generic[S]):
    """Rules of one game; see the module's docstring."""

    players: ClassVar[tuple[str, ...]]
    moves: ClassVar[Mapping[str, tuple[type[Move], ...]]]
    terms: ClassVar[Mapping[str, Term]]
    counted: ClassVar[tuple[str, ...]]  # the names of `quantities`
    opening: tuple[str, ...]  # the players on turn at the start
    family: ClassVar[str] = ""  # whose agents play it; see `clarify_env.agents.roster`
    costs_type: ClassVar[type[Any]]  # a NamedTuple of floats with defaults
    options: ClassVar[tuple[str, ...]] = ()  # what `reset(options=...)` can pin

    grade: Grade = staticmethod(grade_text)  # of a selection against a meaning's answers
    tasks: Sequence[Any]  # what nature draws from; `options["task"]` pins one by position
    max_turns: int

    @abstractmethod
    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> S:
        """The first state of an episode, everything random drawn from `rng`.

        `options` pins what nature chooses; `costs` in it are of the game's `costs_type`, checked.
        """

    @abstractmethod
    def legal(self, state: S) -> Mapping[str, tuple[type[Move], ...]]:
        """The players on turn with the kinds of moves that each may make; empty at the end."""

    @abstractmethod
    def apply(self, state: S, moves: Mapping[str, Move]) -> tuple[S, Paid]:
        """The state after the players on turn have made these moves, and what that incurred.

        Kinds are already checked; where the content of a move breaks a rule, the state has a `stop`.
        """

    def as_read(self, move: Move) -> Move:
        """The move as the other players read it; by default as it was made."""
        return move

    @abstractmethod
    def stopped(self, state: S, stop: Stop) -> S:
        """`state`, ended by a move that the environment could not let through."""

    def forfeit(self, state: S, stop: Stop) -> Paid:
        """What a move that could not be let through incurs; by default nothing.

        Args:
            state: before that move.
            stop: why it could not.
        """
        return ()

    @abstractmethod
    def observe(self, state: S, player: str) -> dict[str, Any]:
        """What `player` sees: new dicts at every call, without `role` and `action_mask`."""

    @abstractmethod
    def spaces(self, player: str) -> dict[str, Space[Any]]:
        """The spaces of the entries of `observe`."""

    @abstractmethod
    def quantities(self, state: S) -> dict[str, float]:
        """Everything counted so far, the terms' quantities first; enough to re-score under any costs."""

    @abstractmethod
    def setup(self, state: S) -> dict[str, Any]:
        """What nature chose, as JSON data, for the record of the episode (never for a player)."""

    def task(self, key: Any) -> Any:
        """The task at this position, or with this id, as in `options["task"]`.

        Raises:
            ClarifyError: there is none.
        """
        at = self._position(key) if isinstance(key, str) else key
        if at is None:
            raise ClarifyError(f"options['task']={key!r}: no task has this id")
        if not isinstance(at, (int, np.integer)) or not 0 <= at < len(self.tasks):
            raise ClarifyError(f"options['task']={key!r}: there are {len(self.tasks)} tasks, from 0")
        return self.tasks[int(at)]

    def _position(self, id: str) -> int | None:
        return self._positions.get(id)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {task.id: at for at, task in enumerate(self.tasks)}

    def alternatives(self, state: S, player: str) -> Sequence[tuple[S, float]]:
        """The states that `player` cannot tell from `state` at the start of an episode, with probabilities.

        They add up to 1. The default knows of no other state; a game with private information names them, and
        training and evaluation average over them.
        """
        return [(state, 1.0)]

    def plant(self, state: S) -> tuple[S, Mapping[str, Sequence[str]]]:
        """For checks of privacy: a start state with marked texts, and who must not see which of them.

        Every private text is replaced by a marker that occurs nowhere else. `check_env` plays from there and
        looks for a player's forbidden markers in what it observes before a move has said them. The default
        plants nothing; a game with private texts says here whose they are.
        """
        return state, {}

    def told(self, state: S, player: str) -> Sequence[str]:
        """The texts that the rules themselves have handed `player` for its own moves; by default none.

        Such as the passages that its search found: they may tell it what nobody said, and tell states apart.
        """
        return ()

    def role(self, player: str) -> str:
        """What `player` is in this game, as every observation states it; players may share a role."""
        return f"{self.family}/{player}"

    def mask(self, state: S, player: str) -> NDArray[np.int8]:
        """What `player` can do: 1 for passing or 0, then 1 or 0 for each of its kinds of moves."""
        kinds = self.legal(state).get(player, ())
        return np.array([not kinds, *(kind in kinds for kind in self.moves[player])], dtype=np.int8)

    def view(self, state: S, player: str) -> dict[str, Any]:
        """The whole observation of `player`, with its `role` and `action_mask`."""
        own = {"role": self.role(player), "action_mask": self.mask(state, player)}
        return {**self.observe(state, player), **own}


@lru_cache(maxsize=4096)
def frozen(values: tuple[float, ...], dtype: type = np.float64) -> NDArray[Any]:
    """The values as an array to observe, which nobody can write to: the same one each time."""
    array: NDArray[Any] = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array
