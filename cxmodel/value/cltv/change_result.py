"""What a rating point adds to lifetime value: estimates, bounds, and what moves them most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.results import Estimate, NotRun, critical_value
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.value.cash_flow import Fade
from cxmodel.value.cltv.change import Change, ChangeInputs, change_per_point
from cxmodel.value.cltv.drawn_lifts import TERM, DrawnLift, DrawnLifts
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.presence import Presence
from cxmodel.value.lift_units import margin_of, parse_lift_unit

FloatArray = npt.NDArray[np.float64]

NAMES = ("total", "staying", "spending", "total_window_only", "total_no_fade")
_INPUTS = {
    "revenue_lift": "lift of revenue",
    "retention_lift": "lift of retention",
    "spend": "spending as it is",
    "retention": "retention curve",
    "share": "share of the window customers are there",
    "before_end": "lift of the share of the window customers are there",
}
BOOKKEEPING = (
    "Staying and spending are bookkeeping of one change, not two effects: spending per remaining "
    "customer also moves because others remain."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Baseline:
    """What customers do as things are: the point and its draws, shared by every figure.

    Parameters
    ----------
    horizon : Horizon
        With the outcome window as its window.
    spend, spend_draws : numpy.ndarray, shape (1,) and (k,)
        Revenue per starting customer in the window.
    retention, retention_draws : numpy.ndarray, shape (1, h + 1) and (k, h + 1)
        The curve after the response.
    presence : Presence or NotRun, optional
        Without a contract, how long customers were there in the window; None where leaving is seen.
    """

    horizon: Horizon
    spend: FloatArray
    spend_draws: FloatArray
    retention: FloatArray
    retention_draws: FloatArray
    presence: Presence | NotRun | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CltvChange:
    """The change in lifetime value per rating point.

    Parameters
    ----------
    estimates : dict of str to Estimate or NotRun
        total, staying, spending, total_window_only, total_no_fade.
    baseline : Baseline, optional
        What it was made from, for programmes.
    lifts : DrawnLifts, optional
        The lifts with their draws, for programmes.
    n_draws, n_clipped : int
        Draws, and those in which a share of customers left [0, 1] and was cut there.
    drivers_of_uncertainty : tuple of dict
        ``{term, input, share}``: the share of the variance that each input makes alone.
    caveats : tuple of str
        What a reader must know.
    """

    estimates: dict[str, Estimate | NotRun]
    baseline: Baseline | None = None
    lifts: DrawnLifts | None = None
    n_draws: int = 0
    n_clipped: int = 0
    drivers_of_uncertainty: tuple[dict[str, Any], ...] = ()
    caveats: tuple[str, ...] = field(default=())

    @classmethod
    def not_run(cls, reason: str) -> CltvChange:
        """Say of every figure that it could not be made, and why."""
        return cls(estimates=dict.fromkeys(NAMES, NotRun(reason)))

    def to_section(self) -> dict[str, Any]:
        """Give what stands in ``cltv`` of ``results.json`` beside `change_per_rating_point`."""
        return {
            "n_draws": self.n_draws,
            "n_clipped": self.n_clipped,
            "drivers_of_uncertainty": {"rows": list(self.drivers_of_uncertainty)},
            "caveats": list(self.caveats),
        }


@dataclass(frozen=True, kw_only=True)
class ChangeSettings:
    """How the change is counted.

    Parameters
    ----------
    gross_margin, benefit
        What counts of revenue.
    lasts_months, half_life_months : float, optional
        How long the gain lasts; by default the outcome window and no longer.
    unit : str
        Of the change.
    conf_level : float
        Of the intervals.
    """

    gross_margin: float
    benefit: str
    lasts_months: float | None
    half_life_months: float | None
    unit: str
    conf_level: float


def find_change(
    lifts: DrawnLifts, baseline: Baseline, settings: ChangeSettings, window_words: str
) -> CltvChange:
    """Find the change in lifetime value per rating point, with its split and both bounds.

    Raises
    ------
    ValueError
        If the lift is stated for another window than the observations have.
    """
    revenue, retention = lifts.revenue[TERM], lifts.retention[TERM]
    if isinstance(revenue, NotRun):
        return CltvChange.not_run(f"it needs the lift of revenue: {revenue.reason}")
    if window_words == "observation window":
        return CltvChange.not_run(
            "the lift is stated per observation window, so nobody knows how long it took; set "
            "windows.outcome_days"
        )
    for lift in (revenue, retention):
        if isinstance(lift, DrawnLift):
            _check_window(lift, window_words)
    share = margin_of(parse_lift_unit(revenue.estimate.unit), settings.gross_margin,
                      settings.benefit)  # fmt: skip
    counts = settings.gross_margin if settings.benefit == "margin" else 1.0
    there, there_drawn = _presence_inputs(baseline.presence)
    chain = _Chain(
        point=ChangeInputs(
            revenue_lift=np.array([share * revenue.value]),
            retention_lift=_value(retention),
            spend=counts * baseline.spend,
            retention=baseline.retention,
            **there,
        ),
        drawn=ChangeInputs(
            revenue_lift=share * revenue.draws,
            retention_lift=retention.draws if isinstance(retention, DrawnLift) else None,
            spend=counts * baseline.spend_draws,
            retention=baseline.retention_draws,
            **there_drawn,
        ),
        horizon=baseline.horizon,
    )
    return _assemble(chain, revenue, retention, settings, lifts, baseline)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Chain:
    """The inputs at their point and under the draws."""

    point: ChangeInputs
    drawn: ChangeInputs
    horizon: Horizon

    def both(self, fade: Fade) -> tuple[Change, Change]:
        return (
            change_per_point(self.point, self.horizon, fade),
            change_per_point(self.drawn, self.horizon, fade),
        )

    def alone(self, name: str, fade: Fade) -> Change:
        """Let one input vary, the others stay at their point."""
        n = len(self.drawn.revenue_lift)
        held: dict[str, Any] = {
            key: None if value is None else np.repeat(value, n, axis=0)
            for key in _INPUTS
            for value in (getattr(self.point, key),)
        }
        held[name] = getattr(self.drawn, name)
        return change_per_point(replace(self.point, **held), self.horizon, fade)


def _assemble(
    chain: _Chain,
    revenue: DrawnLift,
    retention: DrawnLift | NotRun,
    settings: ChangeSettings,
    lifts: DrawnLifts,
    baseline: Baseline,
) -> CltvChange:
    fade = Fade(
        window_months=chain.horizon.window_months,
        lasts_months=settings.lasts_months,
        half_life_months=settings.half_life_months,
    )
    caveats = (
        *_caveats(settings, chain.horizon),
        *_presence_caveats(baseline.presence),
        *lifts.caveats,
    )
    point, drawn = chain.both(fade)
    write = _writer([revenue], settings, caveats)
    write_part = _writer([revenue, retention], settings, caveats)
    estimates: dict[str, Estimate | NotRun] = {"total": write(point.total, drawn.total)}
    for name in ("staying", "spending"):
        part = getattr(point, name)
        estimates[name] = (
            NotRun(f"the split needs the lift of retention: {_reason(retention)}")
            if part is None
            else write_part(part, getattr(drawn, name))
        )
    for name, bound in (("total_window_only", fade.cut_off()), ("total_no_fade", fade.unending())):
        least, spread = chain.both(bound)
        estimates[name] = write(least.total, spread.total)
    return CltvChange(
        estimates=estimates,
        baseline=baseline,
        lifts=lifts,
        n_draws=len(drawn.total),
        n_clipped=int(drawn.was_clipped.sum()),
        drivers_of_uncertainty=tuple(_drivers(chain, fade)),
        caveats=(*caveats, *_clipped(drawn)),
    )


def _writer(
    lifts: list[DrawnLift | NotRun], settings: ChangeSettings, caveats: tuple[str, ...]
) -> Callable[[FloatArray, FloatArray], Estimate]:
    """Give the function that turns a point and its draws into an estimate.

    The error is the spread of the draws; the interval is symmetric, as wide as Student's t for so
    many draws asks, or the lift's own where that is wider.
    """
    known = [lift.estimate for lift in lifts if isinstance(lift, DrawnLift)]
    n_obs = min((e.n_obs for e in known if e.n_obs is not None), default=None)
    ride = tuple(dict.fromkeys([*(said for e in known for said in e.caveats), *caveats]))

    def write(point: FloatArray, draws: FloatArray) -> Estimate:
        times = critical_value(settings.conf_level, max(len(draws) - 1, 1))
        for estimate in known:
            if estimate.std_error and estimate.conf_high is not None:
                own = (estimate.conf_high - estimate.estimate) / estimate.std_error
                times = max(times, own if estimate.conf_level == settings.conf_level else 0.0)
        error, value = float(draws.std()), float(point[0])
        return Estimate(
            estimate=value,
            std_error=error,
            conf_low=value - times * error,
            conf_high=value + times * error,
            conf_level=settings.conf_level,
            unit=settings.unit,
            n_obs=n_obs,
            caveats=ride,
        )

    return write


def _drivers(chain: _Chain, fade: Fade) -> list[dict[str, Any]]:
    """Give the share of the variance that each input makes when it alone varies."""
    found = []
    for term in ("total", "staying", "spending"):
        variance = {}
        for name in _INPUTS:
            draws = getattr(chain.alone(name, fade), term)
            if draws is not None and getattr(chain.drawn, name) is not None:
                variance[name] = float(draws.var())
        total = sum(variance.values())
        ordered = sorted(variance, key=lambda name: -variance[name])
        found += [
            {"term": term, "input": _INPUTS[name], "share": variance[name] / total}
            for name in ordered
            if total > 0 and variance[name] > 1e-12 * total
        ]
    return found


def _caveats(settings: ChangeSettings, horizon: Horizon) -> tuple[str, ...]:
    days = f"{horizon.window_months * DAYS_PER_MONTH:.0f} days"
    if settings.half_life_months is not None:
        lasts = (
            f"That the change in lifetime value halves every {settings.half_life_months:g} months "
            f"after the first {days} is an assumption."
        )
    elif settings.lasts_months is not None:
        lasts = (
            f"That the change in lifetime value lasts {settings.lasts_months:g} months is an "
            f"assumption; the lift was measured over {days}."
        )
    else:
        lasts = (
            f"The change in lifetime value is taken to last the {days} over which the lift was "
            "measured, and no longer: what customers spend after it is not counted."
        )
    said = [lasts, BOOKKEEPING]
    if settings.half_life_months or (settings.lasts_months or 0.0) > horizon.window_months:
        said.append(
            "Beyond the first window the lift applies to the customers whom the baseline "
            "retention curve still holds."
        )
    return tuple(said)


def _presence_inputs(found: Presence | NotRun | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the share of the window that customers were there, at the point and under the draws."""
    if not isinstance(found, Presence):
        return {}, {}
    weight = {"weight_of_end": found.weight_of_end}
    return (
        {"share": found.share, "before_end": found.before_end, **weight},
        {"share": found.share_draws, "before_end": found.before_end_draws, **weight},
    )


def _presence_caveats(found: Presence | NotRun | None) -> tuple[str, ...]:
    if found is None:
        return ()
    if isinstance(found, NotRun):
        return (
            "How long customers stayed within the window is read from the retention curve, as "
            f"bookings do not show it: {found.reason}.",
        )
    return (
        "Without a contract a customer counts as there while the last booking is recent enough, so "
        "who books more often counts as staying a little longer too.",
    )


def _clipped(drawn: Change) -> tuple[str, ...]:
    n = int(drawn.was_clipped.sum())
    if not n:
        return ()
    return (
        f"In {n} of {len(drawn.total)} draws a share of customers still there left 0-100% and was "
        "cut there.",
    )


def _check_window(lift: DrawnLift, window_words: str) -> None:
    window = lift.estimate.unit.rsplit(" per ", 1)[-1]
    if window != window_words:
        raise ValueError(
            f"The lift is per {window}, the observations have an outcome window of {window_words}. "
            "Give a lift of the same window."
        )


def _value(lift: DrawnLift | NotRun) -> FloatArray | None:
    return np.array([lift.value]) if isinstance(lift, DrawnLift) else None


def _reason(lift: DrawnLift | NotRun) -> str:
    return lift.reason if isinstance(lift, NotRun) else ""
