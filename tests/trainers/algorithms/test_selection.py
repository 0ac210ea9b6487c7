"""Selection rules on episodes by hand, with and without re-scoring under other costs."""

from collections import Counter

import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import AlwaysAsk, Random, Script, ScriptedUser
from clarify_env.costs import CostGrid, FixedCosts
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Answer, Ask, Costs, Enumerate
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.trainers.algorithms.action_clustering import (
    ActionClustering,
    clustering_mean,
    clustering_plain,
)
from clarify_env.trainers.algorithms.best_continuation import BestContinuation
from clarify_env.trainers.algorithms.selection import (
    Batch,
    Threshold,
    TopK,
    grouped,
    make_rule,
    scored,
)

ASK, RIGHT, WRONG = Ask("What exactly do you mean?"), Answer("1950"), Answer("1951")
FILM = Task(
    "film",
    "When did the film open?",
    (
        Interpretation("When did the film open in Norway?", ("1950",), 0.5),
        Interpretation("When did the film open in Chile?", ("1951",), 0.5),
    ),
)
CHEAP, DEAR = Costs(0.1, 0.01), Costs(0.6, 0.01)
ENV = GameEnv(ClarificationGame([FILM], FixedCosts()), "hand-v0")
USER = {"user": ScriptedUser()}


def episode(*moves, intent=0, costs=CHEAP):
    options = {"intent": intent, "costs": costs}
    (played,) = clarify_env.rollout(ENV, {"asker": Script(moves), **USER}, 1, options=lambda i: options)
    return played


def batch(episodes, cells=None, env=ENV):
    return Batch(env, "asker", USER, episodes, cells, 0)


# Rewards at (0.1, 0.01): 0.99, -0.01, 0.89, 0.89; at (0.6, 0.01): 0.99, -0.01, 0.39, 0.39.
LUCKY = [
    episode(RIGHT, intent=0),
    episode(RIGHT, intent=1),
    episode(ASK, RIGHT, intent=0),
    episode(ASK, WRONG, intent=1),
]


def found(examples):
    """Moves by their costs, with how often each was selected."""
    return Counter((Costs(*e.observation["costs"].tolist()), e.move) for e in examples)


def test_rewards_of_the_hand_made_episodes():
    (_, members), (_, dear) = scored(batch(LUCKY, [CHEAP, DEAR]))
    assert [reward for _, reward in members] == pytest.approx([0.99, -0.01, 0.89, 0.89])
    assert [reward for _, reward in dear] == pytest.approx([0.99, -0.01, 0.39, 0.39])


def test_threshold_keeps_all_decisions_of_episodes_above_the_bar():
    rule = Threshold(0.7)
    expected = {(CHEAP, RIGHT): 2, (CHEAP, ASK): 2, (CHEAP, WRONG): 1}
    assert found(rule.select(batch(LUCKY))) == expected
    assert found(rule.select(batch(LUCKY, [CHEAP, DEAR]))) == {**expected, (DEAR, RIGHT): 1}
    assert found(Threshold(0.995).select(batch(LUCKY))) == {}
    assert found(Threshold(0.99).select(batch(LUCKY))) == {(CHEAP, RIGHT): 1}


def test_top_k_rewards_the_lucky_guess():
    assert found(TopK(1).select(batch(LUCKY, [CHEAP, DEAR]))) == {(CHEAP, RIGHT): 1, (DEAR, RIGHT): 1}
    assert found(TopK(2).select(batch(LUCKY))) == {(CHEAP, RIGHT): 2, (CHEAP, ASK): 1}


def test_clustering_averages_over_intents_so_that_the_lucky_guess_loses():
    examples = ActionClustering().select(batch(LUCKY))
    assert found(examples) == {(CHEAP, ASK): 1, (CHEAP, RIGHT): 1, (CHEAP, WRONG): 1}
    by_depth = {(len(e.observation["transcript"]), e.move): e.weight for e in examples}
    assert by_depth == {(0, ASK): 1.0, (2, RIGHT): 0.25, (2, WRONG): 0.25}


def test_clustering_with_re_scoring_asks_only_where_it_pays():
    examples = ActionClustering().select(batch(LUCKY, [CHEAP, DEAR]))
    root = [e for e in examples if not e.observation["transcript"]]
    assert found(root) == {(CHEAP, ASK): 1, (DEAR, RIGHT): 1}  # 0.49 beats 0.39


def test_clustering_takes_the_best_move_of_the_best_kind():
    listed = Enumerate([("Norway", "1950"), ("Chile", "1951")])  # four words, always right
    half = Enumerate([("Norway", "1950")])  # two words, right for one meaning
    episodes = [
        *(episode(move, intent=i) for move in (listed, half) for i in (0, 1)),
        episode(RIGHT, intent=0),
        episode(RIGHT, intent=1),
    ]
    # enumerate: (0.96 + 0.96 + 0.98 - 0.02) / 4 = 0.72; answer: 0.49
    for rule in (ActionClustering(), clustering_mean(), clustering_plain()):
        assert found(rule.select(batch(episodes))) == {(CHEAP, listed): 1}


def first(rule, episodes):
    """What the rule does at the start."""
    (move,) = [e.move for e in rule.select(batch(episodes)) if not e.observation["transcript"]]
    return move


def test_clustering_by_hand_with_and_without_the_luck_of_the_drawn_meaning():
    """Half is right for one meaning of two, and only that one was drawn: 0.98 as drawn, 0.48 on average."""
    listed, half = Enumerate([("Norway", "1950"), ("Chile", "1951")]), Enumerate([("Norway", "1950")])
    episodes = [episode(half, intent=0), episode(half, intent=0), episode(listed, intent=1)]
    assert first(clustering_plain(), episodes) == half
    assert first(clustering_mean(), episodes) == first(ActionClustering(), episodes) == listed


def test_clustering_by_hand_with_a_cluster_worth_its_mean_or_its_best_move():
    """Lists earn 0.96 once and 0.48 three times, 0.6 on average; a question 0.89."""
    listed, half = Enumerate([("Norway", "1950"), ("Chile", "1951")]), Enumerate([("Norway", "1950")])
    asked = [episode(ASK, RIGHT, intent=0), episode(ASK, WRONG, intent=1)]
    episodes = [episode(listed), *(episode(half, intent=i) for i in (0, 0, 1)), *asked]
    assert first(clustering_mean(), episodes) == ASK
    assert first(ActionClustering(), episodes) == listed


def test_clustering_averages_over_what_a_reply_leaves_possible():
    """After the reply one meaning is left, so that what is right for it is not averaged with the other."""
    episodes = [episode(ASK, RIGHT, intent=0), episode(ASK, WRONG, intent=0)]
    after = [e.move for e in ActionClustering().select(batch(episodes)) if e.observation["transcript"]]
    assert after == [RIGHT]


def test_clustering_knows_a_point_by_all_that_the_player_knows_there():
    """After the same question, users who mean something else are at points of their own."""
    both = [episode(ASK, RIGHT, intent=0), episode(ASK, WRONG, intent=1)]
    users = batch(both)._replace(player="user", others={"asker": Script([ASK, RIGHT])})
    chosen = [e for e in ActionClustering().select(users) if len(e.observation["transcript"]) == 1]
    assert [e.observation["intent"] for e in chosen] == [meaning.text for meaning in FILM.interpretations]
    assert [e.move for e in chosen] == [played.moves("user")[0] for played in both]
    assert chosen[0].move != chosen[1].move


def test_without_re_scoring_an_episode_counts_only_at_its_own_costs():
    mixed = [*LUCKY, episode(ASK, WRONG, intent=0, costs=DEAR), episode(WRONG, intent=0, costs=DEAR)]
    kept = found(TopK(1).select(batch(mixed)))
    assert kept == {(CHEAP, RIGHT): 1, (DEAR, WRONG): 1}  # -0.61 and -0.01 at the dear costs
    groups = [(cells, len(members)) for cells, members in grouped(batch(mixed))]
    assert groups == [([CHEAP], 4), ([DEAR], 2)]
    groups = [(cells, len(members)) for cells, members in grouped(batch(mixed, [CHEAP, DEAR]))]
    assert groups == [([CHEAP, DEAR], 6)]


def test_re_scoring_gives_exactly_the_rewards_of_playing_at_those_costs():
    cells = list(CostGrid(of=Costs, turn=(0.0, 0.07, 0.31), word=(0.003, 0.05)))
    env = clarify_env.make("synthetic-v0", size=12)
    for asker in (Random(), AlwaysAsk()):

        def played(costs, asker=asker):
            options = lambda i: {"task": i % 12, "costs": costs}  # noqa: E731
            return list(clarify_env.rollout(env, {"asker": asker, **USER}, 36, seed=8, options=options))

        listed = batch(played(Costs(0.1, 0.01)), cells, env)
        really = {cell: {e.index: e.reward for e in played(cell)} for cell in cells}
        count = 0
        for costs, members in scored(listed):
            for member, reward in members:
                assert reward == member.rescored(**costs._asdict()).reward == really[costs][member.index]
                count += 1
        assert count == 36 * len(cells)


def test_an_example_shows_what_the_player_saw_but_for_the_costs():
    for example in ActionClustering().select(batch(LUCKY, [DEAR])):
        observation = example.observation
        assert observation["question"] == FILM.question
        assert sorted(observation["notes"]) == sorted(FILM.interpretations)
        assert observation["costs"].tolist() == list(DEAR)
        assert observation["action_mask"].tolist() == [0, 1, 1, 1]
        assert "intent" not in observation


def test_traces_stay_with_their_moves():
    lines = [
        clarify_env.Decision(ASK, trace={"tokens": [1]}),
        clarify_env.Decision(RIGHT, trace={"tokens": [2, 3]}),
    ]
    for rule in (Threshold(), TopK(), ActionClustering()):
        examples = rule.select(batch([episode(*lines)]))
        assert [(e.move, e.trace) for e in examples] == [(ASK, {"tokens": [1]}), (RIGHT, {"tokens": [2, 3]})]


def test_episodes_that_broke_off_teach_their_readable_moves_alone():
    spoilt = episode(ASK, "no move at all")
    assert found(TopK(1).select(batch([spoilt]))) == {(CHEAP, ASK): 1}


def test_rules_by_name():
    names = ("threshold", "top-k", "clustering", "best-continuation")
    kinds = [Threshold, TopK, ActionClustering, BestContinuation]
    assert [type(make_rule(name)) for name in names] == kinds
    with pytest.raises(ClarifyError, match=r"unknown selection rule 'topk'; did you mean 'top-k'\?"):
        make_rule("topk")
    with pytest.raises(ClarifyError, match=r"TopK\(k=0\): at least 1"):
        TopK(0)
