"""What must a policy read? Its score when it is kept from one thing at a time."""

from collections.abc import Mapping
from typing import Any

from clarify_env.agent import Agent
from clarify_env.agents.ablation import Ablated, hidden_costs
from clarify_env.agents.roster import others_of, roster_of
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.reference import scaled
from clarify_env.trainers.evaluation.evaluate import cells_of
from clarify_env.trainers.evaluation.measure import complete, jobs, measure, pick_questions
from clarify_env.trainers.evaluation.statistics import paired
from clarify_env.trainers.evaluation.yardsticks import yardsticks
from clarify_env.trainers.loggers import Logger


def without_each(
    env: GameEnv[Any],
    agent: Agent,
    name: str,
    *,
    knobs: Mapping[str, float] | None = None,
    tasks: int | None = 100,
    seed: int = 0,
    batch: int = 256,
    processes: int = 1,
    watcher: Logger | None = None,
) -> dict[str, Any]:
    """Play the first trained player of a game as it is, and kept from one thing at a time, at unseen costs.

    Args:
        env: the game with the questions to play.
        agent: who plays that player; the others are played by the last of the game's scripted teams.
        name: of the agent, for the report.
        knobs: of the scripted players.
        tasks: number of questions; None for all.
        seed: of the players and the bootstrap.
        batch: episodes under way at the same time.
        processes: that share the work; they change no number.
        watcher: told of the progress.

    Returns:
        The report: `whole` and by ablation in `without` the reward, the `normalized` score and `from_single`;
        and `lost`, the reward that the ablation costs, with its 95% interval over questions.

    Raises:
        ClarifyError: nothing of this game is known to be left out.
    """
    watcher, player = watcher or Logger(), roster_of(env.game).trained[0]
    cells = cells_of(env, "unseen", None)
    known = {**(hidden_costs(cells) if cells[0] else {}), **roster_of(env.game).ablations}
    if not known:
        raise ClarifyError(f"ablate {env.name}: it has no costs, and its roster names nothing to leave out")
    questions = pick_questions(env, tasks)
    others, listed = others_of(env, knobs), jobs(env, questions, cells, player, seed)
    yard = yardsticks(env, questions, cells, seed, knobs=knobs, processes=processes, watcher=watcher)

    def played(stage: str, who: Agent) -> Any:
        watch = watcher.stage(stage[:17], len(listed))
        agents = {**others, player: who}
        return measure(
            env,
            agents,
            questions,
            cells,
            seed,
            player,
            batch,
            watch=watch,
            processes=processes,
            listed=listed,
        )[:, :, :1]

    found = {"": played(name, agent)}
    found |= {what: played(what, Ablated(agent, one)) for what, one in known.items()}
    whole_N = complete(*found.values())
    if not whole_N.any():
        raise ClarifyError(f"ablate {name}: episodes of every question failed")
    yard, every = yard.only(whole_N), range(len(cells))
    reward_N = {what: table[whole_N, :, 0].mean(axis=1) for what, table in found.items()}
    top = float(yard.top_N(every).mean())
    zero = float(yard.zero_F_N(every).mean(axis=1).max())
    single = float(yard.low_F_N(every).mean(axis=1).max())

    def scores(mean: float) -> dict[str, float]:
        ways = {"normalized": scaled(mean, zero, top), "from_single": scaled(mean, single, top)}
        return {"reward": mean, **ways, "foreign": not yard.own}

    without = {}
    for what in known:
        (lost,) = paired((reward_N[""] - reward_N[what])[:, None], seed)
        without[what] = {**scores(float(reward_N[what].mean())), "lost": lost}
    return {
        "env": env.name,
        "agent": name,
        "questions": int(whole_N.sum()),
        "episodes": len(listed),
        "seed": seed,
        "knobs": dict(knobs or {}),
        "yardstick": yard.name,
        "own_yardstick": yard.own,
        "table": yard.table,
        "whole": scores(float(reward_N[""].mean())),
        "without": without,
    }
