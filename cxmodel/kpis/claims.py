"""What a published claim says once points, percent and ratios are told apart.

"Each +5 of CSAT predicts +2% renewal" has two readings, and "50% more often" is a ratio. These
functions spell the readings out; none of them makes an association a cause.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Two shares compared in three ways.

    Parameters
    ----------
    difference_points : float
        Percentage points.
    relative_risk, odds_ratio : float
        Ratios.
    """

    difference_points: float
    relative_risk: float
    odds_ratio: float


def compare_shares(share: float, reference: float) -> Contrast:
    """Compare two shares as percentage points, relative risk and odds ratio.

    Parameters
    ----------
    share, reference : float
        Fractions strictly between 0 and 1.

    Raises
    ------
    ValueError
        If a share is not strictly between 0 and 1.

    Examples
    --------
    >>> contrast = compare_shares(0.74, 0.43)
    >>> [round(x, 4) for x in (contrast.difference_points, contrast.relative_risk)]
    [31.0, 1.7209]
    """
    for value in (share, reference):
        if not 0 < value < 1:
            raise ValueError(f"A share must lie strictly between 0 and 1, not {value}.")
    odds, reference_odds = share / (1 - share), reference / (1 - reference)
    return Contrast(
        difference_points=100 * (share - reference),
        relative_risk=share / reference,
        odds_ratio=odds / reference_odds,
    )


def ratio_of_percent_more(percent_more: float) -> float:
    """Turn "so many percent more" into a ratio: 140% more is 2.4 times as much.

    Examples
    --------
    >>> ratio_of_percent_more(50), ratio_of_percent_more(140)
    (1.5, 2.4)
    """
    return 1 + percent_more / 100


@dataclass(frozen=True, kw_only=True)
class RenewalReadings:
    """What "each step of a KPI brings so many percent of renewal" gives, read in three ways.

    Parameters
    ----------
    points : float
        Percentage points of renewal, if percent means points.
    relative_added_points : float
        Percentage points, if percent is relative to the base and steps add up.
    relative_compounded_percent : float
        Percent relative to the base, if steps compound.
    """

    points: float
    relative_added_points: float
    relative_compounded_percent: float

    def compounded_points(self, base_percent: float) -> float:
        """Percentage points that the compounded reading means at a base rate in percent."""
        return base_percent * self.relative_compounded_percent / 100


def renewal_readings(
    kpi_points: float, *, step_points: float, percent_per_step: float, base_percent: float
) -> RenewalReadings:
    """Spell out the readings of "each +5 of CSAT predicts +2% renewal".

    Parameters
    ----------
    kpi_points : float
        KPI points gained.
    step_points, percent_per_step : float
        The claim: so many percent for each step of so many KPI points.
    base_percent : float
        Renewal today, in percent.

    Examples
    --------
    >>> readings = renewal_readings(15, step_points=5, percent_per_step=2, base_percent=70)
    >>> readings.points, round(readings.relative_added_points, 4)
    (6.0, 4.2)
    >>> round(readings.relative_compounded_percent, 4)
    6.1208
    """
    if step_points == 0:
        raise ValueError("step_points must not be 0.")
    steps = kpi_points / step_points
    return RenewalReadings(
        points=steps * percent_per_step,
        relative_added_points=steps * percent_per_step * base_percent / 100,
        relative_compounded_percent=100 * ((1 + percent_per_step / 100) ** steps - 1),
    )


def implied_base(gain: float, *, renewal_points: float) -> float:
    """Give customers x value per renewal behind a gain in money from so many points of renewal.

    Examples
    --------
    >>> round(implied_base(3_200_000, renewal_points=6) / 1e6, 2)
    53.33
    """
    if renewal_points == 0:
        raise ValueError("renewal_points must not be 0.")
    return gain / (renewal_points / 100)


def constant_retention_years(annual_retention: float) -> float:
    """Give the mean years that customers stay if each year keeps the same share: 1 / (1 - r).

    Examples
    --------
    >>> round(constant_retention_years(0.74), 2), round(constant_retention_years(0.43), 2)
    (3.85, 1.75)
    """
    if not 0 <= annual_retention < 1:
        raise ValueError(f"annual_retention must lie in [0, 1), not {annual_retention}.")
    return 1 / (1 - annual_retention)


def retention_for_years(years: float) -> float:
    """Give the constant yearly retention at which customers stay so many years on average.

    Examples
    --------
    >>> round(retention_for_years(6), 4)
    0.8333
    """
    if years < 1:
        raise ValueError(f"years must be 1 or more, not {years}.")
    return 1 - 1 / years
