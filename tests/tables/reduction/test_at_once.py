"""Cells in one look: the same bits as in two, gaps counted, and where it cannot be done."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import InsufficientDataError
from cxmodel.tables.reduction.at_once import cells_at_once
from cxmodel.tables.reduction.cells import count_cells
from cxmodel.tables.reduction.rows import complete_rows


def in_two_looks(session, table, keys, outcomes):
    return count_cells(complete_rows(session, table, [*keys, *outcomes]), keys, outcomes)


def bits(cells):
    arrays = [cells.n, *cells.keys.values()]
    for sums in cells.outcomes.values():
        arrays += [np.array([sums.centre]), sums.d, sums.d2]
    arrays += [pair.dd for pair in cells.pairs.values()]
    return [np.asarray(array).tolist() for array in arrays]


def test_by_hand_with_gaps(session):
    frame = pd.DataFrame(
        {
            "rating": pd.array([9, 7, 9, None, 7], dtype="Int64"),
            "spent": pd.array([5, 6, 8, 1, None], dtype="Int64"),
        }
    )
    found = cells_at_once(session, session.register(frame), ["rating"], ["spent"])
    # mean of 5, 6, 8 is 19/3, next to 6; sums about it: 7 -> 0; 9 -> -1 + 2, squares 1 + 4
    assert found.keys["rating"].tolist() == [7, 9]
    assert found.outcomes["spent"].centre == 6
    assert found.outcomes["spent"].d.tolist() == [0, 1]
    assert found.outcomes["spent"].d2.tolist() == [0, 5]
    assert (found.n_rows, found.n_used) == (5, 3)
    assert found.missing == {"rating": 1, "spent": 1}


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    centre=st.sampled_from([0, 7, -(10**9) - 1, 2**40 + 3, 2**61]),
    gaps=st.booleans(),
)
def test_the_same_bits_as_in_two_looks(session, seed, centre, gaps):
    rng = np.random.default_rng(seed)
    n = 200
    frame = pd.DataFrame(
        {
            "rating": rng.integers(0, 4, n).astype(np.int8),
            "segment": rng.choice(["b", "a", "c"], n),
            "spent": pd.array(centre + rng.integers(-(10**6), 10**6, n), dtype="Int64"),
            "stayed": rng.random(n) < 0.7,
        }
    )
    outcomes = ["spent", "stayed"]
    if gaps:
        frame.loc[:20, "segment"] = None
        frame.loc[15:30, "spent"] = pd.NA
        outcomes = ["spent"]
    table = session.register(frame)
    found = cells_at_once(session, table, ["segment", "rating"], outcomes)
    expected = in_two_looks(session, table, ["segment", "rating"], outcomes)
    assert bits(found) == bits(expected)
    assert found.missing == expected.missing


def test_where_it_cannot_be_done_it_says_none(session):
    frame = pd.DataFrame(
        {"x": [1.5, 2.5], "key": [1, 2], "y": [1, 2], "wide": [-(2**62), 2**62], "z": [1, None]}
    )
    table = session.register(frame.astype({"z": "Int64"}))
    assert cells_at_once(session, table, ["x"], ["y"]) is None
    assert cells_at_once(session, table, ["key"], ["x"]) is None
    assert cells_at_once(session, table, ["key"], ["wide"]) is None
    assert cells_at_once(session, table, ["key"], ["y", "z"]) is None


def test_too_many_cells_are_refused(session):
    row = np.arange(5_000)
    table = session.register(pd.DataFrame({"key": row % 2_000, "id": row, "y": row % 7}))
    # 1,250 are allowed; where there are more than twice as many, gaps may be the cause
    assert cells_at_once(session, table, ["id"], ["y"]) is None
    with pytest.raises(InsufficientDataError, match="no reduction"):
        cells_at_once(session, table, ["key"], ["y"])
