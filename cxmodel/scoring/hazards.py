"""Every active customer on a day, with the period that a hazard has each of them in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import ConfigError
from cxmodel.models.retention.hazard_ahead import PERIOD, columns_of
from cxmodel.models.retention.spells import SINCE_ANSWER, SINCE_START, whole_periods
from cxmodel.scoring.active import StudyDay
from cxmodel.scoring.customers import Beside, CustomersAt, customers_at
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.joining.churn_rule import standings
from cxmodel.tables.joining.columns import written
from cxmodel.tables.joining.exact import days_between
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cxmodel.models.retention.hazard_result import HazardResult
    from cxmodel.tables.joining.observation_join import ObservationJoin

TENURE_DAYS = "tenure_days"
_IN_STAY, _BEGAN_AT = "_days_in_stay", "_stay_began_at"


@dataclass(frozen=True, kw_only=True)
class DayColumns:
    """Columns of the observation table, as `customers_at` is asked for them.

    Parameters
    ----------
    columns : tuple of str
        Which.
    windows : Windows
        In which they are counted.
    facts : mapping
        ``rating`` and ``currency`` of the model.
    """

    columns: tuple[str, ...]
    windows: Windows
    facts: Mapping[str, Any] = field(default_factory=dict)


def at_risk_on(
    fit: HazardResult, sources: Sources, *, windows: Windows, answer_days: int | None, **day: Any
) -> CustomersAt:
    """Find the active customers of a day, what the hazard looks at, and the period of each.

    A customer's period is the number of whole periods since the clock of the fit began: the start,
    or the first answer of the stay. Each customer's last answer holds.

    Parameters
    ----------
    fit : HazardResult
        Fitted to observations.
    sources : Sources
        Of the study, on one engine.
    windows : Windows
        Of the study; those of the model stand where it knows them.
    answer_days : int, optional
        An older answer counts as none.
    **day
        ``at``, ``as_of``, ``time_zone``: see `customers_at`.

    Raises
    ------
    ConfigError
        If the model says nothing of a study, the study lacks a column, or the clock cannot be read.
    """
    study = fit.study
    if study is None:
        raise ConfigError(
            "This hazard was fitted to a table of spells, which does not say what its columns and "
            "periods are in a study. Fit it to observations (HazardModel().fit), or score a file "
            "with its columns: cxmodel score MODEL FILE OUTPUT."
        )
    columns = columns_of(fit)
    is_tenure = fit.clock == SINCE_START
    if is_tenure:
        require_start(sources, "The hazard counts periods from when the customer started")
    rating = None if study.rating is None or "rating" not in columns else study.rating["name"]
    clock = TENURE_DAYS if is_tenure else _IN_STAY
    found = customers_at(
        sources,
        DayColumns(
            columns=tuple(dict.fromkeys((*columns, clock))),
            windows=study.windows or windows,
            facts={"rating": study.rating, "currency": study.currency},
        ),
        answer_days=answer_days,
        beside=() if is_tenure else (_days_in_stay(rating),),
        needs_rating=True,
        **day,
    )
    # the one window of a table already joined stands at the tenure in months
    length = fit.period_days if study.windows is not None else DAYS_PER_MONTH
    passed = found.frame[clock].to_numpy(dtype=float, na_value=np.nan)
    frame = found.frame[["customer_id", *columns]].assign(**{PERIOD: whole_periods(passed, length)})
    return replace(found, frame=frame)


def require_start(sources: Sources, why: str) -> None:
    """Refuse a study that does not say when customers started.

    Raises
    ------
    ConfigError
        With `why` it is needed.
    """
    customers = sources.get("customers")
    if customers is None or "started_at" not in customers.columns:
        raise ConfigError(f"{why}, which the study does not say. Map sources.customers.started_at.")


def _days_in_stay(rating: str | None) -> Beside:
    """Count from the first answer of a stay: after the last departure, if there was one."""

    def known(day: StudyDay, join: ObservationJoin) -> ir.Table:
        if join.departures.rule == "inactivity":
            raise ConfigError(
                f"The hazard counts periods from {SINCE_ANSWER} of a stay, and in this study only "
                "missing bookings say who left, so nobody knows when a stay began. State "
                "sources.churn or sources.customers.churned_at."
            )
        answers = _after_start(day.answers(rating=rating), join)
        answers = _of_this_stay(answers, join)
        began = answers.group_by("customer_id").aggregate(**{_BEGAN_AT: answers.responded_at.min()})
        people = join.responses.select("row_number", "customer_id")
        return people.inner_join(began, "customer_id").select("row_number", _BEGAN_AT)

    return Beside(
        name=_IN_STAY,
        known=known,
        write=lambda rows: written(
            _IN_STAY, "number", days_between(rows[_BEGAN_AT], rows.responded_at)
        ),
    )


def _after_start(answers: ir.Table, join: ObservationJoin) -> ir.Table:
    """Leave out answers from before the customer started, as observations do."""
    answers = answers.select("row_number", "customer_id", "responded_at")
    customers = join.sources.get("customers")
    if customers is None or "started_at" not in customers.columns:
        return answers
    table = customers.table
    starts = table.group_by(_start_of=table.customer_id).aggregate(
        _started_at=table.started_at.min()
    )
    joined = answers.left_join(starts, answers.customer_id == starts["_start_of"])
    is_early = (joined.responded_at < joined["_started_at"]).fill_null(False)
    return joined.filter(~is_early).select(*answers.columns)


def _of_this_stay(answers: ir.Table, join: ObservationJoin) -> ir.Table:
    """Keep answers of customers who were there and have not left since."""
    if join.departures.events is None:
        return answers
    found = standings(answers, join.departures)
    standing = found.select("has_left", "next_left_at", _answer=found.row_number)
    joined = answers.left_join(standing, answers.row_number == standing["_answer"])
    is_here = ~joined.has_left.fill_null(False) & joined.next_left_at.isnull()
    return joined.filter(is_here).select(*answers.columns)


def hazard_notes(fit: HazardResult, found: CustomersAt, at: dt.date) -> list[str]:
    """Say who gets no score for want of an answer, and how old the others' answers are."""
    said, ages = [], found.answers
    looks = ages is not None or fit.clock == SINCE_ANSWER
    if looks and found.n_without_answer:
        n = found.n_without_answer
        who = "1 customer has" if n == 1 else f"{n:,} customers have"
        said.append(f"{who} no answer up to {at} that counts, and so no score.")
    if ages is not None and ages.n:
        said.append(
            f"The answers are {ages.mean_days:,.0f} days old on average; each is taken to hold "
            "until the next one, as at the fit."
        )
    return said
