"""Scripted partners and small policies of the `pingeval` games, and their prompt."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import rollout
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.agents.pingeval import chess as positions
from clarify_env.agents.pingeval import names as records
from clarify_env.agents.pingeval.names import (
    COLUMN_VALUES,
    RECORD,
    Statement,
    candidates,
    live,
    read_statements,
)
from clarify_env.agents.roster import roster_of
from clarify_env.codec import encode
from clarify_env.errors import Unreadable
from clarify_env.games.pingeval import Agree, Propose, Say
from clarify_env.games.pingeval.game import PLAYERS
from clarify_env.games.pingeval.names import NAME_WORDS, generate_tables
from clarify_env.testing.agent_checks import check_agent
from clarify_env.trainers.config import recipe
from clarify_env.trainers.experiment import build

GAMES = ("pingeval-names-v0", "pingeval-chess-v0")


def score(env, agent, episodes=150):
    """Mean accuracy and words of an agent that plays both partners, and why episodes ended."""
    played = list(rollout(env, dict.fromkeys(PLAYERS, agent), episodes))
    means = np.mean([[e.quantities["accuracy"], e.quantities["words"]] for e in played], axis=0)
    return *means.tolist(), {e.stop for e in played}


@pytest.mark.parametrize(("budget", "turns"), [(16, 1), (16, 16), (40, 8), (128, 2)])
@pytest.mark.parametrize("id", GAMES)
def test_every_team_agrees_within_its_budget(id, budget, turns):
    env = clarify_env.make(id, turns=turns, budget=budget, split="test")
    for name, team in roster_of(env.game).teams.items():
        for episode in rollout(env, team(env, {}), 15):
            assert episode.stop == "selected", (name, episode.detail)


@pytest.mark.parametrize("id", GAMES)
def test_the_teams_pass_the_checks_of_agents(id):
    env = clarify_env.make(id, turns=3, budget=60)
    for team in roster_of(env.game).teams.values():
        players = team(env, {})
        check_agent(players["left"], env, player="left", episodes=3)


def test_names_from_the_floor_to_the_limit():
    env = clarify_env.make("pingeval-names-v0", word_cost=0.0, split="test")
    floor = score(env, records.NameGuesser())
    assert floor[0] == pytest.approx(1 / 16, abs=0.05)
    listed, bisected, coded = (score(env, a()) for a in (records.Lister, records.Bisector, records.Coder))
    assert listed[0] == bisected[0] == 1.0
    assert coded[0] > 0.97
    assert coded[1] < 30 < min(bisected[1], listed[1])
    tight = clarify_env.make("pingeval-names-v0", word_cost=0.0, split="test", budget=16, turns=4)
    assert score(tight, records.Coder())[0] > 0.9


def test_chess_from_the_floor_to_the_ceiling_by_rule():
    env = clarify_env.make("pingeval-chess-v0", word_cost=0.0, split="test")
    floor, pieces, every = (
        score(env, agent, 400)[0]
        for agent in (
            positions.SideGuesser(),
            positions.Counter(),
            positions.Counter(tuple(positions.EARLIER)),
        )
    )
    assert floor == pytest.approx(0.5, abs=0.07)
    assert floor + 0.2 < pieces < every
    assert every > 0.9


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_statement_is_read_as_it_was_written(data):
    about = data.draw(st.sampled_from(list(COLUMN_VALUES)))
    values = data.draw(st.lists(st.sampled_from(COLUMN_VALUES[about]), min_size=1, unique=True))
    statement = Statement(about, data.draw(st.booleans()), tuple(values))
    assert read_statements(statement.text) == (statement,)
    assert NAME_WORDS.count(statement.text) == statement.words


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 90))
def test_whatever_is_said_the_shared_record_stays_live(seed, share):
    task = generate_tables(np.random.default_rng(seed), "t", 16, 4)
    left, right = task.tables
    shared = left[task.shared[0]]
    heard, said = [], []
    for table in (left, right, left, right):
        found = candidates(table, heard, said, share)
        assert all(statement.words <= share and statement.allows(shared) for statement in found)
        assert all(read_statements(statement.text) == (statement,) for statement in found)
        if found:
            said = [*said, found[seed % len(found)].text]
        heard, said = said, heard
    for table, other in ((left, heard), (right, said)):
        kept = live(table, other)
        assert shared in kept
        assert {*kept} <= {*table}


@given(st.text())
def test_any_text_can_be_read(text):
    table = generate_tables(np.random.default_rng(0), "t", 9, 2).tables[0]
    assert live(table, [text]) <= table or live(table, [text])
    positions.told_counts([text])


def test_a_whole_record_settles_it():
    task = generate_tables(np.random.default_rng(0), "t", 9, 2)
    left, right = task.tables
    assert live(right, [Statement(RECORD, True, left).text]) == (left[task.shared[0]],)


def test_one_head_knows_the_answer_at_once():
    env = clarify_env.make("pingeval-names-v0", records=9)
    observations, _ = env.reset(seed=0)
    seen = {**observations["left"], "partner": {"table": observations["right"]["table"]}}
    (answer,) = env.episode().setup["answers"]
    assert records.Bisector().move(seen, np.random.default_rng(0)) == Propose(answer)


def test_the_plan_of_the_code_is_the_same_for_both_and_narrows():
    words = [records.plan(16, 8, at)[0] for at in range(4)]
    assert all(1 <= n <= 8 for n in words)
    assert words[0] == 8 > words[3]


@pytest.mark.parametrize("id", GAMES)
@pytest.mark.parametrize(
    "settings", [("rest", {"options": {"rule": "top-k"}}), ("ppo", {}), ("rloo", {})], ids=lambda s: s[0]
)
def test_small_policies_train_and_play_whole_episodes(id, settings):
    algorithm, more = settings
    options = {"env": id, "env_options": {"turns": 2, "budget": 24}, "shared": True, "eval_train_tasks": 2}
    counts = {"iterations": 1, "tasks": 4, "group_size": 4, "gradient_steps": 5, "hidden": 8}
    loop = build(recipe("move-scorer", algorithm, **{**counts, **more}, **options))
    before = [p.detach().clone() for p in loop.learner.agent.network.parameters()]
    (line,) = loop.train()
    assert "eval/accuracy" in line
    after = list(loop.learner.agent.network.parameters())
    assert any(not a.equal(b) for a, b in zip(before, after, strict=True))
    players = {player: learner.greedy() for player, learner in loop.learners.items()}
    assert {e.stop for e in rollout(loop.env, players, 20)} <= {"selected", "max_turns"}


def test_ppo_learns_to_tell_counts_and_to_read_them():
    env = {"env": "pingeval-chess-v0", "env_options": {"turns": 2, "budget": 16}, "shared": True}
    small = {
        "iterations": 6,
        "tasks": 16,
        "group_size": 8,
        "eval_train_tasks": 0,
        "learning_rate": 1e-2,
        "hidden": 16,
    }
    lines = list(build(recipe("move-scorer", "ppo", **env, **small)).train())
    assert lines[-1]["play/accuracy"] > lines[0]["play/accuracy"] + 0.1


@pytest.mark.parametrize("id", GAMES)
def test_the_prompt_tells_the_own_view_and_reads_moves_back(id):
    env = clarify_env.make(id, turns=2, budget=12, word_cost=0.01)
    env.reset(seed=1)
    env.step({"left": Say("a <say> b")})
    seen = env.step({"right": Propose("left")})[0]["left"]
    prompt = RolePrompt()
    chat = prompt.messages(seen)
    text = "\n".join(message["content"] for message in chat)
    assert [message["role"] for message in chat] == ["system", "user", "assistant", "user"]
    assert "2 messages of at most 6 words" in text
    assert "Your partner proposes: left" in text
    view = env.game_state.pair.views
    held = [" ".join(view[0].split("/")[0])] if isinstance(view[0], str) else [", ".join(p) for p in view[0]]
    assert all(part in text for part in held if not any(c.isdigit() for c in part))
    for move in (Say("one two"), Propose("Ada"), Agree()):
        assert prompt.read(f"thinking... {prompt.write(move, seen)}", seen) == move
        assert prompt.write(move, seen) == encode(move)
    assert prompt.read("<say>1 2 3 4 5 6 7 8</say>", seen) == Say("1 2 3 4 5 6")
    assert prompt.read(f"<say>1 {'x' * 61}</say>", seen) == Say("1")
    with pytest.raises(Unreadable):
        prompt.read("I agree", seen)
