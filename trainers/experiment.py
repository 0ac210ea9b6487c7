"""Training: from the settings of a run to its loop."""

from collections.abc import Iterator
from typing import Any

from clarify_env.agents.roster import others_of, roster_of
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.registry import make
from clarify_env.trainers.algorithms import make_trainer
from clarify_env.trainers.learners import Learner
from clarify_env.trainers.learners.distributed import join
from clarify_env.trainers.learners.softmax_policy import ScorerLearner
from clarify_env.trainers.loop import Loop, Watcher
from clarify_env.trainers.run_directory import RunDirectory, write_json
from clarify_env.trainers.settings import Settings, read_config


def make_learner(settings: Settings, env: GameEnv[Any], player: str = "asker") -> Learner:
    """The policy of these settings before training, ready to be trained as `player`."""
    if settings.agent == "move-scorer":
        small = roster_of(env.game).policy(env, player, settings.hidden, settings.seed)
        return ScorerLearner(small, settings.updates, settings.batch, settings.rate)
    from clarify_env.agents import TransformersAgent
    from clarify_env.trainers.learners.language_model import LanguageLearner

    agent = TransformersAgent(
        settings.agent, max_tokens=settings.max_tokens, rows=settings.rows, seed=settings.seed
    )
    return LanguageLearner(
        agent,
        settings.updates,
        settings.batch,
        settings.rate,
        part=settings.part,
        bf16=settings.bf16,
        lora=settings.lora,
    )


def build(settings: Settings, run: RunDirectory | None = None) -> Loop:
    """The run of these settings: their agent as the players that are trained, the game's cast as the others.

    Raises:
        ClarifyError: the game has no such player.
    """
    env: GameEnv[Any] = make(settings.env, costs=settings.grid, **settings.env_options)
    cast = roster_of(env.game)
    first, *more = settings.players or cast.trained
    for player in (first, *more):
        choose(f"player of {settings.env}", player, env.possible_agents)
    learner = make_learner(settings, env, first)
    partners = {
        player: learner if settings.shared else make_learner(settings, env, player) for player in more
    }
    others = others_of(env, settings.user)
    return make_trainer(settings, learner, others, run=run, player=first, partners=partners, env=env)


def train(
    settings: Settings, run: RunDirectory, resume: bool = False, watcher: Watcher | None = None
) -> Iterator[dict[str, Any]]:
    """Train into a run directory; yields each iteration's metrics.

    Args:
        settings: of the run; a resumed run may only have more iterations than before.
        run: a new directory, or with `resume` one that holds a run.
        resume: go on after the last complete checkpoint, to the same weights as without the interruption.
        watcher: told of the progress.

    Raises:
        ClarifyError: the directory holds a run already, or for `resume` none or one of other settings.
    """
    if resume:
        stored = read_config(run)
        for name in Settings.__dataclass_fields__:
            old, new = getattr(stored, name), getattr(settings, name)
            if old != new and not (name == "iterations" and new > old):
                raise ClarifyError(f"{run.path}: was started with {name}={old!r}, not {new!r}; leave it out")
    rank, _ = join()
    trainer = build(settings, run)
    first = trainer.resume() if resume else 0
    if rank:
        trainer.run = None  # the first process writes
    elif resume:
        write_json(run.path / "config.json", settings.to_config())
    else:
        run.start(settings.to_config())
    yield from trainer.train(watcher, first)
