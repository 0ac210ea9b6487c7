"""`pingeval-names-v0`: each partner holds a table of people, and one record stands in both; which one?

Every table has as many people, with different names; each has a city, a job, a hobby and a pet, drawn evenly.
Besides the shared record, `decoys` people have their name in both tables but differ there in exactly one
attribute. All other names stand in one table only, so that names alone leave 1 + decoys candidates.

Given its own table, each of a partner's N records is the shared one with probability exactly 1/N, so that
nobody can name it with certainty who has not been told log2(N) bits, and who was told b bits is right with
probability 2^b / N at most (`NameGame.limit`). What a number of words can tell at most says the game's
`Vocabulary`: `NAME_WORDS` holds the entries of tables, the columns, function words and numbers below 100.

Version history: v0, first version.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import Space

from clarify_env.costs import CostSampler
from clarify_env.data import SPLITS, split_size
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.games.pingeval.game import PLAYERS, SHARED_WORDS, Deal, Generated, PartnerGame, State
from clarify_env.spaces import Records
from clarify_env.vocabulary import Vocabulary

FIRST_NAMES = """
    Ada Amir Anya Arlo Bela Boris Carla Cato Dara Diego Edda Ezra Fay Felix Gita Goran Hana Hugo Ida Igor
    Ines Ivan Jana Jorge Kaya Kofi Lara Lars Leila Luca Maja Marco Mina Milo Nadia Nils Nora Omar Oona Otto
    Pia Pablo Rana Remy Rosa Ruben Saba Sami Selma Sven Tara Theo Ulla Umar Vera Viktor Wanda Willem Xenia
    Yara Yusuf Zara Zeno Zoe
""".split()


COLUMNS: dict[str, tuple[str, ...]] = {
    "city": tuple(
        """Accra Bergen Cairo Dakar Essen Florence Geneva Hanoi Izmir Jakarta Kyoto Lima Madrid Nairobi
        Oslo Porto""".split()
    ),
    "job": tuple(
        """actor baker clerk dentist engineer farmer gardener hunter judge lawyer miner nurse
        painter pilot tailor writer""".split()
    ),
    "hobby": tuple("archery bowling chess dancing fishing knitting rowing sailing".split()),
    "pet": tuple("cat dog parrot turtle".split()),
}


# What the tables hold, and what is said about them.
_ABOUT = ("name", *COLUMNS, *"record records table tables person people".split())
NAME_WORDS = Vocabulary(
    (*FIRST_NAMES, *(value for values in COLUMNS.values() for value in values), *_ABOUT, *SHARED_WORDS)
)


_SIZES = (9, 16, 25)


class Record(NamedTuple):
    """A record of a table; each entry is one word."""

    name: str
    city: str
    job: str
    hobby: str
    pet: str


Table = tuple[Record, ...]


class Tables(NamedTuple):
    """A task: the two tables; the person at `shared[k]` of table k stands in both."""

    id: str
    tables: tuple[Table, Table]
    shared: tuple[int, int]


def _people(rng: np.random.Generator, names: Sequence[str]) -> list[Record]:
    columns = [rng.integers(len(values), size=len(names)) for values in COLUMNS.values()]
    return [
        Record(name, *(v[i] for v, i in zip(COLUMNS.values(), row, strict=True)))
        for name, *row in zip(names, *columns, strict=True)
    ]


def _decoy(rng: np.random.Generator, of: Record) -> Record:
    """The person with another value of one attribute."""
    names = list(COLUMNS)
    which = names[int(rng.integers(len(names)))]
    values = [value for value in COLUMNS[which] if value != getattr(of, which)]
    return of._replace(**{which: values[int(rng.integers(len(values)))]})


def generate_tables(rng: np.random.Generator, id: str, records: int, decoys: int) -> Tables:
    """Two tables, drawn with `rng`."""
    drawn = [FIRST_NAMES[i] for i in rng.permutation(len(FIRST_NAMES))]
    left = _people(rng, drawn[:records])
    own = left[1 + decoys :]
    right = [left[0], *(_decoy(rng, p) for p in left[1 : 1 + decoys])]
    right += _people(rng, drawn[records : records + len(own)])
    orders = [rng.permutation(records).tolist() for _ in PLAYERS]
    tables = [tuple(table[i] for i in order) for table, order in zip((left, right), orders, strict=True)]
    return Tables(id, (tables[0], tables[1]), (orders[0].index(0), orders[1].index(0)))


def _as_if(person: Record, old: Record, new: Record) -> Record:
    """A decoy of `new` as the decoy of `old`: attributes that differed still differ, by as much."""
    values = {}
    for name, domain in COLUMNS.items():
        at, a, b = (domain.index(getattr(who, name)) for who in (person, new, old))
        values[name] = domain[(at - a + b) % len(domain)]
    return Record(old.name, **values)


def relabelled(task: Tables, player: str, shared: int) -> Tables:
    """The task in which this partner has the same table but shares the record at another position.

    The old and the new shared record change their roles in the other table. The generator draws both tasks
    with the same probability.
    """
    me = PLAYERS.index(player)
    own, other = task.tables[me], task.tables[1 - me]
    old, new = own[task.shared[me]], own[shared]
    if old == new:
        return task
    changed = tuple(
        new if p.name == old.name else _as_if(p, old, new) if p.name == new.name else p for p in other
    )
    tables, positions = (own, changed), (shared, task.shared[1 - me])
    if me:
        return Tables(task.id, (changed, own), (positions[1], shared))
    return Tables(task.id, tables, positions)


class NameGame(PartnerGame):
    """Rules of the game; `PartnerGame` has the arguments."""

    family: ClassVar[str] = "pingeval-names"
    options: ClassVar[tuple[str, ...]] = ("task", "shared", "costs")
    entry: ClassVar[str] = "table"
    vocabulary: ClassVar[Vocabulary] = NAME_WORDS
    question: ClassVar[str] = "Which person stands in both tables with the same record?"

    def draw(self, task: Tables, draws: tuple[float, float], options: Mapping[str, Any]) -> Deal:
        """The tables; `options["shared"]` lists (player, position) by which they are relabelled, in order."""
        changes = tuple((player, at) for player, at in self._changes(options.get("shared", ())))
        for player, at in changes:
            task = relabelled(task, player, at)
        answer = task.tables[0][task.shared[0]].name
        return Deal(task.id, task.tables, answer, {"shared": [list(change) for change in changes]})

    def _changes(self, given: Any) -> list[tuple[str, int]]:
        changes = []
        for change in given:
            player, at = change if isinstance(change, Sequence) and len(change) == 2 else (None, None)
            most = len(self.tasks[0].tables[0])
            if player not in PLAYERS or not isinstance(at, (int, np.integer)) or not 0 <= at < most:
                raise ClarifyError(
                    f"options['shared']={given!r}: a list of (player, position), such as [('left', 0)]; "
                    f"a table has {most} records"
                )
            changes.append((player, int(at)))
        return changes

    def limit(self, bits: float) -> float:
        """The accuracy that no partner exceeds who was told so many bits."""
        return min(1.0, math.exp2(bits) / len(self.tasks[0].tables[0]))

    def view_space(self) -> Space[Any]:
        """Tuples of people."""
        return Records(Record)

    def written(self, view: Table) -> str:
        """One person a line."""
        return "\n".join(", ".join(person) for person in view)

    def alternatives(self, state: State, player: str) -> list[tuple[State, float]]:
        """For each own record the state in which it is the shared one, equally likely.

        There are more tables that the other could hold; these differ in what the player has to find out.
        """
        changes = [tuple(change) for change in state.pair.drawn["shared"]]
        if changes and changes[-1][0] == player:
            del changes[-1]
        task = self.task(state.pair.id)
        count = len(task.tables[0])
        pairs = [self.draw(task, (0.0, 0.0), {"shared": [*changes, (player, k)]}) for k in range(count)]
        return [(state._replace(pair=pair), 1.0 / count) for pair in pairs]

    def plant(self, state: State) -> tuple[State, Mapping[str, Sequence[str]]]:
        """Marked people: a partner may see those of its own table."""
        marked = [
            tuple(
                Record(*(f"planted {player} {k} {name}" for name in Record._fields)) for k in range(len(view))
            )
            for player, view in zip(PLAYERS, state.pair.views, strict=True)
        ]
        pair = state.pair._replace(views=(marked[0], marked[1]), answer=marked[0][0].name)
        hidden = {
            player: [text for person in view for text in person]
            for player, view in zip(PLAYERS, marked[::-1], strict=True)
        }
        return state._replace(pair=pair), hidden


def table_bits(records: int) -> float:
    """The information of a table, in whatever order its people stand."""
    values = math.prod(len(domain) for domain in COLUMNS.values())
    return math.log2(math.comb(len(FIRST_NAMES), records)) + records * math.log2(values)


def make_names(
    costs: CostSampler,
    records: int = 16,
    decoys: int | None = None,
    turns: int = 8,
    budget: int = 128,
    split: str = "train",
    size: int | None = None,
    world: int = 0,
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`pingeval-names-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        records: people of a table: 9, 16 or 25.
        decoys: people of the same name but another attribute in the other table, 0 to records - 1; by
            default a quarter of the records, rounded down.
        turns: messages that each partner may send, >= 1.
        budget: words that each partner may send, spread evenly over its messages.
        split: "train", "validation" or "test"; no two share their draws.
        size: number of tasks, >= 1; by default 2,000 for train and 500 for the others.
        world: seed of the world, >= 0.
        render_mode: None or "ansi".
    """
    if records not in _SIZES:
        raise ClarifyError(f"records={records!r}: a table has 9, 16 or 25 people")
    decoys = records // 4 if decoys is None else decoys
    if not isinstance(decoys, int) or not 0 <= decoys < records:
        raise ClarifyError(f"decoys={decoys!r}: a whole number from 0 to {records - 1}")
    size = split_size(split, size, world)

    def make(at: int) -> Tables:
        rng = np.random.default_rng((world, SPLITS[split], records, decoys, at))
        return generate_tables(rng, f"{split}-{world}-{at}", records, decoys)

    game = NameGame(Generated(make, size), costs, turns, budget)
    return GameEnv(game, "pingeval-names-v0", render_mode=render_mode)
