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
from clarify_env.trainers.evaluation.evaluate import evaluate, evaluate_team
from clarify_env.trainers.evaluation.measure import SCRIPTED
from clarify_env.trainers.evaluation.parallel import default_processes
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
        microbatch_tokens=settings.part,
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
    others = list(cast.teams.values())[-1](env, settings.user)
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
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Evaluate the policy of a run on the validation questions, by default with the user of its training.

    The seen costs are those of the training grid; of more than five values of a cost, five spread evenly.
    A MoveScorer is evaluated on all cores by default, a language model in this process.
    """
    settings = read_config(run)
    options = registry[settings.env].held_out({**settings.env_options, **(env_options or {})})
    env = make(settings.env, **options)
    scorer = settings.agent == "move-scorer"
    how = settings.rule if settings.algorithm == "rest" else settings.algorithm
    name = f"{Path(settings.agent).name} ({how})"
    if not isinstance(env.game, ClarificationGame):
        return evaluate_team(
            env,
            load_team(run, iteration),
            name,
            out or run.path,
            split=str(options.get("split", "")),
            tasks=tasks,
            seed=settings.seed if seed is None else seed,
            start=None if iteration == 0 else load_team(run, 0),
            parallel=settings.parallel,
            processes=processes or (default_processes() if scorer else 1),
            watcher=watcher,
        )
    return evaluate(
        env,
        load_policy(run, iteration),
        name,
        out or run.path,
        split=str(options["split"]),
        user=settings.user if user is None else user,
        seen=CostGrid(of=settings.grid.of, **{n: _spread(levels) for n, levels in settings.costs.items()}),
        tasks=tasks,
        seed=settings.seed if seed is None else seed,
        parallel=settings.parallel,
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
    watcher: Watcher | None = None,
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
