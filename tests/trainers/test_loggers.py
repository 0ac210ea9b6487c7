"""Weights & Biases: without a key the offline run file holds the numbers of the run directory."""

import json
import os
import struct
import zlib

import pytest
import torch
import wandb
from wandb.proto import wandb_internal_pb2 as pb

import clarify_env
from clarify_env.agents import Random, ScriptedUser
from clarify_env.trainers import experiment
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.evaluate import evaluate_run
from clarify_env.trainers.loggers import PICTURES, TABLE_ROWS, Logger, WandbLogger, columns_of, transcript
from clarify_env.trainers.run_directory import RunDirectory

torch.set_num_threads(1)  # on a machine with other work two threads are slower than one
TINY = Config().changed(
    env_options={"size": 20},
    tasks=4,
    group_size=6,
    iterations=2,
    gradient_steps=8,
    batch_size=32,
    hidden=8,
    eval_train_tasks=1,
)
HEADER, BLOCK = 7, 32 * 1024
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path):
    """The records of a .wandb file: a header, then LevelDB's log of blocks with checksums."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    at, whole = HEADER, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # what is left of a block is padding
            at += BLOCK - at % BLOCK
            continue
        checksum, length, kind = struct.unpack("<IHB", data[at : at + 7])
        piece = data[at + 7 : at + 7 + length]
        assert zlib.crc32(piece, zlib.crc32(bytes([kind]))) == checksum
        assert kind in (FULL, FIRST, MIDDLE, LAST)
        whole = piece if kind in (FULL, FIRST) else whole + piece
        at += 7 + length
        if kind in (FULL, LAST):
            record = pb.Record()
            record.ParseFromString(whole)
            yield record


def items(listed):
    """Keys with their values."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in listed}


class Keeping(Logger):
    """Keeps the episodes of every iteration."""

    def __init__(self):
        self.episodes = []

    def iteration(self, line, episodes):
        self.episodes.append(episodes)


@pytest.fixture(autouse=True, scope="module")
def nobody(tmp_path_factory):
    """No account, no settings of this machine, and a proxy that leads nowhere in case somebody calls out."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB")]:
            patch.delenv(name)
        home = str(tmp_path_factory.mktemp("home"))
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR"):
            patch.setenv(name, home)
        patch.setenv("NETRC", f"{home}/none")
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        yield


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A run that was logged: its directory, metrics, summary, played episodes and the file's records."""
    run = RunDirectory(tmp_path_factory.mktemp("logged") / "run")
    log, keeping = WandbLogger(), Keeping()
    for _ in experiment.train(TINY, run, [keeping, log]):
        pass
    summary = evaluate_run(run, tasks=4)
    log.summary(summary, run.path)
    log.close()
    wandb.teardown()  # its service writes the file; wait until it has ended
    (path,) = run.path.glob("wandb/offline-run-*/*.wandb")
    return run, summary, keeping.episodes, path, list(records(path))


def history(logged):
    return [items(r.history.item) for r in logged[4] if r.WhichOneof("record_type") == "history"]


def test_without_a_key_the_run_is_offline(logged):
    run, *_, path, _ = logged
    assert len(list(run.path.glob("wandb/*run-*"))) == 1
    identity = json.loads((run.path / "wandb.json").read_text())["id"]
    assert path.name == f"run-{identity}.wandb"


def test_each_iteration_has_the_numbers_of_metrics_jsonl(logged):
    lines = logged[0].metrics()
    rows = [row for row in history(logged) if "iteration" in row]
    assert len(rows) == len(lines) == 2
    for line, row in zip(lines, rows, strict=True):
        assert {name: row[name] for name in line} == pytest.approx(line, nan_ok=True)
        assert row["_step"] == line["iteration"]


def test_reward_terms_move_mix_and_costs_are_among_them(logged):
    names = set(history(logged)[0])
    assert {"play/reward", "play/accuracy", "play/asks", "play/words"} <= names
    assert {f"play/term/{term}" for term in ("accuracy", "turn_cost", "word_cost")} <= names
    assert {f"eval/{kind}" for kind in ("ask", "enumerate", "answer")} <= names
    for cell in TINY.grid:
        for measure in ("reward", "accuracy", "asks", "words", "ask", "enumerate", "answer"):
            assert f"eval/turn={cell.turn:g},word={cell.word:g}/{measure}" in names


def test_seen_and_unseen_costs_and_every_cell_of_the_evaluation(logged):
    summary = logged[1]
    (row,) = [row for row in history(logged) if "eval/seen/reward" in row]
    for part in ("seen", "unseen"):
        for name, value in summary[part].items():
            assert row[f"eval/{part}/{name}"] == pytest.approx(value["mean"])
            assert row[f"eval/{part}/{name}/low"] == pytest.approx(value["low"])
            assert row[f"eval/{part}/{name}/high"] == pytest.approx(value["high"])
    for cell in summary["cells"]:
        name = f"eval/cell/turn={cell['costs']['turn']:g},word={cell['costs']['word']:g}"
        for measure in ("reward", "accuracy", "asks", "words", "ask", "enumerate", "answer"):
            assert row[f"{name}/{measure}"] == pytest.approx(cell[measure])
        assert row[f"{name}/optimum"] == pytest.approx(cell["optimum"]["reward"])
    for name in PICTURES[:3]:
        picture = logged[3].parent / "files" / row[f"eval/{name}/path"]
        assert picture.read_bytes() == (logged[0].path / f"{name}.png").read_bytes()


def test_the_cells_are_a_table(logged):
    (row,) = [row for row in history(logged) if "eval/seen/reward" in row]
    table = json.loads((logged[3].parent / "files" / row["eval/cells/path"]).read_text())
    assert table["columns"][:3] == ["seen", "costs/turn", "costs/word"]
    for entry, cell in zip(table["data"], logged[1]["cells"], strict=True):
        values = dict(zip(table["columns"], entry, strict=True))
        assert values["reward"] == pytest.approx(cell["reward"])
        assert values["optimum/enumerate"] == pytest.approx(cell["optimum"]["enumerate"])
        assert values["fixed/always-ask"] == pytest.approx(cell["fixed"]["always-ask"])


def test_the_table_holds_episodes(logged):
    for row, episodes in zip(history(logged), logged[2], strict=True):
        found = json.loads((logged[3].parent / "files" / row["episodes_table/path"]).read_text())
        assert found["columns"] == columns_of(episodes[0])
        assert len(found["data"]) == len(episodes) == 24
        for entry, episode in zip(found["data"], episodes, strict=True):
            values = dict(zip(found["columns"], entry, strict=True))
            assert values["reward"] == pytest.approx(episode.reward)
            assert values["transcript"] == transcript(episode)
            assert values["meaning"] == episode.setup["meaning"]
            assert (values["turn_cost"], values["word_cost"]) == tuple(episode.costs.values())


def test_the_config_holds_the_settings(logged):
    config = {}
    for record in logged[4]:
        if record.WhichOneof("record_type") == "run":
            config |= items(record.run.config.update)
        elif record.WhichOneof("record_type") == "config":
            config |= items(record.config.update)
    expected = json.loads(json.dumps(TINY.to_json()))
    assert {name: config[name] for name in expected} == expected


def test_a_long_iteration_gives_a_table_of_episodes_spread_over_it(tmp_path):
    env = clarify_env.make("synthetic-v0", size=20)
    episodes = list(clarify_env.rollout(env, {"asker": Random(), "user": ScriptedUser()}, 5 * TABLE_ROWS))
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    log = WandbLogger()
    log.start(run, {})
    log.iteration({"iteration": 0}, episodes)
    log.close()
    (path,) = run.path.glob("wandb/offline-run-*/files/media/table/*.json")
    rows = json.loads(path.read_text())["data"]
    assert [row[5] for row in rows] == [transcript(episode) for episode in episodes[::5]]


def test_a_resumed_run_goes_on_under_the_same_id(logged, tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    identity = (logged[0].path / "wandb.json").read_text()
    (run.path / "wandb.json").write_text(identity)
    log = WandbLogger()
    log.start(run, {})
    log.close()
    (path,) = run.path.glob("wandb/offline-run-*/*.wandb")
    assert path.name == f"run-{json.loads(identity)['id']}.wandb"


def test_project_and_name_are_those_given(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    log = WandbLogger(project="mine", name="first")
    log.start(run, {})
    log.close()
    (path,) = run.path.glob("wandb/offline-run-*/*.wandb")
    (begun,) = [r.run for r in records(path) if r.WhichOneof("record_type") == "run"]
    assert (begun.project, begun.display_name) == ("mine", "first")


def test_where_wandb_cannot_be_started_the_run_goes_on(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    (run.path / "wandb.json").write_text("{")
    said = []
    log = WandbLogger(tell=said.append)
    log.start(run, {})
    log.iteration({"iteration": 0}, [])
    log.close()
    (line,) = said
    assert line.startswith("Not logged to W&B: ")
