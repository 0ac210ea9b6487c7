"""The figures: curves and learning curves hold the right numbers; the SVG names no other place."""

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from clarify_env import ClarifyError
from clarify_env.trainers.reporting import figures
from clarify_env.trainers.reporting.summary import reward_window, scores, yardstick_of
from clarify_env.trainers.run_directory import RunDirectory

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>&]]> $x$ \x1b--"


def cell(seen, costs, reward, best, **fixed):
    return {"seen": seen, "costs": costs, "reward": reward, "optimum": {"reward": best}, "fixed": fixed}


def made(**changes):
    """A summary of two costs at two levels each, by hand."""
    cells = [
        cell(part == "seen", {"turn": turn + shift, "word": word}, reward, best, ask=0.1, tell=0.2)
        for part, shift in (("seen", 0.0), ("unseen", 0.05))
        for turn, word, reward, best in (
            (0.1, 0.01, 0.8, 0.9),
            (0.1, 0.03, 0.6, 0.8),
            (0.2, 0.01, 0.7, 0.8),
            (0.2, 0.03, 0.3, 0.6),
        )
    ]
    means = {"normalized": {"mean": 0.5, "low": 0.4, "high": 0.6}, "optimum": {"mean": 0.775}}
    parts = {"seen": means, "unseen": means}
    summary = {"agent": "own", "env": "hand-v0", "split": "made", "questions": 4, "seed": 0, "cells": cells}
    told = {"yardstick": "optimum", "floor": ["ask", "tell"], "monotonicity": {}}
    return {**summary, **told, **parts, **changes}


def test_a_curve_averages_over_the_other_costs():
    found = {(curve.cost, curve.part): curve for curve in figures.curves(made())}
    assert list(found) == [("turn", "unseen"), ("word", "unseen"), ("turn", "seen"), ("word", "seen")]
    turn, word = found["turn", "seen"], found["word", "seen"]
    assert turn.levels == [0.1, 0.2]
    assert found["turn", "unseen"].levels == pytest.approx([0.15, 0.25])
    assert turn.rewards["agent"] == pytest.approx([0.7, 0.5])
    assert turn.rewards["optimum"] == pytest.approx([0.85, 0.7])
    assert word.rewards["agent"] == pytest.approx([0.75, 0.45])
    assert list(word.rewards) == ["agent", "ask", "tell", "optimum"]
    assert word.rewards["tell"] == pytest.approx([0.2, 0.2])
    assert turn.intervals == {}


def test_intervals_come_from_the_questions(tmp_path):
    import pyarrow as pa

    summary = made(seed=3)
    rewards_N_C = np.array([[c["reward"] + d for c in summary["cells"]] for d in (-0.2, 0.0, 0.2, np.nan)])
    columns = {"reward": rewards_N_C.ravel(), "optimum": np.ones(rewards_N_C.size)}
    pq.write_table(pa.table(columns), tmp_path / "questions.parquet")
    by_question = figures.rewards_by_question(summary, tmp_path)
    assert by_question["agent"].shape == (3, 8)  # the question that failed is left out
    (curve, *_) = figures.curves(summary, by_question)
    low, high = curve.intervals["agent"]
    for mean, a, b in zip(curve.rewards["agent"], low, high, strict=True):
        assert mean - 0.2 - 1e-9 <= a < mean < b <= mean + 0.2 + 1e-9
    assert np.array(curve.intervals["optimum"]) == pytest.approx(1.0)
    pq.write_table(pa.table({"reward": [0.5] * 7}), tmp_path / "questions.parquet")
    with pytest.raises(ClarifyError, match=r"does not fit its summary\.json"):
        figures.rewards_by_question(summary, tmp_path)


def test_teams_are_called_teams_and_an_optimum_only_what_is_one():
    cells = [
        {
            "seen": True,
            "costs": {"search": s},
            "reward": 0.5,
            "fixed": {"floor": 0.1, "top": 0.9},
        }
        for s in (0.1, 0.2)
    ]
    means = {name: {"mean": 0.5, "low": 0.4, "high": 0.6} for name in ("reward", "normalized", "team top")}
    summary = made(cells=cells, yardstick="best team: top", floor=["floor"], seen=means)
    del summary["unseen"]
    (curve,) = figures.curves(summary)
    assert list(curve.rewards) == ["agent", "floor", "best team: top"]
    assert curve.rewards["best team: top"] == [0.9, 0.9]
    assert [label for label, _ in scores(summary)] == ["reward", "best team: top", "normalised score"]
    assert yardstick_of(made()) == "optimum"


def test_the_drawn_lines_are_the_curves(tmp_path):
    summary = made()
    figure = figures.steerability(summary, tmp_path)
    for axes, curve in zip(figure.axes, figures.curves(summary), strict=False):
        drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
        assert drawn.pop("own") == curve.rewards["agent"]
        assert drawn == {who: values for who, values in curve.rewards.items() if who != "agent"}
        assert [tick.get_text() for tick in axes.get_xticklabels()] == [f"{x:g}" for x in curve.levels]
    labels = {axes.get_xlabel() for axes in figure.axes}
    assert labels == {"cost of a question", "cost of a word"}


def test_what_earns_far_less_does_not_squeeze_the_agent_and_the_optimum(tmp_path):
    near, far = made(), made()
    for summary, worst in ((near, 0.3), (far, -9.0)):
        for one in summary["cells"]:
            one["fixed"] = {"ask": worst, "tell": 0.3}
    titles = [figures.steerability(summary, tmp_path).get_suptitle() for summary in (near, far)]
    assert ["cut off" in title for title in titles] == [False, True]
    low, high = reward_window([curve.rewards for curve in figures.curves(far)], "optimum")
    assert low == pytest.approx(0.45 - 0.55 * (0.85 - 0.45))  # agent and optimum reach from 0.45 to 0.85
    assert high == pytest.approx(0.85 + 0.05 * (0.85 - 0.45))
    assert figures.steerability(far, tmp_path).axes[0].get_ylim() == (low, high)
    least, _ = reward_window([curve.rewards for curve in figures.curves(near)], "optimum")
    assert least == pytest.approx(0.3 - 0.05 * (0.85 - 0.45))


def test_the_learning_curve_holds_what_was_played_and_checked(tmp_path):
    run = RunDirectory(tmp_path)
    run.log({"iteration": 0, "play/reward": 0.1})
    run.log({"iteration": 1, "play/reward": 0.3, "eval/reward": 0.5})
    assert figures.learning(run.metrics()) == {"played": [(1, 0.1), (2, 0.3)], "checked": [(2, 0.5)]}
    (axes,) = figures.draw_learning(made(), tmp_path).axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.1, 0.3], [0.5], [0.775, 0.775]]
    assert axes.lines[2].get_label().startswith("optimum")
    assert figures.draw_learning(made(), tmp_path / "none") is None


def texts(svg):
    return [("".join(text.itertext())) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def no_other_place(svg):
    """Whether nothing but names of XML vocabularies points out of the text."""
    inside = re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)
    links = re.findall(r"""href=["']([^"']*)|url\(([^)]*)\)""", inside)
    return "http" not in inside and "<script" not in inside and all((a or b)[0] == "#" for a, b in links)


def test_svg_is_xml_without_other_places_whatever_the_agent_is_called(tmp_path):
    RunDirectory(tmp_path).log({"iteration": 0, "play/reward": 0.1})
    summary = made(agent=EVIL)
    written = figures.draw_all(summary, tmp_path)
    assert set(written) == {"steerability", "surfaces", "learning"}
    embedded = figures.embedded(summary, tmp_path)
    for name, path in written.items():
        assert path.read_bytes().startswith(b"\x89PNG")
        svg = path.with_suffix(".svg").read_text(encoding="utf-8")
        for text in (svg, embedded[name]):
            assert no_other_place(text)
            assert "own" not in texts(text)
            assert any(EVIL.replace("\x1b", " ")[:12] in shown for shown in texts(text))
            sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", text)]
            assert min(sizes) >= 9
        assert svg == figures_again(summary, tmp_path, path)
    assert "var(--agent)" in embedded["steerability"]
    assert figures.AGENT not in embedded["steerability"]
    assert "data:image" not in embedded["surfaces"]  # cells are shapes, no picture


def figures_again(summary, folder, path):
    """The same figure drawn a second time: nothing of it depends on the time or on chance."""
    figures.draw_all(summary, folder)
    return path.with_suffix(".svg").read_text(encoding="utf-8")


def test_nothing_is_cut_off_and_no_labels_overlap(tmp_path):
    summary = made(agent="a rather long name of a policy that was trained by hand " * 3)
    for draw in (figures.steerability, figures.draw_surfaces):
        figure = draw(summary, tmp_path)
        figure.draw_without_rendering()
        for axes in figure.axes:
            boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
            assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
            assert figure.bbox.padded(1).containsx(axes.get_tightbbox().x0)
        title = figure._suptitle.get_window_extent()
        assert figure.bbox.x0 <= title.x0 <= title.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= title.y0 <= title.y1 <= figure.bbox.y1


def test_a_run_has_them_all(trained):
    out, _ = trained
    summary = json.loads((out / "summary.json").read_text())
    assert {path.stem for path in out.glob("*.svg")} == set(figures.FIGURES)
    assert {path.stem for path in out.glob("*.png")} == set(figures.FIGURES)
    metrics = RunDirectory(out).metrics()
    assert figures.learning(metrics)["played"] == [(1, metrics[0]["play/reward"])]
    by_question = figures.rewards_by_question(summary, out)
    for curve in figures.curves(summary, by_question):
        for who in ("agent", "optimum with this user"):
            low, high = curve.intervals[who]
            assert all(a <= x <= b for a, x, b in zip(low, curve.rewards[who], high, strict=True))
