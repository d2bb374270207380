"""Reproducible sums: exactness by hand, against math.fsum, and the same bits in any order."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import EngineError
from cxmodel.tables.engines.engine import Engine, connect
from cxmodel.tables.reduction import exact_sums
from cxmodel.tables.reduction.exact_sums import Term, cross_sums, steps, total_sums


def total(session, values, bound, limbs=2) -> float:
    table = session.register(pd.DataFrame({"x": np.asarray(values, dtype=float)}))
    found = total_sums(session, table, {"x": Term(table.x, bound)}, len(values), limbs)
    session.drop(table)
    return found["x"]


def test_small_whole_numbers_are_added_exactly(session):
    # 1 + 2 + 3 - 10 = -4
    assert total(session, [1, 2, 3, -10], 10.0, limbs=1) == -4.0


def test_steps_leave_room_for_every_partial_sum():
    first, second = steps(1.0, 1000, 2)
    # 1000 terms of 1 stay under 2^52 steps in all, and so does what rounding leaves of them
    assert 1000 * 1.0 / first <= 2**52
    assert 1000 * (first / 2) / second <= 2**52
    # one term, which is its own sum, stays under 2^51: else the constant would not round it
    assert 1.0 / steps(1.0, 1, 1)[0] <= 2**51
    assert math.log2(first) == int(math.log2(first))


def test_a_column_of_zeros_and_an_empty_table_add_up_to_zero(session):
    assert total(session, [0.0, 0.0], 0.0) == 0.0
    assert total(session, [], 1.0) == 0.0


def test_large_and_small_terms_against_correctly_rounded_sums(session):
    rng = np.random.default_rng(0)
    values = rng.normal(size=5_000) * 10.0 ** rng.uniform(-6, 6, 5_000)
    bound = float(np.abs(values).max())
    error = abs(total(session, values, bound) - math.fsum(values))
    # the stated bound n b 2^-(2 (50 - log2 n)), and one rounding of the result
    allowed = 5_000 * bound * 2.0 ** -(2 * (50 - math.log2(5_000)))
    assert error <= allowed + abs(math.fsum(values)) * 2**-52


def test_one_limb_bounded_by_the_diagonal_is_close_to_two(session, monkeypatch):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.standard_t(2, size=(4_000, 3)), columns=["a", "b", "c"])
    frame /= np.abs(frame).max()
    table = session.register(frame)
    bounds = dict.fromkeys(frame.columns, 1.0)
    two = cross_sums(session, table, bounds, len(frame))
    monkeypatch.setattr(exact_sums, "TWO_LIMBS_UP_TO", 100)
    one = cross_sums(session, table, bounds, len(frame))
    size = np.sqrt(np.outer(np.diag(two), np.diag(two)))
    assert (np.diag(one) == np.diag(two)).all()
    assert (np.abs(one - two) / size).max() < 1e-14
    np.testing.assert_allclose(two, frame.T @ frame, rtol=1e-12, atol=1e-12)


def test_more_sums_than_fit_into_a_query_are_asked_for_in_parts(session, monkeypatch):
    table = session.register(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]}))
    monkeypatch.setattr(exact_sums, "SUMS_PER_QUERY", 2)
    found = cross_sums(session, table, {"a": 2.0, "b": 5.0}, 2)
    # 1 + 4, 3 + 10, 9 + 25
    assert found.tolist() == [[5.0, 13.0], [13.0, 34.0]]


def test_pairs_that_never_meet_are_not_asked_for(session):
    table = session.register(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]}))
    found = cross_sums(session, table, {"a": 2.0, "b": 5.0}, 2, never={("a", "b")})
    assert found.tolist() == [[5.0, 0.0], [0.0, 34.0]]


def test_the_same_bits_in_any_order_with_any_number_of_threads():
    rng = np.random.default_rng(2)
    values = rng.normal(size=300_000) * 10.0 ** rng.uniform(-8, 8, 300_000)
    bound = float(np.abs(values).max())
    found = set()
    for threads in (1, 2):
        with connect(Engine(threads=threads)) as session:
            for seed in (0, 1):
                shuffled = np.random.default_rng(seed).permutation(values)
                found.add(total(session, shuffled, bound))
    assert len(found) == 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-200), min_size=1, max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_order_never_matters_and_the_error_is_bounded(session, values, random):
    bound = max(abs(value) for value in values)
    shuffled = list(values)
    random.shuffle(shuffled)
    first = total(session, values, bound)
    assert first == total(session, shuffled, bound)
    assert abs(first - math.fsum(values)) <= (bound + abs(math.fsum(values))) * 2**-52


def test_more_rows_than_limbs_can_hold_are_refused():
    with pytest.raises(EngineError, match=r"2,199,023,255,552 rows are more than exact sums"):
        steps(1.0, 2**41, 2)
