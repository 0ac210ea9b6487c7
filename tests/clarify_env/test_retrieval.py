"""Passages of files, and finding them with BM25."""

import json
import sys

import pytest

from clarify_env import ClarifyError
from clarify_env.retrieval import Passages, corpus_stamp

TEXTS = ("Oslo hosted the winter games.", "Paris hosted the summer games.", "A pear is a fruit.", "Pear tree")


def test_the_best_passages_come_first_and_of_equals_the_first():
    passages = Passages(TEXTS)
    assert passages.top(["Who hosted winter games in Oslo?"], 2) == [[TEXTS[0], TEXTS[1]]]
    assert passages.top(["hosted"], 5) == [[TEXTS[0], TEXTS[1]]]
    assert Passages(TEXTS[::-1]).top(["hosted"], 1) == [[TEXTS[1]]]
    assert passages.top(["pear", "zebra", "the", ""], 1) == [[TEXTS[2]], [], [], []]


def test_a_query_does_not_depend_on_the_others():
    passages = Passages(TEXTS)
    both = ["Oslo winter", "pear fruit"]
    assert passages.top(both, 3) == [passages.top([query], 3)[0] for query in both]


def test_files_are_read_in_the_order_of_their_paths(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "z.txt").write_text("first\nline\n\n\n second \r\n\r\nthird")
    lines = [{"text": " one "}, {"title": "T", "text": "two"}, {"text": ""}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    (tmp_path / "ignored.md").write_text("no")
    assert Passages.read(tmp_path).texts == ("one", "T: two", "first line", "second", "third")
    assert Passages.read(tmp_path / "a.jsonl").texts == ("one", "T: two")


def test_a_changed_corpus_has_another_stamp(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    before = corpus_stamp(tmp_path)
    assert before == corpus_stamp(tmp_path)
    (tmp_path / "b.txt").write_text("two")
    assert before != corpus_stamp(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"text": "x"}\n{"text": ', "line 2 is no passage"),
        ("a.jsonl", '{"title": "x"}', "line 1 is no passage"),
        ("a.jsonl", "[1]", "line 1 is no passage"),
        ("a.jsonl", '{"text": 3}', "line 1 is no passage"),
        ("a.txt", " \n\n ", "its files hold no passage"),
        ("a.txt", "the of", "no word in 1 passages"),
        ("a.md", "x", "no .txt or .jsonl file there"),
    ],
)
def test_bad_corpora_are_one_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(ClarifyError) as caught:
        Passages.read(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder_and_no_text_are_one_line(tmp_path):
    with pytest.raises(ClarifyError, match=r"no \.txt or \.jsonl file there"):
        Passages.read(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ClarifyError, match="cannot be read"):
        Passages.read(tmp_path)


def test_without_bm25s_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(ClarifyError, match=r"clarify_env\[retrieval\]"):
        Passages(TEXTS)
