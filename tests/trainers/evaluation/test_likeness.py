"""The likeness of users to people: its ends, a distance by hand, and what the audit makes of it."""

import math

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents.catalog import load
from clarify_env.games.clarification import Ask
from clarify_env.games.clarification.habits import Habit
from clarify_env.games.clarification.speech import census, people_census
from clarify_env.trainers.evaluation.audit import audit
from clarify_env.trainers.evaluation.likeness import ASPECTS, counts_of, distances, index, likeness

YES, NO = ("held", Habit("yes", "none", 1, 0, 1)), ("held", Habit("no", "all", 1, 20, 25))
UNSURE, REFUSES = (("held", Habit(act, "none", 1, 3, 3)) for act in ("unsure", "refusal"))


def counts(*replies):
    return counts_of(census(replies))


def test_people_are_like_people_and_opposites_are_not():
    people = counts_of(people_census())
    assert index(people, people) == pytest.approx(1.0, abs=1e-7)
    assert index(3 * people, people) == pytest.approx(1.0, abs=1e-7)
    apart = distances(counts(YES), counts(NO))
    assert apart == pytest.approx({**dict.fromkeys(ASPECTS[:3], 1.0), "unsure": 0.0, "refusal": 0.0})
    assert distances(counts(UNSURE), counts(REFUSES))["unsure"] == pytest.approx(1.0)
    assert all(math.isnan(far) for far in distances(counts(YES), counts(("open", YES[1]))).values())


def test_a_distance_by_hand():
    """Half of the user's replies open with yes, all of people's: H(3/4) - H(1/2) / 2 in bits, its root."""
    mixed = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert distances(counts(YES, NO), counts(YES))["opening"] == pytest.approx(math.sqrt(mixed - 0.5))


def test_situations_weigh_as_people_meet_them():
    held, beside = ("held", YES[1]), ("beside", YES[1])
    people = counts(*3 * [held], beside)
    assert distances(counts(held, ("beside", NO[1])), people)["opening"] == pytest.approx(0.25)
    assert distances(counts(("held", NO[1]), *9 * [beside]), people)["opening"] == pytest.approx(0.75)


def test_the_report_repeats_and_has_a_ceiling():
    replies = [[YES, NO], [NO], [UNSURE], [YES]] * 5
    one, two = (likeness(replies, seed=3) for _ in range(2))
    assert one == two
    assert one["replies"] == 25
    assert 0.0 < one["index"]["low"] <= one["index"]["mean"] <= one["index"]["high"] < one["ceiling"] < 1.0
    assert one["index"]["mean"] == pytest.approx(1.0 - np.mean(list(one["distances"].values())))
    with pytest.raises(ClarifyError, match="no replies"):
        likeness([[], []])


def test_a_sample_of_people_reaches_the_ceiling():
    """Replies drawn from the census itself lie at the ceiling, which no scripted user does."""
    rng, people = np.random.default_rng(0), people_census()
    ceiling = likeness([[("unheld", Habit("no", "some", 2, 5, 7))]] * 400, seed=0)["ceiling"]
    drawn = counts_of(people) * 0
    at = list(people).index("unheld")
    blocks = [people["unheld"][kind] for kind in ("acts", "amounts", "words")]
    drawn[at] = np.concatenate([rng.multinomial(400, np.array(b) / sum(b)) for b in blocks])
    assert index(drawn, counts_of(people)) == pytest.approx(ceiling, abs=0.01)


def test_the_audit_finds_the_fitted_user_most_like_people(data_dir):
    env = clarify_env.make("ambigqa-v0", split="validation", data_dir=str(data_dir / "ambignq"))
    found = {}
    for name in ("scripted", "terse", "vague:0.2", "fitted"):
        report = audit(env, load(name, env, "user"), tasks=30, seed=0)
        found[name] = report["likeness"]["index"]["mean"]
        for fault in ("answer", "unreadable", "failed", "wrong_branch"):
            assert report["rates"][fault]["count"] == 0, (name, fault)
    assert found["fitted"] > 0.75
    assert max(found, key=found.get) == "fitted"
    assert max(found["scripted"], found["terse"], found["vague:0.2"]) < 0.68


def test_a_user_that_says_nothing_has_no_likeness():
    class Mute(clarify_env.Agent):
        def act(self, observations, rngs=None):
            return [Ask("What?")] * len(observations)

    env = clarify_env.make("synthetic-v0", size=20)
    assert audit(env, Mute(0), tasks=3)["likeness"] is None
