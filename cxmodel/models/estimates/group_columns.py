"""Columns that part customers into groups: which may, and which rows belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import ConfigError, nearest
from cxmodel.models.estimates.level_rows import suppressed
from cxmodel.models.leaks import MAX_LEVELS, MISSING

if TYPE_CHECKING:
    from cxmodel.tables.observation_table import Observations

# Who it is, what the rating says, and what came after: none of them parts customers beforehand.
NO_GROUPS = (
    "customer_id", "responded_at", "rating", "band", "response_weight", "revenue_after", "churned",
    "duration_days", "outcome_complete", "row_number",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of one column among the rows of a fit.

    Parameters
    ----------
    column : str
        Its name.
    labels : tuple
        What results say of each group; the group of unknown value is last.
    codes : array of int (n,)
        Which group a row belongs to.
    """

    column: str
    labels: tuple[Any, ...]
    codes: NDArray[np.int64]

    def hidden(self, customers: NDArray[np.int64], at_least: int) -> list[bool]:
        """Say which groups are too small to be shown, by customers.

        The next smallest is hidden too where a single one would be: it would follow from the
        total. Rows of unknown value are no group: they take no other with them.
        """
        sizes = [len(np.unique(customers[self.codes == i])) for i in range(len(self.labels))]
        known = [size for size, label in zip(sizes, self.labels, strict=True) if label != MISSING]
        return [*suppressed(known, at_least), *(n < at_least for n in sizes[len(known) :])]


def check_groups(obs: Observations, by: Sequence[str]) -> None:
    """Refuse a column to group by that is not there, or that says what came of it.

    Raises
    ------
    ConfigError
        Naming the nearest column.
    """
    # text of over 50 levels does not come into a joined table; that it was too much is said later
    left_out = obs.audit.get("controls_left_out", ())
    for name in by:
        if name in NO_GROUPS:
            raise ConfigError(
                f"lift.by: {name!r} names a customer, a rating or an outcome; group by what was "
                "known before, such as a segment or a plan."
            )
        is_known = name in obs.frame.columns or name in left_out
        if not is_known or name.startswith("_"):
            public = [str(c) for c in obs.frame.columns if not str(c).startswith("_")]
            offered = [column for column in public if column not in NO_GROUPS]
            raise ConfigError(f"lift.by: there is no column {name!r}. {nearest(name, offered)}")


def read_groups(column: str, values: pd.Series) -> Groups | None:
    """Part rows by the values of a column; None with more than 50 of them.

    Examples
    --------
    >>> read_groups("plan", pd.Series(["b", None, "a", "b"])).labels
    ('a', 'b', '(missing)')
    """
    codes, distinct = pd.factorize(values.where(values.ne(MISSING)))
    labels = [_plain(value) for value in distinct]
    if len(labels) > MAX_LEVELS:
        return None
    order = sorted(range(len(labels)), key=lambda i: (isinstance(labels[i], str), labels[i]))
    place = np.empty(len(labels) + 1, dtype=np.int64)
    place[order] = np.arange(len(labels))
    place[-1] = len(labels)
    named = [labels[i] for i in order]
    return Groups(column, (*named, *([MISSING] if (codes < 0).any() else [])), place[codes])


def _plain(value: Any) -> str | int | float | bool:
    """Give a value as results can hold it: 9.0 is 9, a date its text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, int, float, bool)) else str(value)
