"""What is known of customers who buy: their own attributes that are numbers, and their answers."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cxmodel.errors import SchemaError, nearest
from cxmodel.tables.joining.attributes import customer_facts
from cxmodel.tables.joining.columns import as_stated
from cxmodel.tables.purchase_tables import Days, day_of
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.times.zones import as_of_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

_VALUE = "covariate"
_MOST = 1e300  # beyond it a number is as good as infinite


def with_covariates(
    histories: ir.Table,
    sources: Sources,
    names: tuple[str, ...],
    days: Days,
    *,
    keeps_all: bool = False,
) -> ir.Table:
    """Join what is known of customers until the end of what is learnt from.

    Parameters
    ----------
    histories : ibis table
        With ``customer_id``.
    sources : Sources
        ``customers`` for attributes, ``surveys`` for mean answers.
    names : tuple of str
        The covariates.
    days : Days
        What is learnt from.
    keeps_all : bool
        For scoring: a customer of whom something is not known stays, and of versions
        (``valid_from``) the one in force counts. For a fit such customers are left out, and
        versions are refused.

    Raises
    ------
    SchemaError
        If a covariate is not there, is no number, or changes.
    """
    for name in names:
        known = _covariate(sources, name, days, keeps_all)
        joined = histories.join(
            known, histories.customer_id == known.covariate_of, how="left" if keeps_all else "inner"
        )
        value = known[_VALUE].name(covariate_column(name))
        histories = joined.select(*histories.columns, value)
    return histories


def covariate_column(name: str) -> str:
    """Keep the name of a covariate apart from our own columns."""
    return f"covariate_{name}"


def offered(sources: Sources) -> tuple[str, ...]:
    """List what may be a covariate: keys of ratings, and attributes of customers."""
    surveys, customers = sources.get("surveys"), sources.get("customers")
    return (*(surveys.ratings if surveys else ()), *(customers.attributes if customers else ()))


def ranges_of(sources: Sources, names: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Give the lowest and the highest answer of the covariates that are ratings."""
    surveys = sources.get("surveys")
    scales = {} if surveys is None else surveys.ratings
    return {
        name: (float(scales[name].low), float(scales[name].high))
        for name in names
        if name in scales
    }


def _covariate(sources: Sources, name: str, days: Days, takes_versions: bool) -> ir.Table:
    surveys, customers = sources.get("surveys"), sources.get("customers")
    if surveys is not None and name in surveys.ratings:
        return _mean_answer(surveys, name, days)
    if customers is None or name not in customers.attributes:
        raise SchemaError(
            f"There is no covariate {name!r}: give it as an attribute of customers= or as a rating "
            f"of surveys=. {nearest(name, offered(sources))}"
        )
    table = customers.table
    if "valid_from" in customers.columns:
        if not takes_versions:
            raise SchemaError(
                "customers has versions (valid_from): a covariate of purchases must not change. "
                "Read customers with one row each."
            )
        table = _in_force(customers, days)
    return _numbers(table, name)


def _mean_answer(surveys: Source, name: str, days: Days) -> ir.Table:
    rated = surveys.table.filter(surveys.table[f"rating_{name}"].notnull())
    if "responded_at" in surveys.columns:
        rated = rated.filter(days.calendar.day(rated.responded_at) <= days.learnt_until)
    rated = rated.filter(rated.customer_id.notnull())
    return rated.group_by(covariate_of=rated.customer_id).aggregate(
        **{_VALUE: rated[f"rating_{name}"].mean()}
    )


def _numbers(table: ir.Table, name: str) -> ir.Table:
    import ibis

    column = table[name]
    if not (column.type().is_numeric() or column.type().is_boolean()):
        raise SchemaError(
            f"Covariate {name!r} is {column.type()}, not a number. Make one 0/1 column per level."
        )
    known = table.select(covariate_of=table.customer_id, **{_VALUE: column.cast("float64")})
    value = known[_VALUE]
    return known.filter(value.notnull() & (value.abs() < ibis.literal(_MOST, "float64")))


def _in_force(customers: Source, days: Days) -> ir.Table:
    """Give each customer's version in the last instant of what is learnt from."""
    import ibis

    ends_at = as_of_end(day_of(days.learnt_until), days.calendar.time_zone)
    last = ends_at - dt.timedelta(microseconds=1)
    people = customers.table.filter(customers.table.customer_id.notnull())
    people = people.select("customer_id").distinct()
    number = ibis.row_number().over(ibis.window(order_by="customer_id")).cast("int64")
    moment = as_stated(ibis.literal(last, "timestamp(6)"))
    probes = people.mutate(row_number=number, responded_at=moment)
    facts = customer_facts(probes, customers)
    return probes.select("row_number", "customer_id").inner_join(facts, "row_number")
