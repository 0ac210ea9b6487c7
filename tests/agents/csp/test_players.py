"""Small policies of csp-v0, what they learn, and the helper on its own; calibration by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents.csp.policy import CspPolicy
from clarify_env.agents.csp.prompts import ChooserPrompt, HelperPrompt
from clarify_env.agents.csp.scripted import CarefulHelper, SureHelper, optimal, protocol
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.agents.roster import roster_of
from clarify_env.errors import Unreadable
from clarify_env.games.csp import CspCosts, Search, Sure, Unsure
from clarify_env.trainers.algorithms.selection import Averaged, Batch
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.calibration import auroc, covered, expected_calibration_error, transfer
from clarify_env.trainers.experiment import build

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("csp-v0")


def settings_of(algorithm, **given):
    own = {
        "iterations": 4,
        "tasks": 40,
        "group_size": 16,
        "start_share": 0.0,
        "hidden": 16,
        "eval_train_tasks": 0,
    }
    own |= {"costs": {"search": (0.1,)}, "gradient_steps": 60, "batch_size": 128}
    return Config().changed(
        algorithm=algorithm,
        env="csp-v0",
        options={"rule": "averaged"} if algorithm == "rest" else {},
        **{**own, **given},
    )


def reward(env, agents, episodes=800):
    return np.mean([episode.reward for episode in rollout(env, agents, episodes, seed=11)])


@pytest.mark.parametrize("shared", [False, True])
def test_rest_learns_to_search_to_mark_and_to_believe(shared):
    loop = build(settings_of("rest", shared=shared))
    assert list(loop.learners) == list(roster_of(loop.env.game).trained) == loop.env.possible_agents
    before = reward(loop.env, {name: one.agent for name, one in loop.learners.items()})
    for line in loop.train():
        names = ["update/loss"] if shared else [f"update/{player}/loss" for player in loop.learners]
        assert all(np.isfinite(line[name]) for name in names)
    after = reward(loop.env, {name: one.greedy() for name, one in loop.learners.items()})
    assert before < 0.5
    assert after > 0.7


def test_ppo_learns_with_a_critic_for_each_role():
    loop = build(settings_of("ppo", iterations=8, shared_costs=True, learning_rate=2e-3))
    agents = {name: one.agent for name, one in loop.learners.items()}
    before = reward(loop.env, agents)
    for _ in loop.train():
        pass
    assert reward(loop.env, agents) > before + 0.1
    critics = {id(one.critic) for one in loop.learners.values()}
    assert len(critics) == 3


@pytest.mark.parametrize("anonymous", [True, False])
def test_a_policy_plays_all_roles_and_batches_change_nothing(anonymous):
    env = clarify_env.make("csp-v0", anonymous=anonymous, helpers=3)
    policy = CspPolicy(env.game, hidden=8, seed=2)
    agents = dict.fromkeys(env.possible_agents, policy)
    one, two = (list(rollout(env, agents, 40, seed=3, batch=batch)) for batch in (1, 40))
    assert one == two
    assert {episode.stop for episode in one} == {"selected"}
    assert {move.kind for e in one for step in e.steps for _, move in step.moves} >= {
        "search",
        "sure",
        "unsure",
    }


def test_a_fresh_policy_leans_to_honest_marks_unless_it_is_not_grounded(env):
    seen, _ = env.reset(seed=0, options={"memories": [[0, 0], [0, 1]]})

    def sure(grounding, player):
        policy = CspPolicy(env.game, hidden=0, grounding=grounding)
        ((moves, logprob_M),) = policy.scores([seen[player]])
        chances = {move.kind: chance for move, chance in zip(moves, logprob_M.exp().tolist(), strict=True)}
        assert chances["search"] == pytest.approx(0.5, abs=0.05)
        return chances["sure"] / (chances["sure"] + chances["unsure"])

    assert sure(1.0, "helper1") > 0.7 > 0.3 > sure(1.0, "helper2")
    assert sure(0.0, "helper1") == pytest.approx(0.5)


def test_averages_pool_what_a_role_cannot_see(env):
    policy = CspPolicy(env.game, hidden=0)
    agents = dict.fromkeys(env.possible_agents, policy)
    episodes = list(rollout(env, agents, 600, seed=1))
    batch = Batch(env, "helper1", {}, episodes, None, 0, policy)
    kept = Averaged(temperature=0.1, prior=0.0).select(batch)
    made = sum(player == "helper1" for e in episodes for step in e.steps for player, _ in step.moves)
    assert len(kept) == made, "every decision is kept, with a weight"
    weights = {}
    for example in kept:
        seen = example.observation
        if not seen["transcript"]:
            point = seen["memory"][0].reliability, seen["tool"][0].coverage, example.move.kind
            weights.setdefault(point, set()).add(round(example.weight, 12))
    assert all(len(own) == 1 for own in weights.values()), "one weight for a point and a move"
    assert len(weights) == 2 * 2 * 3
    ((best,), (worst,)) = (weights[0.3, 0.9, kind] for kind in ("search", "sure"))
    assert best > worst
    with pytest.raises(
        ClarifyError, match="pools what looks alike to a small policy, and SureHelper is none"
    ):
        Averaged().select(batch._replace(policy=SureHelper()))


def test_a_helper_alone(env):
    careful = transfer(env, CarefulHelper(), "helper1", 1500)
    floor = transfer(env, SureHelper(), "helper1", 1500)
    assert floor["search_rate"] == 0.0
    assert floor["f1"] == floor["closed_f1"] == pytest.approx(0.54, abs=0.04)
    assert floor["ece"] == pytest.approx(0.9 - 0.54, abs=0.04)
    assert floor["auroc"] == 0.5
    assert floor["sure"] == 1.0
    assert careful["closed_f1"] == floor["closed_f1"], "the same memories"
    assert careful["f1"] > careful["closed_f1"] + 0.1
    assert careful["search_rate"] == pytest.approx(0.5 * 0.6, abs=0.04), "faint memories on its own topics"
    assert careful["searched_wrong"] > careful["searched_right"]
    assert careful["ece"] < 0.1
    assert careful["auroc"] > 0.75
    assert careful["f1_per_search"] == pytest.approx(careful["f1"] / careful["search_rate"])
    with pytest.raises(ClarifyError, match="unknown helper 'helper'; did you mean"):
        transfer(env, SureHelper(), "helper", 5)


def test_calibration_by_hand():
    assert expected_calibration_error([0.9, 0.9, 0.3], [1.0, 0.0, 1.0]) == pytest.approx((0.8 + 0.7) / 3)
    assert expected_calibration_error([0.0, 0.05, 0.1], [0, 0, 0], bins=10) == pytest.approx(0.05)
    assert auroc([0.9, 0.9, 0.3, 0.3], [1, 0, 1, 0]) == 0.5
    assert auroc([0.9, 0.3, 0.3], [1, 1, 0]) == 0.75
    assert np.isnan(auroc([0.9, 0.3], [1, 1]))
    assert covered([1, 0, 1, 0], [1.0, 0.0, 0.5, 1.0]) == (0.5, 0.75)
    for wrong in (lambda: auroc([0.1], [0.5]), lambda: covered([], []), lambda: auroc([0.1, 0.2], [1.0])):
        with pytest.raises(ClarifyError):
            wrong()


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.booleans()), min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_auroc_counts_pairs(pairs):
    good = [c for c, right in pairs if right]
    bad = [c for c, right in pairs if not right]
    found = auroc(*zip(*pairs, strict=True))
    if not good or not bad:
        assert np.isnan(found)
    else:
        won = sum((a > b) + 0.5 * (a == b) for a in good for b in bad)
        assert found == pytest.approx(won / (len(good) * len(bad)))
    gap = expected_calibration_error(*zip(*pairs, strict=True))
    assert 0.0 <= gap <= 1.0


def test_language_models_are_told_their_role(env):
    seen, _ = env.reset(seed=0, options={"covered": [True, True]})
    prompt = RolePrompt()
    question = seen["helper1"]["question"]
    system, opening = prompt.messages(seen["helper1"])
    assert "right 9 times in 10" in " ".join(system["content"].split())
    assert question in opening["content"]
    assert "You remember" in opening["content"]
    assert "A search costs 0.1." in opening["content"]
    assert prompt.read(f"<search>{question}</search>", seen["helper1"]) == Search(question)
    after, *_ = env.step({"helper1": f"<search>{question}</search>", "helper2": "<sure>x</sure>"})
    *before, made, found = prompt.messages(after["helper1"])
    assert before == [system, opening], "what was read before stays as it was"
    assert made == {"role": "assistant", "content": f"<search>{question}</search>"}
    assert after["helper1"]["passages"][0].text in found["content"]
    asked, *_ = env.step({"helper1": prompt.write(Unsure("y"), after["helper1"])})
    text = prompt.messages(asked["asker"])[-1]["content"]
    assert "helper is sure: x" in text
    assert "helper is unsure: y" in text
    assert "helper1" not in text
    assert prompt.read("<hedge></hedge>", asked["asker"]).kind == "hedge"
    for wrong in (HelperPrompt(), ChooserPrompt()):
        with pytest.raises(Unreadable):
            wrong.read("", seen["helper1"])


def test_teams_of_the_cast_play(env):
    for name, team in roster_of(env.game).teams.items():
        played = list(rollout(env, team(env, {}), 5, seed=0))
        assert {episode.stop for episode in played} == {"selected"}, name
    other = clarify_env.make("synthetic-v0", size=3)
    for team in (optimal, protocol):
        with pytest.raises(ClarifyError, match="these players play csp-v0"):
            team(other, {})


def test_costs_steer_a_policy_of_one_search_price_and_another(env):
    seen, _ = env.reset(seed=0)
    policy = CspPolicy(env.game, hidden=8)
    cheap, dear = ({**seen["helper1"], "costs": np.array(CspCosts(search=c))} for c in (0.05, 0.6))
    (_, one), (_, two) = policy.scores([cheap, dear])
    assert not torch.allclose(one, two)
    assert isinstance(policy.act([cheap])[0].move, (Search, Sure, Unsure))
