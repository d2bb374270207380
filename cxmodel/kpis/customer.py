"""KPIs of the customer base: churn, retention, simple lifetime value, earned growth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from cxmodel.results import CONF_LEVEL, Estimate
from cxmodel.stats.intervals import wilson
from cxmodel.stats.rates import annual_from_monthly_churn, monthly_from_annual_churn

ChurnPeriod = Literal["month", "year"]


def churn_rate(
    n_lost: int, n_opening: int, *, period: ChurnPeriod, conf_level: float = CONF_LEVEL
) -> Estimate:
    """Give the percent of the opening customers that left in a period, with Wilson's interval.

    Only customers who were there at the start count, above and below the line: new ones who leave
    within the period do not.

    Parameters
    ----------
    n_lost, n_opening : int
        Opening customers who left, and all opening customers.
    period : {"month", "year"}
        Goes into the unit: 20% a month and 7% a year are not compared.
    conf_level : float
        Level of the interval.

    Raises
    ------
    ValueError
        If more left than were there, or fewer than none: see `net_customer_decline`.

    Examples
    --------
    >>> churn = churn_rate(20, 100, period="month")
    >>> churn.estimate, churn.unit, round(churn.conf_low, 2), round(churn.conf_high, 2)
    (20.0, 'percent of opening customers per month', 13.34, 28.88)
    """
    if n_lost < 0:
        raise ValueError(
            f"Churn is never negative, but n_lost is {n_lost}. For opening less closing customers "
            "use net_customer_decline."
        )
    return _percent_of_opening(n_lost, n_opening, "lost", conf_level, f"per {period}")


def convert_churn(churn: Estimate, *, to: ChurnPeriod) -> Estimate:
    """Move a churn rate to another period: 1 - (1 - c)^k, never c x k.

    It supposes that the rate stays the same; the caveat says so. The interval moves with it, the
    standard error by the slope there.

    Parameters
    ----------
    churn : Estimate
        From `churn_rate`.
    to : {"month", "year"}
        The period wanted.

    Raises
    ------
    ValueError
        If the unit is not that of `churn_rate`.

    Examples
    --------
    >>> yearly = convert_churn(churn_rate(20, 100, period="month"), to="year")
    >>> round(yearly.estimate, 2), yearly.unit
    (93.13, 'percent of opening customers per year')
    """
    stem, _, period = churn.unit.rpartition(" per ")
    if stem != "percent of opening customers" or period not in ("month", "year"):
        raise ValueError(
            f"The unit {churn.unit!r} is no churn rate. Give what churn_rate(...) returns."
        )
    if period == to:
        return churn
    move = annual_from_monthly_churn if to == "year" else monthly_from_annual_churn
    power = 12.0 if to == "year" else 1 / 12
    slope = power * (1 - churn.estimate / 100) ** (power - 1) if churn.estimate < 100 else 0.0

    def percent(value: float | None) -> float | None:
        return None if value is None else 100 * move(value / 100)

    return replace(
        churn,
        estimate=100 * move(churn.estimate / 100),
        std_error=None if churn.std_error is None else slope * churn.std_error,
        conf_low=percent(churn.conf_low),
        conf_high=percent(churn.conf_high),
        unit=f"{stem} per {to}",
        caveats=(*churn.caveats, f"converted from a rate per {period} that is taken as constant"),
    )


def net_customer_decline(n_opening: int, n_closing: int) -> float:
    """Give by how many percent the number of customers fell; negative where it grew.

    New customers hide lost ones in it, so it is not called churn.

    Examples
    --------
    100 at the start, 20 lost: with 15 new ones 5%, with 30 new ones -10%.

    >>> net_customer_decline(100, 95), net_customer_decline(100, 110)
    (5.0, -10.0)
    """
    _require_customers(n_opening)
    return 100 * (n_opening - n_closing) / n_opening


def retention_rate(n_retained: int, n_opening: int, *, conf_level: float = CONF_LEVEL) -> Estimate:
    """Give the percent of the opening customers who are still there at the end.

    Parameters
    ----------
    n_retained, n_opening : int
        Opening customers still active, and all opening customers.
    conf_level : float
        Level of the interval.

    Examples
    --------
    >>> retention_rate(75, 100).estimate
    75.0
    """
    return _percent_of_opening(n_retained, n_opening, "retained", conf_level, "retained")


def retention_from_totals(n_opening: int, n_closing: int, n_new: int) -> float:
    """Give (end - new) / start in percent: retention if no new customer leaves in the period.

    Examples
    --------
    >>> retention_from_totals(100, 95, 15)
    80.0
    """
    _require_customers(n_opening)
    return 100 * (n_closing - n_new) / n_opening


@dataclass(frozen=True, kw_only=True)
class RetentionGap:
    """The retention of the cohort beside that from totals, in percent.

    Parameters
    ----------
    of_cohort, from_totals : float
        Opening customers still there, and (end - new) / start, both over the opening customers.
    """

    of_cohort: float
    from_totals: float

    @property
    def gap_points(self) -> float:
        """Percentage points by which the totals understate the cohort."""
        return self.of_cohort - self.from_totals


def reconcile_retention(
    *, n_opening: int, n_closing: int, n_new: int, n_retained: int
) -> RetentionGap:
    """Put both ways to compute retention side by side; new customers who left make the gap.

    Examples
    --------
    100 at the start, 20 of them lost, 15 new of whom 5 left again: 90 at the end.

    >>> gap = reconcile_retention(n_opening=100, n_closing=90, n_new=15, n_retained=80)
    >>> gap.of_cohort, gap.from_totals, gap.gap_points
    (80.0, 75.0, 5.0)
    """
    return RetentionGap(
        of_cohort=retention_rate(n_retained, n_opening).estimate,
        from_totals=retention_from_totals(n_opening, n_closing, n_new),
    )


def repeat_purchase_rate(
    n_repeat: int, n_buyers: int, *, conf_level: float = CONF_LEVEL
) -> Estimate:
    """Give the percent of buyers with a second purchase, out of all who bought at least once.

    Examples
    --------
    >>> repeat_purchase_rate(22, 100).estimate
    22.0
    """
    share = wilson(n_repeat, n_buyers, conf_level=conf_level)
    return Estimate(
        estimate=100 * share.estimate,
        std_error=100 * share.std_error,
        conf_low=100 * share.conf_low,
        conf_high=100 * share.conf_high,
        conf_level=conf_level,
        unit="percent of buyers who bought again",
        n_obs=n_buyers,
    )


def simple_lifetime_value(
    average_sale: float,
    sales_per_year: float,
    *,
    years: float,
    gross_margin: float | None = None,
) -> float:
    """Give sale x sales a year x years, and times the margin where one is given.

    A rule of thumb without discounting and without a spread of lifetimes; `CltvModel` has both.

    Parameters
    ----------
    average_sale : float
        Money per sale.
    sales_per_year : float
        Sales per customer and year.
    years : float
        How long a customer stays.
    gross_margin : float, optional
        A fraction in [0, 1]. Without it the value is revenue, not profit.

    Examples
    --------
    >>> simple_lifetime_value(50, 4, years=5)
    1000.0
    >>> simple_lifetime_value(50, 4, years=5, gross_margin=0.3)
    300.0
    """
    if gross_margin is not None and not 0 <= gross_margin <= 1:
        raise ValueError(f"gross_margin must lie in [0, 1], not {gross_margin}.")
    revenue = float(average_sale * sales_per_year * years)
    return revenue if gross_margin is None else revenue * gross_margin


def perpetual_lifetime_value(
    margin_per_period: float,
    *,
    retention: float,
    discount_rate: float,
    first_payment: Literal["now", "end"] = "end",
) -> float:
    """Give the discounted margin of a customer who stays with a constant probability, for ever.

    With margin m, retention r and discount d it is m r / (1 + d - r) when the first payment comes
    at the end of the first period, and m more when one is made now.

    Parameters
    ----------
    margin_per_period : float
        Money per customer and period.
    retention, discount_rate : float
        Fractions per the same period.
    first_payment : {"now", "end"}
        When the first margin is earned.

    References
    ----------
    Gupta, S. and Lehmann, D. R. (2003). Journal of Interactive Marketing 17(1), 9-24.

    Raises
    ------
    ValueError
        If retention lies outside [0, 1], or nothing makes the sum finite.

    Examples
    --------
    >>> round(perpetual_lifetime_value(60, retention=0.8, discount_rate=0.10), 6)
    160.0
    >>> value = perpetual_lifetime_value(
    ...     60, retention=0.8, discount_rate=0.10, first_payment="now"
    ... )
    >>> round(value, 6)
    220.0
    """
    if not 0 <= retention <= 1 or discount_rate < 0 or 1 + discount_rate <= retention:
        raise ValueError(
            f"retention must lie in [0, 1] and below 1 + discount_rate, not {retention} with "
            f"{discount_rate}."
        )
    later = margin_per_period * retention / (1 + discount_rate - retention)
    return later if first_payment == "end" else margin_per_period + later


def customer_equity(lifetime_values: Iterable[float]) -> float:
    """Give the sum of all customers' lifetime values.

    Examples
    --------
    >>> customer_equity([160.0, 220.0, -10.0])
    370.0
    """
    from math import fsum

    return fsum(lifetime_values)


@dataclass(frozen=True, kw_only=True)
class EarnedGrowth:
    """Growth that customers brought by staying, buying more and recommending, in percent.

    Parameters
    ----------
    rate : float
        Net revenue retention + revenue of earned new customers - 100.
    share_of_growth : float
        That as a share of all growth.
    """

    rate: float
    share_of_growth: float


def earned_growth(
    *, net_revenue_retention: float, earned_new_revenue: float, total_growth: float
) -> EarnedGrowth:
    """Give the earned growth rate of Reichheld, all in percent of last year's revenue.

    Parameters
    ----------
    net_revenue_retention : float
        Revenue of last year's customers this year.
    earned_new_revenue : float
        Revenue of new customers who came by recommendation.
    total_growth : float
        Growth of all revenue.

    References
    ----------
    Reichheld, F. (2021). Winning on Purpose, appendix B.

    Examples
    --------
    >>> growth = earned_growth(net_revenue_retention=85, earned_new_revenue=25, total_growth=30)
    >>> growth.rate, round(growth.share_of_growth, 1)
    (10, 33.3)
    """
    if total_growth == 0:
        raise ValueError("total_growth is 0: there is no growth to take a share of.")
    rate = net_revenue_retention + earned_new_revenue - 100
    return EarnedGrowth(rate=rate, share_of_growth=100 * rate / total_growth)


def _percent_of_opening(
    count: int, n_opening: int, what: str, conf_level: float, ending: str
) -> Estimate:
    _require_customers(n_opening)
    if not 0 <= count <= n_opening:
        raise ValueError(
            f"{count} {what} of {n_opening} opening customers cannot be: count only customers who "
            "were there at the start."
        )
    share = wilson(count, n_opening, conf_level=conf_level)
    return Estimate(
        estimate=100 * share.estimate,
        std_error=100 * share.std_error,
        conf_low=100 * share.conf_low,
        conf_high=100 * share.conf_high,
        conf_level=conf_level,
        unit=f"percent of opening customers {ending}",
        n_obs=n_opening,
    )


def _require_customers(n_opening: int) -> None:
    if n_opening < 1:
        raise ValueError(f"n_opening must be 1 or more, not {n_opening}.")
