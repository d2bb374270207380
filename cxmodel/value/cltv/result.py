"""What customers are worth, as `CltvModel` found it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cxmodel.results import Estimate, NotRun, Result
from cxmodel.value.cltv.backtest import Backtest
from cxmodel.value.cltv.change_result import CltvChange
from cxmodel.value.cltv.later_result import LaterWindows

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cxmodel.value.cltv.rules import Rule


_BY_PURCHASES = NotRun("values by purchases are held against a period of their own (backtest)")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CltvResult(Result):
    """Lifetime value per customer, by band, by group and by cohort.

    Parameters
    ----------
    kind : {"contract", "purchases"}
        How customers were valued.
    kind_reason : str
        Why so.
    per_customer : Estimate
        Discounted margin (or revenue: the unit says) per customer over the horizon.
    by_band, by_group : list of dict
        ``band`` or ``group``, the fields of an estimate, ``retention_of`` (whose curve was used:
        ``"this group"``, or ``"all customers"`` where too few of the group left to tell them
        apart), ``suppressed``, and ``reason`` where there is no estimate.
    by_cohort : list of dict or NotRun
        The same by ``cohort``, the period in which customers started.
    customer_equity : Estimate or NotRun
        `per_customer` times the customers active today; without a contract, times all customers
        with a purchase, as values hold the probability that they are still there.
    acquisition_cost : Estimate or NotRun
        What a new customer costs, beside the value and not taken off it.
    residual_lifetime : Estimate or NotRun
        Discounted months, or purchases, still to come, with no horizon (DERL, DERT).
    backtest : Backtest or NotRun
        What was foretold for a period that is over, beside what came.
    later_windows : LaterWindows or NotRun
        Retention as foretold at a day, beside what came in each outcome window after it.
    models : dict
        The fitted purchase and spend models.
    change : CltvChange
        What a rating point adds to it, split into staying and spending.
    horizon_months : int
        How far was looked.
    benefit : {"margin", "revenue"}
        What was counted.
    rule : PurchaseRule or ContractRule, optional
        What it says of a single customer, for `predict` and `save`.
    not_used : tuple of dict
        ``{stage, reason, n}``: observations left out.
    caveats : tuple of str
        What a reader must know.
    """

    kind: str
    kind_reason: str
    per_customer: Estimate
    by_band: list[dict[str, Any]]
    by_group: list[dict[str, Any]]
    by_cohort: list[dict[str, Any]] | NotRun
    customer_equity: Estimate | NotRun
    acquisition_cost: Estimate | NotRun
    residual_lifetime: Estimate | NotRun
    change: CltvChange
    backtest: Backtest | NotRun
    horizon_months: int
    benefit: str
    later_windows: LaterWindows | NotRun = _BY_PURCHASES
    models: dict[str, Any] = field(default_factory=dict)
    rule: Rule | None = None
    not_used: tuple[dict[str, Any], ...] = ()
    caveats: tuple[str, ...] = ()

    title = "Customer lifetime value"

    @property
    def change_per_rating_point(self) -> dict[str, Estimate | NotRun]:
        """total, staying, spending, total_window_only and total_no_fade."""
        return self.change.estimates

    def __repr__(self) -> str:
        value = self.per_customer
        return (
            f"CltvResult({value.estimate:,.2f} {value.unit}; {value.conf_low:,.2f} to "
            f"{value.conf_high:,.2f})"
        )

    def predict(self, data: Any) -> pd.DataFrame:
        """Give the value of each customer of a table, also of customers who were not fitted to.

        For your own use, never for a report. With a contract a customer's own spending is drawn
        towards the mean where it is past revenue, and taken as it is where it is a monthly amount.

        Parameters
        ----------
        data : Observations, PurchaseSummary, CustomerPurchases or frame
            With a contract ``monthly_revenue`` or ``revenue_before``, and ``tenure_months`` where
            the retention curve counts from the start; without one ``frequency, recency, T,
            monetary_value``.

        Returns
        -------
        pandas.DataFrame
            ``cltv`` in the unit of `per_customer`; with a contract ``prob_stays`` through the
            horizon, without one ``prob_alive, expected_purchases, expected_spend``;
            ``customer_id`` where it is known.

        Raises
        ------
        SchemaError
            If a column is missing or holds what cannot be.
        """
        return self._rule.predict(data)

    def save(self, path: str | Path) -> Path:
        """Write the valuation as JSON, for ``cxmodel.load_model``; it holds no customer.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from cxmodel.models.model_file import write_model_file
        from cxmodel.value.cltv.stored import store_cltv

        return write_model_file(store_cltv(self), path)

    @property
    def _rule(self) -> Rule:
        if self.rule is None:
            raise ValueError("This result does not say how single customers are valued.")
        return self.rule

    def to_frame(self) -> pd.DataFrame:
        """Give a row per estimate: all customers, what a rating point adds, bands, cohorts."""
        import pandas as pd

        rows = [{"group": "all", **self.per_customer.to_dict()}]
        rows += [
            {"group": "all", "term": f"change_per_rating_point.{name}", **found.to_dict()}
            for name, found in self.change_per_rating_point.items()
            if isinstance(found, Estimate)
        ]
        rows += [{"group": row["band"], **row} for row in self.by_band]
        rows += [{**row, "group": _label(row["group"])} for row in self.by_group]
        if not isinstance(self.by_cohort, NotRun):
            rows += [{"group": f"started {row['cohort']}", **row} for row in self.by_cohort]
        rows = [{"term": "per_customer", **row} for row in rows]
        frame = pd.DataFrame(rows).drop(columns=["band", "cohort"], errors="ignore")
        return frame[["group", "term", *(n for n in frame if n not in ("group", "term"))]]

    def to_section(self) -> dict[str, Any]:
        """Give the ``cltv`` section of ``results.json``."""
        return {
            "status": "ok",
            "kind": self.kind,
            "kind_reason": self.kind_reason,
            "per_customer": self.per_customer,
            "by_band": {"rows": self.by_band},
            "by_group": {"rows": self.by_group},
            "by_cohort": _rows(self.by_cohort),
            "customer_equity": self.customer_equity,
            "acquisition_cost": self.acquisition_cost,
            "residual_lifetime": self.residual_lifetime,
            "change_per_rating_point": dict(self.change_per_rating_point),
            "change": self.change.to_section(),
            "backtest": self.backtest
            if isinstance(self.backtest, NotRun)
            else self.backtest.to_section(),
            "later_windows": self.later_windows
            if isinstance(self.later_windows, NotRun)
            else self.later_windows.to_section(),
            **({"models": self.models} if self.models else {}),
            "horizon_months": self.horizon_months,
            "benefit": self.benefit,
            "caveats": list(self.caveats),
        }

    def plot(self) -> Any:
        """Draw the value of each band with its interval."""
        from cxmodel.plots.value import plot_cltv_bands

        rows = [{"label": row["band"].replace("_", " "), **row} for row in self.by_band]
        return plot_cltv_bands(rows, axis_label=self.per_customer.unit)


def _rows(found: list[dict[str, Any]] | NotRun) -> dict[str, Any] | NotRun:
    return found if isinstance(found, NotRun) else {"rows": found}


def _label(group: dict[str, Any]) -> str:
    return ", ".join(f"{column} = {value}" for column, value in group.items())
