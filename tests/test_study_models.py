"""The models that a run leaves behind: which, under which names, and how they are listed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from stored_rows import fitted_hazard, fitted_value

import cxmodel as cx
from cxmodel.results import NotRun
from cxmodel.study_models import model_rows, saved_models


def test_a_purchase_business_leaves_purchases_and_spend_too() -> None:
    _, value = fitted_value("purchases")
    found = saved_models({"churn": NotRun("nobody left"), "retention": None, "cltv": value})
    assert list(found) == ["cltv", "purchases", "spend"]


@pytest.mark.parametrize("kind", ["window", "tenure"])
def test_what_is_listed_is_what_is_written(kind: str, tmp_path: Path) -> None:
    _, value = fitted_value(kind)
    fits = {"hazard": fitted_hazard(), "cltv": value, "churn": NotRun("nobody left")}
    models = saved_models(fits)
    rows = model_rows(models)
    assert [row["file"] for row in rows] == ["models/hazard.json", "models/cltv.json"]
    path = models["cltv"].save(tmp_path / "cltv.json")
    again = cx.load_model(path, at=dt.date(2026, 1, 1))
    assert (again.version, again.expires_at) == (rows[1]["version"], rows[1]["expires_at"])
    # the same fit gives the same bytes
    assert path.read_bytes() == models["cltv"].save(tmp_path / "again.json").read_bytes()


def test_nothing_fitted_leaves_nothing() -> None:
    assert saved_models({"churn": None, "cltv": NotRun("no revenue")}) == {}
    assert model_rows({}) == []
