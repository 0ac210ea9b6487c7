"""A stated vocabulary: what counts, what arrives, and that no text carries more than its words can."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_env import ClarifyError
from clarify_env.games.pingeval.chess import CHESS_WORDS
from clarify_env.games.pingeval.names import NAME_WORDS
from clarify_env.vocabulary import Vocabulary

WORDS = st.sampled_from(NAME_WORDS.words)
FREE = st.text(
    "\u200b\u2060\u00ad\u0301\u20dd\t .,;!?-_'\u2019\u00a0\u3000\U0001f600\u202e\ufe0f", max_size=6
)


@pytest.mark.parametrize(
    ("text", "read", "count"),
    [
        ("Ada Oslo", ("Ada", "Oslo"), 2),
        ("ada-OSLO; pi\u00adlot!", ("Ada", "Oslo", "pilot"), 3),
        ("\uff21\uff44\uff41", ("Ada",), 1),
        ("AdaOslo", ("adaoslo",), 7),
        ("is it Ada?", ("is", "it", "Ada"), 3),
        ("isn't", ("isnt",), 1),
        ("7 99", ("7", "99"), 2),
        ("100", ("100",), 3),
        ("007", ("007",), 3),
        ("5m", ("5m",), 2),
        ("9" * 30, ("9" * 30,), 30),
        ("M\u00e1laga", ("malaga",), 6),
        ("\u6771\u4eac", ("\ufffd\ufffd",), 2),
        ("\u00b2", ("2",), 1),
        ("\u0663", ("\ufffd",), 1),
        ("!?", (), 0),
        ("\U0001f600", (), 0),
        ("", (), 0),
    ],
)
def test_what_is_read_and_what_it_costs(text, read, count):
    assert NAME_WORDS.read(text) == read
    assert NAME_WORDS.count(text) == count


@given(st.text())
def test_what_is_heard_is_read_as_itself_and_made_of_counted_symbols_alone(text):
    for vocabulary in (NAME_WORDS, CHESS_WORDS):
        heard = vocabulary.heard(text)
        assert vocabulary.heard(heard) == heard
        assert vocabulary.count(heard) == vocabulary.count(text)
        known = set(vocabulary.words)
        spelled = [word for word in heard.split() if word not in known]
        assert set("".join(spelled)) <= set("abcdefghijklmnopqrstuvwxyz0123456789\ufffd")
        assert vocabulary.count(text) == len(heard.split()) - len(spelled) + len("".join(spelled))


@given(st.lists(WORDS, min_size=1, max_size=5), st.data())
def test_what_costs_nothing_tells_nothing(words, data):
    """Case, signs, spaces of every kind and marks: whatever is done with them, the same arrives."""
    plain = " ".join(words)
    styled = " ".join(word.upper() if data.draw(st.booleans()) else word.swapcase() for word in words)
    signs = "".join(f"{word} {data.draw(FREE)} " for word in styled.split())
    for text in (styled, signs, data.draw(FREE) + " " + plain):
        assert NAME_WORDS.heard(text) == plain
        assert NAME_WORDS.count(text) == len(words)


def test_so_many_words_are_told_apart_at_most():
    """All texts of a small alphabet, by force: as few are heard as the bits of their words allow."""
    small = Vocabulary(["ab", "b"])
    signs = "ab1B -\u0301\u6771"
    heard = {}
    for length in range(6):
        for letters in product(signs, repeat=length):
            text = "".join(letters)
            heard.setdefault(small.count(text), set()).add(small.heard(text))
    assert len(heard[1]) > 3
    told = 0
    for count in range(4):
        told += len(heard[count])
        assert math.log2(told) <= small.bits(count)


@pytest.mark.parametrize("vocabulary", [NAME_WORDS, CHESS_WORDS])
def test_the_bits_of_words_add_up_and_begin_with_none(vocabulary):
    each = math.log2(vocabulary.symbols)
    assert vocabulary.bits(0) == pytest.approx(0.0, abs=1e-12)
    assert vocabulary.bits(1) == pytest.approx(math.log2(1 + vocabulary.symbols))
    assert vocabulary.bits(1000) == pytest.approx(1000 * each, abs=0.01)


@pytest.mark.parametrize("word", ["two words", "a-b", "", "\u6771"])
def test_a_word_that_is_not_one_is_refused(word):
    with pytest.raises(ClarifyError, match="a word of a vocabulary has letters"):
        Vocabulary([word])
