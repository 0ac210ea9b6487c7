"""Worked dialogues: right as the game, readable as messages, and of nothing that is measured or private."""

from collections import Counter

import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, Decision, rollout
from clarify_env.agents import ScriptedUser, catalog
from clarify_env.agents.llm.examples import WithExamples, decisions, demonstrations, worked
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.agents.roster import others_of, roster_of
from clarify_env.games.clarification import SEEN, Answer
from clarify_env.registry import for_training

GAMES = ["synthetic-v0", "csp-v0", "pingeval-names-v0"]


class Recorder(Agent):
    """Notes down what it sees at each turn, and decides as another."""

    def __init__(self, agent, into):
        super().__init__()
        self.agent, self.into = agent, into

    def act(self, observations, rngs=None):
        made = self.agent.act(observations, rngs)
        moves = [one.move if isinstance(one, Decision) else one for one in made]
        self.into.extend(zip(observations, moves, strict=True))
        return made


def told(observation):
    return {name: str(value) for name, value in observation.items()}


@pytest.mark.parametrize("id", GAMES)
def test_decisions_are_what_a_player_saw_and_did(id):
    env = clarify_env.make(id)
    team = others_of(env)
    for player in roster_of(env.game).trained:
        lived = []
        agents = {**team, player: Recorder(team[player], lived)}
        (episode,) = rollout(env, agents, 1, seed=3)
        found = list(decisions(env, episode, player))
        assert found
        assert [(told(o), m) for o, m in found] == [(told(o), m) for o, m in lived]


@pytest.mark.parametrize("id", GAMES)
def test_a_message_of_a_worked_dialogue_reads_as_the_move_that_was_made(id):
    env, prompt = clarify_env.make(id), RolePrompt()
    read = Counter()
    for episode in demonstrations(env, {}, 6, seed=1):
        for player in roster_of(env.game).trained:
            for observation, move in decisions(env, episode, player):
                assert prompt.read(prompt.write(move, observation), observation) == move
                read[move.kind] += 1
    assert len(read) > 1


@pytest.mark.parametrize("id", GAMES)
def test_dialogues_are_as_many_as_asked_and_the_same_for_the_same_seed(id):
    env = for_training(clarify_env.make(id))
    players = roster_of(env.game).trained
    found = worked(env, players, 2, seed=5)
    assert found == worked(env, players, 2, seed=5) != worked(env, players, 2, seed=6)
    each = Counter((one.role, one.rules()[0]["content"] if one.rules() else "") for one in found)
    assert set(each.values()) == {2}
    assert {role for role, _ in each} == {env.game.role(player) for player in players}
    for one in found:
        spoken = [message["role"] for message in one.chat[len(one.rules()) :]]
        assert spoken == ["user", "assistant"] * (len(spoken) // 2)


def test_the_first_dialogues_show_every_move_of_the_asker():
    env = clarify_env.make("synthetic-v0", costs=SEEN)
    shown = frozenset().union(*(one.kinds for one in worked(env, ["asker"], 3)))
    assert shown == {kind.kind for kind in env.game.moves["asker"]}


def test_an_askers_dialogue_does_not_say_what_is_meant():
    env = clarify_env.make("synthetic-v0", size=40)
    for episode in demonstrations(env, {}, 12, seed=2):
        for observation, _ in decisions(env, episode, "asker"):
            assert "intent" not in observation
            assert observation["role"] == "clarification/asker"


def test_what_is_shown_is_of_training_questions_whatever_is_measured():
    env = clarify_env.make("synthetic-v0", split="validation", turn_cost=0.77, word_cost=0.0)
    twin = for_training(env)
    assert twin.name == env.name
    assert not {task.id for task in twin.game.tasks} & {task.id for task in env.game.tasks}
    drawn = {float(twin.reset(seed=k)[0]["asker"]["costs"][0]) for k in range(40)}
    assert drawn == set(SEEN.levels["turn"])
    agent = catalog.load("small", env, "asker", examples=2, device="cpu")
    chat = agent.prompt.messages(env.reset(seed=0)[0]["asker"])
    shown = "\n".join(message["content"] for message in chat[1:-1])
    assert shown.count("Question:") == 2, shown
    own = {task.question for task in twin.game.tasks}
    asked = [line.removeprefix("Question: ") for line in shown.splitlines() if line.startswith("Question: ")]
    assert set(asked) <= own
    assert chat[-1] == RolePrompt().messages(env.reset(seed=0)[0]["asker"])[-1]


def test_for_training_keeps_the_options_and_refuses_what_make_did_not_make():
    env = clarify_env.make("synthetic-v0", size=30, max_turns=2, split="validation")
    assert for_training(env).game.max_turns == 2
    with pytest.raises(ClarifyError, match="was not made by"):
        for_training(env.with_game(env.game))


def test_only_dialogues_of_the_role_and_its_rules_are_shown():
    env = clarify_env.make("synthetic-v0")
    prompt = WithExamples(worked(env, ["asker", "user"], 1))
    seen = []
    (_,) = rollout(env, {**others_of(env), "user": Recorder(ScriptedUser(), seen)}, 1, seed=3)
    (asker, user) = (env.reset(seed=1)[0]["asker"], seen[0][0])
    plain = RolePrompt()
    for observation in (asker, user):
        chat, bare = prompt.messages(observation), plain.messages(observation)
        assert (chat[0], chat[-1]) == (bare[0], bare[-1])
        assert len(chat) > len(bare)
    other = WithExamples(worked(env, ["user"], 1))
    assert other.messages(asker) == plain.messages(asker)
    assert prompt.read("<answer>Oslo</answer>", asker) == Answer("Oslo")
    assert prompt.write(Answer("Oslo"), asker) == "<answer>Oslo</answer>"


def test_fewer_than_one_dialogue_is_refused():
    with pytest.raises(ClarifyError, match="examples=0: at least 1"):
        worked(clarify_env.make("synthetic-v0"), ["asker"], 0)
