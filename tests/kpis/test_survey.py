"""KPIs of ratings: the worked examples of the KPI page, then groups, periods and who counts."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxmodel as cx
from cxmodel.errors import InsufficientDataError, SchemaError
from cxmodel.kpis.result import KpiResult
from cxmodel.kpis.survey import measure_kpi
from cxmodel.scales import CES7, CSAT5, NPS, Scale
from cxmodel.tables.readers import read_customers, read_surveys
from cxmodel.tables.reading import open_spec
from cxmodel.tables.sources import Source
from cxmodel.tables.specs import RatingSpec, SourceSpec

EFFORT = Scale(name="effort", low=1, high=7, top_box=3, higher_is_better=False)


def surveys_of(ratings: list[int], scale: Scale = NPS, **columns: object) -> Source:
    """One response per rating on one day, each of another customer unless `columns` says else."""
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(ratings))], "q": ratings})
    frame = frame.assign(**{"responded_at": "2026-02-03 10:00", **columns})
    attributes = [name for name in columns if name not in ("customer_id", "responded_at")]
    return read_surveys(frame, ratings={"kpi": ("q", scale)}, attributes=attributes)


def repeat(counts: dict[int, int]) -> list[int]:
    return [rating for rating, n in counts.items() for _ in range(n)]


# -- worked by hand: the articles' examples ------------------------------------------------------


def test_nps_of_the_article():
    # kpis.md K1 (article 004:26): 50 promoters and 20 detractors of 100 give 30
    row = measure_kpi(
        surveys_of(repeat({10: 30, 9: 20, 8: 20, 7: 10, 6: 5, 0: 15})), "kpi"
    ).overall()
    assert row["estimate"] == 30
    assert row["std_error"] == pytest.approx(7.8102, abs=5e-5)
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((14.05, 44.20), abs=5e-3)
    assert (row["n_obs"], row["n_effective"]) == (100, 100)
    assert row["median"] == 8.5  # the 50th answer is 9, the 51st 8
    assert row["mean"] == pytest.approx((300 + 180 + 160 + 70 + 30 + 0) / 100)
    assert row["unit"] == "NPS, -100 to 100"


def test_all_promoters_stop_at_100():
    row = measure_kpi(surveys_of([10] * 10), "kpi").overall()
    assert (row["estimate"], row["conf_high"]) == (100, 100)
    assert row["conf_low"] == pytest.approx(47.5, abs=0.05)


@pytest.mark.parametrize(
    ("counts", "mean"),
    # kpis.md K2b: one top-2-box of 80%, three means
    [({5: 50, 4: 30, 3: 10, 2: 5, 1: 5}, 4.15), ({4: 80, 3: 20}, 3.80), ({5: 80, 1: 20}, 4.20)],
)
def test_csat_with_its_mean_beside(counts: dict[int, int], mean: float):
    row = measure_kpi(surveys_of(repeat(counts), CSAT5), "kpi").overall()
    assert row["estimate"] == pytest.approx(80)
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((71.12, 86.66), abs=5e-3)
    assert row["mean"] == pytest.approx(mean)
    assert row["mean_0_100"] == pytest.approx(100 * (mean - 1) / 4)


def test_effort_reads_the_same_in_both_directions():
    # kpis.md K3a and K3b: 60 of 100 find it easy, coded 5-7 high or 1-3 low
    easy = repeat({7: 20, 6: 25, 5: 15, 4: 10, 3: 10, 2: 10, 1: 10})
    high = measure_kpi(surveys_of(easy, CES7), "kpi").overall()
    low = measure_kpi(surveys_of([8 - rating for rating in easy], EFFORT), "kpi").overall()
    assert high["estimate"] == low["estimate"] == 60
    assert (high["conf_low"], high["conf_high"]) == pytest.approx((50.20, 69.06), abs=5e-3)
    assert low["mean_0_100"] == pytest.approx(high["mean_0_100"])


def test_repeats_of_a_customer_are_worth_less():
    # by hand: 25 customers answer 10 twice, 25 answer 0 twice; the design effect is
    # (100 / 50) x (50/49) / (100/99)
    surveys = surveys_of(
        [10] * 50 + [0] * 50,
        customer_id=[f"c{i // 2}" for i in range(100)],
        responded_at=["2026-02-03 10:00", "2026-03-03 10:00"] * 50,
    )
    row = measure_kpi(surveys, "kpi").overall()
    assert (row["estimate"], row["n_obs"]) == (0, 100)
    assert row["n_effective"] == pytest.approx(100 / (2 * (50 / 49) / (100 / 99)))


def test_answers_without_a_customer_stand_for_themselves():
    surveys = surveys_of([10, 0] * 20, customer_id=[None] * 40)
    assert measure_kpi(surveys, "kpi").overall()["n_effective"] == 40


def test_target_stands_beside():
    result = measure_kpi(surveys_of([10, 9]), "kpi", targets={"kpi": 40, "other": 1})
    assert result.overall()["target"] == 40
    assert "target" not in measure_kpi(surveys_of([10, 9]), "kpi").overall()


# -- who counts ----------------------------------------------------------------------------------


def test_what_is_left_out_is_counted_once():
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "c", "d", None, None, "e"],
            "responded_at": ["2026-01-05", "2026-01-05", None, "2026-01-06", "2026-07-01",
                             "2026-01-05", "2026-01-05", "2026-06-30 23:59:59"],
            "nps": [9, 9, None, None, 3, 10, 10, 1],
        }
    )  # fmt: skip
    surveys = read_surveys(frame, ratings={"nps": ("nps", NPS)})
    result = measure_kpi(surveys, "nps", as_of="2026-06-30")
    # a twice is once, b has no time (counted before its missing rating), c no rating, d is too
    # late; two equal rows of nobody may be two people
    assert result.dropped["nps"] == {
        "missing_responded_at": 1,
        "missing_rating": 1,
        "after_as_of": 1,
        "duplicate_response": 1,
    }
    assert result.overall()["n_obs"] == 4


def test_the_day_ends_in_the_zone_of_the_study():
    # 1 July 2026 02:00 UTC is 30 June 22:00 in New York
    surveys = surveys_of([10, 0], responded_at=["2026-07-01 02:00", "2026-07-01 05:00"])
    kept = measure_kpi(surveys, "kpi", as_of=dt.date(2026, 6, 30), time_zone="America/New_York")
    assert kept.overall()["n_obs"] == 1


def test_unknown_customers_keep_their_kpi():
    customers = read_customers(
        pd.DataFrame({"customer_id": ["c0"], "plan": ["pro"]}), attributes="plan"
    )
    result = measure_kpi(
        surveys_of([10, 0, 0]), "kpi", by="plan", customers=customers, min_group_size=1
    )
    found = {row["group"]["plan"]: row["estimate"] for row in result.rows if row["group"]}
    assert result.overall()["n_obs"] == 3
    assert found == {"pro": 100, "(missing)": -100}


# -- periods and groups --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "labels"),
    [
        ("year", ["2025", "2026"]),
        ("quarter", ["2025-Q4", "2026-Q1", "2026-Q2"]),
        ("month", ["2025-12", "2026-01", "2026-06"]),
        ("week", ["2026-W01", "2026-W27"]),  # 29 December 2025 begins the first ISO week of 2026
    ],
)
def test_periods_are_in_order_of_time(period, labels):
    times = ["2026-06-29 12:00", "2025-12-29 00:00", "2026-01-01 00:00"]
    result = measure_kpi(
        surveys_of([10, 9, 0], responded_at=times), "kpi", period=period, min_group_size=1
    )
    assert [row["period"] for row in result.rows] == [None, *labels]


def test_a_period_begins_in_the_zone_of_the_study():
    # 1 January 02:00 UTC is still 31 December in Sao Paulo
    result = measure_kpi(
        surveys_of([10], responded_at=["2026-01-01 02:00"]),
        "kpi", period="quarter", time_zone="America/Sao_Paulo", min_group_size=1,
    )  # fmt: skip
    assert result.rows[1]["period"] == "2025-Q4"


def test_small_groups_and_the_next_smallest_are_not_shown():
    plans = ["a"] * 5 + ["b"] * 40 + ["c"] * 60
    result = measure_kpi(surveys_of([9] * 105, plan=plans), "kpi", by="plan")
    rows = {row["group"].get("plan"): row for row in result.rows}
    assert [rows[name]["suppressed"] for name in (None, "a", "b", "c")] == [
        False,
        True,
        True,
        False,
    ]
    assert rows["a"]["n_obs"] is None
    assert rows["a"]["mean"] is None
    assert rows["a"]["mean_0_100"] is None
    assert rows["a"]["group"] == {"plan": "a"}


def test_attributes_are_those_at_the_response():
    versions = pd.DataFrame(
        {
            "customer_id": ["c0", "c0", "c1"],
            "valid_from": ["2026-01-01", "2026-02-01", "2026-03-01"],
            "plan": ["old", "new", "late"],
        }
    )
    customers = read_customers(versions, attributes=["plan"], valid_from="valid_from")
    surveys = surveys_of(
        [10, 10, 0],
        customer_id=["c0", "c0", "c1"],
        responded_at=["2026-01-20", "2026-02-10", "2026-02-10"],
    )
    result = measure_kpi(surveys, "kpi", by="plan", customers=customers, min_group_size=1)
    sizes = {row["group"].get("plan"): row["n_obs"] for row in result.rows if row["group"]}
    assert sizes == {"old": 1, "new": 1, "(missing)": 1}


def test_responses_without_a_time_still_have_groups():
    frame = pd.DataFrame({"customer_id": ["a", "b"], "nps": [10, 0]})
    plans = pd.DataFrame({"customer_id": ["a", "b"], "plan": ["x", "y"]})
    customers = read_customers(plans, attributes="plan")
    result = measure_kpi(frame, "nps", by="plan", customers=customers, min_group_size=1)
    assert [row["estimate"] for row in result.rows] == [0, 100, -100]


def test_a_text_like_the_missing_label_joins_that_group():
    plans = ["(missing)", None, "<script>alert(1)</script>"]
    result = measure_kpi(surveys_of([10, 0, 9], plan=plans), "kpi", by="plan", min_group_size=1)
    sizes = {row["group"].get("plan"): row["n_obs"] for row in result.rows if row["group"]}
    assert sizes == {"<script>alert(1)</script>": 1, "(missing)": 2}


def test_numeric_groups_are_in_order_of_size():
    seats = [10.0, 2.0, None, 2.5]
    result = measure_kpi(surveys_of([10] * 4, seats=seats), "kpi", by="seats", min_group_size=1)
    assert [row["group"].get("seats") for row in result.rows] == [None, 2, 2.5, 10, "(missing)"]


def test_flat_observations_have_a_kpi_without_periods():
    frame = pd.DataFrame({"score": [5, 4, 3, 1], "churned": [0, 0, 1, 1], "plan": list("aabb")})
    spec = SourceSpec(kind="observations", data=frame, ratings={"csat": RatingSpec("score", CSAT5)})
    result = measure_kpi(open_spec(spec, None), "csat", period="quarter", by="plan")
    assert result.overall()["estimate"] == 50
    assert [row["period"] for row in result.rows] == [None, None, None]


def test_the_public_face():
    frame = pd.DataFrame({"cust": ["a", "b"], "date": ["2026-01-02", "2026-01-03"], "q1": [10, 0]})
    surveys = read_surveys(
        frame, customer_id="cust", responded_at="date", ratings={"nps": ("q1", NPS)}
    )
    result = measure_kpi(surveys, "nps", period="quarter")
    assert isinstance(result, KpiResult)
    assert result.to_section()["rows"][0]["estimate"] == 0
    assert cx.NPS is NPS


# -- against a reference: plain pandas -----------------------------------------------------------


def test_every_cell_agrees_with_pandas():
    rng = np.random.default_rng(4)
    n = 3_000
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in rng.integers(0, 1_500, n)],
            "responded_at": pd.Timestamp("2025-01-01")
            + pd.to_timedelta(rng.integers(0, 500_000, n), "min"),
            "nps": rng.choice(11, n),
            "region": rng.choice(["north", "south", None], n),
        }
    )  # fmt: skip
    surveys = read_surveys(frame, ratings={"nps": ("nps", NPS)}, attributes=["region"])
    result = measure_kpi(surveys, "nps", by="region", period="quarter", min_group_size=1)
    frame["score"] = np.select([frame.nps >= 9, frame.nps >= 7], [100, 0], -100)
    frame["period"] = frame.responded_at.dt.to_period("Q").astype(str).str.replace("Q", "-Q")
    frame["region"] = frame.region.fillna("(missing)")
    cells = frame.groupby(["region", "period"]).agg(
        score=("score", "mean"), mean=("nps", "mean"), median=("nps", "median"), n=("nps", "size")
    )
    found = [row for row in result.rows if row["group"] and row["period"]]
    assert len(found) == len(cells)
    for row in found:
        cell = cells.loc[(row["group"]["region"], row["period"])]
        assert row["estimate"] == pytest.approx(cell.score)
        assert (row["mean"], row["median"], row["n_obs"]) == pytest.approx(
            (cell["mean"], cell["median"], cell.n)
        )


# -- properties ----------------------------------------------------------------------------------


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=40))
def test_nps_is_promoters_less_detractors(ratings: list[int]):
    row = measure_kpi(surveys_of(ratings), "kpi").overall()
    answers = np.array(ratings)
    assert row["estimate"] == pytest.approx(100 * (np.mean(answers >= 9) - np.mean(answers <= 6)))
    assert row["conf_low"] <= row["estimate"] <= row["conf_high"]


def test_two_runs_are_equal():
    surveys = surveys_of([10, 9, 3] * 30, plan=["x", "y", "z"] * 30)
    first, second = (measure_kpi(surveys, "kpi", by="plan", period="month").rows for _ in range(2))
    assert first == second


# -- errors --------------------------------------------------------------------------------------


def test_unknown_rating():
    with pytest.raises(SchemaError, match=r"no rating 'kip'\. Did you mean 'kpi'"):
        measure_kpi(surveys_of([10]), "kip")


def test_unknown_group_column():
    with pytest.raises(SchemaError, match=r"'plam'.*Did you mean 'plan'"):
        measure_kpi(surveys_of([10], plan=["a"]), "kpi", by="plam")


def test_no_rating_left():
    with pytest.raises(InsufficientDataError, match="1 after_as_of"):
        measure_kpi(surveys_of([10]), "kpi", as_of="2026-01-01")


def test_scale_of_a_bare_frame_is_not_guessed():
    with pytest.raises(TypeError, match="scale of 'mood' is not known"):
        measure_kpi(pd.DataFrame({"mood": [1]}), "mood")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"period": "day"}, "year, quarter, month, week"),
        ({"min_group_size": 0}, "1 or more"),
        ({"conf_level": 95}, "between 0 and 1"),
    ],
)
def test_settings_that_make_no_sense(setting, message):
    with pytest.raises(ValueError, match=message):
        measure_kpi(surveys_of([10]), "kpi", **setting)
