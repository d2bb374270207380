"""Which responses become observations, and why the others do not.

Every row of surveys is counted once: as an observation, or under the first reason that applies, in
the order of `REASONS`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.errors import JoinError
from cxmodel.tables.auditing.questions import whole_numbers

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.engines.engine import Session
    from cxmodel.tables.sources import Source

REASON = "_reason"  # no attribute may begin with an underscore
REASONS = (
    "missing_customer_id",
    "missing_responded_at",
    "missing_rating",
    "after_as_of",
    "duplicate_response",
    "unmatched_customer",
)


def label_responses(
    surveys: ir.Table,
    *,
    rating: str | None,
    ends_at: dt.datetime | None,
    known: ir.Table | None,
    needs: Sequence[str] = ("customer_id", "responded_at"),
) -> ir.Table:
    """Give each response the first reason for which it is left out, or null.

    Parameters
    ----------
    surveys : ibis table
        In canonical form. Columns may be missing: then every row lacks the value.
    rating : str, optional
        The key of the rating that an observation must have.
    ends_at : datetime, optional
        The end of ``as_of`` (naive UTC).
    known : ibis table, optional
        ``customer_id`` of everyone that a response can be matched to; None where nothing says who
        is a customer, and everyone matches.
    needs : sequence of str
        Columns that an observation must have. A table already joined may do without.

    Returns
    -------
    ibis table
        `surveys` with ``_reason``.
    """
    import ibis

    surveys = _with_columns(surveys, needs)
    columns = surveys.columns
    if known is not None:
        surveys = _with_known(surveys, known)
    tests = [(surveys[name].isnull(), f"missing_{name}") for name in needs]
    if rating is not None:
        tests.append((surveys[f"rating_{rating}"].isnull(), "missing_rating"))
    if ends_at is not None and "responded_at" in surveys.columns:
        late = surveys.responded_at >= ibis.literal(ends_at, "timestamp(6)")
        tests.append((late, "after_as_of"))
    if "customer_id" in surveys.columns:
        surveys = surveys.mutate(_copies_before=_copies_before(surveys, columns))
        tests.append((surveys["_copies_before"] > 0, "duplicate_response"))
    if known is not None:
        tests.append((surveys["_known_id"].isnull(), "unmatched_customer"))
    # Without a test a table may hold no reason at all: the last one never applies.
    reason = ibis.cases(*tests, (ibis.literal(False), "none"), else_=ibis.null("string"))
    return surveys.select(*columns, **{REASON: reason})


def _with_known(surveys: ir.Table, known: ir.Table) -> ir.Table:
    """Set the id of each known customer beside their responses; null beside all others."""
    # A join, as PostgreSQL looks through a NOT IN of many ids anew for each row.
    ids = known.filter(known.customer_id.notnull()).select(_known_id="customer_id").distinct()
    return surveys.left_join(ids, surveys.customer_id == ids["_known_id"])


def _copies_before(surveys: ir.Table, columns: Sequence[str]) -> ir.IntegerColumn:
    """Count the rows before this one that are equal to it in every mapped column."""
    import ibis

    mapped = [name for name in columns if name != "row_number"]
    return ibis.row_number().over(ibis.window(group_by=mapped, order_by="row_number"))


def _with_columns(surveys: ir.Table, names: Sequence[str]) -> ir.Table:
    import ibis

    kinds = {"customer_id": "string", "responded_at": "timestamp(6)"}
    missing = {name: ibis.null(kinds[name]) for name in names if name not in surveys.columns}
    return surveys.mutate(**missing) if missing else surveys


@dataclass(frozen=True, kw_only=True)
class ResponseCounts:
    """How many rows of surveys became observations, and how many were left out for which reason."""

    n_observations: int
    dropped: Mapping[str, int]

    @property
    def n_responses(self) -> int:
        """All rows of surveys."""
        return self.n_observations + sum(self.dropped.values())

    @property
    def match_rate(self) -> float | None:
        """The share of those with a known customer among the rows that got that far."""
        n_tried = self.n_observations + self.dropped.get("unmatched_customer", 0)
        return self.n_observations / n_tried if n_tried else None

    def to_section(self) -> dict[str, Any]:
        """Give these counts as the ``audit`` of ``results.json`` has them."""
        rows = [{"reason": r, "n": self.dropped.get(r, 0)} for r in REASONS]
        return {
            "n_responses": self.n_responses,
            "n_observations": self.n_observations,
            "dropped": {"rows": rows},
            "match_rate": self.match_rate,
        }


def count_reasons(session: Session, labelled: ir.Table) -> ResponseCounts:
    """Count the responses by the reason that `label_responses` gave them."""
    counts = session.arrow(labelled.group_by(REASON).aggregate(n=labelled.count())).to_pylist()
    by_reason = {row[REASON]: int(row["n"]) for row in counts}
    n_observations = by_reason.pop(None, 0)
    return ResponseCounts(
        n_observations=n_observations, dropped={r: by_reason.get(r, 0) for r in REASONS}
    )


def check_keys_meet(surveys: ir.Table, others: Mapping[str, Source]) -> None:
    """Refuse tables that share no customer with the rest.

    Surveys must share one with ``customers``, or else with the ledger; the ledger with surveys or
    customers. Churn, interactions and invitations may be about other people, so they are refused
    only where letter case, blanks or leading zeros are what keeps the keys apart.

    Parameters
    ----------
    surveys : ibis table
        Responses with a ``customer_id``.
    others : mapping
        Kind -> source of the other tables.

    Raises
    ------
    JoinError
        With the counts of ids, an example of each, and the difference where one is found.
    """
    if not others:
        return
    keys = _Keys(next(iter(others.values())).session)
    people = _ids(surveys)
    if not keys.n(people):
        return
    if "customers" in others:
        keys.refuse_strangers(people, others["customers"])
        people = people.union(_ids(others["customers"].table), distinct=True)
    ledger = [others[kind] for kind in ("revenue", "subscriptions") if kind in others]
    strangers = [source for source in ledger if not keys.n_common(people, _ids(source.table))]
    if len(strangers) == len(ledger) or "customers" in others:
        for source in strangers:
            keys.refuse_strangers(people, source)
    for kind in ("churn", "interactions", "invitations"):
        if kind in others:
            keys.refuse_strangers(people, others[kind], only_explained=True)


def _ids(table: ir.Table) -> ir.Table:
    return table.filter(table.customer_id.notnull()).select("customer_id").distinct()


@dataclass(frozen=True, eq=False)
class _Keys:
    """Compares the keys of tables on one engine."""

    session: Session

    def n(self, ids: ir.Table) -> int:
        """Count ids."""
        return whole_numbers(self.session, {"n": ids.count()})["n"]

    def n_common(self, left: ir.Table, right: ir.Table) -> int:
        """Count the ids that both have."""
        return self.n(left.semi_join(right, "customer_id"))

    def refuse_strangers(
        self, people: ir.Table, source: Source, *, only_explained: bool = False
    ) -> None:
        """Refuse a table that holds no id of these people."""
        ids = _ids(source.table)
        if not self.n(ids) or self.n_common(people, ids):
            return
        difference = self._what_keeps_apart(people, ids)
        if only_explained and difference is None:
            return
        ours, theirs = (self._of(table) for table in (people, ids))
        hint = f": the two differ by {difference}" if difference else ""
        raise JoinError(
            f"no survey customer_id occurs in {source.kind} ({ours['n']:,} against "
            f"{theirs['n']:,} ids; {ours['first']!r} against {theirs['first']!r}). Check the "
            f"key{hint}. Map the column of {source.label} that holds the key of the surveys, or "
            "make the two alike with sql."
        )

    def _of(self, ids: ir.Table) -> dict[str, Any]:
        return self.session.one_row(ids.aggregate(n=ids.count(), first=ids.customer_id.min()))

    def _what_keeps_apart(self, people: ir.Table, ids: ir.Table) -> str | None:
        """Name the smallest change of spelling after which some keys are equal."""
        common = {}
        for name, change in _CHANGES.items():
            ours = people.select(customer_id=change(people.customer_id)).distinct()
            theirs = ids.select(customer_id=change(ids.customer_id)).distinct()
            common[name] = ours.semi_join(theirs, "customer_id").count()
        found = whole_numbers(self.session, common)
        return next((name for name, n in found.items() if n), None)


def _without_decimals(key: ir.StringValue) -> ir.StringValue:
    return key.re_replace(r"\.0+$", "")


def _without_zeros(key: ir.StringValue) -> ir.StringValue:
    return key.re_replace(r"(^|[^0-9.])0+([0-9])", r"\1\2")


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "letter case": lambda key: key.lower(),
    "blanks around the key": lambda key: key.strip(),
    "a trailing .0 (a number in one table, text in the other)": _without_decimals,
    "leading zeros": _without_zeros,
    "letter case, blanks and leading zeros": lambda key: _without_zeros(
        _without_decimals(key.strip().lower())
    ),
}
