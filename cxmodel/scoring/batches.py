"""Score rows in batches: a file may be larger than memory, the output grows beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cxmodel.errors import SourceError
from cxmodel.scoring.encode import check_columns, encode
from cxmodel.scoring.summary import ScoreSummary, Tally
from cxmodel.scoring.write import CUSTOMER, ScoreWriter, score_schema
from cxmodel.tables.engines.engine import Session, connect

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from cxmodel.models.churn.stored import StoredChurnModel

BATCH_ROWS = 131_072


def score_batch(model: StoredChurnModel, batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
    """Score one batch, and add it to a tally.

    Parameters
    ----------
    model : StoredChurnModel
    batch : pyarrow.RecordBatch
        With the columns of the model, and ``customer_id`` where it is known.
    tally : Tally
        Of all batches so far.

    Returns
    -------
    pyarrow.RecordBatch
        ``customer_id`` where it is known, ``prob_churn``, ``has_unseen_level``,
        ``has_filled_value``, ``model_version``; a row for each, in their order.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind.

    Examples
    --------
    >>> import cxmodel as cx, pyarrow as pa
    >>> from cxmodel.models.churn.stored import store_churn
    >>> from cxmodel.models.example import small_observations
    >>> obs = small_observations()
    >>> stored = store_churn(cx.ChurnModel().fit(obs))
    >>> batch = pa.RecordBatch.from_pandas(obs.to_frame()[["customer_id", *stored.columns]])
    >>> score_batch(stored, batch, Tally(stored)).num_rows
    400
    """
    encoded = encode(model, batch)
    prob = model.prob_of(encoded.matrix)
    unseen, filled = encoded.any_of(encoded.unseen), encoded.any_of(encoded.filled)
    tally.add(prob, unseen, filled, encoded)
    return _scores(model, batch, prob, unseen, filled)


def _scores(
    model: StoredChurnModel,
    batch: pa.RecordBatch,
    prob: npt.NDArray[Any],
    unseen: npt.NDArray[Any],
    filled: npt.NDArray[Any],
) -> pa.RecordBatch:
    import pyarrow as pa

    version = pa.repeat(pa.scalar(model.version, pa.string()), len(prob))
    columns = [pa.array(prob), pa.array(unseen), pa.array(filled), version]
    customer = None
    if CUSTOMER in batch.schema.names:
        customer = batch.schema.field(CUSTOMER).type
        columns = [batch.column(CUSTOMER), *columns]
    return pa.RecordBatch.from_arrays(columns, schema=score_schema(customer))


def score_batches(
    model: StoredChurnModel, batches: Iterable[pa.RecordBatch], schema: pa.Schema, output: Path
) -> ScoreSummary:
    """Score batches one after the other into a file.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
    schema : pyarrow.Schema
        What they have; also without any batch.
    output : Path
        Ends in .parquet or .csv.

    Raises
    ------
    SchemaError
        If a column is missing or of the wrong kind.
    """
    check_columns(model, schema)
    tally = Tally(model)
    customer = schema.field(CUSTOMER).type if CUSTOMER in schema.names else None
    with ScoreWriter(output, score_schema(customer)) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write(score_batch(model, batch, tally))
    return tally.summary()


def score_file(model: StoredChurnModel, path: str, output: Path) -> ScoreSummary:
    """Score the rows of a CSV or Parquet file, or a glob of them, in their order.

    Text is read as text, and as numbers where the model has numbers, by us and by no guess.

    Parameters
    ----------
    model : StoredChurnModel
    path : str
        A file, or a glob.
    output : Path
        Ends in .parquet or .csv.

    Raises
    ------
    SourceError
        If the input is missing, damaged, or no table.
    SchemaError
        If a column is missing or of the wrong kind.
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
