"""What the rules of the audit say of single replies, by hand."""

import pytest

from clarify_env.games.clarification import Ask, Reply
from clarify_env.games.clarification.game import Fact, Interpretation, Task
from clarify_env.trainers.evaluation.audit_rules import Probe, judge

PLACES = ("norway", "chile", "peru", "ghana")
FILM = Task(
    "film",
    "When did the film open?",
    tuple(
        Interpretation(f"When did the film open in {place.title()}?", (f"May {1950 + k}",), 0.25)
        for k, place in enumerate(PLACES)
    ),
)


def verdict(reply, asked="Which profession?", kind="question"):
    """What is found about a reply of somebody who means the first of three."""
    people = (("painter", "peru"), ("painter", "chile"), ("chemist", "peru"))
    meanings = tuple(
        Interpretation(
            f"Kim Lund, the {job} from {place}",
            (f"Town {k}",),
            1 / 3,
            (Fact("profession", job, ("painter", "chemist", "poet")), Fact("country", place, PLACES)),
        )
        for k, (job, place) in enumerate(people)
    )
    found = judge(
        Task("t", "Where was Kim Lund born?", meanings), Probe(0, 0, kind, Ask(asked)), Reply(reply)
    )
    return {measure for measure, how in found.found.items() if how}, found.told


@pytest.mark.parametrize(
    ("reply", "faults", "told"),
    [
        ("A painter, I think.", set(), 0.5),
        ("A painter from Peru.", {"leak"}, 1.0),
        ("A chemist.", {"contradiction"}, 0.0),
        ("Not a painter.", {"contradiction"}, 0.0),
        ("Not a chemist, a painter.", set(), 0.5),
        ("Not a chemist.", {"empty"}, 0.0),
        ("No, a painter.", set(), 0.5),
        ("No: painter", set(), 0.5),
        ("No painter.", {"contradiction"}, 0.0),
        ("A painter, from Chile.", {"contradiction"}, 0.5),
        ("In Town 0.", {"answer"}, 0.0),
        ("In town 2, I guess.", {"answer"}, 0.0),
        ("Kim Lund.", {"empty"}, 0.0),
    ],
)
def test_verdicts_by_hand(reply, faults, told):
    assert verdict(reply) == (faults, told)


def film(reply, kind, about, asked, earlier=(), before=()):
    """What is found about a reply of somebody who means the film's opening in Norway."""
    asks = tuple(map(Ask, earlier))
    found = judge(FILM, Probe(0, 0, kind, Ask(asked), asks, about), Reply(reply), before=before)
    return {measure for measure, how in found.found.items() if how}, found.right


@pytest.mark.parametrize(
    ("reply", "kind", "about", "faults", "right"),
    [
        ("Yes.", "confirm", (0,), set(), True),
        ("Right, Norway.", "confirm", (0,), set(), True),
        ("No.", "confirm", (0,), {"contradiction"}, False),
        ("Yes.", "deny", (1,), {"contradiction"}, False),
        ("No.", "deny", (1,), set(), True),
        ("No, Norway.", "deny", (1,), set(), True),
        ("Not Chile, Norway.", "deny", (1,), set(), True),
        ("No, Peru.", "deny", (1,), {"contradiction"}, False),
        ("Hard to say.", "deny", (1,), set(), False),
        ("Norway.", "choice", (0, 1), set(), True),
        ("Chile.", "choice", (0, 1), {"contradiction"}, False),
        ("Neither.", "choice", (0, 1), {"contradiction"}, False),
        ("Neither.", "choice", (1, 2), set(), True),
    ],
)
def test_yes_no_and_which_of_these(reply, kind, about, faults, right):
    places = " or ".join(PLACES[k] for k in about)
    assert film(reply, kind, about, f"Do you mean {places}?") == (faults, right)


def test_two_replies_that_no_meaning_fits():
    asked = ("again", (1,), "Do you mean Chile?", ["What exactly do you mean?"])
    assert film("No.", *asked, before=("Norway.",)) == (set(), True)
    assert film("No.", *asked, before=("Chile.",)) == ({"inconsistent"}, False)
    assert film("Yes.", *asked, before=("Norway.",)) == ({"inconsistent", "contradiction"}, False)
    assert film("No.", *asked, before=("I am not sure what you are asking.",)) == (set(), True)


def test_what_was_asked_for_is_no_leak():
    assert verdict("A painter from Peru.", "What exactly do you mean?", "direct") == (set(), 1.0)
    assert verdict("A painter.", "Do you like music?", "off_topic") == ({"leak"}, 0.5)
    assert verdict("I am not sure.", "Just tell me the answer.", "nag") == (set(), 0.0)
