"""Whether counts over classes still look like they did: the population stability index."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Siddiqi (2006): under a tenth nothing has moved, over a quarter it is another population.
SOME_DRIFT, MOST_DRIFT = 0.10, 0.25
# An index that chance alone brings once in a hundred times is no drift.
CHANCE = 0.01


def population_stability_index(expected: Floats, observed: Floats) -> float:
    """Say how far counts over classes have moved: the sum of (q - p) ln(q / p).

    Half a case is added to every class, so that an empty class costs much but not everything.
    Usual readings: under 0.1 stable, over 0.25 another population [1]_.

    Parameters
    ----------
    expected, observed : array (k,)
        Counts then and now, in the same classes.

    Raises
    ------
    ValueError
        If the classes differ in number, or there is nothing to compare.

    References
    ----------
    .. [1] Siddiqi, N. (2006). Credit Risk Scorecards. Wiley.

    Examples
    --------
    >>> population_stability_index(np.array([50.0, 50.0]), np.array([500.0, 500.0]))
    0.0
    """
    if expected.shape != observed.shape or not len(expected):
        raise ValueError(f"Classes differ: {expected.shape} and {observed.shape}.")
    if expected.sum() <= 0 or observed.sum() <= 0:
        raise ValueError("There is nothing to compare: all counts are zero.")
    p, q = _smoothed(expected), _smoothed(observed)
    return float(np.sum((q - p) * np.log(q / p)))


def stability_p_value(index: float, n_expected: float, n_observed: float, n_classes: int) -> float:
    """Give the chance of an index this large between two samples of one population.

    The index over ``1 / n + 1 / m`` is then about chi-squared with one degree of freedom less than
    there are classes (Yurdakul 2018, Statistical properties of population stability index).

    Examples
    --------
    >>> round(stability_p_value(0.03841, 200, 200, 2), 3)
    0.05
    """
    from scipy.special import chdtrc

    if n_classes < 2:
        return 1.0
    return float(chdtrc(n_classes - 1, index / (1 / n_expected + 1 / n_observed)))


def stability_verdict(index: float, p_value: float) -> Literal["pass", "warn", "fail"]:
    """Judge an index: over 0.1 warn, over 0.25 fail, where it is more than chance would bring.

    Examples
    --------
    >>> stability_verdict(0.3, 0.001), stability_verdict(0.3, 0.2), stability_verdict(0.2, 0.001)
    ('fail', 'pass', 'warn')
    """
    if p_value >= CHANCE or index <= SOME_DRIFT:
        return "pass"
    return "fail" if index > MOST_DRIFT else "warn"


def _smoothed(counts: Floats) -> Floats:
    raised = counts + 0.5
    return np.asarray(raised / raised.sum())
