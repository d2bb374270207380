"""Learning a churn probability, and predicting rows that were held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.churn.evaluation import Splits
from cxmodel.models.churn.features import Features, Limits, learn_features
from cxmodel.stats.decision_curve import std_error_of_mean

if TYPE_CHECKING:
    from cxmodel.models.churn.classifier import ChurnClassifier

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Method = Literal["logistic", "gradient_boosting", "auto"]

CHOICES: tuple[Literal["logistic", "gradient_boosting"], ...] = ("logistic", "gradient_boosting")
N_FOLDS_OF_CHOICE = 3
_EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class ChurnRows:
    """The rows that churn is learnt from.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns known at the response.
    happened : numpy.ndarray of 0/1, shape (n,)
        Who left.
    group : numpy.ndarray of int, shape (n,)
        Rows that must not be parted: those of one customer, and rows equal in every column.
    names : tuple of str
        Columns to look at.
    limits : mapping of str to Limits
        Which numbers of a column mean something.
    """

    frame: pd.DataFrame
    happened: FloatArray
    group: Rows
    names: tuple[str, ...]
    limits: Mapping[str, Limits]

    def learn(self, rows: Rows | None = None) -> Features:
        """Learn levels and medians from some rows, by default all."""
        frame = self.frame if rows is None else self.frame.iloc[rows]
        return learn_features(frame, self.names, self.limits)

    def without(self, names: tuple[str, ...]) -> ChurnRows:
        """Look at fewer columns."""
        return replace(self, names=tuple(name for name in self.names if name not in names))


@dataclass(frozen=True, eq=False)
class Held:
    """One period or fold that was held out, and what was fitted without it.

    Parameters
    ----------
    rows : numpy.ndarray of int
        Its rows.
    features : Features
        What the model looks at, learnt from the other rows.
    model : ChurnClassifier, optional
        None where those other rows had no column that differs.
    prob : numpy.ndarray
        Predictions for `rows`.
    method : str
        How it was learnt.
    """

    rows: Rows
    features: Features
    model: ChurnClassifier | None
    prob: FloatArray
    method: str


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Every row that was held out, once."""

    parts: tuple[Held, ...]

    @property
    def rows(self) -> Rows:
        """The rows, in the order of `prob`."""
        return np.concatenate([part.rows for part in self.parts])

    @property
    def prob(self) -> FloatArray:
        """Their predicted probabilities."""
        return np.concatenate([part.prob for part in self.parts])


@dataclass(frozen=True)
class MethodChoice:
    """Which method was taken, and what each of them was worth on folds of the training rows.

    Parameters
    ----------
    method : str
        The one taken.
    rows : tuple of dict
        ``{method, log_loss, is_chosen}``.
    difference, std_error : float
        Log loss of the logistic regression less that of the trees, paired, and its error.
    """

    method: Literal["logistic", "gradient_boosting"]
    rows: tuple[dict[str, Any], ...] = ()
    difference: float = 0.0
    std_error: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give ``churn.method_choice``."""
        return {
            "method": self.method,
            "difference": self.difference,
            "std_error": self.std_error,
            "rows": list(self.rows),
        }


@dataclass(frozen=True)
class Learner:
    """How a churn probability is learnt.

    Parameters
    ----------
    method : {"logistic", "gradient_boosting", "auto"}
        ``"auto"`` takes the trees where they beat the logistic regression by over one standard
        error on folds of the training rows.
    seed : int
        Of folds and trees.
    """

    method: Method
    seed: int

    def fit(self, matrix: FloatArray, happened: FloatArray, group: Rows) -> ChurnClassifier:
        """Fit to a matrix of numbers."""
        method = self.choose(matrix, happened, group).method
        return _fit(method, self.seed, matrix, happened, group)

    def choose(self, matrix: FloatArray, happened: FloatArray, group: Rows) -> MethodChoice:
        """Settle the method; the simpler one stands unless the other is clearly better.

        Breiman's rule of one standard error, on the paired differences of the log loss.
        """
        from cxmodel.models.churn.classifier import stratified_folds

        if self.method != "auto":
            return MethodChoice(self.method)
        folds = stratified_folds(happened, group, n_folds=N_FOLDS_OF_CHOICE, seed=self.seed)
        if not folds:
            return MethodChoice("logistic")
        nats = {name: _cross_validated(name, self.seed, matrix, happened, group, folds)
                for name in CHOICES}  # fmt: skip
        gained = nats["logistic"] - nats["gradient_boosting"]
        codes = np.unique(group, return_inverse=True)[1]
        error = std_error_of_mean(gained, codes)
        taken = CHOICES[int(gained.mean() > error)]
        rows = [
            {"method": name, "log_loss": float(nats[name].mean()), "is_chosen": name == taken}
            for name in CHOICES
        ]
        return MethodChoice(taken, tuple(rows), float(gained.mean()), error)

    def predict_held_out(self, rows: ChurnRows, splits: Splits) -> HeldOut:
        """Predict every held-out row with a model, and levels, that never saw it."""
        return HeldOut(tuple(self._hold(rows, train, test) for train, test in splits.pairs))

    def _hold(self, rows: ChurnRows, train: Rows, test: Rows) -> Held:
        features, happened = rows.learn(train), rows.happened[train]
        if not features.parts:
            prob = np.full(len(test), happened.mean())
            return Held(test, features, None, prob, "logistic")
        matrix, group = features.matrix(rows.frame.iloc[train]), rows.group[train]
        method = self.choose(matrix, happened, group).method
        model = _fit(method, self.seed, matrix, happened, group)
        prob = model.predict_proba(features.matrix(rows.frame.iloc[test]))[:, 1]
        return Held(test, features, model, prob, method)


def _fit(
    method: Literal["logistic", "gradient_boosting"],
    seed: int,
    matrix: FloatArray,
    happened: FloatArray,
    group: Rows,
    *,
    quick: bool = False,
) -> ChurnClassifier:
    """Fit one method; `quick` calibrates by a sigmoid on two folds, enough to compare methods."""
    from threadpoolctl import threadpool_limits

    from cxmodel.models.churn.classifier import ChurnClassifier

    model = ChurnClassifier(method=method, random_state=seed)
    if quick:
        model.set_params(calibration="sigmoid", n_folds=2)
    repeats = len(np.unique(group)) < len(group)
    # on matrices this small threads cost more than they bring, and may change the last digit
    with threadpool_limits(1, user_api="blas"):
        return model.fit(matrix, happened.astype(int), groups=group if repeats else None)


def _cross_validated(
    method: Literal["logistic", "gradient_boosting"],
    seed: int,
    matrix: FloatArray,
    happened: FloatArray,
    group: Rows,
    folds: list[tuple[Rows, Rows]],
) -> FloatArray:
    """Give the log loss of each row, predicted without its fold."""
    prob = np.empty(len(happened))
    for train, test in folds:
        model = _fit(method, seed, matrix[train], happened[train], group[train], quick=True)
        prob[test] = model.predict_proba(matrix[test])[:, 1]
    prob = prob.clip(_EDGE, 1 - _EDGE)
    return np.asarray(-np.where(happened == 1, np.log(prob), np.log1p(-prob)), dtype=float)
