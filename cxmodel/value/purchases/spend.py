"""What customers spend per purchase, where those who buy more often do not spend more each time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import CxModelWarning, InsufficientDataError
from cxmodel.models.off_scale import Range
from cxmodel.results import CONF_LEVEL, Result, critical_value
from cxmodel.stats.purchases import gamma_gamma
from cxmodel.stats.purchases.histories import group_equal
from cxmodel.stats.purchases.layout import Scaling
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.value.purchases.fitting import Fitted, fit_layout, make_layout
from cxmodel.value.purchases.limits import edge_caveats
from cxmodel.value.purchases.reading import (
    MIN_REPEATERS,
    asked_histories,
    covariate_matrix,
    ranges_of,
    read_histories,
)

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
TITLE = "Gamma-Gamma"
CLEAR_CORRELATION = 0.2
"""Beyond this, and beyond what chance gives, spend is said to depend on frequency."""


@dataclass(frozen=True, kw_only=True)
class SpendModel:
    """Mean spend per purchase of each customer: the Gamma-Gamma model.

    Parameters
    ----------
    covariates : str or tuple of str
        What is known of customers that makes them spend more or less per purchase; a coefficient is
        the change of the log of mean spend per unit.
    conf_level : float
        Of the intervals.

    References
    ----------
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value.

    Examples
    --------
    >>> import pandas as pd
    >>> rfm = pd.DataFrame({
    ...     "frequency": [1, 1, 1, 1, 2, 2, 3, 5, 8, 8, 9, 9],
    ...     "recency": 5,
    ...     "T": 9,
    ...     "monetary_value": [8.0, 45, 12, 33, 11, 50, 22, 30, 12, 47, 35, 14],
    ... })
    >>> spend = SpendModel().fit(rfm)
    >>> round(spend.mean_spend, 1), spend.expected_spend()[:2].round(1).tolist()
    (27.5, [17.6, 36.4])
    """

    covariates: str | tuple[str, ...] = ()
    conf_level: float = CONF_LEVEL

    def fit(self, rfm: PurchaseSummary | pd.DataFrame) -> SpendFit:
        """Fit to the customers with a purchase after the first one.

        Parameters
        ----------
        rfm : PurchaseSummary or frame
            With ``frequency`` and ``monetary_value``, the mean of the purchases after the first.

        Returns
        -------
        SpendFit

        Raises
        ------
        InsufficientDataError
            If fewer than 10 customers bought again and spent something.
        SchemaError
            If histories are impossible, or a covariate is missing or has one value only.
        ConvergenceError
            If the likelihood has no maximum that can be found.

        Warns
        -----
        CxModelWarning
            If spend depends on frequency, which the model rules out: with the correlation. If the
            likelihood rises to the edge of the family: which edge, and what to do.
        """
        names = (self.covariates,) if isinstance(self.covariates, str) else tuple(self.covariates)
        rows = read_histories(rfm, names)
        used, caveats = _spenders(rows)
        z = covariate_matrix(used, names)
        first, group = group_equal(used.frequency, used.monetary_value, *z.T)
        weights = np.bincount(group, weights=used.n_customers).astype(float)
        x, m = used.frequency[first], used.monetary_value[first]
        layout = make_layout(
            gamma_gamma.PARAMETERS,
            z[first],
            spend_scalings(names),
        )
        fitted = fit_layout(
            layout,
            lambda parameters: gamma_gamma.log_likelihood(parameters, x, m),
            covariates=z[first],
            weights=weights,
            start=gamma_gamma.start(m, weights),
            what=TITLE,
        )
        correlation = _correlation(x, m, weights)
        found = (*edge_caveats(fitted, TITLE), *_correlation_caveat(correlation, weights.sum()))
        for caveat in found:
            warnings.warn(caveat, CxModelWarning, stacklevel=2)
        return SpendFit(
            rows=rows,
            n_spenders=used.total_customers,
            correlation=correlation,
            covariates=names,
            conf_level=self.conf_level,
            caveats=(*found, *caveats),
            _fitted=fitted,
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SpendFit(Result):
    """A fitted model of spend per purchase.

    Parameters
    ----------
    rows : PurchaseSummary
        What it was fitted to. Arrays of this result have one number for each of its rows.
    n_spenders : int
        Customers behind the fit: those who bought again.
    correlation : float
        Between purchases and mean spend, over these customers; the model takes it to be 0.
    covariates : tuple of str
        What is known of customers and used.
    conf_level : float
        Of the intervals.
    caveats : tuple of str
        What a reader must know.
    """

    rows: PurchaseSummary
    n_spenders: int
    correlation: float
    covariates: tuple[str, ...] = ()
    conf_level: float = CONF_LEVEL
    caveats: tuple[str, ...] = ()
    _fitted: Fitted

    title = "Spend per purchase"

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        return f"SpendFit(Gamma-Gamma: {values}; {self.n_spenders:,} customers)"

    @property
    def parameters(self) -> dict[str, float]:
        """``p``, ``q``, ``v``, then the coefficients of covariates."""
        return self._fitted.parameters

    @property
    def log_likelihood(self) -> float:
        """At the maximum."""
        return self._fitted.log_likelihood

    @property
    def covariance(self) -> FloatArray:
        """The covariance of `parameters`: the inverse of the observed information, delta method."""
        return self._fitted.natural_covariance

    @property
    def ranges(self) -> dict[str, Range]:
        """The scale of a rating, where it is known; what lies outside is no answer."""
        return ranges_of(self.rows, self.covariates)

    @property
    def mean_spend(self) -> float:
        """Mean spend per purchase over all customers, in the money of the histories.

        Infinite where q is 1 or less. With covariates, the mean over the customers fitted to.
        """
        z = covariate_matrix(self.rows, self.covariates)
        parameters = self._fitted.layout.parameters_of(self._fitted.vector, z)
        mean = np.broadcast_to(gamma_gamma.population_mean(parameters), len(z))
        return float(self.rows.n_customers @ mean / self.rows.n_customers.sum())

    def expected_spend(self, rfm: PurchaseSummary | pd.DataFrame | None = None) -> FloatArray:
        """Give the mean spend per purchase expected of each customer, (n,).

        The customer's own mean, drawn towards that of all the more the fewer purchases it rests on;
        that of all for a customer who bought once. NaN where a covariate is missing, or is a
        rating off its scale, which a warning counts.

        Parameters
        ----------
        rfm : PurchaseSummary or frame, optional
            Other histories than those fitted to.
        """
        rows = self.rows if rfm is None else asked_histories(rfm, self.covariates, self.ranges)
        z = covariate_matrix(rows, self.covariates)
        parameters = self._fitted.layout.parameters_of(self._fitted.vector, z)
        known = (rows.frequency > 0) & np.isfinite(rows.monetary_value)
        # an amount of 0 or less, such as of refunds, says nothing of what a purchase brings
        known &= rows.monetary_value > 0
        x = np.where(known, rows.frequency, 0.0)
        m = np.where(known, rows.monetary_value, 0.0)
        found = np.broadcast_to(gamma_gamma.expected_spend(parameters, x, m), len(x))
        return np.where(np.isfinite(z).all(axis=1), found, np.nan)

    def predict(self, rfm: Any) -> pd.DataFrame:
        """Give each customer's expected spend per purchase, ``expected_spend``.

        Parameters
        ----------
        rfm : PurchaseSummary, CustomerPurchases or frame
            Histories; a ``customer_id`` is kept.
        """
        from cxmodel.value.purchases.stored_fit import frame_of, rows_of

        rows, customer_id = rows_of(rfm, self.covariates, self.ranges)
        return frame_of(customer_id, {"expected_spend": self.expected_spend(rows)})

    def save(self, path: str | Path) -> Path:
        """Write the fit as JSON, for ``cxmodel.load_model``; it holds no customer."""
        from cxmodel.models.model_file import write_model_file
        from cxmodel.value.purchases.stored_spend import store_spend

        return write_model_file(store_spend(self), path)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a parameter, with its interval: see `PurchaseFit.to_frame`."""
        n_slopes = len(self._fitted.vector) - len(gamma_gamma.PARAMETERS)
        units = ["parameter", "parameter", self.rows.currency or "money"]
        units += ["change of the log per unit"] * n_slopes
        return self._fitted.to_frame(units, self.conf_level, self.n_spenders)

    def to_section(self) -> dict[str, Any]:
        """Give the fit as part of ``results.json``."""
        return {
            "status": "ok",
            "family": "gamma_gamma",
            "parameters": self.parameters,
            "log_likelihood": self.log_likelihood,
            "mean_spend": self.mean_spend,
            "correlation": self.correlation,
            "n_customers": self.n_spenders,
            "caveats": list(self.caveats),
        }


def spend_scalings(names: tuple[str, ...]) -> tuple[Scaling, ...]:
    """Say which parameter covariates of spend scale: v, and with it mean spend."""
    if not names:
        return ()
    return (
        Scaling(
            parameter=2,
            sign=1.0,
            names=tuple(f"spend_{name}" for name in names),
            columns=tuple(range(len(names))),
        ),
    )


def _spenders(rows: PurchaseSummary) -> tuple[PurchaseSummary, tuple[str, ...]]:
    """Keep customers who bought again and spent something; say how many did not."""
    again = rows.frequency > 0
    paid = again & (rows.monetary_value > 0) & np.isfinite(rows.monetary_value)
    n_paid, n_free = (int(rows.n_customers[part].sum()) for part in (paid, again & ~paid))
    if n_paid < MIN_REPEATERS:
        raise InsufficientDataError(
            f"Gamma-Gamma: {n_paid} customers bought again and spent something; at least "
            f"{MIN_REPEATERS} are needed. Bring a longer history, and monetary_value."
        )
    said = (
        f"{n_free:,} customer(s) whose later purchases cost nothing, or less, or have no amount "
        "are left out of the spend model.",
    )
    return rows.only(paid), said if n_free else ()


def _correlation(x: FloatArray, m: FloatArray, weights: FloatArray) -> float:
    """Give the correlation of purchases and mean spend over customers; 0 where one is constant."""
    share = weights / weights.sum()
    dx, dm = x - share @ x, m - share @ m
    spread = float(np.sqrt((share @ dx**2) * (share @ dm**2)))
    return float(share @ (dx * dm)) / spread if spread > 0 else 0.0


def _correlation_caveat(correlation: float, n: float) -> tuple[str, ...]:
    by_chance = critical_value(CONF_LEVEL) / np.sqrt(max(n - 3, 1))
    if abs(correlation) <= CLEAR_CORRELATION or abs(np.arctanh(correlation)) <= by_chance:
        return ()
    more = "more" if correlation > 0 else "less"
    return (
        "Gamma-Gamma takes spend per purchase to be unrelated to the number of purchases, but "
        f"their correlation is {correlation:.2f} over {n:,.0f} customers: those who buy more often "
        f"spend {more} each time. Values of customers who differ in frequency are off; fit spend "
        "within groups of like frequency, or add covariates.",
    )
