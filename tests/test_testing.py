"""The shipped checks pass on everything that ships, and catch what they are there for."""

import random

import numpy as np
import pytest

import clarify_env
from clarify_env import Answer, Ask, GameEnv, Turn, UserModel
from clarify_env.agents import (
    AlwaysAnswer,
    AlwaysAsk,
    AlwaysEnumerate,
    MoveScorer,
    OptimalAsker,
    Random,
    ScriptedUser,
)
from clarify_env.clarification import ClarificationGame
from clarify_env.synthetic import tasks
from clarify_env.testing import CheckFailed, check_agent, check_env


@pytest.mark.parametrize("id", sorted(clarify_env.registry))
@pytest.mark.parametrize("knowledge", ["open", "closed"])
def test_registered_games_pass(id, knowledge, request):
    options = {}
    if id == "ambigqa-v0":
        options = {"data_dir": str(request.getfixturevalue("data_dir") / "ambignq"), "split": "validation"}
    made = check_env(clarify_env.make(id, knowledge=knowledge, **options))
    assert {"determinism", "processes", "terms", "fork", "privacy", "forgery", "api"} <= set(made)


ASKERS = [AlwaysAnswer(), AlwaysEnumerate(), AlwaysAsk(), Random(), OptimalAsker(), MoveScorer()]


@pytest.mark.parametrize("asker", [*ASKERS, MoveScorer(greedy=True)], ids=lambda a: type(a).__name__)
def test_shipped_askers_pass(asker):
    assert "batch" in check_agent(asker)


@pytest.mark.parametrize("model", [UserModel(), UserModel(0.2, 0.2, 0.2)])
def test_the_scripted_user_passes(model):
    assert "memory" in check_agent(ScriptedUser(model), player="user")


def env_of(game=ClarificationGame, env=GameEnv):
    return env(game(tasks(size=40), clarify_env.FixedCosts(0.1, 0.01)), "broken-v0")


class LeaksIntent(ClarificationGame):
    def observe(self, state, player):
        return {**super().observe(state, player), "document": state.task.interpretations[state.intent].text}


class LeaksAnswer(ClarificationGame):
    def observe(self, state, player):
        seen = super().observe(state, player)
        if player == "user":
            seen["question"] += " " + state.task.interpretations[state.intent].answers[0]
        return seen


class LeaksThroughInfos(GameEnv):
    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        infos["asker"]["gold"] = self.game_state.task.interpretations[self.game_state.intent].text
        return observations, infos


class LeaksLater(GameEnv):
    def step(self, actions):
        result = super().step(actions)
        if "asker" in result[4]:
            result[4]["asker"]["hint"] = f"{self.game_state.intent}"
        return result


class KeepsTranscript(GameEnv):
    said = ()

    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        for observation in observations.values():
            observation["transcript"] = type(self).said
        return observations, infos

    def step(self, actions):
        result = super().step(actions)
        type(self).said = self.game_state.history
        return result


class GlobalGenerator(ClarificationGame):
    def start(self, rng, options):
        np.random.random()  # noqa: NPY002  # what is to be caught
        return super().start(rng, options)


class Unseeded(ClarificationGame):
    def start(self, rng, options):
        return super().start(np.random.default_rng(), options)


class WrongTerms(GameEnv):
    def step(self, actions):
        result = super().step(actions)
        for info in result[4].values():
            info["terms"]["turn_cost"] -= 0.25
        return result


class FreeQuestions(ClarificationGame):
    """Pays nothing for the second question: no longer a function of the quantities."""

    def apply(self, state, moves):
        after, paid = super().apply(state, moves)
        return after, tuple((n, q + state.costs.turn) if n == "turn_cost" else (n, q) for n, q in paid)


class SharedGenerator(GameEnv):
    def fork(self):
        twin = super().fork()
        twin._rng = self._rng
        return twin


class SharedState(GameEnv):
    def fork(self):
        twin = super().fork()
        twin._log = self._log
        return twin


class ForgesMoves(ClarificationGame):
    def apply(self, state, moves):
        after, paid = super().apply(state, moves)
        last = after.history[-1]
        if "answer" in last.move.text and last.player == "user":
            after = after._replace(history=(*after.history, Turn("asker", Answer("x"))))
        return after, paid


class ForgivesMistakes(ClarificationGame):
    def stopped(self, state, stop):
        return state


class SharesObjects(GameEnv):
    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        return observations, dict.fromkeys(observations, infos["asker"])


class OutsideItsSpace(ClarificationGame):
    def observe(self, state, player):
        return {**super().observe(state, player), "costs": np.array([-1.0, 0.0])}


@pytest.mark.parametrize(
    ("env", "check"),
    [
        (env_of(LeaksIntent), "privacy"),
        (env_of(LeaksAnswer), "privacy"),
        (env_of(env=LeaksThroughInfos), "privacy"),
        (env_of(env=LeaksLater), "privacy"),
        (env_of(env=KeepsTranscript), "determinism"),
        (env_of(GlobalGenerator), "determinism"),
        (env_of(Unseeded), "determinism"),
        (env_of(env=WrongTerms), "terms"),
        (env_of(FreeQuestions), "terms"),
        (env_of(env=SharedGenerator), "fork"),
        (env_of(env=SharedState), "fork"),
        (env_of(ForgesMoves), "forgery"),
        (env_of(ForgivesMistakes), "illegal"),
        (env_of(env=SharesObjects), "reset"),
        (env_of(OutsideItsSpace), "api"),
    ],
    ids=lambda x: x if isinstance(x, str) else f"{type(x.game).__name__}-{type(x).__name__}",
)
def test_a_broken_environment_is_caught_by_the_right_check(env, check):
    with pytest.raises(CheckFailed) as caught:
        check_env(env)
    assert caught.value.check == check
    assert "\n" not in str(caught.value)


class TooFew(AlwaysAnswer):
    def act(self, observations, rngs=None):
        return super().act(observations, rngs)[:-1]


class Silent(AlwaysAnswer):
    def move(self, observation, rng):
        return None


class Unreadable(AlwaysAnswer):
    def move(self, observation, rng):
        return "I think it is Oslo."


class ByPosition(AlwaysAnswer):
    def act(self, observations, rngs=None):
        return [Ask(f"Question {i}?") for i in range(len(observations))]


class OwnGenerator(AlwaysAnswer):
    def move(self, observation, rng):
        return Ask(f"Question {self._rng.integers(1000)}?")


class Global(AlwaysAnswer):
    def move(self, observation, rng):
        return Ask(f"Question {random.randrange(3) * 0}?")


class Mutates(AlwaysAnswer):
    def move(self, observation, rng):
        observation["question"] = "changed"
        return Ask("Which one?")


class Remembers(AlwaysAnswer):
    met = 0

    def move(self, observation, rng):
        return Ask("Which one?" if self.met < 4000 else "Who?")

    def reset(self, seed=None):
        self.met = 4000


class ChokesOnOddTexts(AlwaysAnswer):
    def move(self, observation, rng):
        for turn in observation["transcript"]:
            turn.move.text[0]
        return Ask("Which one?")


@pytest.mark.parametrize(
    ("agent", "check"),
    [
        (TooFew(), "actions"),
        (Silent(), "actions"),
        (Unreadable(), "actions"),
        (ByPosition(), "batch"),
        (OwnGenerator(), "repeatable"),
        (Global(), "repeatable"),
        (Mutates(), "observations"),
        (Remembers(), "memory"),
        (ChokesOnOddTexts(), "odd texts"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_a_broken_agent_is_caught_by_the_right_check(agent, check):
    with pytest.raises(CheckFailed) as caught:
        check_agent(agent)
    assert caught.value.check == check


def test_a_player_that_never_moves_is_told():
    with pytest.raises(clarify_env.ClarifyError, match="never on turn"):
        check_agent(AlwaysAnswer(), player="nobody")
