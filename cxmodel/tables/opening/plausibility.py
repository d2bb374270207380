"""What can be read but is worth a look, and what is wrong between tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cxmodel.errors import ConfigError, CxModelError, JoinError, SchemaError
from cxmodel.tables.contracts import Contract
from cxmodel.tables.opening.convert import Column, Note, count_if
from cxmodel.tables.specs import SourceSpec
from cxmodel.tables.times.zones import as_of_end

if TYPE_CHECKING:
    import ibis

    from cxmodel.tables.sources import Source, Sources

_RECENT = dt.timedelta(days=30)
_FEW = 0.2
_AT = {"revenue": "booked_at", "subscriptions": "started_at", "surveys": "responded_at"}


# -- Within one source ---------------------------------------------------------------------------


def notes_of(contract: Contract, columns: Mapping[str, Column], label: str) -> list[Note]:
    """List what the contract of a source finds worth a warning.

    Parameters
    ----------
    contract : Contract
        The contract.
    columns : mapping of str to Column
        The columns that the source maps, converted.
    label : str
        How messages call the source.
    """
    values = {name: column.value for name, column in columns.items()}
    known = [column for column in contract.columns if column.name in values]
    return [
        *(_missing(values[c.name], c.name, label) for c in known if c.counts_missing),
        *(
            _before(values[earlier], values[later], (earlier, later), label)
            for earlier, later in contract.order
            if earlier in values and later in values
        ),
        *(_below(values[c.name], c.name, c.low, label) for c in known if c.low is not None),
        *(_in_future(values[c.name], c.name, label) for c in known if c.has_happened),
    ]


def _missing(value: Any, name: str, label: str) -> Note:
    return Note(value.isnull(), lambda n, _: f"{label}: {n:,} row(s) have no {name}.")


def _before(earlier: Any, later: Any, names: tuple[str, str], label: str) -> Note:
    words = f"{names[1]} before {names[0]}"
    return Note(later < earlier, lambda n, _: f"{label}: {n:,} row(s) have {words}.")


def _below(value: Any, name: str, low: float, label: str) -> Note:
    return Note(value < low, lambda n, _: f"{label}: {n:,} row(s) have {name} below {low:g}.")


def _in_future(value: Any, name: str, label: str) -> Note:
    import ibis

    # The day of the run is over everywhere: clocks are up to twelve hours behind UTC.
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    end = today + dt.timedelta(days=1, hours=12)
    return Note(
        value >= ibis.timestamp(end),
        lambda n, facts: (
            f"{label}: {n:,} row(s) have {name} in the future (the latest: {facts[name]['high']}). "
            "Rows after study.as_of are left out; check that it is the right column."
        ),
    )


def warnings_of(spec: SourceSpec, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """List what a reader of the source should know from its facts.

    Returns
    -------
    tuple of str
        Sentences.
    """
    return (
        *_no_answers(spec, facts),
        *_low_ratings(spec, facts),
        *(
            f'{spec.label}.{name} was read as "{one}", the one way to read it. State date_format.'
            for name, one in facts["date_formats"].items()
        ),
    )


def _no_answers(spec: SourceSpec, facts: Mapping[str, Any]) -> list[str]:
    """Warn where a question has no answer at all: it may be another column."""
    return [
        f"No row of {spec.label} has an answer to {key!r} (column {rating.column!r})."
        for key, rating in spec.ratings.items()
        if not facts[f"rating_{key}"]["n"]
    ]


def _low_ratings(spec: SourceSpec, facts: Mapping[str, Any]) -> list[str]:
    """Warn where no NPS answer is 0: the question may have been asked from 1."""
    return [
        f"No answer to {key!r} ({spec.label}) is 0 among {facts[f'rating_{key}']['n']:,}: if it "
        "was asked from 1 to 10, say so: { low = 1, high = 10 }. It then compares with no "
        "published NPS."
        for key, rating in spec.ratings.items()
        if rating.scale.statistic == "nps" and rating.scale.low == 0
        if facts[f"rating_{key}"]["n"] >= 100 and facts[f"rating_{key}"]["low"] >= 1
    ]


# -- Between sources -----------------------------------------------------------------------------


def between_sources(sources: Sources, as_of: dt.date | None) -> list[CxModelError]:
    """List what a study cannot use: no outcome, no key in common, an as-of date before all data."""
    from cxmodel.tables.auditing.audit import check_keys_meet
    from cxmodel.tables.flat import check_outcomes
    from cxmodel.tables.joining.attributes import check_names

    breaches: list[CxModelError] = []
    surveys, joined = sources.get("surveys"), sources.get("observations")
    try:
        if joined is not None:
            check_outcomes(joined)
        if surveys is not None:
            check_names(surveys, sources.get("customers"))
    except SchemaError as error:
        breaches.append(error)
    if surveys is not None and "customer_id" in surveys.columns:
        others = {kind: s for kind, s in sources.by_kind.items() if kind != "surveys"}
        try:
            check_keys_meet(surveys.table, others)
        except JoinError as error:
            breaches.append(error)
    first = _first_time(sources)
    if as_of is not None and first is not None and as_of_end(as_of) <= first:
        breaches.append(
            ConfigError(
                f"study.as_of {as_of} lies before all data, which begin on {first.date()}. "
                "Correct it, or leave it out."
            )
        )
    return breaches


def _first_time(sources: Sources) -> dt.datetime | None:
    lows = [
        source.facts[_AT[kind]]["low"]
        for kind, source in sources.by_kind.items()
        if kind in _AT and _AT[kind] in source.columns
    ]
    return min((low for low in lows if low is not None), default=None)


def worth_a_look(sources: Sources, as_of: dt.date | None) -> list[str]:
    """List the warnings of every source, keys spelt in two ways, and a ledger that fades out."""
    found = [line for source in sources.by_kind.values() for line in source.facts["warnings"]]
    surveys = sources.get("surveys")
    people = sources.get("customers") or sources.get("revenue")
    if surveys is not None and people is not None and "customer_id" in surveys.columns:
        found.extend(spelt_in_two_ways(surveys, people))
    ledger = sources.get("revenue")
    if ledger is not None:
        found.extend(fading(ledger, as_of))
    return found


def spelt_in_two_ways(surveys: Source, people: Source) -> list[str]:
    """Warn of customers who are in both tables, but whose key is not written in the same way.

    Capitals, blanks around the key, leading zeros and a trailing ``.0`` are what is looked for.
    """
    keys = _keys(surveys, 1).union(_keys(people, 0))
    keys = keys.group_by(["key", "plain"]).aggregate(
        ours=keys.is_ours.max(), theirs=(1 - keys.is_ours).max()
    )
    is_lost, is_theirs = (keys.ours == 1) & (keys.theirs == 0), keys.theirs == 1
    alike = keys.group_by("plain").aggregate(
        n_met=(keys.ours * keys.theirs).sum(),
        n_lost=count_if(is_lost),
        n_theirs=keys.theirs.sum(),
        lost=is_lost.ifelse(keys.key, None).min(),
        found=is_theirs.ifelse(keys.key, None).min(),
    )
    is_spelt_otherwise = (alike.n_lost > 0) & (alike.n_theirs > 0)
    counts = alike.aggregate(
        n_met=alike.n_met.sum(), n_lost=is_spelt_otherwise.ifelse(alike.n_lost, 0).sum()
    )
    seen = surveys.session.one_row(counts)
    # Where no key meets at all, that is a breach of its own.
    if not seen["n_met"] or not seen["n_lost"]:
        return []
    first = surveys.session.one_row(alike.filter(is_spelt_otherwise).order_by("lost").limit(1))
    return [
        f"{seen['n_lost']:,} customer_id(s) of {surveys.label} are in {people.label} only in "
        f"another spelling ({first['lost']!r} against {first['found']!r}): they count as other "
        "people. Make the two alike with sql."
    ]


def _keys(source: Source, is_ours: int) -> ibis.Table:
    """List the keys of a source, each once, with what is left of them in one spelling."""
    key = source.table.customer_id
    plain = key.strip().lower().re_replace("[.]0+$", "").re_replace("^0+", "")
    ids = source.table.filter(key.notnull()).select(key=key, plain=plain).distinct()
    return ids.mutate(is_ours=is_ours)


def fading(ledger: Source, as_of: dt.date | None = None) -> list[str]:
    """Warn where the last 30 days hold under a fifth of the usual bookings.

    The usual number is that of the 180 days before, per 30 days; a ledger of under 90 days says
    nothing.
    """
    low, high = ledger.facts["booked_at"]["low"], ledger.facts["booked_at"]["high"]
    if high is None:
        return []
    end = as_of_end(as_of, ledger.time_zone) if as_of is not None else high
    recent = end - _RECENT
    start = max(low, recent - 6 * _RECENT)
    if recent - start < 2 * _RECENT:
        return []
    at = ledger.table.booked_at
    counts = ledger.session.one_row(
        ledger.table.aggregate(
            recent=count_if((at > recent) & (at <= end)),
            before=count_if((at > start) & (at <= recent)),
        )
    )
    usual = counts["before"] * (_RECENT / (recent - start))
    if counts["recent"] >= _FEW * usual:
        return []
    return [
        f"{ledger.label}: the 30 days to {end.date() - dt.timedelta(days=bool(as_of))} hold "
        f"{counts['recent']:,} bookings where {usual:,.0f} are usual. The extract may end earlier: "
        "set study.as_of to its last full day."
    ]
