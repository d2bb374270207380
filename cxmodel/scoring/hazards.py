"""Every active customer on a day, with how long each has been on the clock of a model of leaving.

For hazards, whose periods pass while ratings change, and for retention curves with covariates,
which are told once, at the answer that the curve counts from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import ConfigError
from cxmodel.models.retention import covariates_ahead
from cxmodel.models.retention.hazard_ahead import PERIOD, columns_of
from cxmodel.models.retention.spells import SINCE_ANSWER, SINCE_START, whole_periods
from cxmodel.models.study_facts import RATING
from cxmodel.scoring.active import StudyDay, Which, answers_of, customers_have
from cxmodel.scoring.asked_day import AskedDay
from cxmodel.scoring.customers import Beside, CustomersAt, customers_at
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.joining.columns import written
from cxmodel.tables.joining.exact import days_between
from cxmodel.tables.observation_table import Windows
from cxmodel.tables.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cxmodel.models.retention.covariates_result import RetentionByCovariates
    from cxmodel.models.retention.hazard_result import HazardResult
    from cxmodel.models.study_facts import StudyFacts
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


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A model of leaving, as far as the customers of a day are concerned.

    Parameters
    ----------
    columns : tuple of str
        What it looks at beside time.
    study : StudyFacts, optional
        What these mean.
    began : str
        When time begins: `SINCE_START` or `SINCE_ANSWER`.
    name, period_days : str, float
        The column of whole periods since then, and how long one is.
    answer : {"last", "first of the stay"}
        Which answer counts.
    """

    columns: tuple[str, ...]
    study: StudyFacts | None
    began: str
    name: str
    period_days: float
    answer: Which = "last"

    @classmethod
    def of_hazard(cls, fit: HazardResult) -> Clock:
        """Take it from a hazard: each answer holds until the next."""
        is_joined = fit.study is not None and fit.study.windows is None
        return cls(
            columns=columns_of(fit),
            study=fit.study,
            began=fit.clock,
            name=PERIOD,
            # the one window of a table already joined stands at the tenure in months
            period_days=DAYS_PER_MONTH if is_joined else fit.period_days,
        )

    @classmethod
    def of_retention(cls, fit: RetentionByCovariates) -> Clock:
        """Take it from a retention model: the curve counts from one answer, or from the start."""
        return cls(
            columns=covariates_ahead.columns_of(fit),
            study=fit.study,
            began=fit.clock,
            name=covariates_ahead.MONTHS,
            period_days=DAYS_PER_MONTH,
            answer="first of the stay" if fit.clock == SINCE_ANSWER else "last",
        )


def on_the_clock(clock: Clock, sources: Sources, asked: AskedDay) -> CustomersAt:
    """Find the active customers of a day, what the model looks at, and the periods behind each.

    Parameters
    ----------
    clock : Clock
        Of the model.
    sources : Sources
        Of the study, on one engine.
    asked : AskedDay
        The day; the windows of the model stand where it knows them.

    Raises
    ------
    ConfigError
        If the model says nothing of a study, the study lacks a column, or the clock cannot be read.
    """
    study = clock.study
    if study is None:
        raise ConfigError(
            "This model was fitted to a table of spells, which does not say what its columns and "
            "periods are in a study. Fit it to observations (HazardModel().fit), or score a file "
            "with its columns: cxmodel score MODEL FILE OUTPUT."
        )
    is_tenure = clock.began == SINCE_START
    if is_tenure:
        require_start(sources, "The model counts time from when the customer started")
    else:
        _require_answers(sources)
    time = TENURE_DAYS if is_tenure else _IN_STAY
    found = customers_at(
        sources,
        DayColumns(
            columns=tuple(dict.fromkeys((*clock.columns, time))),
            windows=study.windows or asked.windows,
            facts={"rating": study.rating, "currency": study.currency},
        ),
        answer_days=asked.answer_days,
        beside=() if is_tenure else (_days_in_stay(_counted(study, sources)),),
        needs_rating=True,
        which_answer=clock.answer,
        **asked.when,
    )
    passed = found.frame[time].to_numpy(dtype=float, na_value=np.nan)
    frame = found.frame[["customer_id", *clock.columns]]
    periods = whole_periods(passed, clock.period_days)
    return replace(found, frame=frame.assign(**{clock.name: periods}))


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


def _require_answers(sources: Sources) -> None:
    if answers_of(sources) is None:
        raise ConfigError(
            f"The model counts time from {SINCE_ANSWER}, which the study does not say. Add "
            "sources.surveys with customer_id and responded_at."
        )


def _counted(study: StudyFacts, sources: Sources) -> str | None:
    """Name the rating without which an answer did not count at the fit, where the study has it."""
    surveys = answers_of(sources)
    name = None if study.rating is None else study.rating["name"]
    return name if surveys is not None and name in surveys.ratings else None


def _days_in_stay(rating: str | None) -> Beside:
    """Count from the first answer of a stay: after the last departure, if there was one."""

    def known(day: StudyDay, join: ObservationJoin) -> ir.Table:
        answers = day.answers_of_stay(rating)
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


def clock_notes(clock: Clock, found: CustomersAt, asked: AskedDay) -> list[str]:
    """Say who gets no score for want of an answer, and how old the others' answers are."""
    said, ages, days = [], found.answers, asked.answer_days
    needed = [RATING, *([clock.name] if clock.began == SINCE_ANSWER else [])]
    answered = found.frame[[name for name in needed if name in found.frame]]
    n_silent = 0 if ages is None else int(answered.isna().any(axis=1).sum())
    if n_silent:
        when = f"in the {days:,} days up to {asked.at}" if days else f"up to {asked.at}"
        since = " since they came, or came back" if clock.began == SINCE_ANSWER else ""
        said.append(
            f"{customers_have(n_silent)} no answer {when} that counts{since}, and so no score."
        )
    if ages is not None and ages.n:
        holds = (
            "each is taken to hold until the next one"
            if clock.answer == "last"
            else "each is the first of the customer's stay"
        )
        said.append(
            f"The answers are {ages.mean_days:,.0f} days old on average; {holds}, as at the fit."
        )
    return said
