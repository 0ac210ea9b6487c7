"""The algorithms: each trains every learner over the same loop, and says in one line what is wrong."""

import json

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import OptimalAsker, ScriptedUser
from clarify_env.games.clarification import SEEN, Costs
from clarify_env.rollout import rollout
from clarify_env.simulate import credited
from clarify_env.trainers import algorithms
from clarify_env.trainers.algorithms.policy_gradient import PolicyGradient, sampled_logprobs
from clarify_env.trainers.algorithms.rloo import RLOO
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.config import Config, recipe
from clarify_env.trainers.evaluation.evaluate import load_run
from clarify_env.trainers.experiment import build, make_trainer, train
from clarify_env.trainers.learners.softmax_policy import ScorerLearner
from clarify_env.trainers.run_directory import RunDirectory

torch.set_num_threads(1)
GRADIENT = ("ppo", "grpo", "rloo")
PAIRS = ("dpo", "distillation")
PROGRESS = {"credit": "progress", "prover": "best-of-4", "meanings": "possible", "share": 0.5}
VARIANTS = [
    ("rloo", {"credit": "turn", "terms": ["accuracy", "turn_cost"]}),
    ("grpo", {"credit": "branching"}),
    ("rloo", PROGRESS),
    ("ppo", {"credit": "exact"}),
    ("grpo", {"credit": "exact", "deep": 2, "width": 8}),
    ("dpo", {"pairs": "futures"}),
    ("distillation", {"pairs": "siblings", "members": 3, "gamma": 0.1}),
    ("distillation", {"pairs": "futures", "members": 2, "gamma": 0.1, "reference": "start"}),
]
SMALL = {"env": "synthetic-v0", "env_options": {"size": 40}, "tasks": 4, "group_size": 6, "iterations": 2,
         "gradient_steps": 6, "batch_size": 16, "hidden": 16, "eval_train_tasks": 0}  # fmt: skip


def settings(name, **given):
    return recipe("move-scorer", name, **{**SMALL, **given})


def batch(trainer):
    cells = list(trainer.config.grid) if trainer.options.get("rescore") else None
    return Batch(trainer.env, "asker", trainer.others, list(trainer.collect(0)), cells, 0)


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in (*GRADIENT, *PAIRS)), *VARIANTS])
def test_a_run_learns_resumes_and_is_loaded(name, options, tmp_path):
    made = settings(name, options=options)
    whole = RunDirectory(tmp_path / "whole")
    lines = list(train(made, whole))
    assert len(lines) == 2
    assert all(np.isfinite(line["update/loss"]) for line in lines)
    part = RunDirectory(tmp_path / "part")
    list(train(made.changed(iterations=1), part))
    list(train(made, part, resume=True))
    weights = [run.checkpoint(2) / "weights.safetensors" for run in (whole, part)]
    assert weights[0].read_bytes() == weights[1].read_bytes(), "resumed to the same bits"
    assert weights[0].read_bytes() != (whole.checkpoint(0) / "weights.safetensors").read_bytes()
    assert json.loads((whole.path / "config.json").read_text())["algorithm"]["name"] == name
    assert load_run(whole)["asker"].greedy


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in GRADIENT),
        *((name, {"pairs": "siblings"}) for name in PAIRS),
        ("rloo", {"credit": "progress"}),
        ("dpo", {"pairs": "futures"}),
        ("distillation", {"pairs": "siblings", "members": 3, "gamma": 0.1}),
    ],
)
def test_a_language_model_and_both_players_learn(name, options):
    """Sharing weights; what is trained on is what was sampled."""
    from clarify_env.agents.llm.transformers_agent import TransformersAgent
    from clarify_env.trainers.learners.language_model import LanguageLearner

    made = settings(name, tasks=2, group_size=4, iterations=1, gradient_steps=2, batch_size=8).changed(
        agent="small"
    )
    learner = LanguageLearner(TransformersAgent("small", device="cpu"), gradient_steps=2, batch=8)
    trainer = make_trainer(made.changed(options=options), learner, {"user": ScriptedUser()})
    before = [p.clone() for p in learner._parameters.values()]
    (line,) = trainer.train()
    assert line["update/ids_differ"] == 0.0
    assert line["update/sampled"] == 1.0
    assert any(not torch.equal(a, b) for a, b in zip(before, learner._parameters.values(), strict=True))


def test_both_players_learn_by_the_gradient():
    made = settings("rloo", tasks=2, group_size=4, iterations=1)
    trainer = make_trainer(made, build(made).learner, {"user": ScriptedUser()})
    played = batch(trainer)
    asker = trainer.examples(played)
    user = trainer.examples(played._replace(player="user"))
    assert len(asker) > 0
    assert {one.example.move.kind for one in user} <= {"reply", "select"}


def test_credit_adds_up_to_the_reward():
    env = clarify_env.make("synthetic-v0", costs=SEEN)
    trainer = build(settings("rloo"))
    for episode in rollout(env, {"asker": trainer.learner.agent, "user": ScriptedUser()}, 40, seed=1):
        pairs = credited(env.game, episode, "asker")
        assert sum(reward for _, reward in pairs) == pytest.approx(episode.reward)
        assert [choice.move for choice, _ in pairs] == episode.moves("asker")


def test_a_message_that_is_no_move_is_learnt_from():
    env = clarify_env.make("synthetic-v0", turn_cost=0.1)

    class Mumbler(clarify_env.Agent):
        def move(self, observation, rng):
            asked = len(observation["transcript"]) > 0
            return clarify_env.Decision("hm" if asked else "<ask>Which era?</ask>", trace={"ids": [1, 2]})

    (episode,) = rollout(env, {"asker": Mumbler(), "user": ScriptedUser()}, 1)
    pairs = credited(env.game, episode, "asker")
    assert [(choice.move.kind, choice.trace) for choice, _ in pairs] == [
        ("ask", {"ids": [1, 2]}), ("pass", {"ids": [1, 2]}),
    ]  # fmt: skip
    assert [reward for _, reward in pairs] == [-0.1, 0.0]


def test_groups_share_question_and_costs_and_advantages_add_up_to_nothing():
    trainer = build(settings("rloo"))
    for group in trainer._groups(batch(trainer)):
        assert len(group) == 6
        assert sum(a[0] for a in trainer.advantages(group)) == pytest.approx(0.0, abs=1e-12)


def test_decisions_without_credit_are_skipped_and_counted():
    trainer = build(settings("grpo"))
    trainer.options["kl"] = 0.0
    examples = [one._replace(advantage=0.0) for one in trainer.examples(batch(trainer))]
    found = trainer.fit(trainer.learner, examples, 0)
    assert found["skipped"] == found["decisions"] == len(examples)
    assert "loss" not in found


def test_credit_per_turn_is_what_is_paid_from_there_on():
    trainer = build(settings("rloo", options={"credit": "turn"}))
    for group in trainer._groups(batch(trainer)):
        found = trainer.advantages(group)
        last = [(k, len(played.rewards_T) - 1) for k, played in enumerate(group)]
        for turn in range(max(t for _, t in last) + 1):
            to_go = {k: group[k].rewards_T[turn:].sum() for k, t in last if t >= turn}
            for k, value in to_go.items():
                others = [other for n, other in to_go.items() if n != k]
                wanted = value - np.mean(others) if others else 0.0
                assert found[k][turn] == pytest.approx(wanted)


def test_only_the_named_terms_of_the_reward_are_learnt_from():
    trainer = build(settings("rloo", options={"terms": ["accuracy"]}))
    played = batch(trainer)
    found = {id(one.episode): one.rewards_T for group in trainer._groups(played) for one in group}
    assert len(found) == len(played.episodes)
    for episode in played.episodes:
        assert found[id(episode)].sum() == pytest.approx(episode.reward_terms["accuracy"])


def test_a_player_without_a_choice_earns_no_credit():
    """The scripted user plays on as it played: each of its moves is worth what its point is worth."""
    trainer = build(settings("rloo", options={"credit": "branching", "window": 9}))
    played = batch(trainer)

    class Scripted:
        agent = ScriptedUser()

    trainer.learners["user"] = Scripted()
    examples = trainer.examples(played._replace(player="user", others={"asker": OptimalAsker()}))
    assert len(examples) > 10
    assert max(abs(one.advantage) for one in examples) < 1e-9
    assert max(abs(one.advantage) for one in trainer.examples(played)) > 0.1


def test_a_penalty_keeps_the_policy_near_its_start():
    moved = {}
    for penalty in (0.0, 10.0):
        trainer = build(settings("ppo", options={"kl": penalty}, iterations=3, learning_rate=1e-2))
        start = trainer.starts["asker"]
        list(trainer.train())
        found = trainer.learner.experience([one.example for one in trainer.examples(batch(trainer))])
        start, now = (one.logprobs(found).logprobs_N for one in (start, trainer.learner))
        moved[penalty] = float((start - now).abs().mean())
    assert moved[10.0] < 0.5 * moved[0.0]


def test_old_logprobs_of_a_small_policy_are_computed_and_follow_the_rows():
    trainer = build(settings("rloo"))
    found = trainer.learner.experience([one.example for one in trainer.examples(batch(trainer))])
    old, seen = sampled_logprobs(trainer.learner, found), []

    def loss(scored):
        seen.append(
            (scored.rows_B.tolist(), torch.allclose(scored.tokens(old), scored.logprobs_N, rtol=1e-12))
        )
        return scored.logprobs_N.sum() * 0.0

    trainer.learner.step(found, loss, [[3, 1], [0, 2, 2]])
    assert seen == [([3, 1], True), ([0, 2, 2], True)]
    for logprob, example in zip(old, found.examples, strict=True):
        assert logprob.item() == pytest.approx(example.trace["logprob"], abs=1e-9)


@pytest.mark.parametrize(
    ("name", "given", "copies"),
    [
        ("rest", {"start_share": 0.5}, 1),
        ("rest", {"start_share": 0.0}, 0),
        ("ppo", {}, 0),
        ("ppo", {"options": {"kl": 0.1}}, 1),
        ("rloo", {"options": {"kl": 0.0}}, 0),
        ("rloo", {"options": {"kl": 0.0, "credit": "progress"}}, 1),
        ("dpo", {"start_share": 0.0}, 0),
        ("dpo", {"start_share": 0.0, "options": {"reference": "start"}}, 1),
    ],
)
def test_the_start_policy_is_copied_only_where_it_is_used(name, given, copies, tmp_path, monkeypatch):
    made, copy = [], ScorerLearner.copy
    monkeypatch.setattr(ScorerLearner, "copy", lambda learner: made.append(copy(learner)) or made[-1])
    run, wanted = RunDirectory(tmp_path / "run"), settings(name, **given)
    first = build(wanted, run)
    run.start(wanted.to_json())
    list(first.train())
    assert len(made) == copies
    load_run(run)
    resumed = build(wanted.changed(iterations=3), run)
    list(resumed.train(first=resumed.resume()))
    assert len(made) == 2 * copies, "one for each of two runs"
    start = build(wanted).learner.agent.network.linear.weight
    assert all(torch.equal(one.agent.network.linear.weight, start) for one in made)


def test_a_start_policy_that_is_asked_for_too_late_is_said_to_be_gone():
    trainer = build(settings("ppo"))
    list(trainer.train())
    with pytest.raises(ClarifyError, match="gone after an update"):
        trainer.start_of(trainer.learner)


def test_an_algorithm_of_ones_own():
    class Plain(RLOO):
        """REINFORCE without a baseline."""

        def advantages(self, group):
            return [np.cumsum(played.rewards_T[::-1])[::-1] for played in group]

    algorithms.register_algorithm("plain", Plain)
    try:
        (line,) = build(settings("plain", iterations=1, start_share=0.0)).train()
        assert np.isfinite(line["update/loss"])
        with pytest.raises(ClarifyError, match=r"'plain'.*is taken"):
            algorithms.register_algorithm("plain", Plain)
    finally:
        del algorithms.ALGORITHMS["plain"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"algorithm": "pppo"}, "unknown algorithm 'pppo'; did you mean 'ppo'?"),
        ({"algorithm": "ppo", "start_share": 0.5}, "start_share=0.5: PPO learns from its own episodes only"),
        (
            {"algorithm": "ppo", "start_share": 0.0, "options": {"clp_range": 1}},
            "unknown option of ppo 'clp_range'; did you mean 'clip_range'?",
        ),
        ({"algorithm": "dpo", "options": {"pairs": "fork"}}, "unknown pairs 'fork'; did you mean 'forks'?"),
        ({"algorithm": "rloo", "start_share": 0.0, "options": {"credit": "turns"}}, "did you mean 'turn'?"),
        (
            {"algorithm": "rloo", "start_share": 0.0, "options": {"terms": ["word"]}},
            "unknown reward term 'word'",
        ),
        ({"algorithm": "rloo", "start_share": 0.0, "options": {"futures": 0}}, "futures=0: a whole number"),
        ({"algorithm": "rloo", "start_share": 0.0, "options": {"share": 2.0}}, "share=2.0: a share of"),
        (
            {"algorithm": "rloo", "start_share": 0, "options": {"terms": ["accuracy"], "credit": "progress"}},
            "terms=('accuracy',): futures earn the whole reward",
        ),
        ({"algorithm": "dpo", "options": {"meanings": "all"}}, "unknown meanings 'all'"),
        ({"algorithm": "distillation", "options": {"members": 3}}, "members=3: pairs='forks' have one exact"),
        ({"algorithm": "rest", "options": {"clip_range": 1}}, "unknown option of rest 'clip_range'"),
    ],
)
def test_mistakes_are_one_line(given, said):
    with pytest.raises(ClarifyError) as error:
        build(Config().changed(**{**SMALL, **given}))
    assert said in str(error.value)


def test_what_cannot_be_compared_says_how_it_could():
    alone = build(settings("grpo", group_size=1))
    with pytest.raises(ClarifyError, match=r"group of 1.*group_size=2"):
        alone.examples(batch(alone))
    one = build(settings("dpo", group_size=1, tasks=1, options={"pairs": "siblings", "rescore": False}))
    with pytest.raises(ClarifyError, match=r"no point of 1 episodes has two moves.*forks"):
        one.examples(batch(one))


def test_every_algorithm_is_a_gradient_or_a_pair():
    made = [build(settings(name)) for name in GRADIENT]
    assert all(isinstance(trainer, PolicyGradient) for trainer in made)
    assert {*GRADIENT, *PAIRS, "rest"} == set(algorithms.ALGORITHMS)
    assert Costs(*next(iter(made[0].config.grid))) in SEEN
