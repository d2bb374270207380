"""Bad input of a lift: each a named error or a check, never a wrong number.

Order: what is left out and said, with the number of the sound table; what a check or a reason
says; what is refused. Dates after the response are in test_dated_controls.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.errors import InsufficientDataError, LeakageError, SchemaError
from cxmodel.models.lift import LiftModel
from cxmodel.results import NotRun

OUTCOMES = ("revenue", "retention")


def with_control(observations, values, n=600, name="extra"):
    """A table of 600 with one more attribute, made from its frame."""
    obs = observations(n, seed=3, attributes=("segment", name))
    frame = obs.frame.assign(**{name: values(obs.frame)})
    return replace(obs, frame=frame)


def changed(observations, column, row, value, n=600):
    """A table of 600 with one value changed."""
    obs = observations(n, seed=3)
    frame = obs.frame.astype({column: float}) if isinstance(value, float) else obs.frame
    frame.loc[row, column] = value
    return replace(obs, frame=frame)


def headline(lift):
    return lift.per_rating_point().estimate


# -- left out and said: the number is that of the table without it --------------------------------


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (lambda f: 3.0, "extra is left out: it is 3 in every row"),
        (lambda f: "same", "extra is left out: it is same in every row"),
        (
            lambda f: np.where(np.arange(len(f)) % 2, np.nan, np.arange(len(f)) * 1.0),
            "extra is left out: it is missing in 50% of the rows",
        ),
        (lambda f: np.inf, "extra is left out: it is missing in 100% of the rows"),
        (lambda f: 1e300, "extra is left out: it is missing in 100% of the rows"),
        (lambda f: None, "extra is left out: it is missing in 100% of the rows"),
        (lambda f: f["rating"], "Left out because it repeats the rating: extra"),
        (lambda f: 100 - 7 * f["rating"], "Left out because it repeats the rating: extra"),
        (
            # rare answers are pooled, so its columns do not tell the rating exactly
            lambda f: "gave " + f["rating"].astype(int).astype(str),
            "Left out because it repeats the rating: extra",
        ),
    ],
    ids=[
        "number",
        "word",
        "half missing",
        "infinite",
        "too large",
        "none",
        "rating",
        "turned",
        "in words",
    ],
)
def test_a_control_that_can_hold_nothing_equal_is_left_out(observations, outcome, values, said):
    sound = LiftModel(outcome=outcome).fit(observations(600, seed=3))
    lift = LiftModel(outcome=outcome).fit(with_control(observations, values))
    assert headline(lift) == pytest.approx(headline(sound), rel=1e-9)
    assert any(said in caveat for caveat in lift.caveats)


def test_words_that_are_missing_for_half_are_a_level_of_their_own(observations):
    obs = with_control(observations, lambda f: np.where(np.arange(len(f)) % 2, None, "known"))
    stated = with_control(observations, lambda f: np.where(np.arange(len(f)) % 2, "no", "known"))
    assert headline(LiftModel().fit(obs)) == pytest.approx(headline(LiftModel().fit(stated)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("column", ["revenue_before", "tenure_days", "contacts_before"])
def test_a_row_without_a_number_to_hold_equal_is_left_out_and_counted(observations, column, value):
    lift = LiftModel().fit(changed(observations, column, 5, value))
    whole = observations(600, seed=3)
    without = replace(whole, frame=whole.frame.drop(index=5).reset_index(drop=True))
    assert headline(lift) == pytest.approx(headline(LiftModel().fit(without)), rel=1e-9)
    assert lift.not_used == ({"stage": "lift.revenue", "reason": "missing_control", "n": 1},)


@pytest.mark.parametrize(
    ("outcome", "column"), [("revenue", "revenue_after"), ("retention", "churned")]
)
def test_an_outcome_that_is_not_known_is_left_out_and_counted(observations, outcome, column):
    lift = LiftModel(outcome=outcome).fit(changed(observations, column, 5, np.nan))
    assert lift.n_obs == 599
    assert [row["reason"] for row in lift.not_used] == ["open_window"]


# -- a check or a reason says it ------------------------------------------------------------------


def verdict(lift, name):
    return next(check for check in lift.checks if check.name == name)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_two_ratings_make_a_line_and_that_is_said(observations, outcome):
    obs = observations(600, seed=3)
    frame = obs.frame.assign(rating=np.where(obs.frame["rating"] > 6, 9.0, 3.0))
    lift = LiftModel(outcome=outcome).fit(replace(obs, frame=frame))
    assert verdict(lift, "linearity").verdict == "not_run"
    assert "any line fits" in verdict(lift, "linearity").text
    assert isinstance(lift.terms["plus_one_below_top"], NotRun)
    means = [row["estimate"] for row in lift.by_rating]
    assert headline(LiftModel(average="variance").fit(replace(obs, frame=frame))) == pytest.approx(
        (lift_levels(frame)[1] - lift_levels(frame)[0]) / 6, rel=1e-6
    )
    assert len(means) == 2


def lift_levels(frame):
    """Adjusted means at two ratings, from the model's own levels."""
    obs_rows = frame["rating"].to_numpy()
    columns = ["revenue_before", "revenue_before_2", "tenure_days", "contacts_before"]
    controls = frame[columns].to_numpy()
    words = pd.get_dummies(frame[["segment", "_month"]], drop_first=True).to_numpy(dtype=float)
    controls = np.column_stack([controls, words])
    controls = controls - controls.mean(axis=0)
    design = np.column_stack([obs_rows == 3, obs_rows == 9, controls]).astype(float)
    return np.linalg.lstsq(design, frame["revenue_after"].to_numpy(), rcond=None)[0][:2]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_rating_that_one_customer_gave_is_not_shown(observations, outcome):
    obs = observations(600, seed=3)
    rating = np.where(obs.frame["rating"] == 0, 1.0, obs.frame["rating"])
    rating[7] = 0.0
    lift = LiftModel(outcome=outcome).fit(replace(obs, frame=obs.frame.assign(rating=rating)))
    assert np.isfinite(headline(lift))
    lowest = lift.by_rating[0]
    assert lowest["rating"] == 0
    assert lowest["suppressed"]
    assert lowest["estimate"] is None


@pytest.mark.parametrize(
    "leaves",
    [
        lambda f: f["rating"] < 6,
        lambda f: f["revenue_before"] < 100,
        lambda f: f["revenue_before"] + 30 * f["rating"] < 280,
    ],
    ids=["rating", "control", "both"],
)
def test_perfect_separation_fails_its_check_and_gives_no_slope(observations, leaves):
    obs = observations(600, seed=3)
    frame = obs.frame.assign(churned=leaves(obs.frame).astype(float))
    lift = LiftModel(outcome="retention").fit(replace(obs, frame=frame))
    assert verdict(lift, "separation").verdict == "fail"
    assert isinstance(lift.terms["per_rating_point"], NotRun)
    assert "separated" in lift.terms["per_rating_point"].reason
    assert lift.evidence.grade == "association"


def test_an_older_window_that_is_not_known_leaves_the_placebo_out(observations):
    lift = LiftModel().fit(changed(observations, "revenue_before_3", 5, np.inf))
    assert verdict(lift, "placebo_before").verdict == "not_run"
    assert "not known for 1 responses" in verdict(lift, "placebo_before").text


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_one_rating_alone_is_refused(observations, outcome):
    obs = observations(600, seed=3)
    with pytest.raises(InsufficientDataError, match="600 responses gave the rating 7"):
        LiftModel(outcome=outcome).fit(replace(obs, frame=obs.frame.assign(rating=7.0)))


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_rating_that_is_no_number_is_refused(observations, outcome, value):
    with pytest.raises(SchemaError, match=r"missing or infinite in 1 observations \(first: row 6"):
        LiftModel(outcome=outcome).fit(changed(observations, "rating", 5, value))


@pytest.mark.parametrize(
    ("outcome", "values", "said"),
    [
        ("revenue", {"revenue_after": 0.0}, "Revenue follows 0 of 600 responses"),
        ("retention", {"churned": 0.0}, "0 churn events and 600 without one"),
        ("retention", {"churned": 1.0}, "600 churn events and 0 without one"),
    ],
)
def test_an_outcome_that_is_the_same_everywhere_is_refused(observations, outcome, values, said):
    obs = observations(600, seed=3)
    with pytest.raises(InsufficientDataError, match=said):
        LiftModel(outcome=outcome).fit(replace(obs, frame=obs.frame.assign(**values)))


@pytest.mark.parametrize(
    ("outcome", "column", "value", "said"),
    [
        ("revenue", "revenue_after", np.inf, "revenue_after is infinite in 1 observations"),
        ("revenue", "revenue_after", -np.inf, "revenue_after is infinite in 1 observations"),
        ("retention", "churned", np.inf, "churned is neither true nor false in 1 observations"),
        ("retention", "churned", 2.0, "churned is neither true nor false in 1 observations"),
        ("retention", "churned", 0.5, "churned is neither true nor false in 1 observations"),
    ],
)
def test_an_impossible_outcome_is_refused(observations, outcome, column, value, said):
    with pytest.raises(SchemaError, match=rf"{said} \(first: row 6\)"):
        LiftModel(outcome=outcome).fit(changed(observations, column, 5, value))


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_a_weight_that_is_no_number_above_zero_is_refused(observations, outcome, weight):
    said = rf"response_weight must be a number above 0; 1 of 600 are not \(first: {weight:g}, row 6"
    with pytest.raises(SchemaError, match=said):
        LiftModel(outcome=outcome).fit(changed(observations, "response_weight", 5, weight))


def test_weights_that_are_all_zero_are_refused(observations):
    obs = observations(600, seed=3)
    with pytest.raises(SchemaError, match="600 of 600 are not"):
        LiftModel().fit(replace(obs, frame=obs.frame.assign(response_weight=0.0)))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_more_columns_than_rows_are_refused(observations, outcome):
    names = tuple(f"a{i}" for i in range(90))
    obs = observations(80, seed=3, attributes=names)
    draws = np.random.default_rng(1).normal(size=(80, 90))
    frame = pd.concat([obs.frame, pd.DataFrame(draws, columns=list(names))], axis=1)
    with pytest.raises(InsufficientDataError, match=r"80 responses for \d+ terms, fewer than 10"):
        LiftModel(outcome=outcome).fit(replace(obs, frame=frame))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_one_customer_behind_all_responses_is_refused(observations, outcome):
    obs = observations(600, seed=3)
    with pytest.raises(InsufficientDataError, match="600 responses are of 1 customer"):
        LiftModel(outcome=outcome).fit(replace(obs, frame=obs.frame.assign(customer_id="c1")))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_response_of_nobody_is_refused(observations, outcome):
    obs = observations(600, seed=3)
    frame = obs.frame.assign(customer_id=obs.frame["customer_id"].where(obs.frame.index != 5))
    with pytest.raises(SchemaError, match=r"customer_id is missing in 1 .*first: row 6"):
        LiftModel(outcome=outcome).fit(replace(obs, frame=frame))


def test_a_level_that_the_fit_never_saw_is_refused(observations):
    lift = LiftModel().fit(observations(600, seed=3))
    new = observations(20, seed=4).frame.assign(segment="giant")
    with pytest.raises(SchemaError, match="'segment' has a level that the fit never saw: 'giant'"):
        lift.controls.matrix(new)


def test_rare_levels_are_not_named_where_a_new_one_is_refused(observations):
    obs = with_control(observations, lambda f: np.where(f.index < 5, "Mr Smith", "others"))
    new = observations(20, seed=4).frame.assign(extra="giant")
    with pytest.raises(SchemaError, match=r"It saw: others\. Leave these rows out") as refused:
        LiftModel().fit(obs).controls.matrix(new)
    assert "Smith" not in str(refused.value)


def test_a_control_dated_after_the_response_is_refused(observations):
    obs = with_control(observations, lambda f: f["responded_at"] + pd.Timedelta(days=2))
    with pytest.raises(LeakageError, match="'extra' is dated after the response in 600 rows"):
        LiftModel().fit(obs)


def test_a_joined_table_is_held_to_the_same(tmp_path):
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "score": rng.integers(1, 6, 400),
            "left": rng.choice(["yes", "no"], 400),
            "money": np.where(np.arange(400) == 9, np.inf, rng.normal(100, 10, 400)),
        }
    )
    with pytest.raises(cx.errors.CxModelError, match=r"money|revenue_after"):
        LiftModel().fit(
            cx.read_observations(
                table,
                ratings={"csat": ("score", cx.CSAT5)},
                revenue_after="money",
                currency="USD",
            )
        )
