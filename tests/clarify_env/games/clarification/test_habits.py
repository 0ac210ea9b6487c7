"""What a reply does, and what a question puts, in numbers."""

import pytest

from clarify_env.games.clarification.habits import habit, situation
from clarify_env.games.clarification.scripted_user import (
    DONT_KNOW,
    PLAIN,
    PUZZLED,
    REFUSAL,
    UNRELATED,
    VAGUE,
)

QUESTION, INTENT = "When did the film open?", "When did the 2004 film open in France?"


@pytest.mark.parametrize(
    ("reply", "act", "amount", "padding", "words"),
    [
        ("Yes.", "yes", "none", 0, 1),
        ("Yes, in France.", "yes", "all", 1, 3),
        ("yes that would be great", "yes", "none", 4, 5),
        ("No, 2004 in France.", "no", "all", 1, 4),
        ("Neither, I am looking for France", "no", "all", 4, 6),
        ("The one in Paris", "plain", "some", 3, 4),
        ("I am not sure about Paris", "plain", "some", 5, 6),
        ("im not sure", "unsure", "none", 3, 3),
        ("this is not related to my search", "refusal", "none", 7, 7),
        ("it does not matter", "refusal", "none", 4, 4),
        (DONT_KNOW, "unsure", "none", 3, 3),
        (VAGUE, "unsure", "none", 3, 3),
        (REFUSAL, "refusal", "none", 3, 3),
        (UNRELATED, "refusal", "none", 7, 7),
        (PUZZLED, "refusal", "none", 8, 8),
        (PLAIN, "plain", "none", 6, 6),
    ],
)
def test_what_a_reply_does(reply, act, amount, padding, words):
    found = habit(reply, "Do you mean the 2004 film?", QUESTION, INTENT)
    assert found[:2] == (act, amount if "2004" not in reply else "all")
    assert found.tellable == 1  # France; the asker has said 2004
    assert (found.words, found.padding) == (words, padding + ("2004" in reply))


@pytest.mark.parametrize(
    ("ask", "where"),
    [
        ("Do you mean the 2004 film?", "held"),
        ("Are you interested in the 2004 film in France?", "held"),
        ("Are you interested in the 2004 film in Peru?", "part"),
        ("Would you like to know about the film?", "part"),
        ("Do you mean the film in Peru?", "unheld"),
        ("The 2004 film or the play?", "choice"),
        ("Which film do you mean?", "open"),
        ("In which year did it open?", "open"),
        ("What exactly do you mean?", "open"),
        ("Do you like music?", "beside"),
        ("Which holiday do you like?", "beside"),
    ],
)
def test_what_a_question_puts(ask, where):
    assert situation(ask, QUESTION, INTENT) == where
