"""Thoughts are neither said nor scored, however a model writes them; they are counted and can be limited."""

import time

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError, NoMove, rollout
from clarify_env.agents import ScriptedUser
from clarify_env.agents.llm.model import LanguageModel
from clarify_env.agents.llm.prompt import TaggedPrompt, decision
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.agents.llm.sampler import Completion, Generator
from clarify_env.agents.llm.thoughts import (
    PAIRS,
    ThoughtLimit,
    aloud,
    end_of_thought,
    escaped,
    opened,
    split,
)
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.games.clarification import Answer, Ask

SAID = "<answer>Oslo</answer>"
THOUGHT = "maybe <ask>Which one?</ask>, or <answer>Rome</answer>?"


def channels(*parts):
    return "<|end|><|start|>assistant".join(f"<|channel|>{name}<|message|>{text}" for name, text in parts)


@pytest.mark.parametrize(("begin", "end"), [*PAIRS, ("<Think>", "</THINK>"), ("[THINK]", "[/THINK]")])
def test_a_thought_is_not_said_whether_opened_closed_or_cut_off(begin, end):
    assert aloud(f"{begin}{THOUGHT}{end}\n{SAID}") == SAID
    assert aloud(f"{THOUGHT}{end}{SAID}") == SAID, "opened by the template"
    assert aloud(f"{begin}{THOUGHT}") == "", "cut off"
    assert aloud(f"{begin}{THOUGHT}{end}{SAID}{begin}{THOUGHT}") == SAID
    assert aloud(f"{begin}a{end}{begin}b{end}{SAID}") == SAID


def test_channels():
    assert aloud(channels(("analysis", THOUGHT), ("final", SAID))) == SAID
    assert (
        aloud(channels(("analysis", THOUGHT), ("commentary", THOUGHT), ("final", SAID)) + "<|return|>")
        == SAID
    )
    assert aloud(channels(("final", SAID))) == SAID
    assert aloud(channels(("analysis", THOUGHT))) == ""
    assert aloud("<|channel|>analysis") == ""


def test_marks_around_what_is_said_go():
    assert (
        aloud(f"<|begin_of_thought|>x<|end_of_thought|><|begin_of_solution|>{SAID}<|end_of_solution|>")
        == SAID
    )


def test_where_the_last_thought_ends():
    assert split(SAID) == (SAID, 0)
    text = f"<think>a</think>{SAID}"
    assert split(text) == (SAID, len("<think>a</think>"))
    assert split("<think>abc") == ("", len("<think>abc"))


def test_what_a_prompt_leaves_open():
    assert opened("<|user|>x<|assistant|><think>\n") == "<think>"
    assert opened("<|assistant|><think>\n\n</think>\n\n") == ""
    assert opened("<|assistant|>[THINK]") == "[THINK]"
    assert opened("<|assistant|>") == ""
    assert end_of_thought("[THINK]") == "[/THINK]"
    assert end_of_thought("<think>") == "</think>"


@pytest.mark.parametrize("role", ["asker", "user"])
def test_both_players_may_think(role):
    env = clarify_env.make("synthetic-v0")
    observation = env.reset(seed=0)[0]["asker"]
    said = SAID
    if role == "user":
        observation = env.step({"asker": Ask("Which?")})[0]["user"]
        said = "The painter."
    plain = decision(RolePrompt(), said, observation, None)
    made = decision(RolePrompt(), f"<think>{THOUGHT}</think>{said}", observation, None)
    assert made.move == plain.move
    assert made.message == f"<think>{THOUGHT}</think>{said}", "as it came"
    assert isinstance(decision(RolePrompt(), f"<think>{THOUGHT}", observation, None).move, NoMove)


@pytest.mark.parametrize("text", ["is <think> a tag?", "a</thought>b", "<THINKING>", "x < y"])
def test_a_move_that_speaks_of_marks_survives_the_round_trip(text):
    prompt = RolePrompt()
    observation = clarify_env.make("synthetic-v0").reset(seed=0)[0]["asker"]
    assert decision(prompt, prompt.write(Answer(text), observation), observation, None).move == Answer(text)
    assert escaped("x < y") == "x < y"


@pytest.mark.parametrize(
    "piece",
    ["<think>", "</think>", "<think></think>", "[THINK]", "<|channel|>final<|message|>", "<|channel|>", "<"],
)
def test_long_messages_take_linear_time(piece):
    """Twenty times the length takes less than a hundred times the time; quadratic would be four hundred."""

    def seconds(count):
        text = piece * count
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            aloud(text)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(40_000) < 100 * max(seconds(2_000), 1e-4)


@pytest.fixture(scope="module")
def thinking(tmp_path_factory):
    """The small model with a template that opens a thought."""
    model = LanguageModel.load("small", "cpu")
    tokenizer = model.tokenizer
    tokenizer.add_tokens(["<think>", "</think>"])
    model.model.resize_token_embeddings(len(tokenizer))
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>{% endif %}"
    return LanguageModel(model.model, tokenizer, "thinking")


class Says(Generator):
    """A generator whose model writes these messages."""

    lines = ()

    def sample(self, prompts, rngs, limit, temperature=1.0, top_p=1.0, thoughts=None):
        ids = [self.model.message_ids(line) for line in self.lines[: len(prompts)]]
        return [Completion(each, [-0.5] * len(each)) for each in ids]


def test_a_thought_that_the_template_opens_is_none_of_the_message(thinking):
    agent = TransformersAgent(thinking, max_tokens=40)
    agent.generator = Says(thinking)
    env = clarify_env.make("synthetic-v0")
    observation = env.reset(seed=0)[0]["asker"]
    for line, move in {f"{THOUGHT}</think>{SAID}": Answer("Oslo"), THOUGHT: None}.items():
        agent.generator.lines = [line]
        (made,) = agent.act([observation], [np.random.default_rng(0)])
        assert made.message.startswith("<think>")
        assert isinstance(made.move, NoMove) if move is None else made.move == move
        ids = made.trace["ids"]
        end = thinking.tokenizer.convert_tokens_to_ids("</think>")
        expected = ids.index(end) + 1 if move else len(ids)
        assert abs(made.trace["thinking_tokens"] - expected) <= (0 if move else 1), (
            "the stop token says nothing"
        )
    assert agent.stats["thinking_tokens"] > 0


@pytest.mark.parametrize("slow", ["", "for the test"])
def test_thoughts_end_at_their_limit(thinking, slow):
    end = thinking.tokenizer.convert_tokens_to_ids("</think>")
    thinking.slow = slow
    agent = TransformersAgent(thinking, max_tokens=24, max_thinking_tokens=5)
    assert agent.with_(temperature=0.0).max_thinking_tokens == 5
    env = clarify_env.make("synthetic-v0")
    for episode in rollout(env, {"asker": agent, "user": ScriptedUser()}, 6):
        for step in episode.steps:
            for _, trace in step.traces:
                ids = trace["ids"] if isinstance(trace, dict) and "ids" in trace else None
                if ids and len(ids) > 5:
                    assert end in ids[:6]
                    assert trace["thinking_tokens"] <= 6
    thinking.slow = ""


def test_what_a_limit_forces():
    limit = ThoughtLimit(3, (7,), (8, 9))
    assert [limit.forced(ids) for ids in ([7, 1, 2], [7, 1, 2, 3], [7, 1, 2, 3, 8], [7, 1, 2, 3, 8, 9])] == [
        None,
        8,
        9,
        None,
    ]
    assert limit.forced([7, 1, 8, 9]) is None, "it has ended by itself"
    assert limit.forced([1, 2, 3, 4]) is None, "no thought"


def test_a_limit_needs_a_model_that_thinks_and_room():
    with pytest.raises(ClarifyError, match="max_thinking_tokens=5: small has no token that begins a thought"):
        TransformersAgent("small", device="cpu", max_thinking_tokens=5)
    with pytest.raises(ClarifyError, match="max_thinking_tokens=40: at least 1, and less than max_tokens=40"):
        TransformersAgent("small", device="cpu", max_tokens=40, max_thinking_tokens=40)


def test_options_of_a_template_are_for_a_model_that_is_loaded_here(thinking):
    with pytest.raises(ClarifyError, match="thinking is loaded; give them to LanguageModel"):
        TransformersAgent(thinking, chat_template_kwargs={"enable_thinking": False})
    agent = TransformersAgent("small", device="cpu", chat_template_kwargs={"enable_thinking": False})
    assert agent.model.template.options == {"enable_thinking": False}


def test_own_prompts_read_what_is_said():
    class Own(TaggedPrompt):
        kinds = (Answer,)

    assert decision(Own(""), "<think>x</think>Oslo", {}, None).move == Answer("Oslo")
