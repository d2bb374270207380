"""Score rows in batches: a file may be larger than memory, the output grows beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cxmodel.errors import SchemaError, SourceError
from cxmodel.scoring.kinds import Scoring, scoring_of
from cxmodel.scoring.write import CUSTOMER, ScoreWriter
from cxmodel.tables.engines.engine import Session, connect

if TYPE_CHECKING:
    import pyarrow as pa

    from cxmodel.models.churn.stored import StoredChurnModel
    from cxmodel.scoring.row_models import RowScorer

BATCH_ROWS = 131_072
OF_INPUT = "of the input"


def score_batches(
    model: StoredChurnModel | RowScorer,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    output: Path,
    rows: str = OF_INPUT,
) -> Any:
    """Score batches one after the other into a file.

    Parameters
    ----------
    model : StoredChurnModel or RowScorer
    batches : iterable of pyarrow.RecordBatch
    schema : pyarrow.Schema
        What they have; also without any batch.
    output : Path
        Ends in .parquet or .csv.
    rows : str
        Which rows those are that a message counts.

    Returns
    -------
    ScoreSummary or RowSummary

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind, or a row holds what cannot be: with its number.
    """
    scoring = scoring_of(model)
    scoring.check(schema)
    tally = scoring.tally()
    customer = schema.field(CUSTOMER).type if CUSTOMER in schema.names else None
    with ScoreWriter(output, scoring.schema(customer)) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write(_scored(scoring, batch, tally, rows))
    return scoring.summary(tally)


def _scored(scoring: Scoring, batch: pa.RecordBatch, tally: Any, rows: str) -> pa.RecordBatch:
    try:
        return scoring.score(batch, tally)
    except SchemaError as error:
        raise numbered(error, tally.n_rows, rows) from error


def numbered(error: SchemaError, n_before: int, rows: str) -> SchemaError:
    """Name the row that is wrong, counted from the first of all.

    Parameters
    ----------
    error : SchemaError
        Of a batch; as it is where no row of it is wrong but a whole column.
    n_before : int
        Rows before the batch.
    rows : str
        Which rows these are.

    Examples
    --------
    >>> str(numbered(SchemaError("recency is beyond T.", row=2), 1_000, "of the input"))
    'Row 1,003 of the input: recency is beyond T.'
    """
    if error.row is None:
        return error
    return SchemaError(f"Row {n_before + error.row + 1:,} {rows}: {error.message}")


def score_file(model: StoredChurnModel | RowScorer, path: str, output: Path) -> Any:
    """Score the rows of a CSV or Parquet file, or a glob of them, in their order.

    Text is read as text, and as numbers where the model has numbers, by us and by no guess.

    Parameters
    ----------
    model : StoredChurnModel or RowScorer
    path : str
        A file, or a glob.
    output : Path
        Ends in .parquet or .csv.

    Returns
    -------
    ScoreSummary or RowSummary

    Raises
    ------
    SourceError
        If the input is missing, damaged, or no table.
    SchemaError
        If a column is missing or of the wrong kind, or a row holds what cannot be: with its number.
    """
    with connect() as session:
        table, shown = opened_file(session, path, model)
        schema = table.schema().to_pyarrow()
        return score_batches(model, file_batches(session, table, shown), schema, output)


class LooksAt(Protocol):
    """A model, as far as opening a table needs it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""

    def public_names(self, given: Any) -> dict[str, str]:
        """Say which columns come under other names."""


def opened_file(session: Session, path: str, model: LooksAt) -> tuple[Any, str]:
    """Open a file on an engine, with the columns that the model and the scores need."""
    from cxmodel.tables.opening.files import open_file

    opened = open_file(session, path, Path())
    public = {name: given for given, name in model.public_names(opened.names).items()}
    wanted = [CUSTOMER, *(public.get(name, name) for name in model.columns)]
    taken = {name: opened.table[opened.names[name]] for name in wanted if name in opened.names}
    if not taken:
        raise SourceError(
            f"{opened.shown} has none of the columns of the model: {', '.join(model.columns[:8])}. "
            f"Found: {', '.join(list(opened.names)[:8])}."
        )
    return opened.table.select(**taken), opened.shown


def file_batches(session: Session, table: Any, shown: str) -> Iterator[pa.RecordBatch]:
    """Take rows out of the engine as they are read, a batch at a time."""
    from cxmodel.tables.opening.files import run_reading

    rows, done = session.batches(table, BATCH_ROWS), object()
    while (batch := run_reading(lambda: next(rows, done), shown)) is not done:
        yield batch
