"""Partners that do not learn: who is drawn, what is recorded, who learns from what, and resumption."""

from collections import Counter

import pytest
import torch

import clarify_env
from clarify_env import ClarifyError, read_episodes
from clarify_env.agents import OptimalAsker, ScriptedUser
from clarify_env.trainers import experiment
from clarify_env.trainers.config import recipe
from clarify_env.trainers.experiment import build
from clarify_env.trainers.partner_pool import Drawn, PartnerPool, checkpoint_of
from clarify_env.trainers.run_directory import RunDirectory

torch.set_num_threads(1)
BOTH = ("asker", "user")
FEW = {
    "players": BOTH,
    "env_options": {"size": 30},
    "tasks": 6,
    "group_size": 4,
    "iterations": 3,
    "gradient_steps": 4,
    "batch_size": 32,
    "hidden": 16,
    "eval_train_tasks": 0,
    "pool": ("past", "optimal"),
    "pool_share": 0.7,
}


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("synthetic-v0", size=10)


def test_who_plays_is_drawn_evenly_and_by_the_seed_alone(env):
    pool = PartnerPool(["past", "optimal", "noisy:0.1"], 0.5, env, BOTH, {})
    drawn = pool.draw(8000, 10, 3)
    assert drawn == pool.draw(8000, 10, 3) != pool.draw(8000, 10, 4)
    counts = Counter(one._replace(partner=one.partner.partition("-")[0]) for one in drawn)
    shares = {key: count / 8000 for key, count in counts.items()}
    expected = {Drawn(): 0.5}
    expected |= {Drawn("asker", name): 0.25 / 3 for name in ("optimal", "noisy:0.1", "past")}
    expected |= {Drawn("user", name): 0.25 / 2 for name in ("optimal", "past")}  # nobody asks as noisy:0.1
    assert shares == pytest.approx(expected, abs=0.015)
    past = {checkpoint_of(one.partner) for one in drawn if one.partner.startswith("past")}
    assert past == set(range(5, 10))  # the later half, and not the policy of now


def test_there_is_no_past_at_the_start(env):
    pool = PartnerPool(["past"], 1.0, env, BOTH, {})
    assert set(pool.draw(50, 0, 0)) == set(pool.draw(50, 1, 0)) == {Drawn()}
    assert Drawn() not in pool.draw(50, 2, 0)


def test_an_anchor_takes_the_seats_that_it_can(env):
    pool = PartnerPool(["optimal"], 0.5, env, BOTH, {"noise": 0.1})
    assert set(pool.anchors) == {Drawn("asker", "optimal"), Drawn("user", "optimal")}
    assert isinstance(pool.anchors[Drawn("user", "optimal")]["asker"], OptimalAsker)
    user = pool.anchors[Drawn("asker", "optimal")]["user"]
    assert isinstance(user, ScriptedUser)
    assert user.model.noise == 0.1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pool": ("optimall",)}, "unknown agent or run directory 'optimall'; did you mean 'optimal'?"),
        ({"players": ("asker",), "pool": ("past",)}, "pool='past': asker is trained alone"),
        ({"pool": ("past",)}, "pool='past': earlier checkpoints are read from the run directory; give one"),
        ({"pool_share": 2.0}, "pool_share=2.0: a share between 0 and 1"),
    ],
)
def test_mistakes_are_one_line(given, said):
    with pytest.raises(ClarifyError) as error:
        build(recipe("move-scorer", "ppo", **{**FEW, **given}))
    assert said in str(error.value)


@pytest.fixture(scope="module", params=["ppo", "rest"])
def whole(request, tmp_path_factory):
    """A run with partners of the pool, without an interruption."""
    run = RunDirectory(tmp_path_factory.mktemp("whole") / "run")
    list(experiment.train(recipe("move-scorer", request.param, **FEW), run))
    return request.param, run


def test_a_run_resumes_to_the_same_bits_and_says_who_played(whole, tmp_path):
    name, run = whole
    again = RunDirectory(tmp_path / "run")
    config = recipe("move-scorer", name, **FEW)
    list(experiment.train(config.changed(iterations=2), again))
    list(experiment.train(config, again, resume=True))
    for part in ("weights.safetensors", "user/weights.safetensors"):
        assert (run.checkpoint(3) / part).read_bytes() == (again.checkpoint(3) / part).read_bytes()
    episodes = list(read_episodes(run.episodes("iteration-002")))
    assert len(episodes) == 6 * 4
    by_question = Counter((e.setup["task"], str(e.setup.get("pool"))) for e in episodes)
    assert set(by_question.values()) == {4}  # those that are compared share their partner
    named = {e.setup["pool"]["partner"] for e in episodes if "pool" in e.setup}
    assert named
    assert named <= {"optimal", "past-001"}
    for episode in episodes:  # a small policy leaves traces, a scripted player none
        traced = {player for step in episode.steps for player, _ in step.traces}
        drawn = Drawn(**episode.setup.get("pool", {}))
        if drawn.partner == "optimal":
            assert traced <= {drawn.player}


def test_a_player_learns_from_its_own_episodes_alone():
    """With a partner in every episode the asker meets the scripted user, and its user never learns of it."""
    config = recipe("move-scorer", "ppo", **{**FEW, "pool": ("optimal",), "pool_share": 1.0, "iterations": 1})
    loop = build(config)
    seen: dict[str, list] = {}
    examples = loop.examples

    def watch(batch):
        seen.setdefault(batch.player, []).append(batch)
        return examples(batch)

    loop.examples = watch
    list(loop.train())
    for player, batches in seen.items():
        for batch in batches:
            assert {e.setup["pool"]["player"] for e in batch.episodes} == {player}
            (partner,) = batch.others.values()
            assert isinstance(partner, ScriptedUser if player == "asker" else OptimalAsker)
    assert sum(len(b.episodes) for batches in seen.values() for b in batches) == 6 * 4


def test_an_asker_alone_learns_with_several_users():
    given = {"players": ("asker",), "pool": ("noisy:0.2", "vague:0.2"), "pool_share": 1.0, "iterations": 1}
    loop = build(recipe("move-scorer", "ppo", **{**FEW, **given}))
    met = {episode.setup["pool"]["partner"] for episode in loop.collect(0)}
    assert met == {"noisy:0.2", "vague:0.2"}
