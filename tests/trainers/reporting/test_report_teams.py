"""The report of a game whose costs are not those of questions and words."""

import json

from clarify_env.storage import read_episodes
from clarify_env.trainers.evaluation.runs import evaluate_agent
from clarify_env.trainers.reporting.html import write_report


def test_a_game_of_other_costs_has_its_numbers_and_transcripts(chromium, tmp_path):
    from selenium.webdriver.support.ui import WebDriverWait

    for team in ("protocol", "optimal"):
        options = {"size": 8}
        evaluate_agent(team, "csp-v0", tmp_path / team, tasks=2, env_options=options, processes=1)
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get(write_report([tmp_path / "protocol", tmp_path / "optimal"]).as_uri())
    WebDriverWait(chromium, 20).until(lambda d: d.execute_script("return document.body.dataset.ready"))
    told = json.loads((tmp_path / "protocol" / "summary.json").read_text())
    note = f"0 = the team floor, 1 = the {told['yardstick']}."
    assert note in chromium.find_element("id", "score-note").text
    assert "team floor" in chromium.find_element("id", "score-table").text
    assert not any(chromium.find_element("id", part).is_displayed() for part in ("mix", "frontier", "heat"))
    cells = json.loads((tmp_path / "protocol" / "summary.json").read_text())["cells"]
    rows = chromium.find_elements("css selector", "#cell-table tbody tr")
    assert len(rows) == len(cells) == 5
    chromium.execute_script(
        "const f = document.getElementById('f-cell'); f.value = '-2';"
        "f.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    episodes = list(read_episodes(tmp_path / "protocol" / "episodes" / "evaluation.parquet"))
    seen = sum(episode.costs["search"] in (0.1, 0.3, 0.6) for episode in episodes)
    assert chromium.find_element("id", "count").text.startswith(f"{2 * seen} of")
    assert not [entry for entry in chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
