"""check_env catches what a record alone does not show: reuse, hidden leaks, misread tags, other processes."""

import random
from importlib import import_module

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError, GameEnv
from clarify_env.games.clarification import Answer, Fact, Reply
from clarify_env.games.clarification.game import ClarificationGame
from clarify_env.games.clarification.synthetic import tasks
from clarify_env.moves import TextMove
from clarify_env.registry import _SPECS
from clarify_env.spaces import UnicodeText
from clarify_env.testing.env_checks import check_env
from clarify_env.testing.play import CheckFailed, exact, same


def env_of(game=ClarificationGame, env=GameEnv):
    return env(game(tasks(size=40), clarify_env.FixedCosts(turn=0.1, word=0.01)), "broken-v0")


class ReusesObservations(GameEnv):
    """Hands out the same dict at every step, with new content."""

    def _observe(self, state):
        new = super()._observe(state)
        for player, observation in new.items():
            old = self.__dict__.setdefault(f"{id(self)}-{player}", {})
            old.clear()
            old.update(observation)
            new[player] = old
        return new


class KeepsCount(GameEnv):
    """Tells how many steps there were before."""

    steps = 0

    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        infos["user"]["before"] = self.steps
        return observations, infos

    def step(self, actions):
        self.steps += 1
        return super().step(actions)


class ShufflesUnseeded(ClarificationGame):
    """The records are alike, what the asker sees is not."""

    def observe(self, state, player):
        seen = super().observe(state, player)
        if player == "asker":
            seen["notes"] = tuple(random.Random().sample(seen["notes"], len(seen["notes"])))
        return seen


class LeaksLength(GameEnv):
    def _observe(self, state):
        new = super()._observe(state)
        new["user"]["question"] += " " * len(state.task.interpretations[state.intent].answers[0])
        return new


class LeaksLowBits(ClarificationGame):
    """repr() of an array does not show them."""

    def observe(self, state, player):
        seen = super().observe(state, player)
        if player == "asker":
            seen["costs"] = seen["costs"] * (1.0 + state.intent * 1e-12)
            seen["costs"].flags.writeable = False
        return seen


class LeaksAtTheEnd(GameEnv):
    def step(self, actions):
        result = super().step(actions)
        if not self.agents:
            result[0]["asker"]["document"] = f"meaning {self.game_state.intent}"
        return result


class LeaksThroughSpaces(GameEnv):
    def observation_space(self, agent):
        space = super().observation_space(agent)
        if self._state is not None:
            space.spaces["question"] = UnicodeText(1000 + self._state.intent)
        return space


class NothingPinned(ClarificationGame):
    """A game with no reset options: its alternatives are all that the check can go by."""

    options = ()

    def start(self, rng, options):
        return super().start(rng, {})


class ReadsUsersTags(GameEnv):
    """A reply that imitates the asker's tag is taken for the asker's move."""

    def step(self, actions):
        text = actions.get("user")
        if isinstance(text, str) and "<answer>" in text and Reply in self._legal.get("user", ()):
            super().step({"user": Reply("x")})
            return super().step({"asker": Answer("x")})
        return super().step(actions)


class IgnoresOffTurn(GameEnv):
    def step(self, actions):
        if not self.agents:
            return super().step(actions)
        return super().step({player: action for player, action in actions.items() if player in self._legal})


class ReadsAnyKind(GameEnv):
    """Takes any text of the user's for a reply, whatever kind of move it was."""

    def step(self, actions):
        text = actions.get("user")
        if isinstance(text, TextMove) and Reply in self._legal.get("user", ()):
            actions = {**actions, "user": Reply(text.text)}
        return super().step(actions)


class RefundsMistakes(ClarificationGame):
    def stopped(self, state, stop):
        return super().stopped(state, stop)._replace(asks=0)


class DrawsWhenItRaises(GameEnv):
    def step(self, actions):
        if not self.agents:
            self._rng.random()
        return super().step(actions)


class WrongTotals(GameEnv):
    def step(self, actions):
        result = super().step(actions)
        for info in result[4].values():
            if "episode" in info:
                info["episode"]["terms"]["accuracy"] += 1.0
                info["episode"]["reward"] += 1.0
        return result


class LeaksItsIntentInInfos(GameEnv):
    def step(self, actions):
        result = super().step(actions)
        result[4]["asker"]["hint"] = self.game_state.intent
        return result


@pytest.mark.parametrize(
    ("env", "check"),
    [
        (env_of(env=ReusesObservations), "reset"),
        (env_of(env=KeepsCount), "reset"),
        (env_of(ShufflesUnseeded), "determinism"),
        (env_of(env=LeaksLength), "privacy"),
        (env_of(LeaksLowBits), "privacy"),
        (env_of(env=LeaksAtTheEnd), "privacy"),
        (env_of(env=LeaksThroughSpaces), "privacy"),
        (env_of(NothingPinned, LeaksItsIntentInInfos), "privacy"),
        (env_of(env=ReadsUsersTags), "forgery"),
        (env_of(env=IgnoresOffTurn), "illegal"),
        (env_of(env=ReadsAnyKind), "illegal"),
        (env_of(RefundsMistakes), "illegal"),
        (env_of(env=DrawsWhenItRaises), "illegal"),
        (env_of(env=WrongTotals), "terms"),
    ],
    ids=lambda x: x if isinstance(x, str) else f"{type(x.game).__name__}-{type(x).__name__}",
)
def test_a_broken_environment_is_caught_by_the_right_check(env, check):
    with pytest.raises(CheckFailed) as caught:
        check_env(env)
    assert caught.value.check == check
    assert "\n" not in str(caught.value)


def test_a_game_without_reset_options_passes():
    assert "privacy" in check_env(env_of(NothingPinned))


MODULE = """
import clarify_env
from clarify_env import GameEnv
from clarify_env.games.clarification import ClarificationGame, Costs
from clarify_env.games.clarification.synthetic import tasks

class ByHash(ClarificationGame):
    def observe(self, state, player):
        seen = super().observe(state, player)
        return {**seen, "question": " ".join(set(seen["question"].split()))}

def fine(costs, size):
    return GameEnv(ClarificationGame(tasks(size=size), costs), "third-party-fine-v0")

def hashed(costs, size):
    return GameEnv(ByHash(tasks(size=size), costs), "third-party-hashed-v0")

clarify_env.register("third-party-fine-v0", "third_party_game:fine", costs=Costs(turn=0.1, word=0.01))
clarify_env.register("third-party-hashed-v0", hashed, costs=Costs(turn=0.1, word=0.01), size=30)
"""


def test_other_processes_play_what_others_have_registered(tmp_path, monkeypatch):
    (tmp_path / "third_party_game.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    for id in ("third-party-fine-v0", "third-party-hashed-v0"):
        monkeypatch.setitem(_SPECS, id, None)  # gone again after the test
        del _SPECS[id]
    import_module("third_party_game")
    assert "processes" in check_env(clarify_env.make("third-party-fine-v0", size=20))
    with pytest.raises(CheckFailed, match="another process") as caught:
        check_env(clarify_env.make("third-party-hashed-v0"))
    assert caught.value.check == "determinism"


def test_global_generators_are_left_as_they_were():
    before = random.getstate(), exact(np.random.get_state())  # noqa: NPY002  # what is to be left alone
    check_env(env_of())
    assert before == (random.getstate(), exact(np.random.get_state()))  # noqa: NPY002


def test_what_is_no_game_env_is_told():
    with pytest.raises(ClarifyError, match="is no GameEnv"):
        check_env(object())


@pytest.mark.parametrize(
    ("a", "b"),
    [(0.1, np.nextafter(0.1, 1)), (np.zeros(2), np.array([0.0, 1e-12])), (np.zeros(2), np.zeros(3)),
     (0, 0.0), ([1], (1,)), ([1], [1, 2]), (Reply("x"), Answer("x")), ({"a": 1}, {"b": 1}),
     (Fact("a", "b", ("b",)), Fact("a", "b", ("b", "c")))],
)  # fmt: skip
def test_same_means_exactly_the_same(a, b):
    same("any", "a value and itself", (a, [b]), (a, [b]))
    with pytest.raises(CheckFailed, match=r"^check 'any' failed: two values differ: "):
        same("any", "two values", (1, a), (1, b))
