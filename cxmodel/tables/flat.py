"""Observations from a table that came already joined: one row per customer, outcome beside rating.

Nothing is joined and nothing is dated, so such a table cannot say what came first; the models are
told so by ``is_joined``.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from cxmodel.errors import ConfigError, SchemaError, nearest
from cxmodel.tables.auditing.audit import (
    REASON,
    ResponseCounts,
    count_reasons,
    label_responses,
)
from cxmodel.tables.auditing.questions import whole_numbers
from cxmodel.tables.contracts import EARLIEST, LATEST
from cxmodel.tables.joining.attributes import dated_after_response
from cxmodel.tables.joining.columns import Kind, Written, written
from cxmodel.tables.joining.observation_frame import keep_observations
from cxmodel.tables.joining.scratch import scratch_tables
from cxmodel.tables.observation_table import Observations, Windows, days_in_words
from cxmodel.tables.opening.money import unit_digits
from cxmodel.tables.times.calendar_days import Calendar
from cxmodel.tables.times.zones import as_of_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session
    from cxmodel.tables.sources import Source

MAX_LEVELS = 50
_ORDER = ("customer_id", "responded_at", "row_number")
OUTCOMES = ("churned", "revenue_after_units", "monthly_revenue_units", "duration_months")


def flat_observations(
    source: Source,
    *,
    rating: str | None = None,
    windows: Windows | None = None,
    outcome_days: int | None = None,
    as_of: dt.date | None = None,
    time_zone: str = "UTC",
    currency: str | None = None,
    conf_level: float = 0.95,
    min_group_size: int = 30,
) -> Observations:
    """Take observations from a table already joined.

    Parameters
    ----------
    source : Source
        Read as ``observations``.
    rating : str, optional
        The key of the rating that counts; default: the first. Without ratings there is no lift.
    windows : Windows, optional
        Handed on; a joined table's windows are already taken.
    outcome_days : int, optional
        How long after the rating outcomes were counted. None: the units say "observation window".
    as_of, time_zone, currency, conf_level, min_group_size
        As `join_observations`; rows dated after `as_of` are left out.

    Returns
    -------
    Observations
        ``churned`` is 1, 0 or missing. Text controls of over 50 levels, and columns whose name is
        taken, are left out and named in ``audit["controls_left_out"]``.
        Without ``customer_id`` the number of the row stands for it,
        and equal rows are different customers.

    Raises
    ------
    SchemaError
        If the table holds neither an outcome nor ratings of touchpoints.
    ConfigError
        If there is no such rating.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.scales import CSAT5
    >>> from cxmodel.tables.readers import open_observations
    >>> frame = pd.DataFrame({"score": [5, 1], "left": ["No", "Yes"], "plan": ["a", "b"]})
    >>> source = open_observations(frame, ratings={"csat": ("score", CSAT5)}, churned="left")
    >>> flat_observations(source).to_frame()[["rating", "churned", "plan"]].values.tolist()
    [[5.0, 0.0, 'a'], [1.0, 1.0, 'b']]
    """
    check_outcomes(source)
    key = _chosen_rating(source, rating)
    controls, left_out = _usable_controls(source)
    session = source.session
    labelled = label_responses(
        source.table,
        rating=key,
        ends_at=None if as_of is None else as_of_end(as_of, time_zone),
        known=None,
        needs=[n for n in ("customer_id", "responded_at") if n in source.columns],
    )
    per_money = 10 ** unit_digits(source.currency)
    with scratch_tables(session) as scratch:
        # kept: what was read from a file is read once
        labelled = scratch.keep(labelled, "labelled")
        counts = count_reasons(session, labelled)
        audit = _audit(session, labelled, counts, per_money)
        rows = _numbered(labelled.filter(labelled[REASON].isnull()), source, time_zone)
        columns = _columns(rows, source, key, controls)
        stored = keep_observations(
            scratch,
            rows,
            columns,
            order=tuple(n for n in _ORDER if n == "row_number" or n in source.columns),
            scale=None if key is None else source.ratings[key],
            units_per_money=per_money,
        )
        dated = [name for name in source.facts.get("dated", ()) if name in controls]
        if "responded_at" in source.columns:
            audit["dated_after_response"] = dated_after_response(session, stored.table, dated)
        # From here on the table goes with the observations.
        scratch.release(stored.table)
    return Observations(
        frame=stored,
        windows=windows or Windows(),
        rating=key,
        scale=None if key is None else source.ratings[key],
        window_words="observation window" if outcome_days is None else days_in_words(outcome_days),
        currency=currency or source.currency,
        as_of=as_of,
        churn_rule="observed" if "churned" in source.columns else None,
        controls=controls,
        other_ratings=tuple(f"rating_{k}" for k in source.ratings if k != key),
        touchpoints=tuple(_column_of(k, key) for k in source.touchpoints),
        attributes_as_of_extract=bool(controls),
        is_joined=True,
        conf_level=conf_level,
        min_group_size=min_group_size,
        audit=audit | {"controls_left_out": [*left_out, *source.facts.get("left_out", ())]},
    )


def _column_of(key: str, rating: str | None) -> str:
    return "rating" if key == rating else f"rating_{key}"


def check_outcomes(source: Source) -> None:
    """Refuse a table already joined that has neither an outcome nor ratings of touchpoints.

    Raises
    ------
    SchemaError
        Naming what could be mapped.
    """
    if source.columns.isdisjoint(OUTCOMES) and not source.touchpoints:
        raise SchemaError(
            f"{source.label} holds no outcome. Map at least one of churned, revenue_after, "
            "monthly_revenue, duration_months, or name the ratings of touchpoints."
        )


def _chosen_rating(source: Source, wanted: str | None) -> str | None:
    keys = list(source.ratings)
    if wanted is not None and wanted not in keys:
        raise ConfigError(
            f"study.rating {wanted!r} is no rating of {source.label}. {nearest(wanted, keys)}"
        )
    return wanted or (keys[0] if keys else None)


def _usable_controls(source: Source) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the controls into those that can be used, and text of too many levels."""
    table = source.table
    texts = [name for name in source.controls if table[name].type().is_string()]
    if not texts:
        return source.controls, ()
    asked = {f"n_{i}": table[name].nunique() for i, name in enumerate(texts)}
    found = source.session.one_row(table.aggregate(**asked))
    left_out = tuple(n for i, n in enumerate(texts) if (found[f"n_{i}"] or 0) > MAX_LEVELS)
    return tuple(n for n in source.controls if n not in left_out), left_out


def _numbered(rows: ir.Table, source: Source, time_zone: str) -> ir.Table:
    """Say whose each row is, how many rows they have, and in which month they answered."""
    import ibis

    customer = rows.customer_id if "customer_id" in source.columns else rows.row_number
    rows = rows.mutate(_customer=customer.cast("string"))
    rows = rows.mutate(
        _n_of_customer=rows.count().over(ibis.window(group_by="_customer")).cast("int64")
    )
    if "responded_at" not in source.columns:
        return rows
    calendar = Calendar(time_zone=time_zone, low=EARLIEST, high=LATEST)
    return rows.mutate(_month_number=calendar.month_number(rows.responded_at))


def _columns(
    rows: ir.Table, source: Source, rating: str | None, controls: tuple[str, ...]
) -> list[Written]:
    """Write the columns of the observation table, in order."""
    import ibis

    def there(name: str, kind: Kind, column: str) -> list[Written]:
        """Take a column along, if the source has it."""
        return [written(name, kind, rows[column])] if column in source.columns else []

    yes = ibis.literal(True)
    columns = [written("customer_id", "text", rows["_customer"])]
    columns += there("responded_at", "time", "responded_at")
    if rating is not None:
        columns += [
            written("rating", "number", rows[f"rating_{rating}"]),
            written("band", "band"),
        ]
    columns.append(written("response_weight", "number", ibis.literal(1, "int64").cast("float64")))
    columns += there("revenue_before", "money", "revenue_before_units")
    columns += there("revenue_after", "money", "revenue_after_units")
    columns += there("churned", "number", "churned")
    columns.append(written("outcome_complete", "flag", yes))
    columns += [written(name, "attribute", rows[name]) for name in controls]
    columns += [
        written(f"rating_{key}", "number", rows[f"rating_{key}"])
        for key in source.ratings
        if key != rating
    ]
    columns += [
        written("_share", "one_of", rows["_n_of_customer"]),
        written("_status", "text", ibis.literal("ok")),
        written("_at_risk", "flag", yes),
        written("_left_in_gap", "flag", ~yes),
    ]
    if "responded_at" in source.columns:
        columns.append(written("_month", "month", rows["_month_number"]))
    columns += there("_monthly_revenue", "money", "monthly_revenue_units")
    columns += there("_duration_months", "number", "duration_months")
    if "churned" in source.columns:
        has_left = (rows.churned.cast("int64") == 1).fill_null(False)
        columns.append(written("_event", "flag", has_left))
    return columns


def _audit(
    session: Session, labelled: ir.Table, counts: ResponseCounts, per_money: int
) -> dict[str, Any]:
    """Count the rows, and the money after the rating where the table has it."""
    audit = counts.to_section()
    # Nothing was matched: the table says itself who is who.
    audit |= {"match_rate": None, "revenue_total": None, "revenue_reconciled": None}
    if "revenue_after_units" not in labelled.columns:
        return audit
    after = labelled.revenue_after_units
    total = whole_numbers(session, {"total": after.sum()})["total"]
    by_reason = session.arrow(labelled.group_by(REASON).aggregate(units=after.sum()))
    units = {row[REASON]: int(row["units"] or 0) for row in by_reason.to_pylist()}
    inside, late = units.pop(None, 0), units.pop("after_as_of", 0)
    unmatched = sum(units.values())
    audit["revenue_total"] = total / per_money
    audit["revenue_reconciled"] = {
        "in_windows": inside / per_money,
        "outside_windows": 0.0,
        "unmatched": unmatched / per_money,
        "after_as_of": late / per_money,
        "difference": (total - inside - late - unmatched) / per_money,
    }
    return audit
