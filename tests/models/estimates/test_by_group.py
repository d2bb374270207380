"""The lift by group: by hand, against other packages, suppression, errors, recovery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import t

from cxmodel.errors import ConfigError
from cxmodel.models.estimates.by_group import lifts_by_group
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import TIDY_COLUMNS, NotRun
from cxmodel.stats.multiplicity import benjamini_hochberg
from cxmodel.stats.shrinkage import shrink


def _table(obs, group, rating, after):
    """An observation table with a group, rating and revenue, and nothing to hold equal."""
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(len(rating))],
            "rating": np.asarray(rating, dtype=float),
            "revenue_after": np.asarray(after, dtype=float),
            "group": group,
            "outcome_complete": True,
        }
    )
    return replace(obs, frame=frame, attributes=())


def _four_groups(obs, sizes=(200, 200, 200, 200), slopes=(5.0, 5.0, 5.0, 5.0), seed=1):
    rng = np.random.default_rng(seed)
    group = np.repeat(list("abcd")[: len(sizes)], sizes)
    rating = rng.integers(0, 11, len(group))
    after = 50 + np.repeat(slopes[: len(sizes)], sizes) * rating + rng.normal(0, 20, len(group))
    return _table(obs, group, rating, after)


def _row(lift, label, column="group"):
    return next(row for row in lift.by_group.rows if row["group"] == {column: label})


# -- by hand ---------------------------------------------------------------------------------


def test_two_ratings_are_two_means(observations):
    """Group a: 20 answers of 3 with mean 10, variance 25 x 20/19, and 40 of 4 with mean 30.

    The slope is 20, HC2 the sum of both variances over n, the degrees of freedom those of Imbens &
    Kolesar (2016) for 20 and 40: 60^2 x 19 x 39 / (40^2 x 39 + 20^2 x 19).
    """
    rating = np.tile(np.repeat([3, 4], [20, 40]), 2)
    first = np.concatenate([np.tile([5.0, 15], 10), np.tile([25.0, 35], 20)])
    second = np.concatenate([np.tile([0.0, 20], 10), np.tile([0.0, 20], 20)])
    obs = _table(observations(120), np.repeat(["a", "b"], 60), rating, [*first, *second])
    lift = LiftModel(by="group").fit(obs)
    a, b = _row(lift, "a"), _row(lift, "b")
    assert a["estimate"] == pytest.approx(20.0)
    error = np.sqrt(25 * 20 / 19 / 20 + 25 * 40 / 39 / 40)
    assert a["std_error"] == pytest.approx(error, rel=1e-9)
    degrees = 3_600 * 19 * 39 / (1_600 * 39 + 400 * 19)
    assert a["conf_high"] == pytest.approx(20 + t.ppf(0.975, degrees) * error, rel=1e-9)
    assert b["estimate"] == pytest.approx(0.0, abs=1e-9)
    # b's variances are four times as large; the difference has Welch's degrees of freedom
    between = np.sqrt(5) * error
    apart = 25 * degrees / 17
    expected = 2 * t.sf(20 / between, apart)
    assert a["p_value"] == pytest.approx(expected, rel=1e-8)
    assert a["q_value"] == b["q_value"] == pytest.approx(expected, rel=1e-8)
    assert lift.by_group.tests[0]["p_value"] == pytest.approx(expected, rel=1e-6)
    # two groups say nothing of how groups differ
    assert a["shrunken"] is None


def test_the_rest_is_the_mean_of_the_others_at_their_shares(observations):
    sizes = (100, 200, 300)
    obs = _four_groups(observations(600), sizes, (2.0, 5.0, 9.0))
    lifts = lifts_by_group(fit_lift(obs, "revenue", LiftSettings(by=("group",))), "USD")
    rows = lifts.rows
    values, errors = (np.array([row[key] for row in rows]) for key in ("estimate", "std_error"))
    apart = values[0] - (200 * values[1] + 300 * values[2]) / 500
    parts = np.array([1, 0.4, 0.6]) * errors
    degrees = np.array([slope.deg_freedom for slope in lifts.quantities.values()])
    welch = np.sum(parts**2) ** 2 / np.sum(parts**4 / degrees)
    z = apart / np.sqrt(np.sum(parts**2))
    assert rows[0]["p_value"] == pytest.approx(2 * t.sf(abs(z), welch), rel=1e-8)
    expected = shrink(values, errors**2)
    assert [row["shrunken"] for row in rows] == pytest.approx(expected.values)


# -- against a reference ---------------------------------------------------------------------


def test_group_slope_is_that_of_statsmodels_with_hc2(observations):
    """Additive, since average is "variance": OLS in the group's own rows, HC2."""
    obs = observations(900, seed=3)
    lift = LiftModel(by="segment", average="variance").fit(obs)
    frame = obs.frame[obs.frame["segment"] == "small"]
    months = pd.get_dummies(frame["_month"], drop_first=True, dtype=float)
    names = ["rating", "revenue_before", "revenue_before_2", "tenure_days", "contacts_before"]
    design = sm.add_constant(pd.concat([frame[names], months], axis=1))
    reference = sm.OLS(frame["revenue_after"], design).fit(cov_type="HC2")
    row = _row(lift, "small", "segment")
    assert row["estimate"] == pytest.approx(reference.params["rating"], rel=1e-8)
    assert row["std_error"] == pytest.approx(reference.bse["rating"], rel=1e-7)


def test_q_values_are_over_all_groups_of_all_columns(observations):
    obs = observations(2_000, seed=4)
    obs.frame["plan"] = np.random.default_rng(1).choice(["x", "y", "z"], obs.n_obs)
    rows = LiftModel(by=["segment", "plan"]).fit(replace(obs)).by_group.rows
    assert len(rows) == 6
    expected = benjamini_hochberg([row["p_value"] for row in rows])
    assert [row["q_value"] for row in rows] == pytest.approx(expected.tolist())


# -- properties ------------------------------------------------------------------------------


def test_repeats_of_customers_are_clusters(observations):
    """Every answer twice: the estimates and errors stay, as if each were there once."""
    obs = _four_groups(observations(800), (150, 150, 150))
    twice = replace(obs, frame=pd.concat([obs.frame] * 2).sort_values("customer_id"))
    once = LiftModel(by="group").fit(obs).by_group.rows
    doubled = (
        LiftModel(by="group")
        .fit(replace(twice, frame=twice.frame.reset_index(drop=True)))
        .by_group.rows
    )
    for one, two in zip(once, doubled, strict=True):
        assert two["estimate"] == pytest.approx(one["estimate"], rel=1e-9)
        assert two["std_error"] == pytest.approx(one["std_error"], rel=1e-6)
        assert two["p_value"] == pytest.approx(one["p_value"], rel=1e-5)


def test_influence_squares_to_the_variance(observations):
    lift = LiftModel(by="segment").fit(observations(2_000, seed=4))
    row = _row(lift, "large", "segment")
    assert lift.values["by_group.segment=large"] == row["estimate"]
    psi = lift.influence["by_group.segment=large"]
    assert np.sqrt(np.sum(psi**2)) == pytest.approx(row["std_error"])


def test_interacted_in_all_groups_or_in_none(observations):
    """The headline is interacted; a small group does not carry products, so none has them."""
    obs = observations(3_000, seed=5)
    assert not LiftModel(by="segment").fit(obs).by_group.caveats
    few = np.where(np.arange(3_000) < 150, "few", "many")
    lift = LiftModel(by="few").fit(replace(obs, frame=obs.frame.assign(few=few)))
    assert lift.is_interacted
    assert lift.by_group.caveats[0].startswith("Lifts by few are additive slopes")
    assert lift.by_group.caveats[0] in lift.caveats


# -- what is shown ---------------------------------------------------------------------------


def test_a_small_group_is_hidden_with_the_next(observations):
    obs = _four_groups(observations(800), (200, 20, 60, 200))
    lift = LiftModel(by="group").fit(obs)
    for label in ("b", "c"):
        row = _row(lift, label)
        assert row["suppressed"]
        assert row["estimate"] is None
        assert row["n_obs"] is None
        assert row["p_value"] is None
    assert not any("=b" in name or "=c" in name for name in lift.influence)
    assert lift.by_group.tests[0]["n_groups"] == 2


def test_customers_count_not_answers(observations):
    """60 answers of 20 customers are 20 customers."""
    obs = _four_groups(observations(800), (200, 200, 60))
    obs.frame.loc[400:, "customer_id"] = [f"r{i % 20}" for i in range(60)]
    lift = LiftModel(by="group").fit(obs)
    assert [row["suppressed"] for row in lift.by_group.rows] == [True, False, True]


def test_the_unknown_is_no_group_that_takes_another_with_it(observations):
    obs = _four_groups(observations(800), (200, 200, 12))
    obs.frame.loc[obs.frame["group"] == "c", "group"] = None
    lift = LiftModel(by="group").fit(obs)
    assert [row["group"]["group"] for row in lift.by_group.rows] == ["a", "b", "(missing)"]
    assert [row["suppressed"] for row in lift.by_group.rows] == [False, False, True]


def test_a_group_without_the_rows_says_so(observations):
    """40 rows do not carry the controls of the headline, 10 rows each."""
    obs = observations(1_500, seed=6)
    few = np.where(np.arange(1_500) < 40, "few", "many")
    lift = LiftModel(by="few").fit(replace(obs, frame=obs.frame.assign(few=few)))
    row = _row(lift, "few", "few")
    assert not row["suppressed"]
    assert row["n_obs"] == 40
    assert row["estimate"] is None
    assert row["reason"].startswith("40 responses, fewer than")
    assert "Fewer than two groups of few" in lift.by_group.tests[0]["text"]


def test_a_group_without_events_says_so(observations):
    obs = _four_groups(observations(800), (200, 200, 200))
    obs.frame.loc[obs.frame["group"] == "b", "revenue_after"] = 0.0
    row = _row(LiftModel(by="group").fit(obs), "b")
    assert row["reason"] == "fewer than 10 events among 200 responses"


def test_frame_notes_and_section(observations):
    obs = _four_groups(observations(800), (200, 200, 20, 25))
    lift = LiftModel(by="group").fit(obs)
    frame = lift.to_frame()
    assert tuple(frame.columns) == TIDY_COLUMNS
    assert len(frame[frame["term"] == "by_group"]) == 4
    assert len(lift._notes()) == len(frame)
    assert "not shown: a small group" in lift._repr_html_()
    section = lift.to_dict()["by_group"]
    assert set(section) == {"rows", "equal_lifts"}
    assert section["rows"][0]["group"] == {"group": "a"}
    assert section["equal_lifts"]["rows"][0]["column"] == "group"


def test_shrunken_rows_are_labelled(observations):
    frame = LiftModel(by="group").fit(_four_groups(observations(800))).to_frame()
    drawn = frame[frame["term"] == "by_group.shrunken"]
    assert len(drawn) == 4
    assert drawn["std_error"].isna().all()


def test_retention_is_the_linear_probability_model(observations):
    lift = LiftModel(outcome="retention", by="segment").fit(observations(3_000, seed=5))
    assert "linear probability model" in lift.by_group.caveats[0]
    assert all(0 < row["estimate"] < 0.1 for row in lift.by_group.rows)


# -- errors ----------------------------------------------------------------------------------


def test_no_such_column(observations):
    with pytest.raises(ConfigError, match=r"lift\.by: there is no column 'segmnt'.*segment"):
        LiftModel(by="segmnt").fit(observations(300))


@pytest.mark.parametrize("name", ["band", "churned", "revenue_after", "customer_id"])
def test_an_outcome_or_the_rating_is_no_group(observations, name):
    with pytest.raises(ConfigError, match=f"lift.by: '{name}' names a customer, a rating"):
        LiftModel(by=name).fit(observations(300))


def test_a_column_of_too_many_groups_is_not_run(observations):
    lift = LiftModel(by="tenure_days").fit(observations(300))
    assert isinstance(lift.by_group, NotRun)
    assert lift.by_group.reason == "Lift by tenure is left out: over 50 groups."


def test_nothing_asked(observations):
    assert LiftModel().fit(observations(300)).by_group.reason == "no lift.by was asked for"


# -- recovery --------------------------------------------------------------------------------


def test_groups_that_differ_are_found_and_the_mean_is_not(observations):
    obs = _four_groups(observations(1_600), (400,) * 4, (1.0, 5.0, 5.0, 5.0))
    lift = LiftModel(by="group").fit(obs)
    assert lift.by_group.tests[0]["p_value"] < 0.001
    assert lift.by_group.tests[0]["text"].startswith("The lift differs between the 4 groups")
    assert _row(lift, "a")["q_value"] < 0.001
    for label, truth in zip("abcd", (1, 5, 5, 5), strict=True):
        row = _row(lift, label)
        assert abs(row["estimate"] - truth) < 4 * row["std_error"]


def _rejected(observations, seeds, sizes):
    blank = observations(100)
    found = []
    for seed in seeds:
        fit = fit_lift(
            _four_groups(blank, sizes, seed=seed), "revenue", LiftSettings(by=("group",))
        )
        lifts = lifts_by_group(fit, "USD")
        least = min(row["q_value"] for row in lifts.rows)
        found.append((lifts.tests[0]["p_value"] < 0.05, least < 0.05))
    return np.mean(found, axis=0)


def test_equal_groups_are_seldom_told_apart(observations):
    equal, any_group = _rejected(observations, range(60), (40, 60, 100, 200))
    # 5% of 60: ten or more come up in 1 of 1,000
    assert equal < 10 / 60
    assert any_group < 10 / 60


@pytest.mark.slow
def test_equal_groups_are_told_apart_in_five_of_a_hundred(observations):
    equal, any_group = _rejected(observations, range(800), (31, 40, 60, 150))
    # 99% Monte Carlo interval of 5% in 800; several tests are correlated, so q may be lower
    assert 0.030 < equal < 0.070
    assert any_group < 0.070
