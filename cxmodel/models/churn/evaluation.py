"""How good a churn probability is on responses that it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.errors import FitError, InsufficientDataError
from cxmodel.results import Estimate, NotRun, critical_value
from cxmodel.stats.classification import brier, log_loss, pr_auc, roc_auc
from cxmodel.stats.draws import draw_customer_weights
from cxmodel.stats.glm import fit_logit

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

MIN_EVENTS = 10
N_ORIGINS = 3
N_FOLDS = 5
N_DRAWS = 200
_FIRST_SHARE = 0.3  # of the rows lie in the first training period
_EDGE = 1e-6
AREAS_AND_LOSSES = ("roc_auc", "pr_auc", "brier", "log_loss")
METRICS = (*AREAS_AND_LOSSES, "calibration_slope", "calibration_intercept")


@dataclass(frozen=True)
class Splits:
    """Pairs of training and test rows, and how they were made, in words."""

    pairs: tuple[tuple[Rows, Rows], ...]
    words: str
    is_by_time: bool


def split_by_time(days: FloatArray, happened: FloatArray, window_days: float) -> Splits | None:
    """Roll an origin forward: train where outcome windows are over, test on what came later.

    Parameters
    ----------
    days : numpy.ndarray, shape (n,)
        Time of the response.
    happened : numpy.ndarray of 0/1, shape (n,)
        The outcome.
    window_days : float
        From the response to the end of its outcome window.

    Returns
    -------
    Splits or None
        None where history is too short to have 10 events and non-events on either side.
    """
    ordered = np.sort(days)
    first = max(ordered[0], ordered[int(_FIRST_SHARE * (len(ordered) - 1))]) + window_days
    later = ordered[ordered > first]
    if later.size < MIN_EVENTS:
        return None
    cuts = later[(np.arange(N_ORIGINS) * later.size) // N_ORIGINS]
    origins = np.unique(np.concatenate([[first], cuts[1:]]))
    ends = np.append(origins[1:], np.inf)
    pairs = []
    for origin, end in zip(origins, ends, strict=True):
        train = np.flatnonzero(days + window_days <= origin)
        test = np.flatnonzero((days > origin) & (days <= end))
        if test.size and _has_both(happened[train]):
            pairs.append((train, test))
    if not pairs or not _has_both(happened[np.concatenate([test for _, test in pairs])]):
        return None
    return Splits(
        tuple(pairs),
        f"by time: fitted to responses whose {window_days:g} days were over, judged on the "
        f"responses that came later ({len(pairs)} periods)",
        is_by_time=True,
    )


def split_by_customer(happened: FloatArray, customer: Rows, *, seed: int, because: str) -> Splits:
    """Split customers into folds; each fold is judged by a model fitted to the others.

    Raises
    ------
    InsufficientDataError
        If events come from too few customers to split.
    """
    from cxmodel.models.churn.classifier import stratified_folds

    pairs = tuple(
        (train, test)
        for train, test in stratified_folds(happened, customer, n_folds=N_FOLDS, seed=seed)
        if len(np.unique(happened[train])) == 2
    )
    if not pairs:
        raise InsufficientDataError(
            "Churn: too few customers left, or too few stayed, to keep some aside and judge the "
            "model by them. Bring more customers."
        )
    words = f"by customer, in {len(pairs)} folds, and not by time: {because}"
    return Splits(pairs, words, is_by_time=False)


def _has_both(happened: FloatArray) -> bool:
    n_events = int(happened.sum())
    return min(n_events, happened.size - n_events) >= MIN_EVENTS


def measure(
    happened: FloatArray,
    prob: FloatArray,
    customer: Rows,
    *,
    seed: int,
    conf_level: float,
    draws: dict[str, FloatArray] | None = None,
) -> dict[str, Estimate | NotRun]:
    """Measure predicted probabilities against what happened.

    Errors come from redrawing customers (Poisson weights, 200 times), those of the calibration
    from its own regression, clustered by customer. Intervals of the two areas are made on the
    logit scale, so they stay inside 0 to 1.

    Parameters
    ----------
    happened, prob : numpy.ndarray, shape (n,)
        0/1 and a probability.
    customer : numpy.ndarray of int, shape (n,)
        Who the row belongs to.
    seed, conf_level
        Of the draws and the intervals.
    draws : dict of numpy.ndarray, optional
        What `redraw_metrics` gave, where it was asked already.
    """
    draws = redraw_metrics(happened, prob, customer, seed=seed) if draws is None else draws
    prob = prob.clip(_EDGE, 1 - _EDGE)
    codes = np.unique(customer, return_inverse=True)[1]
    points = {
        "roc_auc": (roc_auc(happened, prob).estimate, "area under the ROC curve, 0.5 is chance"),
        "pr_auc": (pr_auc(happened, prob), "average precision; chance is the base rate"),
        "brier": (brier(happened, prob), "mean squared error of the probability"),
        "log_loss": (log_loss(happened, prob), "nats per response"),
    }
    found: dict[str, Estimate | NotRun] = {}
    for name, (point, unit) in points.items():
        error = float(np.nanstd(draws[name]))
        low, high = _interval(name, point, error, conf_level)
        found[name] = Estimate(
            estimate=point,
            std_error=error,
            conf_low=low,
            conf_high=high,
            conf_level=conf_level,
            unit=unit,
            n_obs=len(happened),
        )
    return {**found, **_calibration(happened, prob, codes, conf_level)}


def _interval(name: str, point: float, error: float, conf_level: float) -> tuple[float, float]:
    half = critical_value(conf_level) * error
    if name in ("roc_auc", "pr_auc") and 0 < point < 1:
        centre, width = np.log(point / (1 - point)), half / (point * (1 - point))
        low, high = 1 / (1 + np.exp(-np.array([centre - width, centre + width])))
        return float(low), float(high)
    return max(0.0, point - half), point + half


def _calibration(
    happened: FloatArray, prob: FloatArray, codes: Rows, conf_level: float
) -> dict[str, Estimate | NotRun]:
    """Regress outcomes on the logit of the probability: slope 1 and intercept 0 are perfect."""
    logit = np.log(prob) - np.log1p(-prob)
    names = ("calibration_slope", "calibration_intercept")
    try:
        bent = fit_logit(np.column_stack([np.ones_like(logit), logit]), happened)
    except FitError as error:
        return dict.fromkeys(names, NotRun(f"the probabilities cannot be regressed on: {error}"))
    if len(bent.dropped):
        return dict.fromkeys(names, NotRun("all predicted probabilities are equal"))
    errors = np.sqrt(np.diag(bent.covariance("HC1", clusters=codes)))
    slope, intercept = bent.coefficients[1], bent.coefficients[0]
    return {
        "calibration_slope": Estimate.from_std_error(
            slope,
            errors[1],
            unit="log-odds per predicted log-odds, 1 is perfect",
            n_obs=len(logit),
            conf_level=conf_level,
        ),
        "calibration_intercept": Estimate.from_std_error(
            intercept,
            errors[0],
            unit="log-odds, 0 is perfect",
            n_obs=len(logit),
            conf_level=conf_level,
        ),
    }


def redraw_metrics(
    happened: FloatArray, prob: FloatArray, customer: Rows, *, seed: int
) -> dict[str, FloatArray]:
    """Compute areas and losses under 200 redraws of the customers.

    Draw number d gives a customer the same weight whatever the predictions, so that two models of
    the same rows can be compared draw by draw.

    Parameters
    ----------
    happened, prob, customer, seed
        As in `measure`.
    """
    prob = prob.clip(_EDGE, 1 - _EDGE)
    codes = np.unique(customer, return_inverse=True)[1]
    order = np.argsort(prob, kind="stable")
    y, p, codes = happened[order], prob[order], codes[order]
    ends = np.flatnonzero(np.append(np.diff(p) != 0, True))
    squares = (y - p) ** 2
    nats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    n_customers = int(codes.max()) + 1
    found = {name: np.full(N_DRAWS, np.nan) for name in AREAS_AND_LOSSES}
    for draw in range(N_DRAWS):
        mass = draw_customer_weights(n_customers, draw, seed)[codes]
        total = mass.sum()
        if total == 0:
            continue
        found["brier"][draw] = mass @ squares / total
        found["log_loss"][draw] = mass @ nats / total
        found["roc_auc"][draw], found["pr_auc"][draw] = weighted_areas(mass * y, mass, ends)
    return found


def weighted_areas(event_mass: FloatArray, mass: FloatArray, ends: Rows) -> tuple[float, float]:
    """Give the areas under the ROC and the precision-recall steps of weighted rows.

    Parameters
    ----------
    event_mass, mass : numpy.ndarray, shape (n,)
        Weight of events and of all, in ascending order of the probability.
    ends : numpy.ndarray of int
        Last row of each run of equal probabilities.

    Examples
    --------
    >>> y, every = np.array([0.0, 0, 1, 1]), np.ones(4)
    >>> weighted_areas(y[[0, 2, 1, 3]], every, np.arange(4))[0]
    0.75
    """
    below_events = np.cumsum(event_mass)[ends]
    below_all = np.cumsum(mass)[ends]
    events = np.diff(below_events, prepend=0.0)
    others = np.diff(below_all, prepend=0.0) - events
    n_events, n_others = events.sum(), others.sum()
    if n_events <= 0 or n_others <= 0:
        return float("nan"), float("nan")
    others_before = np.cumsum(others) - others
    area = float(events @ (others_before + others / 2) / (n_events * n_others))
    hits = np.cumsum(events[::-1])
    taken = np.cumsum((events + others)[::-1])
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    return area, float(events[::-1] @ precision / n_events)
