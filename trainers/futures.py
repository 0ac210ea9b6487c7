"""Futures: a move is played on under a policy, many times, from where it was made (arXiv 2502.00640).

Dimensions: S starts, K futures of each. A future's generator follows from its start's seed and its position,
so that it is the same whatever else is played beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Failed
from clarify_env.collect import decide
from clarify_env.episode import prices
from clarify_env.moves import Move
from clarify_env.trainers.credit import Floats
from clarify_env.trainers.learner import Example, Learner
from clarify_env.trainers.losses import row_sums
from clarify_env.trainers.replay import made_move
from clarify_env.trainers.selection import Batch

States = list[tuple[Any, float]]


class Start(NamedTuple):
    """Where futures begin: the player is on turn.

    Args:
        states: where they may begin, with weights that add up to 1; they are drawn evenly spread.
        move: what the player does first; None where the policy decides that too.
        finals: messages that may end a future at its window, each with a trace.
        seed: of everything random in them.
    """

    states: States
    move: Move | None
    finals: Mapping[Move, Any]
    seed: int


class Worth(NamedTuple):
    """What starts are worth.

    Args:
        returns_S_K: what each future earned from its start on; NaN where an agent failed.
        decisions_S: how many decisions the policy made for them.
    """

    returns_S_K: Floats
    decisions_S: Floats

    @property
    def values_S(self) -> Floats:
        """The mean over futures; NaN where all failed."""
        known_S_K = ~np.isnan(self.returns_S_K)
        sums_S = np.where(known_S_K, self.returns_S_K, 0.0).sum(axis=1)
        values_S: Floats = np.where(
            known_S_K.any(axis=1), sums_S / np.maximum(1, known_S_K.sum(axis=1)), np.nan
        )
        return values_S


@dataclass(slots=True)
class _Future:
    """A future under way; `left` is how many more decisions the player may make in it."""

    row: int
    column: int
    state: Any
    rng: np.random.Generator
    left: int
    first: Move | None


def futures(
    batch: Batch,
    learner: Learner,
    starts: Sequence[Start],
    count: int,
    window: int | None = 2,
    best_of: int = 1,
) -> Worth:
    """Play from each start, all of them at the same time.

    Args:
        batch: the game, the player whose starts they are, and the agents of the others.
        learner: the policy that plays on.
        starts: where to begin.
        count: futures of each, >= 1.
        window: decisions after the first one, >= 1, the last of which has to be a final message: of the
            start's `finals` the one that the policy finds likeliest. While none is legal, the
            policy goes on by itself.
            None plays every future to its own end.
        best_of: how many times each future is played, of which the best one counts (arXiv 2410.08146); it
            sees what was meant, so that a lucky guess counts as much as a question.
    """
    game, player = batch.env.game, batch.player
    costs_of = {name: term.cost for name, term in game.terms.items()}
    returns_S_K = np.zeros((len(starts), count * best_of))
    decisions_S = np.zeros(len(starts))
    left = 1_000_000 if window is None else window + 1
    live = []
    for row, start in enumerate(starts):
        ends = np.cumsum([weight for _, weight in start.states])
        offset = np.random.default_rng((start.seed, count)).random()
        for k in range(count * best_of):
            at = int(np.searchsorted(ends, (k // best_of + offset) / count * ends[-1]))
            state = start.states[min(at, len(ends) - 1)][0]
            live.append(_Future(row, k, state, np.random.default_rng((start.seed, k)), left, start.move))
    while live:
        made = answers(batch, [one.state for one in live], [one.rng for one in live])
        on_turn = [k for k, one in enumerate(live) if player in game.legal(one.state)]
        asked = [k for k in on_turn if live[k].first is None]
        for k in on_turn:
            if (first := live[k].first) is not None:
                kinds = game.legal(live[k].state)[player]
                made[k][player] = first if isinstance(first, kinds) else None
        closing = [k for k in asked if live[k].left <= 1]
        for k, move in _closed(batch, learner, {k: live[k] for k in closing}, starts).items():
            made[k][player] = move
        free = [k for k in asked if player not in made[k]]
        if free:
            views = [game.view(live[k].state, player) for k in free]
            decided = decide(player, learner.agent, views, [live[k].rng for k in free])
            for k, decision in zip(free, decided, strict=True):
                made[k][player] = _move(batch, live[k].state, player, decision.action)
        going = []
        for one, moves in zip(live, made, strict=True):
            if player in moves:
                decisions_S[one.row] += one.first is None
                one.first, one.left = None, one.left - 1
            complete = {name: move for name, move in moves.items() if isinstance(move, Move)}
            if any(isinstance(move, Failed) for move in moves.values()):
                returns_S_K[one.row, one.column] = np.nan
            elif len(complete) == len(moves):
                per_unit = prices(costs_of, one.state.costs._asdict())
                one.state, paid = game.apply(one.state, complete)
                returns_S_K[one.row, one.column] += sum(per_unit[name] * n for name, n in paid)
                if one.state.stop is None:
                    going.append(one)
        live = going
    return Worth(returns_S_K.reshape(len(starts), count, best_of).max(axis=2), decisions_S)


def _closed(
    batch: Batch, learner: Learner, due: Mapping[int, _Future], starts: Sequence[Start]
) -> dict[int, Move]:
    """The likeliest final message of each of these futures, but for those where none is legal."""
    game, player = batch.env.game, batch.player
    examples, owners = [], []
    for k, one in due.items():
        view, kinds = game.view(one.state, player), game.legal(one.state)[player]
        for move, trace in starts[one.row].finals.items():
            if isinstance(move, kinds):
                examples.append(Example(view, move, trace, 1.0))
                owners.append(k)
    if not examples:
        return {}
    scored = learner.measure(examples)
    sums_E = row_sums(scored.logprobs_N, scored.rows_N, len(examples)).cpu().double().numpy()
    best: dict[int, tuple[float, Move]] = {}
    for k, example, score in zip(owners, examples, np.round(sums_E, 9).tolist(), strict=True):
        if k not in best or score > best[k][0]:
            best[k] = score, example.move
    return {k: move for k, (_, move) in best.items()}


def answers(
    batch: Batch, states: Sequence[Any], rngs: Sequence[np.random.Generator]
) -> list[dict[str, Move | Failed | None]]:
    """What the other players do in each of these states; None for what is no move."""
    game = batch.env.game
    made: list[dict[str, Move | Failed | None]] = [{} for _ in states]
    for other, agent in batch.others.items():
        turn = [k for k, state in enumerate(states) if other in game.legal(state)]
        if turn:
            views = [game.view(states[k], other) for k in turn]
            for k, decision in zip(turn, decide(other, agent, views, [rngs[k] for k in turn]), strict=True):
                made[k][other] = _move(batch, states[k], other, decision.action)
    return made


def _move(batch: Batch, state: Any, player: str, action: Any) -> Move | Failed | None:
    return action if isinstance(action, Failed) else made_move(batch.env.game, state, player, action)
