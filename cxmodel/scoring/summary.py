"""What a batch of scores holds in all: for the log of a job."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import InsufficientDataError
from cxmodel.models.churn.profile import SCORE, ModelDrift, compare, drift_lines
from cxmodel.scoring.load import expired

if TYPE_CHECKING:
    from cxmodel.models.churn.stored import StoredChurnModel
    from cxmodel.scoring.encode import Encoded

Ints = npt.NDArray[np.int64]


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
    drift : ModelDrift, optional
        None without rows.
    """

    n_rows: int
    mean_prob: float
    n_unseen: int
    n_filled: int
    unseen: Mapping[str, int]
    filled: Mapping[str, int]
    drift: ModelDrift | None

    def lines(self, model: StoredChurnModel, at: dt.date | None = None) -> list[str]:
        """Say it in sentences, warnings last."""
        facts = model.facts
        found = [
            f"Scored {_rows(self.n_rows)} with model {model.version} "
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
                f"{_rows(self.n_unseen)} with a level that the model did not learn about"
                f"{_by_column(self.unseen)}: it counts as none of those that it knows."
            )
        if self.n_filled:
            found.append(
                f"{_rows(self.n_filled)} with a missing value{_by_column(self.filled)}: the "
                "median of the fit stands for a number, no level for a word."
            )
        if self.drift is not None:
            found += [f"Warning: drift: {said}" for said in drift_lines(self.drift.rows)]
        if model.expires_at is not None and model.is_expired(at):
            found.append(f"Warning: the model {expired(model.expires_at)}")
        return found


def _rows(n: int) -> str:
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def _by_column(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name}: {n:,}" for name, n in most[:5])
    return f" ({listed}{', ...' if len(most) > 5 else ''})"


@dataclass(eq=False)
class Tally:
    """Adds up batches as they pass."""

    model: StoredChurnModel
    n_rows: int = 0
    total: float = 0.0
    n_unseen: int = 0
    n_filled: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
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
        profile = self.model.profile.score
        classes = np.bincount(profile.classes(prob), minlength=len(profile.counts))
        self.count({SCORE: classes})
        if encoded is not None:
            self.count(encoded.counts)
            self.unseen.update({name: int(n.sum()) for name, n in encoded.unseen.items()})
            self.filled.update({name: int(n.sum()) for name, n in encoded.filled.items()})

    def count(self, counts: Mapping[str, Any]) -> None:
        """Add rows by class of each column."""
        for name, found in counts.items():
            self.counts[name] = self.counts.get(name, 0) + np.asarray(found, dtype=np.int64)

    def summary(self) -> ScoreSummary:
        """Give the sums."""
        return ScoreSummary(
            n_rows=self.n_rows,
            mean_prob=self.total / self.n_rows if self.n_rows else float("nan"),
            n_unseen=self.n_unseen,
            n_filled=self.n_filled,
            unseen=dict(self.unseen),
            filled=dict(self.filled),
            drift=self._drift(),
        )

    def _drift(self) -> ModelDrift | None:
        try:
            return compare(self.model.profile, self.counts)
        except InsufficientDataError:
            return None
