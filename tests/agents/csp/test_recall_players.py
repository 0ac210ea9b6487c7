"""Small policies of csp-v1, what is measured of its helpers, prompts, and the exact account of a team."""

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import Agent, ClarifyError, rollout
from clarify_env.agents.csp.recall_account import account
from clarify_env.agents.csp.recall_policy import RecallPolicy
from clarify_env.agents.csp.recall_scripted import RecallOptimum, clues, recall_floor, recall_optimal
from clarify_env.agents.csp.scripted import SureHelper
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.games.csp import RecallCosts, Search, Silent, Sure, Unsure
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.calibration import transfer
from clarify_env.trainers.evaluation.self_knowledge import fit_marks, information_bits, self_knowledge
from clarify_env.trainers.experiment import build

torch.set_num_threads(1)
COSTS = RecallCosts()


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("csp-v1", size=200)


class Mute(Agent):
    """A helper that is always silent."""

    def move(self, observation, rng):
        return Silent()


class Babbler(Agent):
    """A helper whose messages are no moves."""

    def move(self, observation, rng):
        return "hm"


def test_a_fresh_policy_plays_all_roles_and_batches_change_nothing(env):
    policy = RecallPolicy(env.game, hidden=8, seed=2)
    agents = dict.fromkeys(env.possible_agents, policy)
    one, two = (list(rollout(env, agents, 60, seed=3, batch=batch)) for batch in (1, 60))
    assert one == two
    assert {episode.stop for episode in one} == {"selected"}
    kinds = {move.kind for episode in one for step in episode.steps for _, move in step.moves}
    assert kinds == {"search", "sure", "unsure", "silent", "answer", "hedge"}


def test_the_start_means_what_the_words_say_unless_it_is_not_grounded(env):
    pins = {"recalls": [[0, 0, 0], [0, 1, 1]], "told": [0, 0]}
    seen, _ = env.reset(seed=0, options=pins)

    def sure(grounding, player):
        policy = RecallPolicy(env.game, hidden=0, grounding=grounding)
        ((moves, logprob_M),) = policy.scores([seen[player]])
        chances = {move.kind: chance for move, chance in zip(moves, logprob_M.exp().tolist(), strict=True)}
        return chances["sure"] / (chances["sure"] + chances["unsure"])

    assert sure(1.0, "helper1") > 0.7 > 0.3 > sure(1.0, "helper2")
    assert sure(0.0, "helper1") == pytest.approx(0.5)


def test_ppo_learns_in_a_few_iterations(env):
    config = Config().changed(
        algorithm="ppo",
        env="csp-v1",
        env_options={"size": 200},
        costs={"search": (0.1,)},
        iterations=3,
        tasks=64,
        group_size=8,
        batch_size=128,
        learning_rate=6e-3,
        hidden=16,
        start_share=0.0,
        shared_costs=True,
        eval_train_tasks=0,
    )
    loop = build(config)
    earned = [line["play/reward"] for line in loop.train()]
    assert earned[-1] > earned[0] + 0.1
    value = account(loop.env.game, {name: one.greedy() for name, one in loop.learners.items()}, COSTS).value
    assert value > 0.3


def test_the_account_of_a_policy_is_what_it_earns(env):
    """Of greedy untrained ones, on fresh worlds: all that they do is counted, the asker's mistakes too."""
    policy = RecallPolicy(env.game, hidden=8, seed=1, greedy=True)
    agents = dict.fromkeys(env.possible_agents, policy)
    expected = account(env.game, agents, COSTS).value
    earned = []
    for world in (1, 2):
        other = clarify_env.make("csp-v1", world=world)
        earned += [episode.reward for episode in rollout(other, agents, 1600, seed=world)]
    assert np.mean(earned) == pytest.approx(expected, abs=4 * np.std(earned) / len(earned) ** 0.5)
    with pytest.raises(ClarifyError, match="two helpers who may search once"):
        account(clarify_env.make("csp-v1", size=20, helpers=1).game, agents, COSTS)


@pytest.mark.parametrize("helper", [Mute, Babbler])
def test_transfer_counts_what_was_left_unmarked(env, helper):
    found = transfer(env, helper(), "helper1", 40)
    assert found["unmarked"] == 1.0
    assert found["f1"] == found["closed_f1"] == found["search_rate"] == 0.0
    assert np.isnan(found["ece"])
    assert np.isnan(found["sure"])
    if helper is Mute:
        assert (found["reward"], found["declined"]) == (0.0, 1.0), "the lone asker declines"
    else:
        assert found["reward"] == pytest.approx(-1.02), "no free veto"


def test_a_lone_asker_declines_what_is_not_worth_its_price():
    """An unsure answer, right three times in ten, where a wrong one costs as much as a right one earns."""
    env = clarify_env.make("csp-v0", wrong_cost=1.0)

    class Doubter(SureHelper):
        def move(self, observation, rng):
            return Unsure(super().move(observation, rng).text)

    doubting, sure = (transfer(env, one, "helper1", 300) for one in (Doubter(), SureHelper()))
    assert doubting["declined"] == 1.0
    assert doubting["reward"] == 0.0
    assert sure["declined"] == 0.0
    assert doubting["f1"] == sure["f1"] > 0.4, "its own answer is graded, taken or not"
    assert doubting["unmarked"] == sure["unmarked"] == 0.0


def test_what_the_helpers_of_the_optimum_know(env):
    team = recall_optimal(env, {})
    fitted = fit_marks(env, team, 1500, seed=1)
    assert fitted["sure"] > fitted["unsure"] + 0.03
    found = self_knowledge(env, team, 1500, seed=2, fitted=fitted)
    assert found["search_familiar"] < 0.1 < 0.4 < found["search_rare"]
    assert 0.2 < found["search_bits"] < 0.35
    assert found["ece_fitted"] < 0.05 < found["ece"], "unsure answers are right more often than its word says"
    assert found["auroc"] == found["auroc_fitted"] > 0.6, "fitting changes no order here"
    assert found["silence_precision"] > 0.5
    assert found["accuracy"] > 0.8
    floor = self_knowledge(env, recall_floor(env, {}), 200)
    assert floor["search_rate"] == floor["search_bits"] == 0.0
    assert floor["auroc"] == 0.5


def test_opposite_marks_are_seen_by_the_words_and_not_as_fitted(env):
    class Opposite(Agent):
        def __init__(self, agent):
            super().__init__(0)
            self.agent = agent

        def move(self, observation, rng):
            move = self.agent.move(observation, rng)
            swap = {Sure: Unsure, Unsure: Sure}.get(type(move))
            return swap(move.text) if swap else move

    team = recall_optimal(env, {})
    swapped = {name: one if name == "asker" else Opposite(one) for name, one in team.items()}
    fitted = fit_marks(env, swapped, 800, seed=1)
    straight, crossed = (self_knowledge(env, one, 800, seed=2, fitted=fitted) for one in (team, swapped))
    assert crossed["auroc"] == pytest.approx(1.0 - straight["auroc"])
    assert crossed["auroc_fitted"] == pytest.approx(straight["auroc"])
    assert crossed["ece"] > 0.3 > crossed["ece_fitted"]


def test_mutual_information_by_hand():
    assert information_bits(np.eye(2)) == pytest.approx(1.0)
    assert information_bits(np.outer([1, 2, 3], [4, 5])) == pytest.approx(0.0)


def test_the_optimum_is_refused_where_it_is_not_known():
    with pytest.raises(ClarifyError, match="may be silent and may search once"):
        RecallOptimum(clarify_env.make("csp-v1", size=20, silent=False).game)
    with pytest.raises(ClarifyError, match="these players play csp-v1"):
        recall_optimal(clarify_env.make("csp-v0", size=20), {})


def test_a_single_player_is_worth_what_it_earns():
    env = clarify_env.make("csp-v1", helpers=1)
    best = RecallOptimum(env.game).value(COSTS)
    assert best == pytest.approx(0.458, abs=1e-3)
    earned = [episode.reward for episode in rollout(env, recall_optimal(env, {}), 1600, seed=1)]
    assert np.mean(earned) == pytest.approx(best, abs=0.05)


def test_language_models_are_told_what_helpers_see(env):
    prompt = RolePrompt()
    task = next(task for task in env.game.tasks if task.leads[0].match == 0)
    value = task.leads[0].value
    pins = {"task": task.id, "recalls": [[value, value, (value + 1) % 4], []], "told": [2, 0]}
    seen, _ = env.reset(seed=0, options=pins)
    opening = prompt.messages(seen["helper1"])[-1]["content"]
    assert "familiar" in opening
    assert opening.count(task.values[value][0]) == 2
    assert prompt.read("<silent></silent>", seen["helper1"]) == Silent()
    after, *_ = env.step({"helper1": Search(task.text), "helper2": Silent()})
    shown = prompt.messages(after["helper1"])[-1]["content"]
    assert "(exact match; 2 of your recalls say the same)" in shown
    assert clues(after["helper1"]).passage == task.values[value][0]
    heard, *_ = env.step({"helper1": Unsure("x")})
    text = prompt.messages(heard["asker"])[-1]["content"]
    assert "helper is silent." in text
    assert "helper is unsure: x" in text
    assert "A word costs 0.02, a wrong answer 1." in text
