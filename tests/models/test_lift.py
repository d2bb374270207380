"""The lift: by hand, against statsmodels, recovery of a known truth, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxmodel.display import escape
from cxmodel.errors import ConfigError, InsufficientDataError, SchemaError
from cxmodel.models.joint import draw_jointly, joint_covariance
from cxmodel.models.lift import LiftModel
from cxmodel.results import TIDY_COLUMNS, NotRun
from cxmodel.scales import CES7, CSAT5, NPS, Scale


def _bare(obs, **columns):
    """An observation table with rating, outcomes and nothing to hold equal."""
    frame = pd.DataFrame({"customer_id": obs.frame["customer_id"], "outcome_complete": True})
    return replace(obs, frame=frame.assign(**columns), attributes=())


def _dummies(obs):
    """The design of the default controls, made by pandas and centred."""
    frame = obs.frame
    parts = frame[["revenue_before", "revenue_before_2", "tenure_days", "contacts_before"]]
    groups = pd.get_dummies(frame[["_month", "segment"]], drop_first=True, dtype=float)
    controls = pd.concat([parts, groups], axis=1)
    return controls - controls.mean()


# -- by hand ---------------------------------------------------------------------------------


def test_slopes_levels_and_paths_by_hand(observations):
    """Two ratings of a top-box scale: 40 answers of 3 with mean 10, 60 of 4 with mean 30."""
    rating = np.repeat([3.0, 4.0], [40, 60])
    after = np.concatenate([np.tile([5.0, 15.0], 20), np.tile([25.0, 35.0], 30)])
    obs = _bare(observations(100), rating=rating, revenue_after=after)
    lift = LiftModel().fit(replace(obs, scale=CSAT5, rating="csat"))
    assert lift.per_rating_point().estimate == pytest.approx(20.0)
    assert lift.per_kpi_point("rest_to_top_box").estimate == pytest.approx(0.2)
    # one rating point for everybody lifts the 40% just below the box: 40 KPI points
    assert lift.per_kpi_point().estimate == pytest.approx(0.5)
    assert lift.terms["plus_one_below_top"].estimate == pytest.approx(20.0)
    assert lift.terms["percent_per_rating_point"].estimate == pytest.approx(200.0)
    assert [row["estimate"] for row in lift.by_rating] == pytest.approx([10.0, 30.0])
    assert [row["n_obs"] for row in lift.by_band] == [40, 60]
    # HC1 of the difference: (25/40 + 25/60) * 100/98
    error = np.sqrt((25 / 40 + 25 / 60) * 100 / 98)
    assert lift.per_rating_point().std_error == pytest.approx(error)


def test_a_scale_on_which_low_is_good_turns_the_uniform_shift(observations):
    rating = np.repeat([2.0, 3.0], [50, 50])
    obs = _bare(observations(100), rating=rating, revenue_after=rating * -10 + 100.0)
    scale = Scale(name="effort", low=1, high=5, top_box=2, higher_is_better=False)
    obs.frame.loc[:, "revenue_after"] += np.tile([1.0, -1.0], 50)
    lift = LiftModel().fit(replace(obs, scale=scale, rating="effort"))
    assert lift.per_rating_point().estimate == pytest.approx(-10.0)
    # everybody one step easier: 50 KPI points for 10 USD
    assert lift.per_kpi_point().estimate == pytest.approx(0.2)
    assert lift.per_kpi_point("rest_to_top_box").estimate == pytest.approx(0.1)


def test_every_customer_counts_once(observations):
    """A customer with three answers weighs as much as one with a single answer."""
    rating = np.array([3.0, 3.0, 3.0, 4.0] * 30)
    ids = [f"{i // 4}{'a' if i % 4 < 3 else 'b'}" for i in range(120)]
    after = np.where(rating == 4, 30.0, np.tile([0.0, 10.0, 20.0, 0.0], 30))
    obs = _bare(observations(120), rating=rating, revenue_after=after)
    obs.frame["customer_id"] = ids
    lift = LiftModel().fit(obs)
    assert lift.per_rating_point().estimate == pytest.approx(20.0)
    assert lift.is_clustered
    assert lift.n_customers == 60


def test_separated_retention_shows_levels_and_no_slope(observations):
    rating = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 60)
    churned = np.concatenate([np.ones(120), np.tile([0.0, 1.0], 30), np.zeros(120)])
    obs = replace(_bare(observations(300), rating=rating, churned=churned), scale=CSAT5)
    lift = LiftModel(outcome="retention").fit(obs)
    assert isinstance(lift.terms["per_rating_point"], NotRun)
    assert [row["estimate"] for row in lift.by_rating] == pytest.approx([0, 0, 0.5, 1, 1])
    # Wilson: nobody of 60 stayed, so the upper end is z^2 / (60 + z^2)
    assert lift.by_rating[0]["conf_high"] == pytest.approx(1.96**2 / (60 + 1.96**2), abs=1e-4)
    separation = next(check for check in lift.checks if check.name == "separation")
    assert separation.verdict == "fail"
    assert "everybody who answered 1 and 2 left" in separation.text
    with pytest.raises(InsufficientDataError, match="per_rating_point was not run: separated"):
        lift.per_rating_point()


def test_a_rating_that_knows_too_much_shows_levels_though_a_logit_would_converge(observations):
    """A quarter of the rows and more in ratings of one outcome (here 40%)."""
    rating = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 60)
    mixed = np.tile([0.0, 1.0], 30)
    churned = np.concatenate([mixed, np.zeros(60), mixed, np.zeros(60), mixed])
    obs = replace(_bare(observations(300), rating=rating, churned=churned), scale=CSAT5)
    lift = LiftModel(outcome="retention").fit(obs)
    assert isinstance(lift.terms["per_rating_point"], NotRun)
    assert isinstance(lift.terms["unadjusted_per_rating_point"], NotRun)
    assert [row["estimate"] for row in lift.by_rating] == pytest.approx([0.5, 1, 0.5, 1, 0.5])
    separation = next(check for check in lift.checks if check.name == "separation")
    assert separation.verdict == "fail"
    assert "everybody who answered 2 and 4 stayed (40% of the responses" in separation.text


def test_probabilities_stay_between_0_and_1(observations):
    obs = observations(900, seed=2)
    obs.frame.loc[obs.frame["rating"] >= 10, "churned"] = 0.0
    rows = LiftModel(outcome="retention").fit(obs).by_rating
    top = next(row for row in rows if row["rating"] == 10)
    assert top["estimate"] == 1.0
    # Wilson: n / (n + z^2)
    assert top["conf_low"] == pytest.approx(top["n_obs"] / (top["n_obs"] + 1.96**2), abs=1e-4)
    shown = [row for row in rows if not row["suppressed"]]
    assert all(0 <= row["conf_low"] <= row["estimate"] <= row["conf_high"] <= 1 for row in shown)


# -- against a reference ---------------------------------------------------------------------


def test_additive_slope_is_statsmodels_hc1(observations):
    """statsmodels 0.14 OLS, cov_type HC1."""
    obs = observations(1_500, seed=3)
    lift = LiftModel(average="variance").fit(obs)
    design = sm.add_constant(pd.concat([obs.frame["rating"], _dummies(obs)], axis=1))
    other = sm.OLS(obs.frame["revenue_after"], design).fit(cov_type="HC1")
    found = lift.per_rating_point()
    assert found.estimate == pytest.approx(other.params["rating"], rel=1e-10)
    assert found.std_error == pytest.approx(other.bse["rating"], rel=1e-10)
    assert lift.terms["additive_per_rating_point"] == found


def test_clustered_slope_is_statsmodels_cluster(observations):
    obs = observations(600, seed=3, repeats=2)
    lift = LiftModel(average="variance").fit(obs)
    design = sm.add_constant(pd.concat([obs.frame["rating"], _dummies(obs)], axis=1))
    groups = pd.factorize(obs.frame["customer_id"])[0]
    other = sm.OLS(obs.frame["revenue_after"], design).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    found = lift.per_rating_point()
    assert found.estimate == pytest.approx(other.params["rating"], rel=1e-10)
    assert found.std_error == pytest.approx(other.bse["rating"], rel=1e-10)


def test_headline_is_the_interacted_slope_at_the_bases_means(observations):
    """statsmodels OLS on rating, centred controls, products; its HC1 takes the means as known."""
    obs = observations(1_500, seed=3)
    lift = LiftModel().fit(obs)
    controls = _dummies(obs)
    products = controls.mul(obs.frame["rating"], axis=0).add_prefix("rating x ")
    design = sm.add_constant(pd.concat([obs.frame["rating"], controls, products], axis=1))
    other = sm.OLS(obs.frame["revenue_after"], design).fit(cov_type="HC1")
    found = lift.per_rating_point()
    assert found.estimate == pytest.approx(other.params["rating"], rel=1e-9)
    assert found.std_error >= 0.98 * other.bse["rating"]
    assert found.std_error == pytest.approx(other.bse["rating"], rel=0.05)


def test_retention_slope_is_the_average_marginal_effect_of_statsmodels(observations):
    """statsmodels 0.14 Logit, get_margeff(at='overall')."""
    obs = observations(2_000, seed=3)
    lift = LiftModel(outcome="retention", average="variance").fit(obs)
    design = sm.add_constant(pd.concat([obs.frame["rating"], _dummies(obs)], axis=1))
    fit = sm.Logit(1 - obs.frame["churned"], design).fit(disp=0, tol=1e-12, cov_type="HC0")
    effects = fit.get_margeff(at="overall")
    found = lift.per_rating_point()
    assert found.estimate == pytest.approx(effects.margeff[0], rel=1e-8)
    # margeff leaves out that the base is a sample; that share of the error is small here
    assert found.std_error == pytest.approx(effects.margeff_se[0], rel=0.05)
    margins = lift.terms["percent_per_rating_point"]
    poisson = sm.GLM(1 - obs.frame["churned"], design, family=sm.families.Poisson()).fit(tol=1e-12)
    assert margins.estimate == pytest.approx(100 * np.expm1(poisson.params["rating"]), rel=1e-8)


def test_headline_of_retention_averages_the_interacted_logit_of_statsmodels(observations):
    """statsmodels 0.14 Logit on rating, centred controls and products; mean of p(1-p)(b + g c)."""
    obs = observations(2_000, seed=3)
    lift = LiftModel(outcome="retention").fit(obs)
    assert lift.is_interacted
    controls = _dummies(obs)
    products = controls.mul(obs.frame["rating"], axis=0).add_prefix("rating x ")
    design = sm.add_constant(pd.concat([obs.frame["rating"], controls, products], axis=1))
    scale = design.std().where(design.std() > 0, 1.0)
    fit = sm.Logit(1 - obs.frame["churned"], design / scale).fit(disp=0, tol=1e-13)
    coefficients = fit.params / scale
    p = fit.predict()
    slope = coefficients["rating"] + controls @ coefficients[products.columns].to_numpy()
    expected = float((p * (1 - p) * slope).mean())
    assert lift.per_rating_point().estimate == pytest.approx(expected, rel=1e-6)


LOW_IS_GOOD = Scale(name="effort", low=1, high=5, top_box=2, higher_is_better=False)
WORDS = Scale(name="mood", low=1, high=2, top_box=2, levels=("bad", "good"))
NPS_FROM_1 = Scale(name="nps1", low=1, high=10, statistic="nps")


@pytest.mark.parametrize("scale", [NPS, NPS_FROM_1, CSAT5, CES7, LOW_IS_GOOD, WORDS])
def test_levels_bands_and_paths_are_those_of_weighted_least_squares(observations, scale):
    """statsmodels 0.14 WLS with one dummy a rating; margins and paths of methods 1 in pandas."""
    obs = observations(500, seed=8, repeats=2)
    frame = obs.frame.iloc[:-150].copy()  # customers with one and with two responses
    steps = scale.high - scale.low
    rating = scale.low + np.round(frame["rating"] / 10 * steps)
    frame["rating"] = rating if scale.higher_is_better else scale.low + scale.high - rating
    controls = ["revenue_before", "contacts_before"]
    lift = LiftModel(controls=controls).fit(replace(obs, frame=frame, scale=scale, rating="it"))

    share = 1 / frame.groupby("customer_id")["rating"].transform("size")
    share = share / share.sum()
    dummies = pd.get_dummies(frame["rating"], dtype=float)
    fit = sm.WLS(
        frame["revenue_after"], pd.concat([dummies, frame[controls]], axis=1), weights=share
    ).fit()
    at_base = float(share @ (frame[controls] @ fit.params[controls]))
    means = fit.params[dummies.columns] + at_base
    of_rating = share.groupby(frame["rating"]).sum()
    bands = of_rating.index.map(scale.band)
    band_means = (of_rating * means).groupby(bands).sum() / of_rating.groupby(bands).sum()

    shown = {row["rating"]: row["estimate"] for row in lift.by_rating if not row["suppressed"]}
    assert len(shown) >= 2
    for level, found in shown.items():
        assert found == pytest.approx(means[level], rel=1e-9)
    for path in scale.paths[1:]:
        low, high = path.split("_to_")
        factor = 0.005 if path == "detractor_to_promoter" else 0.01
        expected = factor * (band_means[high] - band_means[low])
        assert lift.per_kpi_point(path).estimate == pytest.approx(expected, rel=1e-8)
    below = [r for r in of_rating.index if r < scale.high and r + 1 in means.index]
    rise = sum(of_rating[r] * (means[r + 1] - means[r]) for r in below) / of_rating[below].sum()
    assert lift.terms["plus_one_below_top"].estimate == pytest.approx(rise, rel=1e-8)
    just_below = {"nps": (6, 8)}.get(scale.statistic, ())
    if scale.statistic != "nps":
        just_below = (scale.top_box - 1 if scale.higher_is_better else scale.top_box + 1,)
    points = 100 * sum(of_rating.get(r, 0.0) for r in just_below)
    sign = 1 if scale.higher_is_better else -1
    expected = sign * lift.per_rating_point().estimate / points
    assert lift.per_kpi_point().estimate == pytest.approx(expected, rel=1e-9)


def test_error_of_the_marginal_effect_is_that_of_the_bootstrap(observations):
    """200 resamples of customers (numpy), the logit refitted on each."""
    obs = observations(800, seed=11)
    found = LiftModel(outcome="retention", controls=["revenue_before"]).fit(obs).per_rating_point()
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(200):
        frame = obs.frame.iloc[rng.integers(0, 800, 800)].reset_index(drop=True)
        frame["customer_id"] = frame.index.astype(str)
        again = LiftModel(outcome="retention", controls=["revenue_before"])
        draws.append(_slope_only(again, replace(obs, frame=frame)))
    assert found.std_error == pytest.approx(np.std(draws), rel=0.15)


def _slope_only(model, obs):
    from cxmodel.models.lift_fit import fit_lift

    fit = fit_lift(obs, model.outcome, model.settings)
    return fit.headline.slope.value


# -- recovery of a known truth ---------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_confounded_revenue_adjusted_holds_the_truth_and_unadjusted_does_not(observations, seed):
    lift = LiftModel().fit(observations(2_000, seed=seed, dollars_per_point=5.0))
    adjusted = lift.per_rating_point()
    unadjusted = lift.terms["unadjusted_per_rating_point"]
    # four seeds at 99.9%: a miss by luck has a chance of 0.4%
    assert abs(adjusted.estimate - 5.0) < 3.3 * adjusted.std_error
    assert unadjusted.conf_low > 5.0


@pytest.mark.parametrize("seed", range(3))
def test_confounded_retention_adjusted_holds_the_truth_and_unadjusted_does_not(observations, seed):
    """Truth: the same customers simulated with everybody half a point higher and lower."""
    n, per_point = 4_000, 0.15
    obs = observations(n, seed=seed, log_odds_per_point=per_point)
    frame = obs.frame
    usual = (frame["revenue_before"] - 100) / 25 + 0.3 * (frame["revenue_before_2"] - 100) / 25
    other_things = 1.2 + 0.5 * usual

    def share_staying(shift: float) -> float:
        log_odds = other_things + per_point * (frame["rating"] + shift - 6.5)
        return float((1 / (1 + np.exp(-log_odds))).mean())

    truth = share_staying(0.5) - share_staying(-0.5)
    lift = LiftModel(outcome="retention").fit(obs)
    adjusted = lift.per_rating_point()
    assert abs(adjusted.estimate - truth) < 3.3 * adjusted.std_error
    assert lift.terms["unadjusted_per_rating_point"].conf_low > truth


def test_average_over_customers_is_not_the_variance_weighted_slope(observations):
    """Methods 2.2: slopes 2.0 and .5 in two halves; truth 1.25, additive .68."""
    rng = np.random.default_rng(7)
    n = 8_000
    is_steady = np.arange(n) % 2 == 0
    rating = np.clip(np.round(6 + np.where(is_steady, 0.8, 2.6) * rng.normal(size=n)), 0, 10)
    after = np.where(is_steady, 2.0, 0.5) * rating + rng.normal(0, 1, n)
    obs = _bare(observations(n), rating=rating, revenue_after=after)
    obs.frame["segment"] = np.where(is_steady, "steady", "mixed")
    lift = LiftModel().fit(replace(obs, attributes=("segment",)))
    found = lift.per_rating_point()
    assert abs(found.estimate - 1.25) < 3.3 * found.std_error
    assert lift.terms["additive_per_rating_point"].estimate < 0.8
    assert next(c for c in lift.checks if c.name == "weighting").verdict == "warn"


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say(observations):
    covered = []
    for seed in range(400):
        found = LiftModel(flexible=False).fit(observations(600, seed=seed)).per_rating_point()
        covered.append(found.conf_low <= 5.0 <= found.conf_high)
    assert 0.92 <= np.mean(covered) <= 0.975


# -- the chain of uncertainty ----------------------------------------------------------------


def test_influence_squares_sum_to_the_variance_and_results_join(observations):
    obs = observations(900, seed=2)
    results = [LiftModel(outcome=o).fit(obs) for o in ("revenue", "retention")]
    names, values, covariance = joint_covariance(results)
    assert names == [("revenue", "per_rating_point"), ("retention", "per_rating_point")]
    for number, result in enumerate(results):
        found = result.per_rating_point()
        assert values[number] == found.estimate
        assert np.sqrt(covariance[number, number]) == pytest.approx(found.std_error, rel=1e-10)
    draws = draw_jointly(results, 4_000, seed=1)
    scale = np.sqrt(np.diag(covariance))
    spread = draws.cov().to_numpy() / np.outer(scale, scale)
    np.testing.assert_allclose(spread, covariance / np.outer(scale, scale), atol=0.06)
    pd.testing.assert_frame_equal(draws, draw_jointly(results, 4_000, seed=1))


def test_results_of_other_tables_are_matched_by_customer(observations):
    obs = observations(900, seed=2)
    other = replace(obs, frame=obs.frame.iloc[::-1].reset_index(drop=True))
    one, two = LiftModel().fit(obs), LiftModel().fit(other)
    covariance = joint_covariance([one, two])[2]
    # the same fit twice: perfectly correlated
    assert covariance[0, 1] == pytest.approx(covariance[0, 0], rel=1e-6)


# -- properties ------------------------------------------------------------------------------


def test_order_of_rows_and_names_of_levels_do_not_matter(observations):
    obs = observations(700, seed=5)
    mixed = obs.frame.sample(frac=1, random_state=1).reset_index(drop=True)
    mixed["segment"] = mixed["segment"].map({"small": "z", "middle": "y", "large": "x"})
    one = LiftModel().fit(obs).per_rating_point()
    other = LiftModel().fit(replace(obs, frame=mixed)).per_rating_point()
    assert other.estimate == pytest.approx(one.estimate, rel=1e-9)
    assert other.std_error == pytest.approx(one.std_error, rel=1e-9)


def test_money_scales_and_retention_does_not(observations):
    obs = observations(700, seed=5)
    cents = obs.frame.copy()
    money = [c for c in cents if "revenue" in c]
    cents[money] *= 100
    for outcome, factor in (("revenue", 100.0), ("retention", 1.0)):
        one = LiftModel(outcome=outcome).fit(obs).per_rating_point()
        other = LiftModel(outcome=outcome).fit(replace(obs, frame=cents)).per_rating_point()
        assert other.estimate == pytest.approx(factor * one.estimate, rel=1e-7)


def test_the_input_is_not_changed_and_the_fit_is_repeatable(observations):
    obs = observations(500, seed=6)
    before = obs.frame.copy(deep=True)
    first, second = LiftModel().fit(obs), LiftModel().fit(obs)
    pd.testing.assert_frame_equal(obs.frame, before)
    assert first.terms == second.terms


def test_leaks_are_left_out_unless_vouched_for(observations):
    obs = observations(900, seed=1)
    obs.frame["churn_note"] = np.where(obs.frame["churned"] == 1, "left", "fine")
    obs = replace(obs, attributes=("segment", "churn_note"))
    lift = LiftModel().fit(obs)
    assert "churn_note" not in lift.controls.names
    check = next(c for c in lift.checks if c.name == "leakage")
    assert check.verdict == "fail"
    assert "churn_note" in check.text
    kept = LiftModel(keep="churn_note").fit(obs)
    assert "churn_note" in kept.controls.names
    assert next(c for c in kept.checks if c.name == "leakage").verdict == "fail"


def test_few_rows_make_the_additive_slope_the_headline(observations):
    lift = LiftModel().fit(observations(250, seed=1))
    assert not lift.is_interacted
    assert any("The headline is the additive slope" in caveat for caveat in lift.caveats)
    assert lift.per_rating_point().caveats[1:] == lift.caveats


def test_retention_counts_rows_and_not_events_for_its_interactions(observations):
    """The rule is 20 rows per parameter."""
    lift = LiftModel(outcome="retention").fit(observations(700, seed=1))
    assert lift.n_events < 20 * lift.n_params < lift.n_obs
    assert lift.is_interacted


def test_a_ledger_too_young_for_a_control_is_a_caveat(observations):
    lift = LiftModel().fit(observations(300, seed=1, history=0.5))
    assert any("Revenue before the response is not held equal" in said for said in lift.caveats)


def test_controls_without_revenue_before_are_a_caveat(observations):
    obs = observations(300, seed=1)
    said = "Revenue before the response is not held equal: you chose the controls"
    chosen = LiftModel(controls=["segment"]).fit(obs)
    assert any(caveat.startswith(said) for caveat in chosen.caveats)
    for controls in (None, ["segment", "revenue_before"]):
        lift = LiftModel(controls=controls).fit(obs)
        assert not any(caveat.startswith(said) for caveat in lift.caveats)


def test_chosen_controls_say_nothing_of_revenue_that_is_not_there(observations):
    obs = observations(300, seed=1)
    columns = obs.frame[["rating", "revenue_after", "segment"]]
    lift = LiftModel(controls=["segment"]).fit(_bare(obs, **columns))
    assert not any("Revenue before" in caveat for caveat in lift.caveats)


def test_the_grade_rides_on_the_estimates(observations):
    lift = LiftModel().fit(observations(400, seed=1))
    said = lift.evidence.text.split(". ")[0].rstrip(".") + "."
    for found in (lift.per_rating_point(), *map(lift.per_kpi_point, lift.per_kpi)):
        assert found.caveats == (said, *lift.caveats)
    assert said not in lift.to_section()["caveats"]


def test_small_levels_are_suppressed_with_the_next(observations):
    lift = LiftModel().fit(observations(400, seed=1))
    hidden = [row for row in lift.by_rating if row["suppressed"]]
    assert len(hidden) >= 2
    assert all(row["estimate"] is None and row["n_obs"] is None for row in hidden)


def test_section_has_the_keys_of_the_contract(observations):
    lift = LiftModel().fit(observations(400, seed=1))
    section = lift.to_section()
    for name in (
        "per_rating_point",
        "unadjusted_per_rating_point",
        "additive_per_rating_point",
        "weighted_per_rating_point",
        "unweighted_per_rating_point",
        "plus_one_below_top",
        "per_kpi_point",
        "percent_per_rating_point",
        "two_part_per_rating_point",
        "within_customer_per_rating_point",
        "flexible_per_rating_point",
        "reliability_corrected_per_rating_point",
        "reliability_corrected_within_customer_per_rating_point",
        "winsorised_per_rating_point",
        "by_rating",
        "by_group",
    ):
        assert name in section
    assert section["weighted_per_rating_point"].reason.startswith("no response weights")
    assert section["unweighted_per_rating_point"] == section["per_rating_point"]
    assert list(section["per_kpi_point"]) == list(lift.scale.paths)


def test_frame_is_tidy(observations):
    frame = LiftModel().fit(observations(400, seed=1)).to_frame()
    assert tuple(frame.columns) == TIDY_COLUMNS
    assert {"per_rating_point", "per_kpi_point.uniform_shift", "by_rating", "by_band"} <= set(
        frame["term"]
    )


def test_summary_names_estimate_checks_and_grade(observations):
    lift = LiftModel().fit(observations(400, seed=1))
    for words in ("per_rating_point", "placebo_before", "Evidence: adjusted", "not run"):
        assert words in lift.summary()
    assert lift.diagnostics()["n_obs"].tolist() == [400]


def test_units_of_a_window_without_days(observations):
    obs = observations(400, seed=1, window_words="observation window")
    assert LiftModel().fit(obs).per_rating_point().unit == (
        "USD per rating point per customer per observation window"
    )
    assert LiftModel(outcome="retention").fit(obs).per_kpi_point("passive_to_promoter").unit == (
        "probability of staying per KPI point (passive_to_promoter) per observation window"
    )


def test_a_control_equal_to_the_rating_is_named_and_does_not_take_its_place(observations):
    obs = observations(600, seed=1)
    obs.frame["copy"] = obs.frame["rating"]
    lift = LiftModel().fit(replace(obs, attributes=("segment", "copy")))
    expected = LiftModel().fit(obs).terms["additive_per_rating_point"]
    found = lift.terms["additive_per_rating_point"]
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-9)
    assert any("it repeats the rating: copy" in caveat for caveat in lift.caveats)


def test_one_control_that_says_another_is_named(observations):
    obs = observations(600, seed=1)
    obs.frame["half"] = obs.frame["tenure_days"] / 2
    lift = LiftModel().fit(replace(obs, attributes=("segment", "half")))
    assert any("other controls already say it: half" in caveat for caveat in lift.caveats)


def test_revenue_that_never_varies_gives_zero_without_a_fault(observations):
    obs = observations(600, seed=1)
    for column in [c for c in obs.frame if "revenue_after" in c]:
        obs.frame[column] = 100.0
    lift = LiftModel().fit(obs)
    assert lift.per_rating_point().estimate == pytest.approx(0.0, abs=1e-9)


def test_epoch_seconds_as_a_control_cost_no_digits(observations):
    obs = observations(600, seed=1)
    seconds = np.random.default_rng(2).integers(0, 10**7, 600).astype(float)
    slopes = []
    for offset in (0.0, 1.7e9):
        obs.frame["signed_up"] = seconds + offset
        lift = LiftModel().fit(replace(obs, attributes=("segment", "signed_up")))
        slopes.append(lift.per_rating_point())
    assert slopes[1].estimate == pytest.approx(slopes[0].estimate, rel=1e-8)
    assert slopes[1].std_error == pytest.approx(slopes[0].std_error, rel=1e-8)


def test_it_draws_itself_and_shows_as_html(observations):
    lift = LiftModel().fit(observations(400, seed=1))
    assert len(lift.plot().axes) == 1
    assert "per_rating_point" in lift._repr_html_()


def test_html_says_headline_grade_and_what_was_not_run(observations):
    lift = LiftModel().fit(observations(400, seed=1))
    reason = "<b>nobody's</b>"
    shown = replace(lift, terms={**lift.terms, "two_part_per_rating_point": NotRun(reason)})
    shown = shown._repr_html_()
    found = lift.per_rating_point()
    ends = f"(95% interval {found.conf_low:.4g} to {found.conf_high:.4g})"
    assert f"Lift of revenue: {found.estimate:.4g} {found.unit} {ends}." in shown
    assert escape(f"Evidence: {lift.evidence.grade}. {lift.evidence.text}") in shown
    assert "not run: &lt;b&gt;nobody&#x27;s&lt;/b&gt;" in shown
    assert "<b>" not in shown
    n_hidden = sum(row["suppressed"] for row in (*lift.by_rating, *lift.by_band))
    assert shown.count("not shown: a small group") == n_hidden > 0


def test_html_of_a_lift_that_was_not_run_says_why(observations):
    lift = LiftModel().fit(observations(400, seed=1))
    lift = replace(lift, terms={**lift.terms, "per_rating_point": NotRun("too <few>")})
    assert "<strong>Lift of revenue: not run: too &lt;few&gt;</strong>" in lift._repr_html_()


def test_refunds_above_one_percent_leave_percent_out(observations):
    obs = observations(500, seed=1)
    obs.frame.loc[:9, "revenue_after"] = -5.0
    found = LiftModel().fit(obs).terms["percent_per_rating_point"]
    assert isinstance(found, NotRun)
    assert "2.0% of the responses are followed by more refunds" in found.reason


def test_two_part_recovers_the_slope_when_some_spend_nothing(observations):
    obs = observations(2_000, seed=1)
    idle = np.random.default_rng(99).random(2_000) < 0.3
    obs.frame.loc[idle, "revenue_after"] = 0.0
    obs.frame["revenue_after"] = obs.frame["revenue_after"].clip(lower=0.0)
    lift = LiftModel().fit(obs)
    two_part = lift.terms["two_part_per_rating_point"]
    assert two_part.estimate == pytest.approx(lift.per_rating_point().estimate, rel=0.2)


# -- errors ----------------------------------------------------------------------------------


def test_options_are_checked():
    with pytest.raises(ValueError, match="outcome must be 'revenue' or 'retention', not 'churn'"):
        LiftModel(outcome="churn")
    with pytest.raises(ValueError, match="average must be"):
        LiftModel(average="mean")


def test_money_needs_a_currency(observations):
    with pytest.raises(ConfigError, match=r"study\.currency is missing"):
        LiftModel().fit(observations(100, currency=None))


def test_an_unknown_column_to_keep_names_the_nearest(observations):
    with pytest.raises(ConfigError, match=r"no column 'segmnt'\. Did you mean 'segment'"):
        LiftModel(keep="segmnt").fit(observations(100))


def test_a_rating_is_needed(observations):
    with pytest.raises(ConfigError, match="needs a rating"):
        LiftModel().fit(observations(100, rating=None))


def test_an_outcome_is_needed(observations):
    obs = observations(100)
    with pytest.raises(ConfigError, match="There is no retention after the response"):
        LiftModel(outcome="retention").fit(replace(obs, frame=obs.frame.drop(columns="churned")))


def test_few_events_are_refused(observations):
    obs = observations(400)
    obs.frame["churned"] = np.where(np.arange(400) < 9, 1.0, 0.0)
    with pytest.raises(InsufficientDataError, match="9 churn events and 391 without one"):
        LiftModel(outcome="retention").fit(obs)
    obs.frame["revenue_after"] = 0.0
    with pytest.raises(InsufficientDataError, match="Revenue follows 0 of 400 responses"):
        LiftModel().fit(obs)


def test_few_rows_for_the_controls_are_refused(observations):
    with pytest.raises(
        InsufficientDataError, match=r"60 responses for 1. terms, fewer than 10 each"
    ):
        LiftModel().fit(observations(60))


def test_one_rating_alone_is_refused(observations):
    obs = observations(200)
    obs.frame["rating"] = 9.0
    with pytest.raises(InsufficientDataError, match="Every one of 200 responses gave the rating 9"):
        LiftModel().fit(obs)


def test_one_customer_alone_is_refused(observations):
    obs = observations(200)
    obs.frame["customer_id"] = "c1"
    with pytest.raises(InsufficientDataError, match="200 responses are of 1 customer"):
        LiftModel().fit(obs)


def test_fewer_customers_than_terms_are_refused(observations):
    obs = observations(200)
    obs.frame["customer_id"] = [f"c{i % 5}" for i in range(200)]
    with pytest.raises(InsufficientDataError, match=r"of 5 customers, too few for 1. terms"):
        LiftModel().fit(obs)


def test_a_missing_rating_is_refused(observations):
    obs = observations(200)
    obs.frame.loc[3, "rating"] = np.nan
    with pytest.raises(SchemaError, match=r"missing or infinite in 1 observations \(first: row 4"):
        LiftModel().fit(obs)


def test_ratings_graded_too_finely_are_refused(observations):
    obs = observations(300)
    obs.frame["rating"] += np.linspace(0, 0.4, 300)
    with pytest.raises(InsufficientDataError, match="300 responses gave 300 different ratings"):
        LiftModel().fit(obs)


def test_a_path_of_another_scale_is_refused(observations):
    with pytest.raises(ValueError, match="'rest_to_top_box' is none of this scale"):
        LiftModel().fit(observations(300)).per_kpi_point("rest_to_top_box")
