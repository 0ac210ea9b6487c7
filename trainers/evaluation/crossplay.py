"""Cross-play: players with partners that they were not trained with (arXiv 2003.02979).

Agents trained together may share a code that nobody else understands. So every agent plays the game's first
trained player with every partner in the other seats, as an asker with a user, over the same questions and
costs. The normalised score of a cell is that of `evaluate`, with the scripted teams played with the same
partner, and the optimum with that partner where it is known. A row whose player has an own partner in the
set, the one that it was trained with, says how much worse it does with the others.

Finished parts of long work on disk, so that it can go on after an interruption.
"""

import json
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.roster import roster_of
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.reference import scaled
from clarify_env.registry import registry
from clarify_env.trainers.evaluation.guarded import Guarded
from clarify_env.trainers.evaluation.measure import complete, jobs, measure, nested, pick_questions
from clarify_env.trainers.evaluation.statistics import interval, ranked
from clarify_env.trainers.evaluation.yardsticks import Yardsticks, yardsticks
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.run_directory import versions, write_json


class Folder:
    """Where a cross-play keeps what is done, so that it can go on after an interruption.

    Args:
        path: the folder; made where there is none.
        key: what is played; cells that were played under another are not used.
        identity: of the players, by name, where the name does not say who it is.
    """

    def __init__(self, path: Path, key: Mapping[str, Any], identity: Mapping[str, str]) -> None:
        self.path = path
        self.key = json.dumps(key, sort_keys=True, default=str)
        self.identity = identity
        try:
            (path / "cells").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ClarifyError(f"{path}: cannot be written: {error.strerror or error}") from None

    def episodes(self, *names: str) -> Path:
        """The file of a cell's episodes."""
        return self.path / "cells" / f"{file_name(*names)}.parquet"

    def load(self, *names: str) -> dict[str, Any] | None:
        """What was kept under these names, or None."""
        try:
            found = json.loads(
                (self.path / "cells" / f"{file_name(*names)}.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            return None
        same = isinstance(found, dict) and all(found.get(k) == v for k, v in self._of(names).items())
        return found if same else None

    def keep(self, *names: str, **values: Any) -> None:
        """Keep JSON values under these names."""
        write_json(self.path / "cells" / f"{file_name(*names)}.json", {**self._of(names), **values})

    def _of(self, names: Sequence[str]) -> dict[str, Any]:
        return {"names": [*names], "identity": [self.identity.get(n, "") for n in names], "key": self.key}


def file_name(*names: str) -> str:
    return "--".join("".join(c if c.isalnum() or c in "-_." else "_" for c in name) for name in names)


@dataclass(frozen=True)
class Crossing:
    """An asker with a user.

    Args:
        reward_N: mean reward over the costs, by question; NaN where all episodes failed at some costs.
        failures: how many episodes failed, by their reason.
        error: why there is no reward, or "".
        booked: how many episodes a player broke, as "asker/illegal_move" (see `measure.end_of`).
    """

    reward_N: Floats
    failures: Mapping[str, int]
    error: str = ""
    booked: Mapping[str, int] = field(default_factory=dict)


Others = Agent | Mapping[str, Agent]  # one agent in all other seats, or who sits in each


def crossplay(
    env: GameEnv[Any],
    askers: Mapping[str, Agent],
    users: Mapping[str, Others],
    out: Path,
    *,
    own: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    identity: Mapping[str, str] | None = None,
    cells: Sequence[Any] | None = None,
    tasks: int | None = None,
    seed: int = 0,
    scored: bool = True,
    batch: int = 256,
    processes: int = 1,
    watcher: Logger | None = None,
) -> dict[str, Any]:
    """Play everybody with every partner, and write crossplay.json and the episodes.

    What is finished lies in `out`/cells, and is not played again for the same game, questions, costs, seed.

    Args:
        env: the game with the questions.
        askers: by name who plays the first of the players that are trained.
        users: by name who plays the others.
        out: folder to write to.
        own: the partner that a player was trained with, by the player's name, where it is one of `users`.
        groups: by a player's name what it is a run of, such as an algorithm; the groups are ranked with each
            partner. By default each player is a group of its own.
        identity: what tells a player from another of its name, such as a checkpoint; finished cells of
            another are played again.
        cells: the costs; by default the unseen ones of the game.
        tasks: number of questions, the same ones whatever the seed; None for all.
        seed: of the players and the bootstrap.
        scored: whether rewards are normalised as well, which takes a yardstick for every partner.
        batch: episodes under way at the same time.
        processes: that share the work; they change no number.
        watcher: told of the progress.

    Returns:
        The content of crossplay.json; docs/crossplay.md explains its keys.

    Raises:
        ClarifyError: there is no player or no partner, names that make the same file, or an unknown own one.
    """
    own = dict(own or {})
    _check(askers, users, own)
    watcher, player = watcher or Logger(), roster_of(env.game).trained[0]
    seats = [other for other in env.possible_agents if other != player]
    cells = list(registry[env.name].unseen) if cells is None else cells
    questions = pick_questions(env, tasks)
    ids = [getattr(env.game.tasks[k], "id", env.game.tasks[k]) for k in questions]
    shown = [cell._asdict() for cell in cells]
    key = {"env": env.name, "made_with": env.made_with, "costs": shown, "seed": seed, "questions": ids}
    folder = Folder(out, key, identity or {})
    total = len(jobs(env, questions, cells, player, seed))
    table: dict[str, dict[str, Crossing]] = {name: {} for name in askers}
    fixed: dict[str, Floats] = {}
    best: dict[str, Floats] = {}
    ones: dict[str, str] = {}
    foreign: set[str] = set()
    for user, partner in users.items():
        others = dict.fromkeys(seats, partner) if isinstance(partner, Agent) else dict(partner)
        fixed[user] = np.full((1, len(questions)), np.nan)
        best[user], ones[user], its_own = fixed[user][0], "", True
        if scored:
            fixed[user], best[user], ones[user], its_own = _yardstick(
                env, user, others, questions, cells, seed, folder, processes, watcher
            )
        if not its_own:
            foreign.add(user)
        for asker, agent in askers.items():
            stage = watcher.stage(f"{asker} / {user}"[:17], total)
            agents = {**others, player: agent}
            table[asker][user] = _cell(
                env, (asker, user), agents, player, questions, cells, seed, batch, folder, stage, processes
            )
    result = {
        "env": env.name,
        "player": player,
        "yardsticks": ones,
        "questions": len(questions),
        "costs": shown,
        "seed": seed,
        "episodes": total,
        **report(table, fixed, best, own, seed, foreign, groups),
        "versions": versions(),
    }
    write_json(out / "crossplay.json", result)
    return result


def _check(askers: Mapping[str, Agent], users: Mapping[str, Others], own: Mapping[str, str]) -> None:
    if not askers or not users:
        raise ClarifyError(f"crossplay: {len(askers)} askers and {len(users)} users; at least 1 of each")
    for names in (askers, users):
        twice = [name for name, count in Counter(map(file_name, names)).items() if count > 1]
        if twice:
            raise ClarifyError(f"crossplay: {twice[0]!r} is the file name of two players; rename one")
    for asker, user in own.items():
        if asker not in askers or user not in users:
            raise ClarifyError(
                f"crossplay: own={{{asker!r}: {user!r}}} names no asker or no user of this one"
            )


def _yardstick(
    env: GameEnv[Any],
    name: str,
    others: Mapping[str, Agent],
    questions: Sequence[int],
    cells: Sequence[Any],
    seed: int,
    folder: Folder,
    processes: int,
    watcher: Logger,
) -> tuple[Floats, Floats, str, bool]:
    """zero_F_N and top_N of `Yardsticks` with this partner, the 1's name and `own`; NaN where that failed."""
    kept = folder.load("fixed", name)
    if kept is None or "is_own" not in kept:

        def measured(others: Mapping[str, Agent]) -> Yardsticks:
            return yardsticks(
                env, questions, cells, seed, others=others, processes=processes, watcher=watcher
            )

        try:
            try:
                found = measured(others)
            except ClarifyError:
                raise
            except Exception:  # a partner's own: it then breaks episodes of the fixed teams too
                found = measured({seat: Guarded(agent) for seat, agent in others.items()})
        except ClarifyError:  # then its cells have rewards but no normalised score
            nothing = np.full((1, len(questions)), np.nan)
            return nothing, nothing[0], "", True
        every = range(len(cells))
        low_F_N, top_N = found.zero_F_N(every), found.top_N(every)
        if np.isfinite(low_F_N).any(axis=1).all():
            parts = {"low": low_F_N.tolist(), "top": top_N.tolist()}
            folder.keep("fixed", name, **parts, yardstick=found.name, is_own=found.own)
        return low_F_N, top_N, found.name, found.own
    low_F_N, top_N = (np.array(kept[part], dtype=np.float64) for part in ("low", "top"))  # null becomes NaN
    return low_F_N, top_N, kept["yardstick"], kept["is_own"]


def _cell(
    env: GameEnv[Any],
    names: tuple[str, str],
    agents: Mapping[str, Agent],
    player: str,
    questions: Sequence[int],
    cells: Sequence[Any],
    seed: int,
    batch: int,
    folder: Folder,
    watch: Any,
    processes: int,
) -> Crossing:
    """A cell that was kept, or played now; one that fails is reported and not kept."""
    kept = folder.load(*names)
    if kept is not None:
        return Crossing(
            np.array(kept["rewards"], dtype=np.float64), kept["failures"], "", kept.get("booked", {})
        )
    failures: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    store = folder.episodes(*names)
    try:
        measured = measure(
            env,
            {name: Guarded(agent) for name, agent in agents.items()},
            questions,
            cells,
            seed,
            player,
            batch=batch,
            watch=watch,
            store=store,
            failures=failures,
            counts=counts,
            processes=processes,
        )
        complete(measured)
    except ClarifyError as error:
        return Crossing(np.full(len(questions), np.nan), failures, str(error), _booked(counts))
    reward_N = measured[:, :, 0].mean(axis=1)
    booked = _booked(counts)
    folder.keep(*names, rewards=reward_N.tolist(), failures=dict(failures), booked=booked)
    return Crossing(reward_N, failures, "", booked)


def _booked(counts: Mapping[str, int]) -> dict[str, int]:
    """The ends that a player caused, which begin with its name."""
    return {end: count for end, count in nested(counts)["ends"].items() if "/" in end}


def report(
    table: Mapping[str, Mapping[str, Crossing]],
    fixed: Mapping[str, Floats],
    optimum: Mapping[str, Floats],
    own: Mapping[str, str],
    seed: int = 0,
    foreign: Container[str] = (),
    groups: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The matrix, its rows and the ranks as JSON data, from rewards by question.

    Numbers are over the questions that were measured in every cell that did not fail. The interval of a drop
    comes from the same resamples of questions for both of its sides. `drop` itself, where players have an own
    partner each that no other has, is the cross-play drop (arXiv 2003.02979): what a player earns with its
    own less what it earns with those of the others, in units of reward, on average over players.

    Args:
        table: cells by asker and user.
        fixed: of each user the rewards, by question, of the teams whose best is the 0.
        optimum: of each user the reward, by question, that is the 1.
        own: the user that an asker was trained with.
        seed: of the bootstrap.
        foreign: the users whose 1 is the best play with another; scores that count on it are marked as such.
        groups: what an asker is a run of; by default itself.
    """
    played = [cell.reward_N for row in table.values() for cell in row.values() if not cell.error]
    sides = [np.atleast_2d(rows).sum(axis=0) for rows in fixed.values() if np.isfinite(rows).any()]
    whole_N = np.all([np.isfinite(row) for row in (*played, *sides)], axis=0) if played else np.array([False])
    count = int(whole_N.sum())

    def score(cell: Crossing, user: str, weights: Floats) -> float:
        zero = float((np.atleast_2d(fixed[user])[:, whole_N] @ weights).max())
        top = float(optimum[user][whole_N] @ weights)
        return scaled(float(cell.reward_N[whole_N] @ weights), zero, top)

    matrix: dict[str, dict[str, Any]] = {}
    rows: dict[str, dict[str, Any]] = {}
    homes = {asker: user for asker, user in own.items() if asker in table}
    strange = [user for user in homes.values() if list(homes.values()).count(user) == 1]
    drops: list[Callable[[Floats], float]] = []
    for asker, line in table.items():
        matrix[asker] = {}
        for user, cell in line.items():
            shown: dict[str, Any] = {"own": own.get(asker) == user, "failures": dict(cell.failures)}
            shown["booked"] = dict(cell.booked)
            if cell.error or not count:
                shown["failed"] = cell.error or "no question was measured in every cell"
            else:
                shown["reward"] = interval(partial(_dot, cell.reward_N[whole_N]), count, seed)
                shown["normalized"] = interval(partial(score, cell, user), count, seed)
                if user in foreign:
                    shown["normalized"]["foreign"] = True
            matrix[asker][user] = shown
        good = {user: cell for user, cell in line.items() if "failed" not in matrix[asker][user]}
        mine = own.get(asker)
        others = [user for user in good if user != mine]

        def mean_others(w: Floats, good: Any = good, others: Any = others) -> float:
            return float(np.mean([score(good[user], user, w) for user in others]))

        def drop(w: Floats, good: Any = good, mine: Any = mine, others: Any = mean_others) -> float:
            return score(good[mine], mine, w) - float(others(w))

        rows[asker] = {"own_user": mine}
        if mine in good:
            rows[asker]["own"] = matrix[asker][mine]["normalized"]
        if others:
            rows[asker]["others"] = interval(mean_others, count, seed)
            if any(user in foreign for user in others):
                rows[asker]["others"]["foreign"] = True
        if mine in good and others:
            rows[asker]["drop"] = interval(drop, count, seed)
            if any(user in foreign for user in (mine, *others)):
                rows[asker]["drop"]["foreign"] = True
        if mine in good and (away := [user for user in strange if user in good and user != mine]):
            drops.append(
                partial(_apart, line[mine].reward_N[whole_N], [line[u].reward_N[whole_N] for u in away])
            )
    ranks = _ranks(table, whole_N, groups or {}, seed) if count else {}
    found: dict[str, Any] = {"questions_compared": count, "matrix": matrix, "rows": rows, "ranks": ranks}
    if drops:
        found["drop"] = interval(lambda weights: float(np.mean([of(weights) for of in drops])), count, seed)
    return found


def _apart(home_N: Floats, away_U_N: Sequence[Floats], weights_N: Floats) -> float:
    """How much less is earned away than at home, on average over who is met there."""
    return _dot(home_N, weights_N) - float(np.mean([_dot(away_N, weights_N) for away_N in away_U_N]))


def _ranks(
    table: Mapping[str, Mapping[str, Crossing]], whole_N: Any, groups: Mapping[str, str], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """By user the ranks of the groups that no cell of failed; by reward, which ranks as the score does."""
    found = {}
    for user in next(iter(table.values())):
        runs: dict[str, list[Floats]] = {}
        failed = {groups.get(asker, asker) for asker, line in table.items() if line[user].error}
        for asker, line in table.items():
            runs.setdefault(groups.get(asker, asker), []).append(line[user].reward_N[whole_N])
        whole = {name: np.array(rows) for name, rows in runs.items() if name not in failed}
        found[user] = ranked(whole, seed) if whole else {}
    return found


def _dot(values_N: Floats, weights_N: Floats) -> float:
    return float(values_N @ weights_N)
