"""What scoring asks of a model, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.scoring.churn_rows import ChurnRows
from cxmodel.scoring.row_batches import ScoredRows
from cxmodel.scoring.row_models import RowScorer, row_scorer

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from cxmodel.models.model_file import ModelFile


class Scoring(Protocol):
    """A model in use: batches of rows in, batches of scores out, and what the rows were.

    Where `is_linear`, an engine computes the scores itself: `scored_table` writes them, `counted`
    says what is counted over the rows, and `add_counted` and `take` bring both into the tally.
    Otherwise rows are scored in batches, in this process or by the workers of Spark, which get
    `file` and `periods` as text.
    """

    @property
    def file(self) -> ModelFile:
        """The model's file."""

    @property
    def periods(self) -> float | None:
        """How far it looks, where that was asked."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""

    @property
    def is_linear(self) -> bool:
        """Whether an engine can compute it."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What an engine computes."""

    def public_names(self, given: Any) -> dict[str, str]:
        """Say which columns come under other names."""

    def check(self, schema: pa.Schema) -> None:
        """Refuse a table without the columns, or with other kinds of values in them."""

    def schema(self, customer: pa.DataType | None) -> pa.Schema:
        """Give the columns of the scores."""

    def tally(self) -> Any:
        """Begin to count."""

    def score(self, batch: pa.RecordBatch, tally: Any) -> pa.RecordBatch:
        """Score a batch, and add it to a tally."""

    def summary(self, tally: Any) -> Any:
        """Give the sums of a tally."""

    def scored_table(self, table: ir.Table) -> ir.Table:
        """Write the outputs as expressions."""

    def counted(self, table: ir.Table) -> tuple[ir.Table, dict[str, Any]]:
        """Give the table as the model reads it, and what is counted over its rows."""

    def add_counted(self, tally: Any, found: Mapping[str, Any]) -> None:
        """Add what was counted to a tally."""

    def take(self, batch: pa.RecordBatch, tally: Any) -> pa.RecordBatch:
        """Take a batch of what the engine computed, and add it to a tally."""


def scoring_of(model: Any, periods: float | None = None) -> Scoring:
    """Put a model to use.

    Parameters
    ----------
    model : StoredChurnModel, RowScorer, or any model that `load_model` gives
    periods : float, optional
        How far a purchase or hazard model looks.

    Raises
    ------
    ValueError
        If it gives no number for single customers.
    """
    if isinstance(model, StoredChurnModel):
        return ChurnRows(model)
    scorer = model if isinstance(model, RowScorer) else row_scorer(model, periods)
    if scorer is None:
        raise ValueError(f"A {type(model).__name__} gives single customers no number.")
    return ScoredRows(scorer)
