"""Training a language model: on the sampled ids and nothing else, and the same bits after a resume."""

import dataclasses
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import clarify_env
from clarify_env.agents import ScriptedUser
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.game import SEEN, Answer
from clarify_env.rollout import rollout
from clarify_env.simulate import choices, seen
from clarify_env.trainers.algorithms.policy_gradient import sampled_logprobs
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.evaluate import load_run
from clarify_env.trainers.experiment import build, train
from clarify_env.trainers.learners import Example
from clarify_env.trainers.learners.language_model import LanguageLearner
from clarify_env.trainers.learners.packing import pack
from clarify_env.trainers.run_directory import RunDirectory

TINY = recipe(
    "small",
    iterations=2,
    tasks=3,
    group_size=4,
    gradient_steps=3,
    batch_size=8,
    eval_train_tasks=0,
    learning_rate=1e-3,
    max_completion_length=64,
)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def learner():
    return LanguageLearner(
        TransformersAgent("small", device="cpu"), gradient_steps=4, batch=8, learning_rate=1e-3
    )


@pytest.fixture
def env():
    return clarify_env.make("synthetic-v0", costs=SEEN)


def examples(learner, env, count=12):
    agents = {"asker": learner.agent, "user": ScriptedUser()}
    found = []
    for episode in rollout(env, agents, count, seed=5):
        for state, move, trace in choices(env.game, episode, "asker"):
            found.append(Example(seen(env.game, state, "asker"), move, trace, 1.0))
    return found


def test_the_ids_trained_on_are_the_ids_sampled_for_every_episode_of_a_run(tmp_path):
    from clarify_env.storage import read_episodes

    run = RunDirectory(tmp_path / "run")
    lines = list(train(TINY, run))
    assert [line["update/ids_differ"] for line in lines] == [0.0, 0.0]
    assert [line["update/sampled"] for line in lines] == [1.0, 1.0]
    trainer = build(TINY)
    for iteration in range(2):
        for episode in read_episodes(run.episodes(f"iteration-{iteration:03d}")):
            for (state, move, trace), (text,) in zip(
                choices(trainer.env.game, episode, "asker"),
                (
                    [m for p, m in s.messages if p == "asker"]
                    for s in episode.steps
                    if dict(s.moves).keys() == {"asker"}
                ),
                strict=False,
            ):
                example = Example(seen(trainer.env.game, state, "asker"), move, trace, 1.0)
                item, sampled = trainer.learner.item(example)
                assert sampled
                assert list(item.message) == trace["ids"]
                assert trainer.learner.agent.model.message(item.message) == text
                assert list(item.prompt) == trainer.learner.agent.prompt_ids(example.observation)


def test_the_context_trained_on_is_the_context_sampled_in(learner, env):
    """Under the costs of play, prompt and ids give the log-probabilities that were recorded."""
    for example in examples(learner, env):
        item, _ = learner.item(example)
        ids = torch.tensor([item.prompt + item.message])
        with torch.no_grad():
            logits = learner.agent.model.model(ids).logits[0, len(item.prompt) - 1 : -1]
        logprobs = torch.log_softmax(logits, -1)[range(len(item.message)), list(item.message)]
        assert example.trace["logprobs"] == pytest.approx(logprobs.tolist(), abs=1e-4)


def test_recorded_log_probabilities_are_used_and_others_computed_once(learner, env, monkeypatch):
    found = examples(learner, env, 4)
    computed = [one.tolist() for one in learner.logprobs(learner.experience(found)).by_row()]
    batch = learner.experience([*found[:2], found[2]._replace(trace=None), *found[3:]])
    asked, logprobs = [], learner.logprobs
    monkeypatch.setattr(
        learner, "logprobs", lambda batch, rows=None: (asked.append(rows), logprobs(batch, rows))[1]
    )
    old = sampled_logprobs(learner, batch)
    assert asked == [[2]]
    for e, one in enumerate(old):
        if e == 2:
            assert len(one) == len(batch.encoded[2][0].message)
        else:
            assert one.tolist() == found[e].trace["logprobs"] == pytest.approx(computed[e], abs=1e-4)

    def loss(scored):
        rows = scored.rows_B.tolist()
        assert scored.tokens(old).tolist() == pytest.approx([p for e in rows for p in old[e].tolist()])
        return scored.logprobs_N.mean()

    learner.microbatch_tokens = learner.width = 64  # several parts a minibatch
    learner.step(batch, loss, [[3, 1], [0, 2, 2]])


@pytest.mark.parametrize("temperature", [0.5, 1.7])
def test_log_probabilities_are_those_that_the_agent_samples_by(env, temperature):
    agent = TransformersAgent("small", device="cpu", temperature=temperature)
    learner = LanguageLearner(agent, gradient_steps=4, batch=8, learning_rate=1e-3)
    batch = learner.experience(examples(learner, env, 4))
    for recorded, computed in zip(batch.recorded, learner.logprobs(batch).by_row(), strict=True):
        ratio = (computed.double() - recorded).exp()
        assert ratio.tolist() == pytest.approx([1.0] * len(ratio), abs=1e-3)


@pytest.mark.parametrize("cut", [{"temperature": 0.0}, {"top_p": 0.9}])
def test_a_policy_that_cuts_its_distribution_off_is_not_trained(cut):
    with pytest.raises(
        ClarifyError, match=r"trained as it is sampled; give a temperature above 0, and top_p=1"
    ):
        LanguageLearner(TransformersAgent("small", device="cpu", **cut))


def test_a_move_that_was_not_sampled_is_written_by_the_prompt(learner, env):
    observation = env.reset(seed=1)[0]["asker"]
    item, sampled = learner.item(Example(observation, Answer("Port Arden"), None, 1.0))
    assert not sampled
    assert item.message[-1] == learner.agent.model.stop
    assert learner.agent.prompt.read(learner.agent.model.message(item.message), observation) == Answer(
        "Port Arden"
    )


def test_an_update_makes_the_examples_likelier_and_repeats_exactly(learner, env):
    found = examples(learner, env)
    twin = learner.copy()
    packed = pack([learner.item(example)[0] for example in found], 512, 8192)

    def loss():
        with torch.no_grad():
            return sum(learner.loss(part).item() for part in packed)

    before = loss()
    first = [learner.update(found, seed)["loss"] for seed in range(5)]
    assert loss() < 0.9 * before
    again = [twin.update(found, seed)["loss"] for seed in range(5)]
    assert again == first
    for one, other in zip(learner._parameters.values(), twin._parameters.values(), strict=True):
        assert torch.equal(one, other)


def test_accumulation_in_small_parts_is_the_same_step(learner, env):
    found = examples(learner, env)
    twin = learner.copy()
    twin.microbatch_tokens, twin.width = 64, 32
    assert twin.update(found, 0)["loss"] == pytest.approx(learner.update(found, 0)["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("rest", {}),
        ("ppo", {"kl": 0.5}),
        ("grpo", {"kl": 0.5}),
        ("grpo", {"by_length": False}),
        ("rloo", {"kl": 0.5, "kl_kind": "k2"}),
        ("dpo", {}),
        ("distillation", {"members": 3, "gamma": 0.1, "pairs": "siblings"}),
    ],
)
def test_gradients_do_not_change_with_the_parts_of_a_minibatch(algorithm, options, tmp_path, monkeypatch):
    """Rows have messages of different lengths, so that a mean over tokens is none over rows."""
    step, gradients = LanguageLearner.step, []

    def both(self, batch, loss, minibatches=None, **more):
        for tokens, width in ((8192, 512), (200, 100)):
            self.microbatch_tokens, self.width = tokens, width
            found = step(self, batch, loss, minibatches[:1], **more)
        return found

    def keep(self, closure=None):
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        gradients.append(torch.cat([p.grad.flatten().double() for p in parameters]))

    monkeypatch.setattr(LanguageLearner, "step", both)
    monkeypatch.setattr(torch.optim.AdamW, "step", keep)
    config = recipe("small", algorithm, iterations=1, tasks=3, group_size=8, gradient_steps=1, batch_size=12,
                    eval_train_tasks=0, options=options)  # fmt: skip
    list(train(config, RunDirectory(tmp_path)))
    whole, parts = gradients
    assert whole.norm() > 1e-3
    assert float((whole - parts).norm() / whole.norm()) < 1e-3


def test_weights_of_half_precision_move_by_steps_smaller_than_their_rounding(env, tmp_path):
    def halved():
        model = LanguageModel.load("small", device="cpu", dtype="bfloat16")
        model.unpacked = ""  # so small a model is rounded too coarsely for the check at load
        return TransformersAgent(model)

    learner = LanguageLearner(halved(), gradient_steps=30, batch=4, learning_rate=2e-5)
    assert {p.dtype for p in learner._parameters.values()} == {torch.bfloat16}
    before = {n: p.detach().clone() for n, p in learner._masters.items()}
    learner.update(examples(learner, env, 4), 0)
    moved = sum(int((before[n] != p).sum()) for n, p in learner._masters.items())
    assert moved > 0.8 * sum(p.numel() for p in before.values())
    for name, parameter in learner._parameters.items():
        assert torch.equal(parameter, learner._masters[name].to(torch.bfloat16))
    learner.save(tmp_path)
    again = LanguageLearner(halved())
    again.load(tmp_path)
    twin = learner.copy()
    for name, master in learner._masters.items():
        assert torch.equal(again._masters[name], master)
        assert torch.equal(twin._masters[name], master)


def test_a_copy_is_frozen_and_the_memory_of_old_weights_is_dropped(learner, env):
    frozen = learner.copy()
    found = examples(learner, env)
    before = {n: p.clone() for n, p in frozen._parameters.items()}
    assert learner.agent.generator.memory.held > 0
    learner.update(found, 0)
    assert learner.agent.generator.memory.held == 0
    assert all(torch.equal(before[n], p) for n, p in frozen._parameters.items())
    assert not all(torch.equal(before[n], p) for n, p in learner._parameters.items())


def test_adapters_train_alone_and_survive_a_checkpoint(env, tmp_path):
    pytest.importorskip("peft")
    learner = LanguageLearner(
        TransformersAgent("small", device="cpu"), gradient_steps=3, batch=4, learning_rate=1e-2, lora=4
    )
    frozen = {n: p.clone() for n, p in learner.agent.model.model.named_parameters() if not p.requires_grad}
    learner.update(examples(learner, env), 0)
    now = dict(learner.agent.model.model.named_parameters())
    assert all(torch.equal(frozen[n], now[n]) for n in frozen)
    assert all("lora" in n for n in learner._parameters)
    learner.save(tmp_path)
    other = LanguageLearner(TransformersAgent("small", device="cpu"), lora=4)
    other.load(tmp_path)
    rng = [np.random.default_rng(0)]
    observation = env.reset(seed=4)[0]["asker"]
    assert other.agent.act([observation], rng) == learner.agent.act([observation], [np.random.default_rng(0)])


def test_bfloat16_trains(env):
    """What is checked at load is the way that the model is read, not bfloat16's rounding."""
    learner = LanguageLearner(TransformersAgent("small", device="cpu"), 4, 8, 1e-3, bf16=True)
    assert learner.agent.model.unpacked == ""
    assert np.isfinite(learner.update(examples(learner, env), 0)["loss"])


def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path):
    whole, broken = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "broken")
    lines = list(train(TINY, whole))
    list(itertools.islice(train(TINY, broken), 1))
    resumed = list(train(TINY, broken, resume=True))
    assert resumed == lines[1:]
    one, other = (run.checkpoint(2) / "weights.safetensors" for run in (whole, broken))
    assert one.read_bytes() == other.read_bytes()
    assert isinstance(load_run(whole)["asker"], TransformersAgent)


def test_no_examples_leave_the_weights_alone(learner):
    assert learner.update([], 0)["examples"] == 0.0


def test_bad_checkpoints_and_memory_are_told_in_one_line(learner, tmp_path, monkeypatch, env):
    with pytest.raises(ClarifyError, match="no weights of small"):
        learner.load(tmp_path)
    found = examples(learner, env)

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(learner, "_scored", full)
    with pytest.raises(ClarifyError, match=r"microbatch_tokens=8192; lower it.*can be resumed"):
        learner.update(found, 0)


def test_a_loss_that_is_not_finite_stops_the_run(learner, env):
    learner.learning_rate = 1e30
    found = examples(learner, env)[:4]
    with pytest.raises(ClarifyError, match="lower the learning rate"):
        learner.update(found, 0)


def test_every_weight_is_in_the_config():
    assert dataclasses.asdict(TINY)["policy"]["agent"] == "small"


def test_both_players_train_apart_or_with_shared_weights(tmp_path):
    from clarify_env.trainers.algorithms.rest import ReST
    from clarify_env.trainers.algorithms.selection import make_rule

    rules = {"asker": make_rule("best-continuation"), "user": make_rule("top-k")}

    def learner():
        return LanguageLearner(TransformersAgent("small", device="cpu", max_tokens=32), 2, 4, 1e-3)

    shared, own, other = learner(), learner(), learner()
    for partners, folders in (({"user": shared}, {""}), ({"user": other}, {"", "user"})):
        first = shared if "user" in partners and partners["user"] is shared else own
        run = RunDirectory(tmp_path / str(len(folders)))
        run.start(TINY.to_json())
        trainer = ReST(TINY, first, {}, rules, run, partners=partners)
        (line, *_) = trainer.train()
        assert {name.rpartition("/")[0] for name in line if name.endswith("/loss")} == {
            "update" if folders == {""} else f"update/{folder or 'asker'}" for folder in folders
        }
        assert {p.parent.name for p in run.checkpoint(1).rglob("weights.safetensors")} == {
            folder or run.checkpoint(1).name for folder in folders
        }
        again = ReST(
            TINY, learner(), {}, rules, run, partners={"user": learner()} if len(folders) > 1 else {}
        )
        assert again.resume() == 2


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from clarify_env.trainers.experiment import train
from clarify_env.trainers.run_directory import RunDirectory
from clarify_env.trainers.config import recipe
config = recipe("small", iterations=1, tasks=3, group_size=4,
    gradient_steps=2, batch_size=8, eval_train_tasks=0, microbatch_tokens=256)
list(train(config, RunDirectory(sys.argv[1])))
"""


def test_two_processes_train_to_the_weights_of_one(tmp_path):
    pytest.importorskip("accelerate")
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    for count in (1, 2):
        processes = ["--num_processes", str(count), "--main_process_port", "0"]
        done = subprocess.run(
            [*launch, *processes, str(tmp_path / "script.py"), str(tmp_path / f"run{count}")],
            capture_output=True,
            text=True,
            timeout=200,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (
        load_file(RunDirectory(tmp_path / f"run{n}").checkpoint(1) / "weights.safetensors") for n in (1, 2)
    )
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-5, rtol=1e-3)
