"""Pairs of moves: where they come from, what an ensemble and a divergence do, and that they are learnt."""

import numpy as np
import pytest
import torch

from clarify_env.trainers.algorithms.preference import by_futures, extremes, forks, row_totals, siblings
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.config import recipe
from clarify_env.trainers.experiment import build

torch.set_num_threads(1)
SMALL = {"env": "synthetic-v0", "env_options": {"size": 40}, "tasks": 4, "group_size": 6, "iterations": 2,
         "gradient_steps": 6, "batch_size": 16, "hidden": 16, "eval_train_tasks": 0}  # fmt: skip


def settings(name, **given):
    return recipe("move-scorer", name, **{**SMALL, **given})


def batch(trainer):
    cells = list(trainer.config.grid) if trainer.options["rescore"] else None
    return Batch(trainer.env, "asker", trainer.others, list(trainer.collect(0)), cells, 0)


def test_pairs_come_from_one_point_and_the_better_move_is_worth_more():
    trainer = build(settings("dpo"))

    def branches(played):
        return by_futures(played, trainer.learner, trainer.options)[0]

    for source in (siblings, forks, branches):
        found = list(source(batch(trainer)))
        assert len(found) > 10
        for better, worse, margin, members in found:
            assert better.observation["transcript"] == worse.observation["transcript"]
            assert (better.observation["costs"] == worse.observation["costs"]).all()
            assert better.move != worse.move
            assert margin > 0.0
            assert members == (margin,)


def test_members_of_an_ensemble_are_means_of_samples_with_replacement():
    found = {"good": [1.0, 1.0, 0.0, 1.0], "middle": [0.5], "bad": [0.0, 0.0, 1.0]}
    rng = np.random.default_rng(0)
    assert extremes(found, 1, rng) == ("good", "bad", pytest.approx(0.75 - 1 / 3), (pytest.approx(5 / 12),))
    first, last, margin, members = extremes(found, 2000, rng)
    assert (first, last, margin) == ("good", "bad", pytest.approx(5 / 12))
    assert np.mean(members) == pytest.approx(5 / 12, abs=0.03)
    assert np.std(members) == pytest.approx((3 / 16 / 4 + 2 / 9 / 3) ** 0.5, abs=0.03)
    assert extremes({"a": [0.3], "b": [0.3]}, 3, rng) is None


def test_a_divergence_keeps_the_policy_where_the_reference_plays():
    """The penalty is measured on what the reference sampled, beside each pair."""
    apart = {}
    for gamma in (0.0, 5.0):
        options = {"pairs": "siblings", "gamma": gamma, "reference": "start", "beta": 0.01}
        trainer = build(
            settings("distillation", options=options, gradient_steps=60, batch_size=32, iterations=1)
        )
        played = batch(trainer)
        examples = trainer.examples(played)
        sampled = trainer._sampled(played)
        assert len(examples) - (len(sampled) if gamma else 0) > 10
        own = (
            round(trainer.config.rollout.group_size * (1 - trainer.config.rollout.start_share))
            * trainer.config.rollout.tasks
        )
        assert len(sampled) == sum(len(e.moves("asker")) for e in played.episodes if e.index >= own)
        trainer.fit(trainer.learner, examples, 0)
        found = trainer.learner.experience(sampled)
        start, now = (row_totals(one.logprobs(found)) for one in (trainer.starts["asker"], trainer.learner))
        apart[gamma] = float((start - now).mean())
    assert apart[5.0] < 0.3 * apart[0.0]


def preferred(scored):
    sums = row_totals(scored)
    return float((sums[::2] > sums[1::2]).double().mean())


def test_a_pair_prefers_what_is_worth_more_after_training():
    for name in ("dpo", "distillation"):
        trainer = build(settings(name, gradient_steps=150, batch_size=64, iterations=1))
        learner, pairs = trainer.learner, trainer.examples(batch(trainer))
        found = learner.experience([example for pair in pairs for example in pair[:2]])
        before = preferred(learner.logprobs(found))
        trainer.fit(learner, pairs, 0)
        after = preferred(learner.logprobs(found))
        assert after > max(0.75, before + 0.1), name
