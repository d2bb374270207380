"""What a reader of a churn model must know, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.churn.evaluation import Splits
from cxmodel.models.churn.features import Features
from cxmodel.models.churn.sample_size import SampleSize
from cxmodel.models.leaks import LeakReport
from cxmodel.models.say import listed
from cxmodel.tables.observation_table import Observations

MOST_NAMED = 20
# Where most rows equal another, the columns are too coarse to know a customer by.
FEW_DUPLICATES = 0.5
_NOT_COMPARED = ("customer_id", "row_number", "response_weight")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the sentences are made of."""

    obs: Observations
    leaks: LeakReport
    not_examined: tuple[str, ...]
    features: Features
    splits: Splits
    separates: bool
    n_open: int
    n_duplicates: int
    sample_size: SampleSize


def equal_rows(frame: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Give one number to all rows that are equal in every column but the customer's id.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": list("abc"), "age": [1.0, None, None]})
    >>> equal_rows(frame).tolist()
    [0, 1, 1]
    """
    compared = [name for name in frame.columns if name not in _NOT_COMPARED]
    hashes = pd.util.hash_pandas_object(frame[compared], index=False)
    return np.asarray(pd.factorize(hashes)[0], dtype=np.intp)


def caveats(facts: Facts) -> tuple[str, ...]:
    """List what limits the model, each in a sentence."""
    said = [f"The churn model was judged {facts.splits.words}."]
    if facts.separates:
        said.append(
            "The rating separates those who left from those who stayed, so the churn model "
            "restates it rather than foretells: read its figures without the rating."
        )
    if facts.leaks.left_out:
        suspects = [leak for leak in facts.leaks.leaks if not leak.is_kept]
        named = listed(
            [f"{x.column} (AUC {x.auc:.3f}, {x.pure_share:.0%} pure)" for x in suspects], MOST_NAMED
        )
        said.append(f"Left out of the churn model because they seem to know the outcome: {named}.")
    said += _columns_without_use(facts)
    if facts.n_duplicates:
        said.append(
            f"{facts.n_duplicates:,} rows equal an earlier row in every column but the customer's "
            "id. They are kept, as they may be different customers; none is judged by a model that "
            "has seen its like."
        )
    if facts.obs.attributes_as_of_extract and facts.obs.attributes:
        said.append(
            "Attributes are as of the extract, perhaps after the customer left: "
            f"{listed(facts.obs.attributes, MOST_NAMED)}."
        )
    if facts.sample_size.verdict != "pass":
        said.append(f"Few customers for the churn model: {facts.sample_size.text}")
    if facts.n_open:
        said.append(
            f"{facts.n_open:,} responses whose {facts.obs.window_words} are not over are censored: "
            "they are in the retention curve, and not among the rows that churn is learnt from."
        )
    return tuple(said)


def _columns_without_use(facts: Facts) -> list[str]:
    """Name the columns that could not be taken, and values that are no numbers."""
    said = []
    features = facts.features
    if facts.not_examined:
        named = listed(facts.not_examined, MOST_NAMED)
        said.append(f"Not looked at, text of over 50 levels: {named}.")
    if features.dated:
        named = listed(features.dated, MOST_NAMED)
        said.append(f"Dates are examined for leaks, and are no predictors of churn: {named}.")
    if features.constant:
        named = listed(features.constant, MOST_NAMED)
        said.append(
            "Columns of one value, of none, or of rare values alone say nothing about churn: "
            f"{named}."
        )
    if features.infinite:
        named = listed([f"{name} ({n:,})" for name, n in features.infinite], MOST_NAMED)
        said.append(f"Infinite values count as missing in the churn model: {named}.")
    return said
