"""Observations from a table that came already joined: one row per customer, outcome beside rating.

Nothing is joined and nothing is dated, so such a table cannot say what came first; the models are
told so by ``is_joined``.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxmodel.errors import ConfigError, SchemaError, nearest
from cxmodel.tables.auditing.audit import ResponseCounts, count_reasons, label_responses
from cxmodel.tables.contracts import EARLIEST, LATEST
from cxmodel.tables.joining.arrow_columns import ArrowColumns, as_text, month_names
from cxmodel.tables.joining.observation_frame import bands_of, dated_after_response
from cxmodel.tables.observation_table import Observations, Windows, days_in_words
from cxmodel.tables.opening.money import unit_digits
from cxmodel.tables.times.calendar_days import Calendar
from cxmodel.tables.times.zones import as_of_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.sources import Source

MAX_LEVELS = 50
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
    labelled = label_responses(
        source.table,
        rating=key,
        ends_at=None if as_of is None else as_of_end(as_of, time_zone),
        known=None,
        needs=[n for n in ("customer_id", "responded_at") if n in source.columns],
    )
    counts = count_reasons(labelled)
    kept = labelled.filter(labelled.reason.isnull())
    if "responded_at" in source.columns:
        calendar = Calendar(time_zone=time_zone, low=EARLIEST, high=LATEST)
        kept = kept.mutate(month_number=calendar.month_number(kept.responded_at))
    order = [name for name in ("customer_id", "responded_at") if name in source.columns]
    rows = ArrowColumns(source.session.arrow(kept.order_by([*order, "row_number"])))
    code = currency or source.currency
    per_money = 10 ** unit_digits(source.currency)
    audit = _audit(labelled, counts, per_money)
    frame = _flat_frame(rows, source, key, controls, per_money)
    dated = [name for name in source.facts.get("dated", ()) if name in controls]
    if "responded_at" in frame:
        audit["dated_after_response"] = dated_after_response(frame, dated)
    return Observations(
        frame=frame,
        windows=windows or Windows(),
        rating=key,
        scale=None if key is None else source.ratings[key],
        window_words="observation window" if outcome_days is None else days_in_words(outcome_days),
        currency=code,
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


def _flat_frame(
    rows: ArrowColumns,
    source: Source,
    rating: str | None,
    controls: tuple[str, ...],
    per_money: int,
) -> pd.DataFrame:
    customers = _customers(rows)
    public: dict[str, Any] = {"customer_id": customers}
    if rows.has("responded_at"):
        public["responded_at"] = rows.time("responded_at")
    if rating is not None:
        public["rating"] = rows.number(f"rating_{rating}")
        public["band"] = bands_of(public["rating"], source.ratings[rating])
    public["response_weight"] = np.ones(rows.n_rows)
    for name in ("revenue_before", "revenue_after"):
        if rows.has(f"{name}_units"):
            public[name] = rows.number(f"{name}_units") / per_money
    if rows.has("churned"):
        public["churned"] = rows.number("churned")
    everyone = np.ones(rows.n_rows, dtype=bool)
    public["outcome_complete"] = everyone
    public |= {name: rows.attribute(name) for name in controls}
    public |= {
        f"rating_{key}": rows.number(f"rating_{key}") for key in source.ratings if key != rating
    }
    return pd.DataFrame(public | _hidden(rows, customers, per_money))


def _customers(rows: ArrowColumns) -> pd.Series[Any]:
    if rows.has("customer_id"):
        return rows.text("customer_id")
    return as_text(pd.Series(rows.whole("row_number")))


def _hidden(rows: ArrowColumns, customers: pd.Series[Any], per_money: int) -> dict[str, Any]:
    everyone = np.ones(rows.n_rows, dtype=bool)
    hidden: dict[str, Any] = {
        "_share": 1.0 / customers.map(customers.value_counts()).to_numpy(dtype=float),
        "_status": as_text(pd.Series(["ok"] * rows.n_rows, dtype=object)),
        "_at_risk": everyone,
        "_left_in_gap": ~everyone,
    }
    if rows.has("month_number"):
        hidden["_month"] = month_names(rows.whole("month_number"))
    if rows.has("monthly_revenue_units"):
        hidden["_monthly_revenue"] = rows.number("monthly_revenue_units") / per_money
    if rows.has("duration_months"):
        hidden["_duration_months"] = rows.number("duration_months")
    if rows.has("churned"):
        hidden["_event"] = rows.number("churned") == 1.0
    return hidden


def _audit(labelled: ir.Table, counts: ResponseCounts, per_money: int) -> dict[str, Any]:
    """Count the rows, and the money after the rating where the table has it."""
    audit = counts.to_section()
    # Nothing was matched: the table says itself who is who.
    audit |= {"match_rate": None, "revenue_total": None, "revenue_reconciled": None}
    if "revenue_after_units" not in labelled.columns:
        return audit
    total = int(labelled.revenue_after_units.sum().to_pyarrow().as_py() or 0)
    by_reason = labelled.group_by("reason").aggregate(units=labelled.revenue_after_units.sum())
    units = {row["reason"]: int(row["units"] or 0) for row in by_reason.to_pyarrow().to_pylist()}
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
