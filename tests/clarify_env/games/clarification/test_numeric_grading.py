"""Answers with numbers: what counts as the same, and what does not."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_env.games.clarification.numeric_grading import grade_numbers, matched, number, numbers, spoken
from clarify_env.text import grade_text

SALES = (
    "$1,496.5 million",
    "1496.5 million",
    "1.4965 billion",
    "1,496,500 thousand",
    "1496500000",
    "$1,496.5m",
)
FALL = ("(3%)", "-3%", "-3 percent", "\u22123 per cent", "(3)%", "(3) percent", "-0.03")


def same(said, gold):
    return grade_numbers(said, (gold,)) == (1.0, 1.0)


@pytest.mark.parametrize("group", [SALES, FALL], ids=["sales", "fall"])
def test_one_value_in_all_its_forms(group):
    assert all(same(a, b) for a, b in itertools.product(group, group))


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("3%", "-3%"),
        ("3%", "(3%)"),
        ("1,496.5", "$1,496.5 million"),  # no scale is another number, as in TAT-QA
        ("1,496.5 thousand", "$1,496.5 million"),
        ("12.5", "12.5%"),
        ("12.2%", "12.14%"),
        ("1,496 million", "1,496.5 million"),
        ("2018 or 2019", "2019"),
        ("2018", "2019"),
        ("nothing", "2019"),
        ("million", "$1,496.5 million"),
        ("", "0"),
    ],
)
def test_another_value_is_wrong(said, gold):
    assert grade_numbers(said, (gold,)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("12.1371%", "12.14%"),  # rounded to the gold's unit and decimals
        ("0.125", "12.5%"),
        ("In 2019.", "2019"),
        ("total sales of $1,496.5 million", "$1,496.5 million"),
        ("$(9.8) million", "-9.8 million"),
        ("\u00a3(8.1m)", "-8.1 million"),
        ("US$15.9 million", "15.9 million"),
    ],
)
def test_the_same_value_is_right(said, gold):
    assert same(said, gold)


def test_rounding_reaches_as_far_as_the_gold_does():
    assert same("0.0004", "0.0004")
    assert not same("0.0001", "0.0004")
    assert same("5.004 million", "5 million")
    assert not same("5.006 million", "5 million")


@pytest.mark.parametrize(
    "text", ["FY19", "2 to 10 years", "445.0p", "1,2345", "- - %", "\u2014", "Q4 2019", "", "25 days"]
)
def test_what_is_no_number(text):
    assert number(text) is None


def test_several_numbers_in_a_text():
    assert [int(one.value) for one in numbers("from 2017-2019: (3 of them), FY19, 1.5 million")] == [
        2017, 2019, 3, 1_500_000,
    ]  # fmt: skip


def test_texts_are_graded_by_token_f1():
    gold = ("the fixed-price type", "fixed type")
    for said in ("fixed-price", "type", "fixed type of 3", "fixedprice type"):
        assert grade_numbers(said, gold) == grade_text(said, gold)


@pytest.mark.parametrize(
    ("said", "gold", "accuracy"),
    [
        ("2018; 2019", "2019; 2018", 1.0),
        ("2018 and 2019", "2019; 2018", 1.0),
        ("2018, 2019, 2020", "2019; 2018", 2 / 3),
        ("2018", "2019; 2018", 0.5),
        ("1 million; 2 million", "1,000 thousand; 2,000 thousand", 1.0),
        ("1 and 2 million", "1 million; 2 million", 0.5),
        ("red car; blue", "blue; red bus", 0.75),
        ("blue", "blue; red bus", 0.5),
        (";", "blue; red bus", 0.0),
        ("x; " * 98 + "red; blue", "blue; red bus", (1 + 2 / 3) / 100),
    ],
)
def test_several_spans_are_matched(said, gold, accuracy):
    assert grade_numbers(said, (gold,)) == (pytest.approx(accuracy), float(accuracy == 1.0))


def test_the_best_alias_counts():
    assert grade_numbers("3%", ("4%", "three percent", "0.03")) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("answer", "scale", "text"),
    [
        (-12.6, "million", "-12.6 million"),
        (-22.22, "percent", "-22.22%"),
        (13237.4, "", "13,237.4"),
        (12122, "thousand", "12,122 thousand"),
        ("$  1,496.5", "million", "$1,496.5 million"),
        ("$3.0 million", "million", "$3.0 million"),
        ("18.3%", "percent", "18.3%"),
        ("(1.9)", "billion", "(1.9) billion"),
        ("not material; so far", "million", "not material, so far"),
    ],
)
def test_the_usual_form(answer, scale, text):
    assert spoken(answer, scale) == text


VALUES = st.integers(-(10**9), 10**9).map(lambda n: n / 100)
SCALES = {"": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9, "percent": 0.01}


@settings(deadline=None)
@given(VALUES, st.sampled_from(sorted(SCALES)))
def test_a_spoken_number_means_its_value(value, scale):
    text = spoken(value, scale)
    assert float(number(text).value) == pytest.approx(value * SCALES[scale], rel=1e-12)
    assert same(text, text)
    assert not same(spoken(value + 0.02, scale), text)
    assert same(f"it was {text}, they say", text)
    if value:
        assert not same(spoken(-value, scale), text)


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_has_a_grade(said, gold):
    accuracy, exact = grade_numbers(said, (gold,))
    assert 0.0 <= exact <= accuracy <= 1.0
    assert grade_numbers(said, (gold,)) == (accuracy, exact)


@settings(deadline=None)
@given(st.data())
def test_spans_are_matched_as_well_as_can_be(data):
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    cell = st.sampled_from([0.0, 0.25, 0.5, 2 / 3, 1.0])
    table = [[data.draw(cell) for _ in range(columns)] for _ in range(rows)]
    wide = table if rows <= columns else [list(line) for line in zip(*table, strict=True)]
    every = itertools.permutations(range(len(wide[0])), len(wide))
    best = max(sum(line[j] for line, j in zip(wide, order, strict=True)) for order in every)
    assert matched(table) == pytest.approx(best)
