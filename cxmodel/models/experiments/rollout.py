"""What a programme did that some groups began before others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.checks.base import p_words
from cxmodel.models.estimates.level_rows import suppressed
from cxmodel.models.experiments.experiment import arm_names
from cxmodel.models.experiments.rollout_settings import Rollout
from cxmodel.models.experiments.rollout_starts import starts_of
from cxmodel.models.leaks import MISSING
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.lift_result import NO_ROLLOUT
from cxmodel.models.outcome_units import LiftUnits
from cxmodel.results import ESTIMATE_FIELDS, Estimate, NotRun
from cxmodel.stats.difference_in_differences import (
    NEVER,
    CombinedEffect,
    GroupTimeEffects,
    RolloutData,
    group_time_effects,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
FEW_GROUPS = 10
# A day after all data, and its period, for groups that never began.
FAR, NEVER_BEGAN = np.datetime64("9000-01-01", "us"), -1
SUSPECT = 0.05
MUST_BE_BELIEVED = (
    "Without the programme the groups would have moved alike, and nothing else began in the same "
    "groups at the same time. The periods before the start can only make this more or less "
    "likely."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class RolloutEffect:
    """The effect on one outcome.

    Parameters
    ----------
    unit : str
        Of the outcome.
    effects : GroupTimeEffects
        By group and time.
    by_group : bool
        Whether errors are clustered by group; else by customer.
    """

    unit: str
    effects: GroupTimeEffects
    by_group: bool

    def to_section(self, conf_level: float, min_group_size: int) -> dict[str, Any]:
        """Give the effect, by periods since the start, and the test of what lay before."""
        trend, n, study = self.effects.pre_trend(), self._n_treated(), self.effects.by_event_time()
        hides = suppressed([n[since] for since in study], min_group_size)
        return {
            "effect": self._estimate(self.effects.overall(), conf_level, self.n_after),
            "event_study": {
                "rows": [
                    self._row(since, found, conf_level, n[since], is_hidden=is_hidden)
                    for (since, found), is_hidden in zip(study.items(), hides, strict=True)
                ]
            },
            "pre_trend": {
                "statistic": None if trend is None else trend[0],
                "p_value": None if trend is None else trend[1],
                "n_periods": 0 if trend is None else trend[2],
            },
            "clustered_by": "group" if self.by_group else "customer",
            "deg_freedom": self.effects.overall().deg_freedom,
        }

    @property
    def n_after(self) -> int:
        """Responses of groups that began, from their start on."""
        return sum(n for since, n in self._n_treated().items() if since >= 0)

    def _n_treated(self) -> dict[int, int]:
        """Count responses of groups that began, by periods since the start."""
        data = self.effects.data
        counts: dict[int, int] = {}
        for cohort, period in sorted({(e.cohort, e.period) for e in self.effects.effects}):
            since = int(period - data.starts[cohort])
            counts[since] = counts.get(since, 0) + int(data.rows_of_cell[cohort, period])
        return counts

    def _row(
        self, since: int, found: CombinedEffect, conf_level: float, n: int, *, is_hidden: bool
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"periods_since_start": since, "suppressed": is_hidden}
        if is_hidden:
            hidden = dict.fromkeys(ESTIMATE_FIELDS)
            return {**row, **hidden, "unit": self.unit, "conf_level": conf_level}
        return {**row, **self._estimate(found, conf_level, n).to_dict()}

    def _estimate(self, found: CombinedEffect, conf_level: float, n: int) -> Estimate:
        return Estimate.from_std_error(
            found.estimate,
            found.std_error,
            unit=self.unit,
            n_obs=n,
            conf_level=conf_level,
            deg_freedom=found.deg_freedom,
            caveats=(MUST_BE_BELIEVED,),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class RolloutResult:
    """A roll-out, evaluated on the outcome and on the rating.

    Parameters
    ----------
    settings : Rollout
        What was declared.
    on_outcome, on_rating : RolloutEffect or NotRun
        The effects.
    n_groups, n_groups_started : int
        Groups with responses, and those of them that began.
    not_used : dict of str to int
        Responses left out, by reason.
    conf_level : float
        Of the intervals.
    min_group_size : int
        Rows of fewer responses are not shown.
    """

    settings: Rollout
    on_outcome: RolloutEffect | NotRun
    on_rating: RolloutEffect | NotRun
    n_groups: int
    n_groups_started: int
    not_used: dict[str, int]
    conf_level: float
    min_group_size: int

    def to_section(self) -> dict[str, Any]:
        """Give ``lift.<outcome>.rollout``."""
        settings = self.settings
        return {
            "status": "ok",
            "reason": None,
            "group": settings.group,
            "started_at": settings.started_at,
            "period": settings.period,
            "comparison": settings.comparison,
            "n_groups": self.n_groups,
            "n_groups_started": self.n_groups_started,
            "outcome": self._part(self.on_outcome),
            "rating": self._part(self.on_rating),
            "not_used": {"rows": [{"reason": r, "n": n} for r, n in self.not_used.items() if n]},
            "must_be_believed": MUST_BE_BELIEVED,
            "caveats": self.caveats,
        }

    def _part(self, found: RolloutEffect | NotRun) -> dict[str, Any] | NotRun:
        if isinstance(found, NotRun):
            return found
        return found.to_section(self.conf_level, self.min_group_size)

    @property
    def caveats(self) -> list[str]:
        """What the data did show, and what the errors do not hold."""
        said = []
        for name, found in (("outcome", self.on_outcome), ("rating", self.on_rating)):
            if isinstance(found, NotRun):
                continue
            trend = found.effects.pre_trend()
            if trend is None:
                said.append(f"Nothing shows whether the {name} moved alike before the start.")
            elif trend[1] < SUSPECT:
                said.append(
                    f"Before the start the {name} did not move alike ({p_words(trend[1])}, "
                    f"{trend[2]} periods): the effect is not to be believed as it is."
                )
            if not found.by_group:
                said.append(
                    "One group alone began together, or waited: its own luck in a period cannot be "
                    f"told from the programme, and the interval of the {name} does not hold it."
                )
            elif self.n_groups < FEW_GROUPS:
                degrees = found.effects.overall().deg_freedom
                said.append(
                    f"{self.n_groups} groups are few: the interval of the {name} is of Student's t "
                    f"with {degrees:.1f} degrees of freedom (Welch), wider than that of many "
                    "groups, and right where chance moves all groups about as much."
                )
        return said


def evaluate_rollout(fit: LiftFit) -> RolloutResult | NotRun:
    """Compare groups before and after their start with groups that had not begun.

    Each response counts in the calendar period in which it was given. For the rating it is before
    or after by its own day. For the outcome, a response whose window reaches into the programme is
    neither, and is left out. Errors are clustered by group with Welch's degrees of freedom where
    every mean is of two groups or more, else by customer.

    Raises
    ------
    ConfigError
        If there is no such column, a group of ``rollout.starts`` does not occur, or the column of
        starts gives none, or a group several.
    """
    settings = fit.settings.rollout
    if settings is None:
        return NO_ROLLOUT
    if "_month" not in fit.obs.frame or "responded_at" not in fit.obs.frame:
        return NotRun("nothing says when customers responded, so there is no before and after")
    starts = starts_of(fit.obs.frame, settings, fit.obs.min_group_size)
    rows = _RolloutRows.of(fit, settings, starts)
    level = LiftUnits.of(fit.obs, fit.outcome).level
    clear = rows.usable & ~rows.reaches_in
    return RolloutResult(
        settings=settings,
        on_outcome=_effect_on(fit, fit.sample.outcome, level, rows, clear),
        on_rating=_effect_on(fit, fit.sample.rating, "rating points", rows, rows.usable),
        n_groups=len(set(rows.groups[rows.known])),
        n_groups_started=len(set(starts) & set(rows.groups[rows.known])),
        not_used={
            "no_group": int((~rows.known).sum()),
            "before_the_start_within_its_period": int(rows.mixed.sum()),
            "outcome_window_reaches_into_the_programme": int((rows.reaches_in & rows.usable).sum()),
        },
        conf_level=fit.obs.conf_level,
        min_group_size=fit.obs.min_group_size,
    )


@dataclass(frozen=True, eq=False)
class _RolloutRows:
    """Where each row of a lift stands in a roll-out.

    Parameters
    ----------
    groups : array of str (n,)
        Its group, or that it has none.
    period, start : array of int (n,)
        Calendar period of the response, and of the start of its group; `NEVER_BEGAN` without one.
    is_after, reaches_in : array of bool (n,)
        Whether it was given after the start; or before it, with a window that reaches into it.
    """

    groups: NDArray[np.object_]
    period: Ints
    start: Ints
    is_after: Bools
    reaches_in: Bools

    @classmethod
    def of(cls, fit: LiftFit, settings: Rollout, starts: Mapping[str, dt.date]) -> _RolloutRows:
        groups = arm_names(fit.frame[settings.group])
        began = _start_of(groups, starts)
        span = dt.timedelta(days=fit.obs.windows.gap_days + fit.obs.windows.outcome_days)
        answered = pd.to_datetime(fit.frame["responded_at"]).to_numpy(dtype="datetime64[us]")
        months = pd.PeriodIndex(fit.frame["_month"].astype(str), freq="M")
        month_of_start = began.astype("datetime64[M]").astype(np.int64) + 12 * 1970
        length = 3 if settings.period == "quarter" else 1
        return cls(
            groups=groups,
            period=np.asarray(12 * months.year + months.month - 1, dtype=np.int64) // length,
            start=np.where(began < FAR, month_of_start // length, NEVER_BEGAN),
            is_after=answered >= began,
            reaches_in=(answered < began) & (answered + np.timedelta64(span) >= began),
        )

    @property
    def known(self) -> Bools:
        """Which rows have a group."""
        return np.asarray(self.groups != MISSING, dtype=bool)

    @property
    def mixed(self) -> Bools:
        """Which rows lie before the start within the period of the start."""
        return np.asarray(self.known & ~self.is_after & (self.period == self.start))

    @property
    def usable(self) -> Bools:
        """Which rows lie clearly before or after the start of their group."""
        return np.asarray(self.known & ~self.mixed)


def _start_of(groups: NDArray[np.object_], starts: Mapping[str, dt.date]) -> NDArray[np.datetime64]:
    """Give each row the day on which its group began; far away for those that did not."""
    names, codes = np.unique(groups.astype(str), return_inverse=True)
    days = [np.datetime64(starts[str(n)], "us") if str(n) in starts else FAR for n in names]
    return np.array(days, dtype="datetime64[us]")[codes]


def _effect_on(
    fit: LiftFit, values: Floats, unit: str, rows: _RolloutRows, used: Bools
) -> RolloutEffect | NotRun:
    """Estimate the effect on one outcome, clustered by group where there are enough."""
    settings, at = fit.settings.rollout, np.flatnonzero(used)
    if settings is None or not len(at):
        return NotRun("no response lies clearly before or after the start of its group")
    data = _data_of(fit, values, rows, at)
    try:
        effects = group_time_effects(data, comparison=settings.comparison)
        by_group = effects.has_enough_clusters
        if not by_group:
            people = pd.factorize(fit.sample.customers[at])[0].astype(np.int64)
            effects = GroupTimeEffects(replace(data, clusters=people), effects.effects)
            effects = effects.with_errors()
    except InsufficientDataError as error:
        return NotRun(str(error))
    found = RolloutEffect(unit=unit, effects=effects, by_group=by_group)
    if found.n_after < fit.obs.min_group_size:
        return NotRun(
            f"{found.n_after} responses are of groups that had begun, under "
            f"{fit.obs.min_group_size}"
        )
    return found


def _data_of(fit: LiftFit, values: Floats, rows: _RolloutRows, at: Ints) -> RolloutData:
    """Give rows, periods numbered from the first, and cohorts by their start."""
    period, start = rows.period[at], rows.start[at]
    first = int(period.min())
    when = np.where(start == NEVER_BEGAN, NEVER, (start - first).astype(float))
    starts, cohort = np.unique(when, return_inverse=True)
    return RolloutData(
        outcome=values[at],
        weights=fit.sample.share[at] * fit.sample.n_obs,
        period=period - first,
        cohort=cohort.astype(np.int64),
        starts=starts,
        clusters=pd.factorize(rows.groups[at])[0].astype(np.int64),
    )
