"""How people answer: the fit by hand, its probabilities, and the file that ships."""

import importlib.util
import json
import math
from importlib import resources
from itertools import product
from pathlib import Path

import pytest

from clarify_env import ClarifyError
from clarify_env.games.clarification.habits import AMOUNTS, REPLY_ACTS, SITUATIONS, Habit
from clarify_env.games.clarification.speech import (
    MOST_PADDING,
    SPOKEN,
    Speech,
    census,
    people,
    people_census,
    write_people,
)

YES = Habit("yes", "none", 1, 0, 1)
TOLD = Habit("no", "all", 1, 2, 4)
REPLIES = [*3 * [("held", YES)], ("held", TOLD), ("open", Habit("unsure", "none", 2, 3, 3))]


def test_a_fit_is_counting():
    fitted = Speech.fit(REPLIES)
    assert fitted.acts["held"] == pytest.approx([0.5 / 6.5, 0.5 / 6.5, 3.5 / 6.5, 1.5 / 6.5, 0.5 / 6.5])
    assert fitted.acts["choice"] == pytest.approx([0.2] * 5)
    # of the yeses all three tell nothing: 3.5 of 4.5, which five replies' weight of the same rates leaves so
    overall = [3.5 / 4.5, 0.5 / 4.5, 0.5 / 4.5]
    assert fitted.amounts["held"]["yes"] == pytest.approx(
        [(3 + 5 * overall[0]) / 8, *(5 * r / 8 for r in overall[1:])]
    )
    assert fitted.amounts["open"]["yes"] == pytest.approx(overall)
    assert fitted.padding["no"]["told"][2] == pytest.approx(1.5 / (1 + 0.5 * (MOST_PADDING + 1)))
    with pytest.raises(ClarifyError, match="no replies"):
        Speech.fit([])


@pytest.mark.parametrize("tellable", [0, 1, 3])
@pytest.mark.parametrize("where", SITUATIONS)
def test_probabilities_of_all_replies_add_up_to_one(where, tellable):
    amounts = AMOUNTS if tellable else ("none", "some")
    every = [
        Habit(act, amount, tellable, padding, 1)
        for act, amount, padding in product(REPLY_ACTS, amounts, range(MOST_PADDING + 1))
        if act in SPOKEN or amount == "none"
    ]
    for speech in (Speech.fit(REPLIES), people()):
        total = math.fsum(math.exp(speech.log_probability(where, one)) for one in every)
        assert total == pytest.approx(1.0, abs=2e-3)  # five digits of each rate in the file


def test_a_census_counts_by_situation():
    found = census(REPLIES)
    assert found["held"]["acts"] == [0, 0, 3, 1, 0]
    assert found["held"]["amounts"] == [3, 0, 1]
    assert found["held"]["words"][:5] == [3, 0, 0, 1, 0]
    assert found["open"]["acts"] == [1, 0, 0, 0, 0]
    assert sum(map(sum, found["choice"].values())) == 0


def test_what_is_written_is_what_is_read(tmp_path):
    fitted = Speech.fit(REPLIES, 0.04)
    write_people(tmp_path / "people.json", fitted, census(REPLIES))
    data = json.loads((tmp_path / "people.json").read_text())
    assert Speech(**data["fitted"]).acts["held"] == pytest.approx(fitted.acts["held"], abs=1e-5)
    assert data["fitted"]["contradiction"] == 0.04
    assert data["people"] == census(REPLIES)


def test_the_file_holds_numbers_and_no_text():
    def words(value):
        if isinstance(value, dict):
            return {*value, *(word for part in value.values() for word in words(part))}
        if isinstance(value, list):
            return {word for part in value for word in words(part)}
        return set() if isinstance(value, (int, float)) else {value}

    file = resources.files("clarify_env.games.clarification") / "people.json"
    known = {"fitted", "people", "acts", "amounts", "padding", "words", "contradiction", "bare", "told"}
    assert words(json.loads(file.read_text())) == known | {*SITUATIONS, *REPLY_ACTS}
    assert 0.0 < people().contradiction < 0.1
    assert sum(sum(one["acts"]) for one in people_census().values()) == 6660


@pytest.fixture(scope="module")
def script():
    path = Path(__file__).parents[4] / "benchmarks" / "people.py"
    spec = importlib.util.spec_from_file_location("people_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_is_the_fit_and_foretells_people_of_other_topics(script, data_dir):
    train, dev = script.rows("train"), script.rows("dev")
    assert (len(train), len(dev)) == (8566, 2161)
    assert not {row.topic for row in train} & {row.topic for row in dev}
    fitted = Speech.fit([row.described for row in train])
    for where in SITUATIONS:
        assert people().acts[where] == pytest.approx(fitted.acts[where], abs=1e-5)
    marginal = script.Marginal(train)
    rivals = {"marginal": marginal, "scripted": script.scripted(train, marginal)}
    ((own, _, high),) = script.losses(lambda row: fitted.log_probability(*row.described), [dev])
    for name, model in rivals.items():
        ((mean, low, _),) = script.losses(model, [dev])
        assert mean - own > 0.4, name
        assert low > high, name
