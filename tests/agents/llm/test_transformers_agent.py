"""A language model as a player: what it sees, what it returns, and what is said about bad models."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import NoMove
from clarify_env.agents import ScriptedUser
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.agents.llm.model import SMALL, LanguageModel
from clarify_env.agents.llm.transformers_agent import TransformersAgent
from clarify_env.agents.llm.truncation import CUT, fit
from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.game import Turn
from clarify_env.games.clarification.game import SEEN, Answer, Ask, Reply
from clarify_env.rollout import rollout
from clarify_env.testing.agent_checks import check_agent


@pytest.fixture(scope="module")
def agent():
    torch.set_num_threads(1)
    return TransformersAgent("small", device="cpu")


@pytest.fixture
def env():
    return clarify_env.make("synthetic-v0", costs=SEEN, split="validation")


def play(agent, env, count=40, **options):
    return list(rollout(env, {"asker": agent, "user": ScriptedUser()}, count, seed=3, **options))


def test_the_small_model_writes_moves_and_uses_replies(agent, env):
    episodes = play(agent, env, 200)
    assert sum(episode.stop == "selected" for episode in episodes) >= 190
    kinds = [move.kind for episode in episodes for move in episode.moves("asker")]
    assert all(kinds.count(kind) > 30 for kind in ("ask", "enumerate", "answer"))


def test_the_trace_holds_the_sampled_ids_with_their_stop_token(agent, env):
    for episode in play(agent, env):
        for step in episode.steps:
            texts, traces = dict(step.messages), dict(step.traces)
            if "asker" in texts:
                ids = traces["asker"]["ids"]
                assert ids[-1] == agent.model.stop
                assert agent.model.message(ids) == texts["asker"]
                assert len(traces["asker"]["logprobs"]) == len(ids)


@pytest.mark.parametrize("options", [{"batch": 1}, {"batch": 7}, {"batch": 40}])
def test_an_episode_is_the_same_whatever_plays_beside_it(agent, env, options):
    def ids(episodes):
        return [[trace["ids"] for step in e.steps for _, trace in step.traces] for e in episodes]

    assert ids(play(agent, env, **options)) == ids(play(agent.with_(rows=3, memory=0), env))


class Lenient(AskerPrompt):
    """Takes what is no move, as the model writes after odd texts, for an answer."""

    def read(self, text, observation):
        try:
            return super().read(text, observation)
        except Unreadable:
            return Answer("?")


def test_check_agent_passes(agent, env):
    check_agent(agent.with_(prompt=Lenient()), env)


def test_costs_are_plain_numbers_at_the_end_of_the_opening(agent):
    env = clarify_env.make("synthetic-v0", turn_cost=0.125, word_cost=0.004)
    chat = AskerPrompt().messages(env.reset(seed=1)[0]["asker"])
    assert chat[-1]["content"].endswith("A question costs 0.125, a word 0.004.")
    assert "intent" not in json.dumps(chat)


def test_greedy_play_answers_equal_prompts_once(agent, env):
    greedy = agent.with_(temperature=0.0)
    observation = env.reset(seed=1)[0]["asker"]
    rngs = [np.random.default_rng(k) for k in range(5)]
    assert len({decision.move for decision in greedy.act([observation] * 5, rngs)}) == 1
    assert greedy.stats["messages"] == 5
    assert greedy.generator.read_tokens == len(greedy.prompt_ids(observation))


class Blank(AskerPrompt):
    """Takes no message for a move."""

    def read(self, text, observation):
        raise Unreadable("not this one")


def test_format_failures_are_counted_and_sampled_again(agent, env):
    observation = env.reset(seed=1)[0]["asker"]
    stubborn = agent.with_(prompt=Blank(), format_retries=2)
    (decision,) = stubborn.act([observation], [np.random.default_rng(0)])
    assert stubborn.stats["format_failures"] == 3
    assert stubborn.stats["retries"] == 2
    assert decision.move == NoMove("not this one")
    assert decision.message == stubborn.model.message(decision.trace["ids"])
    (episode,) = rollout(env, {"asker": stubborn, "user": ScriptedUser()}, 1)
    assert (episode.stop, episode.detail) == ("unreadable_message", "asker: not this one")
    assert "<" in dict(episode.steps[0].messages)["asker"], "kept, and not parsed by the game"
    short = agent.with_(max_tokens=2)
    (episode,) = list(rollout(env, {"asker": short, "user": ScriptedUser()}, 1))
    assert episode.stop == "unreadable_message"
    assert short.stats["unfinished"] == short.stats["format_failures"] == 1
    assert dict(episode.steps[0].traces)["asker"]["finish"] == "length"


def copy_of_small(tmp_path, change=None, drop=()):
    folder = tmp_path / "model"
    shutil.copytree(SMALL, folder)
    for name in drop:
        (folder / name).unlink()
    if change:
        name, key, value = change
        data = json.loads((folder / name).read_text())
        data[key] = value
        (folder / name).write_text(json.dumps(data))
    return folder


def test_a_template_that_rewrites_earlier_turns_is_named(tmp_path, caplog, env):
    folder = copy_of_small(tmp_path)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(
        template.replace(
            "{{ m['content'] }}", "{{ m['content'] if loop.last else m['content'].split('.')[-1] }}"
        )
    )
    with caplog.at_level(logging.WARNING):
        agent = TransformersAgent(folder, device="cpu")
    assert "rewrites earlier turns" in caplog.text
    assert agent.model.rewritten is not None
    assert len(play(agent, env, 10)) == 10
    assert LanguageModel.load("small", device="cpu").rewritten is None


def test_too_long_a_prompt_is_shortened_by_rule_and_said(agent, env, caplog):
    observation = dict(env.reset(seed=1)[0]["asker"], document=" ".join(f"w{k}" for k in range(3000)))
    with caplog.at_level(logging.WARNING):
        other = agent.with_()
        ids = other.prompt_ids(observation)
    room = other.model.context - other.max_tokens
    assert room - 20 < len(ids) <= room
    assert "is shortened to" in caplog.text
    assert other.stats["shortened_prompts"] == 1
    text = other.model.message(ids)
    assert CUT in text
    assert observation["notes"][-1].text in text
    many = dict(observation, document="", notes=observation["notes"] * 100)
    assert len(other.prompt_ids(many)) <= room
    notes = [observation["notes"][0]._replace(text=f"number {k}", weight=w) for k, w in enumerate((1, 9, 5))]
    cut = fit(dict(observation, document="", notes=notes), lambda o: len(o["notes"]), 2, "a test")
    assert [note.text for note in cut["notes"]] == ["number 1", "number 2"]
    turns = (Turn("asker", Ask("Which era?")), Turn("user", Reply("Well " + "so " * 3000)))
    text = other.model.message(other.prompt_ids(dict(observation, document="", transcript=turns)))
    assert "Which era?" in text
    assert "Well so so" in text
    assert CUT in text
    assert observation["notes"][-1].text in text
    with pytest.raises(ClarifyError, match="with all cut that may be; the limit is"):
        other.prompt_ids(dict(observation, document="", notes=(), question="why " * 2000))


def test_bad_models_and_devices_are_named(tmp_path):
    folder = copy_of_small(tmp_path, drop=["chat_template.jinja"])
    with pytest.raises(ClarifyError, match="no chat template"):
        TransformersAgent(folder)
    with pytest.raises(ClarifyError, match="no such folder"):
        TransformersAgent("nowhere")
    with pytest.raises(ClarifyError, match="no end token"):
        TransformersAgent(copy_of_small(tmp_path / "2", ("tokenizer_config.json", "eos_token", None)))
    with pytest.raises(ClarifyError, match="no language model"):
        TransformersAgent(copy_of_small(tmp_path / "3", drop=["config.json"]))
    with pytest.raises(ClarifyError, match="no float type"):
        TransformersAgent("small", dtype="int8")
    with pytest.raises(ClarifyError, match="no device"):
        TransformersAgent("small", device="gpu")
    with pytest.raises(ClarifyError, match="has a context of 1024"):
        TransformersAgent("small", max_tokens=5000)
    with pytest.raises(ClarifyError, match="temperature=-1"):
        TransformersAgent("small", temperature=-1)
    if not torch.cuda.is_available():
        with pytest.raises(ClarifyError, match="torch sees 0 GPUs; give device='cpu'"):
            TransformersAgent("small", device="cuda")


def test_without_gguf_a_gguf_file_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "model.gguf").touch()
    monkeypatch.setattr("clarify_env.agents.llm.model.find_spec", lambda name: None)
    for path in (tmp_path, tmp_path / "model.gguf"):
        with pytest.raises(ClarifyError, match=r"needs gguf: pip install 'clarify_env\[gguf\]'"):
            LanguageModel.load(path)


def test_a_template_without_a_system_role_gets_the_rules_in_the_first_message(tmp_path):
    folder = copy_of_small(tmp_path)
    template = (folder / "chat_template.jinja").read_text()
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(strict + template)
    model = LanguageModel.load(folder, device="cpu")
    text = model.text([{"role": "system", "content": "Rules."}, {"role": "user", "content": "Hello"}])
    assert text == "<|user|>Rules.\n\nHello<|end|><|assistant|>"
