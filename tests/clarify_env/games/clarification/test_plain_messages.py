"""Plain candidates: what they are, that the best play over them is exact, and what they cost."""

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError, rollout
from clarify_env.agents import ScriptedUser, load
from clarify_env.agents.clarification import optimum_bound
from clarify_env.agents.clarification.move_scorer import Asking, MoveScorer, NoteProposer
from clarify_env.agents.clarification.scripted import AlwaysEnumerate, Lookahead, OptimalAsker
from clarify_env.games.clarification import Answer, Ask, Costs, Enumerate, UserModel
from clarify_env.games.clarification.optimum import questions, solver
from clarify_env.games.clarification.plain_messages import PlainMessages

WORLDS = ("synthetic-v0", "synthetic-v1")
CELLS = [Costs(turn, word) for turn in (0.01, 0.1) for word in (0.002, 0.03)]


def solvers(task, user=None):
    """The solver of a task among either set of candidates."""
    found = (task.question, task.interpretations, user or UserModel(), 5)
    return {name: solver(*found, candidates=name) for name in ("optimal", "plain")}


def outcome_of(asker, env, task, costs):
    """Expected reward of an asker that draws nothing, over all meanings."""
    total = 0.0
    for intent, meaning in enumerate(task.interpretations):
        options = {"task": task.id, "intent": intent, "costs": costs}
        observations, _ = env.reset(seed=0, options=options)
        user = ScriptedUser()
        while env.agents:
            who = {"asker": asker, "user": user}
            (player,) = [p for p in env.agents if observations[p]["action_mask"][1:].any()]
            observations = env.step({player: who[player].act([observations[player]])[0]})[0]
        total += meaning.weight * env.episode().reward
    return total


@pytest.mark.parametrize("world", WORLDS)
def test_the_best_play_among_plain_candidates_is_what_its_player_earns(world):
    env = clarify_env.make(world, size=6, split="validation")
    for task in env.game.tasks:
        claimed = solvers(task)["plain"].optimum(CELLS)[:, 0]
        for costs, value in zip(CELLS, claimed, strict=True):
            asker = OptimalAsker(candidates="plain")
            assert outcome_of(asker, env, task, costs) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("user", "count"), [(UserModel(), 12), (UserModel(noise=0.1, vagueness=0.1), 2)])
def test_plain_candidates_never_beat_the_optimum_nor_who_looks_ahead_the_best_play(user, count):
    for world in WORLDS:
        for task in clarify_env.make(world, size=count).game.tasks:
            found = solvers(task, user)
            best = {name: one.optimum(CELLS)[:, 0] for name, one in found.items()}
            assert (best["plain"] <= best["optimal"] + 1e-9).all()
            assert (found["plain"].outcome(CELLS, 1)[:, 0] <= best["plain"] + 1e-9).all()


def test_the_best_plain_message_is_the_best_of_the_candidates_and_worth_what_is_said():
    task = clarify_env.make("synthetic-v1", size=40).game.tasks[7]
    plain = PlainMessages(task.interpretations, task.question)
    belief_N = solvers(task)["plain"].prior_N
    (value, accuracy, words, listed), *_ = plain.best(belief_N, np.array([0.004]))
    message = plain.message(belief_N, 0.004)
    assert message in plain.candidates(belief_N)
    assert (words, listed) == (message.words, isinstance(message, Enumerate))
    assert value == pytest.approx(accuracy - 0.004 * words)
    usual = {Answer(meaning.answers[0]) for meaning in task.interpretations}
    assert usual < set(plain.candidates(belief_N))


def test_a_whole_list_serves_every_meaning_and_after_a_reply_those_that_fit_it():
    env = clarify_env.make("synthetic-v0", size=60)
    for task in env.game.tasks[:30]:
        plain = PlainMessages(task.interpretations, task.question)
        count = len(task.interpretations)
        if count < 3:
            continue
        half_N = np.array([m.weight * (i < 2) for i, m in enumerate(task.interpretations)])
        whole, some = plain.candidates(half_N / half_N.sum())[-2:]
        assert (len(whole.options), len(some.options)) == (count, 2)
        assert {answer for _, answer in some.options} == {m.answers[0] for m in task.interpretations[:2]}
        served = [*plain._grades(whole), *plain._grades(some)[:2]]
        assert served == [1.0] * (count + 2)


def test_the_scorer_sees_questions_usual_answers_and_whole_lists_alone():
    env = clarify_env.make("synthetic-v0", size=20, split="validation")
    scorer = MoveScorer(proposer=NoteProposer("plain"), seed=0)
    team = {"asker": scorer, "user": ScriptedUser()}
    for episode in rollout(env, team, 20, seed=0):
        last = [move for step in episode.steps for player, move in step.moves if player == "asker"][-1]
        assert isinstance(last, (Answer, Enumerate, Ask))
    observations, _ = env.reset(seed=3)
    seen = observations["asker"]
    dialogue = Asking.of(seen, "test")
    moves = scorer.moves(dialogue)
    expected = {*questions(dialogue.notes), *(Answer(note.answers[0]) for note in dialogue.notes)}
    assert set(moves) == expected | {AlwaysEnumerate().act([seen])[0]}
    assert scorer.describe(dialogue, moves).shape[0] == len(moves)


def test_candidates_go_by_name():
    env = clarify_env.make("synthetic-v0")
    for name, kind in (("lookahead:plain", Lookahead), ("optimal:plain", OptimalAsker)):
        agent = load(name, env, "asker")
        assert (type(agent), agent.candidates) == (kind, "plain")
    for make in (lambda: load("lookahead:plane", env, "asker"), lambda: NoteProposer("plane")):
        with pytest.raises(ClarifyError, match=r"unknown set of candidates 'plane'.*plain"):
            make()
    plain = optimum_bound(env, {}, candidates="plain").solve(0, CELLS)["reward"]
    assert (plain <= optimum_bound(env, {}).solve(0, CELLS)["reward"] + 1e-9).all()
