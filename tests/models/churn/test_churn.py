"""Churn: a calibrated probability, judged on what it was not fitted to."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_observations import joined_table, simulate_observations
from sklearn.metrics import average_precision_score, roc_auc_score

from cxmodel.errors import (
    ConfigError,
    CxModelWarning,
    InsufficientDataError,
    LeakageError,
    SchemaError,
)
from cxmodel.models.churn.classifier import ChurnClassifier, stratified_folds
from cxmodel.models.churn.evaluation import measure, split_by_time, weighted_areas
from cxmodel.models.churn.features import learn_features
from cxmodel.models.churn.model import ChurnModel
from cxmodel.models.churn.use import calibration_rows, gain_rows
from cxmodel.results import Estimate, NotRun
from cxmodel.tables.observation_table import Observations

# -- worked by hand


def test_origins_leave_outcome_windows_time_to_end() -> None:
    days = np.arange(0, 1_000, dtype=float)
    happened = (days % 4 == 0).astype(float)
    splits = split_by_time(days, happened, window_days=100)
    assert splits is not None
    assert splits.is_by_time
    tested = np.concatenate([test for _, test in splits.pairs])
    assert len(np.unique(tested)) == len(tested)
    for train, test in splits.pairs:
        # a training response's window ended before the first test response
        assert days[train].max() + 100 <= days[test].min()


def test_short_history_cannot_be_split_by_time() -> None:
    days = np.arange(0, 150, dtype=float)
    assert split_by_time(days, days % 2, window_days=180) is None


def test_features_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "plan": ["a"] * 12 + ["b"] * 12 + ["rare"],
            "age": [1.0, np.nan, 3.0] * 8 + [5.0],
            "same": ["x"] * 25,
            "name": [f"n{i}" for i in range(25)],
        }
    )
    features = learn_features(frame, ["plan", "age", "same"])
    assert features.terms == ("plan: a", "plan: b", "age", "age missing")
    matrix = features.matrix(pd.DataFrame({"plan": ["b", "new"], "age": [np.nan, 2.0]}))
    assert matrix.tolist() == [[0.0, 1.0, 3.0, 1.0], [0.0, 0.0, 2.0, 0.0]]


def test_gain_and_calibration_by_hand() -> None:
    happened, prob = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.4, 0.6, 0.1])
    assert [row["share_of_churners"] for row in gain_rows(happened, prob, 4)] == [
        0,
        0.5,
        0.5,
        1,
        1,
    ]
    rows = calibration_rows(happened, prob, 2)
    assert [row["observed"] for row in rows] == [0.5, 0.5]
    assert [row["predicted"] for row in rows] == pytest.approx([0.25, 0.75])


# -- against a reference


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60))
def test_weighted_areas_are_those_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    happened = np.array([row[0] for row in rows], dtype=float)
    score = np.array([row[1] for row in rows], dtype=float)
    weight = 1.0 + np.arange(len(rows)) % 3
    if happened.min() == happened.max():
        return
    order = np.argsort(score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    roc, precision = weighted_areas((weight * happened)[order], weight[order], ends)
    assert roc == pytest.approx(roc_auc_score(happened, score, sample_weight=weight))
    expected = average_precision_score(happened, score, sample_weight=weight)
    assert precision == pytest.approx(expected)


def test_metrics_have_the_errors_of_other_methods() -> None:
    rng = np.random.default_rng(4)
    prob = rng.beta(2, 6, 3_000)
    happened = (rng.random(3_000) < prob).astype(float)
    found = measure(happened, prob, np.arange(3_000), seed=1, conf_level=0.95)
    assert isinstance(found["roc_auc"], Estimate)
    # DeLong's error, from stats.classification
    from cxmodel.stats.classification import roc_auc

    delong = roc_auc(happened, prob)
    assert found["roc_auc"].estimate == pytest.approx(delong.estimate)
    assert found["roc_auc"].std_error == pytest.approx(delong.std_error, rel=0.15)
    brier = found["brier"]
    assert isinstance(brier, Estimate)
    spread = ((happened - prob) ** 2).std() / np.sqrt(3_000)
    assert brier.std_error == pytest.approx(spread, rel=0.15)
    slope = found["calibration_slope"]
    assert isinstance(slope, Estimate)
    assert slope.conf_low is not None
    assert slope.conf_high is not None
    assert slope.conf_low < 1 < slope.conf_high


def test_coefficients_are_those_of_statsmodels() -> None:
    import statsmodels.api as sm

    obs = simulate_observations(800, repeats=0.0, loss_per_month=0.05)
    result = ChurnModel(controls=("revenue_before",)).fit(obs)
    used = obs.frame[obs.frame["outcome_complete"]]
    design = sm.add_constant(used[["rating", "revenue_before"]].to_numpy())
    reference = sm.Logit(used["churned"].to_numpy(), design).fit(disp=0)
    table = result.to_frame().set_index("term")
    assert table["estimate"].to_numpy() == pytest.approx(reference.params, rel=1e-6)
    spread = used["rating"].std(ddof=0)
    assert table.loc["rating", "standardised"] == pytest.approx(reference.params[1] * spread)


def test_the_sigmoid_is_that_of_scikit_learn() -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(5)
    x = rng.normal(size=(800, 3))
    y = (rng.random(800) < 1 / (1 + np.exp(-(x[:, 0] - 1)))).astype(int)
    found = ChurnClassifier(calibration="sigmoid").fit(x, y).predict_proba(x)[:, 1]
    base = make_pipeline(StandardScaler(), LogisticRegression())
    folds = stratified_folds(y, np.arange(800), n_folds=5, seed=20261121)
    reference = CalibratedClassifierCV(base, method="sigmoid", cv=folds, ensemble=False).fit(x, y)
    # Platt's targets there are a little less than 0 and 1
    assert found == pytest.approx(reference.predict_proba(x)[:, 1], abs=0.01)


# -- a known truth


def test_calibration_is_chosen_on_rows_not_seen() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(3_000, 1))
    line = 1 / (1 + np.exp(-(x[:, 0] - 1)))
    # two plateaus, which no sigmoid follows
    steps = np.where(x[:, 0] > 0, 0.45, np.where(x[:, 0] > -1, 0.40, 0.02))
    chosen = [
        ChurnClassifier().fit(x, (rng.random(3_000) < risk).astype(int)).calibration_
        for risk in (line, steps)
    ]
    assert chosen == ["sigmoid", "isotonic"]
    # on few rows steps would follow noise
    few = ChurnClassifier().fit(x[:900], (rng.random(900) < steps[:900]).astype(int))
    assert few.calibration_ == "sigmoid"


@pytest.mark.parametrize("method", ["logistic", "gradient_boosting"])
def test_rare_churn_is_not_inflated(method: str) -> None:
    # methods 3: balanced class weights gave a mean of .40 at a base rate of 5%
    rng = np.random.default_rng(7)
    x = rng.normal(size=(1_500, 2))
    y = (rng.random(1_500) < 0.05 * np.exp(0.5 * x[:, 0] - 0.125)).astype(int)
    model = ChurnClassifier(method=method, n_folds=3).fit(x, y)  # type: ignore[arg-type]
    assert model.predict_proba(x)[:, 1].mean() == pytest.approx(y.mean(), abs=0.006)


def test_a_known_churn_is_found_and_calibrated() -> None:
    obs = simulate_observations(4_000, loss_per_month=0.04, rating_effect=-0.5)
    result = ChurnModel().fit(obs)
    assert "by time" in result.evaluation
    metrics = {name: value for name, value in result.metrics.items() if isinstance(value, Estimate)}
    assert metrics["roc_auc"].estimate > 0.65
    assert metrics["brier"].estimate < result.baseline["brier"]
    assert metrics["log_loss"].estimate < result.baseline["log_loss"]
    slope = metrics["calibration_slope"]
    assert slope.conf_low is not None
    assert slope.conf_high is not None
    assert slope.conf_low < 1 < slope.conf_high
    assert isinstance(result.metrics_without_rating, dict)
    assert result.metrics_without_rating["roc_auc"].estimate < 0.6  # type: ignore[union-attr]
    predicted = result.predict(obs)
    assert len(predicted) == obs.n_obs
    rate = 0.04 / 30.4375 * np.exp(-0.5 * (obs.frame["rating"] - 7))
    truth = 1 - np.exp(-rate * 180)
    assert np.corrcoef(predicted["prob_churn"], truth)[0, 1] > 0.95
    assert predicted["prob_churn"].mean() == pytest.approx(result.base_rate, abs=0.02)


def test_noise_is_not_sold_as_knowledge() -> None:
    obs = simulate_observations(1_500, loss_per_month=0.04, rating_effect=0.0)
    area = ChurnModel().fit(obs).metrics["roc_auc"]
    assert isinstance(area, Estimate)
    assert area.conf_low is not None
    assert area.conf_low < 0.5 + 0.02


def test_gradient_boosting_finds_a_bend() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 2))
    y = (rng.random(600) < np.where(np.abs(x[:, 0]) > 1, 0.7, 0.1)).astype(int)
    straight, bent = (
        ChurnClassifier(method=method, n_folds=2).fit(x, y).predict_proba(x)[:, 1]
        for method in ("logistic", "gradient_boosting")
    )
    assert roc_auc_score(y, straight) < 0.6
    assert roc_auc_score(y, bent) > 0.8
    assert bent.mean() == pytest.approx(y.mean(), abs=0.05)


# -- properties


@pytest.mark.parametrize("method", ["logistic", "gradient_boosting"])
def test_the_estimator_keeps_the_promises_of_scikit_learn(method: str) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    model = ChurnClassifier(method=method, n_folds=2)  # type: ignore[arg-type]
    results = check_estimator(model, on_skip=None, on_fail=None)
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []
    assert len(results) > 40


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=4, max_size=60))
def test_folds_never_split_a_customer(rows: list[tuple[int, bool]]) -> None:
    customer = np.array([row[0] for row in rows])
    codes = np.array([row[1] for row in rows], dtype=int)
    folds = stratified_folds(codes, customer, n_folds=3, seed=1)
    for train, test in folds:
        assert not set(customer[train]) & set(customer[test])
    if folds:
        assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(rows)))


def test_same_seed_same_answer() -> None:
    obs = simulate_observations(500, loss_per_month=0.05)
    first, second = (ChurnModel().fit(obs) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.predict(obs).equals(second.predict(obs))


def test_open_windows_are_counted_and_still_get_a_probability() -> None:
    obs = simulate_observations(600, loss_per_month=0.05)
    n_open = int((~obs.frame["outcome_complete"]).sum())
    result = ChurnModel().fit(obs)
    assert result.not_used == ({"stage": "churn", "reason": "open_window", "n": n_open},)
    assert result.n_obs + n_open == obs.n_obs
    assert result.predict(obs)["prob_churn"].notna().all()
    assert any("are censored" in caveat for caveat in result.caveats)


def test_customers_are_folds_where_there_is_no_date() -> None:
    result = ChurnModel().fit(joined_table(1_500))
    assert "by customer, in 5 folds, and not by time" in result.evaluation
    assert isinstance(result.metrics["roc_auc"], Estimate)


def test_levels_never_seen_and_missing_values_get_a_probability() -> None:
    obs = joined_table(1_500)
    result = ChurnModel().fit(obs)
    frame = obs.frame.head(3).assign(plan=["z", None, "a"], _monthly_revenue=[np.nan, 1.0, 2.0])
    with pytest.warns(CxModelWarning, match=r"plan: 1 of 3 rows"):
        found = result.predict(replace(obs, frame=frame))
    assert found["prob_churn"].between(0, 1).all()


# -- leaks and separation


def _with_leak(obs: Observations, name: str) -> Observations:
    left = obs.frame["churned"] == 1
    frame = obs.frame.assign(**{name: np.where(left, "moved away", None)})
    return replace(obs, frame=frame, controls=(*obs.controls, name))


def test_a_leak_is_named_and_left_out() -> None:
    result = ChurnModel().fit(_with_leak(joined_table(1_500), "Churn Reason"))
    assert [leak.column for leak in result.leaks.leaks] == ["Churn Reason"]
    assert all(part.name != "Churn Reason" for part in result.features.parts)
    assert result.to_section()["leaks"]["rows"][0]["column"] == "Churn Reason"
    area = result.metrics["roc_auc"]
    assert isinstance(area, Estimate)
    assert area.estimate < 0.7


def test_a_leak_that_the_user_vouches_for_stays() -> None:
    obs = _with_leak(joined_table(800), "Churn Reason")
    result = ChurnModel(keep="Churn Reason").fit(obs)
    assert any(part.name == "Churn Reason" for part in result.features.parts)


def test_a_leak_nobody_named_as_control_is_still_found() -> None:
    obs = _with_leak(joined_table(800), "Churn Reason")
    result = ChurnModel(controls=("plan",)).fit(obs)
    assert [leak.column for leak in result.leaks.leaks] == ["Churn Reason"]


def test_a_rating_that_separates_stays_and_is_named() -> None:
    obs = joined_table(1_200)
    frame = obs.frame.assign(rating=np.where(obs.frame["churned"] == 1, 1.0, 5.0))
    result = ChurnModel().fit(replace(obs, frame=frame))
    assert any(part.name == "rating" for part in result.features.parts)
    assert any("restates it rather than foretells" in caveat for caveat in result.caveats)
    assert isinstance(result.coefficients, NotRun)
    section = result.to_section()
    assert section["coefficients"]["rows"] == []
    assert section["leaks"]["rows"] == []


def test_ibm_telco_leaks_are_named(data_dir) -> None:  # type: ignore[no-untyped-def]
    path = data_dir / "ibm_telco" / "telco_11_1_3_joined.csv"
    frame = pd.read_csv(path, keep_default_na=True)
    names = ["Churn Score", "Churn Category", "Churn Reason", "Customer Status", "Contract", "Age"]
    base = joined_table(len(frame))
    table = base.frame.assign(
        churned=(frame["Churn Label"] == "Yes").astype(float),
        rating=frame["Satisfaction Score"].astype(float),
        _monthly_revenue=frame["Monthly Charge"],
        **{name: frame[name] for name in names},
    )
    result = ChurnModel().fit(replace(base, frame=table, controls=tuple(names)))
    assert {leak.column for leak in result.leaks.leaks} == set(names[:4])
    assert isinstance(result.metrics_without_rating, dict)


# -- errors


def test_too_few_events_are_refused() -> None:
    obs = simulate_observations(60, loss_per_month=0.001)
    with pytest.raises(InsufficientDataError, match=r"Churn: \d of \d+ usable observations"):
        ChurnModel().fit(obs)


def test_too_few_rows_per_term_are_refused() -> None:
    obs = simulate_observations(60, loss_per_month=0.1)
    columns = {f"x{i}": np.random.default_rng(i).normal(size=obs.n_obs) for i in range(8)}
    wide = replace(obs, frame=obs.frame.assign(**columns), attributes=tuple(columns))
    with pytest.raises(InsufficientDataError, match="at least 10 a term"):
        ChurnModel().fit(wide)


def test_unknown_churn_is_refused() -> None:
    obs = simulate_observations(60)
    with pytest.raises(InsufficientDataError, match="Churn needs to know who left"):
        ChurnModel().fit(replace(obs, frame=obs.frame.drop(columns="churned")))


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'segment'"):
        ChurnModel(controls="segmnt").fit(simulate_observations(300, loss_per_month=0.05))


def test_a_control_from_after_the_response_is_refused() -> None:
    obs = simulate_observations(300, loss_per_month=0.05)
    later = obs.frame["responded_at"] + pd.Timedelta(days=3)
    with pytest.raises(LeakageError, match="dated after the response in"):
        ChurnModel(controls="left_at").fit(replace(obs, frame=obs.frame.assign(left_at=later)))


def test_a_missing_column_is_named_when_predicting() -> None:
    obs = simulate_observations(400, loss_per_month=0.05)
    result = ChurnModel().fit(obs)
    with pytest.raises(SchemaError, match="no column 'segment'"):
        result.predict(replace(obs, frame=obs.frame.drop(columns="segment")))


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="method must be one of"):
        ChurnModel(method="forest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="calibration must be one of"):
        ChurnClassifier(calibration="platt").fit([[0.0], [1.0]], [0, 1])  # type: ignore[arg-type]


# -- asked about a frame


def test_the_fitted_model_takes_a_frame_as_its_file_does() -> None:
    from cxmodel.models.example import small_observations

    obs = small_observations()
    result = ChurnModel().fit(obs)
    expected = result.predict(obs)["prob_churn"].tolist()
    assert result.predict(obs.to_frame())["prob_churn"].tolist() == expected
    with pytest.raises(SchemaError, match="'rating'"):
        result.predict(obs.to_frame()[["customer_id"]])
    with pytest.raises(TypeError, match="not int"):
        result.predict(5)  # type: ignore[arg-type]
