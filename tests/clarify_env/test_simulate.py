"""Playing on from states: the same as stepping the environment, whatever the agents do."""

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, Failed
from clarify_env.agents import Script
from clarify_env.games.clarification import Answer, Ask, Reply
from clarify_env.simulate import advance
from clarify_env.testing.play import players

GAMES = ("synthetic-v0", "csp-v0", "pingeval-names-v0", "pingeval-chess-v0")


class Unreliable(Agent):
    """Plays as another agent does, but at times fails, passes, writes nonsense or too much."""

    def __init__(self, inner):
        super().__init__(0)
        self.inner = inner

    def move(self, observation, rng):
        spoilt = {0: Failed("gone", outside=True), 1: None, 2: "<none> of the tags", 3: "x" * 30_000}
        return spoilt.get(int(rng.integers(30)), self.inner.move(observation, rng))


def stepped(env, agents, seed):
    """The states of an episode that the environment plays."""
    observations, _ = env.reset(seed=seed)
    found, rng = [env.game_state], np.random.default_rng(seed)
    while env.agents:
        turn = env.game.legal(env.game_state)
        actions = {p: agents[p].act([observations[p]], [rng])[0] for p in agents if p in turn}
        observations = env.step(actions)[0]
        found.append(env.game_state)
    return found, [step.paid for step in env.episode().steps]


@pytest.mark.parametrize("id", GAMES)
def test_a_step_leads_where_the_environment_goes(id):
    env = clarify_env.make(id)
    agents = {player: Unreliable(agent) for player, agent in players(env).items()}
    stops = set()
    for seed in range(40):
        wanted, paid = stepped(env.fork(), agents, seed)
        env.reset(seed=seed)
        found, incurred, rng = [env.game_state], [], np.random.default_rng(seed)
        while found[-1].stop is None:
            (made,) = advance(env, agents, [found[-1]], [rng])
            found.append(made.state)
            incurred.append(made.paid)
        assert repr(found) == repr(wanted)
        assert incurred == paid
        stops.add(str(found[-1].stop.reason))
    assert {"failed", "illegal_move"} <= stops
    env.reset(seed=0)
    assert env.episode().steps == (), "the environment itself is left alone"


def test_states_are_played_together_as_they_are_alone():
    env = clarify_env.make("csp-v0")
    agents = players(env)
    begun = [env.game.start(np.random.default_rng(k), {}) for k in range(9)]
    together = advance(env, agents, begun, [np.random.default_rng(k) for k in range(9)])
    alone = [advance(env, agents, [begun[k]], [np.random.default_rng(k)])[0] for k in range(9)]
    assert repr(together) == repr(alone)


def test_given_actions_go_before_those_of_agents():
    env = clarify_env.make("synthetic-v0", size=4)
    state = env.game.start(np.random.default_rng(0), {})
    ask = Ask("Which?")
    given = [{"asker": ask, "user": Reply("out of turn")}]
    (made,) = advance(env, {"asker": Script([Answer("Oslo")])}, [state], given=given)
    assert made.moves == {"asker": ask}
    assert made.paid == (("turn_cost", 1),)
    assert [turn.move for turn in made.state.history] == [ask]
    (text,) = advance(env, {}, [state], given=[{"asker": "<ask>Which?</ask>"}])
    assert text == made
    (wrong,) = advance(env, {}, [state], given=[{"asker": Reply("no move of an asker")}])
    assert (wrong.moves, wrong.paid, str(wrong.state.stop.reason)) == ({}, (), "illegal_move")


def test_who_plays_nobody_and_an_end_are_told():
    env = clarify_env.make("synthetic-v0", size=4)
    state = env.game.start(np.random.default_rng(0), {})
    with pytest.raises(ClarifyError, match=r"on turn are \['asker'\].* actions of \[\]"):
        advance(env, {"user": Script([], "user")}, [state])
    (over,) = advance(env, {}, [state], given=[{"asker": None}])
    with pytest.raises(ClarifyError, match=r"on turn are \[\]"):
        advance(env, {}, [over.state])
    with pytest.raises(ClarifyError, match="7 of 'asker' is no action"):
        advance(env, {}, [state], given=[{"asker": 7}])


def test_an_environment_with_another_game():
    class Silent(type(clarify_env.make("synthetic-v0", size=4).game)):
        def observe(self, state, player):
            return {**super().observe(state, player), "transcript": ()}

    env = clarify_env.make("synthetic-v0", size=4)
    env.reset(seed=1)
    twin = env.with_game(clarify_env.game.altered(env.game, Silent, max_turns=1))
    assert isinstance(twin.game, type(env.game))
    assert (twin.agents, twin.made_with, env.game.max_turns) == ([], None, 5)
    twin.reset(seed=1)
    assert twin.game_state == env.game_state
    assert twin.step({"asker": Ask("Which?")})[0]["user"]["transcript"] == ()
    assert str(twin.game_state.stop.reason) == "max_turns"
    with pytest.raises(ClarifyError, match="reset"):
        env.with_game(env.game).episode()
