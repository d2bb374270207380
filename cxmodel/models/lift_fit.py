"""One fitted lift with everything the checks need to doubt it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import ConfigError, SeparationError, nearest
from cxmodel.models.controls import (
    OFFERED,
    ControlPlan,
    candidate_controls,
    learn_controls,
    missing_rows,
)
from cxmodel.models.estimates.group_columns import check_groups
from cxmodel.models.estimation import Link, Sample, SlopeFit, fit_slope, slope_design
from cxmodel.models.leaks import LeakReport, examine_rating, is_suspect
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.models.population import (
    WINDOWS_BEFORE,
    History,
    Outcome,
    choose_history,
    count_reasons,
    exclusions,
    history_of_controls,
    outcome_values,
)
from cxmodel.models.requirements import (
    count_events,
    require_customers,
    require_events,
    require_levels,
    require_outcome,
    require_ratings,
    require_rows,
    require_variety,
    require_weights,
)
from cxmodel.models.response.in_lift import LiftWeights, lift_weights
from cxmodel.models.say import listed
from cxmodel.models.source_leaks import find_all_leaks, source_column_names
from cxmodel.models.telling_controls import pool_pure_levels, without_the_rating
from cxmodel.stats.linear import fit_least_squares

if TYPE_CHECKING:
    from cxmodel.tables.observation_table import Observations

ROWS_PER_PARAMETER_INTERACTED = 20
# Made by cxmodel strictly before the response, so they cannot know the outcome.
BUILT_BEFORE = (
    "revenue_before",
    "revenue_before_2",
    "revenue_before_3",
    "contacts_before",
    *OFFERED,
    "tenure_days",
    "days_observed_before",
)
# Identities, outcomes and what the rating itself says.
NOT_EXAMINED = (
    "customer_id",
    "responded_at",
    "rating",
    "band",
    "response_weight",
    "revenue_after",
    "churned",
    "duration_days",
    "outcome_complete",
    "row_number",
)


@dataclass(frozen=True, eq=False)
class LiftFit:
    """The rows, controls and slopes of one outcome's lift.

    Parameters
    ----------
    obs : Observations
        The whole table.
    outcome : {"revenue", "retention"}
        What is explained.
    settings : LiftSettings
        What the user asked.
    rows : array of int
        Positions in ``obs.frame`` of the rows used.
    sample : Sample
        Those rows as arrays.
    plan : ControlPlan
        What is held equal.
    history : History
        Which windows before are controls, and the placebo.
    leaks : LeakReport
        What the alarm found.
    additive : SlopeFit, optional
        Without interactions; None where the logit is separated.
    headline : SlopeFit, optional
        The fit that stands first.
    not_used : tuple of dict
        Rows left out, with the reason.
    separation : str, optional
        What separates the outcome, in words.
    caveats : tuple of str
        What the reader must know.
    weights : LiftWeights
        Of the responses, for those who did not answer.
    is_weighted : bool
        Whether `sample`, so also the headline, is weighted by them.
    customers : array
        Ids of all customers of the table, in the order of influence; behind them rows that stand
        for the customers who did not answer (see `LiftWeights`).
    codes : array of int
        The customer of each row of ``obs.frame``.
    """

    obs: Observations
    outcome: Outcome
    settings: LiftSettings
    rows: NDArray[np.int64]
    sample: Sample
    plan: ControlPlan
    history: History
    leaks: LeakReport
    not_used: tuple[dict[str, Any], ...]
    customers: NDArray[np.generic]
    codes: NDArray[np.int64]
    additive: SlopeFit | None = None
    headline: SlopeFit | None = None
    separation: str | None = None
    caveats: tuple[str, ...] = ()
    weights: LiftWeights = LiftWeights()  # noqa: RUF009 - frozen
    is_weighted: bool = False

    @property
    def link(self) -> Link:
        """Money by least squares, staying by the logit."""
        return "linear" if self.outcome == "revenue" else "logit"

    @property
    def frame(self) -> pd.DataFrame:
        """The rows used."""
        return self.obs.frame.iloc[self.rows]

    @property
    def n_events(self) -> int:
        """Rows with the rarer outcome; for revenue, rows whose outcome is not zero."""
        return count_events(self.sample.outcome, self.outcome)

    @property
    def is_interacted(self) -> bool:
        """Whether the headline lets the slope differ with the controls."""
        return self.headline is not None and self.headline.is_interacted

    def sample_of(
        self, rows: NDArray[np.int64], outcome: NDArray[np.float64], plan: ControlPlan | None = None
    ) -> Sample:
        """Make the arrays of other rows, another outcome or fewer controls."""
        plan = self.plan if plan is None else plan
        weights = self.weights if self.is_weighted else None
        return build_sample(self.obs, rows, outcome, plan, self.codes, len(self.customers), weights)

    def refit(self, sample: Sample, *, link: Link | None = None) -> SlopeFit:
        """Fit the headline's model on another sample."""
        return fit_slope(sample, link=link or self.link, interacted=self.is_interacted)


def customer_codes(obs: Observations) -> tuple[NDArray[np.int64], NDArray[np.generic]]:
    """Give each customer of the table a number; without ids every row is a customer."""
    if "customer_id" in obs.frame:
        codes, customers = pd.factorize(obs.frame["customer_id"])
        return codes.astype(np.int64), np.asarray(customers, dtype=object)
    codes = np.arange(obs.n_obs, dtype=np.int64)
    return codes, codes


def examined_columns(obs: Observations) -> tuple[str, ...]:
    """List the columns of the source that the leak alarm looks at, controls or not."""
    built = () if obs.is_joined else BUILT_BEFORE
    return tuple(
        str(name)
        for name in obs.frame.columns
        if name not in NOT_EXAMINED and name not in built and not str(name).startswith("_")
    )


def leak_outcome(obs: Observations) -> NDArray[np.float64]:
    """Give the 0/1 outcome of the alarm: leaving, or else any revenue after."""
    if "churned" in obs.frame:
        return obs.frame["churned"].to_numpy(dtype=float, na_value=np.nan)
    after = obs.frame["revenue_after"].to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isnan(after), np.nan, (after != 0).astype(float))


def build_sample(
    obs: Observations,
    rows: NDArray[np.int64],
    outcome: NDArray[np.float64],
    plan: ControlPlan,
    codes: NDArray[np.int64],
    n_customers: int,
    weights: LiftWeights | None = None,
) -> Sample:
    """Make the arrays of some rows of the table under a plan of controls."""
    frame = obs.frame.iloc[rows]
    rating = frame["rating"].to_numpy(dtype=float)
    weighing = {} if weights is None else weights.of_rows(rows, n_customers)
    return Sample.build(outcome, rating, plan.matrix(frame), codes[rows], n_customers, **weighing)


def fit_lift(obs: Observations, outcome: Outcome, settings: LiftSettings | None = None) -> LiftFit:
    """Choose population and controls, then fit the additive and the interacted slope.

    Raises
    ------
    ConfigError
        If there is no rating or no such outcome, or a control, a column to keep or to group by does
        not exist.
    InsufficientDataError
        Under 10 events, under 10 rows per parameter, or one rating alone.
    LeakageError
        If a dated control lies after the response.
    SchemaError
        If a rating or a customer is missing, an outcome or a weight impossible.
    """
    if obs.rating is None or obs.scale is None or "rating" not in obs.frame:
        raise ConfigError("A lift needs a rating, and the observations have none.")
    settings = settings or LiftSettings()
    _check_kept(obs, settings.keep)
    check_groups(obs, settings.by)
    _require_sound(obs, outcome)
    return _fit_slopes(_prepare(obs, outcome, settings))


def _require_sound(obs: Observations, outcome: Outcome) -> None:
    """Refuse values that no observation can have, before any of them reaches a number."""
    frame = obs.frame
    require_ratings(frame["rating"].to_numpy(dtype=float))
    require_customers(customer_codes(obs)[0])
    require_outcome(outcome_values(obs, outcome), outcome)
    if "response_weight" in frame:
        require_weights(frame["response_weight"].to_numpy(dtype=float, na_value=np.nan))


def _check_kept(obs: Observations, keep: Sequence[str]) -> None:
    left_out = {*obs.audit.get("controls_left_out", ()), *source_column_names(obs)}
    unknown = [name for name in keep if name not in obs.frame and name not in left_out]
    if unknown:
        public = [str(name) for name in obs.frame.columns if not str(name).startswith("_")]
        raise ConfigError(
            f"lift.keep: there is no column {unknown[0]!r}. {nearest(unknown[0], public)}"
        )


def _prepare(obs: Observations, outcome: Outcome, settings: LiftSettings) -> LiftFit:
    """Settle the rows and the controls."""
    happened = outcome_values(obs, outcome)
    reasons, in_population, history = _population(obs, outcome)
    require_events(happened[in_population], outcome, obs.window_words)
    population = obs.frame.loc[in_population]
    leaks = find_all_leaks(
        obs,
        in_population,
        leak_outcome(obs)[in_population],
        columns=examined_columns(obs),
        keep=settings.keep,
    )
    names = candidate_controls(obs, history, settings.controls, settings.set_apart)
    names = tuple(n for n in names if n not in leaks.left_out)
    history = history_of_controls(history, names)
    cap = float(len(history.controls) * obs.windows.lookback_days) or None
    plan = learn_controls(population, names, cap_days=cap)
    reasons.append(("missing_control", missing_rows(plan, obs.frame)))
    not_used, used = count_reasons(reasons, outcome)
    rows = np.flatnonzero(used)
    values = happened[rows]
    require_events(values, outcome, obs.window_words)
    codes, customers = customer_codes(obs)
    plan = without_the_rating(plan, obs.frame.iloc[rows])
    if outcome == "retention":
        plan = pool_pure_levels(plan, obs.frame.iloc[rows], values, obs.min_group_size)
    weights = lift_weights(obs)
    customers = weights.with_outside(customers)
    is_weighted, said = weights.decide(rows, is_wanted=settings.weighted)
    sample = build_sample(
        obs, rows, values, plan, codes, len(customers), weights if is_weighted else None
    )
    require_variety(sample)
    return LiftFit(
        obs, outcome, settings, rows, sample, plan, history, leaks, tuple(not_used), customers,
        codes, caveats=(*_history_caveat(obs, history, settings.controls), *plan.caveats, *said),
        weights=weights, is_weighted=is_weighted,
    )  # fmt: skip


def _population(
    obs: Observations, outcome: Outcome
) -> tuple[list[tuple[str, NDArray[np.bool_]]], NDArray[np.bool_], History]:
    """Give the reasons to leave rows out, the rows that remain, and the history they have."""
    reasons = exclusions(obs, outcome)
    remaining = count_reasons(reasons, outcome)[1]
    history = choose_history(obs, remaining)
    if history.n_windows:
        reach = obs.frame["_history_windows"].to_numpy(dtype=float)
        reasons.append(("history_cut_off", ~(reach >= history.n_windows)))
        remaining &= reach >= history.n_windows
    return reasons, remaining, history


def _history_caveat(
    obs: Observations, history: History, controls: Sequence[str] | None
) -> tuple[str, ...]:
    """Say when customers who spend unlike amounts are compared: by choice, or a young ledger."""
    if history.controls or "revenue_before" not in obs.frame:
        return ()
    if controls is not None:
        is_chosen = any(name in WINDOWS_BEFORE for name in controls)
        if is_chosen or not obs.frame["revenue_before"].notna().any():
            return ()
        return (
            "Revenue before the response is not held equal: you chose the controls, and they "
            "replace the default list. Name revenue_before among them to hold it equal.",
        )
    return (
        "Revenue before the response is not held equal: the ledger does not reach back "
        f"{obs.windows.lookback_days} days before 80% of the responses.",
    )


def _fit_slopes(prepared: LiftFit) -> LiftFit:
    """Fit additive and interacted slopes; a separated logit leaves both out."""
    sample = prepared.sample
    if sample.n_obs <= sample.controls.shape[1] + 2:
        # no slope can be fitted, so the terms are counted without one
        design = slope_design(sample, interacted=False)
        require_rows(sample, fit_least_squares(design, sample.outcome).n_params)
    linear = fit_slope(sample)
    require_rows(sample, linear.n_params)
    require_levels(sample, len(np.unique(sample.rating)), linear.n_params - 2)
    caveats = list(prepared.caveats)
    if dropped := linear.dropped_names(prepared.plan.column_names):
        caveats.append(f"Left out because other controls already say it: {listed(dropped)}.")
    prepared = replace(prepared, caveats=tuple(caveats))
    additive = linear
    if prepared.link == "logit":
        if is_suspect(*examine_rating(sample.rating, sample.outcome)):
            return replace(prepared, separation="the rating")
        try:
            additive = fit_slope(sample, link="logit")
        except SeparationError:
            return replace(prepared, separation="rating and controls together")
    if prepared.settings.average == "variance":
        return replace(prepared, additive=additive, headline=additive)
    headline, said = _interacted(prepared, additive)
    return replace(prepared, additive=additive, headline=headline, caveats=(*caveats, *said))


def _interacted(prepared: LiftFit, additive: SlopeFit) -> tuple[SlopeFit, list[str]]:
    """Let the slope differ with the controls where the rows carry it; else say why not.

    Rows are counted for retention too, not events: simulated with 6 events per parameter the
    interacted average marginal effect covers 95% where slopes differ with the controls and 95%
    where they do not, and the additive one 5-36% where they differ.
    """
    sample = prepared.sample
    n_params = 2 * (additive.n_params - 1)
    if n_params <= 2:
        return additive, []
    too_few = "The headline is the additive slope: "
    if sample.n_obs < ROWS_PER_PARAMETER_INTERACTED * n_params:
        return additive, [
            f"{too_few}{sample.n_obs:,} rows are fewer than {ROWS_PER_PARAMETER_INTERACTED} for "
            f"each of {n_params} parameters with interactions."
        ]
    if sample.n_in_sample <= n_params:
        return additive, [
            f"{too_few}{sample.n_in_sample:,} customers are too few for {n_params} parameters."
        ]
    try:
        fit = fit_slope(sample, link=prepared.link, interacted=True)
    except SeparationError:
        return additive, [f"{too_few}with interactions the outcome is separated."]
    dropped = fit.dropped_names(prepared.plan.column_names)
    n_more = sum(name.startswith("rating x") for name in dropped) - len(additive.fit.dropped)
    if n_more > 0:
        return fit, [f"{n_more} products of rating and controls are left out: others say them."]
    return fit, []
