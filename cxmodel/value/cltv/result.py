"""What customers are worth, as `CltvModel` found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.results import Estimate, NotRun, Result
from cxmodel.value.cltv.change_result import CltvChange

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CltvResult(Result):
    """Lifetime value per customer, by band and by group.

    Parameters
    ----------
    per_customer : Estimate
        Discounted margin (or revenue: the unit says) per customer over the horizon.
    by_band, by_group : list of dict
        ``band`` or ``group``, the fields of an estimate, ``retention_of`` (whose curve was used:
        ``"this group"``, or ``"all customers"`` where too few of the group left to tell them
        apart), ``suppressed``, and ``reason`` where there is no estimate.
    customer_equity : Estimate or NotRun
        `per_customer` times the customers active today.
    change : CltvChange
        What a rating point adds to it, split into staying and spending.
    horizon_months : int
        How far was looked.
    benefit : {"margin", "revenue"}
        What was counted.
    not_used : tuple of dict
        ``{stage, reason, n}``: observations left out.
    caveats : tuple of str
        What a reader must know.
    """

    per_customer: Estimate
    by_band: list[dict[str, Any]]
    by_group: list[dict[str, Any]]
    customer_equity: Estimate | NotRun
    change: CltvChange
    horizon_months: int
    benefit: str
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

    def to_frame(self) -> pd.DataFrame:
        """Give one row an estimate: all customers, bands, groups."""
        import pandas as pd

        rows = [{"group": "all", **self.per_customer.to_dict()}]
        rows += [{"group": row["band"], **row} for row in self.by_band]
        rows += [{**row, "group": _label(row["group"])} for row in self.by_group]
        return pd.DataFrame(rows).drop(columns="band", errors="ignore")

    def to_section(self) -> dict[str, Any]:
        """Give the ``cltv`` section of ``results.json``."""
        return {
            "status": "ok",
            "per_customer": self.per_customer,
            "by_band": {"rows": self.by_band},
            "by_group": {"rows": self.by_group},
            "customer_equity": self.customer_equity,
            "change_per_rating_point": dict(self.change_per_rating_point),
            "change": self.change.to_section(),
            "horizon_months": self.horizon_months,
            "benefit": self.benefit,
            "caveats": list(self.caveats),
        }

    def plot(self) -> Any:
        """Draw the value of each band with its interval."""
        from cxmodel.plots.value import plot_cltv_bands

        rows = [{"label": row["band"].replace("_", " "), **row} for row in self.by_band]
        return plot_cltv_bands(rows, axis_label=self.per_customer.unit)


def _label(group: dict[str, Any]) -> str:
    return ", ".join(f"{column} = {value}" for column, value in group.items())
