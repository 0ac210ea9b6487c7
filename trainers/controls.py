"""Controls: the same game with something taken from, or added to, what its players see.

Each gives a copy of an environment; moves, rewards and records stay as they are, only `observe` differs.
"""

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.moves import TextMove

Texts = Mapping[str, Sequence[str]]  # kind of a move: what is heard in place of its texts, in order
Observe = Callable[[Any, str], dict[str, Any]]


def _seeing(env: GameEnv[Any], observe: Observe) -> GameEnv[Any]:
    twin, game = env.fork(), copy.copy(env.game)
    game.observe = observe  # type: ignore[method-assign, assignment]
    twin.game = game
    return twin


def _hearing(env: GameEnv[Any], instead: Callable[[Any, str], Texts]) -> GameEnv[Any]:
    """The game in which a player hears other texts than the others said."""
    game = env.game

    def observe(state: Any, player: str) -> dict[str, Any]:
        seen = game.observe(state, player)
        texts = {kind: list(found) for kind, found in instead(state, player).items()} if state.history else {}
        turns = []
        for turn in seen["transcript"]:
            if turn.player != player and isinstance(turn.move, TextMove):
                left = texts.get(turn.move.kind)
                turn = Turn(turn.player, type(turn.move)(left.pop(0) if left else ""))
            turns.append(turn)
        return {**seen, "transcript": tuple(turns)}

    return _seeing(env, observe)


def silent(env: GameEnv[Any]) -> GameEnv[Any]:
    """Nobody hears anything: the texts of the others' moves are empty, their kinds remain."""
    return _hearing(env, lambda state, player: {})


def deranged(env: GameEnv[Any], episodes: Sequence[Episode], seed: int = 0) -> GameEnv[Any]:
    """Everybody hears another episode: the k-th text of a kind of move is the k-th one said there.

    Args:
        env: the game.
        episodes: what was played; each hears another one of them, and no two the same.
        seed: of who hears whom.

    Raises:
        ClarifyError: there are fewer than two episodes.
    """
    if len(episodes) < 2:
        raise ClarifyError(f"deranged: {len(episodes)} episodes; each needs another one to hear")
    order = np.random.default_rng((seed, 17)).permutation(len(episodes)).tolist()
    heard = {
        json.dumps(episodes[one].setup): _said(episodes[other], env.possible_agents)
        for one, other in zip(order, [*order[1:], order[0]], strict=True)
    }
    game = env.game

    def instead(state: Any, player: str) -> Texts:
        key = json.dumps(game.setup(state))
        if key not in heard:
            raise ClarifyError("deranged: an episode that was not played before; use the same seed")
        return heard[key][player]

    return _hearing(env, instead)


def _said(episode: Episode, players: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """By hearer and kind of move the texts that the others said in an episode, in order."""
    heard: dict[str, dict[str, list[str]]] = {player: defaultdict(list) for player in players}
    for step in episode.steps:
        for player, move in step.moves:
            for hearer in players:
                if hearer != player and isinstance(move, TextMove):
                    heard[hearer][move.kind].append(move.text)
    return heard


def one_head(env: GameEnv[Any]) -> GameEnv[Any]:
    """Everybody knows everything: `partner` holds what the others observe besides the transcript.

    Of several others the entries are merged, those of the later players last.
    """
    game = env.game

    def observe(state: Any, player: str) -> dict[str, Any]:
        seen = game.observe(state, player)
        partner: dict[str, Any] = {}
        for other in game.players:
            if other != player:
                partner |= {k: v for k, v in game.observe(state, other).items() if k not in _SHARED}
        return {**seen, "partner": partner}

    return _seeing(env, observe)


_SHARED = ("transcript", "costs")
