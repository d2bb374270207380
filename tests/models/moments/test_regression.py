"""Regressions on reduced tables are those of the rows: against statsmodels, and bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

import cxmodel as cx
from cxmodel.errors import (
    ConvergenceError,
    DataError,
    FitError,
    InsufficientDataError,
    SchemaError,
    SeparationError,
)
from cxmodel.models.estimates.two_part import _hurdle
from cxmodel.models.estimation import Sample, fit_slope, slope_design
from cxmodel.models.moments.jointly import fit_jointly
from cxmodel.stats.survival import kaplan_meier

EXACT = {"rtol": 1e-10}
FAMILIES = {
    "logit": (sm.families.Binomial(), "stayed"),
    "poisson": (sm.families.Poisson(), "spent"),
    "gamma": (sm.families.Gamma(sm.families.links.Log()), "amount"),
}


def regression(outcome="spent", explained_by=("rating", "segment"), **changes):
    return cx.MomentsRegression(outcome=outcome, explained_by=explained_by, **changes)


def glm(family, outcome, design, **kwargs):
    model = sm.GLM(outcome.astype(float), design, family=FAMILIES[family][0])
    return model.fit(tol=1e-15, tol_criterion="params", **kwargs)


# -- by hand ----------------------------------------------------------------------------------


def test_a_line_through_four_rows():
    table = pd.DataFrame({"rating": [0, 0, 1, 1], "spent": [1, 3, 4, 6]})
    fit = regression(explained_by=["rating"]).fit(table)
    # means 2 and 5: slope 3; residuals +-1; HC1 variance (1/2 + 1/2) x (1/2) ... : each mean has
    # variance sum e^2 / n^2 = 2/4, both 1, times 4/(4 - 2)
    assert fit.coefficients == pytest.approx([2.0, 3.0])
    assert fit.covariance[1, 1] == pytest.approx(2.0)
    assert fit.route.name == "cells"
    assert fit.n_obs == 4
    assert fit.estimate("rating").unit == "spent per unit of rating"


def test_frame_has_the_columns_of_the_house(rows):
    fit = regression("stayed", family="logit").fit(rows)
    frame = fit.to_frame()
    assert list(frame.columns[:4]) == ["group", "term", "unit", "estimate"]
    assert frame.term.tolist() == [
        "intercept",
        "rating",
        "segment[b]",
        "segment[c]",
        "average effect of rating",
    ]
    assert frame.unit[4] == "stayed per unit of rating"
    assert fit.diagnostics().route[0] == "cells"
    assert fit.to_dict()["coefficients"]["rating"]["estimate"] == fit.coefficients[1]


# -- against a reference ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3"])
def test_least_squares_on_cells_and_on_passes(rows, design, wide, kind):
    for columns, matrix in (
        (("rating", "segment"), design),
        (("rating", "tenure", "segment"), wide),
    ):
        fit = regression(explained_by=columns, errors=kind).fit(rows)
        expected = sm.OLS(rows.spent.astype(float), matrix).fit(
            cov_type="nonrobust" if kind == "classical" else kind
        )
        np.testing.assert_allclose(fit.coefficients, expected.params, **EXACT)
        np.testing.assert_allclose(fit.std_errors, expected.bse, **EXACT)
    assert fit.route.name == "cross_products"


@pytest.mark.parametrize("family", list(FAMILIES))
def test_likelihoods_on_cells_and_on_passes(rows, design, wide, family):
    outcome = FAMILIES[family][1]
    for columns, matrix in (
        (("rating", "segment"), design),
        (("rating", "tenure", "segment"), wide),
    ):
        fit = regression(outcome, columns, family=family, errors="HC0").fit(rows)
        expected = glm(family, rows[outcome], matrix, cov_type="HC0")
        np.testing.assert_allclose(fit.coefficients, expected.params, **EXACT)
        np.testing.assert_allclose(fit.covariance, expected.cov_params(), rtol=2e-10)


def test_a_hazard_is_a_logit_of_customer_months():
    """A row for each month at risk: without other columns its survival is Kaplan and Meier's."""
    rng = np.random.default_rng(4)
    last, left = rng.integers(1, 7, 300), rng.random(300) < 0.6
    people = pd.DataFrame({"last": last, "ends": left, "rating": rng.integers(0, 11, 300)})
    months = people.loc[np.repeat(people.index, last)].reset_index(drop=True)
    months["month"] = np.concatenate([np.arange(1, n + 1) for n in last])
    months["left"] = months.ends & (months.month == months["last"])
    bare = regression("left", ["month"], categories=["month"], family="logit").fit(months)
    odds = bare.coefficients[0] + np.insert(bare.coefficients[1:], 0, 0.0)
    survival = np.cumprod(1 - 1 / (1 + np.exp(-odds)))
    np.testing.assert_allclose(survival, kaplan_meier(last, left).at(np.arange(1, 7)), rtol=1e-10)
    fit = regression(
        "left", ["rating", "month"], categories=["month"], family="logit", errors="HC0"
    ).fit(months)
    flags = pd.get_dummies(months.month, drop_first=True).to_numpy(float)
    matrix = np.column_stack([np.ones(len(months)), months.rating, flags])
    expected = glm("logit", months["left"], matrix, cov_type="HC0")
    np.testing.assert_allclose(fit.coefficients, expected.params, **EXACT)
    np.testing.assert_allclose(fit.std_errors, expected.bse, **EXACT)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_leverage_of_a_likelihood_is_that_of_its_weighted_hat_matrix(rows, wide, family, kind):
    """statsmodels 0.15 gives the leverage; its GLM gives HC0 whichever of HC1-HC3 is asked for."""
    outcome = FAMILIES[family][1]
    fit = regression(outcome, ["rating", "tenure", "segment"], family=family, errors=kind).fit(rows)
    expected = glm(family, rows[outcome], wide)
    hat = expected.get_influence(observed=True).hat_matrix_diag
    power = 0.5 if kind == "HC2" else 1.0
    scale = expected.fittedvalues if family == "gamma" else 1.0
    scores = (expected.resid_response / scale / (1 - hat) ** power).to_numpy()[:, None] * wide
    bread = np.linalg.inv(-expected.model.hessian(expected.params, observed=True))
    bread = bread / expected.scale if family == "gamma" else bread
    np.testing.assert_allclose(fit.covariance, bread @ scores.T @ scores @ bread, rtol=1e-9)


@pytest.mark.parametrize("columns", [("rating", "segment"), ("rating", "tenure", "segment")])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC3"])
def test_survey_weights_have_their_proper_meat(rows, design, wide, columns, kind):
    matrix = design if len(columns) == 2 else wide
    fit = regression(explained_by=columns, weight="weight", errors=kind).fit(rows)
    model = sm.WLS(rows.spent.astype(float), matrix, weights=rows.weight)
    expected = model.fit(cov_type=kind)
    np.testing.assert_allclose(fit.coefficients, expected.params, **EXACT)
    np.testing.assert_allclose(fit.std_errors, expected.bse, **EXACT)


@pytest.mark.parametrize("columns", [("rating", "segment"), ("rating", "tenure", "segment")])
def test_weighted_logit_has_the_meat_of_weighted_scores(rows, design, wide, columns):
    """Weights of statsmodels' GLM count rows and are not squared: the sandwich is written out."""
    matrix = design if len(columns) == 2 else wide
    fit = regression("stayed", columns, family="logit", weight="weight", errors="HC0").fit(rows)
    w, y = rows.weight.to_numpy(), rows.stayed.to_numpy(float)
    model = sm.GLM(y, matrix, family=sm.families.Binomial(), freq_weights=w)
    b = model.fit(tol=1e-15, tol_criterion="params").params
    p = 1 / (1 + np.exp(-matrix @ b))
    bread = np.linalg.inv(matrix.T @ ((w * p * (1 - p))[:, None] * matrix))
    scores = (w * (y - p))[:, None] * matrix
    np.testing.assert_allclose(fit.coefficients, b, **EXACT)
    np.testing.assert_allclose(fit.covariance, bread @ scores.T @ scores @ bread, rtol=2e-10)


def test_clusters_cr1(rows, design, wide):
    fit = regression(customer="customer").fit(rows)
    expected = sm.OLS(rows.spent.astype(float), design).fit(
        cov_type="cluster", cov_kwds={"groups": rows.customer}
    )
    assert fit.errors == "CR1"
    assert fit.route.name == "by_customer"
    np.testing.assert_allclose(fit.std_errors, expected.bse, **EXACT)
    fit = regression("stayed", ["rating", "tenure", "segment"], family="logit", customer="customer")
    found = fit.fit(rows)
    expected = glm(
        "logit", rows.stayed, wide, cov_type="cluster", cov_kwds={"groups": rows.customer}
    )
    np.testing.assert_allclose(found.covariance, expected.cov_params(), rtol=2e-10)


def test_average_effects_of_a_logit(rows, design, wide):
    for columns, matrix in (
        (("rating", "segment"), design),
        (("rating", "tenure", "segment"), wide),
    ):
        fit = regression("stayed", columns, family="logit").fit(rows)
        numbers = [name for name in columns if name != "segment"]
        expected = sm.Logit(rows.stayed.astype(float), matrix).fit(disp=0, tol=1e-14).get_margeff()
        np.testing.assert_allclose(fit.effect_values, expected.margeff[: len(numbers)], **EXACT)


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("link", ["linear", "logit"])
def test_the_slope_averaged_over_rows_is_that_of_the_lift(rows, design, wide, link, clustered):
    """The same number and error as the lift's headline, whose influence is per customer."""
    outcome = "spent" if link == "linear" else "stayed"
    for columns, controls in (
        (("rating", "segment"), design[:, 2:]),
        (("rating", "tenure", "segment"), wide[:, 2:]),
    ):
        codes = rows.customer.to_numpy() if clustered else np.arange(len(rows))
        counts = np.bincount(codes)
        weighted = rows.assign(share=1 / counts[codes])
        sample = Sample.build(
            rows[outcome].to_numpy(float), rows.rating.to_numpy(float), controls, codes, len(counts)
        )
        expected = fit_slope(sample, link=link, interacted=True).slope
        fit = regression(
            outcome,
            columns,
            interacted="rating",
            family=link,
            weight="share",
            customer="customer" if clustered else None,
        ).fit(weighted)
        found = fit.effect("rating")
        assert found.estimate == pytest.approx(expected.value, rel=1e-9)
        assert found.std_error == pytest.approx(expected.std_error, rel=1e-8)


def test_a_logits_effects_have_the_error_of_the_influence_on_rows(rows, wide):
    """One pass gives what `fit_slope` adds up from the rows' influence."""
    n = len(rows)
    sample = Sample.build(
        rows.stayed.to_numpy(float), rows.rating.to_numpy(float), wide[:, 2:], np.arange(n), n
    )
    expected = fit_slope(sample, link="logit", interacted=False).slope
    fit = regression("stayed", ["rating", "tenure", "segment"], family="logit").fit(rows)
    found = fit.effect("rating")
    assert found.estimate == pytest.approx(expected.value, rel=1e-10)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-10)


def test_two_parts_are_those_of_the_rows(rows, design):
    n = len(rows)
    sample = Sample.build(rows.spent.to_numpy(float), design[:, 1], design[:, 2:], np.arange(n), n)
    part = _hurdle(sample, slope_design(sample, interacted=False), sample.outcome)
    value = float(sample.share @ part.slopes)
    pull = sample.share * (part.slopes - value) + part.influence
    expected = sample.quantity(value, pull, part.n_params)
    found = regression(family="two_part").fit(rows).effect("rating")
    assert found.estimate == pytest.approx(expected.value, rel=1e-10)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-10)


@pytest.mark.parametrize("clustered", [False, True])
def test_two_parts_of_continuous_columns_are_those_of_the_rows(rows, wide, clustered):
    n = len(rows)
    codes = rows.customer.to_numpy() if clustered else np.arange(n)
    codes = np.unique(codes, return_inverse=True)[1]
    share = 1 / np.bincount(codes)[codes]
    sample = Sample.build(
        rows.spent.to_numpy(float), wide[:, 1], wide[:, 2:], codes, codes.max() + 1
    )
    part = _hurdle(sample, slope_design(sample, interacted=False), sample.outcome)
    value = float(sample.share @ part.slopes)
    pull = sample.share * (part.slopes - value) + part.influence
    expected = sample.quantity(value, pull, part.n_params)
    fit = regression(
        "spent",
        ["rating", "tenure", "segment"],
        family="two_part",
        weight="share" if clustered else None,
        customer="customer" if clustered else None,
    ).fit(rows.assign(share=share))
    found = fit.effect("rating")
    assert fit.route.name == ("by_customer" if clustered else "cross_products")
    assert found.estimate == pytest.approx(expected.value, rel=1e-10)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-9)


@pytest.mark.parametrize("share", [0, 1])
def test_two_parts_need_rows_with_and_without(rows, share):
    same = rows.assign(spent=np.where(share, rows.amount, 0) + 0.0)
    with pytest.raises(InsufficientDataError, match=r"rows have an amount|nothing to explain"):
        regression(explained_by=["tenure"], family="two_part").fit(same)


def test_two_outcomes_have_one_covariance(rows, design):
    models = [regression("spent"), regression("stayed", family="logit")]
    found = fit_jointly(models, rows)
    line = sm.OLS(rows.spent.astype(float), design).fit()
    odds = sm.Logit(rows.stayed.astype(float), design).fit(disp=0, tol=1e-14)
    first = line.resid.to_numpy()[:, None] * design @ np.linalg.inv(design.T @ design)
    p = odds.predict()
    bread = np.linalg.inv(design.T @ ((p * (1 - p))[:, None] * design))
    second = (rows.stayed.to_numpy(float) - p)[:, None] * design @ bread
    factor = len(rows) / (len(rows) - 4)
    np.testing.assert_allclose(found.covariance[:4, 4:8], factor * first.T @ second, rtol=1e-8)
    np.testing.assert_allclose(found.covariance[:4, :4], found.fits[0].covariance, **EXACT)
    assert found.names[8] == ("stayed", "average effect of rating")


def test_few_clusters_take_cr2_and_its_degrees_of_freedom(rows, design):
    from cxmodel.stats.linear import fit_least_squares, orthonormal_of
    from cxmodel.stats.sandwich import cr2_influence

    fit = regression(customer="region").fit(rows)
    least = fit_least_squares(design, rows.spent.to_numpy(float))
    q = orthonormal_of(least.basis, least.triangle, least.weights)
    turned = np.linalg.solve(least.triangle.T, least.basis.back.T)
    sums = cr2_influence(q, least.residuals, turned, rows.region.to_numpy())
    assert fit.errors == "CR2"
    assert fit.n_clusters == 9
    np.testing.assert_allclose(fit.covariance, sums.T @ sums, rtol=1e-9)
    assert 2 < fit.deg_freedom[1] < 9


def test_the_wild_bootstrap_of_a_fit_is_that_of_the_rows(rows, design):
    """All 512 patterns of signs of nine regions, under a slope one error below the estimate."""
    few, matrix = rows.iloc[:300], design[:300]
    fit = regression(customer="region").fit(few)
    slope = fit.estimate("rating")
    null = slope.estimate - slope.std_error
    codes, moved = few.region.to_numpy(), few.spent.to_numpy(float) - null * matrix[:, 1]
    others = matrix[:, [0, 2, 3]]
    base = others @ np.linalg.lstsq(others, moved, rcond=None)[0]

    def t_of(outcome):
        b = np.linalg.lstsq(matrix, outcome, rcond=None)[0]
        bread = np.linalg.inv(matrix.T @ matrix)
        scores = matrix * (outcome - matrix @ b)[:, None]
        sums = np.array([scores[codes == region].sum(axis=0) for region in range(9)])
        return abs(b[1]) / np.sqrt((bread @ sums.T @ sums @ bread)[1, 1])

    drawn = [
        t_of(base + np.array(signs)[codes] * (moved - base))
        for signs in itertools.product([-1.0, 1.0], repeat=9)
    ]
    expected = np.mean(np.array(drawn) >= t_of(moved) * (1 - 1e-10))
    assert 0.05 < expected < 0.95
    assert fit.wild_p_value("rating", null=null, seed=1) == pytest.approx(expected, abs=1e-12)


def test_effects_of_customers_are_dummies(rows):
    few = rows[rows.customer < 150]
    fit = regression(
        explained_by=["rating", "tenure"], customer="customer", customer_effects=True
    ).fit(few)
    matrix = np.column_stack([few.rating, few.tenure, pd.get_dummies(few.customer).to_numpy(float)])
    expected = sm.OLS(few.spent.to_numpy(float), matrix).fit(
        cov_type="cluster", cov_kwds={"groups": few.customer, "use_correction": False}
    )
    n, clusters = len(few), few.customer.nunique()
    # two slopes are counted, effects within clusters are not
    factor = np.sqrt(clusters / (clusters - 1) * (n - 1) / (n - 2))
    np.testing.assert_allclose(fit.coefficients, expected.params[:2], rtol=1e-9)
    np.testing.assert_allclose(fit.std_errors, expected.bse[:2] * factor, rtol=1e-9)


def test_an_epoch_and_an_offset_of_a_billion_cost_no_digits(rows):
    hours = np.arange(len(rows)) * 3_600
    moved = rows.assign(at=1_700_000_000 + hours, spent=10**9 + rows.spent)
    fit = regression(explained_by=["rating", "at"]).fit(moved)
    near = np.column_stack([np.ones(len(rows)), rows.rating, hours / 3_600]).astype(float)
    expected = sm.OLS(rows.spent.astype(float), near).fit(cov_type="HC1")
    np.testing.assert_allclose(fit.coefficients[1:] * [1, 3_600], expected.params[1:], rtol=1e-8)
    np.testing.assert_allclose(fit.std_errors[1:] * [1, 3_600], expected.bse[1:], rtol=1e-8)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_an_epoch_among_the_columns_of_a_likelihood_costs_no_digits(rows, family):
    outcome, hours = FAMILIES[family][1], np.arange(len(rows)) * 3_600
    moved = rows.assign(at=1_700_000_000 + hours)
    fit = regression(outcome, ["rating", "at"], family=family, errors="HC0").fit(moved)
    near = np.column_stack([np.ones(len(rows)), rows.rating, hours / hours.max()]).astype(float)
    expected = glm(family, rows[outcome], near, cov_type="HC0")
    scale = np.array([1, hours.max()])
    np.testing.assert_allclose(fit.coefficients[1:] * scale, expected.params[1:], rtol=1e-8)
    np.testing.assert_allclose(fit.std_errors[1:] * scale, expected.bse[1:], rtol=1e-8)


# -- properties -------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.integers(-(10**9), 10**9))
def test_a_shift_of_the_outcome_moves_the_intercept_alone(seed, shift):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"rating": rng.integers(0, 5, 60), "y": rng.integers(0, 50, 60)})
    model = regression("y", ["rating"])
    first, second = model.fit(table), model.fit(table.assign(y=table.y + shift))
    np.testing.assert_allclose(second.coefficients[1], first.coefficients[1], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(second.std_errors, first.std_errors, rtol=1e-9)


def test_parquet_files_frames_and_ibis_tables_give_the_same(rows, tmp_path):
    rows.to_parquet(tmp_path / "rows.parquet")
    model = regression(explained_by=["rating", "segment"])
    first = model.fit(rows)
    second = model.fit(tmp_path / "rows.parquet")
    from cxmodel.tables.engines.engine import connect

    with connect() as session:
        third = model.fit(session.register(rows))
    assert first.covariance.tobytes() == second.covariance.tobytes() == third.covariance.tobytes()


def test_gaps_are_left_out_and_counted(rows):
    holes = rows.astype({"spent": "Int64"}).copy()
    holes.loc[:4, "spent"] = pd.NA
    holes.loc[3:9, "segment"] = None
    fit = regression().fit(holes)
    assert fit.missing == {"spent": 5, "segment": 7}
    assert fit.n_obs == len(rows) - 10
    expected = regression().fit(rows.iloc[10:])
    np.testing.assert_allclose(fit.covariance, expected.covariance, rtol=1e-11)


# -- bad input --------------------------------------------------------------------------------


def test_collinear_and_constant_columns_are_named(rows):
    double = rows.assign(twice=2 * rows.rating, same=5, tenure_again=rows.tenure * 3 + 1)
    fit = regression(explained_by=["rating", "same", "twice", "segment"]).fit(double)
    assert fit.collinear == ("same", "twice")
    assert "same, twice" in fit.caveats[0]
    assert np.isnan(fit.coefficients[2])
    assert np.isfinite(fit.covariance[1, 1])
    with pytest.raises(FitError, match="'twice' is constant or repeats"):
        fit.estimate("twice")
    on_passes = regression(explained_by=["rating", "tenure", "tenure_again", "same"]).fit(double)
    assert on_passes.collinear == ("tenure_again", "same")


@pytest.mark.parametrize("columns", [["level"], ["level", "noise"]])
def test_separation_is_an_error(columns):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"level": np.repeat([0, 1, 2, 3], 25), "noise": rng.normal(size=100)})
    table["stayed"] = table.level >= 2
    with pytest.raises(SeparationError, match="without error"):
        regression("stayed", columns, family="logit").fit(table)


@pytest.mark.parametrize("columns", [["rating"], ["rating", "tenure"]])
@pytest.mark.parametrize(("family", "outcome"), [("linear", "spent"), ("logit", "stayed")])
def test_an_outcome_that_never_varies_is_an_error(rows, columns, family, outcome):
    nothing = rows.assign(**{outcome: 0})
    with pytest.raises(InsufficientDataError, match="is 0 in each of 2,000 rows"):
        regression(outcome, columns, family=family).fit(nothing)


def test_a_group_without_any_amount_is_named(rows):
    nothing = rows.assign(spent=np.where(rows.segment == "b", 0, rows.spent))
    with pytest.raises(ConvergenceError, match="outcomes are all zero"):
        regression(family="poisson").fit(nothing)


def test_one_cluster_is_an_error(rows):
    with pytest.raises(InsufficientDataError, match="one customer"):
        regression(customer="who").fit(rows.assign(who="me"))


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_weights_of_zero_or_less_are_an_error_and_missing_ones_are_counted(rows, bad):
    weights = rows.weight.to_numpy().copy()
    weights[:3] = bad
    with pytest.raises(DataError, match="zero or negative in 3 rows"):
        regression(weight="weight").fit(rows.assign(weight=weights))
    weights[:3] = np.nan
    assert regression(weight="weight").fit(rows.assign(weight=weights)).missing == {"weight": 3}


@pytest.mark.parametrize("column", ["tenure", "spent"])
def test_infinity_is_an_error_and_nan_is_counted(rows, column):
    values = rows[column].astype(float).to_numpy().copy()
    values[7] = np.inf
    model = regression(explained_by=["rating", "tenure"])
    with pytest.raises(DataError, match=f"'{column}' in 1 rows"):
        model.fit(rows.assign(**{column: values}))
    values[7] = np.nan
    assert model.fit(rows.assign(**{column: values})).missing == {column: 1}


@pytest.mark.parametrize("columns", [["level"], ["level", "x"]])
def test_more_columns_than_rows_is_an_error(columns):
    table = pd.DataFrame(
        {"level": list("abcde"), "x": np.arange(5) ** 0.5, "spent": [1, 2, 4, 3, 9]}
    )
    with pytest.raises(InsufficientDataError, match="5 rows cannot carry"):
        regression(explained_by=columns).fit(table)


def test_outcomes_that_are_not_for_the_family_are_errors(rows):
    with pytest.raises(DataError, match="A logit needs an outcome of 0 and 1"):
        regression("spent", family="logit").fit(rows)
    with pytest.raises(DataError, match="Gamma needs positive amounts"):
        regression("spent", family="gamma").fit(rows)
    with pytest.raises(DataError, match="Refunds are a part of their own"):
        regression("net", family="two_part").fit(rows.assign(net=rows.spent - 50))
    with pytest.raises(DataError, match="'segment' is text"):
        regression("segment", ["rating"]).fit(rows)


@pytest.mark.parametrize("method", ["quantile", "trees", "row_bootstrap"])
def test_what_needs_rows_is_refused(method):
    with pytest.raises(ValueError, match="cannot be had from a reduced table"):
        regression(family=method)


def test_what_a_reduced_table_does_not_hold_is_refused_with_the_way_out(rows):
    with pytest.raises(FitError, match="dispersion"):
        regression("amount", family="gamma", errors="classical").fit(rows)
    wide = rows.assign(code=np.arange(len(rows)) % 70)
    with pytest.raises(FitError, match="more than the 60"):
        regression(explained_by=["code", "tenure"], categories=["code"]).fit(wide)
    fit = regression(explained_by=["rating"]).fit(rows)
    with pytest.raises(FitError, match="few clusters"):
        fit.wild_p_value("rating", seed=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"explained_by": []}, "names no column"),
        ({"explained_by": ["rating", "rating"]}, "twice named: rating"),
        ({"categories": ["plan"]}, "Not among explained_by: plan"),
        ({"errors": "HC9"}, "errors must be one of"),
        ({"family": "probit"}, "family must be one of"),
        ({"errors": "CR1"}, "need customer="),
        ({"customer": "c", "customer_effects": True, "family": "logit"}, "for least squares"),
        ({"conf_level": 95}, "between 0 and 1"),
    ],
)
def test_settings_that_contradict_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        cx.MomentsRegression(**{"outcome": "spent", "explained_by": ["rating"], **changes})


def test_columns_that_are_not_there_and_tables_that_are_none(rows, tmp_path):
    with pytest.raises(SchemaError, match="no column 'ratings'"):
        regression(explained_by=["ratings"]).fit(rows)
    with pytest.raises(TypeError, match="not dict"):
        regression().fit({"rating": [1]})
    with pytest.raises(cx.errors.SourceError, match=r"no file none\.parquet"):
        regression().fit(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="no column 'plan'"):
        regression().fit(rows).estimate("plan")


# -- a known truth ----------------------------------------------------------------------------


def test_intervals_hold_the_truth():
    rng = np.random.default_rng(9)
    held = []
    for _ in range(60):
        rating = rng.integers(0, 11, 400)
        spent = 50 + 4 * rating + np.round(rng.normal(0, 5 + 2 * rating)).astype(int)
        found = regression(explained_by=["rating"]).fit(
            pd.DataFrame({"rating": rating, "spent": spent})
        )
        one = found.estimate("rating")
        held.append(one.conf_low <= 4 <= one.conf_high)
    # 95% of 60, less three standard errors of the share
    assert np.mean(held) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 60)
