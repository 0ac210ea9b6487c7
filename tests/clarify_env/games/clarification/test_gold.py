"""In every game, the right answer to every meaning of every question is right, and no answer is wrong."""

import pytest

import clarify_env
from clarify_env.games.clarification import Answer, Enumerate, Select

SPLITS = [
    ("synthetic-v0", "train"),
    ("synthetic-v0", "validation"),
    ("synthetic-v0", "test"),
    ("ambigqa-v0", "train"),
    ("ambigqa-v0", "validation"),
    ("pacific-v0", "validation"),
    ("abgcoqa-v0", "validation"),
    ("abgcoqa-v0", "test"),
]


def played(env, start, final, selected):
    env.reset(seed=0, options=start)
    env.step({"asker": final, "user": None})
    _, rewards, *_ = env.step({"asker": None, "user": Select(selected)})
    return rewards["asker"], env.episode().quantities["exact"], env.episode().stop


@pytest.mark.parametrize(("id", "split"), SPLITS)
def test_gold_answers_are_right_and_empty_ones_wrong(id, split, request):
    options = {} if id == "synthetic-v0" else {"data_dir": request.getfixturevalue("data_dir")}
    env = clarify_env.make(id, split=split, turn_cost=0, word_cost=0, **options)
    for position, task in enumerate(env.game.tasks):
        every = Enumerate((meaning.text, meaning.answers[0]) for meaning in task.interpretations)
        for intent, meaning in enumerate(task.interpretations):
            start = {"task": position, "intent": intent}
            right = (1.0, 1.0, "selected")
            for gold in meaning.answers:
                assert played(env, start, Answer(gold), gold) == right, (task.id, gold)
            assert played(env, start, every, meaning.answers[0]) == right, task.id
            assert played(env, start, Answer(""), "") == (0.0, 0.0, "selected"), task.id
