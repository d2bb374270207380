"""Exact sums of arrays: by hand, against correctly rounded sums, and the same bits in any order."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.tables.reduction.exact_blocks import (
    BLOCK_ROWS,
    Total,
    halves,
    left_over,
    products_of,
    rounded,
    with_left_over,
)


def products(columns: np.ndarray) -> np.ndarray:
    """Add up products of columns (k, n), block by block."""
    total = Total(2 * len(columns), 2 * len(columns))
    for start in range(0, columns.shape[1], BLOCK_ROWS):
        parted = halves(columns[:, start : start + BLOCK_ROWS])
        total.add(parted @ parted.T)
    return products_of(total.value())


def sums(terms: np.ndarray) -> np.ndarray:
    first, second = Total(1), Total(1)
    for start in range(0, len(terms), BLOCK_ROWS):
        block = terms[start : start + BLOCK_ROWS]
        taken = rounded(block)
        first.add(taken.sum(keepdims=True))
        second.add(left_over(block, taken).sum(keepdims=True))
    return with_left_over(first.value(), second.value())


def tailed(k: int, n: int) -> np.ndarray:
    """Columns of up to 1 in size whose values are mostly far smaller."""
    columns = np.random.default_rng(3).standard_t(2, size=(k, n))
    return columns / np.abs(columns).max(axis=1, keepdims=True)


# -- by hand ----------------------------------------------------------------------------------


def test_a_number_is_parted_at_nineteen_bits():
    # tops are multiples of 2^-19: 2^-20 + 2^-30 is more than half of one, so it rounds up, and
    # the bottom is (2^-20 + 2^-30 - 2^-19) 2^20 = 2^-10 - 1
    top, bottom = halves(np.array([[0.5 + 2.0**-20 + 2.0**-30]]))
    assert (top[0], bottom[0]) == (0.5 + 2.0**-19, 2.0**-10 - 1)


def test_products_of_short_fractions_are_exact():
    # (1/2)(1/4) + (-3/4)(1/8) = 1/32
    found = products(np.array([[0.5, -0.75], [0.25, 0.125]]))
    assert found[0, 1] == found[1, 0] == 1 / 32
    assert found[0, 0] == 0.25 + 0.5625


# -- against a reference ----------------------------------------------------------------------


def test_sums_with_what_rounding_left_are_correctly_rounded_ones():
    terms = tailed(1, 20_000)[0]
    assert abs(sums(terms)[0] - math.fsum(terms)) <= 2**-70 * len(terms)


def test_products_are_those_of_fractions():
    columns = tailed(3, 9_000)
    found = products(columns)
    for i in range(3):
        for j in range(i, 3):
            pairs = zip(columns[i], columns[j], strict=True)
            exact = float(sum(Fraction(a) * Fraction(b) for a, b in pairs))
            size = math.sqrt(found[i, i] * found[j, j])
            # what is rounded away of a product is up to 2^-39 and errs to either side
            assert abs(found[i, j] - exact) < 2 * 2.0**-39 * math.sqrt(found.max())
            assert abs(found[i, j] - exact) < 1e-11 * size


# -- properties -------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3 * BLOCK_ROWS))
def test_the_order_of_rows_moves_no_bit(seed, n):
    rng = np.random.default_rng(seed)
    columns = rng.uniform(-1, 1, (3, n)) * 10.0 ** rng.uniform(-8, 0, (3, 1))
    order = rng.permutation(n)
    assert products(columns).tobytes() == products(columns[:, order]).tobytes()
    assert sums(columns[0]).tobytes() == sums(columns[0][order]).tobytes()


def test_a_total_holds_large_and_small_of_many_blocks():
    # 2^13 and 2^-38 of each block: both are still there, in 51 bits, after a thousand
    total = Total(1)
    for _ in range(1_000):
        total.add(np.array([2.0**13 + 2.0**-38]))
    assert total.value()[0] == 1_000 * 2.0**13 + 1_000 * 2.0**-38
