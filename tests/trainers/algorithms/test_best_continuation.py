"""The dialogue tree against brute force over the same candidates, and against the exact optimum."""

from itertools import product

import numpy as np
import pytest

import clarify_env
from clarify_env.agents import Random, Script, ScriptedUser
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification import Answer, Ask, Costs, Enumerate, UserModel
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.games.clarification.optimum import Solver, questions
from clarify_env.games.clarification.scripted_user import pick
from clarify_env.games.clarification.synthetic import tasks
from clarify_env.text import best_f1
from clarify_env.trainers.algorithms.action_clustering import ActionClustering
from clarify_env.trainers.algorithms.best_continuation import BestContinuation, best_moves
from clarify_env.trainers.algorithms.dialogue_tree import unit_prices
from clarify_env.trainers.algorithms.selection import Batch

CELLS = [Costs(a, b) for a in (0.0, 0.02, 0.1, 0.3) for b in (0.002, 0.02, 0.06)]
SMALL = [task for task in tasks("train", 60) if 2 <= len(task.interpretations) <= 4][:8]
FILM = Task(
    "film",
    "When did the film open?",
    (
        Interpretation("When did the film open in Norway?", ("1950",), 0.5),
        Interpretation("When did the film open in Chile?", ("1951",), 0.5),
    ),
)
ASK, EARLY, LATE = Ask("What exactly do you mean?"), Answer("1950"), Answer("1951")


def batch(task, episodes, cells=CELLS, user=None, max_turns=5):
    env = GameEnv(ClarificationGame([task], FixedCosts(turn=0.1, word=0.01), max_turns=max_turns), "hand-v0")
    return Batch(env, "asker", {"user": user or ScriptedUser()}, list(episodes), cells, 0)


def episode(task, *moves, intent=0, max_turns=5):
    one = batch(task, (), max_turns=max_turns)
    players = {"asker": Script(moves), **one.others}
    (played,) = clarify_env.rollout(one.env, players, 1, options=lambda i: {"intent": intent})
    return played


def values(listed, rule=None):
    """The only tree of a batch, and what was decided at each of its nodes."""
    (tree,) = (rule or BestContinuation()).grow(listed)
    found = {}
    best_moves(tree.nodes[0], unit_prices(listed.env.game, tree.costs), found)
    return tree, found


def brute_force(task, finals, asks, costs, max_turns):
    """The best expected reward with these messages against the truthful user, by trying everything."""
    truthful = UserModel()

    def earned(move, meaning):
        if isinstance(move, Enumerate):
            at = pick(move.options, meaning.text, meaning.facts)
            return 0.0 if at is None else best_f1(move.options[at][1], meaning.answers)
        return best_f1(move.text, meaning.answers)

    def value(meanings, asked):
        best = max(
            (sum(m.weight * (earned(f, m) - costs.word * f.words) for m in meanings) for f in finals),
            default=-np.inf,
        )
        mass = sum(m.weight for m in meanings)
        for ask in set(asks) - set(asked):
            replies = {}
            for m in meanings:
                ((reply, _),) = truthful.replies(ask.text, task.question, m.text, m.facts)
                replies.setdefault(reply, []).append(m)
            after = -costs.turn * mass
            if len(asked) + 1 < max_turns:
                after += sum(value(tuple(group), (*asked, ask)) for group in replies.values())
            best = max(best, after)
        return best

    return value(task.interpretations, ())


@pytest.mark.parametrize("max_turns", [1, 2, 5])
@pytest.mark.parametrize("task", SMALL, ids=lambda task: task.id)
def test_root_value_equals_brute_force_over_the_same_candidates(task, max_turns):
    one = batch(task, (), max_turns=max_turns)
    episodes = list(clarify_env.rollout(one.env, {"asker": Random(), **one.others}, 40, seed=2))
    asks = questions(task.interpretations)
    episodes += [episode(task, ask, Answer("nothing"), max_turns=max_turns) for ask in asks if max_turns > 1]
    ended = [e for e in episodes if e.stop == "selected"]
    finals = {e.moves("asker")[-1] for e in ended}
    others = {move for e in episodes for move in e.moves("asker")} - finals
    tree, found = values(one._replace(episodes=episodes))
    root = found[id(tree.nodes[0])]
    if max_turns == 1:
        others = {ASK} & others
    for costs, value in zip(CELLS, root.value_C, strict=True):
        assert value == pytest.approx(brute_force(task, finals, others, costs, max_turns), abs=1e-9)


def every_message(task):
    """Episodes that hold, among others, the best message for each belief that a truthful user can lead to."""
    meanings = task.interpretations
    solver = Solver(task.question, meanings, UserModel(), 5)
    for ask in questions(meanings):
        yield episode(task, ask, Answer("nothing"))
    for chosen in product((0.0, 1.0), repeat=len(meanings)):
        belief = np.array([m.weight for m in meanings]) * chosen
        if belief.any():
            for word in {cell.word for cell in CELLS}:
                yield episode(task, solver.messages.message(belief / belief.sum(), word))


@pytest.mark.parametrize("task", SMALL, ids=lambda task: task.id)
def test_with_all_messages_sampled_the_tree_is_the_optimum(task):
    tree, found = values(batch(task, every_message(task)))
    assert len(tree.nodes) > 1
    for node in tree.nodes:
        state = node.states[0][0]
        weights = {s.intent: weight / node.mass for s, weight in node.states}
        meanings = [task.interpretations[i]._replace(weight=p) for i, p in weights.items()]
        best = Solver(task.question, meanings, UserModel(), 5 - state.asks).optimum(CELLS)[:, 0]
        np.testing.assert_allclose(found[id(node)].value_C / node.mass, best, atol=1e-9)


@pytest.mark.parametrize("task", SMALL, ids=lambda task: task.id)
def test_what_the_tree_selects_at_the_start_is_the_optimal_move(task):
    """The solver's own, or another one that is worth just as much."""
    listed = batch(task, every_message(task))
    solver = Solver(task.question, task.interpretations, UserModel(), 5)
    tree, found = values(listed)
    (root, *_), price_C_T = tree.nodes, unit_prices(listed.env.game, tree.costs)
    worth = {
        move: price_C_T @ quantities.sum(axis=(0, 1)) + sum(found[id(child)].value_C for child in children)
        for move, (quantities, children) in root.edges.items()
    }
    for c, (cell, move) in enumerate(zip(CELLS, found[id(root)].moves, strict=True)):
        best = solver.move(solver.prior_N, 4, cell)
        assert best in worth
        assert move == best or worth[move][c] == pytest.approx(worth[best][c], abs=1e-9)


def test_a_question_is_worth_its_best_continuation():
    """The behaviour policy asks and then answers wrongly: the tree still asks, clustering does not."""
    guesses = [episode(FILM, EARLY, intent=i) for i in (0, 1)]
    bad = [episode(FILM, ASK, LATE, intent=0), episode(FILM, ASK, EARLY, intent=1)]
    listed = batch(FILM, [*guesses, *bad], [Costs(0.1, 0.01)])
    root = [e.move for e in BestContinuation().select(listed) if not e.observation["transcript"]]
    assert root == [ASK]
    clustered = [e.move for e in ActionClustering().select(listed) if not e.observation["transcript"]]
    assert clustered == [EARLY]


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_weights_are_the_mass_of_the_node_times_a_power_of_the_gain_over_the_average_candidate(power):
    sampled = [episode(FILM, EARLY), episode(FILM, LATE), episode(FILM, ASK, EARLY)]
    listed = batch(FILM, sampled, [Costs(0.1, 0.01)])
    by_depth = [
        (len(e.observation["transcript"]), e.move, e.weight)
        for e in BestContinuation(by_gain=power).select(listed)
    ]
    # start: ask 0.89, either guess 0.49; after a reply, which has probability 0.5: 0.99 or -0.01
    assert sorted((depth, move.text, pytest.approx(weight)) for depth, move, weight in by_depth) == [
        (0, ASK.text, (0.89 - (0.89 + 0.49 + 0.49) / 3) ** power),
        (2, "1950", 0.5 * 0.5**power),
        (2, "1951", 0.5 * 0.5**power),
    ]


def test_without_pooling_only_what_was_sampled_at_a_node_is_a_candidate_there():
    sampled = [episode(FILM, EARLY), episode(FILM, LATE), episode(FILM, ASK, EARLY, intent=1)]
    listed = batch(FILM, sampled, [Costs(0.1, 0.01)])
    narrow = BestContinuation(pool_finals=False, pool_questions=False)
    tree, found = values(listed, narrow)
    assert set(tree.nodes[0].moves) == {EARLY, LATE, ASK}
    after = {node.states[0][0].intent: set(node.moves) for node in tree.nodes[1:]}
    assert after == {0: set(), 1: {EARLY}}
    assert found[id(tree.nodes[0])].moves == [EARLY]  # asking leads to the wrong answer


def test_a_question_that_the_limit_cut_off_is_no_final_message():
    tree, _ = values(batch(FILM, [episode(FILM, ASK, ASK, max_turns=2)], max_turns=2))
    after = {node.states[0][0].intent: set(node.moves) for node in tree.nodes[1:]}
    assert after == {0: {ASK}, 1: set()}


class Sampling(clarify_env.Agent):
    """A user who does not say what it may do."""

    def __init__(self, user):
        super().__init__()
        self.user = user

    def act(self, observations, rngs=None):
        return self.user.act(observations, rngs)


NOISY = UserModel(noise=0.2, vagueness=0.2)


def masses_add_up(tree):
    for node in tree.nodes:
        for move, (_, children) in node.edges.items():
            assert not children or sum(c.mass for c in children) == pytest.approx(node.mass), move


def test_a_noisy_user_is_sampled_and_masses_add_up():
    sampled = [episode(FILM, EARLY), episode(FILM, LATE), episode(FILM, ASK, EARLY)]
    listed = batch(FILM, sampled, [Costs(0.0, 0.0)], Sampling(ScriptedUser(NOISY)))
    tree, found = values(listed, BestContinuation(replies=800))
    masses_add_up(tree)
    # three replies in five settle the meaning, the others leave a guess
    assert found[id(tree.nodes[0])].value_C[0] == pytest.approx(0.6 * 1.0 + 0.4 * 0.5, abs=0.04)
    again, same = values(listed, BestContinuation(replies=800))
    assert [same[id(n)].value_C[0] for n in again.nodes] == [found[id(n)].value_C[0] for n in tree.nodes]


def test_with_known_replies_values_are_exact_and_a_question_may_follow_a_reply_that_says_nothing():
    sampled = [episode(FILM, EARLY), episode(FILM, LATE), episode(FILM, ASK, EARLY)]
    cell = Costs(0.05, 0.0)
    tree, found = values(batch(FILM, sampled, [cell], ScriptedUser(NOISY)), BestContinuation(least=0.0))
    masses_add_up(tree)
    best = 0.5
    for _ in range(4):  # questions left
        best = max(best, 0.6 + 0.4 * best - 0.05)
    assert found[id(tree.nodes[0])].value_C[0] == pytest.approx(best, abs=1e-9)
    # "Hard to say." and the question over again say the same: one node, where the question is put again
    silent = [node for node in tree.nodes if len(node.states) == 2 and node.states[0][0].asks == 1]
    assert [node.mass for node in silent] == [pytest.approx(0.4)]
    assert found[id(silent[0])].moves == [ASK]
    settled = [node for node in tree.nodes if len(node.states) == 1]
    assert all(ASK not in node.edges for node in settled)
    assert all(ASK not in node.edges for node in values(batch(FILM, sampled, [cell]))[0].nodes[1:])


@pytest.mark.parametrize(
    "task", [t for t in SMALL if len(t.interpretations) < 4][:3], ids=lambda task: task.id
)
@pytest.mark.parametrize("least", [0.0, 0.01])
def test_with_a_noisy_user_the_tree_is_the_optimum(task, least):
    """All that the solver would say is sampled; a truncated tree loses no more than what it leaves out."""
    model, cells = UserModel(noise=0.1, vagueness=0.1), [Costs(0.02, 0.01), Costs(0.1, 0.01)]
    listed = batch(task, every_message(task), cells, ScriptedUser(model), max_turns=3)
    tree, found = values(listed, BestContinuation(least=least))
    best = Solver(task.question, task.interpretations, model, 3).optimum(cells)[:, 0]
    value_C = found[id(tree.nodes[0])].value_C
    assert np.all(value_C <= best + 1e-9)
    np.testing.assert_allclose(value_C, best, atol=2e-3 if least == 0.0 else 1e-2)


def test_what_a_handful_of_draws_promises_is_kept():
    """A user whose replies say nothing: draws of them do not make a question look worth its price."""
    user = Sampling(ScriptedUser(UserModel(noise=0.45, vagueness=0.45)))
    sampled = [episode(FILM, EARLY), episode(FILM, LATE), episode(FILM, ASK, EARLY)]
    promised = []
    for seed in range(200):
        listed = batch(FILM, sampled, [Costs(0.0, 0.0)], user)._replace(seed=seed)
        tree, found = values(listed, BestContinuation(replies=4))
        move = list(tree.nodes[0].edges).index(ASK)
        promised.append(found[id(tree.nodes[0])].values_M_C[move, 0])
    # one reply in ten tells the meaning; by the best of its own draws the question promises 0.8
    assert np.mean(promised) < 0.6


def test_one_reply_of_a_user_who_only_samples_is_refused():
    sampled = [episode(FILM, EARLY), episode(FILM, ASK, EARLY)]
    with pytest.raises(ClarifyError, match=r"replies=1 of players who only sample: .*; draw at least 2"):
        BestContinuation(replies=1).grow(batch(FILM, sampled, user=Sampling(ScriptedUser())))
    alike = [
        values(batch(FILM, sampled, user=user), BestContinuation(replies=2))
        for user in (ScriptedUser(), Sampling(ScriptedUser()))
    ]
    roots = [found[id(tree.nodes[0])] for tree, found in alike]
    np.testing.assert_allclose(roots[0].value_C, roots[1].value_C)
    assert roots[0].moves == roots[1].moves


def test_tasks_have_trees_of_their_own_and_broken_episodes_none():
    env = clarify_env.make("synthetic-v0", size=6)
    episodes = list(clarify_env.rollout(env, {"asker": Random(), "user": ScriptedUser()}, 60, seed=1))
    listed = Batch(env, "asker", {"user": ScriptedUser()}, episodes, CELLS, 0)
    assert len(BestContinuation().grow(listed)) == len({e.setup["task"] for e in episodes})
    unreadable = batch(FILM, [episode(FILM, "no move")])
    assert BestContinuation().grow(unreadable) == []
    assert BestContinuation().select(unreadable) == []
