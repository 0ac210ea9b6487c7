"""An agent whose exceptions are its own failures: the episodes that it spoils, and no others."""

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError, Failed
from clarify_env.agents import AlwaysAnswer, AlwaysAsk, ScriptedUser
from clarify_env.games.clarification import Costs, UserModel
from clarify_env.trainers.evaluation.crossplay import crossplay
from clarify_env.trainers.evaluation.guarded import Guarded

USER = ScriptedUser(UserModel(noise=0.3, vagueness=0.3))


class Breaks(ScriptedUser):
    """A noisy user who breaks on questions with a mark, after it has used its generator."""

    def move(self, observation, rng):
        move = USER.move(observation, rng)
        if "born" in observation["question"]:
            raise KeyError(observation["question"])
        return move


def test_only_the_dialogues_that_raise_fail_and_the_others_repeat():
    env = clarify_env.make("synthetic-v0", size=40)
    seen = []
    for seed in range(12):
        observations, _ = env.reset(seed=seed)
        observations, *_ = env.step({"asker": AlwaysAsk().act([observations["asker"]])[0], "user": None})
        seen.append(observations["user"])
    born = ["born" in observation["question"] for observation in seen]
    assert 0 < sum(born) < 12

    def act(agent, observations=seen):
        return list(agent.act(observations, [np.random.default_rng(k) for k in range(len(observations))]))

    told = act(Guarded(Breaks()))
    for broken, got, right, observation in zip(born, told, act(USER), seen, strict=True):
        assert got == (Failed(f"KeyError: {observation['question']!r}") if broken else right)
    assert act(Guarded(USER)) == act(USER)
    with pytest.raises(ClarifyError, match="notes"):
        Guarded(AlwaysAnswer()).act([{"question": "?", "transcript": ()}])


def test_what_a_player_broke_is_booked_to_it(tmp_path):
    env = clarify_env.make("synthetic-v0", split="validation", size=20)
    found = crossplay(
        env,
        {"ask": AlwaysAsk(), "answer": AlwaysAnswer()},
        {"good": ScriptedUser(), "breaks": Breaks()},
        tmp_path,
        cells=[Costs(0.05, 0.005)],
        tasks=20,
    )
    assert found["matrix"]["ask"]["good"]["booked"] == {}
    booked = found["matrix"]["ask"]["breaks"]["booked"]
    assert list(booked) == ["user/unreadable_message"]
    assert booked["user/unreadable_message"] > 0
    assert (
        found["matrix"]["ask"]["breaks"]["reward"]["mean"] < found["matrix"]["ask"]["good"]["reward"]["mean"]
    )
    again = crossplay(
        env, {"ask": AlwaysAsk()}, {"breaks": Breaks()}, tmp_path, cells=[Costs(0.05, 0.005)], tasks=20
    )
    assert again["matrix"]["ask"]["breaks"]["booked"] == booked
    assert set(found["ranks"]["good"]) == {"ask", "answer"}
    assert sum(rank["mean"] for rank in found["ranks"]["breaks"].values()) == 3.0
