"""Whether customers of every kind gave low and high ratings, so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cxmodel.errors import ConvergenceError
from cxmodel.models.checks.base import Check, Verdict
from cxmodel.models.controls import Control, spoken
from cxmodel.models.estimation import Sample
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.some_customers import rows_of_some
from cxmodel.models.telling_controls import NEARLY
from cxmodel.scales import Scale
from cxmodel.stats.firth import fit_firth_logit

HARDLY = 0.02
WARN_ABOVE, FAIL_ABOVE = 0.1, 0.3
# A group is named when at least this share of it is without one end of the scale.
MOSTLY = 0.5
# Tenths: where the tails of a number are cut.
N_PARTS = 10
# Responses from which the logits are learnt at most; the share is that of all.
MOST_ROWS = 5_000
# Of a probability beside 2%, and of log-odds.
CLOSE_ENOUGH, STILL = 1e-5, 1e-8
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ends:
    """Who hardly ever gives a rating in the lowest or in the highest band, given the controls.

    Parameters
    ----------
    bands : (str, str)
        The lowest and the highest band.
    lacks : (array of bool (n,), array of bool (n,))
        Rows whose probability of the band is under 2%.
    """

    bands: tuple[str, str]
    lacks: tuple[Bools, Bools]

    @property
    def either(self) -> Bools:
        """Rows that lack one of the ends."""
        return self.lacks[0] | self.lacks[1]


def check_overlap(fit: LiftFit) -> Check:
    """Ask for which share of the base one end of the scale hardly occurs, given the controls.

    The statistic is the share of the base whose probability of the lowest or of the highest band,
    given the controls, is under 2%. *warn* above 10%, *fail* above 30% or when the controls
    explain over 95% of the rating (methods 5).

    Each end has a logit of its own rather than both one multinomial: an end's logit does not
    lean on how the middle is told from the other end, needs no independence of irrelevant
    alternatives, and on a scale of two bands it is the same thing. Beyond 5,000 responses the
    logits are learnt from those of a random part of the customers and applied to all.
    """
    scale = fit.obs.scale
    if scale is None:
        return Check.not_run("overlap", fit.outcome, "The rating has no scale, so no bands.")
    told = explained(fit.sample)
    try:
        ends = lacking_ends(fit.sample, scale, fit.settings.seed)
    except ConvergenceError as error:
        return Check.not_run("overlap", fit.outcome, f"{error} Fewer controls would make it run.")
    share = float(fit.sample.share @ ends.either)
    verdict: Verdict = "pass"
    if share > FAIL_ABOVE or told > NEARLY:
        verdict = "fail"
    elif share > WARN_ABOVE:
        verdict = "warn"
    return Check(
        name="overlap",
        outcome=fit.outcome,
        verdict=verdict,
        statistic=share,
        text=_text(fit, ends, share, told),
    )


def explained(sample: Sample) -> float:
    """Give the share of the rating's variance that a line in the controls explains."""
    around = sample.rating - sample.share @ sample.rating
    left = float(sample.share @ sample.rating_on_controls.residuals**2)
    return 1 - left / float(sample.share @ around**2)


def lacking_ends(sample: Sample, scale: Scale, seed: int) -> Ends:
    """Find the rows whose probability of the lowest or highest band is under 2%."""
    part = rows_of_some(sample, MOST_ROWS, seed)
    low, high = scale.bands[0], scale.bands[-1]
    ratings = np.unique(sample.rating)

    def probability(band: str) -> Floats:
        inside = [r for r in ratings if scale.band(r) == band]
        return band_probability(sample, np.isin(sample.rating, inside), part)

    of_low = probability(low)
    # on a scale of two bands the one is what the other leaves
    of_high = 1 - of_low if len(scale.bands) == 2 else probability(high)
    return Ends((low, high), (of_low < HARDLY, of_high < HARDLY))


def band_probability(sample: Sample, is_inside: Bools, part: Bools) -> Floats:
    """Give each row's probability of a band by a logit in the controls that is always finite.

    Firth's (1993) penalty, as Heinze & Schemper (2002) propose against separation: a level of m
    rows in which nobody gave the band has a probability of about 1 / (2 m + 2) instead of none, so
    few rows are not taken for proof. The constant is then set so that the mean probability is the
    band's share, as Puhr et al. (2017) do.

    Parameters
    ----------
    is_inside : array of bool (n,)
        Whether the rating lies in the band.
    part : array of bool (n,)
        The rows to learn from.

    Returns
    -------
    array (n,)
        The share throughout where nobody or everybody of the part is in the band.
    """
    share = float(sample.share @ is_inside)
    learnt = is_inside[part]
    if learnt.all() or not learnt.any():
        return np.full(sample.n_obs, share)
    design = np.hstack([np.ones((sample.n_obs, 1)), sample.controls])
    fit = fit_firth_logit(
        design[part],
        learnt.astype(float),
        sample.share[part] * (len(learnt) / sample.share[part].sum()),
        tolerance=CLOSE_ENOUGH,
    )
    return _at_share(design @ fit.coefficients, sample.share, share)


def _at_share(predictor: Floats, share: Floats, target: float) -> Floats:
    """Move all log-odds alike until the mean probability is the target (Newton's method)."""
    moved = 0.0
    for _ in range(50):
        probability = expit(predictor + moved)
        steepness = float(share @ (probability * (1 - probability)))
        if steepness == 0:
            break
        step = (target - float(share @ probability)) / steepness
        moved += min(max(step, -1.0), 1.0)
        if abs(step) < STILL:
            break
    return np.asarray(expit(predictor + moved))


def _text(fit: LiftFit, ends: Ends, share: float, told: float) -> str:
    """Say how much of the base cannot be compared, and name the group."""
    low, high = (band.replace("_", " ") for band in ends.bands)
    said = (
        f"Given the controls, {share:.1%} of the base have under {HARDLY:.0%} chance of the lowest "
        f"band ({low}) or of the highest ({high})."
    )
    if share == 0:
        said = (
            f"Customers of every kind have at least {HARDLY:.0%} chance of the lowest band "
            f"({low}) and of the highest ({high}), so that low and high ratings can be compared."
        )
    elif group := _largest_group(fit, ends):
        said += f" {group}"
    elif share > WARN_ABOVE:
        said += " They are no one group by a single control."
    if told > NEARLY:
        said += (
            f" The controls tell {told:.1%} of the rating, so hardly any two customers who are "
            "alike gave other ratings."
        )
    return said


def _largest_group(fit: LiftFit, ends: Ends) -> str:
    """Name the group that holds most of those without one end; "" where there is none to name."""
    least = fit.obs.min_group_size
    lacks, best, found = ends.either, 0, ""
    if lacks.sum() < least:
        return ""
    for name, members in _groups(fit):
        n_lacking = int(lacks[members].sum())
        if n_lacking <= best or n_lacking < MOSTLY * members.sum():
            continue
        if np.unique(fit.sample.customers[members]).size < least:
            continue
        best = n_lacking
        counts = [int(lacking[members].sum()) for lacking in ends.lacks]
        band = ends.bands[int(np.argmax(counts))].replace("_", " ")
        found = (
            f"Nothing can be said of customers with {name}: in {n_lacking / members.sum():.0%} of "
            f"their responses one end of the scale hardly occurs (mostly {band})."
        )
    return found


def _groups(fit: LiftFit) -> list[tuple[str, Bools]]:
    """List the groups that a single control makes: levels, and the tails of a number."""
    groups, start = [], 0
    first = fit.obs.frame.iloc[fit.rows[:1]]
    for control in fit.plan.controls:
        columns = fit.sample.controls[:, start : start + len(control.column_names)]
        start += columns.shape[1]
        if control.kind == "number":
            # the columns are centred: the first row tells by how much
            mean = float(control.columns(first)[0, 0] - columns[0, 0])
            groups += _tails(control, columns[:, 0], mean)
        else:
            # centred, a level's column is above zero in its rows alone
            groups += _levels(control, columns > 0)
    return groups


def _levels(control: Control, is_level: Bools) -> list[tuple[str, Bools]]:
    said = spoken(control.name)
    found = [(f"{said} {level}", is_level[:, i]) for i, level in enumerate(control.levels)]
    if not control.pooled:
        is_reference = np.asarray(~is_level.any(axis=1))
        found.append((f"{said} {control.reference}", is_reference))
    return found


def _tails(control: Control, numbers: Floats, mean: float) -> list[tuple[str, Bools]]:
    """Cut the tails of a number at its tenths, up to half of the responses each."""
    said = spoken(control.name)
    cuts = np.quantile(numbers, np.arange(1, N_PARTS) / N_PARTS)
    middle = N_PARTS // 2
    low = [(f"{said} up to {_short(cut + mean)}", numbers <= cut) for cut in cuts[:middle]]
    high = [(f"{said} over {_short(cut + mean)}", numbers > cut) for cut in cuts[middle - 1 :]]
    return [*low, *high]


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
