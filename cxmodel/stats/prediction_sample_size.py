"""How many customers a prediction model of a yes-or-no outcome needs to be learnt from.

The criteria of Riley and others for a binary outcome: little shrinkage, little optimism in the
explained variation, and a precise overall risk.
"""

from __future__ import annotations

import math
from typing import NamedTuple

SHRINKAGE = 0.9
MARGIN = 0.05
# What is assumed where nothing better is known: this part of the most that can be explained.
DEFAULT_SHARE_OF_MAX = 0.15


class RequiredSample(NamedTuple):
    """Rows needed by each criterion, and in all.

    Attributes
    ----------
    by_shrinkage, by_optimism, by_prevalence : int
        Rows that each criterion asks for.
    n_needed : int
        The largest of the three.
    n_events : float
        Events expected among them.
    events_per_parameter : float
        Those events for each parameter.
    """

    by_shrinkage: int
    by_optimism: int
    by_prevalence: int
    n_needed: int
    n_events: float
    events_per_parameter: float


def max_cox_snell(prevalence: float) -> float:
    """Give the largest Cox-Snell R2 that an outcome of this prevalence allows.

    Raises
    ------
    ValueError
        If the prevalence is not between 0 and 1.

    Examples
    --------
    >>> round(max_cox_snell(0.05), 2), round(max_cox_snell(0.5), 2)
    (0.33, 0.75)
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must lie between 0 and 1, not {prevalence}.")
    per_row = prevalence * math.log(prevalence) + (1 - prevalence) * math.log1p(-prevalence)
    return -math.expm1(2 * per_row)


def rows_for_shrinkage(n_parameters: int, r_squared: float, shrinkage: float) -> float:
    """Give the rows at which predictions must be shrunk by no more than this factor.

    Parameters
    ----------
    n_parameters : int
        Candidate parameters, without the intercept.
    r_squared : float
        Cox-Snell R2 that the model is expected to have on new rows, above 0 and below `shrinkage`.
    shrinkage : float
        Factor by which the log-odds must be multiplied, below 1.

    References
    ----------
    Riley, R. D. et al. (2019). Statistics in Medicine 38, 1276-1296, equation 11.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> math.ceil(rows_for_shrinkage(24, 0.288, 0.9))
    623
    """
    if n_parameters < 1:
        raise ValueError(f"n_parameters must be 1 or more, not {n_parameters}.")
    if not 0 < r_squared < shrinkage < 1:
        raise ValueError(
            f"It needs 0 < r_squared < shrinkage < 1, not {r_squared:.4g} and {shrinkage:.4g}."
        )
    return n_parameters / ((shrinkage - 1) * math.log1p(-r_squared / shrinkage))


def required_sample(
    n_parameters: int,
    prevalence: float,
    r_squared: float,
    *,
    shrinkage: float = SHRINKAGE,
    margin: float = MARGIN,
) -> RequiredSample:
    """Give the rows that a prediction model of so many parameters needs.

    The largest of three: shrinkage of 0.9 or more; a drop of at most `margin` from the apparent to
    the adjusted Nagelkerke R2; the overall risk known to within `margin` at 95%.

    Parameters
    ----------
    n_parameters : int
        Candidate parameters, without the intercept.
    prevalence : float
        Share of rows with the event.
    r_squared : float
        Cox-Snell R2 expected on new rows, below `max_cox_snell`.
    shrinkage, margin : float
        As above.

    References
    ----------
    Riley, R. D. et al. (2019). Statistics in Medicine 38, 1276-1296; Riley, R. D. et al. (2020).
    BMJ 368, m441.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> required_sample(24, 0.174, 0.288).n_needed
    662
    """
    most = max_cox_snell(prevalence)
    if not 0 < r_squared < most:
        raise ValueError(
            f"r_squared must lie between 0 and {most:.4g}, the most at a prevalence of "
            f"{prevalence:.4g}, not {r_squared:.4g}."
        )
    optimistic = r_squared / (r_squared + margin * most)
    needs = (
        math.ceil(rows_for_shrinkage(n_parameters, r_squared, shrinkage)),
        math.ceil(rows_for_shrinkage(n_parameters, r_squared, optimistic)),
        math.ceil((1.96 / margin) ** 2 * prevalence * (1 - prevalence)),
    )
    n_needed = max(needs)
    events = n_needed * prevalence
    return RequiredSample(*needs, n_needed, events, events / n_parameters)


def expected_shrinkage(n_rows: float, n_parameters: int, r_squared: float) -> float:
    """Give the factor by which predictions learnt from so many rows must be shrunk.

    The inverse of `rows_for_shrinkage`: 1 is no overfitting, 0.9 is 10% too extreme.

    Examples
    --------
    >>> round(expected_shrinkage(623, 24, 0.288), 3)
    0.9
    """
    from scipy.optimize import brentq

    least, most = r_squared * (1 + 1e-9), 1 - 1e-12
    if rows_for_shrinkage(n_parameters, r_squared, least) >= n_rows:
        return least
    if rows_for_shrinkage(n_parameters, r_squared, most) <= n_rows:
        return 1.0
    return float(
        brentq(lambda s: rows_for_shrinkage(n_parameters, r_squared, s) - n_rows, least, most)
    )


def cox_snell(log_likelihood: float, null_log_likelihood: float, n_rows: int) -> float:
    """Give the Cox-Snell R2 of predictions against those that are the same for every row.

    On rows that the model was not fitted to it needs no adjustment, and may be negative.

    Examples
    --------
    >>> round(cox_snell(-50.0, -69.3, 100), 3)
    0.32
    """
    return -math.expm1(2 * (null_log_likelihood - log_likelihood) / n_rows)
