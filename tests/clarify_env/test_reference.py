"""The reference scores that ship: they are those of the games as they are, and a scale for others' scores."""

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.games.clarification import Costs, UserModel
from clarify_env.games.clarification.optimum import Solver
from clarify_env.reference import data_hash


@pytest.mark.parametrize("id", ["synthetic-v0", pytest.param("synthetic-v1", marks=pytest.mark.slow)])
def test_the_optimum_that_ships_is_that_of_the_game(id):
    found = clarify_env.reference(id)
    env = clarify_env.make(id, split="validation")
    assert found.data == data_hash(env.game.tasks)
    assert (found.env, found.split, found.questions) == (id, "validation", len(env.game.tasks))
    spec = clarify_env.registry[id]
    assert [cell["costs"] for cell in found.cells if cell["seen"]] == [c._asdict() for c in spec.seen]
    assert [cell["costs"] for cell in found.cells if not cell["seen"]] == [c._asdict() for c in spec.unseen]
    cell = next(iter(spec.unseen))
    best = [
        Solver(t.question, t.interpretations, UserModel(), 5).optimum([cell])[0, 0] for t in env.game.tasks
    ]
    assert found.rewards(cell)["optimum"] == pytest.approx(np.mean(best), abs=1e-8)
    for rewards in (cell["rewards"] for cell in found.cells):
        assert max(rewards[name] for name in found.singles) <= rewards["optimum"]
        assert rewards["lookahead"] <= rewards["lookahead-2"] + 1e-9
        assert rewards["lookahead-2"] <= rewards["optimum"] + 1e-9


def test_a_score_of_others_is_put_on_both_scales():
    found = clarify_env.reference("synthetic-v1")
    means = found.rewards()
    single = max(means[name] for name in found.singles)
    assert found.normalize(means["optimum"]) == pytest.approx(1.0)
    assert found.normalize(means["cost-table"]) == pytest.approx(0.0)
    assert found.normalize(single, zero="single") == pytest.approx(0.0)
    assert 0.25 < found.normalize(means["cost-table"], zero="single") <= 0.4
    assert means["optimum"] - means["cost-table"] > 0.09  # what reading and planning are worth
    at = {"turn": 0.1, "word": 0.02}
    assert found.rewards(at) == found.rewards(Costs(**at))
    assert found.normalize(found.rewards(at)["optimum"], at) == pytest.approx(1.0)


def test_mistakes_are_told():
    with pytest.raises(
        ClarifyError, match=r"reference\('synthetic-v9'\): no scores ship for it; did you mean"
    ):
        clarify_env.reference("synthetic-v9")
    found = clarify_env.reference("synthetic-v1")
    with pytest.raises(ClarifyError, match=r"nothing is known at \{'turn': 9.0, 'word': 0.02\}; but at"):
        found.rewards(Costs(9.0, 0.02))
    with pytest.raises(ClarifyError, match="zero='tabel': one of table, single; did you mean 'table'"):
        found.normalize(0.5, zero="tabel")
    with pytest.raises(ClarifyError, match="has no cost table; give zero='single'"):
        clarify_env.reference("pacific-v0").normalize(0.5)
