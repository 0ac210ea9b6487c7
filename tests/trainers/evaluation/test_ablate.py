"""What a policy must read: ablations hide one thing and nothing else, and none beats the optimum."""

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agent import Agent, Decision, NoMove
from clarify_env.agents import load
from clarify_env.agents.ablation import Ablated, hidden_costs, unchanged
from clarify_env.agents.clarification.ablations import ABLATIONS
from clarify_env.agents.clarification.scripted import likeliest
from clarify_env.games.clarification import Answer, Ask, Enumerate
from clarify_env.registry import registry
from clarify_env.text import tokens
from clarify_env.trainers.evaluation.ablate import without_each
from clarify_env.trainers.reporting.summary import MARK
from clarify_env.trainers.reporting.tables import ablation_table

REWORDED = ("shared answers", "likeness of answers", "length of answers")


def observations(count=60):
    env = clarify_env.make("synthetic-v1")
    return [env.reset(seed=seed)[0]["asker"] for seed in range(count)]


@pytest.mark.parametrize("name", REWORDED)
def test_made_up_answers_come_back_as_the_real_ones(name):
    for seen in observations():
        changed, back = ABLATIONS[name](seen)
        pairs = list(zip(seen["notes"], changed["notes"], strict=True))
        for real, made in pairs:
            assert made._replace(answers=real.answers) == real
            assert back(Answer(made.answers[0])) == Answer(real.answers[0])
            assert not set(tokens(made.answers[0])) & set(tokens(real.answers[0]))
        if len(pairs) > 1:
            listed = Enumerate((real.text, made.answers[0]) for real, made in pairs)
            assert back(listed) == Enumerate((real.text, real.answers[0]) for real, _ in pairs)
        ask = Ask("Which era?")
        assert back(ask) == ask


def test_made_up_answers_keep_what_their_name_does_not_hide():
    shared = likened = 0
    for seen in observations():
        real = [note.answers[0] for note in seen["notes"]]
        own, alike, short = (
            [note.answers[0] for note in ABLATIONS[name](seen)[0]["notes"]] for name in REWORDED
        )
        assert [len(text.split()) for text in own] == [len(text.split()) for text in real]
        assert [len(text.split()) for text in alike] == [len(text.split()) for text in real]
        assert {len(text.split()) for text in short} == {1}
        assert len(set(own)) == len(real)
        for texts in (alike, short):
            assert [texts.index(text) for text in texts] == [real.index(text) for text in real]
        words = [set(text.split()) for text in dict.fromkeys(alike)]
        assert sum(map(len, words)) == len(set().union(*words))
        shared += len(set(real)) < len(real)
        likened += sum(len(set(text.split())) for text in set(real)) > len(set(" ".join(real).split()))
    assert min(shared, likened) > 0  # else there was nothing to hide


def test_a_hidden_cost_is_the_same_everywhere():
    cells = list(registry["synthetic-v1"].unseen)
    seen = observations(1)[0]
    for name, at in (("costs", (0, 1)), ("turn cost", (0,)), ("word cost", (1,))):
        hide = hidden_costs(cells)[name]
        shown = {tuple(hide({**seen, "costs": np.array(cell)})[0]["costs"].tolist()) for cell in cells}
        for k in (0, 1):
            assert len({costs[k] for costs in shown}) == (1 if k in at else len({cell[k] for cell in cells}))


def test_what_is_no_move_passes_through():
    class Silent(Agent):
        def act(self, observations, rngs=None):
            return [NoMove("nothing"), Decision("text"), Decision(Ask("Which era?"), trace={"a": 1}), None]

    seen = observations(4)
    actions = Silent().act(seen)
    assert Ablated(Silent(), lambda observation: (observation, unchanged)).act(seen) == actions
    instead = Decision(Answer(likeliest(seen[2], "test").answers[0]), trace={"a": 1})
    assert Ablated(Silent(), ABLATIONS["questions"]).act(seen) == [*actions[:2], instead, None]


def test_no_ablation_of_the_optimal_asker_beats_it_and_the_order_of_the_notes_costs_nothing():
    env = clarify_env.make("synthetic-v1", **registry["synthetic-v1"].held_out({}))
    found = without_each(env, load("optimal", env, "asker"), "optimal", tasks=4)
    assert found["whole"]["normalized"] == pytest.approx(1.0)
    lost = {name: row["lost"]["mean"] for name, row in found["without"].items()}
    assert min(lost.values()) >= -1e-9
    assert lost["order of the notes"] == pytest.approx(0.0, abs=1e-12)
    assert min(lost["costs"], lost["questions"], lost["shared answers"]) > 0.0
    assert found["without"]["questions"]["from_single"] < found["without"]["weights"]["from_single"] < 1.0
    assert found["own_yardstick"]
    assert ablation_table(found).caption is None


def test_scores_against_another_users_best_play_are_marked():
    row = {"reward": 0.5, "normalized": 1.1, "from_single": 1.2, "foreign": True}
    lost = {"lost": {"mean": 0.1, "low": 0.0, "high": 0.2}}
    report = {
        "agent": "mine",
        "env": "synthetic-v1",
        "questions": 2,
        "yardstick": "optimum with another user",
        "own_yardstick": False,
        "whole": row,
        "without": {"costs": {**row, **lost}},
    }
    table = ablation_table(report)
    assert "another user" in str(table.caption)
    assert list(table.columns[2].cells) == [f"1.100{MARK}"] * 2


def test_an_asker_without_notes_has_nothing_to_be_kept_from():
    seen = {**observations(1)[0], "notes": ()}
    with pytest.raises(ClarifyError, match="knowledge='open'"):
        ABLATIONS["weights"](seen)
