"""Numbers for each row of a file or a table, in batches, from models beside churn."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import EngineError, SchemaError, nearest
from cxmodel.plain_json import said
from cxmodel.scoring.batches import file_batches, opened_file
from cxmodel.scoring.encode import numbers_of
from cxmodel.scoring.load import expired
from cxmodel.scoring.on_engine import batches_of, open_table
from cxmodel.scoring.row_models import MONEY, RowScorer
from cxmodel.scoring.write import CUSTOMER, VERSION, ScoreWriter
from cxmodel.tables.engines.engine import Engine, Session, connect
from cxmodel.tables.engines.trouble import engine_errors, engine_words
from cxmodel.value.cltv.past_spending import DAYS

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

UNIT = "unit"


@dataclass(eq=False)
class RowTally:
    """Adds up rows as they pass.

    Parameters
    ----------
    scorer : RowScorer
    n_rows, n_scored : int
        Of all, and of those that got every number.
    totals : dict of float
        Sums of each number.
    missing, unseen : Counter
        Rows by column: a value that was missing; a level that the fit did not see.
    n_without_amount : int
        Customers who bought again, of whom no mean spend is known.
    """

    scorer: RowScorer
    n_rows: int = 0
    n_scored: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    n_without_amount: int = 0
    n_without_days: int = 0

    def add(self, found: pd.DataFrame) -> None:
        """Add the numbers of some rows; NaN is no score."""
        known = found.notna().all(axis=1)
        self.n_rows += len(found)
        self.n_scored += int(known.sum())
        for name in self.scorer.outputs:
            total = float(found.loc[known, name].sum())
            self.totals[name] = self.totals.get(name, 0.0) + total

    def lines(self, _: Any = None, at: dt.date | None = None) -> list[str]:
        """Say it in sentences, warnings last."""
        scorer, without = self.scorer, self.n_rows - self.n_scored
        said_first = (
            f"Scored {_rows(self.n_scored)} with model {scorer.version} ({scorer.title}; expires "
            f"{scorer.expires_at or 'never'})."
        )
        found = [said_first]
        for name, words in scorer.outputs.items():
            if self.n_scored:
                found.append(f"{words}: {self.totals[name] / self.n_scored:,.4g}.")
        if self.n_scored and scorer.mean_at_fit is not None:
            found[-1] = f"{found[-1][:-1]}, and {scorer.mean_at_fit:,.4g} where it was fitted."
        if self.unseen:
            found.append(
                f"Warning: levels that the model did not learn about{_by_column(self.unseen)}: "
                "they count as the level that the others are compared with."
            )
        if self.n_without_amount:
            found.append(
                f"Warning: {_rows(self.n_without_amount)} of customers who bought again without "
                f"{MONEY} above 0: the mean spend of all stands for it."
            )
        if self.n_without_days:
            found.append(
                f"Warning: {_rows(self.n_without_days)} without {DAYS}: the whole window before "
                "counts as observed."
            )
        if without:
            found.append(
                f"Warning: {_rows(without)} without a score: a value is missing"
                f"{_by_column(self.missing)}, or lies beyond what was seen at the fit."
            )
        if scorer.expires_at is not None and scorer.is_expired(at):
            found.append(f"Warning: the model {expired(scorer.expires_at)}")
        return found


def _rows(n: int) -> str:
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def _by_column(counts: Counter[str]) -> str:
    if not counts:
        return ""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name}: {n:,}" for name, n in most[:5])
    return f" ({listed}{', ...' if len(most) > 5 else ''})"


# -- A batch --------------------------------------------------------------------------------------


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
    frame = _frame(scorer, batch)
    gap = frame[[*scorer.numbers, *scorer.words]].isna()
    tally.missing.update({str(name): int(n) for name, n in gap.sum().items() if n})
    known = ~gap.any(axis=1).to_numpy()
    tally.unseen.update(scorer.unseen(frame[known]))
    if MONEY in scorer.may_lack:
        again = frame["frequency"].to_numpy() > 0
        has_amount = frame[MONEY].to_numpy() > 0
        tally.n_without_amount += int((known & again & ~has_amount).sum())
    if DAYS in scorer.may_lack:
        tally.n_without_days += int((known & frame[DAYS].isna().to_numpy()).sum())
    found = pd.DataFrame(np.nan, index=frame.index, columns=list(scorer.outputs))
    if known.any():
        given = frame[known].reset_index(drop=True)
        found.loc[known, :] = _scored(scorer, given, tally.n_rows, len(frame))
    tally.add(found)
    return _batch(scorer, batch, found)


def _scored(
    scorer: RowScorer, given: pd.DataFrame, n_before: int, n_here: int
) -> npt.NDArray[np.float64]:
    try:
        found = scorer.score(given)
    except SchemaError as error:
        raise SchemaError(
            f"Rows {n_before + 1:,} to {n_before + n_here:,} of the input: {error}"
        ) from error
    return found[list(scorer.outputs)].to_numpy(dtype=float)


def _frame(scorer: RowScorer, batch: pa.RecordBatch) -> pd.DataFrame:
    import pyarrow as pa

    check_row_columns(scorer, batch.schema)
    found: dict[str, Any] = {}
    for name in (*scorer.numbers, *scorer.may_lack):
        found[name] = numbers_of(batch.column(name), name)
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
        raise SchemaError(
            f"The model ({scorer.title}) looks at {', '.join(map(said, missing))}, which the input "
            f"does not have. {nearest(missing[0], schema.names)}"
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


# -- Files and engines ----------------------------------------------------------------------------


def score_row_batches(
    scorer: RowScorer, batches: Iterable[pa.RecordBatch], schema: pa.Schema, output: Path
) -> RowTally:
    """Score batches one after the other into a file; see `score_rows`."""
    check_row_columns(scorer, schema)
    tally = RowTally(scorer)
    customer = schema.field(CUSTOMER).type if CUSTOMER in schema.names else None
    with ScoreWriter(output, row_schema(scorer, customer)) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write(score_rows(scorer, batch, tally))
    return tally


def score_row_file(scorer: RowScorer, path: str, output: Path) -> RowTally:
    """Score the rows of a CSV or Parquet file, or a glob of them, in their order."""
    with connect() as session:
        table, shown = opened_file(session, path, scorer)
        schema = table.schema().to_pyarrow()
        return score_row_batches(scorer, file_batches(session, table, shown), schema, output)


def score_rows_on_engine(scorer: RowScorer, engine: Engine, name: str, output: Path) -> RowTally:
    """Score a table of an engine: linear models there, all others in batches taken out of it.

    Raises
    ------
    EngineError
        If the engine cannot be reached, or fails.
    SourceError, SchemaError
        If there is no such table, or a column is missing; ``customer_id`` is needed, as the rows of
        an engine have no order.
    """
    with connect(engine) as session:
        table = open_table(session, name, scorer)
        if CUSTOMER not in table.columns:
            raise SchemaError(
                "The table has no customer_id, so nobody could tell whose the scores are: rows of "
                f"an engine have no order. {nearest(CUSTOMER, table.columns)}"
            )
        schema = table.schema().to_pyarrow()
        check_row_columns(scorer, schema)
        try:
            if scorer.expression is not None:
                return _score_there(scorer, session, table, output)
            rows = _taken_out(session, table.order_by(CUSTOMER))
            return score_row_batches(scorer, rows, schema, output)
        except engine_errors() as error:
            raise EngineError(f"The table could not be scored: {engine_words(error)}") from error


def _taken_out(session: Session, rows: ir.Table) -> Iterator[pa.RecordBatch]:
    if session.name == "pyspark":
        from cxmodel.scoring.on_spark import frame_of

        return batches_of(session, frame_of(session, rows))
    return batches_of(session, rows)


def _score_there(scorer: RowScorer, session: Session, table: ir.Table, output: Path) -> RowTally:
    """Write the numbers that an engine computed: only these and the customer leave it."""
    import pyarrow as pa

    if scorer.expression is None:
        raise ValueError("The model is not linear.")
    names = list(scorer.outputs)
    found = scorer.expression(table)
    found = found.mutate(**{CUSTOMER: found[CUSTOMER].cast("string")})
    chosen = found.select(CUSTOMER, *names).order_by(CUSTOMER, *names)
    tally = RowTally(scorer)
    with ScoreWriter(output, row_schema(scorer, pa.string())) as writer:
        for batch in _taken_out(session, chosen):
            numbers = pd.DataFrame({name: numbers_of(batch.column(name), name) for name in names})
            numbers[numbers.isna().any(axis=1)] = np.nan  # no score is none at all
            tally.add(numbers)
            who = pa.RecordBatch.from_arrays(
                [batch.column(CUSTOMER).cast(pa.string())], names=[CUSTOMER]
            )
            writer.write(_batch(scorer, who, numbers))
    return tally
