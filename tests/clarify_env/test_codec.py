"""Text to moves and back: what is written is read, and what is unclear is no move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_env import ClarifyError, Pass
from clarify_env.codec import decode, encode
from clarify_env.errors import Unreadable
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select

ASKER, USER = (Ask, Enumerate, Answer), (Reply,)
PIECES = [*"<>&#;=/ \n\r\t\u2028\x85\xa0a1é東😀", "<ask>", "</reply>", "=>", "&#10;"]
nasty = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
texts = st.text(max_size=30) | nasty
labels = texts.filter(lambda text: text.strip())
options = st.lists(st.tuples(labels, texts), min_size=1, max_size=4)


@given(texts)
def test_texts_survive_the_round_trip(text):
    for kind in (Ask, Answer):
        assert decode(encode(kind(text)), ASKER) == kind(text)
    for kind in (Reply, Select):
        assert decode(encode(kind(text)), (kind,)) == kind(text)


@given(options)
def test_enumerations_survive_the_round_trip(pairs):
    assert decode(encode(Enumerate(pairs)), ASKER) == Enumerate(pairs)


def test_pass_survives_the_round_trip():
    assert encode(Pass()) == ""
    assert decode(encode(Pass()), ASKER) == decode(" \n", USER) == Pass()


@given(texts | st.text().map(lambda text: f"<enumerate>{text}</enumerate>"))
def test_any_text_is_a_move_or_unreadable(text):
    said = ""
    for kinds in (ASKER, ()):
        try:
            assert isinstance(decode(text, kinds), (*kinds, Pass))
        except Unreadable as error:
            said = str(error)
        assert len(said.splitlines()) <= 1
    for kind in (Reply, Select):  # one text is all that they can say
        assert isinstance(decode(text, (kind,)), (kind, Pass))


def test_what_stands_outside_the_block_is_not_read():
    said = "Let me think: 3 < 4 & 5 > 4.\n<answer> Port Arden </answer>\nThat is it."
    assert decode(said, ASKER) == Answer("Port Arden")
    assert decode("<enumerate>\n\n a b => c d \n e=>\n</enumerate>", ASKER) == Enumerate(
        [("a b", "c d"), ("e", "")]
    )


@pytest.mark.parametrize(
    "text",
    [
        "Port Arden",
        "<answer>Oslo",
        "Oslo</answer>",
        "</answer>Oslo<answer>",
        "<ask>which?</answer>",
        "<answer>Oslo</answer><answer>Oslo</answer>",
        "<ask>which?</ask> <answer>Oslo</answer>",
        "<ask>is it <answer>Oslo</answer>?</ask>",
        "<Answer>Oslo</Answer>",
        "<reply>the painter</reply>",
        "<enumerate></enumerate>",
        "<enumerate>the painter: Oslo</enumerate>",
        "<enumerate>a => b => c</enumerate>",
        "<enumerate>a => b\nc</enumerate>",
        "<enumerate> => Oslo</enumerate>",
    ],
)
def test_ambiguous_or_malformed_is_no_move(text):
    with pytest.raises(Unreadable):
        decode(text, ASKER)


def test_a_users_text_with_the_askers_tags_stays_text():
    for text in ("<answer>Oslo</answer>", "the painter </reply><answer>Oslo</answer>", "<reply>a<reply>"):
        assert decode(text, (Reply,)) == Reply(text)
        assert decode(text, (Select,)) == Select(text)
    assert decode("<reply>a</reply> <answer>b</answer>", USER) == Reply("<reply>a</reply> <answer>b</answer>")
    assert decode("<reply><answer>b</answer></reply>", USER) == Reply("<answer>b</answer>")


def test_escapes():
    assert encode(Ask(" a<b>\n&amp;")) == "<ask>&#32;a&lt;b&gt;&#10;&amp;amp;</ask>"
    assert decode("<ask>&#65;&#1114112;&#55296;&nbsp;&amp;lt;</ask>", ASKER) == Ask(
        "A&#1114112;&#55296;&nbsp;&lt;"
    )


def test_too_long():
    assert decode("<ask>" + "a" * 89 + "</ask>", ASKER, max_chars=100) == Ask("a" * 89)
    with pytest.raises(Unreadable, match="1,000,000 characters; the limit is 20,000"):
        decode("a" * 1_000_000, USER)


def test_an_error_names_what_was_expected():
    with pytest.raises(
        ClarifyError, match=r"no move in 'Oslo, I think'; expected <ask>...</ask> or <enumerate>"
    ):
        decode("Oslo,\n I think", ASKER)
