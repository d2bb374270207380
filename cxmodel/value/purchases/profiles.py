"""How purchase histories were spread where a model was fitted to them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.models.profile import Profile, profile_of
from cxmodel.tables.purchase_summary import PurchaseSummary

FloatArray = npt.NDArray[np.float64]
_HISTORY = ("frequency", "recency", "T", "monetary_value")


def profile_of_histories(
    rows: PurchaseSummary,
    columns: tuple[str, ...],
    scores: Mapping[str, FloatArray],
    *,
    min_group_size: int,
) -> Profile:
    """Count customers by what a model looks at, and by what it says of them.

    Histories grow longer by themselves, so ``T`` moves with the calendar. That is told as well: the
    model was not fitted to histories as long as that.

    Parameters
    ----------
    rows : PurchaseSummary
        What the model was fitted to.
    columns : tuple of str
        Of these.
    scores : mapping of str to numpy.ndarray, (n,)
        One number for each row.
    min_group_size : int
        No class holds fewer customers.

    Examples
    --------
    >>> rows = PurchaseSummary(
    ...     frequency=np.array([0.0, 1.0]), recency=np.array([0.0, 5.0]), T=np.array([9.0, 9.0]),
    ...     monetary_value=np.array([np.nan, 20.0]), n_customers=np.array([60, 40]),
    ... )
    >>> found = profile_of_histories(rows, ("frequency",), {}, min_group_size=30)
    >>> found.columns["frequency"].counts.tolist()
    [60, 40]
    """
    known = {**rows.covariates, **{name: getattr(rows, name) for name in _HISTORY}}
    frame = pd.DataFrame({name: known[name] for name in columns})
    return profile_of(frame, scores, min_group_size=min_group_size, weights=rows.n_customers)
