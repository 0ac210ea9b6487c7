"""The PettingZoo environment: it plays the pure rules of a game and returns five dicts at every step.

The same for every game:
- an observation is a dict; its `role` says whose it is, its `transcript` holds the moves so far, and its
  `action_mask` says what can be played now: entry 0 is passing, then one entry per kind of
  `action_space(agent).kinds`;
- an action is a `Move`, a message (str) for the codec, or None, which passes. Whoever is not on turn passes;
- a `Decision` is an action too: its move is played, its message and trace go to the record alone;
- an illegal or unreadable move ends the episode (accuracy 0, costs stand, and what the
  game makes of it besides, `Game.forfeit`) and is recorded with its reason;
- `NoMove(reason)` stands for a message that its agent could not read: it ends the episode as unreadable;
- `Failed(reason)`, of an agent that could not decide, ends it likewise; where something outside failed, such
  as a server, `Failed(reason, outside=True)` truncates the episode as `failed`;
  what is no action at all (a number, a missing player) raises and changes nothing;
- `infos[agent]["terms"]` holds the named reward terms of the step; they add up to its reward. At the end
  `infos[agent]["episode"]` holds the quantities, the totals and the reason.
"""

import copy
from collections.abc import Mapping
from operator import itemgetter
from types import NoneType
from typing import Any, Generic, Self, TypeVar

import numpy as np
from gymnasium.spaces import Dict, MultiBinary, Space
from pettingzoo.utils.env import ParallelEnv

from clarify_env.agent import Decision, Failed, NoMove
from clarify_env.codec import decode
from clarify_env.costs import made_costs
from clarify_env.episode import Episode, Step, prices, totals
from clarify_env.errors import ClarifyError, Unreadable, nearest
from clarify_env.game import Game, Paid, StateLike, Stop, StopReason
from clarify_env.moves import Move, Pass
from clarify_env.render import ansi, in_words, printable, table
from clarify_env.spaces import Moves, UnicodeText

S = TypeVar("S", bound=StateLike)


Observations = dict[str, dict[str, Any]]


Infos = dict[str, dict[str, Any]]


Kinds = tuple[type[Move], ...]


Messages = tuple[tuple[str, str], ...]


Traces = tuple[tuple[str, Any], ...]


_ACTION = (Move, str, NoneType, NoMove, Failed)


_Entry = tuple[dict[str, Move], Paid, Messages, Traces]


_INCURRED = itemgetter(1)  # of an entry


def check_action(player: str, action: Any, where: str = "step") -> None:
    """Raise ClarifyError where `action` is nothing that `GameEnv.step` takes for an action."""
    move, message, _ = action if isinstance(action, Decision) else (action, None, None)
    if not isinstance(move, _ACTION):
        wrong = f"{move!r:.80} of {player!r} is no action; give a Move, a message (str) or None"
        raise ClarifyError(f"{where}: {wrong}")
    if not isinstance(message, (str, NoneType)):
        raise ClarifyError(f"{where}: {message!r:.80} of {player!r} is no message; give a str or None")


def read_action(player: str, action: Any, kinds: Kinds, max_chars: int) -> Move | Stop | None:
    """The move that an action stands for, None where it passes, or why the episode has to stop.

    Args:
        player: whose action it is.
        action: a move, a message, None, `NoMove` or `Failed`.
        kinds: of moves that it may make; none where it is not on turn.
        max_chars: the longest message or move that is let through, in characters.

    Raises:
        ClarifyError: `action` is nothing of these.
    """
    check_action(player, Decision(action))  # no decision within a decision
    if not kinds:
        passed = isinstance(action, (Pass, NoneType)) or (isinstance(action, str) and not action.strip())
        return None if passed else Stop(StopReason.ILLEGAL, f"{player} moved out of turn")
    if isinstance(action, Failed) and action.outside:
        return Stop(StopReason.FAILED, f"{player}: {action.reason}")
    if isinstance(action, (NoMove, Failed)):
        return Stop(StopReason.UNREADABLE, f"{player}: {action.reason}")
    if isinstance(action, str):
        try:
            action = decode(action, kinds, max_chars)
        except Unreadable as error:
            return Stop(StopReason.UNREADABLE, f"{player}: {error}")
    if not isinstance(action, kinds):
        made = "passed" if isinstance(action, (Pass, NoneType)) else f"played {action.kind}"
        allowed = ", ".join(kind.kind for kind in kinds)
        return Stop(StopReason.ILLEGAL, f"{player} {made}; allowed here: {allowed}")
    if len(action.text) > max_chars:
        detail = f"{player}: a move of {len(action.text):,} characters"
        return Stop(StopReason.ILLEGAL, f"{detail}; the limit is {max_chars:,}")
    return action


class _Masks(dict[Kinds | None, np.ndarray[Any, Any]]):
    """A player's action masks, cached by the kinds of moves that it may make (None: not on turn)."""

    def __init__(self, moves: Kinds) -> None:
        self.moves = moves

    def __missing__(self, kinds: Kinds | None) -> np.ndarray[Any, Any]:
        entries = [kinds is None, *(kind in (kinds or ()) for kind in self.moves)]
        mask = self[kinds] = np.array(entries, dtype=np.int8)
        mask.flags.writeable = False
        return mask


class GameEnv(ParallelEnv[str, dict[str, Any], Any], Generic[S]):  # type: ignore[misc]  # PettingZoo has no types
    """A game as a PettingZoo parallel environment.

    Args:
        game: the rules.
        name: the registered id, for messages and records.
        max_chars: the longest message or move that is let through, in characters.
        render_mode: None, or "ansi" for the transcript as coloured text.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "is_parallelizable": True}  # noqa: RUF012

    def __init__(
        self, game: Game[S], name: str, max_chars: int = 20_000, render_mode: str | None = None
    ) -> None:
        if render_mode not in (None, "ansi"):
            raise ClarifyError(f"render_mode={render_mode!r}: only None and 'ansi' are known")
        self.game = game
        self.name = name
        self.max_chars = max_chars
        self.render_mode = render_mode
        self.metadata = {**type(self).metadata, "name": name}
        self.possible_agents = list(game.players)
        self.agents: list[str] = []
        self.action_spaces = {p: Moves(game.moves[p]) for p in game.players}
        self.observation_spaces = {
            p: Dict(
                {**game.spaces(p), "role": UnicodeText(), "action_mask": MultiBinary(1 + len(game.moves[p]))}
            )
            for p in game.players
        }
        self._term_costs = {name: term.cost for name, term in game.terms.items()}
        self._going_on = dict.fromkeys(game.players, False)
        self._zeros = dict.fromkeys(game.terms, 0.0)
        self._roles = {p: game.role(p) for p in game.players}
        self._masks = {p: _Masks(game.moves[p]) for p in game.players}
        self._legal: Mapping[str, Kinds] = {}
        self.made_with: dict[str, Any] | None = None  # what `make` was given, where that can be written down
        self._rng: np.random.Generator | None = None
        self._seed: int | None = None
        self._state: S | None = None
        self._prices: dict[str, float] = {}
        self._log: list[_Entry] = []

    @property
    def game_state(self) -> S:
        """The immutable state of the episode. It holds private texts: never hand it to an agent."""
        if self._state is None:
            raise ClarifyError("no episode yet: call reset() first")
        return self._state

    def observation_space(self, agent: str) -> Space[Any]:
        """The space of `agent`'s observations, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        """The space of `agent`'s actions, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Start an episode.

        Args:
            seed: seeds the environment's own generator; None goes on with it.
            options: pins what nature chooses, such as `task` (its id or position) and `costs` (by name, as
                in `{"turn": 0.1}`); see `Game.options`.

        Raises:
            ClarifyError: an unknown option, or a value out of range; the old episode stays as it was.
        """
        options = options or {}
        for key in options:
            # PettingZoo's parallel_api_test calls reset(options={"options": 1}).
            if key not in self.game.options and key != "options":
                raise ClarifyError(f"unknown reset option {key!r}{nearest(key, self.game.options)}")
        if seed is not None and (not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ClarifyError(f"reset(seed={seed!r}): a seed is a whole number >= 0, or None")
        if seed is not None or self._rng is None:
            rng = np.random.default_rng(seed)
        else:
            rng = copy.deepcopy(self._rng) if options else self._rng  # a wrong option changes nothing
        if options.get("costs") is not None:
            made = made_costs(self.game.costs_type, options["costs"], "options['costs']")
            options = {**options, "costs": made}
        state = self.game.start(rng, options)
        if self._state is None or state.costs is not self._state.costs:
            self._prices = prices(self._term_costs, state.costs._asdict())
        self._rng, self._seed, self._state = rng, seed, state
        self.agents = self.possible_agents.copy()
        self._log = []
        return self._observe(state), {p: {} for p in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[Observations, dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Play one action per player.

        Args:
            actions: an action of every player on turn; the others pass (None) or are left out.

        Raises:
            ClarifyError: the episode is over, a player on turn or its name is missing, or something is no
                action; nothing changes then.
        """
        players = self.agents
        if not players:
            raise ClarifyError("step() outside an episode: it is over or was never started; call reset()")
        moves, said, traces, stop = self._read(actions)
        state = self.game_state
        if stop is None:
            state, paid = self.game.apply(state, moves)
        else:
            state, paid = self.game.stopped(state, stop), self.game.forfeit(state, stop)
        terms, reward = self._zeros, 0.0
        if paid:
            terms = terms.copy()
            for name, quantity in paid:
                terms[name] = self._prices[name] * quantity + 0.0
            reward = sum(terms.values())
        self._state = state
        self._log.append((moves, paid, said, traces))
        observations = self._observe(state)
        infos: Infos = {}
        for player in players:
            infos[player] = {"terms": terms.copy()}
        rewards = dict.fromkeys(players, reward)
        stop = state.stop
        if stop is None:
            return observations, rewards, self._going_on.copy(), self._going_on.copy(), infos
        self.agents = []
        summed, reward = totals(self._prices, map(_INCURRED, self._log))
        quantities = self.game.quantities(state)
        for player in players:
            infos[player]["episode"] = {
                "quantities": quantities.copy(),
                "terms": summed.copy(),
                "reward": reward,
                "stop": str(stop.reason),
                "detail": stop.detail,
            }
        cut = stop.reason.truncated
        return observations, rewards, dict.fromkeys(players, not cut), dict.fromkeys(players, cut), infos

    def _read(self, actions: Mapping[str, Any]) -> tuple[dict[str, Move], Messages, Traces, Stop | None]:
        """The moves of the players on turn, messages and traces, and why the episode has to stop."""
        if not hasattr(actions, "items"):
            raise ClarifyError(f"step: {actions!r:.80} is no dict of actions by player")
        legal = self._legal
        moves: dict[str, Move] = {}
        said: Messages = ()
        traces: Traces = ()
        stop: Stop | None = None
        for player, action in actions.items():
            kinds, message = legal.get(player, ()), None
            if isinstance(action, Decision):
                if action.message is not None:
                    check_action(player, action)
                action, message, trace = action
                if trace is not None:
                    traces = (*traces, (player, trace))
            if isinstance(action, kinds) and len(action.text) <= self.max_chars:
                moves[player] = action
            elif player not in self.action_spaces:
                raise ClarifyError(f"step: unknown player {player!r}{nearest(player, self.possible_agents)}")
            elif action is not None or kinds:
                move = read_action(player, action, kinds, self.max_chars)
                if isinstance(move, Move):
                    moves[player] = move
                elif stop is None:
                    stop = move
                if message is None and action and isinstance(action, str):
                    message = action
            if message is not None:
                said = (*said, (player, message))
        for player in legal:
            if player not in actions:
                raise ClarifyError(f"step: no action of {player!r}, who is on turn")
        return moves, said, traces, stop

    def _observe(self, state: S) -> Observations:
        game = self.game
        self._legal = legal = game.legal(state)
        observations: Observations = {}
        for player, masks in self._masks.items():
            observation = game.observe(state, player)
            observation["role"] = self._roles[player]
            observation["action_mask"] = masks[legal.get(player)]
            observations[player] = observation
        return observations

    def episode(self) -> Episode:
        """The record of the episode so far, with what nature chose: for storage, never for an agent."""
        state = self.game_state
        return Episode(
            env=self.name,
            seed=self._seed,
            setup=self.game.setup(state),
            costs=dict(state.costs._asdict()),
            terms=self._term_costs,
            steps=tuple([Step(tuple(moves.items()), *rest) for moves, *rest in self._log]),
            quantities=self.game.quantities(state),
            stop=str(state.stop.reason) if state.stop else None,
            detail=state.stop.detail if state.stop else "",
        )

    def fork(self) -> Self:
        """An independent environment at the same point: same state, a copy of the generator.

        Played alike, the two give equal episodes; neither affects the other.
        """
        twin = copy.copy(self)
        twin._rng = copy.deepcopy(self._rng)
        twin.agents = self.agents.copy()
        twin._log = self._log.copy()
        twin.action_spaces = {p: Moves(space.kinds) for p, space in self.action_spaces.items()}
        return twin

    def with_game(self, game: Game[S]) -> Self:
        """A copy that plays another game with the same players, moves and spaces; it has no episode yet."""
        twin = self.fork()
        twin.game, twin.made_with, twin._state, twin.agents = game, None, None, []
        return twin

    def render(self) -> str | None:
        """The transcript as text for a terminal, or None without a render mode.

        It shows what nature chose, so it is for the person who watches, not for a player.
        """
        if self.render_mode is None:
            return None
        return ansi(self.episode())

    def close(self) -> None:
        """Nothing to release."""

    def _facts(self) -> dict[str, str]:
        """What everybody may know of the game and of the episode under way, in words."""
        game = self.game
        drawn_by = getattr(game, "costs", None)
        facts = {
            "players": ", ".join(self.possible_agents),
            "costs": repr(drawn_by) if drawn_by is not None else ", ".join(game.costs_type._fields),
            "turns": f"at most {game.max_turns}" if hasattr(game, "max_turns") else "no limit",
            "tasks": f"{len(game.tasks):,}" if hasattr(game, "tasks") else "drawn by the game",
        }
        return {name: printable(text) for name, text in facts.items()}

    def __repr__(self) -> str:
        facts = "; ".join(f"{name}: {text}" for name, text in self._facts().items())
        return f"{type(self).__name__}({self.name!r}, {facts})"

    def _repr_html_(self) -> str:
        rows = self._facts()
        for player, kinds in self.game.moves.items():
            rows[f"moves of {player}"] = ", ".join(kind.kind for kind in kinds)
        if self._state is not None:  # of an episode, only what its players all know
            stop = self._state.stop
            at = f"over: {stop.reason}" if stop else f"on turn: {', '.join(self._legal)}"
            rows["episode"] = f"{len(self._log)} steps at {in_words(self._state.costs._asdict())}; {at}"
        return table(self.name, rows)
