"""The climb to a maximum: exact on a bowl, honest at an edge and on a ridge."""

from __future__ import annotations

import numpy as np
import pytest

from cxmodel.stats.purchases.histories import Counts, group_equal, log_rising
from cxmodel.stats.purchases.layout import Layout, Scaling
from cxmodel.stats.purchases.maximise import Maximum, maximise

BOUNDS = (np.full(2, -12.0), np.full(2, 12.0))


def bowl(point: np.ndarray) -> tuple[float, np.ndarray]:
    # -(x - 1)^2 - 2 (y + 3)^2 - (x - 1)(y + 3): maximum at (1, -3), information [[2, 1], [1, 4]]
    x, y = point - [1.0, -3.0]
    return -(x**2) - 2 * y**2 - x * y, np.array([-2 * x - y, -4 * y - x])


def test_a_bowl_by_hand() -> None:
    found = maximise(bowl, [np.zeros(2)], BOUNDS)
    assert found.point == pytest.approx([1.0, -3.0], abs=1e-9)
    assert found.is_converged
    assert not found.at_bound.any()
    # inverse of [[2, 1], [1, 4]] = [[4, -1], [-1, 2]] / 7
    expected = np.array([[4, -1], [-1, 2]]) / 7
    assert found.covariance() == pytest.approx(expected, rel=1e-7)


def test_a_maximum_beyond_the_range_is_at_its_end() -> None:
    found = maximise(bowl, [np.zeros(2)], (np.array([-12.0, -2.0]), np.full(2, 12.0)))
    # at y = -2 the best x is 1 - 1/2
    assert found.point == pytest.approx([0.5, -2.0], abs=1e-9)
    assert found.at_bound.tolist() == [False, True]
    covariance = found.covariance()
    assert covariance[0, 0] == pytest.approx(0.5, rel=1e-7)
    assert np.isnan(covariance[1]).all()


def test_what_is_flat_is_held_and_the_rest_keeps_its_error() -> None:
    # information 4 of the first, none of the second
    found = Maximum(
        point=np.zeros(2),
        log_likelihood=0.0,
        information=np.array([[4.0, 0.0], [0.0, -1e-12]]),
        at_bound=np.zeros(2, dtype=bool),
        is_converged=True,
    ).covariance()
    assert found[0, 0] == 0.25
    assert np.isnan(found[1]).all()


def test_no_start_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one start"):
        maximise(bowl, [], BOUNDS)


def test_equal_rows_are_found_in_the_order_of_their_values() -> None:
    first, group = group_equal(np.array([2.0, 1, 2, 1]), np.array([5.0, 5, 5, 4]))
    assert first.tolist() == [3, 1, 0]
    assert group.tolist() == [2, 1, 2, 0]


def test_rising_factorials_by_hand() -> None:
    # 1.5 x 2.5 = 3.75; slope 1/1.5 + 1/2.5
    value, slope = log_rising(np.array([1.5, 1.5]), Counts.of(np.array([2.0, 0])))
    assert np.exp(value) == pytest.approx([3.75, 1.0])
    assert slope == pytest.approx([1 / 1.5 + 1 / 2.5, 0.0])


def test_a_layout_takes_scaled_covariates_back_to_raw_ones() -> None:
    layout = Layout(
        parameters=("r", "alpha"),
        scalings=(Scaling(parameter=1, sign=-1.0, names=("buys",), columns=(0,)),),
        centre=np.array([10.0]),
        spread=np.array([4.0]),
    )
    raw = np.array([[10.0], [14.0]])
    scaled = (raw - 10) / 4
    vector = np.array([np.log(0.5), np.log(3.0), 0.8])
    by_hand = (0.5, [3.0, 3.0 * np.exp(-0.8)])
    inner = layout.parameters_of(vector, scaled)
    assert float(inner[0]) == pytest.approx(by_hand[0])
    assert inner[1] == pytest.approx(by_hand[1])
    back, _ = layout.to_raw(vector)
    assert back[2] == pytest.approx(0.2)
    assert layout.parameters_of(back, raw)[1] == pytest.approx(by_hand[1])
