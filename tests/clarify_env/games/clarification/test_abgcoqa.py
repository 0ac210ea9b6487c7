"""From Abg-CoQA's records to tasks: every rule of the module's docstring, and every way to get no data."""

import json

import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import ScriptedUser
from clarify_env.data import VARIABLE
from clarify_env.games.clarification.abgcoqa import ONE_MEANING, load_abgcoqa, meaning, parse_abgcoqa
from clarify_env.games.clarification.game import Ask

CLEAR = {
    "id": "1",
    "story": "Ann met Bo. ",
    "target_turn": {"question": "Who met Bo?", "answer": "Ann"},
    "history_turns": [{"question": "Who is it about?", "answer": "Ann and Bo"}],
    "ambiguity": "non_ambiguous",
    "clarification_turn": {},
}


def ambiguous(*answers, question="What did she do?", asked="Do you mean before lunch?"):
    listed = [dict(zip(("clr_ans", "org_ans", "org_ans_2", "org_ans_3"), a, strict=False)) for a in answers]
    turn = {"question": asked, "answers": listed}
    target = {"question": question, "answer": "x"}
    return {**CLEAR, "id": "2", "target_turn": target, "ambiguity": "ambiguous", "clarification_turn": turn}


TWO = ambiguous(
    ("Yes.", "slept", "She slept", "slept"), ("No, I mean after lunch.", "ran", "unknown", "Ran.")
)


def meanings(row):
    (task,) = parse_abgcoqa(row)
    return [(m.text, m.answers) for m in task.interpretations]


def test_a_clear_question_stays_in_with_one_meaning():
    (task,) = parse_abgcoqa(CLEAR)
    assert (task.id, task.question, task.document) == ("1", "Who met Bo?", "")
    assert task.interpretations == (("Who met Bo?", ("Ann",), 1.0, ()),)
    assert task.context == "Ann met Bo.\n\nUser: Who is it about?\nAssistant: Ann and Bo"


def test_an_ambiguous_one_has_a_meaning_for_each_reply():
    assert meanings(TWO) == [
        ("What did she do, I mean before lunch?", ("slept", "She slept")),
        ("What did she do, I mean after lunch?", ("ran", "Ran.")),
    ]
    (task,) = parse_abgcoqa(TWO)
    assert [m.weight for m in task.interpretations] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("asked", "reply", "text"),
    [
        ("Do you mean Kate?", "Yes", "Who, I mean Kate?"),
        ("Do you mean Kate?", "Yes, the first Kate.", "Who, I mean the first Kate?"),
        ("Do you mean Kate?", "No, I mean Rose.", "Who, I mean Rose?"),
        ("Do you mean Kate?", "No", "Who, I do not mean Kate?"),
        ("Are you asking about Flynn or Taylor?", "I'm asking about Flynn.", "Who, I mean Flynn?"),
        ('By "she," are you referring to Kate?', "I am referring to Kate.", "Who, I mean Kate?"),
        ('By "she," are you referring to Kate?', "Yes", "Who, I mean Kate?"),
        ("Do you want to know who ran?", "Yes.", "Who, I mean who ran?"),
        ("When?", "When they sang.", "Who, I mean when they sang?"),
        ("What year?", "1849", "Who, I mean 1849?"),
        ("Which one?", "Nobody", "Who, I mean Nobody?"),
    ],
)
def test_the_statement_of_what_is_meant(asked, reply, text):
    assert meaning("Who?", asked, reply) == text


def test_a_command_ends_before_the_statement():
    assert meaning("name another", "Do you mean a cat?", "Yes") == "name another, I mean a cat?"


def test_what_the_scripted_user_says_tells_the_meanings_apart(tmp_path):
    env = clarify_env.make("abgcoqa-v0", split="validation", data_dir=written(tmp_path, [TWO]))
    said = []
    for intent in range(2):
        env.reset(seed=0, options={"intent": intent})
        observations = env.step({"asker": Ask("What do you mean?")})[0]
        said.append(ScriptedUser().act([observations["user"]])[0].text)
    assert said == ["I mean before lunch.", "I mean after lunch."]


def test_unknown_counts_only_where_nobody_knows():
    row = ambiguous(("Yes", "Unknown.", "ran"), ("No, I mean Bo", "Unknown.", "unknown", None))
    assert [golds for _, golds in meanings(row)] == [("ran",), ("Unknown.",)]


def test_meanings_in_the_same_words_are_one():
    row = ambiguous(("Yes", "a1"), ("I mean before lunch.", "b2", "a1"), ("No, I mean after it.", "c3"))
    assert meanings(row)[0] == ("What did she do, I mean before lunch?", ("a1", "b2"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ambiguous(("Yes", "slept")), ONE_MEANING),
        (ambiguous(("Yes", "slept"), ("No, I mean Bo", " ")), ONE_MEANING),
        (
            {**CLEAR, "target_turn": {"question": "Who?", "answer": " the "}},
            "no question, or no answer that has a token",
        ),
        (
            {**CLEAR, "target_turn": {"question": " ", "answer": "x"}},
            "no question, or no answer that has a token",
        ),
    ],
)
def test_what_is_rejected(row, reason):
    assert list(parse_abgcoqa(row)) == [(row["id"], reason)]


def written(folder, rows, name="coqa_abg_val.json"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(rows))
    return folder


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"data": 3}, "holds a int; Abg-CoQA is a list of records"),
        ({"version": 1}, "holds a NoneType"),
        ([], "the split is empty"),
        ([CLEAR, {"id": "9"}], "record 1 (id 9) does not have Abg-CoQA's form: KeyError"),
        ([{**CLEAR, "ambiguity": "maybe"}], "the ambiguity 'maybe' is neither"),
        ([{**CLEAR, "story": 3}], "record 0 (id 1) does not have Abg-CoQA's form: AttributeError"),
        ([{**TWO, "clarification_turn": {}}], "record 0 (id 2)"),
        ([ambiguous(("Yes", 3))], "record 0 (id 2)"),
    ],
)
def test_malformed_files(tmp_path, rows, said):
    with pytest.raises(ClarifyError) as caught:
        load_abgcoqa("validation", written(tmp_path, rows))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_files_are_looked_for(tmp_path, monkeypatch):
    written(tmp_path / "abgcoqa", {"data": [CLEAR]})
    written(tmp_path / "abgcoqa", [CLEAR, TWO], "train.json")
    monkeypatch.delenv(VARIABLE, raising=False)
    assert len(load_abgcoqa("validation", tmp_path).tasks) == 1
    assert len(load_abgcoqa("train", tmp_path / "abgcoqa").tasks) == 2
    with pytest.raises(ClarifyError, match=r"no coqa_abg_test\.json or test\.json there"):
        load_abgcoqa("test", tmp_path)
    with pytest.raises(ClarifyError, match="unknown split 'dev'"):
        load_abgcoqa("dev", tmp_path)
    with pytest.raises(ClarifyError, match="abgcoqa-v0: no data"):
        load_abgcoqa("validation")


@pytest.mark.parametrize(
    ("split", "tasks", "several", "rejected"), [("validation", 1077, 115, 15), ("test", 1047, 115, 8)]
)
def test_the_real_files(data_dir, split, tasks, several, rejected):
    found = load_abgcoqa(split, data_dir)
    assert (len(found.tasks), len(found.rejected)) == (tasks, rejected)
    assert len({task.id for task in found.tasks}) == tasks
    assert sum(len(task.interpretations) > 1 for task in found.tasks) == several
    assert {reason for _, reason in found.rejected} == {ONE_MEANING}
