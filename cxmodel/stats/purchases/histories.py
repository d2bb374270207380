"""What a purchase model reads of a customer, with equal customers counted once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln

FloatArray = npt.NDArray[np.float64]
Parameters = tuple[FloatArray, ...]
"""The parameters of a family: each one number for all rows, or one a row."""


@dataclass(frozen=True, eq=False)
class Histories:
    """Purchase histories of customers; a row stands for one or many customers alike.

    Parameters
    ----------
    frequency : array, (n,)
        Purchases after the first one: whole numbers.
    recency : array, (n,)
        Time from the first to the last purchase; 0 where there is one alone.
    age : array, (n,)
        Time from the first purchase to the end of observation (T), in the same periods.
    weights : array, (n,)
        Customers that the row stands for.
    """

    frequency: FloatArray
    recency: FloatArray
    age: FloatArray
    weights: FloatArray

    @cached_property
    def counts(self) -> Counts:
        """The frequencies, with equal ones found."""
        return Counts.of(self.frequency)

    @property
    def n_customers(self) -> float:
        """How many customers the rows stand for."""
        return float(self.weights.sum())


@dataclass(frozen=True, eq=False)
class Counts:
    """Whole numbers of which many are equal, so that a gamma function is taken once for each.

    Parameters
    ----------
    values : array, (k,)
        The different numbers.
    where : array of int, (n,)
        Which of them each row has.
    """

    values: FloatArray
    where: npt.NDArray[np.intp]

    @classmethod
    def of(cls, numbers: FloatArray) -> Counts:
        """Find equal numbers."""
        values, where = np.unique(numbers, return_inverse=True)
        return cls(values, where)

    def plus(self, number: float) -> Counts:
        """Add a number to each."""
        return Counts(self.values + number, self.where)


def log_rising(start: FloatArray, counts: Counts) -> tuple[FloatArray, FloatArray]:
    """Give ln of ``start (start + 1) ... (start + count - 1)`` and its slope in `start`, by row.

    Parameters
    ----------
    start : array
        Positive; one number, or one a row.
    counts : Counts
        How many factors.

    Examples
    --------
    >>> value, slope = log_rising(np.array(2.0), Counts.of(np.array([0.0, 3.0])))
    >>> np.exp(value).round(12).tolist(), slope.round(6).tolist()
    ([1.0, 24.0], [0.0, 1.083333])
    """
    if start.ndim == 0:
        up = start + counts.values
        return (
            np.asarray(gammaln(up) - gammaln(start))[counts.where],
            np.asarray(digamma(up) - digamma(start))[counts.where],
        )
    up = start + counts.values[counts.where]
    return gammaln(up) - gammaln(start), digamma(up) - digamma(start)


def group_equal(*columns: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.intp], ...]:
    """Find equal rows: the first row of each group, and the group of each row.

    Groups come in the order of their values, so that the order of rows does not matter.

    Examples
    --------
    >>> first, group = group_equal(np.array([1.0, 0.0, 1.0]), np.array([2.0, 2.0, 2.0]))
    >>> first.tolist(), group.tolist()
    ([1, 0], [1, 0, 1])
    """
    order = np.lexsort(columns[::-1])
    is_new = np.zeros(len(order), dtype=bool)
    is_new[:1] = True
    for column in columns:
        ordered = column[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    group = np.empty(len(order), dtype=np.intp)
    group[order] = np.cumsum(is_new) - 1
    return order[is_new], group
