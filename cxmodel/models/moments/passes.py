"""A likelihood's passes over all rows: on the engine, or over rows kept in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from cxmodel.models.moments.cell_fits import Family
from cxmodel.tables.moments import CompleteRows, Step, Term, likelihood_step
from cxmodel.tables.reduction.cross_products import Designed
from cxmodel.tables.reduction.kept_logit import is_kept_well, kept_logit_sums, kept_step
from cxmodel.tables.reduction.kept_rows import KeptRows, kept_rows
from cxmodel.tables.reduction.keyed import Keyed, parted_columns
from cxmodel.tables.reduction.last_pass import LogitSums, logit_sums
from cxmodel.tables.reduction.second_pass import Mean
from cxmodel.tables.reduction.standard import rough_design

Floats = NDArray[np.float64]
MEANS: dict[Family, Mean] = {
    "linear": "identity",
    "logit": "logistic",
    "poisson": "exponential",
    "gamma": "gamma",
}


class Passes(Protocol):
    """Passes over the rows, one at a position."""

    def at(self, position: Floats, *, is_last: bool) -> tuple[Step, LogitSums | None]:
        """Add up a step; where it should be the last, what errors and effects need besides."""

    def note(self, step: Step, triangle: Floats, length: float, settled: float) -> None:
        """Hear where the step led, before the next pass."""


@dataclass
class EnginePasses:
    """Passes on the engine.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    moments : Designed
        The design.
    family : {"logit", "poisson", "gamma"}
        What makes the mean.
    expected : array, optional
        More than the next pass's `Step.squares` is thought to be.
    is_guided : bool
        Whether more passes follow, so that the first need not hold all digits.
    """

    rows: CompleteRows
    moments: Designed
    family: Family
    expected: Floats | None = None
    is_guided: bool = False

    def __post_init__(self) -> None:
        self._is_coarse = self.is_guided

    def at(self, position: Floats, *, is_last: bool) -> tuple[Step, LogitSums | None]:
        """Add up a step; where it should be the last, what errors and effects need besides."""
        if is_last and self.family == "logit":
            sums = logit_sums(self.rows, self.moments, position, self.expected)
            if sums is not None:
                return sums.step, sums
        step = likelihood_step(
            self.rows,
            self.moments,
            position,
            MEANS[self.family],
            expected=self.expected,
            coarse=self._is_coarse,
        )
        return step, None

    def note(self, step: Step, triangle: Floats, length: float, settled: float) -> None:
        """Bound the next pass's sums, and say whether it may be coarse."""
        self.expected = _expected(step, length)
        self._is_coarse = self.is_guided and _off(self.rows, triangle) < settled / 10


@dataclass(frozen=True, eq=False)
class KeptPasses:
    """Passes over the rows in this process.

    Parameters
    ----------
    kept : KeptRows
        The rows.
    moments : Designed
        The design.
    is_guided : bool
        Whether the fit ends with a pass that is said to be the last.
    """

    kept: KeptRows
    moments: Designed
    is_guided: bool = False

    def at(self, position: Floats, *, is_last: bool) -> tuple[Step, LogitSums | None]:
        """Add up a step; where it should be the last, what errors and effects need besides."""
        design = self.moments.design
        keyed = parted_columns(self.kept.rows, design, design.columns)
        if is_last:
            sums = kept_logit_sums(self.kept, keyed, self.moments, position)
            if sums is not None:
                return sums.step, sums
        is_coarse = self.is_guided and not is_last
        return kept_step(self.kept, keyed, self.moments, position, is_coarse=is_coarse), None

    def note(self, step: Step, triangle: Floats, length: float, settled: float) -> None:
        """Need nothing: no bound has to be guessed."""


def parted_terms(rows: CompleteRows, terms: Sequence[Term], outcome: str) -> Keyed:
    """Say how a design's columns part into keys and numbers; their means do not matter to that."""
    design = rough_design(rows, terms, [outcome])
    return parted_columns(rows, design, design.columns)


@contextmanager
def kept_for(
    rows: CompleteRows, keyed: Keyed, outcome: str, family: Family
) -> Iterator[KeptRows | None]:
    """Set rows aside in this process for a logit; None where its passes are taken on the engine."""
    known = rows.number(outcome)
    if family != "logit" or known.low < 0 or known.high > 1 or not is_kept_well(keyed, rows):
        yield None
        return
    with kept_rows(rows, keyed, outcome) as kept:
        yield kept


def _off(rows: CompleteRows, triangle: Floats) -> float:
    """Bound how far rounding in a coarse pass moves a step, which must be far below settled."""
    sums = rows.largest_weight * rows.n_used**1.5 * 2.0**-53
    return float(sums * np.abs(cho_solve((triangle, False), np.eye(len(triangle)))).sum())


def _expected(step: Step, length: float) -> Floats | None:
    """Bound the next step's sums of squares: a variance grows by e at most where 1 is added."""
    if step.squares is None or length > 1:
        return None
    return np.asarray(step.squares * np.exp(length) * 1.01)
