"""What a fitted lift says: estimates, levels, checks, grade and the influence behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.checks.base import Check
from cxmodel.models.controls import ControlPlan
from cxmodel.models.estimates.by_group import GroupLifts
from cxmodel.models.estimates.curve import Curve
from cxmodel.models.estimates.estimators import (
    CHOICES,
    in_one_unit,
    specification_rows,
    telling_choices,
)
from cxmodel.models.estimates.within_summary import WithinSummary
from cxmodel.models.evidence import Evidence
from cxmodel.models.joint import stated_rows
from cxmodel.models.leaks import LeakReport
from cxmodel.models.outcome_units import LiftUnits
from cxmodel.results import ESTIMATE_FIELDS, TIDY_COLUMNS, Estimate, NotRun, Result
from cxmodel.scales import Path, Scale
from cxmodel.stats.normal_draws import draw_normal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cxmodel.models.experiments.experiment_result import ExperimentResult
    from cxmodel.models.experiments.instrument import InstrumentResult
    from cxmodel.models.experiments.rollout import RolloutResult

NO_INSTRUMENT = NotRun("no lift.instrument was asked for")
NO_ROLLOUT = NotRun("no [rollout] is declared")
NO_EXPERIMENT = NotRun("no [experiment] is declared")
SUPPRESSED = "not shown: a small group, or the one that would give it away"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LiftResult(Result):
    """The lift of one outcome; made by ``LiftModel.fit``.

    Parameters
    ----------
    terms, per_kpi : mapping
        Every estimate of the contract by name, and per KPI point by path.
    per_kpi_corrected : mapping
        Per KPI point by path as if one answer held no noise.
    by_rating, by_band : tuple of dict
        Adjusted means, a row a rating or band; small groups suppressed.
    by_group : GroupLifts or NotRun
        The lift within groups, each against the rest.
    within : WithinSummary, optional
        What the estimate within customers rests on, and which estimate stands first.
    plus_one_by_band : tuple of dict or NotRun
        The step from rating to rating + 1, a row for each band in which customers start.
    curve : Curve or NotRun
        The outcome along the rating, and how line and curves foretell unseen customers.
    checks : tuple of Check
        All fifteen, in the order of the contract.
    evidence : Evidence
        The grade of this outcome and why.
    caveats : tuple of str
        What was left out, pooled or capped; they ride on every estimate.
    not_used : tuple of dict
        ``{stage, reason, n}`` of the observations left out.
    customers : array (n_customers,)
        Ids of all customers of the observation table, and rows that stand for others.
    values, influence : mapping
        Each term's value, and what each customer contributes to its error, (n_customers,);
        the squares sum to the variance.
    stated : mapping
        Of terms that rest on something stated with an sd: its part of the error, by source.
    flexible_contrasts : mapping or NotRun
        Adjacent bands with controls of any shape, beside the same with straight ones.
    reliability, reliability_within : mapping or NotRun
        What the headline corrected for noise rests on, and the lift within customers.
    non_response : mapping or NotRun
        Effective sample, the test on those who did not answer, and the lift under tilts.
    instrument : InstrumentResult or NotRun
        How strong the instrument is, and what must be believed of it.
    experiment : ExperimentResult or NotRun
        What a randomised arm did.
    rollout : RolloutResult or NotRun
        What a programme did that some groups began before others.
    """

    outcome: str
    units: LiftUnits
    terms: Mapping[str, Estimate | NotRun]
    per_kpi: Mapping[str, Estimate | NotRun]
    by_rating: tuple[dict[str, Any], ...]
    by_band: tuple[dict[str, Any], ...]
    plus_one_by_band: tuple[dict[str, Any], ...] | NotRun
    curve: Curve | NotRun
    by_group: GroupLifts | NotRun
    within: WithinSummary | None
    checks: tuple[Check, ...]
    evidence: Evidence
    caveats: tuple[str, ...]
    not_used: tuple[dict[str, Any], ...]
    leaks: LeakReport
    controls: ControlPlan
    scale: Scale
    conf_level: float
    n_obs: int
    n_customers: int
    n_events: int
    n_params: int
    is_interacted: bool
    is_clustered: bool
    customers: NDArray[Any]
    values: Mapping[str, float]
    influence: Mapping[str, NDArray[np.float64]]
    per_kpi_corrected: Mapping[str, Estimate | NotRun] = field(default_factory=dict)
    stated: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    flexible_contrasts: Mapping[str, Any] | NotRun = NotRun("not asked for")  # noqa: RUF009 - frozen
    reliability: Mapping[str, Any] | NotRun = NotRun("nothing was stated")  # noqa: RUF009 - frozen
    reliability_within: Mapping[str, Any] | NotRun = NotRun("nothing was stated")  # noqa: RUF009
    non_response: Mapping[str, Any] | NotRun = NotRun("no response weights")  # noqa: RUF009
    instrument: InstrumentResult | NotRun = NO_INSTRUMENT
    experiment: ExperimentResult | NotRun = NO_EXPERIMENT
    rollout: RolloutResult | NotRun = NO_ROLLOUT

    @property
    def title(self) -> str:
        """The name of the result, for tables and pages."""
        return f"Lift of {self.outcome}"

    def per_rating_point(self) -> Estimate:
        """Give the headline: the mean slope of the outcome in the rating.

        Raises
        ------
        InsufficientDataError
            If it was not run; the message is the reason.
        """
        return _ran(self.terms["per_rating_point"], "per_rating_point")

    def per_kpi_point(self, path: Path = "uniform_shift") -> Estimate:
        """Give the lift per KPI point along a named path.

        Raises
        ------
        ValueError
            If the scale has no such path.
        InsufficientDataError
            If it was not run; the message is the reason.
        """
        if path not in self.per_kpi:
            raise ValueError(f"Path {path!r} is none of this scale: {', '.join(self.per_kpi)}.")
        return _ran(self.per_kpi[path], f"per_kpi_point[{path!r}]")

    def sample(
        self, n: int, seed: int, terms: Sequence[str] = ("per_rating_point",)
    ) -> NDArray[np.float64]:
        """Draw terms jointly from their normal distribution, (n, len(terms)).

        Raises
        ------
        ValueError
            If a term was not run.
        """
        absent = [term for term in terms if term not in self.influence]
        if absent:
            raise ValueError(
                f"No estimate {absent[0]!r} to draw. There is: {', '.join(self.influence)}."
            )
        psi = np.column_stack([self.influence[term] for term in terms])
        psi = np.vstack([psi, stated_rows([self.stated.get(term, {}) for term in terms])])
        return draw_normal(np.array([self.values[term] for term in terms]), psi.T @ psi, n, seed)

    def to_frame(self) -> pd.DataFrame:
        """Give a row for every estimate, in the columns that all results share."""
        rows = [_tidy({}, term, found) for term, found in self.terms.items()]
        rows += [_tidy({}, f"per_kpi_point.{path}", found) for path, found in self.per_kpi.items()]
        rows += [_tidy_row({"rating": row["rating"]}, "by_rating", row) for row in self.by_rating]
        rows += [_tidy_row({"band": row["band"]}, "by_band", row) for row in self.by_band]
        rows += self._group_rows()
        rows += [_tidy_row({"band": row["band"]}, "plus_one_by_band", row) for row in self._steps]
        return pd.DataFrame(rows, columns=list(TIDY_COLUMNS))

    def _group_rows(self) -> list[dict[str, Any]]:
        return [] if isinstance(self.by_group, NotRun) else self.by_group.tidy()

    def diagnostics(self) -> pd.DataFrame:
        """Give one row about the fit as a whole."""
        return pd.DataFrame(
            [
                {
                    "outcome": self.outcome,
                    "n_obs": self.n_obs,
                    "n_customers": self.n_customers,
                    "n_events": self.n_events,
                    "n_params": self.n_params,
                    "is_interacted": self.is_interacted,
                    "is_clustered": self.is_clustered,
                    "n_not_used": sum(int(row["n"]) for row in self.not_used),
                    "evidence": self.evidence.grade,
                }
            ]
        )

    def check_rows(self) -> list[dict[str, Any]]:
        """Give this outcome's part of ``checks.rows``."""
        return [check.to_dict() for check in self.checks]

    def to_section(self) -> dict[str, Any]:
        """Give ``lift.revenue`` or ``lift.retention`` of ``results.json``."""
        return {
            "status": "ok",
            "reason": None,
            **self.terms,
            "per_kpi_point": dict(self.per_kpi),
            "reliability_corrected_per_kpi_point": dict(self.per_kpi_corrected),
            "by_rating": {"rows": list(self.by_rating)},
            "by_band": {"rows": list(self.by_band)},
            "flexible_contrasts": self.flexible_contrasts,
            "reliability": self.reliability,
            "reliability_within_customer": self.reliability_within,
            "by_group": self.by_group.to_dict(),
            **({} if self.within is None else {"within_customer": self.within.to_dict()}),
            "instrument": _part(self.instrument),
            "experiment": _part(self.experiment),
            "plus_one_by_band": _rows_or_reason(self.plus_one_by_band),
            "curve": self.curve if isinstance(self.curve, NotRun) else self.curve.to_section(),
            "rollout": _part(self.rollout),
            "controls": list(self.controls.spoken()),
            "n_obs": self.n_obs,
            "n_customers": self.n_customers,
            "n_events": self.n_events,
            "n_params": self.n_params,
            "interacted": self.is_interacted,
            "clustered": self.is_clustered,
            "non_response": self.non_response,
            "caveats": list(self.caveats),
        }

    def summary(self) -> str:
        """Write estimates, checks and grade as text."""
        lines = [self.title, ""]
        for term, found in {**self.terms, **self.per_kpi}.items():
            lines.append(f"{term:40} {_said(found)}")
        lines += ["", *(f"{check.name:24} {check.verdict:8} {check.text}" for check in self.checks)]
        lines += ["", f"Evidence: {self.evidence.grade}. {self.evidence.text}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from cxmodel.display import escape, to_html

        headline = f"{self.title}: {_in_words(self.terms['per_rating_point'])}"
        graded = f"Evidence: {self.evidence.grade}. {self.evidence.text}"
        return (
            f"<p><strong>{escape(headline)}</strong></p><p>{escape(graded)}</p>"
            f"{to_html(self.to_frame().assign(note=self._notes()))}"
        )

    @property
    def _steps(self) -> tuple[dict[str, Any], ...]:
        return () if isinstance(self.plus_one_by_band, NotRun) else self.plus_one_by_band

    def _notes(self) -> list[str]:
        """Say of each row of `to_frame` why it has no number; empty where it has one."""
        found = [*self.terms.values(), *self.per_kpi.values()]
        levels = [*self.by_rating, *self.by_band, *self._steps]
        return [
            *(_said(part) if isinstance(part, NotRun) else "" for part in found),
            *(SUPPRESSED if row["suppressed"] else "" for row in levels),
            *(
                SUPPRESSED if row.get("suppressed") else row.get("reason", "")
                for row in self._group_rows()
            ),
        ]

    def estimates_frame(self) -> pd.DataFrame:
        """Give every estimate per rating point side by side: the specification curve as a table.

        Returns
        -------
        pandas.DataFrame
            A row an estimate: ``term, label, is_headline``, the columns of an estimate, a column
            for each thing that an estimate may take into account, ``meaning``, and ``reason``
            where it was not run. Another unit than the headline's stands in ``unit``.
        """
        rows = [{**row, **row["choices"]} for row in self._specifications()]
        columns = ["term", "label", "is_headline", *ESTIMATE_FIELDS, *CHOICES, "meaning", "reason"]
        return pd.DataFrame(rows, columns=columns)

    def plot_estimates(self) -> Figure:
        """Draw the specification curve: all estimates in the headline's unit, the headline named.

        Raises
        ------
        InsufficientDataError
            If no estimate was run.
        """
        from cxmodel.plots.lift import plot_estimators

        rows = in_one_unit(self._specifications())
        if not rows:
            _ran(self.terms["per_rating_point"], "per_rating_point")
        return plot_estimators(rows, choices=telling_choices(rows), axis_label=self.units.slope)

    def _specifications(self) -> list[dict[str, Any]]:
        terms = {name: found.to_dict() for name, found in self.terms.items()}
        first = self.within is not None and self.within.stands_first == "within_customer"
        return specification_rows(terms, is_interacted=self.is_interacted, within_first=first)

    def plot(self) -> Figure:
        """Draw the adjusted mean outcome at each rating with its interval."""
        from cxmodel.plots.lift import plot_rating_levels

        return plot_rating_levels(self.by_rating, axis_label=self.units.level)

    def __repr__(self) -> str:
        return f"LiftResult({self.outcome}: {_said(self.terms['per_rating_point'])})"


def _part(
    found: InstrumentResult | ExperimentResult | RolloutResult | NotRun,
) -> NotRun | dict[str, Any]:
    return found if isinstance(found, NotRun) else found.to_section()


def _ran(found: Estimate | NotRun, name: str) -> Estimate:
    if isinstance(found, NotRun):
        raise InsufficientDataError(f"{name} was not run: {found.reason}")
    return found


def _rows_or_reason(rows: tuple[dict[str, Any], ...] | NotRun) -> dict[str, Any] | NotRun:
    return rows if isinstance(rows, NotRun) else {"rows": list(rows)}


def _said(found: Estimate | NotRun) -> str:
    if isinstance(found, NotRun):
        return f"not run: {found.reason}"
    low, high = found.conf_low, found.conf_high
    ends = "" if low is None or high is None else f" ({low:.4g} to {high:.4g})"
    return f"{found.estimate:.4g}{ends} {found.unit}"


def _in_words(found: Estimate | NotRun) -> str:
    """Write the headline with its unit, and the level and ends of its interval."""
    if isinstance(found, NotRun):
        return f"not run: {found.reason}"
    said = f"{found.estimate:.4g} {found.unit}"
    if found.conf_low is None or found.conf_high is None:
        return f"{said}."
    ends = f"{found.conf_low:.4g} to {found.conf_high:.4g}"
    return f"{said} ({100 * found.conf_level:g}% interval {ends})."


def _tidy(group: dict[str, Any], term: str, found: Estimate | NotRun) -> dict[str, Any]:
    if isinstance(found, NotRun):
        return {"group": group, "term": term}
    return {"group": group, "term": term, "p_value": found.p_value, **found.to_dict()}


def _tidy_row(group: dict[str, Any], term: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"group": group, "term": term, **row}
