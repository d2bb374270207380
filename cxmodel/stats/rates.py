"""Rates carry their period in their name, and change it in one place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12


def monthly_discount_rate(annual_discount_rate: float) -> float:
    """Turn a yearly discount rate into the monthly rate that compounds to it.

    Parameters
    ----------
    annual_discount_rate : float
        A fraction of 0 or more per year, such as 0.10.

    Returns
    -------
    float
        ``(1 + r) ** (1 / 12) - 1``, a fraction per month.

    Raises
    ------
    ValueError
        If the rate is negative or not a number.

    Examples
    --------
    >>> round(monthly_discount_rate(0.10), 6)
    0.007974
    """
    if not annual_discount_rate >= 0:
        raise ValueError(f"annual_discount_rate must be 0 or more, not {annual_discount_rate}.")
    return float((1 + annual_discount_rate) ** (1 / 12) - 1)


def monthly_from_annual_churn(annual_churn_rate: float) -> float:
    """Turn a yearly churn rate into the monthly rate that leaves as many after a year.

    Parameters
    ----------
    annual_churn_rate : float
        The share of customers lost in a year, a fraction in [0, 1].

    Returns
    -------
    float
        ``1 - (1 - c) ** (1 / 12)``, a fraction per month.

    Raises
    ------
    ValueError
        If the rate lies outside [0, 1].

    Examples
    --------
    7% a year is 0.6029% a month, not 7 / 12.

    >>> round(100 * monthly_from_annual_churn(0.07), 4)
    0.6029
    """
    return _repeated(annual_churn_rate, 1 / 12, "annual_churn_rate")


def annual_from_monthly_churn(monthly_churn_rate: float) -> float:
    """Turn a monthly churn rate into the share lost after twelve such months.

    Parameters
    ----------
    monthly_churn_rate : float
        The share of customers lost in a month, a fraction in [0, 1].

    Returns
    -------
    float
        ``1 - (1 - c) ** 12``, a fraction per year.

    Raises
    ------
    ValueError
        If the rate lies outside [0, 1].

    Examples
    --------
    20% a month is 93.13% a year.

    >>> round(100 * annual_from_monthly_churn(0.20), 2)
    93.13
    """
    return _repeated(monthly_churn_rate, 12, "monthly_churn_rate")


def discount_factors(annual_discount_rate: float, months: npt.ArrayLike) -> FloatArray:
    """Give what one unit of money after so many months is worth today.

    Parameters
    ----------
    annual_discount_rate : float
        A fraction of 0 or more per year.
    months : array_like of float
        Times from today, in months of 365.25 / 12 days.

    Returns
    -------
    numpy.ndarray
        ``(1 + r) ** (-months / 12)``, of the shape of `months`.

    Raises
    ------
    ValueError
        If the rate is negative or not a number.

    Examples
    --------
    >>> discount_factors(0.21, [0, 6, 12]).round(4).tolist()
    [1.0, 0.9091, 0.8264]
    """
    monthly = monthly_discount_rate(annual_discount_rate)
    return np.asarray((1 + monthly) ** -np.asarray(months, dtype=float), dtype=float)


def _repeated(churn_rate: float, times: float, name: str) -> float:
    if not 0 <= churn_rate <= 1:
        raise ValueError(f"{name} must lie in [0, 1], a fraction of customers, not {churn_rate}.")
    return float(1 - (1 - churn_rate) ** times)
