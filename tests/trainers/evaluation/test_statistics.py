"""Comparison of evaluations: exact paired differences, frontier points, and the file by question."""

import numpy as np
import pytest

from clarify_env import ClarifyError
from clarify_env.games.clarification import Costs
from clarify_env.trainers.evaluation.statistics import (
    ByQuestion,
    common,
    compare,
    frontier,
    paired,
    read_questions,
    write_questions,
)

MEASURES = ("reward", "accuracy", "asks", "words", "exact")


def pairs(costs):
    return tuple(costs._asdict().items())


CHEAP, DEAR, ODD = map(pairs, (Costs(0.1, 0.01), Costs(0.2, 0.02), Costs(0.5, 0.5)))


def by_question(name, questions, cells, seen, rewards):
    """An evaluation whose measures are all the reward, but for asks, which are its negative."""
    measured = np.repeat(np.array(rewards, dtype=float)[:, :, None], len(MEASURES), axis=2)
    measured[:, :, MEASURES.index("asks")] *= -1
    return ByQuestion(name, tuple(questions), tuple(cells), np.array(seen), MEASURES, measured)


FIRST = by_question("first", "abc", [CHEAP, DEAR], [True, False], [[0.5, 0.2], [0.4, 0.1], [0.9, 0.9]])
SECOND = by_question(  # other order of questions and costs, one more of each, and one question that failed
    "second", "dcba", [ODD, DEAR, CHEAP], [False, False, True],
    [[0, 0, 0], [0, np.nan, 1.0], [0, 0.3, 0.4], [0, 0.3, 0.8]],
)  # fmt: skip


def test_only_what_all_measured_is_compared():
    first, second = common([FIRST, SECOND])
    assert first.questions == second.questions == ("a", "b")
    assert first.cells == second.cells == (CHEAP, DEAR)
    assert second.measured_N_C_M[:, :, 0].tolist() == [[0.8, 0.3], [0.4, 0.3]]
    assert first.measured_N_C_M[:, :, 0].tolist() == [[0.5, 0.2], [0.4, 0.1]]


def test_differences_are_paired_by_question():
    found = compare([FIRST, SECOND])
    assert found["questions"] == 2
    assert found["left_out"] == {"first": 1, "second": 2}
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"]) == ("first", "second")
    # question a: +0.3 and +0.1, question b: 0 and +0.2
    assert pair["all"]["reward"]["mean"] == pytest.approx(0.15)
    assert (pair["all"]["reward"]["low"], pair["all"]["reward"]["high"]) == pytest.approx((0.1, 0.2))
    assert pair["all"]["asks"]["mean"] == pytest.approx(-0.15)
    assert pair["seen"]["reward"]["mean"] == pytest.approx(0.15)
    assert pair["unseen"]["reward"] == pytest.approx({"mean": 0.15, "low": 0.1, "high": 0.2})
    assert [c["mean"] for c in pair["cells"]] == pytest.approx([0.15, 0.15])
    assert [(c["low"], c["high"]) for c in pair["cells"]] == [
        pytest.approx((0.0, 0.3)),
        pytest.approx((0.1, 0.2)),
    ]
    assert [c["seen"] for c in found["cells"]] == [True, False]


def test_three_runs_give_three_pairs_and_a_run_differs_from_itself_by_nothing():
    found = compare([FIRST, FIRST._replace(name="again"), SECOND])
    assert [(p["first"], p["second"]) for p in found["pairs"]] == [
        ("first", "again"),
        ("first", "second"),
        ("again", "second"),
    ]
    assert found["pairs"][0]["all"]["reward"] == {"mean": 0.0, "low": 0.0, "high": 0.0}


def test_pairing_takes_out_what_differs_between_questions():
    rng = np.random.default_rng(0)
    easy = rng.normal(0, 1, (400, 1))
    (found,) = paired((easy + 0.1) - easy)
    assert found["high"] - found["low"] < 1e-9
    (loose,) = paired(easy + 0.1)
    half = 1.96 * easy.std() / 20
    assert (loose["high"] - loose["low"]) / 2 == pytest.approx(half, rel=0.1)


def test_nothing_in_common_is_an_error():
    with pytest.raises(ClarifyError, match="first and x: no question that all of them measured"):
        common([FIRST, FIRST._replace(name="x", questions=("x", "y", "z"))])
    with pytest.raises(ClarifyError, match="no costs that all of them measured"):
        common([FIRST, FIRST._replace(name="x", cells=(ODD, pairs(Costs(1.0, 1.0))))])


def test_the_frontier_is_what_no_other_point_beats():
    points = [(1.0, 0.5), (0.0, 0.3), (2.0, 0.5), (1.0, 0.4), (3.0, 0.9), (0.0, 0.3), (2.5, 0.4)]
    assert frontier(points) == [1, 0, 4]
    assert frontier([]) == []
    assert frontier([(1.0, 1.0)]) == [0]


def test_the_file_comes_back_as_it_was(tmp_path):
    measured = np.random.default_rng(0).random((3, 2, len(MEASURES)))
    measured[1, 0] = np.nan
    cells = [Costs(0.2, 0.02), Costs(0.1, 0.01)]
    write_questions(tmp_path, ["x", "y", "<z>"], cells, 1, MEASURES, measured, np.ones((3, 2)))
    back = read_questions(tmp_path)
    assert (back.name, back.questions, back.cells) == (tmp_path.name, ("x", "y", "<z>"), (DEAR, CHEAP))
    assert back.seen_C.tolist() == [True, False]
    assert back.measures == MEASURES
    np.testing.assert_array_equal(back.measured_N_C_M, measured)
    (tmp_path / "questions.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ClarifyError, match=r"questions\.parquet: cannot be read"):
        read_questions(tmp_path)
    with pytest.raises(ClarifyError, match="evaluate it again"):
        read_questions(tmp_path / "none")
