"""From the rows of the engine to the columns that people and models read.

Whole units become money, times become days, and what is not known stays out: a column is there only
if some source speaks of it, a value is missing only if it cannot be known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.scales import Scale
from cxmodel.tables.joining.arrow_columns import (
    DAY,
    ArrowColumns,
    Flags,
    Floats,
    Times,
    as_text,
    days_between,
    month_names,
)
from cxmodel.tables.joining.subscriptions import prorated
from cxmodel.tables.observation_table import Windows

if TYPE_CHECKING:
    import pyarrow as pa

    from cxmodel.tables.joining.observation_join import ObservationJoin

BEFORE = ("revenue_before", "revenue_before_2", "revenue_before_3")


def observation_frame(
    rows: pa.Table,
    join: ObservationJoin,
    *,
    rating: str | None,
    scale: Scale | None,
    attributes: tuple[str, ...],
    units_per_money: int,
) -> pd.DataFrame:
    """Write the observation table: see ``observations.py`` for what the columns mean.

    Parameters
    ----------
    rows : pyarrow.Table
        What `ObservationJoin.table` gave, in order.
    join : ObservationJoin
        What it was made of.
    rating, scale : optional
        The rating that counts.
    attributes : tuple of str
        Columns of `rows` that go along under their own names.
    units_per_money : int
        Whole units in one unit of currency.
    """
    reader = _Rows(rows, join)
    public: dict[str, Any] = {
        "customer_id": reader.text("customer_id"),
        "responded_at": reader.responded_at,
    }
    if rating is not None:
        public["rating"] = reader.number(f"rating_{rating}")
    if rating is not None and scale is not None:
        public["band"] = bands_of(public["rating"], scale)
    public["response_weight"] = np.ones(reader.n_rows)
    public |= _controls(reader, units_per_money)
    revenue = reader.revenue_after(units_per_money)
    gap = join.windows.gap_days
    if revenue:
        public["revenue_after"] = revenue[gap]
    outcomes = _outcomes(reader)
    public |= outcomes.public
    if "touchpoint" in rows.column_names:
        public["touchpoint"] = reader.text("touchpoint")
    public |= {name: reader.attribute(name) for name in attributes}
    public |= {
        name: reader.number(name)
        for name in rows.column_names
        if name.startswith("rating_") and name != f"rating_{rating}"
    }
    hidden = _hidden(reader) | outcomes.hidden
    hidden |= {f"_revenue_after_g{g}": values for g, values in revenue.items()}
    return pd.DataFrame(public | hidden)


def dated_after_response(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, int]:
    """Count, for attributes that hold dates, the responses that came before that date.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {"responded_at": [dt.datetime(2025, 6, 15)] * 2, "left": ["2025-07-01", None]}
    ... )
    >>> dated_after_response(frame, ["left"])
    {'left': 1}
    """
    counts = {}
    for name in names:
        dates = pd.to_datetime(frame[name], format="ISO8601", utc=True).dt.tz_localize(None)
        counts[name] = int((dates > frame["responded_at"]).sum())
    return counts


def bands_of(ratings: npt.ArrayLike, scale: Scale) -> pd.Series[Any]:
    """Name the band of each rating; missing stays missing.

    Examples
    --------
    >>> from cxmodel.scales import NPS
    >>> bands_of([10, 7, 3], NPS).tolist()
    ['promoter', 'passive', 'detractor']
    """
    values = pd.Series(np.asarray(ratings, dtype=float))
    names = {rating: scale.band(rating) for rating in values.dropna().unique()}
    return as_text(values.map(names))


class _Rows(ArrowColumns):
    """The engine's rows, and what they were made of."""

    def __init__(self, rows: pa.Table, join: ObservationJoin) -> None:
        super().__init__(rows)
        self.join = join
        self.responded_at = self.time("responded_at")

    def money(self, name: str, units_per_money: int) -> Floats:
        """Bookings and prorated subscriptions of one window, divided once."""
        units = np.zeros(self.n_rows, dtype=np.int64)
        if self.has(f"booked_{name}"):
            units += self.whole(f"booked_{name}")
        if self.has(f"unit_days_{name}"):
            units += prorated(self.whole(f"unit_days_{name}"))
        return units / units_per_money

    @property
    def has_ledger(self) -> bool:
        return self.has("booked_before") or self.has("unit_days_before")

    def revenue_after(self, units_per_money: int) -> dict[int, Floats]:
        if not self.has_ledger:
            return {}
        gaps = self.join.windows.timing_gaps
        return {gap: self.money(f"after_g{gap}", units_per_money) for gap in gaps}

    def days_since(self, start: Any) -> Floats:
        """Days from a time (or an array of them) to the response; missing where it is."""
        return days_between(start, self.responded_at)


def _controls(reader: _Rows, units_per_money: int) -> dict[str, Any]:
    """Everything known before the response."""
    controls: dict[str, Any] = {}
    if reader.has_ledger:
        for name in BEFORE:
            window = name.removeprefix("revenue_")
            controls[name] = reader.money(window, units_per_money)
    if reader.has("contacts_before"):
        controls["contacts_before"] = reader.whole("contacts_before").astype(float)
    if reader.has("started_at"):
        controls["tenure_days"] = reader.days_since(reader.time("started_at"))
    observed_since = _observed_since(reader)
    if observed_since is not None:
        controls["days_observed_before"] = np.maximum(reader.days_since(observed_since), 0.0)
    return controls


def _observed_since(reader: _Rows) -> Times | None:
    """When each customer's history begins: their start or the ledger's, whichever is later."""
    starts = []
    if reader.has("started_at"):
        starts.append(reader.time("started_at"))
    ledger = reader.join.horizon.ledger_starts_at
    if ledger is not None:
        starts.append(np.full(reader.n_rows, np.datetime64(ledger, "us")))
    if not starts:
        return None
    # fmax knows no times: where the customer's start is missing the ledger's stands.
    latest = starts[0]
    for other in starts[1:]:
        latest = np.where(np.isnat(latest) | (other > latest), other, latest)
    return latest


def _hidden(reader: _Rows) -> dict[str, Any]:
    hidden: dict[str, Any] = {
        "_share": 1.0 / reader.whole("n_of_customer"),
        "_status": _status(reader),
        "_month": month_names(reader.whole("month_number")),
    }
    ledger = reader.join.horizon.ledger_starts_at
    if ledger is not None:
        lookback = reader.join.windows.lookback_days * DAY
        since = reader.responded_at - np.datetime64(ledger, "us")
        hidden["_history_windows"] = np.asarray(since / lookback, dtype=float)
    if reader.has("agent"):
        hidden["_agent"] = reader.text("agent")
    return hidden


def _status(reader: _Rows) -> pd.Series[Any]:
    status = np.full(reader.n_rows, "ok", dtype=object)
    status[has_left(reader)] = "churned_before_response"
    if reader.has("started_at"):
        status[reader.responded_at < reader.time("started_at")] = "before_start"
    return as_text(pd.Series(status))


def has_left(reader: _Rows) -> Flags:
    """Say who had left at the response and was not back."""
    if not reader.has("has_left"):
        return np.zeros(reader.n_rows, dtype=bool)
    return reader.flag("has_left")


class _Outcomes:
    """The outcome columns: those for everyone, and those for the models."""

    def __init__(self, public: Mapping[str, Any], hidden: Mapping[str, Any]) -> None:
        self.public, self.hidden = dict(public), dict(hidden)


def _outcomes(reader: _Rows) -> _Outcomes:
    windows, ends_at = reader.join.windows, reader.join.horizon.ends_at
    gaps = windows.timing_gaps
    complete = {gap: _is_complete(reader, windows, gap, ends_at) for gap in gaps}
    hidden: dict[str, Any] = {f"_complete_g{gap}": complete[gap] for gap in gaps}
    public: dict[str, Any] = {}
    everyone = np.ones(reader.n_rows, dtype=bool)
    hidden |= {"_at_risk": everyone, "_left_in_gap": ~everyone}
    rule = reader.join.departures.rule
    if rule == "inactivity":
        public, by_gap = _by_inactivity(reader, complete)
    elif rule is not None:
        public, by_gap = _by_departures(reader, complete)
    else:
        public, by_gap = {}, {f"_present_g{gap}": everyone for gap in gaps}
    hidden |= by_gap
    public["outcome_complete"] = complete[windows.gap_days]
    return _Outcomes(public, hidden)


def _is_complete(reader: _Rows, windows: Windows, gap: int, ends_at: dt.datetime | None) -> Flags:
    """Say whose outcome window ends before the data do; with no end known all do."""
    if ends_at is None:
        return np.ones(reader.n_rows, dtype=bool)
    end = reader.responded_at + (gap + windows.outcome_days) * DAY
    return np.asarray(end < np.datetime64(ends_at, "us"))


def _by_departures(
    reader: _Rows, complete: Mapping[int, Flags]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outcomes where departures have dates."""
    windows = reader.join.windows
    next_left = reader.time("next_left_at")
    had_left = has_left(reader)
    days_to_leave = days_between(reader.responded_at, next_left)
    hidden: dict[str, Any] = {}
    for gap in windows.timing_gaps:
        opens = reader.responded_at + gap * DAY
        closes = opens + windows.outcome_days * DAY
        # A comparison with a missing time is False: whoever never left is past every window.
        is_gone_early = next_left <= opens
        is_inside = (next_left > opens) & (next_left <= closes)
        churned = np.where(is_inside, 1.0, np.where(complete[gap], 0.0, np.nan))
        hidden[f"_churned_g{gap}"] = np.where(had_left | is_gone_early, np.nan, churned)
        hidden[f"_present_g{gap}"] = ~is_gone_early
    hidden["_left_in_gap"] = ~hidden[f"_present_g{windows.gap_days}"]
    event = ~np.isnat(next_left) & ~had_left
    duration, event = _censored(reader, days_to_leave, event, had_left)
    hidden["_event"] = event
    public = {
        "churned": hidden[f"_churned_g{windows.gap_days}"],
        "duration_days": duration,
    }
    return public, hidden


def _by_inactivity(
    reader: _Rows, complete: Mapping[int, Flags]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outcomes where only silence says that a customer left."""
    windows = reader.join.windows
    at_risk = reader.whole("n_active_g0") > 0
    hidden: dict[str, Any] = {"_at_risk": at_risk}
    for gap in windows.timing_gaps:
        has_stayed = reader.whole(f"n_stayed_g{gap}") > 0
        is_present = ~at_risk | (reader.whole(f"n_active_g{gap}") > 0)
        known = complete[gap] & is_present
        hidden[f"_churned_g{gap}"] = np.where(known, np.where(has_stayed, 0.0, 1.0), np.nan)
        hidden[f"_present_g{gap}"] = is_present
    hidden["_left_in_gap"] = ~hidden[f"_present_g{windows.gap_days}"]
    silent_from = reader.time("last_booked_at") + (windows.inactive_days or 0) * DAY
    ends_at = reader.join.horizon.ends_at
    event = np.zeros(reader.n_rows, dtype=bool)
    if ends_at is not None:
        event = silent_from < np.datetime64(ends_at, "us")
    had_left = ~(silent_from >= reader.responded_at)
    days_to_leave = days_between(reader.responded_at, silent_from)
    duration, event = _censored(reader, days_to_leave, event & ~had_left, had_left)
    hidden["_event"] = event
    public = {
        "churned": hidden[f"_churned_g{windows.gap_days}"],
        "duration_days": duration,
    }
    return public, hidden


def _censored(
    reader: _Rows, days_to_leave: Floats, event: Flags, had_left: Flags
) -> tuple[Floats, Flags]:
    """Cut durations off at ``as_of``; without one nobody's duration is known."""
    ends_at = reader.join.horizon.ends_at
    if ends_at is None:
        return np.full(reader.n_rows, np.nan), np.zeros(reader.n_rows, dtype=bool)
    to_the_end = days_between(reader.responded_at, np.datetime64(ends_at, "us"))
    duration = np.where(event, days_to_leave, to_the_end)
    return np.where(had_left, np.nan, duration), event
