"""Logit, complementary log-log, Poisson and gamma regressions on arrays, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import expit, gammaln, log_expit

from cxmodel.errors import ConvergenceError, FitError, SeparationError
from cxmodel.stats.linear import (
    Basis,
    Floats,
    Ints,
    checked_arrays,
    gram,
    independent_basis,
    influence_of,
    leverage_of,
    upper_cholesky,
)
from cxmodel.stats.sandwich import RobustKind, covariance_of

FamilyName = Literal["logit", "cloglog", "poisson", "gamma"]
BINARY = ("logit", "cloglog")
MAX_ITERATIONS = 60
# Under separation each Newton step moves the separated rows by about one unit for ever;
# with a maximum the steps shrink quadratically and are long below this.
SEPARATED_STEP, SEPARATED_AFTER = 0.5, 25


@dataclass(frozen=True)
class Family:
    """What distinguishes one regression from another, as functions of the linear predictor."""

    name: FamilyName
    mean: Callable[[Floats], Floats]
    mean_slope: Callable[[Floats], Floats]
    # score and minus the second derivative of a row's log-likelihood in the linear predictor
    score: Callable[[Floats, Floats], Floats]
    observed: Callable[[Floats, Floats], Floats]
    log_likelihood: Callable[[Floats, Floats], Floats]


def _logistic_slope(eta: Floats) -> Floats:
    return np.asarray(expit(eta) * expit(-eta))


LOGIT = Family(
    "logit",
    mean=expit,
    mean_slope=_logistic_slope,
    score=lambda y, eta: y * expit(-eta) - (1 - y) * expit(eta),
    observed=lambda _y, eta: _logistic_slope(eta),
    log_likelihood=lambda y, eta: y * log_expit(eta) + (1 - y) * log_expit(-eta),
)


def _rate(eta: Floats) -> Floats:
    """e^eta, as far as anybody could stay."""
    return np.asarray(np.exp(np.minimum(eta, 6.5)))


def _hazard(eta: Floats) -> Floats:
    return np.asarray(-np.expm1(-np.exp(np.minimum(eta, 30.0))))


def _log_hazard_slope(eta: Floats) -> Floats:
    """How fast ln h moves: r / (e^r - 1) with r = e^eta, 1 where r is nothing."""
    rate = _rate(eta)
    return np.asarray(np.where(rate > 0, rate / np.expm1(np.maximum(rate, 1e-300)), 1.0))


def _log_hazard_bend(eta: Floats) -> Floats:
    """Minus the second derivative of ln h; r / 2 where r is small."""
    rate = _rate(eta)
    excess = np.maximum(rate, 1e-300) / _hazard(eta).clip(1e-300) - 1
    return np.asarray(_log_hazard_slope(eta) * np.where(rate < 1e-8, rate / 2, excess))


CLOGLOG = Family(
    "cloglog",
    mean=_hazard,
    mean_slope=lambda eta: np.exp(eta - np.exp(eta)),
    score=lambda y, eta: y * _log_hazard_slope(eta) - (1 - y) * np.exp(eta),
    observed=lambda y, eta: y * _log_hazard_bend(eta) + (1 - y) * np.exp(eta),
    log_likelihood=lambda y, eta: (
        np.where(y > 0, y * np.log(_hazard(eta)), 0.0) - (1 - y) * np.exp(eta)
    ),
)
POISSON = Family(
    "poisson",
    mean=np.exp,
    mean_slope=np.exp,
    score=lambda y, eta: y - np.exp(eta),
    observed=lambda _y, eta: np.exp(eta),
    log_likelihood=lambda y, eta: y * eta - np.exp(eta) - gammaln(np.maximum(y, 0) + 1),
)
GAMMA = Family(
    "gamma",
    mean=np.exp,
    mean_slope=np.exp,
    score=lambda y, eta: y * np.exp(-eta) - 1,
    observed=lambda y, eta: y * np.exp(-eta),
    # at dispersion 1; the dispersion does not move the coefficients
    log_likelihood=lambda y, eta: -y * np.exp(-eta) - eta,
)


@dataclass(frozen=True, eq=False)
class GlmFit:
    """A fitted regression with a link; arrays only.

    Parameters
    ----------
    family : Family
        Logit, Poisson or gamma with the log link.
    coefficients : array (k,)
        In the order of the design's columns; 0 for a column in `dropped`.
    linear_predictor : array (n,)
        Design times coefficients.
    scores : array (n,)
        Each row's weighted derivative of the log-likelihood in its linear predictor.
    curvature : array (n,)
        Minus its second derivative, weighted.
    basis : Basis
        The design in well-conditioned form.
    triangle : array (r, r)
        Upper triangle R with ``R'R`` minus the Hessian on the basis.
    log_likelihood : float
        At the maximum.
    n_iterations : int
        Steps taken.
    """

    family: Family
    coefficients: Floats
    linear_predictor: Floats
    scores: Floats
    curvature: Floats
    basis: Basis
    triangle: Floats
    log_likelihood: float
    n_iterations: int

    @property
    def kept(self) -> Ints:
        """Columns that carry information."""
        return self.basis.kept

    @property
    def dropped(self) -> Ints:
        """Columns that are constant or repeat columns before them."""
        return self.basis.dropped

    @property
    def n_obs(self) -> int:
        """Rows of the design."""
        return len(self.scores)

    @property
    def n_params(self) -> int:
        """Coefficients that were estimated."""
        return len(self.basis.kept)

    @property
    def fitted(self) -> Floats:
        """Means of the outcome, one a row."""
        return self.family.mean(self.linear_predictor)

    @property
    def leverage(self) -> Floats:
        """Diagonal of the hat matrix of the last step."""
        return leverage_of(self.basis, self.triangle, self.curvature)

    def influence(self, gradients: Floats | None = None) -> Floats:
        """Give each row's pull on combinations (k, q) of the coefficients: ``-H^-1 s_i``."""
        return influence_of(self.basis, self.triangle, self.scores, gradients)

    def covariance(
        self,
        kind: RobustKind | Literal["classical"] = "classical",
        *,
        clusters: NDArray[np.generic] | None = None,
    ) -> Floats:
        """Estimate the covariance of the coefficients: the inverse information, or a sandwich."""
        if kind == "classical" and clusters is None:
            rotated = solve_triangular(self.triangle, self.basis.back.T, trans="T")
            return np.asarray(rotated.T @ rotated)
        return covariance_of(
            self.influence(),
            clusters=clusters,
            n_params=self.n_params,
            kind="HC1" if kind == "classical" else kind,
            leverage=self.leverage,
        )


def fit_logit(design: Floats, outcome: Floats, weights: Floats | None = None) -> GlmFit:
    """Fit the log-odds of a 0/1 outcome (or a share) as a line in the design.

    Raises
    ------
    SeparationError
        If a column, or several together, tell the two outcomes apart without error.
    ValueError
        If the outcome lies outside 0-1 or arrays do not fit.

    Examples
    --------
    >>> design = np.column_stack([np.ones(4), [0.0, 0.0, 1.0, 1.0]])
    >>> fit = fit_logit(np.repeat(design, 2, axis=0), np.array([0, 1, 0, 1, 0, 1, 1, 1.0]))
    >>> fit.coefficients.round(4)
    array([0.    , 1.0986])
    """
    outcome = np.asarray(outcome, dtype=float)
    if ((outcome < 0) | (outcome > 1)).any():
        raise ValueError("A logit needs outcomes between 0 and 1.")
    return _fit(LOGIT, design, outcome, weights)


def fit_cloglog(design: Floats, outcome: Floats, weights: Floats | None = None) -> GlmFit:
    """Fit the complementary log-log of a 0/1 outcome (or a share) as a line in the design.

    On periods at risk the coefficients are logarithms of hazard ratios, those of a proportional
    hazard in continuous time seen once a period (Prentice & Gloeckler 1978).

    Raises
    ------
    SeparationError
        If a column, or several together, tell the two outcomes apart without error.
    ValueError
        If the outcome lies outside 0-1 or arrays do not fit.

    Examples
    --------
    >>> fit = fit_cloglog(np.ones((2, 1)), np.array([0.0, 1.0]), np.array([80.0, 20.0]))
    >>> bool(np.isclose(np.exp(fit.coefficients[0]), -np.log(0.8)))
    True
    """
    outcome = np.asarray(outcome, dtype=float)
    if ((outcome < 0) | (outcome > 1)).any():
        raise ValueError("A hazard needs outcomes between 0 and 1.")
    return _fit(CLOGLOG, design, outcome, weights)


def fit_poisson(design: Floats, outcome: Floats, weights: Floats | None = None) -> GlmFit:
    """Fit the logarithm of the mean as a line in the design (Poisson pseudo-likelihood).

    Consistent for the mean of any outcome that is not negative, not for counts alone
    (Gourieroux, Monfort & Trognon 1984; Santos Silva & Tenreyro 2006). Negative amounts are
    taken as they are, since only the mean must be positive; its errors are robust ones.

    Raises
    ------
    ConvergenceError
        If there is no maximum, for instance when the mean is not positive in some group.

    Examples
    --------
    >>> fit = fit_poisson(np.ones((3, 1)), np.array([1.0, 2.0, 3.0]))
    >>> round(float(np.exp(fit.coefficients[0])), 6)
    2.0
    """
    return _fit(POISSON, design, outcome, weights)


def fit_gamma(design: Floats, outcome: Floats, weights: Floats | None = None) -> GlmFit:
    """Fit the logarithm of the mean of positive amounts as a line in the design (gamma).

    The sandwich takes the observed information, as statsmodels does for its HC0.

    Examples
    --------
    >>> fit = fit_gamma(np.ones((3, 1)), np.array([1.0, 2.0, 3.0]))
    >>> round(float(np.exp(fit.coefficients[0])), 6)
    2.0
    """
    outcome = np.asarray(outcome, dtype=float)
    if (outcome <= 0).any():
        raise ValueError(f"Gamma needs positive amounts; {int((outcome <= 0).sum())} are not.")
    return _fit(GAMMA, design, outcome, weights)


@dataclass(frozen=True, eq=False)
class _Problem:
    """A likelihood to climb, on the columns of a basis."""

    family: Family
    axes: Floats
    outcome: Floats
    weights: Floats

    def predictor(self, position: Floats) -> Floats:
        return np.asarray(self.axes @ position)

    def likelihood(self, eta: Floats) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sum(self.weights * self.family.log_likelihood(self.outcome, eta)))

    def scores(self, eta: Floats) -> Floats:
        return self.weights * self.family.score(self.outcome, eta)

    def curvature(self, eta: Floats) -> Floats:
        return self.weights * self.family.observed(self.outcome, eta)

    def triangle(self, eta: Floats) -> Floats:
        """Factor minus the Hessian; where it has vanished there is no maximum."""
        try:
            return upper_cholesky(gram(self.axes, self.curvature(eta)))
        except np.linalg.LinAlgError:
            raise _no_maximum(self.family, eta) from None


def _fit(family: Family, design: Floats, outcome: Floats, weights: Floats | None) -> GlmFit:
    """Climb to the maximum by Newton steps, halving those that do not climb."""
    design, outcome, weights = checked_arrays(design, outcome, weights)
    basis = independent_basis(design, weights)
    problem = _Problem(family, basis.columns, outcome, weights)
    position = _start(problem)
    eta = problem.predictor(position)
    for iteration in range(1, MAX_ITERATIONS + 1):
        step = cho_solve((problem.triangle(eta), False), problem.axes.T @ problem.scores(eta))
        position, eta_next = _climb(problem, position, eta, step)
        moved = float(np.abs(eta_next - eta).max(initial=0.0))
        eta = eta_next
        if moved < 1e-9 * max(1.0, float(np.abs(eta).max(initial=0.0))):
            return _finish(problem, basis, position, eta, iteration)
        if family.name in BINARY and iteration >= SEPARATED_AFTER and moved > SEPARATED_STEP:
            break
    raise _no_maximum(family, eta)


def _start(problem: _Problem) -> Floats:
    """Begin as near to the overall mean as the columns allow."""
    mean = float(np.average(problem.outcome, weights=problem.weights))
    target = 0.0
    if problem.family.name not in BINARY:
        target = np.log(mean) if mean > 0 else 0.0
    elif 0 < mean < 1:
        is_logit = problem.family.name == "logit"
        target = np.log(mean / (1 - mean)) if is_logit else np.log(-np.log1p(-mean))
    products = upper_cholesky(gram(problem.axes, problem.weights))
    return np.asarray(cho_solve((products, False), problem.axes.T @ (problem.weights * target)))


def _climb(problem: _Problem, position: Floats, eta: Floats, step: Floats) -> tuple[Floats, Floats]:
    """Take the step, halved until the likelihood does not fall (beyond rounding)."""
    level = problem.likelihood(eta)
    slack = 1e-10 * (abs(level) + 1)
    for _ in range(40):
        candidate = position + step
        reached_eta = problem.predictor(candidate)
        reached = problem.likelihood(reached_eta)
        if np.isfinite(reached) and reached >= level - slack:
            return candidate, reached_eta
        step = step / 2
    return position, eta


def _finish(
    problem: _Problem, basis: Basis, position: Floats, eta: Floats, n_iterations: int
) -> GlmFit:
    """Put together what the sandwich needs at the maximum, from the observed information."""
    return GlmFit(
        family=problem.family,
        coefficients=np.asarray(basis.back @ position),
        linear_predictor=eta,
        scores=problem.scores(eta),
        curvature=problem.curvature(eta),
        basis=basis,
        triangle=problem.triangle(eta),
        log_likelihood=problem.likelihood(eta),
        n_iterations=n_iterations,
    )


def _no_maximum(family: Family, eta: Floats) -> FitError:
    extreme = int((np.abs(eta) > 15).sum())
    if family.name in BINARY:
        return SeparationError(
            f"The columns tell the two outcomes apart without error in {extreme:,} of "
            f"{len(eta):,} rows, so no finite coefficient exists. Look for a column that is known "
            "only after the outcome, or show the levels instead of a slope."
        )
    return ConvergenceError(
        f"The {family.name} regression found no maximum in {MAX_ITERATIONS} steps. A group of "
        "rows whose outcomes are all zero, or sum to less than zero, is the usual cause."
    )
