"""Collection: one function of seed and index, whatever the batch; clear errors for agents that misbehave."""

from itertools import islice

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, Decision, Episode, rollout
from clarify_env.agents import Random, Script, ScriptedUser
from clarify_env.costs import CostRange
from clarify_env.games.clarification import Answer, Ask, Select, UserModel
from clarify_env.rollout import child_seed
from clarify_env.simulate import choices, states

COSTS = CostRange(turn=(0.0, 0.5), word=(0.0, 0.1))
PLAYERS = {"asker": Random(), "user": ScriptedUser(UserModel(noise=0.2, vagueness=0.2))}


def env():
    return clarify_env.make("synthetic-v0", costs=COSTS, size=30)


@pytest.fixture(scope="module")
def reference():
    return list(rollout(env(), PLAYERS, 60, seed=3, batch=256))


@pytest.mark.parametrize("batch", [1, 7, 60, 256])
def test_an_episode_does_not_depend_on_the_batch(reference, batch):
    assert list(rollout(env(), PLAYERS, 60, seed=3, batch=batch)) == reference


def test_states_that_are_handed_on_are_those_of_playing_it_again(reference):
    held = list(rollout(env(), PLAYERS, 60, seed=3, batch=7, states=True))
    assert held == reference
    assert {e.states for e in reference} == {None}
    game = env().game
    for episode, plain in zip(held, reference, strict=True):
        assert len(episode.states) == len(episode.steps)
        assert repr(list(states(game, plain))) == repr(list(episode.states))
        for player in PLAYERS:
            assert repr(list(choices(game, plain, player))) == repr(list(choices(game, episode, player)))
        assert episode.rescored(turn=0.7).states is None, "its states hold the old costs"
        assert Episode.from_data(episode.to_data()).states is None


@pytest.mark.parametrize(("first", "count"), [(0, 10), (23, 20), (59, 1)])
def test_an_episode_does_not_depend_on_where_the_collection_starts(reference, first, count):
    assert (
        list(rollout(env(), PLAYERS, count, seed=3, first=first, batch=8)) == reference[first : first + count]
    )


def test_another_seed_gives_other_episodes(reference):
    assert [episode.index for episode in reference] == list(range(60))
    other = list(rollout(env(), PLAYERS, 60, seed=4))
    assert sum(a == b for a, b in zip(reference, other, strict=True)) == 0


def test_a_generator_that_is_left_early_gave_the_same_and_leaves_the_environment_alone(reference):
    game = env()
    game.reset(seed=1)
    before = game.episode()
    assert list(islice(rollout(game, PLAYERS, 60, seed=3, batch=8), 17)) == reference[:17]
    assert game.episode() == before
    assert game.agents == ["asker", "user"]


def test_an_interruption_inside_an_agent_loses_nothing_that_was_yielded(reference):
    class Interrupted(Random):
        calls = 0

        def act(self, observations, rngs=None):
            self.calls += 1
            if self.calls == 20:
                raise KeyboardInterrupt
            return super().act(observations, rngs)

    played = []

    def collect():
        for episode in rollout(env(), {**PLAYERS, "asker": Interrupted()}, 60, seed=3, batch=4):
            played.append(episode)

    with pytest.raises(KeyboardInterrupt):
        collect()
    assert 0 < len(played) < 60
    assert played == reference[: len(played)]


def test_options_pin_what_nature_chooses():
    pinned = [{"task": i % 30, "intent": 0, "costs": {"turn": i / 100, "word": 0.0}} for i in range(40)]
    episodes = list(rollout(env(), PLAYERS, 40, seed=3, batch=7, options=pinned.__getitem__))
    game = env().game
    assert [e.setup["task"] for e in episodes] == [game.tasks[i % 30].id for i in range(40)]
    assert {e.setup["intent"] for e in episodes} == {0}
    assert [e.costs for e in episodes] == [{"turn": i / 100, "word": 0.0} for i in range(40)]


@pytest.mark.parametrize("first", [0, 5])
def test_options_are_asked_for_by_index(first):
    asked = []
    list(rollout(env(), PLAYERS, 4, first=first, options=lambda i: asked.append(i) or {}))
    assert asked == list(range(first, first + 4))


class Broken(Agent):
    def __init__(self, result):
        super().__init__(0)
        self.result = result

    def act(self, observations, rngs=None):
        return self.result


@pytest.mark.parametrize(
    ("result", "got"),
    [
        ([], "0 actions"),
        ([Ask("Which?")] * 3, "3 actions"),
        (None, "NoneType"),
        ("<ask>?</ask>", "str"),
        (Ask("Which?"), "Ask"),
    ],
)
def test_an_agent_that_returns_no_action_for_each_observation_is_named(result, got):
    match = rf"agent 'asker' \(Broken.act\) returned {got} for 4 observations; it has to return a list"
    with pytest.raises(ClarifyError, match=match):
        list(rollout(env(), {**PLAYERS, "asker": Broken(result)}, 4))


def test_an_agent_that_defines_neither_act_nor_move_is_named():
    class Empty(Agent):
        pass

    with pytest.raises(TypeError, match="Empty defines neither act"):
        list(rollout(env(), {**PLAYERS, "asker": Empty()}, 1))


def test_something_that_is_no_action_is_named():
    with pytest.raises(ClarifyError, match="7 of 'asker' is no action; give a Move, a message"):
        list(rollout(env(), {**PLAYERS, "asker": Broken([7])}, 1))


def test_a_player_without_an_agent_is_named():
    with pytest.raises(ClarifyError, match=r"no agent for 'user'; agents has \['asker', 'usr'\]"):
        list(rollout(env(), {"asker": Random(), "usr": ScriptedUser()}, 1))


@pytest.mark.parametrize(("episodes", "batch"), [(-1, 4), (4, 0)])
def test_counts_out_of_range(episodes, batch):
    with pytest.raises(ClarifyError, match=rf"episodes={episodes}, batch={batch}; at least 0 and 1"):
        list(rollout(env(), PLAYERS, episodes, batch=batch))


def test_no_episodes():
    assert list(rollout(env(), PLAYERS, 0)) == []


def test_traces_messages_and_broken_moves_are_recorded():
    lines = [
        Decision("<ask>Which profession?</ask>", trace={"tokens": [3, 5]}),
        Decision(Answer("Oslo"), trace="short"),
    ]
    players = {"asker": Script(lines), "user": Script(["A painter.", Select("Oslo")], "user")}
    (episode,) = rollout(env(), players, 1)
    assert [step.traces for step in episode.steps] == [
        (("asker", {"tokens": [3, 5]}),), (), (("asker", "short"),), ()
    ]  # fmt: skip
    assert [step.messages for step in episode.steps][:2] == [
        (("asker", "<ask>Which profession?</ask>"),), (("user", "A painter."),)
    ]  # fmt: skip
    (spoilt,) = rollout(env(), {**players, "asker": Script([Decision("hm", trace={"n": 1})])}, 1)
    assert spoilt.stop == "unreadable_message"
    assert spoilt.steps[0].traces == (("asker", {"n": 1}),)
    (passed,) = rollout(env(), {**players, "asker": Script([None])}, 1)
    assert passed.stop == "illegal_move"


def test_nature_and_the_players_draw_from_streams_of_their_own():
    """SeedSequence pads with zeros: default_rng(s) and default_rng((s, 0)) are one stream."""
    drawn = []

    class Peeks(Agent):
        def move(self, observation, rng):
            drawn.append(rng.random(8).tolist())
            return Answer("x") if "notes" in observation else Select("x")

    env = clarify_env.make("synthetic-v0", size=20)
    (episode,) = rollout(env, {"asker": Peeks(), "user": Peeks()}, 1, seed=4)
    nature = np.random.default_rng(episode.seed).random(8).tolist()
    assert len({*map(tuple, drawn), tuple(nature)}) == 3


def test_child_seeds_of_different_depth_differ():
    paths = [(), (0,), (0, 0), (1,), (1, 0), (0, 1)]
    assert len({child_seed(3, *path) for path in paths}) == len(paths)
