"""The lift by group: one test of equal lifts first, then each group against the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cxmodel.models.checks.base import p_words
from cxmodel.models.controls import spoken
from cxmodel.models.estimates.alternatives import SEPARATED
from cxmodel.models.estimates.group_columns import Groups, read_groups
from cxmodel.models.estimates.group_slopes import carries_interactions, cr2_slope, why_too_small
from cxmodel.models.estimation import Quantity, Sample, combine
from cxmodel.models.leaks import MAX_LEVELS
from cxmodel.models.lift_fit import LiftFit
from cxmodel.results import ESTIMATE_FIELDS, NotRun
from cxmodel.stats.multiplicity import benjamini_hochberg
from cxmodel.stats.shrinkage import shrink
from cxmodel.stats.small_samples import EqualMeans, student_p, welch_degrees, welch_test

SIGNIFICANT = 0.05
LEAST_SHRUNKEN = 3


@dataclass(frozen=True, eq=False)
class GroupLifts:
    """Rows of ``by_group``, and the tests of equal lifts.

    Parameters
    ----------
    rows : tuple of dict
        ``{group, estimate, ..., shrunken, p_value, q_value, suppressed}``: p-value and q-value are
        of the group against the rest; `shrunken` is the empirical-Bayes estimate. A row without
        a number is suppressed, or has a `reason`.
    tests : tuple of dict
        ``{column, statistic, p_value, n_groups, text}``, one a column.
    quantities : mapping
        Every estimate with its influence, by the name of its term.
    caveats : tuple of str
        How the lifts were made, and which columns were left out.
    """

    rows: tuple[dict[str, Any], ...]
    tests: tuple[dict[str, Any], ...]
    quantities: Mapping[str, Quantity]
    caveats: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give ``by_group`` of ``results.json``."""
        return {"rows": list(self.rows), "equal_lifts": {"rows": list(self.tests)}}

    def tidy(self) -> list[dict[str, Any]]:
        """Give rows for a frame of estimates: each group's own, and the shrunken one."""
        own = [{"term": "by_group", **row} for row in self.rows]
        drawn = [
            {
                "term": "by_group.shrunken",
                "group": row["group"],
                "estimate": row["shrunken"],
                "unit": row["unit"],
                "n_obs": row["n_obs"],
            }
            for row in self.rows
            if row["shrunken"] is not None
        ]
        return own + drawn


@dataclass(frozen=True, eq=False)
class _Column:
    """The lifts of one column's groups, those that could be fitted and why others could not."""

    groups: Groups
    hidden: list[bool]
    slopes: dict[int, Quantity]
    reasons: dict[int, str]
    shares: dict[int, float]
    is_interacted: bool
    p_values: dict[int, float] = field(default_factory=dict)
    shrunken: dict[int, float] = field(default_factory=dict)
    test: EqualMeans | None = None


def lifts_by_group(fit: LiftFit, unit: str) -> GroupLifts | NotRun:
    """Give the lift within each group of the columns of ``lift.by`` (methods 3).

    Each group has a fit of its own, least squares as the headline (for retention the linear
    probability model), with CR2 errors and t. Equal lifts of a column's groups are tested with
    Welch's F. Then each group is held against the mean of the others, at their shares of the
    customers; q-values (Benjamini & Hochberg 1995) are over all groups of all columns.

    Parameters
    ----------
    unit : str
        Of a lift.
    """
    if not fit.settings.by:
        return NotRun("no lift.by was asked for")
    if fit.separation is not None:
        return NotRun(SEPARATED)
    columns, caveats = [], []
    for name in dict.fromkeys(fit.settings.by):
        groups = read_groups(name, fit.frame[name]) if name in fit.frame else None
        if groups is None:
            caveats.append(f"Lift by {spoken(name)} is left out: over {MAX_LEVELS} groups.")
        else:
            columns.append(_compare(_fit_column(fit, groups)))
    if not columns:
        return NotRun(" ".join(caveats))
    p_values = [p for column in columns for p in column.p_values.values()]
    q_values = iter(benjamini_hochberg(p_values).tolist())
    rows = [
        _row(fit, unit, column, i, next(q_values) if i in column.p_values else None)
        for column in columns
        for i in range(len(column.groups.labels))
    ]
    return GroupLifts(
        rows=tuple(rows),
        tests=tuple(_test_row(column) for column in columns),
        quantities={
            f"by_group.{column.groups.column}={column.groups.labels[i]}": slope
            for column in columns
            for i, slope in column.slopes.items()
        },
        caveats=(*caveats, *_how_made(fit, columns)),
    )


def _fit_column(fit: LiftFit, groups: Groups) -> _Column:
    """Fit every group that is large enough, all with or all without interactions."""
    plan = fit.plan.without([groups.column])
    hidden = groups.hidden(fit.sample.customers, fit.obs.min_group_size)
    samples: dict[int, Sample] = {}
    reasons: dict[int, str] = {}
    for i in np.flatnonzero(~np.array(hidden, dtype=bool)).tolist():
        mine = groups.codes == i
        sample = fit.sample_of(fit.rows[mine], fit.sample.outcome[mine], plan)
        reason = why_too_small(sample, fit.outcome, fit.obs.min_group_size)
        if reason is None:
            samples[i] = sample
        else:
            reasons[i] = reason
    interacted = fit.is_interacted and all(carries_interactions(s) for s in samples.values())
    slopes: dict[int, Quantity] = {}
    for i, sample in samples.items():
        found = cr2_slope(sample, interacted=interacted)
        if found is None:
            reasons[i] = "the controls leave nothing of the rating, or of the outcome, to compare"
        else:
            slopes[i] = found.slope
    shares = {i: float(fit.sample.share[groups.codes == i].sum()) for i in slopes}
    return _Column(groups, hidden, slopes, reasons, shares, interacted)


def _compare(column: _Column) -> _Column:
    """Test that all lifts are equal, each against the rest, and draw them to their mean."""
    where, slopes = list(column.slopes), list(column.slopes.values())
    if len(slopes) < 2:
        return column
    psi = np.column_stack([slope.influence for slope in slopes])
    covariance = psi.T @ psi
    values = np.array([slope.value for slope in slopes])
    degrees = np.array([slope.deg_freedom for slope in slopes], dtype=float)
    shrunken = (
        shrink(values, np.diag(covariance)).values.tolist() if len(slopes) >= LEAST_SHRUNKEN else []
    )
    return replace(
        column,
        p_values={i: _against_rest(column, i) for i in where},
        shrunken=dict(zip(where, shrunken, strict=False)),
        test=welch_test(values, covariance, degrees),
    )


def _against_rest(column: _Column, group: int) -> float:
    """Give p of a group's lift less the mean of the others', at their shares of the customers."""
    others = [i for i in column.slopes if i != group]
    total = sum(column.shares[i] for i in others)
    weights = [(1.0, group), *((-column.shares[i] / total, i) for i in others)]
    parts = [(weight, column.slopes[i]) for weight, i in weights]
    apart = combine(sum(weight * part.value for weight, part in parts), parts)
    degrees = welch_degrees(
        np.array([(weight * part.std_error) ** 2 for weight, part in parts]),
        np.array([part.deg_freedom for _, part in parts], dtype=float),
    )
    return student_p(apart.value / apart.std_error, degrees)


def _row(fit: LiftFit, unit: str, column: _Column, i: int, q_value: float | None) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(ESTIMATE_FIELDS)
    fields |= {"unit": unit, "conf_level": fit.obs.conf_level}
    if i in column.slopes:
        fields = column.slopes[i].to_estimate(unit, conf_level=fit.obs.conf_level).to_dict()
    elif not column.hidden[i]:
        fields["n_obs"] = int((column.groups.codes == i).sum())
    row = {
        "group": {column.groups.column: column.groups.labels[i]},
        **fields,
        "shrunken": column.shrunken.get(i),
        "p_value": column.p_values.get(i),
        "q_value": q_value,
        "suppressed": column.hidden[i],
    }
    return {**row, "reason": column.reasons[i]} if i in column.reasons else row


def _test_row(column: _Column) -> dict[str, Any]:
    name, test = spoken(column.groups.column), column.test
    row: dict[str, Any] = {"column": column.groups.column, "n_groups": len(column.slopes)}
    if test is None:
        text = f"Fewer than two groups of {name} are large enough for a lift of their own."
        return {**row, "statistic": None, "p_value": None, "text": text}
    found = f"F = {test.statistic:.2f}, {p_words(test.p_value)}"
    text = (
        f"The lift differs between the {len(column.slopes)} groups of {name} ({found})."
        if test.p_value < SIGNIFICANT
        else f"No difference in lift between the {len(column.slopes)} groups of {name} is shown "
        f"({found}): what single groups show may be chance."
    )
    return {**row, "statistic": test.statistic, "p_value": test.p_value, "text": text}


def _how_made(fit: LiftFit, columns: list[_Column]) -> list[str]:
    said = []
    if fit.outcome == "retention":
        said.append("Lifts of retention by group are of the linear probability model.")
    additive = [spoken(c.groups.column) for c in columns if c.slopes and not c.is_interacted]
    if additive and fit.is_interacted:
        said.append(
            f"Lifts by {' and by '.join(additive)} are additive slopes: the smallest group does "
            "not carry products of rating and controls."
        )
    return said
