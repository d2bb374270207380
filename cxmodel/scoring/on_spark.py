"""Scoring on Spark: the rows stay with the workers, which score them by `mapInArrow`.

The workers get the model as the text of its file, and need cxmodel installed. What they count
travels beside the scores, in a column of its own: a JSON text in the first row of each batch. An
error travels there too, so that it is told in the words that it has on every engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import SchemaError
from cxmodel.plain_json import compact_json
from cxmodel.scoring.batches import numbered
from cxmodel.scoring.kinds import Scoring
from cxmodel.scoring.write import ScoreWriter
from cxmodel.tables.engines.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

_PACKED = "packed binary"
_ASIDE = "cx_aside"
_TYPES = {"double": "double", "bool": "boolean", "string": "string"}


def score_by_workers(scoring: Scoring, session: Session, table: Any, output: Path) -> Any:
    """Score a table on Spark into a file: the workers score, and scores alone come here.

    Parameters
    ----------
    scoring : Scoring
        Of any kind of model.
    session : Session
        On Spark.
    table : ibis table
        With ``customer_id`` as text and the columns of the model, in the order of the output.
    output : Path
        Ends in .parquet or .csv.

    Returns
    -------
    ScoreSummary or RowSummary
        What scoring in batches gives.

    Raises
    ------
    SchemaError
        If a row holds what cannot be.
    """
    import pyarrow as pa

    from cxmodel.scoring.on_engine import IN_ORDER

    schema, tally = scoring.schema(pa.string()), scoring.tally()
    columns = [f"{field.name} {_TYPES[str(field.type)]}" for field in schema]
    # rows keep their order on the way: each part is sorted, and the parts come one by one
    frame = frame_of(session, table).mapInArrow(
        _scorer(scoring, schema), ", ".join([*columns, f"{_ASIDE} string"])
    )
    n_before = 0
    with ScoreWriter(output, schema) as writer:
        for batch in frame_batches(session, frame):
            _take_aside(batch, tally, n_before, IN_ORDER)
            n_before += batch.num_rows
            writer.write(batch.select(schema.names).cast(schema))
    return scoring.summary(tally)


def _take_aside(batch: pa.RecordBatch, tally: Any, n_before: int, rows: str) -> None:
    """Add to a tally what workers counted, and raise the error that one met."""
    column = batch.column(_ASIDE)
    for place in np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist():
        found = json.loads(column[place].as_py())
        if "error" in found:
            error = SchemaError(found["error"], row=found["row"])
            raise numbered(error, n_before + place, rows)
        tally.merge(found)


def frame_of(session: Session, table: Any) -> Any:
    """Give an expression as a frame of Spark."""
    spark: Any = session.backend._session
    return spark.sql(session.sql_of(table))


def frame_batches(session: Session, frame: Any) -> Iterator[pa.RecordBatch]:
    """Take the rows of a frame out of Spark, one part at a time.

    Each batch travels as one value of bytes: rows one by one would take a hundred times as long.
    """
    import pyarrow as pa

    packed = session.run(lambda: frame.mapInArrow(_pack, _PACKED).toLocalIterator())
    while (row := session.run(lambda: next(packed, None))) is not None:
        with pa.ipc.open_stream(pa.py_buffer(bytes(row[0]))) as reader:
            yield from reader


def _pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        packed = pa.array([sink.getvalue().to_pybytes()], pa.binary())
        yield pa.RecordBatch.from_arrays([packed], names=["packed"])


def _scorer(
    scoring: Scoring, schema: pa.Schema
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that a worker runs; it carries plain text and no object of ours."""
    from cxmodel.models.model_file import plain_model

    text, periods = compact_json(plain_model(scoring.file)), scoring.periods

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from cxmodel.models.model_file import model_of_plain
        from cxmodel.scoring.kinds import scoring_of
        from cxmodel.scoring.load import model_of
        from cxmodel.scoring.on_spark import score_aside

        file = model_of_plain(json.loads(text), "the model")
        read = scoring_of(model_of(file, "the model"), periods)
        for batch in batches:
            if batch.num_rows:
                yield score_aside(read, batch, schema)

    return score


def score_aside(scoring: Scoring, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Score a batch, with what was counted, or the error, as text in the first row of a column."""
    import pyarrow as pa

    tally = scoring.tally()
    try:
        scored = scoring.score(batch, tally)
        aside = tally.to_plain()
    except SchemaError as error:
        columns = [pa.nulls(batch.num_rows, field.type) for field in schema]
        scored = pa.RecordBatch.from_arrays(columns, schema=schema)
        aside = {"error": error.message, "row": error.row}
    texts = pa.array([compact_json(aside), *[None] * (batch.num_rows - 1)], pa.string())
    return pa.RecordBatch.from_arrays(
        [*scored.columns, texts], names=[*scored.schema.names, _ASIDE]
    )
