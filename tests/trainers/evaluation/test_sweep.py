"""Sweeps: cells under one budget, resumed, failures shown, and statistics by hand."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import ScriptedUser
from clarify_env.trainers.evaluation import sweep
from clarify_env.trainers.evaluation import sweep as sweep_after
from clarify_env.trainers.evaluation.evaluate import load_run
from clarify_env.trainers.evaluation.measure import measure, pick_questions
from clarify_env.trainers.evaluation.statistics import better, interquartile_mean, ranked, summary_of
from clarify_env.trainers.evaluation.sweep import READY, Sweep, narrowed, run_sweep
from clarify_env.trainers.evaluation.yardsticks import yardsticks
from clarify_env.trainers.reporting import sweep_report
from clarify_env.trainers.run_directory import RunDirectory

torch.set_num_threads(1)
SMALL = {
    "tasks": 4,
    "group_size": 4,
    "gradient_steps": 5,
    "batch_size": 16,
    "hidden": 8,
    "eval_train_tasks": 0,
}
TINY = Sweep(
    games={"synthetic-v0": {"size": 30}},
    algorithms={"rest": {}, "mine": {"algorithm": "rloo", "learning_rate": 1e-3}},
    seeds=(0, 1),
    episodes=32,
    eval_tasks=3,
    settings=SMALL,
)


def printed(result):
    out = io.StringIO()
    Console(file=out, width=80).print(sweep_report.sweep_table(result))
    return out.getvalue()


def test_cells_share_the_budget():
    cells = TINY.cells()
    assert [cell.name for cell in cells] == [
        f"synthetic-v0/{name}/seed{seed}" for name in ("rest", "mine") for seed in (0, 1)
    ]
    assert all(
        c.config.iterations * c.config.rollout.tasks * c.config.rollout.group_size == 32 for c in cells
    )
    assert cells[2].config.algorithm.name == "rloo"
    assert cells[2].config.rollout.start_share == 0.0


def test_the_ready_sweep_has_every_algorithm_and_two_budgets():
    from clarify_env.trainers.algorithms import ALGORITHMS

    cells = READY.cells()
    assert {cell.config.algorithm.name for cell in cells} == set(ALGORITHMS)
    made = [(cell.algorithm in ("ppo", "grpo", "rloo"), cell.config) for cell in cells]
    played = {(own, s.iterations * s.rollout.tasks * s.rollout.group_size) for own, s in made}
    assert played == {(False, 9216), (True, 61440)}


def test_a_sweep_runs_and_goes_on(tmp_path):
    folder = tmp_path / "sweep"
    part = narrowed(TINY, algorithms=["rest"], seeds=1)
    assert [failed for _, failed in run_sweep(part, folder)] == [""]
    kept = (folder / "synthetic-v0/rest/seed0/summary.json").stat().st_mtime_ns
    assert [failed for _, failed in run_sweep(TINY, folder, processes=2)] == [""] * 4
    assert (folder / "synthetic-v0/rest/seed0/summary.json").stat().st_mtime_ns == kept
    result = sweep_report.collect(TINY.cells(), folder)
    row = result["games"]["synthetic-v0"]["mine"]
    assert row["seeds"] == [0, 1]
    assert row["unseen_iqm"]["iqm"] == pytest.approx(np.mean(row["unseen"]))
    assert row["spent"]["episodes"] == [32, 32]
    assert all(n >= 32 for who in ("asker", "user") for n in row["spent"][f"decisions/{who}"])
    assert json.loads((folder / "compare.json").read_text())["games"].keys() == {"synthetic-v0"}
    sweep_report.draw_sweep(result, folder / "compare.png")
    assert (folder / "compare.png").stat().st_size > 10_000
    shown = printed(result)
    assert "rest" in shown
    assert "mine" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "what a run spent" in shown
    assert "Equal (within 5%): episodes" in shown
    assert "episodes" in result["equal"]["synthetic-v0"]
    assert "decisions/user" not in result["equal"]["synthetic-v0"]
    with pytest.raises(ClarifyError, match="with other settings; give another folder"):
        list(run_sweep(replace(TINY, episodes=64), folder))


def test_a_failed_cell_is_shown_and_run_again(tmp_path):
    alone = replace(TINY, algorithms={"grpo": {"group_size": 1}}, seeds=(0,))
    ((cell, failed),) = run_sweep(alone, tmp_path)
    assert "group of 1" in failed
    result = sweep_report.collect([cell], tmp_path)
    assert "group of 1" in result["games"]["synthetic-v0"]["grpo"]["failed"]["0"]
    assert "grpo, seed 0 failed: " in printed(result)
    ((_, again),) = run_sweep(alone, tmp_path)
    assert "group of 1" in again


def test_a_cell_that_breaks_in_any_way_leaves_the_others_alone(tmp_path, monkeypatch):
    def broken(config, run, resume=False):
        if config.seed == 0:
            raise RuntimeError("the disk fell out\nsecond line")
        yield from []

    monkeypatch.setattr(sweep, "train", broken)
    monkeypatch.setattr(sweep, "evaluate_run", lambda run, **kwargs: None)
    part = replace(TINY, algorithms={"rest": {}})
    assert [why for _, why in run_sweep(part, tmp_path)] == ["RuntimeError: the disk fell out", ""]
    kept = (tmp_path / "synthetic-v0/rest/seed0/failed.txt").read_text()
    assert "Traceback" in kept
    found = sweep_report.collect(part.cells(), tmp_path)["games"]["synthetic-v0"]["rest"]["failed"]
    assert found == {"0": "RuntimeError: the disk fell out", "1": "not run"}


@pytest.mark.parametrize(("limit", "iterations"), [({"decisions": 200}, 2), ({"updates": 5}, 1), ({}, 4)])
def test_a_run_ends_with_the_iteration_that_spends_its_budget(tmp_path, limit, iterations):
    budget = replace(TINY, algorithms={"rest": limit}, seeds=(0,), episodes=64, eval_tasks=2)
    ((cell, why),) = run_sweep(budget, tmp_path)
    run = RunDirectory(tmp_path / cell.name)
    lines = run.metrics()
    assert why == ""
    if limit == {"decisions": 200}:
        spent = [line["spent/decisions/asker"] + line["spent/decisions/user"] for line in lines]
        assert spent[-1] >= 200 > (spent[-2] if len(spent) > 1 else 0)
    else:
        assert len(lines) == iterations
    (run.path / "summary.json").unlink()
    assert [why for _, why in run_sweep(budget, tmp_path)] == [""]  # nothing is trained anew
    assert run.metrics() == lines


def test_curves_and_unknown_users(tmp_path):
    checked = replace(TINY, seeds=(0,), settings={**SMALL, "eval_train_tasks": 8}, users=("vague:0.5",))
    cells = narrowed(checked, algorithms=["rest"]).cells()
    assert [why for _, why in run_sweep(narrowed(checked, algorithms=["rest"]), tmp_path)] == [""]
    crossings = sweep_after.crossed(cells, checked.users, tmp_path, 3)
    known = sweep_after.references(cells, tmp_path)
    assert sweep_after.references(cells, tmp_path) == known
    result = sweep_report.collect(cells, tmp_path, known, crossings)
    row = result["games"]["synthetic-v0"]["rest"]
    assert row["others"] == [crossings["synthetic-v0"]["rows"]["rest seed0"]["others"]["mean"]]
    (curve,) = row["curve"]
    assert [point[0] for point in curve] == [16.0, 32.0]
    assert [point[1] for point in curve] == [
        line["spent/decisions/asker"] + line["spent/decisions/user"] for line in _lines(tmp_path)
    ]
    config = cells[0].config
    env = clarify_env.make("synthetic-v0", costs=config.grid, size=30)
    questions, grid = pick_questions(env, 8, 0), list(config.grid)
    agents = load_run(RunDirectory(tmp_path / cells[0].name))
    reward = measure(env, {**agents, "user": ScriptedUser()}, questions, grid)[:, :, 0].mean()
    yard = yardsticks(env, questions, grid)
    floor, best = yard.teams["cost-table"][:, :, 0].mean(), yard.optimum["reward"].mean()
    assert curve[-1][2] == pytest.approx((reward - floor) / (best - floor))


def test_the_panel_ranks_algorithms_with_every_user(tmp_path):
    sweep = replace(TINY, users=("terse", "noisy:0.3", "scripted"))
    assert [why for _, why in run_sweep(sweep, tmp_path)] == [""] * 4
    crossings = sweep_after.crossed(sweep.cells(), sweep.users, tmp_path, 4)
    result = sweep_report.collect(sweep.cells(), tmp_path, {}, crossings)
    users = result["users"]["synthetic-v0"]
    assert list(users) == ["own", "terse", "noisy:0.3"]  # a truthful one is the own one
    for found in users.values():
        ranks = [row["rank"] for row in found["algorithms"].values()]
        assert sum(rank["mean"] for rank in ranks) == pytest.approx(3.0)
        assert all(1.0 <= rank["low"] <= rank["mean"] <= rank["high"] <= 2.0 for rank in ranks)
        assert all(row["booked"] == {} for row in found["algorithms"].values())
    assert users["own"]["audit"]["error"]["mean"] < users["noisy:0.3"]["audit"]["error"]["mean"] < 1.0
    matrix = crossings["synthetic-v0"]["matrix"]
    scores = [matrix[f"rest seed{seed}"]["terse"]["normalized"]["mean"] for seed in (0, 1)]
    assert users["terse"]["algorithms"]["rest"]["score"]["iqm"] == pytest.approx(np.mean(scores))
    shown = printed(result)
    for user in users:
        assert f"synthetic-v0 with {user} (faults" in shown
    assert "rank [95%]" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_ranks_by_hand():
    """Of three, one is better at every question; the other two differ in which of two questions they win."""
    best, left, right = np.array([[1.0, 1.0]]), np.array([[0.5, 0.0]]), np.array([[0.0, 0.4]])
    found = ranked({"left": left, "best": best, "right": right}, seed=0)
    assert found["best"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "first": 1.0}
    assert (found["left"]["mean"], found["right"]["mean"]) == (2.0, 3.0)
    assert (found["left"]["low"], found["left"]["high"]) == (2.0, 3.0)
    assert found["left"]["first"] == 0.0
    tied = ranked({"one": best, "two": best.copy()})
    assert tied["one"] == tied["two"] == {"mean": 1.5, "low": 1.5, "high": 1.5, "first": 1.0}
    runs = ranked(
        {"steady": np.full((4, 3), 0.5), "wild": np.array([[0.0] * 3, [0.0] * 3, [0.4] * 3, [1.9] * 3])}
    )
    assert runs["steady"]["mean"] == 1.0  # the interquartile mean leaves the greatest out
    assert 0.0 < runs["wild"]["first"] < 1.0
    assert ranked({"left": left, "right": right}, 5) == ranked({"left": left, "right": right}, 5)


def _lines(folder):
    return RunDirectory(folder / "synthetic-v0/rest/seed0").metrics()


def test_statistics_by_hand():
    assert interquartile_mean(np.array([0.0, 1.0, 2.0, 9.0])) == 1.5
    assert better([1.0, 2.0], [1.0, 0.0]) == pytest.approx((0.5 + 1.0 + 1.0 + 1.0) / 4)
    found = summary_of([0.9, 0.92, 0.94, 0.96, 0.98])
    assert found["iqm"] == pytest.approx(0.94)
    assert 0.85 < found["low"] < 0.9 < found["iqm"] < 0.98 < found["high"] < 1.03
    assert summary_of([0.5]) == {"iqm": 0.5, "low": None, "high": None}


@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_an_interval_over_seeds_holds_the_mean_as_often_as_it_says(seeds):
    rng = np.random.default_rng(seeds)
    found = [summary_of(rng.normal(size=seeds).tolist(), k) for k in range(400)]
    assert np.mean([one["low"] <= 0.0 <= one["high"] for one in found]) > 0.92


def test_mistakes(tmp_path):
    with pytest.raises(ClarifyError, match=r"'pppo'.*did you mean 'ppo'"):
        narrowed(READY, algorithms=["pppo"])
    with pytest.raises(ClarifyError, match=r"'wrong': unknown setting 'rats'"):
        replace(TINY, algorithms={"wrong": {"algorithm": "rest", "rats": 1.0}}).cells()
    path = tmp_path / "sweep.json"
    path.write_text('{"games": {}}')
    with pytest.raises(ClarifyError, match="no sweep; it holds games and algorithms"):
        Sweep.read(path)
    path.write_text(json.dumps({"games": {"synthetic-v0": {}}, "algorithms": {"ppo": {}}, "seeds": [3]}))
    assert [cell.name for cell in Sweep.read(path).cells()] == ["synthetic-v0/ppo/seed3"]
    with pytest.raises(ClarifyError, match="'rest': tokens=9: move-scorer samples no tokens; limit its dec"):
        replace(TINY, tokens=9).cells()
    with pytest.raises(ClarifyError, match="at least one game"):
        replace(TINY, seeds=()).cells()
