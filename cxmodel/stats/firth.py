"""A logit that has finite coefficients whatever the data: Firth's penalised likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.special import expit, log_expit

from cxmodel.errors import ConvergenceError
from cxmodel.stats.linear import checked_arrays, gram, independent_basis, upper_cholesky

Floats = NDArray[np.float64]
MAX_ITERATIONS, MAX_HALVINGS = 100, 20
# Moves of a probability, and steps, after which the plain likelihood has done its part.
NEAR, NEAR_STEPS = 0.02, 40
# The log-odds of no row move by more than this and their largest size in one step: far off the
# likelihood is no parabola.
LONGEST_STEP = 5.0
# Of the likelihood, against its size.
ROUNDING = 1e-12
# What a step promises to gain, against the size of the likelihood, where it counts as the last.
NOTHING_TO_GAIN = 1e-4


@dataclass(frozen=True, eq=False)
class FirthFit:
    """A penalised logit.

    Parameters
    ----------
    coefficients : array (k,)
        In the order of the design's columns; 0 for one that repeats columns before it.
    linear_predictor : array (n,)
        Log-odds of each row.
    """

    coefficients: Floats
    linear_predictor: Floats


@dataclass(frozen=True, eq=False)
class _Point:
    """The penalised likelihood at one set of coefficients, and what a step from there needs."""

    position: Floats
    eta: Floats
    curvature: Floats
    triangle: Floats
    value: float
    newton: Floats | None = None
    factor: float = 1.0
    is_reached: bool = False


def fit_firth_logit(
    design: Floats, outcome: Floats, weights: Floats | None = None, *, tolerance: float = 1e-10
) -> FirthFit:
    """Fit log-odds by the likelihood times the root of the information's determinant.

    Where a column, or several together, tell the outcomes apart without error a plain logit has
    no finite coefficient; this one has (Heinze & Schemper 2002). In a saturated table it adds half
    a count to every cell. The constant is shrunk too: for probabilities move it afterwards.

    Parameters
    ----------
    design : array (n, k)
        With the constant among the columns.
    outcome : array (n,)
        Between 0 and 1.
    weights : array (n,), optional
        Positive; they count as rows do.
    tolerance : float
        Largest move of a row's probability in the last step.

    References
    ----------
    Firth, D. (1993). Bias reduction of maximum likelihood estimates. Biometrika 80(1), 27-38.
    Heinze, G. and Schemper, M. (2002). A solution to the problem of separation in logistic
    regression. Statistics in Medicine 21(16), 2409-2419.

    Raises
    ------
    ConvergenceError
        If no maximum is found.
    ValueError
        If the arrays do not fit.

    Examples
    --------
    Nobody of 4 on one side, 3 of 4 on the other: odds of (0 + 1/2) / (4 + 1/2) and 3.5 / 1.5.

    >>> design = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    >>> fit = fit_firth_logit(design, np.array([0, 0, 0, 0, 1, 1, 1, 0.0]))
    >>> np.exp(fit.linear_predictor[[0, 4]]).round(4).tolist()
    [0.1111, 2.3333]
    """
    design, outcome, weights = checked_arrays(design, outcome, weights)
    basis = independent_basis(design, weights)
    columns = basis.columns
    mean = float(np.average(outcome, weights=weights))
    level = np.log((mean + 1e-3) / (1 - mean + 1e-3))
    products = upper_cholesky(gram(columns, weights))
    start = cho_solve((products, False), columns.T @ (weights * level))
    problem = _Problem(columns, outcome, weights)
    # far rows make the penalised likelihood hilly, the plain one has no hills: go up that first
    near = _top(problem, start, penalty=0.0, tolerance=max(tolerance, NEAR), at_most=NEAR_STEPS)
    top = _top(problem, near.position, penalty=1.0, tolerance=tolerance, at_most=MAX_ITERATIONS)
    if not top.is_reached:
        raise ConvergenceError(f"The penalised logit found no maximum in {MAX_ITERATIONS} steps.")
    return FirthFit(np.asarray(basis.back @ top.position), top.eta)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is to be climbed."""

    columns: Floats
    outcome: Floats
    weights: Floats

    def at(self, position: Floats, penalty: float) -> _Point:
        """Evaluate the likelihood, with or without its penalty."""
        eta = self.columns @ position
        chance = expit(eta)
        curvature = self.weights * chance * (1 - chance)
        try:
            triangle = upper_cholesky(gram(self.columns, curvature))
        except np.linalg.LinAlgError:
            # no information is left: as far from the maximum as can be
            return _Point(position, eta, curvature, np.zeros((0, 0)), -np.inf)
        fits = self.outcome * log_expit(eta) + (1 - self.outcome) * log_expit(-eta)
        value = float(self.weights @ fits) + penalty * float(np.sum(np.log(np.diag(triangle))))
        return _Point(position, eta, curvature, triangle, value)


def _top(
    problem: _Problem, start: Floats, *, penalty: float, tolerance: float, at_most: int
) -> _Point:
    """Climb until no row's probability moves, or the likelihood is flat."""
    here, last = problem.at(start, penalty), np.inf
    for _ in range(at_most):
        there = _climb(problem, here, penalty)
        moved = float(np.abs(expit(there.eta) - expit(here.eta)).max(initial=0.0))
        # under separation rounding can move a row on the edge for ever although nothing is gained
        is_flat = there.value - here.value <= ROUNDING * (abs(here.value) + 1)
        here = there
        if moved < tolerance or (is_flat and last / 2 < moved < NEAR):
            return replace(here, is_reached=True)
        last = moved
    return here


def _climb(problem: _Problem, here: _Point, penalty: float) -> _Point:
    """Take a Newton step on the (modified) score, halved until the likelihood rises."""
    columns = problem.columns
    inverse = cho_solve((here.triangle, False), np.eye(columns.shape[1]))
    chance = expit(here.eta)
    scores = problem.weights * (problem.outcome - chance)
    if penalty:
        leverage = here.curvature * np.einsum("ij,ij->i", columns @ inverse, columns)
        scores = scores + penalty * leverage * (0.5 - chance)
    score = columns.T @ scores
    step = inverse @ score
    promised = float(score @ step)
    longest = float(np.abs(columns @ step).max(initial=0.0))
    allowed = LONGEST_STEP + float(np.abs(here.eta).max(initial=0.0))
    factor = _damped(here, step)
    factor = min(factor, allowed / longest) if longest > 0 else factor
    slack = ROUNDING * (abs(here.value) + 1)
    for _ in range(MAX_HALVINGS):
        there = problem.at(here.position + factor * step, penalty)
        if there.value >= here.value - slack:
            return replace(there, newton=step, factor=factor)
        factor = factor / 2
    if penalty and promised > NOTHING_TO_GAIN * (abs(here.value) + 1):
        raise ConvergenceError("The penalised logit found no way up before its maximum.")
    return here


def _damped(here: _Point, step: Floats) -> float:
    """Choose how much of a step to take from how the last one fell out.

    The penalty bends the likelihood more than the step allows for, under separation about twice as
    much, so that full steps leap to and fro over the maximum. If a share f of the last step left
    the share r of it still to go, the share f / (1 - r) would have left nothing.
    """
    if here.newton is None or not (size := float(here.newton @ here.newton)):
        return 1.0
    still_to_go = float(step @ here.newton) / size
    return min(max(here.factor / max(1 - still_to_go, 0.25), 0.25), 1.0)
