"""The tables of results: in words, within 80 columns, and an optimum only where one is known."""

import io

import pytest
from rich.console import Console

from clarify_env.trainers.reporting.summary import interval_text, results, score_note

MEAN = {"mean": 97.578, "low": -94.364, "high": 100.774}


def made(yardstick, floor, **parts):
    """A summary with every line that there is."""
    names = (
        "reward",
        "baseline",
        "team floor",
        "normalized",
        "start",
        "from_start",
        "accuracy",
        "asks",
        "words",
    )
    means = {**dict.fromkeys(names, MEAN), **dict.fromkeys(parts, MEAN)}
    levels = [0.001 * k for k in range(1, 8)]
    paid = {"levels": levels, "agent": [1.0] * 7} | ({"optimum": [2.0] * 7} if "optimum" in parts else {})
    return {
        **{"agent": "move-scorer (best-continuation)", "env": "pingeval-names-v0", "split": "validation"},
        **{
            "questions": 12_037,
            "yardstick": yardstick,
            "floor": floor,
            "table": "",
            "failed": 0,
            "episodes": 100,
            "seen": means,
            "unseen": means,
        },
        "monotonicity": {"asks": {"cost": "turn", **paid}, "words": {"cost": "word", **paid}},
        "cells": [
            {"seen": True, "costs": {"turn": 0.1}, "reward": 0.5, "propose": 0.5, "fixed": {"floor": 0.1}}
        ],
    }


def printed(summary):
    out = io.StringIO()
    Console(file=out, width=80).print(results(summary))
    return out.getvalue()


@pytest.mark.parametrize("yardstick", ["optimum with this user", "ceiling with this user"])
def test_results_are_words_within_80_columns(yardstick):
    text = printed(made(yardstick, ["always-ask", "always-answer"], optimum=0, propose=0))
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "best single strategy",
        "normalised score",
        "questions an episode",
        "moves: propose",
    ):
        assert words in text
    assert f"1 = the {yardstick}" in " ".join(text.split())
    assert "cost of a question" in text
    assert ("optimum" in text) == yardstick.startswith("optimum")
    assert "…" not in text  # nothing is cut off


def test_without_an_optimum_none_is_named():
    summary = made("best team: top", ["floor"], **{"team top": 0})
    text = printed(summary)
    assert "best team: top" in text
    assert "optimum" not in text
    assert "best single strategy" not in text  # it is the line of the team floor
    assert score_note(summary).startswith("Normalised score: 0 = the team floor, 1 = the best team: top")
    assert "Warning" not in text
    assert "Warning: 2.0% of the episodes failed" in " ".join(printed({**summary, "failed": 2}).split())
    table = score_note({**summary, "table": "cost-table"})
    assert table.startswith("Normalised score: 0 = the cost-table, which plays at each costs")


def test_an_interval_in_words():
    assert interval_text({"mean": 0.5, "low": 0.4, "high": 0.6}) == "0.500 [0.400, 0.600]"
    assert interval_text({"mean": 0.5, "low": 0.4, "high": 0.6}, 2, "+") == "+0.50 [+0.40, +0.60]"
    assert interval_text({"mean": 0.5, "low": None, "high": None}) == "0.500"
    assert interval_text({"mean": None, "low": None, "high": None}) == "-"
