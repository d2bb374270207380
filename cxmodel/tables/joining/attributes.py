"""What is known of customers, at the response where the table says from when it holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cxmodel.errors import SchemaError
from cxmodel.tables.contracts import RESERVED
from cxmodel.tables.opening.convert import count_if
from cxmodel.tables.opening.mapping import name_is_taken
from cxmodel.tables.times.text_times import parse_iso

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session
    from cxmodel.tables.sources import Source

# A version without a start has always been in force.
_LONG_AGO = dt.datetime(1000, 1, 1)


def check_names(surveys: Source, customers: Source | None) -> None:
    """Refuse attributes whose names the observation table needs, or that come twice.

    Raises
    ------
    SchemaError
        Naming the attribute, its source, and how to rename it.
    """
    seen: dict[str, str] = {}
    for source in (surveys, customers):
        for name in source.attributes if source is not None else ():
            label = source.label if source is not None else ""
            own = name.lower()  # engines do not tell capitals from small letters
            if own in RESERVED or own.startswith(("_", "rating_")):
                raise SchemaError(name_is_taken(label, name))
            if own in seen:
                raise SchemaError(
                    f"The attribute {name!r} is in {seen[own]} and in {label}. Rename one by sql: "
                    f'SELECT ..., "{name}" AS my_{name} FROM ..., or list it once.'
                )
            seen[own] = label


def customer_facts(responses: ir.Table, customers: Source) -> ir.Table:
    """Give each response its customer's start and attributes.

    With ``valid_from`` an attribute is what the version in force at the response says, null before
    the first one; of versions that begin together the last in order of their values stands.

    Returns
    -------
    ibis table
        ``row_number``, ``started_at`` if known, and the attributes. A response whose customer or
        version is unknown is missing.
    """
    starts = ["started_at"] if "started_at" in customers.columns else []
    probes = responses.select("row_number", "customer_id", "responded_at")
    if "valid_from" not in customers.columns:
        facts = customers.table.select("customer_id", *starts, *customers.attributes)
        joined = probes.inner_join(facts, "customer_id")
        return joined.select("row_number", *starts, *customers.attributes)
    found = _versions_in_force(probes, customers.table, customers.attributes)
    if not starts:
        return found
    first_start = customers.table.group_by("customer_id").aggregate(
        started_at=customers.table.started_at.min()
    )
    started = probes.inner_join(first_start, "customer_id").select("row_number", "started_at")
    joined = started.left_join(found, "row_number")
    return joined.select("row_number", "started_at", *customers.attributes)


def _versions_in_force(probes: ir.Table, versions: ir.Table, attributes: Sequence[str]) -> ir.Table:
    import ibis

    always = ibis.literal(_LONG_AGO, "timestamp(6)")
    versions = versions.select(
        "customer_id", *attributes, valid_from=ibis.coalesce(versions.valid_from, always)
    )
    order = ibis.window(group_by="customer_id", order_by=["valid_from", *attributes])
    versions = versions.mutate(_valid_until=versions.valid_from.lead().over(order))
    pairs = probes.join(
        versions,
        [
            probes.customer_id == versions.customer_id,
            versions.valid_from <= probes.responded_at,
            versions["_valid_until"].isnull() | (probes.responded_at < versions["_valid_until"]),
        ],
    )
    return pairs.select("row_number", *attributes)


def dated_after_response(session: Session, table: ir.Table, names: Iterable[str]) -> dict[str, int]:
    """Count, for attributes that hold dates, the responses that came before that date.

    Parameters
    ----------
    session : Session
        The engine.
    table : ibis table
        ``responded_at`` and the attributes: times, or ISO 8601 text.
    names : iterable of str
        The attributes that hold dates.

    Examples
    --------
    >>> import ibis, pyarrow as pa
    >>> from cxmodel.tables.engines.engine import default_session
    >>> rows = pa.table({"responded_at": [dt.datetime(2025, 6, 15)], "left": ["2025-07-01"]})
    >>> dated_after_response(default_session(), ibis.memtable(rows), ["left"])
    {'left': 1}
    """
    names = list(names)
    if not names:
        return {}
    counts = {}
    for i, name in enumerate(names):
        value = table[name]
        time = parse_iso(value).time if value.type().is_string() else value.cast("timestamp(6)")
        counts[f"n_{i}"] = count_if(time > table.responded_at)
    found = session.one_row(table.aggregate(**counts))
    return {name: int(found[f"n_{i}"]) for i, name in enumerate(names)}
