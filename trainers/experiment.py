"""The two things that `clarify-env` does for long: train a policy, and evaluate one."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.catalog import load
from clarify_env.agents.catalog import load_team as load_by_name
from clarify_env.agents.roster import roster_of
from clarify_env.costs import CostGrid
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.clarification.game import ClarificationGame
from clarify_env.registry import make, registry
from clarify_env.trainers.algorithms import make_trainer
from clarify_env.trainers.config import Config, read_config, shown_name
from clarify_env.trainers.evaluation.evaluate import evaluate, evaluate_team
from clarify_env.trainers.evaluation.measure import SCRIPTED
from clarify_env.trainers.evaluation.parallel import default_processes
from clarify_env.trainers.learners import Learner
from clarify_env.trainers.learners.distributed import join
from clarify_env.trainers.learners.softmax_policy import ScorerLearner
from clarify_env.trainers.loggers import Logger, Loggers
from clarify_env.trainers.loop import Loop
from clarify_env.trainers.recipes import SMALL
from clarify_env.trainers.run_directory import RunDirectory, write_json


def make_learner(config: Config, env: GameEnv[Any], player: str = "asker") -> Learner:
    """The policy of this configuration before training, ready to be trained as `player`."""
    policy, algorithm = config.policy, config.algorithm
    if policy.agent == SMALL:
        small = roster_of(env.game).policy(env, player, policy.hidden, config.seed)
        return ScorerLearner(small, algorithm.gradient_steps, algorithm.batch_size, algorithm.learning_rate)
    from clarify_env.agents import TransformersAgent
    from clarify_env.trainers.learners.language_model import LanguageLearner

    agent = TransformersAgent(
        policy.agent, max_tokens=policy.max_completion_length, rows=policy.rows, seed=config.seed
    )
    return LanguageLearner(
        agent,
        algorithm.gradient_steps,
        algorithm.batch_size,
        algorithm.learning_rate,
        microbatch_tokens=algorithm.microbatch_tokens,
        bf16=policy.bf16,
        lora=policy.lora,
    )


def build(config: Config, run: RunDirectory | None = None) -> Loop:
    """The run of this configuration: its policy as the trained players, the roster's best as the others.

    Raises:
        ClarifyError: the game has no such player.
    """
    env: GameEnv[Any] = make(config.env, costs=config.grid, **config.env_options)
    roster, policy = roster_of(env.game), config.policy
    first, *more = policy.players or roster.trained
    for player in (first, *more):
        choose(f"player of {config.env}", player, env.possible_agents)
    others = list(roster.teams.values())[-1](env, config.rollout.knobs)
    learner = make_learner(config, env, first)
    partners = {player: learner if policy.shared else make_learner(config, env, player) for player in more}
    return make_trainer(config, learner, others, run=run, player=first, partners=partners, env=env)


def train(
    config: Config, run: RunDirectory, loggers: Sequence[Logger] = (), *, resume: bool = False
) -> Iterator[dict[str, Any]]:
    """Train into a run directory; yields each iteration's metrics, which metrics.jsonl holds as well.

    Args:
        config: of the run; a resumed run may have more iterations than before, and be evaluated otherwise.
        run: a new directory, or with `resume` one that holds a run.
        loggers: told of everything, such as `WandbLogger()` or `Bars()`.
        resume: go on after the last complete checkpoint, to the same weights as without the interruption.

    Raises:
        ClarifyError: the directory holds a run already, or for `resume` none or one of other settings.
    """
    if resume:
        stored = dict(read_config(run).flat())
        for name, new in config.flat():
            more = name == "eval_tasks" or (name == "iterations" and new > stored[name])
            if stored[name] != new and not more:
                raise ClarifyError(
                    f"{run.path}: was started with {name}={stored[name]!r}, not {new!r}; leave it out"
                )
    rank, _ = join()
    trainer = build(config, run)
    first = trainer.resume() if resume else 0
    if rank:
        trainer.run = None  # the first process writes
    elif resume:
        write_json(run.path / "config.json", config.to_json())
    else:
        run.start(config.to_json())
    logger = Loggers(() if rank else loggers)
    logger.start(run, config)
    yield from trainer.train(logger, first)


def load_team(run: RunDirectory, iteration: int | None = None) -> dict[str, Agent]:
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


def load_player(folder: str, env: GameEnv[Any], player: str) -> Agent:
    """The agent that a run trained for this player, as `clarify_env.agents.load` makes it from "run:DIR".

    Raises:
        ClarifyError: there is no run, it plays another game, or it did not train this player.
    """
    run = RunDirectory(folder)
    game = read_config(run).env
    if registry[game].family != env.game.family:
        raise ClarifyError(f"run:{folder}: plays {game}, whose players do not fit {env.name}")
    team = load_team(run)
    if player not in team:
        raise ClarifyError(f"run:{folder}: trained {', '.join(team)}, not {player!r}")
    return team[player]


def load_policy(run: RunDirectory, iteration: int | None = None) -> Agent:
    """The first of the players that a run trained, such as the asker; see `load_team`."""
    return next(iter(load_team(run, iteration).values()))


def evaluate_run(
    run: RunDirectory,
    *,
    tasks: int | None = None,
    iteration: int | None = None,
    out: Path | None = None,
    user: Mapping[str, float] | None = None,
    seed: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    processes: int | None = None,
    watcher: Logger | None = None,
) -> dict[str, Any]:
    """Evaluate the policy of a run on the validation questions, by default with the user of its training.

    The seen costs are those of the training grid; of more than five values of a cost, five spread evenly.
    A MoveScorer is evaluated on all cores by default, a language model in this process.
    """
    config = read_config(run)
    options = registry[config.env].held_out({**config.env_options, **(env_options or {})})
    env = make(config.env, **options)
    scorer = config.policy.agent == SMALL
    name = shown_name(config)
    if not isinstance(env.game, ClarificationGame):
        return evaluate_team(
            env,
            load_team(run, iteration),
            name,
            out or run.path,
            split=str(options.get("split", "")),
            tasks=tasks,
            seed=config.seed if seed is None else seed,
            start=None if iteration == 0 else load_team(run, 0),
            parallel=config.rollout.parallel,
            processes=processes or (default_processes() if scorer else 1),
            watcher=watcher,
        )
    return evaluate(
        env,
        load_policy(run, iteration),
        name,
        out or run.path,
        split=str(options["split"]),
        user=config.rollout.knobs if user is None else user,
        seen=CostGrid(
            of=config.grid.of, **{n: _spread(levels) for n, levels in config.rollout.costs.items()}
        ),
        tasks=tasks,
        seed=config.seed if seed is None else seed,
        parallel=config.rollout.parallel,
        start=None if scorer or iteration == 0 else load_policy(run, 0),
        processes=processes or (default_processes() if scorer else 1),
        watcher=watcher,
    )


def _spread(values: Sequence[float], most: int = 5) -> list[float]:
    step = max(1.0, (len(values) - 1) / (most - 1))
    return [values[round(k * step)] for k in range(min(most, len(values)))]


def evaluate_agent(
    name: str,
    env_id: str,
    out: Path,
    *,
    user: Mapping[str, float] | None = None,
    tasks: int | None = None,
    seed: int = 0,
    env_options: Mapping[str, Any] | None = None,
    server: str | None = None,
    processes: int | None = None,
    watcher: Logger | None = None,
) -> dict[str, Any]:
    """Evaluate an asker by its name on the validation questions; see `clarify_env.agents.load`.

    In a game that is not one of clarification, a team of the game's cast by its name; a language model plays
    all of its trained players. By default all cores share the work; a language model is evaluated in this
    process.
    """
    options = registry[env_id].held_out(env_options or {})
    env = make(env_id, **options)
    split = str(options.get("split", ""))
    if not isinstance(env.game, ClarificationGame):
        team = load_by_name(name, env, server=server)
        slow = any(hasattr(agent, "prompt") for agent in team.values())
        return evaluate_team(
            env,
            team,
            name,
            out,
            split=split,
            tasks=tasks,
            seed=seed,
            processes=processes or (1 if slow else default_processes()),
            watcher=watcher,
        )
    agent = load(name, env, env.possible_agents[0], knobs=user, server=server)
    slow = hasattr(agent, "prompt")  # a language model: its messages take long, and share no work
    return evaluate(
        env,
        agent,
        name,
        out,
        split=split,
        user=user,
        tasks=tasks,
        seed=seed,
        parallel=256 if slow else SCRIPTED,
        processes=processes or (1 if slow else default_processes()),
        watcher=watcher,
    )
