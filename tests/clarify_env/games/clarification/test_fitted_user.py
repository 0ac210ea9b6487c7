"""The user with the rates of people: its probabilities, its truth, and the best play with it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clarify_env
from clarify_env import FixedCosts
from clarify_env.agents import ScriptedUser
from clarify_env.agents.clarification import optimum_bound
from clarify_env.agents.clarification.scripted import OptimalAsker
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Costs, Fact, UserModel
from clarify_env.games.clarification.fitted_user import FittedModel
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.games.clarification.scripted_user import (
    DONT_KNOW,
    PLAIN,
    PUZZLED,
    UNRELATED,
    TerseModel,
)
from clarify_env.games.clarification.speech import people
from clarify_env.text import tokens
from clarify_env.trainers.evaluation.measure import measure

JOB = Fact("profession", "painter", ("painter", "chemist", "poet"))
ERA = Fact("era", "modern", ("ancient", "modern"))
FACTS = (JOB, ERA)
QUESTION, INTENT = "When did the film open?", "When did the 2004 film open in France?"
USER = FittedModel()
asks = st.sampled_from(
    "Which era?|Why?|A poet?|Do you mean the 2004 film?|The 1998 or the 2004 film?||!|No or".split("|")
)
meanings = st.sampled_from(["", QUESTION, INTENT, "poet"])


def replies(ask, facts=(), intent=INTENT):
    return dict(USER.replies(ask, QUESTION, intent, facts))


@given(asks | st.text(max_size=40), st.sampled_from([FACTS, ()]), meanings)
def test_chances_add_up_to_one(ask, facts, intent):
    found = USER.replies(ask, QUESTION, intent, facts)
    assert math.fsum(p for _, p in found) == pytest.approx(1.0)
    assert all(p >= 0.0 and text.strip() for text, p in found)
    assert len({text for text, _ in found}) == len(found)


def test_its_silence_is_that_of_people():
    acts = people().acts["open"]
    said = replies("Which year?")
    assert said[DONT_KNOW] == pytest.approx(acts[0], abs=1e-4)
    assert said[UNRELATED] == pytest.approx(acts[1], abs=1e-4)
    assert replies("Which profession?", FACTS)[DONT_KNOW] == pytest.approx(acts[0], abs=1e-4)


@pytest.mark.parametrize(
    ("ask", "where", "right"),
    [
        ("Do you mean the 2004 film?", "held", "yes"),
        ("Do you mean the 1998 film?", "unheld", "no"),
    ],
)
def test_yes_and_no_are_true_but_for_a_change_of_mind(ask, where, right):
    acts, rate = people().acts[where], people().contradiction
    said = replies(ask)
    opens = {word: sum(p for text, p in said.items() if tokens(text)[0] == word) for word in ("yes", "no")}
    assert opens.pop(right) == pytest.approx((acts[2] + acts[3]) * (1.0 - rate), abs=1e-4)
    assert opens.popitem()[1] == pytest.approx(sum(acts[2:]) * rate, abs=1e-4)


def test_a_fact_is_told_rightly_but_for_a_change_of_mind():
    rate, spoken = people().contradiction, 1.0 - sum(people().acts["open"][:2])
    said = replies("Which profession?", FACTS, "Kim, the modern painter")
    told = {value: sum(p for text, p in said.items() if value in tokens(text)) for value in JOB.domain}
    assert told["chemist"] == pytest.approx(told["poet"]) == pytest.approx(spoken * rate / 2, abs=1e-4)
    assert told["painter"] == pytest.approx(spoken * (1.0 - rate) - said[PLAIN], abs=1e-4)
    both = sum(p for text, p in said.items() if {"painter", "modern"} <= {*tokens(text)})
    assert 0.05 < both < 0.4  # volunteers what was not asked
    assert replies("Why?", FACTS) == {PUZZLED: 1.0}


def test_it_says_nothing_but_its_question_its_meaning_and_words_of_its_own():
    """What it says of another meaning of its question is the same, but for the words of the meaning."""
    other = "When did the 1998 film open in Peru?"
    mine, theirs = (
        {*tokens(" ".join(replies("Do you mean the silent film?", (), intent)))} for intent in (INTENT, other)
    )
    assert mine - theirs == {"2004", "france"}
    assert theirs - mine == {"1998", "peru"}


@pytest.mark.parametrize("model", [FittedModel(), TerseModel(), TerseModel(noise=0.2)])
def test_the_best_play_is_known_with_it(model):
    """The optimal asker who knows this user earns what is computed, less than with a truthful one."""
    env = clarify_env.make("synthetic-v0", split="validation", size=30)
    cells = [Costs(0.05, 0.005)]
    bound = optimum_bound(env, {"user": ScriptedUser(model)})
    assert bound.own
    assert bound.name == "optimum"
    best = np.mean([bound.solve(k, cells)["reward"][0] for k in range(30)])
    truthful = optimum_bound(env, {"user": ScriptedUser()})
    assert best <= np.mean([truthful.solve(k, cells)["reward"][0] for k in range(30)]) + 1e-9
    team = {"asker": OptimalAsker(model), "user": ScriptedUser(model)}
    played = np.mean([measure(env, team, range(30), cells, seed)[..., 0].mean() for seed in range(8)])
    assert played == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize("model", [FittedModel(), TerseModel()])
def test_with_a_meaning_in_words_the_best_play_is_that_with_another_user(model):
    meanings = tuple(
        Interpretation(f"When did the {year} film open?", (str(year),), 0.5) for year in (1998, 2004)
    )
    game = ClarificationGame([Task("film", QUESTION, meanings)], FixedCosts())
    bound = optimum_bound(GameEnv(game, "film"), {"user": ScriptedUser(model)})
    assert (bound.own, bound.name) == (False, "ceiling")


def test_a_terse_user_says_one_word():
    user = TerseModel()
    assert user.replies("Which one do you mean?", QUESTION, INTENT, ()) == [("2004.", 1.0)]
    assert user.replies("Do you mean the 1998 film?", QUESTION, INTENT, ()) == [("No.", 1.0)]
    assert user.replies("Do you like films?", QUESTION, INTENT, ()) == [(PUZZLED, 1.0)]
    again = user.replies("Which one?", QUESTION, INTENT, (), (("Which year?", "2004."),))
    assert again == [("France.", 1.0)]
    for ask, reply in {
        "Which profession?": "Painter.",
        "Is it the painter?": "Yes.",
        "The poet?": "No.",
        "Poet or painter?": "Painter.",
        "Poet or chemist?": "Neither.",
        "Which profession, poet?": "Painter.",
    }.items():
        assert user.replies(ask, QUESTION, INTENT, FACTS) == [(reply, 1.0)], ask


def test_a_terse_user_has_the_knobs_of_the_scripted_one():
    chances = dict(TerseModel(0.2, 0.1, 0.1).replies("Which profession?", QUESTION, INTENT, FACTS))
    assert chances == dict(UserModel(0.2, 0.1, 0.1).replies("Which profession?", QUESTION, INTENT, FACTS))
