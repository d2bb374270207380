"""How noisy one answer is: as stated, from repeats with nothing between them, or from items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import ConfigError, nearest
from cxmodel.models.estimation import Quantity
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.lift_settings import Reliability
from cxmodel.models.say import listed
from cxmodel.results import NotRun
from cxmodel.stats.linear import fit_least_squares
from cxmodel.stats.reliability import Share, omega_of_rows, pair_correlation
from cxmodel.stats.sandwich import cluster_sums
from cxmodel.tables.joining.repeats import REPEAT_DAYS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STATED = "lift.reliability"
# Fewer customers who answered twice say little of how noisy an answer is.
MIN_REPEATERS = 30
MICROSECONDS_PER_DAY = 86_400_000_000
FORMS = (
    "State lift.reliability: a number, { mean, sd }, { within_days = 30 } for customers who "
    'answered twice, or { items = ["q1", "q2"] } for several questions.'
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Noise:
    """What is known of the noise in one answer.

    Parameters
    ----------
    reliability : Quantity
        Share of the variance of one answer that is no noise.
    said : str
        Where it comes from, in words.
    n_repeats : int, optional
        Pairs of answers behind it, where it comes from repeats.
    """

    reliability: Quantity
    said: str
    n_repeats: int | None = None


def check_reliability(value: Reliability | None) -> None:
    """Refuse a reliability that is stated in no known form.

    Raises
    ------
    ValueError
        Saying what the forms are.

    Examples
    --------
    >>> check_reliability(0.7)
    >>> check_reliability(1.7)
    Traceback (most recent call last):
        ...
    ValueError: lift.reliability = 1.7 must lie above 0 and be at most 1.
    """
    if value is None:
        return
    if not isinstance(value, Mapping):
        _check_share(value)
    elif set(value) == {"mean", "sd"}:
        _check_share(value["mean"])
        if not _is_number(value["sd"]) or not value["sd"] >= 0:
            raise ValueError(
                "The sd of lift.reliability must be a number and not negative, not "
                f"{value['sd']!r}."
            )
    elif set(value) == {"within_days"}:
        if not _is_number(value["within_days"]) or not value["within_days"] > 0:
            raise ValueError(
                f"lift.reliability: within_days must be positive, not {value['within_days']!r}."
            )
    elif set(value) != {"items"} or not _is_list(value["items"]) or len(value["items"]) < 2:
        raise ValueError(f"lift.reliability is {dict(value)}. {FORMS}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _check_share(value: Any) -> None:
    if isinstance(value, (bool, str)) or not 0 < value <= 1:
        raise ValueError(f"lift.reliability = {value} must lie above 0 and be at most 1.")


# -- Where the reliability comes from ------------------------------------------------------------


def answer_noise(fit: LiftFit) -> Noise | NotRun:
    """Find how reliable one answer is: as stated, from repeats, or from several items."""
    stated = fit.settings.reliability
    if stated is None:
        return NotRun(_not_stated(fit))
    if not isinstance(stated, Mapping):
        return _as_stated(fit, float(stated), 0.0)
    if "mean" in stated:
        return _as_stated(fit, float(stated["mean"]), float(stated["sd"]))
    if "within_days" in stated:
        return from_repeats(fit, float(stated["within_days"]))
    return from_items(fit, tuple(stated["items"]))


def _not_stated(fit: LiftFit) -> str:
    n_more = fit.sample.n_obs - fit.sample.n_in_sample
    repeats = f" {n_more:,} of the answers here repeat a customer's." if n_more else ""
    return f"nobody said how noisy one answer is.{repeats} {FORMS[:-1]}"


def _as_stated(fit: LiftFit, mean: float, sd: float) -> Noise:
    nobody = np.zeros(len(fit.customers))
    found = Quantity(mean, nobody, fit.sample.n_obs, stated={STATED: sd} if sd else {})
    give_or_take = f", give or take {sd:g}" if sd else ""
    return Noise(reliability=found, said=f"as stated ({mean:g}{give_or_take})")


def from_repeats(fit: LiftFit, within_days: float) -> Noise | NotRun:
    """Give the intraclass correlation of a customer's answers with nothing between them.

    A repeat is an answer and the customer's next one at the same touchpoint, at most `within_days`
    later, with no contact and no booking from the first up to the second. Every customer counts
    once, shared among the pairs.

    Parameters
    ----------
    fit : LiftFit
        Its rows, and their customers.
    within_days : float
        At most `REPEAT_DAYS` where bookings are known: further back none is looked for.
    """
    frame = fit.frame
    if "responded_at" not in frame or not fit.sample.is_clustered:
        return NotRun("no customer answered more than once, or nothing says when they answered")
    if "_days_since_booking" in frame and within_days > REPEAT_DAYS:
        return NotRun(
            f"lift.reliability.within_days is {within_days:g}, and bookings between two answers "
            f"are looked for up to {REPEAT_DAYS} days apart. State {REPEAT_DAYS} or less"
        )
    pairs = _pairs(fit, within_days)
    owners = fit.codes[fit.rows][pairs.first]
    n_owners = np.unique(owners).size
    if n_owners < MIN_REPEATERS:
        return NotRun(
            f"{n_owners:,} customers answered again within {within_days:g} days {pairs.said}, "
            f"fewer than {MIN_REPEATERS}. State a longer time, or the reliability itself"
        )
    weights = 1.0 / np.bincount(owners)[owners]
    rating = fit.sample.rating
    try:
        share = pair_correlation(rating[pairs.first], rating[pairs.second], weights / weights.sum())
    except ValueError:
        return NotRun("everybody who answered twice gave one and the same rating")
    found = _quantity(share, owners, len(fit.customers))
    said = (
        f"from {len(owners):,} pairs of answers of {n_owners:,} customers within {within_days:g} "
        f"days of each other {pairs.said}"
    )
    return Noise(reliability=found, said=said, n_repeats=len(owners))


@dataclass(frozen=True, eq=False)
class _Pairs:
    first: Ints
    second: Ints
    said: str


def _pairs(fit: LiftFit, within_days: float) -> _Pairs:
    """Find positions of an answer and the customer's next one with nothing between them."""
    frame = fit.frame
    at = frame["responded_at"].to_numpy(dtype="datetime64[us]").astype(np.int64)
    touchpoints = frame["touchpoint"] if "touchpoint" in frame else pd.Series("", frame.index)
    places = pd.factorize(touchpoints, use_na_sentinel=False)[0]
    owners = fit.codes[fit.rows]
    order = np.lexsort((at, places, owners))
    first, second = order[:-1], order[1:]
    days = (at[second] - at[first]) / float(MICROSECONDS_PER_DAY)
    # at one moment it is the same answer, stored twice
    is_pair = (owners[first] == owners[second]) & (places[first] == places[second]) & (days > 0)
    is_pair &= days <= within_days
    known, unknown = [], []
    for column, what in (("days_since_contact", "contact"), ("_days_since_booking", "booking")):
        if column not in frame:
            unknown.append(f"{what}s")
            continue
        since = frame[column].to_numpy(dtype=float, na_value=np.nan)[second]
        # a missing number is no contact, and compares as false
        is_pair &= ~(since <= days)
        known.append(what)
    said = [f"with no {' or '.join(known)} between them"] if known else []
    said += [f"({' and '.join(unknown)} are not known)"] if unknown else []
    return _Pairs(first[is_pair], second[is_pair], " ".join(said))


def from_items(fit: LiftFit, items: tuple[str, ...]) -> Noise | NotRun:
    """Give McDonald's omega of the rating, from several questions that ask the same.

    Where the rating is one of the items, it is the share of that item which the common factor
    explains; where it is a sum or mean of them, that of the sum. Omega of a sum would be too high
    for one of its items.

    Raises
    ------
    ConfigError
        If an item is no rating of the table.
    """
    columns = [_item_column(fit, key) for key in items]
    answers = fit.frame[columns].to_numpy(dtype=float, na_value=np.nan)
    whole = np.isfinite(answers).all(axis=1)
    n_customers = np.unique(fit.codes[fit.rows][whole]).size
    if n_customers < MIN_REPEATERS:
        return NotRun(
            f"{n_customers:,} customers answered all of {listed(items)}, fewer than {MIN_REPEATERS}"
        )
    answers, share = answers[whole], fit.sample.share[whole] / fit.sample.share[whole].sum()
    sum_weights = _sum_weights(columns, answers, fit.sample.rating[whole])
    if sum_weights is None:
        return NotRun(
            f"the rating is neither one of {listed(items)} nor a sum of them, so they do not tell "
            "how noisy it is"
        )
    try:
        found = omega_of_rows(answers, sum_weights, share)
    except ValueError as error:
        return NotRun(str(error).rstrip("."))
    quantity = _quantity(found, fit.codes[fit.rows][whole], len(fit.customers), n_obs=len(answers))
    said = f"from {listed(items)}, answered together {len(answers):,} times (McDonald's omega)"
    return Noise(reliability=quantity, said=said)


def _item_column(fit: LiftFit, key: str) -> str:
    column = "rating" if key == fit.obs.rating else f"rating_{key}"
    if column not in fit.obs.frame:
        known = [str(fit.obs.rating), *(n.removeprefix("rating_") for n in fit.obs.other_ratings)]
        raise ConfigError(
            f"lift.reliability.items: there is no rating {key!r}. {nearest(key, known)}"
        )
    return column


def _sum_weights(columns: list[str], answers: Floats, rating: Floats) -> Floats | None:
    """Say how the rating is made of the items; None where it is not."""
    if "rating" in columns:
        return np.array([float(column == "rating") for column in columns])
    design = np.column_stack([np.ones(len(answers)), answers])
    fit = fit_least_squares(design, rating)
    spread = float(np.sum((rating - rating.mean()) ** 2))
    if float(np.sum(fit.residuals**2)) > 1e-6 * spread:
        return None
    return np.asarray(fit.coefficients[1:])


def _quantity(share: Share, owners: Ints, n_customers: int, n_obs: int | None = None) -> Quantity:
    """Sum the pulls of rows within customers."""
    n_owners = np.unique(owners).size
    factor = math.sqrt(n_owners / (n_owners - 1))
    influence = factor * cluster_sums(share.influence, owners, n_customers)
    return Quantity(float(share.value), influence, n_obs or len(owners))
