"""Work shared out to processes: the same results in order, the same evaluation, errors, nothing left."""

import os
import signal
import sys

import numpy as np
import psutil
import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import Random, ScriptedUser
from clarify_env.games.clarification import Costs, UserModel
from clarify_env.storage import read_episodes
from clarify_env.trainers.evaluation import measure as evaluation
from clarify_env.trainers.evaluation.measure import measure
from clarify_env.trainers.evaluation.parallel import in_order
from clarify_env.trainers.evaluation.yardsticks import yardsticks

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
CELLS = [Costs(0.02, 0.002), Costs(0.1, 0.01), Costs(0.02, 0.06)]


def children():
    return [c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
def test_results_come_in_order(processes):
    offset = 5  # what the function closes over goes along
    assert list(in_order(lambda k: (k, k * k + offset), 7, processes)) == [(k, k * k + 5) for k in range(7)]
    assert list(in_order(str, 0, processes)) == []


@linux
def test_the_work_is_done_elsewhere_and_what_it_changes_stays_there():
    changed = []

    def work(k):
        changed.append(k)
        return os.getpid(), len(changed)

    found = list(in_order(work, 4, 2))
    assert changed == []
    assert [length for _, length in found] == [1, 1, 2, 2]
    assert os.getpid() not in {pid for pid, _ in found}
    assert len({pid for pid, _ in found}) == 2


@linux
def test_errors_arrive_and_no_process_stays():
    before = len(children())

    def work(k):
        if k == 3:
            raise ClarifyError("number 3 is wrong")
        return k

    found = in_order(work, 9, 2)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ClarifyError, match="number 3 is wrong"):
        next(found)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(in_order(lambda k: 1 // k, 3, 2))
    with pytest.raises(ClarifyError, match="one of 2 processes was killed"):
        list(in_order(lambda k: os.kill(os.getpid(), signal.SIGKILL), 3, 2))
    unfinished = in_order(str, 100_000, 2)
    next(unfinished)
    unfinished.close()
    assert len(children()) == before


@linux
def test_an_evaluation_is_the_same_in_any_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "CHUNK", 50)
    env = clarify_env.make("synthetic-v0", split="validation", size=20)
    model = UserModel(noise=0.3)
    players = {"asker": Random(), "user": ScriptedUser(model)}
    watched = []
    one, three = (
        measure(
            env,
            players,
            range(20),
            CELLS,
            5,
            processes=n,
            store=tmp_path / f"{n}.parquet",
            watch=watched.append,
        )
        for n in (1, 3)
    )
    np.testing.assert_array_equal(one, three)
    first, second = (list(read_episodes(tmp_path / f"{n}.parquet")) for n in (1, 3))
    assert first == second
    assert sum(watched) == 2 * len(first)
    others = {"user": players["user"]}
    one, two = (yardsticks(env, range(20), CELLS, others=others, processes=n) for n in (1, 2))
    for name, table in (*one.teams.items(), *one.optimum.items()):
        np.testing.assert_array_equal(table, {**two.teams, **two.optimum}[name])
