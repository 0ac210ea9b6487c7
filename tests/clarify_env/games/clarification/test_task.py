"""Every mistake in a task is told in one line that restates it; weights are what they were meant to be."""

import math
import re

import numpy as np
import pytest

from clarify_env import ClarifyError, FixedCosts
from clarify_env.games.clarification import ClarificationGame, Fact, Interpretation, Task
from clarify_env.games.clarification.task import sound, sound_tasks

NORWAY = Interpretation("When did the film open in Norway?", ("1950",))
CHILE = Interpretation("When did the film open in Chile?", ("1951", "May 1951"))
COUNTRY = Fact("country", "norway", ("norway", "chile"))


def film(*meanings, **changes):
    return Task("film", "When did the film open?", meanings or (NORWAY, CHILE))._replace(**changes)


def weighted(*weights):
    listed = [NORWAY, CHILE, NORWAY._replace(text="When did the film open in Peru?")]
    return film(*(m._replace(weight=w) for m, w in zip(listed, weights, strict=False)))


@pytest.mark.parametrize(
    ("given", "played"),
    [
        ((1.0, 1.0), (0.5, 0.5)),  # left out
        ((1.0, 1.0, 1.0), (1 / 3, 1 / 3, 1 / 3)),
        ((3, 1), (0.75, 0.25)),  # counts
        ((0.25, 0.75), (0.25, 0.75)),
        ((0.33, 0.33, 0.33), (1 / 3, 1 / 3, 1 / 3)),  # rounded
    ],
)
def test_weights(given, played):
    game = ClarificationGame([weighted(*given)], FixedCosts())
    held = [meaning.weight for meaning in game.tasks[0].interpretations]
    assert held == pytest.approx(played, abs=1e-15)
    assert math.fsum(held) == pytest.approx(1.0, abs=1e-15)


def test_without_weights_every_meaning_is_drawn():
    game = ClarificationGame([film()], FixedCosts())
    rng = np.random.default_rng(0)
    drawn = [game.start(rng, {}).intent for _ in range(400)]
    assert 160 < sum(drawn) < 240


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("film", r"'film': a str, not a Task"),
        (film(id=""), "task '': its id is empty"),
        (film(id=7), "task 7: its id 7 is a int, not a text"),
        (film(question="The?"), r"task 'film': its question 'The\?' has no word besides articles"),
        (film(question=None), "its question None is a NoneType, not a text"),
        (film(document=b"x"), "its document b'x' is a bytes"),
        (film(context="x\x00"), "its context 'x.x00' holds NUL"),
        (film(context="\ud800"), "holds NUL or half a character"),
        (film(question="why " * 30_000), r"its question 'why why .*has 120,000 characters; at most 100,000"),
        (film(interpretations=()), "task 'film': interpretations is empty"),
        (
            film(interpretations=NORWAY.text),
            "interpretations 'When did .* is a str; give a tuple of meanings",
        ),
        (film(NORWAY, "Chile"), "meaning 2, 'Chile', is no Interpretation"),
        (film(NORWAY._replace(text=" ")), "meaning 1 ' ' has no word"),
        (film(NORWAY, NORWAY), "meanings 1 and 2 are in the same words, 'When did the film open in Norway"),
        (film(NORWAY._replace(answers=())), "meaning 1: answers is empty"),
        (film(NORWAY._replace(answers="1950")), "meaning 1: answers '1950' is a str; give a tuple of texts"),
        (film(NORWAY._replace(answers=(1950,))), "meaning 1: answer 1950 is a int, not a text"),
        (film(NORWAY._replace(answers=("1950", "the"))), "meaning 1: answer 'the' has no word besides"),
        (weighted(1, 0), "meaning 2: weight 0; give a number above 0, or leave the meaning out"),
        (weighted(1, -1.0), "meaning 2: weight -1.0;"),
        (weighted(math.nan, 1), "meaning 1: weight nan;"),
        (weighted(math.inf, 1), "meaning 1: weight inf;"),
        (weighted("0.5", 0.5), "meaning 1: weight '0.5' is a str, no number"),
        (weighted(True, 1), "meaning 1: weight True is a bool, no number"),
        (weighted(0.9, 0.5), r"weights 0.9, 0.5 add up to 1.4; give probabilities that add up to 1, counts"),
        (film(NORWAY._replace(facts=(COUNTRY,)), CHILE), "meanings 1 and 2: one has facts, the other none"),
        (film(NORWAY._replace(facts=("norway",))), "meaning 1: facts .*give a tuple of Fact"),
        (
            film(NORWAY._replace(facts=(COUNTRY._replace(value="New Zealand"),))),
            "the value of .* is not one word in lower case",
        ),
        (film(NORWAY._replace(facts=(COUNTRY._replace(domain=("chile",)),))), "does not hold its value"),
    ],
)
def test_a_mistake_is_told(task, said):
    with pytest.raises(ClarifyError, match=said) as caught:
        ClarificationGame([film(id="other"), task], FixedCosts())
    assert str(caught.value).startswith("tasks[1]: ")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


def test_lists_of_tasks():
    with pytest.raises(ClarifyError, match=r"tasks\[2\]: its id 'film' is that of tasks\[0\] too"):
        sound_tasks([film(), film(id="b"), film()])
    with pytest.raises(ClarifyError, match="no tasks: the split is empty"):
        sound_tasks([])
    with pytest.raises(ClarifyError, match=re.escape("a Task; give a list of tasks")):
        sound_tasks(film())
    right = (weighted(0.25, 0.75),)
    assert sound_tasks(right) is right
    assert sound_tasks(right) is right  # the second time it is known
    assert sound(right[0]) is right[0]


def test_lists_within_a_task_become_tuples():
    made = sound(film(interpretations=[NORWAY._replace(answers=["1950"]), CHILE]))
    assert made.interpretations[0].answers == ("1950",)
    assert hash(made)
