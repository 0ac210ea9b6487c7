"""Small policies for any game: a table, its gradients in closed form, and a learner that fits it exactly."""

from typing import ClassVar, NamedTuple

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import Agent, ClarifyError, rollout
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.game import Game, Stop, StopReason, Term, Turn
from clarify_env.games.clarification import Answer, Ask, Costs, Reply
from clarify_env.trainers.algorithms.losses import nll
from clarify_env.trainers.learners import Example, Objective
from clarify_env.trainers.learners.softmax_policy import Critic, ScorerLearner

torch.set_num_threads(1)
POINTS, WORDS = ("", "yes", "no"), ("even?", "one", "two")


class Number(Game):
    """One or two; the guesser may ask once, at a price that has its own kind."""

    players = ("guesser", "keeper")
    moves: ClassVar = {"guesser": (Ask, Answer), "keeper": (Reply,)}
    terms: ClassVar = {"right": Term("right"), "turn_cost": Term("asks", "turn")}
    tasks, max_turns = (1, 2), 2
    counted, opening, costs_type = ("right", "asks"), ("guesser",), Costs

    def __init__(self, costs):
        self.costs = costs

    def start(self, rng, options):
        return State(int(rng.integers(1, 3)), self.costs.sample(rng))

    def legal(self, state):
        if state.stop:
            return {}
        return {"keeper": (Reply,)} if len(state.history) == 1 else {"guesser": (Ask, Answer)}

    def apply(self, state, moves):
        ((player, move),) = moves.items()
        state = state._replace(history=(*state.history, Turn(player, move)))
        if isinstance(move, Ask):
            stop = Stop(StopReason.MAX_TURNS) if len(state.history) > 1 else None
            return state._replace(stop=stop), (("turn_cost", 1),)
        if isinstance(move, Reply):
            return state, ()
        right = float(move.text == ("one", "two")[state.number - 1])
        return state._replace(stop=Stop(StopReason.SELECTED), right=right), (("right", right),)

    def stopped(self, state, stop):
        return state._replace(stop=stop)

    def observe(self, state, player):
        seen = {"costs": np.array(state.costs), "transcript": state.history}
        return {**seen, "number": state.number} if player == "keeper" else seen

    def spaces(self, player):
        return {}

    def quantities(self, state):
        return {"right": state.right, "asks": sum(isinstance(t.move, Ask) for t in state.history)}

    def setup(self, state):
        return {"task": state.number}


class State(NamedTuple):
    number: int
    costs: Costs
    history: tuple = ()
    right: float = 0.0
    stop: Stop | None = None


class Keeper(Agent):
    def move(self, observation, rng):
        return Reply("yes" if observation["number"] == 2 else "no")


class Table(SoftmaxPolicy):
    """A weight for each reply (or none yet) and candidate."""

    context_size = 3

    def __init__(self, hidden=0, seed=0):
        super().__init__(ScoreNetwork(9 + 4, hidden, seed), seed=seed)

    def key(self, observation):
        return next((t.move.text for t in observation["transcript"] if isinstance(t.move, Reply)), "")

    def moves(self, key):
        return [Ask(WORDS[0]), Answer(WORDS[1]), Answer(WORDS[2])]

    def describe(self, key, moves):
        return np.eye(9)[[3 * POINTS.index(key) + WORDS.index(move.text) for move in moves]]

    def context(self, key, features_M_F):
        return np.eye(3)[POINTS.index(key)]


def view(reply="", costs=(0.1, 0.0)):
    turns = (Turn("guesser", Ask("even?")), Turn("keeper", Reply(reply))) if reply else ()
    return {"transcript": turns, "costs": np.array(costs)}


def test_a_table_starts_even_and_a_step_of_it_is_the_softmax_gradient():
    learner = ScorerLearner(Table())
    ((_, logprob_M),) = learner.agent.scores([view("yes")])
    np.testing.assert_allclose(logprob_M.exp(), [1 / 3] * 3, atol=1e-15)
    weight = learner.agent.network.linear.weight
    example = Example(view("yes"), Answer("two"), None, 1.0)
    found = []

    def loss(scored):
        one = nll(scored.logprobs_N)
        found.append(torch.autograd.grad(one, weight, retain_graph=True)[0][0])
        return one

    learner.descend([example], [[0]], Objective(loss))
    expected = np.zeros(13)
    expected[3:6] = [1 / 3, 1 / 3, 1 / 3 - 1]
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-15)


@pytest.mark.parametrize("hidden", [0, 8])
def test_a_learner_fits_a_policy_of_any_game_and_it_plays_to_the_optimum(hidden):
    learner = ScorerLearner(Table(hidden), updates=200, batch=8, rate=0.3 if not hidden else 0.03)
    best = {"": Ask("even?"), "yes": Answer("two"), "no": Answer("one")}
    examples = [Example(view(reply), move, None, 1.0) for reply, move in best.items()]
    assert learner.update(examples, 0)["agreement"] == 1.0
    env = clarify_env.GameEnv(Number(clarify_env.FixedCosts(of=Costs, turn=0.25)), "number-v0")
    played = list(rollout(env, {"guesser": learner.greedy(), "keeper": Keeper()}, 20))
    assert {episode.reward for episode in played} == {0.75}
    assert len({episode.setup["task"] for episode in played}) == 2
    before = {name: tensor.clone() for name, tensor in learner.agent.network.state_dict().items()}
    twin = learner.copy()
    twin.update([Example(view(), Answer("one"), None, 1.0)], 1)
    assert all(torch.equal(before[n], t) for n, t in learner.agent.network.state_dict().items())
    assert not torch.equal(before["linear.weight"], twin.agent.network.linear.weight)


def test_a_critic_reads_the_context_and_a_move_from_outside_joins_the_candidates(tmp_path):
    class Partial(Table):
        def moves(self, key):
            return super().moves(key)[:2]

    learner = ScorerLearner(Partial(), updates=100, rate=0.1)
    examples = [Example(view("yes"), Answer("two"), None, 1.0), Example(view(), Ask("even?"), None, 1.0)]
    assert learner.measure(examples).logprobs_N.exp().tolist() == pytest.approx([1 / 3, 1 / 2])
    wanted = torch.tensor([1.0, -1.0], dtype=torch.float64)
    square = Objective(lambda scored: ((scored.values_B - wanted[scored.rows_B]) ** 2).mean())
    learner.descend(examples, [[0, 1]] * 300, square, rate=0.01)
    np.testing.assert_allclose(learner.measure(examples).values_B, wanted, atol=0.05)
    learner.save(tmp_path)
    same = ScorerLearner(Partial(seed=5), critic=Critic(3, seed=9))
    same.load(tmp_path)
    assert torch.equal(same.measure(examples).values_B, learner.measure(examples).values_B)
    with pytest.raises(ClarifyError, match="no weights of this Table"):
        ScorerLearner(Table(hidden=4)).load(tmp_path)
