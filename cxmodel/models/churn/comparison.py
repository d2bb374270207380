"""Two predictions of the same customers side by side: differences with paired intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.models.churn.evaluation import AREAS_AND_LOSSES, measure, redraw_metrics
from cxmodel.results import Estimate, NotRun

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Metrics = dict[str, Estimate | NotRun]
BETTER = {
    "roc_auc": "area under the ROC curve, above 0 is better",
    "pr_auc": "average precision, above 0 is better",
    "brier": "mean squared error of the probability, below 0 is better",
    "log_loss": "nats per response, below 0 is better",
}


@dataclass(frozen=True, eq=False)
class Judged:
    """Predictions of held-out rows, measured.

    Parameters
    ----------
    metrics : dict of Estimate
        As `measure` gives them.
    draws : dict of numpy.ndarray
        The metrics under redrawn customers; the same draw is of the same customers in all models.
    n_obs : int
        Rows.
    """

    metrics: Metrics
    draws: dict[str, FloatArray]
    n_obs: int


def judge(
    happened: FloatArray, prob: FloatArray, group: Rows, *, seed: int, conf_level: float
) -> Judged:
    """Measure predictions, keeping what the redrawn customers gave."""
    draws = redraw_metrics(happened, prob, group, seed=seed)
    metrics = measure(happened, prob, group, seed=seed, conf_level=conf_level, draws=draws)
    return Judged(metrics, draws, len(happened))


def compare(first: Judged, second: Judged, *, conf_level: float) -> Metrics:
    """Subtract the metrics of the second predictions from those of the first.

    The error is the spread of the difference over customers that are redrawn for both at once
    (200 Poisson draws), so what the two share cancels. The models are not fitted anew: it is the
    difference between these two models, on other customers of the same kind.

    Parameters
    ----------
    first, second : Judged
        Predictions of the same rows, in the same order.
    conf_level : float
        Of the intervals.
    """
    found: Metrics = {}
    for name in AREAS_AND_LOSSES:
        values = [judged.metrics[name] for judged in (first, second)]
        known = [value.estimate for value in values if isinstance(value, Estimate)]
        if len(known) < 2:
            found[name] = NotRun("one of the two was not measured")
            continue
        found[name] = Estimate.from_std_error(
            known[0] - known[1],
            float(np.nanstd(first.draws[name] - second.draws[name])),
            unit=BETTER[name],
            n_obs=first.n_obs,
            conf_level=conf_level,
        )
    return found
