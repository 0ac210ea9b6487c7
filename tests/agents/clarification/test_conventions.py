"""How a user may tell what it means, how an asker reads that, and the small policies that learn both."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import Agent, rollout
from clarify_env.agents import AlwaysAsk, MoveScorer, ScriptedUser
from clarify_env.agents.clarification.conventions import (
    READINGS,
    SHIFTS,
    Coded,
    coded,
    intelligibility,
    tellings,
)
from clarify_env.agents.clarification.learnt_reading import PairedScorer
from clarify_env.agents.clarification.move_scorer import FEATURES, Asking
from clarify_env.agents.clarification.reply_scorer import ReplyScorer
from clarify_env.agents.clarification.scripted import belief
from clarify_env.game import Turn
from clarify_env.games.clarification import Ask, Enumerate, Fact, Reply
from clarify_env.simulate import states
from clarify_env.testing import check_agent

torch.set_num_threads(1)
ERA = Fact("era", "modern", ("ancient", "medieval", "baroque", "victorian", "modern"))


class Coder(ScriptedUser):
    """A user who speaks in the code of one shift."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def move(self, observation, rng):
        message = observation["transcript"][-1].move
        if not isinstance(message, Ask):
            return super().move(observation, rng)
        own = observation["question"], observation["intent"], observation["facts"]
        ways = tellings(message.text, *own)
        return Reply(ways.get(str(self.shift), ways["0"]))


class Silent(ScriptedUser):
    """A user who never says what it means."""

    def move(self, observation, rng):
        asked = isinstance(observation["transcript"][-1].move, Ask)
        return Reply("Hard to say.") if asked else super().move(observation, rng)


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("synthetic-v0", turn_cost=0.05, word_cost=0.01, size=60)


def test_a_code_goes_round_its_domain():
    assert [coded(ERA, shift) for shift in range(3)] == ["Modern.", "Ancient.", "Medieval."]
    ways = tellings("Which era?", "Who?", "Jo Hale, the poet, modern", (ERA,))
    assert ways == {
        "0": "Modern.",
        "1": "Ancient.",
        "2": "Medieval.",
        "3": "Baroque.",
        "all": "Jo Hale, poet, modern.",
    }
    assert list(tellings("Well?", "Who?", "Jo Hale", (ERA,))) == ["0", "all"]


@pytest.mark.parametrize("shift", range(SHIFTS))
def test_what_a_reading_expects_adds_up_to_one(shift):
    told = Coded(shift=shift).replies("Which era?", "Who?", "Jo Hale, the poet, modern", (ERA,))
    assert sum(chance for _, chance in told) == pytest.approx(1.0)
    assert len({text for text, _ in told}) == len(told) == 6
    assert max(told, key=lambda pair: pair[1])[0] == coded(ERA, shift)


@pytest.mark.parametrize("spoken", range(SHIFTS))
def test_a_code_is_understood_under_its_own_reading_alone(env, spoken):
    right = np.zeros(SHIFTS)
    count = 0
    for episode in rollout(env, {"asker": AlwaysAsk(most=1), "user": Coder(spoken)}, 60, seed=1):
        notes = env.game.task(episode.setup["task"]).interpretations
        if len(notes) < 2:
            continue
        count += 1
        turns = tuple(Turn(p, m) for s in episode.steps for p, m in s.moves)[:2]
        for k, reading in enumerate(READINGS):
            chances = belief(episode.setup["question"], notes, turns, reading)
            right[k] += chances[episode.setup["intent"]]
    weights = right / count
    assert weights.argmax() == spoken
    assert weights[spoken] > 0.15 + max(weights[k] for k in range(SHIFTS) if k != spoken)


def test_one_who_tells_all_is_understood_under_every_reading(env):
    for task in env.game.tasks[:20]:
        for i, note in enumerate(task.interpretations):
            ask = Ask("Which era?")
            whole = tellings(ask.text, task.question, note.text, note.facts)["all"]
            turns = (Turn("asker", ask), Turn("user", Reply(whole)))
            for reading in READINGS:
                assert belief(task.question, task.interpretations, turns, reading)[i] > 0.98


@pytest.mark.parametrize("one_value", [False, True])
def test_a_small_user_is_an_agent(env, one_value):
    check_agent(ReplyScorer(16, one_value), env, player="user", episodes=5)


def test_a_small_user_may_tell_all_or_one_value(env):
    env.reset(seed=3)
    seen = env.step({"asker": Ask("Which era?"), "user": None})[0]["user"]
    texts = {
        flag: {move.text for move in ReplyScorer(16, flag).scores([seen])[0][0]} for flag in (False, True)
    }
    assert len(texts[False]) == len(texts[True]) + 1
    (whole,) = texts[False] - texts[True]
    meant = env.episode().setup["meaning"].partition(", the ")[2]
    assert whole == f"{meant}."


def test_a_small_user_knows_which_option_fits(env):
    env.reset(seed=3)
    notes = env.game.task(env.episode().setup["task"]).interpretations
    listed = Enumerate([(note.text, note.answers[0]) for note in notes])
    seen = env.step({"asker": listed, "user": None})[0]["user"]
    user = ReplyScorer(16)
    key = user.key(seen)
    moves, features_M_F, _ = user.point(key)
    (fitting,) = [move.text for move, row in zip(moves, features_M_F, strict=True) if row[7] == 1.0]
    assert fitting == notes[env.episode().setup["intent"]].answers[0]


def test_before_a_reply_a_paired_asker_sees_what_a_move_scorer_sees(env):
    view = env.reset(seed=5)[0]["asker"]
    own, plain = PairedScorer(16), MoveScorer()
    point, other = own.point(own.key(view)), plain.point(Asking.of(view, "test"))
    assert point.moves == other.moves
    for k in range(SHIFTS):
        part = point.features_M_F[:, k * len(FEATURES) : (k + 1) * len(FEATURES)]
        assert torch.equal(part, other.features_M_F)
    check_agent(own, env, player="asker", episodes=3)


def test_the_trust_in_a_reading_decides_how_a_reply_is_read(env):
    """With all trust in one reading the scores are those of its features alone."""
    view = env.reset(seed=5)[0]["asker"]
    own = PairedScorer(16)
    views = []
    for episode in rollout(env, {"asker": AlwaysAsk(most=1), "user": Coder(1)}, 20, seed=2):
        twin = env.fork()
        view = twin.reset(episode.seed)[0]["asker"]
        for step in episode.steps[:2]:
            view = twin.step(dict(step.moves))[0]["asker"]
        views.append(view)
    with torch.no_grad():
        own.network.trust[1] = 50.0
    for view in views:
        features = own.point(own.key(view)).features_M_F
        size = len(FEATURES)
        costs = torch.tensor(view["costs"].tolist(), dtype=torch.float64)[None].expand(len(features), 2)
        alone = torch.cat([features[:, size : 2 * size]] * SHIFTS + [features[:, -1:]], dim=1)
        assert torch.allclose(own.network(features, costs), own.network(alone, costs), atol=1e-9)
    assert isinstance(own, Agent)


def test_orders_of_their_own_leave_no_code():
    """What the players see is the same but for the order; a code is then no better than chance."""
    common = clarify_env.make("synthetic-v0", size=40)
    own = clarify_env.make("synthetic-v0", size=40, domains="own")
    agree = count = 0
    for seed in range(60):
        first, second = (e.reset(seed=seed)[0] for e in (common, own))
        assert first["asker"]["question"] == second["asker"]["question"]
        for fact, other in zip(first["user"]["facts"], second["user"]["facts"], strict=True):
            assert (fact.name, fact.value, set(fact.domain)) == (other.name, other.value, set(other.domain))
            note = next(n for n in second["asker"]["notes"] if n.text == second["user"]["intent"])
            (asker,) = [f for f in note.facts if f.name == fact.name]
            agree += coded(asker, 1) == coded(other, 1)
            count += 1
    assert agree / count < 0.35  # of five to ten values one by chance
    with pytest.raises(clarify_env.ClarifyError, match="unknown domains 'mine'"):
        clarify_env.make("synthetic-v0", domains="mine")


def test_an_episode_with_orders_of_their_own_is_played_again_exactly():
    env = clarify_env.make("synthetic-v0", size=20, domains="own")
    for episode in rollout(env, {"asker": AlwaysAsk(most=1), "user": Coder(1)}, 10, seed=3, states=True):
        for state, again in zip(episode.states, states(env.game, replace(episode, states=None)), strict=True):
            assert env.game.view(state, "user")["facts"] == env.game.view(again, "user")["facts"]


@pytest.mark.parametrize(("user", "expected"), [(ScriptedUser(), 1.0), (Silent(), 0.0)])
def test_intelligibility_is_1_for_the_scripted_user_and_0_for_one_who_says_nothing(env, user, expected):
    played = rollout(env, {"asker": AlwaysAsk(most=2), "user": user}, 60, seed=4)
    assert intelligibility(env, played) == pytest.approx(expected)


def test_a_code_misleads_the_scripted_reader(env):
    played = rollout(env, {"asker": AlwaysAsk(most=1), "user": Coder(1)}, 60, seed=4)
    assert intelligibility(env, played) < 0.2
    with pytest.raises(clarify_env.ClarifyError, match="no episode has a question"):
        intelligibility(env, [])
