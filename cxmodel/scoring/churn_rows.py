"""Churn probabilities of batches of rows, and of tables where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from cxmodel.models.churn.expression import (
    FILLED,
    UNSEEN,
    class_counts,
    read_columns,
    scored_table,
)
from cxmodel.models.churn.profile import SCORE
from cxmodel.models.churn.stored_scores import LinearScores
from cxmodel.scoring.encode import check_columns, encode
from cxmodel.scoring.summary import ScoreSummary, Tally
from cxmodel.scoring.write import CUSTOMER, score_schema

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from cxmodel.models.churn.stored import StoredChurnModel
    from cxmodel.models.model_file import ModelFile


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


@dataclass(frozen=True, eq=False)
class ChurnRows:
    """Rows scored by a churn model; see `cxmodel.scoring.kinds.Scoring`.

    Parameters
    ----------
    model : StoredChurnModel
    """

    model: StoredChurnModel

    @property
    def file(self) -> ModelFile:
        """The model's file."""
        return self.model.file

    @property
    def periods(self) -> None:
        """No horizon but that of the fit."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return self.model.columns

    @property
    def is_linear(self) -> bool:
        """Whether an engine can compute it."""
        return isinstance(self.model.scores, LinearScores)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What an engine computes."""
        return (SCORE, UNSEEN, FILLED)

    def public_names(self, given: Any) -> dict[str, str]:
        """Say which columns come under other names."""
        return self.model.public_names(given)

    def check(self, schema: pa.Schema) -> None:
        """Refuse a table without the columns, or with other kinds of values in them."""
        check_columns(self.model, schema)

    def schema(self, customer: pa.DataType | None) -> pa.Schema:
        """Give the columns of the scores."""
        return score_schema(customer)

    def tally(self) -> Tally:
        """Begin to count."""
        return Tally(self.model)

    def score(self, batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
        """Score a batch."""
        return score_batch(self.model, batch, tally)

    def summary(self, tally: Tally) -> ScoreSummary:
        """Give the sums."""
        return tally.summary()

    # -- Where the table lies ----------------------------------------------------------------------

    def scored_table(self, table: ir.Table) -> ir.Table:
        """Write the outputs as expressions."""
        return scored_table(self.model, table)

    def counted(self, table: ir.Table) -> tuple[ir.Table, dict[str, Any]]:
        """Give the table as the model reads it, and what is counted over its rows."""
        read = read_columns(self.model, table)
        return read, class_counts(self.model, read)

    def add_counted(self, tally: Tally, found: Mapping[str, Any]) -> None:
        """Add what was counted."""
        for i, name in enumerate(self.model.columns):
            n_classes = len(self.model.profile.columns[name].counts)
            tally.count({name: [int(found[f"{i}_{k}"] or 0) for k in range(n_classes)]})
            if n_off := int(found.get(f"{i}_off") or 0):
                tally.off_scale[name] += n_off

    def take(self, batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
        """Take a batch of what the engine computed, and add it to a tally."""
        prob, unseen, filled = (
            batch.column(name).to_numpy(zero_copy_only=False) for name in self.outputs
        )
        tally.add(prob, unseen, filled)
        return _scores(self.model, batch, prob, unseen, filled)
