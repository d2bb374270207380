"""Facts of the real data that are known beforehand; skipped where the data are not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxmodel.kpis.service import service_kpis
from cxmodel.kpis.survey import measure_kpi
from cxmodel.scales import CSAT5
from cxmodel.tables.readers import read_interactions, read_invitations, read_surveys

US = "%m/%d/%Y %H:%M"


@pytest.fixture(scope="module")
def orders(request: pytest.FixtureRequest) -> pd.DataFrame:
    folder = Path(request.getfixturevalue("data_dir")) / "olist"
    table = pd.read_csv(folder / "olist_orders_dataset.csv", dtype=str)
    people = pd.read_csv(folder / "olist_customers_dataset.csv", dtype=str)
    reviews = pd.read_csv(folder / "olist_order_reviews_dataset.csv", dtype=str)
    merged = table.merge(people, on="customer_id").merge(reviews, on="order_id", how="left")
    times = {
        name: pd.to_datetime(merged[name], format=US)
        for name in merged
        if name[-4:] in ("date", "tamp")
    }
    return merged.assign(**times)  # fmt: skip


def test_reviews_of_late_deliveries(orders):
    # published.md: mean review on time 4.32, late 2.61
    is_late = orders.order_delivered_customer_date > orders.order_estimated_delivery_date
    late = is_late.map({True: "late", False: "on time"})
    late = late.where(orders.order_delivered_customer_date.notna())
    frame = pd.DataFrame(
        {
            "customer_id": orders.customer_unique_id,
            "responded_at": orders.review_answer_timestamp,
            "score": orders.review_score.astype(float),
            "delivery": late,
        }
    )
    frame = frame.dropna(subset="responded_at")
    surveys = read_surveys(frame, ratings={"review": ("score", CSAT5)}, attributes="delivery")
    result = measure_kpi(surveys, "review", by="delivery")
    means = {row["group"].get("delivery"): row["mean"] for row in result.rows}
    assert means["on time"] == pytest.approx(4.32, abs=5e-3)
    assert means["late"] == pytest.approx(2.61, abs=5e-3)
    # two of the 4,988 reviews are equal in person, minute and score
    n_copies = result.dropped["review"]["duplicate_response"]
    assert (result.overall()["n_obs"], n_copies) == (4_987, 1)


def test_late_rate_of_deliveries(orders):
    deliveries = orders.drop_duplicates("order_id")
    frame = pd.DataFrame(
        {
            "customer_id": deliveries.customer_unique_id,
            "started_at": deliveries.order_purchase_timestamp,
            "resolved_at": deliveries.order_delivered_customer_date,
            "resolve_by": deliveries.order_estimated_delivery_date,
        }
    )
    row = service_kpis(read_interactions(frame), as_of="2018-09-20").overall("late_rate")
    end = pd.Timestamp("2018-09-21")
    is_done = frame.resolved_at < end
    is_late = (frame.resolved_at > frame.resolve_by).where(is_done, frame.resolve_by < end)
    is_known = (frame.started_at < end) & (is_done | (frame.resolve_by < end))
    assert row["n_obs"] == is_known.sum()
    assert row["estimate"] == pytest.approx(100 * is_late[is_known].mean())


def test_ravenstack_tickets_that_were_answered(data_dir):
    # published.md: 2,000 tickets, 1,175 with a satisfaction score
    path = data_dir / "ravenstack" / "ravenstack_supports_ticket.csv"
    ids = {"customer_id": "account_id", "invitation_id": "ticket_id"}
    formats = ["%d-%m-%Y", "%d-%m-%Y %H:%M"]
    surveys = read_surveys(
        path,
        ratings={"csat": ("satisfaction_score", CSAT5)},
        responded_at="closed_at",
        date_format=formats,
        **ids,
    )
    asked = read_invitations(path, invited_at="closed_at", date_format=formats, **ids)
    row = service_kpis(invitations=asked, surveys=surveys).overall("response_rate")
    assert (row["estimate"], row["n_obs"]) == (pytest.approx(100 * 1_175 / 2_000), 2_000)
    csat = measure_kpi(surveys, "csat")
    assert csat.overall()["n_obs"] == 1_175
    assert csat.dropped["csat"]["missing_rating"] == 825
