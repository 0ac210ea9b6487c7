"""What a run directory holds, as players, and the evaluation of a run or of agents by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.catalog import load_team
from clarify_env.agents.roster import roster_of
from clarify_env.costs import CostGrid
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.registry import make, registry
from clarify_env.trainers.config import Config, read_config, shown_name
from clarify_env.trainers.evaluation.evaluate import Summary, evaluate
from clarify_env.trainers.evaluation.measure import SCRIPTED
from clarify_env.trainers.evaluation.parallel import default_processes
from clarify_env.trainers.experiment import build
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.recipes import SMALL_POLICY
from clarify_env.trainers.run_directory import RunDirectory


def load_run(run: RunDirectory, iteration: int | None = None) -> dict[str, Agent]:
    """The players that a run trained, each playing its best-scored move.

    Args:
        run: the directory.
        iteration: which checkpoint; 0 is the start, None the last.

    Raises:
        ClarifyError: there is no such checkpoint.
    """
    trainer = build(read_config(run))
    last = run.last() if iteration is None else iteration
    if last is None or not run.checkpoint(last).is_dir():
        raise ClarifyError(f"{run.path}: has no checkpoint{'' if last is None else f' {last}'} to evaluate")
    trainer.load(run.checkpoint(last))
    return {player: learner.greedy() for player, learner in trainer.learners.items()}


def load_players(folder: str, env: GameEnv[Any], players: Sequence[str]) -> dict[str, Agent]:
    """The agents that a run trained for these players, as "run:DIR" names them in `clarify_env.agents.load`.

    Raises:
        ClarifyError: there is no run, what its players see or do does not fit the game, or it did not train
            them all.
    """
    run = RunDirectory(folder)
    config = read_config(run)
    if config.env != env.name:
        check_fit(run, env)
    team = load_run(run)
    missing = [player for player in players if player not in team]
    if missing:
        raise ClarifyError(f"run:{folder}: trained {', '.join(team)}, not {missing[0]!r}")
    return {player: team[player] for player in players}


def check_fit(run: RunDirectory, env: GameEnv[Any]) -> None:
    """Raise ClarifyError where the trained players of a run see or do something else in this game."""
    config = read_config(run)
    own: GameEnv[Any] = make(config.env, costs=config.grid, **config.env_options)
    for player in config.policy.players or roster_of(own.game).trained:
        if player not in env.possible_agents:
            raise ClarifyError(f"{run.path}: trained the {player} of {config.env}, and {env.name} has none")
        spaces = ((e.observation_space(player), e.action_space(player)) for e in (own, env))
        if next(spaces) != next(spaces):
            raise ClarifyError(
                f"{run.path}: plays {config.env}, whose {player} sees or does something else than that of "
                f"{env.name}"
            )


def evaluate_run(
    run: RunDirectory,
    *,
    env: str | None = None,
    tasks: int | None = None,
    iteration: int | None = None,
    out: Path | None = None,
    knobs: Mapping[str, float] | None = None,
    seed: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    processes: int | None = None,
    watcher: Logger | None = None,
) -> Summary:
    """Evaluate the policy of a run on the validation questions, by default as in its training.

    The seen costs are those of the training grid; of more than five values of a cost, five spread evenly.
    A small policy is evaluated on all cores by default, a language model in this process.

    Args:
        run: the directory.
        env: another game than the run's, in which its players see and do the same; `env_options` are its.
        tasks, seed, processes, watcher: as of `evaluate`; by default the seed of the training.
        iteration: which checkpoint; 0 is the start, None the last.
        out: folder to write to; by default the run's.
        knobs: of the scripted players; by default those of the training.
        env_options: that differ from those of the training.

    Raises:
        ClarifyError: there is no such checkpoint, or its players do not fit the other game.
    """
    config = read_config(run)
    same = env in (None, config.env)
    game = config.env if env is None else env
    options = registry[game].held_out({**(config.env_options if same else {}), **(env_options or {})})
    made = make(game, **options)
    if not same:
        check_fit(run, made)
    small = config.policy.agent == SMALL_POLICY
    fits = same or registry[game].seen.of is config.grid.of
    return evaluate(
        made,
        load_run(run, iteration),
        shown_name(config),
        out or run.path,
        split=str(options.get("split", "")),
        knobs=config.rollout.knobs if knobs is None else knobs,
        seen=_seen(config) if fits else None,
        tasks=tasks,
        seed=config.seed if seed is None else seed,
        parallel=config.rollout.parallel,
        start=None if small or iteration == 0 else load_run(run, 0),
        processes=processes or (default_processes() if small else 1),
        watcher=watcher,
    )


def _seen(config: Config) -> CostGrid:
    return CostGrid(of=config.grid.of, **{n: _spread(levels) for n, levels in config.rollout.costs.items()})


def _spread(values: Sequence[float], most: int = 5) -> list[float]:
    step = max(1.0, (len(values) - 1) / (most - 1))
    return [values[round(k * step)] for k in range(min(most, len(values)))]


def evaluate_agent(
    name: str,
    env_id: str,
    out: Path,
    *,
    knobs: Mapping[str, float] | None = None,
    tasks: int | None = None,
    seed: int = 0,
    env_options: Mapping[str, Any] | None = None,
    server: str | None = None,
    processes: int | None = None,
    watcher: Logger | None = None,
) -> Summary:
    """Evaluate agents by their name, as the players that are trained, on the validation questions.

    See `clarify_env.agents.catalog.load_team`. By default all cores share the work; a language model is
    evaluated in this process.
    """
    options = registry[env_id].held_out(env_options or {})
    env = make(env_id, **options)
    team = load_team(name, env, knobs=knobs, server=server)
    slow = any(hasattr(agent, "prompt") for agent in team.values())  # messages take long, and share no work
    return evaluate(
        env,
        team,
        name,
        out,
        split=str(options.get("split", "")),
        knobs=knobs,
        tasks=tasks,
        seed=seed,
        parallel=256 if slow else SCRIPTED,
        processes=processes or (1 if slow else default_processes()),
        watcher=watcher,
    )
