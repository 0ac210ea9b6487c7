"""From PACIFIC's dialogues to tasks: every rule of the module's docstring, and every way to get no data."""

import json
import sys
from collections import Counter
from hashlib import sha256
from types import SimpleNamespace

import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.data import VARIABLE
from clarify_env.games.clarification import Answer, Enumerate, Select
from clarify_env.games.clarification.numeric_grading import grade_numbers
from clarify_env.games.clarification.pacific import CHECKSUMS, NO_RIVAL, load_pacific, parse_pacific

TABLE = [["", "2019", "2018"], ["Sales", "$1,496.5", "$1,202.9"], ["Costs", "(44.1)", "56.7"]]


def turn(question, answer, original=None, asked=False, scale="", derivation="", uid=""):
    return {
        "uid": uid or question, "question": question, "original_question": original or question,
        "answer": answer, "scale": scale, "derivation": derivation, "req_clari": asked,
    }  # fmt: skip


ASKED = turn("What are the sales?", ["Which year are you asking about?"], asked=True)
REPLY = turn("2019.", ["$1,496.5"], "What are the sales in 2019?", scale="million")
CLEAR = turn("What is it in 2018?", ["$1,202.9"], "What are the sales in 2018?", scale="million")


def dialogue(*turns, table=TABLE):
    texts = [{"order": "2", "text": " Second. "}, {"order": "1", "text": "First."}]
    return {"table": {"uid": "t", "table": table}, "paragraphs": texts, "questions": list(turns)}


def test_a_question_to_clarify_means_what_the_reply_says_or_a_rival():
    (task,) = parse_pacific(dialogue(ASKED, REPLY))
    assert (task.id, task.question, task.context) == ("What are the sales?", "What are the sales?", "")
    assert [(m.text, m.answers, m.weight) for m in task.interpretations] == [
        ("What are the sales in 2019?", ("$1,496.5 million",), 0.5),
        ("What are the sales in 2018?", ("$1,202.9 million",), 0.5),
    ]


def test_the_report_is_the_document():
    (task,) = parse_pacific(dialogue(ASKED, REPLY))
    table = "Table:\n | 2019 | 2018\nSales | $1,496.5 | $1,202.9\nCosts | (44.1) | 56.7"
    assert task.document == f"{table}\nText:\nFirst.\nSecond."


def test_a_clear_turn_stays_in_and_the_dialogue_is_its_context():
    _, task = parse_pacific(dialogue(ASKED, REPLY, CLEAR))
    assert task.question == "What is it in 2018?"
    assert task.interpretations == (("What are the sales in 2018?", ("$1,202.9 million",), 1.0, ()),)
    assert task.context == (
        "User: What are the sales?\nAssistant: Which year are you asking about?\n"
        "User: 2019.\nAssistant: $1,496.5 million"
    )


@pytest.mark.parametrize(
    ("answer", "scale", "gold"),
    [
        (-12.6, "million", "-12.6 million"),
        (12122, "thousand", "12,122 thousand"),
        (-22.22, "percent", "-22.22%"),
        ("2", "", "2"),
        (["$ 4,565.4", "$ 318.2"], "", "$4,565.4; $318.2"),
        (["(114)", "(71)"], "million", "(114) million; (71) million"),
        (["tax returns; claims"], "", "tax returns, claims"),
        (["$(9.8) million"], "million", "$(9.8) million"),
        ([" 2019 ", "-"], "", "2019"),
    ],
)
def test_answers_in_their_usual_form(answer, scale, gold):
    (task,) = parse_pacific(dialogue(turn("What?", answer, scale=scale)))
    assert task.interpretations[0].answers == (gold,)
    assert grade_numbers(gold, (gold,)) == (1.0, 1.0)


def test_a_rival_takes_over_the_scale_of_the_answer():
    reply = {**REPLY, "answer": ["$1,496.5 million"], "scale": ""}
    (task,) = parse_pacific(dialogue(ASKED, reply))
    assert task.interpretations[1].answers == ("$1,202.9 million",)


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ((ASKED, {**REPLY, "answer": ["a lot"]}), NO_RIVAL),
        ((ASKED,), "calls for clarification, but the dialogue ends there"),
        ((turn("What?", ["-"]),), "no question, or no answer that has a token"),
        ((turn(" ", ["5"], uid="u"),), "no question, or no answer that has a token"),
    ],
)
def test_what_is_rejected(turns, reason):
    assert [*parse_pacific(dialogue(*turns))] == [(turns[0]["uid"], reason)]


def env_of(folder, **options):
    return clarify_env.make(
        "pacific-v0", split="validation", data_dir=folder, turn_cost=0, word_cost=0, **options
    )


@pytest.mark.parametrize(
    ("final", "selected", "accuracy"),
    [
        (Answer("$1,496.5 million"), "$1,496.5 million", 1.0),
        (Answer("Sales were 1.4965 billion."), "1.4965 billion", 1.0),
        (Answer("1496.5"), "1496.5", 0.0),
        (Enumerate([("2018", "1,202.9 million"), ("2019", "1,496,500 thousand")]), "1,496,500 thousand", 1.0),
        (Enumerate([("2018", "$1,202.9 million"), ("2019", "x")]), "$1,202.9 million", 0.0),
    ],
)
def test_numbers_pass_through_the_environment(tmp_path, final, selected, accuracy):
    env = env_of(written(tmp_path, [dialogue(ASKED, REPLY)]))
    env.reset(seed=0, options={"intent": 0})
    env.step({"asker": final})
    _, rewards, *_ = env.step({"user": Select(selected)})
    assert rewards["asker"] == accuracy
    assert env.episode().stop == "selected"


@pytest.mark.parametrize(
    ("knowledge", "notes", "document"), [("document", 0, 1), ("open", 2, 0), ("closed", 0, 0)]
)
def test_what_the_asker_holds(tmp_path, knowledge, notes, document):
    folder = written(tmp_path, [dialogue(ASKED, REPLY)])
    observations, _ = env_of(folder, knowledge=knowledge).reset(seed=0)
    assert len(observations["asker"]["notes"]) == notes
    assert bool(observations["asker"]["document"]) == bool(document)
    assert "document" not in observations["user"]
    assert env_of(folder).game.knowledge == "document"


def written(folder, rows, name="validation.json"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(rows))
    return folder


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"data": []}, "holds a dict; PACIFIC is a list of records"),
        ([], "the split is empty"),
        ([dialogue(ASKED, REPLY), {}], "record 1 does not have PACIFIC's form: KeyError"),
        ([dialogue(CLEAR), dialogue({**CLEAR, "scale": "dozen"})], "record 1 does not have PACIFIC's form"),
        ([dialogue({**CLEAR, "answer": None})], "record 0 does not have PACIFIC's form: TypeError"),
        ([dialogue({**CLEAR, "answer": [3]})], "record 0 does not have PACIFIC's form: TypeError"),
        ([dialogue(CLEAR, table=[[3]])], "record 0 does not have PACIFIC's form: AttributeError"),
        (
            [dialogue({"uid": "1", "question": "What?"})],
            "have no answers; PACIFIC labels train and validation only",
        ),
        (["x"], "record 0 does not have PACIFIC's form: TypeError"),
    ],
)
def test_malformed_files(tmp_path, rows, said):
    with pytest.raises(ClarifyError) as caught:
        load_pacific("validation", written(tmp_path, rows))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_splits_and_folders(tmp_path):
    with pytest.raises(ClarifyError, match="split='test' is published without answers"):
        load_pacific("test", tmp_path)
    with pytest.raises(ClarifyError, match="unknown split 'dev'"):
        load_pacific("dev", tmp_path)
    with pytest.raises(ClarifyError, match=r"no train\.json there, nor in its folder 'pacific'"):
        load_pacific("train", tmp_path)
    assert (
        len(
            load_pacific("train", written(tmp_path / "pacific", [dialogue(CLEAR)], "train.json").parent).tasks
        )
        == 1
    )


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A stand-in for pooch, which fetches from a dictionary and checks sums; no test touches a network."""
    stand_in = SimpleNamespace(files={}, asked=[], cache=tmp_path / "cache")

    def retrieve(url, known_hash, fname, path):
        stand_in.asked.append((url.rpartition("/")[2], known_hash))
        target = path / fname
        if not target.exists():
            if fname not in stand_in.files:
                raise OSError("no such host\nsecond line")
            path.mkdir(parents=True, exist_ok=True)
            target.write_bytes(stand_in.files[fname])
        if known_hash and f"sha256:{sha256(target.read_bytes()).hexdigest()}" != known_hash:
            raise ValueError("the hash does not match")
        return str(target)

    pooch = SimpleNamespace(os_cache=lambda name: stand_in.cache / name, retrieve=retrieve)
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    monkeypatch.delenv(VARIABLE, raising=False)
    return stand_in


def test_a_file_of_known_checksum_has_to_match(web):
    web.files["validation.json"] = json.dumps([dialogue(CLEAR)]).encode()
    with pytest.raises(
        ClarifyError, match=r"validation\.json: could not be downloaded \(the hash does not match"
    ):
        load_pacific("validation")
    assert web.asked == [("validation.json", f"sha256:{CHECKSUMS['validation']}")]


def test_a_file_of_unknown_checksum_has_to_stay_what_it_was(web):
    web.files["train.json"] = json.dumps([dialogue(CLEAR)]).encode()
    assert len(load_pacific("train").tasks) == len(load_pacific("train").tasks) == 1
    seen = f"sha256:{sha256(web.files['train.json']).hexdigest()}"
    assert web.asked == [("train.json", None), ("train.json", seen)]
    (web.cache / "clarify_env" / "pacific" / "train.json").write_text("[]")
    with pytest.raises(ClarifyError, match="the hash does not match"):
        load_pacific("train")


def test_without_a_network_or_the_client_it_is_one_line(web, monkeypatch):
    with pytest.raises(ClarifyError, match=r"could not be downloaded \(no such host\); give data_dir=FOLDER"):
        load_pacific("validation")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ClarifyError, match=r"pip install 'clarify_env\[download\]'"):
        load_pacific("validation")


def test_the_real_file(data_dir):
    path = data_dir / "pacific" / "validation.json"
    assert sha256(path.read_bytes()).hexdigest() == CHECKSUMS["validation"]
    found = load_pacific("validation", data_dir)
    turns = [turn for row in json.loads(path.read_text()) for turn in row["questions"]]
    replies = sum(turn["req_clari"] for turn in turns)
    assert len(turns) == len(found.tasks) + len(found.rejected) + replies
    assert Counter(len(task.interpretations) for task in found.tasks) == {1: 1342, 2: 24, 3: 76, 4: 86}
    assert Counter(reason for _, reason in found.rejected) == {NO_RIVAL: 134}
    assert len({task.id for task in found.tasks}) == len(found.tasks)


def test_the_real_test_file_is_refused(data_dir, tmp_path):
    (tmp_path / "train.json").write_text((data_dir / "pacific" / "test.json").read_text())
    with pytest.raises(ClarifyError, match="its questions have no answers"):
        load_pacific("train", tmp_path)
