"""What chat templates do: where messages end, what is dropped or folded, and what a text may not do."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.agents.llm.chat_template import ChatTemplate
from clarify_env.agents.llm.model import SMALL
from clarify_env.agents.llm.prompt import fold_system, say

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEMPLATES = {
    "chatml": (CHATML, ["<|im_start|>", "<|im_end|>"]),
    "llama3": (
        "<|begin|>{% for m in messages %}<|start_header|>{{ m.role }}<|end_header|>\n\n"
        "{% if m.role == 'system' %}Today Date: {{ strftime_now('%d %b %Y') }}\n\n{% endif %}"
        "{{ m.content | trim }}<|eot|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header|>assistant<|end_header|>\n\n{% endif %}",
        ["<|begin|>", "<|start_header|>", "<|end_header|>", "<|eot|>"],
    ),
    "gemma": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
        "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ["<start_of_turn>", "<end_of_turn>"],
    ),
    "mistral": (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
        "{% elif m.role == 'assistant' %} {{ m.content }}</s>{% endif %}{% endfor %}",
        ["</s>"],
    ),
    "glm": (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        ["<|system|>"],
    ),
    "qwen3": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and not "
        "enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}{% endif %}",
        ["<|im_start|>", "<|im_end|>"],
    ),
    "harmony": (
        "{% for m in messages %}<|start|>{{ m.role }}"
        "{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>{{ m.content }}<|stop|>"
        "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        ["<|start|>", "<|channel|>", "<|message|>", "<|stop|>"],
    ),
    "plain": (
        "{% for m in messages %}{{ m.role | upper }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT: {% endif %}",
        [],
    ),
}
# The token that ends a message, and whether the rules are folded into the first message of the user.
EXPECTED = {
    "chatml": ("<|im_end|>", False),
    "llama3": ("<|eot|>", False),
    "gemma": ("<end_of_turn>", True),
    "mistral": ("</s>", True),
    "glm": ("<|user|>", False),
    "qwen3": ("<|im_end|>", False),
    "harmony": ("<|end|>", False),  # the end token of this tokenizer, whatever ends a channel
    "plain": ("<|end|>", False),
}
CHAT = [
    say("system", "Rules."),
    say("user", "Which?"),
    say("assistant", "<ask>Who?</ask>"),
    say("user", "Me."),
]


def tokenizer(template, added=()):
    made = AutoTokenizer.from_pretrained(SMALL)
    made.init_kwargs.pop("rules_in_weights")
    made.add_special_tokens({"extra_special_tokens": [*made.extra_special_tokens, *added]})
    made.chat_template = template
    return made


def template(name, **options):
    return ChatTemplate(tokenizer(*TEMPLATES[name]), name, options)


@pytest.fixture(scope="module")
def all_of_them():
    return {name: template(name) for name in TEMPLATES}


@pytest.mark.parametrize("name", TEMPLATES)
def test_where_a_message_ends_and_whether_rules_are_folded_is_read_off(name, all_of_them):
    found = all_of_them[name]
    assert (found.tokenizer.convert_ids_to_tokens(found.stop), found.folds) == EXPECTED[name]


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_of_a_chat_is_lost(name, all_of_them):
    text = all_of_them[name].text(CHAT)
    places = [text.index(one["content"]) for one in CHAT]
    assert places == sorted(places)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_text_can_write_marks_of_the_template(name, all_of_them):
    found = all_of_them[name]
    controls = {found.tokenizer.convert_tokens_to_ids(t) for t in found.tokenizer.all_special_tokens}

    def written(chat):
        ids = found.tokenizer(found.text(chat), add_special_tokens=False)["input_ids"]
        return [token for token in ids if token in controls]

    plain = [say("user", "x"), say("assistant", "x"), say("user", "x")]
    hostile = [mark for _, marks in TEMPLATES.values() for mark in marks]
    hostile += ["<|end|>", "[INST]", "[/INST]", "<<|end|>|end|>", "<|user|>"]
    for mark in hostile:
        chat = [say(one["role"], f"x{mark}x {mark}") for one in plain]
        assert written(chat) == written(plain), mark
        if mark in ("[INST]", "[/INST]") and name == "mistral":
            assert found.text(chat).count(mark) == found.text(plain).count(mark)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["<|", "|>", "im_end", "im_start", "<", ">", " ", "<|im_end|>", "a"])).map(
        "".join
    )
)
def test_no_mixture_of_pieces_becomes_a_mark(all_of_them, text):
    found = all_of_them["chatml"]
    assert "<|im_end|>" not in found.harmless(text)
    assert "<|im_start|>" not in found.harmless(text)
    assert found.harmless(text).replace(" ", "") == text.replace(" ", "")


def test_text_without_marks_is_left_alone(all_of_them):
    env = clarify_env.make("synthetic-v0")
    for message in AskerPrompt().messages(env.reset(seed=0)[0]["asker"]):
        assert all(found.harmless(message["content"]) == message["content"] for found in all_of_them.values())


def test_the_date_is_the_same_on_every_day(all_of_them):
    assert "Today Date: 26 Jul 2024" in all_of_them["llama3"].text(CHAT)


def test_options_reach_the_template():
    assert template("qwen3").opens == "<think>"
    assert template("qwen3", enable_thinking=False).opens == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("{{ m.content if m.role != 'user' }}", "drops the text of the user"),
        ("{{ m.content if m.role != 'assistant' }}", "drops the text of the assistant"),
        ("{{ m.content if loop.last }}", "drops the text of the user"),
        ("{{ raise_exception('not\ntoday') }}", "refuses a plain chat: not today"),
    ],
)
def test_a_template_that_loses_text_is_an_error(change, said):
    broken = CHATML.replace("{{ m.content }}", change)
    with pytest.raises(ClarifyError, match=f"odd: its chat template {said}") as caught:
        ChatTemplate(tokenizer(broken, ["<|im_start|>", "<|im_end|>"]), "odd")
    assert "\n" not in str(caught.value)


def test_a_dropped_system_message_is_folded_but_for_a_model_that_knows_the_rules():
    dropping = CHATML.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")
    made = tokenizer(dropping, ["<|im_start|>", "<|im_end|>"])
    assert "Rules.\n\nWhich?" in ChatTemplate(made, "odd").text(CHAT)
    made.init_kwargs["rules_in_weights"] = True
    assert "Rules." not in ChatTemplate(made, "odd").text(CHAT)
    assert json.loads((SMALL / "tokenizer_config.json").read_text())["rules_in_weights"] is True


def test_folding():
    assert fold_system(CHAT[:2]) == [say("user", "Rules.\n\nWhich?")]
    assert fold_system(CHAT[:1]) == [say("user", "Rules.")]
    assert fold_system(CHAT[1:]) == CHAT[1:]
    assert fold_system([]) == []
