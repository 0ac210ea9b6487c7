"""UserPrompt: what a model reads as the user, and what of its message counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents.clarification.prompts import UserPrompt
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.errors import Unreadable
from clarify_env.game import Turn
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select

PROMPT = UserPrompt()
quick = settings(max_examples=200, deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
tagged = st.sampled_from(
    ["<think>", "</think>", "<reply>", "</reply>", "<answer>", "\n", "&amp;", "1", ". ", "x"]
)
messages = st.one_of(texts, st.lists(tagged, max_size=8).map("".join))
spoken = messages.filter(lambda text: text.strip())


def observed(*moves):
    """What a user sees after these moves, the asker's first."""
    turns = tuple(Turn("user" if isinstance(move, Reply) else "asker", move) for move in moves)
    return {
        "role": "clarification/user",
        "question": "Where was Kim born?",
        "intent": "Kim, the painter",
        "facts": (),
        "costs": np.array([0.1, 0.01]),
        "transcript": turns,
    }


ASKED = observed(Ask("Which profession?"))
LIST = Enumerate([("the painter", "Oslo"), ("2", "New Oslo"), ("otherwise", "Oslo")])
lists = st.lists(st.tuples(spoken, messages), min_size=1, max_size=5).map(Enumerate)


@quick
@given(spoken)
def test_a_reply_survives_the_round_trip(text):
    assert PROMPT.read(PROMPT.write(Reply(text), ASKED), ASKED) == Reply(text)


@quick
@given(st.one_of(lists, spoken.map(Answer)), st.data())
def test_a_selection_survives_the_round_trip(final, data):
    observation = observed(Ask("Which?"), Reply("That."), final)
    answers = [final.text] if isinstance(final, Answer) else [answer for _, answer in final.options]
    chosen = Select(data.draw(st.sampled_from([*answers, ""])))
    assert PROMPT.read(PROMPT.write(chosen, observation), observation) == chosen


@quick
@given(messages, st.one_of(lists, spoken.map(Answer), spoken.map(Ask)))
def test_any_message_is_a_legal_move_or_unreadable(text, last):
    observation = observed(last)
    try:
        move = PROMPT.read(text, observation)
    except Unreadable:
        return
    env = clarify_env.make("synthetic-v0", size=3)
    env.reset(seed=1)
    env.step({"asker": last})
    env.step({"user": move})
    assert env.episode().stop in (None, "selected")


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (" A painter. ", "A painter."),
        ("A painter.\nThe other side asks: Which era?\nModern.", "A painter."),
        ("<think>I am the painter.\nSay it?</think>\n\nA painter.", "A painter."),
        ("<reply>A painter,\nI think.</reply>", "A painter,\nI think."),
        ("<answer>Oslo</answer>", "<answer>Oslo</answer>"),
        ("<reply>A painter.", "<reply>A painter."),
        ("A painter. <think>Or should I", "A painter."),
        ("I am to say painter.</think>\n\nA painter.", "A painter."),
        ("A <think>secret</think>painter.<Thinking>secret", "A painter."),
        ("<think>a <think>secret</think> of mine</think>A painter.", "A painter."),
        (
            "<thought>a</thought><reply>A painter,<think>b</think>\nI think.</reply>",
            "A painter,\nI think.",
        ),
    ],
)
def test_what_counts_of_a_reply(text, reply):
    assert PROMPT.read(text, ASKED) == Reply(reply)


@pytest.mark.parametrize("text", ["", " \n", "<think>I should say", "<think>a</think> ", "<reply> </reply>"])
def test_what_is_no_reply(text):
    with pytest.raises(Unreadable):
        PROMPT.read(text, ASKED)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1", "Oslo"),
        (" 2. ", "New Oslo"),
        ("2. 2: New Oslo", "New Oslo"),
        ("0", ""),
        ("<think>The first.</think>3", "Oslo"),
    ],
)
def test_what_counts_of_a_selection(text, answer):
    assert PROMPT.read(text, observed(LIST)) == Select(answer)


@pytest.mark.parametrize(
    "text", ["", "4", "-1", "1 or 2", "2. the painter: Oslo", "0. none", "Oslo", "the first", "99999999", "²"]
)
def test_what_is_no_selection(text):
    with pytest.raises(Unreadable):
        PROMPT.read(text, observed(LIST))


@pytest.mark.parametrize(
    ("move", "observation"),
    [
        (Select("Port"), observed(LIST)),
        (Reply(" "), ASKED),
        (Ask("Which?"), observed(LIST)),
    ],
)
def test_what_cannot_be_written_is_told(move, observation):
    with pytest.raises(ClarifyError, match="cannot write"):
        PROMPT.write(move, observation)


def test_the_chat_goes_on_as_it_began():
    """A later turn's chat starts with the earlier one's, so that its keys and values can be kept."""
    examples = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    prompt = UserPrompt(rules="R", examples=examples)
    first = prompt.messages(observed(Ask("Which profession?")))
    later = prompt.messages(observed(Ask("Which profession?"), Reply("A painter."), Ask("Which era?")))
    assert [message["role"] for message in later] == ["system", *["user", "assistant"] * 2, "user"]
    assert later[: len(first)] == first
    assert first[1:3] == examples
    assert later[-1]["content"].endswith("Which era?")
    assert "Kim, the painter" in first[-1]["content"]
    assert first[-1]["content"].endswith("Which profession?")


def test_a_final_message_is_read_on_its_own_with_what_was_said():
    chat = RolePrompt().messages(observed(Ask("Which profession?"), Reply("A painter."), LIST))
    assert [message["role"] for message in chat] == ["system", "user"]
    lines = chat[1]["content"].splitlines()
    assert lines[-3:] == ["1. the painter: Oslo", "2. 2: New Oslo", "3. otherwise: Oslo"]
    assert "What you said: A painter." in lines
