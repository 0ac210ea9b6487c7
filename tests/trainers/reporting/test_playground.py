"""The playground without its page: exact preferences, playing on, changing costs, typed questions."""

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import AlwaysAsk, MoveScorer, OptimalAsker, Random, Script
from clarify_env.games.clarification import Answer, Ask, Costs, Enumerate, Reply, Select, UserModel
from clarify_env.games.clarification.optimum import Solver
from clarify_env.trainers.cli.demo import asker_to_try
from clarify_env.trainers.config import Config
from clarify_env.trainers.experiment import train
from clarify_env.trainers.reporting.playground import (
    Candidate,
    Dialogue,
    Playground,
    Preferences,
    notes_text,
    preferences,
    read_task,
    typed,
)
from clarify_env.trainers.reporting.playground_page import dialogue_html, hint, moves_html
from clarify_env.trainers.run_directory import RunDirectory

NOTES = "It opened in Norway => 1950\nIt opened in Chile => 3 May 1951 | May 1951\n"
TASK = read_task(" When did the film open? ", NOTES, "A story.")
CHEAP, DEAR = Costs(0.01, 0.01), Costs(0.5, 0.01)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def env():
    return clarify_env.make("synthetic-v0", split="validation", size=20)


def test_a_typed_task():
    assert (TASK.question, TASK.context) == ("When did the film open?", "A story.")
    assert [m.text for m in TASK.interpretations] == ["It opened in Norway", "It opened in Chile"]
    assert TASK.interpretations[1].answers == ("3 May 1951", "May 1951")
    assert sum(m.weight for m in TASK.interpretations) == 1.0
    assert read_task(TASK.question, notes_text(TASK), TASK.context) == TASK


@pytest.mark.parametrize(
    ("question", "notes", "told"),
    [
        ("", NOTES, "the question is empty"),
        ("Q?", "", "0 meanings; give 1 to 8"),
        ("Q?", "a => b\n" * 9, "9 meanings"),
        ("Q?", "only a meaning", "'only a meaning': write a meaning as"),
        ("Q?", "a => |", "write a meaning as"),
        ("Q?", "a => b\na => c", "two meanings in the same words"),
    ],
)
def test_what_is_no_task_is_said(question, notes, told):
    with pytest.raises(ClarifyError, match=told):
        read_task(question, notes)


def test_the_optimal_asker_shows_values_and_prefers_the_best(env):
    play = Playground(env, OptimalAsker())
    best = Solver(TASK.question, TASK.interpretations, UserModel(), 5)
    for costs, kind in ((CHEAP, "ask"), (DEAR, "enumerate")):
        found = play.preferences(play.at(Dialogue(TASK), costs))
        assert found.what == "value"
        assert found.candidates[0].kind == kind
        assert found.candidates[0].number == pytest.approx(best.optimum([costs])[0, 0])
        assert len(found.candidates) == 2
    # after the question: to know the answer, and to say it
    dialogue = Dialogue(TASK, 0, (Ask("What exactly do you mean?"),))
    point = play.at(dialogue, CHEAP)
    assert "would say" in hint(point, play.scripted(dialogue, point).text)
    dialogue = dialogue.then(play.scripted(dialogue, point))
    found = play.preferences(play.at(dialogue, CHEAP))
    assert [c.kind for c in found.candidates] == ["answer"]


def test_the_preferred_move_is_the_one_that_is_played(env):
    rng = np.random.default_rng(0)
    for asker in (OptimalAsker(), MoveScorer(greedy=True, seed=3), AlwaysAsk()):
        play = Playground(env, asker)
        for number in range(6):
            for costs in (CHEAP, DEAR):
                point = play.at(Dialogue(play.task(number)), costs)
                (action,) = asker.act([point.observation], [rng])
                move = getattr(action, "move", action)
                assert play.preferences(point).candidates[0].action == move


def test_a_scorer_shows_probabilities(env):
    scorer = MoveScorer(seed=1)
    play = Playground(env, scorer)
    point = play.at(Dialogue(TASK), CHEAP)
    found = play.preferences(point)
    assert found.what == "probability"
    ((moves, logprob_M),) = scorer.scores([point.observation])
    assert {c.action for c in found.candidates} == set(moves)
    assert sum(c.number for c in found.candidates) == pytest.approx(1.0)
    assert found.candidates[0].number == pytest.approx(float(logprob_M.exp().max()))


def test_other_agents_are_sampled_and_alike_messages_counted_together(env):
    play = Playground(env, Random(), samples=40, seed=2)
    found = play.preferences(play.at(Dialogue(TASK), CHEAP))
    assert found.what == "share of 40 messages"
    assert sum(c.number for c in found.candidates) == pytest.approx(1.0)
    assert {c.kind for c in found.candidates} == {"ask", "answer", "enumerate"}
    assert found == play.preferences(play.at(Dialogue(TASK), CHEAP))
    point = play.at(Dialogue(TASK), CHEAP)
    written = preferences(Script(["I wonder. <ask>Where?</ask>"]), point.observation, 3)
    assert written.candidates == (Candidate("I wonder. <ask>Where?</ask>", "ask", "Where?", 1.0),)
    assert preferences(Script(["no tags"]), point.observation).candidates[0].kind == "unreadable"


def test_to_the_end_and_priced_anew(env):
    play = Playground(env, AlwaysAsk())
    dialogue = play.to_the_end(Dialogue(TASK, 1), CHEAP)
    assert [type(a) for a in dialogue.actions] == [Ask, Reply, Answer, Select]
    cheap, dear = play.at(dialogue, CHEAP), play.at(dialogue, DEAR)
    assert (cheap.player, dear.player) == ("", "")
    assert cheap.env.episode().reward == pytest.approx(1.0 - 0.01 - 0.03)
    assert dear.env.episode().reward == pytest.approx(1.0 - 0.5 - 0.03)
    again = Playground(env, AlwaysAsk(), UserModel(noise=0.5), seed=4)
    assert again.to_the_end(Dialogue(TASK, 1), CHEAP) == again.to_the_end(Dialogue(TASK, 1), CHEAP)


def test_a_person_answers(env):
    play = Playground(env, AlwaysAsk())
    asked = Dialogue(TASK, 0, (Ask("Where?"),))
    assert typed(play.at(asked, CHEAP), " in Chile ") == Reply("in Chile")
    listed = Dialogue(TASK, 0, (Enumerate([("Norway", "1950"), ("Chile", "1951")]),))
    assert typed(play.at(listed, CHEAP), "2") == Select("1951")
    assert typed(play.at(listed, CHEAP), "1950") == Select("1950")
    answered = Dialogue(TASK, 0, (Answer("1950"),))
    point = play.at(answered, CHEAP)
    assert typed(point, "") == Select("1950")
    assert "take the answer" in hint(point)
    over = play.at(answered.then(typed(point, "")), CHEAP)
    assert over.env.episode().reward_terms == pytest.approx(
        {"accuracy": 1.0, "turn_cost": 0.0, "word_cost": -0.01}
    )
    assert "The dialogue is over" in hint(over)


def test_questions_of_the_game_are_drawn_by_number(env):
    play = Playground(env, AlwaysAsk())
    drawn = [play.task(k).id for k in range(6)]
    assert drawn == [play.task(k).id for k in range(6)]
    assert len(set(drawn)) > 2


def test_what_is_shown_is_escaped_and_exact(env):
    task = read_task(f"Who is {EVIL}?", f"x {EVIL} => {EVIL} | y\nz => w")
    play = Playground(env, AlwaysAsk())
    dialogue = play.to_the_end(Dialogue(task), DEAR)
    shown = dialogue_html(play.at(dialogue, DEAR))
    assert "<img" not in shown
    assert "turn_cost -0.500" in shown
    assert "accuracy +1.000" in shown
    table = moves_html(
        Preferences("value", (Candidate(None, "ask", EVIL, 0.5), Candidate(None, "answer", "", 0.25)))
    )
    assert "<img" not in table
    assert "width:50.0%" in table
    assert table.count('<tr class="best">') == 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tried") / "run"
    settings = Config().changed(
        env_options={"size": 9}, iterations=1, tasks=2, group_size=4, gradient_steps=2, eval_train_tasks=1
    )
    assert len(list(train(settings, RunDirectory(folder)))) == 1
    return str(folder)


@pytest.mark.parametrize(
    ("target", "what"),
    [("", "probability"), ("optimal", "value"), ("always-ask", "share"), ("small", "share")],
)
def test_a_run_and_agents_by_name_can_be_tried(env, run, target, what):
    play = Playground(env, asker_to_try(target or run, env, UserModel()), samples=3)
    found = play.preferences(play.at(Dialogue(play.task(0)), CHEAP))
    assert found.what.startswith(what)
    assert found.candidates
