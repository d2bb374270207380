"""Every active customer on a day, with what the model looks at as it was known then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from cxmodel.errors import ConfigError, nearest
from cxmodel.plain_json import said
from cxmodel.scoring.active import ANSWERED_AT, NotScored, StudyDay, Which, answers_of
from cxmodel.tables.joining.columns import Column, Written, stored_table
from cxmodel.tables.joining.observation_columns import observation_columns
from cxmodel.tables.joining.observation_frame import observation_frame
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.joining.scratch import scratch_tables
from cxmodel.tables.joining.stored import StoredObservations
from cxmodel.tables.observations import units_per_money
from cxmodel.tables.sources import Sources

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from cxmodel.scales import Scale
    from cxmodel.tables.observation_table import Windows

_SECONDS_PER_DAY = 86_400
_CUSTOMER = "customer_id"
# What comes after an answer is not known on the day.
_LATER = ("revenue_after", "churned", "duration_days", "outcome_complete")


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
class Beside:
    """A column of a model that the observation table does not have.

    Parameters
    ----------
    name : str
        The column.
    known : callable
        From the day and its customers in the place of responses to a table of ``row_number`` and
        what `write` needs; customers may be missing.
    write : callable
        From the joined rows to the column.
    """

    name: str
    known: Callable[[StudyDay, ObservationJoin], ir.Table]
    write: Callable[[ir.Table], Written]


@dataclass(frozen=True, eq=False, kw_only=True)
class CustomersAt:
    """The active customers of a day.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``customer_id`` and the columns of the model, in order of the customer.
    n_without_answer : int
        Customers who had not answered by then: their rating is not known.
    others : NotScored
        The customers who are not active.
    answers : AnswerAges, optional
        How old the answers are that the model looks at; None where it looks at none.
    """

    frame: pd.DataFrame
    n_without_answer: int
    others: NotScored
    answers: AnswerAges | None = None


@dataclass(frozen=True, kw_only=True)
class AnswerAges:
    """How old the answers of customers are.

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
    beside: Sequence[Beside] = (),
    needs_rating: bool = False,
    which_answer: Which = "last",
) -> CustomersAt:
    """Find the customers who are active at the end of a day, and compute their columns then.

    Active is who had started and had not left; without a contract, who booked in the last
    `inactive_days`. The windows are those that the model was learnt with, and end with the day.
    Ratings, touchpoint and attributes of answers are those of the customer's last answer, unless
    the first one is asked for.

    Parameters
    ----------
    sources : Sources
        Of the study, on one engine.
    model : LooksBack
        Whose columns are computed: a stored churn model, or what stands for another.
    at : date
        The day; nothing after its end is looked at.
    as_of : date, optional
        Until when the data are complete, where the study states it.
    time_zone : str
        Whose days are meant.
    answer_days : int, optional
        An older answer counts as none; by default the last one counts however old, and its age is
        told.
    beside : sequence of Beside
        Columns of the model that the observation table does not have.
    needs_rating : bool
        Whether an answer without the model's rating is none.
    which_answer : {"last", "first of the stay"}
        Whose rating and attributes count.

    Raises
    ------
    ConfigError
        If the day lies outside the data, the study has another rating or currency than the
        model, or lacks one of its columns.
    SourceError
        If nobody is known: there are neither customers nor a ledger.
    """
    day = StudyDay.of(sources, model.windows, at=at, as_of=as_of, time_zone=time_zone)
    rating = _rating_of(model, sources)
    check_currency(model.facts["currency"], sources)
    with scratch_tables(sources.session) as scratch:
        active, others = day.active(scratch)
        answered = day.with_answers(
            active,
            answer_days=answer_days,
            rating=rating if needs_rating else None,
            which=which_answer,
        )
        probes = scratch.keep(answered, "probes")
        stored, columns = _columns_then(day, day.join_of(probes), model, rating, beside)
        scale = None if rating is None else sources.by_kind["surveys"].ratings[rating]
        frame = _taken_out(sources, scratch.keep(stored, "then"), columns, scale)
        n_silent, ages = _ages(day, probes)
    looks_at_answers = bool(set(model.columns) & _of_answers(sources))
    return CustomersAt(
        frame=frame,
        n_without_answer=n_silent,
        others=others,
        answers=ages if looks_at_answers else None,
    )


def _taken_out(
    sources: Sources, table: ir.Table, columns: tuple[Column, ...], scale: Scale | None
) -> pd.DataFrame:
    """Take stored rows out of the engine, as people read them, in order of the customer."""
    lying = StoredObservations(
        sources.session,
        table,
        n_rows=0,
        columns=columns,
        order=(_CUSTOMER,),
        dress=partial(
            observation_frame,
            columns=columns,
            scale=scale,
            units_per_money=units_per_money(sources),
        ),
    )
    return lying.frame


def _ages(day: StudyDay, probes: ir.Table) -> tuple[int, AnswerAges]:
    """Count who has no answer, and say how old the others' last answers are."""
    seconds = day.moment.epoch_seconds() - probes[ANSWERED_AT].epoch_seconds()
    lookback = day.windows.lookback_days
    row = day.sources.session.one_row(
        probes.aggregate(
            silent=probes[ANSWERED_AT].isnull().sum(),
            n=probes[ANSWERED_AT].count(),
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
    surveys = answers_of(sources)
    if surveys is None:
        return set()
    keyed = (name for key in surveys.ratings for name in (key, f"rating_{key}"))
    return {"rating", "band", "touchpoint", "agent", *keyed, *surveys.attributes}


def _rating_of(model: LooksBack, sources: Sources) -> str | None:
    """Name the rating that the model knows as ``rating``, and see that its scale is the same."""
    if not {"rating", "band"} & set(model.columns) or model.facts["rating"] is None:
        return None
    wanted, surveys = model.facts["rating"], answers_of(sources)
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


def check_currency(then: str | None, sources: Sources) -> None:
    """Refuse a study whose money is another than that of the model.

    Raises
    ------
    ConfigError
        Naming both.
    """
    now = sources.currency
    if then is not None and now is not None and then != now:
        raise ConfigError(
            f"The model was learnt with amounts in {then}, and the study has {now}. Use the ledger "
            "in the same currency, or fit the model again."
        )


def _columns_then(
    day: StudyDay,
    join: ObservationJoin,
    model: LooksBack,
    rating: str | None,
    beside: Sequence[Beside],
) -> tuple[ir.Table, tuple[Column, ...]]:
    """Write the columns of the model as they were known at the moment."""
    kinds = [join.sources.get("customers"), join.sources.get("surveys")]
    attributes = tuple(n for source in kinds if source is not None for n in source.attributes)
    rows = join.joined()
    for each in beside:
        known = each.known(day, join).rename(_beside_row="row_number")
        rows = rows.left_join(known, rows.row_number == known["_beside_row"]).drop("_beside_row")
    known_then = {
        each.column.name: each
        for each in observation_columns(join, rows, rating=rating, attributes=attributes)
        if not each.column.name.startswith("_") and each.column.name not in _LATER
    }
    known_then |= {each.name: each.write(rows) for each in beside}
    _require(model.columns, known_then)
    wanted = {_CUSTOMER, *model.columns, *(["rating"] if "band" in model.columns else [])}
    columns = [each for name, each in known_then.items() if name in wanted]
    return stored_table(rows, columns), tuple(each.column for each in columns)


def _require(columns: Sequence[str], known: Mapping[str, Any]) -> None:
    """Refuse a study that does not say what the model looks at."""
    missing = [name for name in columns if name not in known]
    if missing:
        raise ConfigError(
            f"The model looks at {', '.join(map(said, missing))}, which the sources of the study "
            f"do not say as of a day. {nearest(missing[0], known)} Map it, or score a file that "
            "has it: cxmodel score MODEL FILE OUTPUT."
        )
