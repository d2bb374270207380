"""Within customers: the same customer compared with herself at other ratings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.models.alternatives import SEPARATED
from cxmodel.models.checks.base import Check, p_words
from cxmodel.models.controls import ControlPlan
from cxmodel.models.estimation import Quantity, Sample, slope_design
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.population import WINDOWS_BEFORE
from cxmodel.models.requirements import MIN_EVENTS, MIN_ROWS_PER_PARAMETER, count_events
from cxmodel.models.say import amount
from cxmodel.models.waves import Waves, find_waves
from cxmodel.results import NotRun
from cxmodel.stats.fixed_effects import fit_within, within_groups
from cxmodel.stats.linear import fit_least_squares
from cxmodel.stats.small_samples import student_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Past outcomes are no controls beside customer effects (Nickell 1981); tenure and the days that
# were observed move with the calendar, which is held equal.
NOT_WITHIN = (*WINDOWS_BEFORE, "tenure_days", "days_observed_before")
SIGNIFICANT = 0.05


@dataclass(frozen=True, eq=False)
class WithinFit:
    """The slope within customers, and what it rests on.

    Parameters
    ----------
    slope : Quantity
        Of the outcome in the rating; its influence is numbered as the whole observation table.
    sample : Sample
        The waves that are compared.
    waves : Waves
        How they were chosen.
    n_params : int
        The rating and what is held equal, without the customers' own effects.
    n_changed : int
        Customers whose rating changed; the others say nothing about the slope.
    """

    slope: Quantity
    sample: Sample
    waves: Waves
    n_params: int
    n_changed: int


@dataclass(frozen=True)
class WithinSummary:
    """What is said of the estimate within customers, beside its number.

    Parameters
    ----------
    n_obs, n_customers : int
        Waves, and the customers they are of.
    n_changed : int
        Customers whose rating changed.
    n_waves : int
        The most waves of a customer.
    n_params : int
        Of the equation, without the customers' own effects.
    n_overlapping, n_single : int
        Answers that came too soon after another; customers with one wave.
    mundlak_statistic, mundlak_p_value : float, optional
        t of the customer's mean rating beside the headline's controls.
    stands_first : {"adjusted", "within_customer"}
        Which of the two a reader should look at first. It does not grade.
    text : str
        All of it in words.
    """

    n_obs: int
    n_customers: int
    n_changed: int
    n_waves: int
    n_params: int
    n_overlapping: int
    n_single: int
    mundlak_statistic: float | None
    mundlak_p_value: float | None
    stands_first: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Give ``lift.<outcome>.within_customer`` of ``results.json``."""
        return {
            "n_obs": self.n_obs,
            "n_customers": self.n_customers,
            "n_customers_changed": self.n_changed,
            "n_waves": self.n_waves,
            "n_params": self.n_params,
            "n_overlapping": self.n_overlapping,
            "n_single": self.n_single,
            "mundlak": {"statistic": self.mundlak_statistic, "p_value": self.mundlak_p_value},
            "stands_first": self.stands_first,
            "text": self.text,
        }


def within_customer(fit: LiftFit) -> Quantity | NotRun:
    """Give the slope of the outcome in the rating within customers (methods 2.4)."""
    found = find_within(fit)
    return found if isinstance(found, NotRun) else found.slope


def find_within(fit: LiftFit) -> WithinFit | NotRun:
    """Compare each customer's waves with one another.

    Revenue: least squares with an effect for every customer (Wooldridge 2010, 10.5).

    Retention: a linear probability model, because the unit is a probability: a conditional logit
    gives odds ratios, and the probability that they mean for a customer needs the effect that it
    removes. Who left is not asked again, so all but a customer's last wave end in staying, and
    customer effects that are taken out by means mix an outcome with the selection that it makes:
    simulated with a lift of .030 they give .019 (Tauchmann 2023 shows why). Instead the rating's
    distance from the mean of the customer's *earlier* ratings is the instrument for the rating,
    on the second and later waves: it says nothing of how customers differ for good, and is known
    before the outcome. In the same simulation it gives .030.

    For revenue every customer has one weight, shared by the waves, for retention every wave (see
    `row_weights`). Errors are clustered by customer (CR1, the customers' effects not counted as
    parameters: they are nested in the clusters).

    References
    ----------
    .. [1] Nickell, S. (1981). Biases in dynamic models with fixed effects. Econometrica 49(6).
    .. [2] Wooldridge, J. M. (2010). Econometric Analysis of Cross Section and Panel Data, ch. 10.
    .. [3] Tauchmann, H. (2023). Fixed-effects estimation of the linear discrete-time hazard model:
       an adjusted first-differences estimator. Journal of the Royal Statistical Society A.
    """
    if fit.separation is not None:
        return NotRun(SEPARATED)
    waves = find_waves(fit)
    if isinstance(waves, NotRun):
        return waves
    if fit.outcome == "retention":
        return _from_earlier_ratings(fit, waves)
    return _from_customer_means(fit, waves)


def within_plan(fit: LiftFit) -> ControlPlan:
    """Give what is held equal within customers: the calendar, and what else may change."""
    return fit.plan.without(NOT_WITHIN)


def sample_of_waves(fit: LiftFit, rows: Ints, plan: ControlPlan | None = None) -> Sample:
    """Make the arrays of some waves, every customer with one weight."""
    at = np.searchsorted(fit.rows, rows)
    return fit.sample_of(rows, fit.sample.outcome[at], within_plan(fit) if plan is None else plan)


def row_weights(fit: LiftFit, sample: Sample) -> Floats:
    """Give every customer one weight for revenue, and every wave one weight for retention.

    Who left gave no more answers, so for retention 1/n would give most weight to those who left:
    simulated with up to four waves and a lift of .030, weights of 1/n give .040, even ones .030.
    """
    return sample.share * sample.n_obs if fit.outcome == "revenue" else np.ones(sample.n_obs)


def too_few(fit: LiftFit, sample: Sample, n_params: int, n_changed: int) -> NotRun | None:
    """Say why waves do not carry the equation, if they do not."""
    n_events = count_events(sample.outcome, fit.outcome)
    if n_events < MIN_EVENTS:
        kind = "have revenue after them" if fit.outcome == "revenue" else "end in the rarer outcome"
        return NotRun(f"{n_events} of {sample.n_obs:,} waves {kind}, fewer than {MIN_EVENTS}")
    if sample.n_obs < MIN_ROWS_PER_PARAMETER * n_params or n_changed < MIN_ROWS_PER_PARAMETER:
        return NotRun(
            f"{sample.n_obs:,} waves of {sample.n_in_sample:,} customers, {n_changed:,} of whom "
            f"changed their rating, are too few for {n_params} parameters: it needs "
            f"{MIN_ROWS_PER_PARAMETER} waves each and {MIN_ROWS_PER_PARAMETER} customers whose "
            "rating changed"
        )
    if sample.n_in_sample < fit.obs.min_group_size:
        return NotRun(
            f"{sample.n_in_sample:,} customers with waves are fewer than {fit.obs.min_group_size}, "
            "the smallest group that is shown"
        )
    if sample.n_in_sample <= n_params:
        return NotRun(
            f"{sample.n_in_sample:,} customers with waves are too few for {n_params} parameters: "
            "errors go by customer"
        )
    return None


def _from_customer_means(fit: LiftFit, waves: Waves) -> WithinFit | NotRun:
    sample = sample_of_waves(fit, waves.rows)
    ols = fit_within(
        np.column_stack([sample.rating, sample.controls]),
        sample.outcome,
        sample.customers,
        row_weights(fit, sample),
    )
    if 0 in ols.dropped:
        return NotRun("no customer's rating changed from one wave to the next, the calendar apart")
    n_changed = count_changed(sample.rating, sample.customers)
    if short := too_few(fit, sample, ols.n_params, n_changed):
        return short
    gradient = np.eye(1, len(ols.coefficients))[0]
    slope = sample.quantity(ols.coefficients[0], ols.influence(gradient), ols.n_params, exact=True)
    return WithinFit(slope, sample, waves, ols.n_params, n_changed)


def _from_earlier_ratings(fit: LiftFit, waves: Waves) -> WithinFit | NotRun:
    ratings = fit.obs.frame["rating"].to_numpy(dtype=float)[waves.rows]
    earlier = earlier_mean(ratings, waves.number)
    later = waves.number > 0
    sample = sample_of_waves(fit, waves.rows[later])
    weights = row_weights(fit, sample)
    held = np.column_stack([np.ones(sample.n_obs), sample.controls])
    first = fit_least_squares(held, sample.rating - earlier[later], weights)
    n_changed = count_changed(ratings, waves.customers)
    if short := too_few(fit, sample, first.n_params + 1, n_changed):
        return short
    pull = weights * first.residuals
    strength = float(pull @ sample.rating)
    if strength <= 1e-9 * float(np.abs(pull) @ np.abs(sample.rating)):
        return NotRun("ratings move away from a customer's earlier ones only as the calendar does")
    value = float(pull @ sample.outcome) / strength
    left = fit_least_squares(held, sample.outcome - value * sample.rating, weights).residuals
    slope = sample.quantity(value, pull * left / strength, first.n_params + 1, exact=True)
    return WithinFit(slope, sample, waves, first.n_params + 1, n_changed)


def earlier_mean(ratings: Floats, number: Ints) -> Floats:
    """Give the mean of the customer's ratings in earlier waves; 0 for the first.

    Parameters
    ----------
    ratings, number : array (n,)
        By customer and wave; `number` begins with 0 for every customer.

    Examples
    --------
    >>> earlier_mean(np.array([4.0, 8.0, 1.0, 5.0]), np.array([0, 1, 2, 0]))
    array([0., 4., 6., 0.])
    """
    before = np.cumsum(ratings) - ratings
    starts = np.arange(len(number)) - number
    return np.asarray((before - before[starts]) / np.maximum(number, 1))


def count_changed(ratings: Floats, customers: Ints) -> int:
    """Count the customers who gave different ratings.

    Examples
    --------
    >>> count_changed(np.array([4.0, 4.0, 1.0, 5.0]), np.array([0, 0, 1, 1]))
    1
    """
    return int(np.unique(customers[within_groups(ratings, customers) != 0]).size)


def summary_of_within(fit: LiftFit, checks: Iterable[Check]) -> WithinSummary | None:
    """Sum up the estimate within customers in the light of ``feedback``; None if it was not run."""
    found = find_within(fit)
    if isinstance(found, NotRun):
        return None
    is_failed = any(check.name == "feedback" and check.verdict == "fail" for check in checks)
    return summarise_within(fit, found, feedback_failed=is_failed)


def summarise_within(
    fit: LiftFit, found: WithinFit, *, feedback_failed: bool = False
) -> WithinSummary:
    """Say how the waves were chosen, and which of the two estimates stands first.

    Mundlak's test (1978): the customer's mean rating joins the headline's controls on the waves.
    If it matters, customers who usually rate higher differ in what the controls do not hold, and
    the estimate within them stands first; not so where `feedback_failed`, because then it is the
    doubtful one. For retention the mean is that of the earlier waves: later ones are known
    only of those who stayed.
    """
    tested = mundlak(fit, found)
    is_told = tested is not None and tested[1] < SIGNIFICANT and not feedback_failed
    return WithinSummary(
        n_obs=found.sample.n_obs,
        n_customers=found.sample.n_in_sample,
        n_changed=found.n_changed,
        n_waves=found.waves.n_waves,
        n_params=found.n_params,
        n_overlapping=found.waves.n_overlapping,
        n_single=found.waves.n_single,
        mundlak_statistic=None if tested is None else tested[0],
        mundlak_p_value=None if tested is None else tested[1],
        stands_first="within_customer" if is_told else "adjusted",
        text=" ".join(
            [*_how_chosen(fit, found), _which_first(fit, found, tested, feedback_failed)]
        ),
    )


def mundlak(fit: LiftFit, found: WithinFit) -> tuple[float, float] | None:
    """Give t and p of the customer's mean rating beside the headline's controls, on the waves.

    Additive and least squares (for retention the linear probability model), clustered by customer;
    None where the waves do not carry the controls.
    """
    waves = found.waves
    ratings = fit.obs.frame["rating"].to_numpy(dtype=float)[waves.rows]
    if fit.outcome == "retention":
        used = waves.number > 0
        usual = earlier_mean(ratings, waves.number)[used]
    else:
        used = np.ones(len(ratings), dtype=bool)
        usual = ratings - within_groups(ratings, waves.customers)
    sample = sample_of_waves(fit, waves.rows[used], fit.plan)
    design = np.column_stack([slope_design(sample, interacted=False), usual])
    ols = fit_least_squares(design, sample.outcome, row_weights(fit, sample))
    is_short = sample.n_obs < MIN_ROWS_PER_PARAMETER * ols.n_params
    if is_short or sample.n_in_sample <= ols.n_params or design.shape[1] - 1 in ols.dropped:
        return None
    gradient = np.eye(design.shape[1])[-1]
    extra = sample.quantity(ols.coefficients[-1], ols.influence(gradient), ols.n_params, exact=True)
    return t_test(extra)


def t_test(found: Quantity) -> tuple[float, float] | None:
    """Give t and two-sided p of a quantity; None where it has no error."""
    if not found.std_error or found.deg_freedom is None:
        return None
    statistic = found.value / found.std_error
    return statistic, student_p(statistic, found.deg_freedom)


def _how_chosen(fit: LiftFit, found: WithinFit) -> list[str]:
    waves, sample = found.waves, found.sample
    n_customers = int(np.unique(waves.customers).size)
    days = fit.obs.windows.gap_days + fit.obs.windows.outcome_days
    said = [
        f"Within customers: {len(waves.rows):,} answers of {n_customers:,} customers, each given "
        f"{days} days or more after the one before; {found.n_changed:,} changed their rating, the "
        f"other {n_customers - found.n_changed:,} say nothing. Left out: {waves.n_overlapping:,} "
        f"answers that came sooner, and {waves.n_single:,} customers with one."
    ]
    if fit.outcome == "retention":
        said.append(
            f"Staying is compared with the customer's earlier ratings, on {sample.n_obs:,} second "
            "and later answers, in a linear probability model: who left was not asked again."
        )
    elif fit.obs.has("churned"):
        said.append(
            "Who left was not asked again, so the part of the lift that comes from staying shows "
            "in a customer's last answer alone."
        )
    return said


def _which_first(
    fit: LiftFit, found: WithinFit, tested: tuple[float, float] | None, feedback_failed: bool
) -> str:
    value = amount(found.slope.value, fit.outcome, fit.obs.currency)
    if tested is None:
        return f"The adjusted lift stands first; within customers it is {value}."
    says = p_words(tested[1])
    if tested[1] >= SIGNIFICANT:
        return (
            "Customers who usually rate higher are not shown to differ in what the controls leave "
            f"(Mundlak's test, {says}), so the adjusted lift stands first; within customers it is "
            f"{value}."
        )
    differ = (
        "Customers who usually rate higher differ in what the controls do not hold (Mundlak's "
        f"test, {says})"
    )
    if feedback_failed:
        return (
            f"{differ}, but ratings follow the outcome (see the check feedback), so neither the "
            f"adjusted lift nor that within customers, {value}, is beyond doubt."
        )
    return f"{differ}, so the lift within customers, {value}, stands first."
