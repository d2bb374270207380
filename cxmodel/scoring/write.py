"""Scores as a file, written batch by batch: Parquet, or CSV that a spreadsheet opens safely."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cxmodel.display import safe_cell
from cxmodel.errors import OutputError
from cxmodel.models.churn.expression import FILLED, UNSEEN
from cxmodel.models.churn.profile import SCORE

if TYPE_CHECKING:
    import pyarrow as pa

CUSTOMER, VERSION = "customer_id", "model_version"
OTHER_SCORES = ("prob_alive", "expected_spend", "prob_stays", "cltv")
SUFFIXES = (".parquet", ".csv")
# Whatever text has one of these is looked at one by one: a formula, or a control character.
_BLANK = r"\s\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
_UNSAFE = rf"^[{_BLANK}]*[=+\-@\t\n]|[\x00-\x08\x0b-\x1f\x7f]"


class ScoreWriter:
    """Write batches of scores into a file by its suffix.

    Parameters
    ----------
    path : Path
        Ends in .parquet or .csv.
    schema : pyarrow.Schema
        What each batch has.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow.csv as pa_csv
        import pyarrow.parquet as pq

        self.is_csv = suffix_of(path) == ".csv"
        self._writer: Any
        if self.is_csv:
            options = pa_csv.WriteOptions(quoting_style="needed")
            self._writer = pa_csv.CSVWriter(str(path), _csv_schema(schema), write_options=options)
        else:
            self._writer = pq.ParquetWriter(path, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch."""
        self._writer.write_batch(_safe(batch) if self.is_csv else batch)

    def __enter__(self) -> ScoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._writer.close()
            return
        try:
            self._writer.close()
        except OSError:
            # the disk was full already, and the file goes anyway: the first error is the one told
            return


def suffix_of(path: Path) -> str:
    """Give the suffix that says how a file is written.

    Raises
    ------
    OutputError
        If it is neither .parquet nor .csv.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(f"{path} must end in .parquet or .csv: the suffix says how to write it.")
    return suffix


def check_replaceable(path: Path) -> None:
    """Refuse to write over a file that holds no scores of ours.

    Raises
    ------
    OutputError
        If there is such a file, or the suffix is unknown.
    """
    suffix_of(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Name a file that ends in .parquet or .csv.")
    columns = set(_columns_of(path)) if path.exists() else {VERSION, SCORE}
    if VERSION not in columns or not columns & {SCORE, *OTHER_SCORES}:
        raise OutputError(
            f"{path} is there already and holds no scores of cxmodel. Move it away, or name "
            "another file."
        )


def _columns_of(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if suffix_of(path) == ".parquet":
            names: list[str] = pq.read_schema(path).names
            return names
        with path.open(encoding="utf-8", newline="") as stream:
            return next(csv.reader([stream.readline(10_000)]), [])
    except (OSError, ValueError, csv.Error, pa.ArrowException):
        return []


def score_schema(customer: pa.DataType | None) -> pa.Schema:
    """Give the columns of the scores, with a customer where the input names one."""
    import pyarrow as pa

    fields = [
        (SCORE, pa.float64()),
        (UNSEEN, pa.bool_()),
        (FILLED, pa.bool_()),
        (VERSION, pa.string()),
    ]
    return pa.schema([*([] if customer is None else [(CUSTOMER, customer)]), *fields])


def _csv_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(field.name, _csv_type(field.type)) for field in schema])


def _csv_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.types as kinds

    is_plain = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind)
    return kind if is_plain else pa.string()


def _safe(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Put an apostrophe before what a spreadsheet would run, and take control characters out."""
    import pyarrow as pa

    schema = _csv_schema(batch.schema)
    columns = [
        _safe_text(column.cast(field.type)) if field.type == pa.string() else column
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _safe_text(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    flagged = pc.fill_null(pc.match_substring_regex(column, _UNSAFE), False)
    if not pc.any(flagged).as_py():
        return column
    safe = [safe_cell(text) for text in pc.filter(column, flagged).to_pylist()]
    return pc.replace_with_mask(column, flagged, pa.array(safe, pa.string()))
