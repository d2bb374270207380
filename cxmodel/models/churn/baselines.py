"""What a plain guess knows: the churn rate for everybody, and the one column that tells most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.churn.evaluation import Splits
from cxmodel.models.churn.features import Feature, Features
from cxmodel.models.churn.learning import ChurnRows

FloatArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
N_BINS = 5
# Every bin is given so many rows of the overall rate, so that a small one promises little.
ROWS_OF_THE_WHOLE = 10.0
_EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class OneColumnRule:
    """A rule that an analyst would write: the churn rate of the customer's bin of one column.

    Parameters
    ----------
    part : Feature
        The column; numbers are in fifths, words in levels, missing is a bin of its own.
    edges : numpy.ndarray
        Where fifths of a number end.
    rates : numpy.ndarray
        Churn rate of each bin.
    """

    part: Feature
    edges: FloatArray
    rates: FloatArray

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Give each row the churn rate of its bin."""
        codes = _codes(self.part, self.part.columns(frame), self.edges)
        return np.asarray(self.rates[codes], dtype=float)


def learn_one_column(
    frame: pd.DataFrame, happened: FloatArray, features: Features
) -> OneColumnRule | None:
    """Find the one column whose bins tell most of these rows (Holte 1993, by the log loss).

    Parameters
    ----------
    frame : pandas.DataFrame
        Training rows.
    happened : numpy.ndarray of 0/1, shape (n,)
        Who left.
    features : Features
        The columns to choose from.

    Returns
    -------
    OneColumnRule or None
        None where there is no column.

    References
    ----------
    Holte, R. C. (1993). Very simple classification rules perform well on most commonly used
    datasets. Machine Learning 11, 63-90.
    """
    base = float(happened.mean())
    best: OneColumnRule | None = None
    least = np.inf
    for part in features.parts:
        columns = part.columns(frame)
        edges = _edges(part, columns)
        codes = _codes(part, columns, edges)
        n_bins = len(edges) + 2 if part.is_number else len(part.levels) + 1
        counts = np.bincount(codes, minlength=n_bins)
        events = np.bincount(codes, weights=happened, minlength=n_bins)
        rates = (events + ROWS_OF_THE_WHOLE * base) / (counts + ROWS_OF_THE_WHOLE)
        prob = rates[codes].clip(_EDGE, 1 - _EDGE)
        loss = float(-np.where(happened == 1, np.log(prob), np.log1p(-prob)).mean())
        if loss < least:
            best, least = OneColumnRule(part, edges, rates), loss
    return best


def one_column_predictions(rows: ChurnRows, splits: Splits) -> tuple[FloatArray, dict[str, int]]:
    """Predict held-out rows by the best single column of their training rows.

    Returns
    -------
    prob : numpy.ndarray
        In the order of the splits' test rows.
    columns : dict of str to int
        Column -> in how many of the splits it was the best.
    """
    probs, names = [], Counter[str]()
    for train, test in splits.pairs:
        frame, happened = rows.frame.iloc[train], rows.happened[train]
        rule = learn_one_column(frame, happened, rows.learn(train))
        if rule is None:
            probs.append(np.full(len(test), happened.mean()))
            continue
        names[rule.part.name] += 1
        probs.append(rule.predict(rows.frame.iloc[test]))
    return np.concatenate(probs), dict(names.most_common())


def churn_rate_of_training(happened: FloatArray, tested: Codes, splits: Splits) -> dict[str, Any]:
    """Judge the plainest guess: the training rows' churn rate for everybody."""
    guess = np.concatenate(
        [np.full(len(test), happened[train].mean()) for train, test in splits.pairs]
    ).clip(_EDGE, 1 - _EDGE)
    truth = happened[tested]
    return {
        "name": "the churn rate of the training rows for everybody",
        "roc_auc": 0.5,
        "pr_auc": float(truth.mean()),
        "brier": float(((truth - guess) ** 2).mean()),
        "log_loss": float(-(truth * np.log(guess) + (1 - truth) * np.log1p(-guess)).mean()),
    }


def _edges(part: Feature, columns: list[FloatArray]) -> FloatArray:
    if not part.is_number:
        return np.empty(0)
    known = columns[0] if not part.has_missing else columns[0][columns[1] == 0]
    inner = np.quantile(known, np.arange(1, N_BINS) / N_BINS)
    return np.asarray(np.unique(inner), dtype=float)


def _codes(part: Feature, columns: list[FloatArray], edges: FloatArray) -> Codes:
    """Give each row its bin; 0 is missing, or a level without a column of its own."""
    if part.is_number:
        codes = np.searchsorted(edges, columns[0], side="left") + 1
        return np.where(columns[1] == 1, 0, codes) if part.has_missing else codes
    flags = np.column_stack(columns)
    return np.where(flags.any(axis=1), flags.argmax(axis=1) + 1, 0)
