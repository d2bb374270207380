"""A small company without contracts: customers buy until they silently stop.

Customers buy at rates of their own (gamma) and may stop for good after any repeat purchase with a
probability of their own (beta): BG/NBD. What a purchase costs follows Gamma-Gamma. Each customer
answers once; for the 180 days after the answer the rate of purchases is
``1 + per_point x (rating - 7)`` times the customer's own. Ratings depend on nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.datasets.calendar import AS_OF, WINDOW_DAYS
from cxmodel.datasets.value_truth import (
    ANNUAL_DISCOUNT_RATE,
    GROSS_MARGIN,
    HORIZON_MONTHS,
    PATH,
    change_of_value,
)

Floats = npt.NDArray[np.float64]
FIRST_DAY = dt.date(2024, 1, 1)
N_DAYS = (AS_OF - FIRST_DAY).days + 1
USUAL_RATING = 7.0
_NEW_UNTIL, _ASKED_FROM, _ASKED_UNTIL = 270, 300, 600  # days after the first


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PurchaseBusiness:
    """The tables of the company, with the truth about them.

    Attributes
    ----------
    surveys, customers, revenue : pandas.DataFrame
        With cxmodel's own column names.
    truth : dict
        Path in ``results.json`` -> true value.
    settings : dict
        What a study of it says.
    """

    surveys: pd.DataFrame
    customers: pd.DataFrame
    revenue: pd.DataFrame
    truth: Mapping[str, float]
    settings: Mapping[str, Any]

    def __repr__(self) -> str:
        return (
            f"<PurchaseBusiness: {len(self.customers):,} customers, {len(self.revenue):,} bookings>"
        )


def simulate_purchases(
    n_customers: int = 2_000, seed: int = 1, *, per_point: float = 0.08
) -> PurchaseBusiness:
    """Simulate a business without contracts, in which a rating point moves the rate of purchases.

    Parameters
    ----------
    n_customers : int
        How many customers, 10 or more.
    seed : int
        The same seed gives the same tables.
    per_point : float
        Change of the rate of purchases per rating point, as a share, in [0, 0.14].

    Raises
    ------
    ValueError
        If there are under 10 customers, or `per_point` makes a rate negative.

    Examples
    --------
    >>> business = simulate_purchases(200, seed=7)
    >>> sorted(business.truth)[0]
    'cltv.change_per_rating_point.total'
    """
    if n_customers < 10:
        raise ValueError(f"A business needs 10 customers or more, not {n_customers}.")
    if not 0 <= per_point <= 1 / USUAL_RATING:
        raise ValueError(f"per_point must lie in [0, {1 / USUAL_RATING:.2f}], not {per_point}.")
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.5, 1 / 30.0, n_customers)  # purchases a day
    leaves = rng.beta(1.0, 8.0, n_customers)
    scale = rng.gamma(5.0, 1 / 120.0, n_customers)  # of spend: mean 6 / (6 scale) on average 30
    started = rng.uniform(0, _NEW_UNTIL, n_customers)
    answered = rng.uniform(_ASKED_FROM, _ASKED_UNTIL, n_customers)
    rating = np.clip(np.round(rng.normal(USUAL_RATING, 2.0, n_customers)), 0, 10)
    factor = 1 + per_point * (rating - USUAL_RATING)
    owner, day, left = _purchases(rng, rate, leaves, started, answered, factor)
    amount = rng.gamma(6.0, 1 / 6.0, len(owner)) / scale[owner]
    ids = np.array([f"P{number:06d}" for number in range(1, n_customers + 1)], dtype=object)
    return PurchaseBusiness(
        surveys=pd.DataFrame(
            {"customer_id": ids, "responded_at": _times(answered), "nps": rating.astype(int)}
        ),
        customers=pd.DataFrame({"customer_id": ids, "started_at": _times(np.floor(started))}),
        revenue=pd.DataFrame(
            {"customer_id": ids[owner], "booked_at": _times(day), "amount": amount.round(2)}
        ),
        truth=_truth(rate, leaves, scale, rating, left > answered, per_point),
        settings={
            "currency": "USD",
            "as_of": AS_OF,
            "outcome_days": WINDOW_DAYS,
            "gross_margin": GROSS_MARGIN,
            "annual_discount_rate": ANNUAL_DISCOUNT_RATE,
            "horizon_months": HORIZON_MONTHS,
        },
    )


def _purchases(
    rng: np.random.Generator,
    rate: Floats,
    leaves: Floats,
    started: Floats,
    answered: Floats,
    factor: Floats,
) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """Draw purchases of all customers: owner and day of each, and when each customer stopped."""
    owners, days = [], []
    left = np.full(len(rate), np.inf)
    for customer in range(len(rate)):
        at, bought = float(started[customer]), [float(started[customer])]
        while True:
            at = _next(rng, at, rate[customer], answered[customer], factor[customer])
            if at >= N_DAYS:
                break
            bought.append(at)
            if rng.random() < leaves[customer]:
                left[customer] = at
                break
        owners += [customer] * len(bought)
        days += bought
    return np.array(owners, dtype=np.intp), np.array(days), left


def _next(
    rng: np.random.Generator, at: float, rate: float, answered: float, factor: float
) -> float:
    """Draw the next purchase: exponential in the rate summed over time, which changes twice."""
    wanted = rng.exponential() / rate
    for end, pace in ((answered, 1.0), (answered + WINDOW_DAYS, factor), (np.inf, 1.0)):
        if at >= end:
            continue
        if wanted <= (end - at) * pace:
            return at + wanted / pace
        wanted -= (end - at) * pace
        at = end
    return at


def _truth(
    rate: Floats, leaves: Floats, scale: Floats, rating: Floats, is_alive: Any, per_point: float
) -> dict[str, float]:
    """Compute the change of money in the window: purchases until leaving, in closed form."""
    spend = 1.0 / scale

    def money(given: Floats) -> Floats:
        pace = rate * (1 + per_point * (given - USUAL_RATING))
        # the purchases of somebody who leaves after each with probability p: (1 - e^-pLt) / p
        bought = -np.expm1(-leaves * pace * WINDOW_DAYS) / leaves
        return np.where(is_alive, spend * bought, 0.0)

    lift = float((money(rating + 0.5) - money(rating - 0.5)).mean())
    change = change_of_value((float(money(rating).mean()), lift), (1.0, 0.0), np.zeros(36))
    return {
        "lift.revenue.per_rating_point": lift,
        f"{PATH}.total": change[f"{PATH}.total"],
        f"{PATH}.total_window_only": change[f"{PATH}.total_window_only"],
    }


def _times(days: Floats) -> pd.Series:
    start = pd.Timestamp(FIRST_DAY)
    return pd.Series(start + pd.to_timedelta((days * 86_400).astype(np.int64), unit="s"))
