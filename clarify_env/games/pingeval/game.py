"""Two partners, each with a private view, find a joint answer within a word budget (arXiv 2602.24188).

The rules of `pingeval-names-v0` and `pingeval-chess-v0`. The partners, "left" and "right", take turns, left
first; each may send `turns` messages of at most `budget // turns` words. What a message does not use is
lost.

| on turn        | move            | leads to                                                           |
| -------------- | --------------- | ------------------------------------------------------------------ |
| either partner | `Say(text)`     | the other's turn; costs `word_cost` per word                       |
|                | `Propose(text)` | the same, and the other may agree; its words count like any others |
| after `Propose`| `Agree()`       | the end; earns 1 if the proposal is right; no message, no word     |

The episode terminates with `Agree`, or with an illegal or unreadable move (accuracy 0, costs stand); a
message longer than its share is illegal. It is truncated where the player on turn has no message left and
nothing to agree to. The paper counts words by white space, where one made-up word could carry a whole table;
here each game states its `Vocabulary`: its words and numbers below 100 count one each, anything else its
letters, and what is not counted (case, punctuation, accents) does not reach the other.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, overload

import numpy as np
from gymnasium.spaces import Box, Space

from clarify_env.costs import CostSampler, bound
from clarify_env.errors import ClarifyError
from clarify_env.game import Game, Paid, Stop, StopReason, Term, Turn, frozen
from clarify_env.moves import Move, TextMove
from clarify_env.spaces import Records, UnicodeText
from clarify_env.text import CARDINALS, FUNCTION, exact_match
from clarify_env.vocabulary import Vocabulary


@dataclass(frozen=True)
class Say(TextMove):
    """One of two equal partners tells the other something; it costs its words."""


@dataclass(frozen=True)
class Propose(TextMove):
    """A partner puts forward the answer that both are to give; it costs its words."""


@dataclass(frozen=True)
class Agree(Move):
    """A partner takes the answer that the other has just proposed, and ends the episode."""


PLAYERS = ("left", "right")
# Words of either game: the partners, numbers, and what sentences need.
SHARED_WORDS = (*PLAYERS, *CARDINALS, *sorted(FUNCTION))


_SENT: tuple[type[Move], ...] = (Say, Propose)


class WordCosts(NamedTuple):
    """What the team pays.

    Args:
        word: per word that either partner sends; finite, >= 0.
    """

    word: float = 0.0


class Deal(NamedTuple):
    """What nature has given the partners.

    Args:
        id: of the task, unique within its split.
        views: what left and right hold.
        answer: the right joint answer.
        drawn: the reset options that bring back what was drawn within the task.
    """

    id: str
    views: tuple[Any, Any]
    answer: str
    drawn: Mapping[str, Any]


class State(NamedTuple):
    """Everything about an episode: what nature chose, the transcript, and what was counted."""

    pair: Deal
    costs: WordCosts
    history: tuple[Turn, ...] = ()
    words: int = 0
    accuracy: float = 0.0
    stop: Stop | None = None


T = TypeVar("T")


class Generated(Sequence[T], Generic[T]):
    """Tasks that are made when they are first asked for.

    Args:
        make: the task at a position; a pure function.
        size: how many there are, >= 1.
    """

    def __init__(self, make: Callable[[int], T], size: int) -> None:
        self._make = lru_cache(maxsize=10_000)(make)
        self._size = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        chosen = range(self._size)[at]
        return self._make(chosen) if isinstance(chosen, int) else [self._make(k) for k in chosen]


class PartnerGame(Game[State]):
    """Rules that the games of two partners share; see the module's docstring.

    Args:
        tasks: what nature draws from, evenly.
        costs: draws the `WordCosts` of each episode.
        turns: messages that each partner may send, >= 1.
        budget: words that each partner may send, spread evenly over its messages; at least one a message.
    """

    players: ClassVar[tuple[str, ...]] = PLAYERS
    moves: ClassVar[Mapping[str, tuple[type[Move], ...]]] = dict.fromkeys(PLAYERS, (Say, Propose, Agree))
    terms: ClassVar[Mapping[str, Term]] = {
        "accuracy": Term("accuracy"),
        "word_cost": Term("words", "word"),
    }
    counted: ClassVar[tuple[str, ...]] = ("accuracy", "words", "messages")
    opening = PLAYERS[:1]
    costs_type: ClassVar[type[Any]] = WordCosts
    family: ClassVar[str]
    entry: ClassVar[str]  # name of the private view in an observation
    vocabulary: ClassVar[Vocabulary]  # what counts one word
    question: ClassVar[str]  # that the partners answer together

    def __init__(self, tasks: Sequence[Any], costs: CostSampler, turns: int = 8, budget: int = 128) -> None:
        if not isinstance(turns, int) or turns < 1:
            raise ClarifyError(f"turns={turns!r}: each partner needs at least 1 message")
        if not isinstance(budget, int) or budget < turns:
            raise ClarifyError(f"budget={budget!r} words for {turns} messages: each needs at least 1 word")
        self.tasks = tasks
        self.costs = bound(costs, self.costs_type)
        self.turns = turns
        self.share = budget // turns
        self.max_turns = 2 * turns + 1

    @abstractmethod
    def draw(self, task: Any, draws: tuple[float, float], options: Mapping[str, Any]) -> Deal:
        """What the partners are given of a task, from two even draws in [0, 1)."""

    @abstractmethod
    def view_space(self) -> Space[Any]:
        """The space of a private view."""

    def _position(self, id: str) -> int | None:
        """Where an id says, which ends in its position, so that no other task is made."""
        end = id.rpartition("-")[2]
        at = int(end) if end.isdecimal() and len(end) < 10 else len(self.tasks)
        return at if at < len(self.tasks) and self.tasks[at].id == id else None

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> State:
        """Draw task, what is given of it, and costs; `options` pins any of them and changes no other draw."""
        at, *draws = rng.random(3).tolist()
        sampled = self.costs.sample(rng)
        task = self.task(options["task"]) if "task" in options else self.tasks[int(at * len(self.tasks))]
        pair = self.draw(task, (draws[0], draws[1]), options)
        return State(pair, options.get("costs") or sampled)

    def role(self, player: str) -> str:
        """What this player is, whichever number it has."""
        return f"{self.family}/partner"

    def legal(self, state: State) -> Mapping[str, tuple[type[Move], ...]]:
        """The player on turn with its kinds of moves."""
        if state.stop:
            return {}
        past = state.history
        sent = _SENT if len(past) < 2 * self.turns else ()
        agree = (Agree,) if past and isinstance(past[-1].move, Propose) else ()
        return {PLAYERS[len(past) % 2]: (*sent, *agree)}

    def apply(self, state: State, moves: Mapping[str, Move]) -> tuple[State, Paid]:
        """The transition table of the module's docstring."""
        ((player, move),) = moves.items()
        history = (*state.history, Turn(player, self.as_read(move)))
        if isinstance(move, Agree):
            accuracy = self.right(state.history[-1].move.text, state.pair.answer)
            stop = Stop(StopReason.SELECTED)
            return state._replace(history=history, accuracy=accuracy, stop=stop), (("accuracy", accuracy),)
        said = self.vocabulary.count(move.text)
        state = state._replace(history=history, words=state.words + said)
        paid: Paid = (("word_cost", said),)
        if said > self.share:
            detail = f"{player}: a message of {said} words; the share of a message is {self.share}"
            return state._replace(stop=Stop(StopReason.ILLEGAL, detail)), paid
        if not any(self.legal(state).values()):
            detail = f"{self.turns} messages each, and no agreement"
            state = state._replace(stop=Stop(StopReason.MAX_TURNS, detail))
        return state, paid

    def as_read(self, move: Move) -> Move:
        """The move with what its text is read as."""
        return type(move)(self.vocabulary.heard(move.text)) if isinstance(move, TextMove) else move

    @property
    def capacity(self) -> float:
        """Bits that the messages of one partner can carry in an episode: their words, and what they are."""
        return self.turns * (math.log2(len(_SENT)) + self.vocabulary.bits(self.share))

    def right(self, proposal: str, answer: str) -> float:
        """1.0 where a proposal names the answer, up to case, punctuation and articles; else 0.0."""
        return exact_match(proposal, (answer,))

    def stopped(self, state: State, stop: Stop) -> State:
        """The state with the episode over: accuracy 0, costs stand."""
        return state._replace(stop=stop)

    def observe(self, state: State, player: str) -> dict[str, Any]:
        """The own view, me, costs, limits (words a message, own messages left, the other's), transcript."""
        at, past = PLAYERS.index(player), len(state.history)
        sent = ((past + 1) // 2, past // 2)
        left = [max(0, self.turns - count) for count in (sent[at], sent[1 - at])]
        return {
            self.entry: state.pair.views[at],
            "me": player,
            "costs": frozen(tuple(state.costs)),
            "limits": frozen((self.share, *left), np.int64),
            "transcript": state.history,
        }

    def spaces(self, player: str) -> dict[str, Space[Any]]:
        """Spaces of the observations."""
        return {
            self.entry: self.view_space(),
            "me": UnicodeText(16),
            "costs": Box(0.0, np.inf, (len(WordCosts._fields),), np.float64),
            "limits": Box(0, np.iinfo(np.int64).max, (3,), np.int64),
            "transcript": Records(Turn),
        }

    def quantities(self, state: State) -> dict[str, float]:
        """accuracy (1 or 0), words and messages of both."""
        messages = sum(isinstance(turn.move, _SENT) for turn in state.history)
        return {"accuracy": state.accuracy, "words": state.words, "messages": messages}

    def setup(self, state: State) -> dict[str, Any]:
        """The task's id, what was drawn of it, the question, both views as text, and the answer."""
        pair = state.pair
        views = [f"{p}:\n{self.written(v)}" for p, v in zip(PLAYERS, pair.views, strict=True)]
        told = {"question": self.question, "context": "\n".join(views), "answers": [pair.answer]}
        return {"task": pair.id, **pair.drawn, **told}

    @abstractmethod
    def written(self, view: Any) -> str:
        """A private view as text."""
