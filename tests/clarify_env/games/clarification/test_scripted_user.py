"""How the scripted user replies and picks."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_env import ClarifyError
from clarify_env.games.clarification import Fact, UserModel
from clarify_env.games.clarification.scripted_user import (
    PLAIN,
    PUZZLED,
    REFUSAL,
    VAGUE,
    added,
    asked_fact,
    fits,
    pick,
)
from clarify_env.text import tokens

JOB = Fact("profession", "painter", ("painter", "chemist", "poet"))
ERA = Fact("era", "modern", ("ancient", "modern"))
FACTS = (JOB, ERA)
QUESTION, INTENT = "Where was Kim born?", "Where was Kim, the painter, born?"
chances = st.floats(0.0, 0.3)


@given(
    chances,
    chances,
    chances,
    st.sampled_from(["Which era?", "Why?", "A poet?"]),
    st.sampled_from([FACTS, ()]),
)
def test_chances_add_up_to_one(noise, vagueness, refusal, ask, facts):
    replies = UserModel(noise, vagueness, refusal).replies(ask, QUESTION, INTENT, facts)
    assert math.fsum(p for _, p in replies) == pytest.approx(1.0)
    assert all(p >= 0.0 for _, p in replies)
    assert len({text for text, _ in replies}) == len(replies)


def test_a_reliable_user_says_one_thing():
    user = UserModel()
    assert user.replies("Which profession?", QUESTION, INTENT, FACTS) == [("Painter.", 1.0)]
    assert user.replies("Why?", QUESTION, INTENT, FACTS) == [(PUZZLED, 1.0)]
    assert user.replies("Which one?", QUESTION, INTENT, ()) == [("painter.", 1.0)]
    assert user.replies("Nice weather.", QUESTION, INTENT, ()) == [(PUZZLED, 1.0)]


def test_noise_is_another_value_evenly_drawn():
    replies = UserModel(noise=0.2).replies("Which profession?", QUESTION, INTENT, FACTS)
    assert dict(replies) == pytest.approx({"Painter.": 0.8, "Chemist.": 0.1, "Poet.": 0.1})
    assert dict(UserModel(noise=0.2).replies("Which one?", QUESTION, INTENT, ())) == {
        "painter.": 0.8,
        QUESTION: 0.2,
    }
    alone = (Fact("job", "poet", ("poet",)),)
    assert UserModel(noise=0.2).replies("A poet?", QUESTION, INTENT, alone) == [("Poet.", 1.0)]


def test_vagueness_and_refusal_say_nothing_of_the_meaning():
    user = UserModel(vagueness=0.1, refusal=0.2)
    for facts in (FACTS, ()):
        replies = dict(user.replies("Which era?", QUESTION, INTENT, facts))
        assert (replies[VAGUE], replies[REFUSAL]) == (0.1, 0.2)


@pytest.mark.parametrize("name", ["noise", "vagueness", "refusal"])
@pytest.mark.parametrize("bad", [-0.1, 1.0, math.nan, "often", None])
def test_chances_out_of_range(name, bad):
    with pytest.raises(ClarifyError, match=rf"{name}=.*a probability in \[0, 1\)"):
        UserModel(**{name: bad})


def test_a_user_has_to_answer_at_times():
    with pytest.raises(ClarifyError, match="would never answer"):
        UserModel(0.5, 0.3, 0.2)


@pytest.mark.parametrize(
    ("ask", "fact"),
    [
        ("Which profession?", JOB),
        ("The POET?", JOB),
        ("Ancient or modern?", ERA),
        ("Which era, and which profession?", ERA),
        ("Which professions?", None),
        ("", None),
    ],
)
def test_a_question_is_about_the_fact_that_it_names_first(ask, fact):
    assert asked_fact(ask, FACTS) == fact


def test_added_words():
    assert added(INTENT, QUESTION) == "painter."
    assert added("Where was Kim Ode born in 1950??", QUESTION) == "Ode in 1950."
    assert added("Kim was born where", QUESTION) == PLAIN


@given(st.text(max_size=40), st.text(max_size=40))
def test_added_words_are_the_intents_own(intent, question):
    said = added(intent, question)
    assert said == PLAIN or set(tokens(said)) <= set(tokens(intent)) | {""}


def test_a_meaning_that_leaves_words_out_is_said_as_it_stands():
    assert added("Who is the next king?", "Who is the next king or queen?") == "Who is the next king."
    assert added("Who is it of?", "Who is it?") == "Who is it of."  # a preposition alone tells nothing


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("the painter", True),
        ("a modern painter", True),
        ("otherwise", True),
        ("the chemist", False),
        ("an ancient painter", False),
        ("painter or poet", False),
    ],
)
def test_a_label_fits_unless_it_names_a_false_value(label, expected):
    assert fits(label, FACTS) is expected


def test_with_facts_the_first_option_that_fits_is_taken():
    assert pick([("poet", "a"), ("modern", "b"), ("painter modern", "c")], INTENT, FACTS) == 1
    assert pick([("poet", "a"), ("ancient", "b")], INTENT, FACTS) is None


def test_with_text_the_closest_label_is_taken():
    options = [("chemist", "a"), ("painter", "b"), ("Kim painter", "c"), ("painter Kim", "d")]
    assert pick(options, INTENT, ()) == 2  # two words that fit before one, the first of equals
    assert (
        pick([("painter poet", "a"), ("painter", "b")], INTENT, ()) == 1
    )  # one that fits before half of two
    assert pick([("painter poet", "a"), ("chemist", "b")], INTENT, ()) == 0
    assert pick([("chemist", "a"), ("the", "b")], INTENT, ()) is None
    assert pick([("the", "a")], "the", ()) is None
