"""ReST: grow (play), improve (imitate what a selection rule keeps), and again (arXiv 2308.08998, 2512.04068).

What is left out of the papers: the language model (any `Learner` will do; `MoveScorer` is the first), their
prompts, and the thresholds that rise within one grow step; here every improve step follows fresh episodes,
and every cost pair of the training grid shares them by re-scoring.

One iteration: collect -> select -> update -> evaluate -> checkpoint -> log. Everything random in iteration k
follows from (seed, k) and the weights of checkpoint k, so a resumed run ends in the same bits.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from clarify_env.agent import Agent
from clarify_env.collect import rollout
from clarify_env.costs import SEEN, CostGrid, Costs
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.registry import make
from clarify_env.storage import write_episodes
from clarify_env.trainers.evaluate import MEASURES, jobs, measure, pick_questions
from clarify_env.trainers.learner import Learner
from clarify_env.trainers.runs import RunDirectory
from clarify_env.trainers.selection import Batch, Selection, make_rule
from clarify_env.vector import child_seed


@dataclass(frozen=True)
class Settings:
    """Settings of a ReST run; all of them are in its config.json.

    Args:
        env: registered id.
        env_options: options of `make`, such as data_dir.
        user: knobs of the scripted user.
        seed: of everything random.
        iterations: grow and improve steps, >= 1.
        tasks: questions per iteration, >= 1.
        samples: episodes per question, >= 1.
        shared_costs: whether all episodes of a question are played at the same costs; by default each draws
            its own.
        start_share: share of the episodes that the frozen start policy plays, in [0, 1].
        rule: name of the selection rule.
        rescore: whether every episode counts at all training costs.
        turn_costs, word_costs: the training grid.
        updates, batch, rate: of the learner.
        hidden: units of a hidden layer of MoveScorer.
        check_tasks: training questions that each iteration is checked on at the training costs, >= 0.
        parallel: episodes under way at the same time.
    """

    env: str = "synthetic-v0"
    env_options: dict[str, Any] = field(default_factory=dict)
    user: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    iterations: int = 4
    tasks: int = 64
    samples: int = 36
    shared_costs: bool = False
    start_share: float = 1 / 3
    rule: str = "best-continuation"
    rescore: bool = True
    turn_costs: tuple[float, ...] = SEEN.turn
    word_costs: tuple[float, ...] = SEEN.word
    updates: int = 400
    batch: int = 256
    rate: float = 3e-3
    hidden: int = 64
    check_tasks: int = 60
    parallel: int = 256

    def __post_init__(self) -> None:
        for name in ("iterations", "tasks", "samples", "updates", "batch", "hidden", "parallel"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ClarifyError(f"{name}={value!r}: a whole number, at least 1")
        if not 0.0 <= self.start_share <= 1.0:
            raise ClarifyError(f"start_share={self.start_share!r}: a share between 0 and 1")
        make_rule(self.rule)

    @property
    def grid(self) -> CostGrid:
        """The costs that training draws from."""
        return CostGrid(self.turn_costs, self.word_costs)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Settings":
        """The settings that a run's config.json holds.

        Raises:
            ClarifyError: an entry that is not a setting.
        """
        known = set(cls.__dataclass_fields__)
        unknown = sorted(set(config) - known - {"algorithm", "agent"})
        if unknown:
            raise ClarifyError(f"config.json: unknown setting {unknown[0]!r}")
        values = {name: config[name] for name in known & set(config)}
        for name in ("turn_costs", "word_costs"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)

    def changed(self, **changes: Any) -> "Settings":
        """The same settings but for these."""
        return replace(self, **changes)

    def to_config(self) -> dict[str, Any]:
        """The settings as JSON data, with the algorithm's name."""
        return {"algorithm": "rest", "agent": "move-scorer", **asdict(self)}


class Watcher(Protocol):
    """Who is told about the progress of a run."""

    def stage(self, name: str, total: int) -> Callable[[int], object]:
        """A stage of `total` steps begins; returns what to call with the steps that were done."""
        ...

    def logged(self, line: Mapping[str, Any], episodes: list[Episode]) -> None:
        """An iteration is complete: its metrics and some of its episodes."""
        ...


class Silent:
    """Watches nothing."""

    def stage(self, name: str, total: int) -> Callable[[int], object]:
        """A function that does nothing."""
        return lambda done: None

    def logged(self, line: Mapping[str, Any], episodes: list[Episode]) -> None:
        """Nothing."""


class ReST:
    """A run of ReST.

    Args:
        settings: of the run.
        learner: the policy that is trained, for the player `player`.
        others: the agents of the other players.
        rule: the selection rule.
        run: where everything is written; None writes nothing.
        player: whom the learner plays.
    """

    def __init__(
        self,
        settings: Settings,
        learner: Learner,
        others: Mapping[str, Agent],
        rule: Selection,
        run: RunDirectory | None = None,
        player: str = "asker",
    ) -> None:
        self.settings = settings
        self.learner = learner
        self.others = dict(others)
        self.rule = rule
        self.run = run
        self.player = player
        self.env: GameEnv[Any] = make(settings.env, costs=settings.grid, **settings.env_options)
        self.start = learner.copy()

    def train(self, watcher: Watcher | None = None, first: int = 0) -> Iterator[dict[str, Any]]:
        """Run the iterations from `first` on; yields each one's metrics once it is safely on disk."""
        watcher = watcher or Silent()
        if self.run and first == 0:
            self.run.save(0, self.learner.save)
        for iteration in range(first, self.settings.iterations):
            line, episodes = self._iterate(iteration, watcher)
            if self.run:
                self.run.log(line)
                self.run.save(iteration + 1, self.learner.save)
            watcher.logged(line, episodes)
            yield line

    def resume(self) -> int:
        """Load the last checkpoint, with the start policy from checkpoint 0; returns the next iteration."""
        if self.run is None or (last := self.run.last()) is None:
            return 0
        self.start.load(self.run.checkpoint(0))
        self.learner.load(self.run.checkpoint(last))
        return last

    def _iterate(self, iteration: int, watcher: Watcher) -> tuple[dict[str, Any], list[Episode]]:
        settings = self.settings
        seed = child_seed(settings.seed, iteration)
        episodes = list(self.collect(iteration, watcher.stage("play", settings.tasks * settings.samples)))
        if self.run:
            write_episodes(self.run.episodes(f"iteration-{iteration:03d}"), episodes)
        done = watcher.stage("select and update", 2)
        cells = list(settings.grid) if settings.rescore else None
        batch = Batch(self.env, self.player, self.others, episodes, cells, child_seed(seed, 1))
        examples = self.rule.select(batch)
        done(1)
        fitted = self.learner.update(examples, child_seed(seed, 2))
        done(1)
        line: dict[str, Any] = {"iteration": iteration, "episodes": len(episodes)}
        line |= {f"update/{name}": value for name, value in fitted.items()}
        line |= {f"selected/{kind}": share for kind, share in _mix(examples).items()}
        line |= {f"play/{name}": value for name, value in means(episodes).items()}
        line |= self._check(seed, watcher)
        return line, episodes

    def collect(self, iteration: int, done: Callable[[int], object] = lambda n: None) -> Iterator[Episode]:
        """The episodes of one iteration: first the current policy's, then the start policy's."""
        settings = self.settings
        seed = child_seed(settings.seed, iteration)
        total = len(self.env.game.tasks)
        cells = list(settings.grid)
        drawn = np.random.default_rng(child_seed(seed, 4)).integers(
            len(cells), size=settings.tasks * settings.samples
        )
        questions = [
            _question(settings, total, iteration * settings.tasks + k) for k in range(settings.tasks)
        ]
        from_start = round(settings.samples * settings.start_share)
        first = 0
        for learner, each in ((self.learner, settings.samples - from_start), (self.start, from_start)):

            def options(i: int, first: int = first, each: int = each) -> dict[str, Any]:
                k = (i - first) // each
                return {"task": questions[k], "costs": cells[int(drawn[k if settings.shared_costs else i])]}

            agents = {**self.others, self.player: learner.agent}
            count = settings.tasks * each
            played = rollout(
                self.env,
                agents,
                count,
                child_seed(seed, 0),
                batch=settings.parallel,
                first=first,
                options=options,
            )
            for episode in played:
                yield episode
                done(1)
            first += count

    def _check(self, seed: int, watcher: Watcher) -> dict[str, float]:
        """The greedy policy on some training questions at the training costs."""
        settings = self.settings
        if not settings.check_tasks:
            return {}
        questions = pick_questions(self.env, settings.check_tasks, settings.seed)
        cells = list(settings.grid)
        done = watcher.stage("check", len(jobs(self.env, questions, cells, self.player)))
        agents = {**self.others, self.player: self.learner.greedy()}
        measured = measure(self.env, agents, questions, cells, child_seed(seed, 3), self.player, watch=done)
        line = {f"check/{m}": float(v) for m, v in zip(MEASURES, measured.mean(axis=(0, 1)), strict=True)}
        for c, cell in enumerate(cells):
            for m, value in zip(MEASURES, measured[:, c].mean(axis=0), strict=True):
                line[f"check/{cell_name(cell)}/{m}"] = float(value)
        return line


def cell_name(cell: Costs) -> str:
    """A pair of costs as part of a metric's name."""
    return f"turn={cell.turn:g},word={cell.word:g}"


def _question(settings: Settings, total: int, at: int) -> int:
    """The question at position `at` of an endless sequence of shuffled passes over the split."""
    passed, within = divmod(at, total)
    return int(np.random.default_rng((settings.seed, 5, passed)).permutation(total)[within])


def _mix(examples: list[Any]) -> dict[str, float]:
    total = sum(example.weight for example in examples) or 1.0
    mix: dict[str, float] = {}
    for example in examples:
        mix[example.move.kind] = mix.get(example.move.kind, 0.0) + example.weight / total
    return mix


def means(episodes: list[Episode]) -> dict[str, float]:
    """Mean reward, reward terms and quantities of episodes."""
    count = len(episodes)
    result = {"reward": sum(e.reward for e in episodes) / count}
    for name in episodes[0].terms:
        result[f"term/{name}"] = sum(e.reward_terms[name] for e in episodes) / count
    for name in episodes[0].quantities:
        result[name] = sum(e.quantities[name] for e in episodes) / count
    return result


def read_config(run: RunDirectory) -> Settings:
    """The settings of a run directory."""
    try:
        return Settings.from_config(run.config())
    except TypeError as error:
        raise ClarifyError(f"{run.path / 'config.json'}: {error}") from None
