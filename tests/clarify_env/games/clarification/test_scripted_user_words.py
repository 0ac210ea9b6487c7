"""What a user with a meaning in words alone says to whatever is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_env.agents.clarification.scripted import belief
from clarify_env.game import Turn
from clarify_env.games.clarification import UserModel
from clarify_env.games.clarification.ambigqa import load_ambigqa
from clarify_env.games.clarification.game import Ask, Interpretation, Reply
from clarify_env.games.clarification.optimum import WHICH
from clarify_env.games.clarification.question_types import asked
from clarify_env.games.clarification.scripted_user import (
    PLAIN,
    PUZZLED,
    REFUSAL,
    VAGUE,
    added,
    closest,
    text_reply,
)
from clarify_env.text import stems, tokens
from clarify_env.trainers.evaluation.audit import NAGS, OFF_TOPIC

QUESTION, INTENT = "When did the film open?", "When did the 2004 film open in France?"


@pytest.mark.parametrize(
    ("ask", "reply"),
    [
        (WHICH, "2004 in France."),
        ("Which one?", "2004 in France."),
        ("Which do you mean?", "2004 in France."),
        ("Could you be more specific about the film?", "2004 in France."),
        ("There are several films. Which one do you mean?", "2004 in France."),
        ("Which year?", "2004."),
        ("What year was the film released?", "2004."),
        ("Which country do you mean?", "in France."),
        ("Where?", "in France."),
        ("Do you mean the 2004 film?", "Yes, in France."),
        ("You mean in France, right?", "Yes, 2004."),
        (f"Do you mean: {INTENT}", "Yes."),
        ("Do you mean the 1998 film?", "No, 2004."),
        ("The film in Italy?", "No, 2004."),
        ("Do you mean how the film opened in France?", "No, 2004."),
        ("Do you mean the film that did not open in France?", "2004."),
        ("The 2004 film or the book?", "2004."),
        ("Which do you mean, Italy, Spain or France?", "France."),
        ("The 1998 film or the book?", "Neither, 2004."),
        ("The 2004 film? Or the 1998 film?", "2004."),
        ("Are you asking about the play, or something else?", "No, 2004."),
        ("What time is it?", PUZZLED),
        ("What is the plot of the film?", PUZZLED),
        ("Do you like films?", PUZZLED),
        ("Hello!", PUZZLED),
        ("", PUZZLED),
    ],
)
def test_replies_by_hand(ask, reply):
    assert text_reply(ask, QUESTION, INTENT) == reply


@pytest.mark.parametrize(
    "ask", [*OFF_TOPIC, *NAGS, "Please, the answer!", "Give me the answer to your question."]
)
def test_what_is_beside_the_point_draws_nothing(ask):
    assert text_reply(ask, QUESTION, INTENT) == PUZZLED
    assert UserModel(noise=0.2).replies(ask, QUESTION, INTENT, ()) == [(PUZZLED, 1.0)]


def test_what_was_said_is_not_said_again():
    assert text_reply("Which one?", QUESTION, INTENT, (("Which year?", "2004."),)) == "in France."
    assert text_reply("Which one?", QUESTION, INTENT, (("In France?", "Yes."),)) == "2004."
    assert text_reply("Do you mean in France?", QUESTION, INTENT, (("Which year?", "2004."),)) == "Yes, 2004."
    assert text_reply("Which one?", QUESTION, INTENT, (("In 2004?", PUZZLED),)) == "2004 in France."
    told = ((WHICH, "2004 in France."),)
    assert text_reply(WHICH, QUESTION, INTENT, told) == "2004 in France."  # for want of anything new


words = st.lists(
    st.sampled_from("Kim poet judge old new 2004 the of did who".split()), min_size=1, max_size=5
)


@given(words.map(" ".join), words.map(" ".join), st.lists(st.sampled_from([VAGUE, REFUSAL, "true", "noise"])))
def test_the_plain_question_draws_the_same_however_often_it_is_put(question, intent, course):
    """The exact optimum counts on that: it asks nothing else of meanings in words."""
    user = UserModel(noise=0.1, vagueness=0.1, refusal=0.1)
    first = user.replies(WHICH, question, intent, ())
    replies = {VAGUE: VAGUE, REFUSAL: REFUSAL, "true": first[2][0], "noise": question}
    said = tuple((WHICH, replies[reply]) for reply in course)
    assert user.replies(WHICH, question, intent, (), said) == first


asks = st.one_of(
    st.text(max_size=40), words.map(lambda said: f"Do you mean {' '.join(said)}?"), words.map(" or ".join)
)


@given(asks, words.map(" ".join), words.map(" ".join))
def test_any_question_draws_words_of_question_and_meaning_alone(ask, question, intent):
    said = text_reply(ask, question, intent)
    own = {*tokens(question), *tokens(intent), *tokens(ask), "yes", "no", "neither"}
    assert said in (PUZZLED, PLAIN) or set(tokens(said)) <= own
    assert asked(ask).kind in ("direct", "choice", "confirm", "detail", "beside")


def test_words_are_compared_by_stems():
    assert stems("The re-opened films' 13 Seasons") == stems("re opening film thirteen season")
    assert added("When did 13 films open on TV?", "When did thirteen films open?") == "on TV."


def test_labels_are_told_apart_by_what_the_question_lacks():
    labels = ("When did the film open?", "the French opening")
    assert closest(labels, "When did the film open to the French?", "When did the film open?") == 1
    assert closest(("the king", "the queen"), "Who is the next king?", "Who is the next king or queen?") == 0
    assert closest(("xyz", "the"), INTENT, QUESTION) is None


def test_belief_follows_yes_and_no():
    notes = tuple(
        Interpretation(f"When did the {year} film open?", ("May",), 1 / 3) for year in (1998, 2004, 2010)
    )

    def after(ask, reply):
        turns = (Turn("asker", Ask(ask)), Turn("user", Reply(reply)))
        return belief(QUESTION, notes, turns).round(2).tolist()

    assert after("Do you mean the 2004 film?", "Yes.") == [0.0, 1.0, 0.0]
    assert after("The 2004 or the 2010 film?", "2010.") == [0.0, 0.0, 1.0]
    assert after("The 2004 or the 2010 film?", "That of 2010, please") == [0.02, 0.02, 0.96]
    assert after("Do you mean the 2004 film?", PUZZLED) == [0.33, 0.33, 0.33]


def test_real_meanings_are_named_and_told(data_dir):
    tasks = [task for task in load_ambigqa("validation", data_dir).tasks if len(task.interpretations) > 1]
    named = resolved = count = 0
    for task in tasks:
        texts = tuple(m.text for m in task.interpretations)
        replies = [text_reply(WHICH, task.question, text) for text in texts]
        for k, text in enumerate(texts):
            count += 1
            named += closest(texts, text, task.question) == k
            resolved += replies.count(replies[k]) == 1
    assert count > 3000
    assert named / count >= 0.99
    assert resolved / count >= 0.95
