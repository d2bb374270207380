"""What a randomised arm did: to the outcome, to the rating, and by way of the rating."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from cxmodel.errors import ConfigError, InsufficientDataError, nearest
from cxmodel.models.controls import ControlPlan
from cxmodel.models.estimates.level_rows import suppressed
from cxmodel.models.estimation import Quantity, Sample, fit_slope
from cxmodel.models.experiments.experiment_result import ArmEffect, ExperimentResult
from cxmodel.models.experiments.experiment_settings import Experiment
from cxmodel.models.experiments.instrument_strength import (
    InstrumentStrength,
    balance_p_value,
    own_clusters,
)
from cxmodel.models.experiments.levels_seen import levels_seen
from cxmodel.models.leaks import MISSING, as_levels
from cxmodel.models.lift_fit import ROWS_PER_PARAMETER_INTERACTED, LiftFit
from cxmodel.models.lift_result import NO_EXPERIMENT
from cxmodel.models.outcome_units import LiftUnits
from cxmodel.models.requirements import MIN_ROWS_PER_PARAMETER
from cxmodel.models.say import listed
from cxmodel.results import NotRun
from cxmodel.stats.two_stage import two_stage_least_squares

Floats = NDArray[np.float64]
# More values than this are no arms of an experiment.
MOST_ARMS = 20


def evaluate_experiment(fit: LiftFit) -> ExperimentResult | NotRun:
    """Compare each arm with the control, and take the lift per rating point from the arms.

    Intention to treat on outcome and rating: least squares on the arm, the controls centred at
    their means, and their products (Lin 2013), errors HC1 or clustered by customer; for retention
    that is a linear probability model. The controls are those of the headline.

    Raises
    ------
    ConfigError
        If there is no column of that name, or no response in the control.

    References
    ----------
    Lin, W. (2013). Annals of Applied Statistics 7(1), 295-318; Imbens, G. W. and Angrist, J. D.
    (1994). Econometrica 62(2), 467-475.
    """
    settings = fit.settings.experiment
    if settings is None:
        return NO_EXPERIMENT
    arms = _arms_of(fit, settings)
    names, counts = np.unique(arms[arms != MISSING].astype(str), return_counts=True)
    if len(names) > MOST_ARMS:
        return NotRun(
            f"{settings.arm} holds {len(names):,} values, and an experiment has at most "
            f"{MOST_ARMS} arms; name the column of the arm (experiment.arm)"
        )
    if len(names) < 2:
        return NotRun(f"every response is in the arm {settings.control}: nothing to compare")
    hides = suppressed([int(n) for n in counts], fit.obs.min_group_size)
    hidden = {str(name) for name, hide in zip(names, hides, strict=True) if hide}
    shown = [str(name) for name in names if name not in {*hidden, settings.control}]
    if settings.control in hidden or not shown:
        return NotRun(
            f"the control or every other arm of {settings.arm} is too small to be shown "
            f"(under {fit.obs.min_group_size} responses)"
        )
    plan = fit.plan.without([settings.arm])
    caveats = list(_caveats(fit, arms, plan))
    strength, complier = _complier(fit, arms, settings.control, shown, plan, caveats)
    return ExperimentResult(
        settings=settings,
        outcome=fit.outcome,
        units=LiftUnits.of(fit.obs, fit.outcome),
        conf_level=fit.obs.conf_level,
        effects=tuple(_effect(fit, arms, settings.control, arm, plan) for arm in shown),
        hidden=tuple(sorted(hidden)),
        n_control=int((arms == settings.control).sum()),
        n_without_arm=int((arms == MISSING).sum()),
        sample_ratio_p_value=_sample_ratio(
            fit.sample.customers, arms, settings, fit.obs.min_group_size
        ),
        complier=complier,
        strength=strength,
        caveats=tuple(dict.fromkeys(caveats)),
    )


def _arms_of(fit: LiftFit, settings: Experiment) -> NDArray[np.object_]:
    """Give the arm of each row used; numbers without a needless point."""
    frame = fit.obs.frame
    if settings.arm not in frame.columns:
        public = [str(name) for name in frame.columns if not str(name).startswith("_")]
        raise ConfigError(
            f"experiment.arm: there is no column {settings.arm!r}. {nearest(settings.arm, public)}"
        )
    arms = arm_names(fit.frame[settings.arm])
    if settings.control not in arms:
        known = Counter(str(arm) for arm in arms if arm != MISSING)
        raise ConfigError(
            f"experiment.control: no response is in the arm {settings.control!r} of "
            f"{settings.arm}. {levels_seen(settings.control, known, fit.obs.min_group_size)}"
        )
    return arms


def arm_names(values: pd.Series) -> NDArray[np.object_]:
    """Read a column as names of arms.

    Examples
    --------
    >>> arm_names(pd.Series([0.0, 1.0, None])).tolist()
    ['0', '1', '(missing)']
    """
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        named = [f"{number:.15g}" if np.isfinite(number) else MISSING for number in numbers]
        return np.array(named, dtype=object)
    return as_levels(values).to_numpy(dtype=object)


def _effect(
    fit: LiftFit, arms: NDArray[np.object_], control: str, arm: str, plan: ControlPlan
) -> ArmEffect:
    inside = np.flatnonzero((arms == control) | (arms == arm))
    treated = (arms[inside] == arm).astype(float)
    rows = fit.rows[inside]
    rating = fit.sample.rating[inside]
    outcome = fit.sample_of(rows, fit.sample.outcome[inside], plan)
    samples = [replace(outcome, rating=treated), replace(outcome, rating=treated, outcome=rating)]
    on_outcome, on_rating = (_adjusted(sample) for sample in samples)
    bare = [replace(sample, controls=np.zeros((sample.n_obs, 0))) for sample in samples]
    return ArmEffect(
        arm=arm,
        n_obs=int(treated.sum()),
        n_customers=np.unique(outcome.customers[treated == 1]).size,
        on_outcome=on_outcome,
        on_rating=on_rating,
        on_outcome_unadjusted=fit_slope(bare[0]).slope,
        on_rating_unadjusted=fit_slope(bare[1]).slope,
        balance_p_value=balance_p_value(outcome, treated),
        largest_difference=_largest_difference(outcome, treated, plan),
    )


def _adjusted(sample: Sample) -> Quantity:
    """Fit with as much of the controls as the rows carry."""
    n_controls = sample.controls.shape[1]
    if sample.n_obs < MIN_ROWS_PER_PARAMETER * (n_controls + 2):
        return fit_slope(replace(sample, controls=np.zeros((sample.n_obs, 0)))).slope
    needed = ROWS_PER_PARAMETER_INTERACTED * 2 * (n_controls + 1)
    return fit_slope(sample, interacted=sample.n_obs >= needed).slope


def _caveats(fit: LiftFit, arms: NDArray[np.object_], plan: ControlPlan) -> list[str]:
    """Say whom the effects are of, and where an arm is too small for all of the controls."""
    n_controls = len(plan.column_names)
    smallest = int(min(np.unique(arms[arms != MISSING].astype(str), return_counts=True)[1]))
    said = [
        "Only customers who answered are compared: if the arm changed who answers, the effects are "
        "of those who did.",
    ]
    if plan.names:
        said.append(
            "The controls are what was known before the response: where the arm began long before "
            "it, they may hold part of what it did. The differences in means stand beside."
        )
    if 2 * smallest < ROWS_PER_PARAMETER_INTERACTED * 2 * (n_controls + 1):
        said.append(
            "Where an arm has too few rows, controls stand without their products with the arm, "
            "or are left out."
        )
    return said


def _largest_difference(
    sample: Sample, treated: Floats, plan: ControlPlan
) -> tuple[str, float] | None:
    """Name the control whose means differ most between the arms, in standard deviations."""
    if not sample.controls.shape[1]:
        return None
    means, variances = [], []
    for side in (0.0, 1.0):
        share = sample.share * (treated == side)
        share = share / share.sum()
        mean = share @ sample.controls
        means.append(mean)
        variances.append(share @ (sample.controls - mean) ** 2)
    spread = np.sqrt((variances[0] + variances[1]) / 2)
    differences = np.where(spread > 0, (means[1] - means[0]) / np.where(spread > 0, spread, 1), 0)
    most = int(np.abs(differences).argmax())
    return plan.column_names[most], float(differences[most])


def _sample_ratio(
    customers: NDArray[np.int64],
    arms: NDArray[np.object_],
    settings: Experiment,
    min_group_size: int,
) -> float:
    """Test the sizes of the arms against the plan: chi-squared, of customers where they stay put.

    Where a customer's responses are in several arms, responses were drawn and are counted.
    """
    known = arms != MISSING
    pairs = pd.DataFrame({"customer": customers[known], "arm": arms[known]})
    people = pairs.drop_duplicates()
    counted = pairs if people["customer"].duplicated().any() else people
    counts = {str(name): int(n) for name, n in counted["arm"].value_counts().items()}
    names = sorted(set(counts) | set(settings.shares or ()))
    shares = settings.shares or dict.fromkeys(names, 1.0)
    unplanned = [name for name in names if name not in shares]
    if unplanned:
        sizes = {name: int((arms == name).sum()) for name in unplanned}
        raise ConfigError(_without_share(settings.arm, sizes, min_group_size))
    observed = np.array([counts.get(name, 0) for name in names], dtype=float)
    planned = np.array([shares[name] for name in names])
    expected = planned / planned.sum() * observed.sum()
    return float(chdtrc(len(names) - 1, np.sum((observed - expected) ** 2 / expected)))


def _without_share(column: str, sizes: dict[str, int], min_group_size: int) -> str:
    """Say which arms have no planned share, naming none that is too small to be shown.

    Examples
    --------
    >>> _without_share("variant", {"C": 200, "Mr Smith": 1}, 30)[:78]
    'experiment.shares: C and 1 arm of under 30 responses occur in variant and have'
    """
    said = [name for name, n in sizes.items() if n >= min_group_size]
    n_small = len(sizes) - len(said)
    if n_small:
        said.append(
            f"{n_small} arm{'s' if n_small > 1 else ''} of under {min_group_size} responses"
        )
    is_one = len(sizes) == 1
    return (
        f"experiment.shares: {listed(said)} {'occurs' if is_one else 'occur'} in {column} and "
        f"{'has' if is_one else 'have'} no share. Add the share that was planned, or leave those "
        "responses out of the study."
    )


def _complier(
    fit: LiftFit,
    arms: NDArray[np.object_],
    control: str,
    shown: list[str],
    plan: ControlPlan,
    caveats: list[str],
) -> tuple[InstrumentStrength | None, Quantity | NotRun]:
    """Take the lift per rating point from all arms together, by two-stage least squares."""
    inside = np.flatnonzero(np.isin(arms, [control, *shown]))
    sample = fit.sample_of(fit.rows[inside], fit.sample.outcome[inside], plan)
    if sample.n_obs < MIN_ROWS_PER_PARAMETER * (sample.controls.shape[1] + 2):
        sample = replace(sample, controls=np.zeros((sample.n_obs, 0)))
        caveats.append("The lift per rating point from the arm is without controls: too few rows.")
    instruments = np.column_stack([(arms[inside] == arm).astype(float) for arm in shown])
    exogenous = np.hstack([np.ones((sample.n_obs, 1)), sample.controls])
    try:
        stages = two_stage_least_squares(
            sample.outcome, sample.rating, instruments, exogenous, sample.share * sample.n_obs
        )
    except InsufficientDataError as error:
        return None, NotRun(str(error))
    found = sample.quantity(stages.slope, stages.influence, stages.n_params, exact=True)
    strength = InstrumentStrength.of(
        stages,
        conf_level=fit.obs.conf_level,
        clusters=own_clusters(sample),
        deg_freedom=found.deg_freedom or float(sample.n_obs - stages.n_params),
    )
    return strength, found
