"""Questions of one's own: every form of a row, every way to be rejected, files of every kind."""

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import AlwaysAnswer, AlwaysAsk, ScriptedUser
from clarify_env.games.clarification.questions import FIELDS, own_questions, value_at
from clarify_env.text import tokens

TEXTS = ["When did the film open in Norway?", "When did the film open in Chile?"]
FILM = {"id": "film", "question": "When did the film open?", "meanings": TEXTS, "answers": ["1950", "1951"]}


def only(row):
    """(text, answers, weight) of the meanings of a row, which is the only one."""
    found = own_questions([row])
    assert found.rejected == ()
    (task,) = found.of("all")
    return [(m.text, m.answers, m.weight) for m in task.interpretations]


def reason(row):
    """Why a row is rejected; the one after it is not."""
    found = own_questions([row, {**FILM, "id": "other", "question": "And?"}])
    ((place, why),) = found.rejected
    assert place == "row 1"
    assert "\n" not in why
    return why


EQUAL = [(TEXTS[0], ("1950",), 0.5), (TEXTS[1], ("1951", "May 1951"), 0.5)]
WHOLE = [{"text": TEXTS[0], "answers": "1950"}, {"text": TEXTS[1], "answers": ["1951", "May 1951"]}]


@pytest.mark.parametrize(
    "changes",
    [
        {"answers": [["1950"], ["1951", "May 1951"]]},
        {"answers": [1950, [1951, " May 1951 ", "1951"]]},
        {"answers": "1950 | 1951; May 1951"},
        {"answers": '["1950", ["1951", "May 1951"]]'},
        {"meanings": " | ".join(TEXTS), "answers": "1950|1951;May 1951", "weights": ""},
        {"meanings": json.dumps(TEXTS), "answers": [["1950"], ["1951", "May 1951"]], "weights": [1, 1]},
        {"meanings": WHOLE, "answers": None},
        {"meanings": json.dumps(WHOLE), "answers": ""},
    ],
)
def test_forms_of_meanings_and_answers(changes):
    assert only({**FILM, **changes}) == EQUAL


@pytest.mark.parametrize(
    ("weights", "held"), [([3, 1], [0.75, 0.25]), ("0.9|0.1", [0.9, 0.1]), ("[9, 1]", [0.9, 0.1])]
)
def test_weights(weights, held):
    assert [weight for *_, weight in only({**FILM, "weights": weights})] == held
    whole = [{**one, "weight": w} for one, w in zip(WHOLE, held, strict=True)]
    assert [weight for *_, weight in only({**FILM, "meanings": whole, "answers": []})] == held


@pytest.mark.parametrize("answers", [["1950", "in 1950"], [["1950", "in 1950"]], "1950; in 1950"])
def test_a_row_without_meanings_means_what_it_asks(answers):
    row = {"question": "When was it?", "answers": answers}
    assert only(row) == [("When was it?", ("1950", "in 1950"), 1.0)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"question": None}, "has no question (column 'question')"),
        ({"question": " "}, "has no question (column 'question')"),
        ({"question": ["When?"]}, "question ['When?'] is a list, not a text"),
        ({"answers": None}, "has no answers"),
        ({"answers": ["1950"]}, "has 2 meanings and 1 answers; give one for each"),
        ({"answers": ["1950", ""]}, "task 'film': meaning 2: answers is empty"),
        ({"answers": ["1950", ["x", ""]]}, "task 'film': meaning 2: answer '' has no word besides articles"),
        ({"answers": ["1950", []]}, "task 'film': meaning 2: answers is empty"),
        ({"answers": ["1950", None]}, "meaning 2: answer None is a NoneType, not a text"),
        ({"answers": ["1950", True]}, "meaning 2: answer True is a bool"),
        ({"answers": ["1950", [["1951"]]]}, "meaning 2: answer ['1951'] is a list"),
        ({"answers": ["1950", float("nan")]}, "meaning 2: answer is no number that can be taken"),
        ({"answers": "[1950, 1951"}, "answers '[1950, 1951' begins with [ and is no JSON"),
        ({"meanings": TEXTS[:1] * 2}, "task 'film': meanings 1 and 2 are in the same words"),
        (
            {"meanings": [TEXTS[0], {"text": "x"}], "answers": None},
            "meaning 1, 'When did the film open in No",
        ),
        ({"meanings": WHOLE}, "has answers beside its meanings and within them"),
        ({"meanings": [{"text": "x", "answer": 1}], "answers": 0}, "has answers beside its meanings"),
        ({"meanings": [{"text": "x", "answer": 1}], "answers": ""}, "has 'answer'; did you mean 'answers'?"),
        ({"meanings": [{"text": "x"}], "answers": ""}, "meaning 1 has no answers"),
        ({"meanings": [f"number {i}" for i in range(13)]}, "has 13 meanings; at most 12"),
        ({"meanings": "|"}, "meanings '|' holds none"),
        ({"weights": [1]}, "has 2 meanings and 1 weights"),
        ({"weights": "one|two"}, "meaning 1: weight 'one' is no number"),
        ({"weights": [0.2, 0.2]}, "weights 0.2, 0.2 add up to 0.4"),
        ({"weights": [1, 0]}, "meaning 2: weight 0; give a number above 0"),
        ({"weights": [None, 1]}, "meaning 1: weight None is a NoneType"),
        ({"facts": ["norway", "chile"]}, "meaning 1: facts 'norway': facts are values by name"),
        ({"facts": [{"country": "New Zealand"}, {"country": "chile"}]}, "is not one word in lower case"),
        ({"split": "tset"}, "split 'tset'; did you mean 'test'?"),
        ({"document": 3.5, "context": {}}, "context {} is a dict, not a text"),
    ],
)
def test_a_row_that_cannot_be_played(changes, why):
    assert why in reason({**FILM, **changes})


def test_equal_rows():
    found = own_questions([FILM, {**FILM, "question": "What?"}])
    assert found.rejected == (("row 2", "its id 'film' is that of row 1 too; give each row its own"),)
    row = {name: value for name, value in FILM.items() if name != "id"}
    ((place, why),) = own_questions([row, {**row, "answers": ["1", "2"]}]).rejected
    assert place == "row 2"
    assert why.startswith("is the question of row 1 over again")


def test_facts_and_their_domain():
    rows = [
        {**FILM, "facts": [{"Country": "Norway"}, {"Country": "Chile", "decade": None}]},
        {"question": "Who won?", "answers": "Ann", "facts": {"country": "ghana"}},
    ]
    env = clarify_env.make("questions-v0", path=rows, split="all")
    facts = [m.facts[0] for task in env.game.tasks for m in task.interpretations]
    assert sorted(fact.value for fact in facts) == ["chile", "ghana", "norway"]
    assert {fact.domain for fact in facts} == {("chile", "ghana", "norway")}
    players = {"asker": AlwaysAsk(), "user": ScriptedUser()}
    (episode,) = clarify_env.rollout(env, players, 1, options=lambda i: {"task": "film", "intent": 1})
    said = [move.text for step in episode.steps for _, move in step.moves]
    assert said[:2] == ["Which country?", "Chile."]


def test_splits():
    rows = [{**FILM, "id": str(i), "question": f"Who won cup {i}?"} for i in range(400)]
    found = own_questions(rows)
    assert found.hashed == 400
    assert 300 < len(found.of("train")) < 340
    assert len(found.of("train")) + len(found.of("validation")) == len(found.of("all")) == 400
    more = own_questions([*rows[::-1], {**FILM, "id": "new"}])
    assert {task.id for task in found.of("validation")} == {
        task.id for task in more.of("validation") if task.id != "new"
    }
    for few in (2, 3, 4):  # some to train on and some to check, however few there are
        for start in range(0, 100, few):
            held = own_questions(rows[start : start + few]).tasks
            assert held["train"]
            assert held["validation"]
    assert len(own_questions(rows[:1]).of("all")) == 1
    with pytest.raises(ClarifyError, match=r"split='test': holds no question; there are 3\d\d in train"):
        found.of("test")
    with pytest.raises(ClarifyError, match="unknown split 'al'; did you mean 'all'"):
        found.of("al")
    told = own_questions(
        [{**row, "split": s} for row, s in zip(rows, ("dev", "Test", "train"), strict=False)]
    )
    assert {name: [task.id for task in held] for name, held in told.tasks.items()} == {
        "train": ["2"],
        "validation": ["0"],
        "test": ["1"],
    }
    parts = own_questions({"valid": rows[:2], "test": rows[2:3], "other": rows[3:4]})
    assert [len(held) for held in parts.tasks.values()] == [0, 2, 1]
    assert parts.rejected[0][0] == "other row 1"
    assert parts.hashed == 0


def test_columns_by_name():
    row = {"q": FILM["question"], "pairs": [{"m": t, "a": ["1950"]} for t in TEXTS], "name": {"of": 7}}
    fields = {"question": "q", "meanings": "pairs.m", "answers": "pairs.a", "id": "name.of"}
    found = own_questions([row], fields)
    (task,) = found.of("all")
    assert task.id == "7"
    assert [m.text for m in task.interpretations] == TEXTS
    assert found.used == fields
    assert found.columns == ("q", "pairs", "name")
    assert value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert value_at({"a": [[{"b": 1}], [{"b": 2}, None]]}, "a.b") == [1, 2]
    assert value_at({"a": [{"b": 1}]}, "a.0.b") == 1
    assert value_at({"a": [{"b": 1}]}, "a.9.b") is None
    assert value_at({"a": "text"}, "a.b") is None
    assert len(own_questions([{**FILM, "facts": ["of another kind"]}], {"facts": ""}).of("all")) == 1
    for wrong, told in (
        ({"weights": "wieght"}, r"no row has 'wieght' for weights; did you mean 'weight'\?"),
        ({"meaning": "q"}, r"unknown field 'meaning'; did you mean 'meanings'"),
        ({"question": 3}, "fields: 'question' is 3; give the name of a column"),
        ("question", "fields='question': give our names with your columns"),
    ):
        with pytest.raises(ClarifyError, match=told):
            own_questions([{**FILM, "weight": [1, 1]}], wrong)


@pytest.fixture
def rows():
    return [
        {**FILM, "id": str(i), "question": f'Who "won" cup {i},\nthen?', "split": "train"} for i in range(3)
    ]


def written(path, rows):
    """A file of the rows; lists are JSON where the form has no lists."""
    cells = [{k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows]
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8-sig")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8-sig")
    elif path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(cells)
    return path


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet", "csv", "tsv"])
def test_every_kind_of_file_holds_the_same(ending, rows, tmp_path):
    path = written(tmp_path / f"some.{ending}", rows)
    expected = own_questions(rows).tasks
    assert own_questions(path).tasks == own_questions(str(path)).tasks == expected
    assert len(expected["train"]) == 3
    written(path, rows[:2])
    assert len(own_questions(path).of("train")) == 2  # a file that has changed is read again
    env = clarify_env.make("questions-v0", path=str(path))
    assert [task.id for task in env.game.tasks] == ["0", "1"]


LINES = [
    (b'{"question": "Who?", "answers": ["Ann"]}', None),
    (b"", "blank"),
    (b'{"question": "Who won?", "answers": ["Ann"]', "is no JSON: Expecting ',' delimiter at column"),
    (b'{"question": "Where?", "answers": ["Caf\xe9"]}', "is not UTF-8 (byte 0xe9 at 40)"),
    (b'["Who?"]', "['Who?'] is a list, not values by name of column"),
    (b'{"question": "Who?", "question": "What?"}', "'question' stands there twice"),
    (
        b'{"question": "Who?", "answers": ' + b"9" * 5000 + b"}",
        "is no JSON that can be taken: Exceeds the limit",
    ),
    (b"[" * 100_000, "is nested too deeply"),
    (b'{"question": "Why?", "answers": ["Ann"]}\r', None),
]


def test_lines_that_cannot_be_read_are_named_and_the_others_read(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(line for line, _ in LINES))
    found = own_questions(tmp_path / "a.jsonl")
    assert {task.question for task in found.of("all")} == {"Who?", "Why?"}
    expected = [(f"line {i}", why) for i, (_, why) in enumerate(LINES, 1) if why not in (None, "blank")]
    assert [place for place, _ in found.rejected] == [place for place, _ in expected]
    for (_, told), (_, why) in zip(found.rejected, expected, strict=True):
        assert why in told


def test_rows_of_csv_that_cannot_be_read(tmp_path):
    text = (
        b'question,answers\nWho?,Ann\n\nWhere?,Rome,Oslo\n"Why\nso?",It\nCaf\xe9?,Ann\n'
        b'"Who"x,Ann\nWhat?,a rose\n"open,Ann\nlast,row\n'
    )
    (tmp_path / "a.csv").write_bytes(text)
    found = own_questions(tmp_path / "a.csv")
    assert {task.question for task in found.of("all")} == {"Who?", "Why\nso?", "What?"}
    assert [place for place, _ in found.rejected] == ["line 4", "line 7", "line 8", "line 10"]
    for (_, told), why in zip(
        found.rejected,
        (
            "has 3 cells, the header 2",
            "is not UTF-8",
            "expected after",
            "which goes on to line 11; is a quote",
        ),
        strict=True,
    ):
        assert why in told


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"x", "the name of a file of questions ends in .jsonl"),
        ("none.csv", None, "there is no such file"),
        ("a.csv", "question,answers\nWho?,Ann".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("a.csv", b"question,question\n", "two columns are called 'question'"),
        ("a.csv", b"", "none of 0 rows can be played"),
        ("a.jsonl", b"{}\n", r"none of 1 rows can be played; the first, line 1, has no question"),
        ("a.jsonl", b'{"query": "Who?"}', r"column 'question'\); columns: query"),
        ("a.json", b"{}", "holds a dict; rows are a list, or one a line in .jsonl"),
        ("a.json", b'[{"question"', "malformed JSON at line 1"),
        ("a.json", b"[" + b"9" * 5000 + b"]", "holds a number that cannot be taken"),
        ("a.parquet", b"PAR1", "is no Parquet file that can be read"),
    ],
)
def test_files_that_cannot_be_read(name, content, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ClarifyError, match=said) as caught:
        own_questions(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert len(str(caught.value).splitlines()) == 1


def test_sources_that_are_none():
    with pytest.raises(ClarifyError, match=r"path=int: give a file, hub:OWNER/NAME, or a list of rows"):
        own_questions(3)
    with pytest.raises(ClarifyError, match="path=generator: give a file"):
        own_questions(row for row in [FILM])
    with pytest.raises(ClarifyError, match="path='hub:name': write hub:OWNER/NAME"):
        own_questions("hub:name")
    with pytest.raises(ClarifyError, match="'train' holds a str; rows by split are lists of dicts"):
        own_questions({"train": "Who?"})
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([FILM])
    with pytest.raises(ClarifyError, match=r"its to_dict\('records'\)"):
        own_questions(frame)
    assert own_questions(frame.to_dict("records")).tasks == own_questions([FILM]).tasks


def test_a_data_set_of_the_hub(monkeypatch):
    asked = []

    def load_dataset(*names, split):
        asked.append((*names, split))
        return {"train": [FILM], "validation": [{**FILM, "id": "b"}]}

    client = SimpleNamespace(dataset_info=lambda name, timeout: asked.append(name))
    constants = SimpleNamespace(HF_HUB_OFFLINE=False)
    modules = sys.modules
    monkeypatch.setitem(modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setitem(
        modules, "huggingface_hub", SimpleNamespace(HfApi=lambda: client, constants=constants)
    )
    found = own_questions("hub:owner/name/light")
    assert [task.id for task in found.of("validation")] == ["b"]
    assert asked == ["owner/name", ("owner/name", "light", None)]
    assert own_questions("hub:owner/name/light") is found


def test_without_datasets_the_hub_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ClarifyError, match=r"pip install 'clarify_env\[hub\]'") as caught:
        own_questions("hub:owner/name")
    assert len(str(caught.value).splitlines()) == 1


def test_the_questions_that_ship():
    found = own_questions()
    assert found.rejected == ()
    tasks = found.of("all")
    assert len(tasks) == 50
    assert all(2 <= len(task.interpretations) <= 6 for task in tasks)
    assert len(found.of("validation")) >= 10
    for task in tasks:  # a user who tells its meaning does not tell the answer
        for meaning in task.interpretations:
            for alias in meaning.answers:
                assert not set(tokens(alias)) <= set(tokens(meaning.text)), (task.id, alias)


def graded(env, task, intent):
    players = {"asker": AlwaysAnswer(), "user": ScriptedUser()}
    (episode,) = clarify_env.rollout(env, players, 1, options=lambda i: {"task": task, "intent": intent})
    return episode.quantities["accuracy"], episode.quantities["exact"]


def halves(selection, answers):
    return 0.5, 0.0


def test_grades():
    rows = [
        {"id": "n", "question": "How much?", "answers": "$1.5 million", "meanings": "How much net?"},
        {
            "id": "t",
            "question": "Who?",
            "answers": [["Ann Lee"], ["L\u2019\u00c9t\u00e9 \u2013 Ann"]],
            "meanings": "A one?|B two?",
        },
    ]

    def accuracy(task, intent, **options):
        return graded(clarify_env.make("questions-v0", path=rows, split="all", **options), task, intent)

    # AlwaysAnswer says the first meaning's answer, whatever is meant
    assert accuracy("t", 1) == (pytest.approx(2 * 1 / (2 + 3)), 0.0)  # the dash is a token
    assert accuracy("t", 1, fold=True) == (pytest.approx(2 * 1 / (2 + 2)), 0.0)
    assert accuracy("t", 1, grade="exact") == (0.0, 0.0)
    assert accuracy("t", 0, grade="exact") == (1.0, 1.0)
    assert accuracy("n", 0, grade="numeric") == (1.0, 1.0)
    assert accuracy("t", 0, grade=halves) == (0.5, 0.0)
    assert accuracy("n", 0, grade="clarify_env.text:grade_text") == (1.0, 1.0)
    for wrong, told in (
        ({"grade": "f2"}, "unknown grade 'f2'; known: exact, f1, numeric"),
        ({"grade": 3}, "grade=3: give a function, module:function, or f1, exact, numeric"),
        ({"grade": "clarify_env.text:nothing"}, "the module has no 'nothing'"),
        ({"grade": lambda selection, answers: 1.0}, r"grade <lambda>: gives 1.0 for 'Ann Lee'; two numbers"),
        ({"grade": lambda selection, answers: (2, 0)}, r"gives \(2, 0\)"),
        ({"fold": "yes"}, "fold='yes': true or false"),
        ({"knowledge": "document"}, "no question of the split has a document"),
    ):
        with pytest.raises(ClarifyError, match=told):
            accuracy("t", 0, **wrong)


def test_the_command_says_what_it_understood(command, mistake, tmp_path):
    rows = [{**FILM, "id": str(i), "question": f"Who won cup {i}?", "extra": 1} for i in range(6)]
    path = written(tmp_path / "a.jsonl", [*rows, {"question": "Why?"}])
    code, out, err = command("check-data", path, "--eval-tasks", 4)
    assert code == 0, err
    text = " ".join(out.split())
    for said in (
        "Columns: question <- question, meanings <- meanings, answers <- answers, id <- id",
        "Columns that are not used: extra",
        "Questions: 6 of 7 rows",
        "Meanings: 6 with 2",
        "Weights: 0 questions with meanings that are not equally likely",
        "Rejected rows: 1 line 7: has no answers",
        "Mean reward of 4 questions at the usual costs (turn 0.1, word 0.01)",
    ):
        assert said in text
    assert out.count("selected: reward") == 3
    # half of the time the first answer, of one word, is right; a list has two labels and two answers
    rewards = dict(line.strip("│ ").split("│") for line in out.splitlines() if line.startswith("│"))
    rewards = {name.strip(): float(value) for name, value in rewards.items()}
    assert rewards["always-answer"] == 0.49
    assert rewards["always-enumerate"] == rewards["ceiling with this user"] == 0.96
    assert rewards["always-ask"] == 0.89
    code, out, err = command("check-data", path, "--field", "question=query")
    assert code == 1
    assert "no row has 'query' for question" in err
    assert "write it as NAME=VALUE" in mistake("check-data", path, "--field", "query")


def test_options_of_the_command_name_columns(command, tmp_path):
    path = written(tmp_path / "a.jsonl", [{"q": "Who won?", "answers": "Ann"}])
    given = ("--env", "questions-v0", "--env-option", f"path={path}", "--env-option", "fields.question=q")
    code, out, err = command("play", *given, "--env-option", "split=all", "--as", "nobody")
    assert code == 0, err
    assert "question: Who won?" in out


def test_every_field_is_on_the_page():
    page = Path(__file__).parents[4] / "docs" / "environments" / "questions-v0.md"
    assert not {name for name in FIELDS if f"| `{name}` |" not in page.read_text(encoding="utf-8")}
