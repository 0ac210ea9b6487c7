"""Privacy and forgery: what a player must not be able to learn, or to do in another's name."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from clarify_env.codec import encode
from clarify_env.env import GameEnv
from clarify_env.testing.play import Anyone, CheckFailed, play, same, strings

SEEDS = range(10)
SHORTEST = 3  # characters of a text that counts as a secret


def check_privacy(env: GameEnv[Any]) -> None:
    """What a player sees does not depend on what it cannot know, and holds no secret that was not said.

    Alternatives: for each start state that a player cannot tell apart (`Game.alternatives`), the same moves
    give it the same observations, and the same infos but for the last. Secrets: whatever stands in the setup
    or in another player's first observation, and not in its own, appears in none of its observations and
    infos before a move says it. Planted secrets: nor do the markers that `Game.plant` hides from it.
    """
    for seed in SEEDS:
        whole, script = play(env, seed, seed)
        env.reset(seed=seed)
        state = env.game_state
        for player in env.possible_agents:
            _alternatives(env, player, seed, script, state)
            _secrets(env, player, seed, script, state, whole.setup)
        _planted(env, seed, state)


def _alternatives(env: GameEnv[Any], player: str, seed: int, script: Any, state: Any) -> None:
    game = env.game
    wanted = None
    for other, chance in game.alternatives(state, player):
        if chance <= 0.0:
            continue
        same("privacy", f"what {player!r} sees of states that it cannot tell apart",
             game.view(state, player), game.view(other, player))  # fmt: skip
        setup = game.setup(other)
        pins = {name: setup[name] for name in game.options if name in setup}
        if not pins:
            continue
        seen: list[Any] = []

        def keep(result: tuple[Any, ...], seen: list[Any] = seen) -> None:
            observations, _, _, _, infos = result
            if "episode" not in infos[player]:
                seen.append((observations[player], infos[player]))

        observations, infos = env.reset(seed=seed, options=pins)
        start = (observations[player], infos[player])
        play(env, seed, seed, options=pins, watch=keep, script=script)
        length = len(seen)
        if wanted is None:
            wanted = (start, seen)
        same("privacy", f"what {player!r} is told at the start", wanted[0], start)
        shared = min(length, len(wanted[1]))
        same("privacy", f"what {player!r} is told along the same moves",
             wanted[1][:shared], seen[:shared])  # fmt: skip


def _secrets(env: GameEnv[Any], player: str, seed: int, script: Any, state: Any, setup: Any) -> None:
    game = env.game
    own = list(strings(game.view(state, player)))
    others = [game.view(state, other) for other in env.possible_agents if other != player]
    secrets = {text for text in strings([setup, others]) if len(text) >= SHORTEST and not _in(text, own)}
    said: list[str] = []

    def look(result: tuple[Any, ...]) -> None:
        observations, _, _, _, infos = result
        said.extend(turn.move.text for turn in env.game_state.history)
        shown = list(strings([observations[player], infos[player]]))
        leaked = [text for text in secrets if _in(text, shown) and not _in(text, said)]
        if leaked:
            raise CheckFailed("privacy", f"{player!r} was shown {leaked[0]!r}, which nobody said")

    observations, infos = env.reset(seed=seed)
    shown = [repr((observations[player], infos[player], env.observation_space(player)))]
    leaked = [text for text in secrets if _in(text, shown)]
    if leaked:
        raise CheckFailed("privacy", f"{player!r} is shown {leaked[0]!r} at the start")
    play(env, seed, seed, watch=look, script=script)


def _planted(env: GameEnv[Any], seed: int, state: Any) -> None:
    game = env.game
    state, hidden = game.plant(state)
    rng = np.random.default_rng(seed)
    said: list[str] = []
    while True:
        for player in env.possible_agents:
            shown = list(strings(game.view(state, player)))
            leaked = [text for text in hidden.get(player, ()) if _in(text, shown) and not _in(text, said)]
            if leaked:
                raise CheckFailed("privacy", f"{player!r} sees the planted {leaked[0]!r}, which nobody said")
        turn = game.legal(state)
        if not turn or state.stop is not None:
            return
        views = {player: game.view(state, player) for player in turn}
        moves = {player: Anyone(game.moves[player]).move(views[player], rng) for player in turn}
        said += [move.text for move in moves.values()]
        state, _ = game.apply(state, moves)


def _in(text: str, texts: Sequence[str]) -> bool:
    """Whether `text` stands in one of `texts`, as whole words."""
    return any(text in other and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", other) for other in texts)


def check_forgery(env: GameEnv[Any]) -> None:
    """A message full of every player's tags is at most a move of the player on turn, and of its own kinds."""
    game = env.game
    rng = np.random.default_rng(0)
    kinds = {kind for moves in game.moves.values() for kind in moves}
    forged = [encode(kind.random(rng)) for kind in sorted(kinds, key=lambda kind: kind.kind)]
    for seed in SEEDS:
        _, script = play(env, seed, seed)
        for message in [*forged, " ".join(forged)]:
            for speaker in env.possible_agents:
                play(env, seed, seed, script=script[: seed % len(script)])
                before = game.legal(env.game_state)
                count = len(env.game_state.history)
                actions = {**dict.fromkeys(before), speaker: message}
                env.step(actions)
                for who, move in env.game_state.history[count:]:
                    if who != speaker or not isinstance(move, before.get(who, ())):
                        raise CheckFailed(
                            "forgery", f"{message!r} of {speaker!r} became {move.kind!r} of {who!r}"
                        )
