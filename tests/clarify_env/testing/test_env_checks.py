"""check_env passes on every registered game, and catches what it is there for."""

import numpy as np
import pytest

import clarify_env
from clarify_env import CostRange, GameEnv, Turn
from clarify_env.games.clarification import Answer
from clarify_env.games.clarification.game import KNOWLEDGE, ClarificationGame
from clarify_env.games.clarification.synthetic import tasks
from clarify_env.testing.env_checks import check_env
from clarify_env.testing.play import CheckFailed

NAMES = ("determinism", "processes", "terms", "reset", "fork", "illegal", "privacy", "forgery", "api")


ASKED = [id for id, spec in clarify_env.registry.items() if "knowledge" in spec.options]


@pytest.mark.parametrize("id", sorted(set(clarify_env.registry) - set(ASKED)))
def test_other_registered_games_pass(id):
    made = check_env(clarify_env.make(id))
    assert set(made) == set(NAMES)


@pytest.mark.parametrize("id", sorted(ASKED))
@pytest.mark.parametrize("knowledge", KNOWLEDGE)
def test_registered_games_pass(id, knowledge, request, tmp_path):
    options = {}
    if id == "questions-v0":
        rows = [{"question": f"Who won cup {i}?", "answers": "Ann", "document": "Ann won."} for i in range(3)]
        options = {"path": rows, "split": "all"} if knowledge == "document" else {}
    elif not id.startswith("synthetic"):
        options = {"data_dir": str(request.getfixturevalue("data_dir")), "split": "validation"}
    if id == "ambigqa-v0" and knowledge == "document":
        (tmp_path / "some.txt").write_text("Who wrote the book?\n\nThe film was shot when it rained.")
        options["corpus"] = str(tmp_path)
    made = check_env(clarify_env.make(id, knowledge=knowledge, **options))
    assert made == NAMES


def test_costs_drawn_per_episode_pass():
    env = clarify_env.make("synthetic-v0", size=40, costs=CostRange(turn=(0.0, 0.5), word=(0.0, 0.1)))
    env.reset(seed=3)
    before = env.episode()
    assert set(check_env(env)) == set(NAMES)
    assert env.episode() == before, "the environment that is given is left alone"


def env_of(game=ClarificationGame, env=GameEnv):
    return env(game(tasks(size=40), clarify_env.FixedCosts(turn=0.1, word=0.01)), "broken-v0")


class CountsOtherwise(ClarificationGame):
    counted = ("accuracy", "words", "asks", "exact")


class OpenedByTheUser(ClarificationGame):
    opening = ("user",)


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
        (env_of(env=KeepsTranscript), "reset"),
        (env_of(GlobalGenerator), "determinism"),
        (env_of(Unseeded), "determinism"),
        (env_of(env=WrongTerms), "terms"),
        (env_of(FreeQuestions), "terms"),
        (env_of(env=SharedGenerator), "fork"),
        (env_of(env=SharedState), "fork"),
        (env_of(ForgesMoves), "forgery"),
        (env_of(ForgivesMistakes), "illegal"),
        (env_of(env=SharesObjects), "reset"),
        (env_of(CountsOtherwise), "reset"),
        (env_of(OpenedByTheUser), "reset"),
        (env_of(OutsideItsSpace), "api"),
    ],
    ids=lambda x: x if isinstance(x, str) else f"{type(x.game).__name__}-{type(x).__name__}",
)
def test_a_broken_environment_is_caught_by_the_right_check(env, check):
    with pytest.raises(CheckFailed) as caught:
        check_env(env)
    assert caught.value.check == check
    assert "\n" not in str(caught.value)
