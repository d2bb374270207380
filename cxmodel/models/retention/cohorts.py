"""Retention of several cohorts or groups: each alone, all together, and whether they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from cxmodel.errors import ConfigError, ConvergenceError, InsufficientDataError, nearest
from cxmodel.models.retention.durations import Durations, read_durations
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.models.retention.input_checks import checked_counts
from cxmodel.results import NotRun, Result
from cxmodel.stats.lifetime_likelihood import LifetimeFamily
from cxmodel.stats.lifetimes import PARAMETER_NAMES, PeriodCounts, fit_lifetime
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.models.retention.model import RetentionModel

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CohortRetention(Result):
    """Retention by cohort, beside that of all customers.

    Parameters
    ----------
    together : RetentionFit
        All cohorts as one.
    cohorts : dict of str to RetentionFit or NotRun
        Each alone; NotRun says why not.
    by : str
        What tells the cohorts apart.
    statistic : float or None
        Twice the log-likelihood that parameters of their own win over common ones.
    deg_freedom : int
        Parameters more.
    p_value : float or None
        Chi-squared; of equal parameters in all cohorts that were fitted.
    caveats : tuple of str
        What a reader must know.
    """

    together: RetentionFit
    cohorts: dict[str, RetentionFit | NotRun]
    by: str
    statistic: float | None
    deg_freedom: int
    p_value: float | None
    caveats: tuple[str, ...] = ()

    title = "Retention by cohort"

    def __repr__(self) -> str:
        return f"CohortRetention({len(self.cohorts)} of {self.by}; {self.together!r})"

    def __getitem__(self, name: str) -> RetentionFit | NotRun:
        return self.cohorts[name]

    def to_frame(self) -> pd.DataFrame:
        """Give one row a cohort: parameters, likelihood, and retention after a year."""
        rows = [_row("all", self.together)]
        rows += [_row(name, fit) for name, fit in self.cohorts.items()]
        return pd.DataFrame(rows)

    def curve(self, horizon_months: int | None = None) -> pd.DataFrame:
        """Give the curves of all cohorts, one row a cohort and month; ``observed`` marks the data.

        Parameters
        ----------
        horizon_months : int, optional
            How far to look.
        """
        parts = [
            fit.curve(horizon_months).to_frame().assign(group=name)
            for name, fit in self.cohorts.items()
            if isinstance(fit, RetentionFit)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def to_section(self) -> dict[str, Any]:
        """Give the rows that ``results.json`` shows."""
        return {
            "by": self.by,
            "statistic": self.statistic,
            "deg_freedom": self.deg_freedom,
            "p_value": self.p_value,
            "rows": [
                {**_row(name, fit), "group": {self.by: name}} for name, fit in self.cohorts.items()
            ],
        }

    def plot(self, horizon_months: int | None = None) -> Any:
        """Draw the curve of all customers with its interval; see `curve` for the cohorts'."""
        return self.together.plot(horizon_months)


def fit_cohorts(model: RetentionModel, cohorts: Mapping[str, Sequence[float]]) -> CohortRetention:
    """Fit to counts by cohort; see ``RetentionModel.fit_cohorts``."""
    if len(cohorts) < 2:
        raise ValueError(f"{len(cohorts)} cohorts: for one, give its counts to fit_counts.")
    counts = {str(name): _checked(str(name), alive) for name, alive in cohorts.items()}
    tallies = {name: _tally(alive) for name, alive in counts.items()}
    longest = max(alive.size for alive in counts.values())
    lost, censored = np.zeros(longest), np.zeros(longest)
    for own_lost, own_censored in tallies.values():
        lost[: own_lost.size] += own_lost
        censored[: own_censored.size] += own_censored
    together = model.fit_tally(lost, censored)
    alone = {name: _tried(partial(model.fit_counts, alive)) for name, alive in counts.items()}
    periods = {name: PeriodCounts.from_alive(alive) for name, alive in counts.items()}
    return _assembled(together, alone, periods, "cohort")


def _checked(name: str, alive: Sequence[float]) -> FloatArray:
    try:
        return checked_counts(alive)
    except ValueError as error:
        raise ValueError(f"Cohort {name!r}: {error}") from error
    except InsufficientDataError as error:
        raise InsufficientDataError(f"Cohort {name!r}: {error}") from error


def _tally(alive: FloatArray) -> tuple[FloatArray, FloatArray]:
    censored = np.zeros(alive.size)
    censored[-1] = alive[-1]
    return np.append(-np.diff(alive), 0.0), censored


def fit_by(model: RetentionModel, obs: Observations, by: str) -> CohortRetention:
    """Fit to the groups of a column; see ``RetentionModel.fit_by``."""
    Observations.check(obs)
    if not obs.has(by):
        raise ConfigError(
            f"by names {by!r}, which the observations do not have. "
            f"{nearest(by, [*obs.attributes, *obs.controls, 'band', 'rating'])}"
        )
    every = read_durations(obs, stage="retention")
    together = model.fit_durations(every, min_at_risk=obs.min_group_size, conf_level=obs.conf_level)
    values = obs.frame[by].astype("string")[every.chosen]
    alone: dict[str, RetentionFit | NotRun] = {}
    periods: dict[str, PeriodCounts] = {}
    hidden = _hidden(values, obs.min_group_size)
    for level in sorted(values.dropna().unique()):
        rows = every.only((values == level).fillna(False).to_numpy(dtype=bool))
        periods[level] = rows.period_counts([rows.weights])
        alone[level] = NotRun(hidden[level]) if level in hidden else _group(model, rows, obs)
    missing = int(values.isna().sum())
    said = (f"{missing:,} customers without {by} stand in no group.",) if missing else ()
    return _assembled(together, alone, periods, by, said)


def _hidden(values: pd.Series, least: int) -> dict[str, str]:
    """Say which groups are too small to show; with a single one the next smallest goes too."""
    sizes = values.value_counts().sort_values(kind="stable")
    small = {str(level): f"under {least} customers" for level in sizes.index[sizes < least]}
    if len(small) == 1 and len(sizes) > 2:
        small[str(sizes.index[1])] = "hidden, so that the smallest group cannot be worked out"
    return small


def _group(model: RetentionModel, rows: Durations, obs: Observations) -> RetentionFit | NotRun:
    def fit() -> RetentionFit:
        return model.fit_durations(rows, min_at_risk=obs.min_group_size, conf_level=obs.conf_level)

    return _tried(fit)


def _tried(fit: Callable[[], RetentionFit]) -> RetentionFit | NotRun:
    try:
        return fit()
    except (InsufficientDataError, ConvergenceError) as error:
        return NotRun(str(error))


def _assembled(
    together: RetentionFit,
    alone: dict[str, RetentionFit | NotRun],
    periods: dict[str, PeriodCounts],
    by: str,
    caveats: tuple[str, ...] = (),
) -> CohortRetention:
    """Compare one set of parameters with a set for each cohort, in one family."""
    fitted = [periods[name] for name, fit in alone.items() if isinstance(fit, RetentionFit)]
    statistic = p_value = None
    more = max(len(fitted) - 1, 0) * len(PARAMETER_NAMES[together.family])
    if more:
        try:
            statistic = _won_apart(together.family, fitted)
        except ConvergenceError as error:
            caveats = (*caveats, f"Cohorts could not be compared: {error}")
        else:
            p_value = float(chdtrc(more, statistic))
    return CohortRetention(
        together=together,
        cohorts=alone,
        by=by,
        statistic=statistic,
        deg_freedom=more,
        p_value=p_value,
        caveats=caveats,
    )


def _won_apart(family: LifetimeFamily, parts: list[PeriodCounts]) -> float:
    """Give twice the log-likelihood that parameters of their own win over common ones."""
    every = PeriodCounts(
        np.concatenate([part.periods for part in parts]),
        np.hstack([part.stayed for part in parts]),
        np.hstack([part.lost for part in parts]),
    )
    own = sum(float(fit_lifetime(family, part).log_likelihood[0]) for part in parts)
    return max(2 * (own - float(fit_lifetime(family, every).log_likelihood[0])), 0.0)


def _row(name: str, fit: RetentionFit | NotRun) -> dict[str, Any]:
    if isinstance(fit, NotRun):
        return {"group": name, "model": None, "reason": fit.reason}
    year = float(fit.curve(max(12, fit.horizon_months)).retention[12])
    return {
        "group": name,
        "model": fit.family,
        **fit.parameters,
        "log_likelihood": fit.log_likelihood,
        "retention_12": year,
        "n_obs": fit.n_obs,
        "n_events": fit.n_events,
        "reason": "",
    }
