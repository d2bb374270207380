"""Occasions to answer as rows on the engine: landmarks of customers, or invitations.

See ``tables/occasions.py`` for what they are for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cxmodel.tables.engines.functions import half_digests, microseconds_between
from cxmodel.tables.joining.exact import MICROSECONDS_PER_DAY
from cxmodel.tables.window_sums import totals_in_windows
from cxmodel.tables.windows import Total, Window, shifted

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session
    from cxmodel.tables.joining.observation_join import ObservationJoin

NEAR_DAYS = 2
"""An answer so many days after a booking or contact, or fewer, follows it (methods 4)."""
_LANDMARK = "_landmark"


class ProbeSettings(Protocol):
    """What landmarks and invitations need to know; see `OccasionSettings`."""

    @property
    def landmark_days(self) -> int:
        """Days from one landmark to the next."""

    @property
    def within_days(self) -> int:
        """Days after an invitation within which an answer counts."""

    @property
    def most_occasions(self) -> int:
        """Beyond so many customers are sampled."""

    @property
    def seed(self) -> int:
        """Of that sample."""


@dataclass(frozen=True, eq=False)
class Probes:
    """Occasions as an expression, and how answers find theirs.

    Parameters
    ----------
    table : ibis table
        ``row_number``, ``customer_id``, ``responded_at`` (the moment of the occasion),
        ``_answered``, ``_is_sampled``, and what `links` needs.
    links : callable
        From the kept table to ``row_number`` of a response and its ``occasion``.
    first_at : datetime
        The earliest occasion.
    sample_rate : float
        The share of customers sampled.
    """

    table: ir.Table
    links: Callable[[ir.Table], ir.Table]
    first_at: dt.datetime
    sample_rate: float


# -- Landmarks -----------------------------------------------------------------------------------


def landmark_probes(join: ObservationJoin, people: ir.Table, settings: ProbeSettings) -> Probes:
    """Give every customer who had started an occasion at each landmark.

    The first landmark is the midnight (UTC) before the first response, the last period holds the
    last response.
    """
    session, answers = join.sources.session, join.responses
    span = session.one_row(
        answers.aggregate(first=answers.responded_at.min(), last=answers.responded_at.max())
    )
    first_at = dt.datetime.combine(span["first"].date(), dt.time())
    step = dt.timedelta(days=settings.landmark_days)
    n_landmarks = (span["last"] - first_at) // step + 1
    moments = [first_at + i * step for i in range(n_landmarks)]
    people = people.filter(people.customer_id.notnull())
    n_people = int(session.one_row(people.aggregate(n=people.count()))["n"])
    rate = min(1.0, settings.most_occasions / max(1, n_people * n_landmarks))
    placed = _placed(answers, first_at, settings.landmark_days)
    pairs = _with_marks(session, people, placed, moments, rate, settings.seed)
    table = _with_answers(who_had_started(join, pairs), placed)

    def links(kept: ir.Table) -> ir.Table:
        found = placed.join(
            kept.select("customer_id", _LANDMARK, occasion=kept.row_number),
            ["customer_id", _LANDMARK],
        )
        return found.select("row_number", "occasion")

    return Probes(_numbered(table), links, first_at, rate)


def _with_marks(
    session: Session,
    people: ir.Table,
    placed: ir.Table,
    moments: list[dt.datetime],
    rate: float,
    seed: int,
) -> ir.Table:
    """Pair customers of the sample with every landmark, and the others with those they answered."""
    import ibis
    import pyarrow as pa

    numbers = pa.array(range(len(moments)), pa.int64())
    dates = pa.array(moments, pa.timestamp("us"))
    marks = session.register(pa.table({_LANDMARK: numbers, "responded_at": dates}), "landmarks")
    pairs = people.filter(is_sampled(people.customer_id, rate, seed))
    pairs = pairs.cross_join(marks.select(_LANDMARK))
    pairs = pairs.select("customer_id", _LANDMARK, _is_sampled=ibis.literal(True))
    if rate < 1:
        others = placed.filter(~is_sampled(placed.customer_id, rate, seed))
        others = others.select("customer_id", _LANDMARK).distinct()
        others = others.mutate(_is_sampled=ibis.literal(False))
        pairs = ibis.union(pairs, others, distinct=False)
    dated = pairs.inner_join(marks, _LANDMARK)
    return dated.select("customer_id", _LANDMARK, "_is_sampled", "responded_at")


def _with_answers(pairs: ir.Table, placed: ir.Table) -> ir.Table:
    """Say which customers answered in the period of a landmark."""
    import ibis

    keys = placed.select("customer_id", _LANDMARK).distinct().mutate(_hit=ibis.literal(True))
    hits = keys.rename(_hit_id="customer_id", _hit_mark=_LANDMARK)
    found = pairs.left_join(
        hits, [pairs.customer_id == hits["_hit_id"], pairs[_LANDMARK] == hits["_hit_mark"]]
    )
    return found.select(
        "customer_id", "responded_at", _LANDMARK, "_is_sampled", _answered=found["_hit"].notnull()
    )


def _placed(answers: ir.Table, first_at: dt.datetime, landmark_days: int) -> ir.Table:
    """Say in which period each response lies."""
    import ibis

    since = microseconds_between(ibis.literal(first_at, "timestamp(6)"), answers.responded_at)
    period = float(landmark_days * MICROSECONDS_PER_DAY)
    # whole numbers below 2^53 over a whole number: the floor of the quotient is exact
    mark = (since.cast("float64") / period).floor().cast("int64")
    return answers.select("row_number", "customer_id", **{_LANDMARK: mark})


def who_had_started(join: ObservationJoin, probes: ir.Table) -> ir.Table:
    """Keep occasions after the customer's start; where none is known, after the first booking."""
    starts = _starts(join)
    if starts is None:
        return probes
    starts = starts.rename(_start_id="customer_id")
    joined = probes.left_join(starts, probes.customer_id == starts["_start_id"])
    is_there = joined["_started_at"].isnull() | (joined["_started_at"] <= joined.responded_at)
    return joined.filter(is_there).select(*probes.columns)


def _starts(join: ObservationJoin) -> ir.Table | None:
    customers = join.sources.get("customers")
    if customers is not None and "started_at" in customers.columns:
        table = customers.table
        return table.group_by("customer_id").aggregate(_started_at=table.started_at.min())
    signs = []
    if join.bookings is not None:
        signs.append(join.bookings.select("customer_id", at=join.bookings.booked_at))
    subscriptions = join.sources.get("subscriptions")
    if subscriptions is not None:
        table = subscriptions.table
        signs.append(table.select("customer_id", at=table.started_at))
    if not signs:
        return None
    seen = signs[0] if len(signs) == 1 else signs[0].union(signs[1], distinct=False)
    return seen.group_by("customer_id").aggregate(_started_at=seen["at"].min())


# -- Invitations ---------------------------------------------------------------------------------


def invitation_probes(join: ObservationJoin, people: ir.Table, settings: ProbeSettings) -> Probes:
    """Make every invitation of a known customer an occasion, at the moment it was sent."""
    import ibis

    invitations = join.invitations
    if invitations is None:
        raise ValueError("There are no invitations.")
    session = join.sources.session
    asked = invitations.answered().semi_join(people, "customer_id")
    counted = session.one_row(asked.aggregate(n=asked.count(), first=asked.invited_at.min()))
    rate = min(1.0, settings.most_occasions / max(1, int(counted["n"])))
    in_time = asked.answered_at <= shifted(asked.invited_at, settings.within_days)
    is_answered = (asked.is_answered & in_time).fill_null(False)
    chosen = is_sampled(asked.customer_id, rate, settings.seed)
    key = ["invitation_id"] if invitations.by_id else []
    table = asked.select(
        "customer_id", *key, responded_at=asked.invited_at, _answered=is_answered,
        _is_sampled=chosen,
    )  # fmt: skip
    table = table.filter(table["_answered"] | table["_is_sampled"])

    def links(kept: ir.Table) -> ir.Table:
        answers = join.responses
        to = kept.select(*key, asked_id=kept.customer_id, asked_at=kept.responded_at,
                         occasion=kept.row_number)  # fmt: skip
        if key:
            found = answers.select("row_number", "responded_at", "invitation_id")
            found = found.inner_join(to, "invitation_id")
        else:
            own = answers.select("row_number", "customer_id", "responded_at")
            matched = invitations.matched().rename(_matched_row="row_number")
            own = own.inner_join(matched, own.row_number == matched["_matched_row"])
            found = own.inner_join(
                to, [own.customer_id == to.asked_id, own["_invited_at"] == to.asked_at]
            )
        late = found.responded_at > shifted(found.asked_at, settings.within_days)
        return found.filter(~late).select("row_number", "occasion")

    first_at = counted["first"] or dt.datetime(1970, 1, 1)
    if rate >= 1:
        table = table.mutate(_is_sampled=ibis.literal(True))
    return Probes(_numbered(table), links, first_at, rate)


def _numbered(table: ir.Table) -> ir.Table:
    import ibis

    keys = [name for name in ("customer_id", "responded_at", "invitation_id") if name in table]
    number = ibis.row_number().over(ibis.window(order_by=keys)).cast("int64")
    return table.mutate(row_number=number)


def is_sampled(customer_id: ir.StringValue, rate: float, seed: int) -> ir.BooleanValue:
    """Say which customers are in a sample: by a digest of seed and id, alike on every engine."""
    import ibis

    if rate >= 1:
        return ibis.literal(True)
    # the low half: 32 bits that no other part of the package looks at
    _, low = half_digests(ibis.literal(f"{seed}:", "string") + customer_id)
    return low < int(rate * 2**32)


# -- Events --------------------------------------------------------------------------------------


def share_near_events(join: ObservationJoin) -> float | None:
    """Give the share of responses at most 2 days after a booking or contact.

    None where the study has neither.
    """
    near = Window(start=-NEAR_DAYS, end=0, is_after=True)
    counted = _events_in(join, join.responses, near)
    if counted is None:
        return None
    session = join.sources.session
    n_near = int(session.one_row(counted.aggregate(n=counted.count()))["n"])
    n = int(session.one_row(join.responses.aggregate(n=join.responses.count()))["n"])
    return n_near / n if n else None


def with_events_nearby(join: ObservationJoin, probes: ir.Table, days: int) -> ir.Table:
    """Keep the occasions with a booking or contact in their period, or up to 2 days before it."""
    found = _events_in(join, probes, Window(start=-NEAR_DAYS, end=days, is_after=False))
    return probes if found is None else probes.semi_join(found, "row_number")


def _events_in(join: ObservationJoin, probes: ir.Table, window: Window) -> ir.Table | None:
    """List the rows that have a booking or contact in a window."""
    import ibis

    total = Total(name="_n_events", window=window)
    ledgers = [(join.bookings, "booked_at"), (join.contacts, "started_at")]
    parts = []
    for rows, at in ledgers:
        if rows is not None:
            counted = totals_in_windows(
                probes, rows, [total], at=at, plan=join.plan_for_probes(probes, rows)
            )
            parts.append(counted.filter(counted["_n_events"] > 0).select("row_number"))
    if not parts:
        return None
    return parts[0].distinct() if len(parts) == 1 else ibis.union(*parts, distinct=True)
