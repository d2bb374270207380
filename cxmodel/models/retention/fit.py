"""A fitted retention model: the curve, residual lifetimes, and what goes into the results."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.retention.choice import FamilyRow
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.input_checks import checked_times
from cxmodel.models.retention.lifetime import rate_per_period, residual_lifetime
from cxmodel.results import CONF_LEVEL, Result, critical_value
from cxmodel.stats.lifetime_likelihood import LifetimeFamily
from cxmodel.stats.lifetime_survival import lifetime_survival
from cxmodel.stats.lifetimes import NAMES as MODEL_NAMES

FloatArray = npt.NDArray[np.float64]
MOST_NUMBERS = 100_000_000  # months of a curve times its draws: under a GB
Family = LifetimeFamily


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RetentionFit(Result):
    """A fitted retention model, and the curve that was observed where there is one.

    Parameters
    ----------
    family : {"geometric", "discrete_weibull", "sbg", "bdw"}
        The model that continues the curve.
    parameters : dict
        ``prob_churn_per_period``; or ``prob_churn_first_period`` and ``c``; or ``alpha`` and
        ``beta``; or ``gamma``, ``delta`` and ``c``.
    log_likelihood : float
        At the maximum.
    n_obs : int
        Customers (rows, where customers repeat) behind the fit.
    n_events : int
        How many of them left.
    observed_months : int
        The last month read from the data; beyond it the model speaks.
    not_used : list of dict
        ``{stage, reason, n}``: observations left out.
    caveats : tuple of str
        What a reader must know.
    families : tuple of FamilyRow
        Every family that was tried, with its likelihood and AIC.
    choice : str
        Why this family stands here, in a sentence.
    as_of : date, optional
        The data were complete to the end of this day.
    """

    family: Family
    parameters: dict[str, float]
    log_likelihood: float
    n_obs: int
    n_events: int
    observed_months: int
    conf_level: float = CONF_LEVEL
    not_used: tuple[dict[str, Any], ...] = ()
    caveats: tuple[str, ...] = ()
    period: str = "month"
    horizon_months: int = 36
    families: tuple[FamilyRow, ...] = ()
    choice: str = ""
    as_of: dt.date | None = None
    _observed: FloatArray = field(default_factory=lambda: np.ones((3, 1)))
    _observed_draws: FloatArray = field(default_factory=lambda: np.ones((1, 1)))
    _parameter_draws: FloatArray = field(default_factory=lambda: np.ones((1, 1)))

    title = "Customer retention"

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        return (
            f"RetentionFit({MODEL_NAMES[self.family]}: {values}; "
            f"{self.n_events:,} of {self.n_obs:,} left)"
        )

    def at(self, t: npt.ArrayLike) -> FloatArray:
        """Give the model's S(t): the share still there after `t` periods.

        Raises
        ------
        ValueError
            If a time is negative or not finite.
        """
        return lifetime_survival(self.family, self._values, checked_times(t))

    def derl(
        self,
        n_renewals: int = 0,
        discount_rate_per_period: float = 0.0,
        *,
        annual_discount_rate: float | None = None,
    ) -> float:
        """Give the discounted expected residual lifetime of a customer about to renew.

        Parameters
        ----------
        n_renewals : int
            Renewals made so far; 0 for a customer in the first period.
        discount_rate_per_period : float
            A fraction per period of this fit.
        annual_discount_rate : float, optional
            Instead: a fraction per year, where the periods are months.

        Returns
        -------
        float
            In periods, the next renewal counted undiscounted. Infinite where the sum diverges,
            with a warning that says why.

        Raises
        ------
        ValueError
            If a rate or `n_renewals` is negative, both rates are given, or the length of a period
            is not known.

        References
        ----------
        Fader & Hardie (2010), Customer-base valuation in a contractual setting, equation 6.

        Examples
        --------
        >>> from cxmodel.models.retention.model import RetentionModel
        >>> fit = RetentionModel().fit_counts([1000, 869, 743, 653, 593, 551, 517, 491])
        >>> round(fit.derl(0, 0.10), 2)
        5.41
        """
        rate = rate_per_period(discount_rate_per_period, annual_discount_rate, self.period)
        return residual_lifetime(self.family, self._values, n_renewals, rate)

    def discounted_lifetime(
        self, discount_rate_per_period: float = 0.0, *, annual_discount_rate: float | None = None
    ) -> float:
        """Give the discounted expected lifetime (DEL) of a new customer; the first period counts.

        Infinite where the sum diverges, with a warning that says why; see `derl`.
        """
        rate = rate_per_period(discount_rate_per_period, annual_discount_rate, self.period)
        return 1 + residual_lifetime(self.family, self._values, 0, rate) / (1 + rate)

    @property
    def _values(self) -> FloatArray:
        return np.array(list(self.parameters.values()))

    @property
    def is_asked_for(self) -> bool:
        """Whether the family was named, not chosen by likelihood."""
        return self.choice.startswith(f"The {MODEL_NAMES[self.family]} was asked for")

    def parameter_table(self) -> pd.DataFrame:
        """Give one row a parameter: its estimate, and its interval from redrawn customers.

        There is no standard error: the likelihood is flat along the ratio of the two parameters of
        the beta distribution, so redrawn parameters run far out on one side.
        """
        tail = 50 * (1 - self.conf_level)
        low, high = np.percentile(self._parameter_draws, [tail, 100 - tail], axis=0)
        return pd.DataFrame(
            {
                "term": list(self.parameters),
                "estimate": list(self.parameters.values()),
                "conf_low": low,
                "conf_high": high,
                "n_obs": self.n_obs,
            }
        )

    def family_table(self) -> pd.DataFrame:
        """Give one row a family: its likelihood, its AIC, and whether it was chosen."""
        return pd.DataFrame([row.to_dict() for row in self.families])

    def curve(self, horizon_months: int | None = None) -> RetentionCurve:
        """Give the observed curve up to its last month, continued by the model to the horizon.

        The model is joined to the last observed month: S(last) x model(t) / model(last).
        Intervals are Greenwood's, log-log, where observed, and from redrawn customers beyond.

        Raises
        ------
        ValueError
            If the horizon is below 0, or so far that the draws would not fit into memory.
        """
        horizon = self.horizon_months if horizon_months is None else horizon_months
        most = MOST_NUMBERS // max(len(self._parameter_draws), 1)
        if not 0 <= horizon <= most:
            raise ValueError(
                f"horizon_months must be 0 to {most:,}, not {horizon:,}: no curve means anything "
                "so far on, and its draws would not fit into memory."
            )
        months = np.arange(horizon + 1, dtype=float)
        seen = months <= self.observed_months
        point = self._joined(self._values[None, :], self._observed[:1], months)[0]
        draws = self._joined(self._parameter_draws, self._observed_draws, months)
        low, high = _band(point, draws, self.conf_level)
        width = min(self.observed_months, horizon) + 1
        low[:width], high[:width] = self._observed[1, :width], self._observed[2, :width]
        return RetentionCurve(
            months=months,
            retention=point,
            conf_low=np.minimum(low, point),
            conf_high=np.maximum(high, point),
            observed=seen,
            draws=draws,
        )

    def residual_curve(
        self, tenure_months: npt.ArrayLike, horizon_months: int | None = None
    ) -> RetentionCurve:
        """Give the curve of customers who have been there for a while already.

        Parameters
        ----------
        tenure_months : array_like of float
            How long each customer has been there, in whole months.
        horizon_months : int, optional
            How far to look from now.

        Returns
        -------
        RetentionCurve
            The mean of S(tenure + t) / S(tenure) over the customers.
        """
        horizon = self.horizon_months if horizon_months is None else horizon_months
        tenure, n = np.unique(np.floor(tenure_months), return_counts=True)
        whole = self.curve(horizon + int(tenure.max()))
        point = _residual(whole.retention[None, :], tenure, n, horizon)[0]
        draws = _residual(whole.draws, tenure, n, horizon)
        low, high = _band(point, draws, self.conf_level)
        months = np.arange(horizon + 1, dtype=float)
        return RetentionCurve(
            months=months,
            retention=point,
            conf_low=low,
            conf_high=high,
            observed=np.zeros(months.size, dtype=bool),
            draws=draws,
        )

    def _joined(
        self, parameters: FloatArray, observed: FloatArray, months: FloatArray
    ) -> FloatArray:
        """Continue each observed curve by its own parameters: shape (draws, months)."""
        last = self.observed_months
        columns = np.minimum(months.astype(int), last)
        model = np.vstack([lifetime_survival(self.family, row, months) for row in parameters])
        at_last = np.vstack(
            [lifetime_survival(self.family, row, [float(last)]) for row in parameters]
        )
        beyond = np.divide(model, at_last, out=np.zeros_like(model), where=at_last > 0)
        return np.asarray(observed[:, columns] * np.where(months <= last, 1.0, beyond), dtype=float)

    def save(self, path: str | Path) -> Path:
        """Write the fit as JSON, for ``cxmodel.load_model``; it holds no customer.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from cxmodel.models.model_file import write_model_file
        from cxmodel.models.retention.stored import store_retention

        return write_model_file(store_retention(self), path)

    def to_frame(self, horizon_months: int | None = None) -> pd.DataFrame:
        """Give one row a month: retention, its interval, and whether it was observed."""
        return self.curve(horizon_months).to_frame()

    def to_section(self) -> dict[str, Any]:
        """Give the ``retention`` section of ``results.json``."""
        return {
            "status": "ok",
            "curve": {"rows": self.curve().rows()},
            "model": MODEL_NAMES[self.family],
            "parameters": dict(self.parameters),
            "log_likelihood": self.log_likelihood,
            "families": {"rows": [row.to_dict() for row in self.families]},
            "choice": self.choice,
            "n_obs": self.n_obs,
            "n_events": self.n_events,
            "caveats": list(self.caveats),
        }

    def plot(self, horizon_months: int | None = None) -> Any:
        """Draw the curve with its interval; the projected part is dashed."""
        from cxmodel.plots.retention import plot_retention

        return plot_retention(self.to_frame(horizon_months))


def _band(point: FloatArray, draws: FloatArray, conf_level: float) -> tuple[FloatArray, FloatArray]:
    """Give a normal interval on the log-log scale, with the spread of the draws."""
    inner = (point > 1e-12) & (point < 1 - 1e-12)
    safe = np.log(-np.log(np.where(inner, point, 0.5)))
    drawn = np.log(-np.log(draws.clip(1e-12, 1 - 1e-12)))
    half = critical_value(conf_level) * drawn.std(axis=0)
    low = np.where(inner, np.exp(-np.exp(safe + half)), point)
    high = np.where(inner, np.exp(-np.exp(safe - half)), point)
    return low, high


def _residual(
    curves: FloatArray, tenure: FloatArray, n: npt.NDArray[np.int64], horizon: int
) -> FloatArray:
    """Average S(tenure + t) / S(tenure) over tenures: (draws, horizon + 1)."""
    total = np.zeros((len(curves), horizon + 1))
    for start, count in zip(tenure.astype(int), n, strict=True):
        part = curves[:, start : start + horizon + 1]
        total += count * np.divide(part, part[:, :1], out=np.zeros_like(part), where=part > 0)
    return np.asarray(total / n.sum(), dtype=float)
