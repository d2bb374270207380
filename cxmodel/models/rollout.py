"""What a programme did that some groups began before others."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import ConfigError, InsufficientDataError, nearest
from cxmodel.models.checks.base import p_words
from cxmodel.models.experiment import arm_names
from cxmodel.models.leaks import MISSING
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.lift_result import NO_ROLLOUT, LiftUnits
from cxmodel.models.rollout_settings import Rollout
from cxmodel.results import ESTIMATE_FIELDS, Estimate, NotRun
from cxmodel.stats.difference_in_differences import (
    NEVER,
    CombinedEffect,
    GroupTimeEffects,
    RolloutData,
    group_time_effects,
)

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
FEW_GROUPS = 10
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
        trend = self.effects.pre_trend()
        n = self._n_treated()
        return {
            "effect": self._estimate(self.effects.overall(), conf_level, n["after"]),
            "event_study": {
                "rows": [
                    self._row(since, found, conf_level, n[since], min_group_size)
                    for since, found in self.effects.by_event_time().items()
                ]
            },
            "pre_trend": {
                "statistic": None if trend is None else trend[0],
                "p_value": None if trend is None else trend[1],
                "n_periods": 0 if trend is None else trend[2],
            },
            "clustered_by": "group" if self.by_group else "customer",
        }

    def _n_treated(self) -> dict[Any, int]:
        """Count rows of groups that began, by periods since the start, and all from it on."""
        data = self.effects.data
        used = {(e.cohort, e.period) for e in self.effects.effects}
        counts: dict[Any, int] = {"after": 0}
        for cohort, period in used:
            n = int(data.rows_of_cell[cohort, period])
            since = int(period - data.starts[cohort])
            counts[since] = counts.get(since, 0) + n
            counts["after"] += n if since >= 0 else 0
        return counts

    def _row(
        self, since: int, found: CombinedEffect, conf_level: float, n: int, min_group_size: int
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"periods_since_start": since, "suppressed": n < min_group_size}
        if n < min_group_size:
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
        if self.n_groups < FEW_GROUPS:
            said.append(f"{self.n_groups} groups are few: the intervals are rough.")
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
        If there is no such column, or a group of ``rollout.starts`` does not occur.
    """
    settings = fit.settings.rollout
    if settings is None:
        return NO_ROLLOUT
    if "_month" not in fit.obs.frame or "responded_at" not in fit.obs.frame:
        return NotRun("nothing says when customers responded, so there is no before and after")
    groups = _groups_of(fit, settings)
    began = _start_of(groups, settings)
    span = dt.timedelta(days=fit.obs.windows.gap_days + fit.obs.windows.outcome_days)
    answered = pd.to_datetime(fit.frame["responded_at"]).to_numpy(dtype="datetime64[us]")
    is_after = answered >= began
    reaches_in = ~is_after & (answered + np.timedelta64(span) >= began)
    known = groups != MISSING
    mixed = known & ~is_after & (_periods(fit, settings) == _start_periods(began, fit, settings))
    usable = known & ~mixed
    started = set(settings.starts) & set(groups[known])
    return RolloutResult(
        settings=settings,
        on_outcome=_effect_on(
            fit, fit.sample.outcome, LiftUnits.of(fit.obs, fit.outcome).level, groups, began,
            usable & ~reaches_in, settings,
        ),
        on_rating=_effect_on(
            fit, fit.sample.rating, "rating points", groups, began, usable, settings
        ),
        n_groups=len(set(groups[known])),
        n_groups_started=len(started),
        not_used={
            "no_group": int((~known).sum()),
            "before_the_start_within_its_period": int(mixed.sum()),
            "outcome_window_reaches_into_the_programme": int((reaches_in & usable).sum()),
        },
        conf_level=fit.obs.conf_level,
        min_group_size=fit.obs.min_group_size,
    )  # fmt: skip


def _groups_of(fit: LiftFit, settings: Rollout) -> NDArray[np.object_]:
    frame = fit.obs.frame
    if settings.group not in frame.columns:
        public = [str(name) for name in frame.columns if not str(name).startswith("_")]
        raise ConfigError(
            f"rollout.group: there is no column {settings.group!r}. "
            f"{nearest(settings.group, public)}"
        )
    known = sorted(set(arm_names(frame[settings.group])) - {MISSING})
    for name in settings.starts:
        if name not in known:
            raise ConfigError(
                f"rollout.starts: no response is of the group {name!r} of {settings.group}. "
                f"{nearest(name, known)}"
            )
    return arm_names(fit.frame[settings.group])


def _start_of(groups: NDArray[np.object_], settings: Rollout) -> NDArray[np.datetime64]:
    """Give each row the day on which its group began; for ever for those that did not."""
    far = np.datetime64("9000-01-01", "us")
    starts = {name: np.datetime64(day, "us") for name, day in settings.starts.items()}
    return np.array([starts.get(name, far) for name in groups], dtype="datetime64[us]")


def _periods(fit: LiftFit, settings: Rollout) -> Ints:
    months = pd.PeriodIndex(fit.frame["_month"].astype(str), freq="M")
    return _numbered(np.asarray(12 * months.year + months.month - 1, dtype=np.int64), settings)


def _numbered(months: Ints, settings: Rollout) -> Ints:
    return months // 3 if settings.period == "quarter" else months


def _start_periods(began: NDArray[np.datetime64], fit: LiftFit, settings: Rollout) -> Ints:
    months = began.astype("datetime64[M]").astype(np.int64) + 12 * 1970
    return _numbered(months, settings)


def _effect_on(
    fit: LiftFit,
    values: NDArray[np.float64],
    unit: str,
    groups: NDArray[np.object_],
    began: NDArray[np.datetime64],
    used: Bools,
    settings: Rollout,
) -> RolloutEffect | NotRun:
    rows = np.flatnonzero(used)
    if not len(rows):
        return NotRun("no response lies clearly before or after the start of its group")
    period, start = _periods(fit, settings)[rows], _start_periods(began, fit, settings)[rows]
    first = int(period.min())
    when = np.where(groups_began(began[rows]), (start - first).astype(float), NEVER)
    starts, cohort = np.unique(when, return_inverse=True)
    data = RolloutData(
        outcome=values[rows],
        weights=fit.sample.share[rows] * fit.sample.n_obs,
        period=period - first,
        cohort=cohort.astype(np.int64),
        starts=starts,
        clusters=pd.factorize(groups[rows])[0].astype(np.int64),
    )
    try:
        effects = group_time_effects(data, comparison=settings.comparison)
        if effects.has_enough_clusters:
            return RolloutEffect(unit=unit, effects=effects, by_group=True)
        people = pd.factorize(fit.sample.customers[rows])[0].astype(np.int64)
        by_customer = GroupTimeEffects(replace(data, clusters=people), effects.effects)
        return RolloutEffect(unit=unit, effects=by_customer.with_errors(), by_group=False)
    except InsufficientDataError as error:
        return NotRun(str(error))


def groups_began(began: NDArray[np.datetime64]) -> Bools:
    """Say which rows are of a group that began at all."""
    return np.asarray(began < np.datetime64("9000-01-01"))
