"""Cells: by hand, against pandas and statsmodels on the rows, and the guard."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import InsufficientDataError, SchemaError
from cxmodel.tables.reduction import cells as module
from cxmodel.tables.reduction.cells import Cells, allowed_cells, count_cells, number_of_cells
from cxmodel.tables.reduction.rows import complete_rows

TINY = pd.DataFrame(
    {
        "segment": ["b", "a", "b", "b"],
        "rating": [1, 2, 1, 0],
        "spent": [10, 20, 40, 30],
        "stayed": [True, True, False, True],
        "w": [0.5, 1.0, 0.25, 1.0],
    }
)


def tiny_cells(session, weight) -> Cells:
    rows = complete_rows(
        session, session.register(TINY), ["segment", "rating", "spent", "stayed"], weight=weight
    )
    return count_cells(rows, ["segment", "rating"], ["spent", "stayed"])


def test_sums_by_hand_in_order_of_the_keys(session):
    cells = tiny_cells(session, None)
    assert cells.keys["segment"].tolist() == ["a", "b", "b"]
    assert cells.keys["rating"].tolist() == [2, 0, 1]
    assert cells.n.tolist() == [1, 1, 2]
    spent, stayed = cells.outcomes["spent"], cells.outcomes["stayed"]
    # centre 25, the mean; cell (b, 1) holds 10 and 40: d = -15 + 15, d2 = 225 + 225
    assert spent.centre == 25.0
    assert spent.d.tolist() == [-5.0, 5.0, 0.0]
    assert spent.d2.tolist() == [25.0, 25.0, 450.0]
    # centre of flags 1, the mean 0.75 rounded: d is 0 or -1; product -15 * 0 + 15 * -1
    assert stayed.centre == 1.0
    assert stayed.d.tolist() == [0.0, 0.0, -1.0]
    assert cells.pairs["spent", "stayed"].dd.tolist() == [0.0, 0.0, -15.0]
    # without weights the weighted sums are the plain ones
    assert spent.w2d2 is spent.d2
    assert cells.w.tolist() == [1.0, 1.0, 2.0]


def test_weighted_sums_by_hand(session):
    cells = tiny_cells(session, "w")
    spent = cells.outcomes["spent"]
    # cell (b, 1): weights 1/2 and 1/4, d -15 and 15; all are binary fractions, so exact
    assert cells.w[2] == 0.75
    assert cells.w2[2] == 0.3125
    assert spent.wd[2] == -3.75
    assert spent.wd2[2] == 168.75
    assert spent.w2d[2] == -15 / 4 + 15 / 16
    assert spent.w2d2[2] == 225 / 4 + 225 / 16
    assert cells.pairs["spent", "stayed"].w2dd[2] == -15 / 16
    assert spent.d2[2] == 450.0


def test_no_key_is_one_cell_and_no_row_is_no_cell(session):
    rows = complete_rows(session, session.register(TINY), ["spent"])
    assert count_cells(rows, [], ["spent"]).n.tolist() == [4]
    empty = pa.table({"rating": pa.array([], pa.int64()), "y": pa.array([], pa.float64())})
    rows = complete_rows(session, session.register(empty), ["rating", "y"])
    assert count_cells(rows, ["rating"], ["y"]).n_cells == 0
    assert count_cells(rows, [], ["y"]).n_cells == 0


def test_large_whole_numbers_are_squared_exactly(session):
    # squares of 10^12 need 80 bits: 2 (10^12)^2 + (2 10^12)^2 about the mean 0
    frame = pd.DataFrame({"k": [1, 1, 1], "y": [10**12, 10**12, -2 * 10**12]})
    rows = complete_rows(session, session.register(frame), ["k", "y"])
    sums = count_cells(rows, ["k"], ["y"]).outcomes["y"]
    assert (sums.d[0], sums.d2[0]) == (0.0, 6e24)


def test_an_offset_of_a_thousand_million_leaves_the_variance_alone(session):
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    frame = pd.DataFrame({"k": rng.integers(0, 3, 500), "real": 1e9 + y})
    frame["whole"] = 10**9 + (1000 * y).astype(np.int64)
    rows = complete_rows(session, session.register(frame), list(frame))
    cells = count_cells(rows, ["k"], ["real", "whole"])
    exact = {"real": frame.real - 1e9, "whole": (frame.whole - 10**9).astype(float)}
    for name, values in exact.items():
        sums = cells.outcomes[name]
        found = (sums.d2 - sums.d**2 / cells.n) / cells.n
        np.testing.assert_allclose(found, values.groupby(frame.k).var(ddof=0), rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_with_robust_errors_equals_statsmodels_on_the_rows(
    session, observations, weighted
):
    frame = observations
    rows = complete_rows(
        session,
        session.register(frame),
        ["rating", "segment", "spent_units"],
        weight="weight" if weighted else None,
    )
    cells = count_cells(rows, ["rating", "segment"], ["spent_units"])
    sums = cells.outcomes["spent_units"]

    def design(rating, segment):
        flags = [(segment == level).astype(float) for level in ("medium", "small")]
        return np.column_stack([np.ones(len(rating)), rating, *flags])

    x = design(cells.keys["rating"], cells.keys["segment"])
    bread = np.linalg.inv(x.T @ (cells.w[:, None] * x))
    b = bread @ x.T @ sums.wd
    f = x @ b
    meat = x.T @ ((sums.w2d2 - 2 * f * sums.w2d + f**2 * cells.w2)[:, None] * x)
    errors = np.sqrt(np.diag(bread @ meat @ bread))

    rows_x = design(frame.rating.to_numpy(), frame.segment.to_numpy())
    weights = frame.weight if weighted else np.ones(len(frame))
    fit = sm.WLS(frame.spent_units - sums.centre, rows_x, weights=weights).fit(cov_type="HC0")
    np.testing.assert_allclose(b, fit.params, rtol=1e-10)
    np.testing.assert_allclose(errors, fit.bse, rtol=1e-10)
    residual_squares = np.sum(sums.wd2 - 2 * f * sums.wd + f**2 * cells.w)
    np.testing.assert_allclose(residual_squares, fit.ssr, rtol=1e-10)


keys = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, None]),
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), st.integers(-(10**14), 10**14)),
        st.floats(0.01, 5.0),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(keys)
def test_cells_are_what_pandas_groups(session, values):
    columns = list(zip(*values, strict=True)) or [[], [], [], []]
    kinds = [pa.int64(), pa.string(), pa.int64(), pa.float64()]
    arrow = pa.table(
        [pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=["k", "t", "y", "w"]
    )
    table = session.register(arrow)
    rows = complete_rows(session, table, ["k", "t", "y"], weight="w")
    cells = count_cells(rows, ["k", "t"], ["y"])
    session.drop(table)
    whole = [row for row in values if None not in row[:3]]
    assert cells.n_used == cells.n.sum() == len(whole)
    expected = sorted({(row[0], row[1]) for row in whole})
    assert list(zip(cells.keys["k"], cells.keys["t"], strict=True)) == expected
    sums = cells.outcomes["y"]
    for i, key in enumerate(expected):
        inside = [row for row in whole if row[:2] == key]
        deviations = [row[2] - int(sums.centre) for row in inside]
        assert sums.d[i] == float(sum(deviations))
        assert sums.d2[i] == float(sum(d * d for d in deviations))
        weighted = [row[3] * d for row, d in zip(inside, deviations, strict=True)]
        size = sum(abs(w) for w in weighted)
        assert sums.wd[i] == pytest.approx(sum(weighted), rel=1e-12, abs=1e-12 * size + 1e-9)


def test_more_cells_than_allowed_are_refused_with_the_counts(session, monkeypatch):
    frame = pd.DataFrame({"a": np.arange(2_000), "b": [f"t{i}" for i in range(2_000)], "y": 1.0})
    rows = complete_rows(session, session.register(frame), ["a", "b", "y"])
    message = r"a, b make more than 1,000 cells of 2,000 rows"
    with pytest.raises(InsufficientDataError, match=message):
        count_cells(rows, ["a", "b"], ["y"])
    assert number_of_cells(rows, ["b"]) is None
    # the first rows alone say so where the table is large against the limit
    monkeypatch.setattr(module, "ALWAYS_ALLOWED", 10)
    with pytest.raises(InsufficientDataError, match="more than 50 cells"):
        count_cells(rows, ["b"], ["y"], max_cells=50)


def test_the_number_of_cells_is_bounded_by_ranges_or_counted(session, observations):
    rows = complete_rows(session, session.register(observations), ["rating", "segment"])
    assert number_of_cells(rows, ["rating"]) == 11
    assert number_of_cells(rows, ["rating", "segment"]) == 33
    assert number_of_cells(rows, ["rating", "segment"], max_cells=5) is None


def test_allowed_cells_are_a_quarter_of_the_rows():
    assert allowed_cells(100_000) == 25_000
    assert allowed_cells(100_000, 500) == 500


def test_a_key_that_was_not_looked_at_is_refused(session):
    rows = complete_rows(session, session.register(TINY), ["spent"])
    with pytest.raises(SchemaError, match="'rating' is not among those looked at"):
        count_cells(rows, ["rating"], ["spent"])
