"""A fitted retention model with covariates: hazard ratios, and the curve of any customer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import nearest
from cxmodel.models.off_scale import Range
from cxmodel.models.profile import Profile
from cxmodel.models.retention.choice import FamilyRow
from cxmodel.models.retention.features import Feature
from cxmodel.models.retention.input_checks import checked_times
from cxmodel.models.retention.lifetime import rate_per_period, residual_lifetime
from cxmodel.models.retention.spells import SINCE_ANSWER
from cxmodel.models.study_facts import RATING, StudyFacts
from cxmodel.results import CONF_LEVEL, Estimate, Result, critical_value
from cxmodel.stats.lifetime_likelihood import LifetimeFamily
from cxmodel.stats.lifetime_survival import lifetime_survival
from cxmodel.stats.lifetimes import NAMES

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RetentionByCovariates(Result):
    """A retention model with covariates: hazard ratios, and the curve of any customer.

    Parameters
    ----------
    family : {"geometric", "discrete_weibull", "sbg", "bdw"}
        The lifetime.
    parameters : dict
        Those of a customer at the means of the covariates.
    coefficients : dict
        Logarithms of hazard ratios, a term each.
    covariance : numpy.ndarray, shape (q, q)
        Of the coefficients, robust (HC1): each customer is one row, with its response weight.
    means : dict
        From where each term is counted.
    log_likelihood : float
        At the maximum.
    statistic, p_value : float
        Twice what the covariates win in log-likelihood, and its chi-squared p-value; with response
        weights, where that is no chi-squared, the Wald statistic with the robust covariance.
    families, choice : tuple of FamilyRow, str
        The families compared, and why this one stands here.
    levels : dict of tuple of str
        Every level of a column of text that was seen at the fit.
    clock : str
        From when months count: ``"the customer started"`` or ``"the first answer"``.
    as_of : date, optional
        The data were complete to the end of this day.
    study : StudyFacts, optional
        What the columns mean.
    profile : Profile, optional
        How the columns were spread over the customers of the fit.
    observed_months : int
        How long anybody was seen; what lies beyond is foretold by the curve alone.
    """

    family: LifetimeFamily
    parameters: dict[str, float]
    coefficients: dict[str, float]
    covariance: FloatArray
    means: dict[str, float]
    log_likelihood: float
    statistic: float
    p_value: float
    n_obs: int
    n_events: int
    families: tuple[FamilyRow, ...]
    choice: str
    conf_level: float = CONF_LEVEL
    not_used: tuple[dict[str, Any], ...] = ()
    caveats: tuple[str, ...] = ()
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    clock: str = SINCE_ANSWER
    as_of: dt.date | None = None
    study: StudyFacts | None = None
    profile: Profile | None = None
    observed_months: int
    _features: tuple[Feature, ...] = field(default=())

    title = "Retention with covariates"

    def __repr__(self) -> str:
        return (
            f"RetentionByCovariates({NAMES[self.family]}, {len(self.coefficients)} terms; "
            f"{self.n_events:,} of {self.n_obs:,} left)"
        )

    def hazard_ratio(self, term: str) -> Estimate:
        """Give the hazard ratio of one unit of a term, at equal unobserved loss.

        Raises
        ------
        ValueError
            If there is no such term.
        """
        if term not in self.coefficients:
            raise ValueError(f"There is no term {term!r}. {nearest(term, self.coefficients)}")
        place = list(self.coefficients).index(term)
        log_ratio = self.coefficients[term]
        error = float(np.sqrt(self.covariance[place, place]))
        half = critical_value(self.conf_level) * error
        ratio = float(np.exp(log_ratio))
        return Estimate(
            estimate=ratio,
            std_error=ratio * error,
            conf_low=float(np.exp(log_ratio - half)),
            conf_high=float(np.exp(log_ratio + half)),
            conf_level=self.conf_level,
            unit=f"hazard ratio per {'rating point' if term == 'rating' else term}",
            n_obs=self.n_obs,
            caveats=self.caveats,
        )

    def hazard_ratio_per_rating_point(self) -> Estimate:
        """Give the hazard ratio of a rating one point higher.

        Raises
        ------
        ValueError
            If the rating is not among the covariates.
        """
        return self.hazard_ratio("rating")

    def at(self, t: npt.ArrayLike, values: Mapping[str, Any] | None = None) -> FloatArray:
        """Give S(t) of a customer; columns not named are at their means.

        Parameters
        ----------
        t : array_like of float
            Months.
        values : mapping, optional
            Values of covariates, for instance ``{"rating": 9}``.

        Raises
        ------
        ValueError
            If a column is not among the covariates, or has no such level; or a time is negative.
        """
        times = checked_times(t)
        return lifetime_survival(self.family, self._values, times, self._ratio(values or {}))

    def derl(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        n_renewals: int = 0,
        annual_discount_rate: float = 0.0,
    ) -> float:
        """Give the discounted expected residual lifetime of a customer, in months; see `at`."""
        rate = rate_per_period(0.0, annual_discount_rate, "month")
        ratio = self._ratio(values or {})
        return residual_lifetime(self.family, self._values, n_renewals, rate, ratio)

    def predict(self, data: Any, n_months: int = 12) -> pd.DataFrame:
        """Give each customer's probability of staying through the next months.

        Parameters
        ----------
        data : pandas.DataFrame
            The columns of the model, and ``months``: how many whole months the customer has been
            on the clock. A level that was not seen counts as the reference, and is warned of.
        n_months : int
            How far to look.

        Returns
        -------
        pandas.DataFrame
            ``prob_stays``, with ``customer_id`` where it is known; NaN where a value is missing.

        Raises
        ------
        SchemaError
            If a column is missing or of the wrong kind, or months are below 0.
        ValueError
            If `n_months` is under 1.

        Warns
        -----
        CxModelWarning
            Of levels that were not seen at the fit, ratings outside their scale, and months beyond
            those that anybody was seen, with how many rows have them.
        """
        from cxmodel.models.retention.covariates_ahead import predict_staying

        return predict_staying(self, data, n_months)

    def save(self, path: str | Path) -> Path:
        """Write the fit as JSON, for ``cxmodel.load_model``; it holds no customer.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from cxmodel.models.model_file import write_model_file
        from cxmodel.models.retention.stored_covariates import store_covariates

        return write_model_file(store_covariates(self), path)

    @property
    def ranges(self) -> dict[str, Range]:
        """The scale of the study's rating, by its column; what lies outside counts as missing."""
        rating = None if self.study is None else self.study.rating
        if rating is None or RATING not in {one.column for one in self._features}:
            return {}
        return {RATING: (rating["low"], rating["high"])}

    @property
    def _values(self) -> FloatArray:
        return np.array(list(self.parameters.values()))

    def _ratio(self, values: Mapping[str, Any]) -> float:
        known = {feature.column for feature in self._features}
        for name in values:
            if name not in known:
                raise ValueError(f"There is no covariate {name!r}. {nearest(str(name), known)}")
        total = 0.0
        for feature in self._features:
            if feature.column in values:
                given = values[feature.column]
                value = float(given) if feature.level is None else float(given == feature.level)
                total += self.coefficients[feature.name] * (value - self.means[feature.name])
        return float(np.exp(total))

    def to_frame(self) -> pd.DataFrame:
        """Give one row a term: the logarithm of the hazard ratio, and the ratio."""
        return pd.DataFrame(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        half = critical_value(self.conf_level)
        for place, (term, value) in enumerate(self.coefficients.items()):
            error = float(np.sqrt(self.covariance[place, place]))
            ratio = self.hazard_ratio(term)
            rows.append(
                {
                    "group": "all",
                    "term": term,
                    "unit": "log hazard ratio",
                    "estimate": value,
                    "std_error": error,
                    "conf_low": value - half * error,
                    "conf_high": value + half * error,
                    "p_value": Estimate.from_std_error(value, error, unit="").p_value,
                    "n_obs": self.n_obs,
                    "hazard_ratio": ratio.estimate,
                    "hazard_ratio_low": ratio.conf_low,
                    "hazard_ratio_high": ratio.conf_high,
                }
            )
        return rows

    def to_section(self) -> dict[str, Any]:
        """Give the rows that ``results.json`` shows."""
        return {
            "model": NAMES[self.family],
            "parameters": self.parameters,
            "log_likelihood": self.log_likelihood,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "families": {"rows": [row.to_dict() for row in self.families]},
            "choice": self.choice,
            "rows": self._rows(),
        }

    def plot(self) -> Any:
        """Draw the hazard ratios with their intervals."""
        from cxmodel.plots.retention import plot_hazard_ratios

        return plot_hazard_ratios(
            [
                {
                    "label": row["term"],
                    "estimate": row["hazard_ratio"],
                    "conf_low": row["hazard_ratio_low"],
                    "conf_high": row["hazard_ratio_high"],
                }
                for row in self._rows()
            ]
        )
