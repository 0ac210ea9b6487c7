"""`pingeval-names-v0`, and the rules that both games of two partners share."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, Pass
from clarify_env.games.pingeval import Agree, Propose, Say, WordCosts
from clarify_env.games.pingeval.game import PLAYERS
from clarify_env.games.pingeval.names import FIRST_NAMES, NAME_WORDS, Record, generate_tables, relabelled
from clarify_env.testing.env_checks import check_env

ID = "pingeval-names-v0"


def made(**options):
    """The game with nine records, three messages of four words."""
    return clarify_env.make(ID, **{"records": 9, "turns": 3, "budget": 12, "word_cost": 0.1, **options})


def played(env, *moves, seed=0):
    """The last result of a step, after these moves of left and right in turn."""
    env.reset(seed=seed)
    for k, move in enumerate(moves):
        result = env.step({PLAYERS[k % 2]: move})
    return result


@pytest.mark.parametrize(
    "options",
    [{}, {"records": 25, "turns": 16, "budget": 16, "decoys": 24}, {"turns": 1, "decoys": 0}],
    ids=str,
)
def test_the_environment_passes_every_check(options):
    assert "processes" in check_env(made(**options))


def test_a_right_agreement_pays_one_less_the_words_of_both():
    env = made()
    env.reset(seed=0)
    answer = env.episode().setup["answers"][0]
    *_, infos = played(env, Say("one two"), Propose(answer), Agree())
    end = infos["left"]["episode"]
    assert end["quantities"] == {"accuracy": 1.0, "words": 3, "messages": 2}
    assert end["terms"] == {"accuracy": 1.0, "word_cost": pytest.approx(-0.3)}
    assert end["stop"] == "selected"


@pytest.mark.parametrize(("proposal", "right"), [("{}", 1.0), ("the {}!", 1.0), ("{} {}", 0.0), ("", 0.0)])
def test_what_counts_as_the_answer(proposal, right):
    env = made(word_cost=0.0)
    env.reset(seed=0)
    answer = env.episode().setup["answers"][0].upper()
    played(env, Propose(proposal.format(answer, answer)), Agree())
    assert env.episode().reward == right


def test_a_message_over_its_share_is_illegal_and_still_costs():
    env = made()
    *_, infos = played(env, Say("one two three four five"))
    end = infos["right"]["episode"]
    assert (end["stop"], end["reward"]) == ("illegal_move", pytest.approx(-0.5))
    assert "5 words" in end["detail"]


def test_a_share_that_is_not_used_is_lost():
    env = made()
    played(env, Say("one"), Say("one"))
    assert env.game.observe(env.game_state, "left")["limits"].tolist() == [4, 2, 2]
    assert played(env, Say("one"), Say("one"), Say("1 2 3 4 5"))[2] == {"left": True, "right": True}


def test_agreeing_takes_a_proposal_of_the_other_just_before():
    env = made()
    for moves in ((Agree(),), (Propose("Ada"), Say("no"), Agree())):
        *_, infos = played(env, *moves)
        assert infos["left"]["episode"]["stop"] == "illegal_move"


def test_the_last_proposal_can_be_agreed_to_without_a_message():
    env = made()
    talk = [Say("hm")] * 5
    assert played(env, *talk, Propose("Ada"))[3] == {"left": False, "right": False}
    assert env.game.view(env.game_state, "left")["action_mask"].tolist() == [0, 0, 0, 1]
    *_, ended, cut, _ = env.step({"left": Agree()})
    assert ended["left"]
    assert not cut["left"]


def test_without_agreement_the_limit_truncates():
    *_, ended, cut, infos = played(made(), *[Say("hm")] * 6)
    assert (ended["left"], cut["left"]) == (False, True)
    assert infos["left"]["episode"]["stop"] == "max_turns"


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([9, 16, 25]), st.data())
def test_exactly_one_record_is_shared_and_decoys_differ_in_one_attribute(seed, records, data):
    decoys = data.draw(st.integers(0, records - 1))
    task = generate_tables(np.random.default_rng(seed), "t", records, decoys)
    left, right = task.tables
    assert {*left} & {*right} == {left[task.shared[0]]} == {right[task.shared[1]]}
    by_name = {person.name: person for person in right}
    assert len(by_name) == len({person.name for person in left}) == records
    alike = [(p, by_name[p.name]) for p in left if p.name in by_name and p != by_name[p.name]]
    assert len(alike) == decoys
    assert all(sum(a != b for a, b in zip(*pair, strict=True)) == 1 for pair in alike)


def test_each_own_record_is_the_shared_one_equally_often():
    tasks = [generate_tables(np.random.default_rng((5, k)), "t", 9, 4) for k in range(3600)]
    for player in (0, 1):
        by_order = Counter(task.shared[player] for task in tasks)
        by_name = Counter(
            sorted(p.name for p in t.tables[player]).index(t.tables[0][t.shared[0]].name) for t in tasks
        )
        for counts in (by_order, by_name):
            assert sum((counts[k] - 400) ** 2 / 400 for k in range(9)) < 26.1  # chi-square, 8 degrees, 0.999


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 500), st.sampled_from(PLAYERS), st.integers(0, 8))
def test_relabelling_keeps_the_own_table_and_is_undone_by_relabelling_back(seed, player, at):
    task = generate_tables(np.random.default_rng(seed), "t", 9, 4)
    me = PLAYERS.index(player)
    twin = relabelled(task, player, at)
    assert twin.tables[me] == task.tables[me]
    assert twin.shared[me] == at
    assert {*twin.tables[0]} & {*twin.tables[1]} == {task.tables[me][at]}
    assert relabelled(twin, player, task.shared[me]) == task


@pytest.mark.parametrize("player", PLAYERS)
def test_alternatives_are_what_reset_brings_back(player):
    env = made()
    env.reset(seed=4)
    found = env.game.alternatives(env.game_state, player)
    assert [chance for _, chance in found] == [1 / 9] * 9
    assert len({state.pair.answer for state, _ in found}) == 9
    again = env.game.alternatives(found[3][0], player)
    assert [state.pair for state, _ in again] == [state.pair for state, _ in found]
    other = PLAYERS[1 - PLAYERS.index(player)]
    for state, _ in (*found, *env.game.alternatives(found[3][0], other)):
        setup = env.game.setup(state)
        env.reset(options={"task": setup["task"], "shared": setup["shared"]})
        assert env.game_state.pair == state.pair


def test_splits_and_worlds_differ_and_the_budget_changes_no_draw():
    tables = {
        key: made(split=key[0], world=key[1]).game.tasks[0].tables
        for key in (("train", 0), ("validation", 0), ("train", 1))
    }
    assert len({*tables.values()}) == 3
    pairs = []
    for turns in (1, 3):
        env = made(turns=turns)
        env.reset(seed=9)
        pairs.append(env.game_state.pair)
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"records": 10}, "9, 16 or 25"),
        ({"decoys": 9}, "0 to 8"),
        ({"budget": 2}, "budget=2"),
        ({"turns": 0}, "turns=0"),
        ({"split": "trian"}, "train"),
        ({"size": 0}, "size=0"),
        ({"world": -1}, "world=-1"),
    ],
)
def test_a_mistake_in_an_option_is_told(options, words):
    with pytest.raises(ClarifyError, match=words):
        made(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": 5000}, "2000 tasks"),
        ({"task": "train-1-0"}, "no task has this id"),
        ({"shared": [("left", 9)]}, "9 records"),
        ({"shared": ["left"]}, "position"),
        ({"costs": {"turn": 1}}, "1 costs"),
    ],
)
def test_a_mistake_in_what_is_pinned_is_told(options, words):
    env = made()
    with pytest.raises(ClarifyError, match=words):
        env.reset(options=options)


def test_names_are_words_and_few_enough_for_six_bits():
    assert len(set(FIRST_NAMES)) == len(FIRST_NAMES) == 64
    assert all(
        NAME_WORDS.count(" ".join(person)) == len(Record._fields) for person in made().game.tasks[0].tables[0]
    )


def test_costs_are_the_games_own():
    assert clarify_env.make(ID).game.costs.costs == WordCosts(0.0)
    assert clarify_env.registry[ID].seen.levels == {"word": (0.0, 0.002, 0.01)}
    with pytest.raises(ClarifyError, match="turn_cost"):
        clarify_env.make(ID, turn_cost=0.1)
    assert isinstance(made().action_space("left").sample(mask=np.array([1, 0, 0, 0], np.int8)), Pass)
