"""What a churn model found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from cxmodel.models.churn.features import Features
from cxmodel.models.churn.sample_size import SampleSize
from cxmodel.models.leaks import LeakReport
from cxmodel.results import TIDY_COLUMNS, Estimate, NotRun, Result
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.models.churn.classifier import ChurnClassifier
    from cxmodel.models.churn.stored import LearntFrom

Metrics = dict[str, Estimate | NotRun]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ChurnResult(Result):
    """A churn model, how well it foretells, and what it looks at.

    Parameters
    ----------
    model : ChurnClassifier
        Fitted to all usable rows.
    features : Features
        What it looks at.
    method : str
        ``"logistic"`` or ``"gradient_boosting"``.
    method_choice : dict or None
        With ``method="auto"``: ``{method, difference, std_error, rows}``, the log loss of each.
    base_rate : float
        Share of usable observations whose customer left within the window.
    n_events, n_obs : int
        Leavers and usable observations.
    metrics : dict of Estimate
        roc_auc, pr_auc, brier, log_loss, calibration_slope, calibration_intercept, out of sample.
    baseline : dict
        The same of the plainest guess.
    one_column : dict
        A rule of the one column that tells most: ``columns`` (how often each was taken),
        ``metrics``, and ``added_by_model``, the model's metrics less its own.
    metrics_without_rating : dict of Estimate, or NotRun
        The same of the model without its ratings.
    added_by_rating : dict of Estimate, or NotRun
        The metrics less those without the ratings, with paired intervals.
    leaks : LeakReport
        Columns that seem to know the outcome.
    not_examined : tuple of str
        Columns that the leak alarm could not look at: text of over 50 levels.
    separation : dict or None
        The rating's own ``{auc, pure_share, separates}``; it is never left out.
    coefficients : list of dict, or NotRun
        A plain logit: log-odds per unit (``estimate``) and per standard deviation.
    evaluation : str
        How rows were held out.
    gain, calibration : list of dict
        Rows of the two figures: leavers found by depth of the list, foretold against observed.
    at_depth : dict or NotRun
        At the depth that a team can call: ``leavers_found``, ``precision``, ``lift_over_chance``.
    decision_curve : list of dict
        Net benefit of calling from each threshold on, ``everybody``, and ``over_everybody``.
    importance : list of dict
        By column of the source: what is lost when it is shuffled, on held-out rows.
    partial_dependence : list of dict
        Mean probability, and share who left, at each value of the columns that matter most.
    sample_size : SampleSize
        Customers at hand against those that a model of this size needs.
    n_duplicate_rows : int
        Rows of a joined table that equal an earlier one in all but the customer's id.
    not_used : tuple of dict
        ``{stage, reason, n}``: observations left out.
    caveats : tuple of str
        What a reader must know.
    learnt_from : LearntFrom, optional
        The spread of the rows of the fit, and its windows: what `save` has to write beside.
    """

    model: ChurnClassifier
    features: Features
    method: str
    base_rate: float
    n_events: int
    n_obs: int
    method_choice: dict[str, Any] | None
    metrics: Metrics
    baseline: dict[str, Any]
    one_column: dict[str, Any]
    metrics_without_rating: Metrics | NotRun
    added_by_rating: Metrics | NotRun
    leaks: LeakReport
    not_examined: tuple[str, ...]
    separation: dict[str, Any] | None
    coefficients: list[dict[str, Any]] | NotRun
    evaluation: str
    gain: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    at_depth: dict[str, Any] | NotRun
    decision_curve: list[dict[str, Any]]
    importance: list[dict[str, Any]]
    partial_dependence: list[dict[str, Any]]
    sample_size: SampleSize
    n_duplicate_rows: int
    not_used: tuple[dict[str, Any], ...]
    caveats: tuple[str, ...]
    window_words: str
    learnt_from: LearntFrom | None = None

    title = "Churn"

    def __repr__(self) -> str:
        area = self.metrics["roc_auc"]
        value = f"{area.estimate:.3f}" if isinstance(area, Estimate) else "not run"
        return (
            f"ChurnResult({self.method}: {self.n_events:,} of {self.n_obs:,} left within "
            f"{self.window_words}, AUC {value})"
        )

    def predict(self, obs: Observations | pd.DataFrame) -> pd.DataFrame:
        """Give each observation's probability of leaving within the window.

        Parameters
        ----------
        obs : Observations or frame
            With the columns that the model was fitted with. Levels it never saw count as none of
            those it knows.

        Returns
        -------
        pandas.DataFrame
            ``prob_churn``, with ``customer_id`` and ``responded_at`` where they are known, one row
            per observation, in their order.

        Raises
        ------
        SchemaError
            If a column is missing.

        Warns
        -----
        CxModelWarning
            Of levels that were not seen at the fit, and of ratings outside their scale, which count
            as missing: with how many rows have them.
        """
        from cxmodel.models.churn.odd_rows import warn_of_odd_rows
        from cxmodel.models.churn.stored import store_churn
        from cxmodel.tables.observation_table import Observations

        if not isinstance(obs, Observations):
            return store_churn(self).predict(obs)
        known = [name for name in ("customer_id", "responded_at") if obs.has(name)]
        found = obs.frame[known].copy()
        matrix = self.features.matrix(obs.frame)
        profile = None if self.learnt_from is None else self.learnt_from.profile
        warn_of_odd_rows(self.features, profile, obs.frame)
        found["prob_churn"] = self.model.predict_proba(matrix)[:, 1]
        return found

    def save(self, path: str | Path) -> Path:
        """Write the model as JSON, for ``cxmodel.load_model`` and ``cxmodel score``.

        The file holds numbers and words, no code and no customer; see ``models/model_file.py``.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from cxmodel.models.churn.stored import store_churn

        return store_churn(self).save(path)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a term: its coefficient with interval, per unit of the term."""
        rows = [] if isinstance(self.coefficients, NotRun) else self.coefficients
        table = pd.DataFrame([{"group": None, **row} for row in rows])
        return table.reindex(columns=[*TIDY_COLUMNS, "standardised"])

    def diagnostics(self) -> pd.DataFrame:
        """Give one row: how many left, and the metrics out of sample."""
        values = {
            name: value.estimate if isinstance(value, Estimate) else None
            for name, value in self.metrics.items()
        }
        row = {"n_obs": self.n_obs, "n_events": self.n_events, "base_rate": self.base_rate}
        return pd.DataFrame([{**row, **values, "evaluation": self.evaluation}])

    def to_section(self) -> dict[str, Any]:
        """Give the ``churn`` section of ``results.json``."""
        is_run = not isinstance(self.coefficients, NotRun)
        coefficients = {"rows": self.coefficients if is_run else []}
        if isinstance(self.coefficients, NotRun):
            coefficients.update(self.coefficients.to_dict())
        return {
            "status": "ok",
            "base_rate": self.base_rate,
            "n_events": self.n_events,
            "n_obs": self.n_obs,
            "method": self.method,
            "method_choice": self.method_choice,
            "calibration_method": self.model.calibration_,
            "evaluation": self.evaluation,
            "metrics": dict(self.metrics),
            "baseline": dict(self.baseline),
            "one_column": dict(self.one_column),
            "metrics_without_rating": self.metrics_without_rating,
            "added_by_rating": self.added_by_rating,
            "leaks": {
                "rows": [leak.to_dict() for leak in self.leaks.leaks],
                "not_examined": list(self.not_examined),
            },
            "separation": self.separation,
            "coefficients": coefficients,
            "gain": {"rows": self.gain},
            "calibration": {"rows": self.calibration},
            "at_depth": self.at_depth,
            "decision_curve": {"rows": self.decision_curve},
            "importance": {"rows": self.importance},
            "partial_dependence": {"rows": self.partial_dependence},
            "sample_size": self.sample_size.to_dict(),
            "n_duplicate_rows": self.n_duplicate_rows,
            "caveats": list(self.caveats),
        }

    def plot(
        self,
        kind: Literal[
            "gain", "calibration", "decision_curve", "importance", "partial_dependence"
        ] = "gain",
    ) -> Any:
        """Draw leavers found by depth, calibration, net benefit, or what the model looks at.

        Raises
        ------
        ValueError
            If there is no such figure, or nothing to draw.
        """
        from cxmodel.plots.churn import plot_calibration, plot_gain
        from cxmodel.plots.churn_use import plot_decision_curve, plot_dependence, plot_importance

        draw: dict[str, Any] = {
            "gain": plot_gain,
            "calibration": plot_calibration,
            "decision_curve": plot_decision_curve,
            "importance": plot_importance,
            "partial_dependence": plot_dependence,
        }
        if kind not in draw:
            raise ValueError(f"kind must be one of {tuple(draw)}, not {kind!r}.")
        return draw[kind](getattr(self, kind))
