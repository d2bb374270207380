"""What a batch of churn probabilities holds in all: for the log of a job."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from cxmodel.models.churn.profile import SCORE
from cxmodel.models.drift import ModelDrift, drift_lines
from cxmodel.scoring.load import expired
from cxmodel.scoring.running import (
    Ints,
    RunningCounts,
    by_column,
    off_scale_lines,
    rows_words,
)

if TYPE_CHECKING:
    from cxmodel.models.churn.stored import StoredChurnModel
    from cxmodel.scoring.encode import Encoded


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreSummary:
    """How many rows were scored, and what a reader must know of them.

    Parameters
    ----------
    n_rows : int
    mean_prob : float
        NaN without rows.
    unseen, filled : dict of int
        Rows by column: a level that the model did not learn about; a value that was missing. None
        where the rows did not leave an engine, which counts them in all alone.
    n_unseen, n_filled : int
        Rows with any of these.
    off_scale : dict of int
        Rows by column: a rating outside its scale. It counts as missing, so it is filled too.
    drift : ModelDrift, optional
        None without rows.
    """

    n_rows: int
    mean_prob: float
    n_unseen: int
    n_filled: int
    unseen: Mapping[str, int]
    filled: Mapping[str, int]
    off_scale: Mapping[str, int]
    drift: ModelDrift | None

    def lines(self, model: StoredChurnModel, at: dt.date | None = None) -> list[str]:
        """Say it in sentences, warnings last."""
        facts = model.facts
        found = [
            f"Scored {rows_words(self.n_rows)} with model {model.version} "
            f"({facts['method'].replace('_', ' ')}, learnt from {facts['n_obs']:,} rows; "
            f"expires {model.expires_at or 'never'})."
        ]
        if self.n_rows:
            found.append(
                f"Mean probability of leaving within {facts['window_words']}: "
                f"{self.mean_prob:.3f}, and {facts['base_rate']:.3f} where the model was fitted."
            )
        if self.n_unseen:
            found.append(
                f"{rows_words(self.n_unseen)} with a level that the model did not learn about"
                f"{by_column(self.unseen)}: it counts as none of those that it knows."
            )
        if self.n_filled:
            found.append(
                f"{rows_words(self.n_filled)} with a missing value{by_column(self.filled)}: the "
                "median of the fit stands for a number, no level for a word."
            )
        found += off_scale_lines(self.off_scale, model.ranges)
        if self.drift is not None:
            found += [f"Warning: drift: {said}" for said in drift_lines(self.drift.rows)]
        if model.expires_at is not None and model.is_expired(at):
            found.append(f"Warning: the model {expired(model.expires_at)}")
        return found


@dataclass(eq=False)
class Tally(RunningCounts):
    """Adds up batches as they pass."""

    added: ClassVar = (
        "n_rows", "total", "n_unseen", "n_filled", "unseen", "filled", "off_scale",
    )  # fmt: skip
    model: StoredChurnModel
    n_rows: int = 0
    total: float = 0.0
    n_unseen: int = 0
    n_filled: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    off_scale: Counter[str] = field(default_factory=Counter)
    counts: dict[str, Ints] = field(default_factory=dict)

    def add(
        self,
        prob: npt.NDArray[np.float64],
        unseen: npt.NDArray[np.bool_],
        filled: npt.NDArray[np.bool_],
        encoded: Encoded | None = None,
    ) -> None:
        """Add a batch: its probabilities, its flags, and where it was encoded here, its columns."""
        self.n_rows += len(prob)
        self.total += float(prob.sum())
        self.n_unseen += int(unseen.sum())
        self.n_filled += int(filled.sum())
        self.count({SCORE: self.model.profile.scores[SCORE].count(prob)})
        if encoded is not None:
            self.count(encoded.counts)
            self.unseen.update({name: int(n.sum()) for name, n in encoded.unseen.items()})
            self.filled.update({name: int(n.sum()) for name, n in encoded.filled.items()})
            self.off_scale.update(encoded.off_scale)

    def summary(self) -> ScoreSummary:
        """Give the sums."""
        return ScoreSummary(
            n_rows=self.n_rows,
            mean_prob=self.total / self.n_rows if self.n_rows else float("nan"),
            n_unseen=self.n_unseen,
            n_filled=self.n_filled,
            unseen=dict(self.unseen),
            filled=dict(self.filled),
            off_scale=dict(self.off_scale),
            drift=self.drift_from(self.model.profile),
        )
