"""Sweeps: algorithms, games and seeds under one budget, as data; run over the cores, and resumed.

A cell is one run: a game, an algorithm with its settings, a seed. It has a run directory of its own, so that
it can be looked at, evaluated again or gone on with like any other. A cell that fails says why in its
`failed.txt`, and is tried again when the sweep is given again.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from clarify_env.data import read_json
from clarify_env.errors import ClarifyError, choose
from clarify_env.trainers.experiment import evaluate_run, train
from clarify_env.trainers.runs import RunDirectory, write_json
from clarify_env.trainers.settings import Settings, recipe
from clarify_env.trainers.workers import in_order

LIMITS = {"tokens": "play/tokens", "updates": "update/steps"}  # by name the metric that is spent


class Cell(NamedTuple):
    """One run of a sweep.

    Args:
        game, algorithm, seed: where it stands.
        settings: of the run.
        limits: on its tokens and updates.
    """

    game: str
    algorithm: str
    seed: int
    settings: Settings
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
            the name itself where it is not given, and "episodes", "tokens", "updates" its own budget.
        seeds: of the runs.
        episodes: that each run may play in all; the iterations follow from it.
        tokens, updates: sampled tokens and gradient steps after which a run ends, with the iteration that
            reaches either; None for no limit. Of `MoveScorer` a decision is a token.
        users: that no run was trained with, to whom all of them are put (see docs/crossplay.md).
        agent: what is trained, as in `Settings`.
        eval_tasks: validation questions that each run is evaluated on.
        cross_tasks: those that it plays with other users.
        settings: of all runs, unless their algorithm has others.
    """

    games: Mapping[str, Mapping[str, Any]]
    algorithms: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    episodes: int = 9216
    tokens: int | None = None
    updates: int | None = None
    users: tuple[str, ...] = ("noisy:0.1", "vague:0.2")
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
                    except TypeError as error:
                        raise ClarifyError(f"sweep: algorithm {name!r}: {error}") from None
                    limits = {spent: own.get(spent, getattr(self, spent)) for spent in LIMITS}
                    listed.append(Cell(game, name, seed, made, limits))
        return listed

    def _settings(
        self, game: str, options: dict[str, Any], name: str, own: dict[str, Any], seed: int
    ) -> Settings:
        algorithm, episodes = own.pop("algorithm", name), own.pop("episodes", self.episodes)
        own = {setting: value for setting, value in own.items() if setting not in LIMITS}
        given = {"env": game, "env_options": options, "seed": seed, **self.settings, **own}
        made = recipe(self.agent, algorithm, **given)
        return made.changed(iterations=max(1, round(episodes / (made.tasks * made.samples))))


# All algorithms on both games. Those that learn from re-scored episodes get 9,216 of them; a policy gradient,
# which can use an episode only once and only at its own costs, gets 6.7 times as many.
_MORE = {"episodes": 61_440}
READY = Sweep(
    games={"synthetic-v0": {}, "ambigqa-v0": {}},
    algorithms={
        "rest": {},
        "rest-clustering": {"algorithm": "rest", "rule": "clustering"},
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
            game: {**options, **({} if game == "synthetic-v0" else folder)}
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
            for line in train(cell.settings, run, resume=resume):
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
    return any(
        limit is not None and sum(line.get(LIMITS[name], 0.0) for line in lines) >= limit
        for name, limit in cell.limits.items()
    )


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
    settings = {cell.name: cell.settings for cell in cells}
    plan = {name: own.to_config() for name, own in settings.items()}
    stored = folder / "sweep.json"
    if stored.exists():
        old = read_json(stored)
        for name in sorted(set(old) & set(plan)):
            if Settings.from_config(old[name]) != settings[name]:
                raise ClarifyError(f"{folder}: holds {name} with other settings; give another folder")
        plan = {**old, **plan}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClarifyError(f"{folder}: cannot be made: {error.strerror}") from None
    write_json(stored, plan)
    results = in_order(lambda k: run_cell(cells[k], folder, sweep.eval_tasks), len(cells), processes)
    yield from zip(cells, results, strict=True)
