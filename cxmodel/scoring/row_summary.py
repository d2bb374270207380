"""What rows scored by models beside churn hold in all: for the log of a job."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from cxmodel.models.drift import ModelDrift, drift_lines
from cxmodel.scoring.load import expired
from cxmodel.scoring.running import (
    Ints,
    RunningCounts,
    by_column,
    off_scale_lines,
    rows_words,
)
from cxmodel.value.cltv.past_spending import DAYS

if TYPE_CHECKING:
    from cxmodel.scoring.row_models import RowScorer

MONEY = "monetary_value"
NO_AMOUNT, NO_DAYS, DAYS_BELOW = "no_amount", "no_days", "days_below"
UNSEEN_TIME = "unseen_time"
ODD = {
    NO_AMOUNT: f"Warning: {{rows}} of customers who bought again without {MONEY} above 0: the mean "
    "spend of all stands for it.",
    NO_DAYS: f"Warning: {{rows}} without {DAYS}: the whole window before counts as observed.",
    DAYS_BELOW: f"Warning: {{rows}} with {DAYS} below 0: they count as 0 days, so the mean of all "
    "stands for what was spent before.",
    UNSEEN_TIME: "Warning: {rows} that look beyond the time that anybody was seen at the fit: "
    "there the curve speaks alone.",
}
"""What may be odd in a row that is scored all the same, in words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RowSummary:
    """How many rows were scored, and what a reader must know of them.

    Parameters
    ----------
    n_rows, n_scored : int
        Of all, and of those that got every number.
    means : dict of float
        Of each number, over the rows that got it.
    missing, unseen, off_scale : dict of int
        Rows by column: a value that was missing; a level that the fit did not see; a rating outside
        its scale, which counts as missing too.
    n_beyond : int
        Rows of which every value is known, and which get no number all the same: they look beyond
        what was seen at the fit.
    odd : dict of int
        Rows that are scored all the same, by what is odd in them: see `ODD`.
    drift : ModelDrift, optional
        Of the rows scored; None without any, or where the spread at the fit is not known.
    """

    n_rows: int
    n_scored: int
    means: Mapping[str, float]
    missing: Mapping[str, int]
    unseen: Mapping[str, int]
    off_scale: Mapping[str, int]
    n_beyond: int
    odd: Mapping[str, int]
    drift: ModelDrift | None

    def lines(self, scorer: RowScorer, at: dt.date | None = None) -> list[str]:
        """Say it in sentences, warnings last."""
        found = [
            f"Scored {rows_words(self.n_scored)} with model {scorer.version} ({scorer.title}; "
            f"expires {scorer.expires_at or 'never'}).",
            *self._means(scorer),
            *self._levels(),
            *off_scale_lines(self.off_scale, scorer.ranges),
            *self._odd(),
            *self._without(),
        ]
        if self.drift is not None:
            found += [f"Warning: drift: {line}" for line in drift_lines(self.drift.rows)]
        if scorer.expires_at is not None and scorer.is_expired(at):
            found.append(f"Warning: the model {expired(scorer.expires_at)}")
        return found

    def _means(self, scorer: RowScorer) -> list[str]:
        if not self.n_scored:
            return []
        found = [f"{words}: {self.means[name]:,.4g}." for name, words in scorer.outputs.items()]
        if scorer.mean_at_fit is not None:
            found[-1] = f"{found[-1][:-1]}, and {scorer.mean_at_fit:,.4g} where it was fitted."
        return found

    def _odd(self) -> list[str]:
        return [
            words.format(rows=rows_words(self.odd[what]))
            for what, words in ODD.items()
            if self.odd.get(what)
        ]

    def _levels(self) -> list[str]:
        if not any(self.unseen.values()):
            return []
        return [
            f"Warning: levels that the model did not learn about{by_column(self.unseen)}: they "
            "count as the level that the others are compared with."
        ]

    def _without(self) -> list[str]:
        said, n_gaps = [], self.n_rows - self.n_scored - self.n_beyond
        if n_gaps:
            said.append(
                f"Warning: {rows_words(n_gaps)} without a score: a value is missing"
                f"{by_column(self.missing)}."
            )
        if self.n_beyond:
            said.append(
                f"Warning: {rows_words(self.n_beyond)} without a score: they lie beyond what was "
                "seen at the fit."
            )
        return said


@dataclass(eq=False)
class RowTally(RunningCounts):
    """Adds up rows as they pass; see `RowSummary`."""

    added: ClassVar = (
        "n_rows", "n_scored", "n_beyond", "totals", "missing", "unseen", "off_scale", "odd",
    )  # fmt: skip
    scorer: RowScorer
    n_rows: int = 0
    n_scored: int = 0
    n_beyond: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    off_scale: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)
    counts: dict[str, Ints] = field(default_factory=dict)

    def add(self, found: pd.DataFrame) -> None:
        """Add the numbers of some rows; NaN is no score."""
        known = found[found.notna().all(axis=1)]
        self.n_rows += len(found)
        self.n_scored += len(known)
        self.totals.update({name: float(known[name].sum()) for name in self.scorer.outputs})
        if self.scorer.profile is not None:
            scores = self.scorer.profile.scores
            self.count({name: seen.count(known[name]) for name, seen in scores.items()})

    def summary(self) -> RowSummary:
        """Give the sums."""
        n = self.n_scored
        return RowSummary(
            n_rows=self.n_rows,
            n_scored=n,
            means={name: total / n for name, total in self.totals.items()} if n else {},
            missing=dict(self.missing),
            unseen=dict(self.unseen),
            off_scale=dict(self.off_scale),
            n_beyond=self.n_beyond,
            odd=dict(self.odd),
            drift=self.drift_from(self.scorer.profile),
        )
