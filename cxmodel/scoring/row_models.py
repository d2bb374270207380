"""Models beside churn that give numbers for each row: what they look at, and what they give.

Purchases: from frequency, recency and T to the probability of being there and purchases to come.
Hazard, and retention with covariates: from ratings, controls and the time reached to the
probability of staying. Lifetime value: from either business's columns to a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cxmodel.errors import ConfigError
from cxmodel.models.model_file import ModelFile, StoredModel
from cxmodel.models.off_scale import Range
from cxmodel.models.profile import Profile
from cxmodel.models.retention import covariates_ahead
from cxmodel.models.retention.covariates_ahead import MONTHS
from cxmodel.models.retention.covariates_result import RetentionByCovariates
from cxmodel.models.retention.hazard_ahead import (
    PERIOD,
    STAYS,
    columns_of,
    is_of_one_window,
    last_period,
    staying,
    usual_periods,
)
from cxmodel.models.retention.hazard_result import HazardResult
from cxmodel.models.retention.odd_rows import unseen_levels
from cxmodel.models.retention.stored_covariates import store_covariates
from cxmodel.models.retention.stored_hazard import store_hazard
from cxmodel.scoring.row_summary import MONEY
from cxmodel.stats.rates import DAYS_PER_YEAR
from cxmodel.value.cltv.past_spending import DAYS
from cxmodel.value.cltv.rules import VALUE, ContractRule
from cxmodel.value.cltv.stored import StoredCltvModel
from cxmodel.value.purchases.stored import StoredPurchaseModel
from cxmodel.value.purchases.stored_spend import StoredSpendModel

_MONTHS_AHEAD = 12  # a year


@dataclass(frozen=True, eq=False, kw_only=True)
class RowScorer(StoredModel):
    """A model as scoring sees it.

    Parameters
    ----------
    title : str
        What it is, in a few words.
    numbers, words : tuple of str
        The columns that it looks at, by kind; a row where one is missing gets no score.
    may_lack : tuple of str
        Further numbers that may be missing in a row.
    outputs : dict of str
        The columns that it gives, each with words for its mean.
    unit : str or None
        Of the value, written beside it.
    score : callable
        From a frame to a frame with `outputs`.
    file : ModelFile
        The model's file: it travels to where the rows are.
    unseen : callable
        From a frame to rows with a level that the fit did not see, by column.
    expression : callable, optional
        From an Ibis table to one with `outputs`, where the model is linear.
    mean_at_fit : float, optional
        Of the last of `outputs`, where it is known.
    unit_days : float, optional
        Days in the unit of time of the purchase histories that it looks at.
    currency : str, optional
        Of their amounts.
    periods : float, optional
        How far it looks, where that was asked.
    ranges : dict of (low, high)
        The scale of a rating; what lies outside is none.
    window_days : float, optional
        Of the window before, of which a row says how many days were observed.
    profile : Profile, optional
        How columns and numbers were spread at the fit.
    seen_until : (str, float), optional
        A column of time, and the value beyond which nobody was seen at the fit.
    meanings : dict of str
        What a column holds, where its name does not say it.
    counts_occasions : bool
        Whether that unit is an occasion, of which only whole ones count.
    model : object
        What was loaded.
    """

    title: str
    numbers: tuple[str, ...]
    outputs: dict[str, str]
    score: Callable[[pd.DataFrame], pd.DataFrame]
    file: ModelFile
    words: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    unit: str | None = None
    unseen: Callable[[pd.DataFrame], dict[str, int]] = lambda _: {}
    expression: Callable[[Any], Any] | None = None
    mean_at_fit: float | None = None
    unit_days: float | None = None
    currency: str | None = None
    counts_occasions: bool = False
    model: Any = None
    periods: float | None = None
    ranges: Mapping[str, Range] = field(default_factory=dict)
    window_days: float | None = None
    profile: Profile | None = None
    seen_until: tuple[str, float] | None = None
    meanings: Mapping[str, str] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns without which a row gets no score."""
        return (*self.numbers, *self.words)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it looks at."""
        return (*self.needed, *self.may_lack)

    def public_names(self, given: Iterable[Any]) -> dict[str, str]:
        """Say which columns come under other names: none."""
        return {}


def row_scorer(model: Any, periods: float | None = None) -> RowScorer | None:
    """Give a model's scorer; None where it gives no number a row.

    Parameters
    ----------
    model : object
        Of ``cxmodel.load_model``.
    periods : float, optional
        How far to look, in the model's own units of time: of the purchase histories, periods of a
        hazard, or months. Default: a year; one occasion for BG/BB.

    Raises
    ------
    ConfigError
        If the model has a horizon of its own and another is asked for, or it is none.
    """
    if periods is not None and not (np.isfinite(periods) and periods > 0):
        raise ConfigError(f"--periods must be above 0, not {periods:g}.")
    if isinstance(model, StoredPurchaseModel):
        return _of_purchases(model, periods)
    if isinstance(model, HazardResult):
        return _of_hazard(model, periods)
    if isinstance(model, RetentionByCovariates):
        return _of_retention(model, periods)
    if isinstance(model, StoredSpendModel):
        _refuse_periods(periods, "spend per purchase")
        return _of_spend(model)
    if isinstance(model, StoredCltvModel):
        _refuse_periods(periods, f"lifetime value ({model.rule.settings.horizon_months} months)")
        return _of_cltv(model)
    return None


def _refuse_periods(periods: float | None, what: str) -> None:
    if periods is not None:
        raise ConfigError(
            f"--periods is for models of purchases and of leaving; {what} has no other horizon "
            "than that of its fit. Leave --periods out."
        )


def _of_purchases(model: StoredPurchaseModel, periods: float | None) -> RowScorer:
    is_occasions = model.family == "bg_bb"
    year = 1.0 if is_occasions else DAYS_PER_YEAR / model.unit_days
    t = year if periods is None else float(periods)
    if is_occasions and t != int(t):
        raise ConfigError(
            f"--periods must be a whole number of occasions for BG/BB, not {periods:g}."
        )
    unit = "occasion(s)" if is_occasions else f"unit(s) of {model.unit_days:g} day(s)"
    return RowScorer(
        title=f"{model.title}, purchases",
        numbers=model.columns,
        outputs={
            "prob_alive": "Mean probability of still being a customer",
            "expected_purchases": f"Mean purchases expected in the next {t:.4g} {unit}",
        },
        score=lambda frame: model.predict(frame, t),
        file=model.file,
        periods=periods,
        ranges=model.ranges,
        profile=model.profile,
        # a table of occasions, which has no day, does not say how far apart they are
        unit_days=None if is_occasions and model.file.created_at is None else model.unit_days,
        counts_occasions=is_occasions,
        model=model,
    )


def _of_spend(model: StoredSpendModel) -> RowScorer:
    return RowScorer(
        title="Gamma-Gamma, spend per purchase",
        numbers=tuple(name for name in model.columns if name != MONEY),
        may_lack=(MONEY,),
        outputs={"expected_spend": f"Mean spend per purchase, in {model.currency or 'money'}"},
        score=model.predict,
        file=model.file,
        ranges=model.ranges,
        profile=model.profile,
        mean_at_fit=model.facts["mean_spend"],
        unit_days=7.0,  # spend does not depend on it
        currency=model.currency,
        model=model,
    )


def _of_hazard(model: HazardResult, periods: float | None) -> RowScorer:
    n = usual_periods(model) if periods is None else int(periods)
    if n > 1 and is_of_one_window(model):
        raise ConfigError(
            f"--periods {n}: the hazard is that of one {model.period}, by how long customers had "
            "been there before it. Ask for 1 period."
        )
    if periods is not None and n != periods:
        raise ConfigError(f"--periods must be a whole number for a hazard, not {periods:g}.")
    if n > last_period(model) + 1:
        raise ConfigError(
            f"--periods {n} reaches beyond the {last_period(model) + 1} period(s) that the hazard "
            "was seen in. Name fewer."
        )
    file = store_hazard(model)
    words = tuple(model.levels)
    return RowScorer(
        title="hazard of leaving",
        numbers=(PERIOD, *(name for name in columns_of(model) if name not in words)),
        words=words,
        outputs={
            STAYS: f"Mean probability of staying through the next {n} period(s) of one "
            f"{model.period}"
        },
        score=lambda frame: pd.DataFrame({STAYS: staying(model, frame, n)}),
        file=file,
        periods=periods,
        ranges=model.ranges,
        profile=model.profile,
        meanings={PERIOD: f"whole periods of one {model.period} since {model.clock}"},
        unseen=lambda frame: unseen_levels(model, frame),
        model=model,
    )


def _of_retention(model: RetentionByCovariates, periods: float | None) -> RowScorer:
    n = _MONTHS_AHEAD if periods is None else int(periods)
    if periods is not None and n != periods:
        raise ConfigError(f"--periods must be a whole number of months here, not {periods:g}.")
    file, words = store_covariates(model), tuple(model.levels)
    return RowScorer(
        title="retention with covariates",
        numbers=(MONTHS, *(one for one in covariates_ahead.columns_of(model) if one not in words)),
        words=words,
        outputs={STAYS: f"Mean probability of staying through the next {n} month(s)"},
        score=lambda frame: pd.DataFrame({STAYS: covariates_ahead.staying(model, frame, n)}),
        file=file,
        periods=periods,
        ranges=model.ranges,
        profile=model.profile,
        seen_until=(MONTHS, covariates_ahead.last_months(model, n)),
        meanings={MONTHS: f"whole months since {model.clock}"},
        unseen=lambda frame: unseen_levels(model, frame),
        model=model,
    )


def _of_cltv(model: StoredCltvModel) -> RowScorer:
    months = model.rule.settings.horizon_months
    value = {VALUE: f"Mean value, in {model.unit}"}
    if isinstance(model.rule, ContractRule):
        before = {STAYS: f"Mean probability of staying through {months} months"}
    else:
        before = {
            "prob_alive": "Mean probability of still being a customer",
            "expected_purchases": f"Mean purchases expected in the next {months} months",
            "expected_spend": f"Mean spend per purchase, in {model.rule.settings.currency}",
        }
    is_linear = isinstance(model.rule, ContractRule) and model.rule.is_linear
    return RowScorer(
        title=f"lifetime value, {model.kind}",
        numbers=tuple(name for name in model.columns if name not in (MONEY, DAYS)),
        may_lack=tuple(name for name in model.columns if name in (MONEY, DAYS)),
        outputs={**before, **value},
        unit=model.unit,
        score=model.predict,
        file=model.file,
        window_days=model.rule.lookback_days if isinstance(model.rule, ContractRule) else None,
        profile=model.profile,
        expression=model.expression if is_linear else None,
        mean_at_fit=model.facts["estimate"],
        unit_days=None if isinstance(model.rule, ContractRule) else model.rule.buys.rows.unit_days,
        currency=model.rule.settings.currency,
        model=model,
    )
