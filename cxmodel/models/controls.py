"""What is held equal: choosing the controls and turning them into columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import ConfigError, SchemaError, nearest
from cxmodel.models.leaks import MAX_LEVELS, as_levels, as_numbers, refuse_later_dates

if TYPE_CHECKING:
    from cxmodel.models.population import History
    from cxmodel.tables.observation_table import Observations

Floats = NDArray[np.float64]
# Levels of fewer rows share one column: on their own they fit themselves.
RARE_LEVEL = 10
RARE = "(rare levels)"
# A number that is missing in more rows than this is no control; in fewer, the rows are left out.
MOSTLY_KNOWN = 0.2
MONTH = "_month"
SPOKEN = {
    MONTH: "calendar month of the response",
    "revenue_before": "revenue in the window before",
    "revenue_before_2": "revenue in the window before that",
    "revenue_before_3": "revenue three windows before",
    "tenure_days": "tenure",
    "days_observed_before": "days observed before",
    "contacts_before": "contacts before",
    "days_since_contact": "days since the last contact",
    "contacts_unresolved": "unresolved contacts",
    "days_since_invited": "days since the invitation",
}
# Known before the response, but held equal only where they are named: the default list of methods
# 2.2 does without them.
OFFERED = ("days_since_contact", "contacts_unresolved", "days_since_invited")
NEVER_CONTROLS = (
    "_duration_months",
    "_monthly_revenue",
    "churned",
    "revenue_after",
    "duration_days",
)


@dataclass(frozen=True)
class Control:
    """One control and what the fit learnt about it.

    Parameters
    ----------
    name : str
        Column of the observation table.
    kind : {"number", "category"}
        Numbers stand as they are; a category has a column for each level but the reference.
    levels : tuple of str
        Levels with a column of their own.
    pooled : tuple of str
        Levels that share the reference's column-free place, or the column of rare levels.
    cap : float, optional
        Numbers above it count as it.
    """

    name: str
    kind: Literal["number", "category"]
    levels: tuple[str, ...] = ()
    reference: str | None = None
    rare: tuple[str, ...] = ()
    pooled: tuple[str, ...] = ()
    cap: float | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns it makes."""
        if self.kind == "number":
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in self.levels)

    def columns(self, frame: pd.DataFrame) -> Floats:
        """Make its columns, (n, m), from any table that has it.

        Raises
        ------
        SchemaError
            If a level appears that the fit never saw.
        """
        if self.kind == "number":
            numbers = as_numbers(frame[self.name])
            if numbers is None:
                raise SchemaError(f"Control {self.name!r} held numbers and now holds words.")
            return (numbers if self.cap is None else np.minimum(numbers, self.cap))[:, None]
        levels = as_levels(frame[self.name])
        known = {*self.levels, *self.rare, *self.pooled, self.reference}
        if new := sorted(set(levels.unique()) - known):
            # rare levels are small groups, and stay unnamed
            seen = sorted({self.reference or "", *self.levels} - {RARE, ""})
            raise SchemaError(
                f"Control {self.name!r} has a level that the fit never saw: {new[0]!r}. "
                f"It saw: {', '.join(seen)}. Leave these rows out, or fit again with them."
            )
        if self.rare:
            levels = levels.where(~levels.isin(self.rare), RARE)
        where = {level: i for i, level in enumerate(self.levels)}
        codes = levels.map(where).fillna(-1).to_numpy(dtype=np.int64)
        columns = np.zeros((len(frame), len(self.levels)))
        rows = np.flatnonzero(codes >= 0)
        columns[rows, codes[rows]] = 1.0
        return columns


@dataclass(frozen=True)
class ControlPlan:
    """All controls of a fit, with what was left out and why, as sentences.

    Parameters
    ----------
    controls : tuple of Control
        In the order of the design's columns.
    caveats : tuple of str
        What was left out, capped or pooled.
    """

    controls: tuple[Control, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the observation table that are used."""
        return tuple(control.name for control in self.controls)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Columns of the design, in order."""
        return tuple(name for control in self.controls for name in control.column_names)

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """Make the control columns, (n, p), in the order of `column_names`."""
        if not self.controls:
            return np.zeros((len(frame), 0))
        return np.hstack([control.columns(frame) for control in self.controls])

    def without(self, names: Iterable[str]) -> ControlPlan:
        """Leave some controls out."""
        gone = set(names)
        kept = tuple(control for control in self.controls if control.name not in gone)
        return replace(self, controls=kept)

    def spoken(self) -> tuple[str, ...]:
        """Name the controls as a reader would."""
        return tuple(spoken(name) for name in self.names)


def spoken(name: str) -> str:
    """Name a column as a reader would."""
    return SPOKEN.get(name, name)


def candidate_controls(
    obs: Observations,
    history: History,
    stated: Sequence[str] | None,
    set_apart: Collection[str] = (),
) -> tuple[str, ...]:
    """List the columns to hold equal: those stated, or those of methods 2.2.

    Parameters
    ----------
    obs : Observations
        Where they stand.
    history : History
        What windows before the response are controls.
    stated : sequence of str, optional
        The controls that the user names; None for the default list.
    set_apart : collection of str
        Columns that are none, such as the arm of an experiment.

    Raises
    ------
    ConfigError
        If a stated control is not in the table, or is an outcome.
    LeakageError
        If a dated control lies after the response.
    """
    if stated is not None:
        chosen = tuple(dict.fromkeys(stated))
        for name in chosen:
            _check_stated(obs, name)
    else:
        before = history.controls
        built = ("tenure_days", "days_observed_before", "contacts_before", "touchpoint", MONTH)
        chosen = tuple(
            dict.fromkeys(
                [*before, *built, *obs.attributes, *(obs.controls if obs.is_joined else ())]
            )
        )
        chosen = tuple(
            name for name in chosen if name in obs.frame.columns and name not in NEVER_CONTROLS
        )
    chosen = tuple(name for name in chosen if name not in set_apart)
    refuse_later_dates(obs.frame, chosen, obs.audit.get("dated_after_response"))
    return chosen


def learn_controls(
    frame: pd.DataFrame, names: Iterable[str], *, cap_days: float | None
) -> ControlPlan:
    """Learn levels, reference and what must be left out, from the rows that will be fitted.

    Parameters
    ----------
    frame : pandas.DataFrame
        Observations of the population.
    names : iterable of str
        Candidate columns.
    cap_days : float, optional
        The days before the response that the control windows cover; ``days_observed_before``
        beyond it says nothing about them.

    Returns
    -------
    ControlPlan
    """
    controls: list[Control] = []
    caveats: list[str] = []
    for name in names:
        cap = cap_days if name == "days_observed_before" else None
        control, caveat = _learn(frame[name], name, cap)
        if control is not None:
            controls.append(control)
        if caveat:
            caveats.append(caveat)
    return ControlPlan(tuple(controls), tuple(caveats))


def missing_rows(plan: ControlPlan, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which rows lack a number that is a control."""
    missing = np.zeros(len(frame), dtype=bool)
    for control in plan.controls:
        if control.kind == "number":
            missing |= ~np.isfinite(control.columns(frame)[:, 0])
    return missing


def _learn(values: pd.Series, name: str, cap: float | None) -> tuple[Control | None, str | None]:
    """Learn one control; None with a sentence where it cannot be one."""
    said = spoken(name)
    numbers = None if name == MONTH else as_numbers(values)
    if numbers is not None:
        return _learn_number(numbers, name, said, cap)
    levels = as_levels(values)
    counts = levels.value_counts()
    counts = counts[sorted(counts.index, key=lambda level: (-counts[level], level))]
    if len(counts) > MAX_LEVELS and name != MONTH:
        return None, f"{said} is left out: text of {len(counts):,} levels, over {MAX_LEVELS}."
    if len(counts) == 1:
        return None, f"{said} is left out: it is {counts.index[0]} in every row."
    rare = tuple(str(level) for level in counts.index[1:] if counts[level] < RARE_LEVEL)
    common = [str(level) for level in counts.index[1:] if counts[level] >= RARE_LEVEL]
    caveat = None
    if rare:
        common.append(RARE)
        # counted, not named: they are small groups
        caveat = f"{said}: {len(rare)} level(s) of under {RARE_LEVEL} rows are held together."
    control = Control(name, "category", tuple(sorted(common)), str(counts.index[0]), rare)
    return control, caveat


def _learn_number(
    numbers: Floats, name: str, said: str, cap: float | None
) -> tuple[Control | None, str | None]:
    known = np.isfinite(numbers)
    share_missing = 1 - known.mean() if len(known) else 1.0
    if share_missing > MOSTLY_KNOWN:
        return None, f"{said} is left out: it is missing in {share_missing:.0%} of the rows."
    used = numbers[known] if cap is None else np.minimum(numbers[known], cap)
    if used.min() == used.max() == cap:
        return None, f"{said} is left out: every customer was seen for all of the windows before."
    if used.min() == used.max():
        return None, f"{said} is left out: it is {used.min():,.6g} in every row."
    return Control(name, "number", cap=cap), None


def _check_stated(obs: Observations, name: str) -> None:
    if name in NEVER_CONTROLS or name == "rating":
        raise ConfigError(
            f"lift.controls: {name!r} is the rating or an outcome, so it cannot be held equal."
        )
    if name not in obs.frame.columns:
        public = [c for c in obs.frame.columns if not str(c).startswith("_")]
        raise ConfigError(f"lift.controls: there is no column {name!r}. {nearest(name, public)}")
