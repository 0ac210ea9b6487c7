"""Futures: a move is played on under a policy, many times, from where it was made (arXiv 2502.00640).

Dimensions: S starts, K futures of each. A future's generator follows from its start's seed and its position,
so that it is the same whatever else is played beside it.

Branching: credit for a decision from futures that are played on from where it was made.

CollabLLM's multi-turn-aware reward (arXiv 2502.00640): the mean over sampled futures of what is still earned,
each future at most `window` exchanges long and then brought to an end by a final message. What is left out of
the paper: its judge of interactivity, and its rewards of documents; what a future earns is the game's reward.
Process advantages (arXiv 2410.08146) measure the same under a second policy, the prover.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.episode import prices
from clarify_env.errors import ClarifyError, choose
from clarify_env.game import StopReason
from clarify_env.moves import Move
from clarify_env.rollout import child_seed
from clarify_env.simulate import Choice, advance, foreseen, point
from clarify_env.trainers.algorithms.advantages import Played
from clarify_env.trainers.algorithms.dialogue_tree import Sampled
from clarify_env.trainers.algorithms.losses import row_sums
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.learners import Example, Learner

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


class Values(NamedTuple):
    """The values of starts.

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
) -> Values:
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
    agents = {**batch.others, player: learner.agent}
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
        on_turn = [player in game.legal(one.state) for one in live]
        closing = {k: one for k, one in enumerate(live) if on_turn[k] and one.first is None and one.left <= 1}
        given: list[dict[str, Move]] = [{} if one.first is None else {player: one.first} for one in live]
        for k, move in _closed(batch, learner, closing, starts).items():
            given[k] = {player: move}
            if batch.spent is not None:  # the policy chose it by what it finds likely
                batch.spent[f"decisions/{player}"] += 1
        made = advance(
            batch.env, agents, [one.state for one in live], [one.rng for one in live], given, batch.spent
        )
        going = []
        for one, moves, (state, _, paid) in zip(live, on_turn, made, strict=True):
            if moves:
                decisions_S[one.row] += one.first is None
                one.first, one.left = None, one.left - 1
            per_unit = prices(costs_of, state.costs._asdict())
            returns_S_K[one.row, one.column] += sum(per_unit[name] * n for name, n in paid)
            one.state = state
            if state.stop is None:
                going.append(one)
            elif state.stop.reason is StopReason.FAILED:
                returns_S_K[one.row, one.column] = np.nan
        live = going
    return Values(returns_S_K.reshape(len(starts), count, best_of).max(axis=2), decisions_S)


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
    scored = learner.logprobs(learner.experience(examples))
    sums_E = row_sums(scored.logprobs_N, scored.rows_N, len(examples)).cpu().double().numpy()
    best: dict[int, tuple[float, Move]] = {}
    for k, example, score in zip(owners, examples, np.round(sums_E, 9).tolist(), strict=True):
        if k not in best or score > best[k][0]:
            best[k] = score, example.move
    return {k: move for k, (_, move) in best.items()}


BASELINE = 4  # times as many futures for the value of a point as for that of a move


def check_counts(options: Mapping[str, Any], *names: str) -> None:
    """Raise where one of these options is no whole number of at least 1."""
    for name in names:
        if not isinstance(options[name], int) or options[name] < 1:
            raise ClarifyError(f"{name}={options[name]!r}: a whole number, at least 1")


def check_futures(options: Mapping[str, Any]) -> None:
    """Raise where `meanings`, `futures`, `window` or `share` are out of range."""
    choose("meanings", options["meanings"], ("own", "possible"))
    check_counts(options, "futures", "window")
    share = options.get("share", 1.0)
    if not 0.0 < share <= 1.0:
        raise ClarifyError(f"share={share!r}: a share of the decisions, above 0 and at most 1")


def possible(batch: Batch, decided: Sequence[Sequence[Choice]]) -> list[list[States]]:
    """At each decision of each episode the states that the player cannot tell apart, with probabilities.

    Every alternative of the episode's start is played again with the player's own moves, and stays while the
    others' answers are the same. That is exact where they say what they may do, or always answer the same;
    else an alternative stays with the probability of the answer, drawn once. Where none stays, its own does.
    """
    game, player = batch.env.game, batch.player
    others: Mapping[str, Any] = batch.others
    found: list[list[States]] = []
    for made in decided:
        start = made[0].state
        alike = [(start, 1.0)] if start.history else list(game.alternatives(start, player))
        found.append([alike])
    for t in range(1, max(map(len, decided), default=0)):
        arrived: dict[int, States] = defaultdict(list)
        due = []
        for e, made in enumerate(decided):
            if len(made) > t:
                rng = np.random.default_rng(child_seed(batch.seed, 3, e, t))
                due += [(e, state, weight, rng) for state, weight in found[e][t - 1]]
        while due:
            ways: list[tuple[int, Any, float, np.random.Generator]] = []
            given: list[dict[str, Move]] = []
            for e, state, weight, rng in due:
                likely: list[tuple[dict[str, Move], float]] = [({player: decided[e][t - 1].move}, 1.0)]
                if batch.known and player not in game.legal(state):
                    likely = foreseen(game, others, state, batch.spent)
                ways += [(e, state, weight * chance, rng) for _, chance in likely]
                given += [moves for moves, _ in likely]
            states, rngs = [way[1] for way in ways], [way[3] for way in ways]
            steps = advance(batch.env, others, states, rngs, given, batch.spent)
            going = []
            for (e, _, weight, rng), (state, *_) in zip(ways, steps, strict=True):
                wanted = decided[e][t].state.history
                if state.history == wanted:
                    arrived[e].append((state, weight))
                elif state.stop is None and state.history == wanted[: len(state.history)]:
                    going.append((e, state, weight, rng))
            due = going
        for e, made in enumerate(decided):
            if len(made) > t:
                found[e].append(normalised(arrived[e] or [(made[t].state, 1.0)]))
    return found


def normalised(states: States) -> States:
    total = sum(weight for _, weight in states)
    return [(state, weight / total) for state, weight in states]


def advantages(
    batch: Batch,
    groups: Sequence[Sequence[Played]],
    learner: Learner,
    prover: Learner | None,
    options: Mapping[str, Any],
) -> tuple[list[list[Floats]], float]:
    """Of each group its members' advantages_T, and how many decisions were made to find them.

    The value of a decision less that of its point, where the policy makes the first move too; both by
    futures, so that the expected gradient is exact whatever the others of the group did. A prover adds
    `alpha` times the same under its own play: Q^pi + alpha A^mu (arXiv 2410.08146), measured before the move
    and over fresh replies to it.

    Args:
        batch: that the groups are from.
        groups: episodes of one question at the same costs.
        learner: the policy.
        prover: another policy, or None.
        options: `futures`, `window`, `meanings`, `share`, `alpha`, `best_of`; see `Grouped`.
    """
    members = [played for group in groups for played in group]
    decided = [played.choices for played in members]
    if options["meanings"] == "possible":
        alike = possible(batch, decided)
    else:
        alike = [[[(choice.state, 1.0)] for choice in made] for made in decided]
    pools = [Sampled(batch.env.game, [one.episode for one in group], batch.player).finals for group in groups]
    owners = [g for g, group in enumerate(groups) for _ in group]
    met: dict[Any, States] = defaultdict(list)
    for g, made, states in zip(owners, decided, alike, strict=True):
        for choice, there in zip(made, states, strict=True):
            met[g, point(batch.env.game, choice.state, batch.player)] += there
    numbers = {key: n for n, key in enumerate(met)}
    chances = np.random.default_rng(child_seed(batch.seed, 5))
    share = float(options["share"])
    moves: list[Start] = []
    points: list[Start] = []
    at: dict[Any, int] = {}
    places: list[tuple[int, int, int]] = []
    for e, (g, made) in enumerate(zip(owners, decided, strict=True)):
        for t, choice in enumerate(made):
            if chances.random() < share:
                key = g, point(batch.env.game, choice.state, batch.player)
                if key not in at:
                    at[key] = len(points)
                    seed = child_seed(batch.seed, 6, numbers[key])
                    points.append(Start(normalised(met[key]), None, pools[g], seed))
                places.append((e, t, at[key]))
                moves.append(Start(alike[e][t], choice.move, pools[g], child_seed(batch.seed, 4, e, t)))
    found = [np.zeros(len(made)) for made in decided]
    decisions = 0.0
    players = [(learner, 1.0, 1)]
    if prover is not None:
        players.append((prover, float(options["alpha"]), int(options["best_of"])))
    for one, weight, best in players:
        count, window = int(options["futures"]), options["window"]
        after = futures(batch, one, moves, count, window, best)
        before = futures(batch, one, points, BASELINE * count, window, best)
        decisions += float(after.decisions_S.sum() + before.decisions_S.sum())
        values_S, points_S = after.values_S, before.values_S
        for k, (e, t, p) in enumerate(places):
            found[e][t] += weight / share * np.nan_to_num(values_S[k] - points_S[p])
    result: list[list[Floats]] = [[] for _ in groups]
    for g, advantages_T in zip(owners, found, strict=True):
        result[g].append(advantages_T)
    return result, decisions
