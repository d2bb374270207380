"""What a projection of a programme holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.results import Estimate, NotRun, Result
from cxmodel.value.programme import Programme

if TYPE_CHECKING:
    import pandas as pd

_TERMS = (
    "npv",
    "net_roi",
    "benefit_cost_ratio",
    "payback_months",
    "discounted_payback_months",
    "break_even_rating_points",
    "npv_window_only",
    "npv_no_fade",
)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProgrammeResult(Result):
    """What a programme costs and brings.

    Parameters
    ----------
    programme : Programme
        The plan.
    npv : Estimate or NotRun
        Net present value at the horizon, in money.
    net_roi, benefit_cost_ratio : Estimate or NotRun
        (gain - cost) / cost and gain / cost, of present values.
    payback_months : Estimate or NotRun
        When cumulative flows, not discounted, stay at zero or above.
    discounted_payback_months : Estimate or NotRun
        The same of discounted flows.
    break_even_rating_points : Estimate or NotRun
        The gain at which npv is zero; its unit says which kind of point.
    prob_loss : float or NotRun
        Share of the draws whose npv is below zero.
    npv_window_only, npv_no_fade : Estimate or NotRun
        npv when the gain ends with the observed window, and when it never fades.
    cash_flow : tuple of dict
        A row a month from 0: benefit, saving, cost, net, net_discounted, cumulative (discounted)
        with conf_low and conf_high, cumulative_undiscounted.
    drivers_of_uncertainty : tuple of dict
        ``input`` and its ``share`` of the variance of npv, largest first.
    caveats : tuple of str
        What a reader must know.
    """

    programme: Programme
    npv: Estimate | NotRun
    net_roi: Estimate | NotRun
    benefit_cost_ratio: Estimate | NotRun
    payback_months: Estimate | NotRun
    discounted_payback_months: Estimate | NotRun
    break_even_rating_points: Estimate | NotRun
    prob_loss: float | NotRun
    npv_window_only: Estimate | NotRun
    npv_no_fade: Estimate | NotRun
    cash_flow: tuple[dict[str, Any], ...] = ()
    drivers_of_uncertainty: tuple[dict[str, Any], ...] = ()
    caveats: tuple[str, ...] = ()

    @classmethod
    def not_run(cls, programme: Programme, reason: str) -> ProgrammeResult:
        """Say of every figure that it could not be made, and why."""
        missing = NotRun(reason)
        return cls(
            programme=programme,
            npv=missing,
            net_roi=missing,
            benefit_cost_ratio=missing,
            payback_months=missing,
            discounted_payback_months=missing,
            break_even_rating_points=missing,
            prob_loss=missing,
            npv_window_only=missing,
            npv_no_fade=missing,
        )

    @property
    def title(self) -> str:
        """The programme's name."""
        return self.programme.name

    def __repr__(self) -> str:
        if isinstance(self.npv, NotRun):
            return f"ProgrammeResult({self.title}: not run, {self.npv.reason})"
        return (
            f"ProgrammeResult({self.title}: npv {self.npv.estimate:,.0f} {self.npv.unit}, "
            f"P(loss) {self.prob_loss:.0%})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Give one row a figure: term, unit, estimate and interval."""
        import pandas as pd

        found = {name: getattr(self, name) for name in _TERMS}
        return pd.DataFrame(
            [
                {"term": name, **value.to_dict()}
                for name, value in found.items()
                if isinstance(value, Estimate)
            ]
        )

    def to_section(self) -> dict[str, Any]:
        """Give a row of ``programmes`` in ``results.json``."""
        return {
            "name": self.title,
            "value_by": self.programme.value_by,
            **{name: getattr(self, name) for name in _TERMS},
            "prob_loss": self.prob_loss,
            "cash_flow": {"rows": list(self.cash_flow)},
            "drivers_of_uncertainty": {"rows": list(self.drivers_of_uncertainty)},
            "caveats": list(self.caveats),
        }

    def plot(self) -> Any:
        """Draw the cumulative discounted cash flow."""
        from cxmodel.plots.value import plot_cash_flow

        return plot_cash_flow([{"label": self.title, **row} for row in self.cash_flow])
