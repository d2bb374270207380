"""What the top of a list by risk finds: by hand, and against every order of the ties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.stats.depth import found_at_depth, order_by_risk


def _found(outcome, score, shares, weight=None):
    y = np.asarray(outcome, dtype=float)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    return found_at_depth(y, order_by_risk(score), weight, np.asarray(shares, dtype=float))


# -- worked by hand ------------------------------------------------------------------------------


def test_the_top_of_a_list_by_hand():
    # cases at ranks 1 and 4 of 5: after 1, 2, 3, 4 rows half, half, half, all
    found = _found([1, 0, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5], [0, 0.2, 0.4, 0.6, 0.8, 1])
    assert found.tolist() == [0, 0.5, 0.5, 0.5, 1, 1]


def test_equal_scores_find_cases_at_an_even_pace():
    assert _found([1, 0, 0, 0], [0.3] * 4, [0.25, 0.5, 1]).tolist() == [0.25, 0.5, 1]


def test_weights_count_as_rows():
    once = _found([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6], [0.3, 0.5], weight=[2, 1, 1, 3])
    rows = [1, 1, 0, 1, 0, 0, 0], [0.9, 0.9, 0.8, 0.7, 0.6, 0.6, 0.6]
    assert once == pytest.approx(_found(*rows, [0.3, 0.5]))


# -- against a reference -------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=2, max_size=6))
def test_ties_are_the_mean_over_all_their_orders(rows: list[tuple[bool, int]]):
    outcome = np.array([row[0] for row in rows], dtype=float)
    score = np.array([row[1] for row in rows], dtype=float)
    if not outcome.any():
        return
    orders = [o for o in permutations(range(len(rows))) if (np.diff(score[list(o)]) <= 0).all()]
    shares = np.arange(len(rows) + 1) / len(rows)
    each = [np.append(0, np.cumsum(outcome[list(order)])) / outcome.sum() for order in orders]
    assert _found(outcome, score, shares) == pytest.approx(np.mean(each, axis=0))


# -- errors --------------------------------------------------------------------------------------


def test_without_cases_nothing_is_found():
    assert np.isnan(_found([0, 0], [0.1, 0.2], [0.5])).all()
