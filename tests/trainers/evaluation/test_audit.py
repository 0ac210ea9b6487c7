"""The audit of users: each known fault is caught by its own measure, and no other."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import Agent, ClarifyError, Failed, FixedCosts
from clarify_env.agents import ScriptedUser
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Ask, Enumerate, Reply, Select, UserModel
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.games.clarification.scripted_user import PUZZLED, added, asked_fact
from clarify_env.games.clarification.synthetic import tasks
from clarify_env.trainers.evaluation.audit import audit
from clarify_env.trainers.evaluation.audit_rules import MEASURES, Probe, judge
from clarify_env.trainers.reporting.tables import audit_table, write_audit

PLACES = ("norway", "chile", "peru", "ghana")
FILM = Task(
    "film",
    "When did the film open?",
    tuple(
        Interpretation(f"When did the film open in {place.title()}?", (f"May {1950 + k}",), 0.25)
        for k, place in enumerate(PLACES)
    ),
)


def text_env():
    """A game whose meanings are told apart by text alone."""
    films = tuple(FILM._replace(id=f"film-{k}") for k in range(20))
    return GameEnv(ClarificationGame(films, FixedCosts(turn=0.1, word=0.01)), "films-v0")


ENVS = {"facts": lambda: clarify_env.make("synthetic-v0", size=60), "text": text_env}


class Wrong(Agent):
    """A scripted user with one fault: other replies, or other selections."""

    def __init__(self, reply=None, select=None):
        super().__init__(0)
        self.honest, self.reply, self.select = ScriptedUser(), reply, select

    def move(self, observation, rng):
        last = observation["transcript"][-1].move
        if isinstance(last, Enumerate):
            return self.select(last, rng) if self.select else self.honest.move(observation, rng)
        if self.reply and (text := self.reply(observation)):
            return text
        # An honest reply to what is no question about the meaning: that of the scripted user with facts.
        asked = "mean" in last.text or asked_fact(last.text, observation["facts"])
        return self.honest.move(observation, rng) if asked else Reply(PUZZLED)


def lie(observation):
    """What is false, where something is asked; a rival's place, or another value of the asked domain."""
    asked = observation["transcript"][-1].move.text
    if not observation["facts"]:
        own = observation["intent"].lower()
        return Reply(next(place for place in PLACES if place not in own)) if "mean" in asked else None
    fact = asked_fact(asked, observation["facts"])
    return fact and Reply(next(value for value in fact.domain if value != fact.value))


def answers(env):
    """The answer to each meaning, which no honest user knows."""
    return {m.text: m.answers[0] for task in env.game.tasks for m in task.interpretations}


FAULTS = {
    "leak": lambda env: Wrong(lambda seen: Reply(seen["intent"])),
    "answer": lambda env: Wrong(lambda seen: Reply(answers(env)[seen["intent"]])),
    "contradiction": lambda env: Wrong(lie),
    "wrong_branch": lambda env: Wrong(
        select=lambda m, rng: Select(m.options[int(rng.integers(len(m.options)))][1])
    ),
    "no_branch": lambda env: Wrong(select=lambda m, rng: Select("")),
    "inconsistent": lambda env: Wrong(lambda seen: lie(seen) if len(seen["transcript"]) > 1 else None),
    "empty": lambda env: Wrong(lambda seen: Reply("I would rather not say.")),
    "unreadable": lambda env: Wrong(lambda seen: Select("Oslo")),
}


def test_every_measure_has_a_known_fault():
    assert {*FAULTS, "failed"} == {*MEASURES}  # of the last see test_a_user_that_cannot_decide


@pytest.mark.parametrize("kind", ENVS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_its_measure_and_only_by_it(fault, kind):
    env = ENVS[kind]()
    rates = audit(env, FAULTS[fault](env), tasks=20)["rates"]
    caught = {measure for measure, rate in rates.items() if rate["count"]}
    # Who contradicts itself contradicts its meaning in one of the replies; one lie among two does both.
    assert caught - {"inconsistent", "contradiction"} == {fault} - {"inconsistent", "contradiction"}
    assert fault in caught
    assert rates[fault]["mean"] > 0.5
    assert rates[fault]["low"] > 0.3


@pytest.mark.parametrize("kind", ENVS)
def test_a_user_that_says_what_is_asked_has_no_fault(kind):
    report = audit(ENVS[kind](), Wrong(), tasks=20)
    assert [rate["count"] for rate in report["rates"].values()] == [0] * len(MEASURES)
    assert all(0.0 < rate["high"] < 0.2 for rate in report["rates"].values())
    assert report["told"]["question"] > 0.3
    assert report["told"]["nag"] == report["told"]["off_topic"] == 0.0


def test_rates_of_the_scripted_user_are_its_knobs():
    env = clarify_env.make("synthetic-v0", size=400)
    user = ScriptedUser(UserModel(noise=0.1, vagueness=0.2))
    report = audit(env, user, tasks=None)
    rates = report["rates"]
    false, empty = rates["contradiction"], rates["empty"]
    assert rates["leak"]["count"] == rates["answer"]["count"] == rates["wrong_branch"]["count"] == 0
    assert empty["low"] < 0.2 < empty["high"]
    assert false["low"] < 0.1 / 0.8 < false["high"]  # of the replies that tell something
    asked = false["by_probe"]["question"]
    assert asked["of"] == empty["of"] - empty["count"]
    assert report["right"]["by_probe"]["question"]["mean"] == pytest.approx(0.9 - 0.2, abs=0.05)
    assert false["high"] - false["low"] < 0.06


def test_real_questions(data_dir):
    env = clarify_env.make("ambigqa-v0", split="validation", data_dir=data_dir)
    report = audit(env, ScriptedUser(), tasks=150)
    rates = report["rates"]
    for measure in set(MEASURES) - {"contradiction", "inconsistent", "empty"}:
        assert rates[measure]["count"] == 0, report["worst"][measure]
    assert rates["contradiction"]["mean"] < 0.01
    assert report["right"]["mean"] > 0.98
    assert min(rate["mean"] for rate in report["right"]["by_probe"].values()) > 0.9
    assert set(rates["leak"]["by_probe"]) == {"off_topic", "nag"}


def test_a_report_is_a_function_of_user_and_seed_and_not_of_the_batch():
    env = clarify_env.make("synthetic-v0", size=60)
    user = ScriptedUser(UserModel(noise=0.3, vagueness=0.3))
    one, same, other = (
        audit(env, user, tasks=15, seed=seed, batch=batch) for seed, batch in ((4, 256), (4, 7), (5, 256))
    )
    assert json.loads(json.dumps(one)) == one == same
    assert one["rates"] != other["rates"]


def test_the_worst_dialogues_are_the_guilty_ones(tmp_path):
    env = clarify_env.make("synthetic-v0", size=60)
    report = audit(env, FAULTS["leak"](env), tasks=15)
    shown = report["worst"]["leak"]
    assert len({one["task"] for one in shown}) == 3
    assert all(one["user"] == one["meaning"] for one in shown)
    assert report["worst"]["answer"] == []
    write_audit(report, tmp_path / "new" / "audit.json")
    assert json.loads((tmp_path / "new" / "audit.json").read_text()) == report
    assert audit_table(report)


def test_a_user_that_cannot_decide():
    class Down(Agent):
        def move(self, observation, rng):
            return Failed("no server at http://localhost:1", outside=True)

    report = audit(clarify_env.make("synthetic-v0", size=20), Down(), tasks=10)
    assert report["rates"]["failed"]["mean"] == 1.0
    assert {name for name, rate in report["rates"].items() if rate["of"]} == {"failed"}
    assert "no server" in report["worst"]["failed"][0]["detail"]


def test_what_a_user_counts_is_in_the_report():
    user = Wrong()
    user.stats = {"messages": 5}
    user.honest.stats = user.stats

    def count(observations, rngs=None):
        user.stats["messages"] += len(observations)
        return Agent.act(user, observations, rngs)

    user.act = count
    report = audit(clarify_env.make("synthetic-v0", size=9), user, tasks=2)
    asked_twice = report["probes"]["again"]
    assert report["stats"] == {"messages": sum(report["probes"].values()) + asked_twice}


def test_the_worst_dialogues_as_a_page(tmp_path):
    env = clarify_env.make("synthetic-v0", size=60)
    report = audit(env, FAULTS["contradiction"](env), name="# <b>liar", tasks=15)
    write_audit(report, tmp_path / "audit.json")
    page = (tmp_path / "audit.md").read_text()
    assert "## contradiction" in page
    assert "## leak" not in page
    assert all(line.startswith(("#", "    ")) for line in page.splitlines() if line)


words = st.sampled_from([*PLACES, "not", "painter", "the", "May", "1950", "film", "open", "東京", "?!"])


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(words, max_size=8).map(" ".join)), st.integers(0, 3))
def test_any_reply_has_a_verdict_and_the_scripted_one_has_no_fault(reply, intent):
    for task in (FILM, tasks("train", 60)[3]):
        at = intent % len(task.interpretations)
        probe = Probe(0, at, "question", Ask("What exactly do you mean?"))
        found = judge(task, probe, Reply(reply)).found
        assert all(0.0 <= how <= 1.0 for how in found.values())
        assert set(found) <= set(MEASURES)
    own = Reply(added(FILM.interpretations[intent].text, FILM.question))
    assert not any(judge(FILM, Probe(0, intent, "question", probe.move), own).found.values())


def test_rates_by_hand():
    """Every other selection takes nothing: the same in each question, so that the bootstrap has no spread."""
    made = []

    def select(message, rng):
        made.append(message)
        return Select("" if len(made) % 2 else message.options[0][1])

    report = audit(text_env(), Wrong(select=select), tasks=3)
    rate = report["rates"]["no_branch"]
    assert (rate["count"], rate["of"]) == (3, 6)
    assert rate["mean"] == rate["low"] == rate["high"] == 0.5
    never = report["rates"]["leak"]  # 0 of 3 questions: (1 - p) ** 3 is 2.5% at the upper bound
    assert (1.0 - never["high"]) ** 3 == pytest.approx(0.025)


def test_mistakes_are_named():
    env = clarify_env.make("synthetic-v0", size=9)
    with pytest.raises(ClarifyError, match=r"audit: tasks=0, intents=2; each has to be at least 1"):
        audit(env, ScriptedUser(), tasks=0)
    with pytest.raises(ClarifyError, match=r"audit: leak=0.0; a share in \(0, 1\]"):
        audit(env, ScriptedUser(), leak=0.0)
    with pytest.raises(ClarifyError, match="max_turns=2 lets no two questions through"):
        audit(clarify_env.make("synthetic-v0", size=9, max_turns=2), ScriptedUser())
    lone = Task("t", "Who?", (Interpretation("Who?", ("B",)),))
    single = GameEnv(ClarificationGame((lone,), FixedCosts(turn=0.1, word=0.01)), "lone-v0")
    with pytest.raises(ClarifyError, match="no question of this split has several meanings"):
        audit(single, ScriptedUser())
