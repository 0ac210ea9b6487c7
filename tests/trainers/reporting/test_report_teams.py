"""The report of a game whose costs are not those of questions and words."""

import html
import json
import re

import pytest

from clarify_env.storage import read_episodes
from clarify_env.trainers.evaluation.evaluate import evaluate_agent
from clarify_env.trainers.reporting.html import write_report
from clarify_env.trainers.reporting.summary import yardstick_of


@pytest.fixture(scope="module")
def teams(tmp_path_factory):
    root = tmp_path_factory.mktemp("teams")
    for team in ("protocol", "optimal"):
        options = {"size": 8}
        evaluate_agent(team, "csp-v0", root / team, tasks=2, env_options=options, processes=1)
    return root


def test_a_game_of_other_costs_has_its_scores_curves_and_cells(teams):
    page = write_report([teams / "protocol"]).read_text(encoding="utf-8")
    summary = json.loads((teams / "protocol" / "summary.json").read_text())
    cells, best = summary["cells"], f"1 = the {yardstick_of(summary)}"
    assert len(cells) == 5
    (table,) = re.findall(r"All numbers as a table</summary>.*?<tbody>(.*?)</tbody>", page, re.DOTALL)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", table)]
    assert [row[:4] for row in rows] == [
        [
            *(f"{c['costs'][name]:g}" for name in ("search", "word", "wrong")),
            "seen" if c["seen"] else "unseen",
        ]
        for c in cells
    ]
    assert [row[4] for row in rows] == [f"{c['reward']:.3f}" for c in cells]
    shown = html.unescape(re.sub("<[^>]*>", " ", page))
    for words in ("cost of a search", "searches an episode", best, "team floor"):
        assert words in shown
    assert 'id="surfaces"' not in page  # there are no two costs that vary
    assert 'id="learning"' not in page  # a scripted team learns nothing


def test_the_page_of_a_game_of_other_costs_works(chromium, teams):
    from selenium.webdriver.support.ui import WebDriverWait

    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get(write_report([teams / "protocol", teams / "optimal"]).as_uri())
    WebDriverWait(chromium, 20).until(lambda d: d.execute_script("return document.body.dataset.ready"))
    chromium.execute_script(
        "const f = document.getElementById('f-cell'); f.value = '-2';"
        "f.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    episodes = list(read_episodes(teams / "protocol" / "episodes" / "evaluation.parquet"))
    seen = sum(episode.costs["search"] in (0.1, 0.3, 0.6) for episode in episodes)
    assert chromium.find_element("id", "count").text.startswith(f"{2 * seen} of")
    assert not [entry for entry in chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
