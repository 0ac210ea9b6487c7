"""Words, tokens and token F1 against values computed by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clarify_env
from clarify_env.agents.clarification.human import Human
from clarify_env.data import read_json
from clarify_env.games.clarification import Ask
from clarify_env.retrieval import Passages
from clarify_env.text import best_f1, clean, exact_match, overlap, stems, token_f1, tokens, words
from clarify_env.trainers.reporting.playground import read_task

texts = st.text(st.sampled_from("abtheANxy .,'-é東\n"), max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Port of Arden.", ("port", "of", "arden")),
        ("An apple a day", ("apple", "day")),
        ("U.S.A.", ("usa",)),
        ("don't  stop", ("dont", "stop")),
        ("twenty-one", ("twentyone",)),
        ("Theatre banana", ("theatre", "banana")),
        ("A.N. Other", ("other",)),
        ("12,000 (1999)", ("12000", "1999")),
        ("Málaga 東京", ("málaga", "東京")),
        ("the a an", ()),
        (" ?! ", ()),
        ("", ()),
    ],
)
def test_squad_normalisation(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        ("Port Arden", "port arden!", 1.0),
        ("Arden", "Port Arden", 2 / 3),  # precision 1, recall 1/2
        ("New Port Arden", "Port Arden", 4 / 5),  # precision 2/3, recall 1
        ("in Oslo or Bergen", "Oslo", 2 / 5),
        ("Arden Port", "Port Arden", 1.0),  # a bag of tokens
        ("go go go", "go go", 4 / 5),  # two copies count, the third does not
        ("go", "go go", 2 / 3),
        ("Oslo", "Bergen", 0.0),
        ("the", "Oslo", 0.0),
    ],
)
def test_token_f1(text, gold, expected):
    assert token_f1(text, gold) == pytest.approx(expected)


@given(texts, texts)
def test_f1_is_symmetric_and_bounded(a, b):
    assert token_f1(a, b) == token_f1(b, a)
    assert 0.0 <= token_f1(a, b) <= 1.0
    assert (token_f1(a, b) == 1.0) == (sorted(tokens(a)) == sorted(tokens(b)))


@given(texts)
def test_tokens_are_never_more_than_words(text):
    assert len(tokens(text)) <= words(text)
    assert tokens(" ".join(tokens(text))) == tokens(text)


def test_overlap_counts_copies():
    assert overlap(("a", "b", "b"), ("b", "b", "c")) == 2
    assert overlap(("b",), ("b", "b")) == overlap(("b", "b"), ("b",)) == 1
    assert overlap((), ("b",)) == 0


def test_the_best_alias_counts():
    assert best_f1("Arden", ["Oslo", "Port Arden", "Arden"]) == 1.0
    assert best_f1("Arden", ["Oslo", "Port Arden"]) == pytest.approx(2 / 3)
    assert best_f1("Arden", []) == 0.0


def test_an_empty_answer_scores_nothing():
    for empty in ("", " ", "\n"):
        assert best_f1(empty, ["the", "Oslo"]) == 0.0
        assert exact_match(empty, ["the", "Oslo"]) == 0.0


def test_exact_match():
    assert exact_match("The Port", ["Oslo", "port."]) == 1.0
    assert exact_match("Arden Port", ["Port Arden"]) == 0.0


SPELLED = {
    "Port Arden": 2, "  one two\tthree\n": 3, "": 0, " \u200b": 1, "!!!": 1, "\u2014 x": 2,
    "don't": 1, "O\u2019Neill": 1, "U.S.": 1, "Washington, D.C.": 2, "1,496.5": 1, "3:45": 1, "20%": 1,
    "2nd": 1, "1960s": 1, "-3.2%": 1, "M\u00e1laga": 1, "Ma\u0301laga": 1,
    "\u0928\u092e\u0938\u094d\u0924\u0947": 1,
    # what is joined is read apart
    "Port-Arden": 2, "Port\u2013Arden": 2, "Port/Arden": 2, "Port,Arden": 2, "Port.Arden": 2, "Port_Arden": 2,
    "Port\u3000Arden": 2, "Port\u00a0Arden": 2, "Port\u200bArden": 2, "Port\u2060Arden": 2, "a:b;c": 3,
    "1,496.5million": 2, "5m": 2, "5 m": 2, "5percent": 2, "2.5;3.5": 2,
    # what no reader takes for a word counts by its length
    "x" * 45: 3, "#" * 45: 3, "\u6771\u4eac\u90fd\u5e81": 2,
}  # fmt: skip


@pytest.mark.parametrize("text", SPELLED)
def test_words_are_what_a_reader_reads(text):
    assert words(text) == SPELLED[text]


@given(st.text())
def test_there_are_never_fewer_words_than_between_spaces_nor_than_tokens(text):
    assert words(text) >= max(len(text.split()), len(tokens(text)))
    assert words(f"{text} {text}") <= 2 * words(text) + 1


@given(st.text("ab1-/\u2013\u201c\u20ac\x1b .'\u200b\u2060\u00a0\u3000\u00ad\u0301km\u6771", max_size=20))
def test_no_more_is_understood_than_is_counted(text):
    assert words(text) >= max(len(stems(text)), len(tokens(text)))


UNCLEAN = "apple\ud83d b\x00"


def test_text_from_outside_is_cleaned_at_every_door(tmp_path):
    wanted = "apple\ufffd b\ufffd"
    assert clean(UNCLEAN) == wanted
    assert clean("A plain text: \U0001f600, \u00e9.") == "A plain text: \U0001f600, \u00e9."
    data = {UNCLEAN: [UNCLEAN, 1, {"x": UNCLEAN}], "y": None}
    (tmp_path / "data.json").write_text(json.dumps(data))
    assert read_json(tmp_path / "data.json") == {wanted: [wanted, 1, {"x": wanted}], "y": None}
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"title": UNCLEAN, "text": UNCLEAN}))
    assert Passages.read(tmp_path / "corpus.jsonl").texts == (f"{wanted}: {wanted}",)
    env = clarify_env.make("synthetic-v0")
    observation = env.reset(seed=0)[0]["asker"]
    person = Human(read=lambda question: f"ask {UNCLEAN}?", write=lambda line: None)
    assert person.move(observation, None) == Ask(f"{wanted}?")
    task = read_task(UNCLEAN, f"{UNCLEAN} => {UNCLEAN}")
    assert (task.question, task.interpretations[0].text, task.interpretations[0].answers) == (
        wanted,
        wanted,
        (wanted,),
    )
