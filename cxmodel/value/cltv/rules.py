"""What a fitted lifetime value says of any customer: rules that need no table of the fit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import SchemaError
from cxmodel.models.engine_columns import as_number
from cxmodel.models.given_columns import given_numbers
from cxmodel.models.profile import Profile, profile_of
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.tables.joining.columns import exact
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.past_spending import (
    BEFORE,
    DAYS,
    FEWEST_DAYS,
    PastSpending,
    SpendingLine,
    lookback_of,
)
from cxmodel.value.cltv.purchase_value import PurchaseValue, months_units, weights_of_months
from cxmodel.value.cltv.rows import tenure_of
from cxmodel.value.cltv.settings import ValueSettings
from cxmodel.value.purchases.profiles import profile_of_histories
from cxmodel.value.purchases.result import PurchaseFit
from cxmodel.value.purchases.spend import SpendFit
from cxmodel.value.purchases.stored_fit import frame_of, rows_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.value.cltv.contract import ContractValue

FloatArray = npt.NDArray[np.float64]
VALUE, STAYS = "cltv", "prob_stays"
TENURE, MONTHLY = "tenure_months", "monthly_revenue"
MOST_MONTHS = 1_200  # of tenure: a hundred years


@dataclass(frozen=True, eq=False, kw_only=True)
class PurchaseRule:
    """Without a contract: purchases still to come, times what each brings.

    Parameters
    ----------
    buys, spend : PurchaseFit and SpendFit
        How often customers buy, and what a purchase brings.
    settings : ValueSettings
        What counts.
    as_of : date, optional
        Until when the data were complete.
    """

    outputs: ClassVar = ("prob_alive", "expected_purchases", "expected_spend", VALUE)
    buys: PurchaseFit
    spend: SpendFit
    settings: ValueSettings
    as_of: dt.date | None = None

    @classmethod
    def of(cls, value: PurchaseValue) -> PurchaseRule:
        """Take the rule out of a valuation."""
        rows = value.histories
        return cls(
            buys=value.buys,
            spend=value.spend,
            settings=value.settings,
            as_of=rows.learnt_until or rows.as_of,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return ("frequency", "recency", "T", "monetary_value")

    def spread(self) -> Profile:
        """Count the customers of the fit by their histories, and by what is foretold of them."""
        rows = self.buys.rows
        found = self.predict(rows)
        return profile_of_histories(
            rows,
            self.columns,
            {name: found[name].to_numpy() for name in self.outputs},
            min_group_size=self.settings.min_group_size,
        )

    def predict(self, data: Any) -> pd.DataFrame:
        """Give ``prob_alive, expected_purchases, expected_spend, cltv`` of each history."""
        rows, customer_id = rows_of(data)
        horizon = months_units(float(self.settings.horizon_months), self.buys)
        spend = self.spend.expected_spend(rows)
        value = self.settings.share * spend * weights_of_months(self.buys, self.settings, rows)
        return frame_of(
            customer_id,
            {
                "prob_alive": self.buys.prob_alive(rows),
                "expected_purchases": self.buys.conditional_expected_purchases(horizon, rows),
                "expected_spend": spend,
                VALUE: value,
            },
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class ContractRule:
    """With a contract: spending of a customer who is there, times the months still to come.

    Parameters
    ----------
    settings : ValueSettings
        What counts.
    horizon : Horizon
        How far is looked, and over what window spending was seen.
    line : SpendingLine, optional
        Spending in the window by spending before it; None where spending is a monthly amount that
        is known.
    lookback_days : float, optional
        Of the whole window before, where it is known how many days of it were observed.
    retention : numpy.ndarray, optional
        Share still there at months 0, 1, ... after the response, where tenure does not matter.
    fit : RetentionFit, optional
        Instead: the curve from the start, of which a customer has the part from its tenure on.
    windows : Windows, optional
        In which spending before was counted.
    as_of : date, optional
        Until when the data were complete.
    profile : Profile, optional
        How the columns and the values were spread where the rule was fitted.
    """

    outputs: ClassVar = (STAYS, VALUE)
    settings: ValueSettings
    horizon: Horizon
    line: SpendingLine | None
    lookback_days: float | None = None
    retention: FloatArray | None = None
    fit: RetentionFit | None = None
    windows: Windows | None = None
    as_of: dt.date | None = None
    profile: Profile | None = None

    @classmethod
    def of(cls, value: ContractValue) -> ContractRule:
        """Take the rule out of a valuation."""
        rows, obs = value.rows, value.obs
        line = None
        if not rows.is_monthly:
            before = PastSpending.of(obs).only(rows.chosen)
            line = SpendingLine.fit(before, rows.amount, rows.weights)
        by_tenure = rows.tenure_months is not None and not isinstance(value.whole, RetentionCurve)
        rule = cls(
            settings=value.settings,
            horizon=value.horizon,
            line=line,
            lookback_days=None if line is None or line.is_flat else lookback_of(obs),
            windows=None if obs.is_joined else obs.windows,
            as_of=obs.as_of,
        )
        if by_tenure and isinstance(value.whole, RetentionFit):
            rule = replace(rule, fit=value.whole)
        else:
            rule = replace(rule, retention=value.curve_of(value.whole, rows).retention)
        return replace(rule, profile=rule._count(obs, rows.chosen))

    def _count(self, obs: Observations, chosen: npt.NDArray[np.bool_]) -> Profile:
        """Count the customers of the fit by what the rule looks at, and by what it says of them."""
        known = self._of_observations(obs)[chosen].reset_index(drop=True)
        if TENURE in known:  # beyond it `predict` refuses
            known = known[~(known[TENURE] > MOST_MONTHS)].reset_index(drop=True)
        found = self.predict(known)
        if self.lookback_days is not None:  # more is the whole window too
            known[DAYS] = np.minimum(known[DAYS], self.lookback_days)
        return profile_of(
            known[list(self.columns)],
            {name: found[name].to_numpy() for name in self.outputs},
            min_group_size=self.settings.min_group_size,
        )

    def spread(self) -> Profile:
        """Give `profile`.

        Raises
        ------
        ValueError
            If it is not known.
        """
        if self.profile is None:
            raise ValueError("The rule does not say how the customers of its fit were spread.")
        return self.profile

    @property
    def is_linear(self) -> bool:
        """Whether the value is a number times spending foretold, whoever the customer is."""
        return self.fit is None

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        spending = [MONTHLY] if self.line is None else [] if self.line.is_flat else [BEFORE]
        days = [] if self.lookback_days is None else [DAYS]
        return (*spending, *days, *([] if self.fit is None else [TENURE]))

    def predict(self, data: Any) -> pd.DataFrame:
        """Give ``prob_stays`` through the horizon and ``cltv`` of each row."""
        known = self._of_observations(data) if isinstance(data, Observations) else data
        n_rows = len(known)
        spending = self._spending(known)
        if self.fit is None:
            stays, months = self.flat()
            found = {STAYS: np.full(n_rows, stays), VALUE: self.settings.share * spending * months}
        else:
            place, stays_by, months_by = self._by_tenure(_numbers(known, TENURE))
            found = {
                STAYS: stays_by[place],
                VALUE: self.settings.share * spending * months_by[place],
            }
        names = getattr(known, "columns", ())
        return frame_of(np.asarray(known["customer_id"]) if "customer_id" in names else None, found)

    def flat(self) -> tuple[float, float]:
        """Give the share who stay through the horizon, and what a unit of spending comes to."""
        if self.retention is None:
            raise ValueError("The months still to come depend on tenure here.")
        return self._ahead(self.retention)

    def value_of(self, table: ir.Table) -> ir.FloatingValue:
        """Write the value as an expression on a table with `columns`, where it is linear."""
        import ibis

        scale = self.settings.share * self.flat()[1]
        if self.line is None:
            return as_number(table[MONTHLY], MONTHLY) * exact(scale)
        weights = [scale * float(one) for one in self.line.coefficients]
        if self.line.is_flat:
            return exact(weights[0])
        amount = as_number(table[BEFORE], BEFORE)
        if self.lookback_days is None:
            return exact(weights[0]) + amount * exact(weights[1])
        lookback = self.lookback_days
        days = as_number(table[DAYS], DAYS).fill_null(lookback).clip(0.0, lookback)
        enough = days >= min(FEWEST_DAYS, lookback)
        mean = amount * exact(0.0) + exact(self.line.mean_before)
        amount = ibis.ifelse(enough, amount * lookback / days, mean)
        value = exact(weights[0]) + amount * exact(weights[1])
        if len(weights) > 2:
            share = days / lookback
            value = value + share * exact(weights[2]) + amount * share * exact(weights[3])
        return value

    def _ahead(self, curve: FloatArray) -> tuple[float, float]:
        stays = self.horizon.from_window(curve[None, :])[0, self.settings.horizon_months]
        return float(stays), float(self.horizon.lifetimes(curve[None, :])[0])

    def _by_tenure(self, tenure: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
        """Give each row's place among the tenures, and what is ahead at each; NaN if unknown."""
        known = np.isfinite(tenure)
        wrong = np.flatnonzero(known & ((tenure < 0) | (tenure > MOST_MONTHS)))
        if wrong.size:
            raise SchemaError(
                f"{TENURE} must lie in 0 to {MOST_MONTHS:,} months: how long each customer has "
                f"been there, and not {tenure[wrong[0]]:g}.",
                row=int(wrong[0]),
                n_rows=wrong.size,
            )
        fit = self.fit
        if fit is None:
            raise ValueError("Tenure does not matter here.")
        whole = np.floor(np.where(known, tenure, -1.0)).astype(int)
        tenures, place = np.unique(whole, return_inverse=True)
        ahead = max(self.horizon.n_months, self.horizon.window_months) + self.horizon.gap_months
        reach = int(np.ceil(ahead)) + 1
        # the draws say how sure the curve is, and the curve itself is the same with one
        one = replace(
            fit, _observed_draws=fit._observed_draws[:1], _parameter_draws=fit._parameter_draws[:1]
        )
        curve = one.curve(reach + max(int(tenures.max(initial=0)), 0)).retention
        parts = [
            (np.nan, np.nan) if start < 0 else self._ahead(curve[start : start + reach + 1])
            for start in tenures
        ]
        stays, months = np.array(parts, dtype=float).reshape(-1, 2).T
        return place.reshape(-1), stays, months

    def _spending(self, data: pd.DataFrame) -> FloatArray:
        if self.line is None:
            return _numbers(data, MONTHLY)
        if self.line.is_flat:
            return np.full(len(data), float(self.line.coefficients[0]))
        amount = _numbers(data, BEFORE)
        before = PastSpending(amount, np.ones(len(amount)))
        if self.lookback_days is not None:
            before = PastSpending.in_days(amount, _numbers(data, DAYS), self.lookback_days)
        # Who was seen for a few days counts as the mean; what is blank is not known.
        return np.where(np.isnan(amount), np.nan, self.line.predict(before))

    def _of_observations(self, obs: Observations) -> pd.DataFrame:
        """Take what the rule looks at out of observations, as the fit read it."""
        found: dict[str, Any] = {}
        if obs.has("customer_id"):
            found["customer_id"] = obs.frame["customer_id"].to_numpy()
        if self.line is not None:
            found[BEFORE] = np.zeros(obs.n_obs)
            for name in (BEFORE, DAYS):
                if obs.has(name):
                    found[name] = obs.frame[name].to_numpy(dtype=float)
            found[BEFORE] = np.nan_to_num(found[BEFORE])
        elif obs.has("_monthly_revenue"):
            found[MONTHLY] = obs.frame["_monthly_revenue"].to_numpy(dtype=float)
        tenure = tenure_of(obs) if self.fit is not None else None
        if tenure is not None:
            found[TENURE] = tenure
        return pd.DataFrame(found, index=range(obs.n_obs))


Rule = PurchaseRule | ContractRule


def _numbers(data: Any, column: str) -> FloatArray:
    """Read a column as finite numbers; NaN where it is blank or infinite."""
    numbers = given_numbers(data, column, "The value")
    return np.where(np.isfinite(numbers), numbers, np.nan)
