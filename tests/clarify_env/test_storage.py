"""Storage: equal objects after a round trip, and one clear line when the disk or a file is at fault."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, Episode, Pass, Step, read_episodes, storage, write_episodes
from clarify_env.agents import Random, ScriptedUser
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select

SUFFIXES = [".parquet", ".jsonl"]
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

odd = ["", "\r\n", "\x00", "\u2028\x85", "naïve 東京 \U0001f3f3\ufe0f\u200d\U0001f308", '"{}[],\\', "\ufeff"]
texts = st.text(max_size=20) | st.sampled_from(odd)
words = texts.filter(str.strip)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
scalars = st.none() | st.booleans() | numbers | texts
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
moves = st.one_of(
    st.builds(Ask, texts),
    st.builds(Answer, texts),
    st.builds(Reply, texts),
    st.builds(Select, texts),
    st.just(Pass()),
    st.builds(Enumerate, st.lists(st.tuples(words, texts), min_size=1, max_size=3)),
)
players = st.sampled_from(["asker", "user"])


def tuples(*parts, most=2):
    return st.lists(st.tuples(*parts), max_size=most).map(tuple)


steps = st.builds(
    Step,
    tuples(players, moves),
    tuples(st.sampled_from(["accuracy", "turn_cost", "word_cost"]), st.integers(0, 50) | st.floats(0, 1)),
    tuples(players, texts),
    tuples(players, data),
)
episodes = st.builds(
    Episode,
    env=texts,
    seed=st.none() | st.integers(0, 2**63 - 1),
    setup=st.dictionaries(texts, data, max_size=3),
    costs=st.fixed_dictionaries({"turn": st.floats(0, 10), "word": st.floats(0, 10)}),
    terms=st.just({"accuracy": "", "turn_cost": "turn", "word_cost": "word"}),
    steps=st.lists(steps, max_size=4).map(tuple),
    quantities=st.fixed_dictionaries({"accuracy": st.floats(0, 1), "asks": st.integers(0, 9)}),
    stop=st.none() | st.sampled_from(["selected", "max_turns"]),
    detail=texts,
    index=st.none() | st.integers(0, 2**40),
)


def part_of(path):
    """What a collection that did not end left behind, under a name that says what it is."""
    part = path.with_name(path.name + ".part")
    return part.rename(path.with_name(f"part-of-{path.name}"))


def played(count):
    env = clarify_env.make("synthetic-v0", size=20)
    return clarify_env.rollout(env, {"asker": Random(), "user": ScriptedUser()}, count, seed=1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@quick
@given(listed=st.lists(episodes, max_size=4))
def test_round_trip_gives_equal_episodes(tmp_path, suffix, listed):
    path = tmp_path / f"episodes{suffix}"
    assert write_episodes(path, listed) == len(listed)
    assert list(read_episodes(path)) == listed


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_half_a_surrogate_pair_in_a_message_survives(tmp_path, suffix):
    path = tmp_path / f"episodes{suffix}"
    listed = [replace(episode, detail="\ud800") for episode in played(2)]
    write_episodes(path, listed)
    assert list(read_episodes(path)) == listed


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_many_episodes_stream_through_several_row_groups(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(storage, "ROWS", 16)
    path = tmp_path / "folder" / f"episodes{suffix}"
    assert write_episodes(path, played(100)) == 100
    assert list(read_episodes(path)) == list(played(100))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_parquet_columns_are_there_to_analyse(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "episodes.parquet"
    listed = list(played(30))
    write_episodes(path, listed)
    table = pq.read_table(path).to_pydict()
    assert table["index"] == list(range(30))
    assert table["reward"] == [episode.reward for episode in listed]
    assert table["seed"] == [episode.seed for episode in listed]
    assert table["task"] == [episode.setup["task"] for episode in listed]
    assert table["stop"] == [episode.stop for episode in listed]
    assert table["turn_cost"] == [0.1] * 30
    assert table["asks"] == [float(episode.quantities["asks"]) for episode in listed]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_collection(tmp_path, suffix):
    path = tmp_path / f"episodes{suffix}"
    assert write_episodes(path, []) == 0
    assert list(read_episodes(path)) == []


def interrupted(count, error):
    yield from played(count)
    raise error


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_collection_stays_as_a_readable_part(tmp_path, suffix, error):
    path = tmp_path / f"episodes{suffix}"
    with pytest.raises(error):
        write_episodes(path, interrupted(10, error))
    assert not path.exists()
    assert list(read_episodes(part_of(path))) == list(played(10))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_can_be_read_under_its_own_name(tmp_path, suffix):
    path = tmp_path / f"episodes{suffix}"
    with pytest.raises(RuntimeError):
        write_episodes(path, interrupted(1, RuntimeError))
    assert list(read_episodes(path.with_name(path.name + ".part"))) == list(played(1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_interruption_leaves_an_older_file_alone(tmp_path, suffix):
    path = tmp_path / f"episodes{suffix}"
    write_episodes(path, played(3))
    with pytest.raises(KeyboardInterrupt):
        write_episodes(path, interrupted(1, KeyboardInterrupt))
    assert list(read_episodes(path)) == list(played(3))


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_one_clear_error(tmp_path, suffix, monkeypatch):
    kind = storage._Parquet if suffix == ".parquet" else storage._Lines
    add = kind.add
    rows = []

    def fills_up(self, row):
        rows.append(row)
        if len(rows) > 7:
            full()
        add(self, row)

    monkeypatch.setattr(kind, "add", fills_up)
    path = tmp_path / f"episodes{suffix}"
    with pytest.raises(
        ClarifyError, match=rf"episodes\{suffix}: cannot be written after 7 episodes: No space"
    ):
        write_episodes(path, played(20))
    assert not path.exists()
    assert list(read_episodes(part_of(path))) == list(played(7))


def test_a_disk_that_fills_up_while_parquet_is_flushed(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr(storage, "ROWS", 5)
    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(ClarifyError, match="cannot be written after 4 episodes: No space left"):
        write_episodes(tmp_path / "episodes.parquet", played(20))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_device_that_is_always_full(tmp_path, suffix):
    path = tmp_path / f"episodes{suffix}"
    path.with_name(path.name + ".part").symlink_to("/dev/full")
    with pytest.raises(ClarifyError, match=r"cannot be written after [0-9,]+ episodes: .*No space left"):
        write_episodes(path, played(200))
    assert not path.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_cannot_be_made(tmp_path, suffix):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ClarifyError, match="cannot be written after 0 episodes: "):
        write_episodes(tmp_path / "file" / f"episodes{suffix}", played(2))


def test_unknown_suffix(tmp_path):
    with pytest.raises(ClarifyError, match=r"'episodes.csv': episodes are stored as .parquet or .jsonl"):
        write_episodes(tmp_path / "episodes.csv", [])
    (tmp_path / "episodes.csv").write_text("a,b\n")
    with pytest.raises(ClarifyError, match=r"episodes.csv: cannot be read"):
        list(read_episodes(tmp_path / "episodes.csv"))


def test_no_such_file(tmp_path):
    with pytest.raises(ClarifyError, match=r"gone.jsonl: no such file of episodes"):
        list(read_episodes(tmp_path / "gone.jsonl"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:3], lines[3][:40]],
        lambda lines: [*lines[:3], "{}"],
        lambda lines: [*lines[:3], json.dumps({"episode": json.dumps({"steps": 1})})],
        lambda lines: [*lines[:3], json.dumps({"episode": 7})],
        lambda lines: [*lines[:3], "[]"],
        lambda lines: [*lines[:3], lines[3].replace('\\"select\\"', '\\"selct\\"')],
    ],
)
def test_a_damaged_line_is_named_by_file_and_position(tmp_path, damage):
    path = tmp_path / "episodes.jsonl"
    listed = [episode for episode in played(40) if episode.stop == "selected"][:5]
    write_episodes(path, listed)
    path.write_text("\n".join(damage(path.read_text().splitlines())))
    reading = read_episodes(path)
    assert [next(reading) for _ in range(3)] == listed[:3]
    with pytest.raises(ClarifyError, match=r"episodes.jsonl: cannot be read after 3 episodes: \S"):
        next(reading)


def test_a_truncated_parquet_file_is_named(tmp_path):
    path = tmp_path / "episodes.parquet"
    write_episodes(path, played(5))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ClarifyError, match=r"episodes.parquet: cannot be read after 0 episodes: \S"):
        list(read_episodes(path))
