"""What a prompt reads is what is played; the message as it came stays in the record and reaches nobody."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import Agent, Decision, NoMove, read_episodes, rollout, write_episodes
from clarify_env.agents import Script, ScriptedUser
from clarify_env.agents.clarification.prompts import AskerPrompt, UserPrompt
from clarify_env.agents.csp.prompts import ChooserPrompt, HelperPrompt
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.prompt import decision
from clarify_env.agents.llm.sampler import Completion, Generator
from clarify_env.agents.llm.thoughts import aloud
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.agents.pingeval.prompts import PartnerPrompt
from clarify_env.errors import Unreadable
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select
from clarify_env.games.pingeval import Propose, Say

SECRET = "zebra"
fragments = st.sampled_from(
    [
        "<ask>",
        "</ask>",
        "<answer>",
        "</answer>",
        "<enumerate>",
        "</enumerate>",
        "<select>",
        "<think>",
        "</think>",
        "a label => its answer\n",
        "=>",
        "&lt;",
        "Which one?",
        "\n",
        " ",
    ]
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.lists(fragments).map("".join)
framed = st.tuples(st.sampled_from(["ask", "answer", "enumerate"]), texts, texts).map(
    lambda drawn: f"{drawn[1]}<{drawn[0]}>{drawn[2]}</{drawn[0]}>"
)
ENV = clarify_env.make("synthetic-v0", size=3, turn_cost=0.1, word_cost=0.01)


class Says(Generator):
    """A generator whose model writes these messages, one a dialogue after the other."""

    def __init__(self, model, lines):
        super().__init__(model)
        self.lines = iter(lines)

    def sample(self, prompts, rngs, limit, temperature=1.0, top_p=1.0, thoughts=None):
        ids = [self.model.message_ids(next(self.lines)) for _ in prompts]
        return [Completion(each, [-0.5] * len(each)) for each in ids]


@pytest.fixture(scope="module")
def model():
    return LanguageModel.load("small", "cpu")


def came(model, line):
    """The line as the model's tokens spell it: spaces may differ."""
    return model.message(model.message_ids(line))


@pytest.fixture
def speaker(model):
    """Makes agents of a language model that writes given messages."""

    def make(*lines, prompt=None, **options):
        agent = TransformersAgent(model, prompt, **options)
        agent.generator = Says(model, lines)
        return agent

    return make


class JsonPrompt(AskerPrompt):
    """An own format: {"ask": "..."} or {"answer": "..."}."""

    def read(self, text, observation):
        try:
            ((kind, content),) = json.loads(text).items()
            return {"ask": Ask, "answer": Answer}[kind](content)
        except (ValueError, KeyError, AttributeError):
            raise Unreadable("no JSON object with one move") from None


def test_a_prompt_format_of_ones_own_is_played_and_survives_storage(speaker, model, tmp_path):
    lines = ('{"ask": "Which profession?"}', ' {"answer":   "Oslo"} ')
    said = [came(model, line) for line in lines]
    players = {"asker": speaker(*lines, prompt=JsonPrompt()), "user": ScriptedUser()}
    (episode,) = rollout(ENV, players, 1)
    assert episode.moves("asker") == [Ask("Which profession?"), Answer("Oslo")]
    assert episode.stop == "selected"
    assert [dict(step.messages).get("asker") for step in episode.steps] == [said[0], None, said[1], None]
    ids = [dict(step.traces)["asker"]["ids"] for step in episode.steps[::2]]
    assert ids == [model.message_ids(line) for line in lines]
    for name in ("one.parquet", "one.jsonl"):
        write_episodes(tmp_path / name, [episode])
        assert list(read_episodes(tmp_path / name)) == [episode]


def test_what_the_prompt_cannot_read_is_not_tried_by_the_game(speaker, model):
    said = "<answer>Oslo</answer>"
    (episode,) = rollout(ENV, {"asker": speaker(said, prompt=JsonPrompt()), "user": ScriptedUser()}, 1)
    assert (episode.stop, episode.detail) == ("unreadable_message", "asker: no JSON object with one move")
    assert episode.steps[0].moves == ()
    assert episode.steps[0].messages == (("asker", came(model, said)),)
    assert dict(episode.steps[0].traces)["asker"]["ids"]
    (by_the_game,) = rollout(ENV, {"asker": Script(["no tags"]), "user": ScriptedUser()}, 1)
    assert (episode.reward, episode.quantities) == (by_the_game.reward, by_the_game.quantities)


class Listener(Agent):
    """Asks once, and remembers what it is shown then."""

    def move(self, observation, rng):
        self.heard = repr(observation)
        return Answer(observation["notes"][0].answers[0]) if observation["transcript"] else Ask("Which?")


@pytest.mark.parametrize(
    "line",
    [
        f"<think>{SECRET}</think>A painter.",
        f"I mean the {SECRET}.</think>\n\nA painter.",
        f"A painter. <thinking>{SECRET}",
        f"<think>{SECRET}\n</think>\n<reply>A <think>{SECRET}</think>painter.</reply>",
    ],
)
def test_a_users_thought_reaches_the_record_and_nobody_else(speaker, model, line):
    listener = Listener()
    (episode,) = rollout(ENV, {"asker": listener, "user": speaker(line, "<think>hm</think>1")}, 1)
    reply = episode.moves("user")[0]
    assert " ".join(reply.text.split()) == "A painter."
    assert "painter" in listener.heard
    assert SECRET not in listener.heard
    assert dict(episode.steps[1].messages)["user"] == came(model, line)
    assert isinstance(episode.moves("user")[1], Select)


@pytest.mark.parametrize("line", [f"<think>{SECRET}", f"{SECRET}</think>", f"<think>{SECRET}</think>"])
@pytest.mark.parametrize("at", ["reply", "selection"])
def test_a_thought_alone_is_no_move_and_is_told_to_nobody(speaker, model, line, at):
    env = ENV.fork()
    env.reset(seed=0)
    observations = env.step({"asker": Ask("Which?") if at == "reply" else Answer("Oslo")})[0]
    (made,) = speaker(line).act([observations["user"]])
    assert isinstance(made.move, NoMove)
    observations, *_, infos = env.step({"user": made})
    assert env.episode().stop == "unreadable_message"
    assert env.episode().steps[-1].messages == (("user", came(model, line)),)
    assert SECRET not in f"{observations} {infos}"


def test_a_message_over_its_share_is_played_cut(speaker, model):
    env = clarify_env.make("pingeval-names-v0", turns=2, budget=8)
    line = f"I count: <say>one two three four five {SECRET}</say>"
    left = speaker(line, "<agree></agree>")
    right = Script([Propose("Ada")], "right")
    (episode,) = rollout(env, {"left": left, "right": right}, 1)
    assert episode.stop == "selected"
    assert episode.moves("left")[0] == Say("one two three four")
    assert dict(episode.steps[0].messages)["left"] == came(model, line)


@settings(max_examples=400, deadline=None)
@given((texts | framed).filter(str.strip))
def test_the_asker_plays_what_the_game_would_read(text):
    prompted, raw = ENV.fork(), ENV.fork()
    observation = prompted.reset(seed=4)[0]["asker"]
    raw.reset(seed=4)
    results = (
        prompted.step({"asker": decision(AskerPrompt(), text, observation, None)})[1:4],
        raw.step({"asker": aloud(text)})[1:4],
    )
    one, two = prompted.episode(), raw.episode()
    if aloud(text):
        assert results[0] == results[1]
        assert one.stop == two.stop
        assert one.steps[0].moves == two.steps[0].moves
    else:
        assert one.stop == "unreadable_message"
    assert one.steps[0].messages == (("asker", text),)


@pytest.mark.parametrize("prompt", [AskerPrompt(), HelperPrompt(), ChooserPrompt(), PartnerPrompt()])
def test_the_built_in_formats_agree_with_the_codec(prompt):
    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def check(data):
        kind = data.draw(st.sampled_from(prompt.kinds))
        text = data.draw(texts) + f"<{kind.kind}>{data.draw(texts)}</{kind.kind}>"
        observation = {"limits": (10**6, 1, 1), "table": ()}
        try:
            expected = clarify_env.codec.decode(text, prompt.kinds)
        except Unreadable:
            with pytest.raises(Unreadable):
                prompt.read(text, observation)
        else:
            assert prompt.read(text, observation) == expected

    check()


@pytest.mark.parametrize("prompt", [AskerPrompt(), HelperPrompt(), ChooserPrompt(), PartnerPrompt()])
def test_a_blank_message_is_no_move(prompt):
    made = decision(prompt, " \n", {"limits": (4, 1, 1)}, {"n": 1})
    assert isinstance(made.move, NoMove)
    assert made[1:] == (" \n", {"n": 1})


@given(texts, texts.filter(lambda text: "think" not in text.lower()))
def test_nothing_of_a_thought_is_said(text, thought):
    assert aloud(f"<think>{thought}</think>Yes. <thinking>{thought}") == "Yes."
    assert aloud(f"{thought}</Reasoning>Yes.") == "Yes."
    assert "<think>" not in aloud(text)
    assert "</think>" not in aloud(text)


def test_thoughts_in_words_stay():
    assert aloud(" a < b, I think > so & <b> ") == "a < b, I think > so & <b>"


@pytest.mark.parametrize("move", [Enumerate([("a", "b")]), Reply("a <think> tag")])
def test_a_decision_is_an_action_of_the_environment(move):
    """A message is recorded and not parsed, whatever it says; the trace goes with it."""
    env = ENV.fork()
    env.reset(seed=0)
    player = "user" if isinstance(move, Reply) else "asker"
    if player == "user":
        env.step({"asker": Ask("Which?")})
    env.step({player: Decision(move, "<ask>other</ask>", {"n": 1})})
    (*_, step) = env.episode().steps
    assert step.moves == ((player, move),)
    assert (step.messages, step.traces) == (((player, "<ask>other</ask>"),), ((player, {"n": 1}),))
    assert UserPrompt().write(Reply("a <think> tag"), {"transcript": ()}).startswith("<reply>")
