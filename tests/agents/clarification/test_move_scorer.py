"""MoveScorer and its learner: probabilities, traces, invariances, and gradients against closed forms."""

from itertools import islice

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents import MoveScorer, ScriptedUser
from clarify_env.agents.clarification.move_scorer import FEATURES, Dialogue, Network
from clarify_env.costs import CostRange
from clarify_env.games.clarification import Answer, UserModel
from clarify_env.trainers.learners import Example
from clarify_env.trainers.learners.softmax_policy import ScorerLearner

torch.set_num_threads(1)  # on a machine with other work two threads are slower than one
USER = ScriptedUser(UserModel(noise=0.1, vagueness=0.1))


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("synthetic-v0", costs=CostRange(turn=(0.0, 0.5), word=(0.0, 0.1)), size=30)


@pytest.fixture(scope="module")
def views(env):
    """Twenty observations of the asker at the start of an episode."""
    return [env.reset(seed=seed)[0]["asker"] for seed in range(20)]


def scorer(seed=0, **options):
    return MoveScorer(Network(16, seed), seed=seed, **options)


def test_probabilities_are_the_softmax_of_the_scores(views):
    agent = scorer()
    for view, (moves, logprob_M) in zip(views, agent.scores(views), strict=True):
        point = agent.point(Dialogue.of(view, "test"))
        costs = torch.from_numpy(np.array([view["costs"]])).expand(len(moves), 2)
        scores = agent.network(point.features_M_F, costs).detach().numpy()
        expected = scores - scores.max() - np.log(np.exp(scores - scores.max()).sum())
        np.testing.assert_allclose(logprob_M.numpy(), expected, atol=1e-12)


def test_traces_hold_the_candidate_and_its_log_probability(env):
    agent = scorer(seed=3)
    counted = 0
    for episode in rollout(env, {"asker": agent, "user": USER}, 40, seed=2):
        twin = env.fork()
        view = twin.reset(episode.seed)[0]["asker"]
        for step in episode.steps:
            if (trace := dict(step.traces).get("asker")) is not None:
                ((moves, logprob_M),) = agent.scores([view])
                assert moves[trace["candidate"]] == dict(step.moves)["asker"]
                assert trace["logprob"] == pytest.approx(float(logprob_M[trace["candidate"]]), abs=1e-8)
                counted += 1
            view = twin.step(dict(step.moves))[0]["asker"]
    assert counted > 40


@pytest.mark.parametrize("greedy", [False, True])
def test_an_episode_does_not_depend_on_the_batch(env, greedy):
    runs = [
        list(rollout(env, {"asker": scorer(greedy=greedy), "user": USER}, 50, seed=9, batch=batch))
        for batch in (1, 7, 256)
    ]
    assert runs[0] == runs[1] == runs[2]


def test_scores_do_not_depend_on_the_order_of_the_notes(env):
    agent = scorer()
    for seed in range(10):
        view = env.reset(seed=seed)[0]["asker"]
        turned = {**view, "notes": view["notes"][::-1]}
        (moves, one), (same, two) = agent.scores([view, turned])
        assert moves == same
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_it_samples_by_its_probabilities_and_greedily_takes_the_best(views):
    view = max(views, key=lambda v: len(v["notes"]))
    agent = scorer(seed=1)
    ((moves, logprob_M),) = agent.scores([view])
    count = 4000
    drawn = (
        np.bincount([d.trace["candidate"] for d in agent.act([view] * count)], minlength=len(moves)) / count
    )
    chances = logprob_M.exp().numpy()
    assert np.all(np.abs(drawn - chances) < 4 * np.sqrt(chances * (1 - chances) / count) + 1e-9)
    (best,) = scorer(seed=1, greedy=True).act([view])
    assert best.move == moves[int(logprob_M.argmax())]


def test_the_costs_steer_it_and_nothing_else_about_them(views):
    agent = scorer()
    view = views[0]
    cheap, dear = ({**view, "costs": np.array(costs)} for costs in ((0.0, 0.0), (0.4, 0.06)))
    (moves, one), (same, two) = agent.scores([cheap, dear])
    assert moves == same
    assert not torch.allclose(one, two)


def test_initial_weights_follow_from_the_seed_and_leave_torch_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = Network(8, 1), Network(8, 1), Network(8, 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_gradient_of_the_loss_is_softmax_minus_target(views):
    learner = ScorerLearner(scorer())
    examples = [
        Example(view, learner.agent.point(Dialogue.of(view, "test")).moves[k % 3], None, 1.0)
        for k, view in enumerate(views)
        if len(view["notes"]) > 1
    ]
    points_E, targets_E, costs, features, sizes, _ = learner._tensors(examples)

    class Given(torch.nn.Module):
        def forward(self, features_R_F, costs_R_2):
            return self.scores_R

    network, given = learner.agent.network, Given()
    scores = network(
        features[points_E].reshape(-1, features.shape[2]), costs.repeat_interleave(features.shape[1], 0)
    ).detach()
    given.scores_R = scores.requires_grad_()
    learner.agent.network = given
    logprobs_B_M = learner._logprobs(features[points_E], sizes[points_E], costs)
    torch.nn.functional.nll_loss(logprobs_B_M, targets_E).backward()
    probabilities = logprobs_B_M.detach().exp()
    onehot = torch.nn.functional.one_hot(targets_E, features.shape[1])
    expected = (probabilities - onehot) / len(examples)
    torch.testing.assert_close(given.scores_R.grad.reshape(expected.shape), expected, rtol=0, atol=1e-14)
    absent = torch.arange(features.shape[1]) >= sizes[points_E][:, None]
    assert absent.any()
    assert not expected[absent].any()


def test_gradient_of_the_weights_against_finite_differences(views):
    learner = ScorerLearner(scorer())
    examples = [
        Example(v, learner.agent.point(Dialogue.of(v, "test")).moves[0], None, 1.0) for v in views[:8]
    ]
    points_E, targets_E, costs, features, sizes, _ = learner._tensors(examples)

    def loss():
        logprobs = learner._logprobs(features[points_E], sizes[points_E], costs)
        return torch.nn.functional.nll_loss(logprobs, targets_E)

    loss().backward()
    rng = np.random.default_rng(0)
    for parameter in learner.agent.network.parameters():
        flat, gradient = parameter.data.reshape(-1), parameter.grad.reshape(-1)
        for at in rng.integers(len(flat), size=3):
            old, values = flat[at].item(), []
            for shift in (1e-6, -1e-6):
                flat[at] = old + shift
                values.append(loss().item())
            flat[at] = old
            assert gradient[at].item() == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)


def test_a_learner_fits_what_it_is_shown_at_each_of_the_costs(views):
    """The best final message at two prices of a word: the same points, told apart by the costs alone."""
    learner = ScorerLearner(scorer(), updates=150, batch=64, rate=2e-2)
    examples = []
    for view in views:
        point = learner.agent.point(Dialogue.of(view, "test"))
        accuracy, words = point.features_M_F[
            :, [FEATURES.index("accuracy"), FEATURES.index("words")]
        ].T.numpy()
        for price in (0.001, 0.08):
            best = point.moves[int(np.argmax(accuracy - 10 * price * words))]
            examples.append(Example({**view, "costs": np.array((0.1, price))}, best, None, 1.0))
    before = learner.greedy().act([e.observation for e in examples])
    fitted = learner.update(examples, seed=0)
    assert fitted["agreement"] > 0.9
    after = learner.greedy().act([e.observation for e in examples])
    right = [sum(d.move == e.move for d, e in zip(made, examples, strict=True)) for made in (before, after)]
    assert right[0] < 0.6 * len(examples) < 0.9 * len(examples) <= right[1]


def test_weights_decide_between_examples_that_disagree(views):
    view = next(v for v in views if len(v["notes"]) > 2)
    moves = scorer().point(Dialogue.of(view, "test")).moves
    for light, heavy in ((moves[0], moves[-1]), (moves[-1], moves[0])):
        learner = ScorerLearner(scorer(), updates=200, batch=64, rate=1e-2)
        learner.update([Example(view, light, None, 1.0), Example(view, heavy, None, 4.0)], seed=0)
        ((_, logprob_M),) = learner.agent.scores([view])
        assert logprob_M[moves.index(heavy)].exp().item() == pytest.approx(0.8, abs=0.1)


def test_a_move_outside_the_candidates_is_added_to_them(views):
    view = views[0]
    learner = ScorerLearner(scorer(), updates=40, batch=16, rate=1e-2)
    own = Answer("something that no note says")
    moves = learner.agent.point(Dialogue.of(view, "test")).moves
    assert own not in moves
    _, targets_E, _, _, sizes, _ = learner._tensors([Example(view, own, None, 1.0)])
    assert targets_E.tolist() == [len(moves)]
    assert sizes.tolist() == [len(moves) + 1]
    assert learner.update([Example(view, own, None, 1.0)], seed=0)["agreement"] == 1.0


def test_update_is_a_function_of_weights_examples_and_seed(views):
    def after(seed):
        learner = ScorerLearner(scorer(), updates=5, batch=8)
        examples = [
            Example(v, learner.agent.point(Dialogue.of(v, "test")).moves[0], None, 1.0)
            for v in islice(views, 6)
        ]
        learner.update(examples, seed)
        return torch.cat([p.detach().reshape(-1) for p in learner.agent.network.parameters()])

    assert torch.equal(after(1), after(1))
    assert not torch.equal(after(1), after(2))


def test_a_copy_is_frozen_and_no_examples_change_nothing(views):
    learner = ScorerLearner(scorer(), updates=5, batch=8)
    twin = learner.copy()
    before = twin.agent.scores(views)
    assert learner.update([], seed=0)["examples"] == 0.0
    assert all(torch.equal(a[1], b[1]) for a, b in zip(learner.agent.scores(views), before, strict=True))
    move = learner.agent.point(Dialogue.of(views[0], "test")).moves[0]
    learner.update([Example(views[0], move, None, 1.0)], seed=0)
    assert all(torch.equal(a[1], b[1]) for a, b in zip(twin.agent.scores(views), before, strict=True))


def test_weights_on_disk(tmp_path, views):
    learner, other = ScorerLearner(scorer(1)), ScorerLearner(scorer(2))
    learner.save(tmp_path)
    other.load(tmp_path)
    pairs = zip(learner.agent.scores(views), other.agent.scores(views), strict=True)
    assert all(torch.equal(a[1], b[1]) for a, b in pairs)
    with pytest.raises(ClarifyError, match=r"weights.safetensors: no weights of this MoveScorer"):
        ScorerLearner(MoveScorer(Network(8))).load(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(ClarifyError, match=r"weights.safetensors: no weights of this MoveScorer"):
        other.load(tmp_path)
    with pytest.raises(ClarifyError, match="no weights of this MoveScorer"):
        other.load(tmp_path / "nowhere")


def test_a_loss_that_explodes_is_named(views):
    learner = ScorerLearner(scorer(), updates=3, batch=4)
    move = learner.agent.point(Dialogue.of(views[0], "test")).moves[0]
    with torch.no_grad():
        learner.agent.network.linear.weight.fill_(float("nan"))
    with pytest.raises(ClarifyError, match="the loss became nan at step 0: lower the learning rate"):
        learner.update([Example(views[0], move, None, 1.0)], seed=0)
