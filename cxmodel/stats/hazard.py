"""The hazard of leaving in a period, by complementary log-log on grouped spells.

A spell is a run of periods in which a customer was at risk and nothing that explains changed. Equal
spells are one cell; cells add up to customers at risk and lost by features and period, which hold
all that the likelihood of the single customer-periods does. Nothing is approximated.

Shapes: m spells, f kinds of features, p periods, k parameters (baseline, then q features).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.curves import natural_spline, spline_knots
from cxmodel.stats.glm import CLOGLOG, GlmFit, fit_cloglog

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Baseline = Literal["levels", "spline", "log_time", "linear"]

MAX_NUMBERS = 50_000_000
"""Numbers in the design of customers at risk beyond which it is refused."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Spells:
    """Equal spells, once each.

    Parameters
    ----------
    first, last : numpy.ndarray of int, shape (m,)
        The periods at risk, both included, counted from 0.
    events : numpy.ndarray of bool, shape (m,)
        Whether they ended in period `last`.
    n : numpy.ndarray, shape (m,)
        How many there are of each; or how much they weigh.
    features : numpy.ndarray, shape (m, q)
        What explains, constant within a spell.
    """

    first: IntArray
    last: IntArray
    events: npt.NDArray[np.bool_]
    n: FloatArray
    features: FloatArray

    @property
    def n_person_periods(self) -> float:
        """How many customer-periods the spells hold."""
        return float(self.n @ (self.last - self.first + 1))

    @property
    def n_events(self) -> float:
        """How many ended."""
        return float(self.n @ self.events)


@dataclass(frozen=True, eq=False, kw_only=True)
class HazardFit:
    """A fitted hazard; arrays only.

    Parameters
    ----------
    coefficients : numpy.ndarray, shape (k,)
        Of the baseline, then of the features (logarithms of hazard ratios).
    classical : numpy.ndarray, shape (k, k)
        Their covariance when the model is right: the inverse information.
    influence : numpy.ndarray, shape (m, k)
        What one spell of each kind pulls the coefficients by.
    log_likelihood : float
        At the maximum, of the periods with events where the baseline has a level for each.
    n_baseline : int
        How many of the coefficients are the baseline's.
    periods : numpy.ndarray of int, shape (p,)
        The periods, in order.
    baseline : numpy.ndarray, shape (p, n_baseline)
        Its columns in each period.
    at_risk, lost : numpy.ndarray, shape (p,)
        Customers in each period.
    has_hazard : numpy.ndarray of bool, shape (p,)
        False where the baseline has levels and nobody left, or everybody: the hazard is 0 or 1.
    means : numpy.ndarray, shape (q,)
        Of the features over customer-periods: from where they are counted.
    """

    coefficients: FloatArray
    classical: FloatArray
    influence: FloatArray
    log_likelihood: float
    n_baseline: int
    periods: IntArray
    baseline: FloatArray
    at_risk: FloatArray
    lost: FloatArray
    has_hazard: npt.NDArray[np.bool_]
    means: FloatArray

    def covariance(
        self,
        n: FloatArray,
        clusters: IntArray | None = None,
        kinds: IntArray | None = None,
        weights: FloatArray | None = None,
    ) -> FloatArray:
        """Give the robust covariance of the coefficients; its factor is g / (g - 1).

        Parameters
        ----------
        n : numpy.ndarray, shape (m,)
            How many spells there are of each kind.
        clusters : numpy.ndarray of int, optional
            The customer of each single spell; without it each spell is a cluster.
        kinds : numpy.ndarray of int, optional
            The kind of each single spell; needed with `clusters`.
        weights : numpy.ndarray, optional
            How much each single spell counts, where `n` holds the sums of these; 1 each without.
        """
        if clusters is None or kinds is None:
            count = float(n.sum())
            meat = self.influence.T @ (n[:, None] * self.influence)
        else:
            _, place = np.unique(clusters, return_inverse=True)
            count = float(place.max() + 1)
            pulled = self.influence.T
            each = 1.0 if weights is None else weights
            sums = np.column_stack([np.bincount(place, each * column[kinds]) for column in pulled])
            meat = np.asarray(sums.T @ sums, dtype=float)
        return np.asarray(count / max(count - 1.0, 1.0) * meat)

    def log_rates(self) -> FloatArray:
        """Give the log of the baseline's cumulated hazard within each period, (p,)."""
        found = self.baseline @ self.coefficients[: self.n_baseline]
        set_aside = np.where(self.lost > 0, np.inf, -np.inf)
        return np.where(self.has_hazard, found, set_aside)

    def survival(self, log_ratio: float = 0.0) -> FloatArray:
        """Give the share still there at the end of each period, (p,), at the means by default."""
        return np.asarray(np.exp(-np.cumsum(np.exp(self.log_rates() + log_ratio))))


def fit_hazard(spells: Spells, *, baseline: Baseline = "levels") -> HazardFit:
    """Fit the hazard of leaving in a period, from spells; exactly that of customer-periods.

    With a level for each period, those in which nobody left, or everybody did, say nothing of the
    features and are set aside: their hazard is 0 or 1 at any coefficients.

    Parameters
    ----------
    spells : Spells
        Grouped or single.
    baseline : {"levels", "spline", "log_time", "linear"}
        How the hazard moves with time: freely, along a natural spline with knots where customers
        left, with the logarithm of the period (a discrete Weibull), or with the period (a discrete
        Gompertz).

    Returns
    -------
    HazardFit

    Raises
    ------
    InsufficientDataError
        If nobody left, everybody left in the first period, or there are too many kinds of spell.
    SeparationError
        If the features tell those who left apart without error.

    References
    ----------
    Prentice & Gloeckler (1978), Biometrics 34; Allison (1982), Sociological Methodology 13.

    Examples
    --------
    >>> spells = Spells(
    ...     first=np.zeros(4, int), last=np.array([0, 1, 0, 1]), n=np.array([20.0, 80, 40, 60]),
    ...     events=np.array([True, False, True, False]), features=np.array([[0.0], [0], [1], [1]]),
    ... )
    >>> round(float(np.exp(fit_hazard(spells).coefficients[-1])), 4)  # ln .6 / ln .8
    2.2892
    """
    if not spells.n_events:
        raise InsufficientDataError("Nobody left in the periods seen, so there is no hazard.")
    kinds, kind = np.unique(spells.features, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    start, end = int(spells.first.min()), int(spells.last.max())
    periods = np.arange(start, end + 1)
    _refuse_large(len(kinds), len(periods))
    at_risk, lost = _table(spells, kind, len(kinds), start, len(periods))
    by_period = lost.sum(axis=0)
    columns, used = _baseline(baseline, periods, by_period, at_risk.sum(axis=0))
    if not used.any():
        raise InsufficientDataError(
            "In every period nobody left, or everybody did: nothing can be compared."
        )
    f, p = np.nonzero((at_risk > 0) & used)
    _refuse_large(len(f), columns.shape[1] + kinds.shape[1])
    weights = at_risk[f, p]
    means = weights @ kinds[f] / weights.sum()
    design = np.hstack([columns[p], kinds[f] - means])
    fit = fit_cloglog(design, lost[f, p] / weights, weights)
    pulls = _pulls(fit, design)
    influence = _by_spell(spells, kind, start, pulls, (f, p), at_risk.shape)
    return HazardFit(
        coefficients=fit.coefficients,
        classical=fit.covariance("classical"),
        influence=influence,
        log_likelihood=fit.log_likelihood,
        n_baseline=columns.shape[1],
        periods=periods,
        baseline=columns,
        at_risk=at_risk.sum(axis=0),
        lost=by_period,
        has_hazard=used,
        means=means,
    )


def _refuse_large(one: int, other: int) -> None:
    if one * other > MAX_NUMBERS:
        raise InsufficientDataError(
            f"{one:,} kinds of customers at risk times {other:,} periods or columns are too many. "
            'Round or band covariates, take longer periods, or baseline="spline".'
        )


def _table(
    spells: Spells, kind: IntArray, n_kinds: int, start: int, n_periods: int
) -> tuple[FloatArray, FloatArray]:
    """Count customers at risk and lost by kind and period: (f, p) each."""
    size = n_kinds * (n_periods + 1)
    row = kind * (n_periods + 1) - start
    came = np.bincount(row + spells.first, spells.n, size)
    went = np.bincount(row + spells.last + 1, spells.n, size)
    steps = (came - went).reshape(n_kinds, n_periods + 1)
    gone = np.bincount(row + spells.last, spells.n * spells.events, size)
    lost = np.asarray(gone.reshape(n_kinds, n_periods + 1)[:, :-1], dtype=float)
    at_risk = np.cumsum(steps, axis=1, dtype=float)[:, :-1]
    # Sums of weights leave a rounding where nobody is left; counts leave none.
    at_risk = np.where(at_risk < 1e-12 * spells.n.sum(), 0.0, at_risk)
    return np.maximum(at_risk, lost), lost


def _baseline(
    kind: Baseline, periods: IntArray, lost: FloatArray, at_risk: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Give the baseline's columns in each period, and the periods that are used."""
    if kind == "levels":
        used = (lost > 0) & (lost < at_risk - 1e-9)
        columns = np.zeros((periods.size, int(used.sum())))
        columns[used] = np.eye(int(used.sum()))
        return columns, used
    every = np.ones(periods.size, dtype=bool)
    time = periods.astype(float)
    if kind == "log_time":
        curve = np.log1p(time)[:, None]
    elif kind == "linear":
        curve = time[:, None]
    else:
        curve = natural_spline(time, spline_knots(time, lost / lost.sum()))
    return np.hstack([np.ones((periods.size, 1)), curve]), every


def _pulls(fit: GlmFit, design: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the pull on the coefficients of one who stays, and of one who leaves, a row each."""
    eta = fit.linear_predictor
    # influence() holds each row's score in it: with scores of 1 it is the inverse information
    bare = fit.basis.back @ np.linalg.solve(fit.triangle.T @ fit.triangle, fit.basis.columns.T)
    ones = np.ones(len(eta))
    stays = CLOGLOG.score(0 * ones, eta)
    leaves = CLOGLOG.score(ones, eta)
    return stays[:, None] * bare.T, leaves[:, None] * bare.T


def _by_spell(
    spells: Spells,
    kind: IntArray,
    start: int,
    pulls: tuple[FloatArray, FloatArray],
    place: tuple[IntArray, IntArray],
    shape: tuple[int, ...],
) -> FloatArray:
    """Add up the pulls over the periods of each spell: (m, k)."""
    stays, leaves = pulls
    found = np.empty((spells.n.size, stays.shape[1]))
    first, last = spells.first - start, spells.last - start
    table = np.zeros((shape[0], shape[1] + 1))
    for column in range(stays.shape[1]):
        table[:, 1:] = 0.0
        table[place[0], place[1] + 1] = stays[:, column]
        sums = np.cumsum(table, axis=1)
        gone = np.zeros(shape)
        gone[place] = leaves[:, column] - stays[:, column]
        found[:, column] = sums[kind, last + 1] - sums[kind, first]
        found[:, column] += spells.events * gone[kind, last]
    return found
