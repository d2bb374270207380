"""Scoring a table on an engine: linear models as an expression there, trees in batches.

Only a customer, a probability and two flags a row leave the engine where the model is linear. Rows
come in order of the customer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel.errors import EngineError, SchemaError, SourceError, nearest
from cxmodel.models.churn.expression import (
    FILLED,
    UNSEEN,
    class_counts,
    read_columns,
    scored_table,
)
from cxmodel.models.churn.profile import SCORE
from cxmodel.models.churn.stored_scores import LinearScores
from cxmodel.scoring.batches import BATCH_ROWS, LooksAt, opened_file, score_batches
from cxmodel.scoring.summary import ScoreSummary, Tally
from cxmodel.scoring.write import CUSTOMER, ScoreWriter, score_schema
from cxmodel.tables.engines.engine import Engine, Session, connect
from cxmodel.tables.engines.session import ReadsFiles
from cxmodel.tables.engines.trouble import engine_errors, engine_words

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from cxmodel.models.churn.stored import StoredChurnModel


def score_on_engine(
    model: StoredChurnModel, engine: Engine, name: str, output: Path
) -> ScoreSummary:
    """Score a table of an engine, or a file that the engine reads, into a file.

    Parameters
    ----------
    model : StoredChurnModel
    engine : Engine
    name : str
        ``table`` or ``schema.table`` on the engine; or a CSV or Parquet file, or a glob of them,
        where the engine reads files (DuckDB, Spark).
    output : Path
        Ends in .parquet or .csv.

    Raises
    ------
    EngineError
        If the engine cannot be reached, or fails.
    SourceError
        If there is no such table or file.
    SchemaError
        If a column is missing or of the wrong kind; ``customer_id`` is needed, as the rows of an
        engine have no order.
    """
    with connect(engine) as session:
        table = open_table(session, name, model)
        return score_table(model, session, table, output)


def open_table(session: Session, name: str, model: LooksAt) -> ir.Table:
    """Open a table or file on an engine, with the columns that scoring needs."""
    if Path(name).suffix.lower() in (".csv", ".parquet", ".pq", ".gz"):
        if not isinstance(session, ReadsFiles):
            raise EngineError(
                f"{session.shown} does not read files. Copy {name} into a table and name that, or "
                "leave --engine out."
            )
        return opened_file(session, name, model)[0]
    schema, _, plain = name.rpartition(".")
    try:
        table = session.run(lambda: session.backend.table(plain, database=schema or None))
    except (*engine_errors(), _not_found()) as error:
        known = session.tables(schema or None)
        raise SourceError(
            f"There is no table {name!r} on {session.shown}. {nearest(plain, known)}"
        ) from error
    public = {name: given for given, name in model.public_names(table.columns).items()}
    wanted = [CUSTOMER, *(public.get(column, column) for column in model.columns)]
    return table.select(*[column for column in wanted if column in table.columns])


def _not_found() -> type[Exception]:
    import ibis

    # of Ibis, and no IbisError
    found: type[Exception] = ibis.common.exceptions.TableNotFound
    return found


def score_table(
    model: StoredChurnModel, session: Session, table: ir.Table, output: Path
) -> ScoreSummary:
    """Score a table that lies on a session into a file."""
    if CUSTOMER not in table.columns:
        raise SchemaError(
            f"The table has no customer_id, so nobody could tell whose the scores are: rows of an "
            f"engine have no order. {nearest(CUSTOMER, table.columns)}"
        )
    try:
        if isinstance(model.scores, LinearScores):
            found = scored_table(model, table)
            found = found.mutate(**{CUSTOMER: found[CUSTOMER].cast("string")})
            return _write(model, session, table, _ordered(session, found), output)
        if session.name == "pyspark":
            from cxmodel.scoring.on_spark import scored_frame

            text = table.mutate(**{CUSTOMER: table[CUSTOMER].cast("string")})
            read_columns(model, table)  # what is missing is said before Spark begins
            frame = scored_frame(session, text, model).orderBy(CUSTOMER, SCORE)
            return _write(model, session, table, frame, output)
        ordered = table.order_by(CUSTOMER)
        schema = ordered.schema().to_pyarrow()
        return score_batches(model, batches_of(session, ordered), schema, output)
    except engine_errors() as error:
        raise EngineError(f"The table could not be scored: {engine_words(error)}") from error


def _ordered(session: Session, found: ir.Table) -> Any:
    chosen = found.select(CUSTOMER, SCORE, UNSEEN, FILLED).order_by(CUSTOMER, SCORE)
    if session.name != "pyspark":
        return chosen
    from cxmodel.scoring.on_spark import frame_of

    return frame_of(session, chosen)


def _write(
    model: StoredChurnModel, session: Session, table: ir.Table, scored: Any, output: Path
) -> ScoreSummary:
    """Take scores out of the engine, and count the columns there."""
    import pyarrow as pa

    tally = Tally(model)
    read = read_columns(model, table)
    counted = session.one_row(read.aggregate(**class_counts(model, read)))
    tally.count(_by_column(model, counted))
    schema = score_schema(pa.string())
    with ScoreWriter(output, schema) as writer:
        for batch in batches_of(session, scored):
            columns = [batch.column(name) for name in (CUSTOMER, SCORE, UNSEEN, FILLED)]
            tally.add(*(_array(column) for column in columns[1:]))
            version = pa.repeat(pa.scalar(model.version, pa.string()), batch.num_rows)
            columns = [columns[0].cast(pa.string()), *columns[1:], version]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))
    return tally.summary()


def _array(column: pa.Array) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _by_column(model: StoredChurnModel, counted: dict[str, Any]) -> dict[str, list[int]]:
    found = {}
    for i, name in enumerate(model.columns):
        n_classes = len(model.profile.columns[name].counts)
        found[name] = [int(counted[f"{i}_{k}"] or 0) for k in range(n_classes)]
    return found


def batches_of(session: Session, rows: Any) -> Iterator[pa.RecordBatch]:
    """Take rows out of an engine in batches, as they come.

    Parameters
    ----------
    session : Session
    rows : ibis table, or on Spark a frame
        What to take.
    """
    if session.name == "pyspark":
        from cxmodel.scoring.on_spark import frame_batches

        yield from frame_batches(session, rows)
        return
    yield from session.batches(rows, BATCH_ROWS)
