"""Sweeps: algorithms, games and seeds under one budget, as data; run over the cores, and resumed.

A cell is one run: a game, an algorithm with its settings, a seed. It has a run directory of its own, so that
it can be looked at, evaluated again or gone on with like any other. A cell that fails says why in its
`failed.txt`, and is tried again when the sweep is given again.

What is measured of all runs of a sweep together: curves, and how they do with users unknown to them.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.catalog import load_team
from clarify_env.agents.roster import others_of, roster_of, with_panel
from clarify_env.data import read_json
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games import load_object
from clarify_env.registry import make, registry
from clarify_env.trainers.config import SMALL_POLICY, Config, recipe
from clarify_env.trainers.evaluation.crossplay import crossplay
from clarify_env.trainers.evaluation.evaluate import evaluate_run, load_run
from clarify_env.trainers.evaluation.guarded import Guarded
from clarify_env.trainers.evaluation.measure import pick_questions
from clarify_env.trainers.evaluation.parallel import in_order
from clarify_env.trainers.evaluation.yardsticks import yardsticks
from clarify_env.trainers.experiment import train
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.run_directory import RunDirectory, write_json

LIMITS = ("tokens", "decisions", "updates")  # what a run may be limited in, beside its episodes


class Cell(NamedTuple):
    """One run of a sweep.

    Args:
        game, algorithm, seed: where it stands.
        config: of the run.
        limits: on its tokens, decisions and updates.
    """

    game: str
    algorithm: str
    seed: int
    config: Config
    limits: Mapping[str, int | None]

    @property
    def name(self) -> str:
        """Its folder in the sweep's."""
        return f"{self.game}/{self.algorithm}/seed{self.seed}"


@dataclass(frozen=True)
class Sweep:
    """What is compared.

    Args:
        games: the options of `make` for each registered id.
        algorithms: for each name in the comparison the settings that differ from its recipe; "algorithm" is
            the name itself where it is not given, and "episodes" and each of `LIMITS` its own budget.
        seeds: of the runs.
        episodes: that each run may play in all; the iterations follow from it.
        tokens, decisions, updates: after which a run ends, with the iteration that reaches one of them; None
            for no limit. All players' sampled tokens and decisions count, those in trees and futures too;
            updates are gradient steps.
        users: partners that no run was trained with, to whom all of them are put (see docs/crossplay.md); by
            default those of the game's roster. "panel" stands for all of its panel.
        agent: what is trained, as in `Config`.
        eval_tasks: validation questions that each run is evaluated on.
        cross_tasks: those that it plays with other users.
        settings: of all runs, unless their algorithm has others.
    """

    games: Mapping[str, Mapping[str, Any]]
    algorithms: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    episodes: int = 9216
    tokens: int | None = None
    decisions: int | None = None
    updates: int | None = None
    users: tuple[str, ...] | None = None
    agent: str = "move-scorer"
    eval_tasks: int = 100
    cross_tasks: int = 50
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Sweep":
        """The sweep of a JSON file; raises ClarifyError where it is none."""
        data = read_json(path)
        known = set(cls.__dataclass_fields__)
        if not isinstance(data, dict) or not {"games", "algorithms"} <= set(data) <= known:
            raise ClarifyError(
                f"{path}: no sweep; it holds games and algorithms, and may hold {sorted(known)}"
            )
        lists = {name: tuple(data[name]) for name in ("seeds", "users") if name in data}
        return cls(**{**data, **lists})

    def cells(self) -> list[Cell]:
        """The runs, by game, algorithm and seed.

        Raises:
            ClarifyError: nothing to compare, or settings that do not exist.
        """
        if not self.games or not self.algorithms or not self.seeds:
            raise ClarifyError("a sweep needs at least one game, one algorithm and one seed")
        listed = []
        for game, options in self.games.items():
            for name, own in self.algorithms.items():
                for seed in self.seeds:
                    try:
                        made = self._settings(game, dict(options), name, dict(own), seed)
                    except ClarifyError as error:
                        raise ClarifyError(f"sweep: algorithm {name!r}: {error}") from None
                    limits = {spent: own.get(spent, getattr(self, spent)) for spent in LIMITS}
                    if limits["tokens"] is not None and made.policy.agent == SMALL_POLICY:
                        raise ClarifyError(
                            f"sweep: algorithm {name!r}: tokens={limits['tokens']!r}: {SMALL_POLICY} samples "
                            "no tokens; limit its decisions"
                        )
                    listed.append(Cell(game, name, seed, made, limits))
        return listed

    def _settings(
        self, game: str, options: dict[str, Any], name: str, own: dict[str, Any], seed: int
    ) -> Config:
        algorithm, episodes = own.pop("algorithm", name), own.pop("episodes", self.episodes)
        own = {setting: value for setting, value in own.items() if setting not in LIMITS}
        given = {"env": game, "env_options": options, "seed": seed, **self.settings, **own}
        made = recipe(self.agent, algorithm, **given)
        return made.changed(
            iterations=max(1, round(episodes / (made.rollout.tasks * made.rollout.group_size)))
        )


# All algorithms on both games. Those that learn from re-scored episodes get 9,216 of them; a policy gradient,
# which can use an episode only once and only at its own costs, gets 6.7 times as many.
_MORE = {"episodes": 61_440}


READY = Sweep(
    games={"synthetic-v1": {}, "ambigqa-v0": {}},
    algorithms={
        "rest": {},
        "rest-clustering": {"algorithm": "rest", "options": {"rule": "clustering"}},
        "dpo": {},
        "distillation": {},
        "rloo": _MORE,
        "grpo": _MORE,
        "ppo": _MORE,
    },
)


def narrowed(
    sweep: Sweep,
    games: Sequence[str] | None = None,
    algorithms: Sequence[str] | None = None,
    seeds: int | None = None,
    data_dir: Path | None = None,
) -> Sweep:
    """A part of a sweep.

    Args:
        sweep: the whole.
        games, algorithms: those that are kept; None for all.
        seeds: how many are kept, the first ones; None for all.
        data_dir: folder of the data of all games that need some.

    Raises:
        ClarifyError: the sweep has no such game or algorithm.
    """
    for name in games or ():
        choose("game of the sweep", name, sweep.games)
    for name in algorithms or ():
        choose("algorithm of the sweep", name, sweep.algorithms)
    folder = {"data_dir": str(data_dir)} if data_dir else {}
    return replace(
        sweep,
        games={
            game: {**options, **(folder if "data_dir" in registry[game].options else {})}
            for game, options in sweep.games.items()
            if games is None or game in games
        },
        algorithms={
            name: own for name, own in sweep.algorithms.items() if algorithms is None or name in algorithms
        },
        seeds=sweep.seeds[:seeds],
    )


def run_cell(cell: Cell, folder: Path, tasks: int) -> str:
    """Train and evaluate a cell, or go on with it; returns "" or why it failed."""
    run = RunDirectory(folder / cell.name)
    failed = run.path / "failed.txt"
    if (run.path / "summary.json").exists():
        return ""
    try:
        failed.unlink(missing_ok=True)
        resume = (run.path / "config.json").exists()
        lines = run.metrics() if resume else []
        if not spent(cell, lines):
            for line in train(cell.config, run, resume=resume):
                lines.append(line)
                if spent(cell, lines):
                    break
        evaluate_run(run, tasks=tasks, processes=1)
    except Exception as error:  # whatever it is, the other cells go on; the traceback is kept
        run.path.mkdir(parents=True, exist_ok=True)
        why = str(error) if isinstance(error, ClarifyError) else f"{type(error).__name__}: {error}"
        first = why.splitlines()[0] if why else type(error).__name__
        trace = "" if isinstance(error, ClarifyError) else traceback.format_exc()
        failed.write_text(f"{first}\n{trace}", encoding="utf-8")
        return first
    return ""


def spent(cell: Cell, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a run with these metrics has reached a limit of its cell."""
    last = lines[-1] if lines else {}
    return any(
        limit is not None and total(last, f"spent/{name}") >= limit for name, limit in cell.limits.items()
    )


def check_users(sweep: Sweep) -> None:
    """Raise a ClarifyError where a game of the sweep does not know one of its users."""
    for game, options in sweep.games.items() if sweep.users else ():
        env = make(game, **registry[game].held_out(dict(options)))
        seats = [seat for seat in env.possible_agents if seat != roster_of(env.game).trained[0]]
        for name in with_panel(",".join(sweep.users or ()), env.game):
            load_team(name, env, seats)


def total(counts: Mapping[str, Any], name: str) -> float:
    """What was spent of one kind, such as "updates", or "decisions" of all players together."""
    return float(sum(n for key, n in counts.items() if key == name or key.startswith(f"{name}/")))


def run_sweep(sweep: Sweep, folder: Path, processes: int = 1) -> Iterator[tuple[Cell, str]]:
    """Run all cells, and yield each with "" or why it failed, in their order.

    Args:
        sweep: what is compared.
        folder: of the sweep; cells that are complete in it are not run again.
        processes: runs at the same time, each on one thread.

    Raises:
        ClarifyError: the folder holds another sweep.
    """
    cells = sweep.cells()
    configs = {cell.name: cell.config for cell in cells}
    plan = {name: own.to_json() for name, own in configs.items()}
    stored = folder / "sweep.json"
    if stored.exists():
        old = read_json(stored)
        for name in sorted(set(old) & set(plan)):
            if Config.from_json(old[name]) != configs[name]:
                raise ClarifyError(f"{folder}: holds {name} with other settings; give another folder")
        plan = {**old, **plan}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClarifyError(f"{folder}: cannot be made: {error.strerror}") from None
    write_json(stored, plan)
    results = in_order(lambda k: run_cell(cells[k], folder, sweep.eval_tasks), len(cells), processes)
    yield from zip(cells, results, strict=True)


def completed(cells: Sequence[Cell], folder: Path) -> list[Cell]:
    """The cells whose run is trained and evaluated."""
    return [cell for cell in cells if (folder / cell.name / "summary.json").exists()]


def references(cells: Sequence[Cell], folder: Path, processes: int = 1) -> dict[str, tuple[float, float]]:
    """By game and seed what lies at 0 and at 1 of the normalised score on the questions of the checks.

    Kept in references.json. Games and check questions are alike for all algorithms of a seed.
    """
    path = folder / "references.json"
    kept: dict[str, list[float]] = read_json(path) if path.exists() else {}
    for cell in cells:
        if (key := reference_of(cell.config)) not in kept and cell.config.evaluation.eval_train_tasks:
            config = cell.config
            env = make(config.env, costs=config.grid, **config.env_options)
            questions, costs = (
                pick_questions(env, config.evaluation.eval_train_tasks, config.seed),
                list(config.grid),
            )
            found = yardsticks(
                env, questions, costs, config.seed, knobs=config.rollout.knobs, processes=processes
            )
            every = range(len(costs))
            zero_F = np.nanmean(found.zero_F_N(every), axis=1)
            kept[key] = [float(zero_F.max()), float(np.nanmean(found.top_N(every)))]
            write_json(path, kept)
    return {key: (floor, best) for key, (floor, best) in kept.items()}


def reference_of(config: Config) -> str:
    """What the reference of a run depends on, as a key."""
    costs = ",".join(f"{name}={list(levels)}" for name, levels in config.rollout.costs.items())
    return f"{config.env} seed {config.seed}, {config.evaluation.eval_train_tasks} questions at {costs}"


def curve(
    lines: Sequence[Mapping[str, Any]], config: Config, known: Mapping[str, tuple[float, float]]
) -> list[list[float]]:
    """[episodes, decisions of all players, normalised score] at each check, on training questions."""
    scripted = set(roster_of(registry[config.env].family).trained) if known else set()
    if reference_of(config) not in known or set(config.policy.players) - scripted:
        return []  # a partner that is trained as well has a ceiling of its own
    floor, best = known[reference_of(config)]
    if best - floor < 1e-9:  # on so few questions both may play alike
        return []
    return [
        [
            total(line, "spent/episodes"),
            total(line, "spent/decisions"),
            (line["eval/reward"] - floor) / (best - floor),
        ]
        for line in lines
        if "eval/reward" in line
    ]


def crossed(
    cells: Sequence[Cell],
    users: Sequence[str] | None,
    folder: Path,
    tasks: int,
    processes: int = 1,
    watcher: Logger | None = None,
) -> dict[str, dict[str, Any]]:
    """Cross-play of every run that is complete with its own and with unknown partners; by game.

    Args:
        cells: of one or several games.
        users: names of partners that no run was trained with; None for those of each game's roster. "panel"
            stands for all of the game's panel. A partner just like the own one is left out.
        folder: of the sweep; cross-play is kept in its folder crossplay.
        tasks: validation questions.
        processes: that share the work.
        watcher: told of the progress.

    Returns:
        By game what `crossplay` returns, and `audits`: by partner its `error` and `likeness`, see `audited`.
    """
    found: dict[str, dict[str, Any]] = {}
    for game in {cell.game: None for cell in cells}:
        mine = [cell for cell in completed(cells, folder) if cell.game == game]
        if not mine:
            continue
        config, spec = mine[0].config, registry[game]
        env = make(game, **spec.held_out(config.env_options))
        roster, own = roster_of(env.game), others_of(env, config.rollout.knobs)
        player, *more = config.policy.players or roster.trained
        seats = [seat for seat in env.possible_agents if seat != player]
        unknown = list(roster.partners) if users is None else with_panel(",".join(users), env.game)
        if not config.rollout.knobs:
            unknown = [name for name in unknown if name not in roster.partners[:1]]  # that is the own one
        if more or not unknown or player != roster.trained[0]:
            continue  # the seats beside it are trained as well, or nobody else is known to take them
        made: dict[str, Any] = {"own": {seat: own[seat] for seat in seats}}
        made |= {user: load_team(user, env, seats) for user in unknown}
        askers, identity = {}, {}
        for cell in mine:
            run = RunDirectory(folder / cell.name)
            last = run.last()
            name = f"{cell.algorithm} seed{cell.seed}"
            askers[name] = load_run(run)[player]
            identity[name] = f"{last} {0 if last is None else run.checkpoint(last).stat().st_mtime_ns}"
        found[game] = crossplay(
            env,
            askers,
            made,
            folder / "crossplay" / game,
            own=dict.fromkeys(askers, "own"),
            groups={f"{cell.algorithm} seed{cell.seed}": cell.algorithm for cell in mine},
            identity=identity,
            cells=list(spec.unseen),
            tasks=tasks,
            processes=processes,
            watcher=watcher,
        )
        found[game]["audits"] = {
            name: audited(env, agent, tasks) for name, team in made.items() for agent in team.values()
        }
    return found


def audited(env: GameEnv[Any], partner: Agent, tasks: int) -> dict[str, Any] | None:
    """What an audit of a partner says: `error`, the share of probes that it does not meet as a good one does,
    with its interval, and `likeness` to people; None where the game has no such audit.

    Args:
        env: the game with the questions.
        partner: who is audited.
        tasks: questions that are probed.
    """
    try:
        audit = load_object("clarify_env.trainers.evaluation.audit:audit")
        report = audit(env, Guarded(partner), tasks=tasks)
    except ClarifyError:  # nobody is asked in this game
        return None
    right = report["right"]
    ends = {"mean": right["mean"], "low": right["high"], "high": right["low"]}
    error = {name: None if share is None else 1.0 - share for name, share in ends.items()}
    return {"error": error, "likeness": report["likeness"] and report["likeness"]["index"]}
