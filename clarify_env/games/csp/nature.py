"""What nature draws in collaborative self-play, what can be pinned of it, and what players know of it."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from clarify_env.errors import ClarifyError
from clarify_env.game import frozen
from clarify_env.games.csp.records import CspCosts, Memory, Question, Retriever, Tool, World

MOST_STATES = 200  # that `alternatives` names


class Draw(NamedTuple):
    """What nature drew.

    Args:
        truth: which of the question's values is true.
        memories: of each helper the value that it remembers, and the level of that memory; none without a
            world.
        covered: whether each helper's tool covers the question.
        order: helpers in the order in which the asker sees their answers.
    """

    truth: int
    memories: tuple[tuple[int, int], ...]
    covered: tuple[bool, ...]
    order: tuple[int, ...]


def draw(world: World | None, question: Question, draws: Sequence[float], helpers: int) -> Draw:
    """Nature's choice, from 1 + 4 * helpers even draws in [0, 1)."""
    values = len(question.values)
    truth = int(draws[0] * values)
    order = tuple(sorted(range(helpers), key=draws[1 + 3 * helpers :].__getitem__))
    if world is None:
        return Draw(truth, (), (True,) * helpers, order)
    memories, covered = [], []
    for k, skill in enumerate(world.skills[question.topic]):
        left, mind, cover = draws[1 + 3 * k : 4 + 3 * k]
        level = 0
        while level < len(skill.levels) - 1 and left >= skill.levels[level]:
            left -= skill.levels[level]
            level += 1
        right, value = world.reliability[level], truth
        if mind >= right:
            rival = int((mind - right) / (1.0 - right) * (values - 1))
            value = rival + (rival >= truth)
        memories.append((value, level))
        covered.append(cover < skill.coverage)
    return Draw(truth, tuple(memories), tuple(covered), order)


def pinned(drawn: Draw, options: Mapping[str, Any], world: World | None, question: Question) -> Draw:
    """`drawn`, but for what the options say; raises ClarifyError for what nature could not have drawn."""
    values, count = len(question.values), len(drawn.order)
    given = {name: options[name] for name in Draw._fields if options.get(name) is not None}
    for name, value in given.items():
        if name == "truth":
            if not isinstance(value, (int, np.integer)) or not 0 <= value < values:
                raise ClarifyError(f"options['truth']={value!r}: a whole number from 0 to {values - 1}")
            given[name] = int(value)
        else:
            of = len(getattr(drawn, name))
            if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != of:
                raise ClarifyError(f"options[{name!r}]={value!r}: a list of {of}, one for each helper")
            given[name] = tuple(tuple(item) if isinstance(item, Sequence) else item for item in value)
    if "order" in given and set(given["order"]) != set(range(count)):
        raise ClarifyError(f"options['order']={options['order']!r}: not an order of {count} helpers, from 0")
    levels = len(world.reliability) if world else 0
    possible = set(product(range(values), range(levels)))
    if "memories" in given and not set(given["memories"]) <= possible:
        raise ClarifyError(
            f"options['memories']={options['memories']!r}: a pair (value, level) for each helper, of "
            f"{values} values and {levels} levels, from 0"
        )
    return drawn._replace(**given)


def alternatives(
    world: World | None, question: Question, drawn: Draw, own: int | None
) -> list[tuple[Draw, float]]:
    """Every truth, memory of the other helpers and coverage that a player cannot exclude, by probability.

    The order stays as it was drawn. Where there would be more than `MOST_STATES`, what the last helpers drew
    stays too.

    Args:
        world: what all know of the helpers; without one nothing else is named.
        question: with its plausible values.
        drawn: what nature drew.
        own: the helper whose memory is known, or None for the asker.
    """
    if world is None:
        return [(drawn, 1.0)]
    values = range(len(question.values))
    count, kept = len(values), []
    for k, skill in enumerate(world.skills[question.topic]):
        covers = [(True, skill.coverage), (False, 1.0 - skill.coverage)]
        minds = [((v, level), share) for v in values for level, share in enumerate(skill.levels)]
        if k == own:
            minds = [(drawn.memories[k], 1.0)]
        each = [(mind, cover, p * c) for mind, p in minds for cover, c in covers if p * c > 0.0]
        if count * len(each) > MOST_STATES:
            each = [(drawn.memories[k], drawn.covered[k], 1.0)]
        kept.append(each)
        count *= len(each)
    found = []
    for truth in values:
        for helpers in product(*kept):
            chance = 1.0
            for (value, level), _, share in helpers:
                right = world.reliability[level]
                chance *= share * (right if value == truth else (1.0 - right) / (len(values) - 1))
            if chance > 0.0:
                memories, covered = tuple(h[0] for h in helpers), tuple(h[1] for h in helpers)
                found.append((Draw(truth, memories, covered, drawn.order), chance))
    total = sum(chance for _, chance in found)
    return [(one, chance / total) for one, chance in found]


def known_at_start(
    world: World | None, tools: Sequence[Retriever], question: Question, drawn: Draw, costs: CspCosts
) -> dict[str, dict[str, Any]]:
    """Each player's observation at the start, but for its transcript and passages."""
    shared = {"question": question.text, "topic": question.topic, "costs": frozen(costs)}
    known = {"asker": shared}
    for k, tool in enumerate(tools):
        own: dict[str, Any] = {"memory": (), "tool": (), "profile": f"Your tool searches {tool.name}."}
        if world is not None:
            value, level = drawn.memories[k]
            text, right = question.values[value][0], world.reliability[level]
            share = world.skills[question.topic][k].coverage
            profile = (
                f"You remember: {text}. Such a memory of yours is right {right:.0%} of the time. "
                f"Your tool, {tool.name}, covers {share:.0%} of such questions."
            )
            own = {"memory": (Memory(text, right),), "tool": (Tool(tool.name, share),), "profile": profile}
        known[f"helper{k + 1}"] = {**shared, **own}
    return known
