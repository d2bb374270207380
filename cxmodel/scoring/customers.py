"""Every active customer on a day, with what the model looks at as it was known then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from cxmodel.errors import ConfigError, SourceError, nearest
from cxmodel.tables.joining.active_customers import active_people
from cxmodel.tables.joining.columns import Column, as_stated, stored_table
from cxmodel.tables.joining.history import Horizon, find_horizon
from cxmodel.tables.joining.observation_columns import observation_columns
from cxmodel.tables.joining.observation_frame import observation_frame
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.joining.probes import who_had_started
from cxmodel.tables.joining.scratch import scratch_tables
from cxmodel.tables.joining.stored import StoredObservations
from cxmodel.tables.observations import known_people, units_per_money
from cxmodel.tables.sources import Source, Sources

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from cxmodel.tables.observation_table import Windows

_LAST = "_last"
_SECONDS_PER_DAY = 86_400


class LooksBack(Protocol):
    """A model whose columns can be computed for a day."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""

    @property
    def windows(self) -> Windows:
        """The windows that these are computed in."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """With ``rating`` and ``currency``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CustomersAt:
    """The active customers of a day.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``customer_id`` and the columns of the model, in order of the customer.
    n_without_answer : int
        Customers who had not answered by then: their rating is not known.
    answers : AnswerAges, optional
        How old the answers are that the model looks at; None where it looks at none.
    """

    frame: pd.DataFrame
    n_without_answer: int
    answers: AnswerAges | None = None


@dataclass(frozen=True, kw_only=True)
class AnswerAges:
    """How old the last answers of customers are; a model is fitted to answers of the day itself.

    Parameters
    ----------
    n : int
        Customers with an answer.
    mean_days : float
        The mean age; NaN without one.
    lookback_days : int
        The window that the model looks back on.
    n_older : int
        Customers whose last answer lies before that window.
    """

    n: int
    mean_days: float
    lookback_days: int
    n_older: int


def customers_at(
    sources: Sources,
    model: LooksBack,
    *,
    at: dt.date,
    as_of: dt.date | None = None,
    time_zone: str = "UTC",
    answer_days: int | None = None,
) -> CustomersAt:
    """Find the customers who are active at the end of a day, and compute their columns then.

    Active is who had started and had not left; without a contract, who booked in the last
    `inactive_days`. The windows are those that the model was learnt with, and end with the day.
    Ratings, touchpoint and attributes of answers are those of the customer's last answer.

    Parameters
    ----------
    sources : Sources
        Of the study, on one engine.
    model : LooksBack
        Whose columns are computed: a stored churn model, or a value that looks at past revenue.
    at : date
        The day; nothing after its end is looked at.
    as_of : date, optional
        Until when the data are complete, where the study states it.
    time_zone : str
        Whose days are meant.
    answer_days : int, optional
        An older answer counts as none; by default the last one counts however old, and its age is
        told.

    Raises
    ------
    ConfigError
        If the day lies outside the data, or the study has another rating or currency than the
        model.
    SourceError
        If nobody is known: there are neither customers nor a ledger.
    """
    if "observations" in sources.by_kind:
        raise ConfigError(
            "sources.observations is a table already joined, and does not say what was known on "
            "another day. Score its file instead: cxmodel score MODEL FILE OUTPUT."
        )
    rating = _rating_of(model, sources)
    _check_currency(model, sources)
    tables = {kind: source.table for kind, source in sources.by_kind.items()}
    if known_people(tables) is None:
        raise SourceError(
            "Nobody is known who could be scored: add sources.customers, or a ledger of bookings "
            "or subscriptions."
        )
    check_day(sources, tables, at, as_of, time_zone)
    horizon = _horizon(sources, tables, at, time_zone)
    with scratch_tables(sources.session) as scratch:
        active = scratch.keep(_active(sources, tables, horizon, model), "active")
        probes = scratch.keep(_with_answers(active, sources, horizon, answer_days), "probes")
        join = _join_of(sources, probes, horizon, model)
        stored, columns = _columns_then(join, model, rating)
        table = scratch.keep(stored, "then")
        lying = StoredObservations(
            sources.session,
            table,
            n_rows=0,
            columns=columns,
            order=("customer_id",),
            dress=partial(
                observation_frame,
                columns=columns,
                scale=None,
                units_per_money=units_per_money(sources),
            ),
        )
        frame = lying.frame
        n_silent, ages = _ages(sources, probes, horizon, model)
    looks_at_answers = bool(set(model.columns) & _of_answers(sources))
    return CustomersAt(
        frame=frame, n_without_answer=n_silent, answers=ages if looks_at_answers else None
    )


def _ages(
    sources: Sources, probes: ir.Table, horizon: Horizon, model: LooksBack
) -> tuple[int, AnswerAges]:
    """Count who has no answer, and say how old the others' last answers are."""
    seconds = _moment(horizon).epoch_seconds() - probes["_answered_at"].epoch_seconds()
    lookback = model.windows.lookback_days
    row = sources.session.one_row(
        probes.aggregate(
            silent=probes["_answered_at"].isnull().sum(),
            n=probes["_answered_at"].count(),
            seconds=seconds.cast("float64").sum(),
            older=(seconds > lookback * _SECONDS_PER_DAY).sum(),
        )
    )
    n = int(row["n"] or 0)
    mean = float(row["seconds"]) / n / _SECONDS_PER_DAY if n else float("nan")
    ages = AnswerAges(n=n, mean_days=mean, lookback_days=lookback, n_older=int(row["older"] or 0))
    return int(row["silent"] or 0), ages


def _of_answers(sources: Sources) -> set[str]:
    """List the columns of a model that are of an answer."""
    surveys = sources.get("surveys")
    if surveys is None:
        return set()
    keyed = (name for key in surveys.ratings for name in (key, f"rating_{key}"))
    return {"rating", "touchpoint", "agent", *keyed, *surveys.attributes}


def _rating_of(model: LooksBack, sources: Sources) -> str | None:
    """Name the rating that the model knows as ``rating``, and see that its scale is the same."""
    if "rating" not in model.columns or model.facts["rating"] is None:
        return None
    wanted, surveys = model.facts["rating"], sources.get("surveys")
    known = {} if surveys is None else dict(surveys.ratings)
    if wanted["name"] not in known:
        raise ConfigError(
            f"The model looks at the rating {wanted['name']!r}, which the study does not have. "
            f"{nearest(str(wanted['name']), known)}"
        )
    scale = known[wanted["name"]]
    if (scale.low, scale.high) != (wanted["low"], wanted["high"]):
        raise ConfigError(
            f"The model was learnt with ratings.{wanted['name']} from {wanted['low']:g} to "
            f"{wanted['high']:g}, and the study has {scale.low} to {scale.high}. Declare the same "
            "scale, or fit the model again."
        )
    return str(wanted["name"])


def _check_currency(model: LooksBack, sources: Sources) -> None:
    then, now = model.facts["currency"], sources.currency
    if then is not None and now is not None and then != now:
        raise ConfigError(
            f"The model was learnt with amounts in {then}, and the study has {now}. Use the ledger "
            "in the same currency, or fit the model again."
        )


def check_day(
    sources: Sources,
    tables: Mapping[str, ir.Table],
    at: dt.date,
    as_of: dt.date | None,
    time_zone: str,
) -> None:
    """Refuse a day for which the data are not complete: its windows would look empty."""
    latest = _horizon(sources, tables, as_of, time_zone).as_of
    if latest is not None and at > latest:
        raise ConfigError(
            f"--at {at} lies after the data, which are complete to {latest}: what happened since "
            "would be taken for nothing. Name a day up to then, or bring newer data."
        )


def _horizon(
    sources: Sources, tables: Mapping[str, ir.Table], as_of: dt.date | None, time_zone: str
) -> Horizon:
    return find_horizon(
        sources.session,
        surveys=tables.get("surveys"),
        revenue=tables.get("revenue"),
        subscriptions=tables.get("subscriptions"),
        as_of=as_of,
        time_zone=time_zone,
    )


def _moment(horizon: Horizon) -> Any:
    import ibis

    return as_stated(ibis.literal(horizon.ends_at, "timestamp(6)"))


def _active(
    sources: Sources,
    tables: Mapping[str, ir.Table],
    horizon: Horizon,
    model: LooksBack,
) -> ir.Table:
    """List the active customers: ``row_number, customer_id, responded_at`` (the day's end)."""
    import ibis

    people = known_people(_until(tables, horizon))
    if people is None or horizon.ends_at is None:
        raise ValueError("Customers and the end of the day are known by now.")
    everyone = people.filter(people.customer_id.notnull()).distinct()
    probes = everyone.mutate(responded_at=_moment(horizon))
    join = ObservationJoin(
        sources=sources, windows=model.windows, horizon=horizon, responses=probes
    )
    there = active_people(
        tables,
        everyone,
        join.departures,
        ends_at=horizon.ends_at,
        windows=model.windows,
    )
    started = who_had_started(join, there.mutate(responded_at=_moment(horizon)))
    number = ibis.row_number().over(ibis.window(order_by="customer_id")).cast("int64")
    return started.select("customer_id", "responded_at").mutate(row_number=number)


def _until(tables: Mapping[str, ir.Table], horizon: Horizon) -> dict[str, ir.Table]:
    """Leave out what the ledger says of later days: it would make customers known too early."""
    found = dict(tables)
    for kind, at in (("revenue", "booked_at"), ("subscriptions", "started_at")):
        if kind in found:
            found[kind] = found[kind].filter(found[kind][at] < _moment(horizon))
    return found


def _with_answers(
    active: ir.Table, sources: Sources, horizon: Horizon, answer_days: int | None
) -> ir.Table:
    """Set each customer's last answer before the moment beside the customer."""
    import ibis

    surveys = sources.get("surveys")
    if surveys is None or not {"customer_id", "responded_at"} <= surveys.columns:
        return active.mutate(_answered_at=ibis.null("timestamp(6)"))
    shown = [f"rating_{key}" for key in surveys.ratings]
    shown += [name for name in ("touchpoint", "agent") if name in surveys.columns]
    shown += list(surveys.attributes)
    table = surveys.table
    before = table.filter(table.responded_at < _moment(horizon))
    if answer_days is not None and horizon.ends_at is not None:
        since = horizon.ends_at - dt.timedelta(days=answer_days)
        before = before.filter(
            before.responded_at >= as_stated(ibis.literal(since, "timestamp(6)"))
        )
    latest = ibis.window(
        group_by="customer_id", order_by=[ibis.desc("responded_at"), ibis.desc("row_number")]
    )
    placed = before.mutate(**{_LAST: ibis.row_number().over(latest)})
    last = placed.filter(placed[_LAST] == 0).select(
        *shown, _answered_at=placed.responded_at, _answer_id=placed.customer_id
    )
    joined = active.left_join(last, active.customer_id == last["_answer_id"])
    return joined.drop("_answer_id")


def _join_of(
    sources: Sources, probes: ir.Table, horizon: Horizon, model: LooksBack
) -> ObservationJoin:
    """Put the customers of the day in the place of responses."""
    surveys = sources.get("surveys")
    columns = frozenset(probes.columns)
    if surveys is None:
        stand_in = Source(
            kind="surveys",
            label="customers",
            session=sources.session,
            table=probes,
            columns=columns,
            n_rows=0,
        )
    else:
        stand_in = replace(surveys, table=probes, columns=columns)
    others = {kind: source for kind, source in sources.by_kind.items() if kind != "invitations"}
    moment = horizon.ends_at
    calendar = horizon.calendar
    if moment is not None:
        calendar = replace(calendar, low=min(calendar.low, moment), high=max(calendar.high, moment))
    return ObservationJoin(
        sources=replace(sources, by_kind={**others, "surveys": stand_in}),
        windows=model.windows,
        horizon=replace(horizon, calendar=calendar),
        responses=probes,
    )


def _columns_then(
    join: ObservationJoin, model: LooksBack, rating: str | None
) -> tuple[ir.Table, tuple[Column, ...]]:
    """Write the columns of the model as they were known at the moment."""
    kinds = [join.sources.get("customers"), join.sources.get("surveys")]
    attributes = tuple(n for source in kinds if source is not None for n in source.attributes)
    rows = join.joined()
    wanted = {"customer_id", *model.columns}
    columns = [
        each
        for each in observation_columns(join, rows, rating=rating, attributes=attributes)
        if each.column.name in wanted
    ]
    return stored_table(rows, columns), tuple(each.column for each in columns)
