"""Whether the arithmetic is right: with ratings shuffled among customers there is no lift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.checks.base import Check
from cxmodel.models.estimation import Sample
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.some_customers import some_customers
from cxmodel.stats.linear import orthonormal_of
from cxmodel.stats.sandwich import small_sample_factor

N_SHUFFLES = 200
BAND = 0.15
# Parts into which customers are cut by what the controls expect of their ratings: ten, or fewer, so
# that among the customers of each their own ratings are few.
MOST_CELLS, CUSTOMERS_PER_CELL = 10, 100
# Responses that are shuffled at most; more say no more about the arithmetic.
MOST_ROWS = 5_000
# Shuffles that are worked on at a time.
BLOCK = 25
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def check_shuffled_rating(fit: LiftFit) -> Check:
    """Shuffle the ratings 200 times and look whether the slope's z spreads as its error says.

    Ratings go from customer to customer within cells, all of a customer's together, so that they
    keep what they have in common; a customer with more responses than the one whose ratings it
    gets, gets them over again. Cells are ten parts of the customers (fewer under 1,000) by the
    rating that the controls expect, and within a cell what goes round is the rating's distance
    from what they expect: where the controls are categories with a cell for each combination,
    that is the rating itself. Then rating and outcome have to do with each other through the
    controls alone, and z, the additive slope over its own error (HC1, or CR1 by customer), must
    have a standard deviation of 1. *fail* outside 0.85 to 1.15 (methods 5): intervals are then
    too short or too long. The statistic is that standard deviation; chance alone takes it out of
    the band 3 times in 1,000.

    For retention the model is the linear probability model. Beyond 5,000 responses those of a
    random part of the customers are taken.
    """
    if fit.sample.outcome.min() == fit.sample.outcome.max():
        return Check.not_run(
            "shuffled_rating", fit.outcome, "The outcome is the same after every response."
        )
    sample = some_customers(fit.sample, MOST_ROWS, fit.settings.seed)
    if sample.n_obs <= sample.rating_on_controls.n_params + 1:
        return Check.not_run(
            "shuffled_rating", fit.outcome, "Too few responses are left to fit a slope to."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        z = shuffled_z(sample, N_SHUFFLES, fit.settings.seed)
    if not np.isfinite(z).all() or np.ptp(z) == 0:
        return Check.not_run(
            "shuffled_rating",
            fit.outcome,
            "Customers whom the controls expect to rate alike did rate alike, or the controls tell "
            "the outcome without error, so nothing changes when ratings are shuffled.",
        )
    spread = float(np.std(z, ddof=1))
    is_right = abs(spread - 1) <= BAND
    lead = (
        f"With ratings shuffled {N_SHUFFLES} times among customers whom the controls expect to "
        f"rate alike, the lift spreads {spread:.2f} times as widely as its error says"
    )
    meaning = (
        "the arithmetic holds."
        if is_right
        else f"intervals are too {'short' if spread > 1 else 'long'} for these data, and so are "
        "those of the lift."
    )
    return Check(
        name="shuffled_rating",
        outcome=fit.outcome,
        verdict="pass" if is_right else "fail",
        statistic=spread,
        text=f"{lead} (1 would be exact, {1 - BAND:.2f} to {1 + BAND:.2f} is allowed): {meaning}",
    )


def shuffled_z(sample: Sample, n_shuffles: int, seed: int) -> Floats:
    """Give z of the additive slope under each of many shuffles, (n_shuffles,).

    By Frisch, Waugh & Lovell slope and error need only what the controls leave of outcome and
    rating: the outcome's part is taken out once, that of the ratings for many shuffles at a time.
    """
    left = Left.of(sample)
    donors = shuffled_customers(left.cells, n_shuffles, np.random.default_rng(seed))
    parts = [z_of(left, donors[:, i : i + BLOCK]) for i in range(0, n_shuffles, BLOCK)]
    return np.concatenate(parts)


def shuffled_customers(cells: Ints, n_shuffles: int, rng: np.random.Generator) -> Ints:
    """Give, for every customer and shuffle, whose ratings it gets: (n_customers, n_shuffles).

    Examples
    --------
    >>> found = shuffled_customers(np.array([0, 0, 1]), 4, np.random.default_rng(1))
    >>> found.shape, found[2].tolist(), sorted(found[:2, 0].tolist())
    ((3, 4), [2, 2, 2, 2], [0, 1])
    """
    donors = np.empty((len(cells), n_shuffles), dtype=np.int64)
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        repeated = np.repeat(members[:, None], n_shuffles, axis=1)
        donors[members] = rng.permuted(repeated, axis=0)
    return donors


@dataclass(frozen=True, eq=False)
class Left:
    """A sample in order of customers, with what the controls leave of rating and outcome.

    Parameters
    ----------
    rating : array (n,)
        Less what the controls tell.
    outcome : array (n,)
        Less what the controls tell, times `root`.
    root : array (n,)
        Square roots of the weights.
    basis : array (n, r)
        Orthonormal columns of the weighted controls.
    starts, sizes : arrays of int (n_customers,)
        Where a customer's rows start, and how many they are.
    cells : array of int (n_customers,)
        Whom the controls expect to rate alike.
    factor : float
        Small-sample factor of the variance.
    """

    rating: Floats
    outcome: Floats
    root: Floats
    basis: Floats
    starts: Ints
    sizes: Ints
    cells: Ints
    factor: float

    @classmethod
    def of(cls, sample: Sample) -> Left:
        """Order the rows by customer and take the controls out."""
        order = np.argsort(sample.customers, kind="stable")
        customers = sample.customers[order]
        starts = np.flatnonzero(np.r_[True, customers[1:] != customers[:-1]])
        sizes = np.diff(np.r_[starts, len(order)])
        fit = sample.rating_on_controls
        root = np.sqrt(fit.weights[order])
        basis = orthonormal_of(fit.basis, fit.triangle, fit.weights)[order]
        expected = (sample.rating - fit.residuals)[order]
        n_clusters = len(starts) if sample.is_clustered else None
        return cls(
            rating=fit.residuals[order],
            outcome=_less((root * sample.outcome[order])[:, None], basis)[:, 0],
            root=root,
            basis=basis,
            starts=starts,
            sizes=sizes,
            cells=_cells(np.add.reduceat(expected, starts) / sizes),
            factor=small_sample_factor(sample.n_obs, fit.n_params + 1, n_clusters),
        )

    @property
    def is_clustered(self) -> bool:
        """Whether some customer has more than one row."""
        return len(self.starts) < len(self.rating)


def z_of(left: Left, donors: Ints) -> Floats:
    """Give slope over error where each customer has the ratings of its donor.

    Parameters
    ----------
    donors : array of int (n_customers, m)
        Whose ratings a customer gets; its own give the z of the additive slope.
    """
    ratings = _less(left.root[:, None] * _ratings_of(left, donors), left.basis)
    squares = np.einsum("ij,ij->j", ratings, ratings)
    slopes = left.outcome @ ratings / squares
    residuals = left.outcome[:, None] - slopes * ratings
    influence = ratings * residuals
    if left.is_clustered:
        influence = np.add.reduceat(influence, left.starts, axis=0)
    errors = np.sqrt(left.factor * np.einsum("ij,ij->j", influence, influence)) / squares
    return np.asarray(slopes / errors)


def _ratings_of(left: Left, donors: Ints) -> Floats:
    """Give every row the rating of the donor's row in the same place, (n, m)."""
    if not left.is_clustered:
        return left.rating[donors]
    owner = np.repeat(np.arange(len(left.starts)), left.sizes)
    place = np.arange(len(owner)) - left.starts[owner]
    givers = donors[owner]
    places = place[:, None]
    if (left.sizes != left.sizes[0]).any():
        places = places % left.sizes[givers]
    return left.rating[left.starts[givers] + places]


def _less(columns: Floats, basis: Floats) -> Floats:
    """Take out of columns what an orthonormal basis tells of them."""
    return np.asarray(columns - basis @ (basis.T @ columns))


def _cells(expected: Floats) -> Ints:
    """Cut customers into parts by what the controls expect of their ratings."""
    n_cells = min(max(len(expected) // CUSTOMERS_PER_CELL, 1), MOST_CELLS)
    cuts = np.unique(np.quantile(expected, np.arange(1, n_cells) / n_cells))
    return np.searchsorted(cuts, expected, side="left")
