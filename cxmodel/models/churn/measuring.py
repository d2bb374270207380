"""One churn fit, what was held out from it, and everything that is measured on that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.models.churn.baselines import churn_rate_of_training, one_column_predictions
from cxmodel.models.churn.coefficients import coefficient_rows
from cxmodel.models.churn.comparison import Judged, compare, judge
from cxmodel.models.churn.evaluation import Splits
from cxmodel.models.churn.features import Features, rating_columns
from cxmodel.models.churn.importance import MOST_COLUMNS, dependence_rows, importance_rows
from cxmodel.models.churn.learning import ChurnRows, HeldOut, Learner, Method, MethodChoice
from cxmodel.models.churn.result import Metrics
from cxmodel.models.churn.sample_size import SampleSize, check_sample_size
from cxmodel.models.churn.use import at_depth, calibration_rows, decision_rows, gain_rows
from cxmodel.results import NotRun
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.models.churn.classifier import ChurnClassifier

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How churn is learnt and what is asked of it; as in `ChurnModel`."""

    method: Method
    contact_share: float
    n_contacts: int | None
    seed: int


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedChurn:
    """A model of all rows, and the predictions of models that never saw the rows they judge.

    Parameters
    ----------
    settings, obs, rows, splits
        What it was made from.
    features, matrix, model, choice
        Fitted to all rows.
    held_out : HeldOut
        Predictions of held-out rows.
    happened, group : numpy.ndarray
        Who left, and whose row it is, of the held-out rows.
    judged : Judged
        Their metrics.
    """

    settings: Settings
    obs: Observations
    rows: ChurnRows
    splits: Splits
    features: Features
    matrix: FloatArray
    model: ChurnClassifier
    choice: MethodChoice
    held_out: HeldOut
    happened: FloatArray
    group: Rows
    judged: Judged

    def model_and_measures(self) -> dict[str, Any]:
        """Give the fields of the result that come from the model and from held-out rows."""
        plain, added = self._without_rating()
        return {
            "model": self.model,
            "features": self.features,
            "method": self.choice.method,
            "method_choice": None if self.settings.method != "auto" else self.choice.to_dict(),
            "metrics": self.judged.metrics,
            "baseline": churn_rate_of_training(self.rows.happened, self.held_out.rows, self.splits),
            "one_column": self._one_column(),
            "metrics_without_rating": plain,
            "added_by_rating": added,
            "evaluation": self.splits.words,
            **self._what_columns_do(),
            **self._what_it_is_good_for(),
        }

    def _what_columns_do(self) -> dict[str, Any]:
        """Give coefficients, importance and partial dependence."""
        seed, level = self.settings.seed, self.obs.conf_level
        smallest = self.obs.min_group_size
        importance = importance_rows(self.held_out, self.rows, seed=seed, conf_level=level)
        return {
            "coefficients": coefficient_rows(
                self.features,
                self.matrix,
                self.rows.happened,
                self.rows.group,
                conf_level=level,
                min_group_size=smallest,
            ),
            "importance": importance,
            "partial_dependence": dependence_rows(
                self.model,
                self.features,
                self.rows,
                self._columns_to_show(importance),
                seed=seed,
                min_group_size=smallest,
            ),
        }

    def _what_it_is_good_for(self) -> dict[str, Any]:
        """Give calibration, gain, and what acting on the probabilities brings, held out."""
        happened, prob = self.happened, self.held_out.prob
        level, smallest = self.obs.conf_level, self.obs.min_group_size
        return {
            "gain": gain_rows(
                happened,
                prob,
                group=self.group,
                seed=self.settings.seed,
                conf_level=level,
                min_group_size=smallest,
            ),
            "at_depth": self._at_depth(),
            "decision_curve": decision_rows(
                happened, prob, self.group, conf_level=level, min_group_size=smallest
            ),
            "calibration": calibration_rows(happened, prob, min_group_size=smallest),
        }

    def sample_size(self) -> SampleSize:
        """Compare customers with what the model needs; each counts once."""
        n_customers = len(np.unique(self.rows.group))
        return check_sample_size(
            self.happened,
            self.held_out.prob,
            n_customers=n_customers,
            n_left=len(np.unique(self.rows.group[self.rows.happened == 1])),
            n_parameters=len(self.features.terms),
            method=self.choice.method,
        )

    def _judge(self, prob: FloatArray) -> Judged:
        return judge(
            self.happened,
            prob,
            self.group,
            seed=self.settings.seed,
            conf_level=self.obs.conf_level,
        )

    def _without_rating(self) -> tuple[Metrics | NotRun, Metrics | NotRun]:
        """Judge the same model without its ratings, and what the ratings add to it."""
        ratings = tuple(rating_columns(self.obs))
        used = {part.name for part in self.features.parts}
        if not used.intersection(ratings):
            missing = NotRun("the model has no rating")
            return missing, missing
        if used.issubset(ratings):
            missing = NotRun("the model has nothing but ratings")
            return missing, missing
        held_out = Learner(self.settings.method, self.settings.seed).predict_held_out(
            self.rows.without(ratings), self.splits
        )
        plain = self._judge(held_out.prob)
        return plain.metrics, compare(self.judged, plain, conf_level=self.obs.conf_level)

    def _one_column(self) -> dict[str, Any]:
        """Judge the rule of one column, and what the model adds to it."""
        prob, columns = one_column_predictions(self.rows, self.splits)
        rule = self._judge(prob)
        return {
            "name": "the churn rate of the customer's group, by the one column that tells most",
            "columns": columns,
            "metrics": rule.metrics,
            "added_by_model": compare(self.judged, rule, conf_level=self.obs.conf_level),
        }

    def _at_depth(self) -> dict[str, Any] | NotRun:
        share, n_contacts = self.settings.contact_share, self.settings.n_contacts
        if n_contacts is not None:
            n_active = self.obs.audit.get("n_customers_active") or len(np.unique(self.group))
            share = min(1.0, n_contacts / n_active)
        return at_depth(
            self.happened,
            self.held_out.prob,
            self.group,
            share=share,
            n_contacts=n_contacts,
            seed=self.settings.seed,
            conf_level=self.obs.conf_level,
            min_group_size=self.obs.min_group_size,
        )

    def _columns_to_show(self, found: list[dict[str, Any]]) -> list[str]:
        """Take the columns that matter most, and the rating whether it matters or not."""
        names = [row["column"] for row in found]
        used = {part.name for part in self.features.parts}
        chosen = [*names[:MOST_COLUMNS], *(["rating"] if "rating" in used else [])]
        return list(dict.fromkeys(name for name in chosen if name in used))


def fit_and_hold_out(
    settings: Settings, obs: Observations, rows: ChurnRows, splits: Splits
) -> FittedChurn:
    """Fit to all rows, and again without each period or fold that judges."""
    learner = Learner(settings.method, settings.seed)
    held_out = learner.predict_held_out(rows, splits)
    features = rows.learn()
    matrix = features.matrix(rows.frame)
    choice = learner.choose(matrix, rows.happened, rows.group)
    model = Learner(choice.method, settings.seed).fit(matrix, rows.happened, rows.group)
    happened, group = rows.happened[held_out.rows], rows.group[held_out.rows]
    judged = judge(happened, held_out.prob, group, seed=settings.seed, conf_level=obs.conf_level)
    return FittedChurn(
        settings=settings,
        obs=obs,
        rows=rows,
        splits=splits,
        features=features,
        matrix=matrix,
        model=model,
        choice=choice,
        held_out=held_out,
        happened=happened,
        group=group,
        judged=judged,
    )
