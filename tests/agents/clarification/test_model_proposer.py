"""ModelProposer: candidates from any agent, as functions of the dialogue; what MoveScorer makes of them."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import Agent, ClarifyError, Decision, Failed, rollout
from clarify_env.agents import MoveScorer, ScriptedUser
from clarify_env.agents.clarification.model_proposer import SPREAD, ModelProposer
from clarify_env.agents.clarification.move_scorer import Asking, Network
from clarify_env.games.clarification import Answer, Ask, Costs, Enumerate
from clarify_env.games.clarification.optimum import WHICH
from clarify_env.trainers.algorithms.rest import ReST
from clarify_env.trainers.config import Config
from clarify_env.trainers.learners.softmax_policy import ScorerLearner

torch.set_num_threads(1)
ENV = clarify_env.make("synthetic-v0", size=30)


def dialogue(seed=0, asks=0):
    """A point of a dialogue after some questions."""
    observations, _ = ENV.reset(seed=seed)
    for _ in range(asks):
        observations = ENV.step({"asker": Ask("Which country?")})[0]
        observations = ENV.step({"user": ScriptedUser().act([observations["user"]])[0]})[0]
    return Asking.of(observations["asker"], "test")


class Chatty(Agent):
    """A fake language model: it writes some move or other, whatever the costs, and sometimes nonsense."""

    def __init__(self):
        super().__init__(0)
        self.batches, self.seen = [], []

    def act(self, observations, rngs=None):
        self.batches.append(len(observations))
        self.seen += observations
        return super().act(observations, rngs)

    def move(self, observation, rng):
        notes = observation["notes"]
        note = notes[int(rng.integers(len(notes)))]
        lines = "\n".join(f"{n.facts[0].value} {n.facts[1].value} => {n.answers[0]}" for n in notes)
        texts = [
            "<ask>Which profession?</ask>",
            "Hm. <ask>Which country?</ask>",
            "<ask>Which era?</ask>",
            f"<enumerate>\n{lines}\n</enumerate>",
            f"<answer>{note.answers[0]}</answer>",
            f"<answer>{note.answers[0].split()[0]}</answer>",
            "<answer></answer>",
            "I am a language model.",
        ]
        return Decision(texts[int(rng.integers(len(texts)))], trace={"ids": [1], "logprobs": [-0.5]})


def test_candidates_are_what_the_agent_said_without_the_rest():
    proposer = ModelProposer(Chatty(), samples=40)
    point = dialogue()
    moves = proposer.propose(point)
    assert len(set(moves)) == len(moves)
    assert all(move.text.strip() for move in moves)
    assert {Ask("Which profession?"), Ask("Which country?"), Ask("Which era?")} <= set(moves)
    assert any(isinstance(move, Enumerate) for move in moves)
    stats = proposer.stats
    assert (stats["points"], stats["samples"]) == (1, 40)
    assert stats["unreadable"] > 0 < stats["empty"]
    kept = 40 - stats["unreadable"] - stats["empty"] - stats["repeated"]
    likeliest = Answer(point.notes[0].answers[0])
    assert kept == len(moves) - (likeliest == moves[-1])


@pytest.mark.parametrize("said", ["nonsense", None, Failed("busy", outside=True), "<ask></ask>"])
def test_there_is_always_a_final_message(said):
    class Odd(Agent):
        def move(self, observation, rng):
            return said if observation["costs"][0] < 0.2 else "<ask>Which one?</ask>"

    point = dialogue()
    assert ModelProposer(Odd()).propose(point) == [Ask("Which one?"), Answer(point.notes[0].answers[0])]


def test_moves_count_as_well_as_messages():
    class Mover(Agent):
        def move(self, observation, rng):
            return Ask(WHICH)

    assert ModelProposer(Mover(), samples=3).propose(dialogue())[0] == Ask(WHICH)


def test_the_agent_sees_the_dialogue_under_a_spread_of_costs():
    fake = Chatty()
    point = dialogue(asks=1)
    ModelProposer(fake, samples=7).propose(point)
    shown = [tuple(seen["costs"]) for seen in fake.seen]
    assert shown == [*SPREAD, *SPREAD[:2]]
    assert len(set(SPREAD)) == 5
    for seen in fake.seen:
        assert Asking.of(seen, "test") == point
        assert set(seen) == set(ENV.reset(seed=0)[0]["asker"])
    one = Chatty()
    ModelProposer(one, samples=2, costs=[Costs(0.1, 0.01)]).propose(point)
    assert [tuple(seen["costs"]) for seen in one.seen] == [(0.1, 0.01)] * 2


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=12), st.integers(1, 5))
def test_candidates_depend_on_neither_batch_nor_memory_nor_order(seeds, keep):
    points = [dialogue(seed % 6, seed // 6) for seed in seeds]
    one_by_one = [ModelProposer(Chatty()).propose(point) for point in points]
    proposer = ModelProposer(Chatty(), keep=keep)
    assert proposer.propose_all(points) == one_by_one
    assert [proposer.propose(point) for point in reversed(points)] == one_by_one[::-1]
    assert len(proposer._kept) <= keep


def test_candidates_change_with_the_seed_and_the_dialogue():
    def listed(seed, point):
        return ModelProposer(Chatty(), samples=4, seed=seed).propose(point)

    points = [dialogue(seed, asks) for seed in range(6) for asks in (0, 1)]
    assert any(listed(0, point) != listed(1, point) for point in points)
    drawn = {tuple(move.kind for move in listed(0, point)) for point in points}
    assert len(drawn) > 3


def test_candidates_are_the_same_in_another_process():
    code = (
        "from tests.agents.clarification.test_model_proposer import Chatty, ModelProposer, dialogue\n"
        "print([ModelProposer(Chatty()).propose(dialogue(s, 1)) for s in range(3)])"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=__file__.rsplit("tests", 1)[0],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert (
        printed[0] == printed[1] == f"{[ModelProposer(Chatty()).propose(dialogue(s, 1)) for s in range(3)]}\n"
    )


def test_what_is_known_is_not_sampled_again_and_the_rest_in_one_batch():
    fake = Chatty()
    proposer = ModelProposer(fake, samples=3)
    proposer.propose(dialogue(0))
    points = [dialogue(seed) for seed in (0, 1, 2, 1)]
    proposer.propose_all(points)
    proposer.propose_all(points)
    assert fake.batches == [3, 6]
    scorer = MoveScorer(Network(8), proposer=ModelProposer(fake, samples=3))
    scorer.act([ENV.reset(seed=seed)[0]["asker"] for seed in range(5)])
    assert fake.batches[2:] == [15]


def test_mistakes_are_named():
    with pytest.raises(ClarifyError, match=r"ModelProposer\(samples=0, .*at least 1"):
        ModelProposer(Chatty(), samples=0)
    with pytest.raises(ClarifyError, match="with 0 pairs of costs"):
        ModelProposer(Chatty(), costs=[])

    class Down(Agent):
        def move(self, observation, rng):
            return Failed("no server at http://localhost:1", outside=True)

    with pytest.raises(ClarifyError, match="failed at all 10 samples: no server at http://localhost:1"):
        ModelProposer(Down()).propose(dialogue())


def test_a_model_that_ignores_the_costs_is_made_to_follow_them():
    """ReST over the candidates of the fake model: fewer questions and words where they are dear."""
    made = Config().changed(
        iterations=1,
        tasks=24,
        group_size=12,
        gradient_steps=120,
        eval_train_tasks=0,
        env_options={"size": 60},
    )
    scorer = MoveScorer(Network(32), proposer=ModelProposer(Chatty()))
    learner = ScorerLearner(scorer, made.algorithm.gradient_steps, 64, 1e-2)
    list(ReST(made, learner, {"user": ScriptedUser()}).train())

    def played(asker, turn, word):
        env = clarify_env.make("synthetic-v0", split="validation", size=60, turn_cost=turn, word_cost=word)
        episodes = list(rollout(env, {"asker": asker, "user": ScriptedUser()}, 60, seed=1))
        asks, words = (np.mean([e.quantities[name] for e in episodes]) for name in ("asks", "words"))
        return asks, words, np.mean([e.reward for e in episodes])

    policy = learner.greedy()
    often, _, cheap = played(policy, 0.01, 0.01)
    seldom, short, dear = played(policy, 0.4, 0.06)
    _, long, _ = played(policy, 0.4, 0.001)
    assert often > seldom + 0.3
    assert long > 1.3 * short
    assert cheap > played(Chatty(), 0.01, 0.01)[2] + 0.2
    assert dear > played(Chatty(), 0.4, 0.06)[2] + 0.2
    print(often, seldom, long, short, cheap, dear)
