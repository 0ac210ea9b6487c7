"""What a person sees of an environment and of an episode: `repr` is one line, HTML is escaped and public."""

from xml.etree import ElementTree

import pytest

import clarify_env
from clarify_env.agents import AlwaysAsk, ScriptedUser
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Costs
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.render import ansi
from clarify_env.rollout import rollout

EVIL = "<script>alert('x')</script>\x1b[2J\n&"
TASK = Task(
    f"task {EVIL}",
    f"Who wrote {EVIL}?",
    (
        Interpretation("the novel of 1950", ("Ann Secret", EVIL), 0.5),
        Interpretation("the film of 1960", ("Bob Hidden",), 0.5),
    ),
)


@pytest.fixture
def env():
    return GameEnv(ClarificationGame([TASK], FixedCosts(turn=0.1, word=0.01, of=Costs)), "hand-v0")


def test_the_line_of_an_environment_says_what_it_is(env):
    assert repr(env) == (
        "GameEnv('hand-v0', players: asker, user; costs: FixedCosts(turn=0.1, word=0.01); "
        "turns: at most 5; tasks: 1)"
    )
    for id in ("csp-v0", "pingeval-names-v0"):
        made = clarify_env.make(id, size=4)
        assert "\n" not in repr(made)
        assert f"{made.possible_agents[-1]}; costs: FixedCosts(" in repr(made)


def test_the_table_of_an_environment_tells_nothing_private(env):
    assert "episode" not in env._repr_html_()
    env.reset(seed=0, options={"task": 0, "intent": 0})
    env.step({"asker": "<ask>Which of the two secret works?</ask>", "user": None})
    for shown in (env._repr_html_(), repr(env)):
        for private in ("Ann Secret", "Bob Hidden", "novel", "film", "secret works", "script"):
            assert private not in shown
    table = ElementTree.fromstring(env._repr_html_())
    rows = {row[0].text: "".join(row[1].itertext()) for row in table.iter("tr")}
    assert rows["moves of asker"] == "ask, enumerate, answer"
    assert rows["episode"] == "1 steps at turn 0.1, word 0.01; on turn: user"
    env.step({"asker": None, "user": "the novel"})
    env.step({"asker": "no tags here", "user": None})
    assert "over: unreadable_message" in env._repr_html_()
    assert "no tags" not in env._repr_html_()


def test_the_line_of_an_episode_says_what_was_played(env):
    env.reset(options={"task": 0, "intent": 0})
    env.step({"asker": "<ask>Which work?</ask>", "user": None})
    assert repr(env.episode()).endswith("moves: asker ask; reward -0.100; under way)")
    env.step({"asker": None, "user": "the novel"})
    env.step({"asker": f"<answer>{EVIL}</answer>", "user": None})
    line = repr(env.episode())
    assert line.isprintable()
    assert line.startswith("Episode('hand-v0', task \"task <script>")
    assert "costs: turn 0.1, word 0.01; moves: asker ask, user reply, asker answer; " in line
    names = clarify_env.make("pingeval-names-v0", size=4)
    names.reset(seed=0)
    for k in range(12):
        names.step({names.possible_agents[k % 2]: "<say>hello</say>"})
    assert "right say, left say, ... 12 in all; reward" in repr(names.episode())


def test_the_page_of_an_episode_shows_the_record_as_text(env):
    (episode,) = rollout(
        env, {"asker": AlwaysAsk(), "user": ScriptedUser()}, 1, options=lambda i: {"intent": 0}
    )
    page = episode._repr_html_()
    assert "<script" not in page
    assert not any(word in page for word in ("http", "src=", "href=", "<style", " on", "url("))
    shown = "".join(ElementTree.fromstring(page).itertext())
    assert TASK.question.replace("\x1b", " ") in shown
    assert "the novel of 1950" in shown
    assert "asker, ask turn_cost -0.100" in shown
    asked = episode.quantities["asks"]
    assert f"turn_cost {-0.1 * asked:+.3f}" in shown.rpartition("reward")[2]
    assert f"reward {episode.reward:+.3f} (over: selected)" in shown


def test_an_unreadable_message_and_a_shared_payment_are_shown_once(env):
    env.reset()
    env.step({"asker": "no tags <script>", "user": None})
    episode = env.episode()
    assert "asker, unreadable" in episode._repr_html_()
    assert "no tags &lt;script&gt;" in episode._repr_html_()
    assert "unreadable: no tags <script>" in ansi(episode)
    env.reset()
    env.step({"asker": "Let me <b>think</b>. <ask>Which work?</ask>", "user": None})
    env.step({"asker": None, "user": "<reply>The novel.</reply>"})
    page = env.episode()._repr_html_()
    assert page.count("as it came: ") == 1  # the reply says no more than its move
    assert "as it came: Let me &lt;b&gt;think&lt;/b&gt;. &lt;ask&gt;Which work?" in page
    csp = clarify_env.make("csp-v0", size=4)
    csp.reset(seed=0)
    csp.step(dict.fromkeys(("helper1", "helper2"), "<search>the capital</search>"))
    assert csp.episode()._repr_html_().count("search_cost -0.200") == 2  # beside the step, and in the total
    assert ansi(csp.episode()).count("search_cost") == 1
