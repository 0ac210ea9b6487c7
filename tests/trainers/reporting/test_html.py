"""The report: what is packed comes back, nothing a player wrote is markup, and the page works in Chromium."""

import base64
import html
import json
import re
import zlib

import numpy as np
import pytest

from clarify_env import ClarifyError, CostGrid, Decision, write_episodes
from clarify_env.agents import AlwaysAsk, AlwaysEnumerate, Script, ScriptedUser
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Costs, Enumerate, Select
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.rollout import rollout
from clarify_env.storage import read_episodes
from clarify_env.trainers.evaluation.evaluate import evaluate
from clarify_env.trainers.reporting.html import write_report
from clarify_env.trainers.reporting.html_episodes import Episodes

EVIL = "</script><img src=x onerror=\"document.title='taken'\"><!-- <script>"
GRIDS = {
    "seen": CostGrid(of=Costs, turn=[0.1, 0.3], word=[0.01]),
    "unseen": CostGrid(of=Costs, turn=[0.2], word=[0.02, 0.04]),
}
TASKS = [
    Task(
        f"task-{k}",
        f"When did film {k} open?" if k else f"Who wrote {EVIL}?",
        (
            Interpretation(f"When did film {k} open in Norway?", (f"19{50 + k}", EVIL), 0.75),
            Interpretation(f"When did film {k} open in Chile?", (f"3 May {k} {EVIL}",), 0.25),
        ),
        context="Once upon a time" if k == 1 else "",
    )
    for k in range(8)
]


def evaluated(folder, asker, name):
    env = GameEnv(ClarificationGame(TASKS, FixedCosts()), "hand-v0")
    evaluate(env, {"asker": asker}, name, folder, split="made", **GRIDS)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return evaluated(root / "asks", AlwaysAsk(), "asks"), evaluated(root / "lists", AlwaysEnumerate(), EVIL)


def unpacked(packed):
    """The header with its columns, as the page reads them."""
    content = zlib.decompress(base64.b64decode(packed))
    size = int.from_bytes(content[:4], "little")
    header, at = json.loads(content[4 : 4 + size]), 4 + size
    for name, kind, length in header["columns"]:
        assert at % (8 if kind == "f8" else 4) == 0
        header[name] = np.frombuffer(content, f"<{kind}", length, at)
        at += length * int(kind[1])
    assert at == len(content)
    return header


def rebuilt(store, e):
    """Reward and (player, kind, text, message if that says more) of an episode's moves, from columns."""
    d, cell = store["episode_dialogue"][e], store["cells"][store["episode_cell"][e]]
    price = [-cell[store["costs"].index(cost)] if cost else 1.0 for _, cost in store["terms"]]
    lines = range(store["dialogue_lines"][d], store["dialogue_lines"][d + 1])
    said = [
        (
            store["players"][store["line_player"][k]],
            store["kinds"][store["line_kind"][k]],
            store["texts"][store["line_text"][k]],
            *filter(None, [store["texts"][store["line_message"][k]]]),
        )
        for k in lines
    ]
    paid = [p for k in lines for p in range(store["line_paid"][k], store["line_paid"][k + 1])]
    return sum(price[store["paid_term"][p]] * store["paid_quantity"][p] for p in paid), said


def test_every_episode_comes_back_from_the_columns(runs):
    path = runs[0] / "episodes" / "evaluation.parquet"
    packer = Episodes()
    packer.add(path, 0, 64)
    store = unpacked(packer.pack())
    episodes = list(read_episodes(path))
    assert len(store["episode_run"]) == len(episodes) == 64
    assert len(store["dialogue_stop"]) <= len(episodes) / 4  # the same dialogue at four costs is kept once
    for e, episode in enumerate(episodes):
        reward, said = rebuilt(store, e)
        assert reward == pytest.approx(episode.reward)
        assert said == [
            (player, move.kind, move.text) for step in episode.steps for player, move in step.moves
        ]
        meaning = store["episode_meaning"][e]
        assert store["texts"][store["meaning_text"][meaning]] == episode.setup["meaning"]
        task = store["question_task"][store["meaning_question"][meaning]]
        assert store["texts"][task] == episode.setup["task"]


def test_unreadable_messages_failures_and_two_games(tmp_path):
    env = GameEnv(ClarificationGame(TASKS, FixedCosts(turn=0.1, word=0.01)), "hand-v0")
    players = {"asker": Script(["no tags here"]), "user": ScriptedUser()}
    write_episodes(tmp_path / "bad.parquet", rollout(env, players, 4))
    packer = Episodes(most=2)
    packer.add(tmp_path / "bad.parquet", 0, 4)
    store = unpacked(packer.pack())
    assert store["left_out"] == 2
    assert store["episode_position"].tolist() == [0, 2]
    assert rebuilt(store, 0) == (0.0, [("asker", "unreadable", "no tags here")])
    assert "no move in 'no tags here'" in store["texts"][store["dialogue_detail"][0]]
    (episode, *_) = rollout(env, players, 1)
    lines = json.loads(json.dumps(episode.to_data())) | {"terms": {"other": ""}}
    (tmp_path / "x.jsonl").write_text(json.dumps({"episode": json.dumps(lines)}))
    with pytest.raises(ClarifyError, match="episode 0 cannot be shown: its game has other costs"):
        packer.add(tmp_path / "x.jsonl", 1, 1)


def test_a_message_is_shown_as_it_came_where_it_says_more_than_the_move(tmp_path):
    env = GameEnv(ClarificationGame(TASKS, FixedCosts(turn=0.1, word=0.01, of=Costs)), "hand-v0")
    lines = [
        "<ask>Which  year?</ask>",
        Decision(Enumerate([("Norway", "1950"), ("Chile", "x")]), f"{EVIL} Norway or Chile"),
    ]
    user = Script(["1950", Decision(Select("1950"), "<think>hm</think>1")], "user")
    write_episodes(tmp_path / "said.parquet", rollout(env, {"asker": Script(lines), "user": user}, 1))
    packer = Episodes()
    packer.add(tmp_path / "said.parquet", 0, 1)
    assert rebuilt(unpacked(packer.pack()), 0)[1] == [
        ("asker", "ask", "Which  year?"),
        ("user", "reply", "1950"),
        ("asker", "enumerate", "Norway: 1950; Chile: x", f"{EVIL} Norway or Chile"),
        ("user", "select", "1950", "<think>hm</think>1"),
    ]


def test_no_text_of_a_player_is_markup_and_nothing_is_loaded(runs):
    page = write_report(runs).read_text(encoding="utf-8")
    assert "<img" not in page
    assert page.count("</script>") == page.count("<script") == 3
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    (content,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    data = json.loads(content)
    assert [run["name"] for run in data["runs"]] == ["asks", "lists"]
    assert data["runs"][1]["summary"]["agent"] == EVIL
    assert "on the same 8 questions at the same 4 costs" in page
    assert html.escape(f"{EVIL} on hand-v0 (made, 8 questions)") in page


def test_what_cannot_be_reported_is_said_in_one_line(runs, tmp_path):
    with pytest.raises(ClarifyError, match=r"no summary\.json; evaluate it first"):
        write_report([tmp_path])
    with pytest.raises(ClarifyError, match="one folder is named twice"):
        write_report([runs[0], runs[0]])
    summary = json.loads((runs[0] / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps(summary | {"env": "other-v0"}))
    with pytest.raises(ClarifyError, match="different games: hand-v0, other-v0"):
        write_report([runs[0], tmp_path])
    del summary["cells"]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(ClarifyError, match="earlier version, evaluate it again"):
        write_report([tmp_path])


@pytest.fixture
def page(chromium, runs):
    """The comparison of two runs, open in Chromium; fails where the page logs an error."""
    from selenium.webdriver.support.ui import WebDriverWait

    chromium.get("about:blank")
    chromium.get_log("browser")  # what another page left there
    chromium.get(write_report(runs).as_uri())
    WebDriverWait(chromium, 20).until(lambda d: d.execute_script("return document.body.dataset.ready"))
    yield chromium
    logged = [entry for entry in chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert not logged


def count(page):
    return int(re.match(r"([\d,]+) of", page.find_element("id", "count").text)[1].replace(",", ""))


def put(page, name, value):
    """Set a filter, as typing or choosing does."""
    page.execute_script(
        "const f = document.getElementById(arguments[0]); f.value = arguments[1];"
        "f.dispatchEvent(new Event('input', { bubbles: true }))",
        name,
        value,
    )


def choose(page, name, label):
    """Choose an option by its text, with or without the count after it."""
    options = page.find_elements("css selector", f"#{name} option")
    (value,) = {o.get_attribute("value") for o in options if label in (o.text, o.text.rpartition(" (")[0])}
    put(page, name, value)


def test_the_page_shows_the_chosen_run_and_the_comparison(page):
    for section, shapes in (("steerability", 2), ("surfaces", 2), ("frontier", 2)):
        drawn = page.find_elements("css selector", f"#{section} svg")
        assert [one.is_displayed() for one in drawn] == [True, False]
        assert len(drawn) == shapes
    assert len(page.find_elements("css selector", "#comparison tbody tr")) == 3
    assert "same 8 questions" in page.find_element("id", "compared").text
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_dark_pages_have_light_ink(page):
    colour = "return getComputedStyle(document.querySelector('#steerability svg text')).fill"
    assert page.execute_script(colour) == "rgb(27, 31, 36)"
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    try:
        assert page.execute_script(colour) == "rgb(230, 234, 238)"
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_another_run_can_be_chosen(page):
    put(page, "run", "1")
    page.execute_script("document.getElementById('run').dispatchEvent(new Event('change'))")
    assert page.find_element("id", "about").text.startswith(EVIL)
    assert [one.is_displayed() for one in page.find_elements("css selector", "#surfaces svg")] == [
        False,
        True,
    ]


def test_filters_find_what_the_files_hold(page, runs):
    episodes = [[*read_episodes(run / "episodes" / "evaluation.parquet")] for run in runs]
    every = [e for run in episodes for e in run]
    assert count(page) == len(every) == 128
    choose(page, "f-run", "lists")
    assert count(page) == 64
    choose(page, "f-cell", "turn 0.2, word 0.04")
    assert count(page) == sum(e.costs == {"turn": 0.2, "word": 0.04} for e in episodes[1]) == 16
    page.find_element("css selector", "button[type=reset]").click()
    page.execute_script("return new Promise(done => setTimeout(done, 50))")
    assert count(page) == 128
    choose(page, "f-cell", "seen")
    assert count(page) == 64
    choose(page, "f-cell", "any")
    choose(page, "f-moves", "ask → answer")
    assert count(page) == sum([m.kind for m in e.moves("asker")] == ["ask", "answer"] for e in every)
    choose(page, "f-moves", "any")
    put(page, "f-low", "0.8")
    put(page, "f-high", "0.9")
    assert count(page) == sum(0.8 - 1e-9 <= e.reward <= 0.9 + 1e-9 for e in every)
    put(page, "f-low", "")
    put(page, "f-high", "")
    choose(page, "f-stop", "selected")
    assert count(page) == sum(e.stop == "selected" for e in every)
    choose(page, "f-stop", "any")
    put(page, "f-text", "FILM 3 OPEN IN chile")  # a meaning, and a part of what the asker lists
    asked = sum(e.setup["task"] == "task-3" for e in episodes[1])
    assert asked <= count(page) <= 2 * asked
    put(page, "f-text", "nowhere to be found")
    assert count(page) == 0
    assert "clear a filter" in page.find_element("id", "count").text


def test_a_transcript_shows_its_reward_terms_and_hostile_text_as_text(page, runs):
    put(page, "f-text", "Who wrote </script>")
    choose(page, "f-run", "asks")
    choose(page, "f-cell", "turn 0.3, word 0.01")
    assert count(page) == 2
    shown = page.find_element("id", "episode").text
    assert f"Who wrote {EVIL}?" in shown
    assert "turn_cost \N{MINUS SIGN}0.300" in shown
    assert "accuracy +1.000" in shown
    assert "meant" in shown
    assert page.title != "taken"
    assert not page.find_elements("css selector", "img, #episode script")
    assert page.find_element("css selector", "#episode mark").text == "Who wrote </script>"


def test_the_keyboard_is_enough(page):
    from selenium.webdriver.common.keys import Keys

    listbox = page.find_element("id", "list")
    page.execute_script("arguments[0].focus()", listbox)
    first = page.find_element("id", "episode").text
    listbox.send_keys(Keys.ARROW_DOWN)
    assert listbox.get_attribute("aria-activedescendant") == "e1"
    assert page.find_element("css selector", "[aria-selected=true]").get_attribute("aria-posinset") == "2"
    assert page.find_element("id", "episode").text != first
    listbox.send_keys(Keys.END)
    assert listbox.get_attribute("aria-activedescendant") == "e127"
    assert len(page.find_elements("css selector", ".row")) < 40
    page.execute_script("document.querySelector('.skip').focus()")
    order = []
    for _ in range(40):
        page.switch_to.active_element.send_keys(Keys.TAB)
        order.append(page.switch_to.active_element.get_attribute("id"))
    for label in page.find_elements("css selector", "form input, form select"):
        assert label.find_elements("xpath", "ancestor::label")
    where = [order.index(name) for name in ("run", "f-text", "f-cell", "list", "episode")]
    assert where == sorted(where)
    page.execute_script("arguments[0].focus()", page.find_element("id", "f-text"))
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    page.find_element("id", "f-text").send_keys("x")
    assert page.execute_script(outline) == "solid"


def test_on_a_phone_and_in_print(page):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not page.find_element("id", "list").is_displayed()
        assert page.find_element("id", "episode").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_without_stored_episodes_the_figures_remain(chromium, runs, tmp_path):
    for name in ("summary.json", "questions.parquet"):
        (tmp_path / name).write_bytes((runs[0] / name).read_bytes())
    chromium.get(write_report([tmp_path]).as_uri())
    assert "No stored episodes" in chromium.find_element("id", "count").text
    assert len(chromium.find_elements("css selector", "#main svg")) == 3
