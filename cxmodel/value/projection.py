"""A programme's flows under its uncertain inputs, and the figures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.draws import Quantity, quantile_interval
from cxmodel.stats.rates import DAYS_PER_MONTH, discount_factors
from cxmodel.value.cash_flow import Fade, benefit_weights, payback_months, ramp
from cxmodel.value.programme import Programme
from cxmodel.value.programme_result import ProgrammeResult

FloatArray = npt.NDArray[np.float64]
Inputs = dict[str, FloatArray]

# One stream of random numbers an input: programmes drawn with one seed share their lift.
_STREAMS = {
    "lift": 0,
    "gain": 1,
    "upfront_cost": 2,
    "monthly_cost": 3,
    "monthly_cost_saving": 4,
    "retention": 5,
    "chain": 6,
}
_WORDS = {"lift": "lift per point", "gain": "points gained", "retention": "retention curve"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Projection:
    """Everything fixed about a projection; flows are functions of the uncertain inputs.

    Inputs are arrays over draws, by name: ``lift`` (per point), ``gain`` (points), the costs, and
    ``retention``, shape (draws, n_months).

    Parameters
    ----------
    programme : Programme
        The plan.
    lift : Estimate
        Per point, per customer, per `outcome_days`.
    currency : str
        ISO 4217 code.
    money_per_lift : float
        Customers reached x the share of revenue that counts.
    annual_discount_rate : float
        A fraction per year.
    n_months : int
        The horizon.
    outcome_days : float
        The lift's window.
    curve : RetentionCurve, optional
        Baseline retention; None takes everybody to stay.
    benefit : {"margin", "revenue"}
        What counts as gain.
    conf_level : float
        Of the intervals.
    chain : dict, optional
        ``lift`` and ``retention`` drawn together, as the value of customers draws them; without it
        each is drawn by itself.
    """

    programme: Programme
    lift: Estimate
    currency: str
    money_per_lift: float
    annual_discount_rate: float
    n_months: int
    outcome_days: float
    curve: RetentionCurve | None
    benefit: str
    conf_level: float
    chain: Inputs | None = None

    @property
    def discounts(self) -> FloatArray:
        """What money at months 0..n is worth today."""
        return discount_factors(self.annual_discount_rate, np.arange(self.n_months + 1))

    @property
    def ramp(self) -> FloatArray:
        """How far the programme works in months 1..n."""
        return ramp(self.programme.ramp_months, self.n_months)

    @property
    def fade(self) -> Fade:
        """How long the gain lasts."""
        return Fade(
            window_months=self.outcome_days / DAYS_PER_MONTH,
            lasts_months=self.programme.lasts_months,
            half_life_months=self.programme.half_life_months,
        )

    def expected(self) -> Inputs:
        """Give every input at its expected value, as one draw."""
        stays = np.ones(self.n_months)
        if self.curve is not None:
            stays = self.curve.retention[1 : self.n_months + 1]
        inputs = {name: np.array([quantity.mean]) for name, quantity in self._quantities().items()}
        return {**inputs, "retention": stays[None, :]}

    def drawn(self, seed: int, n_draws: int) -> Inputs:
        """Draw every input jointly."""
        inputs = {
            name: quantity.draw(n_draws, np.random.default_rng([seed, _STREAMS[name]]))
            for name, quantity in self._quantities().items()
        }
        if self.chain is not None:
            rng = np.random.default_rng([seed, _STREAMS["chain"]])
            chosen = rng.integers(0, len(self.chain["lift"]), n_draws)
            return {**inputs, **{name: drawn[chosen] for name, drawn in self.chain.items()}}
        if self.curve is None:
            return {**inputs, "retention": np.ones((1, self.n_months))}
        stream = int(np.random.default_rng([seed, _STREAMS["retention"]]).integers(2**31))
        curves = self.curve.draw(n_draws, stream)[:, 1 : self.n_months + 1]
        return {**inputs, "retention": curves}

    def _quantities(self) -> dict[str, Quantity]:
        error = self.lift.std_error
        lift: Any = (
            {"mean": self.lift.estimate, "sd": error} if error else float(self.lift.estimate)
        )
        costs = ("upfront_cost", "monthly_cost", "monthly_cost_saving")
        return {
            "lift": Quantity.parse(lift, "lift"),
            "gain": self.programme.gain,
            **{name: self.programme.quantity(name) for name in costs},
        }

    def benefit_per_point(self, inputs: Inputs, fade: Fade) -> FloatArray:
        """Give the benefit of months 0..n of one point gained: (draws, n + 1), month 0 is 0."""
        weights = benefit_weights(
            fade,
            inputs["retention"],
            ramp_months=self.programme.ramp_months,
            outcome_days=self.outcome_days,
        )
        money = (inputs["lift"] * self.money_per_lift)[:, None] * weights
        return np.concatenate([np.zeros((len(money), 1)), money], axis=1)

    def gains(self, inputs: Inputs, fade: Fade) -> FloatArray:
        """Give benefit and saving of months 0..n: (draws, n + 1)."""
        benefit = inputs["gain"][:, None] * self.benefit_per_point(inputs, fade)
        benefit[:, 1:] += inputs["monthly_cost_saving"][:, None] * self.ramp
        return benefit

    def costs(self, inputs: Inputs) -> FloatArray:
        """Give costs of months 0..n: (draws, n + 1)."""
        monthly = np.repeat(inputs["monthly_cost"][:, None], self.n_months, axis=1)
        return np.concatenate([inputs["upfront_cost"][:, None], monthly], axis=1)

    def npv(self, inputs: Inputs, fade: Fade) -> FloatArray:
        """Give the net present value of each draw."""
        return np.asarray((self.gains(inputs, fade) - self.costs(inputs)) @ self.discounts)

    def result(self, seed: int, n_draws: int) -> ProgrammeResult:
        """Project at the expected inputs, and under draws of them."""
        mean, draws = self.expected(), self.drawn(seed, n_draws)
        fade, money = self.fade, self._money_unit()
        gain, cost = (
            [flows @ self.discounts for flows in both]
            for both in zip(self._both(mean, fade), self._both(draws, fade), strict=True)
        )
        npv_draws = np.asarray(gain[1] - cost[1], dtype=float)
        flows = [self.gains(inputs, fade) - self.costs(inputs) for inputs in (mean, draws)]
        never = NotRun(f"it does not pay back within {self.n_months} months")
        return ProgrammeResult(
            programme=self.programme,
            npv=self._estimate(gain[0] - cost[0], npv_draws, money),
            net_roi=self._ratio(gain, cost, less=1.0, unit="ratio (gain - cost) / cost"),
            benefit_cost_ratio=self._ratio(gain, cost, less=0.0, unit="ratio gain / cost"),
            payback_months=self._payback(flows, np.ones(self.n_months + 1), never),
            discounted_payback_months=self._payback(flows, self.discounts, never),
            break_even_rating_points=self._break_even(mean, draws),
            prob_loss=float((npv_draws < 0).mean()),
            npv_window_only=self._npv(mean, draws, fade.cut_off()),
            npv_no_fade=self._npv(mean, draws, fade.unending()),
            cash_flow=self._cash_flow(mean, draws),
            drivers_of_uncertainty=self._drivers(mean, draws),
            caveats=self._caveats(),
        )

    def _both(self, inputs: Inputs, fade: Fade) -> tuple[FloatArray, FloatArray]:
        return self.gains(inputs, fade), self.costs(inputs)

    def _npv(self, mean: Inputs, draws: Inputs, fade: Fade) -> Estimate:
        return self._estimate(self.npv(mean, fade), self.npv(draws, fade), self._money_unit())

    def _money_unit(self) -> str:
        basis = "" if self.benefit == "margin" else " (revenue basis)"
        return f"{self.currency}{basis}"

    def _estimate(self, point: FloatArray, draws: FloatArray, unit: str) -> Estimate:
        low, high = quantile_interval(draws, self.conf_level)
        finite = bool(np.isfinite(draws).all())
        return Estimate(
            estimate=float(point[0]),
            std_error=float(draws.std()) if finite else None,
            conf_low=low,
            conf_high=high,
            conf_level=self.conf_level,
            unit=unit,
            n_obs=self.lift.n_obs,
            caveats=self._caveats(),
        )

    def _ratio(
        self, gain: list[FloatArray], cost: list[FloatArray], *, less: float, unit: str
    ) -> Estimate | NotRun:
        if cost[0][0] <= 0 or cost[1].min() <= 0:
            return NotRun("the programme has no cost, so a return on it is not defined")
        return self._estimate(gain[0] / cost[0] - less, gain[1] / cost[1] - less, unit)

    def _payback(
        self, flows: list[FloatArray], factors: FloatArray, never: NotRun
    ) -> Estimate | NotRun:
        point, draws = (payback_months(np.cumsum(flow * factors, axis=1)) for flow in flows)
        if not np.isfinite(point[0]):
            return never
        return self._estimate(point, draws, "months")

    def _break_even(self, mean: Inputs, draws: Inputs) -> Estimate | NotRun:
        """Give the gain at which the net present value is zero."""
        needed = []
        for inputs in (mean, draws):
            per_point = self.benefit_per_point(inputs, self.fade) @ self.discounts
            idle = {**inputs, "gain": np.zeros(1)}
            short = -self.npv(idle, self.fade)
            with_lift = np.where(per_point > 0, per_point, np.nan)
            points = np.where(short <= 0, 0.0, short / with_lift)
            needed.append(np.where(np.isnan(points), np.inf, points))
        if not np.isfinite(needed[0][0]):
            return NotRun("the lift is not above zero, so no gain in the rating pays for the cost")
        return self._estimate(needed[0], needed[1], self.programme.gain_name)

    def _cash_flow(self, mean: Inputs, draws: Inputs) -> tuple[dict[str, Any], ...]:
        saving = np.append(0.0, mean["monthly_cost_saving"][0] * self.ramp)
        gains, costs = self._both(mean, self.fade)
        net = gains[0] - costs[0]
        paths = np.cumsum(
            (self.gains(draws, self.fade) - self.costs(draws)) * self.discounts, axis=1
        )
        rows = []
        for month in range(self.n_months + 1):
            low, high = quantile_interval(paths[:, month], self.conf_level)
            rows.append(
                {
                    "month": month,
                    "benefit": float(gains[0, month] - saving[month]),
                    "saving": float(saving[month]),
                    "cost": float(costs[0, month]),
                    "net": float(net[month]),
                    "net_discounted": float(net[month] * self.discounts[month]),
                    "cumulative_undiscounted": float(net[: month + 1].sum()),
                    "cumulative": float((net * self.discounts)[: month + 1].sum()),
                    "conf_low": low,
                    "conf_high": high,
                }
            )
        return tuple(rows)

    def _drivers(self, mean: Inputs, draws: Inputs) -> tuple[dict[str, Any], ...]:
        """Give the share of the variance that each input makes when it alone varies."""
        variance = {}
        n_draws = len(draws["lift"])
        for name in mean:
            alone = {key: np.repeat(value, n_draws, axis=0) for key, value in mean.items()}
            alone[name] = draws[name]
            if len(draws[name]) > 1:
                variance[name] = float(self.npv(alone, self.fade).var())
        scale = abs(float(self.npv(mean, self.fade)[0])) + 1.0
        real = {name: value for name, value in variance.items() if value > 1e-18 * scale**2}
        total = sum(real.values())
        ordered = sorted(real, key=lambda name: -real[name])
        return tuple(
            {"input": _WORDS.get(name, name), "share": real[name] / total} for name in ordered
        )

    def _caveats(self) -> tuple[str, ...]:
        said = list(self.lift.caveats) if self.programme.has_gain else []
        if self.programme.has_gain:
            said.append(_how_long(self.programme, self.outcome_days))
            if self.lift.std_error is None:
                said.append(
                    "The lift was given without a standard error: no interval holds its "
                    "uncertainty."
                )
            if self.curve is None:
                said.append(
                    "No retention curve was given: beyond the window every customer is taken to "
                    "stay."
                )
        if self.programme.value_by == "cltv" and self.programme.has_gain:
            said.append(
                "Valued by the change in lifetime value, which holds the lift of revenue already: "
                "never add a value by revenue to it."
            )
        if self.benefit == "revenue":
            said.append("Gains are counted as revenue, which overstates them: margin is what pays.")
        return tuple(dict.fromkeys(said))


def _how_long(programme: Programme, outcome_days: float) -> str:
    if programme.half_life_months is not None:
        return (
            f"That the gain halves every {programme.half_life_months:g} months after "
            f"{outcome_days:g} days is an assumption."
        )
    if programme.lasts_months is not None:
        return (
            f"That the gain lasts {programme.lasts_months:g} months is an assumption; the lift was "
            f"measured over {outcome_days:g} days."
        )
    return f"The gain is taken to last the {outcome_days:g} days over which the lift was measured."
