"""Survival on public data whose figures are known."""

from pathlib import Path
from typing import Any

import pytest

import cxmodel as cx
from cxmodel.models.retention.compare import compare_groups
from cxmodel.models.retention.model import RetentionModel

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def telco(data_dir: Path) -> cx.Observations:
    return cx.read_observations(
        data_dir / "ibm_telco" / "WA_Fn-UseC_-Telco-Customer-Churn.csv",
        customer_id="customerID",
        churned="Churn",
        duration_months="tenure",
        controls=["Contract"],
    )


def test_telco_contracts_by_log_rank(telco: cx.Observations) -> None:
    # lifelines' multivariate_logrank_test on the same 7,043 rows: 2352.87
    found = compare_groups(telco, "Contract")
    assert found.log_rank.statistic == pytest.approx(2352.87, abs=0.005)
    assert found.log_rank.observed.tolist() == [1655, 166, 48]
    assert found.means["Month-to-month"].estimate < found.means["One year"].estimate


def test_telco_retention_falls_ever_more_slowly(telco: cx.Observations) -> None:
    fit = RetentionModel(family="auto", n_draws=10).fit(telco)
    by_family = fit.family_table().set_index("family")
    # customers are unlike: one loss rate for all is far off
    assert by_family.aic["geometric"] > by_family.aic["sbg"] + 500
    assert fit.n_events == 1869


def test_telco_hazard_by_contract(telco: cx.Observations) -> None:
    fit = cx.HazardModel(rating=None, controls="Contract").fit(telco)
    one, two = fit.ratio("Contract: One year"), fit.ratio("Contract: Two year")
    assert one.conf_high is not None
    assert two.conf_high is not None
    # 43% leave from month to month, 11% with one year, 3% with two, and these stayed longer
    assert two.conf_high < one.estimate < one.conf_high < 0.4


def _retention(name: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CXMODEL_DATA", str(data_dir))
    study = cx.Study.from_toml(STUDIES / f"{name}.toml")
    found: dict[str, Any] = study.run(only=["retention"]).to_dict()["retention"]
    return found


def test_ravenstack_shows_no_hazard_of_the_score(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the data were made without an effect
    found = _retention("ravenstack", data_dir, monkeypatch)
    ratio = found["hazard"]["hazard_ratio_per_rating_point"]
    assert ratio["conf_low"] < 1 < ratio["conf_high"]
    assert found["by_band"]["log_rank"]["p_value"] > 0.05


def test_telco_score_separates_who_left(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # satisfaction 1-2: all churned, 4-5: none
    found = _retention("ibm_telco", data_dir, monkeypatch)
    assert "tell the two outcomes apart without error" in found["hazard"]["reason"]
    assert "of one window" in found["by_band"]["reason"]


def test_ravenstack_accounts_leave_ever_more_often(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the mixtures run to their limits, and the geometric lies 13 points high at month 22
    found = _retention("ravenstack", data_dir, monkeypatch)
    by_family = {row["family"]: row for row in found["families"]["rows"]}
    assert by_family["discrete_weibull"]["is_chosen"]
    assert by_family["geometric"]["aic"] > by_family["discrete_weibull"]["aic"] + 50
    assert by_family["bdw"]["note"].endswith("that is the discrete Weibull")
    assert found["parameters"]["c"] > 1.3
    # leavers gather in the last months of the data, whatever the tenure: no lifetime fits wholly
    assert any("does not fit it: after 14 months" in said for said in found["caveats"])
