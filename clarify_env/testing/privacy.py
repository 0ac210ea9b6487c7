"""Privacy: what a player must not be able to learn from what the environment hands it."""

import copy
import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clarify_env.env import GameEnv
from clarify_env.game import Game, altered
from clarify_env.testing.play import SEEDS, Actions, CheckFailed, exact, play, same, strings

SHORTEST = 3  # characters of a text that counts as a secret


Seen = tuple[str, tuple[str, ...]]  # what a player sees of a step, and what the rules have told it by then


def check_privacy(env: GameEnv[Any]) -> None:
    """What a player sees does not depend on what it cannot know, and holds no secret that was not said.

    Seeing means observations, infos but for the reward terms and the last step's, and the repr of spaces.
    Alternatives: from each start state that a player cannot tell apart (`Game.alternatives`), the same moves
    let it see the same. Secrets: whatever stands in the setup or in another player's first observation, and
    not in its own, it does not see before a move says it. Planted secrets: nor the markers that `Game.plant`
    hides from it, in upper or lower case; and with longer markers it sees the same.
    """
    for seed in SEEDS:
        script = play(env, seed).script
        env.reset(seed=seed)
        state, setup = env.game_state, env.episode().setup
        for player in env.possible_agents:
            first: list[Seen] = []
            for other, chance in env.game.alternatives(state, player):
                if chance > 0.0:
                    seen = _seen(_at(env, other), player, script)
                    first = first or seen
                    _alike(f"what {player!r} is told in states that it cannot tell apart", first, seen)
            _secrets(env, player, seed, script, state, setup)
            _planted(env, player, seed, state)


class _Begun(Game[Any]):
    """A game whose episodes all start in the state `begun`."""

    begun: Any

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> Any:
        return self.begun


def _at(env: GameEnv[Any], state: Any) -> GameEnv[Any]:
    """An environment like `env` whose episodes start in `state`."""
    return env.with_game(altered(env.game, _Begun, begun=state))


def _shown(env: GameEnv[Any], player: str, result: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `player` sees of a result of reset or step."""
    info = {name: item for name, item in result[-1][player].items() if name != "terms"}
    return result[0][player], info if env.agents else {}, repr(env.observation_space(player))


def _seen(env: GameEnv[Any], player: str, script: Sequence[Actions]) -> list[Seen]:
    """What `player` sees along these moves, as exact texts; the last is "" where the episode goes on."""
    seen: list[Seen] = []

    def look(result: tuple[Any, ...]) -> None:
        seen.append((exact(_shown(env, player, result)), tuple(env.game.told(env.game_state, player))))

    play(env, 0, watch=look, script=script)
    return [*seen, ("", ())] if env.agents else seen


def _alike(what: str, a: list[Seen], b: list[Seen]) -> None:
    """Where one episode is over before the other, its end, which tells something, does not count."""
    if len(a) != len(b):
        shared = min(len(a), len(b)) - 1
        a, b = a[:shared], b[:shared]
    for first, second in zip(a, b, strict=True):
        if first[1] != second[1]:
            return
        same("privacy", what, first[0], second[0])


def _secrets(env: GameEnv[Any], player: str, seed: int, script: Any, state: Any, setup: Any) -> None:
    game = env.game
    own = list(strings(game.view(state, player)))
    others = [game.view(state, other) for other in env.possible_agents if other != player]
    secrets = [text for text in strings([setup, others]) if len(text) >= SHORTEST and not _in(text, own)]

    def look(result: tuple[Any, ...]) -> None:
        shown = list(strings(_shown(env, player, result)[:2]))
        said = [*strings(env.game_state.history), *env.game.told(env.game_state, player)]
        leaked = [text for text in secrets if _in(text, shown) and not _in(text, said)]
        if leaked:
            raise CheckFailed("privacy", f"{player!r} was shown {leaked[0]!r}, which nobody said")

    play(env, seed, watch=look, script=script)


def _planted(env: GameEnv[Any], player: str, seed: int, state: Any) -> None:
    planted, hidden = env.game.plant(state)
    markers = [marker.casefold() for marker in hidden.get(player, ())]
    if not markers:
        return
    twin = _at(env, planted)

    def look(result: tuple[Any, ...]) -> None:
        shown = [text.casefold() for text in (exact(_shown(twin, player, result)), repr(result[0][player]))]
        told = twin.game.told(twin.game_state, player)
        said = [text.casefold() for text in [*strings(twin.game_state.history), *told]]
        leaked = [text for text in markers if _in(text, shown) and not _in(text, said)]
        if leaked:
            raise CheckFailed("privacy", f"{player!r} sees the planted {leaked[0]!r}, which nobody said")

    script = play(twin, seed, watch=look).script
    longer = replaced(planted, {marker: f"{marker} and more" for marker in hidden[player]})
    what = f"what {player!r} sees with other texts that are hidden from it"
    _alike(what, _seen(twin, player, script), _seen(_at(env, longer), player, script))


def replaced(value: Any, texts: Mapping[str, str]) -> Any:
    """`value` with other texts in place of some, however deep in tuples, lists, dicts and dataclasses."""
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, tuple):
        items = [replaced(item, texts) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [replaced(item, texts) for item in value]
    if isinstance(value, Mapping):
        return {key: replaced(item, texts) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        twin = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(twin, field.name, replaced(getattr(value, field.name), texts))
        return twin
    return value


def _in(text: str, texts: Sequence[str]) -> bool:
    """Whether `text` stands in one of `texts`, as whole words."""
    return any(text in other and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", other) for other in texts)
