"""What the probabilities are good for: whom to call, how many of them leave, and is it worth it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cxmodel.models.churn.evaluation import N_DRAWS
from cxmodel.results import Estimate, NotRun, critical_value
from cxmodel.stats.decision_curve import decision_curve
from cxmodel.stats.depth import found_at_depth, order_by_risk
from cxmodel.stats.draws import draw_customer_weights

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Figure = list[dict[str, Any]]

N_STEPS, N_GROUPS, MOST_THRESHOLDS = 20, 10, 50
NET_BENEFIT = "leavers reached per response, less needless calls at the odds of the threshold"


def gain_rows(
    happened: FloatArray,
    prob: FloatArray,
    n_steps: int = N_STEPS,
    *,
    group: Rows | None = None,
    seed: int = 0,
    conf_level: float = 0.95,
    min_group_size: int = 1,
) -> Figure:
    """Give the share of leavers found when the riskiest share of customers is contacted.

    Customers of equal risk stand in random order. No step holds under `min_group_size` rows.

    Parameters
    ----------
    happened, prob : numpy.ndarray, shape (n,)
        0/1 and a probability.
    n_steps : int
        Steps at most.
    group : numpy.ndarray of int, shape (n,), optional
        Rows of one customer; with it there are intervals, from redrawn customers.
    seed, conf_level, min_group_size
        Of the draws and the intervals; the fewest rows of a step.

    Examples
    --------
    >>> gain_rows(np.array([1.0, 0, 0, 0]), np.array([0.9, 0.1, 0.2, 0.3]), 4)[1]
    {'share_of_customers': 0.25, 'share_of_churners': 1.0}
    """
    n_steps = max(1, min(n_steps, len(prob) // max(min_group_size, 1)))
    shares = np.arange(n_steps + 1) / n_steps
    found = found_at_depth(happened, order_by_risk(prob), np.ones(len(prob)), shares)
    rows = [
        {"share_of_customers": float(share), "share_of_churners": float(part)}
        for share, part in zip(shares, found, strict=True)
    ]
    if group is None:
        return rows
    errors = np.nanstd(_redraw_depths(happened, prob, group, shares, seed)[0], axis=0)
    for row, point, error in zip(rows, found, errors, strict=True):
        row["conf_low"], row["conf_high"] = _share_interval(float(point), float(error), conf_level)
    return rows


def calibration_rows(
    happened: FloatArray, prob: FloatArray, n_groups: int = N_GROUPS, *, min_group_size: int = 1
) -> Figure:
    """Compare predicted and observed churn in groups of customers of like risk.

    No group holds under `min_group_size` rows.

    Examples
    --------
    >>> calibration_rows(np.array([0.0, 1.0]), np.array([0.25, 0.75]), 2)[1]
    {'predicted': 0.75, 'observed': 1.0, 'n': 1}
    """
    n_groups = max(1, min(n_groups, len(prob) // max(min_group_size, 1)))
    order = np.argsort(prob, kind="stable")
    return [
        {
            "predicted": float(prob[part].mean()),
            "observed": float(happened[part].mean()),
            "n": len(part),
        }
        for part in np.array_split(order, n_groups)
    ]


def at_depth(
    happened: FloatArray,
    prob: FloatArray,
    group: Rows,
    *,
    share: float,
    n_contacts: int | None,
    seed: int,
    conf_level: float,
    min_group_size: int,
) -> dict[str, Any] | NotRun:
    """Say what a team finds that can call the riskiest `share` of customers.

    Parameters
    ----------
    happened, prob, group : numpy.ndarray, shape (n,)
        Held-out rows.
    share : float
        Part of the customers that can be called.
    n_contacts : int, optional
        Calls behind that share, where they were given.
    seed, conf_level, min_group_size
        Of the redrawn customers and the intervals; the fewest rows that are spoken of.

    Returns
    -------
    dict or NotRun
        ``leavers_found`` (share of all leavers), ``precision`` (share of those called who leave),
        ``lift_over_chance`` (precision over the churn rate).
    """
    n_rows = len(happened)
    n_called = share * n_rows
    if n_called < min_group_size or 0 < n_rows - n_called < min_group_size:
        return NotRun(
            f"calling {share:.3g} of {n_rows:,} held-out responses parts off a group of under "
            f"{min_group_size}, which is not shown: call another share, or bring more history"
        )
    shares = np.array([share])
    recall = float(found_at_depth(happened, order_by_risk(prob), np.ones(n_rows), shares)[0])
    draws, rates = _redraw_depths(happened, prob, group, shares, seed)
    base = float(happened.mean())
    precision = recall * base / share
    found = _share_estimate(recall, draws[:, 0], "share of all leavers", n_rows, conf_level)
    unit = "times as many leavers as among as many customers at random"
    return {
        "contact_share": share,
        "n_contacts": n_contacts,
        "leavers_found": found,
        "precision": _share_estimate(
            precision, draws[:, 0] * rates / share, "share of those called", n_rows, conf_level
        ),
        "lift_over_chance": found.scaled(1 / share, unit=unit),
        "base_rate": base,
    }


def decision_rows(
    happened: FloatArray,
    prob: FloatArray,
    group: Rows,
    *,
    conf_level: float,
    min_group_size: int,
) -> Figure:
    """Give the net benefit of calling whoever is at risk from each threshold on.

    A threshold is the risk at which a call and no call are worth the same: the cost of a call over
    what a leaver who is reached is worth. The curve ends where under `min_group_size` would be
    called, and no two thresholds part off fewer.

    Parameters
    ----------
    happened, prob, group : numpy.ndarray, shape (n,)
        Held-out rows.
    conf_level, min_group_size
        Of the intervals; the fewest rows between two thresholds.

    Returns
    -------
    list of dict
        ``threshold``, ``n_called``, the estimate of calling them, ``everybody`` (calling all) and
        ``over_everybody``, the paired difference; calling nobody brings 0. Empty where all
        customers have like risk.
    """
    thresholds = _thresholds(prob, min_group_size)
    if not len(thresholds):
        return []
    curve = decision_curve(happened, prob, thresholds, clusters=group)

    def estimate(value: float, error: float) -> Estimate:
        return Estimate.from_std_error(
            value, error, unit=NET_BENEFIT, n_obs=len(happened), conf_level=conf_level
        )

    return [
        {
            "threshold": float(curve.threshold[i]),
            "n_called": int(curve.n_treated[i]),
            **estimate(curve.model[i], curve.model_std_error[i]).to_dict(),
            "everybody": float(curve.everybody[i]),
            "over_everybody": estimate(curve.over_everybody[i], curve.over_everybody_std_error[i]),
        }
        for i in range(len(thresholds))
    ]


def _thresholds(prob: FloatArray, min_group_size: int) -> FloatArray:
    """Choose round thresholds where the predictions lie, with rows enough between them."""
    step = 0.01 if np.quantile(prob, 0.99) >= 0.05 else 0.001
    top = min(float(prob.max()), 0.99)
    grid = np.round(np.arange(1, int(top / step + 1e-9) + 1) * step, 4)
    grid = grid[:: max(1, -(-len(grid) // MOST_THRESHOLDS))]
    ordered = np.sort(prob)
    kept, last = [], len(prob)
    for level in grid:
        n_called = len(prob) - int(np.searchsorted(ordered, level, side="left"))
        if n_called < min_group_size:
            break
        if n_called == last or last - n_called >= min_group_size:
            kept.append(level)
            last = n_called
    return np.array(kept)


def _redraw_depths(
    happened: FloatArray, prob: FloatArray, group: Rows, shares: FloatArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Give the share of leavers found, (draws, shares), and the churn rate, (draws,)."""
    by_risk, codes = order_by_risk(prob), np.unique(group, return_inverse=True)[1]
    n_customers = int(codes.max()) + 1
    found, rates = np.full((N_DRAWS, len(shares)), np.nan), np.full(N_DRAWS, np.nan)
    for draw in range(N_DRAWS):
        mass = draw_customer_weights(n_customers, draw, seed)[codes]
        if mass.sum() > 0:
            found[draw] = found_at_depth(happened, by_risk, mass, shares)
            rates[draw] = mass @ happened / mass.sum()
    return found, rates


def _share_estimate(
    value: float, draws: FloatArray, unit: str, n_obs: int, conf_level: float
) -> Estimate:
    error = float(np.nanstd(draws))
    low, high = _share_interval(value, error, conf_level)
    return Estimate(
        estimate=value, std_error=error, conf_low=low, conf_high=high, conf_level=conf_level,
        unit=unit, n_obs=n_obs,
    )  # fmt: skip


def _share_interval(value: float, error: float, conf_level: float) -> tuple[float, float]:
    """Make the interval on the logit scale, so that it stays within 0 and 1."""
    if not 0 < value < 1 or error == 0:
        return value, value
    half = critical_value(conf_level) * error / (value * (1 - value))
    centre = np.log(value / (1 - value))
    low, high = 1 / (1 + np.exp(-np.array([centre - half, centre + half])))
    return float(low), float(high)
