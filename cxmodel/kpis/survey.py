"""NPS, CSAT and CES: the headline of a rating, over everything, by period and by group."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cxmodel.errors import InsufficientDataError, SchemaError, nearest
from cxmodel.kpis.durations import median_of_counts
from cxmodel.kpis.groups import (
    Moments,
    Period,
    as_list,
    computed,
    distributions,
    moments,
    with_clusters,
    with_groups,
    with_periods,
)
from cxmodel.kpis.inputs import open_customers, open_surveys
from cxmodel.kpis.periods import check_period
from cxmodel.kpis.result import Figure, KpiResult, build_rows
from cxmodel.results import CONF_LEVEL
from cxmodel.scales import PROMOTER, Scale
from cxmodel.stats.intervals import Interval, adjusted_wald_nps, wilson
from cxmodel.tables.engines.engine import rows_of
from cxmodel.tables.times.given_days import as_day
from cxmodel.tables.times.zones import as_of_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

MIN_GROUP_SIZE = 30
REASONS = ("missing_responded_at", "missing_rating", "after_as_of", "duplicate_response")
AT, RATING, SCORE = "responded_at", "_rating", "_score"


def measure_kpi(
    surveys: Any,
    rating: str,
    *,
    by: str | Sequence[str] | None = None,
    customers: Any = None,
    period: Period | None = None,
    min_group_size: int = MIN_GROUP_SIZE,
    conf_level: float = CONF_LEVEL,
    as_of: dt.date | str | None = None,
    time_zone: str = "UTC",
    targets: Mapping[str, float] | None = None,
) -> KpiResult:
    """Measure the KPI of a rating over everything, by period, by group and by both.

    Every response with a rating and a time counts, also those of unknown or churned customers. A
    response that is there twice with all its columns equal counts once. The NPS has the adjusted
    Wald interval of Rocks (2016), a share in the top box that of Wilson (1927), both on the number
    of independent answers: repeats of a customer are worth less than answers of several.

    Parameters
    ----------
    surveys : source, frame, Ibis table or path
        From `read_surveys` or `read_observations`. A frame or path needs columns under
        cxmodel's names, and a rating called after a ready-made scale (``"nps"``, ``"csat5"``, ...).
    rating : str
        The key of the rating.
    by : str or list of str, optional
        Columns of the responses, or attributes of the customers as of the response.
    customers : source, frame, Ibis table or path, optional
        From `read_customers`.
    period : {"year", "quarter", "month", "week"}, optional
        Of the response, in `time_zone`.
    min_group_size : int
        Smaller groups and periods are suppressed, and the next smallest with a single one.
    conf_level : float
        Level of the intervals.
    as_of : date, optional
        Responses after the end of this day are counted and left out.
    time_zone : str
        IANA name; whose days, weeks and years are meant.
    targets : mapping of str to float, optional
        Goals by rating, on the KPI's scale.

    Returns
    -------
    KpiResult
        ``n_obs`` counts responses; ``mean`` and ``median`` are on the rating's own scale, and
        ``mean_0_100`` is that mean with the worst answer at 0 and the best at 100.

    Raises
    ------
    SchemaError
        If the rating or a column of `by` is not there.
    InsufficientDataError
        If no response has a rating.
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"nps": [10] * 50 + [8] * 30 + [3] * 20})
    >>> row = measure_kpi(answers.assign(responded_at="2026-03-01"), "nps").overall()
    >>> row["estimate"], round(row["conf_low"], 2), round(row["conf_high"], 2)
    (30.0, 14.05, 44.2)
    """
    check_settings(period, min_group_size, conf_level)
    source = open_surveys(surveys, rating)
    scale = _scale_of(source.ratings, rating, source.label)
    columns = as_list(by)
    table, dropped = _population(source.table, rating, as_of, time_zone)
    known = open_customers(customers, [name for name in columns if name not in table.columns])
    table = with_groups(table, columns, at=AT, customers=known)
    table = with_periods(table, period, at=AT, time_zone=time_zone)
    table = with_clusters(table).mutate(**{SCORE: _score(table[RATING], scale)})
    with computed(source.session, table, columns, [RATING, SCORE]) as kept:
        counts = distributions(kept, columns, [RATING])
        sums = moments(kept, columns, SCORE)
    if not counts:
        n_left_out = ", ".join(f"{n} {reason}" for reason, n in dropped.items() if n)
        raise InsufficientDataError(
            f"{source.label}: no response is left to measure {rating!r} "
            f"({n_left_out or '0 rows'}). Check the column of the rating and study.as_of."
        )
    figures = {
        slot: _figure(pairs, sums[slot], scale, conf_level) for slot, pairs in counts.items()
    }
    rows = build_rows(
        rating,
        figures,
        unit=scale.kpi_unit,
        by=columns,
        period=period,
        min_group_size=min_group_size,
        conf_level=conf_level,
        target=(targets or {}).get(rating),
    )
    for row in rows:
        row["mean_0_100"] = None if row["mean"] is None else _on_100(row["mean"], scale)
    return KpiResult(
        rows=tuple(rows), definitions={rating: _definition(scale)}, dropped={rating: dropped}
    )


def check_settings(period: str | None, min_group_size: int, conf_level: float) -> None:
    """Refuse settings of a KPI that make no sense.

    Raises
    ------
    ValueError
        Naming the setting.
    """
    check_period(period)
    if min_group_size < 1:
        raise ValueError(f"min_group_size must be 1 or more, not {min_group_size}.")
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must lie between 0 and 1, not {conf_level}.")


def _scale_of(ratings: Mapping[str, Scale], rating: str, label: str) -> Scale:
    if rating not in ratings:
        raise SchemaError(f"{label} has no rating {rating!r}. {nearest(rating, ratings)}")
    return ratings[rating]


def _population(
    table: ir.Table, rating: str, as_of: dt.date | str | None, time_zone: str
) -> tuple[ir.Table, dict[str, int]]:
    """Keep the responses that count, and count the others by the first reason that applies."""
    import ibis

    tests = []
    if AT in table.columns:
        tests.append((table[AT].isnull(), "missing_responded_at"))
    tests.append((table[f"rating_{rating}"].isnull(), "missing_rating"))
    if as_of is not None and AT in table.columns:
        end = ibis.literal(as_of_end(to_date(as_of), time_zone), "timestamp(6)")
        tests.append((table[AT] >= end, "after_as_of"))
    labelled = table
    if "customer_id" in table.columns:
        mapped = [name for name in table.columns if name != "row_number"]
        copies = ibis.row_number().over(ibis.window(group_by=mapped, order_by="row_number"))
        labelled = table.mutate(_copies_before=copies)
        # without a customer two equal rows may be two people
        is_copy = (labelled["_copies_before"] > 0) & labelled.customer_id.notnull()
        tests.append((is_copy, "duplicate_response"))
    labelled = labelled.mutate(_reason=ibis.cases(*tests, else_=ibis.null("string")))
    counts = rows_of(labelled.group_by("_reason").agg(n=labelled.count()))
    found = {row["_reason"]: int(row["n"]) for row in counts}
    kept = labelled.filter(labelled["_reason"].isnull())
    kept = kept.select(*table.columns, **{RATING: kept[f"rating_{rating}"]})
    return kept, {reason: found.get(reason, 0) for reason in REASONS}


def to_date(day: dt.date | str) -> dt.date:
    """Read a date as it may be written in Python or TOML."""
    return as_day(day)


def _score(rating: ir.NumericColumn, scale: Scale) -> ir.IntegerColumn:
    """Write the headline's score of an answer: 1, 0 and -1 for the NPS, 1 and 0 for a top box."""
    import ibis

    if scale.statistic == "nps":
        score = ibis.cases((rating >= 9, 1), (rating >= 7, 0), else_=-1)
    else:
        top = scale.high if scale.top_box is None else scale.top_box
        is_good = rating >= top if scale.higher_is_better else rating <= top
        score = ibis.ifelse(is_good, 1, 0)
    return score.cast("int64")


def _figure(
    pairs: Sequence[tuple[Any, ...]], sums: Moments, scale: Scale, conf_level: float
) -> Figure:
    n_effective = sums.n_effective
    return Figure(
        interval=_headline(sums, scale, n_effective, conf_level),
        n_obs=sums.n,
        n_effective=n_effective,
        mean=sum(value * n for value, n in pairs) / sums.n,
        median=median_of_counts(pairs),
    )


def _headline(sums: Moments, scale: Scale, n_effective: float, conf_level: float) -> Interval:
    """Give the KPI from the sums of its score; squares count those who are not passive."""
    if scale.statistic == "nps":
        n_promoters = (sums.total_squares + sums.total) // 2
        n_detractors = (sums.total_squares - sums.total) // 2
        return adjusted_wald_nps(
            n_promoters,
            sums.n - n_promoters - n_detractors,
            n_detractors,
            conf_level=conf_level,
            n_effective=n_effective,
        )
    share = wilson(sums.total, sums.n, conf_level=conf_level, n_effective=n_effective)
    return as_percent(share)


def as_percent(share: Interval) -> Interval:
    """Move a share from a fraction to 0-100."""
    return Interval(*(100 * value for value in share))


def _on_100(mean: float, scale: Scale) -> float:
    share = (mean - scale.low) / (scale.high - scale.low)
    return 100 * (share if scale.higher_is_better else 1 - share)


def _definition(scale: Scale) -> str:
    asked = f"asked from {scale.low} to {scale.high}"
    if scale.statistic == "nps":
        return (
            f"Share of {PROMOTER}s (9-10) less share of detractors ({scale.low}-6) in percent of "
            f"the answers, {asked}."
        )
    box = scale.top_band_ratings
    return (
        f"Answers from {box[0]} to {box[-1]} in percent of all answers, {asked}, "
        f"{'high' if scale.higher_is_better else 'low'} is good."
    )
