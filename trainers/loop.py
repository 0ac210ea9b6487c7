"""The loop that all algorithms share: collect -> examples -> fit -> check -> checkpoint -> log.

An algorithm says what is to be learnt from the episodes (`examples`) and how (`fit`); nothing else differs
between two of them. Everything random in iteration k follows from (seed, k) and the weights of checkpoint k,
so a resumed run ends in the same bits.
"""

import math
import os
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.catalog import load_team
from clarify_env.agents.llm.examples import decisions, demonstrations
from clarify_env.agents.roster import roster_of
from clarify_env.data import read_json
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError, choose
from clarify_env.registry import make
from clarify_env.rollout import child_seed, rollout
from clarify_env.simulate import failed
from clarify_env.storage import write_episodes
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.config import AlgorithmConfig, Config
from clarify_env.trainers.evaluation.measure import (
    Heard,
    average,
    counting,
    jobs,
    measure,
    measures_of,
    pick_questions,
)
from clarify_env.trainers.learners import Example, Learner
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.partner_pool import PAST, Drawn, PartnerPool, checkpoint_of
from clarify_env.trainers.run_directory import SPENT, RunDirectory, write_json


class Loop(ABC):
    """A training run, but for what is learnt from its episodes.

    `defaults` are the options that a class adds to those of its bases, or whose defaults it changes.

    Args:
        config: of the run.
        learner: the policy that is trained, for the player `player`.
        others: the agents of the other players.
        run: where everything is written; None writes nothing.
        player: whom the learner plays.
        partners: learners of other players that are trained as well, by player; the same learner as `learner`
            where the players share weights, which are then fitted to the examples of all of them at once.
        env: the game where it is at hand; by default made from the configuration.

    Raises:
        ClarifyError: the algorithm has no such option, or it cannot have this value.
    """

    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        config: Config,
        learner: Learner,
        others: Mapping[str, Agent],
        run: RunDirectory | None = None,
        player: str = "asker",
        partners: Mapping[str, Learner] | None = None,
        env: GameEnv[Any] | None = None,
    ) -> None:
        self.config = config
        self.learner = learner
        self.others = dict(others)
        self.run = run
        self.player = player
        self.env: GameEnv[Any] = env or make(config.env, costs=config.grid, **config.env_options)
        self.learners: dict[str, Learner] = {player: learner, **(partners or {})}
        self._rates = {name: one.learning_rate for name, one in self.learners.items()}
        self.options = _options(config.algorithm, type(self))
        self.teachers = self._teachers()
        played = config.rollout
        self.pool = PartnerPool(played.pool, played.pool_share, self.env, [*self.learners], played.knobs)
        if self.pool.past and run is None:
            raise ClarifyError(
                f"pool={PAST!r}: earlier checkpoints are read from the run directory; give one"
            )
        self.updated = False  # whether the weights are no longer those of the start
        self.origin = run.checkpoint(0) if run else None
        self.notes: dict[int, dict[str, float]] = defaultdict(dict)
        self._earlier: dict[int, dict[str, Learner]] = {}  # the checkpoints that this iteration plays with
        self.spent: Counter[str] = Counter()  # as `RunDirectory.spent`, whatever it was spent on in training
        self.cpu_seconds = 0.0

    def _teachers(self) -> Mapping[str, Agent]:
        """Who is imitated before the first iteration."""
        name, knobs = self.config.policy.warm_start, self.config.rollout.knobs
        if not name:
            return {}
        informed = roster_of(self.env.game).informed(self.env)
        return load_team(name, informed, list(self.learners), knobs=knobs)

    @cached_property
    def starts(self) -> dict[str, Learner]:
        """The policies before their training, by player: copied where they are first asked for.

        Raises:
            ClarifyError: that is after an update, and there is no checkpoint to read them from.
        """
        copies = {id(one): one.copy() for one in self.learners.values()}
        starts = {name: copies[id(one)] for name, one in self.learners.items()}
        if self.updated:
            if self.origin is None:
                raise ClarifyError(
                    "starts: gone after an update; ask for them before it, or give a run directory"
                )
            self.load(self.origin, starts)
        return starts

    def start_of(self, learner: Learner) -> Learner:
        """The same policy before its training."""
        return next(self.starts[name] for name, one in self.learners.items() if one is learner)

    def note(self, player: str, name: str, value: float) -> None:
        """Add `value` to this metric of the player's next update."""
        held = self.notes[id(self.learners[player])]
        held[name] = held.get(name, 0.0) + value

    @abstractmethod
    def examples(self, batch: Batch) -> list[Any]:
        """What the player `batch.player` is to learn from the episodes."""

    @abstractmethod
    def fit(self, learner: Learner, examples: list[Any], seed: int) -> dict[str, float]:
        """Learn from the examples; returns metrics."""

    def describe(self, examples: list[Any]) -> dict[str, float]:
        """Metrics of a player's examples."""
        return {}

    def train(self, logger: Logger | None = None, first: int = 0) -> Iterator[dict[str, Any]]:
        """Run the iterations from `first` on; yields each one's metrics once it is safely on disk."""
        logger = logger or Logger()
        if first == 0:
            began = cpu_seconds()
            self._warm_start(logger)
            self.cpu_seconds += cpu_seconds() - began
            self._keep(0)
        for iteration in range(first, self.config.iterations):
            began = cpu_seconds()
            self._anneal(iteration)
            line, episodes = self._iterate(iteration, logger)
            self.cpu_seconds += cpu_seconds() - began
            passed = iteration + 1
            if passed % self.config.evaluation.eval_every == 0 or passed == self.config.iterations:
                line |= self._check(child_seed(self.config.seed, iteration), logger)
            if self.run:
                self.run.log(line)
            self._keep(passed)
            logger.iteration({**line, "spent/cpu_seconds": self.cpu_seconds}, episodes)
            yield line

    def _anneal(self, iteration: int) -> None:
        """The learning rates of this iteration."""
        left = 1.0 - self.config.algorithm.decay * iteration / self.config.iterations
        for player, rate in self._rates.items():
            self.learners[player].learning_rate = left * rate

    def _keep(self, iteration: int) -> None:
        """Write a checkpoint, and how long it took to get there."""
        if self.run:
            self.run.set_clock(iteration, self.cpu_seconds)
            self.run.save(iteration, self._save)

    def _warm_start(self, logger: Logger) -> None:
        """Imitate the teachers, whose moves are seen as the trained players would have seen them."""
        if not self.teachers:
            return
        count, seed = self.config.policy.warm_start_episodes, child_seed(self.config.seed, 0)
        done = logger.stage("warm start", 2)
        episodes = demonstrations(
            self.env, {**self.others, **self.teachers}, count, child_seed(seed, 5), self.spent
        )
        self.spent["episodes"] += count
        if self.run:
            write_episodes(self.run.episodes("warm-start"), episodes)
        done(1)
        learnt: dict[int, list[Example]] = defaultdict(list)
        for player, learner in self.learners.items():
            for episode in episodes:
                learnt[id(learner)] += [
                    Example(observation, move, None, 1.0)
                    for observation, move in decisions(self.env, episode, player)
                ]
        for learner in self._folders(self.learners).values():
            learner.update(learnt[id(learner)], child_seed(seed, 6))
            self.spent["updates"] += self.config.algorithm.gradient_steps
        done(1)

    def resume(self) -> int:
        """Load the last checkpoint; returns the next iteration."""
        if self.run is None or (last := self.run.last()) is None:
            return 0
        self.load(self.run.checkpoint(last))
        path = self.run.checkpoint(last) / SPENT
        self.spent = Counter(read_json(path) if path.exists() else {})
        self.cpu_seconds = self.run.clock().get(str(last), 0.0)
        self.teachers = {}  # whoever was imitated is in the checkpoint
        return last

    def load(self, checkpoint: Path, learners: Mapping[str, Learner] | None = None) -> None:
        """Load the weights of a checkpoint into the learners that are trained, or into others."""
        for folder, learner in self._folders(learners or self.learners).items():
            learner.load(checkpoint / folder)
        self.updated |= learners is None

    def _folders(self, learners: Mapping[str, Learner]) -> dict[str, Learner]:
        """Each learner with its folder in a checkpoint: the first's is the checkpoint itself."""
        folders: dict[int, tuple[str, Learner]] = {}
        for name, learner in learners.items():
            folders.setdefault(id(learner), ("" if name == self.player else name, learner))
        return dict(folders.values())

    def _save(self, checkpoint: Path) -> None:
        for folder, learner in self._folders(self.learners).items():
            (checkpoint / folder).mkdir(exist_ok=True)
            learner.save(checkpoint / folder)
        write_json(checkpoint / SPENT, dict(sorted(self.spent.items())))

    def _improve(
        self, episodes: list[Episode], seed: int, done: Callable[[int], object], heard: Heard
    ) -> dict[str, float]:
        """The examples of each player that is trained, and each learner's fit; returns metrics.

        Raises:
            ClarifyError: there is nothing to learn from.
        """
        cells = list(self.config.grid) if self.options.get("rescore") else None
        line: dict[str, float] = {}
        learnt: dict[int, list[Any]] = {}
        for name in self.learners:
            own, examples = self.learners[name].agent, []
            for drawn, members in _by_partner(episodes).items():
                if drawn.player in ("", name):
                    agents = self._seated(drawn)
                    del agents[name]
                    batch = Batch(
                        self.env, name, agents, members, cells, child_seed(seed, 1), own, self.spent
                    )
                    examples += self.examples(batch)
            prefix = "selected" if len(self.learners) == 1 else f"selected/{name}"
            line |= {f"{prefix}/{kind}": share for kind, share in self.describe(examples).items()}
            learnt.setdefault(id(self.learners[name]), []).extend(examples)
        done(1)
        if not any(learnt.values()):
            told = "; ".join(filter(None, map(heard.told, self.learners)))
            raise ClarifyError(f"nothing to learn from: no example for any player{told and f'; {told}'}")
        updated = list(self._folders(self.learners).values())
        for learner in updated:
            fitted = self.fit(learner, learnt[id(learner)], child_seed(seed, 2))
            self.spent["updates"] += round(fitted.get("steps", 0.0))
            fitted |= self.notes.pop(id(learner), {})
            players = "+".join(name for name, one in self.learners.items() if one is learner)
            prefix = "update" if len(updated) == 1 else f"update/{players}"
            line |= {f"{prefix}/{name}": value for name, value in fitted.items()}
        self.updated = True
        self._earlier.clear()  # the next iteration draws others
        done(1)
        return line

    def _iterate(self, iteration: int, logger: Logger) -> tuple[dict[str, Any], list[Episode]]:
        played = self.config.rollout
        seed = child_seed(self.config.seed, iteration)
        done = logger.stage("play", played.tasks * played.group_size)
        counts: Counter[str] = Counter()
        heard, episodes = Heard(), []
        for episode in self.collect(iteration, done, counts):
            heard.hear(episode)
            episodes.append(episode)
        self.spent["episodes"] += len(episodes)
        if self.run:
            write_episodes(self.run.episodes(f"iteration-{iteration:03d}"), episodes)
        done = logger.stage("learn", 2)
        line: dict[str, Any] = {"iteration": iteration, "episodes": len(episodes)}
        line |= self._improve(episodes, seed, done, heard)
        line |= {f"play/{name}": value for name, value in means(episodes).items()}
        line |= {f"play/{name}": float(count) for name, count in counts.items()}
        line |= {f"play/unreadable/{player}": share for player, share in heard.shares().items()}
        line["play/tokens"] = float(sampled_tokens(episodes, self.learners))
        line |= {f"spent/{name}": float(count) for name, count in sorted(self.spent.items())}
        return line, episodes

    def collect(
        self,
        iteration: int,
        done: Callable[[int], object] = lambda n: None,
        counts: Counter[str] | None = None,
    ) -> Iterator[Episode]:
        """The episodes of one iteration: first the current policy's, then the start policy's.

        Args:
            iteration: from 0.
            done: told after each episode.
            counts: told how they ended and what language models counted (see `counting`).
        """
        counts = Counter() if counts is None else counts
        played = self.config.rollout
        seed = child_seed(self.config.seed, iteration)
        total = len(self.env.game.tasks)
        cells = list(self.config.grid)
        drawn = np.random.default_rng(child_seed(seed, 4)).integers(
            len(cells), size=played.tasks * played.group_size
        )
        questions = [
            _question(self.config.seed, total, iteration * played.tasks + k) for k in range(played.tasks)
        ]
        from_start = round(played.group_size * played.start_share)
        first = 0
        blocks: dict[Drawn, list[int]] = {Drawn(): []}
        for k, partner in enumerate(self.pool.draw(played.tasks, iteration, child_seed(seed, 7))):
            blocks.setdefault(partner, []).append(k)
        each = played.group_size - from_start
        played_by = [(self._seated(partner), partner, each, at) for partner, at in blocks.items() if at]
        if from_start:
            seated = {**self.others, **{name: one.agent for name, one in self.starts.items()}}
            played_by.append((seated, Drawn(), from_start, list(range(played.tasks))))
        for agents, partner, each, at in played_by:

            def options(i: int, first: int = first, each: int = each, at: list[int] = at) -> dict[str, Any]:
                k = at[(i - first) // each]
                return {"task": questions[k], "costs": cells[int(drawn[k if played.shared_costs else i])]}

            count = len(at) * each
            episodes = rollout(
                self.env,
                agents,
                count,
                child_seed(seed, 0),
                batch=played.parallel,
                first=first,
                options=options,
                states=True,
                spent=self.spent,
            )
            for episode in counting(episodes, agents, counts):
                if partner.partner:
                    episode = replace(episode, setup={**episode.setup, _POOL: partner._asdict()})
                yield episode
                done(1)
            first += count

    def _seated(self, drawn: Drawn) -> dict[str, Agent]:
        """Who sits where: the trained players, or one of them with a partner of the pool."""
        agents = {**self.others, **{name: one.agent for name, one in self.learners.items()}}
        if not drawn.partner:
            return agents
        checkpoint = checkpoint_of(drawn.partner)
        if checkpoint is None:
            return {**agents, **self.pool.anchors[drawn]}
        if checkpoint not in self._earlier:
            assert self.run is not None
            copies = {id(one): one.copy() for one in self.learners.values()}
            earlier = {name: copies[id(one)] for name, one in self.learners.items()}
            self.load(self.run.checkpoint(checkpoint), earlier)
            self._earlier = {**self._earlier, checkpoint: earlier}
        past = {name: one.agent for name, one in self._earlier[checkpoint].items() if name != drawn.player}
        return {**agents, **past}

    def _check(self, seed: int, logger: Logger) -> dict[str, float]:
        """The greedy policy on some training questions at the training costs."""
        count = self.config.evaluation.eval_train_tasks
        if not count:
            return {}
        questions = pick_questions(self.env, count, self.config.seed)
        cells = list(self.config.grid)
        done = logger.stage("check", len(jobs(self.env, questions, cells, self.player)))
        agents = {**self.others, **{name: one.greedy() for name, one in self.learners.items()}}
        measured = measure(self.env, agents, questions, cells, child_seed(seed, 3), self.player, watch=done)
        mean_C_M = average(measured)
        played = [c for c, mean_M in enumerate(mean_C_M) if np.isfinite(mean_M).all()]
        if not played:
            return {}
        names = measures_of(self.env, self.player)
        line = {f"eval/{m}": float(v) for m, v in zip(names, mean_C_M[played].mean(axis=0), strict=True)}
        for c, cell in ((c, cells[c]) for c in played):
            for m, value in zip(names, mean_C_M[c], strict=True):
                line[f"eval/{cell_name(cell)}/{m}"] = float(value)
        return line


_POOL = "pool"  # of an episode's setup: who of the pool played it


def _by_partner(episodes: list[Episode]) -> dict[Drawn, list[Episode]]:
    """The episodes by who played them; those of the run's own players alone first, where there are any."""
    found: dict[Drawn, list[Episode]] = {}
    for episode in episodes:
        found.setdefault(Drawn(**episode.setup.get(_POOL, {})), []).append(episode)
    return found


def _options(algorithm: AlgorithmConfig, kind: type[Loop]) -> dict[str, Any]:
    """The options of an algorithm: its defaults, but for those given; raises ClarifyError for a wrong one."""
    known: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        known |= vars(base).get("defaults", {})
    for name, value in algorithm.options.items():
        usual = known[choose(f"option of {algorithm.name}", name, known)]
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if isinstance(usual, bool) or not isinstance(usual, (int, float)):
            fine, wanted = isinstance(value, (list, tuple) if isinstance(usual, tuple) else type(usual)), "as"
        else:
            fine, wanted = number and value >= 0, "a number >= 0, as"
        if not fine:
            raise ClarifyError(f"option {name}={value!r}: {wanted} {name}={usual!r}")
    return {**known, **algorithm.options}


def cpu_seconds() -> float:
    """What this process and its children that have ended have computed so far, on all cores."""
    return sum(os.times()[:4])


def cell_name(cell: Any) -> str:
    """Costs as part of a metric's name."""
    return ",".join(f"{name}={value:g}" for name, value in cell._asdict().items())


def _question(seed: int, total: int, at: int) -> int:
    """The question at position `at` of an endless sequence of shuffled passes over the split."""
    passed, within = divmod(at, total)
    return int(np.random.default_rng((seed, 5, passed)).permutation(total)[within])


def sampled_tokens(episodes: list[Episode], players: Container[str]) -> int:
    """Tokens that these players sampled; a decision of an agent without tokens counts as one."""
    traces = (t for e in episodes for step in e.steps for player, t in step.traces if player in players)
    return sum(len(trace["ids"]) if "ids" in trace else 1 for trace in traces)


def means(episodes: list[Episode]) -> dict[str, float]:
    """Mean reward, reward terms and quantities of the episodes that did not fail, and how many did.

    Raises:
        ClarifyError: all of them failed.
    """
    played = [episode for episode in episodes if not failed(episode)]
    if not played:
        ((reason, times),) = Counter(e.detail for e in episodes).most_common(1)
        raise ClarifyError(f"all {len(episodes)} episodes failed, {times} of them so: {reason}")
    count = len(played)
    result = {"reward": sum(e.reward for e in played) / count, "failed": float(len(episodes) - count)}
    for name in played[0].terms:
        result[f"term/{name}"] = sum(e.reward_terms[name] for e in played) / count
    for name in played[0].quantities:
        result[name] = sum(e.quantities[name] for e in played) / count
    return result
