"""A control dated after the response, from the files to the refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from company import Company, make_company

import cxmodel as cx
from cxmodel.errors import LeakageError


def _with_renewal(folder: Path, *, days: int) -> Company:
    """A company whose customers have a date so many days after their answer."""
    company = make_company(folder, n_customers=300)
    answered = pd.to_datetime(company.tables["surveys"]["answered_at"])
    customers = company.tables["customers"]
    customers["renewal"] = (answered + pd.Timedelta(days=days)).dt.strftime("%Y-%m-%d")
    company.replace('attributes = ["segment"]', 'attributes = ["segment", "renewal"]')
    return company


def test_a_default_control_dated_after_the_response_is_refused(tmp_path: Path):
    config = _with_renewal(tmp_path, days=30).write()
    said = r"control 'renewal' is dated after the response in 300 rows\. Remove it from lift\."
    with pytest.raises(LeakageError, match=said):
        cx.Study.from_toml(config).run(only=["lift"])


def test_a_stated_control_dated_after_the_response_is_refused(tmp_path: Path):
    company = _with_renewal(tmp_path, days=30)
    company.toml += '\n[lift]\ncontrols = ["segment", "renewal"]\n'
    with pytest.raises(LeakageError, match="control 'renewal' is dated after the response"):
        cx.Study.from_toml(company.write()).run(only=["lift"])


def test_a_date_that_is_no_control_does_no_harm(tmp_path: Path):
    company = _with_renewal(tmp_path, days=30)
    company.toml += '\n[lift]\ncontrols = ["segment"]\n'
    results = cx.Study.from_toml(company.write()).run(only=["lift"])
    assert list(results.lift.revenue.controls) == ["segment"]


def test_a_date_before_the_response_is_left_alone(tmp_path: Path):
    results = cx.Study.from_toml(_with_renewal(tmp_path, days=-30).write()).run(only=["lift"])
    assert results.lift.revenue.status == "ok"


def test_a_dated_column_of_a_joined_table_is_refused():
    draw = np.random.default_rng(1)
    n = 400
    table = pd.DataFrame(
        {
            "score": draw.integers(1, 6, n),
            "left": draw.choice(["yes", "no"], n),
            "answered": "2025-06-15 12:00:00",
            "billed": draw.choice(["2025-06-01", "2025-07-01"], n),
        }
    )
    obs = cx.read_observations(
        table,
        ratings={"csat": ("score", cx.CSAT5)},
        churned="left",
        responded_at="answered",
        controls=["billed"],
    )
    n_later = int((table["billed"] == "2025-07-01").sum())
    with pytest.raises(LeakageError, match=f"'billed' is dated after the response in {n_later} "):
        cx.LiftModel(outcome="retention").fit(obs)
