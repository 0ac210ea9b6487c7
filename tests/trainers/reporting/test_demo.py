"""The playground's page in Chromium: a slider changes the move, a dialogue ends, nothing calls out."""

import os
import signal
import subprocess
import sys

import pytest

EVIL = "<img src=x onerror=\"document.title='taken'\">"
MAIN = "from clarify_env.trainers.cli import main; main()"


@pytest.fixture(scope="module")
def address():
    """The page of the optimal asker as the command serves it, and how the command ends on Ctrl-C."""
    pytest.importorskip("gradio")
    command = [sys.executable, "-W", "ignore", "-c", MAIN, "demo", "optimal"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ) as process:
        line = process.stdout.readline()
        assert line.startswith("Playground: "), process.stderr.read()
        yield line.split()[1]
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode in (0, 130), told
        assert "Traceback" not in told


@pytest.fixture
def page(chromium, address):
    """The page, ready; fails where it logs an error or asks another host for anything."""
    chromium.get_log("browser")
    chromium.get(address)
    until(chromium, lambda: "value" in text(chromium, "moves"))
    yield chromium
    assert chromium.title == "optimal: playground"
    assert not [e for e in chromium.get_log("browser") if e["level"] == "SEVERE"]
    asked = chromium.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert asked
    assert not [name for name in asked if not name.startswith((address, "data:", "blob:"))]
    chromium.get("about:blank")


def until(page, holds, seconds=30):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, seconds, 0.1).until(lambda _: holds())


def text(page, name):
    return page.find_element("id", name).text


def slide(page, name, value):
    """Type a value into a slider's number field."""
    page.execute_script(
        "const f = document.querySelector(`#${arguments[0]} input[type=number]`);"
        "f.value = arguments[1]; f.dispatchEvent(new Event('input', { bubbles: true }));"
        "f.dispatchEvent(new Event('change', { bubbles: true })); f.dispatchEvent(new Event('blur'))",
        name,
        value,
    )


def press(page, name):
    until(page, lambda: page.find_element("id", name).is_enabled())
    page.execute_script("arguments[0].click()", page.find_element("id", name))


def best(page):
    return page.find_element("css selector", "#moves tr.best td").text


def test_it_listens_on_the_loopback_address(address):
    assert address.startswith("http://127.0.0.1:")


def test_moving_a_slider_changes_the_move_and_a_dialogue_goes_to_its_end(page):
    slide(page, "turn", "0.01")
    until(page, lambda: best(page) == "ask")
    slide(page, "turn", "0.5")
    until(page, lambda: best(page) == "enumerate")
    slide(page, "turn", "0.01")
    until(page, lambda: best(page) == "ask")
    press(page, "act")
    until(page, lambda: "turn_cost -0.010" in text(page, "dialogue"))
    assert "type a reply" in text(page, "hint")
    field = page.find_element("css selector", "#reply textarea, #reply input")
    field.send_keys("the one in Norway " + EVIL)
    press(page, "send")
    until(page, lambda: EVIL in text(page, "dialogue"))
    press(page, "end")
    until(page, lambda: "over: selected" in text(page, "dialogue"))
    assert "accuracy +" in text(page, "dialogue")
    assert not page.find_elements("css selector", "#dialogue img")
    assert not page.find_element("id", "act").is_enabled()
    slide(page, "turn", "0.5")
    until(page, lambda: "turn_cost -0.500" in text(page, "dialogue"))


def test_a_question_of_the_game_and_the_scripted_user(page):
    press(page, "take")
    until(page, lambda: "film" not in text(page, "dialogue"))
    slide(page, "turn", "0")
    until(page, lambda: best(page) == "ask")
    press(page, "act")
    until(page, lambda: "asker, ask" in text(page, "dialogue"))
    press(page, "scripted")
    until(page, lambda: "user, reply" in text(page, "dialogue"))
    press(page, "end")
    until(page, lambda: "over: selected" in text(page, "dialogue"))


def test_a_mistake_is_told_on_the_page(page):
    field = page.find_element("css selector", "#notes textarea")
    field.clear()
    field.send_keys("no arrow")
    press(page, "start")
    until(page, lambda: "write a meaning as" in page.find_element("tag name", "body").text)
