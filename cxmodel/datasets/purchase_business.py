"""A small company without contracts: customers buy until they silently stop.

Customers buy at rates of their own (gamma) and may stop for good after any repeat purchase with a
probability of their own (beta): BG/NBD. What a purchase costs follows Gamma-Gamma. Each customer
answers once; for the 180 days after the answer the rate of purchases is
``1 + per_point x (rating - 7)`` times the customer's own, and in the same way the probability of
stopping and the amounts may move with the rating. Ratings depend on nothing.

The truth is in closed form, given what customers are like and what they did up to the answer: see
`Lives`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.datasets import files
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
INACTIVE_DAYS = 90  # the default of `Windows` for this window
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
    lives : Lives
        The laws behind it, for a truth over many customers.
    """

    surveys: pd.DataFrame
    customers: pd.DataFrame
    revenue: pd.DataFrame
    truth: Mapping[str, float]
    settings: Mapping[str, Any]
    lives: Lives

    def __repr__(self) -> str:
        return (
            f"<PurchaseBusiness: {len(self.customers):,} customers, {len(self.revenue):,} bookings>"
        )

    def write(self, out_dir: str | Path, *, format: Literal["parquet", "csv"] = "parquet") -> Path:
        """Write the tables, ``truth.json`` and a ready ``cxmodel.toml`` into a folder.

        As `Simulation.write` does, and with its errors.

        Returns
        -------
        Path
            The configuration file.
        """
        return files.write_study(
            Path(out_dir),
            {"surveys": self.surveys, "customers": self.customers, "revenue": self.revenue},
            truth=self.truth,
            configuration=partial(files.purchases_configuration, self.settings),
            file_format=format,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Effects:
    """What a rating point changes in the 180 days after the answer, as shares.

    Parameters
    ----------
    rate, leaves, spend : float
        Of the rate of purchases, of the probability to stop after one, and of what one costs.
    """

    rate: float = 0.0
    leaves: float = 0.0
    spend: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Lives:
    """What customers are like, and what they did up to their answer: the truth follows from it.

    Parameters
    ----------
    rate, leaves, spend : array (n,)
        Purchases a day, the probability to stop after one, and what one costs on average, without
        an effect of the rating.
    is_alive : array of bool (n,)
        Who had not stopped at the answer.
    idle_days : array (n,)
        Since the last purchase before the answer.
    effects : Effects
        What a rating point changes.
    """

    rate: Floats
    leaves: Floats
    spend: Floats
    is_alive: npt.NDArray[np.bool_]
    idle_days: Floats
    effects: Effects

    @property
    def is_at_risk(self) -> npt.NDArray[np.bool_]:
        """Who bought within the 90 days before the answer (methods, section 1)."""
        return np.asarray(self.idle_days <= INACTIVE_DAYS)

    def money(self, rating: Floats) -> Floats:
        """Give each customer's expected revenue in the window, had all given such ratings.

        The purchases of somebody who stops after each with probability p are
        (1 - exp(-p x rate x days)) / p.
        """
        pace, leaves, more = self._moved(rating)
        bought = -np.expm1(-leaves * pace * WINDOW_DAYS) / leaves
        return np.where(self.is_alive, more * self.spend * bought, 0.0)

    def share_there(self, rating: Floats) -> Floats:
        """Give the expected share of the window in which each customer had bought of late.

        There at a moment is who bought in the 90 days before it: who had bought before the answer
        for some days more, then with a purchase since, 1 - exp(-rate x t); and from day 90 on who
        had not stopped 90 days ago and bought since, exp(-p x rate x (t - 90)) x
        (1 - exp(-rate x 90)). Integrated over the window.
        """
        pace, leaves, _ = self._moved(rating)
        still = np.clip(INACTIVE_DAYS - self.idle_days, 0.0, INACTIVE_DAYS)
        later = INACTIVE_DAYS - still
        since = later - (np.exp(-pace * still) - np.exp(-pace * INACTIVE_DAYS)) / pace
        of_late = -np.expm1(-pace * INACTIVE_DAYS)
        risk = leaves * pace
        beyond = of_late * -np.expm1(-risk * (WINDOW_DAYS - INACTIVE_DAYS)) / risk
        return (still + np.where(self.is_alive, since + beyond, 0.0)) / WINDOW_DAYS

    def _moved(self, rating: Floats) -> tuple[Floats, Floats, Floats]:
        factors = _factors(self.effects, rating)
        leaves = np.minimum(self.leaves * factors[1], 1.0)
        return self.rate * factors[0], leaves, factors[2]


def _factors(effects: Effects, rating: Floats) -> tuple[Floats, Floats, Floats]:
    above = rating - USUAL_RATING
    rate, leaves, spend = (
        1 + each * above for each in (effects.rate, effects.leaves, effects.spend)
    )
    return rate, leaves, spend


def simulate_purchases(
    n_customers: int = 2_000,
    seed: int = 1,
    *,
    per_point: float = 0.08,
    leaves_per_point: float = 0.0,
    spend_per_point: float = 0.0,
) -> PurchaseBusiness:
    """Simulate a business without contracts, in which a rating point moves what customers do.

    Parameters
    ----------
    n_customers : int
        How many customers, 10 or more.
    seed : int
        The same seed gives the same tables.
    per_point : float
        Change of the rate of purchases per rating point, as a share, in [0, 0.14].
    leaves_per_point : float
        The same of the probability to stop after a purchase, in [-0.3, 0.14].
    spend_per_point : float
        The same of what a purchase costs, in [0, 0.14].

    Raises
    ------
    ValueError
        If there are under 10 customers, or a change makes a rate, a probability or an amount
        negative.

    Examples
    --------
    >>> business = simulate_purchases(200, seed=7)
    >>> sorted(business.truth)[-1]
    'lift.revenue.per_rating_point'
    """
    if n_customers < 10:
        raise ValueError(f"A business needs 10 customers or more, not {n_customers}.")
    _check_effects(per_point, leaves_per_point, spend_per_point)
    effects = Effects(rate=per_point, leaves=leaves_per_point, spend=spend_per_point)
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.5, 1 / 30.0, n_customers)  # purchases a day
    leaves = rng.beta(1.0, 8.0, n_customers)
    scale = rng.gamma(5.0, 1 / 120.0, n_customers)  # of spend: mean 6 / (6 scale) on average 30
    started = rng.uniform(0, _NEW_UNTIL, n_customers)
    answered = rng.uniform(_ASKED_FROM, _ASKED_UNTIL, n_customers)
    rating = np.clip(np.round(rng.normal(USUAL_RATING, 2.0, n_customers)), 0, 10)
    factors = _factors(effects, rating)
    owner, day, left = _purchases(rng, rate, leaves, started, answered, factors)
    is_after = (day > answered[owner]) & (day <= answered[owner] + WINDOW_DAYS)
    amount = rng.gamma(6.0, 1 / 6.0, len(owner)) / scale[owner]
    amount *= np.where(is_after, factors[2][owner], 1.0)
    lives = Lives(
        rate=rate,
        leaves=leaves,
        spend=1.0 / scale,
        is_alive=left > answered,
        idle_days=answered - _last_before(answered, owner, day),
        effects=effects,
    )
    ids = np.array([f"P{number:06d}" for number in range(1, n_customers + 1)], dtype=object)
    return PurchaseBusiness(
        surveys=pd.DataFrame(
            {"customer_id": ids, "responded_at": _times(answered), "nps": rating.astype(int)}
        ),
        customers=pd.DataFrame({"customer_id": ids, "started_at": _times(np.floor(started))}),
        revenue=pd.DataFrame(
            {"customer_id": ids[owner], "booked_at": _times(day), "amount": amount.round(2)}
        ),
        truth=true_change(lives, rating),
        settings=_settings(n_customers, seed),
        lives=lives,
    )


def _settings(n_customers: int, seed: int) -> dict[str, Any]:
    return {
        "n_customers": n_customers,
        "seed": seed,
        "currency": "USD",
        "as_of": AS_OF,
        "outcome_days": WINDOW_DAYS,
        "gross_margin": GROSS_MARGIN,
        "annual_discount_rate": ANNUAL_DISCOUNT_RATE,
        "horizon_months": HORIZON_MONTHS,
    }


def _check_effects(rate: float, leaves: float, spend: float) -> None:
    most = 1 / USUAL_RATING
    for name, value, low in (
        ("per_point", rate, 0.0),
        ("leaves_per_point", leaves, -0.3),
        ("spend_per_point", spend, 0.0),
    ):
        if not low <= value <= most:
            raise ValueError(f"{name} must lie in [{low:g}, {most:.2f}], not {value}.")


def _purchases(
    rng: np.random.Generator,
    rate: Floats,
    leaves: Floats,
    started: Floats,
    answered: Floats,
    factors: tuple[Floats, Floats, Floats],
) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """Draw purchases of all customers: owner and day of each, and when each customer stopped."""
    owners, days = [], []
    left = np.full(len(rate), np.inf)
    for customer in range(len(rate)):
        at, bought = float(started[customer]), [float(started[customer])]
        while True:
            at = _next(rng, at, rate[customer], answered[customer], factors[0][customer])
            if at >= N_DAYS:
                break
            bought.append(at)
            is_after = answered[customer] < at <= answered[customer] + WINDOW_DAYS
            if rng.random() < leaves[customer] * (factors[1][customer] if is_after else 1.0):
                left[customer] = at
                break
        owners += [customer] * len(bought)
        days += bought
    return np.array(owners, dtype=np.intp), np.array(days), left


def _last_before(answered: Floats, owner: npt.NDArray[np.intp], day: Floats) -> Floats:
    """Give the day of each customer's last purchase up to the answer."""
    found = np.full(len(answered), -np.inf)
    before = day <= answered[owner]
    np.maximum.at(found, owner[before], day[before])
    return found


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


def true_change(lives: Lives, rating: Floats) -> dict[str, float]:
    """Compute what a rating point truly adds to revenue and to lifetime value, by its path.

    Money is that of all customers who had started; who is there is asked of those at risk. In the
    split that is the same as asking all and counting the others as not there: only the ratio of
    the shares after and before the change matters.

    Parameters
    ----------
    lives : Lives
        The customers.
    rating : array (n,)
        What they gave.
    """

    def mean_and_change(outcome: Callable[[Floats], Floats], who: Any) -> tuple[float, float]:
        change = outcome(rating + 0.5) - outcome(rating - 0.5)
        return float(outcome(rating)[who].mean()), float(change[who].mean())

    money = mean_and_change(lives.money, slice(None))
    there = mean_and_change(lives.share_there, lives.is_at_risk)
    change = change_of_value(money, there, np.zeros(HORIZON_MONTHS))
    names = ("total", "staying", "spending", "total_window_only")
    return {
        "lift.revenue.per_rating_point": money[1],
        **{f"{PATH}.{name}": change[f"{PATH}.{name}"] for name in names},
    }


def _times(days: Floats) -> pd.Series:
    start = pd.Timestamp(FIRST_DAY)
    return pd.Series(start + pd.to_timedelta((days * 86_400).astype(np.int64), unit="s"))
