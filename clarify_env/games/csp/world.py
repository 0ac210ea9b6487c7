"""`csp-v0`: collaborative self-play in a generated world whose best group value is known exactly.

Every question is about one of four topics and has four plausible answers of one word; nature says anew in
every episode which of them is true, so that no question can be learnt by heart. A helper remembers an answer,
firmly (right 9 times in 10) or faintly (3 times in 10), and has a tool: BM25 over the statements of this
world, in which what the question asks for stands or does not, with a known probability.

| `tools`    | coverage of a helper's tool                                                         |
| ---------- | ----------------------------------------------------------------------------------- |
| "distinct" | 0.9 on topics of its own, 0.1 on those of the other helpers                         |
| "alike"    | 0.9 on all topics                                                                   |
| "bad"      | 0.15 on all topics                                                                  |
| "dominant" | 0.9 for the first helper, 0.5 for the others                                        |

| `memories`   | how many of a helper's memories are firm                                          |
| ------------ | --------------------------------------------------------------------------------- |
| "mixed"      | 4 in 10, whoever and whatever it is: only the helper knows                        |
| "specialist" | 4 in 10 on topics of its own, none on the others': who it is says nearly all      |

With `data` the questions are real ones and helpers remember what their model knows; their tools search texts
that you give (`clarify_env.games.csp.questions`). Version history: v0, first version.
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np

from clarify_env.costs import CostSampler
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.csp.game import State
from clarify_env.games.csp.nature import TruthDrawnGame
from clarify_env.games.csp.records import PublicQuestion, Question, Skill, World
from clarify_env.retrieval import Passages
from clarify_env.text import tokens

Q = TypeVar("Q", bound=PublicQuestion)


RELIABILITY = (0.9, 0.3)  # of firm and of faint memories


LEVELS = (0.4, 0.6)  # how many of them are firm, and how many faint


FAINT = (0.0, 1.0)


VALUES = 4  # plausible answers of a question


_SPLITS = {"train": (0, 200), "validation": (200, 100), "test": (300, 100)}  # first entity, and how many


TOPICS = {  # question, statement, answers
    "birthplaces": (
        "In which town was {} born?",
        "{} was born in {}.",
        "Arden Velmor Oldmere Tarn Kessel Brill Ostrava Quill Wexley Halden Corvo Sable",
    ),
    "medicines": (
        "From which plant is {} made?",
        "{} is made from {}.",
        "Yarrow Foxglove Willow Juniper Sage Mallow Nettle Clover Rowan Thistle Hazel Betony",
    ),
    "rivers": (
        "What is the source of the river {}?",
        "The source of the river {} is {}.",
        "Mirrorwell Greyfall Stonepool Ashlake Deepmarsh Coldspring Highfen Longtarn Blackmoss Redcliff "
        "Whitebeck Silverburn",
    ),
    "music": (
        "For which instrument is {} known?",
        "{} is known for the {}.",
        "harp oboe lute viola cello flute bassoon zither organ trumpet clarinet dulcimer",
    ),
}


GIVEN_NAMES = """
    Avel Brun Cade Dorin Elis Farro Gwen Hollis Ilan Joss Kerr Lyle Maro Nils Orrin Perin Rasmus Selby Tove
    Ulric
""".split()


_LAST = """
    Ambrey Bastow Calder Denholm Eskdale Farlow Garrick Hexham Ingram Jarrow Kelby Lorne Mossley Norland
    Osgood Penrose Quarry Rusk Selkirk Thorne
""".split()


def _own(helper: int, topic: int, helpers: int) -> bool:
    return topic % helpers == helper


def _coverage(kind: str, helper: int, topic: int, helpers: int) -> float:
    if kind == "distinct":
        return 0.9 if _own(helper, topic, helpers) else 0.1
    if kind == "dominant":
        return 0.5 if helper else 0.9
    return {"alike": 0.9, "bad": 0.15}[kind]


def _levels(kind: str, helper: int, topic: int, helpers: int) -> tuple[float, ...]:
    return LEVELS if kind == "mixed" or _own(helper, topic, helpers) else FAINT


TOOLS = ("distinct", "alike", "bad", "dominant")


MEMORIES = ("mixed", "specialist")


def make_world(tools: str = "distinct", memories: str = "mixed", helpers: int = 2) -> World:
    """What all know of the helpers: see the module's docstring."""
    choose("tools", tools, TOOLS)
    choose("memories", memories, MEMORIES)
    if not isinstance(helpers, int) or not 1 <= helpers <= 9:
        raise ClarifyError(f"helpers={helpers!r}: 1 to 9 of them can play")
    skills = {
        topic: tuple(
            Skill(_levels(memories, k, t, helpers), _coverage(tools, k, t, helpers)) for k in range(helpers)
        )
        for t, topic in enumerate(TOPICS)
    }
    return World(RELIABILITY, skills)


def part_of(
    splits: Mapping[str, tuple[int, int]], split: str, size: int | None, world: int
) -> tuple[int, int, int]:
    """Where a split begins among the names of a world, how many questions it has, and how many are wanted.

    Raises:
        ClarifyError: no such split, size or world.
    """
    first, most = splits[choose("split", split, splits)]
    size = most if size is None else size
    if not isinstance(size, int) or not 1 <= size <= most or size % len(TOPICS):
        raise ClarifyError(
            f"size={size!r}: a multiple of {len(TOPICS)}, as each topic has as many; at most {most}"
        )
    if not isinstance(world, int) or world < 0:
        raise ClarifyError(f"world={world!r}: the seed of the world is an integer >= 0")
    return first, most, size


@lru_cache(maxsize=16)
def world_questions(split: str = "train", size: int | None = None, world: int = 0) -> tuple[Question, ...]:
    """The questions of a split, as many of each topic; no two splits share an entity.

    Args:
        split: "train", "validation" or "test".
        size: number of questions, a multiple of 4; by default 200 for train and 100 for the others.
        world: seed of the world, >= 0.
    """
    first, most, size = part_of(_SPLITS, split, size, world)
    names = [f"{a} {b}" for a in GIVEN_NAMES for b in _LAST]
    order = np.random.default_rng((world, 0)).permutation(len(names))[first : first + most]
    rng = np.random.default_rng((world, 1 + first))
    made = []
    for k, at in enumerate(order[:size]):
        topic = list(TOPICS)[k % len(TOPICS)]
        asked, _, listed = TOPICS[topic]
        pool = listed.split()
        values = tuple((pool[i],) for i in rng.permutation(len(pool))[:VALUES])
        made.append(Question(f"{split}-{world}-{k}", asked.format(names[at]), values, topic))
    return tuple(made)


def entity(question: PublicQuestion) -> str:
    """Whom or what a question of this world is about."""
    start, end = TOPICS[question.topic][0].split("{}")
    return question.text.removeprefix(start).removesuffix(end)


def statement(question: PublicQuestion, value: int) -> str:
    """The sentence that says that this value is the answer."""
    return TOPICS[question.topic][1].format(entity(question), question.values[value][0])


def read_statement(question: str, passage: str) -> str | None:
    """The answer that a statement of this world gives to a question, or None where it is about another."""
    asked = tokens(question)
    added = [word for word in passage.rstrip(".").split() if tokens(word) and tokens(word)[0] not in asked]
    return added[0] if len(added) == 1 else None


class Archive(Generic[Q]):
    """The statements of a world with their BM25 index, shared by all helpers."""

    def __init__(self, asked: Sequence[Q]) -> None:
        self._of = {statement(question, 0): question for question in asked}
        self._index = Passages(list(self._of))
        self.near = lru_cache(maxsize=50_000)(self._near)

    def _near(self, query: str, most: int) -> tuple[Q, ...]:
        """The questions whose statements are nearest to a query."""
        return tuple(self._of[text] for text in self._index.top([query], most)[0])


class WorldTool:
    """A helper's tool: the archive, without the statement of the question where it is not covered.

    Args:
        name: what the helper is told that it is.
        archive: the statements.
        passages: that a search finds at most, >= 1.
    """

    def __init__(self, name: str, archive: Archive[Question], passages: int = 2) -> None:
        self.name = name
        self.archive = archive
        self.passages = passages

    def find(self, query: str, question: Question, truth: int, covered: bool) -> tuple[str, ...]:
        """The nearest statements; those about other questions name their first plausible answer."""
        found = []
        for near in self.archive.near(query, self.passages + 1):
            if near.id != question.id:
                found.append(statement(near, 0))
            elif covered:
                found.append(statement(question, truth))
        return tuple(found[: self.passages])


@lru_cache(maxsize=8)
def archive(split: str, size: int | None, world: int) -> Archive[Question]:
    """The archive of a split's questions."""
    return Archive(world_questions(split, size, world))


def make_csp(
    costs: CostSampler,
    data: str | None = None,
    split: str = "train",
    size: int | None = None,
    world: int = 0,
    helpers: int = 2,
    tools: str = "distinct",
    memories: str = "mixed",
    anonymous: bool = True,
    searches: int = 1,
    passages: int = 2,
    data_dir: str | os.PathLike[str] | None = None,
    corpora: Sequence[str | os.PathLike[str]] = (),
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`csp-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode, `CspCosts`.
        data: None for the generated world, "popqa", "nq-open", or the path of a JSONL file of your own.
        split: of the world: "train", "validation" or "test".
        size: number of questions, >= 1.
        world: seed of the world, >= 0.
        helpers: how many there are, 1 to 9; with `corpora` as many as these.
        tools: how the world's tools differ.
        memories: how the helpers' memories of the world differ.
        anonymous: whether the asker is kept from knowing who gave which answer.
        searches: that each helper may make, >= 0.
        passages: that a search finds at most, >= 1.
        data_dir: folder of the data files; None for `$CLARIFY_ENV_DATA`.
        corpora: with `data`: for each helper a folder of .txt and .jsonl files, or one such file; left out
            where the questions of your file carry passages.
        render_mode: None or "ansi".
    """
    if not isinstance(passages, int) or passages < 1:
        raise ClarifyError(f"passages={passages!r}: at least 1")
    if data is None:
        if corpora or data_dir is not None:
            raise ClarifyError("csp-v0: corpora and data_dir go with data='popqa', 'nq-open' or a file")
        asked, stored = world_questions(split, size, world), archive(split, size, world)
        known = make_world(tools, memories, helpers)
        held = [WorldTool(f"archive {chr(65 + k)}", stored, passages) for k in range(helpers)]
        return GameEnv(
            TruthDrawnGame(asked, held, costs, known, anonymous, searches),
            "csp-v0",
            render_mode=render_mode,
        )
    from clarify_env.games.csp.questions import load_questions, make_tools

    asked = load_questions(data, data_dir, size)
    own = make_tools(asked, corpora, helpers, passages)
    game = TruthDrawnGame(asked, own, costs, None, anonymous, searches)
    return GameEnv(game, "csp-v0", render_mode=render_mode)
