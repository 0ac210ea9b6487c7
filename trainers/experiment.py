"""Training: from the configuration of a run to its loop."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.roster import others_of, roster_of
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games import installed, load_object
from clarify_env.registry import make
from clarify_env.trainers.algorithms import ALGORITHMS
from clarify_env.trainers.config import SMALL_POLICY, Config, read_config
from clarify_env.trainers.learners import Learner
from clarify_env.trainers.learners.softmax_policy import ScorerLearner
from clarify_env.trainers.loggers import Logger, Loggers
from clarify_env.trainers.loop import Loop
from clarify_env.trainers.run_directory import RunDirectory, write_json


def make_learner(config: Config, env: GameEnv[Any], player: str = "asker") -> Learner:
    """The policy of this configuration before training, ready to be trained as `player`."""
    policy, algorithm = config.policy, config.algorithm
    if policy.agent == SMALL_POLICY:
        make_policy: Callable[..., Any] = roster_of(env.game).policy
        taken = inspect.signature(make_policy).parameters
        own: dict[str, Any] = {"candidates": policy.candidates} if policy.candidates else {}
        if own and "candidates" not in taken:
            raise ClarifyError(f"candidates={policy.candidates!r}: {config.env} has one set of moves alone")
        if "trained" in taken and policy.players:
            own["trained"] = policy.players
        small = make_policy(env, config.rollout.knobs, player, policy.hidden, config.seed, **own)
        return ScorerLearner(small, algorithm.gradient_steps, algorithm.batch_size, algorithm.learning_rate)
    from clarify_env.agents.llm.examples import WithExamples, worked
    from clarify_env.agents.llm.transformers_agent import TransformersAgent
    from clarify_env.trainers.learners.distributed import join
    from clarify_env.trainers.learners.language_model import LanguageLearner

    join()  # before the model is loaded: each process has a device of its own

    dialogues = worked(env, [player], policy.examples, config.seed) if policy.examples else []
    agent = TransformersAgent(
        policy.agent,
        WithExamples(dialogues) if dialogues else None,
        temperature=policy.temperature,
        max_tokens=policy.max_completion_length,
        rows=policy.rows,
        device=policy.device or None,
        chat_template_kwargs=policy.chat_template_kwargs,
        seed=config.seed,
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


def make_trainer(config: Config, learner: Learner, others: Mapping[str, Agent], **kwargs: Any) -> Loop:
    """A run of the algorithm that the configuration names; `Loop` has the other arguments.

    Raises:
        ClarifyError: no algorithm has this name (the nearest is suggested), or it has no such option.
    """
    known = {**installed("clarify_env.algorithms"), **ALGORITHMS}
    found = known[choose("algorithm", config.algorithm.name, known)]
    kind: Callable[..., Loop] = load_object(found) if isinstance(found, str) else found
    return kind(config, learner, others, **kwargs)


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
    others = others_of(env, config.rollout.knobs)
    learner = make_learner(config, env, first)
    if policy.shared:
        for player in more:
            _check_shared(config, env, learner, player)
        partners = dict.fromkeys(more, learner)
    else:
        partners = {player: make_learner(config, env, player) for player in more}
    return make_trainer(config, learner, others, run=run, player=first, partners=partners, env=env)


def _check_shared(config: Config, env: GameEnv[Any], learner: Learner, player: str) -> None:
    """Raise where a small policy that is shared is not the one of this player."""
    if config.policy.agent == SMALL_POLICY:
        own, other = type(learner.agent), type(make_learner(config, env, player).agent)
        if own is not other:
            raise ClarifyError(
                f"shared=True: the small policies of {config.env} are two, {own.__name__} and "
                f"{other.__name__} for the {player}; leave it out, or train a language model as both"
            )


def rank() -> int:
    """Which of the processes that were launched together this is; only the first, 0, writes."""
    return int(os.environ.get("RANK", "0"))


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
    trainer = build(config, run)
    first = trainer.resume() if resume else 0
    if rank():
        trainer.run = None  # the first process writes
    elif resume:
        write_json(run.path / "config.json", config.to_json())
    else:
        run.start(config.to_json())
    logger = Loggers(() if rank() else loggers)
    logger.start(run, config)
    yield from trainer.train(logger, first)
