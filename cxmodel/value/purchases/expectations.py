"""What a purchase model expects, of new customers and of those whose history is known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import CxModelWarning
from cxmodel.models.off_scale import Range
from cxmodel.stats.purchases.family import Family
from cxmodel.stats.purchases.histories import Histories, group_equal
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.value.purchases.discounting import infinite_sum, rate_per_period
from cxmodel.value.purchases.fitting import Fitted
from cxmodel.value.purchases.occasions import count_occasions
from cxmodel.value.purchases.reading import asked_histories, covariate_matrix, ranges_of

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
_SLACK = 1e-9  # of an occasion


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Expectations:
    """What parameters of a family let one expect of customers.

    Of a row where a covariate is missing, or is a rating off its scale, nothing is expected: NaN.
    Ratings off their scale are counted in a warning. A scale is known of ratings that
    `cxmodel.summarize_purchases` took from a survey; not of attributes, nor of a frame's columns.

    Parameters
    ----------
    rows : PurchaseSummary
        What the parameters were fitted to. Arrays have one number for each of its rows.
    covariates : tuple of str
        What is known of customers and used.
    """

    rows: PurchaseSummary
    covariates: tuple[str, ...] = ()
    _fitted: Fitted
    _family: Family

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the family, then the coefficients of covariates."""
        return self._fitted.parameters

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The scale of a rating, where it is known; what lies outside is no answer."""
        return ranges_of(self.rows, self.covariates)

    def expected_purchases(self, t: npt.ArrayLike) -> Any:
        """Give the repeat purchases expected of a new customer in the first `t` units of time.

        Parameters
        ----------
        t : float or array
            In the time units of the histories.

        Returns
        -------
        float or array
            The mean over the covariates of the customers, where there are some.

        Raises
        ------
        ValueError
            If a time cannot be; for BG/BB: is no whole number of occasions.
        """
        times = np.asarray(t, dtype=float)
        self.require_time(times)
        if not self.covariates:
            found = self.expected_of(times, np.zeros((1, 0)))
        else:
            z, share = self._mixture()
            means = [float(share @ self.expected_of(one, z)) for one in times.ravel()]
            found = np.array(means).reshape(times.shape)
        return float(found) if times.ndim == 0 else found

    def expected_of(self, t: FloatArray, covariates: FloatArray) -> FloatArray:
        """Give the repeat purchases expected of new customers in the first `t` units of time.

        Parameters
        ----------
        t : array, (n,), or float
            One for each customer, or for all.
        covariates : array, (n, len(covariates))
            Of each customer.
        """
        parameters = self._fitted.layout.parameters_of(self._fitted.vector, covariates)
        return np.asarray(self._family.expected(parameters, np.asarray(t, dtype=float)))

    def prob_purchases(self, n: npt.ArrayLike, t: float) -> FloatArray:
        """Give the probability that a new customer makes `n` repeat purchases in `t`, (k,).

        The mean over the covariates of the customers, where there are some.

        Parameters
        ----------
        n : int or array of int, (k,)
            Numbers of purchases, 0 or more.
        t : float
            In the time units of the histories, above 0 (BG/BB: a number of occasions).
        """
        counts = np.atleast_1d(np.asarray(n, dtype=float))
        if t <= 0 or (counts < 0).any() or (counts != np.round(counts)).any():
            raise ValueError("n must hold whole numbers of 0 or more, and t be above 0.")
        self.require_time(np.asarray(float(t)))
        z, share = self._mixture()
        found = np.zeros(len(counts))
        for row, weight in zip(z, share, strict=True):
            parameters = self._fitted.layout.parameters_of(self._fitted.vector, row[None, :])
            one = tuple(np.asarray(part).reshape(()) for part in parameters)
            found += weight * self._family.count_probability(one, counts, float(t))
        return found

    def prob_alive(self, rfm: PurchaseSummary | pd.DataFrame | None = None) -> FloatArray:
        """Give the probability that each customer is still active, (n,).

        Parameters
        ----------
        rfm : PurchaseSummary or frame, optional
            Other histories than those fitted to.
        """
        return self._of_rows(self._family.prob_alive, rfm)

    def conditional_expected_purchases(
        self, t: float, rfm: PurchaseSummary | pd.DataFrame | None = None
    ) -> FloatArray:
        """Give the purchases expected of each customer in the next `t` units of time, (n,).

        Parameters
        ----------
        t : float
            In the time units of the histories.
        rfm : PurchaseSummary or frame, optional
            Other histories than those fitted to.

        Raises
        ------
        ValueError
            If `t` is negative or not finite; for BG/BB: is no whole number of occasions.
        """
        ahead = np.asarray(float(t))
        self.require_time(ahead)
        return self._of_rows(lambda p, h: self._family.conditional(p, h, ahead), rfm)

    def dert(
        self,
        discount_rate_per_period: float | None = None,
        *,
        annual_discount_rate: float | None = None,
        rfm: PurchaseSummary | pd.DataFrame | None = None,
    ) -> FloatArray:
        """Give the discounted expected residual transactions of each customer, (n,).

        All purchases from now on, each counted at its worth today.

        Parameters
        ----------
        discount_rate_per_period : float
            Per unit of time of the histories, compounded continuously (BG/BB: once an occasion).
        annual_discount_rate : float
            Instead of it: per year, as contracts state it; ``ln(1 + rate) unit_days / 365.25``.
        rfm : PurchaseSummary or frame, optional
            Other histories than those fitted to.

        Returns
        -------
        array, (n,)
            Infinite where the sum diverges: without discounting, when the parameter of leaving (a,
            s or gamma) is 1 or less.

        Raises
        ------
        ValueError
            If not exactly one rate is given, or it is negative.

        Warns
        -----
        CxModelWarning
            If it is infinite: why, and what to do.
        """
        rate = rate_per_period(
            discount_rate_per_period,
            annual_discount_rate,
            unit_days=self.rows.unit_days,
            family=self._family,
        )
        found = self._of_rows(lambda p, h: self._family.residual(p, h, rate), rfm)
        if np.isinf(found).any():
            said = infinite_sum(self._family, self.parameters)
            warnings.warn(said, CxModelWarning, stacklevel=2)
        return found

    def require_time(self, t: FloatArray) -> None:
        """Refuse times that cannot be, and parts of an occasion.

        Raises
        ------
        ValueError
            If one is negative, not finite, or no whole number where time counts occasions.
        """
        if not (np.isfinite(t).all() and (t >= 0).all()):
            raise ValueError(f"t must hold finite times of 0 or more, not {t}.")
        if self._family.is_discrete and (t != np.floor(t)).any():
            raise ValueError(f"t must be a whole number of occasions for BG/BB, not {t}.")

    def countable(self, t: float) -> float:
        """Give the part of a time that counts: for BG/BB the whole occasions in it."""
        return float(np.floor(t + _SLACK)) if self._family.is_discrete else t

    def _of_rows(
        self,
        function: Callable[[tuple[FloatArray, ...], Histories], FloatArray],
        rfm: PurchaseSummary | pd.DataFrame | None,
    ) -> FloatArray:
        """Compute for different histories once, and give it to each row."""
        rows = self.rows  # of which the fit has counted the occasions
        if rfm is not None:
            rows = asked_histories(rfm, self.covariates, self.ranges)
            rows = count_occasions(rows) if self._family.is_discrete else rows
        every = covariate_matrix(rows, self.covariates)
        is_known = np.asarray(np.isfinite(every).all(axis=1))
        expected = np.full(len(every), np.nan)
        if not is_known.any():
            return expected
        rows, z = rows.only(is_known), every[is_known]
        first, group = group_equal(rows.frequency, rows.recency, rows.T, *z.T)
        histories = Histories(
            rows.frequency[first], rows.recency[first], rows.T[first], np.ones(len(first))
        )
        parameters = self._fitted.layout.parameters_of(self._fitted.vector, z[first])
        found = np.broadcast_to(function(parameters, histories), len(first))
        expected[is_known] = found[group]
        return expected

    def _mixture(self) -> tuple[FloatArray, FloatArray]:
        """Give the different covariates and the share of customers with each."""
        z = covariate_matrix(self.rows, self.covariates)
        if not self.covariates:
            return z[:1], np.ones(1)
        first, group = group_equal(*z.T)
        share = np.bincount(group, weights=self.rows.n_customers).astype(float)
        return z[first], share / share.sum()
