"""ReST: bit-identical resumption wherever a run was interrupted, its directory, and that it learns."""

import json
from itertools import islice

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import ClarifyError, read_episodes
from clarify_env.agents import ScriptedUser
from clarify_env.games.clarification import SEEN
from clarify_env.trainers import experiment
from clarify_env.trainers.config import Config, read_config
from clarify_env.trainers.evaluation.evaluate import load_run
from clarify_env.trainers.evaluation.measure import measure
from clarify_env.trainers.loggers import Logger
from clarify_env.trainers.run_directory import RunDirectory, versions

torch.set_num_threads(1)  # on a machine with other work two threads are slower than one
TINY = Config().changed(
    env_options={"size": 40},
    knobs={"noise": 0.1},
    tasks=4,
    group_size=6,
    iterations=3,
    gradient_steps=8,
    batch_size=64,
    hidden=16,
    eval_train_tasks=1,
    parallel=16,
)


def content(run):
    """Everything of a run that has to be the same after an interruption."""
    files = [*run.path.glob("checkpoints/*/*"), run.path / "metrics.jsonl", run.path / "config.json"]
    found = {str(path.relative_to(run.path)): path.read_bytes() for path in files}
    for path in run.path.glob("episodes/*"):
        found[path.name] = list(read_episodes(path))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three iterations without an interruption."""
    run = RunDirectory(tmp_path_factory.mktemp("whole") / "run")
    lines = list(experiment.train(TINY, run))
    return run, lines


class Stopping(Logger):
    """Presses Ctrl-C in the second iteration: in the middle of a stage, or when it is logged."""

    def __init__(self, where):
        self.where = where
        self.passed = 0

    def stage(self, name, total):
        done = [0]

        def advance(steps):
            done[0] += steps
            if self.passed == 1 and name == self.where and done[0] >= max(1, total // 2):
                raise KeyboardInterrupt

        return advance

    def iteration(self, line, episodes):
        if self.passed == 1 and self.where == "logged":
            raise KeyboardInterrupt
        self.passed += 1


@pytest.mark.parametrize("where", ["play", "learn", "check", "logged"])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path, whole, where):
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        list(experiment.train(TINY, run, [Stopping(where)]))
    assert 1 <= run.last() < 3
    list(experiment.train(TINY, run, resume=True))
    assert content(run) == content(whole[0])


@pytest.mark.parametrize("method", ["log", "save"])
def test_a_run_that_breaks_off_while_it_writes_goes_on_to_the_same_bits(tmp_path, whole, monkeypatch, method):
    run = RunDirectory(tmp_path / "run")
    write, calls = getattr(RunDirectory, method), []

    def breaks_off(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(self, *arguments)

    monkeypatch.setattr(RunDirectory, method, breaks_off)
    with pytest.raises(KeyboardInterrupt):
        list(experiment.train(TINY, run))
    list(experiment.train(TINY, run, resume=True))
    assert content(run) == content(whole[0])


def test_half_a_checkpoint_does_not_count(tmp_path, whole):
    run = RunDirectory(tmp_path / "run")
    list(islice(experiment.train(TINY, run), 1))
    half = run.checkpoint(2).with_name("iteration-002.part")
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    assert run.last() == 1
    list(experiment.train(TINY, run, resume=True))
    assert content(run) == content(whole[0])


def test_the_start_policy_of_a_resumed_run_is_that_of_checkpoint_0(tmp_path):
    run = RunDirectory(tmp_path / "run")
    list(experiment.train(TINY.changed(iterations=1), run))
    other = experiment.build(TINY.changed(seed=9)).learner
    other.save(run.checkpoint(0))
    trainer = experiment.build(TINY, run)
    assert trainer.resume() == 1
    start, wanted = (list(learner.agent.network.parameters()) for learner in (trainer.starts["asker"], other))
    assert all(torch.equal(a, b) for a, b in zip(start, wanted, strict=True))


def test_a_run_can_be_given_more_iterations_and_a_finished_one_stays_as_it_is(tmp_path, whole):
    run = RunDirectory(tmp_path / "run")
    list(experiment.train(TINY.changed(iterations=1), run))
    lines = list(experiment.train(TINY, run, resume=True))
    assert [line["iteration"] for line in lines] == [1, 2]
    assert content(run) == content(whole[0])
    assert list(experiment.train(TINY, run, resume=True)) == []
    assert content(run) == content(whole[0])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"options": {"rule": "top-k"}},
        {"iterations": 2},
        {"knobs": {}},
        {"costs": {"turn": (0.1,)}},
    ],
)
def test_a_run_goes_on_only_with_its_own_settings(whole, change):
    run, _ = whole
    before = content(run)
    (name,) = change
    with pytest.raises(ClarifyError, match=rf"was started with {name}=.*, not .*; leave it out"):
        list(experiment.train(TINY.changed(**change), run, resume=True))
    assert content(run) == before


def test_a_run_is_never_overwritten(whole):
    run, _ = whole
    before = content(run)
    with pytest.raises(ClarifyError, match="holds a run already; continue it with --resume, or give another"):
        list(experiment.train(TINY, run))
    assert content(run) == before


def test_nothing_to_go_on_with(tmp_path):
    with pytest.raises(ClarifyError, match=r"no run directory; it has no config.json"):
        list(experiment.train(TINY, RunDirectory(tmp_path), resume=True))
    with pytest.raises(ClarifyError, match=r"no run directory; it has no config.json"):
        load_run(RunDirectory(tmp_path / "nowhere"))


def test_another_seed_ends_elsewhere_and_the_same_one_in_the_same_bits(tmp_path, whole):
    ends = []
    for name, seed in (("same", 0), ("other", 1)):
        run = RunDirectory(tmp_path / name)
        list(experiment.train(TINY.changed(seed=seed), run))
        ends.append((run.checkpoint(3) / "weights.safetensors").read_bytes())
    own = (whole[0].checkpoint(3) / "weights.safetensors").read_bytes()
    assert ends[0] == own != ends[1]


def test_episodes_at_any_number_under_way_are_the_same(tmp_path, whole):
    run = RunDirectory(tmp_path / "run")
    list(experiment.train(TINY.changed(parallel=1, iterations=1), run))
    for name in ("episodes/iteration-000.parquet",):
        assert list(read_episodes(run.path / name)) == list(read_episodes(whole[0].path / name))
    weights = "weights.safetensors"
    assert (run.checkpoint(1) / weights).read_bytes() == (whole[0].checkpoint(1) / weights).read_bytes()


def test_the_run_directory_holds_what_it_promises(whole):
    run, lines = whole
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert names == {
        "config.json",
        "versions.json",
        "metrics.jsonl",
        "clock.json",
        *(f"checkpoints/iteration-{k:03d}/spent.json" for k in range(4)),
        *(f"episodes/iteration-{k:03d}.parquet" for k in range(3)),
        *(f"checkpoints/iteration-{k:03d}/weights.safetensors" for k in range(4)),
    }
    assert run.metrics() == json.loads(json.dumps(lines))
    assert [line["iteration"] for line in lines] == [0, 1, 2]
    stored = json.loads((run.path / "versions.json").read_text())
    assert stored["packages"] == versions()["packages"]
    assert {"python", "platform", "cores", "git"} <= set(stored)


def test_metrics_say_what_was_played(whole):
    run, lines = whole
    episodes = list(read_episodes(run.path / "episodes" / "iteration-001.parquet"))
    line = lines[1]
    assert len(episodes) == line["episodes"] == 24
    assert line["play/reward"] == pytest.approx(np.mean([e.reward for e in episodes]))
    for name in ("accuracy", "turn_cost", "word_cost"):
        expected = np.mean([e.reward_terms[name] for e in episodes])
        assert line[f"play/term/{name}"] == pytest.approx(expected)
    for name in ("accuracy", "asks", "words"):
        assert line[f"play/{name}"] == pytest.approx(np.mean([e.quantities[name] for e in episodes]))
    assert sum(v for n, v in line.items() if n.startswith("selected/")) == pytest.approx(1.0)
    cells = [line[f"eval/turn={c.turn:g},word={c.word:g}/reward"] for c in SEEN]
    assert line["eval/reward"] == pytest.approx(np.mean(cells))
    assert sum(line[f"eval/{kind}"] for kind in ("ask", "enumerate", "answer")) == pytest.approx(1.0)
    assert {tuple(e.costs.values()) for e in episodes} <= {tuple(cell) for cell in SEEN}
    assert len({e.setup["task"] for e in episodes}) == 4


def test_a_third_of_the_episodes_is_the_start_policys():
    trainer = experiment.build(TINY)
    assert trainer.starts["asker"] is not trainer.learner
    with torch.no_grad():  # make the policy another one than the start
        for parameter in trainer.learner.agent.network.parameters():
            parameter.add_(1.0)
    episodes = list(trainer.collect(0))
    again = list(experiment.build(TINY).collect(0))
    assert [e.index for e in episodes] == list(range(24))
    assert episodes[16:] == again[16:]
    assert episodes[:16] != again[:16]
    alone = experiment.build(TINY.changed(start_share=0.0))
    assert len(list(alone.collect(0))) == 24


def test_training_improves_on_the_start(tmp_path):
    run = RunDirectory(tmp_path / "run")
    settings = TINY.changed(
        knobs={}, tasks=16, group_size=12, iterations=2, gradient_steps=60, eval_train_tasks=0, seed=1
    )
    lines = list(experiment.train(settings, run))
    assert not any(name.startswith("eval/") for name in lines[0])
    env = clarify_env.make("synthetic-v0", split="validation", size=20)

    def reward(iteration):
        players = {"asker": load_run(run, iteration)["asker"], "user": ScriptedUser()}
        return measure(env, players, range(20), list(SEEN))[:, :, 0].mean()

    assert reward(2) == reward(None) > reward(0) + 0.05


@pytest.mark.parametrize("rule", ["threshold", "top-k", "clustering", "clustering-plain"])
@pytest.mark.parametrize("rescore", [True, False])
def test_every_rule_runs(rule, rescore):
    config = TINY.changed(
        options={"rule": rule, "rescore": rescore}, iterations=1, eval_train_tasks=0, shared_costs=True
    )
    (line,) = experiment.build(config).train()
    assert np.isfinite(line["play/reward"])


def test_config_round_trip(whole):
    config = json.loads(json.dumps(TINY.to_json()))
    assert Config.from_json(config) == TINY
    assert read_config(whole[0]) == TINY
    with pytest.raises(ClarifyError, match=r"unknown setting in config.json 'sead'"):
        Config.from_json({"sead": 1})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tasks": 0}, "tasks=0: a whole number, at least 1"),
        ({"iterations": 1.5}, "iterations=1.5: a whole number, at least 1"),
        ({"start_share": 1.5}, "start_share=1.5: a share between 0 and 1"),
        ({"start_share": float("nan")}, "start_share=nan"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: a number above 0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0: a number above 0"),
        ({"shared": 1}, "shared=1: true or false"),
        ({"learning_rat": 0.1}, "unknown setting 'learning_rat'; did you mean 'learning_rate'?"),
    ],
)
def test_settings_out_of_range(change, match):
    with pytest.raises(ClarifyError, match=match):
        Config().changed(**change)


@pytest.mark.parametrize(("text", "match"), [("{", "malformed JSON at line 1"), ("[]", "holds no settings")])
def test_a_damaged_config_is_named(tmp_path, text, match):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ClarifyError, match=rf"config.json: {match}"):
        read_config(RunDirectory(tmp_path))


def test_a_missing_checkpoint_is_named(whole):
    with pytest.raises(ClarifyError, match="has no checkpoint 9 to evaluate"):
        load_run(whole[0], 9)
