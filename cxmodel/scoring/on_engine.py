"""Scoring a table on an engine: linear models as an expression there, others in batches.

Only a customer and the scores leave the engine where the model is linear, and on Spark, where the
workers score. Rows come in order of the customer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxmodel.errors import EngineError, SchemaError, SourceError, nearest
from cxmodel.scoring.batches import BATCH_ROWS, LooksAt, opened_file, score_batches
from cxmodel.scoring.kinds import Scoring, scoring_of
from cxmodel.scoring.write import CUSTOMER, ScoreWriter
from cxmodel.tables.engines.engine import Engine, Session, connect
from cxmodel.tables.engines.functions import in_code_points
from cxmodel.tables.engines.session import ReadsFiles
from cxmodel.tables.engines.trouble import engine_errors, engine_words

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from cxmodel.models.churn.stored import StoredChurnModel
    from cxmodel.scoring.row_models import RowScorer

IN_ORDER = "of the table, in order of customer_id"


def score_on_engine(
    model: StoredChurnModel | RowScorer, engine: Engine, name: str, output: Path
) -> Any:
    """Score a table of an engine, or a file that the engine reads, into a file.

    Parameters
    ----------
    model : StoredChurnModel or RowScorer
    engine : Engine
    name : str
        ``table`` or ``schema.table`` on the engine; or a CSV or Parquet file, or a glob of them,
        where the engine reads files (DuckDB, Spark).
    output : Path
        Ends in .parquet or .csv.

    Returns
    -------
    ScoreSummary or RowSummary

    Raises
    ------
    EngineError
        If the engine cannot be reached, or fails.
    SourceError
        If there is no such table or file.
    SchemaError
        If a column is missing or of the wrong kind, or a row holds what cannot be; ``customer_id``
        is needed, as the rows of an engine have no order.
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
    model: StoredChurnModel | RowScorer, session: Session, table: ir.Table, output: Path
) -> Any:
    """Score a table that lies on a session into a file; see `score_on_engine`."""
    scoring = scoring_of(model)
    if CUSTOMER not in table.columns:
        raise SchemaError(
            f"The table has no customer_id, so nobody could tell whose the scores are: rows of an "
            f"engine have no order. {nearest(CUSTOMER, table.columns)}"
        )
    # names as text, so that engines order and write them alike
    table = table.mutate(**{CUSTOMER: table[CUSTOMER].cast("string")})
    scoring.check(table.schema().to_pyarrow())
    try:
        if scoring.is_linear:
            return _score_there(scoring, session, table, output)
        ordered = _in_order(table, [CUSTOMER, *table.drop(CUSTOMER).columns])
        if session.name == "pyspark":
            from cxmodel.scoring.on_spark import score_by_workers

            return score_by_workers(scoring, session, ordered, output)
        rows = batches_of(session, ordered)
        return score_batches(model, rows, ordered.schema().to_pyarrow(), output, IN_ORDER)
    except engine_errors() as error:
        raise EngineError(f"The table could not be scored: {engine_words(error)}") from error


def _in_order(table: ir.Table, names: Sequence[str]) -> ir.Table:
    """Order rows by columns, alike on every engine."""
    columns = [table[name] for name in names]
    return table.order_by([in_code_points(c) if c.type().is_string() else c for c in columns])


def _score_there(scoring: Scoring, session: Session, table: ir.Table, output: Path) -> Any:
    """Write the numbers that an engine computed: only these and the customer leave it."""
    import pyarrow as pa

    tally = scoring.tally()
    read, counted = scoring.counted(table)
    if counted:
        scoring.add_counted(tally, session.one_row(read.aggregate(**counted)))
    found = scoring.scored_table(table).select(CUSTOMER, *scoring.outputs)
    with ScoreWriter(output, scoring.schema(pa.string())) as writer:
        for batch in batches_of(session, _in_order(found, [CUSTOMER, *scoring.outputs])):
            writer.write(scoring.take(_with_text(batch), tally))
    return scoring.summary(tally)


def _with_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give customers as plain text, whatever kind of text the engine's driver makes of it."""
    import pyarrow as pa

    place = batch.schema.get_field_index(CUSTOMER)
    return batch.set_column(place, CUSTOMER, batch.column(place).cast(pa.string()))


def batches_of(session: Session, rows: ir.Table) -> Iterator[pa.RecordBatch]:
    """Take the rows of a table out of an engine in batches, as they come."""
    if session.name == "pyspark":
        from cxmodel.scoring.on_spark import frame_batches, frame_of

        yield from frame_batches(session, frame_of(session, rows))
        return
    yield from session.batches(rows, BATCH_ROWS)
