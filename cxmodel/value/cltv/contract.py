"""Customers with a contract: spending per customer still there, times the retention curve."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import CxModelWarning, InsufficientDataError
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.durations import expected_events, read_durations
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.rates import DAYS_PER_MONTH, monthly_discount_rate
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.by_tenure import TenureLifetimes
from cxmodel.value.cltv.change_result import Baseline
from cxmodel.value.cltv.groups import Group
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.rows import SpendRows
from cxmodel.value.cltv.settings import ValueSettings

FloatArray = npt.NDArray[np.float64]
Curve = RetentionCurve | RetentionFit
_TOO_FAR = 2.0  # standard errors between a group's leavers and those expected
_LONG = 1_200  # months: at 10% a year what comes later is worth a 14,000th
_NO_END = (
    "without discounting the lifetime has no finite mean: some customers hardly ever leave. Set "
    "annual_discount_rate above 0, or read the value up to the horizon"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class ContractValue:
    """The value of customers whose leaving is seen.

    In the window it is what the ledger shows (those who left stay in, with what they still paid);
    beyond it, money per customer still there times the retention curve.

    Parameters
    ----------
    obs : Observations
        The table.
    rows : SpendRows
        What its customers spent.
    whole : RetentionCurve or RetentionFit
        Retention of all of them.
    settings : ValueSettings
        What counts.
    """

    obs: Observations
    rows: SpendRows
    whole: Curve
    settings: ValueSettings

    @property
    def horizon(self) -> Horizon:
        """How far is looked, from the start of the window."""
        return Horizon(
            n_months=self.settings.horizon_months,
            annual_discount_rate=self.settings.annual_discount_rate,
            window_months=self.rows.window_months,
            gap_months=self.rows.gap_months,
        )

    def per_customer(self) -> Estimate:
        """Give the value per customer over all of them."""
        return self._value(self.rows, self.whole)

    def group_row(self, group: Group) -> dict[str, Any]:
        """Value one group, with its own retention where enough of it left."""
        empty = {**self.settings.no_estimate, "retention_of": None}
        if not group.is_shown:
            return {**group.label, **empty, "suppressed": True}
        part = self.rows.only(group.mine)
        curve = self._group_curve(group)
        if isinstance(curve, NotRun):
            return {**group.label, **empty, "suppressed": False, "reason": curve.reason}
        value = self._value(part, curve)
        return {
            **group.label,
            **value.to_dict(),
            "retention_of": "all customers" if curve is self.whole else "this group",
            "suppressed": False,
        }

    def values(self) -> FloatArray:
        """Give the value of each customer of `rows`: own spending, retention as of all.

        In a table with monthly revenue and a stated window, retention is that of the customer's own
        tenure.
        """
        spend = self.rows.expected(self.obs)
        if self.rows.tenure_months is None or isinstance(self.whole, RetentionCurve):
            curve = self.curve_of(self.whole, self.rows)
            lives = self.horizon.lifetimes(curve.retention[None, :])
            return np.asarray(self.settings.share * spend * lives[0], dtype=float)
        by_tenure = TenureLifetimes.of(self.whole, self.rows.tenure_months, self.horizon)
        lives = by_tenure.point[by_tenure.place]
        return np.asarray(self.settings.share * spend * lives, dtype=float)

    def baseline(self) -> Baseline:
        """Give spending in the window and retention as they are, with their draws."""
        n_draws, seed = self.settings.n_draws, self.settings.seed
        curve = self.curve_of(self.whole, self.rows)
        point = curve.retention[None, :]
        draws = curve.draws[np.arange(n_draws) % len(curve.draws)]
        horizon = Horizon(
            n_months=self.settings.horizon_months,
            annual_discount_rate=self.settings.annual_discount_rate,
            window_months=self.obs.windows.outcome_days / DAYS_PER_MONTH,
            gap_months=self.rows.gap_months,
        )
        spend = np.array([self.rows.mean()])
        spend_draws = self.rows.redrawn_means(n_draws, seed)
        if self.rows.is_monthly:  # money is known per month of a customer who is there
            spend = spend * horizon.months_there(horizon.from_window(point))
            spend_draws = spend_draws * horizon.months_there(horizon.from_window(draws))
        return Baseline(
            horizon=horizon,
            spend=spend,
            spend_draws=spend_draws,
            retention=point,
            retention_draws=draws,
        )

    def residual_lifetime(self) -> Estimate | NotRun:
        """Give the discounted months still to come, with no horizon (Fader & Hardie 2010).

        The observed curve, and beyond its last month the model's DERL: each month counts at its end
        with the share still there.
        """
        fit = self.whole
        if isinstance(fit, RetentionCurve):
            return NotRun("the retention curve was given as numbers: nothing says how it goes on")
        rate = monthly_discount_rate(self.settings.annual_discount_rate)
        last = fit.observed_months
        with warnings.catch_warnings():  # it is said below, in the words of value
            warnings.simplefilter("ignore", CxModelWarning)
            tail = fit.derl(last, rate)
        if not np.isfinite(tail):
            return NotRun(_NO_END)
        discounts = (1 + rate) ** -np.arange(_LONG + 1.0)
        if self.rows.tenure_months is not None:  # of customers who have been there for a while
            long = fit.residual_curve(self.rows.tenure_months, _LONG)
            point = float(long.retention[1:] @ discounts[1:])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CxModelWarning)
                later = fit.derl(_LONG + int(self.rows.tenure_months.mean()), rate)
            point += float(long.retention[-1] * discounts[-1] / (1 + rate)) * later
        else:
            long = fit.curve(_LONG)
            seen = float(long.retention[1 : last + 1] @ discounts[1 : last + 1])
            point = seen + float(long.retention[last] * discounts[last] / (1 + rate)) * tail
        return Estimate.from_std_error(
            point,
            float((long.draws[:, 1:] @ discounts[1:]).std()),
            unit="discounted months still to come per customer, no horizon",
            n_obs=fit.n_obs,
            conf_level=self.settings.conf_level,
        )

    def _value(self, rows: SpendRows, whole: Curve) -> Estimate:
        """Give value per customer: the point, and its error from redrawn customers.

        Where tenures are known it is the mean of products, not the product of means: who stays
        longer may pay more.
        """
        share, n_draws = self.settings.share, self.settings.n_draws
        if rows.tenure_months is not None and isinstance(whole, RetentionFit):
            lives_of = TenureLifetimes.of(whole, rows.tenure_months, self.horizon)
            drawn = share * lives_of.redrawn_means(rows, n_draws, self.settings.seed)
            value = share * lives_of.mean_value(rows)
            return self.settings.estimate(value, float(np.nanstd(drawn)), len(rows.amount))
        curve = self.curve_of(whole, rows)
        point = share * rows.mean() * float(self.horizon.lifetimes(curve.retention[None, :])[0])
        spend = rows.redrawn_means(n_draws, self.settings.seed)
        lives = self.horizon.lifetimes(curve.draws)[np.arange(n_draws) % len(curve.draws)]
        error = float(np.nanstd(share * spend * lives))
        return self.settings.estimate(point, error, len(rows.amount))

    def curve_of(self, curve: Curve, rows: SpendRows) -> RetentionCurve:
        """Give retention from the response on, as far as the horizon and the gap need it."""
        window = self.obs.windows.outcome_days / DAYS_PER_MONTH
        reach = int(np.ceil(max(self.settings.horizon_months, window) + rows.gap_months)) + 1
        if isinstance(curve, RetentionCurve):
            return curve
        if rows.tenure_months is not None:
            return curve.residual_curve(rows.tenure_months, reach)
        return curve.curve(reach)

    def _group_curve(self, group: Group) -> Curve | NotRun:
        """Fit a group's own retention, or take that of all where the group does not differ."""
        try:
            every = read_durations(self.obs, stage="cltv")
        except InsufficientDataError:
            return self.whole
        own = every.only(group.mine[every.chosen])
        try:
            return retention_model(self.settings, self.whole).fit_durations(
                own, min_at_risk=self.settings.min_group_size, conf_level=self.settings.conf_level
            )
        except InsufficientDataError:
            n_left, n_expected = int(own.events.sum()), expected_events(every, own)
            if abs(n_left - n_expected) <= _TOO_FAR * np.sqrt(n_expected):
                return self.whole
            return NotRun(
                f"{n_left} of {len(own.events):,} left, where {n_expected:.0f} would have at the "
                "rate of all customers: too few to fit its own retention, too unlike to borrow"
            )


def retention_model(settings: ValueSettings, like: Curve | None = None) -> RetentionModel:
    """Give the retention model that shares the draws of a valuation.

    Its family is that of another curve, or the one of lowest AIC.
    """
    return RetentionModel(
        family=like.family if isinstance(like, RetentionFit) else "auto",
        horizon_months=settings.horizon_months,
        n_draws=settings.n_draws,
        seed=settings.seed,
    )


def contract_caveats(
    whole: Curve, rows: SpendRows, obs: Observations, horizon_months: int
) -> tuple[str, ...]:
    """Say what a value under a contract takes for granted, and what is odd in its money."""
    said = list(whole.caveats) if isinstance(whole, RetentionFit) else []
    if rows.is_monthly:
        said.append("Monthly revenue is taken to stay as it is for as long as a customer stays.")
    elif horizon_months < rows.window_months:
        said.append(
            f"The horizon of {horizon_months} months is shorter than the outcome window of "
            f"{obs.window_words}: only that part of the window counts."
        )
    else:
        said.append(
            f"Beyond {obs.window_words} customers who stay are taken to go on spending as they did."
        )
    if obs.churn_rule == "inactivity":
        said.append(
            "Nothing but missing bookings says that a customer left, and customers were valued as "
            "if leaving were seen. Purchase histories (purchases= in Python) value what they will "
            "still buy instead."
        )
    below = rows.amount < 0
    if below.any():
        n_below, total = int(below.sum()), rows.amount[below].sum()
        # of a few customers the sum would give one away
        net = f" ({total:,.2f} {obs.currency} net)" if n_below >= obs.min_group_size else ""
        said.append(
            f"{n_below:,} of {len(below):,} customers were given back more than they paid{net}; "
            "refunds are netted."
        )
    if rows.mean() <= 0:
        said.append(
            f"Net revenue per customer is {rows.mean():,.2f} {obs.currency}, so values are not "
            "above 0. Check the signs of the amounts."
        )
    return tuple(said)


def equity_of(
    per_customer: Estimate, n_customers: float | None, currency: str
) -> Estimate | NotRun:
    """Give what the active customers are worth together."""
    if n_customers is None:
        return NotRun("the number of active customers is not known; in Python, pass n_customers=")
    return per_customer.scaled(n_customers, unit=currency)
