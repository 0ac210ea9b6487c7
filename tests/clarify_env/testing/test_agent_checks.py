"""check_agent passes on every agent that ships, and catches what it is there for."""

import random

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import Decision
from clarify_env.agents import (
    AlwaysAnswer,
    AlwaysAsk,
    AlwaysEnumerate,
    Human,
    MoveScorer,
    OptimalAsker,
    Random,
    Script,
    ScriptedUser,
)
from clarify_env.games.clarification import SEEN, Answer, Ask, Reply, Select, UserModel
from clarify_env.testing.agent_checks import check_agent
from clarify_env.testing.play import CheckFailed

NAMES = ("actions", "observations", "repeatable", "memory", "batch", "odd texts")


def notes():
    """The generated questions with open notes, at the training costs."""
    return clarify_env.make("synthetic-v0", size=40, costs=SEEN)


def person(line):
    """Somebody who always types the same."""
    return Human(lambda prompt: line, lambda shown: None)


ASKERS = [
    AlwaysAnswer(),
    AlwaysEnumerate(),
    AlwaysAsk(),
    Random(),
    OptimalAsker(),
    OptimalAsker(UserModel(noise=0.2)),
    MoveScorer(),
    MoveScorer(greedy=True),
    Script([Ask("Who?"), "<ask>Where?</ask>", Decision(Answer("Oslo"), trace=[1, 2])]),
    person("answer Oslo"),
]


@pytest.mark.parametrize("asker", ASKERS, ids=lambda a: type(a).__name__)
def test_shipped_askers_pass(asker):
    assert check_agent(asker, notes()) == NAMES


@pytest.mark.parametrize("user", [ScriptedUser(), ScriptedUser(UserModel(0.2, 0.2, 0.2)), person("")])
def test_shipped_users_pass(user):
    told = ("replies",) if isinstance(user, ScriptedUser) else ()
    assert check_agent(user, notes(), "user") == (*NAMES, *told)


class Misstated(ScriptedUser):
    """A user that says of itself what `change` makes of the truth."""

    def __init__(self, change):
        super().__init__(UserModel(vagueness=0.4))
        self.change = change

    def replies(self, observation):
        return self.change(super().replies(observation))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda told: told[:1], r"at least 0 that add up to 1|draws"),
        (lambda told: [(move, p / 2) for move, p in told * 2], "are the same; add their probabilities up"),
        (lambda told: [(Answer("Oslo"), 1.0)], "ended an episode: illegal"),
        (
            lambda told: list(zip([m for m, _ in told], [p for _, p in told][::-1], strict=True)),
            "of 400 draws",
        ),
        (lambda told: [(Reply("Never."), 1.0)] if len(told) > 1 else told, "of 400 draws"),
    ],
)
def test_what_an_agent_says_of_itself_is_checked(change, match):
    with pytest.raises(CheckFailed, match=rf"replies.*({match})"):
        check_agent(Misstated(change), notes(), "user", episodes=4)


def test_agents_pass_on_ambigqa(data_dir):
    env = clarify_env.make("ambigqa-v0", split="validation", data_dir=data_dir / "ambignq")
    env.reset(seed=1)
    before = env.episode()
    for agent, player in [(AlwaysAsk(), "asker"), (MoveScorer(), "asker"), (ScriptedUser(), "user")]:
        told = {"replies"} if player == "user" else set()
        assert {*check_agent(agent, env, player, episodes=6)} == {*NAMES} | told
    assert env.episode() == before, "the environment that is given is left alone"


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


class GlobalTorch(AlwaysAnswer):
    def move(self, observation, rng):
        return Ask(f"Question {int(torch.rand(1) * 0)}?")


class SeedsGlobally(AlwaysAnswer):
    def move(self, observation, rng):
        np.random.seed(0)  # noqa: NPY002  # what is to be caught
        return Ask("Which one?")


class FirstGenerator(AlwaysAnswer):
    def act(self, observations, rngs=None):
        return [Ask(f"Question {rngs[0].integers(1000)}?") for _ in observations]


class Padded(AlwaysAnswer):
    """As a model that pads its batches wrongly: alone it says something else."""

    def act(self, observations, rngs=None):
        longest = max(len(observation["question"]) for observation in observations)
        return [Ask(f"Question {longest}?") for _ in observations]


class KeepsTheLastDialogue(AlwaysAnswer):
    last = ""

    def act(self, observations, rngs=None):
        actions = [Ask(f"Not {self.last}?") for _ in observations]
        self.last = observations[-1]["question"]
        return actions


class TakesWhatWasNotOffered(ScriptedUser):
    def move(self, observation, rng):
        move = super().move(observation, rng)
        return Select("a pony") if isinstance(move, Select) else move


class OnlyReplies(ScriptedUser):
    def move(self, observation, rng):
        return Reply("well")


class TooLong(AlwaysAnswer):
    def move(self, observation, rng):
        return Answer("word " * 10_000)


class Raises(AlwaysAnswer):
    def move(self, observation, rng):
        raise KeyError("hints")


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
        (GlobalTorch(), "repeatable"),
        (SeedsGlobally(), "repeatable"),
        (FirstGenerator(), "batch"),
        (Padded(), "batch"),
        (KeepsTheLastDialogue(), "memory"),
        (TooLong(), "actions"),
        (Raises(), "actions"),
        (TakesWhatWasNotOffered(), "actions"),
        (OnlyReplies(), "actions"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_a_broken_agent_is_caught_by_the_right_check(agent, check):
    with pytest.raises(CheckFailed) as caught:
        check_agent(agent, notes(), "user" if isinstance(agent, ScriptedUser) else "asker")
    assert caught.value.check == check
    assert "\n" not in str(caught.value)


def test_a_player_that_never_moves_is_told():
    with pytest.raises(clarify_env.ClarifyError, match="the players of synthetic-v0 are"):
        check_agent(AlwaysAnswer(), notes(), "nobody")
