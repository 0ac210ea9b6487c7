"""What `csp-v1` fixes for each question and helper, what it draws anew, and what follows from that exactly.

Fixed by the seed of the world: the true answer; how familiar each helper is with what is asked, what its
memory holds of it, and what its tool would find. Drawn in every episode: the recalls, and who is heard first.
So a helper can learn what it knows: what it recalls, how alike its recalls are, and how familiar a thing is
tell how likely it is to be right, though nobody says so.

| memory | recalls                                                             |
| ------ | ------------------------------------------------------------------- |
| knows  | the truth with `firmness[0]`, else another value                    |
| misled | a lie, the same each time, with `firmness[1]`, else another value   |
| vague  | any value                                                           |
| blank  | nothing                                                             |
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from clarify_env.arrays import Floats
from clarify_env.errors import choose
from clarify_env.games.csp.world import GIVEN_NAMES, TOPICS, part_of

FAMILIARITY = ("rare", "known", "familiar")


_KNOWS, _MISLED, _VAGUE, _BLANK = range(4)


MATCHES = ("exact", "loose", "none")


GOOD_TOPICS = ((0, 2), (1, 3))  # of each helper, those on which its tool is the good one


class RecallWorld(NamedTuple):
    """How reliable helpers are; nobody is told.

    Args:
        values: plausible answers of a question.
        recalls: of a helper in an episode.
        familiarity: share of each degree of familiarity.
        memories: at each of them the share of each kind of memory: knows, misled, vague, blank.
        firmness: chance that a recall is what the memory holds, where it knows and where it is misled.
        tools: of a bad and of a good tool the share of each result: exact and right, exact and wrong, loose
            and right, loose and wrong, none.
    """

    values: int = 4
    recalls: int = 3
    familiarity: tuple[float, ...] = (0.30, 0.30, 0.40)
    memories: tuple[tuple[float, ...], ...] = (
        (0.22, 0.46, 0.22, 0.10),
        (0.50, 0.40, 0.10, 0.00),
        (0.95, 0.04, 0.01, 0.00),
    )
    firmness: tuple[float, float] = (0.90, 0.85)
    tools: tuple[tuple[float, ...], tuple[float, ...]] = (
        (0.08, 0.17, 0.05, 0.40, 0.30),
        (0.60, 0.12, 0.04, 0.12, 0.12),
    )


class Mind(NamedTuple):
    """A helper's memory of one question: its familiarity, its kind, and the lie where it is misled."""

    familiarity: int
    kind: int
    lie: int


class Lead(NamedTuple):
    """What a helper's tool finds for one question: how it matches, and the value (-1 for none)."""

    match: int
    value: int


class RecallQuestion(NamedTuple):
    """A question with all that is fixed of it.

    Args:
        id: unique within its split.
        text: the question; public.
        values: plausible answers of one word, each in a tuple of its own.
        topic: what it is about; public.
        truth: which of the values is right.
        minds: of each helper.
        leads: of each helper.
    """

    id: str
    text: str
    values: tuple[tuple[str, ...], ...]
    topic: str
    truth: int
    minds: tuple[Mind, ...]
    leads: tuple[Lead, ...]


RECALL_SPLITS = {"train": (0, 1600), "validation": (1600, 400), "test": (2000, 400)}  # first entity, how many


_BEGINNINGS = "Amb Brant Cald Dun Esk Farn Garr Hex Ing Jarr Kelb Morl".split()


_ENDINGS = "rey holm ford ley wick thorpe stow bury mere gate".split()


@lru_cache(maxsize=16)
def recall_questions(
    split: str = "train", size: int | None = None, seed: int = 0
) -> tuple[RecallQuestion, ...]:
    """The questions of a split, as many of each topic; no two splits share an entity.

    Args:
        split: "train", "validation" or "test".
        size: number of questions, a multiple of 4; by default 1600 for train and 400 for the others.
        seed: of the world, >= 0.
    """
    first, most, size = part_of(RECALL_SPLITS, split, size, seed)
    world = RecallWorld()
    last = [a + b for a in _BEGINNINGS for b in _ENDINGS]
    names = [f"{a} {b}" for a in GIVEN_NAMES for b in last]
    order = np.random.default_rng((seed, 2)).permutation(len(names))[first : first + most]
    rng = np.random.default_rng((seed, 3 + first))
    made = []
    for k, at in enumerate(order[:size]):
        t = k % len(TOPICS)
        topic = list(TOPICS)[t]
        asked, _, listed = TOPICS[topic]
        pool = listed.split()
        values = tuple((pool[i],) for i in rng.permutation(len(pool))[: world.values])
        truth = int(rng.integers(world.values))
        minds = tuple(_mind(world, truth, rng) for _ in GOOD_TOPICS)
        leads = tuple(_lead(world, truth, t in own, rng) for own in GOOD_TOPICS)
        text = asked.format(names[at])
        made.append(RecallQuestion(f"{split}-{seed}-{k}", text, values, topic, truth, minds, leads))
    return tuple(made)


def _other(world: RecallWorld, value: int, rng: np.random.Generator) -> int:
    return int((value + rng.integers(1, world.values)) % world.values)


def _mind(world: RecallWorld, truth: int, rng: np.random.Generator) -> Mind:
    familiarity = int(rng.choice(len(world.familiarity), p=world.familiarity))
    shares = world.memories[familiarity]
    return Mind(familiarity, int(rng.choice(len(shares), p=shares)), _other(world, truth, rng))


def _lead(world: RecallWorld, truth: int, good: bool, rng: np.random.Generator) -> Lead:
    shares = world.tools[good]
    result, wrong = int(rng.choice(len(shares), p=shares)), _other(world, truth, rng)
    if result == len(shares) - 1:
        return Lead(MATCHES.index("none"), -1)
    return Lead(result // 2, wrong if result % 2 else truth)


def recalled(world: RecallWorld, mind: Mind, truth: int, draws: Sequence[float]) -> tuple[int, ...]:
    """What comes to mind, one value for each of the even draws in [0, 1); nothing where the mind is blank."""
    if mind.kind == _BLANK:
        return ()
    held = mind.lie if mind.kind == _MISLED else truth
    chance = 1.0 / world.values if mind.kind == _VAGUE else world.firmness[mind.kind]
    found = []
    for draw in draws:
        value = held
        if draw >= chance:
            step = 1 + int((draw - chance) / (1.0 - chance) * (world.values - 1))
            value = (held + min(step, world.values - 1)) % world.values
        found.append(value)
    return tuple(found)


def majority(recalls: Sequence[int]) -> tuple[int, int]:
    """The value that comes up most often, the earliest of equals, and how often; (-1, 0) without recalls."""
    if not recalls:
        return -1, 0
    best = max(recalls, key=lambda value: (recalls.count(value), -recalls.index(value)))
    return best, recalls.count(best)


class Before(NamedTuple):
    """What a helper can go by before a search: familiarity, and how many recalls agree (0: none came)."""

    familiarity: int
    agreement: int


class After(NamedTuple):
    """What it has besides after one: the match, how many recalls say the same, whether its usual one does."""

    match: int
    agreeing: int
    usual: bool


Clue = tuple[int, ...]


class Information(NamedTuple):
    """All that a helper may know on a topic, with what is true then.

    Args:
        before_I, after_J: what it goes by, before a search (last 0 where nothing is recalled), and after one
            (first the match).
        chance_I, right_I: of being there; of being there and of its usual recall being right.
        parent_J: the position in `before_I` that each of `after_J` follows on.
        chance_J, right_J, found_J: of being there where it searches; and of its usual recall being right; and
            of the passage being right.
    """

    before_I: tuple[Clue, ...]
    after_J: tuple[Clue, ...]
    chance_I: Floats
    right_I: Floats
    parent_J: np.ndarray[tuple[int], np.dtype[np.intp]]
    chance_J: Floats
    right_J: Floats
    found_J: Floats

    @property
    def recalls_I(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether anything is recalled."""
        return np.array([point[-1] != 0 for point in self.before_I])

    @property
    def finds_J(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether a passage was found."""
        return np.array([point[0] != MATCHES.index("none") for point in self.after_J])


# How a helper may see less than there is: what is left of what it has before a search, and after one.
Sight = tuple[Callable[[Before], Clue], Callable[[After], Clue]]
SIGHTS: dict[str, Sight] = {
    "all": (lambda point: point, lambda point: point),
    "no-familiarity": (lambda point: (point.agreement,), lambda point: point),
    "no-self-knowledge": (
        lambda point: (int(point.agreement > 0),),
        lambda point: (point.match, point.usual),
    ),
}


@lru_cache(maxsize=64)
def information(world: RecallWorld, good: bool, sight: str = "all") -> Information:
    """What a helper may know where its tool is good or bad, by exact enumeration; value 0 is the truth.

    Args:
        world: how reliable helpers are.
        good: whether the tool is the good one there.
        sight: a name of `SIGHTS`.
    """
    before_of, after_of = SIGHTS[choose("sight", sight, SIGHTS)]
    before: dict[Clue, Floats] = {}
    after: dict[tuple[Clue, Clue], Floats] = {}
    rivals = range(1, world.values)
    leads = []
    for result, share in enumerate(world.tools[good]):
        if result == len(world.tools[good]) - 1:
            leads.append((Lead(MATCHES.index("none"), -1), share))
        elif result % 2:
            leads += [(Lead(result // 2, value), share / len(rivals)) for value in rivals]
        else:
            leads.append((Lead(result // 2, 0), share))
    for familiarity, kinds in enumerate(world.memories):
        for kind, share in enumerate(kinds):
            for recalls, chance in _recall_chances(world, kind):
                weight = world.familiarity[familiarity] * share * chance
                if weight == 0.0:
                    continue
                usual, agreement = majority(recalls)
                here = before_of(Before(familiarity, agreement))
                row = before.setdefault(here, np.zeros(2))
                row += weight * np.array([1.0, usual == 0])
                for lead, part in leads:
                    found = lead.value >= 0
                    shown = After(lead.match, recalls.count(lead.value), found and lead.value == usual)
                    there = after.setdefault((here, after_of(shown)), np.zeros(3))
                    there += weight * part * np.array([1.0, usual == 0, lead.value == 0])
    points = sorted(before, key=repr)
    follow = sorted(after, key=lambda pair: (points.index(pair[0]), repr(pair[1])))
    chance_I, right_I = np.array([before[point] for point in points]).T
    chance_J, right_J, found_J = np.array([after[pair] for pair in follow]).T
    parent_J = np.array([points.index(p) for p, _ in follow])
    seen = tuple(point for _, point in follow)
    return Information(tuple(points), seen, chance_I, right_I, parent_J, chance_J, right_J, found_J)


def _recall_chances(world: RecallWorld, kind: int) -> list[tuple[tuple[int, ...], float]]:
    """All recalls of a kind of memory whose truth is 0 and whose lie is 1, with their chances."""
    if kind == _BLANK:
        return [((), 1.0)]
    chance_V = np.full(world.values, 1.0 / world.values)
    if kind != _VAGUE:
        chance_V[:] = (1.0 - world.firmness[kind]) / (world.values - 1)
        chance_V[int(kind == _MISLED)] = world.firmness[kind]
    listed = product(range(world.values), repeat=world.recalls)
    return [(recalls, float(np.prod(chance_V[list(recalls)]))) for recalls in listed]
