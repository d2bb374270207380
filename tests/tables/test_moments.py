"""Moments as a whole: what is offered, hard numbers against exact ones, the same bits each time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxmodel.tables import moments as cxm
from cxmodel.tables.engines.engine import Engine, connect


def least_squares(rows, terms, outcome):
    found = cxm.cross_products(rows, terms, [outcome])
    return found, cxm.solve(found.design, found.zwz, found.zwy, found.ywy)


def exact_line(x: list[Fraction], y: list[Fraction]) -> tuple[Fraction, Fraction]:
    """Slope and its HC0 variance in rational arithmetic."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    dx, dy = [v - mean_x for v in x], [v - mean_y for v in y]
    squares = sum(v * v for v in dx)
    slope = sum(a * b for a, b in zip(dx, dy, strict=True)) / squares
    meat = sum((a * (b - slope * a)) ** 2 for a, b in zip(dx, dy, strict=True))
    return slope, meat / squares**2


@pytest.mark.parametrize("offset", [0, 10**9, 1_700_000_000])
def test_offsets_of_control_and_outcome_against_rational_arithmetic(offset):
    rng = np.random.default_rng(3)
    x = offset + np.round(rng.uniform(0, 1, 200), 4)
    y = 1e9 + np.round(rng.normal(size=200), 4) + (x - offset)
    slope, variance = exact_line([Fraction(v) for v in x], [Fraction(v) for v in y])
    with connect() as session:
        table = session.register(pd.DataFrame({"x": x, "y": y}))
        rows = cxm.complete_rows(session, table, ["x", "y"])
        found, solution = least_squares(rows, [cxm.Intercept(), cxm.Numeric("x")], "y")
        meat = cxm.robust_meat(rows, found, solution.standard, kind="HC0")
        covariance = solution.covariance(meat.matrix)
    assert solution.coefficients[1, 0] == pytest.approx(float(slope), rel=1e-12)
    assert covariance[1, 1] == pytest.approx(float(variance), rel=1e-12)


def test_longley_keeps_ten_digits():
    """Certified values of NIST, https://www.itl.nist.gov/div898/strd/lls/data/Longley.shtml."""
    data = sm.datasets.longley.load_pandas().data
    with connect() as session:
        rows = cxm.complete_rows(session, session.register(data), list(data.columns))
        terms = [cxm.Intercept(), *[cxm.Numeric(c) for c in data.columns if c != "TOTEMP"]]
        _, solution = least_squares(rows, terms, "TOTEMP")
    certified = [
        -3482258.63459582,
        15.0618722713733,
        -0.358191792925910e-01,
        -2.02022980381683,
        -1.03322686717359,
        -0.511041056535807e-01,
        1829.15146461355,
    ]
    np.testing.assert_allclose(solution.coefficients.ravel(), certified, rtol=1e-10)


def test_heavy_tails_and_clusters_against_statsmodels():
    rng = np.random.default_rng(11)
    n = 4_000
    customer = np.sort(rng.integers(0, 900, n))
    at = 1_700_000_000 + rng.integers(0, 40_000_000, n)
    amount = np.exp(rng.normal(0, 2.5, n))
    rating = rng.integers(0, 11, n)
    y = 1e9 + 50 * rating + amount + (at - 1.7e9) / 1e6 + 100 * rng.standard_t(3, n)
    frame = pd.DataFrame(
        {"customer": [f"c{i}" for i in customer], "at": at, "amount": amount, "rating": rating}
    )
    frame["y"] = y
    with connect() as session:
        table = session.register(frame)
        rows = cxm.complete_rows(
            session, table, ["rating", "at", "amount", "y"], customer="customer"
        )
        terms = cxm.interacted_design("rating", [cxm.Numeric("at"), cxm.Numeric("amount")])
        found, solution = least_squares(rows, terms, "y")
        meat = cxm.clustered_meat(rows, found, solution.standard)
    errors = np.sqrt(np.diag(solution.covariance(meat.matrix)) * meat.factor(6))
    hours = (at - 1_700_000_000) / 3600
    products = [rating * (hours - hours.mean()), rating * (amount - amount.mean())]
    x = np.column_stack([np.ones(n), rating, hours, amount, *products])
    reference = sm.OLS(y - 1e9, x).fit(cov_type="cluster", cov_kwds={"groups": customer})
    units = np.array([1, 1 / 3600, 1, 1 / 3600, 1])
    np.testing.assert_allclose(
        solution.coefficients[1:, 0], reference.params[1:] * units, rtol=1e-8
    )
    np.testing.assert_allclose(errors[1:], reference.bse[1:] * units, rtol=1e-8)


def every_moment(frame: pd.DataFrame, threads: int) -> list[bytes]:
    with connect(Engine(threads=threads)) as session:
        rows = cxm.complete_rows(
            session,
            session.register(frame),
            ["rating", "segment", "tenure_days", "spent", "stayed"],
            weight="weight",
            customer="customer",
        )
        cells = cxm.count_cells(rows, ["segment", "rating"], ["spent", "stayed"])
        sums = cells.outcomes["spent"]
        controls = [cxm.Numeric("tenure_days"), *cxm.dummies(rows, "segment")]
        terms = cxm.interacted_design("rating", controls)
        found, solution = least_squares(rows, terms, "spent")
        within = cxm.within_customers(rows, [cxm.Numeric("tenure_days")], ["spent"])
        arrays = [
            cells.keys["rating"],
            cells.n,
            cells.w2,
            *(sums.d, sums.d2, sums.wd, sums.wd2, sums.w2d, sums.w2d2),
            cells.pairs["spent", "stayed"].w2dd,
            found.zwz,
            found.zwy,
            solution.coefficients,
            cxm.robust_meat(rows, found, solution.standard, kind="HC3").matrix,
            cxm.clustered_meat(rows, found, solution.standard).matrix,
            within.zmz,
            cxm.clustered_meat(rows, within, np.array([0.1])).matrix,
        ]
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


def test_the_same_bits_for_any_order_of_rows_and_any_number_of_threads():
    rng = np.random.default_rng(4)
    n = 150_000
    frame = pd.DataFrame(
        {
            "customer": [f"c{i}" for i in rng.integers(0, 60_000, n)],
            "rating": rng.integers(0, 11, n),
            "segment": rng.choice(["a", "b", "c"], n),
            "tenure_days": rng.gamma(1.0, 300.0, n),
            "spent": np.exp(rng.normal(3, 2, n)),
            "stayed": rng.random(n) < 0.9,
            "weight": rng.uniform(0.2, 3, n),
        }
    )
    first = every_moment(frame, threads=2)
    assert every_moment(frame, threads=2) == first
    assert every_moment(frame.sample(frac=1, random_state=1), threads=1) == first


def test_every_name_offered_is_there_and_documented():
    for name in cxm.__all__:
        thing = getattr(cxm, name)
        if isinstance(thing, type) or callable(thing):
            assert thing.__doc__, name
