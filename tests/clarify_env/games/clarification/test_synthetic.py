"""The generated world."""

import math
from collections import Counter

import numpy as np
import pytest

from clarify_env import ClarifyError
from clarify_env.data import SIZES
from clarify_env.games.clarification import Costs, UserModel
from clarify_env.games.clarification.game import SEEN
from clarify_env.games.clarification.optimum import Solver
from clarify_env.games.clarification.synthetic import ATTRIBUTES, DOMAINS, generate_task, tasks
from clarify_env.text import best_f1, tokens, words

TASKS = tasks("validation")


def test_the_world_is_deterministic():
    tasks.cache_clear()
    again = tasks("validation")
    assert again == TASKS
    assert tasks("validation", 20) == TASKS[:20]
    assert generate_task(np.random.default_rng(5), "x") == generate_task(np.random.default_rng(5), "x")


def test_splits_and_worlds_are_disjoint():
    seen = {}
    for split in SIZES:
        found = tasks(split)
        assert len(found) == SIZES[split]
        assert len({task.id for task in found}) == len(found)
        seen[split] = {(task.question, task.interpretations) for task in found}
        seen[split + "1"] = {(task.question, task.interpretations) for task in tasks(split, world=1)}
    everything = Counter(task for found in seen.values() for task in found)
    assert max(everything.values()) == 1


def test_weights_add_up_to_one():
    for task in TASKS:
        weights = [m.weight for m in task.interpretations]
        assert math.fsum(weights) == pytest.approx(1.0, abs=1e-12)
        assert min(weights) >= 0.03
    assert (
        max(m.weight for task in TASKS if len(task.interpretations) > 3 for m in task.interpretations) > 0.6
    )


def test_facts_tell_the_meanings_apart():
    for task in TASKS:
        every = [tuple(fact.value for fact in m.facts) for m in task.interpretations]
        assert len(set(every)) == len(every)
        for m in task.interpretations:
            assert [fact.name for fact in m.facts] == list(ATTRIBUTES)
            assert all(fact.value in fact.domain == DOMAINS[fact.name] for fact in m.facts)
            assert {fact.value for fact in m.facts} <= set(tokens(m.text))
            assert m.text.split(",")[0] in task.question


def test_meanings_are_one_to_six():
    counts = Counter(len(task.interpretations) for task in TASKS)
    assert set(counts) == {1, 2, 3, 4, 5, 6}
    assert 1 / 8 < counts[1] / len(TASKS) < 1 / 4


def test_answers_have_one_to_five_words_and_overlap_at_times():
    lengths = Counter(words(m.answers[0]) for task in TASKS for m in task.interpretations)
    assert set(lengths) == {1, 2, 3, 4, 5}
    overlapping = 0
    for task in TASKS:
        answers = [m.answers[0] for m in task.interpretations]
        assert len(set(answers)) == len(answers)
        scores = [best_f1(a, [b]) for a in answers for b in answers if a != b]
        overlapping += any(0.0 < score < 1.0 for score in scores)
    assert 0.2 < overlapping / len(TASKS) < 0.9


def test_one_question_several_and_none_are_each_optimal_at_times():
    best = [Solver(t.question, t.interpretations, UserModel(), 5).optimum(list(SEEN)) for t in TASKS[:150]]
    asks = np.array(best)[:, :, 2]
    assert (asks == 0.0).mean() > 0.2
    assert ((asks > 0.0) & (asks <= 1.0)).mean() > 0.1
    assert (asks > 1.0).mean() > 0.02


def test_everything_can_be_found_out():
    for task in TASKS[:100]:
        best = Solver(task.question, task.interpretations, UserModel(), 5).optimum([Costs(0.0, 0.0)])
        assert best[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "vaildation"}, "unknown split 'vaildation'; did you mean 'validation'?"),
        ({"size": 0}, "size=0: a split has at least 1 question"),
        ({"size": -3}, "size=-3"),
        ({"size": 2.5}, "size=2.5"),
        ({"world": -1}, "world=-1: the seed of the world is an integer >= 0"),
        ({"world": "flat"}, "world='flat'"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(ClarifyError) as caught:
        tasks(**options)
    assert said in str(caught.value)
