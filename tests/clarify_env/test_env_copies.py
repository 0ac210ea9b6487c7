"""What environments share and do not share: objects, forks, seeds, vectors; and PettingZoo's checks."""

import subprocess
import sys

import numpy as np
import pettingzoo
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pettingzoo.test import parallel_api_test, parallel_seed_test

import clarify_env
from clarify_env import ClarifyError, CostRange
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select

COSTS = CostRange(turn=(0.0, 0.5), word=(0.0, 0.1))
MOVES = (Ask("which?"), Reply("the painter"), Enumerate([("a", "Oslo"), ("b", "New Oslo")]), Select("Oslo"))
PLAYERS = ("asker", "user", "asker", "user")


def fresh():
    return clarify_env.make("synthetic-v0", size=40, costs=COSTS)


def script(env, episodes, seed=None):
    """Everything that `env` returns over some episodes, as text."""
    lines = []
    for _ in range(episodes):
        lines.append(repr(env.reset(seed=seed)))
        seed = None
        lines += [repr(env.step({player: move})) for player, move in zip(PLAYERS, MOVES, strict=True)]
    return "\n".join(lines)


def mutable(value):
    """The mutable objects inside a returned value; a read-only array counts as immutable."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from mutable(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from mutable(item)
    elif isinstance(value, (list, set)) or (isinstance(value, np.ndarray) and value.flags.writeable):
        yield value


def test_no_mutable_object_is_shared_between_steps_or_players():
    env = fresh()
    returned = [env.reset(seed=0)]
    returned += [env.step({player: move}) for player, move in zip(PLAYERS, MOVES, strict=True)]
    returned.append(env.reset())
    found = [id(item) for value in returned for item in mutable(value)]
    assert len(found) > 60
    assert len(found) == len(set(found))


def test_what_a_caller_changes_does_not_reach_the_environment():
    env, twin = fresh(), fresh()
    for played in (env, twin):
        played.reset(seed=0)
    for player, move in zip(PLAYERS, MOVES, strict=True):
        action = {player: move}
        observations, *_, infos = env.step(action)
        assert repr(env.episode()) == repr((twin.step({player: move}), twin.episode())[1])
        action.clear()
        for p in ("asker", "user"):
            observations[p].clear()
            infos[p]["terms"].clear()
    assert env.episode() == twin.episode()
    with pytest.raises(ValueError, match="read-only"):
        env.reset()[0]["user"]["costs"][0] = 1.0


@given(st.integers(0, 2**32), st.integers(0, 4))
def test_a_fork_is_equal_and_independent(seed, at):
    env = fresh()
    env.reset(seed=seed)
    for player, move in zip(PLAYERS[:at], MOVES[:at], strict=True):
        env.step({player: move})
    record = env.episode()
    twin = env.fork()
    assert twin.episode() == record
    assert twin.agents == env.agents
    rest = list(zip(PLAYERS[at:], MOVES[at:], strict=True))
    theirs = [repr(twin.step({player: move})) for player, move in rest] + [script(twin, 2)]
    assert env.episode() == record, "playing the fork does not touch the original"
    assert theirs == [repr(env.step({player: move})) for player, move in rest] + [script(env, 2)]
    assert len(record.steps) == at


def test_a_seed_decides_everything_whatever_runs_beside_it():
    alone = script(fresh(), 3, seed=5)
    env, other = fresh(), fresh()
    other.reset(seed=6)
    lines = []
    for episode in range(3):
        lines.append(repr(env.reset(seed=5 if episode == 0 else None)))
        for player, move in zip(PLAYERS, MOVES, strict=True):
            np.random.seed(episode)  # noqa: NPY002
            lines.append(repr(env.step({player: move})))
            if not other.agents:
                other.reset()
            other.step({"asker": "?", "user": None})
    assert "\n".join(lines) == alone
    assert script(fresh(), 3, seed=6) != alone


def test_a_seed_decides_the_same_in_another_process():
    code = (
        "import clarify_env\n"
        "env = clarify_env.make('synthetic-v0', size=40)\n"
        "for i in range(20):\n"
        "    print(env.reset(seed=3 if i == 0 else None))\n"
        "    print(env.step({'asker': '<answer>Oslo</answer>'}))\n"
        "    print(env.episode())\n"
    )
    run = [sys.executable, "-c", code]
    outputs = {
        subprocess.run(run, capture_output=True, check=True, env={"PYTHONHASHSEED": hash_seed}).stdout
        for hash_seed in ("1", "2")
    }
    assert len(outputs) == 1
    env = clarify_env.make("synthetic-v0", size=40)
    assert next(iter(outputs)).decode().startswith(str(env.reset(seed=3)))


def test_a_vector_environment_plays_as_its_environments_alone():
    vector = clarify_env.make_vec("synthetic-v0", 3, size=40, costs=COSTS)
    singles = [fresh() for _ in range(3)]
    observations, _ = vector.reset(seed=7)
    for i, env in enumerate(singles):
        assert repr(env.reset(seed=clarify_env.vector.child_seed(7, i))[0]["asker"]) == repr(
            observations["asker"][i]
        )
    endings = [Answer("Oslo"), Ask("?"), None]  # the third ends at once: passing on one's turn is illegal
    resets = 0
    for t in range(12):
        asker = [endings[(t + i) % 3] for i in range(3)]
        on_turn = [not o["action_mask"][0] for o in observations["asker"]]
        actions = {
            "asker": [move if mine else None for move, mine in zip(asker, on_turn, strict=True)],
            "user": [None if mine else "Oslo" for mine in on_turn],
        }
        over = [not env.agents for env in vector.envs]
        observations, rewards, terminations, truncations, infos = vector.step(actions)
        for i, env in enumerate(singles):
            if over[i]:
                resets += 1
                expected = env.reset()[0]
                assert (rewards["user"][i], infos["asker"][i]) == (0.0, {})
                assert not terminations["user"][i]
                assert not truncations["user"][i]
            else:
                expected, reward, ended, cut, info = env.step({p: actions[p][i] for p in actions})
                got = rewards["asker"][i], terminations["asker"][i], truncations["asker"][i], infos["user"][i]
                assert got == (reward["asker"], ended["asker"], cut["asker"], info["user"])
            assert repr(expected["user"]) == repr(observations["user"][i])
    assert resets > 3


@pytest.mark.parametrize(
    "actions",
    [{"asker": [Ask("?")] * 2}, {"asker": [Ask("?")] * 3, "user": [None] * 2},
     {"asker": [Ask("?"), Ask("?"), 7], "user": [None] * 3}, {"asker": [], "user": [], "judge": []}],
)  # fmt: skip
def test_wrong_vector_actions_raise_and_change_nothing(actions):
    vector = clarify_env.make_vec("synthetic-v0", 3, size=40)
    vector.reset(seed=0)
    before = [env.episode() for env in vector.envs]
    with pytest.raises(ClarifyError, match="step"):
        vector.step(actions)
    assert [env.episode() for env in vector.envs] == before


def test_vector_environment_needs_environments():
    with pytest.raises(ClarifyError, match="at least"):
        clarify_env.make_vec("synthetic-v0", 0)
    with pytest.raises(ClarifyError, match="at least"):
        clarify_env.VectorEnv([])


def test_rendering_keeps_control_characters_of_players_out():
    env = clarify_env.make("synthetic-v0", size=40, render_mode="ansi")
    env.reset(seed=0)
    env.step({"asker": Ask("a\x1b[2J\x07b\x9bc\r\nd")})
    env.step({"user": Reply("\x00")})
    env.step({"asker": Answer("Oslo")})
    env.step({"user": Select("\x1b]0;title\x07")})
    shown = env.render()
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", *(f"\x1b[{colour}m" for colour in range(32, 37))):
        shown = shown.replace(code, "")
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert len(shown.splitlines()) == len(env.episode().setup) + 4 + 2
    assert "illegal_move" in shown
    assert "turn_cost -0.100" in shown
    assert fresh().render() is None
    with pytest.raises(ClarifyError, match="render_mode"):
        clarify_env.make("synthetic-v0", size=40, render_mode="human")


@pytest.mark.parametrize("knowledge", ["open", "closed"])
def test_pettingzoo_accepts_synthetic(knowledge):
    env = pettingzoo.make("parallel", "clarify_env/synthetic-v0", size=40, knowledge=knowledge)
    assert isinstance(env.unwrapped, clarify_env.GameEnv)
    parallel_api_test(env, num_cycles=300)
    parallel_seed_test(lambda: clarify_env.make("synthetic-v0", size=40), num_cycles=50)


def test_pettingzoo_accepts_ambigqa(data_dir):
    env = pettingzoo.make("parallel", "clarify_env/ambigqa-v0", split="validation", data_dir=data_dir)
    parallel_api_test(env, num_cycles=300)
    observations, _ = env.reset(seed=0)
    assert all(env.observation_space(p).contains(observations[p]) for p in env.possible_agents)


def test_a_closed_asker_sees_the_question_alone():
    env = clarify_env.make("synthetic-v0", size=40, knowledge="closed")
    observations, _ = env.reset(seed=0)
    assert observations["asker"]["notes"] == ()
    assert observations["asker"]["question"] == observations["user"]["question"]


@given(st.integers(0, 2**32))
def test_no_observation_gives_away_what_is_secret(seed):
    env = fresh()
    observations, _ = env.reset(seed=seed)
    setup = env.episode().setup
    shared = {"role", "question", "context", "costs", "transcript", "action_mask"}
    assert set(observations["asker"]) == shared | {"notes", "document"}
    assert set(observations["user"]) == shared | {"intent", "facts"}
    assert all(answer not in repr(observations["user"]) for answer in setup["answers"] if len(answer) > 8)
    for intent in range(setup["meanings"]):
        pinned, _ = env.reset(seed=seed, options={"intent": intent})
        assert repr(pinned["asker"]) == repr(observations["asker"]), "whatever is meant"
