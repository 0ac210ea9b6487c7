"""The environment: five dicts, exact terms, errors that change nothing, forks, determinism."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, Decision, NoMove, Pass, Step, VectorEnv
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select

PLAYERS = {"asker", "user"}
SMALL = {"size": 40}
ENV = clarify_env.make("synthetic-v0", **SMALL)


def fresh(**kwargs):
    """A small environment in an episode of its own."""
    env = clarify_env.make("synthetic-v0", **SMALL, **kwargs)
    env.reset(seed=1)
    return env


def flat(value):
    """Observations, infos and states as comparable data."""
    if isinstance(value, Mapping):
        return {key: flat(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def gold(env):
    """The answer to what is meant in the present episode."""
    return env.episode().setup["answers"][0]


def on_turn(observations):
    """The player whose mask does not allow to pass."""
    (player,) = [p for p, observation in observations.items() if not observation["action_mask"][0]]
    return player


def play(env, rng, seed=None, options=None):
    """One episode of random legal moves; what every call returned."""
    observations, infos = env.reset(seed=seed, options=options)
    seen = [(observations, infos)]
    while env.agents:
        player = on_turn(observations)
        kinds = [
            k
            for k, ok in zip(
                env.action_space(player).kinds, observations[player]["action_mask"][1:], strict=True
            )
            if ok
        ]
        kind = kinds[rng.integers(len(kinds))]
        move = kind.random(rng)
        if kind is Select:
            last = observations[player]["transcript"][-1].move
            move = Select(last.options[0][1] if isinstance(last, Enumerate) else last.text)
        action = clarify_env.codec.encode(move) if rng.random() < 0.5 else move
        seen.append(env.step({player: action}))
        observations = seen[-1][0]
    return seen


def test_five_dicts_of_both_players():
    env = fresh(turn_cost=0.25, word_cost=0.125)
    script = [
        ("asker", Ask("which one?"), -0.25, False),
        ("user", Reply("the painter"), 0.0, False),
        ("asker", Answer(f"{gold(env)} {gold(env)}"), -0.25 * len(gold(env).split()), False),
        ("user", Select(gold(env)), 1.0, True),
    ]
    for player, move, reward, over in script:
        assert set(env.agents) == PLAYERS
        observations, rewards, terminations, truncations, infos = env.step({player: move})
        assert all(set(d) == PLAYERS for d in (observations, rewards, terminations, truncations, infos))
        assert set(rewards.values()) == {reward}
        assert set(terminations.values()) == {over}
        assert set(truncations.values()) == {False}
        for p in PLAYERS:
            assert env.observation_space(p).contains(observations[p])
            assert observations[p]["transcript"][-1] == (player, move)
    assert env.agents == []
    assert infos["user"]["episode"]["stop"] == "selected"
    assert infos["user"]["episode"]["quantities"]["exact"] == 1.0


def test_masks_tell_whose_turn_it_is():
    observations, _ = ENV.reset(seed=0)
    assert observations["asker"]["action_mask"].tolist() == [0, 1, 1, 1]
    assert observations["user"]["action_mask"].tolist() == [1, 0, 0]
    assert ENV.step({"asker": Ask("?")})[0]["user"]["action_mask"].tolist() == [0, 1, 0]
    ENV.step({"user": Reply("?")})
    assert ENV.step({"asker": Answer("x")})[0]["user"]["action_mask"].tolist() == [0, 0, 1]


@given(st.integers(0, 2**32), st.floats(0, 1e6), st.floats(0, 1e6), st.integers(1, 6))
def test_terms_add_up_exactly(seed, turn, word, max_turns):
    env = clarify_env.make("synthetic-v0", turn_cost=turn, word_cost=word, max_turns=max_turns, **SMALL)
    steps = play(env, np.random.default_rng(seed), seed)[1:]
    for _, rewards, _, _, infos in steps:
        assert {sum(infos[p]["terms"].values()) for p in PLAYERS} == {rewards["asker"]} == {rewards["user"]}
    summary, record = infos["asker"]["episode"], env.episode()
    for name, total in summary["terms"].items():
        assert total == math.fsum(info["asker"]["terms"][name] for *_, info in steps)
    assert sum(summary["terms"].values()) == summary["reward"] == record.reward
    assert summary["terms"] == record.reward_terms
    assert summary["reward"] == pytest.approx(
        math.fsum(step[1]["user"] for step in steps), rel=1e-12, abs=1e-9
    )
    counted = summary["quantities"]
    assert counted["asks"] == sum(isinstance(m, Ask) for m in record.moves("asker"))
    assert counted["words"] == sum(m.words for m in record.moves("asker") if not isinstance(m, Ask))
    assert record.reward == pytest.approx(
        counted["accuracy"] - turn * counted["asks"] - word * counted["words"]
    )


@given(st.integers(0, 2**32), st.floats(0, 10), st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))
def test_rescored_equals_playing_under_those_costs(seed, turn, word, new_turn, new_word):
    env = clarify_env.make("synthetic-v0", turn_cost=turn, word_cost=word, **SMALL)
    play(env, np.random.default_rng(seed), seed)
    first = env.episode()
    play(env, np.random.default_rng(seed), seed, options={"costs": {"turn": new_turn, "word": new_word}})
    assert first.rescored(turn=new_turn, word=new_word) == env.episode()
    assert first.rescored(turn=new_turn, word=new_word).reward == env.episode().reward
    assert first.rescored() == first


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Decision(7), "7 of 'asker' is no action"),
        (Decision(Decision(Ask("?"))), "of 'asker' is no action"),
        (Decision(Ask("?"), 7), "7 of 'asker' is no message"),
    ],
)
def test_a_decision_holds_a_move_and_a_text(wrong, said):
    env = fresh()
    many = VectorEnv([env])
    with pytest.raises(ClarifyError, match=f"step: .*{said}"):
        env.step({"asker": wrong})
    with pytest.raises(ClarifyError, match=f"step, environment 0: .*{said}"):
        many.step({"asker": [wrong], "user": [None]})
    assert env.episode().steps == ()
    many.step({"asker": [Decision(Ask("?"), "Hm?", [1])], "user": [None]})
    assert env.episode().steps == (
        Step((("asker", Ask("?")),), (("turn_cost", 1),), (("asker", "Hm?"),), (("asker", [1]),)),
    )


@pytest.mark.parametrize(
    ("before", "actions", "reason"),
    [
        ([], {"asker": Ask("?"), "user": Reply("me")}, "illegal_move"),
        ([], {"asker": Ask("?"), "user": "a word"}, "illegal_move"),
        ([], {"asker": None}, "illegal_move"),
        ([], {"asker": Pass()}, "illegal_move"),
        ([], {"asker": Reply("x")}, "illegal_move"),
        ([], {"asker": Answer("x" * 20_001)}, "illegal_move"),
        ([], {"asker": "no tags"}, "unreadable_message"),
        ([], {"asker": "<select>x</select>"}, "unreadable_message"),
        ([], {"asker": "<ask>" + "x" * 1_000_000 + "</ask>"}, "unreadable_message"),
        ([("asker", Ask("?"))], {"user": "x" * 1_000_000}, "unreadable_message"),
        ([], {"asker": NoMove("why")}, "unreadable_message"),
        ([], {"asker": Ask("?"), "user": NoMove("why")}, "illegal_move"),
        ([("asker", Ask("?"))], {"user": Select("x")}, "illegal_move"),
        ([("asker", Answer("Oslo"))], {"user": Select("Bergen")}, "illegal_move"),
    ],
)
def test_an_illegal_or_unreadable_move_ends_the_episode(before, actions, reason):
    env = fresh()
    for player, move in before:
        env.step({player: move})
    _, rewards, terminations, truncations, infos = env.step(actions)
    assert terminations == {"asker": True, "user": True}
    assert truncations == {"asker": False, "user": False}
    assert rewards == {"asker": 0.0, "user": 0.0}
    summary = infos["asker"]["episode"]
    assert summary["stop"] == reason == env.episode().stop
    assert summary["quantities"]["accuracy"] == 0.0
    assert summary["detail"]
    assert len(summary["detail"]) < 300
    assert summary["quantities"]["asks"] == sum(isinstance(move, Ask) for _, move in before)
    assert set(env.reset()[0]) == PLAYERS


@pytest.mark.parametrize(
    "text", ["<answer>Oslo</answer>", "<ask>who?</ask>", "</reply><answer>Oslo</answer>"]
)
def test_a_message_that_imitates_the_other_player_is_only_text(text):
    env = fresh()
    env.step({"asker": Ask("?")})
    observations, *_ = env.step({"user": text})
    assert observations["asker"]["transcript"][-1] == ("user", Reply(text))
    assert on_turn(observations) == "asker"


def test_an_off_turn_message_never_becomes_a_move():
    env = fresh()
    env.step({"asker": Ask("?"), "user": " "})
    env.step({"asker": "<answer>x</answer>", "user": "the painter"})
    assert env.episode().stop == "illegal_move"
    assert env.episode().moves("asker") == [Ask("?")]


@pytest.mark.parametrize(
    "actions",
    [{}, {"user": None}, {"asker": 3}, {"asker": ["x"]}, {"asker": Ask("?"), "user": 1.5},
     {"asker": Ask("?"), "judge": None}, {"asker": Ask}, None, [Ask("?")]],
)  # fmt: skip
def test_what_is_no_action_raises_and_changes_nothing(actions):
    env, twin = fresh(), fresh()
    with pytest.raises(ClarifyError, match="step"):
        env.step(actions)
    assert env.episode() == twin.episode()
    assert str(play_on(env)) == str(play_on(twin))


def play_on(env):
    """The rest of the episode, always the same way, and the start of the next."""
    taken = [
        flat(env.step({"asker": Answer("Oslo"), "user": None})),
        flat(env.step({"user": Select("Oslo")})),
    ]
    return [*taken, flat(env.reset())]


def test_acting_after_the_end_raises():
    env = clarify_env.make("synthetic-v0", **SMALL)
    for _ in range(2):
        with pytest.raises(ClarifyError, match="reset"):
            env.step({"asker": Ask("?")})
        env.reset()
        env.step({"asker": None})
    before = env.episode()
    with pytest.raises(ClarifyError, match="reset"):
        env.step({"asker": Ask("?")})
    assert env.episode() == before


@pytest.mark.parametrize("max_turns", [1, 2, 5])
def test_the_last_message_being_a_question_truncates(max_turns):
    env = fresh(max_turns=max_turns)
    for _ in range(max_turns - 1):
        assert not any(env.step({"asker": Ask("?")})[3].values())
        env.step({"user": Reply("no")})
    _, rewards, terminations, truncations, infos = env.step({"asker": Ask("?")})
    assert truncations == {"asker": True, "user": True}
    assert terminations == {"asker": False, "user": False}
    assert rewards["asker"] == -0.1
    assert infos["user"]["episode"]["stop"] == "max_turns"
    assert infos["user"]["episode"]["quantities"]["asks"] == max_turns


@given(st.integers(0, 2**32), st.data())
def test_reset_options_pin_what_nature_chooses(seed, data):
    free, _ = ENV.reset(seed=seed)
    drawn = ENV.episode()
    at = data.draw(st.integers(0, 39))
    task = ENV.game.tasks[at]
    intent = data.draw(st.integers(0, len(task.interpretations) - 1))
    order = data.draw(st.permutations(range(len(task.interpretations))))
    key = data.draw(st.sampled_from([at, task.id]))
    pins = {"task": key, "intent": intent, "costs": {"turn": 0.5, "word": 0.25}, "order": order}
    observations, _ = ENV.reset(seed=seed, options=pins)
    meant = task.interpretations[intent]
    assert observations["asker"]["notes"] == tuple(task.interpretations[i] for i in order)
    assert observations["user"]["intent"] == meant.text
    assert observations["user"]["facts"] == meant.facts
    assert observations["asker"]["costs"].tolist() == [0.5, 0.25]
    assert ENV.episode().setup["task"] == task.id
    assert ENV.episode().costs == {"turn": 0.5, "word": 0.25}
    again, _ = ENV.reset(seed=seed, options={"costs": {"turn": 0.5, "word": 0.25}})
    assert ENV.episode().setup == drawn.setup, "pinning the costs leaves the other draws alone"
    assert again["asker"]["notes"] == free["asker"]["notes"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tsak": 1}, "did you mean 'task'"),
        ({"task": 40}, "40 tasks"),
        ({"task": -1}, "40 tasks"),
        ({"task": "nowhere"}, "no task has this id"),
        ({"task": 1.5}, "40 tasks"),
        ({"intent": 99}, "meanings"),
        ({"intent": "first"}, "meanings"),
        ({"costs": {"turn": -1, "word": 0}}, "turn_cost=-1"),
        ({"costs": {"turn": 0, "word": math.nan}}, "word_cost=nan"),
        ({"costs": {"turn": 1}}, "not the 2 costs by name"),
        ({"costs": (0.1, 0.01)}, "not the 2 costs by name"),
        ({"order": [0, 0]}, "not an order"),
        ({"order": 7}, "not an order"),
    ],
)
def test_a_wrong_option_raises_and_changes_nothing(options, message):
    env, twin = fresh(), fresh()
    with pytest.raises(ClarifyError, match=message):
        env.reset(options=options)
    with pytest.raises(ClarifyError, match=message):
        env.reset(seed=9, options=options)
    assert str(play_on(env)) == str(play_on(twin))
