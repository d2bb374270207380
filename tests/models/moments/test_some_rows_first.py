"""A likelihood that begins on a few rows ends at the maximum of all, to the last digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import cxmodel as cx
from cxmodel.errors import SeparationError
from cxmodel.models.moments import passes
from cxmodel.tables.engines.engine import connect
from cxmodel.tables.reduction import some_rows as some
from cxmodel.tables.reduction.design import Intercept, Level, Numeric
from cxmodel.tables.reduction.rows import complete_rows

N = 24_000
COLUMNS = ["rating", "segment", "tenure", "before"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Rows from formulas; of the controls one has a long tail."""
    i = np.arange(N)
    u = [((i + 1) * root % 1.0) for root in (2**0.5, 3**0.5, 5**0.5, 7**0.5, 11**0.5)]
    rating = np.floor(11 * u[0])
    before = np.exp(1 + 5 * u[1])
    predictor = -1 + 0.2 * rating + 0.6 * (u[2] < 0.4) + 0.002 * before - 1.5 * u[4]
    return pd.DataFrame(
        {
            "rating": rating.astype(int),
            "segment": np.array(["a", "b", "c"])[np.floor(3 * u[2]).astype(int)],
            "tenure": 1_000 * u[4],
            "before": before,
            "stayed": (i * 13**0.5 % 1.0) < 1 / (1 + np.exp(-predictor)),
            "spent": np.round(np.exp(0.2 * predictor + 2) * (0.5 + u[3])),
            "weight": 0.5 + u[3],
        }
    )


@pytest.fixture(params=["kept", "engine"])
def few(request, monkeypatch):
    """Take some 2,000 rows instead of 50,000; pass over kept rows, or on the engine."""
    monkeypatch.setattr(some, "WANTED", 2_000)
    if request.param == "engine":
        monkeypatch.setattr(passes, "is_kept_well", lambda *_: False)
    return request.param


def design_of(table: pd.DataFrame) -> np.ndarray:
    flags = [table.segment == "b", table.segment == "c", table.tenure, table.before]
    return np.column_stack([np.ones(len(table)), table.rating, *flags]).astype(float)


def model(**changes):
    settings = {"outcome": "stayed", "family": "logit", "explained_by": COLUMNS} | changes
    return cx.MomentsRegression(**settings)


# -- against a reference ----------------------------------------------------------------------


def test_a_logit_is_that_of_statsmodels(table, few):
    fit = model().fit(table)
    family = sm.families.Binomial()
    expected = sm.GLM(table.stayed.astype(float), design_of(table), family=family).fit(
        tol=1e-15, tol_criterion="params", cov_type="HC0"
    )
    factor = N / (N - 6)
    np.testing.assert_allclose(fit.coefficients, expected.params, rtol=1e-10)
    np.testing.assert_allclose(fit.std_errors, expected.bse * factor**0.5, rtol=1e-10)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"errors": "HC3"},
        {"weight": "weight"},
        {"interacted": "rating"},
        {"outcome": "spent", "family": "poisson"},
        {"explained_by": ["tenure", "before"]},
    ],
)
@pytest.mark.parametrize("where", ["kept", "engine"])
def test_it_is_the_fit_that_begins_at_the_mean(table, monkeypatch, changes, where):
    slow = model(**changes).fit(table)
    monkeypatch.setattr(some, "WANTED", 2_000)
    if where == "engine":
        monkeypatch.setattr(passes, "is_kept_well", lambda *_: False)
    quick = model(**changes).fit(table)
    np.testing.assert_allclose(quick.coefficients, slow.coefficients, rtol=1e-10)
    np.testing.assert_allclose(quick.covariance, slow.covariance, rtol=1e-9)
    np.testing.assert_allclose(quick.effect_values, slow.effect_values, rtol=1e-10)
    np.testing.assert_allclose(quick.effect_covariance, slow.effect_covariance, rtol=1e-9)


# -- properties -------------------------------------------------------------------------------


def test_three_passes_are_enough(table, few, monkeypatch):
    asked: list[bool] = []
    kind = passes.KeptPasses if few == "kept" else passes.EnginePasses
    whole = kind.at

    def counted(self, position, *, is_last):
        asked.append(is_last)
        return whole(self, position, is_last=is_last)

    monkeypatch.setattr(kind, "at", counted)
    model().fit(table)
    assert 2 <= len(asked) <= 4
    assert asked[-1]


def test_the_order_of_rows_moves_no_bit(table, few):
    first = model().fit(table)
    second = model().fit(table.iloc[::-1].reset_index(drop=True))
    assert first.covariance.tobytes() == second.covariance.tobytes()
    assert first.coefficients.tobytes() == second.coefficients.tobytes()
    assert first.effect_covariance.tobytes() == second.effect_covariance.tobytes()


def test_the_rows_taken_follow_from_their_values(table, monkeypatch):
    monkeypatch.setattr(some, "WANTED", 2_000)
    with connect() as session:
        looked = complete_rows(session, session.register(table), [*COLUMNS, "stayed"])
        taken = some.some_rows(looked, ["tenure", "before"])
        assert some.some_rows(looked, []) is None
        terms = [Intercept(), Numeric("rating"), Numeric("tenure"), Numeric("before")]
        keyed = passes.parted_terms(looked, [*terms, Level("segment", "b")], "stayed")
        with passes.kept_for(looked, keyed, "stayed", "logit") as kept:
            same = some.some_rows(looked, ["tenure", "before"], kept)
    for name in ("rating", "tenure", "before", "stayed"):
        # in an order of their own: by the columns as they lie there
        np.testing.assert_array_equal(np.sort(same.values[name]), np.sort(taken.values[name]))
    assert (same.values["segment"] == "b").sum() == (taken.values["segment"] == "b").sum()
    assert 1_500 < len(taken.weights) < 2_500
    assert taken.weights.sum() == pytest.approx(N)
    assert taken.mean("tenure") == pytest.approx(table.tenure.mean(), rel=0.05)


# -- errors -----------------------------------------------------------------------------------


def test_a_column_of_one_value_in_most_rows_takes_the_way_from_the_mean(table, few):
    flat = table.assign(tenure=np.where(table.rating < 10, 0.5, 1.5), before=2.5)
    with connect() as session:
        looked = complete_rows(session, session.register(flat), ["tenure", "before"])
        assert some.some_rows(looked, ["tenure", "before"]) is None
    fit = model().fit(flat)
    assert fit.collinear == ("before",)


@pytest.mark.parametrize("times", [1e3, 1e6])
def test_one_row_far_out_is_no_separation(table, few, times):
    # its own score is bounded, and the others have a maximum near theirs
    far = table.assign(before=np.where(table.index == 7, times * table.before.max(), table.before))
    fit = model().fit(far)
    family = sm.families.Binomial()
    design = design_of(far) / [1, 1, 1, 1, 1, times]
    expected = sm.GLM(far.stayed.astype(float), design, family=family).fit(
        tol=1e-15, tol_criterion="params", maxiter=200
    )
    scale = np.array([1, 1, 1, 1, 1, times])
    np.testing.assert_allclose(fit.coefficients * scale, expected.params, rtol=1e-8)


def test_whole_numbers_of_many_values_show_the_way_too(table, few, monkeypatch):
    whole = table.assign(tenure=(1e3 * table.tenure).astype(int))
    found = model(explained_by=["rating", "tenure"]).fit(whole)
    assert found.route.name == "cross_products"
    monkeypatch.setattr(some, "MORE_THAN", 1_000)
    expected = model(explained_by=["rating", "tenure"]).fit(whole)
    np.testing.assert_allclose(found.coefficients, expected.coefficients, rtol=1e-10)
    np.testing.assert_allclose(found.std_errors, expected.std_errors, rtol=1e-10)


def test_separation_is_an_error_all_the_same(table, few):
    told = table.assign(stayed=table.tenure > 500)
    with pytest.raises(SeparationError, match="without error"):
        model().fit(told)


def test_a_rare_level_that_the_few_rows_lack_is_kept(table, few):
    rare = table.assign(segment=np.where(table.index < 5, "d", table.segment))
    fit = model().fit(rare)
    assert fit.names[4] == "segment[d]"
    assert np.isfinite(fit.std_errors).all()
