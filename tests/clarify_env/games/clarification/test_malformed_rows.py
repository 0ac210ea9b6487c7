"""Malformed rows: each is accepted or rejected with its place and a reason; none is lost."""

import csv
import io
import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_env import ClarifyError, FixedCosts
from clarify_env.games.clarification import ClarificationGame
from clarify_env.games.clarification.questions import FIELDS, own_questions

RIGHT = {
    "question": "When did it open?",
    "meanings": ["In Norway?", "In Chile?"],
    "answers": ["1950", ["1951"]],
}
texts = st.text(max_size=12) | st.sampled_from(
    ["", " ", "[1,", "a|b", "a;b|c", "\ufeff", '"', "the", "\x00", "[]"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts | st.sampled_from(["text", "answers", "weight", "facts"]), inner, max_size=3)
    ),
    max_leaves=8,
)
rows = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6).map(lambda changes: {**RIGHT, **changes})


def accounted(found, places):
    """Every row is a sound task or has a reason in one line."""
    tasks = found.of("all")
    rejected = [place for place, _ in found.rejected]
    assert len(tasks) + len(rejected) == len(places)
    assert set(rejected) <= set(places)
    assert len(set(rejected)) == len(rejected)
    assert all(reason and "\n" not in reason and len(reason) < 500 for _, reason in found.rejected)
    ClarificationGame(tasks, FixedCosts())
    return len(tasks)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows | values, max_size=4))
def test_rows_of_any_values(listed):
    found = own_questions([*listed, {**RIGHT, "question": "The last one, when was it?"}])
    assert accounted(found, [f"row {i}" for i in range(1, len(listed) + 2)])


@settings(max_examples=60, deadline=None)
@given(st.lists(rows.map(json.dumps).map(str.encode) | st.binary(max_size=40), max_size=4))
def test_lines_of_any_bytes(lines):
    whole = b"\n".join([*lines, json.dumps({**RIGHT, "question": "The last one, when was it?"}).encode()])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(whole)
        if whole[:2] in (b"\xff\xfe", b"\xfe\xff"):
            with pytest.raises(ClarifyError, match="is UTF-16"):
                own_questions(path)
            return
        found = own_questions(path)
    numbered = enumerate(whole.split(b"\n"), 1)
    blank = {
        i for i, line in numbered if not line.decode("utf-8-sig" if i == 1 else "utf-8", "replace").strip()
    }
    accounted(found, [f"line {i}" for i in range(1, whole.count(b"\n") + 2) if i not in blank])


def spoilt(rng, row):
    """A row with one or two values of it replaced by junk, as people's files have it."""
    junk = [
        None,
        True,
        7,
        -1.5,
        float("nan"),
        "",
        " ",
        "?!",
        "the",
        [],
        {},
        [[]],
        [None],
        ["a", ""],
        {"a": 1},
    ]
    junk += [
        "a|b|c",
        "[1, 2",
        "\ufeffx",
        "caf\u00e9 \u2013 \U0001f600",
        '"',
        "x" * 200_000,
        [["a"]] * 20,
        [0.5, 0.9],
        [1, 0],
    ]
    for _ in range(rng.choice([0, 1, 1, 2])):
        row = {**row, rng.choice(FIELDS): rng.choice(junk)}
    return row


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_ten_thousand_rows(kind, tmp_path):
    rng = random.Random(0)
    rows = [
        spoilt(rng, {**RIGHT, "id": f"q{i}", "question": f"When did film {i} open?"}) for i in range(10_000)
    ]
    lines, blank = [], set()
    for i, row in enumerate(rows):
        if kind == "jsonl":
            line = json.dumps(row, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        else:
            out = io.StringIO()
            cells = [json.dumps(v) if isinstance(v, (list, dict)) else v for v in map(row.get, FIELDS)]
            csv.writer(out, lineterminator="").writerow(cells)
            line = out.getvalue().encode()
        spoil = rng.random()
        if spoil < 0.02:
            line = line[: len(line) // 2].rstrip(b'"') if kind == "jsonl" else line.replace(b",", b"", 1)
        elif spoil < 0.04:
            line = line[:20] + bytes([rng.randrange(128, 256)]) + line[20:]
        elif spoil < 0.05:
            line = b""
            blank.add(i)
        lines.append(line)
    head = [] if kind == "jsonl" else [",".join(FIELDS).encode()]
    path = tmp_path / f"a.{kind}"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([*head, *lines]))
    first = 1 + len(head)
    accepted = accounted(own_questions(path), [f"line {i + first}" for i in range(10_000) if i not in blank])
    assert 2_000 < accepted < 8_000
