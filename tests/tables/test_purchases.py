"""Purchase histories from a ledger: merged days, refunds, holdouts, equal rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purchase_ledgers import read_cdnow

import cxmodel as cx
from cxmodel.errors import InsufficientDataError, SchemaError
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.tables.sources import Source

Row = tuple[str | None, str | None, float | None]


def ledger(*rows: Row, currency: str = "USD", **options: object) -> Source:
    frame = pd.DataFrame(rows, columns=["customer_id", "booked_at", "amount"])
    return cx.read_revenue(frame, currency=currency, **options)  # type: ignore[arg-type]


def summarize(*rows: Row, **options: object) -> PurchaseSummary:
    return cx.summarize_purchases(ledger(*rows), **options)  # type: ignore[arg-type]


# -- Worked by hand --------------------------------------------------------------------------------


def test_days_are_merged_and_money_is_exact() -> None:
    rfm = summarize(
        ("a", "2026-01-01 09:00", 0.1),
        ("a", "2026-01-15 08:00", 0.1),
        ("a", "2026-01-15 23:59", 0.2),
        ("a", "2026-01-22", 0.3),
        as_of="2026-01-29",
        unit_days=7,
    )
    # 0.1 + 0.2 on the 15th, 0.3 on the 22nd: a mean of 0.3, where floats give 0.30000000000000004
    assert rfm.to_frame().to_dict("list") == {
        "frequency": [2.0],
        "recency": [3.0],
        "T": [4.0],
        "monetary_value": [0.3],
        "n_customers": [1],
    }
    assert rfm.audit.n_merged == 1


def test_equal_histories_stand_together() -> None:
    rfm = summarize(
        ("a", "2026-01-01", 5.0),
        ("b", "2026-01-01", 9.0),
        ("c", "2026-01-02", 9.0),
        as_of="2026-01-11",
    )
    # what the first purchase cost is in no history
    assert rfm.T.tolist() == [9.0, 10.0]
    assert rfm.n_customers.tolist() == [1, 2]
    assert np.isnan(rfm.monetary_value).all()


def test_a_refund_is_taken_off_the_purchase_before_it() -> None:
    rfm = summarize(
        ("a", "2026-01-01", 10.0),
        ("a", "2026-01-11", 30.0),
        ("a", "2026-01-13", -12.0),
        ("a", "2026-01-21", 40.0),
        as_of="2026-01-31",
    )
    # (30 - 12 + 40) / 2
    assert rfm.monetary_value.tolist() == [29.0]
    assert rfm.frequency.tolist() == [2.0]
    assert (rfm.audit.n_refunds, rfm.audit.refunds) == (1, -12.0)
    assert "1 refund(s), -12.00 USD" in " ".join(rfm.caveats)


def test_what_was_given_back_in_full_is_no_purchase() -> None:
    rfm = summarize(
        ("a", "2026-01-01", 10.0),
        ("a", "2026-01-02", -10.0),
        ("a", "2026-01-11", 30.0),
        ("a", "2026-01-21", 30.0),
        ("b", "2026-01-01", 20.0),
        ("b", "2026-01-05", -25.0),
        ("c", "2026-01-03", -4.0),
        ("c", "2026-01-04", 6.0),
        as_of="2026-01-31",
    )
    # a starts on the 11th; b gave back more than it had paid; c's refund has no purchase before it
    assert rfm.frequency.tolist() == [0.0, 1.0]
    assert rfm.T.tolist() == [27.0, 20.0]
    audit = rfm.audit
    assert (audit.n_returned, audit.n_negative, audit.negative) == (2, 1, -5.0)
    assert (audit.n_refunds_before, audit.refunds_before) == (1, -4.0)
    assert audit.n_customers_left_out == 1
    assert "more was given back than had been paid (-5.00 USD)" in " ".join(rfm.caveats)


def test_free_purchases_count() -> None:
    rfm = summarize(("a", "2026-01-01", 0.0), ("a", "2026-01-05", 0.0), as_of="2026-01-06")
    assert rfm.frequency.tolist() == [1.0]
    assert rfm.monetary_value.tolist() == [0.0]


def test_the_holdout_is_kept_apart_and_later_refunds_are_not_known_yet() -> None:
    rfm = summarize(
        ("a", "2026-01-01", 10.0),
        ("a", "2026-01-11", 30.0),
        ("a", "2026-02-05", -30.0),
        ("a", "2026-02-10", 50.0),
        ("b", "2026-02-01", 9.0),
        ("c", "2026-03-01", 1.0),
        as_of="2026-02-28",
        holdout_from="2026-02-01",
    )
    assert rfm.learnt_until == dt.date(2026, 1, 31)
    assert rfm.frequency.tolist() == [1.0]
    assert rfm.T.tolist() == [30.0]
    assert rfm.monetary_value.tolist() == [30.0]
    assert rfm.holdout_frequency is not None
    assert rfm.holdout_frequency.tolist() == [1.0]
    assert rfm.holdout_duration == 28.0
    # the refund of February stands before any purchase of that month; b is new, c comes too late
    assert rfm.audit.n_refunds_before == 1
    assert rfm.audit.n_customers_left_out == 1
    assert rfm.audit.not_used["after_as_of"] == 1
    assert rfm.repeats_by_day is not None
    assert rfm.repeats_by_day[1].tolist() == [1, 1]


def test_rows_that_cannot_be_used_are_counted_once() -> None:
    rfm = summarize(
        (None, None, 5.0),
        ("a", None, 5.0),
        ("a", "2026-01-01", None),
        ("a", "2026-01-02", 5.0),
        ("a", "2026-01-09", 5.0),
        as_of="2026-01-05",
    )
    assert rfm.audit.not_used == {
        "missing_customer_id": 1,
        "missing_booked_at": 1,
        "missing_amount": 1,
        "after_as_of": 1,
    }
    assert rfm.audit.n_bookings == 5


def test_days_are_those_of_the_ledger_s_time_zone() -> None:
    rows = (("a", "2026-01-01 23:30", 1.0), ("a", "2026-01-02 00:30", 1.0))
    here = cx.summarize_purchases(ledger(*rows, time_zone="Europe/Berlin"), as_of="2026-01-03")
    assert here.frequency.tolist() == [1.0]
    assert here.as_of == dt.date(2026, 1, 3)


def test_covariates_come_from_customers_and_from_ratings_known_by_then() -> None:
    revenue = ledger(("a", "2026-01-01", 1.0), ("b", "2026-01-01", 1.0), ("c", "2026-01-01", 1.0))
    customers = cx.read_customers(
        pd.DataFrame({"customer_id": ["a", "b", "c"], "size": [1.0, 1.0, 3.0]}), attributes="size"
    )
    surveys = cx.read_surveys(
        pd.DataFrame(
            {
                "customer_id": ["a", "a", "a", "b"],
                "responded_at": ["2026-01-01", "2026-01-02", "2026-01-20", "2026-01-03"],
                "q": [8, 10, 0, 9],
            }
        ),
        ratings={"nps": ("q", cx.NPS)},
    )
    rfm = cx.summarize_purchases(
        revenue,
        as_of="2026-01-10",
        covariates=["size", "nps"],
        customers=customers,
        surveys=surveys,
    )
    # a: (8 + 10) / 2, the answer of the 20th is not known yet; c never answered
    assert rfm.n_customers.tolist() == [2]
    assert {name: values.tolist() for name, values in rfm.covariates.items()} == {
        "size": [1.0],
        "nps": [9.0],
    }
    assert rfm.audit.n_missing_covariate == 1
    assert "1 customer(s) were left out: a covariate is not known." in rfm.caveats


# -- Published -------------------------------------------------------------------------------------


def test_cdnow_as_published(data_dir: Path) -> None:
    # 2,357 customers, sum x = 2,457, 1,882 repeats in the holdout, 946 repeat buyers
    rfm = read_cdnow(data_dir)
    assert rfm.total_customers == 2357
    assert rfm.total_repeats == 2457
    assert rfm.n_repeat_customers == 946
    assert rfm.holdout_frequency is not None
    assert int(rfm.n_customers @ rfm.holdout_frequency) == 1882
    assert rfm.holdout_duration == 39.0
    # Fader, Hardie & Lee (2005), table 1: the first customers; T = 38.86 weeks from 1 January
    assert rfm.T.max() == pytest.approx(38.857, abs=1e-3)
    assert len(rfm.frequency) < 1300


# -- Properties ------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 40), st.integers(-300, 900)),
        min_size=1,
        max_size=30,
    ),
    st.randoms(),
)
def test_the_order_of_rows_does_not_matter_and_python_agrees(
    rows: list[tuple[str, int, int]], random: np.random.Generator
) -> None:
    bookings = [
        (who, f"{dt.date(2026, 1, 1) + dt.timedelta(days=day)}", cents / 100)
        for who, day, cents in rows
    ]
    expected = _histories_in_python(rows)
    if not expected:
        return
    found = summarize(*bookings, as_of="2026-03-01")
    random.shuffle(bookings)
    again = summarize(*bookings, as_of="2026-03-01")
    pd.testing.assert_frame_equal(found.to_frame(), again.to_frame())
    frame = found.to_frame()
    listed = [
        (row.frequency, row.recency, row["T"], round(row.monetary_value * row.frequency * 100))
        if row.frequency
        else (0.0, 0.0, row["T"], 0)
        for _, row in frame.iterrows()
        for _ in range(int(row.n_customers))
    ]
    assert sorted(listed) == sorted(expected)


def _histories_in_python(rows: list[tuple[str, int, int]]) -> list[tuple[float, ...]]:
    """The same rules, a customer and a day at a time."""
    end = (dt.date(2026, 3, 1) - dt.date(2026, 1, 1)).days
    found = []
    for who in sorted({row[0] for row in rows}):
        purchases: list[list[int]] = []
        for day in sorted({d for w, d, _ in rows if w == who}):
            cents = [c for w, d, c in rows if (w, d) == (who, day)]
            if any(c >= 0 for c in cents):
                purchases.append([day, 0, 0])
            if purchases:
                purchases[-1][1] += sum(cents)
                purchases[-1][2] += sum(c < 0 for c in cents)
        kept = [p for p in purchases if p[1] > 0 or p[2] == 0]
        if kept:
            first, last = kept[0][0], kept[-1][0]
            spend = sum(p[1] for p in kept[1:])
            found.append((float(len(kept) - 1), float(last - first), float(end - first), spend))
    return found


# -- Errors ----------------------------------------------------------------------------------------


def test_bad_arguments_teach() -> None:
    revenue = ledger(("a", "2026-01-05", 1.0))
    with pytest.raises(ValueError, match="unit_days must be a positive number of days, not 0"):
        cx.summarize_purchases(revenue, unit_days=0)
    with pytest.raises(ValueError, match=r"as_of \(2025-01-01\) lies before all bookings"):
        cx.summarize_purchases(revenue, as_of="2025-01-01")
    with pytest.raises(
        ValueError, match=r"as_of must be a day written like 2026-06-30, not '30\.6\.26'"
    ):
        cx.summarize_purchases(revenue, as_of="30.6.26")
    with pytest.raises(ValueError, match="holdout_from must be a day written like"):
        cx.summarize_purchases(revenue, holdout_from="June")
    with pytest.raises(ValueError, match="must lie after the first booking"):
        cx.summarize_purchases(revenue, holdout_from="2026-01-05", as_of="2026-02-01")
    with pytest.raises(ValueError, match="not after as_of"):
        cx.summarize_purchases(revenue, holdout_from="2026-03-05", as_of="2026-02-01")
    with pytest.raises(TypeError, match=r"revenue must come from cxmodel\.read_revenue"):
        cx.summarize_purchases(pd.DataFrame())  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="no covariate 'size'"):
        cx.summarize_purchases(revenue, covariates="size")


def test_bookings_of_the_future_do_not_say_how_far_the_data_reach() -> None:
    rfm = summarize(("a", "2026-01-05", 1.0), ("a", "2026-01-09", 1.0), ("b", "2150-01-01", 1.0))
    assert rfm.as_of == dt.date(2026, 1, 9)
    assert rfm.audit.not_used["after_as_of"] == 1
    with pytest.raises(ValueError, match=r"Every booking lies after today \(the first: 2150-01-01"):
        summarize(("b", "2150-01-01", 1.0))


def test_a_covariate_that_is_text_is_refused() -> None:
    customers = cx.read_customers(
        pd.DataFrame({"customer_id": ["a"], "plan": ["gold"]}), attributes="plan"
    )
    with pytest.raises(SchemaError, match="'plan' is string, not a number"):
        cx.summarize_purchases(
            ledger(("a", "2026-01-05", 1.0)), covariates="plan", customers=customers
        )


def test_refunds_alone_are_no_purchases() -> None:
    with pytest.raises(InsufficientDataError, match="no customer has a purchase until 2026-01-06"):
        summarize(("a", "2026-01-05", -1.0), as_of="2026-01-06")
