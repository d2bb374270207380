"""Who is in a lift: the filters of the population, each counted, and what history there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from cxmodel.tables.observation_table import Observations

Outcome = Literal["revenue", "retention"]
Bools = NDArray[np.bool_]
REASONS = (
    "open_window",
    "churned_before_response",
    "not_at_risk",
    "left_in_gap",
    "before_start",
    "history_cut_off",
    "missing_control",
)
# Revenue in consecutive windows before the response, the latest first.
WINDOWS_BEFORE = ("revenue_before", "revenue_before_2", "revenue_before_3")
# The share of observations that must have a count of windows before the others are left out.
ENOUGH_HISTORY = 0.8


@dataclass(frozen=True)
class History:
    """Which windows before the response are controls, and which is the placebo.

    Parameters
    ----------
    controls : tuple of str
        Revenue columns of consecutive windows, the latest first.
    placebo : str, optional
        The window before the earliest control; None where the ledger does not reach back.
    n_windows : int
        Windows of ledger that a row must have to be used.
    """

    controls: tuple[str, ...] = ()
    placebo: str | None = None
    n_windows: int = 0


def outcome_values(
    obs: Observations, outcome: Outcome, gap: int | None = None
) -> NDArray[np.float64]:
    """Give the outcome of every observation: money, or 1 for staying and 0 for leaving.

    Parameters
    ----------
    gap : int, optional
        Days of gap; default the study's.

    Raises
    ------
    ConfigError
        If the table does not hold this outcome.
    """
    suffix = "" if gap is None else f"_g{gap}"
    column = ("revenue_after" if outcome == "revenue" else "churned") + suffix
    column = column if gap is None else f"_{column}"
    if column not in obs.frame.columns:
        need = (
            "sources.revenue, sources.subscriptions or revenue_after"
            if outcome == "revenue"
            else "churn dates, subscriptions, bookings or a churned column"
        )
        raise ConfigError(f"There is no {outcome} after the response to explain: add {need}.")
    values: NDArray[np.float64] = obs.frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return values if outcome == "revenue" else 1.0 - values


def has_outcome(obs: Observations, outcome: Outcome) -> bool:
    """Say whether the table holds this outcome."""
    return obs.has("revenue_after" if outcome == "revenue" else "churned")


def exclusions(
    obs: Observations, outcome: Outcome, *, gap: int | None = None
) -> list[tuple[str, Bools]]:
    """List, in the order of the contract, why an observation is not in the population.

    Parameters
    ----------
    gap : int, optional
        A gap other than the study's: then only customers still there at response + gap count.

    Returns
    -------
    list of (reason, array of bool)
        True where the reason applies; a row belongs to the first reason that does.
    """
    frame = obs.frame
    known = np.isfinite(outcome_values(obs, outcome, gap))
    complete = _flags(frame, "outcome_complete" if gap is None else f"_complete_g{gap}", True)
    status = (
        frame["_status"].to_numpy(dtype=object) if "_status" in frame else np.full(len(frame), "ok")
    )
    at_risk = np.ones(len(frame), dtype=bool)
    if outcome == "retention" and obs.churn_rule == "inactivity":
        at_risk = _flags(frame, "_at_risk", True)
    left = (
        _flags(frame, "_left_in_gap", False)
        if gap is None
        else ~_flags(frame, f"_present_g{gap}", True)
    )
    gone = status == "churned_before_response"
    early = status == "before_start"
    # an outcome that is unknown for another reason belongs to that reason
    unknown = ~known & ~gone & ~early & at_risk & ~left
    return [
        ("open_window", ~complete | unknown),
        ("churned_before_response", gone),
        ("not_at_risk", ~at_risk),
        ("left_in_gap", left),
        ("before_start", early),
    ]


def choose_history(obs: Observations, rows: Bools) -> History:
    """Choose control windows and placebo by how far the ledger reaches back (methods, 2.2).

    A count of windows is taken when at least 80% of `rows` have it.
    """
    frame = obs.frame
    if "revenue_before" not in frame:
        return History()
    if "_history_windows" not in frame or obs.is_joined:
        return History(("revenue_before",))
    reach = frame["_history_windows"].to_numpy(dtype=float)[rows]
    for n_windows in (3, 2, 1):
        columns = WINDOWS_BEFORE[:n_windows]
        has_columns = all(name in frame for name in columns)
        if has_columns and len(reach) and (reach >= n_windows).mean() >= ENOUGH_HISTORY:
            if n_windows == 1:
                return History(columns, None, 1)
            return History(columns[:-1], columns[-1], n_windows)
    return History()


def history_of_controls(history: History, names: Iterable[str]) -> History:
    """Settle the placebo for the controls in fact used: the window before the earliest of them.

    Examples
    --------
    >>> full = History(("revenue_before", "revenue_before_2"), "revenue_before_3", 3)
    >>> history_of_controls(full, ["segment"]).placebo
    'revenue_before'
    """
    chosen = set(names)
    used = tuple(window for window in WINDOWS_BEFORE if window in chosen)
    n_used = WINDOWS_BEFORE.index(used[-1]) + 1 if used else 0
    placebo = WINDOWS_BEFORE[n_used] if n_used < history.n_windows else None
    return History(used, placebo, history.n_windows)


def count_reasons(
    reasons: list[tuple[str, Bools]], outcome: str
) -> tuple[list[dict[str, Any]], Bools]:
    """Count each row once, under the first reason that applies; give also the rows that remain."""
    left = np.ones(len(reasons[0][1]), dtype=bool)
    rows = []
    for reason, applies in reasons:
        n = int((applies & left).sum())
        left &= ~applies
        if n:
            rows.append({"stage": f"lift.{outcome}", "reason": reason, "n": n})
    return rows, left


def _flags(frame: pd.DataFrame, column: str, default: bool) -> Bools:
    if column not in frame:
        return np.full(len(frame), default)
    return frame[column].fillna(not default).to_numpy(dtype=bool)
