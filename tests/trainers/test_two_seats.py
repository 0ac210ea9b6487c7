"""Both seats of a game learn: small policies and language models, by every algorithm, and what a pair is."""

import json

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import ClarifyError
from clarify_env.trainers import experiment
from clarify_env.trainers.algorithms import ALGORITHMS
from clarify_env.trainers.algorithms.action_clustering import ActionClustering
from clarify_env.trainers.algorithms.best_continuation import BestContinuation
from clarify_env.trainers.algorithms.selection import Averaged, Batch
from clarify_env.trainers.config import recipe, trained_by
from clarify_env.trainers.evaluation.evaluate import evaluate_run, load_run
from clarify_env.trainers.experiment import build
from clarify_env.trainers.run_directory import RunDirectory

torch.set_num_threads(1)
FEW = {
    "env": "synthetic-v0",
    "players": ("asker", "user"),
    "env_options": {"size": 30},
    "tasks": 4,
    "group_size": 8,
    "iterations": 1,
    "gradient_steps": 4,
    "batch_size": 32,
    "hidden": 16,
    "eval_train_tasks": 0,
    "eval_tasks": 4,
}


def weights(loop):
    nets = {name: one.agent.network for name, one in loop.learners.items()}
    return {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in nets.items()}


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_both_seats_learn_by_the_defaults_of_every_algorithm(algorithm):
    loop = build(recipe("move-scorer", algorithm, **FEW))
    before = weights(loop)
    (line,) = loop.train()
    for player, old in before.items():
        assert np.isfinite(line[f"update/{player}/loss"])
        assert not torch.equal(old, weights(loop)[player])
    assert "update/loss" not in line
    if algorithm == "rest":
        shares = {name.split("/")[1]: 0.0 for name in line if name.startswith("selected/")}
        for name, share in line.items():
            if name.startswith("selected/"):
                shares[name.split("/")[1]] += share
        assert shares == pytest.approx({"asker": 1.0, "user": 1.0})


def test_rest_selects_for_each_seat_by_a_rule_that_can():
    rules = build(recipe("move-scorer", **FEW)).rules
    assert (type(rules["asker"]), type(rules["user"])) == (BestContinuation, Averaged)
    named = build(recipe("move-scorer", **{**FEW, "options": {"rule": "averaged"}})).rules
    assert {type(rule) for rule in named.values()} == {Averaged}


@pytest.mark.parametrize("shared", [False, True])
def test_a_language_model_learns_both_seats_by_the_defaults(shared):
    given = {name: value for name, value in FEW.items() if name != "hidden"}
    few = {"tasks": 2, "group_size": 4, "gradient_steps": 2, "batch_size": 8, "warm_start_episodes": 8}
    config = recipe("small", **{**given, **few}, shared=shared, device="cpu")
    assert config.policy.warm_start == "optimal"  # what is in the box knows an asker's words alone
    assert recipe("small").policy.warm_start == ""
    loop = build(config)
    assert (type(loop.rules["asker"]), type(loop.rules["user"])) == (BestContinuation, ActionClustering)
    assert (loop.learners["asker"] is loop.learners["user"]) is shared
    (line,) = loop.train()
    losses = {name for name in line if name.startswith("update/") and name.endswith("/loss")}
    assert losses == ({"update/loss"} if shared else {"update/asker/loss", "update/user/loss"})
    assert all(np.isfinite(line[name]) for name in losses)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"options": {"rule": "best-continuation"}}, "'user' first decides after others have moved"),
        (
            {"shared": True},
            "shared=True: the small policies of synthetic-v0 are two, PairedScorer and ReplySc",
        ),
        ({"shared": True, "players": ("asker",)}, "shared=True: with whom? only asker is trained"),
        ({"players": ("asker",), "candidates": "one-value"}, "candidates='one-value': are of a user that is"),
    ],
)
def test_what_contradicts_is_said_in_one_line(given, said):
    with pytest.raises(ClarifyError) as error:
        build(recipe("move-scorer", **{**FEW, **given}))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_advantages_are_normalised_by_player():
    loop = build(recipe("move-scorer", "ppo", **FEW))
    episodes = list(loop.collect(0))
    for player in loop.learners:
        others = {name: one.agent for name, one in loop.learners.items() if name != player}
        found = loop.examples(Batch(loop.env, player, others, episodes, None, 0, loop.learners[player].agent))
        advantages = np.array([one.advantage for one in found])
        assert len(advantages) > len(episodes) / 2
        assert advantages.mean() == pytest.approx(0.0, abs=1e-9)
        assert advantages.std() == pytest.approx(1.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A run of two iterations in which both seats were trained."""
    run = RunDirectory(tmp_path_factory.mktemp("pair") / "run")
    list(experiment.train(recipe("move-scorer", "ppo", **{**FEW, "iterations": 2}), run))
    return run


def test_a_run_of_both_seats_resumes_to_the_same_bits(pair, tmp_path):
    run = RunDirectory(tmp_path / "run")
    config = recipe("move-scorer", "ppo", **FEW)
    list(experiment.train(config, run))
    list(experiment.train(config.changed(iterations=2), run, resume=True))
    for name in ("weights.safetensors", "user/weights.safetensors"):
        assert (run.checkpoint(2) / name).read_bytes() == (pair.checkpoint(2) / name).read_bytes()
    assert run.metrics() == pair.metrics()


def test_a_run_of_both_seats_is_evaluated_as_the_pair_that_it_is(pair, tmp_path):
    assert trained_by(str(pair.path)) == ("asker", "user")
    assert {name: type(one).__name__ for name, one in load_run(pair).items()} == {
        "asker": "PairedScorer",
        "user": "ReplyScorer",
    }
    summary = evaluate_run(pair, tasks=4, out=tmp_path, processes=1)
    assert summary["yardstick"] == "optimum with the scripted user"
    assert (summary["own_yardstick"], summary["players"]) == (False, ["asker", "user"])
    assert summary["unseen"]["normalized"]["foreign"] is True
    env = clarify_env.make("synthetic-v0", split="validation", size=30)
    episodes = list(clarify_env.read_episodes(tmp_path / "episodes" / "evaluation.parquet"))
    assert len(episodes) == summary["episodes"]
    assert {e.env for e in episodes} == {env.name}
    assert any("candidate" in dict(s.traces).get("user", {}) for e in episodes for s in e.steps)


def test_commands_take_it_as_the_pair_that_it_is(pair, command, tmp_path):
    code, _, err = command("play", "--agent", pair.path, "--as", "nobody")
    assert code == 0, err
    options = ("--eval-tasks", 3, "--out", tmp_path / "cross", "--costs", "turn=0.05", "--costs", "word=0.01")
    code, _, err = command("crossplay", pair.path, *options)
    assert code == 0, err
    result = json.loads((tmp_path / "cross" / "crossplay.json").read_text())
    assert list(result["matrix"]["run"]) == ["run", "scripted", "noisy:0.1", "vague:0.2"]
    assert result["rows"]["run"]["own_user"] == "run"
    assert "drop" not in result  # with nobody else's partner
