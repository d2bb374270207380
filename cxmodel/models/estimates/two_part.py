"""Any revenue times how much, and what is paid back: the slope in parts, in money (methods 2.7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import ConvergenceError, InsufficientDataError, SeparationError
from cxmodel.models.estimation import Quantity, Sample, slope_design
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.requirements import MIN_ROWS_PER_PARAMETER
from cxmodel.results import NotRun
from cxmodel.stats.glm import fit_gamma, fit_logit
from cxmodel.stats.linear import fit_least_squares

Floats = NDArray[np.float64]

MOST_BEYOND = 0.1
"""Share of the money foretold that may lie above the largest amount that anybody paid."""
_OVERFLOW = 50.0  # in logarithms above the largest amount: far beyond it, and still a number
_BEYOND = (
    "more was foretold than anybody paid: amounts grow by a percentage with what was known before, "
    "and few customers are far from all others"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class InParts(Quantity):
    """The recomposed slope, and what stands for the amounts below zero.

    Parameters
    ----------
    n_negative : int
        Responses followed by more refunds than bookings.
    is_third_linear : bool
        These are too few, or of too few kinds of customers, for parts of their own: a line.
    is_by_logarithm : bool
        Controls that are numbers count by their logarithm, or far more would have been foretold
        than anybody paid.
    """

    n_negative: int
    is_third_linear: bool
    is_by_logarithm: bool

    @property
    def sentences(self) -> list[str]:
        """Name the third part, where there is one, and logarithms."""
        said = []
        if self.is_by_logarithm:
            said.append(
                "two_part_per_rating_point takes controls that are numbers by their logarithm: by "
                f"themselves {_BEYOND}."
            )
        if self.n_negative:
            said.append(self._third_part)
        return said

    @property
    def _third_part(self) -> str:
        how = (
            "too few for parts of their own, or of too few kinds of customers: a line"
            if self.is_third_linear
            else "a logit for whether, and a gamma for how much"
        )
        return (
            f"two_part_per_rating_point has a third part, net refunds: {self.n_negative:,} "
            f"responses are followed by more refunds than bookings ({how})."
        )


def two_part(fit: LiftFit) -> InParts | NotRun:
    """Give the slope from any revenue (logit) times how much (gamma), in money (methods 2.7).

    Net negative amounts are a third part, net refunds: whether there are any times how much, taken
    off. With fewer than 10 of them a parameter they are a line: the mean of ``min(y, 0)``. All
    parts hold for the whole base, so their slopes add up.

    Where a tenth of the money foretold lies above the largest amount that anybody paid, numbers
    among the controls count by their logarithm: a gamma part with a log link multiplies, and one
    customer with much revenue before would decide the mean.
    """
    if fit.outcome == "retention":
        return NotRun("staying is yes or no, so there is no amount for a second part")
    sample = fit.sample
    is_positive = sample.outcome > 0
    if is_positive.all():
        return NotRun("every response is followed by revenue, so there is no first part")
    design = slope_design(sample, interacted=False)
    least = MIN_ROWS_PER_PARAMETER * design.shape[1]
    if is_positive.sum() < least:
        return NotRun("too few responses are followed by revenue for the second part")
    n_negative = int((sample.outcome < 0).sum())
    try:
        found, is_by_logarithm = _within_reach(sample, design, np.maximum(sample.outcome, 0.0))
    except SeparationError:
        return NotRun("the controls tell without error whether there is any revenue")
    except (ConvergenceError, InsufficientDataError) as error:
        return NotRun(str(error))
    is_third_linear = False
    if n_negative:
        refunds, is_third_linear = _refunds(sample, design, n_negative >= least)
        found = found.plus(refunds)
    value = float(sample.share @ found.slopes)
    rows = sample.share * (found.slopes - value) + found.influence
    whole = sample.quantity(value, rows, found.n_params)
    return InParts(
        whole.value, whole.influence, whole.n_obs,
        n_negative=n_negative, is_third_linear=is_third_linear, is_by_logarithm=is_by_logarithm,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Part:
    """Each row's slope of a part of the money, and the influence of what was estimated for it."""

    slopes: Floats
    influence: Floats
    n_params: int
    share_beyond: float = 0.0

    def plus(self, other: _Part) -> _Part:
        return _Part(
            self.slopes + other.slopes,
            self.influence + other.influence,
            self.n_params + other.n_params,
        )

    def negated(self) -> _Part:
        return _Part(-self.slopes, -self.influence, self.n_params)


def _within_reach(sample: Sample, design: Floats, amounts: Floats) -> tuple[_Part, bool]:
    """Give the part of amounts, and whether it took logarithms to stay near what was paid.

    Raises
    ------
    InsufficientDataError
        If logarithms do not help.
    """
    for is_by_logarithm in (False, True):
        used = _by_logarithm(design) if is_by_logarithm else design
        found = _hurdle(sample, used, amounts)
        if found.share_beyond <= MOST_BEYOND:
            return found, is_by_logarithm
    raise InsufficientDataError(f"{_BEYOND}, by their logarithms too")


def _by_logarithm(design: Floats) -> Floats:
    """Take the logarithm of controls of more than two values, each from its smallest value on."""
    found = design.copy()
    for column in range(2, design.shape[1]):
        from_least = design[:, column] - design[:, column].min()
        if len(np.unique(from_least)) > 2:
            found[:, column] = np.log1p(from_least / from_least.mean())
    return found


def _hurdle(sample: Sample, design: Floats, amounts: Floats) -> _Part:
    """Give d(p m)/d(rating) = p(1-p) a m + p m b of amounts that are zero or positive."""
    is_positive = amounts > 0
    weights = sample.share * sample.n_obs
    whether = fit_logit(design, is_positive.astype(float), weights)
    how_much = fit_gamma(design[is_positive], amounts[is_positive], weights[is_positive])
    most = np.log(amounts.max()) + _OVERFLOW
    p, m = whether.fitted, np.exp(np.minimum(design @ how_much.coefficients, most))
    a, b = whether.coefficients[1], how_much.coefficients[1]
    q = p * (1 - p)
    slopes = q * a * m + p * m * b
    to_logit = design.T @ (sample.share * (q * (1 - 2 * p) * a * m + q * m * b))
    to_logit[1] += sample.share @ (q * m)
    to_gamma = design.T @ (sample.share * slopes)
    to_gamma[1] += sample.share @ (p * m)
    influence = whether.influence(to_logit)
    influence[is_positive] += how_much.influence(to_gamma)
    foretold = sample.share * p
    beyond = foretold @ np.maximum(m - amounts.max(), 0.0) / (foretold @ m)
    return _Part(slopes, influence, whether.n_params + how_much.n_params, float(beyond))


def _refunds(sample: Sample, design: Floats, is_enough: bool) -> tuple[_Part, bool]:
    """Give the part of net refunds, as money taken off, and whether it is a line."""
    refunds = np.maximum(-sample.outcome, 0.0)
    if not is_enough:
        return _line(sample, design, -refunds), True
    try:
        found, _ = _within_reach(sample, design, refunds)
        return found.negated(), False
    except (SeparationError, ConvergenceError, InsufficientDataError):
        # some kind of customer never has a refund: a line can say so, a logit cannot
        return _line(sample, design, -refunds), True


def _line(sample: Sample, design: Floats, amounts: Floats) -> _Part:
    fit = fit_least_squares(design, amounts, sample.share * sample.n_obs)
    gradient = np.zeros(design.shape[1])
    gradient[1] = 1.0
    slopes = np.full(sample.n_obs, fit.coefficients[1])
    return _Part(slopes, fit.influence(gradient), fit.n_params)
