"""csp-v0: its rules, what nature draws, who sees what, and its tools."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents.csp.scripted import floor, optimal, protocol
from clarify_env.codec import decode, encode
from clarify_env.games.clarification import Answer
from clarify_env.games.csp import CspCosts, Hedge, Search, Sure, Unsure
from clarify_env.games.csp.records import MARKS
from clarify_env.games.csp.world import (
    TOOLS,
    TOPICS,
    archive,
    entity,
    make_world,
    read_statement,
    statement,
    world_questions,
)
from clarify_env.testing.env_checks import check_env

PINNED = {"task": 0, "truth": 1, "memories": [[1, 0], [2, 1]], "covered": [True, False], "order": [1, 0]}


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("csp-v0", search_cost=0.1, word_cost=0.05, wrong_cost=0.5)


def test_an_episode_move_by_move(env):
    seen, _ = env.reset(seed=0, options=PINNED)
    question = env.game.tasks[0]
    values = [value[0] for value in question.values]
    assert seen["helper1"]["memory"] == ((values[1], 0.9),)
    assert seen["helper2"]["memory"] == ((values[2], 0.3),)
    assert seen["helper1"]["tool"][0].coverage == 0.9
    assert seen["helper2"]["tool"][0].coverage == 0.1
    assert f"You remember: {values[2]}." in seen["helper2"]["profile"]
    assert [seen[p]["action_mask"].tolist() for p in env.agents] == [[1, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1]]
    both = {"helper1": Search(question.text), "helper2": Search(question.text)}
    seen, rewards, *_ = env.step(both)
    assert set(rewards.values()) == {-0.2}
    assert seen["helper1"]["passages"][0].text == statement(question, 1)
    assert question.id not in str(seen["helper2"]["passages"])
    assert all(entity(question) not in passage.text for passage in seen["helper2"]["passages"])
    assert seen["helper1"]["action_mask"].tolist() == [0, 0, 1, 1], "one search is allowed"
    assert [turn.player for turn in seen["helper1"]["transcript"]] == ["helper1"]
    assert seen["asker"]["transcript"] == ()
    seen, *_ = env.step({"helper1": Sure(values[1]), "helper2": Unsure(values[2])})
    shown = [(turn.player, turn.move) for turn in seen["asker"]["transcript"]]
    assert shown == [("helper", Unsure(values[2])), ("helper", Sure(values[1]))]
    _, rewards, ended, _, infos = env.step({"asker": Answer(f"{values[1]} {values[2]}")})
    terms = infos["asker"]["terms"]
    assert terms == pytest.approx(
        {"accuracy": 2 / 3, "search_cost": 0.0, "word_cost": -0.1, "wrong_cost": -0.5 / 3}
    )
    assert rewards["asker"] == pytest.approx(2 / 3 - 0.1 - 0.5 / 3)
    assert all(ended.values())
    counted = infos["helper1"]["episode"]["quantities"]
    assert counted == {
        "accuracy": 2 / 3,
        "searches": 2,
        "words": 2,
        "wrong": pytest.approx(1 / 3),
        "exact": 0.0,
    }


def test_a_hedge_earns_and_pays_nothing(env):
    env.reset(seed=1)
    env.step({"helper1": Sure("a"), "helper2": Sure("b")})
    *_, infos = env.step({"asker": Hedge()})
    assert infos["asker"]["episode"]["reward"] == 0.0
    assert infos["asker"]["episode"]["stop"] == "selected"


def test_who_is_who_is_told_only_where_it_is_asked_for():
    named = clarify_env.make("csp-v0", anonymous=False)
    named.reset(seed=0, options=PINNED)
    seen, *_ = named.step({"helper1": Sure("a"), "helper2": Unsure("b")})
    assert [turn.player for turn in seen["asker"]["transcript"]] == ["helper2", "helper1"]


def test_one_helper_may_search_while_another_has_answered(env):
    env.reset(seed=3)
    seen, *_ = env.step({"helper1": Sure("a"), "helper2": Search("rivers")})
    assert seen["helper1"]["action_mask"].tolist() == [1, 0, 0, 0]
    assert env.game.legal(env.game_state) == {"helper2": MARKS}
    _, _, ended, _, infos = env.step({"helper2": Search("again")})
    assert all(ended.values())
    assert infos["asker"]["episode"]["stop"] == "illegal_move"
    wrong = -0.1 - 0.5 - 0.05
    assert infos["asker"]["episode"]["reward"] == pytest.approx(wrong), "as a wrong answer; costs stand"


@pytest.mark.parametrize("player", ["helper2", "asker"])
def test_an_unreadable_message_saves_nothing_of_a_wrong_answer(env, player):
    said = {"helper1": Sure("a"), "helper2": Sure("b")}
    env.reset(seed=3)
    env.step(said)
    *_, infos = env.step({"asker": Answer("nobody")})
    wrong = infos["asker"]["episode"]
    env.reset(seed=3)
    if player == "asker":
        env.step(said)
        said = {"asker": ""}
    *_, infos = env.step({**said, player: "well, I"})
    veto = infos["asker"]["episode"]
    assert veto["stop"] == "unreadable_message"
    assert veto["terms"] == wrong["terms"]
    assert veto["reward"] == wrong["reward"] == env.episode().reward == pytest.approx(-0.55)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"anonymous": False, "helpers": 1, "wrong_cost": 0.3},
        {"helpers": 3, "searches": 2},
    ],
    ids=str,
)
def test_check_env_passes(options):
    assert "privacy" in check_env(clarify_env.make("csp-v0", size=20, **options))


def test_nature_draws_what_the_world_says():
    env = clarify_env.make("csp-v0", tools="dominant", memories="specialist", helpers=2)
    firm, right, covered, counts = np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2)
    rng, rivals = np.random.default_rng(0), []
    episodes = 6000
    for _ in range(episodes):
        state = env.game.start(rng, {})
        skills = env.game.world.skills[state.task.topic]
        for k in range(2):
            value, level = state.drawn.memories[k]
            firm[k] += level == 0
            covered[k] += state.drawn.covered[k]
            counts[k] += skills[k].levels[0]
            if level == 1:
                right[k] += value == state.drawn.truth
                if value != state.drawn.truth:
                    rivals.append((value - state.drawn.truth) % 4)
    np.testing.assert_allclose(firm / episodes, counts / episodes, atol=0.02)
    np.testing.assert_allclose(covered / episodes, (0.9, 0.5), atol=0.02)
    np.testing.assert_allclose(right / (episodes - firm), 0.3, atol=0.02)
    np.testing.assert_allclose(np.bincount(rivals, minlength=4)[1:] / len(rivals), 1 / 3, atol=0.03)


@given(seed=st.integers(0, 10_000), player=st.sampled_from(["asker", "helper1", "helper2"]))
@settings(max_examples=20, deadline=None)
def test_alternatives_are_what_a_player_cannot_exclude(seed, player):
    game = clarify_env.make("csp-v0").game
    state = game.start(np.random.default_rng(seed), {})
    listed = game.alternatives(state, player)
    assert sum(chance for _, chance in listed) == pytest.approx(1.0)
    assert len({other.drawn for other, _ in listed}) == len(listed) <= 200
    assert any(other.drawn == state.drawn for other, _ in listed)
    view = game.view(state, player)
    for other, _ in listed:
        same = game.view(other, player)
        assert all(np.array_equal(view[key], same[key]) for key in view)
    if player == "helper1":
        value, level = state.drawn.memories[0]
        right = sum(chance for other, chance in listed if other.drawn.truth == value)
        assert right == pytest.approx(game.world.reliability[level])


def test_every_statement_is_found_and_read_and_others_are_not():
    for split in ("train", "validation", "test"):
        asked, stored = world_questions(split), archive(split, None, 0)
        assert [q.topic for q in asked].count("rivers") == len(asked) / len(TOPICS)
        for question in asked:
            near = stored.near(question.text, 3)
            assert near[0] == question
            assert read_statement(question.text, statement(question, 2)) == question.values[2][0]
            assert all(read_statement(question.text, statement(other, 0)) is None for other in near[1:])
    names = [{entity(q) for q in world_questions(split)} for split in ("train", "validation", "test")]
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]


@pytest.mark.parametrize("move", [Search("a < b"), Sure(""), Unsure("x\ny"), Hedge()])
def test_moves_survive_the_codec(move):
    assert decode(encode(move), (Search, Sure, Unsure, Hedge)) == move


def test_teams_play_and_rank(env):
    fair = clarify_env.make("csp-v0")
    means = []
    for team in (floor, protocol, optimal):
        played = list(rollout(fair, team(fair, {}), 1500, seed=4))
        assert {episode.stop for episode in played} == {"selected"}
        means.append(np.mean([episode.reward for episode in played]))
    assert means[0] < 0.55 < 0.77 < means[1]
    assert abs(means[2] - 0.8186) < 0.03


def mistake(**options):
    with pytest.raises(ClarifyError) as caught:
        clarify_env.make("csp-v0", **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_mistakes_are_named(env):
    assert "did you mean 'distinct'?" in mistake(tools="distint")
    assert "helpers=10" in mistake(helpers=10)
    assert "searches=-1" in mistake(searches=-1)
    assert "passages=0" in mistake(passages=0)
    assert "multiple of 4" in mistake(size=7)
    assert "corpora and data_dir go with data=" in mistake(corpora=["x"])
    assert "no such file" in mistake(data="popq")
    assert "did you mean 'search_cost'?" in mistake(serch_cost=0.1)
    for options, said in (
        ({"truth": 4}, "from 0 to 3"),
        ({"order": [0, 0]}, "not an order of 2 helpers"),
        ({"memories": [[0, 0]]}, "a list of 2"),
        ({"memories": [[0, 0], [9, 0]]}, "of 4 values and 2 levels"),
        ({"task": "nobody"}, "no task has this id"),
        ({"costs": {"search": 1.0}}, "3 costs by name (search, word, wrong)"),
    ):
        with pytest.raises(ClarifyError) as caught:
            env.reset(options=options)
        assert said in str(caught.value)


def test_costs_are_drawn_by_name():
    grid = clarify_env.CostGrid(of=CspCosts, search=(0.1, 0.4))
    env = clarify_env.make("csp-v0", costs=grid)
    met = {env.reset(seed=seed)[0]["helper1"]["costs"][0] for seed in range(20)}
    assert met == {0.1, 0.4}


@pytest.fixture
def own(tmp_path):
    """Two questions with passages for two helpers, and two corpora."""
    rows = [
        {
            "question": "Who wrote Faust?",
            "answer": ["Goethe", "Johann Wolfgang von Goethe"],
            "passages": [["Faust was written by Goethe.", "Bach wrote fugues."], ["Nothing of that."]],
        },
        {
            "question": "Who painted Guernica?",
            "answer": ["Picasso"],
            "passages": [["Picasso painted Guernica."], [""]],
        },
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name, text in (
        ("books", "Goethe wrote Faust.\n\nKafka wrote novels."),
        ("art", "Picasso painted Guernica."),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text(text)
    return tmp_path


@pytest.mark.parametrize("corpora", [False, True])
def test_real_questions_with_passages_or_corpora(own, corpora):
    options = {"corpora": [str(own / "books"), str(own / "art")]} if corpora else {}
    env = clarify_env.make("csp-v0", data=str(own / "own.jsonl"), **options)
    env.reset(seed=0, options={"task": 0})
    seen, *_ = env.step({name: Search("who wrote Faust") for name in ("helper1", "helper2")})
    assert "Faust" in seen["helper1"]["passages"][0].text
    assert seen["helper2"]["passages"] == ()
    assert seen["helper1"]["memory"] == ()
    env.step({"helper1": Sure("Goethe"), "helper2": Unsure("")})
    *_, infos = env.step({"asker": Answer("Johann Wolfgang Goethe")})
    assert infos["asker"]["episode"]["quantities"]["accuracy"] == pytest.approx(6 / 7)
    assert "privacy" in check_env(env)


def test_wrong_files_are_named(own):
    path = own / "own.jsonl"
    assert "carries passages for 2 helpers, not for 3" in mistake(data=str(path), helpers=3)
    assert "a list of folders" in mistake(data=str(path), corpora=str(own))
    path.write_text('{"question": "x", "answer": "y"}')
    assert "record 0 has another form" in mistake(data=str(path))
    path.write_text("no json")
    assert "line 1 is no JSON" in mistake(data=str(path))


@pytest.mark.parametrize(("data", "size"), [("popqa", 2000), ("nq-open", 3608)])
def test_public_questions(data, size, data_dir, own):
    corpora = [str(own / "books"), str(own / "art")]
    env = clarify_env.make("csp-v0", data=data, data_dir=str(data_dir), corpora=corpora)
    assert len(env.game.tasks) == size
    played = list(rollout(env, protocol(env, {}), 20, seed=0))
    assert {episode.stop for episode in played} == {"selected"}


def test_worlds_differ_as_they_say():
    for tools in TOOLS:
        world = make_world(tools, helpers=3)
        assert all(len(skills) == 3 for skills in world.skills.values())
    own = make_world("distinct", "specialist")
    for skills in own.skills.values():
        assert sorted(skill.levels[0] for skill in skills) == [0.0, 0.4]
        assert sorted(skill.coverage for skill in skills) == [0.1, 0.9]
