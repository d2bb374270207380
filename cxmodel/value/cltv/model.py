"""Customer lifetime value: discounted margin per customer over a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import ConfigError, InsufficientDataError
from cxmodel.models.retention.curve import RetentionCurve
from cxmodel.models.retention.durations import expected_events, read_durations
from cxmodel.models.retention.fit import RetentionFit
from cxmodel.models.retention.model import RetentionModel
from cxmodel.results import Estimate, NotRun
from cxmodel.scales import Scale
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations
from cxmodel.value.cltv.change_result import Baseline, ChangeSettings, CltvChange, find_change
from cxmodel.value.cltv.drawn_lifts import DrawPlan, draw_lifts
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.result import CltvResult
from cxmodel.value.cltv.rows import SpendRows, read_spend
from cxmodel.value.settings import check_lasting, check_value_settings

if TYPE_CHECKING:
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.value.lift_card import LiftCard

FloatArray = npt.NDArray[np.float64]
MIN_SPENDERS = 10
_TOO_FAR = 2.0  # standard errors between a group's leavers and those expected
_NO_LIFT = "no lift was given: pass lift=LiftModel().fit(obs)"


@dataclass(frozen=True, kw_only=True)
class CltvModel:
    """Discounted margin per customer: what the ledger shows, then margin per survivor x retention.

    In the observed window margin per starting customer is what the ledger shows (those who left
    stay in, with what they still paid); beyond it, margin per customer still there times the
    retention curve. Every month is discounted from its end.

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
    by : str or tuple of str
        Columns of the observations for `CltvResult.by_group`.
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
    by: str | tuple[str, ...] = ()
    lasts_months: float | None = None
    half_life_months: float | None = None
    n_draws: int = 200
    seed: int = 20261121

    def __post_init__(self) -> None:
        check_value_settings(
            self.gross_margin, self.annual_discount_rate, self.horizon_months, self.benefit
        )
        check_lasting(self.lasts_months, self.half_life_months)

    def fit(
        self,
        obs: Observations,
        curve: RetentionCurve | RetentionFit | None = None,
        *,
        n_customers: float | None = None,
        lift: LiftResult | LiftCard | Estimate | NotRun | None = None,
        retention_lift: LiftResult | Estimate | NotRun | None = None,
    ) -> CltvResult:
        """Value the customers of the observations.

        Parameters
        ----------
        obs : Observations
            With ``revenue_after``, or ``_monthly_revenue`` in a table already joined.
        curve : RetentionCurve or RetentionFit, optional
            Retention from the response on; fitted to `obs` when left out.
        n_customers : float, optional
            Customers active today, for customer equity.
        lift : LiftResult, LiftCard or Estimate, optional
            Of revenue, for the change per rating point; a card holds both lifts. Written by hand it
            has a unit such as ``"USD per rating point per customer per 180 days"``.
        retention_lift : LiftResult or Estimate, optional
            Of retention, for its split into staying and spending.

        Returns
        -------
        CltvResult

        Raises
        ------
        ConfigError
            If the observations have no currency, or `by` names no column.
        InsufficientDataError
            If there is no money, or too little of it, or retention cannot be fitted.
        """
        Observations.check(obs)
        if obs.currency is None:
            raise ConfigError("study.currency is missing: lifetime value needs to know the money.")
        rows = read_spend(obs)
        if int((rows.amount != 0).sum()) < MIN_SPENDERS:
            raise InsufficientDataError(
                f"Lifetime value: {int((rows.amount != 0).sum())} of {len(rows.amount):,} usable "
                f"observations have any revenue; at least {MIN_SPENDERS} are needed."
            )
        whole = curve if curve is not None else self._retention().fit(obs)
        per_customer = self._value(rows, self._curve_of(whole, rows, obs), obs)
        caveats = _caveats(whole, rows, obs)
        return CltvResult(
            per_customer=per_customer,
            by_band=self._by(rows, obs, "band", whole, _bands(obs.scale)),
            by_group=[
                row
                for column in _columns(self.by, obs)
                for row in self._by(rows, obs, column, whole)
            ],
            customer_equity=_equity(per_customer, n_customers, obs.currency),
            change=self._change(rows, self._curve_of(whole, rows, obs), obs, lift, retention_lift),
            horizon_months=self.horizon_months,
            benefit=self.benefit,
            not_used=rows.not_used,
            caveats=caveats,
        )

    def _retention(self) -> RetentionModel:
        return RetentionModel(
            horizon_months=self.horizon_months, n_draws=self.n_draws, seed=self.seed
        )

    def _curve_of(
        self, curve: RetentionCurve | RetentionFit, rows: SpendRows, obs: Observations
    ) -> RetentionCurve:
        """Give retention from the response on, as far as the horizon and the gap need it."""
        window = obs.windows.outcome_days / DAYS_PER_MONTH
        reach = int(np.ceil(max(self.horizon_months, window) + rows.gap_months)) + 1
        if isinstance(curve, RetentionCurve):
            return curve
        if rows.tenure_months is not None:
            return curve.residual_curve(rows.tenure_months, reach)
        return curve.curve(reach)

    def _value(
        self,
        rows: SpendRows,
        curve: RetentionCurve,
        obs: Observations,
    ) -> Estimate:
        """Give value per customer: the point, and its error from redrawn customers."""
        horizon = Horizon(
            n_months=self.horizon_months,
            annual_discount_rate=self.annual_discount_rate,
            window_months=rows.window_months,
            gap_months=rows.gap_months,
        )
        share = self.gross_margin if self.benefit == "margin" else 1.0
        point = share * rows.mean() * float(horizon.lifetimes(curve.retention[None, :])[0])
        spend = rows.redrawn_means(self.n_draws, self.seed)
        lives = horizon.lifetimes(curve.draws)[np.arange(self.n_draws) % len(curve.draws)]
        return Estimate.from_std_error(
            point,
            float(np.nanstd(share * spend * lives)),
            unit=self._unit(obs),
            n_obs=len(rows.amount),
            conf_level=obs.conf_level,
        )

    def _change(
        self,
        rows: SpendRows,
        curve: RetentionCurve,
        obs: Observations,
        lift: LiftResult | LiftCard | Estimate | NotRun | None,
        retention_lift: LiftResult | Estimate | NotRun | None,
    ) -> CltvChange:
        """Give the change per rating point, or the reason why there is none."""
        if lift is None:
            return CltvChange.not_run(_NO_LIFT)
        lifts = draw_lifts(lift, retention_lift, DrawPlan.of(obs, self.n_draws, self.seed))
        horizon = Horizon(
            n_months=self.horizon_months,
            annual_discount_rate=self.annual_discount_rate,
            window_months=obs.windows.outcome_days / DAYS_PER_MONTH,
            gap_months=rows.gap_months,
        )
        settings = ChangeSettings(
            gross_margin=self.gross_margin,
            benefit=self.benefit,
            lasts_months=self.lasts_months,
            half_life_months=self.half_life_months,
            unit=f"{obs.currency} {self.benefit} per rating point per customer over "
            f"{self.horizon_months} months",
            conf_level=obs.conf_level,
        )
        return find_change(lifts, self._baseline(rows, curve, horizon), settings, obs.window_words)

    def _baseline(self, rows: SpendRows, curve: RetentionCurve, horizon: Horizon) -> Baseline:
        """Give spending in the window and retention as they are, with their draws."""
        point = curve.retention[None, :]
        draws = curve.draws[np.arange(self.n_draws) % len(curve.draws)]
        spend, spend_draws = np.array([rows.mean()]), rows.redrawn_means(self.n_draws, self.seed)
        if rows.is_monthly:  # money is known per month of a customer who is there
            spend = spend * horizon.months_there(horizon.from_window(point))
            spend_draws = spend_draws * horizon.months_there(horizon.from_window(draws))
        return Baseline(
            horizon=horizon,
            spend=spend,
            spend_draws=spend_draws,
            retention=point,
            retention_draws=draws,
        )

    def _by(
        self,
        rows: SpendRows,
        obs: Observations,
        column: str,
        whole: RetentionCurve | RetentionFit,
        order: tuple[str, ...] | None = None,
    ) -> list[dict[str, Any]]:
        """Value the customers of each level of a column; small groups are suppressed."""
        if not obs.has(column):
            return []
        values = obs.frame[column].astype("string")
        levels = order or tuple(sorted(values.dropna().unique()))
        found = []
        for level in levels:
            mine = (values == level).fillna(False).to_numpy(dtype=bool)
            label = {"band": level} if column == "band" else {"group": {column: level}}
            found.append({**label, **self._group_value(rows, obs, mine, whole)})
        return found

    def _group_value(
        self,
        rows: SpendRows,
        obs: Observations,
        mine: npt.NDArray[np.bool_],
        whole: RetentionCurve | RetentionFit,
    ) -> dict[str, Any]:
        part = rows.only(mine)
        empty = {**_no_estimate(self._unit(obs), obs.conf_level), "retention_of": None}
        if len(part.amount) < obs.min_group_size:
            return {**empty, "suppressed": True}
        curve = self._group_curve(obs, mine, whole)
        if isinstance(curve, NotRun):
            return {**empty, "suppressed": False, "reason": curve.reason}
        value = self._value(part, self._curve_of(curve, part, obs), obs)
        return {
            **value.to_dict(),
            "retention_of": "all customers" if curve is whole else "this group",
            "suppressed": False,
        }

    def _group_curve(
        self,
        obs: Observations,
        mine: npt.NDArray[np.bool_],
        whole: RetentionCurve | RetentionFit,
    ) -> RetentionCurve | RetentionFit | NotRun:
        """Fit a group's own retention, or take that of all where the group does not differ."""
        try:
            every = read_durations(obs, stage="cltv")
        except InsufficientDataError:
            return whole
        own = every.only(mine[every.chosen])
        try:
            return self._retention().fit_durations(
                own, min_at_risk=obs.min_group_size, conf_level=obs.conf_level
            )
        except InsufficientDataError:
            n_left, n_expected = int(own.events.sum()), expected_events(every, own)
            if abs(n_left - n_expected) <= _TOO_FAR * np.sqrt(n_expected):
                return whole
            return NotRun(
                f"{n_left} of {len(own.events):,} left, where {n_expected:.0f} would have at the "
                "rate of all customers: too few to fit its own retention, too unlike to borrow"
            )

    def _unit(self, obs: Observations) -> str:
        return f"{obs.currency} {self.benefit} per customer over {self.horizon_months} months"


def _no_estimate(unit: str, conf_level: float) -> dict[str, Any]:
    return Estimate(estimate=float("nan"), unit=unit, conf_level=conf_level).to_dict()


def _caveats(
    whole: RetentionCurve | RetentionFit, rows: SpendRows, obs: Observations
) -> tuple[str, ...]:
    said = list(whole.caveats) if isinstance(whole, RetentionFit) else []
    if rows.is_monthly:
        said.append("Monthly revenue is taken to stay as it is for as long as a customer stays.")
    else:
        said.append(
            f"Beyond {obs.window_words} customers who stay are taken to go on spending as they did."
        )
    return tuple(said)


def _equity(per_customer: Estimate, n_customers: float | None, currency: str) -> Estimate | NotRun:
    if n_customers is None:
        return NotRun("the number of active customers is not known")
    return per_customer.scaled(n_customers, unit=currency)


def _bands(scale: Scale | None) -> tuple[str, ...] | None:
    return None if scale is None else tuple(scale.bands)


def _columns(by: str | tuple[str, ...], obs: Observations) -> tuple[str, ...]:
    names = (by,) if isinstance(by, str) else tuple(by)
    missing = [name for name in names if not obs.has(name)]
    if missing:
        raise ConfigError(
            f"by names {missing[0]!r}, which the observations do not have. Attributes: "
            f"{', '.join(obs.attributes) or 'none'}."
        )
    return names
