"""The whole result of a valuation, put together for either kind of business."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxmodel.results import Estimate, NotRun
from cxmodel.tables.later_revenue import Ledger
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.purchase_customers import CustomerPurchases
from cxmodel.value.cltv.asked_change import AskedChange
from cxmodel.value.cltv.backtest import backtest_contract
from cxmodel.value.cltv.change_result import CltvChange
from cxmodel.value.cltv.contract import ContractValue, Curve, contract_caveats, equity_of
from cxmodel.value.cltv.groups import groups_of_observations, groups_of_purchases
from cxmodel.value.cltv.later_result import later_caveats
from cxmodel.value.cltv.later_windows import backtest_windows
from cxmodel.value.cltv.purchase_value import (
    Histories,
    backtest_purchases,
    histories_of,
    value_purchases,
)
from cxmodel.value.cltv.result import CltvResult
from cxmodel.value.cltv.rows import spend_of
from cxmodel.value.cltv.rules import ContractRule, PurchaseRule
from cxmodel.value.cltv.settings import ValueSettings
from cxmodel.value.purchases.model import FamilyName

_NO_START = NotRun("nothing says when customers started")
_NO_OBSERVATIONS = "purchase histories hold no ratings: pass observations, and purchases= beside"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one call of `CltvModel.fit` asks for, whatever the kind of business.

    Parameters
    ----------
    settings : ValueSettings
        What counts.
    kind_reason : str
        Why it is this kind.
    by : str or tuple of str
        Columns to cut by.
    cohort_period : str
        How finely the starts are cut.
    acquisition_cost : float, optional
        What a new customer costs.
    """

    settings: ValueSettings
    kind_reason: str
    by: str | tuple[str, ...]
    cohort_period: str
    acquisition_cost: float | None

    @property
    def acquisition(self) -> Estimate | NotRun:
        """The acquisition cost as it stands beside the value."""
        if self.acquisition_cost is None:
            return NotRun("acquisition_cost was not given; values hold none")
        return Estimate(
            estimate=float(self.acquisition_cost),
            unit=f"{self.settings.currency} per new customer",
            conf_level=self.settings.conf_level,
            caveats=("The acquisition cost stands beside the value and is not taken off it.",),
        )


def contract_result(
    asked: Asked,
    obs: Observations,
    whole: Curve,
    change: AskedChange,
    n_customers: float | None = None,
    ledger: Ledger | None = None,
) -> CltvResult:
    """Value customers whose leaving is seen.

    Parameters
    ----------
    whole : RetentionCurve or RetentionFit
        Retention from the response on, of all.
    change : AskedChange
        Per rating point.
    n_customers : float, optional
        Customers active today, for customer equity.
    ledger : Ledger, optional
        What customers paid, to hold money against in later windows.
    """
    settings, rows = asked.settings, spend_of(obs)
    contract = ContractValue(obs=obs, rows=rows, whole=whole, settings=settings)
    per_customer = contract.per_customer()
    change_found = change.found(contract)
    later = backtest_windows(obs, whole, settings, rows, ledger)
    by_band, by_group, by_cohort = (
        [contract.group_row(group) for group in groups]
        for groups in groups_of_observations(obs, asked.by, rows.chosen, asked.cohort_period)
    )
    return CltvResult(
        kind="contract",
        kind_reason=asked.kind_reason,
        per_customer=per_customer,
        by_band=by_band,
        by_group=by_group,
        by_cohort=by_cohort if obs.has("tenure_days") else _NO_START,
        customer_equity=equity_of(per_customer, n_customers, settings.currency),
        acquisition_cost=asked.acquisition,
        residual_lifetime=contract.residual_lifetime(),
        change=change_found,
        backtest=backtest_contract(obs, rows, settings),
        later_windows=later,
        horizon_months=settings.horizon_months,
        benefit=settings.benefit,
        rule=ContractRule.of(contract),
        not_used=rows.not_used,
        caveats=(
            *settings.caveats(),
            *contract_caveats(whole, rows, obs, settings.horizon_months),
            *later_caveats(later),
            *change_found.caveats,
        ),
    )


def purchase_result(
    asked: Asked,
    purchases: Histories,
    family: FamilyName,
    obs: Observations | None = None,
    change: AskedChange | None = None,
) -> CltvResult:
    """Value customers of whom nothing but purchases is seen.

    Parameters
    ----------
    purchases : CustomerPurchases or PurchaseSummary
        What they bought.
    family : {"bg_nbd", "mbg_nbd", "pareto_nbd"}
        Of the purchase model.
    obs, change : Observations and AskedChange, optional
        Ratings of the same customers, and the change per rating point.
    """
    settings = asked.settings
    rows, last = histories_of(purchases)
    by_band, by_group, by_cohort = groups_of_purchases(
        rows,
        purchases.customer_id if isinstance(purchases, CustomerPurchases) else None,
        obs,
        by=asked.by,
        period=asked.cohort_period,
        min_group_size=settings.min_group_size,
    )
    value = value_purchases(rows, settings, family, (*by_band, *by_group, *by_cohort))
    found = value.group_rows()
    found_change = change.alone(settings) if change else CltvChange.not_run(_NO_OBSERVATIONS)
    ends = np.cumsum([len(by_band), len(by_group)])
    return CltvResult(
        kind="purchases",
        kind_reason=asked.kind_reason,
        per_customer=value.per_customer(),
        by_band=found[: ends[0]],
        by_group=found[ends[0] : ends[1]],
        by_cohort=found[ends[1] :] if rows.learnt_until is not None else _NO_START,
        customer_equity=value.equity(),
        acquisition_cost=asked.acquisition,
        residual_lifetime=value.residual_lifetime(),
        change=found_change,
        backtest=backtest_purchases(rows, settings, family, last),
        horizon_months=settings.horizon_months,
        benefit=settings.benefit,
        rule=PurchaseRule.of(value),
        models={"purchases": value.buys.to_section(), "spend": value.spend.to_section()},
        caveats=(
            *settings.caveats(),
            *value.caveats(),
            *found_change.caveats,
        ),
    )
