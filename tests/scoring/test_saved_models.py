"""Saved purchase, spend, hazard and value models: the same numbers, and nothing wrong gets in."""

from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_rows import (
    BY_HAND,
    file_by_hand,
    fitted_hazard,
    fitted_purchases,
    fitted_spend,
    fitted_value,
    histories,
)

import cxmodel as cx
from cxmodel.errors import CxModelWarning, SchemaError, SourceError
from cxmodel.models.model_file import make_model_file, to_json, write_model_file
from cxmodel.value.cltv.model import CltvModel
from cxmodel.value.purchases.stored import read_purchases


def read(name: str, folder: Path, **changes: Any) -> Any:
    """Write a file by hand, perhaps changed and sealed again, and load it."""
    return cx.load_model(write_model_file(file_by_hand(name, **changes), folder / "model.json"))


# -- worked by hand


def test_purchases_by_hand(tmp_path: Path) -> None:
    # x = 2, t_x = 30.43, T = 38.86: .792922 / 3.425907 = .231449; its factor is
    # (43.273602 / 34.843602) ** 2.242595
    # 1.625654, so P(alive) = 1 / (1 + .231449 x 1.625654) = .726609. In 39 weeks 1.2259: published
    buys = read("purchases", tmp_path)
    one = pd.DataFrame({"customer_id": ["x"], "frequency": [2], "recency": [30.43], "T": [38.86]})
    found = buys.predict(one, 39)
    assert found.loc[0, "prob_alive"] == pytest.approx(0.726609, abs=2e-6)
    assert found.loc[0, "expected_purchases"] == pytest.approx(1.2259, abs=5e-5)
    assert found["customer_id"].tolist() == ["x"]
    assert buys.expected_of(np.array([32.0]))[0] == pytest.approx(1.0437, abs=5e-5)


def test_spend_by_hand(tmp_path: Path) -> None:
    # p (v + x m) / (p x + q - 1): once 6.25 x 15.44 / 2.74 = 35.219; 2 at 20: 6.25 x 55.44 / 15.24
    rows = pd.DataFrame(
        {"frequency": [0, 2], "recency": [0, 3], "T": 9, "monetary_value": [None, 20]}
    )
    found = read("spend", tmp_path).predict(rows)["expected_spend"]
    assert found.tolist() == pytest.approx([6.25 * 15.44 / 2.74, 6.25 * 55.44 / 15.24])


def test_hazard_by_hand(tmp_path: Path) -> None:
    # .9 x .8 = .72 at rating 5 and plan a; rating 6 halves the hazard, plan b doubles it
    rows = pd.DataFrame(
        {"rating": [5, 6, 5, 5, 5, None], "plan": ["a", "a", "b", "a", "a", "a"],
         "period": [0, 0, 0, 1, 2, 0]}
    )  # fmt: skip
    found = read("hazard", tmp_path).predict(rows, 2)["prob_stays"]
    # periods 1 and 2: everybody left in period 2; from period 2 on only one period was seen
    expected = [0.72, 0.72**0.5, 0.72**2, 0.0, np.nan, np.nan]
    assert found.tolist() == pytest.approx(expected, nan_ok=True)


def test_contract_value_by_hand(tmp_path: Path) -> None:
    # .6 x 100 x (.5 + .25) = 45
    found = read("contract", tmp_path).predict(pd.DataFrame({"monthly_revenue": [100.0, None]}))
    assert found["cltv"].tolist() == pytest.approx([45.0, np.nan], nan_ok=True)
    assert found["prob_stays"].tolist() == [0.25, 0.25]


# -- against a reference: the model that was saved


@pytest.mark.parametrize("family", ["bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb"])
def test_purchases_come_back_to_the_last_bit(family: str, tmp_path: Path) -> None:
    frame, buys = fitted_purchases(family)
    again = cx.load_model(buys.save(tmp_path / "buys.json"))
    assert again.predict(frame, 5).equals(buys.predict(frame, 5))
    assert again.parameters == buys.parameters
    assert np.array_equal(again.covariance, buys.covariance, equal_nan=True)
    assert np.array_equal(again.parameter_draws(20, 1), buys.parameter_draws(20, 1))
    rate = {"annual_discount_rate": 0.1}
    assert np.array_equal(again.dert(**rate, rfm=frame), buys.dert(**rate, rfm=frame))
    assert again.to_frame().equals(buys.to_frame())
    whole = again.expected_total(5, frame)
    assert whole.to_dict() == buys.expected_total(5).to_dict()


def test_what_lies_at_the_edge_comes_back(tmp_path: Path) -> None:
    # nobody is seen to leave: a runs to 0 and has no error
    rng = np.random.default_rng(4)
    x = rng.poisson(20, 300).astype(float)
    frame = pd.DataFrame({"frequency": x, "recency": 52.0 * x / (x + 0.01), "T": 52.0})
    with pytest.warns(CxModelWarning, match="edge of its family"):
        buys = cx.PurchaseModel().fit(frame)
    assert np.isnan(buys.covariance).any()
    again = cx.load_model(buys.save(tmp_path / "buys.json"))
    assert np.array_equal(again.covariance, buys.covariance, equal_nan=True)
    assert again.predict(frame, 52).equals(buys.predict(frame, 52))
    assert again.caveats == buys.caveats


def test_spend_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    frame, spend = fitted_spend()
    again = cx.load_model(spend.save(tmp_path / "spend.json"))
    assert again.predict(frame).equals(spend.predict(frame))
    assert again.mean_spend == spend.mean_spend
    assert np.array_equal(again.covariance, spend.covariance)


def test_a_hazard_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    fit = fitted_hazard()
    again = cx.load_model(fit.save(tmp_path / "hazard.json"), at=dt.date(2026, 1, 1))
    rows = pd.DataFrame(
        {"rating": np.arange(11.0), "segment": ["large", "small"] * 5 + ["large"], "period": 3}
    )
    assert again.predict(rows, 6).equals(fit.predict(rows, 6))
    assert again.to_frame().equals(fit.to_frame())
    assert again.hazard_ratio_per_rating_point() == fit.hazard_ratio_per_rating_point()
    assert again.by_band() == fit.by_band()
    assert np.array_equal(again.baseline_survival(0.3), fit.baseline_survival(0.3))
    # at the means prediction is the baseline: the product of what is seen in each period
    assert fit.terms[1].term == "segment: small"
    at_means = pd.DataFrame({"rating": [fit.means[0]], "segment": ["large"], "period": [0]})
    moved = -fit.means[1] * fit.terms[1].log_ratio
    expected = fit.baseline_survival(moved)[5]
    assert fit.predict(at_means, 6)["prob_stays"][0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["window", "tenure", "purchases"])
def test_values_come_back_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    data, result = fitted_value(kind)
    again = cx.load_model(result.save(tmp_path / "value.json"), at=dt.date(2026, 1, 1))
    assert again.predict(data).equals(result.predict(data))
    assert again.unit == result.per_customer.unit
    assert again.facts["estimate"] == result.per_customer.estimate
    assert again.caveats == result.caveats


@pytest.mark.parametrize("kind", ["window", "tenure"])
def test_a_rule_gives_the_values_of_the_model(kind: str) -> None:
    obs, result = fitted_value(kind)
    model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=5)
    first = result.predict(obs).drop_duplicates("customer_id").set_index("customer_id")["cltv"]
    if kind == "tenure":
        before = model.predict(obs).set_index("customer_id")["cltv"]
        assert first[before.index].to_numpy() == pytest.approx(before.to_numpy(), rel=1e-12)
        # the mean over customers is the headline
        assert first.mean() == pytest.approx(result.per_customer.estimate, rel=1e-9)
    else:
        # answers whose window is not over have a value too, and those that have one agree
        every = result.predict(obs)
        valued = model.predict(obs)
        assert set(valued["cltv"].round(9)) <= set(every["cltv"].round(9))


def test_purchase_values_are_those_of_the_model() -> None:
    rfm, result = fitted_value("purchases")
    found = result.predict(rfm)["cltv"].to_numpy()
    mean = rfm.n_customers @ found / rfm.n_customers.sum()
    assert mean == pytest.approx(result.per_customer.estimate, rel=1e-12)


# -- properties


@given(st.floats(-650, 650), st.floats(-30, 30))
@settings(max_examples=40, deadline=None)
def test_any_positive_parameter_survives_the_file(log_r: float, log_a: float) -> None:
    vector = [log_r, 1.0, log_a, 0.5]
    names = ("r", "alpha", "a", "b")
    shown = {name: float(np.exp(value)) for name, value in zip(names, vector, strict=True)}
    ends = {"low": [value - 0.1 for value in vector], "high": [None] * 4}
    content = {**BY_HAND["purchases"][1], "vector": vector, "parameters": shown, "interval": ends}
    file = make_model_file("purchases", content, created_at=None)
    back = json.loads(to_json(file))["content"]
    read_back = read_purchases(make_model_file("purchases", back, created_at=None), "the file")
    assert list(read_back.parameters.values()) == list(shown.values())


def test_no_customer_is_in_a_file(tmp_path: Path) -> None:
    frame, buys = fitted_purchases("bg_nbd")
    _, spend = fitted_spend()
    for fit in (buys, spend, fitted_hazard(), fitted_value("tenure")[1]):
        text = fit.save(tmp_path / "model.json").read_text()
        assert "c0001" not in text
        assert "c000001" not in text
        assert f"{frame['recency'].max()!r}" not in text


# -- errors

NAN = float("nan")
A_LINE = {"mean_before": 1.0, "coefficients": [1.0, 1.0], "lookback_days": None}
PARAMETERS = {"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4}


def changed(name: str, *path: Any, to: Any) -> dict[str, Any]:
    """Give the content of a model by hand with one value changed."""
    content = copy.deepcopy(BY_HAND[name][1])
    part: Any = content
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = to
    return content


WRONG = [
    ("purchases", ("family",), "weibull", "family must be one of bg_nbd"),
    ("purchases", ("parameters", "a"), -0.8, "a must be above 0, not -0.8"),
    ("purchases", ("parameters", "a"), 0.8, "a must be 0.792922, as the vector has it"),
    ("purchases", ("vector",), [1.0, 2.0], "vector must be a list of 4 finite numbers"),
    ("purchases", ("vector", 0), "1.0", "vector must be a list of 4 finite numbers"),
    ("purchases", ("vector", 0), 900.0, "logarithms from -700 to 700"),
    ("purchases", ("covariance", 0, 0), -0.01, "that are a covariance"),
    ("purchases", ("covariance", 0, 1), 0.5, "that are a covariance"),
    ("purchases", ("covariance", 0, 0), None, "that are a covariance"),
    ("purchases", ("covariance",), [[1.0]], "that are a covariance"),
    ("purchases", ("covariance", 0, 0), 1e308, "that are a covariance"),
    ("purchases", ("unit_days",), 0, "unit_days must be above 0"),
    ("purchases", ("purchase_covariates",), ["rating"], "vector must be a list of 5"),
    ("purchases", ("n_repeat_customers",), 99_999, "at most n_customers"),
    ("purchases", ("conf_level",), 95, "a share between 0 and 1"),
    ("spend", ("parameters", "q"), 0.0, "q must be above 0"),
    ("spend", ("correlation",), 2.0, "correlation must be from -1 to 1"),
    ("hazard", ("baseline", "hazard", 0), 1.5, "hazard must be shares from 0 to 1"),
    ("hazard", ("baseline", "survival"), [0.9, 0.95, 0.0], "shares that never rise"),
    ("hazard", ("baseline", "survival"), [0.9], "survival must be a list of 3 finite numbers"),
    ("hazard", ("terms", 0, "std_error"), -1.0, "std_error must be 0 or more"),
    ("hazard", ("terms", 1, "level"), "c", "a level of its column but the first"),
    ("hazard", ("terms",), [], "at least one"),
    ("hazard", ("period_days",), -1.0, "period_days must be above 0"),
    ("contract", ("retention",), [1.0, 0.5], "at least 2 months of them"),
    ("contract", ("retention",), [1.0, 0.5, 0.75], "shares from 1 that never rise"),
    ("contract", ("retention",), None, "null where not"),
    ("contract", ("spending_line",), A_LINE, "null where there is none"),
    ("purchases", ("interval", "low", 0), 99.0, "on its own side of the vector"),
    ("purchases", ("interval", "high"), [None], "a list of 4 numbers or null"),
    ("contract", ("settings", "gross_margin"), 1.5, "settings that are possible"),
    ("contract", ("settings", "horizon_months"), -1, "a whole number, 0 or more"),
    ("contract", ("settings", "horizon_months"), 10**9, "at most 1,200"),
    ("contract", ("windows",), {"lookback_days": 1}, "lacks outcome_days"),
    ("contract", ("windows",), {"lookback_days": 0, "outcome_days": 1, "gap_days": 0,
     "inactive_days": 1}, "windows that are possible"),
    ("contract", ("business",), "lottery", "business must be one of contract, purchases"),
    ("hazard", ("rating_range",), [10.0, 0.0], "the lowest and the highest answer of a scale"),
    ("hazard", ("profile", "columns", 0, "counts"), [1], "counts that are not all 0"),
    ("purchases", ("profile", "columns"), [], "one profile each of frequency"),
    ("spend", ("profile", "scores", 0, "name"), "cltv", "one profile each of expected_spend"),
    ("contract", ("profile", "scores", 0, "edges"), [2.0, 1.0], "numbers that rise"),
    ("by_purchases", ("purchases", "parameters", "b"), -1.0, "parameters: b must be above 0"),
    ("by_purchases", ("spend", "extra"), 1, "holds 'extra', which is unknown"),
    ("by_purchases", ("purchases", "family"), "bg_bb", "family must be one of bg_nbd, mbg_nbd"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "value", "match"), WRONG)
def test_what_no_fit_can_give_is_refused(
    name: str, path: tuple[Any, ...], value: Any, match: str, tmp_path: Path
) -> None:
    # the digest fits: the content itself is looked at
    content = changed(name, *path, to=value)
    file = make_model_file(BY_HAND[name][0], content, created_at=None)
    with pytest.raises(SourceError, match=match):
        cx.load_model(write_model_file(file, tmp_path / "model.json"))


@pytest.mark.parametrize("name", BY_HAND)
def test_a_file_that_was_changed_or_is_of_another_version_is_refused(
    name: str, tmp_path: Path
) -> None:
    text, path = to_json(file_by_hand(name)), tmp_path / "model.json"
    for before, after, match in (
        ('"conf_level":0.95', '"conf_level":0.9', "was changed after it was written"),
        ('"schema_version":2', '"schema_version":1', "has schema_version 1; this cxmodel reads 2"),
        ('"conf_level":0.95', '"conf_level":NaN', "holds NaN, which is no number"),
        ('"conf_level":0.95', '"conf_level":Infinity', "holds Infinity, which is no number"),
        ('"caveats":[]', '"caveats":[],"caveats":[]', "the key 'caveats' stands twice"),
    ):
        assert before in text
        path.write_text(text.replace(before, after))
        with pytest.raises(SourceError, match=match):
            cx.load_model(path)
    path.write_text(text[: len(text) // 2])
    with pytest.raises(SourceError, match="cannot be read as a model"):
        cx.load_model(path)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_part_that_is_missing_is_named(name: str, tmp_path: Path) -> None:
    kind, content = BY_HAND[name]
    for key in content:
        rest = {other: value for other, value in content.items() if other != key}
        file = make_model_file(kind, rest, created_at=None)
        with pytest.raises(SourceError, match=f"lacks {key}"):
            cx.load_model(write_model_file(file, tmp_path / "model.json"))


def test_other_columns_are_named(tmp_path: Path) -> None:
    rows = pd.DataFrame({"frequency": [1], "recency": [2.0]})
    with pytest.raises(SchemaError, match="has no column 'T'"):
        read("purchases", tmp_path).predict(rows, 1)
    with pytest.raises(SchemaError, match="has no column 'frequency'"):
        read("spend", tmp_path).predict(pd.DataFrame({"T": [1.0]}))
    with pytest.raises(SchemaError, match="looks at 'plan', which the table does not have"):
        read("hazard", tmp_path).predict(pd.DataFrame({"rating": [1.0], "period": [0]}))
    with pytest.raises(SchemaError, match="looks at 'monthly_revenue'"):
        read("contract", tmp_path).predict(pd.DataFrame({"revenue": [1.0]}))
    with pytest.raises(SchemaError, match="'monthly_revenue' must hold numbers"):
        read("contract", tmp_path).predict(pd.DataFrame({"monthly_revenue": ["much"]}))
    _, tenure = fitted_value("tenure")
    wrong = pd.DataFrame({"monthly_revenue": [9.0], "tenure_months": [-1.0]})
    with pytest.raises(SchemaError, match="tenure_months must lie in 0 to 1,200 months"):
        tenure.predict(wrong)


def test_impossible_histories_are_refused(tmp_path: Path) -> None:
    buys = read("purchases", tmp_path)
    with pytest.raises(SchemaError, match="recency is negative or beyond T"):
        buys.predict(pd.DataFrame({"frequency": [1], "recency": [9.0], "T": [3.0]}), 1)
    with pytest.raises(ValueError, match="finite times"):
        buys.predict(histories(20), float("inf"))


def test_levels_never_seen_are_said(tmp_path: Path) -> None:
    rows = pd.DataFrame({"rating": [5.0, 5.0], "plan": ["z", "a"], "period": [0, 0]})
    with pytest.warns(CxModelWarning, match=r"1 row\(s\) have a level of 'plan' .* count as 'a'"):
        found = read("hazard", tmp_path).predict(rows, 1)
    assert found["prob_stays"].tolist() == pytest.approx([0.9, 0.9])


def test_a_hazard_of_lifelines_says_what_to_do() -> None:
    from dataclasses import replace

    bare = replace(fitted_hazard(), method="cox", features=(), means=())
    with pytest.raises(ValueError, match=r'Fit it with HazardModel\(method="discrete"\)'):
        bare.save("never.json")


def test_an_expression_is_for_what_is_linear(tmp_path: Path) -> None:
    import ibis
    import pyarrow as pa

    from cxmodel.tables.engines.engine import rows_of

    table = ibis.memtable(pa.table({"customer_id": ["a"], "monthly_revenue": [100.0]}))
    (found,) = rows_of(read("contract", tmp_path).expression(table))
    assert found["cltv"] == pytest.approx(45.0)
    assert found["prob_stays"] == 0.25
    with pytest.raises(ValueError, match=r"bends with the purchase history\. Score in batches"):
        read("by_purchases", tmp_path).expression(table)
    for name in ("purchases", "spend", "hazard"):
        with pytest.raises(ValueError, match=r"no linear function .* Score in batches"):
            read(name, tmp_path).expression(table)
    with pytest.raises(ValueError, match="bends with tenure"):
        cx.load_model(fitted_value("tenure")[1].save(tmp_path / "t.json")).expression(table)
