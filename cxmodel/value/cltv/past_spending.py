"""What customers spent before they answered, for as long as they were seen, and what it foretells.

A customer who started, or whose ledger begins, inside the window before a response was seen for
part of it alone: what is missing was not 0. So spending before counts per day observed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
BEFORE, DAYS = "revenue_before", "days_observed_before"
FEWEST_DAYS = 30.0  # a single payment in a shorter time says little of what a day brings
_ROWS_PER_PARAMETER = 20


def lookback_of(obs: Observations) -> float | None:
    """Give the days of a whole window before; None where it is not known how many were observed."""
    return float(obs.windows.lookback_days) if obs.has(BEFORE, DAYS) else None


@dataclass(frozen=True, eq=False)
class PastSpending:
    """Revenue before each response, as it would have been in a whole window.

    Parameters
    ----------
    amount : numpy.ndarray, shape (n,)
        Revenue in the days observed, scaled to the whole window; not a number where under 30 days
        (or the whole window, if shorter) were observed.
    observed : numpy.ndarray, shape (n,)
        Share of the window that was observed, 0 to 1.
    """

    amount: FloatArray
    observed: FloatArray

    @classmethod
    def of(cls, obs: Observations) -> PastSpending:
        """Read it from observations; 0 for all where nothing is known from before.

        Where the table does not say how long customers were observed, windows count as whole.
        """
        if not obs.has(BEFORE):
            return cls(np.zeros(obs.n_obs), np.ones(obs.n_obs))
        before = obs.frame[BEFORE].fillna(0.0).to_numpy(dtype=float)
        lookback = lookback_of(obs)
        if lookback is None:
            return cls(before, np.ones(obs.n_obs))
        return cls.in_days(before, obs.frame[DAYS].to_numpy(dtype=float), lookback)

    @classmethod
    def in_days(cls, before: FloatArray, days: FloatArray, lookback: float) -> PastSpending:
        """Scale revenue in the days observed; where these are not known, the window was whole."""
        days = np.clip(np.where(np.isnan(days), lookback, days), 0.0, lookback)
        enough = days >= min(FEWEST_DAYS, lookback)
        scaled = before * lookback / np.where(enough, days, lookback)
        return cls(np.where(enough, scaled, np.nan), days / lookback)

    @property
    def is_known(self) -> BoolArray:
        """Whether enough days were observed to say what a day brings."""
        return ~np.isnan(self.amount)

    @property
    def is_partial(self) -> BoolArray:
        """Whether part of the window lies before the customer was observed."""
        return np.asarray(self.observed < 1)

    def only(self, rows: BoolArray) -> PastSpending:
        """Keep some of the rows."""
        return PastSpending(self.amount[rows], self.observed[rows])


@dataclass(frozen=True, eq=False)
class SpendingLine:
    """Revenue in the outcome window as a straight line of spending before.

    Where enough customers were observed for part of the window, a shorter time seen makes the line
    flatter: what a few days brought says less.

    Parameters
    ----------
    mean_before : float
        Of those with enough days observed: stands in for the others.
    coefficients : numpy.ndarray, shape (2,) or (4,)
        Of 1 and the amount before; then of the share observed and of the two multiplied.

    Examples
    --------
    >>> before = PastSpending(np.array([0.0, 1.0, 2.0]), np.ones(3))
    >>> line = SpendingLine.fit(before, np.array([1.0, 3.0, 5.0]), np.ones(3))
    >>> line.predict(PastSpending(np.array([4.0, np.nan]), np.ones(2))).round(6).tolist()
    [9.0, 3.0]
    """

    mean_before: float
    coefficients: FloatArray

    @property
    def is_flat(self) -> bool:
        """Whether spending before foretells nothing."""
        return not self.coefficients[1:].any()

    @classmethod
    def fit(cls, before: PastSpending, after: FloatArray, weights: FloatArray) -> SpendingLine:
        """Fit by weighted least squares, so that the mean over these customers is kept."""
        known = before.is_known
        mean = (
            float(np.average(before.amount[known], weights=weights[known])) if known.any() else 0.0
        )
        n_partial = int((known & before.is_partial).sum())
        is_bent = min(n_partial, int(known.sum()) - n_partial) >= 2 * _ROWS_PER_PARAMETER
        columns = _columns(before, mean, 4 if is_bent else 2)
        root = np.sqrt(weights)
        found = np.linalg.lstsq(columns * root[:, None], after * root, rcond=None)[0]
        return cls(mean, np.asarray(found, dtype=float))

    def predict(self, before: PastSpending) -> FloatArray:
        """Give revenue in the outcome window, (n,)."""
        columns = _columns(before, self.mean_before, self.coefficients.size)
        return np.asarray(columns @ self.coefficients, dtype=float)


def _columns(before: PastSpending, mean: float, n_columns: int) -> FloatArray:
    amount = np.where(before.is_known, before.amount, mean)
    both = (np.ones(amount.size), amount, before.observed, amount * before.observed)
    return np.column_stack(both[:n_columns])
