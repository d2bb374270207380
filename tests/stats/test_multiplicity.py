"""False discovery rates, by hand and against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from cxmodel.stats.multiplicity import benjamini_hochberg


def test_by_hand():
    # sorted .01 .02 .04 .50 times 4/1 4/2 4/3 4/4: .04 .04 .0533 .5; the minimum from the right
    q = benjamini_hochberg([0.02, 0.50, 0.01, 0.04])
    assert q == pytest.approx([0.04, 0.50, 0.04, 0.16 / 3])


def test_missing_is_no_test():
    q = benjamini_hochberg([0.02, np.nan, 0.01])
    assert np.isnan(q[1])
    assert q[[0, 2]] == pytest.approx([0.02, 0.02])


def test_nothing_gives_nothing():
    assert benjamini_hochberg([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_agrees_with_statsmodels(p_values: list[float]):
    reference = multipletests(p_values, method="fdr_bh")[1]
    assert benjamini_hochberg(p_values) == pytest.approx(reference, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_is_never_below_p(p_values: list[float]):
    q = benjamini_hochberg(p_values)
    assert np.all(q >= np.asarray(p_values) - 1e-15)
    assert np.all(q <= 1)


def test_outside_zero_to_one():
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([0.5, 1.2])
