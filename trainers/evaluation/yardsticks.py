"""What a score is measured against: a game's scripted teams, and its best play where that can be computed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.cost_table import best_strategy, strategy_means
from clarify_env.agents.roster import Bound, bound_of, roster_of, teams_of
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import Term
from clarify_env.trainers.evaluation.measure import SCRIPTED, Watch, measure, measures_of
from clarify_env.trainers.evaluation.parallel import in_order
from clarify_env.trainers.loggers import Logger

TABLE = "cost-table"


class Yardsticks(NamedTuple):
    """What lies at 0 and at 1 of a normalised score, for N questions at C costs.

    Args:
        teams: measured_N_C_M of each scripted team, but for the one that plays the bound; NaN where a
            measure is not known.
        optimum: what the best play yields, values_N_C by name, "reward" first; empty where it is not known.
        floor: the teams the best of which is the 0: the fixed ones, or where the 1 is a team the first.
        name: of the 1: see `called`, or "best team: NAME".
        table: of the cost table, which is the 0 of the score where there is one; "" where there is none.
        own: whether the 1 is with the very partners that the others were measured with; where it is not, a
            score may pass 1 and is marked.
    """

    teams: Mapping[str, Floats]
    optimum: Mapping[str, Floats]
    floor: tuple[str, ...]
    name: str
    table: str = ""
    own: bool = True

    def low_F_N(self, at: Sequence[int]) -> Floats:
        """Rewards of the single strategies of the floor, by question, over the costs at these positions."""
        return self._rewards(self.floor, at)

    def zero_F_N(self, at: Sequence[int]) -> Floats:
        """Rewards whose best is the 0: of the cost table, or where there is none as `low_F_N`."""
        return self._rewards((self.table,) if self.table else self.floor, at)

    def _rewards(self, names: Sequence[str], at: Sequence[int]) -> Floats:
        return np.array([self.teams[name][:, at, 0].mean(axis=1) for name in names])

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


def called(bound: Bound, partners: Sequence[str], scripted: bool = False) -> str:
    """What the best play is called, such as "optimum with this user": what is best depends on the partners.

    Args:
        bound: computed.
        partners: the players that it plays with.
        scripted: whether they are the scripted ones, in place of those that were trained.
    """
    if not partners:
        return bound.name
    if scripted:
        return f"{bound.name} with the scripted {' and '.join(partners)}"
    return f"{bound.name} with {'this' if bound.own else 'another'} {' and '.join(partners)}"


def yardsticks(
    env: GameEnv[Any],
    questions: Sequence[int],
    cells: Sequence[Any],
    seed: int = 0,
    *,
    knobs: Mapping[str, float] | None = None,
    others: Mapping[str, Agent] | None = None,
    scripted: bool = False,
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
        scripted: whether those who are measured have brought partners of their own in place of these, which
            may do better than the best play with these.
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
    ahead = {name: play for name, compute in roster.computed.items() if (play := compute(informed, others))}
    bounds = {**({} if bound is None else {bound.name: bound}), **ahead}
    values: dict[str, dict[str, Floats]] = {}
    if bounds:
        watch = watcher.stage(next(iter(bounds)), len(questions))
        values = solved(bounds, questions, cells, watch, processes)
    optimum = {} if bound is None else values[bound.name]
    if bound is not None:
        found = {name: team for name, team in found.items() if name != last} or found
    teams, names = {}, measures_of(informed, roster.trained[0])
    for name, team in found.items():
        agents = {**team, **others}
        at = [type(cells[0])(*np.zeros(len(cells[0])))] if name in roster.fixed else cells
        watch = watcher.stage(name[:17], len(questions))
        table = measure(
            informed, agents, questions, at, seed, roster.trained[0], batch=SCRIPTED, processes=processes
        )
        watch(len(questions))
        if name in roster.fixed:
            table = priced(table[:, 0], names, env.game.terms, cells)
        teams[name] = table
    fixed = tuple(name for name in roster.fixed if name in teams) if bound else ()
    floor = fixed or (next(iter(teams)),)  # the 0 and the 1 are both teams: not the same one
    table_N_C_M = _table(env, teams, cells, knobs) if len(fixed) > 1 else None
    if table_N_C_M is not None:
        teams[TABLE] = table_N_C_M
    unknown = np.full((len(questions), len(cells)), np.nan)
    for name in ahead:
        teams[name] = np.stack([values[name].get(measure, unknown) for measure in names], axis=2)
    best = max(teams, key=lambda name: float(np.nan_to_num(_mean(teams[name]), nan=-np.inf)))
    one = called(bound, list(others), scripted) if bound else f"best team: {best}"
    own = bound is None or (bound.own and not scripted)
    return Yardsticks(teams, optimum, floor, one, "" if table_N_C_M is None else TABLE, own)


def _table(
    env: GameEnv[Any],
    teams: Mapping[str, Floats],
    cells: Sequence[Any],
    knobs: Mapping[str, float] | None,
) -> Floats | None:
    """measured_N_C_M of the cost table, from those of its strategies; None where it cannot be made."""
    try:
        means = strategy_means(env, knobs)
    except ClarifyError:  # of a game whose training questions are not known
        return None
    return np.stack(
        [teams[best_strategy(means, env.game.terms, cell)][:, c] for c, cell in enumerate(cells)], axis=1
    )


def _mean(table_N_C_M: Floats) -> float:
    finite = table_N_C_M[:, :, 0][np.isfinite(table_N_C_M[:, :, 0])]
    return float(finite.mean()) if len(finite) else float("nan")


def solved(
    bounds: Mapping[str, Bound],
    questions: Sequence[int],
    cells: Sequence[Any],
    watch: Watch | None = None,
    processes: int = 1,
) -> dict[str, dict[str, Floats]]:
    """What is computed of the best play and of others: by their name, values_N_C by name (see `Bound`)."""

    def solve(k: int) -> dict[str, Mapping[str, Floats]]:
        return {name: bound.solve(questions[k], cells) for name, bound in bounds.items()}

    rows = []
    for row in in_order(solve, len(questions), processes):
        rows.append(row)
        if watch:
            watch(1)
    return {
        name: {value: np.array([row[name][value] for row in rows]) for value in rows[0][name]}
        for name in bounds
    }


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
