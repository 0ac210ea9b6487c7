"""`csp-v0`: helpers are told how reliable they are, and nature draws the truth anew in every episode.

What nature draws, what can be pinned of it, and what players know of it; and the game that it makes.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from gymnasium.spaces import Space

from clarify_env.errors import ClarifyError
from clarify_env.game import Term, frozen
from clarify_env.games.csp.game import CollaborationGame, State, pinned_order
from clarify_env.games.csp.records import (
    CspCosts,
    Memory,
    Passage,
    Question,
    Retriever,
    Tool,
    World,
)
from clarify_env.spaces import Records
from clarify_env.text import Grade, grade_text

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
        if name == "order":
            given[name] = pinned_order(value, count)
        elif name == "truth":
            if not isinstance(value, (int, np.integer)) or not 0 <= value < values:
                raise ClarifyError(f"options['truth']={value!r}: a whole number from 0 to {values - 1}")
            given[name] = int(value)
        else:
            of = len(getattr(drawn, name))
            if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != of:
                raise ClarifyError(f"options[{name!r}]={value!r}: a list of {of}, one for each helper")
            given[name] = tuple(tuple(item) if isinstance(item, Sequence) else item for item in value)
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


class TruthDrawnGame(CollaborationGame):
    """The game in which helpers are told how reliable they are; see the module's docstring.

    Args:
        tasks: the questions.
        tools: one for each helper, 1 to 9 of them.
        costs: anything with `sample(rng)` that gives `CspCosts`.
        world: how reliable memories and tools are; None where helpers remember nothing that the game knows.
        anonymous: whether the asker is kept from knowing who gave which answer.
        searches: that each helper may make, >= 0.
        grade: accuracy and exact match of the asker's answer; a pure function.
    """

    terms: ClassVar[Mapping[str, Term]] = {
        "accuracy": Term("accuracy"),
        "search_cost": Term("searches", "search"),
        "word_cost": Term("words", "word"),
        "wrong_cost": Term("wrong", "wrong"),
    }
    costs_type: ClassVar[type[Any]] = CspCosts
    options: ClassVar[tuple[str, ...]] = ("task", *Draw._fields, "costs")
    counted: ClassVar[tuple[str, ...]] = ("accuracy", "searches", "words", "wrong", "exact")

    def __init__(
        self,
        tasks: Sequence[Question],
        tools: Sequence[Retriever],
        costs: Any,
        world: World | None = None,
        anonymous: bool = True,
        searches: int = 1,
        grade: Grade = grade_text,
    ) -> None:
        super().__init__(tasks, len(tools), costs, anonymous, searches, grade)
        self.tools = tuple(tools)
        self.world = world
        self.draws = 1 + 4 * len(tools)

    def draw(self, task: Question, draws: Sequence[float]) -> Draw:
        """See `draw`."""
        return draw(self.world, task, draws, len(self.tools))

    def pinned(self, drawn: Draw, options: Mapping[str, Any], task: Question) -> Draw:
        """See `pinned`."""
        return pinned(drawn, options, self.world, task)

    def known_at_start(self, task: Question, drawn: Draw, costs: CspCosts) -> dict[str, dict[str, Any]]:
        """See `known_at_start`."""
        return known_at_start(self.world, self.tools, task, drawn, costs)

    def find(self, state: State, helper: int, query: str, search: int) -> list[Passage]:
        """What the helper's tool gives."""
        found = self.tools[helper].find(query, state.task, state.drawn.truth, state.drawn.covered[helper])
        return [tuple.__new__(Passage, (text, search)) for text in found]

    def truth(self, state: State) -> Sequence[str]:
        """As nature has drawn it."""
        values: Sequence[str] = state.task.values[state.drawn.truth]
        return values

    def only(self, helper: int, searches: int | None = None) -> Self:
        """The game with this helper and no other."""
        world = self.world
        if world is not None:
            world = world._replace(skills={topic: (own[helper],) for topic, own in world.skills.items()})
        tasks = [task._replace(passages=task.passages[helper : helper + 1]) for task in self.tasks]
        most = self.searches if searches is None else searches
        return type(self)(tasks, [self.tools[helper]], self.costs, world, True, most, self.grade)

    def helper_spaces(self) -> dict[str, Space[Any]]:
        """memory, tool and passages."""
        return {"memory": Records(Memory), "tool": Records(Tool), "passages": Records(Passage)}

    def setup(self, state: State) -> dict[str, Any]:
        """The question's id, what nature drew, and the texts that a reader of the transcript needs."""
        truth, memories, covered, order = state.drawn
        return {
            "task": state.task.id,
            "truth": truth,
            "memories": [list(pair) for pair in memories],
            "covered": list(covered),
            "order": list(order),
            "question": state.task.text,
            "answers": list(state.task.values[truth]),
        }

    def alternatives(self, state: State, player: str) -> list[tuple[State, float]]:
        """See `alternatives`."""
        own = None if player == "asker" else self.helpers.index(player)
        drawn = alternatives(self.world, state.task, state.drawn, own)
        return [(self.anew(state, state.task, one), chance) for one, chance in drawn]

    def plant(self, state: State) -> tuple[State, Mapping[str, Sequence[str]]]:
        """Marked answers: a helper may see the one that it remembers, the asker none before it is said."""
        texts = [f"planted answer {i}" for i in range(len(state.task.values))]
        passages = [f"planted passage {k}" for k in range(len(self.tools))] if state.task.passages else []
        hidden = {"asker": [*texts, *passages]}
        for k, name in enumerate(self.helpers):
            held = {texts[pair[0]] for pair in state.drawn.memories[k : k + 1]}
            own = [text for j, text in enumerate(passages) if j != k]
            hidden[name] = [*(text for text in texts if text not in held), *own]
        values, carried = (tuple((text,) for text in listed) for listed in (texts, passages))
        task = state.task._replace(values=values, passages=carried)
        return self.anew(state, task, state.drawn), hidden
