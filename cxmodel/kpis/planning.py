"""How many answers a survey needs, and how far a given number reaches."""

from __future__ import annotations

import math
from statistics import NormalDist

from cxmodel.results import CONF_LEVEL, critical_value
from cxmodel.stats.intervals import POWER

NPS_VARIANCE = 0.61


def nps_variance(share_promoters: float, share_detractors: float) -> float:
    """Give the variance of one answer that counts +1, 0 or -1: p + d - (p - d)^2.

    Parameters
    ----------
    share_promoters, share_detractors : float
        Fractions that add up to at most 1.

    Raises
    ------
    ValueError
        If they are no shares.

    Examples
    --------
    >>> round(nps_variance(0.50, 0.20), 6)
    0.61
    """
    if min(share_promoters, share_detractors) < 0 or share_promoters + share_detractors > 1:
        raise ValueError(
            "Shares of promoters and detractors must be 0 or more and add up to at most 1, not "
            f"{share_promoters} and {share_detractors}."
        )
    return share_promoters + share_detractors - (share_promoters - share_detractors) ** 2


def nps_margin(
    n_answers: float, *, variance: float = NPS_VARIANCE, conf_level: float = CONF_LEVEL
) -> float:
    """Give the half width of the plain interval of an NPS, in NPS points.

    Parameters
    ----------
    n_answers : float
        Independent answers.
    variance : float
        Of one answer, see `nps_variance`; 0.61 is that of 50% promoters and 20% detractors.
    conf_level : float
        Level of the interval.

    Examples
    --------
    >>> [round(nps_margin(n), 1) for n in (30, 100, 1000)]
    [27.9, 15.3, 4.8]
    """
    _require_positive("n_answers", n_answers)
    return 100 * critical_value(conf_level) * math.sqrt(variance / n_answers)


def answers_for_nps_margin(
    margin: float, *, variance: float = NPS_VARIANCE, conf_level: float = CONF_LEVEL
) -> int:
    """Give the answers needed for an NPS with this half width.

    Parameters
    ----------
    margin : float
        In NPS points.
    variance, conf_level : float
        As in `nps_margin`.

    Examples
    --------
    >>> [answers_for_nps_margin(margin) for margin in (10, 5, 3, 2)]
    [235, 938, 2604, 5859]
    """
    _require_positive("margin", margin)
    return _whole((100 * critical_value(conf_level) / margin) ** 2 * variance)


def answers_per_wave_nps(
    before: tuple[float, float],
    after: tuple[float, float],
    *,
    conf_level: float = CONF_LEVEL,
    power: float = POWER,
) -> int:
    """Give the answers per wave that show a change of the NPS between two independent waves.

    Parameters
    ----------
    before, after : (float, float)
        Shares of promoters and of detractors, as fractions.
    conf_level, power : float
        Level of the two-sided test, and the chance that it sees the change.

    Examples
    --------
    From 20 (45% and 25%) to 30 (50% and 20%):

    >>> answers_per_wave_nps((0.45, 0.25), (0.50, 0.20))
    997
    """
    variance = nps_variance(*before) + nps_variance(*after)
    change = (after[0] - after[1]) - (before[0] - before[1])
    return _per_wave(variance, change, conf_level, power)


def answers_per_wave_nps_points(
    points: float,
    *,
    variance: float = NPS_VARIANCE,
    conf_level: float = CONF_LEVEL,
    power: float = POWER,
) -> int:
    """Give the answers per wave that show a change of so many NPS points, the variance unchanged.

    Examples
    --------
    >>> answers_per_wave_nps_points(2)
    23940
    """
    return _per_wave(2 * variance, points / 100, conf_level, power)


def answers_per_wave_share(
    share_before: float,
    share_after: float,
    *,
    conf_level: float = CONF_LEVEL,
    power: float = POWER,
) -> int:
    """Give the answers per wave that show a change of a top-box share (CSAT, CES).

    Parameters
    ----------
    share_before, share_after : float
        Fractions.
    conf_level, power : float
        As in `answers_per_wave_nps`.

    Examples
    --------
    >>> answers_per_wave_share(0.70, 0.80)
    291
    """
    for share in (share_before, share_after):
        if not 0 <= share <= 1:
            raise ValueError(f"A share must lie in [0, 1], not {share}.")
    variance = share_before * (1 - share_before) + share_after * (1 - share_after)
    return _per_wave(variance, share_after - share_before, conf_level, power)


def _per_wave(variance: float, change: float, conf_level: float, power: float) -> int:
    if change == 0:
        raise ValueError("Before and after are equal: no number of answers shows no change.")
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, not {power}.")
    reach = critical_value(conf_level) + NormalDist().inv_cdf(power)
    return _whole(reach**2 * variance / change**2)


def _whole(answers: float) -> int:
    """Round up, but not because of the last digits of a float."""
    return math.ceil(round(answers, 6))


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be above 0, not {value}.")
