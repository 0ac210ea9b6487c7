"""Credit by exact worth: what each sampled message leads to, with the luck of meanings and replies taken out.

All episodes of a question at the same costs begin at one point. From there the policy's own dialogue tree is
grown: a message is played in *every* state that the player cannot tell apart, against every reply that the
others may give, and after each reply the policy samples again. A message is worth what it pays at once and
what the points after it are worth; a point is worth the mean of the messages sampled there. So a worth is an
unbiased estimate of the value of a message under the policy, in which only the policy's own draws are left to
chance (arXiv 2410.01679 estimates the same by sampled continuations of whole trajectories).

The credit of a message is its worth less the mean worth of the others at its point (arXiv 2402.14740), times
the chance of coming there under the policy, over the number of messages there: the expectation of the sum of
credit times the gradient of the log-probability is the gradient of the expected reward.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent, Decision
from clarify_env.arrays import Floats
from clarify_env.episode import prices
from clarify_env.errors import ClarifyError
from clarify_env.game import StopReason
from clarify_env.moves import Move, Pass
from clarify_env.rollout import child_seed, decide
from clarify_env.simulate import Choice, advance, foreseen
from clarify_env.trainers.algorithms.advantages import Played, leave_one_out
from clarify_env.trainers.algorithms.dialogue_tree import rooted
from clarify_env.trainers.algorithms.selection import Batch


class Worth(NamedTuple):
    """A sampled message with what it is worth.

    Args:
        choice: where it was sent, with its trace.
        credit: see the module's docstring; 1 a message at the root counts as much as one of an episode.
        worth: expected reward from it on.
    """

    choice: Choice
    credit: float
    worth: float


@dataclass
class PolicyNode:
    """A point of a policy's dialogue tree.

    Args:
        states: that the player cannot tell apart, with probabilities.
        reach: the chance of coming here, under the policy and the replies.
        weight: of its credits: one over the chance that they are measured.
        sampled: what was decided here.
        paid: by what was decided, the expected reward until the next point or the end.
        after: by what was decided, the points that follow with their probabilities.
    """

    states: list[tuple[Any, float]]
    reach: float = 1.0
    weight: float = 1.0
    sampled: list[Decision] = field(default_factory=list)
    paid: dict[Any, float] = field(default_factory=lambda: defaultdict(float))
    after: dict[Any, list[tuple[float, "PolicyNode"]]] = field(default_factory=dict)
    worth_K: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def value(self) -> float:
        """The mean worth of what was sampled; NaN where nobody could decide."""
        known_K = self.worth_K[np.isfinite(self.worth_K)]
        return float(known_K.mean()) if len(known_K) else np.nan


def check_exact(batch: Batch) -> Agent:
    """The policy that decides; raises ClarifyError where the game or the players allow no exact worths."""
    rooted(batch.env.game, batch.player, "credit='exact'", "give another credit")
    if batch.policy is None:
        raise ClarifyError("credit='exact': the batch names no policy, which has to decide at later points")
    if not batch.known:
        raise ClarifyError(
            "credit='exact': the other players have to say what they may do (`replies`), as scripted ones "
            "do; with those who only sample give credit='branching'"
        )
    return batch.policy


def exact_worths(
    batch: Batch, groups: Sequence[Sequence[Played]], deep: int, width: int, terms: Sequence[str] = ()
) -> Iterator[Worth]:
    """Every message sampled in the trees of the groups, the first ones as their episodes have them.

    Args:
        batch: that the groups are from.
        groups: episodes of one question at the same costs, at least two each.
        deep: messages sampled at a point after the root, at most.
        width: of the points of one depth together, in proportion to the chance of coming there. Where that
            is less than two, two are sampled with such a chance that credits stay unbiased, else one, which
            has a value and gives no credit.
        terms: reward terms that count; all of them if empty.

    Raises:
        ClarifyError: see `check_exact`; a group of one.
    """
    policy = check_exact(batch)
    game, player = batch.env.game, batch.player
    roots, per_unit = [], []
    for group in groups:
        first = [played.choices[0] for played in group]
        root = PolicyNode(list(game.alternatives(first[0].state, player)))
        root.sampled = [Decision(choice.move, None, choice.trace) for choice in first]
        price = prices(group[0].episode.terms, group[0].episode.costs)
        roots.append(root)
        per_unit.append({name: unit for name, unit in price.items() if not terms or name in terms})
    levels = _grow(batch, policy, roots, per_unit, deep, width)
    for level in reversed(levels):
        for point, _ in level:
            point.worth_K = np.array([_worth(point, decision) for decision in point.sampled])
    counts = [len(root.sampled) for root in roots]
    for level in levels:
        for point, tree in level:
            yield from _credited(point, counts[tree])


def _key(decision: Decision) -> Any:
    return decision.move if isinstance(decision.move, Move) else repr(decision.move)


def _worth(point: PolicyNode, decision: Decision) -> float:
    key = _key(decision)
    return point.paid[key] + sum(share * after.value for share, after in point.after.get(key, ()))


def _credited(point: PolicyNode, count: int) -> Iterator[Worth]:
    known = [k for k in range(len(point.sampled)) if np.isfinite(point.worth_K[k])]
    if len(known) < 2:
        return
    scale = point.weight * point.reach * count / len(known)
    for k, credit in zip(known, leave_one_out(point.worth_K[known]) * scale, strict=True):
        decision = point.sampled[k]
        move = decision.move if isinstance(decision.move, Move) else Pass()
        choice = Choice(point.states[0][0], move, decision.trace)
        yield Worth(choice, float(credit), float(point.worth_K[k]))


Level = list[tuple[PolicyNode, int]]  # points of one depth, each with the position of its tree


def _grow(
    batch: Batch,
    policy: Agent,
    roots: Sequence[PolicyNode],
    per_unit: Sequence[Mapping[str, float]],
    deep: int,
    width: int,
) -> list[Level]:
    """The points of all trees by depth."""
    level: Level = [(root, tree) for tree, root in enumerate(roots)]
    levels: list[Level] = []
    while level:
        if levels:
            _sample(batch, policy, level, deep, width, len(levels))
        levels.append(level)
        level = _play(batch, level, per_unit)
    return levels


def _sample(batch: Batch, policy: Agent, level: Level, deep: int, width: int, depth: int) -> None:
    game, player = batch.env.game, batch.player
    views, rngs, owners = [], [], []
    for n, (point, _) in enumerate(level):
        share = width * point.reach / 2.0
        messages = max(1, min(deep, round(2.0 * share)))
        if share < 1.0 and deep > 1:
            twice = np.random.default_rng(child_seed(batch.seed, 22, depth, n)).random() < share
            messages, point.weight = (2, 1.0 / share) if twice else (1, 1.0)
        for k in range(messages):
            views.append(game.view(point.states[0][0], player))
            rngs.append(np.random.default_rng(child_seed(batch.seed, 21, depth, n, k)))
            owners.append(point)
    for point, decision in zip(owners, decide(player, policy, views, rngs, batch.spent), strict=True):
        point.sampled.append(decision)


class _Way(NamedTuple):
    """A state on its way from a decision at a point to the next point or the end."""

    point: PolicyNode
    tree: int
    key: Any
    state: Any
    weight: float
    given: Mapping[str, Any]


def _play(batch: Batch, level: Level, per_unit: Sequence[Mapping[str, float]]) -> Level:
    """Make every decision of these points in every state there; returns the points that come after."""
    game, player = batch.env.game, batch.player
    due = []
    for point, tree in level:
        for key, decision in {_key(one): one for one in point.sampled}.items():
            due += [
                _Way(point, tree, key, state, weight, {player: decision.move})
                for state, weight in point.states
            ]
    arrived: dict[tuple[int, Any], dict[Any, list[tuple[Any, float]]]] = {}
    owners: dict[int, tuple[PolicyNode, int]] = {id(point): (point, tree) for point, tree in level}
    while due:
        made = advance(batch.env, {}, [way.state for way in due], (), [way.given for way in due])
        going = []
        for way, one in zip(due, made, strict=True):
            units = per_unit[way.tree]
            paid = sum(units.get(name, 0.0) * quantity for name, quantity in one.paid)
            way.point.paid[way.key] += way.weight * paid
            if one.state.stop is not None:
                if one.state.stop.reason == StopReason.FAILED:
                    way.point.paid[way.key] = np.nan  # what it is worth is not known
            elif player in game.legal(one.state):
                there = arrived.setdefault((id(way.point), way.key), {})
                there.setdefault(one.state.history, []).append((one.state, way.weight))
            else:
                others: Mapping[str, Any] = batch.others
                going += [
                    way._replace(state=one.state, weight=way.weight * share, given=moves)
                    for moves, share in foreseen(game, others, one.state, batch.spent)
                ]
        due = going
    after: Level = []
    for (owner, key), histories in arrived.items():
        point, tree = owners[owner]
        chosen = sum(_key(decision) == key for decision in point.sampled) / len(point.sampled)
        for states in histories.values():
            share = sum(weight for _, weight in states)
            if share > 0.0:
                kin = [(state, weight / share) for state, weight in states]
                child = PolicyNode(kin, point.reach * chosen * share)
                point.after.setdefault(key, []).append((share, child))
                after.append((child, tree))
    return after
