"""The change in lifetime value per rating point, split into staying and spending."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.stats.rates import discount_factors
from cxmodel.value.cash_flow import Fade
from cxmodel.value.cltv.lifetime import Horizon

FloatArray = npt.NDArray[np.float64]

# A share of exactly 0 or 1 has no finite hazard; nearer than this to either it is taken as here.
_EDGE = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class ChangeInputs:
    """What the change in lifetime value is made of, over draws; one draw for the point.

    Parameters
    ----------
    revenue_lift : numpy.ndarray, shape (k,)
        Money that counts, per rating point per starting customer, in the outcome window.
    retention_lift : numpy.ndarray, shape (k,), optional
        Change of the probability of staying through the window; without it there is no split.
    spend : numpy.ndarray, shape (k,)
        Money that counts per starting customer in the window, as things are.
    retention : numpy.ndarray, shape (k, h + 1)
        The baseline curve at months 0, 1, ... h after the response.
    share, before_end : numpy.ndarray, shape (k,), optional
        Where bookings show who was there: the share of the window that starting customers were, and
        what a point adds to it through the days before the window's end. Left out, both are read
        from the curve.
    weight_of_end : float
        What the lift of retention, which is of the end, adds to that share.
    """

    revenue_lift: FloatArray
    retention_lift: FloatArray | None
    spend: FloatArray
    retention: FloatArray
    share: FloatArray | None = None
    before_end: FloatArray | None = None
    weight_of_end: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Change:
    """The change in lifetime value of one rating point, over draws.

    `staying` and `spending` add up to `total` to the last bit; both are None without a lift of
    retention. `was_clipped` marks draws in which a share still there left [0, 1].
    """

    total: FloatArray
    staying: FloatArray | None
    spending: FloatArray | None
    was_clipped: npt.NDArray[np.bool_]


def change_per_point(inputs: ChangeInputs, horizon: Horizon, fade: Fade) -> Change:
    """Give what one rating point adds to the value of a customer, staying apart from spending.

    With S_t the share of starting customers still there and m_t = margin per starting customer
    / S_t, 0 as things are and 1 after the change (the mean of both orders of the two steps):

        staying  = sum d_t (S1 - S0) (m0 + m1) / 2
        spending = sum d_t (m1 - m0) (S0 + S1) / 2

    In the window, margin per starting customer is what the ledger shows, spread evenly, and S is
    the mean share there: 1 differs from 0 by the revenue lift and, as a proportional hazard, by the
    retention lift at the window's end, or by what bookings show of the share. Beyond it both lifts,
    as far as they last, apply to the customers whom the baseline curve still holds. It is
    bookkeeping, not two effects.

    Parameters
    ----------
    inputs : ChangeInputs
        Lifts, spending and the baseline curve.
    horizon : Horizon
        With a window of more than 0 months.
    fade : Fade
        How long the gain lasts.

    Examples
    --------
    Who spends the same and only stays longer: all of it is staying.

    >>> horizon = Horizon(n_months=36, annual_discount_rate=0.0, window_months=6.0)
    >>> half = ChangeInputs(revenue_lift=np.array([6.0]), retention_lift=None,
    ...                     spend=np.array([600.0]), retention=np.ones((1, 37)))
    >>> round(float(change_per_point(half, horizon, Fade(window_months=6.0)).total[0]), 9)
    6.0
    """
    stays = horizon.from_window(inputs.retention)
    discounts = discount_factors(
        horizon.annual_discount_rate, np.arange(1, horizon.n_months + 1, dtype=float)
    )
    held = stays[:, 1 : horizon.n_months + 1]
    gained, kept = fade.within(horizon.n_months), fade.beyond(horizon.n_months)
    per_month = inputs.revenue_lift / horizon.window_months
    if inputs.retention_lift is None:
        total = per_month * ((gained + kept * held) @ discounts)
        return Change(
            total=np.asarray(total, dtype=float),
            staying=None,
            spending=None,
            was_clipped=np.zeros(len(total), dtype=bool),
        )
    share, share_moved, outside = _shares_there(inputs, inputs.retention_lift, stays, horizon)
    there = share[:, 0] * horizon.window_months
    extra = per_month[:, None]

    before = inputs.spend[:, None] * gained / horizon.window_months
    within = _parts(before, before + extra * gained, share, share_moved)

    later = horizon.beyond_window()
    before = (inputs.spend / there)[:, None] * later * held
    left = np.divide(kept, later, out=np.zeros_like(kept), where=later > 0)
    wanted = held * (1.0 + (share_moved - share) * left)
    # money without anybody who pays it has no price a head: somebody is always left
    moved_held = wanted.clip(_EDGE * held, 1.0)
    beyond = _parts(before, before + extra * kept * held, held, moved_held)

    staying, spending = ((w + b) @ discounts for w, b in zip(within, beyond, strict=True))
    return Change(
        total=np.asarray(staying + spending, dtype=float),
        staying=np.asarray(staying, dtype=float),
        spending=np.asarray(spending, dtype=float),
        was_clipped=outside | ((wanted < 0.0) | (wanted > 1.0)).any(axis=1),
    )


def _shares_there(
    inputs: ChangeInputs, retention_lift: FloatArray, stays: FloatArray, horizon: Horizon
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Give the share of the window that customers are there, before and after: (draws, 1).

    Also which draws asked for a share outside [0, 1].
    """
    if inputs.share is None or inputs.before_end is None:
        moved, outside = _moved_curve(stays, retention_lift, horizon.window_months)
        months = np.stack([horizon.months_there(stays), horizon.months_there(moved)])
        share, share_moved = months / horizon.window_months
        return share[:, None], share_moved[:, None], outside
    share = inputs.share
    wanted = share + inputs.before_end + inputs.weight_of_end * retention_lift
    outside = (wanted < 0.0) | (wanted > 1.0)
    return share[:, None], wanted.clip(_EDGE, 1.0)[:, None], outside


def _moved_curve(
    stays: FloatArray, retention_lift: FloatArray, window_months: float
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Give the curve after the change: the baseline's hazard times what its end asks for.

    Also which draws asked for a share outside [0, 1] at the end of the window.
    """
    at = window_months
    low, high = int(np.floor(at)), int(np.ceil(at))
    end = stays[:, low] + (at - low) * (stays[:, high] - stays[:, low])
    wanted = end + retention_lift
    outside = (wanted < 0.0) | (wanted > 1.0)
    safe = end.clip(_EDGE, 1.0 - _EDGE)
    power = np.log((safe + retention_lift).clip(_EDGE, 1.0)) / np.log(safe)
    moved = stays.clip(_EDGE, 1.0 - _EDGE) ** power[:, None]
    moved[:, 0] = 1.0
    return np.asarray(moved, dtype=float), outside


def _parts(
    before: FloatArray, after: FloatArray, held: FloatArray, held_after: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Split the change of money per starting customer, cell by cell, before discounting."""
    per_head = np.divide(before, held, out=np.zeros_like(before), where=held > 0)
    per_head_after = np.divide(after, held_after, out=np.zeros_like(after), where=held_after > 0)
    staying = (held_after - held) * (per_head + per_head_after) / 2
    spending = (per_head_after - per_head) * (held + held_after) / 2
    return staying, spending
