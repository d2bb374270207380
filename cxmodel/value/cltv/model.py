"""Customer lifetime value: discounted margin per customer over a horizon."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import ConfigError, FitError
from cxmodel.results import CONF_LEVEL, Estimate, NotRun
from cxmodel.tables.later_revenue import Ledger
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.purchase_customers import CustomerPurchases
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.value.cltv.asked_change import AskedChange
from cxmodel.value.cltv.assemble import Asked, contract_result, purchase_result
from cxmodel.value.cltv.backtest import Backtest, backtest_contract
from cxmodel.value.cltv.contract import ContractValue, Curve, retention_model
from cxmodel.value.cltv.groups import COHORT_PERIODS
from cxmodel.value.cltv.later_result import LaterWindows
from cxmodel.value.cltv.later_windows import backtest_windows
from cxmodel.value.cltv.purchase_value import (
    FAMILIES,
    Histories,
    backtest_purchases,
    histories_of,
    is_histories,
    value_purchases,
)
from cxmodel.value.cltv.result import CltvResult
from cxmodel.value.cltv.rows import spend_of
from cxmodel.value.cltv.settings import ValueSettings
from cxmodel.value.purchases.model import FamilyName
from cxmodel.value.purchases.reading import read_histories
from cxmodel.value.settings import check_lasting, check_value_settings

if TYPE_CHECKING:
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.value.lift_card import LiftCard

FloatArray = npt.NDArray[np.float64]
Kind = Literal["auto", "contract", "purchases"]
_WRONG = (
    "fit takes what cxmodel.join_observations or cxmodel.read_observations returns, or purchase "
    "histories of cxmodel.summarize_purchases, not {}."
)


@dataclass(frozen=True, kw_only=True)
class CltvModel:
    """Discounted margin per customer, with or without a contract.

    With a contract: in the observed window margin per starting customer is what the ledger shows
    (those who left stay in, with what they still paid); beyond it, margin per customer still there
    times the retention curve. Without one: purchases still to come, given each customer's history
    (`PurchaseModel`), times what a purchase brings (`SpendModel`). Every month is discounted from
    its end.

    Parameters
    ----------
    gross_margin : float
        Share of revenue that is margin, in [0, 1). Not used with ``benefit="revenue"``.
    annual_discount_rate : float
        In [0, 1).
    horizon_months : int
        How far to look, 36 by default.
    benefit : {"margin", "revenue"}
        What counts; it is in the unit.
    kind : {"auto", "contract", "purchases"}
        Which of the two businesses. By itself: purchases where histories are given and nothing but
        missing bookings says that a customer left; the result says which and why.
    family : {"bg_nbd", "mbg_nbd", "pareto_nbd"}
        Of the purchase model.
    by : str or tuple of str
        Columns of the observations for `CltvResult.by_group`.
    cohort_period : {"year", "quarter", "month"}
        How finely `CltvResult.by_cohort` cuts when customers started.
    acquisition_cost : float, optional
        What a new customer costs: shown beside the value, never taken off it.
    lasts_months : float, optional
        How long the gain of a rating point lasts. By default the outcome window and no longer.
    half_life_months : float, optional
        Instead: after the outcome window the gain halves every so many months.
    n_draws, seed : int
        Redrawn weightings of the customers, the same for spending, retention and lifts. A `curve`
        handed to `fit` shares them where its model had the same.

    Raises
    ------
    ValueError
        If a setting is impossible.

    Examples
    --------
    >>> CltvModel(gross_margin=0.6, annual_discount_rate=0.10).horizon_months
    36
    """

    gross_margin: float
    annual_discount_rate: float
    horizon_months: int = 36
    benefit: str = "margin"
    kind: Kind = "auto"
    family: FamilyName = "bg_nbd"
    by: str | tuple[str, ...] = ()
    cohort_period: Literal["year", "quarter", "month"] = "year"
    acquisition_cost: float | None = None
    lasts_months: float | None = None
    half_life_months: float | None = None
    n_draws: int = 200
    seed: int = 20261121

    def __post_init__(self) -> None:
        check_value_settings(
            self.gross_margin, self.annual_discount_rate, self.horizon_months, self.benefit
        )
        check_lasting(self.lasts_months, self.half_life_months)
        for name, known in (
            ("kind", get_args(Kind)), ("family", FAMILIES), ("cohort_period", COHORT_PERIODS),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, not {getattr(self, name)!r}.")
        cost = self.acquisition_cost
        if cost is not None and not 0 <= cost < math.inf:
            raise ValueError(f"acquisition_cost must be 0 or more, not {cost}.")

    def fit(
        self,
        obs: Observations | Histories | pd.DataFrame,
        curve: Curve | None = None,
        *,
        n_customers: float | None = None,
        lift: LiftResult | LiftCard | Estimate | NotRun | None = None,
        retention_lift: LiftResult | Estimate | NotRun | None = None,
        purchases: Histories | None = None,
        ledger: Ledger | None = None,
    ) -> CltvResult:
        """Value the customers of observations, or of purchase histories.

        Parameters
        ----------
        obs : Observations, PurchaseSummary, CustomerPurchases or frame
            Observations with ``revenue_after``, or ``_monthly_revenue`` in a table already joined;
            or purchase histories, a frame of them with ``frequency, recency, T, monetary_value``
            (money without a currency is refused, so from `summarize_purchases`).
        curve : RetentionCurve or RetentionFit, optional
            Retention from the response on; fitted to `obs` when left out.
        n_customers : float, optional
            Customers active today, for customer equity under a contract.
        lift : LiftResult, LiftCard or Estimate, optional
            Of revenue, for the change per rating point; a card holds both lifts. Written by hand it
            has a unit such as ``"USD per rating point per customer per 180 days"``. Both lifts are
            fitted to `obs` when left out; `NotRun` leaves the change out.
        retention_lift : LiftResult or Estimate, optional
            Of retention, for its split into staying and spending.
        purchases : CustomerPurchases or PurchaseSummary, optional
            The purchase histories of the same customers, for a business without a contract.
        ledger : Ledger, optional
            Under a contract: what customers paid, to hold money against in later windows.

        Returns
        -------
        CltvResult

        Raises
        ------
        ConfigError
            If money has no currency, `by` names no column, or `kind` has no data.
        InsufficientDataError
            If there is no money, or too little of it, or retention cannot be fitted.
        """
        if not isinstance(obs, Observations):
            if is_histories(obs):
                return self._fit_histories(obs)
            raise TypeError(_WRONG.format(type(obs).__name__))
        kind, reason = self._kind_of(obs, purchases)
        settings = self._settings(obs.currency, obs.min_group_size, obs.conf_level)
        change = AskedChange(
            lasts_months=self.lasts_months,
            half_life_months=self.half_life_months,
            obs=obs,
            curve=curve,
            lift=lift,
            retention_lift=retention_lift,
        )
        if kind == "purchases" and purchases is not None:
            try:
                asked = self._asked(settings, reason)
                return purchase_result(asked, purchases, self.family, obs, change)
            except FitError as error:
                if self.kind == "purchases":
                    raise
                reason = (
                    f"missing bookings stand for leaving, as purchases cannot be modelled: {error}"
                )
        asked = self._asked(settings, reason)
        whole = retention_model(settings).fit(obs) if curve is None else curve
        return contract_result(asked, obs, whole, change, n_customers, ledger)

    def predict(
        self,
        obs: Observations | CustomerPurchases,
        curve: Curve | None = None,
    ) -> pd.DataFrame:
        """Give the value of each customer, with who it is: for your own use, never for a report.

        Parameters
        ----------
        obs : Observations or CustomerPurchases
            With a contract, the value from each customer's first response on: own spending drawn
            towards the mean, retention as of all. Without one, given the customer's purchases.
        curve : RetentionCurve or RetentionFit, optional
            Fitted to `obs` when left out.

        Returns
        -------
        pandas.DataFrame
            ``customer_id, cltv, unit``, and without a contract ``prob_alive``.
        """
        if isinstance(obs, CustomerPurchases):
            rows = obs.histories
            settings = self._settings(rows.currency, 1, CONF_LEVEL)
            quick = replace(settings, n_draws=1)
            value = value_purchases(rows, quick, self.family)
            return pd.DataFrame(
                {
                    "customer_id": obs.customer_id,
                    "cltv": value.values,
                    "unit": settings.unit,
                    "prob_alive": value.buys.prob_alive(),
                }
            )
        Observations.check(obs)
        settings = self._settings(obs.currency, obs.min_group_size, obs.conf_level)
        spend = spend_of(obs)
        whole = retention_model(settings).fit(obs) if curve is None else curve
        contract = ContractValue(obs=obs, rows=spend, whole=whole, settings=settings)
        names = obs.frame.loc[spend.chosen, "customer_id"] if obs.has("customer_id") else None
        ids = np.flatnonzero(spend.chosen) if names is None else names.to_numpy()
        return pd.DataFrame({"customer_id": ids, "cltv": contract.values(), "unit": settings.unit})

    def backtest(self, data: Observations | Histories) -> Backtest | NotRun:
        """Hold what was foretold from what was known at a date against what came.

        Parameters
        ----------
        data : Observations, CustomerPurchases or PurchaseSummary
            Purchase histories with ``holdout_from``; observations are cut where both sides are
            largest.
        """
        if isinstance(data, Observations):
            settings = self._settings(data.currency, data.min_group_size, data.conf_level)
            return backtest_contract(data, spend_of(data), settings)
        rows, last = histories_of(data)
        settings = self._settings(rows.currency, 30, CONF_LEVEL)
        return backtest_purchases(rows, settings, self.family, last)

    def backtest_windows(
        self, obs: Observations, curve: Curve | None = None, *, ledger: Ledger | None = None
    ) -> LaterWindows | NotRun:
        """Hold retention, and with a ledger money, against several later windows.

        Parameters
        ----------
        obs : Observations
            With dates.
        curve : RetentionFit, optional
            What values the customers; fitted to `obs` when left out. It is fitted again, to what
            was known at a day; see ``value/cltv/later_windows.py``.
        ledger : Ledger, optional
            What customers paid.
        """
        Observations.check(obs)
        settings = self._settings(obs.currency, obs.min_group_size, obs.conf_level)
        whole = retention_model(settings).fit(obs) if curve is None else curve
        rows = None if ledger is None else spend_of(obs)
        return backtest_windows(obs, whole, settings, rows, ledger)

    # -- which kind it is, and what is asked of it -----------------------------------------------

    def _fit_histories(self, given: Any) -> CltvResult:
        """Value purchase histories alone."""
        if self.kind == "contract":
            raise ConfigError(
                'kind = "contract" needs observations with durations; purchase histories say '
                'nothing of contracts. Take kind = "purchases".'
            )
        known = isinstance(given, (PurchaseSummary, CustomerPurchases))
        purchases = given if known else read_histories(given)
        rows, _ = histories_of(purchases)
        settings = self._settings(rows.currency, 30, CONF_LEVEL)
        asked = self._asked(settings, "purchase histories were given")
        return purchase_result(asked, purchases, self.family)

    def _kind_of(self, obs: Observations, purchases: Histories | None) -> tuple[str, str]:
        """Choose between the two kinds, with the reason in words."""
        if self.kind == "purchases" and purchases is None:
            raise ConfigError(
                'kind = "purchases" needs purchase histories: pass purchases=, from '
                "cxmodel.summarize_purchases."
            )
        if self.kind != "auto":
            return self.kind, "it was asked for"
        if purchases is not None and obs.churn_rule in (None, "inactivity"):
            return "purchases", "nothing but missing bookings says that a customer left"
        if obs.churn_rule == "inactivity":
            return "contract", (
                "no purchase histories were given, so missing bookings stand for leaving"
            )
        return "contract", f"leaving is seen ({obs.churn_rule or 'the retention curve given'})"

    def _asked(self, settings: ValueSettings, reason: str) -> Asked:
        return Asked(
            settings=settings,
            kind_reason=reason,
            by=self.by,
            cohort_period=self.cohort_period,
            acquisition_cost=self.acquisition_cost,
        )

    def _settings(
        self, currency: str | None, min_group_size: int, conf_level: float
    ) -> ValueSettings:
        if currency is None:
            raise ConfigError("study.currency is missing: lifetime value needs to know the money.")
        return ValueSettings(
            gross_margin=self.gross_margin,
            annual_discount_rate=self.annual_discount_rate,
            horizon_months=self.horizon_months,
            benefit=self.benefit,
            currency=currency,
            min_group_size=min_group_size,
            conf_level=conf_level,
            n_draws=self.n_draws,
            seed=self.seed,
        )
