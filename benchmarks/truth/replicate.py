"""One replication: draw a company, fit its lifts, write down what they said."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.truth.draws import observe, truths
from benchmarks.truth.worlds import FULL, WORLDS
from cxmodel.errors import CxModelError
from cxmodel.models.lift import LiftModel
from cxmodel.models.lift_result import LiftResult
from cxmodel.results import Estimate, NotRun

# An estimate, its standard error and the ends of its interval, or why there is none.
Figures = list[float] | str
# Estimators: what they are called here -> where they stand in a result, and whose truth they claim.
Place = tuple[Callable[[LiftResult, str], Figures], str, str]


def _terms(result: LiftResult, key: str) -> Figures:
    return _figures(result.terms.get(key, NotRun("no such estimator")))


def _paths(result: LiftResult, key: str) -> Figures:
    return _figures(result.per_kpi.get(key, NotRun("no such path")))


def _figures(found: Estimate | NotRun) -> Figures:
    if isinstance(found, NotRun):
        return found.reason
    return [found.estimate, found.std_error, found.conf_low, found.conf_high]


def _contrasts(result: LiftResult, key: str) -> Figures:
    """Give the flexible contrast of two adjacent bands, named "low_to_high"."""
    section = result.flexible_contrasts
    if isinstance(section, NotRun):
        return section.reason
    row = next(row for row in section["rows"] if f"{row['from']}_to_{row['to']}" == key)
    return [row[name] for name in ("estimate", "std_error", "conf_low", "conf_high")]


ESTIMATORS: dict[str, Place] = {
    "per_rating_point": (_terms, "per_rating_point", "base"),
    "unadjusted": (_terms, "unadjusted_per_rating_point", "base"),
    "additive": (_terms, "additive_per_rating_point", "variance"),
    "weighted": (_terms, "weighted_per_rating_point", "base"),
    "unweighted": (_terms, "unweighted_per_rating_point", "base"),
    "plus_one_below_top": (_terms, "plus_one_below_top", "plus_one"),
    "uniform_shift": (_paths, "uniform_shift", "uniform_shift"),
    "detractor_to_promoter": (_paths, "detractor_to_promoter", "detractor_to_promoter"),
    "percent": (_terms, "percent_per_rating_point", "percent"),
    "two_part": (_terms, "two_part_per_rating_point", "base"),
    "within_customer": (_terms, "within_customer_per_rating_point", "within"),
    "flexible": (_terms, "flexible_per_rating_point", "variance"),
    "flexible_to_passive": (_contrasts, "detractor_to_passive", "to_passive"),
    "flexible_to_promoter": (_contrasts, "passive_to_promoter", "to_promoter"),
    "reliability_corrected": (_terms, "reliability_corrected_per_rating_point", "base"),
    "winsorised": (_terms, "winsorised_per_rating_point", "base"),
}
# Estimators that are not closed forms: fitted in every fifth replication, and judged more widely.
EVERY = 5
SLOW = ("flexible", "flexible_to_passive", "flexible_to_promoter")
LARGE = 400_000
"""Customers of the draw from which the truth is read."""


def seed_of(world: str, shift: int, number: int) -> np.random.SeedSequence:
    """Give every replication of every world its own random numbers."""
    return np.random.SeedSequence([zlib.crc32(world.encode()), shift, number])


@lru_cache(maxsize=4)
def truth_of(world: str, shift: int) -> dict[str, float]:
    """Give the truth of every estimand of a world, from one large draw of it."""
    entry = WORLDS[world]
    rng = np.random.default_rng(seed_of(world, shift, 10**6))
    # where customers answer often, fewer of them make as many rows
    n = LARGE // entry.answers
    return truths(entry.make(rng, n, entry.strengths[shift]))


# few words are quicker kept as plain ones: the same numbers in a sixth less time
@pd.option_context("mode.string_storage", "python")
def replicate(world: str, shift: int, number: int) -> dict[str, Any]:
    """Draw one company of a world and fit its lifts.

    Parameters
    ----------
    world : str
        A key of `WORLDS`.
    shift : int
        Nominal standard errors by which the headline is moved.
    number : int
        Of the replication; it is the seed.

    Returns
    -------
    dict
        ``terms``: estimator -> [estimate, standard error, low, high]; ``checks``: name -> verdict;
        ``grades``; ``not_run``: estimator -> reason; ``errors``: outcome -> message. Names begin
        with the outcome and a dot.
    """
    entry = WORLDS[world]
    rng = np.random.default_rng(seed_of(world, shift, number))
    draw = entry.make(rng, entry.n_customers, entry.strengths[shift])
    obs = observe(draw, rng)
    row: dict[str, Any] = {
        "world": world, "shift": shift, "seed": number, "terms": {}, "checks": {}, "grades": {},
        "not_run": {}, "errors": {},
    }  # fmt: skip
    left_out = slow_left_out(number)
    for outcome in entry.outcomes:
        _fit(row, obs, outcome, {**draw.settings, **left_out})
        if entry.vouched_for:
            _fit_vouched(row, obs, outcome, {"flexible": False, "keep": (entry.vouched_for,)})
    return row


def slow_left_out(number: int) -> dict[str, bool]:
    """Leave slow estimators out of most replications, by the setting that the lift model has."""
    return {"flexible": False} if number % EVERY else {}


def _fit(row: dict[str, Any], obs: Any, outcome: Any, settings: Mapping[str, Any]) -> None:
    try:
        result = LiftModel(outcome=outcome, **settings).fit(obs)
    except CxModelError as error:
        row["errors"][outcome] = f"{type(error).__name__}: {error}"
        return
    for name, (part, key, _) in ESTIMATORS.items():
        found = part(result, key)
        if not isinstance(found, str):
            row["terms"][f"{outcome}.{name}"] = found
        elif not (name in SLOW and settings.get("flexible") is False):
            row["not_run"][f"{outcome}.{name}"] = found
    for check in result.checks:
        row["checks"][f"{outcome}.{check.name}"] = check.verdict
    row["grades"][outcome] = result.evidence.grade


def _fit_vouched(row: dict[str, Any], obs: Any, outcome: Any, settings: Mapping[str, Any]) -> None:
    """Fit with the leak held equal, to say by how much it would have moved the headline."""
    found = _terms(LiftModel(outcome=outcome, **settings).fit(obs), "per_rating_point")
    if not isinstance(found, str):
        row["terms"][f"{outcome}.with_leak"] = found


def shifts_of(world: str) -> tuple[int, ...]:
    """List the nominal shifts of a world, the full one first."""
    return (FULL, *(shift for shift in WORLDS[world].strengths if shift != FULL))
