"""What the asker holds: notes, a document or nothing, and what agents, prompts and evaluation make of it."""

import json

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, FixedCosts
from clarify_env.agents import OptimalAsker, ScriptedUser
from clarify_env.agents.clarification import with_notes
from clarify_env.agents.clarification.model_proposer import ModelProposer
from clarify_env.agents.clarification.move_scorer import Asking, MoveScorer
from clarify_env.agents.clarification.prompts import AskerPrompt, UserPrompt
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Answer, Ask, Costs, Interpretation, Task, UserModel
from clarify_env.games.clarification.game import ClarificationGame
from clarify_env.games.clarification.numeric_grading import grade_numbers
from clarify_env.games.clarification.optimum import Solver
from clarify_env.games.clarification.synthetic import DISTRACTORS, documented, tasks
from clarify_env.trainers.evaluation.evaluate import evaluate
from clarify_env.trainers.evaluation.measure import measure
from clarify_env.trainers.evaluation.yardsticks import yardsticks

CELLS = [Costs(0.02, 0.002), Costs(0.1, 0.01), Costs(0.3, 0.04)]
SALES = Task(
    "sales",
    "What were the sales?",
    (
        Interpretation("What were the sales in 2019?", ("$1.5 million",), 0.5),
        Interpretation("What were the sales in 2018?", ("-9 million",), 0.3),
        Interpretation("What were the sales in 2017?", ("9 million",), 0.2),
    ),
    document="Sales | 1.5 | -9 | 9",
    context="User: Hello.\nAssistant: Hello.",
)


def sales(knowledge):
    return GameEnv(ClarificationGame([SALES], FixedCosts(), knowledge, grade=grade_numbers), "sales-v0")


class Reader(Agent):
    """Answers with the end of its document's first line."""

    def move(self, observation, rng):
        return Answer(observation["document"].partition("\n")[0].rpartition(" ")[2].strip("."))


def test_the_answers_can_be_read_from_a_synthetic_document():
    for task in documented("validation", None, 0):
        lines = task.document.split("\n")
        assert len(lines) == len(task.interpretations) + DISTRACTORS
        name = task.interpretations[0].text.partition(",")[0]
        assert sum(line.startswith(f"{name}, ") for line in lines) == len(task.interpretations)
        for meaning in task.interpretations:
            values = [fact.value for fact in meaning.facts]
            own = [x for x in lines if x.startswith(name) and all(v in x.lower() for v in values)]
            assert len(own) == 1
            assert own[0].endswith(f" {meaning.answers[0]}.")


def test_documents_repeat_and_change_nothing_else():
    made = documented("test", 20, 3)
    assert [task._replace(document="") for task in made] == list(tasks("test", 20, 3))
    documented.cache_clear()
    assert documented("test", 20, 3) == made
    assert documented("test", 25, 3)[:20] == made
    assert len({task.document for task in made}) == 20
    grouped = [[line.partition(",")[0] for line in task.document.split("\n")] for task in made]
    assert any(names != sorted(names, key=names.count, reverse=True) for names in grouped), "in random order"


def test_the_twin_has_notes_and_the_game_is_left_alone():
    for knowledge in ("document", "closed"):
        env = clarify_env.make("synthetic-v0", size=10, knowledge=knowledge)
        twin = with_notes(env)
        assert twin.reset(seed=1)[0]["asker"]["notes"]
        assert not env.reset(seed=1)[0]["asker"]["notes"]
        assert env.game.knowledge == knowledge
    opened = clarify_env.make("synthetic-v0", size=10)
    assert with_notes(opened) is opened


def test_baselines_and_the_optimum_are_those_of_open_notes():
    held = [clarify_env.make("synthetic-v0", size=12, knowledge=k) for k in ("open", "document", "closed")]
    first, *others = [yardsticks(env, range(12), CELLS) for env in held]
    for other in others:
        assert all(
            np.array_equal(other.teams[name], first.teams[name], equal_nan=True) for name in first.teams
        )
        assert all(np.array_equal(other.optimum[name], first.optimum[name]) for name in first.optimum)


def test_an_asker_with_a_document_is_evaluated(tmp_path):
    env = clarify_env.make("synthetic-v0", split="validation", size=6, knowledge="document")
    summary = evaluate(env, {"asker": Reader()}, "reader", tmp_path, tasks=4)
    held = clarify_env.make("synthetic-v0", split="validation", size=6)
    opened = evaluate(held, {"asker": OptimalAsker()}, "o", tmp_path / "o", tasks=4)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["seen"]["reward"]["mean"] < summary["seen"]["optimum"]["mean"]
    for name in ("baseline", "optimum"):
        assert summary["seen"][name] == opened["seen"][name]


def test_the_scorer_without_notes_raises():
    seen = sales("document").reset(seed=0)[0]["asker"]
    with pytest.raises(ClarifyError, match="MoveScorer plays from the asker's notes"):
        MoveScorer().act([seen])


def test_prompts_show_what_each_player_holds():
    observations, _ = sales("document").reset(seed=0)
    told = AskerPrompt().messages(observations["asker"])[-1]["content"]
    lines = [
        "Before the question:",
        SALES.context,
        "Document:",
        SALES.document,
        f"Question: {SALES.question}",
    ]
    assert told.startswith("\n".join(lines))
    assert "Notes:" not in told
    env = sales("document")
    env.reset(seed=0)
    seen = env.step({"asker": Ask("Which year?")})[0]["user"]
    heard = "\n".join(message["content"] for message in UserPrompt().messages(seen))
    assert SALES.context in heard
    assert SALES.document not in heard


def test_a_proposing_model_sees_context_and_document():
    class Watching(Agent):
        seen = ()

        def move(self, observation, rng):
            self.seen = (*self.seen, (observation["context"], observation["document"]))
            return f"<ask>{observation['document'][:3]}?</ask>"

    agent = Watching()
    bare = Asking(SALES.question, (), (), SALES.context, SALES.document)
    proposer = ModelProposer(agent, samples=2)
    assert proposer.propose(bare) == [Ask("Sal?")], "without notes there is no likeliest answer to add"
    assert set(agent.seen) == {(SALES.context, SALES.document)}
    assert proposer.propose(bare._replace(document="Costs")) == [Ask("Cos?")]
    noted = Asking.of(sales("open").reset(seed=0)[0]["asker"], "test")
    assert (noted.context, noted.document) == (SALES.context, "")
    assert proposer.propose(noted)[-1] == Answer("$1.5 million")


def test_without_notes_and_usable_messages_nothing_is_proposed():
    class Mute(Agent):
        def move(self, observation, rng):
            return "hm"

    assert ModelProposer(Mute(), samples=2).propose(Asking("What?", (), ())) == [Answer("")]


def test_the_optimum_knows_the_grade():
    env = sales("open")
    best = np.stack(list(yardsticks(env, [0], CELLS).optimum.values()), axis=2)
    own = measure(env, {"asker": OptimalAsker(grade=grade_numbers), "user": ScriptedUser()}, [0], CELLS)
    assert own[:, :, :4] == pytest.approx(best[:, :, :4])
    assert best[0, 0, :4] == pytest.approx(
        [1.0 - 9 * 0.002, 1.0, 0.0, 9.0]
    )  # three answers under their years
    solver = Solver(SALES.question, SALES.interpretations, UserModel(), 1, grade_numbers)
    sure = np.array([0.0, 0.0, 1.0])
    assert solver.messages.best(sure, np.array([0.3, 0.6])).tolist() == pytest.approx(
        np.array([[0.4, 1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    ), "one of its two words is worth nothing"
    assert solver.move(sure, 0, Costs(0.0, 0.3)) == Answer("9 million")


def test_no_simple_strategy_beats_the_ceiling_of_pacific(data_dir):
    env = clarify_env.make("pacific-v0", split="validation", data_dir=data_dir)
    several = [i for i, task in enumerate(env.game.tasks) if len(task.interpretations) > 1][:25]
    chosen = [*several, *range(0, 1500, 60)]
    yard = yardsticks(env, chosen, CELLS)
    assert yard.name == "ceiling with this user"
    best = np.stack(list(yard.optimum.values()), axis=2)
    asker = OptimalAsker(grade=env.game.grade)
    own = measure(with_notes(env), {"asker": asker, "user": ScriptedUser()}, chosen, CELLS)
    assert own[:, :, :4] == pytest.approx(best[:, :, :4])
    for measured in yard.teams.values():
        assert (measured[:, :, 0] <= best[:, :, 0] + 1e-9).all()
