"""Rival meanings that are read from a table."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_env.games.clarification.table_rivals import compute, rivals

SALES = [
    ["", "", "Years Ended September 30,", ""],
    ["", "2019", "2018", "2017"],
    ["Fixed Price", "$  1,452.4", "$  1,146.2", "$  1,036.9"],
    ["Other", "44.1", "56.7", "70.8"],
    ["Total sales", "$1,496.5", "$1,202.9", "$1,107.7"],
    ["Sales per share", "3.1", "3.2", "3.3"],
]
PLANS = [
    ["", "Domestic", "", "International", ""],
    ["", "2019", "2018", "2019", "2018"],
    ["Discount rate", "4.00%", "3.75%", "1.90%", "2.80%"],
    ["Growth rate", "", "", "3.40%", "3.70%"],
]


def found(*given, **more):
    return [(rival.question, rival.values) for rival in rivals(*given, **more)]


def test_a_year_stands_for_its_column():
    question, meant = "What is the amount of total sales?", "What is the amount of total sales in 2019?"
    assert found(SALES, question, meant, ["$1,496.5"]) == [
        ("What is the amount of total sales in 2018?", ("$1,202.9",)),
        ("What is the amount of total sales in 2017?", ("$1,107.7",)),
    ]


def test_a_row_header_stands_for_its_row():
    question, meant = "What were the sales in 2018?", "What were the Other sales in 2018?"
    assert found(SALES, question, meant, ["56.7"]) == [
        ("What were the Total sales sales in 2018?", ("$1,202.9",)),
        ("What were the Fixed Price sales in 2018?", ("$  1,146.2",)),
    ]  # the one that shares a word with the question first; sales per share are of another kind


def test_arithmetic_is_done_over_the_other_cells():
    question, meant = "What is the change in sales?", "What is the change in Other sales?"
    assert found(SALES, question, meant, -12.6, "44.1-56.7", most=1) == [
        ("What is the change in Total sales sales?", ("293.6",))
    ]
    share = found(SALES, question, meant, -22.22, "(44.1-56.7)/56.7", most=1)
    assert share == [("What is the change in Total sales sales?", ("24.41",))]
    half = found(SALES, question, meant, 50.4, "(44.1+56.7)/2", most=1)
    assert half == [("What is the change in Total sales sales?", ("1,349.7",))]


def test_a_period_becomes_another_in_the_same_order():
    question, meant = "What is the change in Other?", "What is the change in Other from 2018 to 2019?"
    assert found(SALES, question, meant, -12.6, "44.1-56.7") == [
        ("What is the change in Other from 2017 to 2018?", ("-14.1",)),
        ("What is the change in Other from 2017 to 2019?", ("-26.7",)),
    ]


def test_a_header_over_several_columns_moves_column_by_column():
    question, meant = "What is the change in discount rate?", "What is the change in domestic discount rate?"
    answer, derivation = 6.67, "(4.00 - 3.75)/3.75 "
    assert found(PLANS, question, meant, answer, derivation) == [
        ("What is the change in international discount rate?", ("-32.14",))
    ]


def test_several_answers_move_together():
    question, meant = "What were the sales?", "What were the Other sales?"
    assert found(SALES, question, meant, ["44.1", "56.7"], most=1) == [
        ("What were the Total sales sales?", ("$1,496.5", "$1,202.9"))
    ]


@pytest.mark.parametrize(
    ("meant", "answer", "derivation"),
    [
        ("What is the growth rate of domestic plans?", ["9.99%"], ""),  # no such cell
        ("What is the growth rate of international plans?", ["3.40%"], ""),  # nothing to move to
        ("What is the discount rate of domestic plans?", ["by comparison"], ""),  # a text
        ("What is the discount rate of domestic plans?", 5.0, "4.00 - 3.75"),  # another result
        ("What is the discount rate of domestic plans?", 0.25, "4.00 > 3.75"),  # no arithmetic
        ("What is the discount rate of foreign plans?", ["4.00%"], ""),  # no such header
        ("What is the discount rate of plans?", ["4.00%"], ""),  # nothing is added
    ],
)
def test_where_the_table_does_not_tell_there_are_no_rivals(meant, answer, derivation):
    assert found(PLANS, "What is the discount or growth rate of plans?", meant, answer, derivation) == []


def test_odd_tables_have_no_rivals():
    for rows in ([], [[]], [[""]], [["x"], ["y", "1"]], [["", "2019", "2018"]]):
        assert found(rows, "What?", "What in 2019?", ["1"]) == []


@pytest.mark.parametrize(
    ("formula", "value"),
    [("(x0-x1)/x1", 1.0), ("-x0+x1*x0", 4.0), ("x0/(x1-x1)", None), ("x9", None), ("", None)],
)
def test_arithmetic(formula, value):
    assert compute(formula, (4.0, 2.0)) == value


@pytest.mark.parametrize(
    "formula", ["__import__('os')", "x0.real", "x0**x0", "[x0]", "x0 if x1 else x0", "'x'", "3"]
)
def test_nothing_but_arithmetic_is_computed(formula):
    assert compute(formula, (4.0, 2.0)) is None


@settings(deadline=None)
@given(st.text(alphabet="x01+-*/() ", max_size=40))
def test_any_formula_has_a_value_or_none(formula):
    assert compute(formula, (4.0, 2.0)) is None or isinstance(compute(formula, (4.0, 2.0)), float)
