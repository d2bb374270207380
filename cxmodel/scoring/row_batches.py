"""Numbers for each row of a file or a table, in batches, from models beside churn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import SchemaError, nearest
from cxmodel.models.engine_columns import as_number, class_tests, within
from cxmodel.models.off_scale import is_outside
from cxmodel.plain_json import said
from cxmodel.scoring.encode import numbers_of
from cxmodel.scoring.row_models import RowScorer
from cxmodel.scoring.row_summary import (
    DAYS_BELOW,
    MONEY,
    NO_AMOUNT,
    NO_DAYS,
    UNSEEN_TIME,
    RowSummary,
    RowTally,
)
from cxmodel.scoring.write import CUSTOMER, VERSION
from cxmodel.value.cltv.past_spending import DAYS

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from cxmodel.models.model_file import ModelFile

UNIT = "unit"


def score_rows(scorer: RowScorer, batch: pa.RecordBatch, tally: RowTally) -> pa.RecordBatch:
    """Score one batch, and add it to a tally.

    Parameters
    ----------
    scorer : RowScorer
    batch : pyarrow.RecordBatch
        With the columns of the model, and ``customer_id`` where it is known.
    tally : RowTally
        Of all batches so far.

    Returns
    -------
    pyarrow.RecordBatch
        ``customer_id`` where it is known, the numbers (null where a value is missing), the unit of
        a value, ``model_version``; a row for each, in their order.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind, or a row holds what cannot be.
    """
    frame = _frame(scorer, batch, tally)
    gap = frame[list(scorer.needed)].isna()
    tally.missing.update({str(name): int(n) for name, n in gap.sum().items() if n})
    known = ~gap.any(axis=1).to_numpy()
    given = frame[known].reset_index(drop=True)
    tally.unseen.update(scorer.unseen(given))
    tally.odd.update({what: int(rows.sum()) for what, rows in odd_rows(scorer, given).items()})
    found = pd.DataFrame(np.nan, index=frame.index, columns=list(scorer.outputs))
    if known.any():
        numbers = _scored(scorer, given, np.flatnonzero(known))
        found.loc[known, :] = numbers
        tally.n_beyond += int(np.isnan(numbers).any(axis=1).sum())
    tally.add(found)
    if scorer.profile is not None:
        columns = scorer.profile.columns
        tally.count({name: seen.count(given[name]) for name, seen in columns.items()})
    return _batch(scorer, batch, found)


def odd_rows(scorer: RowScorer, rows: Any) -> dict[str, Any]:
    """Say which rows are odd and yet scored, by what is odd; of a frame, or of a table there."""
    found: dict[str, Any] = {}
    if MONEY in scorer.may_lack:
        is_known = rows[MONEY] > 0
        found[NO_AMOUNT] = (rows["frequency"] > 0) & ~is_known
    if DAYS in scorer.may_lack:
        found[NO_DAYS] = rows[DAYS].isnull()
        found[DAYS_BELOW] = rows[DAYS] < 0
    if scorer.seen_until is not None:
        column, last = scorer.seen_until
        found[UNSEEN_TIME] = rows[column] > last
    return found


def _scored(
    scorer: RowScorer, given: pd.DataFrame, places: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    try:
        found = scorer.score(given)
    except SchemaError as error:
        if error.row is None:
            raise
        raise SchemaError(error.message, row=int(places[error.row])) from error
    return found[list(scorer.outputs)].to_numpy(dtype=float)


def _frame(scorer: RowScorer, batch: pa.RecordBatch, tally: RowTally) -> pd.DataFrame:
    """Read a batch; a rating outside its scale is none, and counted."""
    import pyarrow as pa

    check_row_columns(scorer, batch.schema)
    found: dict[str, Any] = {}
    for name in (*scorer.numbers, *scorer.may_lack):
        found[name] = numbers_of(batch.column(name), name)
    if scorer.window_days is not None:
        found[DAYS] = np.minimum(found[DAYS], scorer.window_days)  # more is the whole window too
    for name, scale in scorer.ranges.items():
        is_off = is_outside(found[name], scale)
        found[name] = np.where(is_off, np.nan, found[name])
        tally.off_scale[name] += int(is_off.sum())
    for name in scorer.words:
        words = batch.column(name).cast(pa.string()).to_pylist()
        stripped = [None if word is None else word.strip() or None for word in words]
        found[name] = pd.array(stripped, dtype="string")
    return pd.DataFrame(found, index=range(batch.num_rows))


def check_row_columns(scorer: RowScorer, schema: pa.Schema) -> None:
    """Refuse a table without the columns of a model.

    Raises
    ------
    SchemaError
        Naming every column that is missing.
    """
    missing = [name for name in scorer.columns if name not in schema.names]
    if missing:
        looked = [
            f"{said(name)} ({scorer.meanings[name]})" if name in scorer.meanings else said(name)
            for name in missing
        ]
        raise SchemaError(
            f"The model ({scorer.title}) looks at {', '.join(looked)}, which the input does not "
            f"have. {nearest(missing[0], schema.names)}"
        )


def _batch(scorer: RowScorer, batch: pa.RecordBatch, found: pd.DataFrame) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [pa.array(found[name].to_numpy(), from_pandas=True) for name in scorer.outputs]
    texts = [text for text in (scorer.unit, scorer.version) if text is not None]
    columns += [pa.repeat(pa.scalar(text, pa.string()), len(found)) for text in texts]
    customer = None
    if CUSTOMER in batch.schema.names:
        customer = batch.schema.field(CUSTOMER).type
        columns = [batch.column(CUSTOMER), *columns]
    return pa.RecordBatch.from_arrays(columns, schema=row_schema(scorer, customer))


def row_schema(scorer: RowScorer, customer: pa.DataType | None) -> pa.Schema:
    """Give the columns of the scores, with a customer where the input names one."""
    import pyarrow as pa

    fields: list[Any] = [] if customer is None else [(CUSTOMER, customer)]
    fields += [(name, pa.float64()) for name in scorer.outputs]
    fields += [(UNIT, pa.string())] if scorer.unit is not None else []
    return pa.schema([*fields, (VERSION, pa.string())])


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows scored by a model beside churn; see `cxmodel.scoring.kinds.Scoring`.

    Parameters
    ----------
    scorer : RowScorer
    """

    scorer: RowScorer

    @property
    def file(self) -> ModelFile:
        """The model's file."""
        return self.scorer.file

    @property
    def periods(self) -> float | None:
        """How far it looks, where that was asked."""
        return self.scorer.periods

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return self.scorer.columns

    @property
    def is_linear(self) -> bool:
        """Whether an engine can compute it."""
        return self.scorer.expression is not None

    @property
    def outputs(self) -> tuple[str, ...]:
        """What an engine computes."""
        return tuple(self.scorer.outputs)

    def public_names(self, given: Any) -> dict[str, str]:
        """Say which columns come under other names."""
        return self.scorer.public_names(given)

    def check(self, schema: pa.Schema) -> None:
        """Refuse a table without the columns."""
        check_row_columns(self.scorer, schema)

    def schema(self, customer: pa.DataType | None) -> pa.Schema:
        """Give the columns of the scores."""
        return row_schema(self.scorer, customer)

    def tally(self) -> RowTally:
        """Begin to count."""
        return RowTally(self.scorer)

    def score(self, batch: pa.RecordBatch, tally: RowTally) -> pa.RecordBatch:
        """Score a batch."""
        return score_rows(self.scorer, batch, tally)

    def summary(self, tally: RowTally) -> RowSummary:
        """Give the sums."""
        return tally.summary()

    # -- Where the table lies ----------------------------------------------------------------------

    def scored_table(self, table: ir.Table) -> ir.Table:
        """Write the outputs as expressions."""
        if self.scorer.expression is None:
            raise ValueError("The model is not linear.")
        return self.scorer.expression(table)

    def counted(self, table: ir.Table) -> tuple[ir.Table, dict[str, Any]]:
        """Give the table as the model reads it, and what is counted over its rows.

        Names are ``<what>:<column>``; of the classes of the profile ``class:<column>:<place>``.
        """
        import ibis

        scorer, off = self.scorer, {}
        values = {name: as_number(table[name], name) for name in scorer.columns}
        if scorer.window_days is not None:
            is_whole = values[DAYS] > scorer.window_days
            values[DAYS] = is_whole.ifelse(scorer.window_days, values[DAYS])
        for name, scale in scorer.ranges.items():
            off[f"off_scale:{name}"], values[name] = within(values[name], scale)
        read = table.mutate(**values)
        gaps = {f"missing:{name}": read[name].isnull() for name in scorer.needed}
        known = reduce(and_, [~gap for gap in gaps.values()], ibis.literal(True))
        tests = {f"odd:{what}": rows & known for what, rows in odd_rows(scorer, read).items()}
        columns = {} if scorer.profile is None else scorer.profile.columns
        for name, seen in columns.items():
            each = enumerate(class_tests(read[name], seen))
            tests |= {f"class:{name}:{place}": test & known for place, test in each}
        every = {**off, **gaps, **tests}
        return read, {name: test.fill_null(False).sum() for name, test in every.items()}

    def add_counted(self, tally: RowTally, found: Mapping[str, Any]) -> None:
        """Add what was counted."""
        classes: dict[str, list[int]] = {}
        for name, n in found.items():
            what, _, column = name.partition(":")
            if what == "class":
                classes.setdefault(column.rpartition(":")[0], []).append(int(n or 0))
            elif n:
                getattr(tally, what)[column] += int(n)
        tally.count(classes)

    def take(self, batch: pa.RecordBatch, tally: RowTally) -> pa.RecordBatch:
        """Take a batch of what the engine computed, and add it to a tally."""
        numbers = pd.DataFrame(
            {name: numbers_of(batch.column(name), name) for name in self.outputs}
        )
        numbers[numbers.isna().any(axis=1)] = np.nan  # no score is none at all
        tally.add(numbers)
        return _batch(self.scorer, batch, numbers)
