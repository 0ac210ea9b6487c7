"""How a run begins: a warm start, and what is said where nothing can be learnt."""

import json
import logging

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, Decision, NoMove, read_episodes, rollout
from clarify_env.agents import ScriptedUser
from clarify_env.games.clarification import Costs
from clarify_env.trainers import experiment
from clarify_env.trainers.config import Config, recipe
from clarify_env.trainers.evaluation.measure import Heard, measure
from clarify_env.trainers.learners.softmax_policy import ScorerLearner
from clarify_env.trainers.run_directory import RunDirectory

TINY = Config().changed(
    env_options={"size": 40},
    tasks=4,
    group_size=6,
    iterations=1,
    gradient_steps=60,
    batch_size=64,
    hidden=16,
    eval_train_tasks=0,
    warm_start="optimal",
    warm_start_episodes=60,
)
CELLS = [Costs(0.02, 0.002), Costs(0.3, 0.02)]


def earned(agent):
    env = clarify_env.make("synthetic-v0", size=40, split="validation")
    agents = {"asker": agent, "user": ScriptedUser()}
    return float(measure(env, agents, range(20), CELLS, 0, "asker")[:, :, 0].mean())


def test_a_warm_start_imitates_before_the_first_episode_is_played(tmp_path):
    run = RunDirectory(tmp_path / "run")
    config = TINY.changed(seed=1)  # of a start that plays badly
    loop = experiment.build(config, run)
    before = earned(loop.learner.greedy())
    run.start(config.to_json())
    training = loop.train()
    next(training)
    loop.load(run.checkpoint(0))
    after = earned(loop.learner.greedy())
    assert after > before + 0.1, (before, after)
    stored = list(read_episodes(run.episodes("warm-start")))
    assert len(stored) == TINY.policy.warm_start_episodes
    assert json.loads((run.path / "config.json").read_text())["policy"]["warm_start"] == "optimal"


def test_a_run_that_was_stopped_after_its_warm_start_ends_in_the_same_bits(tmp_path):
    whole, cut = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "cut")
    list(experiment.train(TINY, whole))
    list(experiment.train(TINY, cut))
    for one in (cut.checkpoint(1), cut.path / "metrics.jsonl"):
        for path in [one] if one.is_file() else list(one.iterdir()):
            path.unlink()
    cut.checkpoint(1).rmdir()
    list(experiment.train(TINY, cut, resume=True))
    weights = [run.checkpoint(1) / "weights.safetensors" for run in (whole, cut)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_an_unknown_teacher_is_told_before_a_directory_is_made(tmp_path):
    with pytest.raises(ClarifyError, match=r"'optimol'.*did you mean 'optimal'"):
        list(experiment.train(TINY.changed(warm_start="optimol"), RunDirectory(tmp_path / "run")))
    assert list(tmp_path.iterdir()) == []


def test_settings_of_language_models_are_refused_for_a_small_policy():
    for name, value in {"examples": 2, "temperature": 0.5, "device": "cpu"}.items():
        with pytest.raises(ClarifyError, match=f"{name}={value!r}: has no effect on move-scorer"):
            recipe("move-scorer", **{name: value})


class Babbler(Agent):
    """Writes what is no move, but at every `nth` turn."""

    def __init__(self, nth=0):
        super().__init__()
        self.nth, self.turns = nth, 0

    def move(self, observation, rng):
        self.turns += 1
        if self.nth and self.turns % self.nth == 0:
            return clarify_env.games.clarification.Answer("Oslo")
        return Decision(NoMove("no tag"), f"message {self.turns}", {})


def heard(asker, episodes):
    env, found = clarify_env.make("synthetic-v0", size=10), Heard()
    for episode in rollout(env, {"asker": asker, "user": ScriptedUser()}, episodes):
        found.hear(episode)
    return found


def test_messages_that_are_no_moves_are_told_once_with_three_of_them(caplog):
    with caplog.at_level(logging.WARNING):
        found = heard(Babbler(), 30)
    (line,) = caplog.messages
    assert line.startswith(
        "8 of 8 messages of the asker were no moves, such as 'message 1', 'message 2', 'mes"
    )
    assert "examples=3" in line
    assert found.shares() == {"asker": 1.0}


def test_few_messages_that_are_no_moves_are_counted_and_not_told(caplog):
    with caplog.at_level(logging.WARNING):
        found = heard(Babbler(nth=2), 12)
        assert caplog.messages == []
        assert found.shares()["asker"] == pytest.approx(0.5)
        assert heard(Babbler(nth=1), 5).told("asker") == ""
        assert heard(Babbler(nth=10), 40).shares()["user"] == 0.0


class Mute(ScorerLearner):
    """A learner whose policy writes what is no move."""

    @property
    def agent(self):
        mute = Babbler()
        mute.network = self.policy.network  # for the checkpoints
        return mute

    @agent.setter
    def agent(self, policy):
        self.policy = policy


def test_a_run_without_an_example_stops_and_says_why(tmp_path, monkeypatch):
    config = TINY.changed(warm_start="", start_share=0.0)
    monkeypatch.setattr(experiment, "ScorerLearner", Mute)
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(ClarifyError, match=r"nothing to learn from.*24 of 24 messages.*'message 1'"):
        list(experiment.train(config, run))
    assert len(list(read_episodes(run.episodes("iteration-000")))) == 24, "what was said can be read"


def test_the_share_of_unreadable_messages_is_logged_by_player(tmp_path):
    config = TINY.changed(warm_start="")
    (line,) = experiment.train(config, RunDirectory(tmp_path / "run"))
    assert line["play/unreadable/asker"] == line["play/unreadable/user"] == 0.0
    assert np.isfinite(line["play/reward"])


def test_candidates_are_told_to_a_game_that_has_several_sets():
    small = {"iterations": 1, "tasks": 2, "group_size": 2}
    made = experiment.build(recipe("move-scorer", candidates="plain", **small))
    assert made.learner.agent.proposer.candidates == "plain"
    with pytest.raises(ClarifyError, match="candidates='plain': pingeval-names-v0 has one set"):
        experiment.build(recipe("move-scorer", env="pingeval-names-v0", candidates="plain", **small))
