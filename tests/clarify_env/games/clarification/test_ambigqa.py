"""From AmbigQA's records to tasks: every rule of the module's docstring, and every way to get no data."""

import json
import sys
from types import SimpleNamespace

import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.data import VARIABLE
from clarify_env.games.clarification.ambigqa import (
    MAX_ALIAS_WORDS,
    MAX_MEANINGS,
    _from_hub,
    load_ambigqa,
    parse_ambigqa,
)
from clarify_env.registry import for_training
from clarify_env.text import tokens

QUESTION = "Who wrote it?"


def single(*answers):
    return {"type": "singleAnswer", "answer": list(answers)}


def multiple(*pairs):
    return {"type": "multipleQAs", "qaPairs": [{"question": q, "answer": list(a)} for q, a in pairs]}


def record(*annotations, id="7", question=QUESTION):
    return {"id": id, "question": question, "annotations": list(annotations)}


def as_on_the_hub(row):
    """The same record, column-wise, with [] where a key does not apply."""
    pairs = [a.get("qaPairs", []) for a in row["annotations"]]
    return {
        **row,
        "annotations": {
            "type": [a["type"] for a in row["annotations"]],
            "answer": [a.get("answer", []) for a in row["annotations"]],
            "qaPairs": [
                {"question": [p["question"] for p in listed], "answer": [p["answer"] for p in listed]}
                for listed in pairs
            ],
        },
    }


def meanings(row):
    return [(m.text, m.answers) for m in parse_ambigqa(row).interpretations]


RECORDS = [
    record(single("Ann", "Ann Lee")),
    record(single("Ann"), single("Lee", "Ann")),
    record(multiple(("Who wrote it first?", ["Ann"]), ("Who wrote it last?", ["Lee", "L."]))),
    record(single("Ann"), multiple(("Who wrote it first?", ["Ann"]), ("Who wrote it last?", ["Lee"]))),
]


@pytest.mark.parametrize("row", RECORDS)
def test_the_raw_and_the_hubs_form_give_equal_tasks(row):
    assert as_on_the_hub(row) != row
    assert parse_ambigqa(as_on_the_hub(row)) == parse_ambigqa(row)


def test_the_answers_of_all_annotators_are_aliases_of_one_meaning():
    task = parse_ambigqa(record(single("Ann", "Ann Lee"), single("Lee", "Ann")))
    assert (task.id, task.question) == ("7", QUESTION)
    (only,) = task.interpretations
    assert only == (QUESTION, ("Ann", "Ann Lee", "Lee"), 1.0, ())


def test_several_meanings_win_over_one():
    assert meanings(RECORDS[3]) == [("Who wrote it first?", ("Ann",)), ("Who wrote it last?", ("Lee",))]
    assert [m.weight for m in parse_ambigqa(RECORDS[3]).interpretations] == [0.5, 0.5]


def test_the_annotation_with_the_most_meanings_counts_the_first_of_equals():
    two = multiple(("a one?", ["x"]), ("b one?", ["y"]))
    three = multiple(("c one?", ["x"]), ("d one?", ["y"]), ("e one?", ["z"]))
    other = multiple(("f one?", ["x"]), ("g one?", ["y"]), ("h one?", ["z"]))
    assert [text for text, _ in meanings(record(two, three, other))] == ["c one?", "d one?", "e one?"]


def test_an_empty_list_of_meanings_is_none():
    assert meanings(record(multiple(), single("Ann"))) == [(QUESTION, ("Ann",))]


def test_dozens_of_meanings_are_capped():
    many = [(f"Who wrote part {i}?", [f"Ann {i}"]) for i in range(41)]
    task = parse_ambigqa(record(multiple(*many)))
    assert [m.text for m in task.interpretations] == [text for text, _ in many[:MAX_MEANINGS]]
    assert sum(m.weight for m in task.interpretations) == pytest.approx(1.0)


def test_meanings_in_the_same_words_are_one():
    pairs = [("Who wrote it?", ["Ann"]), ("Who sang it?", ["Lee"]), ("who wrote  the it", ["Bo", "Ann"])]
    assert meanings(record(multiple(*pairs))) == [
        ("Who wrote it?", ("Ann", "Bo")),
        ("Who sang it?", ("Lee",)),
    ]


def test_meanings_that_share_answers_stay():
    assert len(meanings(record(multiple(("a one?", ["x"]), ("b one?", ["x"]))))) == 2
    assert len(meanings(record(multiple(("a one?", ["x", "y"]), ("b one?", ["y"]))))) == 2


def test_aliases_are_stripped_and_blank_repeated_and_long_ones_dropped():
    fits, long = " ".join(["w"] * MAX_ALIAS_WORDS), " ".join(["w"] * (MAX_ALIAS_WORDS + 1))
    row = record(single(" Ann ", "", "  ", "Ann", "?!", "the", long, fits))
    assert meanings(row) == [(QUESTION, ("Ann", fits))]


def test_a_meaning_without_an_alias_is_dropped():
    row = record(multiple(("a one?", [""]), ("b one?", ["x"]), (" ", ["y"])))
    assert meanings(row) == [("b one?", ("x",))]
    assert parse_ambigqa(row).interpretations[0].weight == 1.0


def test_a_dropped_meaning_does_not_count_for_the_cap():
    many = [("empty?", [])] + [(f"part {i}?", ["x"]) for i in range(MAX_MEANINGS)]
    assert len(meanings(record(multiple(*many)))) == MAX_MEANINGS


def written(folder, rows, name="dev_light.json"):
    folder.mkdir(exist_ok=True)
    text = rows if isinstance(rows, str) else json.dumps(rows)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_question_without_a_meaning_is_rejected_with_its_reason(tmp_path):
    rows = [record(single("Ann")), record(single(" "), id="8"), record(single("x"), id="9", question=" ")]
    found = load_ambigqa("validation", written(tmp_path, rows))
    assert [task.id for task in found.tasks] == ["7"]
    assert found.rejected == (("8", "no answer of 1 to 100 words that has a token"), ("9", "no question"))


def failure(split="validation", data_dir=None):
    with pytest.raises(ClarifyError) as caught:
        load_ambigqa(split, data_dir)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"id": "1",\n "question": "Wh', "dev_light.json: malformed JSON at line 2, column 14"),
        ('[{"id": 1}\n {"id": 2}]', "line 2, column 2: Expecting ',' delimiter"),
        ('[{"id": "1"}', "the file ends early, is it complete?"),
        ("", "malformed JSON at line 1, column 1"),
        ('{"data": []}', "holds a dict; AmbigQA is a list of records"),
        ("3", "holds a int"),
        ("[]", "the split is empty"),
        ('["what?"]', "record 0 does not have AmbigQA's form: TypeError"),
        ('[{"id": "1", "question": "Who?"}]', "record 0 (id 1) does not have AmbigQA's form: KeyError"),
    ],
)
def test_malformed_files(tmp_path, text, said):
    assert said in failure(data_dir=written(tmp_path, text))


@pytest.mark.parametrize(
    "annotation",
    [
        {"answer": ["x"]},
        {"type": "singleAnswer"},
        {"type": "singleAnswer", "answer": "Ann"},
        {"type": "singleAnswer", "answer": [3]},
        {"type": "singleAnswer", "answer": None},
        {"type": "multipleQAs", "qaPairs": [{"question": "Who?"}]},
        {"type": "multipleQAs", "qaPairs": {"question": ["Who?"]}},
        "Ann",
    ],
)
def test_a_record_of_another_form_is_named(tmp_path, annotation):
    rows = [record(single("x")), record(annotation, id="8")]
    assert "record 1 (id 8) does not have AmbigQA's form" in failure(data_dir=written(tmp_path, rows))


def test_a_split_of_nothing_usable_is_empty(tmp_path):
    assert "the split is empty" in failure(data_dir=written(tmp_path, [record(single(""))]))


def test_where_files_are_looked_for(tmp_path, monkeypatch):
    written(tmp_path / "ambignq", RECORDS[:2])
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (
        len(load_ambigqa("validation", tmp_path).tasks)
        == len(load_ambigqa("validation", tmp_path / "ambignq").tasks)
        == 2
    )
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert len(load_ambigqa("validation").tasks) == 2
    said = failure("train")
    assert f"{VARIABLE}={str(tmp_path)!r}: no train_light.json or train.json there" in said
    assert "data_dir=" in failure("train", tmp_path)
    assert "unknown split 'tset'" in failure("tset", tmp_path)


def test_a_changed_file_is_read_again(tmp_path):
    assert len(load_ambigqa("validation", written(tmp_path, RECORDS[:1])).tasks) == 1
    assert len(load_ambigqa("validation", written(tmp_path, RECORDS[:3])).tasks) == 3


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the hub's client; no test touches a network."""
    stand_in = SimpleNamespace(offline=False, reachable=True, rows=[], asked=[])

    def dataset_info(name, timeout):
        if not stand_in.reachable:
            raise OSError("no such host\nsecond line")

    def load_dataset(*names, split):
        stand_in.asked.append((*names, split))
        return stand_in.rows

    client = SimpleNamespace(dataset_info=dataset_info)
    constants = SimpleNamespace(HF_HUB_OFFLINE=False)
    stand_in.constants = constants
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setitem(
        sys.modules, "huggingface_hub", SimpleNamespace(HfApi=lambda: client, constants=constants)
    )
    monkeypatch.delenv(VARIABLE, raising=False)
    _from_hub.cache_clear()
    yield stand_in
    _from_hub.cache_clear()


def test_without_a_folder_the_hub_is_read(hub):
    hub.rows = [as_on_the_hub({**row, "id": str(i)}) for i, row in enumerate(RECORDS)]
    assert [t.interpretations for t in load_ambigqa("train").tasks] == [
        parse_ambigqa(row).interpretations for row in RECORDS
    ]
    assert hub.asked == [("sewon/ambig_qa", "light", "train")]


def test_an_unreachable_hub_is_one_line(hub):
    hub.reachable = False
    said = failure()
    for word in ("no such host", "data_dir=FOLDER", VARIABLE, "HF_HUB_OFFLINE=1"):
        assert word in said
    assert hub.asked == []
    hub.constants.HF_HUB_OFFLINE, hub.rows = True, RECORDS  # what was downloaded before
    assert len(load_ambigqa("validation").tasks) == len(RECORDS)


def test_without_the_hubs_client_it_says_where_data_can_come_from(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    said = failure()
    for word in (
        "data_dir=FOLDER",
        "--data-dir",
        "train_light.json",
        VARIABLE,
        "pip install",
        "clarify_env[hub]",
        "split='sample'",
    ):
        assert word in said
    assert "\n" not in said


def test_without_data_there_is_a_sample(hub, monkeypatch, command, elsewhere):
    monkeypatch.setitem(sys.modules, "datasets", None)
    env = clarify_env.make("ambigqa-v0", split="sample")
    assert len(env.game.tasks) == 50
    assert load_ambigqa("sample").rejected == ()
    assert for_training(env).game.tasks == env.game.tasks
    code, out, err = command(
        "evaluate", "always-ask", "--env", "ambigqa-v0", "--split", "sample", "--no-wandb"
    )
    assert code == 0, err
    assert "1 = the ceiling" in " ".join(out.split())


@pytest.mark.parametrize(
    ("split", "questions", "several", "one_answer", "rejected"),
    [("train", 10036, 4749, 112, 1), ("validation", 2002, 1172, 22, 0)],
)
def test_the_real_files(data_dir, split, questions, several, one_answer, rejected):
    found = load_ambigqa(split, data_dir)
    assert len(found.tasks) + len(found.rejected) == questions
    assert len(found.rejected) == rejected
    assert len({task.id for task in found.tasks}) == len(found.tasks)
    ambiguous = [task for task in found.tasks if len(task.interpretations) > 1]
    assert len(ambiguous) == several
    golds = [[{tokens(a) for a in m.answers} for m in task.interpretations] for task in ambiguous]
    assert sum(all(g == listed[0] for g in listed) for listed in golds) == one_answer
    assert max(len(task.interpretations) for task in found.tasks) == MAX_MEANINGS


def with_corpus(tmp_path, **options):
    rows = [record(single("Ann"), id="1", question="Who wrote the blue letter?"), RECORDS[2]]
    texts = tmp_path / "texts"
    texts.mkdir(exist_ok=True)
    (texts / "a.txt").write_text(
        "Ann wrote the blue letter.\n\nIt rained.\n\nA letter came.", encoding="utf-8"
    )
    given = {"knowledge": "document", "corpus": texts, **options}
    return clarify_env.make("ambigqa-v0", split="validation", data_dir=written(tmp_path, rows), **given)


def test_the_document_is_what_the_question_finds(tmp_path):
    env = with_corpus(tmp_path)
    observations, _ = env.reset(seed=0, options={"task": "1"})
    assert observations["asker"]["document"] == "Ann wrote the blue letter.\n\nA letter came."
    assert observations["asker"]["notes"] == ()
    assert "document" not in observations["user"]
    first = with_corpus(tmp_path, passages=1).game.tasks[0]
    assert first.document == "Ann wrote the blue letter."


def test_retrieval_knows_nothing_but_the_question(tmp_path):
    env = with_corpus(tmp_path)  # "first" and "last" stand in the meanings alone, "Lee" in an answer
    (tmp_path / "texts" / "b.txt").write_text("Lee was first and last.")
    assert "Lee" not in with_corpus(tmp_path).game.tasks[1].document
    assert env.game.tasks[1].question == QUESTION


def test_without_a_corpus_there_is_no_document(tmp_path):
    with pytest.raises(ClarifyError, match="needs texts; give corpus=PATH"):
        with_corpus(tmp_path, corpus=None)
    with pytest.raises(ClarifyError, match="passages=0: at least 1"):
        with_corpus(tmp_path, passages=0)
