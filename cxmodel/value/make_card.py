"""From fitted lifts to the card that travels without the data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import InsufficientDataError
from cxmodel.models.evidence import overall_evidence
from cxmodel.models.joint import joint_covariance
from cxmodel.results import Estimate, critical_value, to_plain
from cxmodel.value.card_format import CARD_VERSION
from cxmodel.value.lift_card import TERM, LiftCard

if TYPE_CHECKING:
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.tables.observation_table import Observations

Floats = NDArray[np.float64]
HOLDS_FOR = dt.timedelta(days=365)
POPULATION = (
    "Customers who had started and not left when they answered, each counted once however often "
    "they answered."
)


def make_lift_card(
    lifts: Sequence[LiftResult], obs: Observations, *, study: Mapping[str, Any] | None = None
) -> LiftCard:
    """Put one or two lifts of the same observations on a card.

    Parameters
    ----------
    lifts : sequence of LiftResult
        Of revenue, of retention or of both. Curve and KPI paths are those of the first that ran.
    obs : Observations
        What they were fitted to.
    study : mapping, optional
        What is said of the study: title, inputs and the like.

    Raises
    ------
    InsufficientDataError
        If none of the lifts has an estimate per rating point.

    Examples
    --------
    >>> from cxmodel.models.example import small_observations
    >>> from cxmodel.models.lift import LiftModel
    >>> obs = small_observations()
    >>> card = make_lift_card([LiftModel().fit(obs)], obs)
    >>> card.terms, card.observed_range
    (('revenue.per_rating_point',), (0.0, 10.0))
    """
    ran = [lift for lift in lifts if TERM in lift.influence]
    if not ran:
        raise InsufficientDataError("No lift per rating point was run, so there is no card.")
    names, values, covariance = joint_covariance(ran, (TERM,))
    first, found = ran[0], [lift.per_rating_point() for lift in ran]
    scale = first.scale
    content = {
        "schema_version": CARD_VERSION,
        "study": dict(study or {}),
        "outcome_days": _outcome_days(obs),
        "rating": {
            "name": obs.rating, "scale": scale.name, "low": scale.low, "high": scale.high,
        },
        "observed_range": [first.by_rating[0]["rating"], first.by_rating[-1]["rating"]],
        "terms": [f"{outcome}.{term}" for outcome, term in names],
        "coefficients": values.tolist(),
        "covariance": _covariance(covariance, found),
        "units": [part.unit for part in found],
        "critical_values": [_critical_value(part) for part in found],
        "n_obs_of_terms": [part.n_obs for part in found],
        "conf_level": first.conf_level,
        "n_obs": first.n_obs,
        "curve": list(first.by_rating),
        "curve_covariance": _curve_covariance(first),
        "kpi_paths": dict(first.per_kpi),
        "rating_counts": rating_counts(first.by_rating, first.n_obs, obs.min_group_size),
        "population": POPULATION,
        "n_customers": first.n_customers,
        "evidence": {
            **overall_evidence({lift.outcome: lift.evidence for lift in ran}).to_dict(),
            "by_outcome": {lift.outcome: lift.evidence.to_dict() for lift in ran},
        },
        "checks": [row for lift in ran for row in lift.check_rows()],
        "created_at": obs.as_of,
        "expires_at": None if obs.as_of is None else obs.as_of + HOLDS_FOR,
        "caveats": list(dict.fromkeys(said for lift in ran for said in lift.caveats)),
    }  # fmt: skip
    return LiftCard(content=to_plain(content))


def rating_counts(
    by_rating: Sequence[Mapping[str, Any]], n_obs: int, min_group_size: int
) -> list[dict[str, Any]]:
    """Count the responses at each rating; ratings that are suppressed stand together.

    Examples
    --------
    >>> rows = [{"rating": r, "n_obs": n} for r, n in ((0, None), (1, None), (2, 60), (3, 200))]
    >>> rating_counts(rows, 275, 30)
    [{'ratings': [0, 1, 2], 'n': 75}, {'ratings': [3], 'n': 200}]
    """
    shown = [(row["n_obs"], row["rating"]) for row in by_rating if row["n_obs"] is not None]
    hidden = [row["rating"] for row in by_rating if row["n_obs"] is None]
    n_hidden = n_obs - sum(n for n, _ in shown)
    while hidden and n_hidden < min_group_size and shown:
        smallest = min(shown)
        shown.remove(smallest)
        hidden.append(smallest[1])
        n_hidden += smallest[0]
    rows = [{"ratings": [rating], "n": n} for n, rating in shown]
    if hidden:
        rows.append({"ratings": sorted(hidden), "n": n_hidden})
    return sorted(rows, key=lambda row: row["ratings"][0])


def _covariance(covariance: Floats, found: Sequence[Estimate]) -> list[list[float]]:
    """Give the rows of the covariance; its diagonal gives the standard errors to the last digit."""
    symmetric = (covariance + covariance.T) / 2
    np.fill_diagonal(symmetric, [(part.std_error or 0.0) ** 2 for part in found])
    rows: list[list[float]] = symmetric.tolist()
    return rows


def _curve_covariance(lift: LiftResult) -> list[list[float]]:
    """Give the covariance of the adjusted means that are shown, in the order of the curve."""
    shown = [row["rating"] for row in lift.by_rating if not row["suppressed"]]
    psi = [lift.influence[f"by_rating.{rating:g}"] for rating in shown]
    columns = np.column_stack(psi) if psi else np.zeros((0, 0))
    covariance = columns.T @ columns
    rows: list[list[float]] = ((covariance + covariance.T) / 2).tolist()
    return rows


def _outcome_days(obs: Observations) -> int | None:
    """Give the days of the outcome window; None where a joined table does not say."""
    return obs.windows.outcome_days if "day" in obs.window_words else None


def _critical_value(found: Estimate) -> float:
    """Give how many standard errors an interval reaches to either side."""
    if not found.std_error or found.conf_high is None:
        return critical_value(found.conf_level)
    return (found.conf_high - found.estimate) / found.std_error
