"""A churn model as plain numbers: from columns to a score, from a score to a probability.

Every step is scikit-learn's, in the same order on the same doubles, so the probabilities are the
same to the last bit: tests hold the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cxmodel.models.model_file import Fields

Floats = npt.NDArray[np.float64]
MOST_TREES, MOST_LEAVES, MOST_STEPS = 5_000, 64, 100_000


class Scores(Protocol):
    """What turns rows of numbers into log-odds, before calibration."""

    def scores(self, matrix: Floats) -> Floats:
        """Give a score for each row of a matrix (n, terms)."""

    def to_plain(self) -> dict[str, Any]:
        """Give what stands in the file."""


# -- Straight lines ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LinearScores:
    """A logit on standardised columns.

    Parameters
    ----------
    mean, scale, coefficients : numpy.ndarray, shape (terms,)
        A column counts as (value - mean) / scale.
    intercept : float
    """

    mean: Floats
    scale: Floats
    coefficients: Floats
    intercept: float

    def scores(self, matrix: Floats) -> Floats:
        """Give the log-odds of each row."""
        standard = matrix - self.mean
        standard /= self.scale
        found = standard @ self.coefficients[None, :].T + self.intercept
        return np.asarray(found.reshape(-1), dtype=float)

    def to_plain(self) -> dict[str, Any]:
        """Give what stands in the file."""
        return {
            "kind": "linear",
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
        }


# -- Trees ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree: ``left[i]`` where ``x[feature[i]] <= threshold[i]``; a leaf has feature -1.

    Parameters
    ----------
    feature, left, right : numpy.ndarray of int, shape (nodes,)
    threshold, value : numpy.ndarray, shape (nodes,)
    """

    feature: npt.NDArray[np.int64]
    threshold: Floats
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    value: Floats

    @cached_property
    def leaves(self) -> list[int]:
        """The leaves from left to right."""
        found, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            if self.feature[node] < 0:
                found.append(node)
            else:
                waiting += [int(self.right[node]), int(self.left[node])]
        return found


@dataclass(frozen=True, eq=False)
class TreeScores:
    """Boosted trees, walked for all rows at once.

    A node that sends a row to the right rules out the leaves on its left. So each column has a
    table from the place of a value among the thresholds to the leaves that it leaves open; the
    leaf of a row is the first that all columns leave open [1]_. In numpy this is 15 times as fast
    as walking down, and the sum over trees runs in scikit-learn's order.

    Parameters
    ----------
    baseline : float
    trees : tuple of Tree
    n_terms : int
        Columns of the matrix.

    References
    ----------
    .. [1] Lucchese et al. (2015). QuickScorer: a fast algorithm to rank documents with additive
       ensembles of regression trees. SIGIR.
    """

    baseline: float
    trees: tuple[Tree, ...]
    n_terms: int

    def scores(self, matrix: Floats) -> Floats:
        """Give the log-odds of each row."""
        total = np.full(len(matrix), self.baseline)
        places = {
            feature: np.searchsorted(edges, matrix[:, feature], side="left")
            for feature, edges in self._thresholds.items()
        }
        for open_leaves, values in self._tables:
            total += values[_first_leaf(open_leaves, places, len(matrix))]
        return total

    @cached_property
    def _thresholds(self) -> dict[int, Floats]:
        """The thresholds of each column that any tree looks at, in order."""
        found: dict[int, set[float]] = {}
        for tree in self.trees:
            for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
                if feature >= 0:
                    found.setdefault(int(feature), set()).add(float(threshold))
        return {feature: np.array(sorted(edges)) for feature, edges in sorted(found.items())}

    @cached_property
    def _tables(self) -> list[tuple[dict[int, npt.NDArray[Any]], Floats]]:
        return [self._table(tree) for tree in self.trees]

    def _table(self, tree: Tree) -> tuple[dict[int, npt.NDArray[Any]], Floats]:
        """Give, a column, the open leaves as bits by the place of the value; and leaf values."""
        leaves = tree.leaves
        kind: Any = np.uint16 if len(leaves) <= 16 else np.uint64
        place = {node: i for i, node in enumerate(leaves)}
        every = (1 << len(leaves)) - 1
        tables: dict[int, npt.NDArray[Any]] = {}

        def shut(node: int) -> int:
            """Give the bits of the leaves below a node, noting what each split shuts."""
            feature = int(tree.feature[node])
            if feature < 0:
                return 1 << place[node]
            below = shut(int(tree.left[node]))
            edges = self._thresholds[feature]
            table = tables.setdefault(feature, np.full(len(edges) + 1, every, dtype=kind))
            # a value above the threshold has its place behind it, and goes right
            behind = int(np.searchsorted(edges, tree.threshold[node])) + 1
            table[behind:] &= kind(every & ~below)
            return below | shut(int(tree.right[node]))

        shut(0)
        return tables, tree.value[leaves]

    def to_plain(self) -> dict[str, Any]:
        """Give what stands in the file."""
        return {
            "kind": "trees",
            "baseline": self.baseline,
            "trees": [{name: list_.tolist() for name, list_ in _arrays(t)} for t in self.trees],
        }


def _arrays(tree: Tree) -> list[tuple[str, npt.NDArray[Any]]]:
    names = ("feature", "threshold", "left", "right", "value")
    return [(name, getattr(tree, name)) for name in names]


_FIRST_BIT = np.zeros(2**16, dtype=np.uint8)
for _bit in range(15, -1, -1):
    _FIRST_BIT[2**_bit :: 2 ** (_bit + 1)] = _bit


def _first_leaf(
    tables: dict[int, npt.NDArray[Any]], places: dict[int, npt.NDArray[np.int64]], n: int
) -> npt.NDArray[Any]:
    """Give the first open leaf of each row."""
    found: npt.NDArray[Any] | None = None
    for feature, table in tables.items():
        part = table[places[feature]]
        found = part if found is None else np.bitwise_and(found, part, out=found)
    if found is None:
        return np.zeros(n, dtype=np.uint8)
    if found.dtype == np.uint16:
        return np.asarray(_FIRST_BIT[found])
    lowest = found & (~found + np.uint64(1))
    return np.asarray(np.frexp(lowest.astype(float))[1] - 1)


# -- From scores to probabilities ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class StoredCalibration:
    """How scores become probabilities.

    Parameters
    ----------
    kind : {"none", "sigmoid", "isotonic"}
    slope, intercept : float
        Of the sigmoid.
    steps, probs : numpy.ndarray, shape (k,)
        Scores that rise, and the probability at each, with straight lines between.
    """

    kind: str
    slope: float = 1.0
    intercept: float = 0.0
    steps: Floats | None = None
    probs: Floats | None = None

    def prob(self, scores: Floats) -> Floats:
        """Give a probability for each score."""
        from scipy.special import expit

        if self.kind == "none":
            return np.asarray(1 / (1 + np.exp(-scores.clip(-500, 500))), dtype=float)
        if self.steps is None or self.probs is None:
            line = scores[:, None] @ np.array([[self.slope]]) + self.intercept
            return np.asarray(expit(line.reshape(-1)), dtype=float)
        return np.interp(np.clip(scores, self.steps[0], self.steps[-1]), self.steps, self.probs)

    def to_plain(self) -> dict[str, Any]:
        """Give what stands in the file."""
        if self.kind == "sigmoid":
            return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}
        if self.steps is None or self.probs is None:
            return {"kind": self.kind}
        return {"kind": self.kind, "scores": self.steps.tolist(), "probs": self.probs.tolist()}


# -- From scikit-learn, and from the file --------------------------------------------------------


def take_scores(model: Any, n_terms: int) -> Scores:
    """Take the numbers out of a fitted scikit-learn model.

    Raises
    ------
    ValueError
        If it is none that can be stored.
    """
    if hasattr(model, "steps"):
        scaler, logit = (step for _, step in model.steps)
        return LinearScores(
            np.array(scaler.mean_, dtype=float),
            np.array(scaler.scale_, dtype=float),
            np.array(logit.coef_[0], dtype=float),
            float(logit.intercept_[0]),
        )
    trees = tuple(_take_tree(predictor.nodes) for (predictor,) in model._predictors)
    return TreeScores(float(model._baseline_prediction.item()), trees, n_terms)


def _take_tree(nodes: Any) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    if nodes["is_categorical"].any():
        raise ValueError("Trees that split on sets of levels cannot be stored.")
    tree = Tree(
        feature=np.where(is_leaf, -1, nodes["feature_idx"].astype(np.int64)),
        threshold=np.where(is_leaf, 0.0, nodes["num_threshold"]),
        left=np.where(is_leaf, 0, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, 0, nodes["right"].astype(np.int64)),
        value=np.where(is_leaf, nodes["value"], 0.0),
    )
    if len(tree.leaves) > MOST_LEAVES:
        raise ValueError(f"Trees of over {MOST_LEAVES} leaves cannot be stored.")
    return tree


def take_calibration(kind: str, calibrator: Any) -> StoredCalibration:
    """Take the numbers out of a fitted calibrator."""
    if kind == "sigmoid":
        return StoredCalibration(
            kind, float(calibrator.coef_[0, 0]), float(calibrator.intercept_[0])
        )
    if kind == "isotonic":
        steps = np.array(calibrator.X_thresholds_, dtype=float)
        probs = np.array(calibrator.y_thresholds_, dtype=float)
        return StoredCalibration(kind, steps=steps, probs=probs)
    return StoredCalibration("none")


def read_scores(fields: Fields, n_terms: int) -> Scores:
    """Read what `Scores.to_plain` wrote, and check every number.

    Raises
    ------
    SourceError
        If a list has another length, a tree is none, or a number is impossible.
    """
    kind = fields.choice("kind", ("linear", "trees"))
    if kind == "linear":
        fields.only("kind", "mean", "scale", "coefficients", "intercept")
        scale = np.array(fields.numbers("scale", n_terms))
        if (scale <= 0).any():
            fields.refuse("scale", "numbers above 0")
        return LinearScores(
            np.array(fields.numbers("mean", n_terms)),
            scale,
            np.array(fields.numbers("coefficients", n_terms)),
            fields.number("intercept"),
        )
    fields.only("kind", "baseline", "trees")
    trees = tuple(_read_tree(each, n_terms) for each in fields.parts("trees", MOST_TREES))
    return TreeScores(fields.number("baseline"), trees, n_terms)


def _read_tree(fields: Fields, n_terms: int) -> Tree:
    fields.only("feature", "threshold", "left", "right", "value")
    feature = np.array(fields.wholes("feature"), dtype=np.int64)
    n = len(feature)
    if not 1 <= n < 2 * MOST_LEAVES or (feature < -1).any() or (feature >= n_terms).any():
        fields.refuse("feature", f"1 to {2 * MOST_LEAVES - 1} numbers from -1 to {n_terms - 1}")
    tree = Tree(
        feature=feature,
        threshold=np.array(fields.numbers("threshold", n)),
        left=np.array(fields.wholes("left", n), dtype=np.int64),
        right=np.array(fields.wholes("right", n), dtype=np.int64),
        value=np.array(fields.numbers("value", n)),
    )
    # each node but the root has one parent, and stands behind it: so there is no circle
    parents = np.flatnonzero(feature >= 0)
    children = np.concatenate([tree.left[parents], tree.right[parents]])
    is_behind = children > np.concatenate([parents, parents])
    if sorted(children.tolist()) != list(range(1, n)) or not is_behind.all():
        fields.refuse("left", "with right a tree: each node but the first below one before it")
    return tree


def read_calibration(fields: Fields) -> StoredCalibration:
    """Read what `StoredCalibration.to_plain` wrote, and check it.

    Raises
    ------
    SourceError
        If steps do not rise, or a probability lies outside 0 to 1.
    """
    kind = fields.choice("kind", ("none", "sigmoid", "isotonic"))
    if kind == "none":
        fields.only("kind")
        return StoredCalibration(kind)
    if kind == "sigmoid":
        fields.only("kind", "slope", "intercept")
        return StoredCalibration(kind, fields.number("slope"), fields.number("intercept"))
    fields.only("kind", "scores", "probs")
    steps = np.array(fields.numbers("scores"))
    if not 1 <= len(steps) <= MOST_STEPS or (np.diff(steps) <= 0).any():
        fields.refuse("scores", "numbers that rise")
    probs = np.array(fields.numbers("probs", len(steps)))
    if (probs < 0).any() or (probs > 1).any() or (np.diff(probs) < 0).any():
        fields.refuse("probs", "numbers from 0 to 1 that do not fall")
    return StoredCalibration(kind, steps=steps, probs=probs)
