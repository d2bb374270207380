"""Exact sums on the engine, and the labels and order of groups and periods."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from cxmodel.kpis.groups import (
    CLUSTER,
    LONE_ROW,
    Moments,
    Slot,
    distributions,
    group_label,
    moments,
    own_columns,
    slot_order,
    with_clusters,
    with_periods,
)
from cxmodel.kpis.periods import check_period, period_label
from cxmodel.stats.intervals import effective_n
from cxmodel.tables.engines.engine import default_session


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    n = 500
    return pd.DataFrame(
        {
            "row_number": np.arange(n),
            "customer_id": rng.choice([*(f"c{i}" for i in range(120)), None], n),
            "responded_at": pd.Timestamp("2025-11-01")
            + pd.to_timedelta(rng.integers(0, 300_000, n), "min"),
            "region": rng.choice(["north", "south", None], n),
            "score": rng.integers(-1, 2, n),
        }
    )


@pytest.fixture(scope="module")
def table(frame: pd.DataFrame):
    return with_clusters(default_session().register(frame, "groups"))


# -- worked by hand ------------------------------------------------------------------------------


def test_moments_by_hand():
    # scores 1, 1 of one customer, 0 of another: mean 2/3; deviations 2/3 and -2/3
    sums = Moments(3, 2, 2, 2, 4, 4, 5)
    assert sums.mean == pytest.approx(2 / 3)
    assert sums.variance == pytest.approx(1 / 3)
    # between = 2 x (2/3)^2, simple = 2/3, corrections 2 / (3/2)
    assert sums.n_effective == pytest.approx(3 / ((8 / 9) / (2 / 3) * (2 / 1.5)))


def test_labels_of_periods():
    day = dt.date(2024, 12, 30)
    assert [period_label(day, p) for p in ("year", "quarter", "month", "week")] == [
        "2024",
        "2024-Q4",
        "2024-12",
        "2025-W01",
    ]


def test_labels_of_groups():
    values = [None, float("nan"), 3.0, 2.5, True, "x", dt.date(2026, 1, 1)]
    labels = ["(missing)", "(missing)", 3, 2.5, True, "x", "2026-01-01"]
    assert [group_label(value) for value in values] == labels


def test_order_of_slots():
    day = dt.date(2026, 1, 1)
    slots = [
        Slot(),
        Slot(start=day),
        Slot("seats", 2),
        Slot("seats", 10),
        Slot("seats", "(missing)"),
        Slot("plan", "b", day),
    ]
    shuffled = [slots[place] for place in (3, 0, 5, 1, 4, 2)]
    assert sorted(shuffled, key=lambda s: slot_order(s, ["seats", "plan"])) == slots


# -- against a reference: arrays -----------------------------------------------------------------


def test_engine_sums_agree_with_arrays(frame, table):
    whole = moments(table, ["region"], "score")
    customers = frame.customer_id.where(
        frame.customer_id.notna(), "row " + frame.row_number.astype(str)
    )
    regions = {Slot(): frame.region.notna() | frame.region.isna()}
    regions |= {Slot("region", name): frame.region == name for name in ("north", "south")}
    regions[Slot("region", "(missing)")] = frame.region.isna()
    assert whole.keys() == regions.keys()
    for slot, rows in regions.items():
        expected = effective_n(frame.score[rows], clusters=customers[rows].astype(str))
        assert whole[slot].n == rows.sum()
        assert whole[slot].mean == pytest.approx(frame.score[rows].mean())
        assert whole[slot].variance == pytest.approx(frame.score[rows].var())
        assert whole[slot].n_effective == pytest.approx(expected)


def test_large_scores_do_not_overflow():
    # squared milliseconds of four weeks do not fit in 64 bits once summed
    big = 4_000_000_000
    frame = pd.DataFrame({"row_number": range(4), "customer_id": list("aabb"), "score": [big] * 4})
    table = with_clusters(default_session().register(frame, "large"))
    sums = moments(table, [], "score", is_wide=True)[Slot()]
    assert (sums.total_squares, sums.squared_totals) == (4 * big**2, 8 * big**2)


def test_distributions_count_every_value(frame, table):
    found = distributions(table, [], ["score"])[Slot()]
    assert dict(found) == frame.score.value_counts().to_dict()
    assert found == sorted(found)


def test_periods_agree_with_pandas_in_a_zone_with_summer_time(frame, table):
    zone = "Europe/Berlin"
    timed = with_periods(table, "month", at="responded_at", time_zone=zone)
    counts = distributions(timed, [], ["score"])
    starts = {slot.start: sum(n for _, n in pairs) for slot, pairs in counts.items() if slot.start}
    local = frame.responded_at.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    expected = local.dt.to_period("M").dt.start_time.dt.date.value_counts().to_dict()
    assert starts == expected


def test_rows_without_a_customer_are_their_own_cluster(frame, table):
    nobody = int(frame.customer_id.isna().sum())
    pairs = table.select(CLUSTER, LONE_ROW).distinct().count().to_pyarrow().as_py()
    assert pairs == frame.customer_id.nunique() + nobody


def test_ids_times_and_ratings_are_no_groups(table):
    assert own_columns(table) == ["region", "score"]


# -- errors --------------------------------------------------------------------------------------


def test_unknown_period():
    with pytest.raises(ValueError, match="not 'day'"):
        check_period("day")
