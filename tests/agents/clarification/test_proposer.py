"""Candidate moves and their features: functions of question, notes and transcript alone."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import ScriptedUser
from clarify_env.agents.clarification.move_scorer import FEATURES, Asking, NoteProposer, describe
from clarify_env.games.clarification import Answer, Ask, Costs, Enumerate, UserModel
from clarify_env.games.clarification.game import Interpretation
from clarify_env.games.clarification.scripted_user import PLAIN, pick
from clarify_env.games.clarification.synthetic import tasks
from clarify_env.text import best_f1

TASKS = tasks("train", 60)
COLUMN = {name: i for i, name in enumerate(FEATURES)}
quick = settings(max_examples=40, deadline=None)


def observed(task, order, costs, asks=0, noise=0.0):
    """What the asker sees of `task` after its first `asks` questions."""
    env = clarify_env.make("synthetic-v0", size=60)
    options = {"task": task, "intent": 0, "order": order, "costs": Costs(*costs)}
    observations, _ = env.reset(seed=1, options=options)
    user = ScriptedUser(UserModel(noise=noise), seed=4)
    for _ in range(asks):
        dialogue = Asking.of(observations["asker"], "test")
        observations = env.step({"asker": NoteProposer().propose(dialogue)[0]})[0]
        observations = env.step({"user": user.act([observations["user"]])[0]})[0]
    return observations["asker"]


@st.composite
def points(draw):
    """A task's position, the order of its notes, and how many questions were put."""
    task = draw(st.integers(0, 59))
    order = draw(st.permutations(range(len(TASKS[task].interpretations))))
    return task, tuple(order), draw(st.integers(0, 3))


@quick
@given(points(), st.floats(0, 1), st.floats(0, 0.2))
def test_candidates_and_features_do_not_depend_on_costs_or_the_order_of_notes(point, turn, word):
    task, order, asks = point
    plain = Asking.of(observed(task, tuple(range(len(order))), (0.1, 0.01), asks), "test")
    other = Asking.of(observed(task, order, (turn, word), asks), "test")
    moves = NoteProposer().propose(plain)
    assert NoteProposer().propose(other) == moves
    np.testing.assert_array_equal(describe(plain, moves), describe(other, moves))
    assert plain == other


@quick
@given(points())
def test_candidates_are_distinct_with_a_final_message_among_them(point):
    task, order, asks = point
    dialogue = Asking.of(observed(task, order, (0.1, 0.01), asks), "test")
    moves = NoteProposer().propose(dialogue)
    assert len(set(moves)) == len(moves)
    assert any(isinstance(move, (Answer, Enumerate)) for move in moves)
    assert len(dialogue.notes) == 1 or any(isinstance(move, Ask) for move in moves)
    likeliest = dialogue.notes[int(np.argmax(dialogue.chances))]
    assert Answer(likeliest.answers[0]) in moves


@quick
@given(points())
def test_features_are_finite_and_those_of_final_messages_say_what_they_earn(point):
    task, order, asks = point
    dialogue = Asking.of(observed(task, order, (0.1, 0.01), asks), "test")
    moves = NoteProposer().propose(dialogue)
    table = describe(dialogue, moves)
    assert table.shape == (len(moves), len(FEATURES))
    assert np.isfinite(table).all()
    np.testing.assert_array_equal(table[:, :3].sum(axis=1), 1.0)
    chances = dialogue.chances
    for move, row in zip(moves, table, strict=True):
        if isinstance(move, Ask):
            assert row[COLUMN["words"]] == 0.0
            continue
        earned = 0.0
        for note, chance in zip(dialogue.notes, chances, strict=True):
            taken = move.text
            if isinstance(move, Enumerate):
                at = pick(move.options, note.text, note.facts)
                taken = "" if at is None else move.options[at][1]
            earned += chance * best_f1(taken, note.answers)
        assert row[COLUMN["accuracy"]] == pytest.approx(earned)
        assert row[COLUMN["words"]] == pytest.approx(move.words / 10)


@quick
@given(st.integers(0, 59))
def test_a_row_of_features_does_not_depend_on_the_other_moves(task):
    order = tuple(range(len(TASKS[task].interpretations)))
    dialogue = Asking.of(observed(task, order, (0.1, 0.01)), "test")
    moves = NoteProposer().propose(dialogue)
    whole = describe(dialogue, moves)
    for move, row in zip(moves, whole, strict=True):
        np.testing.assert_array_equal(describe(dialogue, [move])[0], row)
    assert describe(dialogue, []).shape == (0, len(FEATURES))


def test_what_a_question_leads_to_on_a_task_by_hand():
    notes = tuple(
        Interpretation(f"When did the film open in {place}?", (date,), weight)
        for place, date, weight in (
            ("Norway", "1950", 0.5),
            ("Chile", "May 1951", 0.3),
            ("Peru", "1951", 0.2),
        )
    )
    dialogue = Asking("When did the film open?", notes, ())
    ask, answer = describe(dialogue, [Ask("What exactly do you mean?"), Answer("1950")])
    # after the reply the meaning is known, and the mean usual answer has 1.3 words
    assert ask[
        [COLUMN[name] for name in ("after_accuracy", "after_words", "after_settled")]
    ] == pytest.approx([1.0, 0.13, 1.0])
    # before it "1950" earns 0.5, "1951" 0.3 * 2/3 + 0.2 = 0.4, "May 1951" 0.3 + 0.2 * 2/3
    assert answer[
        [COLUMN[name] for name in ("accuracy", "words", "now_accuracy", "now_words")]
    ] == pytest.approx([0.5, 0.1, 0.5, 0.1])
    assert answer[COLUMN["entropy"]] == pytest.approx(-sum(p * np.log(p) for p in (0.5, 0.3, 0.2)))


def test_one_note_and_notes_without_facts():
    lone = (Interpretation("Who wrote it?", ("A B", "B")),)
    moves = NoteProposer().propose(Asking("Who wrote it?", lone, ()))
    assert moves[0] == Ask("What exactly do you mean?")
    assert {Answer("A B"), Answer("B")} <= set(moves)
    table = describe(Asking("Who wrote it?", lone, ()), moves)
    assert np.isfinite(table).all()
    assert PLAIN  # a user with nothing to add says so


def test_many_notes_in_any_order():
    notes = tuple(Interpretation(f"Who won it in {1990 + k}?", (f"Team {k}",), 1 / 4) for k in range(4))
    found = {
        tuple(NoteProposer().propose(Asking.of(view, "test")))
        for order in permutations(notes)
        for view in [{"question": "Who won it?", "notes": order, "transcript": ()}]
    }
    assert len(found) == 1


def test_an_observation_without_notes_is_named():
    with pytest.raises(ClarifyError, match="MoveScorer plays from the asker's notes and found none"):
        Asking.of({"question": "Who?", "notes": (), "transcript": ()}, "MoveScorer")
