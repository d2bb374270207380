"""Predictions of rows that did not help to learn them: a line, smooth shapes, then trees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
# Where smooth pieces meet, as quantiles of a control.
KNOTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
# What varies less than this is one value, but for rounding.
LEAST_SPREAD = 1e-12
# With more numbers than this, their products would be too many to learn.
MOST_PRODUCTS = 8
# Penalties on shapes, as shares of the rows: which one is settled out of sample.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# From so many rows on trees see steps and joint effects that shapes miss.
ROWS_FOR_TREES = 5_000
TREES: dict[str, Any] = {
    "max_iter": 30,
    "learning_rate": 0.15,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "max_bins": 64,
    "early_stopping": False,
    "random_state": 0,
}
LEAST_PROBABILITY = 1e-6


def fold_of_rows(customers: Ints, n_folds: int, seed: list[int]) -> Ints:
    """Deal customers into folds at random, all rows of a customer into one.

    Examples
    --------
    >>> folds = fold_of_rows(np.array([7, 7, 3, 5, 3]), 3, [1]).tolist()
    >>> folds[0] == folds[1], folds[2] == folds[4], sorted(set(folds))
    (True, True, [0, 1, 2])
    """
    people, codes = np.unique(customers, return_inverse=True)
    dealt = np.arange(len(people)) % n_folds
    return np.asarray(np.random.default_rng(seed).permutation(dealt)[codes])


def shapes_of(features: Floats) -> Floats:
    """Bend every number at quantiles, and multiply numbers by each other, (n, m), unit spread.

    Columns of two values are flags and stay as they are. A number is first put on normal scores
    (van der Waerden), which draw in long tails and open up crowded middles: simulated with a cause
    that is the logarithm, the capped value or the square of a control, biases of 13 to 28 standard
    errors fall to under .3; on the number itself, drawn in at its 1st and 99th percentile, to .3
    to .9. The pieces are quadratic and meet at the knots, where there is a step too.
    """
    columns: list[Floats] = []
    numbers: list[Floats] = []
    for column in features.T:
        if ((column == column.min()) | (column == column.max())).all():
            continue
        score = normal_scores(column)
        knots = np.unique(np.quantile(score, KNOTS))
        columns += [score, score**2, *(np.maximum(score - knot, 0.0) ** 2 for knot in knots)]
        columns += [(score > knot).astype(float) for knot in knots[:-1]]
        numbers.append(score - score.mean())
    if len(numbers) <= MOST_PRODUCTS:
        columns += [a * b for i, a in enumerate(numbers) for b in numbers[:i]]
    if not columns:
        return np.zeros((len(features), 0))
    found = np.column_stack(columns)
    found = found - found.mean(axis=0)
    spread = found.std(axis=0)
    return np.asarray(found[:, spread > LEAST_SPREAD] / spread[spread > LEAST_SPREAD])


def normal_scores(values: Floats) -> Floats:
    """Give each value the normal quantile of its rank; equal values share one.

    Examples
    --------
    >>> normal_scores(np.array([5.0, 1.0, 5.0, 100.0])).round(2).tolist()
    [0.0, -1.15, 0.0, 1.15]
    """
    return np.asarray(ndtri((rankdata(values) - 0.5) / len(values)))


@dataclass(frozen=True, eq=False)
class Features:
    """What predicts: columns as they are, and their shapes.

    Parameters
    ----------
    plain : array (n, p)
        The controls.
    shapes : array (n, m)
        From `shapes_of`.
    weights : array (n,)
        Positive weights of the rows.
    folds : array of int (n,)
        From `fold_of_rows`.
    """

    plain: Floats
    shapes: Floats
    weights: Floats
    folds: Ints

    @classmethod
    def of(cls, plain: Floats, weights: Floats, folds: Ints) -> Features:
        """Make the shapes once for everything that is predicted."""
        return cls(plain, shapes_of(plain), weights, folds)

    @property
    def with_constant(self) -> Floats:
        """A column of ones before the controls."""
        return np.column_stack([np.ones(len(self.plain)), self.plain])

    def trainings(self, usable: Bools | None = None) -> Iterator[tuple[Bools, Bools]]:
        """Give, fold by fold, the rows to learn from and the rows to predict."""
        for fold in np.unique(self.folds):
            held_out = self.folds == fold
            yield (~held_out if usable is None else ~held_out & usable), held_out

    # -- numbers -----------------------------------------------------------------------------

    def predicted(self, target: Floats, usable: Bools | None = None) -> Floats:
        """Predict each row from the other folds by a line, shapes and, with many rows, trees.

        How much the shapes are held down, and how much of the trees is added, is settled by how
        well rows are predicted that had no part in it (Ahrens, Hansen, Schaffer & Wiemann 2025,
        short-stacking). In a straight world the line stands alone, and nothing is lost.

        Parameters
        ----------
        target : array (n,)
            What is predicted.
        usable : array of bool (n,), optional
            Learn from these rows only; all rows are predicted.

        Returns
        -------
        array (n,)
        """
        judged = np.ones(len(target), dtype=bool) if usable is None else usable
        fits = [self._ridge(target, learn, out) for learn, out in self.trainings(usable)]
        stacked = np.zeros((len(target), len(PENALTIES) + 1))
        for fit, (_, out) in zip(fits, self.trainings(usable), strict=True):
            stacked[out] = fit.held_out
        losses = self.weights[judged] @ (stacked[judged] - target[judged, None]) ** 2
        best = int(np.argmin(losses))
        found = stacked[:, best]
        if int(judged.sum()) < ROWS_FOR_TREES:
            return found
        extra = np.zeros(len(target))
        for fit, (learn, out) in zip(fits, self.trainings(usable), strict=True):
            trees = _regression_trees().fit(
                self.plain[learn], target[learn] - fit.learnt[:, best],
                sample_weight=self.weights[learn],
            )  # fmt: skip
            extra[out] = trees.predict(self.plain[out])
        step = best_step((target - found)[judged], extra[judged], self.weights[judged])
        return found + step * extra

    def _ridge(self, target: Floats, learn: Bools, out: Bools) -> _Ridge:
        """Fit the line, and on what it leaves the shapes under every penalty."""
        root = np.sqrt(self.weights[learn])[:, None]
        plain = self.with_constant
        both = np.column_stack([target, self.shapes])
        lines = np.linalg.lstsq(plain[learn] * root, both[learn] * root, rcond=None)[0]
        left = (both[learn] - plain[learn] @ lines) * root
        products = left[:, 1:].T @ left
        values, axes = np.linalg.eigh(products[:, 1:])
        pulls = axes.T @ products[:, 0]
        size = float(self.weights[learn].sum())
        held_down = np.array([pulls / (values + size * share) for share in PENALTIES]).T
        bends = np.column_stack([np.zeros(len(pulls)), axes @ held_down])
        # the shapes less their own lines, and the line of the target
        plans = np.vstack([lines[:, :1] - lines[:, 1:] @ bends, bends])
        everything = np.column_stack([plain, self.shapes])
        return _Ridge(everything[learn] @ plans, everything[out] @ plans)

    # -- classes -----------------------------------------------------------------------------

    def shares(self, codes: Ints) -> Floats:
        """Predict from the other folds the probability of each class, (n, number of classes).

        The logit of the controls, that of their shapes too, or with many rows trees: whichever
        tells best the classes of the first fold's rows, which it did not learn from.

        Parameters
        ----------
        codes : array of int (n,)
            The class of each row, ``0 .. k - 1``.
        """
        shaped = np.column_stack([self.plain, self.shapes])
        candidates = [(_logit, self.plain), (_logit, shaped)]
        if len(codes) >= ROWS_FOR_TREES:
            candidates.append((_classifying_trees, self.plain))
        (first_learn, first_out), *others = self.trainings()
        tried = [self._classified(*each, codes, first_learn, first_out) for each in candidates]
        true, weights = codes[first_out], self.weights[first_out]
        best = max(range(len(tried)), key=lambda i: _log_likelihood(tried[i], true, weights))
        found = np.zeros((len(codes), int(codes.max()) + 1))
        found[first_out] = tried[best]
        for learn, out in others:
            found[out] = self._classified(*candidates[best], codes, learn, out)
        return found

    def _classified(
        self, make: Callable[[], Any], columns: Floats, codes: Ints, learn: Bools, out: Bools
    ) -> Floats:
        model = make()
        name = "logisticregression__sample_weight" if make is _logit else "sample_weight"
        with warnings.catch_warnings():
            # a logit that stopped short is judged like any other, by what it says of other rows
            warnings.filterwarnings("ignore", message=".*failed to converge")
            model.fit(columns[learn], codes[learn], **{name: self.weights[learn]})
        found = np.zeros((int(out.sum()), int(codes.max()) + 1))
        found[:, model.classes_] = model.predict_proba(columns[out])
        return found


@dataclass(frozen=True, eq=False)
class _Ridge:
    """Predictions under no shapes and under every penalty, for rows learnt from and held out."""

    learnt: Floats
    held_out: Floats


def best_step(left: Floats, extra: Floats, weights: Floats) -> float:
    """Give the step from 0 to 1 along `extra` that leaves least of `left`.

    Examples
    --------
    >>> best_step(np.array([1.0, -1.0]), np.array([2.0, -2.0]), np.ones(2))
    0.5
    >>> best_step(np.array([1.0, -1.0]), np.array([-2.0, 2.0]), np.ones(2))
    0.0
    """
    size = float(weights @ extra**2)
    return min(max(float(weights @ (left * extra)) / size, 0.0), 1.0) if size else 0.0


def _log_likelihood(shares: Floats, codes: Ints, weights: Floats) -> float:
    given = shares[np.arange(len(codes)), codes]
    return float(weights @ np.log(np.maximum(given, LEAST_PROBABILITY)))


def _regression_trees() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(**TREES)


def _classifying_trees() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**TREES)


def _logit() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
