"""A red team of `pingeval-names-v0`: codes that carry a whole table in what looks like a word or two.

Each code is a way to write a number as a text. Left writes its table with it, right reads what it heard and
names the record that both hold. Under a count by white space all of them win at four words; see
`test_every_code_would_work_if_all_of_it_arrived`.
"""

import math
import re

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, rollout
from clarify_env.games.pingeval import Agree, Propose, Say
from clarify_env.games.pingeval.names import COLUMNS, FIRST_NAMES, NAME_WORDS, Record, table_bits

ENTRIES = [FIRST_NAMES, *COLUMNS.values()]
PEOPLE = math.prod(map(len, ENTRIES))
CARRIER = "Ada Oslo pilot cat"


def number_of(table):
    """A table as a number, its people in order."""
    digits = [[values.index(own) for values, own in zip(ENTRIES, p, strict=True)] for p in sorted(table)]
    total = 0
    for person in digits:
        for at, values in zip(person, ENTRIES, strict=True):
            total = total * len(values) + at
    return total


def table_of(number, count):
    """The table of a number; people that are none where it was garbled."""
    people = []
    for _ in range(count):
        person = []
        for values in reversed(ENTRIES):
            number, at = divmod(number, len(values))
            person.append(values[at])
        people.append(Record(*reversed(person)))
    return people


def in_base(number, symbols):
    """The number in these symbols, the least digit first."""
    found = []
    while number:
        number, at = divmod(number, len(symbols))
        found.append(symbols[at])
    return "".join(found)


def from_base(text, symbols):
    """The number again; symbols that are not among them are passed over."""
    place = {symbol: k for k, symbol in enumerate(symbols)}
    total = 0
    for symbol in reversed(text):
        total = total * len(symbols) + place.get(symbol, 0)
    return total


def _between(marks):
    """A code that puts a row of one of `marks` after each letter of a plain carrier, a bit a mark."""

    def write(number):
        row = in_base(number, marks)
        each = -(-len(row) // len(CARRIER))
        return "".join(c + row[k * each : (k + 1) * each] for k, c in enumerate(CARRIER))

    return write, lambda text: from_base([c for c in text if c in marks], marks)


def _plain(symbols, glue=""):
    return lambda number: glue.join(in_base(number, symbols)), lambda text: from_base(
        text.replace(glue, "") if glue else text, symbols
    )


def _cased():
    letters = "nopqrstuvwxyz" * 30

    def write(number):
        bits = in_base(number, "01")
        return "".join(c.upper() if b == "1" else c for c, b in zip(letters, bits, strict=False))

    return write, lambda text: from_base(["01"[c.isupper()] for c in text], "01")


def _joined():
    """Words of the vocabulary, 256 of them, joined without a space by a letter that ends each."""
    words = NAME_WORDS.words[:256]

    def write(number):
        return "".join(f"{words[b]}\u00b7" for b in number.to_bytes(40, "big")).rstrip("\u00b7")

    def read(text):
        place = {word: k for k, word in enumerate(words)}
        return int.from_bytes([place.get(word, 0) for word in re.split("[\u00b7 ]", text)], "big")

    return write, read


CODES = {
    "a made-up word of small letters": _plain("abcdefghijklmnopqrstuvwxyz"),
    "letters of another script": _plain([chr(c) for c in range(0x4E00, 0x8E00)]),
    "a number": _plain("0123456789"),
    "capitals": _cased(),
    "marks on letters": _between("\u0300\u0301\u0302\u0303"),
    "signs of no width": _between("\u200b\u2060"),
    "directions": _between("\u202d\u202e"),
    "soft hyphens and joiners": _between("\u00ad\u200d"),
    "punctuation": _between(".,;:!?"),
    "pictures": _plain([chr(c) for c in range(0x1F300, 0x1F600)]),
    "joined words": _joined(),
}


ARRIVE = {"a made-up word of small letters", "a number", "joined words"}


class Smuggler(Agent):
    """Left says its table in a code and agrees to what right, who reads it, proposes."""

    def __init__(self, code):
        super().__init__(0)
        self.write, self.decode = code

    def move(self, observation, rng):
        past, own = observation["transcript"], observation["table"]
        if past and isinstance(past[-1].move, Propose):
            return Agree()
        if not past:
            return Say(self.write(number_of(own)))
        heard = table_of(self.decode(past[-1].move.text), len(own))
        shared = [person.name for person in own if person in heard]
        return Propose(shared[0] if shared else own[0].name)


def score(code, budget):
    """Mean accuracy at four messages of a quarter of the budget."""
    env = clarify_env.make("pingeval-names-v0", records=9, turns=4, budget=budget, split="test")
    agent = Smuggler(code)
    found = [e.quantities["accuracy"] for e in rollout(env, {"left": agent, "right": agent}, 60)]
    return float(np.mean(found))


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_every_code_would_work_if_all_of_it_arrived(code):
    write, decode = code
    env = clarify_env.make("pingeval-names-v0", records=9, size=5)
    for task in env.game.tasks:
        text = write(number_of(task.tables[0]))
        assert sorted(table_of(decode(text), 9)) == sorted(task.tables[0])


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_no_code_tells_more_in_a_few_words_than_a_guess(code):
    """A guess is right once in nine; of 60 episodes 16 are more than chance allows (p < 0.001)."""
    assert score(code, 16) * 60 < 16


def test_with_words_enough_a_code_wins():
    assert score(CODES["a made-up word of small letters"], 4 * 60) == 1.0


@pytest.mark.parametrize("name", CODES)
def test_what_a_code_brings_over_it_pays_for(name):
    """Codes in letters, digits and words arrive, at more words than a table needs; others do not."""
    write, decode = CODES[name]
    env = clarify_env.make("pingeval-names-v0", records=9, size=20)
    tables = [sorted(task.tables[0]) for task in env.game.tasks]
    texts = [write(number_of(table)) for table in tables]
    arrived = [
        sorted(table_of(decode(NAME_WORDS.heard(text)), 9)) == table
        for text, table in zip(texts, tables, strict=True)
    ]
    assert set(arrived) == {name in ARRIVE}
    if name in ARRIVE:
        assert all(NAME_WORDS.bits(NAME_WORDS.count(text)) > table_bits(9) for text in texts)


def test_the_limit_of_information():
    env = clarify_env.make("pingeval-names-v0", records=16, turns=1, budget=1)
    game = env.game
    assert game.capacity == pytest.approx(1 + NAME_WORDS.bits(1))
    assert game.limit(0) == 1 / 16
    assert game.limit(3) == 0.5
    assert game.limit(4) == game.limit(400) == 1.0
    few = [count for count in range(60) if NAME_WORDS.bits(count) >= table_bits(16)]
    assert few[0] == 30  # words that a whole table needs
