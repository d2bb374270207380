"""Scoring on Spark: the rows stay with the workers, which score them by `mapInArrow`.

The workers get the model as the text of its file, and need cxmodel installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cxmodel.models.churn.read_stored import read_churn
from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.models.model_file import ModelFile
from cxmodel.scoring.summary import Tally
from cxmodel.tables.engines.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

_PACKED = "packed binary"


def scored_frame(session: Session, table: Any, model: StoredChurnModel) -> Any:
    """Score a table where it lies, as a frame of Spark: nothing is computed yet.

    Parameters
    ----------
    session : Session
        On Spark.
    table : ibis table
        With ``customer_id`` and the columns of the model.
    model : StoredChurnModel
        Of any method.

    Returns
    -------
    pyspark.sql.DataFrame
        ``customer_id, prob_churn, has_unseen_level, has_filled_value, model_version``.
    """
    frame = frame_of(session, table)
    schema = (
        "customer_id string, prob_churn double, has_unseen_level boolean, "
        "has_filled_value boolean, model_version string"
    )
    return frame.mapInArrow(_scorer(model), schema)


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
    model: StoredChurnModel,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that a worker runs; it carries plain text and no object of ours."""
    text, version, kind = json.dumps(model.file.content), model.file.digest, model.file.kind

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from cxmodel.scoring.batches import score_batch

        content = json.loads(text)
        file = ModelFile(
            kind=kind,
            cxmodel_version="",
            created_at=None,
            expires_at=None,
            content=content,
            digest=version,
        )
        read = read_churn(file, "the model")
        for batch in batches:
            yield score_batch(read, batch, Tally(read))

    return score
