"""Designs and their cross-products: by hand, against numpy, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import InsufficientDataError
from cxmodel.tables.reduction.cross_products import CrossProducts, cross_products
from cxmodel.tables.reduction.design import (
    Centred,
    Intercept,
    Level,
    Numeric,
    Product,
    dummies,
    interacted_design,
)
from cxmodel.tables.reduction.rows import complete_rows
from cxmodel.tables.reduction.solving import Solution, solve
from cxmodel.tables.reduction.standard import standard_design


def solved(moments: CrossProducts) -> Solution:
    return solve(moments.design, moments.zwz, moments.zwy, moments.ywy)


def test_a_line_through_three_points_by_hand(session):
    table = session.register(pd.DataFrame({"x": [1, 2, 3], "y": [1.0, 3.0, 5.0]}))
    rows = complete_rows(session, table, ["x", "y"])
    moments = cross_products(rows, [Intercept(), Numeric("x")], ["y"])
    # x off its mean 2: -1, 0, 1; y off its mean 3, divided by 2: -1, 0, 1
    assert moments.zwz.tolist() == [[3.0, 0.0], [0.0, 2.0]]
    assert moments.zwy.tolist() == [[0.0], [2.0]]
    assert moments.ywy.tolist() == [[2.0]]
    assert moments.sum_weights == 3.0
    # y = 2 x - 1
    assert solved(moments).coefficients.ravel().tolist() == [-1.0, 2.0]


def test_weights_centre_on_the_weighted_mean_by_hand(session):
    frame = pd.DataFrame({"x": [0.0, 4.0], "y": [1.0, 2.0], "w": [1.0, 3.0]})
    rows = complete_rows(session, session.register(frame), ["x", "y"], weight="w")
    design = standard_design(rows, [Numeric("x"), Centred(Numeric("x"))], ["y"], centre=True)
    # (0 * 1 + 4 * 3) / 4 = 3; the largest distance is 3, so the scale is 4
    assert (design.columns[0].centre, design.columns[0].scale) == (3.0, 4.0)
    assert (design.columns[1].centre, design.columns[1].factors[0].origin) == (0.0, 3.0)
    moments = cross_products(rows, [Intercept(), Numeric("x")], ["y"])
    assert moments.sum_weights == 4.0
    # w z^2 = 1 * (3/4)^2 + 3 * (1/4)^2
    assert moments.zwz[1, 1] == 0.75


def test_an_interacted_design_against_numpy(session, observations):
    frame = observations
    rows = complete_rows(
        session,
        session.register(frame),
        ["rating", "segment", "tenure_days", "spent_units", "stayed"],
        weight="weight",
    )
    controls = [Numeric("tenure_days"), *dummies(rows, "segment")]
    terms = interacted_design("rating", controls)
    moments = cross_products(rows, terms, ["spent_units", "stayed"])
    solution = solved(moments)
    w = frame.weight.to_numpy()
    columns = [frame.tenure_days, frame.segment == "medium", frame.segment == "small"]
    columns = [np.asarray(column, dtype=float) for column in columns]
    products = [frame.rating * (column - np.average(column, weights=w)) for column in columns]
    x = np.column_stack([np.ones(len(frame)), frame.rating, *columns, *products])
    y = np.column_stack([frame.spent_units, frame.stayed]).astype(float)
    root = np.sqrt(w)[:, None]
    expected = np.linalg.lstsq(x * root, y * root, rcond=None)[0]
    np.testing.assert_allclose(solution.coefficients, expected, rtol=1e-10)
    residuals = y - x @ expected
    scales = np.array([outcome.scale for outcome in moments.design.outcomes])
    np.testing.assert_allclose(
        solution.residual_squares * np.outer(scales, scales),
        (residuals * w[:, None]).T @ residuals,
        rtol=1e-10,
    )


def test_without_an_intercept_nothing_is_taken_off(session):
    frame = pd.DataFrame({"x": [1, 2, 4], "y": [2, 4, 8]})
    rows = complete_rows(session, session.register(frame), ["x", "y"])
    solution = solved(cross_products(rows, [Numeric("x")], ["y"]))
    assert solution.coefficients.tolist() == [[2.0]]


def test_times_in_nanoseconds_beyond_53_bits_keep_every_digit(session):
    at = np.array([0, 1, 2, 3, 5]) + 1_700_000_000_000_000_000
    frame = pd.DataFrame({"at": at, "y": [0.0, 1.0, 2.0, 3.0, 5.0]})
    rows = complete_rows(session, session.register(frame), ["at", "y"])
    solution = solved(cross_products(rows, [Intercept(), Numeric("at")], ["y"]))
    assert solution.coefficients[1, 0] == pytest.approx(1.0, rel=1e-14)


def test_whole_numbers_further_apart_than_64_bits_hold_are_taken_as_doubles(session):
    frame = pd.DataFrame({"x": [-(2**63), 0, 2**63 - 1], "y": [-1.0, 0.0, 1.0]})
    rows = complete_rows(session, session.register(frame), ["x", "y"])
    solution = solved(cross_products(rows, [Intercept(), Numeric("x")], ["y"]))
    assert solution.coefficients[1, 0] == pytest.approx(2.0**-63, rel=1e-14)


def test_constant_and_repeated_columns_are_named(session):
    frame = pd.DataFrame(
        {"x": [1.0, 2.0, 4.0, 7.0], "same": 0.1, "twice": [2.0, 4.0, 8.0, 14.0], "y": [1, 2, 3, 5]}
    )
    rows = complete_rows(session, session.register(frame), list(frame))
    terms = [Intercept(), *[Numeric(name) for name in ("x", "same", "twice")], Level("x", 99.0)]
    solution = solved(cross_products(rows, terms, ["y"]))
    assert solution.collinear == ("same", "twice", "x[99.0]")
    assert solution.n_params == 2
    slope, start = np.polyfit(frame.x, frame.y, 1)
    assert solution.coefficients.ravel() == pytest.approx([start, slope, 0, 0, 0], rel=1e-12)


def test_one_row_and_no_row(session):
    frame = pa.table({"x": [3.0], "y": [5.0]})
    rows = complete_rows(session, session.register(frame), ["x", "y"])
    solution = solved(cross_products(rows, [Intercept(), Numeric("x")], ["y"]))
    assert solution.coefficients.ravel().tolist() == [5.0, 0.0]
    assert solution.collinear == ("x",)
    rows = complete_rows(session, session.register(frame.slice(0, 0)), ["x", "y"])
    moments = cross_products(rows, [Intercept(), Numeric("x")], ["y"])
    assert (moments.zwz == 0).all()
    with pytest.raises(InsufficientDataError, match="No column of the design varies"):
        solved(moments)


def test_a_level_with_one_row_fits_it(session):
    frame = pd.DataFrame({"k": list("aaab"), "y": [1.0, 2.0, 3.0, 10.0]})
    rows = complete_rows(session, session.register(frame), ["k", "y"])
    solution = solved(cross_products(rows, [Intercept(), *dummies(rows, "k")], ["y"]))
    assert solution.coefficients.ravel() == pytest.approx([2.0, 8.0], rel=1e-14)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(3, 40),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 1e3, 1e9, -1e12]),
    st.sampled_from([1e-3, 1.0, 1e6]),
)
def test_slopes_do_not_mind_offsets_and_units(session, n, seed, offset, unit):
    rng = np.random.default_rng(seed)
    x = offset + unit * rng.integers(-50, 50, n)
    y = rng.normal(size=n)
    table = session.register(pd.DataFrame({"x": x, "y": y}))
    rows = complete_rows(session, table, ["x", "y"])
    solution = solved(cross_products(rows, [Intercept(), Numeric("x")], ["y"]))
    session.drop(table)
    d = x - offset
    d = d - d.mean()
    expected = 0.0 if not d.any() else (d @ y) / (d @ d)
    size = np.sqrt((y - y.mean()) @ (y - y.mean()) / max(d @ d, 1e-300))
    assert abs(solution.coefficients[1, 0] - expected) <= 1e-10 * size


def test_too_many_columns_and_repeated_names_are_refused(session):
    frame = pd.DataFrame({"x": range(70), "y": 1.0})
    rows = complete_rows(session, session.register(frame), ["x", "y"])
    with pytest.raises(ValueError, match=r"70 columns and outcomes are more than .* \(60\)"):
        cross_products(rows, [Intercept(), *[Level("x", i) for i in range(68)]], ["y"])
    with pytest.raises(ValueError, match="names a column twice: x"):
        cross_products(rows, [Numeric("x"), Numeric("x")], ["y"])


def test_names_say_what_columns_are():
    product = Product(Numeric("rating"), Centred(Level("segment", "small")))
    assert product.name == "rating x segment[small] - mean"


def test_levels_of_numbers_that_no_decimal_holds(session):
    frame = pd.DataFrame({"k": [0.1, 0.1 + 0.2, 0.3], "y": [1.0, 5.0, 9.0]})
    rows = complete_rows(session, session.register(frame), ["k", "y"])
    solution = solved(cross_products(rows, [Intercept(), *dummies(rows, "k")], ["y"]))
    # 0.3 comes before 0.1 + 0.2 = 0.30000000000000004
    assert solution.coefficients.ravel() == pytest.approx([1.0, 8.0, 4.0], rel=1e-14)
