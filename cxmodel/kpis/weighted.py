"""KPIs weighted for those who did not answer, beside the plain ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.kpis.groups import MISSING_GROUP, group_label
from cxmodel.kpis.periods import period_label
from cxmodel.kpis.survey import as_percent
from cxmodel.stats.intervals import Interval, adjusted_wald_nps, effective_n, wilson

if TYPE_CHECKING:
    import pandas as pd

    from cxmodel.kpis.groups import Period
    from cxmodel.scales import Scale

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class WeightedAnswers:
    """Answers to one question with their weights.

    Parameters
    ----------
    frame : pandas.DataFrame
        Observations: ``responded_at`` and the columns that KPIs are cut by.
    rating : array (n,)
        NaN where this question was not answered.
    weight : array (n,)
        For non-response.
    customer : array (n,)
        Who answered.
    scale : Scale
        Of the rating.
    time_zone : str
        Whose days are meant.
    """

    frame: pd.DataFrame
    rating: Floats
    weight: Floats
    customer: npt.NDArray[Any]
    scale: Scale
    time_zone: str = "UTC"

    def rows_of(self, group: Mapping[str, Any], period: str | None, length: Period) -> Bools:
        """Say which answers belong to a row of KPIs.

        Parameters
        ----------
        group : mapping
            ``{}`` or ``{column: value}``, as a row has it.
        period : str, optional
            As a row has it, for instance ``"2026-Q1"``.
        length : {"year", "quarter", "month", "week"}
            What a period is.
        """
        chosen = np.isfinite(self.rating)
        for column, value in group.items():
            labels = self.frame[column].map(group_label, na_action=None).fillna(MISSING_GROUP)
            chosen = chosen & (labels == value).to_numpy(dtype=bool)
        if period is not None:
            chosen = chosen & (self._periods(length) == period)
        return chosen

    def _periods(self, length: Period) -> npt.NDArray[Any]:
        import pandas as pd

        times = pd.DatetimeIndex(self.frame["responded_at"]).tz_localize("UTC")
        days = times.tz_convert(self.time_zone).tz_localize(None).normalize()
        codes, known = pd.factorize(days)
        # a period is named alike by each of its days
        names = np.array([period_label(day.date(), length) for day in known], dtype=object)
        return names[codes]


def weighted_kpi(
    answers: WeightedAnswers, rows: Bools, *, conf_level: float, weight: Floats | None = None
) -> tuple[Interval, float]:
    """Measure a KPI with weighted answers.

    The interval is the adjusted Wald for the NPS and Wilson's for a top box, on the effective n:
    Kish for the weights, over the design effect of repeats (methods 3). The weights are taken as
    known.

    Parameters
    ----------
    answers : WeightedAnswers
        All of them.
    rows : array of bool (n,)
        Which count.
    conf_level : float
        Level of the interval.
    weight : array (n,), optional
        In place of the answers' own.

    Returns
    -------
    Interval
        On -100 to 100, or 0 to 100.
    n_effective : float

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.scales import NPS
    >>> answers = WeightedAnswers(
    ...     frame=pd.DataFrame(index=range(4)), rating=np.array([10.0, 10.0, 10.0, 0.0]),
    ...     weight=np.array([1.0, 1.0, 1.0, 3.0]), customer=np.arange(4), scale=NPS,
    ... )
    >>> figure, n = weighted_kpi(answers, np.ones(4, dtype=bool), conf_level=0.95)
    >>> figure.estimate, n
    (0.0, 3.0)
    """
    scale, rating = answers.scale, answers.rating[rows]
    weights = (answers.weight if weight is None else weight)[rows]
    score = scores(rating, scale)
    n_effective = effective_n(score, weights=weights, clusters=answers.customer[rows])
    if scale.statistic == "nps":
        sums = [float(weights[score == value].sum()) for value in (1, 0, -1)]
        figure = adjusted_wald_nps(*sums, conf_level=conf_level, n_effective=n_effective)
    else:
        total = float(weights.sum())
        count = min(total, float(weights @ score))
        figure = as_percent(wilson(count, total, conf_level=conf_level, n_effective=n_effective))
    return figure, n_effective


def scores(rating: Floats, scale: Scale) -> Floats:
    """Give the headline's score of answers: 1, 0 and -1 for the NPS, 1 and 0 for a top box.

    Examples
    --------
    >>> from cxmodel.scales import NPS
    >>> scores(np.array([10.0, 7.0, 6.0]), NPS)
    array([ 1.,  0., -1.])
    """
    if scale.statistic == "nps":
        return np.where(rating >= 9, 1.0, np.where(rating >= 7, 0.0, -1.0))
    top = scale.high if scale.top_box is None else scale.top_box
    is_good = rating >= top if scale.higher_is_better else rating <= top
    return np.where(is_good, 1.0, 0.0)


def tilted_kpis(
    answers: WeightedAnswers, inverse_prob: Floats, tilts: Sequence[float], *, conf_level: float
) -> list[dict[str, float]]:
    """Measure a KPI over everything had answering depended on the rating itself (methods 4).

    Parameters
    ----------
    answers : WeightedAnswers
        All of them.
    inverse_prob : array (n,)
        One over the probability of answering; NaN where it is not known.
    tilts : sequence of float
        Changes of the log-odds of answering per rating point.
    conf_level : float
        Level of the intervals, which take the tilt as given.

    Returns
    -------
    list of dict
        ``{tilt, estimate, conf_low, conf_high}``.
    """
    from cxmodel.stats.weights import tilted_weights

    rows = np.isfinite(answers.rating) & np.isfinite(inverse_prob)
    found = []
    for tilt in tilts:
        weight = np.ones(len(rows))
        weight[rows] = tilted_weights(inverse_prob[rows], answers.rating[rows], tilt)
        figure, _ = weighted_kpi(answers, rows, conf_level=conf_level, weight=weight)
        found.append(
            {
                "tilt": float(tilt),
                "estimate": figure.estimate,
                "conf_low": figure.conf_low,
                "conf_high": figure.conf_high,
            }
        )
    return found
