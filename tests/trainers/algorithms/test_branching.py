"""Futures, branching, process advantages, exact worths against the value of moves in an enumerable game."""

import numpy as np
import pytest
import torch

import clarify_env
import clarify_env.agents
from clarify_env.agents import Script, ScriptedUser
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.games.clarification import SEEN, Answer, Ask, Select
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.games.clarification.optimum import Solver
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.simulate import choices, credited
from clarify_env.trainers.algorithms.advantages import Played
from clarify_env.trainers.algorithms.exact_worth import exact_worths
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.algorithms.simulated_futures import Start, advantages, futures, possible
from clarify_env.trainers.learners import Experience, Scored

# Two meanings; the asker answers one of them or asks, and after the reply answers or gives up with half.
COST, WEIGHTS = 0.2, (0.7, 0.3)
TASK = Task(
    "film",
    "When did the film open?",
    (
        Interpretation("When did the film open in Norway?", ("1950",), WEIGHTS[0]),
        Interpretation("When did the film open in Chile?", ("1951",), WEIGHTS[1]),
    ),
)
ASK, EARLY, LATE, HALF = Ask("What exactly do you mean?"), Answer("1950"), Answer("1951"), Answer("half")
TABLE = np.array([[0.3, -0.2, 0.1], [0.5, 0.0, -0.4], [-0.3, 0.2, 0.6]])
OTHER = np.array([[0.0, 0.0, 0.0], [2.0, -1.0, 0.0], [-1.0, 2.0, 0.0]])
OPTIONS = {"futures": 500, "window": 2, "meanings": "own", "share": 1.0, "alpha": 3.0, "best_of": 1}


def grade(text, answers):
    return (0.5, 0.0) if text == "half" else (float(text == answers[0]), float(text == answers[0]))


class Table:
    """A policy as a table: at the start and after each reply three moves. It is its own agent."""

    def __init__(self, scores):
        self.chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        self.agent = self

    def row(self, observation):
        transcript = observation["transcript"]
        if not transcript:
            return 0, (EARLY, LATE, ASK)
        return 1 + ("Chile" in transcript[-1].move.text), (EARLY, LATE, HALF)

    def act(self, observations, rngs):
        rows = [self.row(observation) for observation in observations]
        return [
            moves[int(np.searchsorted(np.cumsum(self.chances[k]), rng.random()))]
            for (k, moves), rng in zip(rows, rngs, strict=True)
        ]

    def experience(self, examples):
        return Experience(examples, None, [None] * len(examples))

    def logprobs(self, batch, rows=None):
        found = [self.row(example.observation) for example in batch.examples]
        logs = [
            float(np.log(self.chances[k][moves.index(e.move)])) if e.move in moves else -9.0
            for (k, moves), e in zip(found, batch.examples, strict=True)
        ]
        count = torch.arange(len(logs))
        return Scored(count, torch.tensor(logs), count, torch.zeros(len(logs)))


class Insistent(Table):
    """Always asks, whatever the table says that it would answer."""

    def act(self, observations, rngs):
        return [ASK] * len(observations)


POLICY, PROVER = Table(TABLE), Table(OTHER)


def values(table, meant):
    """Exact values of the three first moves, and of the start, where `meant` is meant."""
    earned = np.array([float(meant == 0), float(meant == 1), 0.5])
    moves = np.array([*earned[:2], table.chances[1 + meant] @ earned - COST])
    return moves, float(table.chances[0] @ moves)


def batch(episodes=(), user=None, max_turns=2):
    game = ClarificationGame([TASK], FixedCosts(turn=COST), max_turns=max_turns, grade=grade)
    env = GameEnv(game, "hand-v0")
    return Batch(env, "asker", {"user": user or ScriptedUser()}, list(episodes), None, 0)


def state(one, meant):
    return one.env.game.start(np.random.default_rng(0), {"intent": meant, "order": (0, 1)})


def played(one, moves, meant):
    agents = {"asker": Script(moves), **one.others}
    (episode,) = clarify_env.rollout(one.env, agents, 1, options=lambda i: {"intent": meant, "order": (0, 1)})
    pairs = credited(one.env.game, episode, "asker")
    return Played([], np.array([reward for _, reward in pairs]), [choice for choice, _ in pairs], episode)


@pytest.mark.parametrize("window", [None, 2, 1])
@pytest.mark.parametrize("meant", [0, 1])
def test_the_mean_over_futures_is_the_exact_value(window, meant):
    """No window is too short here: the second message is always final."""
    one, exact = batch(), values(POLICY, meant)
    finals = dict.fromkeys((EARLY, LATE, HALF))
    starts = [Start([(state(one, meant), 1.0)], move, finals, 7) for move in (EARLY, LATE, ASK, None)]
    found = futures(one, POLICY, starts, 4000, 3 if window == 2 else window)
    assert found.values_S[:2] == pytest.approx(exact[0][:2], abs=1e-12)
    if window != 1:
        assert found.values_S[2:] == pytest.approx([exact[0][2], exact[1]], abs=0.025)
    assert found.decisions_S.tolist()[:2] == [0.0, 0.0]


def test_a_policy_that_leaves_nothing_to_chance_is_valued_exactly():
    sure = Table(np.array([[-99.0, -99.0, 99.0], [99.0, -99.0, -99.0], [-99.0, -99.0, 99.0]]))
    one = batch()
    alternatives = one.env.game.alternatives(state(one, 0), "asker")
    found = futures(one, sure, [Start(alternatives, None, {}, 3)], 10, None)
    assert found.values_S[0] == pytest.approx(WEIGHTS[0] * 1.0 + WEIGHTS[1] * 0.5 - COST, abs=1e-12)
    assert found.decisions_S.tolist() == [20.0]


def test_meanings_are_drawn_evenly_spread():
    one = batch()
    start = Start(list(one.env.game.alternatives(state(one, 0), "asker")), EARLY, {}, 5)
    assert futures(one, POLICY, [start], 10).values_S[0] == pytest.approx(WEIGHTS[0], abs=1e-12)


def test_a_window_ends_with_the_likeliest_final_message():
    one = batch(max_turns=9)
    insistent = Insistent(TABLE)
    start = Start([(state(one, 0), 1.0)], ASK, dict.fromkeys((LATE, EARLY)), 1)
    for window in (1, 3):
        found = futures(one, insistent, [start], 2, window)
        assert found.returns_S_K[0] == pytest.approx([1.0 - window * COST] * 2)
    nothing = futures(one, insistent, [start._replace(finals={})], 1, 3)
    to_the_end = futures(one, insistent, [start], 1, None)
    for found in (nothing, to_the_end):
        assert found.values_S[0] == pytest.approx(-9 * COST), "the game's own limit"


def test_futures_are_the_same_whatever_is_played_beside_them():
    one = batch(user=ScriptedUser(UserModel(noise=0.4)))
    starts = [Start([(state(one, k % 2), 1.0)], (ASK, None)[k % 2], {}, k) for k in range(12)]
    together = futures(one, POLICY, starts, 5).returns_S_K
    for picked in ([3], [7, 2], list(range(11, -1, -1))):
        apart = futures(one, POLICY, [starts[k] for k in picked], 5).returns_S_K
        assert (apart == together[picked]).all()
    assert len(np.unique(together)) > 3


def test_the_best_of_four_is_lucky():
    even = Table(np.array([[0.0, 0.0, -99.0], [0.0, 0.0, -99.0], [0.0, 0.0, -99.0]]))
    one = batch()
    start = Start([(state(one, 1), 1.0)], None, {}, 2)
    assert futures(one, even, [start], 2000, best_of=4).values_S[0] == pytest.approx(1 - 0.5**4, abs=0.02)


def test_a_failure_of_another_player_is_not_counted():
    class Absent(clarify_env.Agent):
        def move(self, observation, rng):
            return clarify_env.Failed("gone", outside=True) if rng.random() < 0.5 else Select("1950")

    one = batch(user=Absent())
    start = Start([(state(one, 0), 1.0)], EARLY, {}, 2)
    found = futures(one, POLICY, [start], 40)
    assert 0 < np.isnan(found.returns_S_K).sum() < 40
    assert found.values_S.tolist() == [1.0]


def test_what_is_still_possible():
    one = batch()
    member = played(one, [ASK, EARLY], 0)
    (found,) = possible(one, [member.choices])
    assert [[(s.intent, round(w, 9)) for s, w in states] for states in found] == [
        [(0, 0.7), (1, 0.3)],
        [(0, 1.0)],
    ]


def test_what_is_still_possible_with_a_noisy_user_has_the_probabilities_of_bayes():
    env = clarify_env.make("synthetic-v0", costs=SEEN, size=30)
    model = UserModel(noise=0.3, vagueness=0.1)
    one = Batch(env, "asker", {"user": ScriptedUser(model)}, [], None, 0)
    agents = {"asker": clarify_env.agents.AlwaysAsk(), **one.others}
    made = [list(choices(env.game, e, "asker")) for e in clarify_env.rollout(env, agents, 40, seed=3)]
    several = 0
    for decided, parts in zip(made, possible(one, made), strict=True):
        meanings = decided[0].state.task.interpretations
        solver = Solver(decided[0].state.task.question, meanings, model, 5)
        for choice, states in zip(decided, parts, strict=True):
            belief = solver.prior_N
            said = [turn.move.text for turn in choice.state.history]
            for ask, reply in zip(said[::2], said[1::2], strict=True):
                belief = solver.posterior(belief, ask, reply)
            own = np.zeros(len(meanings))
            for state, weight in states:
                own[state.intent] += weight
            np.testing.assert_allclose(own, belief, atol=1e-9)
            several += bool(said) and len(states) > 1
    assert several > 10


def test_possible_states_look_alike_to_the_asker():
    env = clarify_env.make("synthetic-v0", costs=SEEN, size=30)
    one = Batch(env, "asker", {"user": ScriptedUser()}, [], None, 0)
    agents = {"asker": clarify_env.agents.Random(), **one.others}
    made = [list(choices(env.game, e, "asker")) for e in clarify_env.rollout(env, agents, 60, seed=3)]
    found = possible(one, made)
    several = 0
    for decided, parts in zip(made, found, strict=True):
        for choice, states in zip(decided, parts, strict=True):
            assert sum(w for _, w in states) == pytest.approx(1.0)
            assert choice.state.intent in [s.intent for s, _ in states]
            own = env.game.observe(choice.state, "asker")
            assert all(env.game.observe(s, "asker") == own for s, _ in states)
            several += len(choice.state.history) > 0 and len(states) > 1
    assert several > 0
    users = possible(one._replace(player="user"), [[decided[0]] for decided in made])
    assert all(states == [(decided[0].state, 1.0)] for decided, (states,) in zip(made, users, strict=True))


def test_advantages_are_the_worth_of_a_move_less_that_of_its_point():
    one = batch()
    group = [played(one, [ASK, LATE], 0), played(one, [EARLY], 0)]
    ((asked, early),), decisions = advantages(one, [group], POLICY, None, OPTIONS)
    moves, start = values(POLICY, 0)
    after = POLICY.chances[1] @ [1.0, 0.0, 0.5]
    assert asked == pytest.approx([moves[2] - start, 0.0 - after], abs=0.06)
    assert early == pytest.approx([moves[0] - start], abs=0.06)
    assert decisions > 500
    ((fewer, _),), _ = advantages(one, [group], POLICY, None, {**OPTIONS, "share": 0.5})
    assert set(np.round(fewer / asked, 9)) <= {0.0, 2.0}


def test_meanings_in_an_advantage():
    """Own: what was meant counts. Possible: only what the player could know of it."""
    one = batch()
    groups = [[played(one, [ASK, EARLY], meant)] for meant in (0, 1)]
    expected = {}
    expected["own"] = [values(POLICY, m)[0][2] - values(POLICY, m)[1] for m in (0, 1)]
    expected["possible"] = [float(np.dot(WEIGHTS, expected["own"]))] * 2
    for meanings, wanted in expected.items():
        found, _ = advantages(one, groups, POLICY, None, {**OPTIONS, "meanings": meanings})
        assert [members[0][0] for members in found] == pytest.approx(wanted, abs=0.06)


def test_process_advantages_are_exact():
    one = batch()
    group = [played(one, [ASK, LATE], 1)]
    ((found,),), _ = advantages(one, [group], POLICY, PROVER, OPTIONS)
    total = sum(
        weight
        * np.array([values(table, 1)[0][2] - values(table, 1)[1], 1.0 - table.chances[2] @ [0, 1, 0.5]])
        for table, weight in ((POLICY, 1.0), (PROVER, 3.0))
    )
    assert found == pytest.approx(total, abs=0.15)


def test_a_prover_that_is_the_policy_changes_nothing():
    """But the scale."""
    one = batch(user=ScriptedUser(UserModel(noise=0.3)))
    groups = [[played(one, [ASK, LATE], 0), played(one, [EARLY], 0)], [played(one, [LATE], 1)]]
    options = {**OPTIONS, "futures": 3}
    alone, once = advantages(one, groups, POLICY, None, options)
    proved, twice = advantages(one, groups, POLICY, Table(TABLE), options)
    for group, same in zip(alone, proved, strict=True):
        np.testing.assert_allclose(np.concatenate(same), 4.0 * np.concatenate(group), atol=1e-12)
    assert twice == 2 * once


def test_summed_progress_telescopes():
    """Along an episode the steps add up to its reward less the value of its start."""
    sure = Table(np.array([[99.0, -99.0, -99.0], [99.0, -99.0, -99.0], [-99.0, 99.0, -99.0]]))
    one = batch()
    for moves in ([ASK, LATE], [ASK, HALF], [EARLY], [LATE]):
        member = played(one, moves, 0)
        ((found,),), _ = advantages(one, [[member]], sure, None, {**OPTIONS, "futures": 1})
        assert found.sum() == pytest.approx(member.rewards_T.sum() - 1.0, abs=1e-12)


SURE = Table(np.array([[-99.0, -99.0, 99.0], [99.0, -99.0, -99.0], [-99.0, -99.0, 99.0]]))


def test_an_exact_worth_has_no_luck_of_meanings_and_replies():
    one = batch()._replace(policy=SURE)
    asked = WEIGHTS[0] * 1.0 + WEIGHTS[1] * 0.5 - COST
    for meant in (0, 1):  # whatever was meant when they were played
        group = [played(one, moves, meant) for moves in ([ASK, EARLY], [EARLY], [LATE], [ASK, HALF])]
        found = list(exact_worths(one, [group], deep=1, width=1))
        assert [w.worth for w in found] == pytest.approx([asked, *WEIGHTS, asked])
        others = [(sum(WEIGHTS) + asked) / 3, (2 * asked + WEIGHTS[1]) / 3, (2 * asked + WEIGHTS[0]) / 3]
        expected = [asked - others[0], WEIGHTS[0] - others[1], WEIGHTS[1] - others[2], asked - others[0]]
        assert [w.credit for w in found] == pytest.approx(expected)


def test_an_exact_worth_knows_the_chances_of_a_noisy_users_replies():
    noise = 0.4
    one = batch(user=ScriptedUser(UserModel(noise=noise)))._replace(policy=SURE)
    found = list(exact_worths(one, [[played(one, [ASK, EARLY], 0), played(one, [EARLY], 0)]], 1, 1))
    replies = [
        dict(UserModel(noise=noise).replies(ASK.text, TASK.question, m.text, ()))
        for m in TASK.interpretations
    ]
    worth = sum(
        WEIGHTS[m] * chance * (0.5 if "Chile" in reply else float(m == 0))
        for m, likely in enumerate(replies)
        for reply, chance in likely.items()
    )
    assert found[0].worth == pytest.approx(worth - COST)


def gradient():
    """Of the expected reward of `POLICY`, by differences."""
    found = np.zeros_like(TABLE)
    for at in np.ndindex(TABLE.shape):
        ends = []
        for step in (1e-5, -1e-5):
            moved = TABLE.copy()
            moved[at] += step
            ends.append(sum(w * values(Table(moved), m)[1] for m, w in enumerate(WEIGHTS)))
        found[at] = (ends[0] - ends[1]) / 2e-5
    return found


@pytest.mark.parametrize(("deep", "width"), [(3, 64), (4, 6)])
def test_the_mean_of_credit_times_gradient_is_the_gradient_of_the_reward(deep, width):
    size, count = 4, 1500
    one = batch()._replace(policy=POLICY)
    episodes = list(clarify_env.rollout(one.env, {"asker": POLICY, **one.others}, size * count, seed=5))
    members = [Played([], np.zeros(0), list(choices(one.env.game, e, "asker")), e) for e in episodes]
    groups = [members[k : k + size] for k in range(0, len(members), size)]
    total = np.zeros_like(TABLE)
    for worth in exact_worths(one, groups, deep, width):
        row, moves = POLICY.row(one.env.game.view(worth.choice.state, "asker"))
        total[row] += worth.credit * (np.eye(3)[moves.index(worth.choice.move)] - POLICY.chances[row])
    np.testing.assert_allclose(total / (size * count), gradient(), atol=0.006)


def test_credits_at_a_point_add_up_to_nothing_and_repeat():
    one = batch()._replace(policy=POLICY, seed=3)
    group = [played(one, moves, 0) for moves in ([ASK, EARLY], [EARLY], [ASK, LATE])]
    found = [list(exact_worths(one, [group, group], 3, 64)) for _ in range(2)]
    key = [(w.choice.move, w.credit, w.worth) for w in found[0]]
    assert key == [(w.choice.move, w.credit, w.worth) for w in found[1]]
    assert len(key) == 2 * (3 + 2 * 3), "at the root, and three after each of two replies"
    assert sum(w.credit for w in found[0]) == pytest.approx(0.0, abs=1e-12)


def test_where_the_policy_cannot_decide_nothing_is_learnt():
    class Gone(Table):
        def act(self, observations, rngs):
            return [clarify_env.Failed("gone", outside=True) for _ in observations]

    one = batch()._replace(policy=Gone(TABLE))
    group = [played(one, moves, 0) for moves in ([ASK, EARLY], [EARLY], [LATE])]
    found = list(exact_worths(one, [group], 3, 64))
    assert [(w.choice.move, w.worth) for w in found] == [(EARLY, WEIGHTS[0]), (LATE, WEIGHTS[1])]


def test_exact_worths_need_players_that_say_what_they_may_do_and_a_common_root():
    class Sampling(clarify_env.Agent):
        def move(self, observation, rng):
            return Select("1950")

    one = batch(user=Sampling())._replace(policy=POLICY)
    group = [played(one, [EARLY], 0)] * 2
    with pytest.raises(clarify_env.ClarifyError, match=r"have to say what they may do .*credit='branching'"):
        list(exact_worths(one, [group], 3, 64))
    with pytest.raises(clarify_env.ClarifyError, match="'user' first decides after others have moved"):
        list(exact_worths(batch()._replace(player="user", policy=POLICY), [group], 3, 64))
