"""Costs and their samplers."""

import math

import numpy as np
import pytest

from clarify_env import ClarifyError, CostGrid, CostRange, FixedCosts
from clarify_env.costs import checked
from clarify_env.games.clarification import SEEN, UNSEEN, Costs


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, -math.inf, None, "cheap", [0.1]])
def test_a_cost_is_finite_and_not_negative(bad):
    for costs, name in ((Costs(bad, 0.1), "turn"), (Costs(0.1, bad), "word")):
        with pytest.raises(ClarifyError, match=f"{name}_cost=.*finite number >= 0"):
            checked(costs)
    with pytest.raises(ClarifyError):
        FixedCosts(turn=bad)
    with pytest.raises(ClarifyError):
        CostGrid(turn=(0.1, bad), word=(0.0,))
    with pytest.raises(ClarifyError):
        CostRange(turn=(0.0, 0.1), word=(0.0, bad))


def test_checked_gives_plain_floats():
    turn, word = checked(Costs(np.float32(0.5), 1))
    assert (type(turn), type(word)) == (float, float)
    assert (turn, word) == (0.5, 1.0)
    assert math.copysign(1.0, checked(Costs(-0.0, 0.0)).turn) == 1.0


def test_fixed_costs_draw_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert FixedCosts(of=Costs, turn=0.1, word=0.02).sample(rng) == Costs(0.1, 0.02)
    assert rng.bit_generator.state == before
    assert repr(FixedCosts(turn=0.1, word=0.02)) == "FixedCosts(turn=0.1, word=0.02)"


def test_a_grid_draws_all_its_cells_alike():
    grid = CostGrid(turn=iter((0.1, 0.2)), word=(0.0, 0.01, 0.02))
    assert len(grid) == len(list(grid)) == 6
    assert list(grid)[:2] == [Costs(0.1, 0.0), Costs(0.1, 0.01)]
    rng = np.random.default_rng(0)
    drawn = [grid.sample(rng) for _ in range(6000)]
    assert set(drawn) == set(grid)
    assert all(abs(drawn.count(cell) - 1000) < 150 for cell in grid)
    assert repr(grid) == "CostGrid(turn=(0.1, 0.2), word=(0.0, 0.01, 0.02))"


def test_a_grid_needs_a_cell():
    with pytest.raises(ClarifyError, match="at least one"):
        CostGrid(turn=(), word=(0.1,))


def test_a_range_draws_between_its_ends():
    costs = CostRange(turn=(0.1, 0.3), word=(0.02, 0.02))
    rng = np.random.default_rng(0)
    drawn = np.array([costs.sample(rng) for _ in range(2000)])
    assert 0.1 <= drawn[:, 0].min() < 0.11
    assert 0.29 < drawn[:, 0].max() <= 0.3
    assert (drawn[:, 1] == 0.02).all()
    assert repr(costs) == "CostRange(turn=(0.1, 0.3), word=(0.02, 0.02))"


def test_a_range_starts_at_its_lower_end():
    with pytest.raises(ClarifyError, match="the lower end comes first"):
        CostRange(turn=(0.3, 0.1), word=(0.0, 0.1))


def test_unseen_costs_were_never_seen():
    assert not {c.turn for c in SEEN} & {c.turn for c in UNSEEN}
    assert not {c.word for c in SEEN} & {c.word for c in UNSEEN}
    for name in ("turn", "word"):
        seen, unseen = SEEN.levels[name], UNSEEN.levels[name]
        assert min(unseen) < min(seen)
        assert max(unseen) > max(seen)
        assert any(min(seen) < cost < max(seen) for cost in unseen)


@pytest.mark.parametrize("make", [CostGrid, CostRange])
def test_one_number_where_a_list_belongs_is_told(make):
    with pytest.raises(ClarifyError, match=r"turn=0\.1"):
        make(turn=0.1, word=(0.1, 0.2))
