"""Join responses to what was known before them and what happened after: the observation table.

One row per response that counts (see ``audit.py``). What contacts and invitations add:

``contacts_before``
    Contacts that began in the lookback window.
``days_since_contact``
    Days since the last contact ever before the response began; missing where there was none.
``contacts_unresolved``
    Contacts that ever began before the response and were not resolved by then, where
    ``resolved_at`` is mapped. (A contact at the very moment of the response is not before it.)
``days_since_invited``
    Days since the invitation that the response answers; missing where it answers none (see
    ``joining/invitations.py``), or is dated before it.

The columns that begin with an underscore are for the models:

``_share``
    1/n over the customer's observations, so that each customer counts once.
``_status``
    ``"ok"``, ``"before_start"`` (answered before ``started_at``) or ``"churned_before_response"``
    (left at or before the response and not back by then).
``_at_risk``, ``_left_in_gap``
    Under inactivity: a booking in the `inactive_days` before the response; none in those before
    response + gap though there was at the response. Under the other rules every customer is at
    risk, and ``_left_in_gap`` is a departure in ``(t, t + gap]``.
``_history_windows``
    How many lookback windows of ledger lie before the response.
``_days_since_booking``
    Days since the last booking before an answer that follows another of the same customer within 90
    days; missing for other answers, and where there was no booking in the 90 days before.
``_event``
    Whether ``duration_days`` ended in a departure; otherwise it was cut off at ``as_of``.
``_month``
    The calendar month of the response in the study's time zone, ``"2026-03"``.
``_revenue_after_g{g}``, ``_churned_g{g}``, ``_complete_g{g}``, ``_present_g{g}``
    The outcomes at other gaps, for the check of timing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxmodel.errors import ConfigError, JoinError, SchemaError, nearest
from cxmodel.tables.auditing.audit import (
    REASON,
    check_keys_meet,
    count_reasons,
    label_responses,
)
from cxmodel.tables.auditing.ledger_audit import audit_ledger
from cxmodel.tables.join_settings import JoinSettings
from cxmodel.tables.joining.active_customers import count_active
from cxmodel.tables.joining.attributes import check_names, dated_after_response
from cxmodel.tables.joining.history import find_horizon
from cxmodel.tables.joining.observation_columns import observation_columns
from cxmodel.tables.joining.observation_frame import keep_observations
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.joining.scratch import Scratch, scratch_tables
from cxmodel.tables.joining.stored import StoredObservations
from cxmodel.tables.observation_table import Observations, Windows, days_in_words
from cxmodel.tables.occasions import OccasionSettings, Population, find_occasions
from cxmodel.tables.one_engine import check_kinds, one_engine
from cxmodel.tables.opening.money import unit_digits
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.times.given_days import maybe_day

if TYPE_CHECKING:
    import ibis.expr.types as ir


def join_observations(
    surveys: Source,
    *,
    customers: Source | None = None,
    churn: Source | None = None,
    revenue: Source | None = None,
    subscriptions: Source | None = None,
    interactions: Source | None = None,
    invitations: Source | None = None,
    windows: Windows | None = None,
    rating: str | None = None,
    as_of: dt.date | str | None = None,
    time_zone: str = "UTC",
    currency: str | None = None,
    conf_level: float = 0.95,
    min_group_size: int = 30,
    today: dt.date | None = None,
    population: Population | None = None,
) -> Observations:
    """Join responses to what was known before them and what happened after.

    Parameters
    ----------
    surveys : Source
        From `read_surveys`.
    customers, churn, revenue, subscriptions, interactions, invitations : Source, optional
        From the readers of the same names.
    windows : Windows, optional
        Default: 180 days back, 180 days ahead, no gap.
    rating : str, optional
        The key of the rating that counts; default: the first.
    as_of : date or ISO text, optional
        The data are complete to the end of this day. Default: the day of the latest booking, else
        of the latest subscription start or end, none later than `today` counted.
    time_zone : str
        Whose days and months are meant.
    currency : str, optional
        ISO 4217 code; default: the ledger's.
    conf_level, min_group_size
        Handed on to the models.
    today : date, optional
        The day of the run; default: the clock's.
    population : {"invited", "at_risk"}, optional
        Whom the answers should stand for: then ``cxmodel.ResponseModel().fit(obs).weigh(obs)``
        weights them for those who did not answer. Default: nobody but those who answered.

    Returns
    -------
    Observations
        With ``.to_frame()`` and ``.audit``. The table stays on the engine, as ``.table``, until the
        observations are closed or no longer used.

    Raises
    ------
    JoinError
        If tables have no key in common, or a join would multiply rows.
    SchemaError
        If surveys lack a customer or a date, or an attribute has a reserved name.
    ConfigError
        If `as_of` lies before all data, or the time zone is unknown.

    Examples
    --------
    >>> import cxmodel as cx, pandas as pd
    >>> surveys = cx.read_surveys(
    ...     pd.DataFrame({"customer_id": ["a"], "responded_at": ["2025-03-01"], "q1": [9]}),
    ...     ratings={"nps": ("q1", cx.NPS)},
    ... )
    >>> revenue = cx.read_revenue(
    ...     pd.DataFrame(
    ...         {"customer_id": ["a", "a"], "booked_at": ["2025-02-01", "2025-04-01"],
    ...          "amount": [20.0, 35.5]}
    ...     ),
    ...     currency="USD",
    ... )
    >>> obs = join_observations(surveys, revenue=revenue, windows=Windows(outcome_days=30))
    >>> obs.to_frame()[["customer_id", "rating", "revenue_before", "revenue_after"]].values.tolist()
    [['a', 9.0, 20.0, 0.0]]
    """
    given = {
        "surveys": surveys,
        "invitations": invitations,
        "customers": customers,
        "churn": churn,
        "revenue": revenue,
        "subscriptions": subscriptions,
        "interactions": interactions,
    }
    by_kind = {kind: source for kind, source in given.items() if source is not None}
    check_kinds(by_kind)
    for column in ("customer_id", "responded_at"):
        if column not in surveys.columns:
            raise SchemaError(
                f"{surveys.label} has no {column}, so responses cannot be joined to anything. "
                "Map it, or take the KPIs alone with measure_kpi."
            )
    sources = one_engine(by_kind, currency)
    settings = JoinSettings(
        windows=windows or Windows(),
        rating=rating,
        as_of=maybe_day(as_of),
        time_zone=time_zone,
        conf_level=conf_level,
        min_group_size=min_group_size,
        today=today,
        response=None if population is None else OccasionSettings(population=population),
    )
    return observe(sources, settings)


def observe(sources: Sources, settings: JoinSettings) -> Observations:
    """Make the observation table of a study from its sources.

    Parameters
    ----------
    sources : Sources
        With ``surveys``; the rest is optional.
    settings : JoinSettings
        Windows, rating, as_of and what else the study sets.

    Returns
    -------
    Observations
        Empty where surveys have no ``customer_id`` or no ``responded_at``: then all rows are
        counted under that reason.

    Raises
    ------
    JoinError, SchemaError, ConfigError
        As `join_observations`.
    """
    surveys = sources.by_kind["surveys"]
    rating = _chosen_rating(surveys, settings.rating)
    check_names(surveys, sources.get("customers"))
    with scratch_tables(sources.session) as scratch:
        join, audit = _start_join(sources, settings, rating, scratch)
        rows = join.joined()
        per_money = units_per_money(sources)
        stored = keep_observations(
            scratch,
            rows,
            observation_columns(join, rows, rating=rating, attributes=_attributes(sources)),
            order=("customer_id", "responded_at", "row_number"),
            scale=surveys.ratings[rating] if rating is not None else None,
            units_per_money=per_money,
        )
        _check_no_fan_out(stored.n_rows, audit["n_observations"])
        audit |= _audit_of_join(join, stored, settings, per_money)
        # From here on the table goes with the observations, also where something breaks.
        scratch.release(stored.table)
        obs = _described(join, stored, audit, settings, rating)
        if settings.response is None:
            return obs
        people = known_people(_tables(sources))
        found = find_occasions(
            join, obs, people, settings.response, scratch, units_per_money=per_money
        )
        return replace(obs, frame=stored, occasions=found)


def _tables(sources: Sources) -> dict[str, ir.Table]:
    return {kind: source.table for kind, source in sources.by_kind.items()}


def _start_join(
    sources: Sources, settings: JoinSettings, rating: str | None, scratch: Scratch
) -> tuple[ObservationJoin, dict[str, Any]]:
    """Label every response, count those that are left out by reason, and begin with the others."""
    tables = _tables(sources)
    horizon = find_horizon(
        sources.session,
        surveys=tables["surveys"],
        revenue=tables.get("revenue"),
        subscriptions=tables.get("subscriptions"),
        as_of=settings.as_of,
        time_zone=settings.time_zone,
        today=settings.today,
    )
    labelled = scratch.keep(
        label_responses(
            tables["surveys"], rating=rating, ends_at=horizon.ends_at, known=known_people(tables)
        ),
        "responses",
    )
    check_keys_meet(labelled, {k: s for k, s in sources.by_kind.items() if k != "surveys"})
    audit = count_reasons(sources.session, labelled).to_section()
    join = ObservationJoin(
        sources=sources,
        windows=settings.windows,
        horizon=horizon,
        responses=scratch.keep(labelled.filter(labelled[REASON].isnull()), "observed"),
        wanted_plan=settings.plan,
    )
    return join, audit


def _audit_of_join(
    join: ObservationJoin, stored: StoredObservations, settings: JoinSettings, per_money: int
) -> dict[str, Any]:
    """Hold the table against the ledger, count who is active, look for dates after the answer."""
    session, tables = join.sources.session, _tables(join.sources)
    n_active = count_active(
        session,
        tables,
        known_people(tables),
        join.departures,
        ends_at=join.horizon.ends_at,
        windows=settings.windows,
    )
    dated = dated_after_response(session, stored.table, _dated(join.sources))
    return {
        **audit_ledger(join, per_money),
        "n_customers_active": n_active,
        "dated_after_response": dated,
    }


def _described(
    join: ObservationJoin,
    stored: StoredObservations,
    audit: dict[str, Any],
    settings: JoinSettings,
    rating: str | None,
) -> Observations:
    surveys, customers = join.sources.by_kind["surveys"], join.sources.get("customers")
    of_customers = () if customers is None else customers.attributes
    has_versions = customers is not None and "valid_from" in customers.columns
    return Observations(
        frame=stored,
        windows=settings.windows,
        rating=rating,
        scale=surveys.ratings[rating] if rating is not None else None,
        window_words=days_in_words(settings.windows.outcome_days),
        currency=join.sources.currency,
        as_of=join.horizon.as_of,
        churn_rule=join.departures.rule,
        attributes=_attributes(join.sources),
        customer_attributes=of_customers,
        other_ratings=tuple(f"rating_{key}" for key in surveys.ratings if key != rating),
        attributes_as_of_extract=bool(of_customers) and not has_versions,
        plan=join.plan,
        plan_reason=join.plan_choice.reason,
        conf_level=settings.conf_level,
        min_group_size=settings.min_group_size,
        audit=audit,
    )


def _attributes(sources: Sources) -> tuple[str, ...]:
    """List what goes along under its own name: first what is the customers'."""
    named = [sources.get("customers"), sources.get("surveys")]
    return tuple(name for source in named if source is not None for name in source.attributes)


def _dated(sources: Sources) -> list[str]:
    """List the attributes that hold dates, which may lie after the response."""
    named = [sources.get("customers"), sources.get("surveys")]
    return [
        name
        for source in named
        if source is not None
        for name in source.facts.get("dated", ())
        if name in source.attributes
    ]


def units_per_money(sources: Sources) -> int:
    """Say how many whole units one unit of currency has, as the amounts were read."""
    ledger = [sources.by_kind[k] for k in ("revenue", "subscriptions") if k in sources.by_kind]
    digits = {unit_digits(source.currency) for source in ledger}
    if len(digits) > 1:
        raise ConfigError(
            "revenue and subscriptions were read with different currencies. Give both the same "
            "currency=."
        )
    return int(10 ** (digits.pop() if digits else unit_digits(sources.currency)))


def _chosen_rating(surveys: Source, wanted: str | None) -> str | None:
    keys = list(surveys.ratings)
    if wanted is None:
        return keys[0] if keys else None
    if wanted not in keys:
        raise ConfigError(
            f"study.rating {wanted!r} is no rating of {surveys.label}. {nearest(wanted, keys)}"
        )
    return wanted


def known_people(tables: Mapping[str, ir.Table]) -> ir.Table | None:
    """List everyone a response can be matched to: customers, else whoever is in the ledger."""
    import ibis

    if "customers" in tables:
        return tables["customers"].select("customer_id").distinct()
    ledger = [tables[kind] for kind in ("revenue", "subscriptions") if kind in tables]
    if not ledger:
        return None
    ids = [table.select("customer_id").distinct() for table in ledger]
    return ids[0] if len(ids) == 1 else ibis.union(*ids, distinct=True)


def _check_no_fan_out(n_rows: int, n_observations: int) -> None:
    if n_rows != n_observations:
        raise JoinError(
            f"{n_observations:,} responses became {n_rows:,} rows: a join multiplied them. "
            "A customer stands more than once in sources.customers; give valid_from, or one row "
            "per customer."
        )
