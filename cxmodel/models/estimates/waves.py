"""Waves: a customer's answers so far apart that the outcome of one is over before the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxmodel.results import NotRun
from cxmodel.tables.observation_table import days_in_words

if TYPE_CHECKING:
    from cxmodel.models.lift_fit import LiftFit

Ints = NDArray[np.int64]
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Waves:
    """The answers that stand in the comparison of customers with themselves.

    Parameters
    ----------
    rows : array of int (n,)
        Positions in the observation table, by customer and time; only customers with two waves or
        more.
    customers, number : array of int (n,)
        Whose answer it is, and which of the customer's waves, from 0.
    n_single : int
        Customers left out because they have one wave.
    n_overlapping : int
        Answers left out because a window before them was still open.
    """

    rows: Ints
    customers: Ints
    number: Ints
    n_single: int
    n_overlapping: int

    @property
    def n_waves(self) -> int:
        """The most waves that a customer has."""
        return int(self.number.max()) + 1 if len(self.number) else 0


def wave_numbers(customers: Ints, seconds: Ints, apart: int) -> Ints:
    """Count each customer's waves: the first answer, then each the first so much later.

    Taking the earliest every time gives the most waves that there can be.

    Parameters
    ----------
    customers : array of int (n,)
        Whose answer it is; rows in order of customer and time.
    seconds : array of int (n,)
        When it was given.
    apart : int
        Seconds from a wave to the next, at least; above zero.

    Returns
    -------
    array of int (n,)
        0, 1, ...; -1 for answers that are no wave.

    Examples
    --------
    >>> wave_numbers(np.array([0, 0, 0, 1]), np.array([0, 5, 10, 3]), 8)
    array([ 0, -1,  1,  0])
    """
    numbers = np.full(len(customers), -1, dtype=np.int64)
    opens = np.zeros(int(customers.max()) + 1 if len(customers) else 0, dtype=np.int64)
    left = np.arange(len(customers))
    wave = 0
    while len(left):
        of = customers[left]
        first = left[np.concatenate([[True], of[1:] != of[:-1]])]
        numbers[first] = wave
        opens[customers[first]] = seconds[first] + apart
        left = left[seconds[left] >= opens[customers[left]]]
        wave += 1
    return numbers


def find_waves(fit: LiftFit) -> Waves | NotRun:
    """Choose the waves among the responses of the headline.

    A customer's next wave is the first answer after gap and outcome window of the last have passed,
    so no outcome window overlaps another and no rating is given while one is open. What customers
    did before is no control within them, so lookback windows may overlap.
    """
    frame, days = fit.frame, fit.obs.windows.gap_days + fit.obs.windows.outcome_days
    if "customer_id" not in frame or "responded_at" not in frame:
        what = "customer" if "customer_id" not in frame else "date"
        return NotRun(f"the responses carry no {what}, so no two are known to be of one customer")
    if frame["responded_at"].isna().any():
        return NotRun("some responses carry no date, so their order is not known")
    if not fit.sample.is_clustered:
        return NotRun(_no_waves(fit, days))
    when = frame["responded_at"].astype("datetime64[s]").to_numpy().astype(np.int64)
    customers = fit.codes[fit.rows]
    order = np.lexsort((fit.rows, when, customers))
    numbers = wave_numbers(customers[order], when[order], days * SECONDS_A_DAY)
    is_wave = numbers >= 0
    kept, of, number = order[is_wave], customers[order][is_wave], numbers[is_wave]
    has_more = np.bincount(of, minlength=len(fit.customers))[of] > 1
    if not has_more.any():
        return NotRun(_no_waves(fit, days))
    return Waves(
        rows=fit.rows[kept[has_more]],
        customers=of[has_more],
        number=number[has_more],
        n_single=int((~has_more).sum()),
        n_overlapping=int((~is_wave).sum()),
    )


def _no_waves(fit: LiftFit, days: int) -> str:
    return (
        f"none of {fit.sample.n_in_sample:,} customers answered again after "
        f"{days_in_words(days)}, when the outcome window of an answer has closed. Asking the same "
        "customers again, or a shorter windows.outcome_days, would make it run"
    )
