"""Retention with covariates: what it says of single customers, and as a file."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_observations import joined_table, simulate_observations
from stored_rows import RETENTION, file_by_hand

import cxmodel as cx
from cxmodel.errors import CxModelWarning, SchemaError, SourceError
from cxmodel.models.model_file import make_model_file, write_model_file
from cxmodel.models.retention.stored_covariates import read_covariates

ROWS = pd.DataFrame(
    {"customer_id": list("abcdef"), "rating": [5, 6, 5, 5, None, 5],
     "plan": ["a", "a", "b", "z", "a", None], "months": [0, 7, 3, 1, 0, 0]}
)  # fmt: skip


def by_hand(**changes: Any) -> Any:
    return read_covariates(file_by_hand("retention", **changes), "the file")


def fitted(kind: str) -> Any:
    if kind == "joined":
        return cx.RetentionModel().fit_covariates(joined_table(), ["rating", "plan"])
    obs = simulate_observations(700, loss_per_month=0.05)
    return cx.RetentionModel(family="sbg").fit_covariates(obs, ["rating", "segment"])


# -- worked by hand


def test_staying_by_hand() -> None:
    # a tenth leaves each month; a rating point halves that rate, plan b doubles it, as z is not
    # known it counts as plan a
    with pytest.warns(CxModelWarning, match=r"1 row\(s\) have a level of 'plan' .* count as 'a'"):
        found = by_hand().predict(ROWS, 2)
    expected = [0.81, 0.81**0.5, 0.81**2, 0.81, np.nan, np.nan]
    assert found["prob_stays"].tolist() == pytest.approx(expected, nan_ok=True)
    assert found["customer_id"].tolist() == list("abcdef")


def test_a_rating_off_its_scale_is_no_answer() -> None:
    rows = ROWS.assign(rating=[11, -1, 5, 5, 5, 5], plan="a")
    with pytest.warns(CxModelWarning, match=r"2 rows have 'rating' outside 0 to 10"):
        found = by_hand().predict(rows, 2)
    assert found["prob_stays"].isna().tolist() == [True, True, False, False, False, False]


def test_months_beyond_those_seen_are_told() -> None:
    rows = pd.DataFrame({"rating": 5, "plan": "a", "months": [118, 119, 130]})
    with pytest.warns(CxModelWarning, match=r"2 row\(s\) look beyond the 120 months"):
        found = by_hand().predict(rows, 2)["prob_stays"]
    assert found.tolist() == pytest.approx([0.81, 0.81, 0.81])


def test_who_has_been_there_for_long_is_likelier_to_stay() -> None:
    # Fader & Hardie (2007): S(t) = B(a, b + t) / B(a, b), so a share (b + t) / (a + b + t) stays
    model = by_hand(family="sbg", parameters={"alpha": 1.0, "beta": 3.0})
    rows = pd.DataFrame({"rating": 5, "plan": "a", "months": [0, 4, 96]})
    found = model.predict(rows, 1)["prob_stays"]
    assert found.tolist() == pytest.approx([3 / 4, 7 / 8, 99 / 100])


# -- against a reference: the curve of the fit


@pytest.mark.parametrize("kind", ["answers", "joined"])
def test_the_curve_of_a_customer_and_its_file(kind: str, tmp_path: Path) -> None:
    fit = fitted(kind)
    column, level = ("plan", "b") if kind == "joined" else ("segment", "small")
    rows = pd.DataFrame({"rating": [3.0, 5.0], column: level, "months": [0, 5]})
    found = fit.predict(rows, 6)["prob_stays"]
    curves = [fit.at([t, t + 6], {"rating": r, column: level}) for r, t in ((3, 0), (5, 5))]
    assert found.tolist() == pytest.approx([curve[1] / curve[0] for curve in curves], rel=1e-12)
    again = cx.load_model(fit.save(tmp_path / "fit.json"))
    assert again.predict(rows, 6).equals(fit.predict(rows, 6))
    assert again.to_frame().equals(fit.to_frame())
    assert again.to_section() == fit.to_section()
    assert (again.study, again.clock, again.as_of) == (fit.study, fit.clock, fit.as_of)
    assert "c000001" not in (tmp_path / "fit.json").read_text()
    assert fit.save(tmp_path / "b.json").read_bytes() == (tmp_path / "fit.json").read_bytes()


# -- properties


@given(st.floats(0, 500), st.integers(1, 60), st.floats(0, 10))
@settings(max_examples=40, deadline=None)
def test_to_stay_for_longer_is_never_likelier(months: float, ahead: int, rating: float) -> None:
    model = by_hand(
        family="bdw", parameters={"gamma": 0.7, "delta": 3.8, "c": 1.4}, observed_months=561
    )
    row = pd.DataFrame({"rating": [rating], "plan": "a", "months": months})
    one, more = (model.predict(row, n)["prob_stays"][0] for n in (ahead, ahead + 1))
    assert 0 <= more <= one <= 1


# -- errors


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(ValueError, match="n_months must be 1 or more, not 0"):
        by_hand().predict(ROWS, 0)
    with pytest.raises(SchemaError, match="looks at 'plan', which the table does not have"):
        by_hand().predict(ROWS.drop(columns="plan"), 2)
    with pytest.raises(SchemaError, match="months must be 0 or more, and not -1"):
        by_hand().predict(ROWS.iloc[:1].assign(months=-1), 2)


WRONG = [
    (("family",), "weibull", "family must be one of geometric"),
    (("parameters", "prob_churn_per_period"), 1.5, "above 0, and where it is a share below 1"),
    (("terms",), [], "at least one"),
    (("terms", 1, "level"), "a", "a level of its column but the first"),
    (("covariance",), [[1.0]], "2 rows of 2 numbers that are a covariance"),
    (("covariance", 0, 0), -1.0, "that are a covariance"),
    (("covariance", 0, 1), 0.5, "that are a covariance"),
    (("conf_level",), 95, "a share between 0 and 1"),
    (("clock",), "noon", "clock must be one of the customer started, the first answer"),
    (("study", "windows", "lookback_days"), 0, "windows that are possible"),
    (("study", "rating", "low"), "none", "low must be a finite number"),
]


@pytest.mark.parametrize(("path", "value", "match"), WRONG)
def test_what_no_fit_can_give_is_refused(
    path: tuple[Any, ...], value: Any, match: str, tmp_path: Path
) -> None:
    content = copy.deepcopy(RETENTION)
    part: Any = content
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    file = make_model_file("retention_covariates", content, created_at=None)
    with pytest.raises(SourceError, match=match):
        cx.load_model(write_model_file(file, tmp_path / "model.json"))
