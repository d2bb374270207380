"""What is said of the lift within customers: how waves were chosen, which estimate stands first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxmodel.models.checks.base import Check, p_words
from cxmodel.models.estimates.within import (
    SIGNIFICANT,
    WithinFit,
    earlier_mean,
    row_weights,
    sample_of_waves,
    t_test,
)
from cxmodel.models.estimation import slope_design
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.requirements import MIN_ROWS_PER_PARAMETER
from cxmodel.models.say import amount
from cxmodel.results import NotRun
from cxmodel.stats.fixed_effects import within_groups
from cxmodel.stats.linear import fit_least_squares


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


def summary_of_within(
    fit: LiftFit, found: WithinFit | NotRun, checks: Iterable[Check]
) -> WithinSummary | None:
    """Sum up the estimate within customers in the light of ``feedback``; None if it was not run."""
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
    doubtful one.

    To stand first is to be read first: before the adjusted lift in the table of estimates (methods
    2), whatever the grade. It does not make a headline of it. Methods 2.2 names the adjusted lift
    the headline, and the contract ``per_rating_point``: KPI points, groups, programmes, the card
    and every check are of that number, and an estimate with other rows and no paths cannot take its
    place in them. So the two numbers keep their names, each says so wherever it goes, and
    programmes are valued with both. The first sentence of a report speaks of the one within
    customers only where the grade is that number's too.

    For retention the mean is that of the earlier waves: later ones are known
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
            "and later answers, in a linear probability model: who left is seldom asked again."
        )
    elif fit.obs.has("churned"):
        said.append(
            "Who left is seldom asked again, so the part of the lift that comes from staying shows "
            "in a customer's last answer alone and is partly missing."
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
    return (
        f"{differ}, so the lift within customers, {value}, stands first among the estimates: it is "
        "nearer to what a change of the rating goes with. The headline remains the adjusted lift, "
        "which KPI points, groups and programmes use, and holds what customers are as well."
    )
