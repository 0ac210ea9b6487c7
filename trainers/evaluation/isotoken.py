"""Isotoken evaluation: the same budget of words, spread over few or many turns (arXiv 2602.24188).

A policy that can hold a dialogue should not do worse when it may speak more often in shorter messages. Beside
the game itself it plays the controls of `evaluation.isotoken`: "silent" says what can be had
without a message, "deranged" whether the content of messages matters, "oracle" what both know together.

Controls: the same game with something taken from, or added to, what its players see.

Each gives a copy of an environment; moves, rewards and records stay as they are, only `observe` differs.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import bootstrap

from clarify_env.agent import Agent
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError, choose
from clarify_env.game import Game, StopReason, Turn, altered
from clarify_env.moves import TextMove
from clarify_env.rollout import rollout
from clarify_env.simulate import failed
from clarify_env.storage import write_episodes
from clarify_env.trainers.loggers import Logger

Texts = Mapping[str, Sequence[str]]  # kind of a move: what is heard in place of its texts, in order


class _Hearing(Game[Any]):
    """The game `heard`, but that a player hears the texts of `instead` in place of those the others said."""

    heard: Game[Any]
    instead: Callable[[Any, str], Texts]

    def observe(self, state: Any, player: str) -> dict[str, Any]:
        seen = self.heard.observe(state, player)
        told = self.instead(state, player) if state.history else {}
        texts = {kind: list(found) for kind, found in told.items()}
        turns = []
        for turn in seen["transcript"]:
            if turn.player != player and isinstance(turn.move, TextMove):
                left = texts.get(turn.move.kind)
                turn = Turn(turn.player, type(turn.move)(left.pop(0) if left else ""))
            turns.append(turn)
        return {**seen, "transcript": tuple(turns)}


class _OneHead(Game[Any]):
    """The game `apart`, but that everybody sees what the others do."""

    apart: Game[Any]

    def observe(self, state: Any, player: str) -> dict[str, Any]:
        partner: dict[str, Any] = {}
        for other in self.players:
            if other != player:
                theirs = self.apart.observe(state, other)
                partner |= {name: item for name, item in theirs.items() if name not in _SHARED}
        return {**self.apart.observe(state, player), "partner": partner}


def silent(env: GameEnv[Any]) -> GameEnv[Any]:
    """Nobody hears anything: the texts of the others' moves are empty, their kinds remain."""
    return env.with_game(altered(env.game, _Hearing, heard=env.game, instead=lambda state, player: {}))


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
        json.dumps(episodes[one].setup): _said(episodes[other], env.game)
        for one, other in zip(order, [*order[1:], order[0]], strict=True)
    }
    game = env.game

    def instead(state: Any, player: str) -> Texts:
        key = json.dumps(game.setup(state))
        if key not in heard:
            raise ClarifyError("deranged: an episode that was not played before; use the same seed")
        return heard[key][player]

    return env.with_game(altered(game, _Hearing, heard=game, instead=instead))


def _said(episode: Episode, game: Game[Any]) -> dict[str, dict[str, list[str]]]:
    """By hearer and kind of move the texts that it read of the others in an episode, in order."""
    players = game.players
    heard: dict[str, dict[str, list[str]]] = {player: defaultdict(list) for player in players}
    for step in episode.steps:
        for player, move in step.moves:
            for hearer in players:
                if hearer != player and isinstance(move, TextMove):
                    heard[hearer][move.kind].append(game.as_read(move).text)
    return heard


def one_head(env: GameEnv[Any]) -> GameEnv[Any]:
    """Everybody knows everything: `partner` holds what the others observe besides the transcript.

    Of several others the entries are merged, those of the later players last.
    """
    return env.with_game(altered(env.game, _OneHead, apart=env.game))


_SHARED = ("transcript", "costs")


TURNS = (2, 4, 8, 16)


CONTROLS = ("silent", "deranged", "oracle")


PLAYED = "played"  # the game as it is


_BROKEN = (StopReason.ILLEGAL, StopReason.UNREADABLE)


class Setup(NamedTuple):
    """What is played: an agent in every role, at a number of turns, under a control or as it is."""

    agent: str
    turns: int
    control: str


def spread(values_E: Floats, seed: int) -> dict[str, float]:
    """The mean over E episodes with the 2.5% and 97.5% points of its bootstrap.

    Where all values are equal, so are the points: a score of 1 in every one of few episodes is less certain
    than it looks.
    """
    mean = float(values_E.mean())
    if np.ptp(values_E) == 0.0:
        return {"mean": mean, "low": mean, "high": mean}
    rng = np.random.default_rng((seed, 19))
    found = bootstrap((values_E,), np.mean, n_resamples=1000, method="percentile", rng=rng, batch=100)
    low, high = found.confidence_interval
    return {"mean": mean, "low": float(low), "high": float(high)}


def counted(env: GameEnv[Any], budget: int, turns: int, episode: Episode) -> dict[str, float]:
    """What is reported of one episode.

    Returns:
        `score` (what the gains of the game add up to), `reward`, `words` and `messages` of all players,
        `unused` (share of the budget), `early` (1 where the players ended it with messages left) and `broken`
        (1 where a move that was illegal or unreadable did).
    """
    quantities, players = episode.quantities, len(env.possible_agents)
    gains = [term.quantity for term in env.game.terms.values() if not term.cost]
    broken = episode.stop in _BROKEN
    ended = episode.stop is not None and not broken and not StopReason(episode.stop).truncated
    return {
        "score": sum(quantities[name] for name in gains),
        "reward": episode.reward,
        "words": quantities["words"],
        "messages": quantities["messages"],
        "unused": 1.0 - quantities["words"] / (budget * players),
        "early": float(ended and quantities["messages"] < turns * players),
        "broken": float(broken),
    }


def isotoken(
    make: Callable[[int], GameEnv[Any]],
    agents: Mapping[str, Callable[[GameEnv[Any]], Mapping[str, Agent]]],
    budget: int,
    turns: Sequence[int] = TURNS,
    controls: Sequence[str] = CONTROLS,
    episodes: int = 300,
    seed: int = 0,
    batch: int = 256,
    folder: Path | None = None,
    watcher: Logger | None = None,
) -> Iterator[dict[str, Any]]:
    """Play every agent at every number of turns, as the game is and under each control; yields a row each.

    All cells play the same tasks; `change` is the difference of the score to the first number of turns, task
    by task. Episodes that failed are left out, and counted.

    Args:
        make: the game with this number of turns and a budget of `budget` words a player.
        agents: by name, who plays each role of the game.
        budget: words that each player may say.
        turns: messages of each player; the first one is what the others are compared with.
        controls: of "silent", "deranged", "oracle".
        episodes: of each cell, >= 2.
        seed: of everything random.
        batch: episodes under way at the same time.
        folder: where the episodes of each cell are stored; None for nowhere.
        watcher: told of the progress.

    Raises:
        ClarifyError: an unknown control, a budget below a word a message, a game that counts neither words
            nor messages, or a cell in which every episode failed.
    """
    for control in controls:
        choose("control", control, CONTROLS)
    if episodes < 2 or not turns or min(turns) < 1:
        raise ClarifyError(
            f"isotoken: episodes={episodes!r}, turns={list(turns)}; at least 2 and 1 are needed"
        )
    if budget < max(turns):
        raise ClarifyError(f"isotoken: a budget of {budget} words has less than one for each of {max(turns)}")
    watcher = watcher or Logger()
    for name, players in agents.items():
        first: dict[str, Floats] = {}
        for count in turns:
            env = make(count)
            missing = {"words", "messages"} - {*env.game.counted}
            if missing:
                raise ClarifyError(f"isotoken: {env.name} does not count {' and '.join(sorted(missing))}")
            played: list[Episode] = []
            for control in (PLAYED, *controls):
                made = {"silent": silent, "oracle": one_head}.get(control, lambda same: same)(env)
                if control == "deranged":
                    made = deranged(env, played, seed)
                done = watcher.stage(f"{name}, {count} turns, {control}", episodes)
                found = []
                for episode in rollout(made, players(env), episodes, seed, batch=batch):
                    found.append(episode)
                    done(1)
                if control == PLAYED:
                    played = found
                if folder is not None:
                    write_episodes(folder / f"{name}-{count}-{control}.parquet", found)
                yield _row(Setup(name, count, control), env, budget, found, first, seed)


def _row(
    cell: Setup,
    env: GameEnv[Any],
    budget: int,
    episodes: Sequence[Episode],
    first: dict[str, Floats],
    seed: int,
) -> dict[str, Any]:
    """The numbers of a cell; `first` keeps the scores of the first number of turns by control."""
    fine = np.array([not failed(episode) for episode in episodes])
    if not fine.any():
        raise ClarifyError(f"isotoken: every episode of {cell.agent} failed: {episodes[0].detail}")
    listed = [counted(env, budget, cell.turns, episode) for episode in episodes]
    columns = {name: np.array([one[name] for one in listed]) for name in listed[0]}
    score_E = np.where(fine, columns["score"], np.nan)
    start_E = first.setdefault(cell.control, score_E)
    both_E = np.isfinite(score_E) & np.isfinite(start_E)
    row: dict[str, Any] = {**cell._asdict(), "share": budget // cell.turns, "failed": int((~fine).sum())}
    row |= {name: spread(values[fine], seed) for name, values in columns.items()}
    if both_E.any():
        row["change"] = spread((score_E - start_E)[both_E], seed)
    return row
