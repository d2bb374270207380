"""The observation table as columns on the engine: see ``observations.py`` for what they mean.

A column is there only if some source speaks of it; a value is null only if it cannot be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cxmodel.tables.engines.functions import microseconds_between
from cxmodel.tables.joining.columns import Kind, Written, written
from cxmodel.tables.joining.contacts import LAST_CONTACT, UNRESOLVED
from cxmodel.tables.joining.exact import MICROSECONDS_PER_DAY, days_between
from cxmodel.tables.joining.invitations import INVITED
from cxmodel.tables.joining.outcomes import Outcomes
from cxmodel.tables.joining.repeats import LAST_BOOKING, REPEAT_DAYS
from cxmodel.tables.joining.subscriptions import prorated

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.joining.observation_join import ObservationJoin

BEFORE = ("before", "before_2", "before_3")


def observation_columns(
    join: ObservationJoin, rows: ir.Table, *, rating: str | None, attributes: Sequence[str]
) -> list[Written]:
    """Write every column of the observation table, in order.

    Parameters
    ----------
    join : ObservationJoin
        What was joined.
    rows : ibis table
        What `ObservationJoin.joined` gives.
    rating : str, optional
        The key of the rating that counts.
    attributes : sequence of str
        Columns of `rows` that go along under their own names.
    """
    import ibis

    outcomes = Outcomes(
        rows=rows,
        windows=join.windows,
        rule=join.departures.rule,
        ends_at=join.horizon.ends_at,
    )
    chosen = None if rating is None else f"rating_{rating}"
    others = [n for n in rows.columns if n.startswith("rating_") and n != chosen]
    one = ibis.literal(1, "int64").cast("float64")
    ledger = _has_ledger(rows)
    return [
        *_as_they_are(rows, ("customer_id",), "text"),
        *_as_they_are(rows, ("responded_at",), "time"),
        *([] if chosen is None else _rated(rows[chosen])),
        written("response_weight", "number", one),
        *_before(join, rows),
        *([_revenue(rows, "revenue_after", join.windows.gap_days)] if ledger else []),
        *outcomes.public(),
        *_as_they_are(rows, [n for n in ("touchpoint",) if n in rows.columns], "text"),
        *_as_they_are(rows, attributes, "attribute"),
        *_as_they_are(rows, others, "number"),
        *_hidden(join, rows),
        *outcomes.hidden(),
        *(
            _revenue(rows, f"_revenue_after_g{gap}", gap)
            for gap in (join.windows.timing_gaps if ledger else ())
        ),
    ]


def _as_they_are(rows: ir.Table, names: Sequence[str], kind: Kind) -> list[Written]:
    return [written(name, kind, rows[name]) for name in names]


def _rated(rating: ir.FloatingValue) -> list[Written]:
    return [written("rating", "number", rating), written("band", "band")]


def _has_ledger(rows: ir.Table) -> bool:
    return not {"_booked_before", "_unit_days_before"}.isdisjoint(rows.columns)


def _units(rows: ir.Table, window: str) -> ir.IntegerValue:
    """Add bookings and prorated subscriptions of one window, in whole units."""
    parts = []
    if f"_booked_{window}" in rows.columns:
        parts.append(rows[f"_booked_{window}"])
    if f"_unit_days_{window}" in rows.columns:
        parts.append(prorated(rows[f"_unit_days_{window}"]))
    units = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    return units.cast("int64")


def _revenue(rows: ir.Table, name: str, gap: int) -> Written:
    return written(name, "money", _units(rows, f"after_g{gap}"))


# -- What was known before -----------------------------------------------------------------------


def _before(join: ObservationJoin, rows: ir.Table) -> list[Written]:
    """Everything that lies strictly before the response."""
    columns = []
    if _has_ledger(rows):
        columns += [written(f"revenue_{name}", "money", _units(rows, name)) for name in BEFORE]
    if "contacts_before" in rows.columns:
        columns += _as_they_are(rows, ("contacts_before",), "number")
        columns.append(_days_since(rows, "days_since_contact", rows[LAST_CONTACT]))
    if UNRESOLVED in rows.columns:
        columns += _as_they_are(rows, (UNRESOLVED,), "number")
    if INVITED in rows.columns:
        columns.append(_days_since_invited(rows))
    if "started_at" in rows.columns:
        columns.append(_days_since(rows, "tenure_days", rows.started_at))
    observed_since = _observed_since(join, rows)
    if observed_since is not None:
        days = days_between(observed_since, rows.responded_at)
        columns.append(written("days_observed_before", "number", _not_negative(days)))
    return columns


def _days_since(rows: ir.Table, name: str, start: ir.TimestampValue) -> Written:
    return written(name, "number", days_between(start, rows.responded_at))


def _days_since_invited(rows: ir.Table) -> Written:
    """Days from the invitation to its answer; an answer dated before its invitation has none."""
    import ibis

    invited_at = rows[INVITED]
    known = ibis.ifelse(
        invited_at <= rows.responded_at, invited_at, ibis.null("timestamp(6)")
    )  # fmt: skip
    return _days_since(rows, "days_since_invited", known)


def _not_negative(number: ir.FloatingValue) -> ir.FloatingValue:
    # Some engines take the greatest of null and 0 to be 0.
    import ibis

    return ibis.ifelse(number < 0.0, ibis.literal(0.0, "float64"), number)


def _observed_since(join: ObservationJoin, rows: ir.Table) -> ir.TimestampValue | None:
    """When each customer's history begins: their start or the ledger's, whichever is later."""
    import ibis

    starts_at = join.horizon.ledger_starts_at
    if starts_at is None:
        return rows.started_at if "started_at" in rows.columns else None
    ledger = ibis.literal(starts_at, "timestamp(6)")
    if "started_at" not in rows.columns:
        return ledger
    # Where the customer's start is missing the ledger's stands.
    return ibis.ifelse((rows.started_at > ledger).fill_null(False), rows.started_at, ledger)


# -- For the models ------------------------------------------------------------------------------


def _hidden(join: ObservationJoin, rows: ir.Table) -> list[Written]:
    import ibis

    columns = [
        written("_share", "one_of", rows["_n_of_customer"]),
        written("_status", "text", _status(rows)),
        written("_month", "month", rows["_month_number"]),
    ]
    starts_at = join.horizon.ledger_starts_at
    if starts_at is not None:
        ledger = ibis.literal(starts_at, "timestamp(6)")
        since = microseconds_between(ledger, rows.responded_at).cast("float64")
        lookback = float(join.windows.lookback_days * MICROSECONDS_PER_DAY)
        columns.append(written("_history_windows", "number", since / lookback))
    if LAST_BOOKING in rows.columns:
        columns.append(_days_since_booking(rows))
    if "_agent" in rows.columns:
        columns += _as_they_are(rows, ("_agent",), "text")
    return columns


def _days_since_booking(rows: ir.Table) -> Written:
    """Days since the last booking, as far back as answers count as repeats."""
    import ibis

    days = days_between(rows[LAST_BOOKING], rows.responded_at)
    near = ibis.ifelse(days <= float(REPEAT_DAYS), days, ibis.null("float64"))
    return written("_days_since_booking", "number", near)


def _status(rows: ir.Table) -> ir.StringValue:
    import ibis

    tests = []
    if "started_at" in rows.columns:
        is_early = (rows.responded_at < rows.started_at).fill_null(False)
        tests.append((is_early, "before_start"))
    if "_has_left" in rows.columns:
        tests.append((rows["_has_left"].fill_null(False), "churned_before_response"))
    ok = ibis.literal("ok")
    return ibis.cases(*tests, else_=ok) if tests else ok
