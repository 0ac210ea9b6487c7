"""Branching: credit for a decision from futures that are played on from where it was made.

CollabLLM's multi-turn-aware reward (arXiv 2502.00640): the mean over sampled futures of what is still earned,
each future at most `window` exchanges long and then brought to an end by a final message. What is left out of
the paper: its judge of interactivity, and its rewards of documents; what a future earns is the game's reward.
Process advantages (arXiv 2410.08146) measure the same under a second policy, the prover.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clarify_env.errors import ClarifyError, choose
from clarify_env.moves import Move
from clarify_env.trainers.credit import Floats
from clarify_env.trainers.futures import Start, States, answers, futures
from clarify_env.trainers.learner import Learner
from clarify_env.trainers.replay import Choice, point
from clarify_env.trainers.selection import Batch
from clarify_env.trainers.tree import Sampled
from clarify_env.vector import child_seed

if TYPE_CHECKING:
    from clarify_env.trainers.policygradient import Played

BASELINE = 4  # times as many futures for the worth of a point as for that of a move


def checked(options: Mapping[str, Any]) -> None:
    """Raise where `meanings`, `futures`, `window` or `share` are out of range."""
    choose("meanings", options["meanings"], ("own", "possible"))
    for name in ("futures", "window"):
        value = options[name]
        if not isinstance(value, int) or value < 1:
            raise ClarifyError(f"{name}={value!r}: a whole number, at least 1")
    share = options.get("share", 1.0)
    if not 0.0 < share <= 1.0:
        raise ClarifyError(f"share={share!r}: a share of the decisions, above 0 and at most 1")


def possible(batch: Batch, decided: Sequence[Sequence[Choice]]) -> list[list[States]]:
    """At each decision of each episode the states that the player cannot tell apart, with probabilities.

    Every alternative of the episode's start is played again with the player's own moves, and stays while the
    others' answers are the same. That is exact where they always answer the same; where they do not, an
    alternative stays with the probability of the answer, drawn once. Where none stays, its own does.
    """
    game, player = batch.env.game, batch.player
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
            moves = answers(batch, [item[1] for item in due], [item[3] for item in due])
            going = []
            for (e, state, weight, rng), chosen in zip(due, moves, strict=True):
                wanted = decided[e][t].state.history
                if player in game.legal(state):
                    chosen[player] = decided[e][t - 1].move
                legal = {name: move for name, move in chosen.items() if isinstance(move, Move)}
                if len(legal) < len(chosen):
                    continue
                state, _ = game.apply(state, legal)
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
    groups: Sequence[Sequence["Played"]],
    learner: Learner,
    prover: Learner | None,
    options: Mapping[str, Any],
) -> tuple[list[list[Floats]], float]:
    """Of each group its members' advantages_T, and how many decisions were made to find them.

    The worth of a decision less that of its point, where the policy makes the first move too; both by
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
