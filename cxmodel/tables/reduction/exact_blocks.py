"""Sums over arrays that give the same bits for any order of rows: `exact_sums` in this process.

Rows come in blocks of at most 8,192. Within a block every term is a multiple of one power of two so
coarse that no partial sum needs more than 53 bits, and so it is with sums of blocks. Products of
columns are parted into a top and a bottom of 20 bits each, so that a matrix product adds them
without rounding, in whatever order it likes: the error-free transformation of Ozaki, Ogita, Oishi &
Rump (2012), "Error-free transformations of matrix multiplication", Numerical Algorithms 59.

Terms are at most 1 in size. A term that is rounded is off by at most 2^-40, a product of two
columns by at most 2^-39. Where terms differ they err to either side; where many are the same, what
rounding left of them (`left_over`) is added up besides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK_ROWS = 8_192
"""Rows of a block, at most: 13 bits of 53 are for adding them up."""

_TERM = 2.0**-39
_HALF = 2.0**-19
# Sums of blocks, each up to 2^13, are parted here; 2^27 of them fit on either side.
_SUM = 2.0**-12
_LIFT = 2.0**39
_HALF_LIFT = 2.0**20


def _to_multiples(values: Floats, step: float) -> Floats:
    """Round values below 2^51 steps to multiples of a step, a power of two; in a new array."""
    magic = 1.5 * 2.0**52 * step
    found = values + magic
    found -= magic
    return found


def rounded(values: Floats) -> Floats:
    """Round terms so that a block of them is added up exactly.

    Examples
    --------
    >>> float(rounded(np.array([0.1]))[0]) == round(0.1 * 2**39) / 2**39
    True
    """
    return _to_multiples(values, _TERM)


def left_over(values: Floats, taken: Floats) -> Floats:
    """Give what rounding left of terms, times 2^39, rounded in its turn."""
    left = values - taken
    left *= _LIFT
    return _to_multiples(left, _TERM)


def with_left_over(total: Floats, left: Floats | None) -> Floats:
    """Put sums of terms and sums of what rounding left together, where these were taken."""
    return total if left is None else np.asarray(total + left / _LIFT)


def halves(columns: Floats) -> Floats:
    """Part columns (k, n) into tops, then bottoms times 2^20, (2 k, n): multiples of 2^-19."""
    k = len(columns)
    found = np.empty((2 * k, columns.shape[1]))
    top, bottom = found[:k], found[k:]
    magic = 1.5 * 2.0**52 * _HALF
    np.add(columns, magic, out=top)
    top -= magic
    np.subtract(columns, top, out=bottom)
    bottom *= _HALF_LIFT
    bottom += magic
    bottom -= magic
    return found


def products_of(summed: Floats) -> Floats:
    """Put the products of halves, (2 k, 2 k), together to those of columns, (k, k)."""
    k = len(summed) // 2
    top, across, bottom = summed[:k, :k], summed[:k, k:], summed[k:, k:]
    return np.asarray(top + ((across + across.T) + bottom / _HALF_LIFT) / _HALF_LIFT)


class Total:
    """Adds up sums of blocks exactly.

    Examples
    --------
    >>> total = Total(1)
    >>> for _ in range(3):
    ...     total.add(rounded(np.array([0.5])))
    >>> float(total.value()[0])
    1.5
    """

    def __init__(self, *shape: int) -> None:
        self._high, self._low = np.zeros(shape), np.zeros(shape)

    def add(self, sums: Floats) -> None:
        """Add the sums of a block: of terms that `rounded` gave, or products of `halves`."""
        high = _to_multiples(sums, _SUM)
        self._high += high
        self._low += sums - high

    def merge(self, other: Total) -> None:
        """Add what another total added."""
        self._high += other._high
        self._low += other._low

    def value(self) -> Floats:
        """Give the total, rounded once."""
        return np.asarray(self._high + self._low)
