"""The outcome along the rating as a curve, compared with the line on customers not learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.checks.linearity import merged_levels
from cxmodel.models.estimates.alternatives import SEPARATED
from cxmodel.models.estimation import Quantity, Sample
from cxmodel.models.lift_fit import LiftFit
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.curves import monotone_steps, natural_spline, spline_knots
from cxmodel.stats.linear import fit_least_squares

N_FOLDS = 10
# Standard errors by which a curve must foretell better before it is said to.
BEYOND_CHANCE = 1.96
# Points of a curve at most; a finer scale is thinned.
MOST_POINTS = 25
SHAPES = ("line", "monotone", "spline")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The adjusted mean outcome along the rating: a spline with its interval, and beside it others.

    Parameters
    ----------
    rows : tuple of dict
        One a rating between the edges: ``rating``, the spline as an estimate, and the values of
        the ``line`` and of the ``monotone`` curve.
    comparison : tuple of dict
        One a shape: ``shape``, ``share_explained`` (of what the controls leave of the outcome, on
        customers that the fit did not see) and ``better_than_line`` in standard errors.
    best : {"line", "monotone", "spline"}
        The line, unless a curve foretells better beyond chance.
    edges : (float, float)
        The rating at or below which, and that at or above which, enough responses lie.
    text : str
        The comparison in a sentence.
    """

    rows: tuple[dict[str, Any], ...]
    comparison: tuple[dict[str, Any], ...]
    best: str
    edges: tuple[float, float]
    text: str

    def to_section(self) -> dict[str, Any]:
        """Give ``curve`` of the lift's section."""
        return {
            "rows": list(self.rows),
            "comparison": {"rows": list(self.comparison)},
            "best": self.best,
            "lowest_rating": self.edges[0],
            "highest_rating": self.edges[1],
            "text": self.text,
        }


def fit_curve(fit: LiftFit, unit: str) -> Curve | NotRun:
    """Fit line, monotone curve and spline, and compare them out of sample (methods 2.3).

    All are least squares on the same controls; for retention linear probability models. The
    monotone curve has one level for each rating, small ones merged with a neighbour, none against
    the direction of the others. The spline is natural and cubic with up to four knots. Ten folds
    of customers: each is foretold from the other nine.

    The curve stops at the edge of the data, where fewer responses than the smallest group lie
    beyond.

    Parameters
    ----------
    unit : str
        Of the outcome's mean.
    """
    if fit.headline is None:
        return NotRun(SEPARATED)
    least = fit.obs.min_group_size
    codes, centres = merged_levels(fit.sample.rating, least)
    if len(centres) < 3:
        return NotRun(f"fewer than three ratings have {least} responses, so any curve is a line")
    shapes = Shapes.of(fit.sample, codes)
    losses = out_of_sample(fit.sample, shapes, fit.settings.seed)
    comparison = _compare(fit.sample, losses)
    best = _best(comparison)
    edges = data_edges(fit.sample.rating, least)
    return Curve(
        rows=tuple(_rows(fit, shapes, edges, unit)),
        comparison=tuple(comparison),
        best=best,
        edges=edges,
        text=_text(fit, comparison, best, edges),
    )


@dataclass(frozen=True, eq=False)
class Shapes:
    """How the levels of the rating enter each shape.

    Parameters
    ----------
    ratings : array (k,)
        The ratings that occur.
    codes : array of int (n,)
        Which of them a row gave.
    columns : dict of array (k, m)
        For each shape a constant and its columns, at each rating.
    """

    ratings: Floats
    codes: Ints
    columns: dict[str, Floats]

    @classmethod
    def of(cls, sample: Sample, merged: Ints) -> Shapes:
        """Make the columns from the ratings, the merged levels and the knots of the base."""
        ratings, first, codes = np.unique(sample.rating, return_index=True, return_inverse=True)
        level = merged[first]
        constant = np.ones((len(ratings), 1))
        steps = level[:, None] >= np.arange(1, level.max() + 1)
        knots = spline_knots(sample.rating, sample.share)
        return cls(
            ratings,
            codes,
            {
                "none": constant,
                "line": np.column_stack([constant, ratings]),
                "monotone": np.hstack([constant, steps.astype(float)]),
                "spline": np.hstack([constant, natural_spline(ratings, knots)]),
            },
        )


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted cross-products of level dummies and controls, and those with the outcome."""

    products: Floats
    cross: Floats

    @classmethod
    def of(cls, design: Floats, outcome: Floats, weights: Floats) -> Moments:
        """Sum over rows."""
        weighted = design * weights[:, None]
        return cls(weighted.T @ design, weighted.T @ outcome)

    def less(self, other: Moments) -> Moments:
        """Leave some rows out."""
        return Moments(self.products - other.products, self.cross - other.cross)

    def solve(self, columns: Floats, *, is_monotone: bool) -> tuple[Floats, Floats]:
        """Fit one shape: the mean at each level (controls at the base's), and the slopes."""
        n_levels, n_columns = columns.shape
        n_controls = len(self.cross) - n_levels
        # constant and controls first, so that what is shaped comes last
        into = np.zeros((len(self.cross), n_columns + n_controls))
        into[:n_levels, 0] = columns[:, 0]
        into[n_levels:, 1 : 1 + n_controls] = np.eye(n_controls)
        into[:n_levels, 1 + n_controls :] = columns[:, 1:]
        products, cross = into.T @ self.products @ into, into.T @ self.cross
        if is_monotone:
            whole = into @ monotone_steps(products, cross, n_columns - 1)
        else:
            whole = into @ np.linalg.lstsq(products, cross, rcond=1e-12)[0]
        return whole[:n_levels], whole[n_levels:]


def out_of_sample(sample: Sample, shapes: Shapes, seed: int) -> dict[str, Floats]:
    """Give each row's squared error under each shape, foretold from other customers."""
    design = _design(sample, shapes)
    # the mean is taken out, so that a large one costs no digits
    outcome = sample.outcome - sample.share @ sample.outcome
    n_levels = len(shapes.ratings)
    folds = _folds(sample, seed)
    parts = [
        Moments.of(design[folds == f], outcome[folds == f], sample.share[folds == f])
        for f in range(N_FOLDS)
    ]
    whole = Moments(
        np.sum([part.products for part in parts], axis=0),
        np.sum([part.cross for part in parts], axis=0),
    )
    losses = {name: np.empty(sample.n_obs) for name in shapes.columns}
    for fold, part in enumerate(parts):
        rows = folds == fold
        for name, columns in shapes.columns.items():
            levels, slopes = whole.less(part).solve(columns, is_monotone=name == "monotone")
            foretold = levels[shapes.codes[rows]] + design[rows, n_levels:] @ slopes
            losses[name][rows] = (outcome[rows] - foretold) ** 2
    return losses


def data_edges(rating: Floats, at_least: int) -> tuple[float, float]:
    """Give the ratings at or beyond which at least so many responses lie, low and high.

    Examples
    --------
    >>> data_edges(np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [5, 40, 50, 40, 12]), 30)
    (2.0, 4.0)
    """
    ordered = np.sort(rating)
    place = min(at_least, len(ordered)) - 1
    return float(ordered[place]), float(ordered[-1 - place])


def _design(sample: Sample, shapes: Shapes) -> Floats:
    """Put level dummies and scaled controls side by side."""
    dummies = np.zeros((sample.n_obs, len(shapes.ratings)))
    dummies[np.arange(sample.n_obs), shapes.codes] = 1.0
    scale = np.sqrt(sample.share @ sample.controls**2)
    scale[scale == 0] = 1.0
    return np.hstack([dummies, sample.controls / scale])


def _folds(sample: Sample, seed: int) -> Ints:
    """Deal the customers out to folds."""
    dealt = np.random.default_rng(seed).permutation(sample.n_customers) % N_FOLDS
    return np.asarray(dealt[sample.customers], dtype=np.int64)


def _compare(sample: Sample, losses: dict[str, Floats]) -> list[dict[str, Any]]:
    without = float(sample.share @ losses["none"])
    rows = []
    for shape in SHAPES:
        gain = sample.mean(losses["line"] - losses[shape])
        is_known = shape != "line" and gain.std_error > 0
        left = float(sample.share @ losses[shape])
        rows.append(
            {
                "shape": shape,
                "share_explained": 1 - left / without if without > 0 else 0.0,
                "better_than_line": gain.value / gain.std_error if is_known else None,
            }
        )
    return rows


def _best(comparison: list[dict[str, Any]]) -> str:
    """Keep the line unless a curve foretells better beyond chance; then the better of those."""
    ahead = [row for row in comparison if (row["better_than_line"] or 0.0) > BEYOND_CHANCE]
    if not ahead:
        return "line"
    return str(max(ahead, key=lambda row: row["share_explained"])["shape"])


def _rows(
    fit: LiftFit, shapes: Shapes, edges: tuple[float, float], unit: str
) -> list[dict[str, Any]]:
    """Evaluate the curves at the ratings that were given, from edge to edge."""
    sample = fit.sample
    inside = np.flatnonzero((shapes.ratings >= edges[0]) & (shapes.ratings <= edges[1]))
    if len(inside) > MOST_POINTS:
        inside = inside[np.linspace(0, len(inside) - 1, MOST_POINTS).round().astype(int)]
    whole = Moments.of(_design(sample, shapes), sample.outcome, sample.share)
    line = whole.solve(shapes.columns["line"], is_monotone=False)[0]
    monotone = whole.solve(shapes.columns["monotone"], is_monotone=True)[0]
    spline = spline_means(sample, shapes, inside)
    is_probability = fit.outcome == "retention"
    return [
        {
            "rating": _plain(float(shapes.ratings[i])),
            **_estimate(mean, unit, fit.obs.conf_level, is_probability).to_dict(),
            "line": _within(line[i], is_probability),
            "monotone": _within(monotone[i], is_probability),
        }
        for i, mean in zip(inside, spline, strict=True)
    ]


def spline_means(sample: Sample, shapes: Shapes, places: Ints) -> list[Quantity]:
    """Give the mean outcome had everybody in the base given each of some ratings, by the spline."""
    columns = shapes.columns["spline"]
    design = np.hstack([columns[shapes.codes], sample.controls])
    fit = fit_least_squares(design, sample.outcome, sample.share * sample.n_obs)
    n_shape = columns.shape[1]
    gradients = np.zeros((design.shape[1], len(places)))
    gradients[:n_shape] = columns[places].T
    # that the base's means of the controls are estimated is in the error
    spread = sample.share * (sample.controls @ fit.coefficients[n_shape:])
    rows = fit.influence(gradients) + spread[:, None]
    values = gradients.T @ fit.coefficients
    return [
        sample.quantity(value, rows[:, i], fit.n_params, exact=True)
        for i, value in enumerate(values)
    ]


def _estimate(mean: Quantity, unit: str, conf_level: float, is_probability: bool) -> Estimate:
    found = mean.to_estimate(unit, conf_level=conf_level)
    if not is_probability:
        return found
    ends = [_within(end, True) for end in (found.estimate, found.conf_low, found.conf_high)]
    return Estimate(
        estimate=ends[0], std_error=found.std_error, conf_low=ends[1], conf_high=ends[2],
        conf_level=conf_level, unit=unit, n_obs=found.n_obs,
    )  # fmt: skip


def _within(value: float | None, is_probability: bool) -> float:
    number = float(value or 0.0)
    return min(max(number, 0.0), 1.0) if is_probability else number


def _plain(rating: float) -> int | float:
    return int(rating) if rating == int(rating) else rating


def _text(
    fit: LiftFit, comparison: list[dict[str, Any]], best: str, edges: tuple[float, float]
) -> str:
    shares = {row["shape"]: _share(row["share_explained"]) for row in comparison}
    said = (
        f"Of the differences in {fit.outcome} that remain once the controls are known, the rating "
        f"explains {shares['line']} by a line, {shares['monotone']} by a monotone curve and "
        f"{shares['spline']} by a spline, on customers that the fit did not see"
    )
    if fit.outcome == "retention":
        said += " (linear probability models)"
    meaning = "no curve is shown to do better than the line"
    if best != "line":
        name = "monotone curve" if best == "monotone" else best
        meaning = f"the {name} does better, so read it beside the slope"
    return (
        f"{said}: {meaning}. The curve stops at ratings {edges[0]:g} and {edges[1]:g}, beyond "
        f"which fewer than {fit.obs.min_group_size} responses lie."
    )


def _share(value: float) -> str:
    return "nothing" if value <= 0 else f"{value:.1%}"
