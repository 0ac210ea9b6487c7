"""What a score is measured against: a game's scripted teams, and its best play where that can be computed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.roster import Bound, bound_of, roster_of, teams_of
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.game import Term
from clarify_env.trainers.evaluation.measure import SCRIPTED, Watch, measure, measures_of
from clarify_env.trainers.evaluation.parallel import in_order
from clarify_env.trainers.loggers import Logger


class Yardsticks(NamedTuple):
    """What lies at 0 and at 1 of a normalised score, for N questions at C costs.

    Args:
        teams: measured_N_C_M of each scripted team, but for the one that plays the bound.
        optimum: what the best play yields, values_N_C by name, "reward" first; empty where it is not known.
        floor: the teams the best of which is the 0: the fixed ones, or where the 1 is a team the first.
        name: of the 1: "optimum", "ceiling", or "best team: NAME".
    """

    teams: Mapping[str, Floats]
    optimum: Mapping[str, Floats]
    floor: tuple[str, ...]
    name: str

    def low_F_N(self, at: Sequence[int]) -> Floats:
        """Rewards of the teams whose best is the 0, by question, over the costs at these positions."""
        return np.array([self.teams[name][:, at, 0].mean(axis=1) for name in self.floor])

    def top_N(self, at: Sequence[int]) -> Floats:
        """The reward that is the 1, by question, over the costs at these positions."""
        best = self.optimum.get("reward")
        if best is None:
            best = self.teams[self.name.partition(": ")[2]][:, :, 0]
        top_N: Floats = best[:, at].mean(axis=1)
        return top_N

    def only(self, whole_N: Any) -> "Yardsticks":
        """The same for some of the questions."""
        teams = {name: table[whole_N] for name, table in self.teams.items()}
        return self._replace(teams=teams, optimum={name: v[whole_N] for name, v in self.optimum.items()})


def yardsticks(
    env: GameEnv[Any],
    questions: Sequence[int],
    cells: Sequence[Any],
    seed: int = 0,
    *,
    knobs: Mapping[str, float] | None = None,
    others: Mapping[str, Agent] | None = None,
    processes: int = 1,
    watcher: Logger | None = None,
) -> Yardsticks:
    """Play the scripted teams of a game, and compute its best play where that is known for just these rules.

    Args:
        env: the game; its own costs do not matter.
        questions: positions of N tasks.
        cells: C costs.
        seed: of the players' own randomness and of what nature draws.
        knobs: of the scripted players.
        others: who plays with each team in place of its own members; by default the last team's members that
            are not trained.
        processes: that share the work; they change no number.
        watcher: told of the progress.
    """
    roster, watcher = roster_of(env.game), watcher or Logger()
    found = teams_of(env, knobs)
    last = list(found)[-1]
    if others is None:
        others = {player: agent for player, agent in found[last].items() if player not in roster.trained}
    informed = roster.informed(env)
    bound = bound_of(informed, others)
    optimum: dict[str, Floats] = {}
    if bound is not None:
        optimum = optima(bound, questions, cells, watcher.stage(bound.name, len(questions)), processes)
        found = {name: team for name, team in found.items() if name != last} or found
    teams = {}
    for name, team in found.items():
        agents = {**team, **others}
        at = [type(cells[0])(*np.zeros(len(cells[0])))] if name in roster.fixed else cells
        watch = watcher.stage(name[:17], len(questions))
        table = measure(
            informed, agents, questions, at, seed, roster.trained[0], batch=SCRIPTED, processes=processes
        )
        watch(len(questions))
        if name in roster.fixed:
            names = measures_of(informed, roster.trained[0])
            table = priced(table[:, 0], names, env.game.terms, cells)
        teams[name] = table
    fixed = tuple(name for name in roster.fixed if name in teams) if bound else ()
    floor = fixed or (next(iter(teams)),)  # the 0 and the 1 are both teams: not the same one
    best = max(teams, key=lambda name: float(np.nan_to_num(_mean(teams[name]), nan=-np.inf)))
    return Yardsticks(teams, optimum, floor, bound.name if bound else f"best team: {best}")


def _mean(table_N_C_M: Floats) -> float:
    finite = table_N_C_M[:, :, 0][np.isfinite(table_N_C_M[:, :, 0])]
    return float(finite.mean()) if len(finite) else float("nan")


def optima(
    bound: Bound,
    questions: Sequence[int],
    cells: Sequence[Any],
    watch: Watch | None = None,
    processes: int = 1,
) -> dict[str, Floats]:
    """What the best play yields: values_N_C by name (see `Bound`)."""
    rows = []
    for row in in_order(lambda k: bound.solve(questions[k], cells), len(questions), processes):
        rows.append(row)
        if watch:
            watch(1)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def priced(
    measured_N_M: Floats, names: Sequence[str], terms: Mapping[str, Term], cells: Sequence[Any]
) -> Floats:
    """measured_N_C_M of a team that plays the same at all costs, from one of them.

    Args:
        measured_N_M: of the team.
        names: of the M measures, the reward first.
        terms: of the game.
        cells: C costs.
    """
    result = np.repeat(measured_N_M[:, None, :], len(cells), axis=1)
    result[:, :, 0] = 0.0
    for term in terms.values():
        count_N_1 = measured_N_M[:, None, names.index(term.quantity)]
        if term.cost:
            result[:, :, 0] -= np.array([getattr(cell, term.cost) for cell in cells]) * count_N_1
        else:
            result[:, :, 0] += count_N_1
    return result
