"""What a churn model looks at: columns shuffled on held-out rows, and set to each value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.models.churn.features import Feature, Features
from cxmodel.models.churn.learning import ChurnRows, Held, HeldOut
from cxmodel.models.estimates.level_rows import suppressed
from cxmodel.results import Estimate
from cxmodel.stats.permutation import importance, partial_dependence, shuffled_predictions

if TYPE_CHECKING:
    from cxmodel.models.churn.classifier import ChurnClassifier

FloatArray = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

N_REPEATS = 5
# Beyond so many rows shuffling and averaging say no more.
MOST_ROWS, MOST_ROWS_AVERAGED = 10_000, 2_000
# A scale of 0-10 is shown by its values.
MOST_COLUMNS, N_BINS, FEW_VALUES = 6, 10, 11
OTHERS, MISSING = "(all others)", "(missing)"
NATS = "nats per response: rise of the log loss when the column is shuffled"
AREA = "area under the ROC curve: fall when the column is shuffled"


def importance_rows(
    held_out: HeldOut, rows: ChurnRows, *, seed: int, conf_level: float
) -> list[dict[str, Any]]:
    """Shuffle each column of the source among held-out rows, and see what is lost.

    All levels of a category, and the mark of a missing number, move with their column. Rows move
    within the period or fold that was held out together. Columns that say the same share their
    importance, and none of it is an effect.

    Parameters
    ----------
    held_out : HeldOut
        Held-out rows and the models that never saw them.
    rows : ChurnRows
        The data.
    seed, conf_level
        Of the shuffles and the intervals, which hold the redrawing of customers and the shuffles.

    Returns
    -------
    list of dict
        ``column``, the rise of the log loss as an estimate, and ``roc_auc_drop``;
        the largest first.
    """
    kept = _some_rows(rows.group[held_out.rows], MOST_ROWS, seed)
    tested, prob = held_out.rows[kept], held_out.prob[kept]
    happened, group = rows.happened[tested], rows.group[tested]
    if not 0 < happened.sum() < len(happened):
        return []
    ends = np.cumsum([len(part.rows) for part in held_out.parts])[:-1]
    kept_of = np.split(kept, ends)
    tables = [
        None if part.model is None else part.features.matrix(rows.frame.iloc[part.rows[inside]])
        for part, inside in zip(held_out.parts, kept_of, strict=True)
    ]
    found = []
    for number, name in enumerate(_columns_of(held_out)):
        shuffled = np.concatenate(
            [
                _shuffled(part, table, part.prob[inside], name, [seed, number, place])
                for place, (part, table, inside) in enumerate(
                    zip(held_out.parts, tables, kept_of, strict=True)
                )
            ],
            axis=1,
        )
        lost = importance(happened, prob, shuffled, group)
        of_area = Estimate.from_std_error(
            lost.roc_auc, lost.roc_auc_std_error, unit=AREA, n_obs=len(prob), conf_level=conf_level
        )
        of_loss = Estimate.from_std_error(
            lost.log_loss, lost.log_loss_std_error, unit=NATS, n_obs=len(prob),
            conf_level=conf_level,
        )  # fmt: skip
        found.append({"column": name, **of_loss.to_dict(), "roc_auc_drop": of_area})
    return sorted(found, key=lambda row: -row["estimate"])


def _columns_of(held_out: HeldOut) -> list[str]:
    names = dict.fromkeys(p.name for part in held_out.parts for p in part.features.parts)
    return list(names)


def _shuffled(
    held: Held, table: FloatArray | None, prob: FloatArray, name: str, seed: list[int]
) -> FloatArray:
    """Predict one held-out part with a column shuffled; unchanged where its model lacks it."""
    places = places_of(held.features, name)
    if held.model is None or table is None or not places or not len(table):
        return np.tile(prob, (N_REPEATS, 1))
    draw = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return shuffled_predictions(
        _predictor(held.model), table, places, n_repeats=N_REPEATS, seed=draw
    )


def places_of(features: Features, name: str) -> list[int]:
    """Give the columns of the matrix that a column of the source makes.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodel.models.churn.features import learn_features
    >>> frame = pd.DataFrame({"plan": list("abc") * 10, "age": [1.0, 2.0, None] * 10})
    >>> places_of(learn_features(frame, ["plan", "age"]), "age")
    [2, 3]
    """
    start = 0
    for part in features.parts:
        if part.name == name:
            return list(range(start, start + len(part.terms)))
        start += len(part.terms)
    return []


def _predictor(model: ChurnClassifier) -> Callable[[FloatArray], FloatArray]:
    return lambda matrix: np.asarray(model.predict_proba(matrix)[:, 1], dtype=float)


def _some_rows(group: Rows, most: int, seed: int) -> Bools:
    """Mark the rows of a random part of the customers; all where they are few."""
    if len(group) <= most:
        return np.ones(len(group), dtype=bool)
    codes = np.unique(group, return_inverse=True)[1]
    n_groups = int(codes.max()) + 1
    taken = np.random.default_rng(seed).permutation(n_groups) < n_groups * most / len(group)
    return np.asarray(taken[codes])


# -- partial dependence --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Values:
    """The values at which a column is looked at.

    Parameters
    ----------
    labels : tuple of str
        How they are called.
    numbers : tuple of float or None
        Their numbers, where they have one.
    settings : numpy.ndarray, shape (m, terms of the column)
        What the columns of the matrix are set to.
    codes : numpy.ndarray of int, shape (n,)
        The value nearest to each row.
    """

    labels: tuple[str, ...]
    numbers: tuple[float | None, ...]
    settings: FloatArray
    codes: Rows


def dependence_rows(
    model: ChurnClassifier,
    features: Features,
    rows: ChurnRows,
    columns: list[str],
    *,
    seed: int,
    min_group_size: int,
) -> list[dict[str, Any]]:
    """Give the mean probability when a column is set to each of its values, and what happened.

    Numbers of many values are read at the middle of each tenth of the rows, so the curve stops
    where the data stop. It describes the model, not what a change would do.

    Parameters
    ----------
    model, features : ChurnClassifier, Features
        The model, fitted to `rows`.
    rows : ChurnRows
        The data.
    columns : list of str
        Columns to look at.
    seed : int
        Of the rows that are averaged over.
    min_group_size : int
        Values of fewer rows are suppressed, and the next smallest with a single one.

    Returns
    -------
    list of dict
        ``column, label, value, estimate`` (mean probability), ``observed`` (share who left), ``n``,
        ``suppressed``.
    """
    matrix = features.matrix(rows.frame)
    averaged = matrix[_some_rows(rows.group, MOST_ROWS_AVERAGED, seed)]
    predict = _predictor(model)
    found = []
    for part in features.parts:
        if part.name not in columns:
            continue
        places = places_of(features, part.name)
        values = _values(part, matrix[:, places], min_group_size)
        estimates = partial_dependence(predict, averaged, places, values.settings)
        counts = np.bincount(values.codes, minlength=len(values.labels))
        left = np.bincount(values.codes, weights=rows.happened, minlength=len(values.labels))
        hidden = suppressed(counts.tolist(), min_group_size)
        found += [
            _dependence_row(part, values, place, estimates[place], left[place], int(counts[place]),
                            is_hidden=hidden[place])
            for place in range(len(values.labels))
            if counts[place]
        ]  # fmt: skip
    return sorted(found, key=lambda row: columns.index(row["column"]))


def _dependence_row(
    part: Feature,
    values: Values,
    place: int,
    estimate: float,
    n_left: float,
    n: int,
    *,
    is_hidden: bool,
) -> dict[str, Any]:
    row = {"column": part.name, "label": values.labels[place], "value": values.numbers[place]}
    numbers = {"estimate": float(estimate), "observed": float(n_left / n), "n": n}
    if is_hidden:
        numbers = dict.fromkeys(numbers)  # type: ignore[assignment]
    return {**row, **numbers, "suppressed": is_hidden}


def _values(part: Feature, columns: FloatArray, min_group_size: int) -> Values:
    if not part.is_number:
        return _levels(part, columns)
    missing = columns[:, 1] == 1 if part.has_missing else np.zeros(len(columns), dtype=bool)
    known = columns[~missing, 0]
    inside, centres = _bins(known, min_group_size)
    codes = np.full(len(columns), len(centres), dtype=np.intp)
    codes[~missing] = inside
    labels = [f"{centre:.6g}" for centre in centres]
    numbers: list[float | None] = [float(centre) for centre in centres]
    settings = [[centre, 0.0] if part.has_missing else [centre] for centre in centres]
    if part.has_missing:
        labels, numbers = [*labels, MISSING], [*numbers, None]
        settings.append([part.fill, 1.0])
    return Values(tuple(labels), tuple(numbers), np.array(settings, dtype=float), codes)


def _bins(known: FloatArray, min_group_size: int) -> tuple[Rows, FloatArray]:
    """Cut numbers into tenths of the rows, or into their values where these are few."""
    distinct, codes = np.unique(known, return_inverse=True)
    if len(distinct) <= FEW_VALUES:
        return codes.astype(np.intp), distinct
    n_bins = max(2, min(N_BINS, len(known) // max(min_group_size, 1)))
    edges = np.unique(np.quantile(known, np.arange(1, n_bins) / n_bins))
    codes = np.searchsorted(edges, known, side="left")
    used, codes = np.unique(codes, return_inverse=True)
    centres = np.array([np.median(known[codes == bin_]) for bin_ in range(len(used))])
    return codes.astype(np.intp), centres


def _levels(part: Feature, columns: FloatArray) -> Values:
    """Give each level of a category its row of flags; levels without a column stand last."""
    n = len(part.levels)
    codes = np.where(columns.any(axis=1), columns.argmax(axis=1), n).astype(np.intp)
    last = OTHERS if part.reference is None else part.reference
    settings = np.vstack([np.eye(n), np.zeros((1, n))])
    return Values((*part.levels, last), (None,) * (n + 1), settings, codes)
